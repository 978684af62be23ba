"""Specific absorbed fractions of photons and electrons, and emission spectra folded with them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from dosimetry.anatomy import SEXES
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, FloatArray, Nuclide

MARROW_MODELS = ("olinda2", "icrp133")
"""Names of the marrow models: where the electron S values of red marrow come from."""

ALPHA_ABSORBED_FRACTION = {
    ("olinda2", "marrow"): 1.0,
    ("olinda2", "trabecular_bone"): 0.5,
    ("icrp133", "marrow"): 0.516,
    ("icrp133", "blood"): 0.0336,
    ("icrp133", "trabecular_bone"): 0.0200,
    ("icrp133", "trabecular_bone_surface"): 0.137,
}
"""Absorbed fraction of alpha particles in red marrow by marrow model and source region.

Of the energy of alpha particles and recoil nuclei, without RBE: from the values for Ra-223 alone
of OLINDA/EXM 2.2 (printed times 5) and of ICRP 133 (times 20).
"""

OSTEOGENIC_ALPHA_SAF_PER_KG = {
    "marrow": 0.749,
    "trabecular_bone": 2.007,
    "cortical_bone": 2.062,
}
"""Specific absorbed fraction (1/kg) of alpha particles in osteogenic cells by source region.

From the values for At-211 of OLINDA/EXM 2.2, the same for men and women.
"""

_KEYS = {"photon": 3, "electron": 4}  # columns that name a pair, before the knots
_Pair = tuple[str, str]


@dataclass(frozen=True, eq=False)
class _Knots:
    """Absorbed fractions of all pairs as log-log linear functions on common knots."""

    log_mev: FloatArray
    log_saf: FloatArray  # (n_knots, n_pairs)
    index: dict[tuple[str, ...], int]

    def fold(self, energy_mev: FloatArray, weight: FloatArray) -> FloatArray:
        """Sum of weight times absorbed fraction over a spectrum, for every pair."""
        folded: FloatArray = weight @ np.exp(self._interpolation(energy_mev) @ self.log_saf)
        return folded

    def saf(self, key: tuple[str, ...], energy_mev: FloatArray) -> FloatArray:
        """Specific absorbed fraction of one pair (1/kg)."""
        curve: FloatArray = np.exp(
            np.interp(np.log(energy_mev), self.log_mev, self.log_saf[:, self.index[key]])
        )
        return curve

    def _interpolation(self, energy_mev: FloatArray) -> FloatArray:
        knots = self.log_mev
        place = np.clip(np.log(energy_mev), knots[0], knots[-1])
        left = np.clip(np.searchsorted(knots, place) - 1, 0, len(knots) - 2)
        share = (place - knots[left]) / (knots[left + 1] - knots[left])
        matrix = np.zeros((len(place), len(knots)))
        rows = np.arange(len(place))
        matrix[rows, left] = 1 - share
        matrix[rows, left + 1] = share
        return matrix


def specific_absorbed_fraction(
    target: str,
    source: str,
    energy_mev: npt.ArrayLike,
    *,
    sex: str,
    radiation: str = "photon",
    marrow_model: str = "olinda2",
) -> FloatArray:
    r"""Specific absorbed fraction :math:`\Phi(T \leftarrow S; E)` (1/kg).

    Parameters
    ----------
    target, source : str
        Regions, as in `s_value_table`.
    energy_mev : array_like
        Energy of the photons or electrons (MeV).
    sex : {"male", "female"}
        Reference adult.
    radiation : {"photon", "electron"}
        Electrons: pairs whose absorbed fraction depends on energy, a solid organ to itself and
        the skeletal ones.
    marrow_model : {"olinda2", "icrp133"}
        For electrons in red marrow.

    Raises
    ------
    DosimetryError
        If there is no such pair, or an energy is not positive.

    Notes
    -----
    DERIVED: linear between knots in log energy and log fraction, constant beyond the outer knots
    (photons 10 keV to 6 MeV, electrons 1 keV to 3 MeV). See ``data/SOURCES.md``.

    Examples
    --------
    >>> fraction = specific_absorbed_fraction("kidneys", "kidneys", [0.03, 0.3], sex="male") * 0.31
    >>> fraction.round(2).tolist()
    [0.31, 0.08]
    """
    if radiation not in _KEYS:
        raise DosimetryError(f"radiation must be one of {tuple(_KEYS)}, got {radiation!r}")
    energy = np.asarray(energy_mev, dtype=np.float64)
    if not (np.isfinite(energy).all() and (energy > 0).all()):
        raise DosimetryError(f"energies must be positive, got {energy_mev!r} MeV")
    knots = _knots(radiation)
    models = (marrow_model, "any") if radiation == "electron" else (None,)
    for model in models:
        key = (sex, target, source) if model is None else (model, sex, target, source)
        if key in knots.index:
            return knots.saf(key, energy)
    known = ", ".join(sorted({f"{k[-2]} <- {k[-1]}" for k in knots.index}))
    raise DosimetryError(
        f"no {radiation} absorbed fraction {target} <- {source} ({sex}, {marrow_model}); "
        f"known: {known}"
    )


def saf_fit_error(target: str, source: str, *, sex: str) -> tuple[float, float]:
    """Error of the S values from the photon fit of a pair, leaving one nuclide out at a time.

    Returns
    -------
    median, worst : float
        Relative error of the value predicted for the nuclide left out: median of the size, and
        the largest with its sign. The worst is mostly Tb-161, which alone has its photons below
        60 keV: without it the fit extrapolates.

    Examples
    --------
    >>> saf_fit_error("kidneys", "liver", sex="male")
    (0.015, 0.237)
    """
    errors = _photon_errors()
    if (sex, target, source) not in errors:
        raise DosimetryError(f"no photon absorbed fraction {target} <- {source} ({sex})")
    return errors[sex, target, source]


@cache
def photon_parts(emitter: Nuclide) -> dict[str, dict[_Pair, float]]:
    """Photon parts of the S values (Gy/(MBq h)) by sex and (target, source)."""
    knots = _knots("photon")
    energy, weight = _positive(emitter.photon_lines)
    folded = knots.fold(energy, weight)
    parts: dict[str, dict[_Pair, float]] = {sex: {} for sex in SEXES}
    for (sex, target, source), i in knots.index.items():
        parts[sex][target, source] = float(folded[i])
    return parts


@cache
def electron_parts(emitter: Nuclide) -> dict[tuple[str, str], dict[_Pair, float]]:
    """Electron parts (Gy/(MBq h)) by (marrow model or "any", sex) and (target, source)."""
    knots = _knots("electron")
    energy, weight = _positive(electron_spectrum(emitter))
    folded = knots.fold(energy, weight)
    parts: dict[tuple[str, str], dict[_Pair, float]] = {}
    for (model, sex, target, source), i in knots.index.items():
        parts.setdefault((model, sex), {})[target, source] = float(folded[i])
    return parts


def electron_spectrum(emitter: Nuclide) -> FloatArray:
    """Electrons of all kinds as lines, shape (n, 2): energy (MeV) and number per decay.

    The beta spectrum becomes one line a point, weighted by the trapezoidal rule: its mean energy
    per decay is exact. Where the decay data have no spectrum, the branches stand at their means.
    """
    spectrum = emitter.beta_spectrum
    if not len(spectrum):
        beta = np.concatenate([emitter.lines[kind] for kind in ("beta", "delayed_beta")])
        return np.concatenate([beta, emitter.electron_lines])
    energy, density = spectrum.T
    width = np.zeros(len(energy))
    width[1:] += 0.5 * np.diff(energy)
    width[:-1] += 0.5 * np.diff(energy)
    return np.concatenate([np.column_stack([energy, density * width]), emitter.electron_lines])


def _positive(lines: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Energies (MeV) above zero, and energy per time-integrated activity (Gy kg/(MBq h))."""
    lines = lines[lines[:, 0] > 0]
    return lines[:, 0], lines.prod(axis=1) * GY_KG_PER_MBQ_H_PER_MEV


@cache
def _table(radiation: str) -> tuple[list[str], list[list[str]]]:
    with (files("dosimetry") / "data" / f"saf_{radiation}.csv").open() as lines:
        header, *rows = csv.reader(lines)
    return header, rows


@cache
def _knots(radiation: str) -> _Knots:
    header, rows = _table(radiation)
    first = _KEYS[radiation]
    last = first + sum(name[0].isdigit() for name in header)
    saf = np.array([[float(cell) for cell in row[first:last]] for row in rows])
    return _Knots(
        np.log([float(name) for name in header[first:last]]),
        np.log(saf).T,
        {tuple(row[:first]): i for i, row in enumerate(rows)},
    )


@cache
def _photon_errors() -> dict[tuple[str, ...], tuple[float, float]]:
    header, rows = _table("photon")
    median, worst = header.index("median_error_pct"), header.index("worst_error_pct")
    return {tuple(row[:3]): (float(row[median]) / 100, float(row[worst]) / 100) for row in rows}
