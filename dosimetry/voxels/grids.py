"""One grid for all: placing an image where only axes differ, and resampling where asked for."""

from __future__ import annotations

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.voxels.image import FloatArray, VoxelImage

_TOLERANCE_VOXEL = 0.01


def on_grid(
    image: VoxelImage, like: VoxelImage, name: str, *, resample: bool = False, outside: float = 0.0
) -> VoxelImage:
    """Bring an image or a mask onto the grid of another.

    Voxels that coincide are copied, whatever the order and direction of the axes. Where they do
    not, the image is resampled if asked for, to the mean over the volume of each voxel, so that a
    mask becomes the share of the voxel that it covers; and refused otherwise.

    Parameters
    ----------
    image, like : VoxelImage
        The image, and one on the grid wanted.
    name : str
        Name of the image in messages.
    resample : bool
        Whether values may be interpolated.
    outside : float
        Value of voxels that the image does not cover.

    Raises
    ------
    DosimetryError
        If the grids differ and `resample` is not set, the image lies outside the grid, or several
        labels would be averaged.
    """
    to_image = np.linalg.inv(image.affine) @ like.affine
    if not overlap(image, like):
        raise DosimetryError(
            f"{name} lies outside the image: {_grid_words(image)}, the image has "
            f"{_grid_words(like)}"
        )
    axes = _parallel_axes(to_image)
    if axes is not None and _coincide(to_image):
        return _placed(image, like, to_image, axes, outside)
    if not resample:
        raise DosimetryError(
            f"{name} lies on another grid: {_grid_words(image)}, not {_grid_words(like)}; bring "
            "both to one grid, or allow resampling"
        )
    if axes is None:
        raise DosimetryError(
            f"{name} is rotated against the grid ({_grid_words(like)}): resampling is for parallel "
            "axes; rotate it first, in a registration program"
        )
    if image.unit == "label" and np.max(image.values) > 1:
        raise DosimetryError(
            f"{name} holds labels, which have no mean: split them with region_masks before "
            "resampling"
        )
    return _resampled(image, like, to_image, axes, outside)


def _grid_words(image: VoxelImage) -> str:
    size = " x ".join(f"{mm:.4g}" for mm in image.voxel_mm)
    corner = ", ".join(f"{mm:.5g}" for mm in image.affine[:3, 3])
    return f"{image.shape} voxels of {size} mm from ({corner}) mm"


def overlap(image: VoxelImage, like: VoxelImage) -> bool:
    """Whether the boxes of two images share a part of space (seen along the axes of the first)."""
    to_image = np.linalg.inv(image.affine) @ like.affine
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in like.shape])).reshape(3, -1)
    spots = to_image[:3, :3] @ corners + to_image[:3, 3:]
    ends = np.array(image.shape) - 0.5
    return bool((spots.max(axis=1) > -0.5).all() and (spots.min(axis=1) < ends).all())


def _parallel_axes(to_image: FloatArray) -> tuple[int, int, int] | None:
    """Axis of the image along each axis of the grid, or None if the grid is rotated."""
    cosines = to_image[:3, :3] / np.linalg.norm(to_image[:3, :3], axis=0)
    axes = np.abs(cosines).argmax(axis=0)
    if sorted(axes.tolist()) != [0, 1, 2] or np.abs(cosines).max(axis=0).min() < 1 - 1e-6:
        return None
    return int(axes[0]), int(axes[1]), int(axes[2])


def _coincide(to_image: FloatArray) -> bool:
    """Whether the centres of voxels fall onto centres of voxels of the same size."""
    turn, shift = to_image[:3, :3], to_image[:3, 3]
    same_size = np.abs(turn - np.rint(turn)).max() < 1e-4 and np.allclose(
        np.abs(np.rint(turn)).sum(axis=0), 1
    )
    return bool(same_size and np.abs(shift - np.rint(shift)).max() < _TOLERANCE_VOXEL)


