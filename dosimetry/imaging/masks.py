"""Masks of regions on one grid, from NIfTI, DICOM SEG or RTSTRUCT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.label_names import read_label_names
from dosimetry.imaging.nifti import is_nifti, nifti_label_names, read_nifti
from dosimetry.imaging.safety import files_of, refuses_damage, region_name, shown
from dosimetry.voxels.grids import cropped, on_grid, overlap
from dosimetry.voxels.image import VoxelImage

_HIGHEST_LABEL = 65_535
_LOST = 0.01


@dataclass(frozen=True, eq=False)
class Masks:
    """Regions on one grid.

    Attributes
    ----------
    regions : mapping of str to VoxelImage
        Part of each voxel that lies in the region, from 0 to 1; unit ``"fraction"``.
    notes : tuple of str
        What was left out or assumed.
    """

    regions: Mapping[str, VoxelImage]
    notes: tuple[str, ...] = ()


@refuses_damage
def read_masks(
    path: str | Path,
    like: VoxelImage,
    *,
    labels: str | Path | None = None,
    names: Sequence[str] = (),
    resample: bool = False,
    frame_of_reference_uid: str | None = None,
) -> Masks:
    """Read the masks of regions and bring them onto the grid of an image.

    Parameters
    ----------
    path : str or Path
        A NIfTI label image, a folder of NIfTI masks (one a region), a DICOM SEG or an RTSTRUCT.
    like : VoxelImage
        An image on the grid wanted.
    labels : str or Path, optional
        Label map of a NIfTI label image or folder, see `read_label_names`. Without it the names
        in the header of the image, or the names of the files.
    names : sequence of str, optional
        Regions wanted; all if empty.
    resample : bool
        Whether masks on another grid are resampled (to the fraction of each voxel covered).
        RTSTRUCT contours have no grid and always fit.
    frame_of_reference_uid : str, optional
        Of the image; DICOM masks of another frame of reference are refused.

    Raises
    ------
    DosimetryError
        If a mask wanted is missing, empty or outside the image, or grids differ.
    """
    path = Path(path)
    if path.is_dir() or is_nifti(path):
        return _nifti_masks(path, like, labels, names, resample)
    if labels is not None:
        raise DosimetryError("a label map is for NIfTI masks; DICOM masks have their own names")
    from dosimetry.imaging.dicom_files import read_dataset
    from dosimetry.imaging.dicom_seg import seg_masks
    from dosimetry.imaging.rtstruct import rtstruct_masks

    dataset = read_dataset(path)
    modality = str(dataset.get("Modality", ""))
    if modality == "SEG":
        return seg_masks(
            dataset,
            like,
            names=names,
            resample=resample,
            frame_of_reference_uid=frame_of_reference_uid,
        )
    if modality == "RTSTRUCT":
        return rtstruct_masks(
            dataset, like, names=names, frame_of_reference_uid=frame_of_reference_uid
        )
    raise DosimetryError(
        f"{path.name} has modality {shown(modality)}, legal for masks are SEG and RTSTRUCT"
    )


def gathered(
    found: Mapping[str, VoxelImage | str], names: Sequence[str], notes: Sequence[str] = ()
) -> Masks:
    """Masks by name, or the reason why a region has none; the reason counts if it was wanted.

    Raises
    ------
    DosimetryError
        If a region wanted is not there, or none is.
    """
    missing = [name for name in names if name not in found]
    if missing:
        raise DosimetryError(
            f"there is no region {shown(missing[0])} in the masks; there are "
            f"{', '.join(sorted(found)[:40]) or 'none'}"
        )
    wanted = {name: found[name] for name in (names or found)}
    lost = {name: mask for name, mask in wanted.items() if isinstance(mask, str)}
    regions = {name: mask for name, mask in wanted.items() if not isinstance(mask, str)}
    if lost and (names or not regions):
        raise DosimetryError("; ".join(lost.values()))
    if not regions:
        raise DosimetryError("the masks hold no region")
    left_out = tuple(f"left out: {reason}" for reason in lost.values())
    return Masks(regions, (*notes, *left_out))


def fitted(
    mask: VoxelImage, like: VoxelImage, name: str, notes: list[str], *, resample: bool
) -> VoxelImage | str:
    """The mask on the grid, or the reason why nothing of it lies there; other grids are refused."""
    words = f"region {shown(name)}"
    if not mask.values.any():
        return f"the mask of {words} is empty"
    outside = f"{words} lies outside the image"
    if not overlap(mask, like):
        return outside
    placed = on_grid(mask, like, words, resample=resample)
    if not placed.values.any():
        return outside
    whole, kept = (float(np.sum(m.values, dtype=np.float64)) * m.voxel_ml for m in (mask, placed))
    note_lost(1 - kept / whole, name, notes)
    return placed.with_values(placed.values.astype(np.float32), "fraction")


def note_lost(share: float, name: str, notes: list[str]) -> None:
    """Note the share of a region outside the image, where it is more than rounding."""
    if share > _LOST:
        notes.append(f"{100 * share:.0f} % of region {shown(name)} lies outside the image")


def _nifti_masks(
    path: Path, like: VoxelImage, labels: str | Path | None, names: Sequence[str], resample: bool
) -> Masks:
    given = read_label_names(labels) if labels is not None else {}
    by_file = {key: name for key, name in given.items() if isinstance(key, Path)}
    by_label = {key: name for key, name in given.items() if isinstance(key, int)}
    if path.is_dir():
        if by_label:
            raise DosimetryError("a folder of masks needs a label map with the columns file,name")
        files = by_file or {file: _stem(file) for file in files_of(path) if is_nifti(file)}
        if not files:
            raise DosimetryError(f"there is no NIfTI file (.nii, .nii.gz) in {path}")
        chosen = {file: name for file, name in files.items() if not names or name in names}
        found: dict[str, VoxelImage | str] = dict.fromkeys(files.values(), "")
        notes: list[str] = []
        for file, name in chosen.items():
            found[name] = fitted(_binary(file), like, name, notes, resample=resample)
        return gathered(found, names, notes)
    if by_file:
        raise DosimetryError("one label image needs a label map with the columns label,name")
    return _label_masks(path, like, by_label or nifti_label_names(path), names, resample)


def _label_masks(
    path: Path, like: VoxelImage, given: Mapping[int, str], names: Sequence[str], resample: bool
) -> Masks:
    from scipy.ndimage import find_objects

    image = _label_image(path)
    boxes = find_objects(image.values)
    present = [i + 1 for i, box in enumerate(boxes) if box is not None]
    unnamed = [str(label) for label in present if label not in given]
    notes: list[str] = []
    if unnamed and given:
        notes.append(f"labels without a name in the map: {', '.join(unnamed[:20])}")
    found: dict[str, VoxelImage | str] = {}
    for label in sorted({*present, *given}):
        name = given.get(label, f"label_{label}")
        if names and name not in names:
            found[name] = ""
        elif label not in present:
            found[name] = f"the mask of region {shown(name)} (label {label}) is empty"
        else:
            box = boxes[label - 1]
            part = cropped(image, box)
            mask = part.with_values(part.values == label, "fraction")
            found[name] = fitted(mask, like, name, notes, resample=resample)
    return gathered(found, names, notes)


def _label_image(path: Path) -> VoxelImage:
    image = read_nifti(path, unit="label")
    values = np.asarray(image.values)
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
    if not np.array_equal(whole, values) or whole.min() < 0 or whole.max() > _HIGHEST_LABEL:
        raise DosimetryError(f"{path.name} is no label image: labels are whole numbers from 0")
    return image.with_values(whole.astype(np.int32), "label")


def _binary(path: Path) -> VoxelImage:
    image = _label_image(path)
    if image.values.max() > 1:
        raise DosimetryError(
            f"{path.name} has labels up to {image.values.max()}; a mask of one region has 0 and 1"
        )
    return image


def _stem(path: Path) -> str:
    return region_name(path.name.removesuffix(".gz").removesuffix(".nii"))
