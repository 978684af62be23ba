"""The type of every voxel kernel: dose to the voxels around one that holds activity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VoxelKernel:
    """Voxel S values of one nuclide in a uniform medium.

    Attributes
    ----------
    nuclide : str
        ICRP 107 name.
    voxel_mm : tuple of three float
        Size of the voxels (mm).
    gy_per_mbq_h : ndarray, shape (2 nx + 1, 2 ny + 1, 2 nz + 1)
        Absorbed dose of a voxel per time-integrated activity in the central one (Gy/(MBq h)).
    standard_error : ndarray, same shape, or None
        One standard error of the Monte Carlo (Gy/(MBq h)).
    density_g_per_ml : float
        Density of the medium.
    source : str
        Where the kernel is from, in words.
    assumptions : tuple of str
        What was assumed on the way.
    """

    nuclide: str
    voxel_mm: tuple[float, float, float]
    gy_per_mbq_h: FloatArray
    standard_error: FloatArray | None
    density_g_per_ml: float
    source: str
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.gy_per_mbq_h.shape
        if len(shape) != 3 or any(n % 2 == 0 for n in shape):
            raise DosimetryError(f"a kernel has three odd dimensions, got {shape}")
        if not min(self.voxel_mm) > 0 or not self.density_g_per_ml > 0:
            raise DosimetryError(
                f"voxel size and density must be positive, got {self.voxel_mm} mm and "
                f"{self.density_g_per_ml} g/mL"
            )

    @property
    def voxel_mass_g(self) -> float:
        """Mass of a voxel (g)."""
        return float(np.prod(self.voxel_mm)) / 1000 * self.density_g_per_ml

    @property
    def absorbed_mev(self) -> float:
        """Energy absorbed within the kernel per decay (MeV): the sum of S times mass."""
        total = float(self.gy_per_mbq_h.sum()) * self.voxel_mass_g / 1000
        return total / GY_KG_PER_MBQ_H_PER_MEV
