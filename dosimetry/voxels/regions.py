"""Regions of interest on a map: masks, label images, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import FloatArray, VoxelImage, require_same_grid

Mask = VoxelImage | npt.NDArray[Any]

_TOTAL_UNITS = {"MBq/mL": "MBq", "MBq h/mL": "MBq h", "g/mL": "g"}


@dataclass(frozen=True)
class RegionStatistics:
    """What a map holds in a region.

    Attributes
    ----------
    region, unit : str
        Name of the region; unit of the map.
    n_voxels : int
        Voxels with a part in the region.
    volume_ml : float
        Volume (mL), parts of voxels counted by their share.
    mean, sd, minimum, maximum : float
        Of the voxel values, weighted by volume; `sd` is the spread between voxels, not an
        uncertainty of the mean.
    total : float or None
        Integral over the volume: activity (MBq) or time-integrated activity (MBq h); None for
        a unit that does not add up, such as dose.
    total_unit : str or None
        Unit of `total`.
    """

    region: str
    unit: str
    n_voxels: int
    volume_ml: float
    mean: float
    sd: float
    minimum: float
    maximum: float
    total: float | None
    total_unit: str | None


def region_masks(labels: VoxelImage, names: Mapping[int, str]) -> dict[str, VoxelImage]:
    """One mask a region from an image of labels.

    Parameters
    ----------
    labels : VoxelImage
        Whole numbers, 0 for the background.
    names : mapping of int to str
        Name of each label wanted. Labels not named are left out; two labels may share a name.

    Returns
    -------
    dict of str to VoxelImage

    Raises
    ------
    DosimetryError
        If the labels are no whole numbers, or a named label is nowhere in the image.
    """
    values: npt.NDArray[Any] = np.asarray(labels.values)
    present, index = np.unique(values, return_inverse=True)
    if not np.array_equal(present, np.round(present)):
        raise DosimetryError("an image of labels holds whole numbers: was it resampled linearly?")
    found = {int(x) for x in present}
    missing = {label: name for label, name in names.items() if label not in found}
    if missing:
        listed = ", ".join(f"{label} ({name})" for label, name in missing.items())
        raise DosimetryError(f"no voxel holds label {listed}; the image has {sorted(found)}")
    grouped: dict[str, set[int]] = {}
    for label, name in names.items():
        grouped.setdefault(name, set()).add(label)
    index = index.reshape(values.shape)
    return {
        name: labels.with_values(np.isin(present, list(chosen))[index], "label")
        for name, chosen in grouped.items()
    }


def region_weights(mask: Mask, image: VoxelImage, name: str = "region") -> FloatArray:
    """Share of each voxel that lies in a region, checked.

    Parameters
    ----------
    mask : VoxelImage or ndarray, shape of the image
        True and False, or shares from 0 to 1.
    image : VoxelImage
        The map it belongs to; a mask on another grid is refused (`on_grid`).
    name : str
        Name of the region, for messages.

    Raises
    ------
    DosimetryError
        If the mask is empty, lies on another grid or holds anything but shares.
    """
    if isinstance(mask, VoxelImage):
        require_same_grid(image=image, **{name: mask})
        mask = mask.values
    weights = np.asarray(mask)
    if weights.shape != image.shape:
        raise DosimetryError(
            f"the mask of {name!r} has shape {weights.shape}, the image {image.shape}: "
            "bring it to the grid of the image with on_grid"
        )
    weights = weights.astype(np.float64)
    if not ((weights >= 0) & (weights <= 1)).all():
        raise DosimetryError(
            f"the mask of {name!r} must hold True and False, or shares from 0 to 1, got values "
            f"from {weights.min():g} to {weights.max():g}; split label images with region_masks"
        )
    if not weights.any():
        raise DosimetryError(f"the region {name!r} is empty: no voxel of the image lies in it")
    return weights


def region_statistics(
    image: VoxelImage, regions: Mapping[str, Mask]
) -> dict[str, RegionStatistics]:
    """Mean, spread, volume and total of a map in each region.

    Parameters
    ----------
    image : VoxelImage
        The map.
    regions : mapping of str to mask
        Masks on its grid, see `region_weights`.

    Raises
    ------
    DosimetryError
        If a mask is not legal, or the map is not finite in a region.

    Examples
    --------
    >>> import numpy as np
    >>> image = VoxelImage(np.arange(8.0).reshape(2, 2, 2), np.diag([10, 10, 10, 1]), "MBq/mL")
    >>> row = region_statistics(image, {"upper": np.asarray(image.values) >= 4})["upper"]
    >>> row.mean, row.volume_ml, row.total, row.total_unit
    (5.5, 4.0, 22.0, 'MBq')
    """
    return {name: _statistics(image, mask, name) for name, mask in regions.items()}


def _statistics(image: VoxelImage, mask: Mask, name: str) -> RegionStatistics:
    weights = region_weights(mask, image, name)
    inside = weights > 0
    w = weights[inside]
    x: FloatArray = np.asarray(image.values)[inside].astype(np.float64)
    if not np.isfinite(x).all():
        raise DosimetryError(f"the map is not finite in {int((~np.isfinite(x)).sum())} voxels "
                             f"of {name!r}")  # fmt: skip
    mean = float(w @ x / w.sum())
    volume = float(w.sum()) * image.voxel_ml
    total_unit = _TOTAL_UNITS.get(image.unit)
    return RegionStatistics(
        region=name,
        unit=image.unit,
        n_voxels=int(inside.sum()),
        volume_ml=volume,
        mean=mean,
        sd=float(np.sqrt(w @ (x - mean) ** 2 / w.sum())),
        minimum=float(x.min()),
        maximum=float(x.max()),
        total=None if total_unit is None else mean * volume,
        total_unit=total_unit,
    )
