"""Regions drawn as polygons on planes: how much of each voxel lies inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import FloatArray, VoxelImage

_FARTHEST = 1e5  # voxels
_FLAT_MM = 0.1  # a polygon may leave its plane by
_GAP = 1.5  # times the usual distance of planes, from which a region is taken to pause
_SAME_PLANE = 0.25  # of that distance
_LINES = 8  # scan lines a voxel
_OUTSIDE = 1e-6  # share of a region that rounding may put outside

_WANTED_POINTS = 50_000  # points of a region from which finer ones change little
_FINEST = 24  # points along an axis of a voxel
_SHIFT = np.array([[0.8191725134], [0.6710436067], [0.5497004779]])  # even in 3-D, Roberts' R3


class Drawing(NamedTuple):
    """Polygons of one region in voxels of a grid, all flat across one of its axes."""

    polygons: list[FloatArray]
    axis: int
    step: float
    """Usual distance of planes, in voxels."""


class Raster(NamedTuple):
    """A drawing on a grid."""

    share: FloatArray
    """Part of each voxel that lies inside."""
    outside: float
    """Share of the region that lies outside the grid."""
    has_gaps: bool
    """Whether planes are left out between others."""


class _Slab(NamedTuple):
    low: float
    high: float
    polygons: list[FloatArray]


def contour_fractions(
    polygons_mm: Sequence[npt.ArrayLike], image: VoxelImage, *, slice_mm: float | None = None
) -> FloatArray:
    """Share of each voxel that lies within contours.

    Parameters
    ----------
    polygons_mm : sequence of array_like, shape (n_points, 3)
        Closed polygons in the coordinates of the image's affine (mm), each in a plane of the
        grid, all across the same axis. Several on a plane are combined by the even-odd rule, so a
        polygon within another, or a keyhole, is a hole.
    image : VoxelImage
        The grid.
    slice_mm : float, optional
        Thickness of a slice (mm); the usual distance of the planes if missing.

    Returns
    -------
    ndarray, shape of the image
        From 0 to 1, to be used as a mask.

    Raises
    ------
    DosimetryError
        If polygons are not legal, there is one plane and no `slice_mm`, or the region is empty
        or leaves the image.

    Notes
    -----
    A contour stands for the slab halfway to its neighbours. At both ends of the region, and where
    planes are missing, the slab ends half a slice beyond the plane. The share is exact along scan
    lines and across planes; there are 8 lines a voxel.
    """
    raster = rasterised(_drawing(polygons_mm, image, slice_mm), image)
    _require_within(raster.outside)
    return raster.share


def contour_points(
    polygons_mm: Sequence[npt.ArrayLike],
    image: VoxelImage,
    *,
    supersample: int | None = None,
    slice_mm: float | None = None,
) -> tuple[FloatArray, FloatArray, int]:
    """Points within contours, and the volume each stands for.

    Voxels are cut into finer cells, each with a point somewhere in it, lest points line up with
    the gradient of a map, and the volume of the cell that lies inside.

    Returns
    -------
    index : ndarray, shape (3, n_points)
        In voxels of the image: the centre of the first is (0, 0, 0).
    point_ml : ndarray, shape (n_points,)
        Volume of each (mL).
    supersample : int
        Cells along each axis of a voxel; as many as bring the region to some 50 000 (3 to 24) if
        not given.

    Raises
    ------
    DosimetryError
        As `contour_fractions`.
    """
    drawing = _drawing(polygons_mm, image, slice_mm)
    fine = _fineness(drawing) if supersample is None else require_supersample(supersample)
    low, high = _box(drawing, image.shape)
    size, axis = (high - low) * fine, drawing.axis
    moved = [(points + 0.5 - low) * fine - 0.5 for points in drawing.polygons]
    cells, parts, total = [np.zeros((4, 0))], [np.zeros(0)], 0.0
    for slab in _slabs(Drawing(moved, axis, drawing.step * fine)):
        area, drawn = _covered(slab.polygons, *np.delete(size, axis), n_lines=1)
        total += drawn * (slab.high - slab.low)
        pixels = np.argwhere(area > 0).T
        for _, bottom, top in _layers(slab, size[axis]):
            place = np.insert(pixels.astype(np.float64), axis, 0.5 * (bottom + top), axis=0)
            cells.append(np.vstack([place, np.full(pixels.shape[1], top - bottom)]))
            parts.append(area[area > 0] * (top - bottom))
    all_cells = np.concatenate(cells, axis=1)
    share = np.concatenate(parts)
    _require_within(_outside(float(share.sum()), total))
    shift = (np.arange(1, len(share) + 1) * _SHIFT) % 1.0 - 0.5
    shift[axis] *= all_cells[3]  # thickness
    index = (all_cells[:3] + shift + 0.5) / fine - 0.5 + low[:, None]
    return index, share * image.voxel_ml / fine**3, fine


def in_voxels(points_mm: FloatArray, image: VoxelImage) -> FloatArray:
    """Points in voxel indices of an image, shape (n_points, 3)."""
    inverse = np.linalg.inv(image.affine)
    return np.asarray(points_mm @ inverse[:3, :3].T + inverse[:3, 3])


def plane_axis(polygons: Sequence[FloatArray], image: VoxelImage) -> int:
    """Axis of the grid across which all polygons (in voxels) are flat.

    Raises
    ------
    DosimetryError
        If there is none, or a polygon lies where no patient can.
    """
    if not polygons:
        return 2
    farthest = max(float(np.abs(polygon).max()) for polygon in polygons)
    if farthest > _FARTHEST:
        raise DosimetryError(
            f"a contour lies {farthest:.3g} voxels from the image: give coordinates in mm"
        )
    size = np.array(image.voxel_mm)
    depth_mm = np.max([np.ptp(polygon, axis=0) * size for polygon in polygons], axis=0)
    axis = int(depth_mm.argmin())
    if depth_mm[axis] > _FLAT_MM:
        raise DosimetryError(
            f"the contours do not lie in planes of the image's grid (off by {depth_mm[axis]:.3g} "
            "mm); use a grid with the axes of the series they were drawn on"
        )
    return axis


def plane_step(polygons: Sequence[FloatArray], axis: int) -> float | None:
    """Usual distance of the planes that polygons lie in, in voxels; None for one plane."""
    gaps = np.diff(np.unique(np.round([polygon[0, axis] for polygon in polygons], 3)))
    gaps = gaps[gaps > 0.01]
    return float(np.quantile(gaps, 0.5, method="lower")) if len(gaps) else None


def rasterised(drawing: Drawing, image: VoxelImage) -> Raster:
    """A drawing on the grid of an image.

    Raises
    ------
    DosimetryError
        If no point lies within the contours.
    """
    low, high = _box(drawing, image.shape)
    size, axis = high - low, drawing.axis
    slabs = _slabs(Drawing([points - low for points in drawing.polygons], axis, drawing.step))
    part = np.zeros((size[axis], *np.delete(size, axis)))
    total = 0.0
    for slab in slabs:
        area, drawn = _covered(slab.polygons, *part.shape[1:], n_lines=_LINES)
        total += drawn * (slab.high - slab.low)
        for layer, bottom, top in _layers(slab, len(part)):
            part[layer] += (top - bottom) * area
    share = np.zeros(image.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    share[box] = np.moveaxis(np.clip(part, 0.0, 1.0), 0, axis)
    gaps = any(b.low > a.high + 1e-6 for a, b in pairwise(slabs))
    return Raster(share, _outside(float(part.sum()), total), gaps)


def require_supersample(supersample: float) -> int:
    """The number of points along an axis of a voxel, if it can be one."""
    if supersample != int(supersample) or supersample < 1:
        raise DosimetryError(f"supersample counts points along an axis, got {supersample!r}")
    return int(supersample)


def _drawing(
    polygons_mm: Sequence[npt.ArrayLike], image: VoxelImage, slice_mm: float | None
) -> Drawing:
    polygons = []
    for number, given in enumerate(polygons_mm):
        points = np.asarray(given, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3:
            raise DosimetryError(
                f"contour {number} needs three points or more of three coordinates, got shape "
                f"{points.shape}"
            )
        if not np.isfinite(points).all():
            raise DosimetryError(f"contour {number} holds coordinates that are not finite")
        polygons.append(in_voxels(points, image))
    if not polygons:
        raise DosimetryError("a region needs at least one contour")
    axis = plane_axis(polygons, image)
    if slice_mm is not None and not slice_mm > 0:
        raise DosimetryError("slice_mm must be above 0")
    step = plane_step(polygons, axis) if slice_mm is None else slice_mm / image.voxel_mm[axis]
    if step is None:
        raise DosimetryError("a region on one plane needs slice_mm, the thickness of the slice")
    return Drawing(polygons, axis, step)


def _fineness(drawing: Drawing) -> int:
    """Cells along an axis of a voxel, from the box around polygons."""
    span = np.ptp(np.concatenate(drawing.polygons), axis=0)
    span[drawing.axis] += drawing.step
    n_voxels = max(float(np.prod(span)) / 2, 1e-9)
    return int(np.clip(np.ceil(np.cbrt(_WANTED_POINTS / n_voxels)), 3, _FINEST))


def _box(
    drawing: Drawing, shape: tuple[int, int, int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First voxel of the grid that a drawing touches, and the one after the last; never empty."""
    points = np.concatenate(drawing.polygons)
    reach = np.zeros(3)
    reach[drawing.axis] = drawing.step  # a slab ends no further from its plane
    n = np.array(shape)
    low = np.clip(np.floor(points.min(axis=0) - reach + 0.5), 0, n - 1).astype(np.int64)
    high = np.floor(points.max(axis=0) + reach + 0.5).astype(np.int64) + 1
    return low, np.clip(high, low + 1, n)


