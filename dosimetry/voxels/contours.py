"""Regions drawn as polygons on slices: which points lie inside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import VoxelImage

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_OFF_PLANE = 0.02  # voxels a polygon may leave its plane by
_GAP = 1.5  # times the usual distance of slices, from which a region is taken to pause

_GOLDEN = 0.6180339887498949
_SHIFT = np.array([0.7548776662466927, 0.5698402909980532])  # the plastic number: even in 2-D

Slabs = list[tuple[float, float, list[FloatArray]]]


def contour_fractions(
    polygons_mm: Sequence[npt.ArrayLike],
    image: VoxelImage,
    *,
    supersample: int = 8,
    slice_mm: float | None = None,
) -> FloatArray:
    """Share of each voxel that lies within contours.

    Parameters
    ----------
    polygons_mm : sequence of array_like, shape (n_points, 3)
        Closed polygons in the coordinates of the image's affine (mm), each in one plane of its
        third axis. Several on a slice are combined by the even-odd rule, so a polygon within
        another is a hole.
    image : VoxelImage
        The grid.
    supersample : int
        Points along each axis of a voxel.
    slice_mm : float, optional
        Thickness of a slice (mm); the usual distance of the planes if missing.

    Returns
    -------
    ndarray, shape of the image
        From 0 to 1, to be used as a mask.

    Raises
    ------
    DosimetryError
        If polygons are not legal, there is one slice and no `slice_mm`, or the region is empty
        or leaves the image.

    Notes
    -----
    A contour stands for the slab halfway to its neighbours. At both ends of the region, and where
    slices are missing, the slab ends half a slice beyond the plane.
    """
    index, point_ml = contour_points(polygons_mm, image, supersample=supersample, slice_mm=slice_mm)
    share = np.zeros(image.shape)
    np.add.at(share, tuple(np.rint(index).astype(np.int64)), point_ml / image.voxel_ml)
    return np.minimum(share, 1.0)


def contour_points(
    polygons_mm: Sequence[npt.ArrayLike],
    image: VoxelImage,
    *,
    supersample: int,
    slice_mm: float | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Points within contours, and the volume each stands for.

    Every slab is cut where it meets the next layer of voxels, and each piece into levels of its
    own, so that volumes along the third axis are exact. From level to level the points are
    shifted within their cells, lest they line up with the gradient of a map.

    Returns
    -------
    index : ndarray, shape (3, n_points)
        In voxels of the image: the centre of the first is (0, 0, 0).
    point_ml : ndarray, shape (n_points,)
        Volume of each (mL).

    Raises
    ------
    DosimetryError
        As `contour_fractions`.
    """
    if supersample != int(supersample) or supersample < 1:
        raise DosimetryError(f"supersample counts points along an axis, got {supersample!r}")
    planes = _planes(polygons_mm, image)
    points, volumes = [np.zeros((3, 0))], [np.zeros(0)]
    count = 0
    for bottom, top, group in _slabs(planes, None if slice_mm is None else
                                     slice_mm / image.voxel_mm[2]):  # fmt: skip
        corners = np.concatenate(group)
        low, high = corners.min(axis=0), corners.max(axis=0)
        for height, thickness in _levels(bottom, top, supersample):
            shift = (count * _SHIFT + 0.5) % 1.0
            x, y = (_fine(low[a], high[a], supersample, shift[a]) for a in range(2))
            i, j = np.nonzero(inside_polygons(group, x, y))
            within = ((np.arange(len(i)) * _GOLDEN) % 1.0 - 0.5) * thickness
            points.append(np.stack([x[i], y[j], height + within]))
            volumes.append(np.full(len(i), image.voxel_ml * thickness / supersample**2))
            count += 1
    index = np.concatenate(points, axis=1)
    _require_within(index, image)
    return index, np.concatenate(volumes)


