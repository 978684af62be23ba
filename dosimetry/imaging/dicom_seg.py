"""DICOM segmentations: binary and fractional, frames in any order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.dicom_files import (
    Planes,
    frame_items,
    frame_planes,
    number,
    pixels,
    required,
)
from dosimetry.imaging.masks import Masks, fitted, gathered
from dosimetry.imaging.safety import region_name, require_size, shown
from dosimetry.voxels.image import FloatArray, VoxelImage

_KINDS = ("BINARY", "FRACTIONAL")


def seg_masks(
    dataset: Any,
    like: VoxelImage,
    *,
    names: Sequence[str] = (),
    resample: bool = False,
    frame_of_reference_uid: str | None = None,
) -> Masks:
    """Masks of the segments of a DICOM SEG on the grid of an image.

    Frames may come in any order, and frames without a pixel of the segment may be left out, as
    the standard allows: each is put where its plane position says.

    Parameters
    ----------
    dataset : Dataset
        The segmentation.
    like, names, resample, frame_of_reference_uid
        See `dosimetry.imaging.masks.read_masks`.

    Raises
    ------
    DosimetryError
        If the object is not such a segmentation, or its masks do not fit the image.
    """
    kind = str(required(dataset, "SegmentationType"))
    if kind not in _KINDS:
        raise DosimetryError(f"SegmentationType is {shown(kind)}, legal are {', '.join(_KINDS)}")
    require_frame_of_reference(dataset.get("FrameOfReferenceUID"), frame_of_reference_uid)
    fractions = pixels(dataset).astype(np.float32)
    notes: list[str] = []
    if kind == "FRACTIONAL":
        fractions /= number(dataset, "MaximumFractionalValue")
        if dataset.get("SegmentationFractionalType") == "PROBABILITY":
            notes.append("ASSUMED: probabilities of the segmentation count as parts of the voxel")
    if fractions.max() > 1:
        raise DosimetryError(f"the segmentation has values up to {fractions.max():g}, legal is 1")
    stack = frame_planes(dataset)
    of_frame = _segment_of_frame(dataset)
    depth_index, affine, n_planes = _planes_on_a_stack(stack)
    found: dict[str, VoxelImage | str] = {}
    for segment, name in _segment_names(dataset).items():
        frames = np.flatnonzero(of_frame == segment)
        if names and name not in names:
            found[name] = ""
        elif not len(frames):
            found[name] = f"the mask of region {shown(name)} is empty"
        else:
            mask = _volume(fractions[frames], depth_index[frames], n_planes, name)
            whole = VoxelImage(mask, affine, "fraction")
            found[name] = fitted(whole, like, name, notes, resample=resample)
    return gathered(found, names, notes)


def require_frame_of_reference(stored: Any, wanted: str | None) -> None:
    """Refuse masks that were drawn in another frame of reference than the image.

    Raises
    ------
    DosimetryError
        If both are known and differ.
    """
    if stored and wanted and str(stored) != wanted:
        raise DosimetryError(
            "the masks were drawn in another frame of reference than the image (FrameOfReferenceUID"
            f" {shown(stored, 70)}, image {shown(wanted, 70)}); register them first"
        )


def _segment_names(dataset: Any) -> dict[int, str]:
    names: dict[int, str] = {}
    for item in required(dataset, "SegmentSequence"):
        segment = int(number(item, "SegmentNumber"))
        name = region_name(item.get("SegmentLabel") or "") or f"segment_{segment}"
        if segment in names:
            raise DosimetryError(f"segment number {segment} comes twice")
        names[segment] = f"{name}_{segment}" if name in names.values() else name
    return names


def _segment_of_frame(dataset: Any) -> np.ndarray:
    items = frame_items(dataset, "SegmentIdentificationSequence")
    if any(item is None for item in items):
        raise DosimetryError("a frame does not say its segment")
    return np.array([int(number(item, "ReferencedSegmentNumber")) for item in items])


def _planes_on_a_stack(stack: Planes) -> tuple[np.ndarray, FloatArray, int]:
    """Index of each frame in an even stack with gaps, its affine and number of planes."""
    depth = stack.position @ stack.normal
    levels = np.unique(np.round(depth, 3))
    gaps = np.diff(levels)
    gaps = gaps[gaps > 0.01]
    # one plane alone has no step: the smaller pixel size is as good as another
    step = float(gaps.min()) if len(gaps) else min(stack.spacing_mm)
    index = (depth - depth.min()) / step
    whole = np.rint(index).astype(np.int64)
    if np.abs(index - whole).max() > 0.05:
        raise DosimetryError(
            f"the frames of the segmentation lie at uneven distances (smallest {step:.3g} mm)"
        )
    first = stack.position[int(depth.argmin())]
    sideways = stack.position - first - np.outer(depth - depth.min(), stack.normal)
    if np.abs(sideways).max() > 0.1:
        raise DosimetryError("the frames of the segmentation shift sideways: they are no stack")
    n_planes = int(whole.max()) + 1
    return whole, stack.affine(first, stack.normal * step), n_planes


def _volume(frames: np.ndarray, index: np.ndarray, n_planes: int, name: str) -> np.ndarray:
    if len(np.unique(index)) < len(index):
        raise DosimetryError(f"two frames of segment {shown(name)} lie at the same place")
    _, rows, columns = frames.shape
    require_size(n_planes * rows * columns, f"segment {shown(name)}")
    mask = np.zeros((columns, rows, n_planes), dtype=np.float32)
    mask[:, :, index] = frames.transpose(2, 1, 0)
    return mask
