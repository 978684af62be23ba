"""RTDOSE: dose maps that treatment-planning systems read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.dicom_files import number, pixels, planes, read_dataset, required
from dosimetry.imaging.safety import imaging_package, refuses_damage, shown, whole_file
from dosimetry.voxels.image import FloatArray, VoxelImage

_RTDOSE = "1.2.840.10008.5.1.4.1.1.481.2"
_RTPLAN = "1.2.840.10008.5.1.4.1.1.481.5"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_MOST = 2**32 - 1
_OPTIONAL_IDENTITY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
    "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


def write_rtdose(
    image: VoxelImage,
    path: str | Path,
    *,
    identity: Mapping[str, str] | None = None,
    frame_of_reference_uid: str = "",
    anonymise: bool = False,
    comment: str = "",
    overwrite: bool = False,
) -> Path:
    """Write a dose map as DICOM RT Dose.

    The dose is physical, in Gy, stored as 32-bit whole numbers times DoseGridScaling. As the
    standard wants for a DoseSummationType of PLAN, an RT plan is referred to; there is none in
    radionuclide therapy, so its UID is a new one that stands for the treatment.

    Parameters
    ----------
    image : VoxelImage
        In Gy, zero or positive.
    path : str or Path
        Ends in .dcm; folders are made.
    identity : mapping of str to str, optional
        Of patient and study, by DICOM keyword: `DicomImage.identity` of the activity's series.
    frame_of_reference_uid : str
        Of that series; a new one if empty.
    anonymise : bool
        Leave out identity and frame of reference: new UIDs, no name, no dates of the patient.
    comment : str
        DoseComment; cut to the 64 characters that it may have.
    overwrite : bool
        Whether a file that exists is replaced.

    Returns
    -------
    Path

    Raises
    ------
    DosimetryError
        If the image is not a dose in Gy, or the file exists.
    """
    pydicom = imaging_package("pydicom")
    path = Path(path)
    if path.suffix.lower() != ".dcm":
        raise DosimetryError(f"{path.name} is no name of a DICOM file, legal is .dcm")
    if image.unit != "Gy":
        raise DosimetryError(f"RTDOSE holds absorbed dose in Gy, not {image.unit}")
    dose = np.asarray(image.values, dtype=np.float64)
    if not np.isfinite(dose).all() or dose.min() < 0:
        raise DosimetryError("RTDOSE holds finite doses from 0; the map has others")
    ds = pydicom.Dataset()
    ds.file_meta = pydicom.dataset.FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = _EXPLICIT_LITTLE_ENDIAN
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = _RTDOSE
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = pydicom.uid.generate_uid()
    known = {} if anonymise or identity is None else dict(identity)
    _add_patient_and_study(ds, pydicom, known, anonymise=anonymise)
    uid = "" if anonymise else frame_of_reference_uid
    ds.FrameOfReferenceUID = uid or pydicom.uid.generate_uid()
    ds.PositionReferenceIndicator = ""
    _add_dose(ds, pydicom, comment)
    _add_grid(ds, pydicom, image.with_values(dose, "Gy"))
    with whole_file(path, overwrite=overwrite) as draft:
        ds.save_as(draft, enforce_file_format=True)
    return path


def _add_patient_and_study(
    ds: Any, pydicom: Any, known: Mapping[str, str], *, anonymise: bool
) -> None:
    for keyword in _OPTIONAL_IDENTITY:
        setattr(ds, keyword, known.get(keyword, ""))
    if anonymise:
        ds.PatientName = ds.PatientID = "ANONYMOUS"
        ds.PatientIdentityRemoved = "YES"
        ds.DeidentificationMethod = "Identity not passed on; new UIDs"
    now = datetime.now()
    ds.StudyInstanceUID = known.get("StudyInstanceUID") or pydicom.uid.generate_uid()
    ds.SeriesInstanceUID = pydicom.uid.generate_uid()
    ds.SeriesNumber = None
    ds.InstanceNumber = 1
    ds.OperatorsName = ""
    ds.Modality = "RTDOSE"
    ds.SeriesDescription = "Absorbed dose, voxel"
    ds.Manufacturer = "hemadose"
    ds.ManufacturerModelName = "hemadose"
    ds.InstanceCreationDate = now.strftime("%Y%m%d")
    ds.InstanceCreationTime = now.strftime("%H%M%S")


def _add_dose(ds: Any, pydicom: Any, comment: str) -> None:
    ds.DoseUnits = "GY"
    ds.DoseType = "PHYSICAL"
    ds.DoseSummationType = "PLAN"
    ds.DoseComment = comment[:64]
    plan = pydicom.Dataset()
    plan.ReferencedSOPClassUID = _RTPLAN
    plan.ReferencedSOPInstanceUID = pydicom.uid.generate_uid()
    ds.ReferencedRTPlanSequence = [plan]


def _add_grid(ds: Any, pydicom: Any, image: VoxelImage) -> None:
    def text(value: float) -> Any:
        return pydicom.valuerep.DSfloat(float(value), auto_format=True)

    to_lps = np.diag([-1.0, -1.0, 1.0])
    size = np.array(image.voxel_mm)
    directions = to_lps @ image.affine[:3, :3] / size
    dose = np.asarray(image.values, dtype=np.float64)
    first = to_lps @ image.affine[:3, 3]
    if np.cross(directions[:, 0], directions[:, 1]) @ directions[:, 2] < 0:
        dose = dose[:, :, ::-1]
        first = first + (image.shape[2] - 1) * size[2] * directions[:, 2]
    ds.Columns, ds.Rows, n_frames = image.shape
    ds.NumberOfFrames = n_frames
    ds.FrameIncrementPointer = 0x3004000C
    ds.ImagePositionPatient = [text(v) for v in first]
    ds.ImageOrientationPatient = [text(v) for v in directions[:, :2].T.ravel()]
    ds.PixelSpacing = [text(size[1]), text(size[0])]
    ds.SliceThickness = text(size[2])
    ds.GridFrameOffsetVector = [text(k * size[2]) for k in range(n_frames)]
    # the text of the scaling has 10 digits: a little more keeps the highest dose below 2^32
    scaling = text(max(float(dose.max()), 1e-30) / _MOST * (1 + 1e-8))
    ds.DoseGridScaling = scaling
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 32
    ds.HighBit = 31
    ds.PixelRepresentation = 0
    stored = np.rint(dose / float(str(scaling))).astype("<u4")
    ds.PixelData = np.ascontiguousarray(stored.transpose(2, 1, 0)).tobytes()


@refuses_damage
def read_rtdose(path: str | Path) -> VoxelImage:
    """Read a dose map in Gy from DICOM RT Dose.

    Parameters
    ----------
    path : str or Path
        A file with DoseUnits GY and evenly spaced planes; offsets relative to the first plane or,
        for axial planes, as patient positions.

    Returns
    -------
    VoxelImage
        In Gy.

    Raises
    ------
    DosimetryError
        If it is no such file.
    """
    ds = read_dataset(path)
    if str(ds.get("Modality")) != "RTDOSE":
        raise DosimetryError(f"modality is {shown(ds.get('Modality'))}, legal is RTDOSE")
    if str(required(ds, "DoseUnits")) != "GY":
        raise DosimetryError(f"DoseUnits is {shown(ds.DoseUnits)}, legal is GY")
    frames = pixels(ds) * number(ds, "DoseGridScaling")
    stack = planes(
        [required(ds, "ImagePositionPatient")],
        required(ds, "ImageOrientationPatient"),
        required(ds, "PixelSpacing"),
    )
    offsets = np.atleast_1d(np.asarray(required(ds, "GridFrameOffsetVector"), dtype=np.float64))
    if len(offsets) != len(frames):
        raise DosimetryError(f"{len(offsets)} frame offsets for {len(frames)} planes")
    return VoxelImage(
        frames.transpose(2, 1, 0),
        stack.affine(stack.position[0], stack.normal * _offset_step(offsets, stack, ds)),
        "Gy",
    )


def _offset_step(offsets: FloatArray, stack: Any, ds: Any) -> float:
    if len(offsets) == 1:
        return number(ds, "SliceThickness")
    if offsets[0] != 0 and abs(offsets[0] - stack.position[0, 2]) > 0.01:
        raise DosimetryError(
            f"GridFrameOffsetVector begins with {offsets[0]:g}, legal is 0 or the place of the "
            "first plane"
        )
    steps = np.diff(offsets)
    if np.abs(steps - steps[0]).max() > 0.01 * abs(steps[0]) or steps[0] == 0:
        raise DosimetryError("the planes of the dose are not evenly spaced")
    return float((offsets[-1] - offsets[0]) / (len(offsets) - 1))