def inside_polygons(polygons: Sequence[FloatArray], x: FloatArray, y: FloatArray) -> BoolArray:
    """Points of a grid within polygons by the even-odd rule, shape (len(x), len(y)).

    Along each line of constant x every edge it crosses turns outside into inside, and back, for
    all points beyond the crossing.
    """
    turns = np.zeros((len(x), len(y) + 1), dtype=np.int64)
    for polygon in polygons:
        (xa, ya), (xb, yb) = polygon.T, np.roll(polygon, -1, axis=0).T
        crosses = (x >= np.minimum(xa, xb)[:, None]) & (x < np.maximum(xa, xb)[:, None])
        edge, line = np.nonzero(crosses)
        slope = (yb[edge] - ya[edge]) / (xb[edge] - xa[edge])
        crossing = ya[edge] + (x[line] - xa[edge]) * slope
        np.add.at(turns, (line, np.searchsorted(y, crossing)), 1)
    return np.asarray(np.cumsum(turns, axis=1)[:, :-1] % 2 == 1)


def _fine(low: float, high: float, supersample: int, shift: float) -> FloatArray:
    """One point in each fine cell of the voxels from low to high, in voxels."""
    first, last = int(np.floor(low + 0.5)), int(np.floor(high + 0.5))
    count = (last - first + 1) * supersample
    return np.asarray(first - 0.5 + (np.arange(count) + shift) / supersample)


def _levels(bottom: float, top: float, supersample: int) -> list[tuple[float, float]]:
    """Middle and thickness of the levels of a slab, none across two layers of voxels."""
    cuts = np.arange(np.floor(bottom + 0.5), np.ceil(top + 0.5)) + 0.5
    edges = np.unique(np.concatenate([[bottom], cuts[(cuts > bottom) & (cuts < top)], [top]]))
    levels = []
    for low, high in pairwise(edges):
        count = max(int(np.ceil((high - low) * supersample - 1e-9)), 1)
        step = (high - low) / count
        levels += [(float(low + (k + 0.5) * step), float(step)) for k in range(count)]
    return levels


def _planes(
    polygons_mm: Sequence[npt.ArrayLike], image: VoxelImage
) -> dict[float, list[FloatArray]]:
    """Polygons in voxels by the plane they lie in."""
    inverse = np.linalg.inv(image.affine)
    found: list[tuple[float, FloatArray]] = []
    for number, given in enumerate(polygons_mm):
        points = np.asarray(given, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3:
            raise DosimetryError(
                f"contour {number} needs three points or more of three coordinates, got shape "
                f"{points.shape}"
            )
        if not np.isfinite(points).all():
            raise DosimetryError(f"contour {number} holds coordinates that are not finite")
        index = points @ inverse[:3, :3].T + inverse[:3, 3]
        height = float(index[:, 2].mean())
        if float(np.abs(index[:, 2] - height).max()) > _OFF_PLANE:
            raise DosimetryError(
                f"contour {number} does not lie in a plane of the image's third axis: contours on "
                "oblique or sagittal planes are not covered"
            )
        found.append((height, np.ascontiguousarray(index[:, :2])))
    if not found:
        raise DosimetryError("a region needs at least one contour")
    planes: dict[float, list[FloatArray]] = {}
    last = -np.inf
    for height, polygon in sorted(found, key=lambda item: item[0]):
        last = height if height - last > 2 * _OFF_PLANE else last
        planes.setdefault(last, []).append(polygon)
    return planes


def _slabs(planes: dict[float, list[FloatArray]], thickness: float | None) -> Slabs:
    """From and to which height each plane's polygons hold, in voxels."""
    heights = np.array(list(planes))
    gaps = np.diff(heights)
    if thickness is None:
        if not len(gaps):
            raise DosimetryError("a region on one slice needs slice_mm, the thickness of the slice")
        thickness = float(np.median(gaps))
    if not thickness > 0:
        raise DosimetryError("slice_mm must be above 0")
    half = np.where(gaps > _GAP * thickness, 0.5 * thickness, 0.5 * gaps)
    below = np.concatenate([[0.5 * thickness], half])
    above = np.concatenate([half, [0.5 * thickness]])
    return [
        (height - b, height + a, group)
        for (height, group), b, a in zip(planes.items(), below, above, strict=True)
    ]


def _require_within(index: FloatArray, image: VoxelImage) -> None:
    if not index.shape[1]:
        raise DosimetryError("the region is empty: no point lies within its contours")
    high = np.array(image.shape)[:, None] - 0.5
    outside = ~((index >= -0.5) & (index <= high)).all(axis=0)
    if outside.any():
        raise DosimetryError(
            f"{100 * outside.mean():.3g} % of the region lies outside of the image"
        )
