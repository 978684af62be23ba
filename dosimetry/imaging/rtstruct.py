"""RTSTRUCT contours to masks, with the part of each voxel that lies inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.dicom_files import required
from dosimetry.imaging.dicom_seg import require_frame_of_reference
from dosimetry.imaging.masks import Masks, gathered
from dosimetry.imaging.safety import region_name, shown
from dosimetry.voxels.image import FloatArray, VoxelImage

_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
_FLAT_MM = 0.1
_LINES = 8  # scan lines a voxel
_GAP = 1.5  # steps, from which planes between two others count as left out
_LIMIT_POINTS = 5_000_000


def rtstruct_masks(
    dataset: Any,
    like: VoxelImage,
    *,
    names: Sequence[str] = (),
    frame_of_reference_uid: str | None = None,
) -> Masks:
    """Masks of the regions of an RTSTRUCT on the grid of an image.

    A contour reaches halfway to the region's next planes, and half a step at its ends. A point
    lies inside if it is inside an odd number of the contours of its plane, so inner contours and
    keyholes are holes. The part of a voxel inside is exact along scan lines and across planes;
    there are 8 lines a voxel.

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
    axis = _plane_axis([c for part in contours.values() for c in part], like)
    levels = [float(c[0, axis]) for part in contours.values() for c in part]
    file_step = _usual_step(np.array(levels))
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
            contours[numbers[at]].append(_in_voxels(points, like))
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


def _in_voxels(points: FloatArray, like: VoxelImage) -> FloatArray:
    to_voxel = np.linalg.inv(like.affine)
    ras = points * (-1.0, -1.0, 1.0)
    indices: FloatArray = ras @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    return indices


def _plane_axis(contours: list[FloatArray], like: VoxelImage) -> int:
    """Axis of the grid across which all contours are flat."""
    if not contours:
        return 2
    size = np.array(like.voxel_mm)
    depth_mm = np.max([np.ptp(contour, axis=0) * size for contour in contours], axis=0)
    axis = int(depth_mm.argmin())
    if depth_mm[axis] > _FLAT_MM:
        raise DosimetryError(
            f"the contours do not lie in planes of the image's grid (off by {depth_mm[axis]:.3g} "
            "mm); use a grid with the axes of the series they were drawn on"
        )
    return axis


def _usual_step(levels: FloatArray) -> float | None:
    gaps = np.diff(np.unique(np.round(levels, 3)))
    gaps = gaps[gaps > 0.01]
    return float(np.quantile(gaps, 0.5, method="lower")) if len(gaps) else None


def _region(
    name: str,
    contours: list[FloatArray],
    like: VoxelImage,
    axis: int,
    file_step: float | None,
    notes: list[str],
) -> VoxelImage | str:
    levels = np.array([contour[0, axis] for contour in contours])
    step = _usual_step(levels) or file_step
    if step is None:
        step = 1.0
        notes.append(
            f"ASSUMED: region {shown(name)} has one plane; it is as thick as a voxel of the image"
        )
    planes: list[tuple[float, list[FloatArray]]] = []
    for order in np.argsort(levels):
        if not planes or levels[order] - planes[-1][0] > 0.25 * step:
            planes.append((float(levels[order]), []))
        planes[-1][1].append(np.delete(contours[order], axis, axis=1))
    bounds = _slabs(np.array([level for level, _ in planes]), step)
    if (bounds[1:, 0] > bounds[:-1, 1] + 1e-6).any():
        notes.append(
            f"region {shown(name)} has planes without a contour between planes with one; they stay "
            "empty"
        )
    shape = tuple(n for a, n in enumerate(like.shape) if a != axis)
    mask = np.zeros((like.shape[axis], *shape))
    drawn = 0.0
    for (low, high), (_, polygons) in zip(bounds, planes, strict=True):
        area, total = _covered(polygons, shape[0], shape[1])
        drawn += total * (high - low)
        edges = np.arange(like.shape[axis])
        weights = np.clip(np.minimum(edges + 0.5, high) - np.maximum(edges - 0.5, low), 0.0, 1.0)
        for index in np.flatnonzero(weights):
            mask[index] += weights[index] * area
    if not mask.any():
        return f"region {shown(name)} lies outside the image"
    lost = 1 - mask.sum() / drawn
    if lost > 0.01:
        notes.append(f"{100 * lost:.0f} % of region {shown(name)} lies outside the image")
    values = np.moveaxis(np.clip(mask, 0.0, 1.0), 0, axis).astype(np.float32)
    return like.with_values(values, "fraction")


def _slabs(levels: FloatArray, step: float) -> FloatArray:
    """From where to where each plane reaches: halfway to its neighbours, half a step at ends."""
    gaps = np.diff(levels)
    half = np.where(gaps > _GAP * step, step, gaps) / 2
    below, above = np.append(step / 2, half), np.append(half, step / 2)
    return np.column_stack([levels - below, levels + above])


def _covered(polygons: list[FloatArray], n_x: int, n_y: int) -> tuple[FloatArray, float]:
    """Part of each pixel inside an odd number of polygons, and the area that is (in pixels).

    Scan lines along x: between the odd and even crossings of a line lies the inside.
    """
    edges = np.concatenate(
        [np.hstack([p, np.roll(p, -1, axis=0)]) for p in polygons]
    )  # x0, y0, x1, y1
    low = int(np.floor((edges[:, 1].min() + 0.5) * _LINES))
    high = int(np.ceil((edges[:, 1].max() + 0.5) * _LINES))
    area = np.zeros((n_x, n_y))
    total = 0.0
    for line in range(low, high):
        y = (line + 0.5) / _LINES - 0.5
        crossings = _crossings(edges, y)
        total += float((crossings[1::2] - crossings[::2]).sum()) / _LINES
        row = line // _LINES
        if 0 <= row < n_y and len(crossings):
            signs = np.tile([-1.0, 1.0], len(crossings) // 2)
            area[:, row] += signs @ _left_of(crossings, n_x) / _LINES
    return area, total


def _crossings(edges: FloatArray, y: float) -> FloatArray:
    """Where a scan line crosses the edges; upper ends do not count, so corners count once."""
    x0, y0, x1, y1 = edges[(edges[:, 1] <= y) != (edges[:, 3] <= y)].T
    crossings: FloatArray = np.sort(x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return crossings


def _left_of(x: FloatArray, n: int) -> FloatArray:
    """Part of each of n pixels of a line that lies left of x, shape (len(x), n)."""
    part: FloatArray = np.clip(x[:, None] - (np.arange(n)[None, :] - 0.5), 0.0, 1.0)
    return part