def _slabs(drawing: Drawing) -> list[_Slab]:
    """From where to where each plane's polygons hold: halfway to its neighbours."""
    _, axis, step = drawing
    planes: list[tuple[float, list[FloatArray]]] = []
    for polygon in sorted(drawing.polygons, key=lambda points: float(points[0, axis])):
        level = float(polygon[0, axis])
        if not planes or level - planes[-1][0] > _SAME_PLANE * step:
            planes.append((level, []))
        planes[-1][1].append(np.delete(polygon, axis, axis=1))
    levels = np.array([level for level, _ in planes])
    gaps = np.diff(levels)
    half = np.where(gaps > _GAP * step, step, gaps) / 2
    lows = levels - np.append(step / 2, half)
    highs = levels + np.append(half, step / 2)
    return [
        _Slab(float(low), float(high), polygons)
        for low, high, (_, polygons) in zip(lows, highs, planes, strict=True)
    ]


def _layers(slab: _Slab, n: int) -> Iterator[tuple[int, float, float]]:
    """Layers of voxels that a slab meets, and from where to where."""
    first, last = int(np.floor(slab.low + 0.5)), int(np.ceil(slab.high + 0.5))
    for layer in range(max(first, 0), min(last, n)):
        yield layer, max(slab.low, layer - 0.5), min(slab.high, layer + 0.5)


