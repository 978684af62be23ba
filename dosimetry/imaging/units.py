"""Units of image values, and Hounsfield units to mass density."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import VoxelImage

_MBQ_PER_ML = {"MBq/mL": 1.0, "kBq/mL": 1e-3, "Bq/mL": 1e-6, "Bq/cm3": 1e-6}
_MBQ_PER_VOXEL = {"MBq": 1.0, "kBq": 1e-3, "Bq": 1e-6}
ACTIVITY_UNITS = (*_MBQ_PER_ML, *_MBQ_PER_VOXEL)

# Schneider, Bortfeld and Schlegel 2000, Phys Med Biol 45:459 (doi:10.1088/0031-9155/45/2/314):
# breakpoints of their density segments as tabulated in opengate/data/
# Schneider2000DensitiesTable.txt, github.com/OpenGATE/opengate@d37427e2. The segments
# 1.018 + 0.893e-3 HU, 1.003 + 1.169e-3 HU and 1.017 + 0.592e-3 HU reproduce them.
_SCHNEIDER2000 = (
    (-1000.0, 0.00121), (-98.0, 0.93), (-97.0, 0.930486), (14.0, 1.03), (23.0, 1.031),
    (100.0, 1.1199), (101.0, 1.0762), (1600.0, 1.9642), (3000.0, 2.8),
)  # fmt: skip
DENSITY_RELATIONS = {"schneider2000": _SCHNEIDER2000}
DENSITY_ASSUMED = (
    "ASSUMED: CT numbers turned into density by the relation of Schneider 2000, not by one "
    "measured on this scanner"
)
_LOWEST_HU, _HIGHEST_HU = -1200.0, 40_000.0


def in_mbq_per_ml(image: VoxelImage, unit: str | None = None) -> VoxelImage:
    """Bring activity to MBq/mL.

    Parameters
    ----------
    image : VoxelImage
        Activity concentration, or activity of each voxel.
    unit : str, optional
        One of `ACTIVITY_UNITS`; ``image.unit`` if not given.

    Raises
    ------
    DosimetryError
        If the unit is not one of activity, or a value is not finite.
    """
    unit = unit or image.unit
    if unit in _MBQ_PER_ML:
        factor = _MBQ_PER_ML[unit]
    elif unit in _MBQ_PER_VOXEL:
        factor = _MBQ_PER_VOXEL[unit] / image.voxel_ml
    else:
        raise DosimetryError(
            f"the unit of activity is {unit!r}, legal are {', '.join(ACTIVITY_UNITS)}"
        )
    values = np.asarray(image.values, dtype=np.float64) * factor
    if not np.isfinite(values).all():
        raise DosimetryError("the activity has values that are not finite numbers")
    return image.with_values(values, "MBq/mL")


def density_from_hu(
    image: VoxelImage, relation: str | Sequence[tuple[float, float]] = "schneider2000"
) -> VoxelImage:
    """Mass density from CT numbers, linear between the points of a relation.

    Parameters
    ----------
    image : VoxelImage
        CT numbers, unit ``"HU"``.
    relation : str or sequence of (HU, g/mL)
        A name of `DENSITY_RELATIONS`, or the points of your scanner, by rising HU. Beyond the
        first and last point the density stays as it is there.

    Returns
    -------
    VoxelImage
        In g/mL.

    Raises
    ------
    DosimetryError
        If the image is not in HU, its values cannot be CT numbers, or the relation is not legal.

    Examples
    --------
    >>> ct = VoxelImage(np.array([[[-1000.0, 0.0, 1600.0]]]), np.eye(4), "HU")
    >>> density_from_hu(ct).values.round(3).tolist()
    [[[0.001, 1.017, 1.964]]]
    """
    if image.unit != "HU":
        raise DosimetryError(f"CT numbers have the unit HU, got {image.unit!r}")
    points = np.asarray(_relation(relation), dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise DosimetryError("a density relation has two or more pairs of HU and g/mL")
    if (np.diff(points[:, 0]) <= 0).any() or (points[:, 1] <= 0).any():
        raise DosimetryError("a density relation rises in HU, and its densities are positive")
    values = np.asarray(image.values, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    if not (low >= _LOWEST_HU and high <= _HIGHEST_HU):
        raise DosimetryError(
            f"values from {low:g} to {high:g} are no CT numbers; is the rescale intercept missing, "
            "or the padding outside the field of view not set to air?"
        )
    return image.with_values(np.interp(values, points[:, 0], points[:, 1]), "g/mL")


def _relation(relation: str | Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    if not isinstance(relation, str):
        return relation
    if relation not in DENSITY_RELATIONS:
        raise DosimetryError(
            f"there is no density relation {relation!r}; legal are {', '.join(DENSITY_RELATIONS)}"
        )
    return DENSITY_RELATIONS[relation]
