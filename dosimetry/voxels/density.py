"""Dose where the density is not that of the kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import VoxelImage, require_same_grid

LEAST_DENSITY_G_PER_ML = 0.1
"""ASSUMED density (g/mL) below which a voxel counts as air and holds no dose.

Inflated lung has 0.26 g/mL (ICRU Report 46), air 0.0012: the limit lies between the two.
"""


def density_scaled(
    image: VoxelImage,
    density_g_per_ml: VoxelImage,
    *,
    kernel_density_g_per_ml: float,
    least_density_g_per_ml: float = LEAST_DENSITY_G_PER_ML,
) -> VoxelImage:
    r"""Dose of a uniform medium, scaled to the density of each voxel.

    Parameters
    ----------
    image : VoxelImage
        Dose or dose rate in a medium of the density of the kernel.
    density_g_per_ml : VoxelImage
        Density of each voxel (unit ``"g/mL"``), on the same grid.
    kernel_density_g_per_ml : float
        Density of the medium of the kernel.
    least_density_g_per_ml : float
        Voxels less dense count as air: their dose is set to zero.

    Returns
    -------
    VoxelImage
        In the unit of `image`.

    Raises
    ------
    DosimetryError
        If units or grids do not match, or a density is negative or not finite.

    Notes
    -----
    :math:`D = D_0\,\rho_{kernel}/\rho`: the energy a voxel absorbs is taken to be that of the
    uniform medium, so the sum of dose times mass stays the same (but for voxels of air). Good for
    the local part of the dose, by electrons that stop within a voxel; the change of ranges and of
    photon attenuation with density is left out. In air the ratio grows without limit, and the dose
    to a gram of air means nothing for the patient.

    References
    ----------
    Dieudonne A et al. Study of the impact of tissue density heterogeneities on 3-dimensional
    abdominal dosimetry. J Nucl Med 2013;54:236-243.
    """
    require_same_grid(dose=image, density=density_g_per_ml)
    if density_g_per_ml.unit != "g/mL":
        raise DosimetryError(f"a density map is in g/mL, got {density_g_per_ml.unit!r}")
    if not least_density_g_per_ml > 0:
        raise DosimetryError(
            f"least_density_g_per_ml must be above 0 (the dose is divided by the density), got "
            f"{least_density_g_per_ml!r}"
        )
    density: npt.NDArray[Any] = np.asarray(density_g_per_ml.values)
    if not np.isfinite(density).all() or float(density.min()) < 0:
        raise DosimetryError(
            "densities must be finite and not negative: clip the map before (noise of CT in air)"
        )
    values: npt.NDArray[Any] = np.asarray(image.values)
    tissue = density >= least_density_g_per_ml
    ratio = np.zeros(values.shape, dtype=values.dtype)
    np.divide(kernel_density_g_per_ml, density, out=ratio, where=tissue, casting="same_kind")
    ratio *= values
    return image.with_values(ratio, image.unit)
