"""Point kernels, voxel kernels and spheres of nuclides and decay chains, by Monte Carlo."""

from __future__ import annotations

from collections.abc import Collection
from itertools import permutations

import numpy as np
import numpy.typing as npt

from dosimetry.chains import RadiationSource
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV
from dosimetry.transport import _columns as col
from dosimetry.transport.emissions import (
    RADIATIONS,
    alpha_energy_mev,
    check_radiations,
    emissions,
    members,
)
from dosimetry.transport.particle_kernels import checked_edges, shells
from dosimetry.transport.point_kernel import PointKernel
from dosimetry.transport.run import N_BATCHES, Setup, batches, standard_error
from dosimetry.transport.voxel_kernel import VoxelKernel

FloatArray = npt.NDArray[np.float64]

TRANSPORT_ASSUMPTIONS = (
    "ASSUMED: alpha particles and recoil nuclei stop where they are emitted",
    "ASSUMED: positrons slow down like electrons; those of beta decay annihilate where emitted",
    "ASSUMED: electrons whose range is below a thousandth of the voxel or sphere stop in place",
    "ASSUMED: the Bethe formula down to 1 keV, some 10 % high there",
    "ASSUMED: bremsstrahlung by the Born approximation, with a spectrum falling like 1 - k/E",
)
"""What the Monte Carlo takes for granted."""

_DETAIL = 0.001  # of the smallest voxel side or the sphere's radius
_CM_PER_MM = 0.1


def nuclide_point_kernel(
    source: RadiationSource,
    *,
    radiations: Collection[str] = RADIATIONS,
    edges_cm: npt.ArrayLike | None = None,
    n_histories: int = 200_000,
    seed: int = 0,
    progress: bool = False,
) -> PointKernel:
    """Energy around a point source of a nuclide or a decay chain in water.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays; a chain counts per decay of its parent.
    radiations : collection of str
        Some of ``"electrons"``, ``"photons"``, ``"alpha"`` (with recoil, absorbed in place).
    edges_cm : array_like, shape (n + 1,), optional
        Radii of the shells (cm), from 0 up; 0, then 96 from 5 um to 30 cm, unless given.
    n_histories : int
        Histories of electrons, and as many of photons.
    seed : int
        Same numbers for the same seed, whatever the number of cores.
    progress : bool
        Show a bar when the run lasts more than two seconds.

    Returns
    -------
    PointKernel

    Raises
    ------
    DosimetryError
        If the nuclide or a radiation is unknown, or the radii do not rise from 0.

    Notes
    -----
    Emissions are drawn in proportion to their energy, and each history stands for the same
    energy: the sum of the kernel is the mean energy per decay exactly.

    Examples
    --------
    >>> kernel = nuclide_point_kernel("Lu-177", radiations=["electrons"], n_histories=400)
    >>> round(kernel.energy_mev, 4)  # beta, conversion and Auger
    0.1479
    """
    grown = np.concatenate([[0.0], np.geomspace(5e-4, 30.0, 96)])
    edges = grown if edges_cm is None else checked_edges(edges_cm)
    setup = shells(edges, detail_cm=float(np.diff(edges).min()) / 10)
    name, energy, score = _scores(source, radiations, setup, n_histories, seed, progress)
    error = standard_error(score)
    mean = score.mean(axis=0)
    return PointKernel(name, energy, edges, mean[:-1], error[:-1], float(mean[-1]))


