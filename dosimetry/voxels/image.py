"""A map on a regular grid: values, where they lie, and their unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VoxelImage:
    """Values on a regular grid of voxels.

    Parameters
    ----------
    values : array_like, shape (nx, ny, nz)
        One value a voxel; kept in the dtype given if it is float32 or float64 (labels: integers).
    affine : array_like, shape (4, 4)
        From voxel indices to millimetres in the patient (right, anterior, superior: the
        convention of NIfTI). The centre of voxel (0, 0, 0) lies at ``affine[:3, 3]``.
    unit : str
        ``"MBq/mL"``, ``"MBq h/mL"``, ``"Gy"``, ``"Gy/h"``, ``"g/mL"``, ``"label"``, ...

    Raises
    ------
    DosimetryError
        If the values are not three-dimensional, or the affine is singular or sheared.
    """

    values: npt.NDArray[Any]
    affine: FloatArray
    unit: str

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        affine = np.array(self.affine, dtype=np.float64)
        if values.ndim != 3 or 0 in values.shape:
            raise DosimetryError(f"an image has three dimensions, got shape {values.shape}")
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise DosimetryError(f"the affine must be a finite 4 x 4 matrix, got {affine!r}")
        axes = affine[:3, :3]
        sizes = np.linalg.norm(axes, axis=0)
        if not (sizes > 0).all():
            raise DosimetryError("the affine is singular: a voxel has no size")
        cosines = axes / sizes
        if not np.allclose(cosines.T @ cosines, np.eye(3), atol=1e-3):
            raise DosimetryError("the affine is sheared: axes of the grid must be at 90 degrees")
        affine.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along each axis."""
        nx, ny, nz = self.values.shape
        return nx, ny, nz

    @property
    def voxel_mm(self) -> tuple[float, float, float]:
        """Size of a voxel along each axis (mm)."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel (mL)."""
        return float(np.prod(self.voxel_mm)) / 1000

    def with_values(self, values: npt.NDArray[Any], unit: str) -> VoxelImage:
        """Other values on the same grid."""
        if np.shape(values) != self.shape:
            raise DosimetryError(f"values of shape {np.shape(values)} on a grid of {self.shape}")
        return VoxelImage(values, self.affine, unit)


def require_same_grid(**images: VoxelImage) -> None:
    """Check that images lie on one grid.

    Raises
    ------
    DosimetryError
        If shapes or affines differ (beyond 1e-3 mm); the message names the images.
    """
    (first, reference), *others = images.items()
    for name, image in others:
        if image.shape != reference.shape:
            raise DosimetryError(
                f"{name} has {image.shape} voxels, {first} {reference.shape}: "
                "bring both to one grid"
            )
        shift = float(np.abs(image.affine - reference.affine).max())
        if shift > 1e-3:
            raise DosimetryError(
                f"{name} and {first} lie on different grids "
                f"(affines differ by up to {shift:.3g} mm)"
            )
