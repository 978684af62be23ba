"""Monte Carlo of the particles that hit a cell nucleus in blood."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from dosimetry import DosimetryError
from dosimetry.chains import RadiationSource
from dosimetry.nuclides import Nuclide
from dosimetry.transport.emissions import emissions, members
from kinetics.cores import on_all_cores
from radiobio.checks import check_whole, number
from radiobio.damage.alpha_tracks import GY_PER_KEV_UM3
from radiobio.errors import RadiobioError
from radiobio.tracks import _columns as col
from radiobio.tracks.spectrum import PARTICLES, HitSpectrum
from radiobio.tracks.stopping import (
    ALPHA_MEV,
    ELECTRON_MEV,
    alpha_tables,
    checked_energy,
    electron_tables,
)

FloatArray = npt.NDArray[np.float64]

NUCLEUS_RADIUS_UM = 3.1
"""Nucleus of a lymphocyte (Salas-Ramirez 2023, doi:10.1016/j.zemedi.2023.07.007, abstract)."""
CELL_RADIUS_UM = 3.75
"""A lymphocyte (same source)."""
REGIONS = ("blood", "outside_cell", "nucleus", "cytoplasm", "cell_surface")
"""Where decays happen: all around and in the cell, around it only, or in a part of the cell."""

TRACK_ASSUMPTIONS = (
    "ASSUMED: nucleus, cell and blood are water of 1 g/ml; the nucleus is a sphere in the middle",
    "ASSUMED: each particle is an event of its own, also when one decay emits several",
    "ASSUMED: gamma and x rays and the recoil of nuclei do not count",
    "ASSUMED: alpha particles go straight and lose energy without fluctuation",
    "ASSUMED: electrons lose energy by the Bethe formula down to 1 keV and stop there; those set "
    "free with more than 1 keV are followed",
)
"""What the Monte Carlo of hits takes for granted."""

_LARGEST_UM = 20.0
_LET_GO = 8.0  # radii from the centre at which a track that came from far away is let go
_KEV_PER_MEV = 1e3


def simulate_hits(
    source: RadiationSource,
    *,
    rng: np.random.Generator,
    nucleus_radius_um: float = NUCLEUS_RADIUS_UM,
    cell_radius_um: float = CELL_RADIUS_UM,
    region: str = "blood",
    n_histories: int = 200_000,
) -> HitSpectrum:
    r"""Hits of a cell nucleus by the electrons and alpha particles of a nuclide or chain.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays; a name stands for the nuclide without its progeny.
    rng : numpy.random.Generator
        Same numbers for the same state, whatever the number of cores.
    nucleus_radius_um, cell_radius_um : float
        Radii of the nucleus and of the cell around it (um).
    region : str
        ``"blood"``: decays evenly everywhere, cell included. ``"outside_cell"``: nowhere in the
        cell. ``"nucleus"``, ``"cytoplasm"``, ``"cell_surface"``: in that part of the cell only.
    n_histories : int
        Histories of each kind of particle.

    Returns
    -------
    HitSpectrum
        With hits per gray of the blood (in blood), or per decay (in the cell).

    Raises
    ------
    RadiobioError
        If a radius, the region or the number of histories is not legal, or nothing hits.

    Notes
    -----
    Sources all around: a point is drawn on a track, evenly in the energy lost, and put evenly in
    the nucleus. That draws events in proportion to their energy (Kellerer's weighted sampling),
    so one with specific energy z has the weight 1/z, and hits per gray are the mean of 1/z. From
    the point the track is followed onwards and back to its source, with the electrons it sets
    free; where the point lies on one of those, back through its parents. The mean dose of nuclei
    in evenly active blood is the blood dose by construction.

    Sources in the cell: each history starts at its source and gives one event or none.

    Electrons are scattered by deflections with the first transport coefficient of elastic and
    inelastic scattering (and the second below some 5 keV).

    References
    ----------
    Kellerer AM. Fundamentals of microdosimetry. In: The Dosimetry of Ionizing Radiation, vol. 1.
    Academic Press 1985. ICRU Report 36, Microdosimetry (1983).

    Examples
    --------
    >>> hits = simulate_hits("Ra-223", rng=np.random.default_rng(1), n_histories=20_000)
    >>> 0.5 < hits.particle("alpha").z_f_gy < 0.65  # one alpha particle gives about 0.6 Gy
    True
    """
    name, bins = source_bins(source)
    return _simulate(name, bins, rng, nucleus_radius_um, cell_radius_um, region, n_histories)


def simulate_particle_hits(
    particle: str,
    energy_mev: float,
    *,
    rng: np.random.Generator,
    nucleus_radius_um: float = NUCLEUS_RADIUS_UM,
    cell_radius_um: float = CELL_RADIUS_UM,
    region: str = "blood",
    n_histories: int = 200_000,
) -> HitSpectrum:
    """Hits of a cell nucleus by particles that all start with one energy.

    Parameters
    ----------
    particle : str
        ``"electron"`` or ``"alpha"``.
    energy_mev : float
        Kinetic energy (MeV): electrons 1e-5 to 10, alpha particles 0.001 to 12.
    rng, nucleus_radius_um, cell_radius_um, region, n_histories
        As in `simulate_hits`; a decay emits one particle.

    Returns
    -------
    HitSpectrum

    Raises
    ------
    RadiobioError
        As `simulate_hits`, or if the particle is unknown or its energy out of range.

    Examples
    --------
    >>> hits = simulate_particle_hits(
    ...     "alpha", 8.0, nucleus_radius_um=1.0, rng=np.random.default_rng(1), n_histories=20_000
    ... )
    >>> textbook = 0.204 * hits.mean_let_kev_um / 2.0**2  # short chords
    >>> bool(abs(hits.z_f_gy / textbook - 1) < 0.1)
    True
    """
    if particle not in PARTICLES:
        raise RadiobioError(f"particle must be one of {PARTICLES}, got {particle!r}")
    limits = ALPHA_MEV if particle == "alpha" else ELECTRON_MEV
    plural = "alpha particles" if particle == "alpha" else "electrons"
    energy = float(checked_energy(number(energy_mev, "energy_mev"), limits, plural)) * _KEV_PER_MEV
    bins = {particle: np.array([[energy, energy, 1.0]])}
    name = f"{particle} {energy / _KEV_PER_MEV:g} MeV"
    return _simulate(name, bins, rng, nucleus_radius_um, cell_radius_um, region, n_histories)


def source_bins(source: RadiationSource) -> tuple[str, dict[str, FloatArray]]:
    """Name, and for each kind of particle bins: lowest and highest energy (keV), number a decay."""
    try:
        name, nuclides = members(source)
    except DosimetryError as error:
        raise RadiobioError(str(error)) from error
    found = emissions(nuclides, "electrons")
    share = np.diff(found.bins[:, col.CUMULATIVE], prepend=0.0)
    low, high = found.bins[:, col.LOWER], found.bins[:, col.UPPER]
    number = found.energy_mev * share / np.maximum((low + high) / 2, 1e-12)
    electrons = np.column_stack([low * _KEV_PER_MEV, high * _KEV_PER_MEV, number])
    bins = {"electron": electrons[number > 0], "alpha": _alpha_lines(nuclides)}
    return name, {kind: table for kind, table in bins.items() if len(table)}


def _alpha_lines(nuclides: Sequence[tuple[Nuclide, float]]) -> FloatArray:
    tables = [member.lines["alpha"] * [1.0, decays] for member, decays in nuclides]
    energy, number = np.concatenate(tables).T
    energy = checked_energy(energy, ALPHA_MEV, "alpha particles") * _KEV_PER_MEV
    return np.asarray(np.column_stack([energy, energy, number])[number > 0])


def _simulate(
    name: str,
    bins: dict[str, FloatArray],
    rng: np.random.Generator,
    nucleus_radius_um: float,
    cell_radius_um: float,
    region: str,
    n_histories: int,
) -> HitSpectrum:
    settings = _settings(nucleus_radius_um, cell_radius_um, region)
    check_whole(n_histories, "n_histories", least=100)
    energy = {kind: float(table[:, :2].mean(axis=1) @ table[:, 2]) for kind, table in bins.items()}
    if sum(energy.values()) <= 0:
        raise RadiobioError(f"{name} emits neither electrons nor alpha particles: nothing can hit")
    in_cell = settings[col.SHELL] > 0
    per_kev = GY_PER_KEV_UM3 / (4 / 3 * np.pi * nucleus_radius_um**3)
    parts = []
    for kind, table in bins.items():
        seeds = rng.integers(2**63, size=n_histories, dtype=np.uint64)
        out = _run(kind, table, settings, seeds)
        hit = (out[:, col.EXPECTED] > 0) & (out[:, col.ALLOWED] > 0)
        out = out[hit]
        if in_cell:
            weight = energy[kind] / out[:, col.STARTED]
        else:
            share = energy[kind] / sum(energy.values())
            weight = share / (out[:, col.EXPECTED] * per_kev)
        index = np.full(len(out), PARTICLES.index(kind))
        parts.append((out[:, col.IMPARTED] * per_kev, weight / n_histories, index))
    z_gy, weight, index = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not len(z_gy):
        raise RadiobioError(f"none of {n_histories} histories of {name} hit: raise n_histories")
    return HitSpectrum(
        name, region, nucleus_radius_um, cell_radius_um, z_gy, weight, index,
        _mean_let(bins), n_histories, "ok", TRACK_ASSUMPTIONS,
    )  # fmt: skip


def _settings(nucleus_radius_um: float, cell_radius_um: float, region: str) -> FloatArray:
    if region not in REGIONS:
        raise RadiobioError(f"region must be one of {REGIONS}, got {region!r}")
    nucleus, cell = (
        number(nucleus_radius_um, "nucleus_radius_um"),
        number(cell_radius_um, "cell_radius_um"),
    )
    if not 0 < nucleus <= cell <= _LARGEST_UM:
        raise RadiobioError(
            "radii must satisfy 0 < nucleus_radius_um <= cell_radius_um <= "
            f"{_LARGEST_UM:g}, got {nucleus_radius_um!r} and {cell_radius_um!r}"
        )
    if region == "cytoplasm" and nucleus_radius_um == cell_radius_um:
        raise RadiobioError("there is no cytoplasm when the nucleus fills the cell")
    settings = np.zeros(col.N_SETTINGS)
    settings[col.RADIUS] = nucleus_radius_um
    settings[col.FAR] = _LET_GO * cell_radius_um
    if region == "outside_cell":
        settings[col.EMPTY] = cell_radius_um
    shells = {
        "nucleus": (0.0, nucleus_radius_um),
        "cytoplasm": (nucleus_radius_um, cell_radius_um),
        "cell_surface": (cell_radius_um, cell_radius_um),
    }
    if region in shells:
        settings[col.SHELL] = 1.0
        settings[[col.INNER, col.OUTER]] = shells[region]
    return settings


def _run(
    kind: str, table: FloatArray, settings: FloatArray, seeds: npt.NDArray[np.uint64]
) -> FloatArray:
    """Histories of one kind of particle, shape (n_histories, N_OUT)."""
    if kind == "alpha":
        from radiobio.tracks._alpha_kernels import follow_alphas as follow

        tables = alpha_tables()
    else:
        from radiobio.tracks._electron_kernels import follow_electrons as follow

        tables = electron_tables(float(table[:, 1].max()) / _KEV_PER_MEV)
    energy = table[:, :2].mean(axis=1) * table[:, 2]
    source = np.column_stack([np.cumsum(energy) / energy.sum(), table[:, 0], table[:, 1]])
    out = np.zeros((len(seeds), col.N_OUT))
    on_all_cores(len(seeds), partial(follow, *tables, source, settings, seeds, out))
    return out


def _mean_let(bins: dict[str, FloatArray]) -> dict[str, float]:
    """Energy per track length (keV/um) by kind of particle, from start to end of all tracks."""
    means = {}
    for kind, table in bins.items():
        tables = alpha_tables() if kind == "alpha" else electron_tables(table[:, 1].max() / 1e3)
        log_energy, reach = tables[1].T
        energy = table[:, :2].mean(axis=1)
        with np.errstate(divide="ignore"):
            path = np.interp(np.log(energy), log_energy, reach, left=0.0)
        length = float(path @ table[:, 2])
        means[kind] = float(energy @ table[:, 2]) / length if length > 0 else np.inf
    return means
