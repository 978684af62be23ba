"""Voxel S kernels: dose to a voxel from activity in another."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from dosimetry.chains import DecayChain
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, Nuclide
from dosimetry.transport.point_kernel import PointKernel
from dosimetry.transport.surrogate import KERNEL_ASSUMPTIONS, nuclide_kernel
from dosimetry.transport.voxel_kernel import VoxelKernel

TISSUE_DENSITY_G_PER_ML = 1.04
"""Density of soft tissue where none is given (g/mL), as in published voxel S values."""


def voxel_kernel(
    source: str | Nuclide | DecayChain | PointKernel,
    *,
    voxel_mm: float | Sequence[float],
    half_width: int | Sequence[int] = 5,
    density_g_per_ml: float = TISSUE_DENSITY_G_PER_ML,
    radiations: Collection[str] = ("electrons", "photons", "alpha"),
) -> VoxelKernel:
    r"""Voxel S values in a uniform medium, for any nuclide and any size of voxel.

    Parameters
    ----------
    source : str, Nuclide, DecayChain or PointKernel
        What is emitted. A nuclide or chain is turned into a point kernel by `nuclide_kernel`.
    voxel_mm : float or three float
        Size of the voxels (mm); one number for cubes.
    half_width : int or three int
        Voxels on either side of the central one.
    density_g_per_ml : float
        Density of the medium, water in all else.
    radiations : collection of str
        Some of ``"electrons"``, ``"photons"``, ``"alpha"`` (with recoil nuclei); a point kernel
        given as `source` is taken whole.

    Returns
    -------
    VoxelKernel
        With standard errors if the point kernel has them (shells taken as independent).

    Raises
    ------
    DosimetryError
        If a size, width or density is not legal, or the nuclide is unknown.

    Notes
    -----
    With K(r) dr the energy absorbed between r and r + dr from a point source and g the chance
    that a displacement by r leads from the central voxel to voxel (i, j, k) (`folded`),
    :math:`S_{ijk} = \int K(r)\, g_{ijk}(r)\, dr / m`. Radii scale with density. What leaves the
    grid is not put back: `VoxelKernel.absorbed_mev` against the energy per decay tells how much.

    References
    ----------
    Bolch WE, Bouchet LG, Robertson JS, et al. MIRD pamphlet no. 17: the dosimetry of nonuniform
    activity distributions. J Nucl Med 1999;40:11S-36S.

    Examples
    --------
    >>> kernel = voxel_kernel("Lu-177", voxel_mm=4.8, half_width=3)
    >>> kernel.gy_per_mbq_h.shape
    (7, 7, 7)
    """
    from dosimetry.voxels.kernel_geometry import folded, mirrored

    size = _three(voxel_mm, "voxel_mm", 0.0)
    width = _three(half_width, "half_width", -1.0)
    if not (np.isfinite(density_g_per_ml) and density_g_per_ml > 0):
        raise DosimetryError(f"density_g_per_ml must be positive, got {density_g_per_ml!r}")
    if any(n != int(n) for n in width):
        raise DosimetryError(f"half_width counts voxels, got {half_width!r}")
    assumptions: tuple[str, ...] = ()
    if isinstance(source, PointKernel):
        point = source
    else:
        point, assumptions = nuclide_kernel(source, radiations=radiations), KERNEL_ASSUMPTIONS
    energy, error = folded(
        point.edges_cm * 10 / density_g_per_ml,
        point.absorbed_mev,
        point.standard_error_mev,
        size,
        (int(width[0]), int(width[1]), int(width[2])),
    )
    scale = GY_KG_PER_MBQ_H_PER_MEV / (float(np.prod(size)) * density_g_per_ml * 1e-6)
    return VoxelKernel(
        nuclide=point.emission,
        voxel_mm=size,
        gy_per_mbq_h=mirrored(energy * scale),
        standard_error=mirrored(error * scale) if point.standard_error_mev.any() else None,
        density_g_per_ml=density_g_per_ml,
        source=f"point kernel of {point.emission} in water, folded with the voxels",
        assumptions=assumptions,
    )


def _three(value: float | Sequence[float], name: str, above: float) -> tuple[float, float, float]:
    """One number for all axes, or three of them."""
    numbers = np.array(value, dtype=np.float64)
    if numbers.shape not in ((), (3,)) or not (np.isfinite(numbers) & (numbers > above)).all():
        raise DosimetryError(f"{name} must be one or three numbers above {above:g}, got {value!r}")
    x, y, z = np.broadcast_to(numbers, 3).tolist()
    return x, y, z
