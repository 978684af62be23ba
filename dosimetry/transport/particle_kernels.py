"""Point kernels of electrons and photons of one energy in water, by Monte Carlo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.transport import _columns as col
from dosimetry.transport.electrons import checked_energies, csda_range
from dosimetry.transport.point_kernel import PointKernel
from dosimetry.transport.run import Setup, run

FloatArray = npt.NDArray[np.float64]

_DETAIL = 0.002  # of the range: electrons that reach less far are stopped
_LOWEST_MEV, _HIGHEST_MEV = 0.002, 10.0


def electron_point_kernel(
    energy_mev: float,
    *,
    edges_cm: npt.ArrayLike | None = None,
    n_histories: int = 40_000,
    seed: int = 0,
    photons: bool = True,
) -> PointKernel:
    """Energy around a point source of electrons of one energy in water.

    Parameters
    ----------
    energy_mev : float
        Kinetic energy (MeV), 0.002 to 10.
    edges_cm : array_like, shape (n + 1,), optional
        Radii of the shells (cm), from 0 up; 0 to 1.2 CSDA ranges in 60 steps unless given.
    n_histories : int
        Electrons followed.
    seed : int
        Same numbers for the same seed, whatever the number of cores.
    photons : bool
        Follow bremsstrahlung; else its energy counts as absorbed outside.

    Returns
    -------
    PointKernel

    Raises
    ------
    DosimetryError
        If the energy is out of range, or the radii do not rise from 0.

    Examples
    --------
    >>> kernel = electron_point_kernel(0.1, n_histories=400)
    >>> bool(np.isclose(kernel.absorbed_mev.sum() + kernel.outside_mev, 0.1))
    True
    """
    checked_energies(energy_mev, _LOWEST_MEV, _HIGHEST_MEV)
    reach = float(csda_range(energy_mev))
    edges = reach * np.linspace(0, 1.2, 61) if edges_cm is None else checked_edges(edges_cm)
    source = np.array([[1.0, energy_mev, energy_mev, col.ELECTRON]])
    setup = shells(edges, detail_cm=_DETAIL * reach, photons=photons)
    share, error = run(source, setup, n_histories=n_histories, seed=seed)
    return PointKernel(
        f"electron {energy_mev:g} MeV", energy_mev, edges, energy_mev * share[:-1],
        energy_mev * error[:-1], float(energy_mev * share[-1]),
    )  # fmt: skip


def shells(
    edges: FloatArray, *, detail_cm: float, photons: bool = True, source_radius_cm: float = 0.0
) -> Setup:
    """Tally in spherical shells around the centre of a point or a sphere."""
    n = len(edges) - 1
    return Setup(edges, n, col.SHELLS, (source_radius_cm, 0.0, 0.0), detail_cm, photons)


def checked_edges(edges_cm: npt.ArrayLike) -> FloatArray:
    """Radii as an array; DosimetryError unless they rise from 0."""
    edges = np.ascontiguousarray(edges_cm, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2 or edges[0] != 0 or not np.all(np.diff(edges) > 0):
        raise DosimetryError("edges_cm must rise from 0: the radii of the shells in cm")
    return edges


def photon_point_kernel(
    energy_mev: float,
    *,
    edges_cm: npt.ArrayLike,
    n_histories: int = 200_000,
    seed: int = 0,
) -> PointKernel:
    """Energy around a point source of photons of one energy in water.

    Parameters
    ----------
    energy_mev : float
        Photon energy (MeV), 0.002 to 10.
    edges_cm : array_like, shape (n + 1,)
        Radii of the shells (cm), from 0 up.
    n_histories : int
        Photons followed.
    seed : int
        Same numbers for the same seed, whatever the number of cores.

    Returns
    -------
    PointKernel

    Raises
    ------
    DosimetryError
        If the energy is out of range, or the radii do not rise from 0.

    Examples
    --------
    >>> kernel = photon_point_kernel(0.2, edges_cm=[0, 5, 10, 20], n_histories=400)
    >>> bool(kernel.absorbed_mev[0] > kernel.absorbed_mev[2] / 3)
    True
    """
    checked_energies(energy_mev, _LOWEST_MEV, _HIGHEST_MEV)
    edges = checked_edges(edges_cm)
    source = np.array([[1.0, energy_mev, energy_mev, col.PHOTON]])
    setup = shells(edges, detail_cm=float(np.diff(edges).min()) / 20)
    share, error = run(source, setup, n_histories=n_histories, seed=seed)
    return PointKernel(
        f"photon {energy_mev:g} MeV", energy_mev, edges, energy_mev * share[:-1],
        energy_mev * error[:-1], float(energy_mev * share[-1]),
    )  # fmt: skip