def _placed(
    image: VoxelImage,
    like: VoxelImage,
    to_image: FloatArray,
    axes: tuple[int, int, int],
    outside: float,
) -> VoxelImage:
    values = np.full(like.shape, outside, dtype=image.values.dtype)
    source = np.transpose(image.values, axes)
    from_here, to_there = [], []
    for axis, along in enumerate(axes):
        sign = round(to_image[along, axis])
        spots = sign * np.arange(like.shape[axis]) + round(to_image[along, 3])
        inside = np.flatnonzero((spots >= 0) & (spots < image.shape[along]))
        to_there.append(inside)
        from_here.append(spots[inside])
    values[np.ix_(*to_there)] = source[np.ix_(*from_here)]
    return like.with_values(values, image.unit)


def _resampled(
    image: VoxelImage,
    like: VoxelImage,
    to_image: FloatArray,
    axes: tuple[int, int, int],
    outside: float,
) -> VoxelImage:
    """Mean of the image over each voxel of the grid, weighted by the volumes of overlap."""
    source = np.transpose(
        np.asarray(image.values, dtype=np.result_type(image.values, np.float32)), axes
    )
    filled = source != outside
    values = source
    for axis, along in enumerate(axes):
        spots = np.flatnonzero(filled.any(axis=tuple(a for a in range(3) if a != axis)))
        low, high = (int(spots[0]), int(spots[-1]) + 1) if len(spots) else (0, 1)
        step, start = to_image[along, axis], to_image[along, 3]
        weights = _overlaps(like.shape[axis], float(step), float(start), low, high)
        part = np.take(values, np.arange(low, high), axis=axis) - (outside if axis == 0 else 0.0)
        values = np.moveaxis(np.tensordot(weights, part, axes=(1, axis)), 0, axis)
    return like.with_values(values + outside, image.unit)


def _overlaps(n: int, step: float, start: float, low: int, high: int) -> FloatArray:
    """Part of each of n voxels of the grid that lies in voxel low, ..., high - 1 of the image."""
    centre = (step * np.arange(n) + start)[:, None]
    half = abs(step) / 2
    edges = np.arange(low, high)[None, :]
    covered = np.minimum(centre + half, edges + 0.5) - np.maximum(centre - half, edges - 0.5)
    overlap: FloatArray = np.clip(covered, 0.0, None) / abs(step)
    return overlap


def cropped(image: VoxelImage, box: tuple[slice, ...]) -> VoxelImage:
    """The part of an image in a box of voxels."""
    affine = image.affine.copy()
    start = np.array([part.start or 0 for part in box], dtype=np.float64)
    affine[:3, 3] = affine[:3, :3] @ start + affine[:3, 3]
    return VoxelImage(image.values[box], affine, image.unit)


def upright(image: VoxelImage) -> VoxelImage:
    """The same voxels with axes that rise to the patient's left, front and head.

    Slices across the second axis are then seen as in radiology: right on the left, head on top.

    Raises
    ------
    DosimetryError
        If the grid is turned so far that two of its axes point the same way.
    """
    cosines = image.affine[:3, :3] / np.array(image.voxel_mm)
    axes = np.abs(cosines).argmax(axis=1)
    if sorted(axes.tolist()) != [0, 1, 2]:
        raise DosimetryError("the grid is turned by 45 degrees or more: it cannot be set upright")
    affine = np.eye(4)
    first = np.zeros(3)
    values = np.transpose(image.values, axes)
    for here, (axis, wanted) in enumerate(zip(axes, (-1.0, 1.0, 1.0), strict=True)):
        column = image.affine[:3, axis]
        if column[here] * wanted < 0:
            first[axis] = image.shape[axis] - 1
            values = np.flip(values, here)
            column = -column
        affine[:3, here] = column
    affine[:3, 3] = image.affine[:3, :3] @ first + image.affine[:3, 3]
    return VoxelImage(values, affine, image.unit)
