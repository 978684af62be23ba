"""From maps of activity to maps of dose."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.transport.voxel_kernel import VoxelKernel
from dosimetry.voxels.convolution import convolve
from dosimetry.voxels.density import LEAST_DENSITY_G_PER_ML, density_scaled
from dosimetry.voxels.image import VoxelImage

DOSE_UNITS = {"MBq/mL": "Gy/h", "MBq h/mL": "Gy"}
"""Unit of the source map and of the dose map it leads to."""

_SIZE_TOLERANCE = 2e-3  # relative; a voxel is then within 0.6 % of its volume


def dose_map(
    source: VoxelImage,
    kernel: VoxelKernel,
    *,
    density_g_per_ml: VoxelImage | None = None,
    least_density_g_per_ml: float = LEAST_DENSITY_G_PER_ML,
    method: str = "auto",
    precision: str = "double",
) -> VoxelImage:
    r"""Absorbed dose, or dose rate, by convolution with voxel S values.

    Parameters
    ----------
    source : VoxelImage
        Activity concentration (``"MBq/mL"``) or time-integrated activity concentration
        (``"MBq h/mL"``). Negative voxels (noise) are kept; `map_notes` counts them.
    kernel : VoxelKernel
        Voxel S values for the size of these voxels.
    density_g_per_ml : VoxelImage, optional
        Density of each voxel; the dose is then scaled to it (`density_scaled`).
    least_density_g_per_ml : float
        Voxels less dense count as air and hold no dose.
    method, precision : str
        See `convolve`.

    Returns
    -------
    VoxelImage
        Dose rate (``"Gy/h"``) or dose (``"Gy"``) on the same grid.

    Raises
    ------
    DosimetryError
        If the unit is another, a value is not finite, the voxels of kernel and map differ in
        size by more than 0.2 %, or the density map does not fit.

    Notes
    -----
    :math:`D_{ijk} = \sum_{abc} \tilde{a}_{i-a,j-b,k-c}\,V_{voxel}\,S_{abc}`. Nothing is beyond
    the edges of the map: dose near them misses what comes from outside.

    References
    ----------
    Bolch WE, Bouchet LG, Robertson JS, et al. MIRD pamphlet no. 17: the dosimetry of nonuniform
    activity distributions. J Nucl Med 1999;40:11S-36S.

    Examples
    --------
    >>> import numpy as np
    >>> kernel = VoxelKernel("Lu-177", (4.0, 4.0, 4.0), np.full((1, 1, 1), 1.3), None, 1.04, "")
    >>> tia = VoxelImage(np.full((8, 8, 8), 2.0), np.diag([4.0, 4.0, 4.0, 1.0]), "MBq h/mL")
    >>> dose = dose_map(tia, kernel)
    >>> dose.unit, round(float(dose.values[0, 0, 0]), 4)
    ('Gy', 0.1664)
    """
    if source.unit not in DOSE_UNITS:
        raise DosimetryError(
            f"a dose map is made of a map in one of {tuple(DOSE_UNITS)}, got {source.unit!r}"
        )
    require_voxel_size(source, kernel)
    weights = kernel.gy_per_mbq_h * source.voxel_ml
    values = convolve(source.values, weights, method=method, precision=precision)
    dose = source.with_values(values, DOSE_UNITS[source.unit])
    if density_g_per_ml is None:
        return dose
    return density_scaled(
        dose,
        density_g_per_ml,
        kernel_density_g_per_ml=kernel.density_g_per_ml,
        least_density_g_per_ml=least_density_g_per_ml,
    )


def require_voxel_size(image: VoxelImage, kernel: VoxelKernel) -> None:
    """Check that a kernel was made for voxels of this size.

    Raises
    ------
    DosimetryError
        If a side differs by more than 0.2 %: S values change with about the third power of it.
    """
    sides = list(zip(image.voxel_mm, kernel.voxel_mm, strict=True))
    if any(abs(a / b - 1) > _SIZE_TOLERANCE for a, b in sides):
        voxels, made_for = (
            " x ".join(f"{x:.4g}" for x in size) for size in (image.voxel_mm, kernel.voxel_mm)
        )
        raise DosimetryError(
            f"the map has voxels of {voxels} mm, the kernel of {kernel.nuclide} was made for "
            f"{made_for} mm: make a kernel for the size of the map"
        )


def map_notes(image: VoxelImage, name: str = "map") -> tuple[str, ...]:
    """What a reader of a map should know: how many voxels are negative, and what they sum to.

    Raises
    ------
    DosimetryError
        If a value is not finite.
    """
    values: npt.NDArray[Any] = np.asarray(image.values)
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise DosimetryError(f"the {name} holds {bad} values that are not finite")
    negative = values < 0
    count = int(negative.sum())
    if not count:
        return ()
    part = abs(float(values[negative].sum(dtype=np.float64)))
    whole = float(np.abs(values).sum(dtype=np.float64))
    return (
        f"{count} of {values.size} voxels of the {name} are negative (noise; kept), "
        f"{100 * part / whole:.2g} % of the sum of magnitudes",
    )
