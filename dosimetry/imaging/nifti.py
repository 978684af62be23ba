"""NIfTI images: read with their orientation kept, written with their unit."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.safety import (
    imaging_package,
    refuses_damage,
    region_name,
    require_size,
    shown,
    whole_file,
)
from dosimetry.voxels.image import FloatArray, VoxelImage

_SUFFIXES = (".nii", ".nii.gz")
_MM = {"mm": 1.0, "unknown": 1.0, "meter": 1000.0, "micron": 0.001}
_UNIT_NOTE = re.compile(r"^unit=(.*)$")
_COMMENT_CODE = 0
_EXTENSION_LIMIT_BYTES = 1_000_000


def is_nifti(path: Path) -> bool:
    """Whether the name is one of a NIfTI file: .nii or .nii.gz."""
    return path.name.lower().endswith(_SUFFIXES)


@refuses_damage
def read_nifti(path: str | Path, *, unit: str | None = None) -> VoxelImage:
    """Read a three-dimensional NIfTI image, with the scaling of its header applied.

    Parameters
    ----------
    path : str or Path
        A .nii or .nii.gz file.
    unit : str, optional
        Unit of the values, which NIfTI does not hold: ``"MBq/mL"``, ``"HU"``, ``"label"``, ...
        A file written by `write_nifti` remembers it; it may then be left out, and another one is
        refused.

    Returns
    -------
    VoxelImage
        Axes in the order of the file. Whole numbers without scaling stay so, others are float64.

    Raises
    ------
    DosimetryError
        If the file is no such image, says not where it lies (no qform and sform), says so twice
        and differently, or has another unit.
    """
    path = Path(path)
    image = _loaded(path)
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 3:
        raise DosimetryError(f"{path.name} has shape {image.shape}, legal are three dimensions")
    require_size(int(np.prod(shape)), path.name)
    stored = _stored_unit(image.header)
    if stored is None and unit is None:
        raise DosimetryError(f"{path.name} does not say the unit of its values: give it")
    if stored is not None and unit is not None and stored != unit:
        raise DosimetryError(f"{path.name} holds values in {shown(stored)}, expected are {unit}")
    affine = _affine(image, path.name)
    return VoxelImage(_values(image, path.name).reshape(shape), affine, unit or stored or "")


def _loaded(path: Path) -> Any:  # nibabel's classes have no types
    nibabel = imaging_package("nibabel")
    if not is_nifti(path):
        raise DosimetryError(f"{path.name} is no NIfTI file; legal are {' and '.join(_SUFFIXES)}")
    if not path.is_file():
        raise DosimetryError(f"{path} is not a file")
    errors = (nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError)
    try:
        image = nibabel.load(path)
    except (*errors, OSError, EOFError, ValueError, zlib.error) as error:
        raise DosimetryError(f"{path.name} cannot be read as NIfTI: {shown(error, 120)}") from None
    if not isinstance(image, nibabel.Nifti1Image):
        raise DosimetryError(f"{path.name} is no NIfTI image, but {type(image).__name__}")
    return image


def _values(image: Any, name: str) -> np.ndarray:
    if not np.issubdtype(image.get_data_dtype(), np.number) or np.iscomplexobj(
        np.empty(0, image.get_data_dtype())
    ):
        raise DosimetryError(f"{name} holds {image.get_data_dtype()}, legal are real numbers")
    try:
        values = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DosimetryError(f"{name} is cut off or damaged: {shown(error, 120)}") from None
    if np.issubdtype(values.dtype, np.integer):
        return np.asarray(values)
    return np.asarray(values, dtype=np.float64)


def _affine(image: Any, name: str) -> FloatArray:
    header = image.header
    forms = {
        "sform": header.get_sform(coded=True)[0],
        "qform": header.get_qform(coded=True)[0],
    }
    known = {key: np.asarray(form, float) for key, form in forms.items() if form is not None}
    if not known:
        raise DosimetryError(f"{name} has neither qform nor sform: where it lies is not known")
    space = header.get_xyzt_units()[0]
    if space not in _MM:
        raise DosimetryError(f"{name} has voxels in {shown(space)}, legal are {', '.join(_MM)}")
    affine = next(iter(known.values()))
    for key, form in known.items():
        if np.abs(form - affine).max() > 0.01 * np.linalg.norm(affine[:3, :3], axis=0).min():
            raise DosimetryError(
                f"{name}: sform and {key} put the image in different places; make them equal"
            )
    scaled = affine.copy()
    scaled[:3] *= _MM[space]
    return scaled


def _stored_unit(header: Any) -> str | None:
    text = bytes(header["descrip"]).split(b"\0")[0].decode("latin-1")
    found = _UNIT_NOTE.match(text)
    return found[1] if found else None


@refuses_damage
def nifti_label_names(path: str | Path) -> dict[int, str]:
    """Names of labels in the header extension that TotalSegmentator and others write.

    A ``CaretExtension`` with ``VolumeInformation/LabelTable/Label``: the key is an attribute, the
    name the text (TotalSegmentator, ``nifti_ext_header.py`` at commit 398ff342). Empty if there
    is none.

    Raises
    ------
    DosimetryError
        If the extension is damaged.
    """
    path = Path(path)
    for extension in _loaded(path).header.extensions:
        raw = extension.content.strip(b"\0 \r\n\t")
        if b"<CaretExtension" not in raw:
            continue
        if len(raw) > _EXTENSION_LIMIT_BYTES or b"<!DOCTYPE" in raw or b"<!ENTITY" in raw:
            raise DosimetryError(f"{path.name}: its label table is not legal XML for label names")
        try:
            found = ElementTree.fromstring(raw).findall(".//LabelTable/Label")
            names = {int(label.attrib["Key"]): region_name(label.text or "") for label in found}
        except (ElementTree.ParseError, KeyError, ValueError):
            raise DosimetryError(f"{path.name}: its label table is damaged") from None
        return {key: name for key, name in names.items() if key != 0 and name}
    return {}


def write_nifti(
    image: VoxelImage,
    path: str | Path,
    *,
    labels: Mapping[int, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a NIfTI file: float32, or whole numbers as they are; qform and sform in millimetres.

    Parameters
    ----------
    image : VoxelImage
        The image; its unit goes into the header's description.
    path : str or Path
        Ends in .nii or .nii.gz; folders are made.
    labels : mapping of int to str, optional
        Names of the labels, stored as TotalSegmentator does.
    overwrite : bool
        Whether a file that exists is replaced.

    Returns
    -------
    Path

    Raises
    ------
    DosimetryError
        If the file exists, or its name or the image's values are not legal.
    """
    nibabel = imaging_package("nibabel")
    path = Path(path)
    if not is_nifti(path):
        raise DosimetryError(f"{path.name} is no name of a NIfTI file, legal are .nii and .nii.gz")
    whole = np.issubdtype(image.values.dtype, np.integer) or image.values.dtype == np.bool_
    values = _whole_numbers(image.values) if whole else np.asarray(image.values, dtype=np.float32)
    if not np.isfinite(values).all():
        raise DosimetryError(f"{path.name}: the image has values that are not finite float32")
    out = nibabel.Nifti1Image(values, image.affine)
    out.header.set_xyzt_units(xyz="mm")
    out.set_qform(image.affine, code="scanner")
    out.set_sform(image.affine, code="scanner")
    out.header["descrip"] = f"unit={image.unit}".encode()[:79]
    if labels:
        out.header.extensions.append(
            nibabel.nifti1.Nifti1Extension(_COMMENT_CODE, _label_table(labels))
        )
    with whole_file(path, overwrite=overwrite) as draft:
        nibabel.save(out, draft)
    return path


def _whole_numbers(values: np.ndarray) -> np.ndarray:
    """The same numbers in the smallest type that every NIfTI reader knows."""
    low, high = (int(values.min()), int(values.max())) if values.dtype != np.bool_ else (0, 1)
    for dtype in (np.uint8, np.int16, np.int32):
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            return values.astype(dtype)
    raise DosimetryError(f"whole numbers from {low} to {high} do not fit into 32 bits")


def _label_table(labels: Mapping[int, str]) -> bytes:
    root = ElementTree.Element("CaretExtension")
    table = ElementTree.SubElement(
        ElementTree.SubElement(root, "VolumeInformation", Index="0"), "LabelTable"
    )
    for key, name in labels.items():
        ElementTree.SubElement(table, "Label", Key=str(key)).text = name
    table_xml: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return table_xml
