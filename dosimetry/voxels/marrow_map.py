"""Red marrow within vertebrae: where it lies, and the dose of a map there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry._sources import positive_density
from dosimetry.anatomy import MARROW_DENSITY_G_PER_ML
from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import FloatArray, VoxelImage, require_same_grid
from dosimetry.voxels.regions import Mask, region_statistics, region_weights

Fraction = npt.ArrayLike | VoxelImage


def red_marrow_map(
    vertebrae: Mask,
    grid: VoxelImage,
    *,
    spongiosa_fraction: float | VoxelImage,
    marrow_fraction: float | VoxelImage,
    cellularity: float | VoxelImage,
    marrow_density_g_per_ml: float = MARROW_DENSITY_G_PER_ML,
    density_g_per_ml: VoxelImage | None = None,
) -> VoxelImage:
    r"""Red marrow of each voxel of the vertebrae.

    Parameters
    ----------
    vertebrae : VoxelImage or ndarray
        Mask of the vertebrae.
    grid : VoxelImage
        Any image on the grid wanted.
    spongiosa_fraction : float or VoxelImage
        Share of the volume that is spongiosa (trabecular bone and marrow), not cortical bone.
    marrow_fraction : float or VoxelImage
        Share of spongiosa that is marrow: one less the fraction of trabecular bone.
    cellularity : float or VoxelImage
        Share of marrow that is red. Reference values by bone and age are in ICRP Publication 70,
        Table 41; in a patient it is about one less the fat fraction of marrow (MRI, dual-energy
        CT). No value is taken for granted here.
    marrow_density_g_per_ml : float
        Density of red marrow (ASSUMED 1.03).
    density_g_per_ml : VoxelImage, optional
        Density of the voxels, to have the share of mass.

    Returns
    -------
    VoxelImage
        Mass of red marrow per volume of the voxel (``"g/mL"``; its total over a region is the mass
        of red marrow), or per mass of the voxel (``"g/g"``) with `density_g_per_ml`.

    Raises
    ------
    DosimetryError
        If a fraction is not within 0 and 1, grids differ, or the mask is empty.

    References
    ----------
    ICRP Publication 70. Basic anatomical and physiological data for use in radiological
    protection: the skeleton. Ann ICRP 1995;25(2).
    """
    weights = region_weights(vertebrae, grid, "vertebrae")
    share = weights * positive_density("marrow", marrow_density_g_per_ml)
    for name, part in (
        ("spongiosa_fraction", spongiosa_fraction),
        ("marrow_fraction", marrow_fraction),
        ("cellularity", cellularity),
    ):
        fraction = checked_fraction(name, part, grid)
        if fraction.ndim not in (0, 3):
            raise DosimetryError(f"{name} of a map must be one number or a map, no draws")
        share = share * fraction
    if density_g_per_ml is None:
        return grid.with_values(share, "g/mL")
    require_same_grid(grid=grid, density=density_g_per_ml)
    density = np.asarray(density_g_per_ml.values, dtype=np.float64)
    if density_g_per_ml.unit != "g/mL" or not (density[share > 0] > 0).all():
        raise DosimetryError("the density of vertebrae must be above 0, in 'g/mL'")
    share = np.divide(share, density, out=np.zeros_like(share), where=share > 0)
    if (share > 1).any():
        raise DosimetryError(
            f"red marrow would outweigh its voxel in {int((share > 1).sum())} voxels: the density "
            "and the fractions do not go together"
        )
    return grid.with_values(share, "g/g")


def marrow_weighted_dose(dose_gy: VoxelImage, marrow: VoxelImage) -> float:
    """Mean voxel dose, weighted by the red marrow that each voxel holds (Gy).

    The dose of a map where marrow lies; not the dose to marrow (see `vertebral_marrow_dose`).

    Parameters
    ----------
    dose_gy : VoxelImage
        Dose (Gy).
    marrow : VoxelImage
        From `red_marrow_map`, in g/mL.

    Raises
    ------
    DosimetryError
        If units or grids do not match, or there is no marrow.
    """
    require_same_grid(dose=dose_gy, marrow=marrow)
    if (dose_gy.unit, marrow.unit) != ("Gy", "g/mL"):
        raise DosimetryError(
            f"give a dose in 'Gy' and marrow in 'g/mL', got {dose_gy.unit!r} and {marrow.unit!r}"
        )
    mass = np.asarray(marrow.values, dtype=np.float64)
    if not mass.max() > 0:
        raise DosimetryError("the marrow map is empty")
    return region_statistics(dose_gy, {"marrow": mass / mass.max()})["marrow"].mean


def checked_fraction(name: str, part: Fraction, grid: VoxelImage) -> FloatArray:
    """A share within 0 and 1: of each voxel, or in the mean of the draws."""
    if not isinstance(part, VoxelImage):
        return positive_draws(name, part, most=1.0)
    require_same_grid(grid=grid, **{name: part})
    fraction = np.asarray(part.values, dtype=np.float64)
    if not ((fraction >= 0) & (fraction <= 1)).all():
        raise DosimetryError(
            f"{name} must lie within 0 and 1, the map goes from {fraction.min():.4g} to "
            f"{fraction.max():.4g}"
        )
    return fraction


def positive_draws(name: str, value: npt.ArrayLike, *, most: float = np.inf) -> FloatArray:
    """Positive draws whose mean is not above `most` (single draws may be)."""
    values = np.asarray(value, dtype=np.float64)
    if not (values.size and np.isfinite(values).all() and (values > 0).all()
            and values.mean() <= most):  # fmt: skip
        legal = f"above 0, {most:g} at most in the mean" if most < np.inf else "finite and above 0"
        found = (
            f"{values.size} draws from {values.min():.4g} to {values.max():.4g}, mean "
            f"{values.mean():.4g}"
            if values.size > 1
            else f"{value!r}"
        )
        raise DosimetryError(f"{name} must be {legal}, got {found}")
    return values