def voxel_kernel_monte_carlo(
    source: RadiationSource,
    *,
    voxel_mm: float | tuple[float, float, float],
    half_width: int = 5,
    density_g_per_ml: float = 1.0,
    radiations: Collection[str] = RADIATIONS,
    n_histories: int = 400_000,
    seed: int = 0,
    progress: bool = False,
) -> VoxelKernel:
    """Voxel S values of a nuclide in uniform water, scored in the voxels themselves.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays, evenly spread in the central voxel.
    voxel_mm : float or tuple of three float
        Side or sides of the voxels (mm).
    half_width : int
        Voxels on each side of the central one.
    density_g_per_ml : float
        Density of the water-like medium.
    radiations : collection of str
        Some of ``"electrons"``, ``"photons"``, ``"alpha"`` (with recoil, absorbed in place).
    n_histories : int
        Histories of electrons, and as many of photons.
    seed : int
        Same numbers for the same seed, whatever the number of cores.
    progress : bool
        Show a bar when the run lasts more than two seconds.

    Returns
    -------
    VoxelKernel
        With the standard error of each value; mirror images (and, in cubes, swapped axes) share
        their scores.

    Raises
    ------
    DosimetryError
        If the nuclide or a radiation is unknown, or a size or density is not positive.

    Examples
    --------
    >>> kernel = voxel_kernel_monte_carlo(
    ...     "Y-90", voxel_mm=4.8, half_width=2, radiations=["electrons"], n_histories=2000
    ... )
    >>> kernel.gy_per_mbq_h.shape
    (5, 5, 5)
    """
    sides = np.broadcast_to(np.asarray(voxel_mm, dtype=np.float64), 3)
    given = (*sides.tolist(), density_g_per_ml)
    if not (all(0 < value < np.inf for value in given) and half_width >= 0):
        raise DosimetryError(
            "voxel_mm and density_g_per_ml must be positive and finite, half_width not negative, "
            f"got {voxel_mm}, {density_g_per_ml} and {half_width}"
        )
    thick = sides * _CM_PER_MM * density_g_per_ml  # g/cm2, which are cm of water
    width = half_width + 1
    x, y, z = (thick / 2).tolist()
    setup = Setup(
        np.append(thick, float(half_width)), width**3, col.VOXELS, (x, y, z),
        _DETAIL * float(thick.min()),
    )  # fmt: skip
    name, _, score = _scores(source, radiations, setup, n_histories, seed, progress)
    octants = _per_voxel(score[:, :-1].reshape(-1, width, width, width), bool(np.ptp(sides) == 0))
    mass_kg = float(np.prod(sides)) * 1e-6 * density_g_per_ml
    per_mev = GY_KG_PER_MBQ_H_PER_MEV / mass_kg
    place = np.abs(np.arange(-half_width, half_width + 1))
    whole = np.ix_(place, place, place)
    return VoxelKernel(
        name,
        (float(sides[0]), float(sides[1]), float(sides[2])),
        (octants.mean(axis=0) * per_mev)[whole],
        (standard_error(octants) * per_mev)[whole],
        density_g_per_ml,
        f"Monte Carlo of {', '.join(radiations)} in water, {n_histories} histories, seed {seed}",
        TRANSPORT_ASSUMPTIONS,
    )


def sphere_absorbed_energy(
    source: RadiationSource,
    *,
    mass_g: float,
    density_g_per_ml: float = 1.0,
    radiations: Collection[str] = RADIATIONS,
    n_histories: int = 200_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Energy absorbed per decay in a sphere with the activity spread evenly in it.

    The sphere lies in the same medium without end. Scored directly: a check of `sphere_s_value`.

    Parameters
    ----------
    source : str, Nuclide or DecayChain
        What decays.
    mass_g, density_g_per_ml : float
        Mass and density of the sphere.
    radiations, n_histories, seed
        As in `nuclide_point_kernel`.

    Returns
    -------
    energy_mev, standard_error_mev : float
        Mean energy absorbed per decay (MeV).

    Raises
    ------
    DosimetryError
        If the nuclide or a radiation is unknown, or mass or density is not positive.

    Examples
    --------
    >>> energy, error = sphere_absorbed_energy("Lu-177", mass_g=1.0, n_histories=400)
    >>> bool(0.14 < energy < 0.15)
    True
    """
    if not (0 < mass_g < np.inf and 0 < density_g_per_ml < np.inf):
        raise DosimetryError(
            f"mass and density must be positive and finite, got {mass_g} g and "
            f"{density_g_per_ml} g/mL"
        )
    radius = float(np.cbrt(3 * mass_g * density_g_per_ml**2 / (4 * np.pi)))  # g/cm2
    setup = shells(np.array([0.0, radius]), detail_cm=_DETAIL * radius, source_radius_cm=radius)
    *_, score = _scores(source, radiations, setup, n_histories, seed, False)
    return float(score[:, 0].mean()), float(standard_error(score)[0])


def _scores(
    source: RadiationSource,
    radiations: Collection[str],
    setup: Setup,
    n_histories: int,
    seed: int,
    progress: bool,
) -> tuple[str, float, FloatArray]:
    """Name, energy per decay (MeV), and energy by batch and cell and beyond them."""
    check_radiations(radiations)
    name, nuclides = members(source)
    energy, total = 0.0, np.zeros((N_BATCHES, setup.n_cells + 1))
    for k, radiation in enumerate(r for r in RADIATIONS[:2] if r in radiations):
        emission = emissions(nuclides, radiation)
        if emission.energy_mev > 0:
            energy += emission.energy_mev
            total += emission.energy_mev * batches(
                emission.bins, setup, n_histories=n_histories, seed=[seed, k],
                progress=progress,
            )  # fmt: skip
    local = alpha_energy_mev(nuclides) if "alpha" in radiations else 0.0
    total[:, 0] += local
    return name, energy + local, total


def _per_voxel(octants: FloatArray, cube: bool) -> FloatArray:
    """Energy of each voxel from that of all its mirror images, shape (n_batches, n, n, n)."""
    images = np.where(np.arange(octants.shape[1]) > 0, 2.0, 1.0)
    single: FloatArray = octants / (images[:, None, None] * images[:, None] * images)
    if not cube:
        return single
    turns = [single.transpose(0, *(axis + 1 for axis in order)) for order in permutations(range(3))]
    return np.asarray(np.mean(turns, axis=0))
