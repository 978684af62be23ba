"""RTSTRUCT contours to masks, with the part of each voxel that lies inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.dicom_files import required
from dosimetry.imaging.dicom_seg import require_frame_of_reference
from dosimetry.imaging.masks import Masks, gathered, note_lost
from dosimetry.imaging.safety import region_name, shown
from dosimetry.voxels.contours import Drawing, in_voxels, plane_axis, plane_step, rasterised
from dosimetry.voxels.image import FloatArray, VoxelImage

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
_LIMIT_POINTS = 5_000_000


def rtstruct_masks(
    dataset: Any,
    like: VoxelImage,
    *,
    names: Sequence[str] = (),
    frame_of_reference_uid: str | None = None,
) -> Masks:
    """Masks of the regions of an RTSTRUCT on the grid of an image, see `contour_fractions`.

    Parameters
    ----------
    dataset : Dataset
        The structure set.
    like, names, frame_of_reference_uid
        See `dosimetry.imaging.masks.read_masks`. Contours must lie in planes of the grid.

    Raises
    ------
    DosimetryError
        If contours are not closed, planar and parallel to planes of the grid, or a region wanted
        is missing, empty or outside the image.
    """
    frames = {
        str(item.get("ReferencedFrameOfReferenceUID") or "")
        for item in required(dataset, "StructureSetROISequence")
    }
    require_frame_of_reference(
        next(iter(frames)) if len(frames) == 1 else None, frame_of_reference_uid
    )
    contours = _contours(dataset, like)
    together = [contour for part in contours.values() for contour in part]
    axis = plane_axis(together, like)
    file_step = plane_step(together, axis)
    notes: list[str] = []
    found: dict[str, VoxelImage | str] = {}
    for name, part in contours.items():
        if names and name not in names:
            found[name] = ""
        elif not part:
            found[name] = f"region {shown(name)} has no closed contour"
        else:
            found[name] = _region(name, part, like, axis, file_step, notes)
    return gathered(found, names, notes)


def _contours(dataset: Any, like: VoxelImage) -> dict[str, list[FloatArray]]:
    """Contours by name of the region, points in voxel indices of the grid."""
    numbers: dict[int, str] = {}
    for item in dataset.StructureSetROISequence:
        at = int(required(item, "ROINumber"))
        name = region_name(item.get("ROIName") or "") or f"roi_{at}"
        numbers[at] = f"{name}_{at}" if name in numbers.values() else name
    contours: dict[str, list[FloatArray]] = {name: [] for name in numbers.values()}
    n_points = 0
    for item in dataset.get("ROIContourSequence") or []:
        at = int(required(item, "ReferencedROINumber"))
        if at not in numbers:
            raise DosimetryError(f"contours of ROI number {at}, which the structure set has not")
        for contour in item.get("ContourSequence") or []:
            if str(contour.get("ContourGeometricType")) not in _CLOSED:
                continue
            points = _points(contour, numbers[at])
            n_points += len(points)
            if n_points > _LIMIT_POINTS:
                raise DosimetryError(f"the contours have more than {_LIMIT_POINTS:,} points")
            contours[numbers[at]].append(in_voxels(points * (-1.0, -1.0, 1.0), like))  # LPS
    return contours


def _points(contour: Any, name: str) -> FloatArray:
    try:
        points = np.asarray(required(contour, "ContourData"), dtype=np.float64)
    except (TypeError, ValueError):
        raise DosimetryError(f"a contour of {shown(name)} is not of numbers") from None
    if len(points) % 3 or len(points) < 9 or not np.isfinite(points).all():
        raise DosimetryError(
            f"a contour of {shown(name)} has {len(points)} numbers, legal are three a point and "
            "three points or more"
        )
    return points.reshape(-1, 3)


def _region(
    name: str,
    contours: list[FloatArray],
    like: VoxelImage,
    axis: int,
    file_step: float | None,
    notes: list[str],
) -> VoxelImage | str:
    step = plane_step(contours, axis) or file_step
    if step is None:
        step = 1.0
        notes.append(
            f"ASSUMED: region {shown(name)} has one plane; it is as thick as a voxel of the image"
        )
    try:
        raster = rasterised(Drawing(contours, axis, step), like)
    except DosimetryError as error:
        return f"region {shown(name)}: {error}"
    if raster.has_gaps:
        notes.append(
            f"region {shown(name)} has planes without a contour between planes with one; they stay "
            "empty"
        )
    if not raster.share.any():
        return f"region {shown(name)} lies outside the image"
    note_lost(raster.outside, name, notes)
    return like.with_values(raster.share.astype(np.float32), "fraction")
