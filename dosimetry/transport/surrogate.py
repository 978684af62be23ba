"""Point kernels of any nuclide in milliseconds, learned from the Monte Carlo."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dosimetry.chains import Emitter, RadiationSource, emitter_of
from dosimetry.errors import DosimetryError
from dosimetry.transport.electrons import csda_range
from dosimetry.transport.emissions import (
    RADIATIONS,
    alpha_energy_mev,
    check_radiations,
    emissions,
    members,
)
from dosimetry.transport.photons import photon_cross_sections
from dosimetry.transport.point_kernel import PointKernel

FloatArray = npt.NDArray[np.float64]

KERNEL_ASSUMPTIONS = (
    "point kernels in water from a regression on the Monte Carlo of this package, electrons from"
    " 5 keV and photons from 10 keV, both to 8 MeV",
    "ASSUMED: alpha particles, recoil nuclei and electrons below 5 keV stop where they are emitted"
    " (ranges below 0.1 mm and 1 um)",
    "ASSUMED: photons below 10 keV are absorbed where they first interact",
    "ASSUMED: positrons slow down like electrons and annihilate where they were emitted",
)
"""What `nuclide_kernel` takes for granted."""

FIELDS = ("limits_mev", "edges", "log_energy", "mean", "components", "dual", "length")
"""Arrays of a `KernelSurrogate`, as they stand in its file."""

_EDGES_CM = np.concatenate([[0.0], np.geomspace(1e-4, 100.0, 500)])
_NOTHING = np.zeros(len(_EDGES_CM) - 1)
_SOFTEST_MEV = 1e-3  # attenuation of softer photons is taken as at 1 keV: they go 3 um
_DATA = "point_kernel_surrogate.npz"


@dataclass(frozen=True, eq=False)
class KernelSurrogate:
    r"""Radial energy deposition of one kind of particle, as a function of its energy.

    Attributes
    ----------
    kind : {"electron", "photon"}
        Particle.
    limits_mev : ndarray, shape (2,)
        Lowest and highest energy it answers for (MeV).
    edges : ndarray, shape (k + 1,)
        Radii of shells in units of the particle's length: the range of an electron that slows
        down continuously, the mean free path of a photon.
    log_energy : ndarray, shape (n,)
        Logarithms of the energies trained on (MeV).
    mean : ndarray, shape (k + 1,)
        Mean root of the share of each shell; the last is all beyond.
    components : ndarray, shape (p, k + 1)
        Principal components of the roots.
    dual : ndarray, shape (n, p)
        Weights of the training energies in the score of each component.
    length : ndarray, shape (p,)
        Correlation length of each score in the logarithm of energy.

    Notes
    -----
    The share of the energy in shell k is :math:`p_k = q_k^2 / \sum_l q_l^2` with
    :math:`q = m + s(E)\,C`, so that shares are positive and sum to one: the cumulative share rises
    and ends at one. The scores :math:`s_j(E) = \sum_i d_{ij} \exp(-(\ln E - \ln E_i)^2 / 2 l_j^2)`
    are the means of Gaussian processes.
    """

    kind: str
    limits_mev: FloatArray
    edges: FloatArray
    log_energy: FloatArray
    mean: FloatArray
    components: FloatArray
    dual: FloatArray
    length: FloatArray

    def shares(self, energy_mev: npt.ArrayLike) -> FloatArray:
        """Share of the energy absorbed in each shell and beyond, shape (n, k + 1).

        Parameters
        ----------
        energy_mev : array_like, shape (n,)
            Energies (MeV).

        Raises
        ------
        DosimetryError
            If an energy lies outside the limits.
        """
        energy = np.asarray(energy_mev, dtype=np.float64).ravel()
        low, high = self.limits_mev
        if not ((energy >= low) & (energy <= high)).all():
            raise DosimetryError(
                f"the {self.kind} kernel covers {low:g} to {high:g} MeV, got {energy.min():.4g} to "
                f"{energy.max():.4g} MeV; electron_point_kernel and photon_point_kernel compute "
                "other energies by Monte Carlo"
            )
        apart = np.log(energy)[:, None, None] - self.log_energy[:, None]
        scores = (np.exp(-0.5 * (apart / self.length) ** 2) * self.dual).sum(axis=1)
        squares = (self.mean + scores @ self.components) ** 2
        return np.asarray(squares / squares.sum(axis=1, keepdims=True))

    def absorbed_fraction(self, energy_mev: npt.ArrayLike, radius_cm: npt.ArrayLike) -> FloatArray:
        """Share of the energy absorbed within a radius in water, shape (n energies, n radii)."""
        energy = np.asarray(energy_mev, dtype=np.float64).ravel()
        radius = np.asarray(radius_cm, dtype=np.float64).ravel()
        inside = np.cumsum(self.shares(energy)[:, :-1], axis=1)
        scaled = radius / particle_length_cm(self.kind, energy)[:, None]
        out = np.empty((energy.size, radius.size))
        for row, x, y in zip(out, scaled, inside, strict=True):
            row[:] = np.interp(x, self.edges, np.concatenate([[0.0], y]))
        return out


def particle_length_cm(kind: str, energy_mev: npt.ArrayLike) -> FloatArray:
    """Length that scales a kernel (cm of water), shape (n,): CSDA range or mean free path."""
    if kind == "electron":
        return csda_range(energy_mev)
    return np.asarray(1 / photon_cross_sections(energy_mev).sum(axis=1))


@cache
def kernel_surrogate(kind: str) -> KernelSurrogate:
    """The shipped surrogate of the electron or the photon kernel.

    Parameters
    ----------
    kind : {"electron", "photon"}
        Particle.

    Notes
    -----
    What it was trained on, and how far it is from the Monte Carlo, stands in
    ``dosimetry/data/point_kernel_surrogate.md``.

    Examples
    --------
    >>> kernel_surrogate("electron").absorbed_fraction([0.5], [0.02, 0.1, 0.2]).round(2)
    array([[0.08, 0.57, 1.  ]])
    """
    with as_file(files("dosimetry") / "data" / _DATA) as path:
        return load_surrogates(path)[kind]


def load_surrogates(path: Path) -> dict[str, KernelSurrogate]:
    """Surrogates by kind from a file that `train_surrogate` wrote."""
    with np.load(path, allow_pickle=False) as data:
        return {
            kind: KernelSurrogate(kind, *(data[f"{kind}_{name}"] for name in FIELDS))
            for kind in ("electron", "photon")
        }


def nuclide_kernel(
    source: RadiationSource, *, radiations: Collection[str] = RADIATIONS
) -> PointKernel:
    r"""Point kernel of a nuclide or decay chain: its lines and beta spectra folded.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        A nuclide alone, or a chain with the yields of its daughters.
    radiations : collection of str
        Some of ``"electrons"``, ``"photons"``, ``"alpha"`` (with recoil nuclei).

    Returns
    -------
    PointKernel
        Per decay (of the parent), in shells up to 1 m. Its standard error is zero, for the
        regression has none of its own: the model card gives its distance from the Monte Carlo.

    Raises
    ------
    DosimetryError
        If the nuclide or a radiation is unknown, or an energy lies above the regression's limit;
        `nuclide_point_kernel` then computes the kernel by Monte Carlo.

    Notes
    -----
    `KERNEL_ASSUMPTIONS` says what is taken for granted. Photons below 10 keV are absorbed by
    :math:`e^{-\mu r}`: more than 9 in 10 of their interactions are photoelectric.

    Examples
    --------
    >>> kernel = nuclide_kernel("Y-90", radiations=["electrons"])
    >>> round(kernel.energy_mev, 3)
    0.933
    """
    check_radiations(radiations)
    return _kernel(emitter_of(source), tuple(kind for kind in RADIATIONS if kind in radiations))


@lru_cache(maxsize=128)
def _kernel(emitter: Emitter, radiations: tuple[str, ...]) -> PointKernel:
    name, nuclides = members(emitter)
    energy, absorbed = 0.0, _NOTHING.copy()
    for radiation in radiations:
        if radiation == "alpha":
            local = alpha_energy_mev(nuclides)
            energy += local
            absorbed[0] += local
            continue
        emission = emissions(nuclides, radiation)
        cumulative, lower, upper, _ = emission.bins.T
        flow = emission.energy_mev * np.diff(cumulative, prepend=0.0)
        energy += emission.energy_mev
        absorbed += _absorbed(name, radiation, 0.5 * (lower + upper), flow)
    outside = energy - float(absorbed.sum())
    return PointKernel(name, energy, _EDGES_CM, absorbed, _NOTHING, outside)


def _absorbed(name: str, radiation: str, energy: FloatArray, flow: FloatArray) -> FloatArray:
    """Energy absorbed in each shell from energies (MeV) and the energy they carry per decay."""
    model = kernel_surrogate("electron" if radiation == "electrons" else "photon")
    low, high = model.limits_mev
    if energy.size and energy.max() > high:
        raise DosimetryError(
            f"{name} emits {radiation} of {energy.max():.4g} MeV; the regression reaches to "
            f"{high:g} MeV: use nuclide_point_kernel (Monte Carlo)"
        )
    hard = energy >= low
    inside = flow[hard] @ model.absorbed_fraction(energy[hard], _EDGES_CM)
    soft, soft_flow = energy[~hard], flow[~hard]
    if radiation == "photons" and soft.size:
        passed = np.exp(-_EDGES_CM[:, None] / particle_length_cm("photon", soft.clip(_SOFTEST_MEV)))
        inside += soft_flow.sum() - passed @ soft_flow
    absorbed = np.diff(inside)
    if radiation == "electrons":
        absorbed[0] += soft_flow.sum()
    return np.asarray(absorbed)