def _covered(
    polygons: Sequence[FloatArray], n_x: int, n_y: int, *, n_lines: int
) -> tuple[FloatArray, float]:
    """Part of each pixel inside an odd number of polygons, and the area that is (in pixels).

    Scan lines along x: between the odd and even crossings of a line lies the inside. The lower
    end of an edge counts as crossed, the upper one does not, so that corners count once.
    """
    x0, y0, x1, y1 = np.concatenate(
        [np.hstack([p, np.roll(p, -1, axis=0)]) for p in polygons]
    ).T  # fmt: skip
    first, last = (
        np.ceil((end(y0, y1) + 0.5) * n_lines - 0.5).astype(np.int64)
        for end in (np.minimum, np.maximum)
    )
    crossed = last - first
    edge = np.repeat(np.arange(len(x0)), crossed)
    line = np.arange(len(edge)) - np.repeat(np.cumsum(crossed) - crossed - first, crossed)
    y = (line + 0.5) / n_lines - 0.5
    x = x0[edge] + (y - y0[edge]) / (y1 - y0)[edge] * (x1 - x0)[edge]
    order = np.lexsort((x, line))
    x, row = x[order], line[order] // n_lines
    sign = np.tile([-1.0, 1.0], len(x) // 2)
    total = float(sign @ x) / n_lines
    within = (row >= 0) & (row < n_y)
    x, row, sign = np.clip(x[within], -0.5, n_x - 0.5) + 0.5, row[within], sign[within]
    pixel = np.floor(x).astype(np.int64)
    at = row * (n_x + 1) + pixel
    cells = n_y * (n_x + 1)
    beyond = np.bincount(at, -sign, cells).reshape(n_y, -1).cumsum(axis=1)
    own = np.bincount(at, sign * (x - pixel), cells).reshape(n_y, -1)
    area = ((beyond + own)[:, :n_x].T / n_lines).round(12)  # neither 1e-17 nor 1 - 1e-16
    return np.asarray(area), total


def _outside(inside: float, drawn: float) -> float:
    if not drawn > 0:
        raise DosimetryError("no point lies within the contours")
    return 1 - inside / drawn


def _require_within(outside: float) -> None:
    if outside > _OUTSIDE:
        raise DosimetryError(f"{100 * outside:.3g} % of the region lies outside of the image")
