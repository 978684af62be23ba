"""CT, PET and SPECT images from DICOM."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.dicom_files import (
    Planes,
    evenly_stacked,
    frame_items,
    frame_planes,
    number,
    pixels,
    planes,
    read_series,
    required,
)
from dosimetry.imaging.dicom_times import timing
from dosimetry.imaging.safety import refuses_damage, shown
from dosimetry.voxels.image import FloatArray, VoxelImage

_MBQ_PER_ML = {"BQML": 1e-6, "Bq/ml": 1e-6, "Bq/mL": 1e-6, "kBq/ml": 1e-3}
_COUNTS = ("", "CNTS", "{counts}")
_AIR_HU = -1000.0
_SAME = ("Rows", "Columns", "PixelSpacing", "Modality", "Units", "FrameOfReferenceUID")
_IDENTITY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class DicomImage:
    """An image from DICOM, and what else its files say.

    Attributes
    ----------
    image : VoxelImage
        In ``"HU"`` (CT) or ``"MBq/mL"`` as present at `time_h` (PET and SPECT).
    modality : str
        CT, PT or NM.
    time_h : float or None
        After the injection; None if the files do not say.
    frame_of_reference_uid : str
        Images and masks that share it lie in one space; empty if not stored.
    identity : dict of str to str
        Of patient and study, by DICOM keyword.
    notes : tuple of str
        What was done to the values, and what is missing or assumed.
    """

    image: VoxelImage
    modality: str
    time_h: float | None
    frame_of_reference_uid: str
    identity: dict[str, str]
    notes: tuple[str, ...]


@refuses_damage
def read_dicom_image(
    path: str | Path,
    *,
    calibration_mbq_per_count: float | None = None,
    decay_correction: str | None = None,
    injected_at: datetime | None = None,
    half_life_h: float | None = None,
) -> DicomImage:
    """Read a CT, PET or reconstructed SPECT series.

    Parameters
    ----------
    path : str or Path
        A folder with the slices of one series, or a multi-frame file.
    calibration_mbq_per_count : float, optional
        Activity of a voxel per count in it (MBq), for images in counts: 1 / (sensitivity in
        counts/s/MBq x acquisition time in s).
    decay_correction, injected_at, half_life_h
        See `dosimetry.imaging.dicom_times.timing`.

    Returns
    -------
    DicomImage

    Raises
    ------
    DosimetryError
        If the series is mixed, incomplete, uneven or of another kind, or its units are not known.
    """
    datasets = read_series(path)
    ds = datasets[0]
    modality = str(required(ds, "Modality"))
    if modality not in ("CT", "PT", "NM"):
        raise DosimetryError(f"modality {shown(modality)} is no image, legal are CT, PT and NM")
    _require_alike(datasets)
    _require_volume(ds, modality)
    values, affine = _volume(datasets)
    common = (str(ds.get("FrameOfReferenceUID") or ""), _identity(ds))
    if modality == "CT":
        values, notes = _hounsfield(datasets, values)
        return DicomImage(VoxelImage(values, affine, "HU"), modality, None, *common, notes)
    image = VoxelImage(values, affine, "counts")
    factor, notes = _to_mbq_per_ml(ds, image.voxel_ml, calibration_mbq_per_count)
    when = timing(
        datasets,
        decay_correction=decay_correction,
        injected_at=injected_at,
        half_life_h=half_life_h,
    )
    activity = image.with_values(values * (factor * when.factor), "MBq/mL")
    return DicomImage(activity, modality, when.time_h, *common, (*notes, *when.notes))


def _identity(ds: Any) -> dict[str, str]:
    return {key: str(ds.get(key)) for key in _IDENTITY if ds.get(key)}


def _require_alike(datasets: list[Any]) -> None:
    for keyword in _SAME:
        kinds = {str(ds.get(keyword)) for ds in datasets}
        if len(kinds) > 1:
            words = ", ".join(shown(kind) for kind in sorted(kinds)[:4])
            raise DosimetryError(f"the slices differ in {keyword}: {words}")
    turns = np.array([ds.get("ImageOrientationPatient") or np.zeros(6) for ds in datasets], float)
    if np.abs(turns - turns[0]).max() > 1e-4:
        raise DosimetryError("the slices differ in ImageOrientationPatient")


def _require_volume(ds: Any, modality: str) -> None:
    kind = [str(part) for part in ds.get("ImageType") or []]
    if "LOCALIZER" in kind:
        raise DosimetryError("this CT is a localizer (scout), no volume")
    if modality == "NM" and "RECON TOMO" not in kind:
        raise DosimetryError(
            f"ImageType is {shown(chr(92).join(kind))}; legal for SPECT is RECON TOMO "
            "(reconstructed slices: no projections, planar, gated or whole-body images)"
        )
    if modality == "PT" and "ATTN" not in str(ds.get("CorrectedImage") or "ATTN"):
        raise DosimetryError("the PET is not corrected for attenuation: its values are no activity")


def _volume(datasets: list[Any]) -> tuple[FloatArray, FloatArray]:
    """Scaled values, shape (columns, rows, planes), and the affine."""
    if len(datasets) > 1:
        frames, stack = _single_frames(datasets)
    elif "PerFrameFunctionalGroupsSequence" in datasets[0]:
        frames, stack = _enhanced_frames(datasets[0])
    elif int(datasets[0].get("NumberOfFrames") or 1) > 1:
        frames, stack = _nm_frames(datasets[0])
    else:
        raise DosimetryError("there is one slice alone; a volume has two or more")
    order, step = evenly_stacked(stack)
    affine = stack.affine(stack.position[order[0]], step)
    return np.ascontiguousarray(frames[order].transpose(2, 1, 0)), affine


def _single_frames(datasets: list[Any]) -> tuple[FloatArray, Planes]:
    if any(int(ds.get("NumberOfFrames") or 1) > 1 for ds in datasets):
        raise DosimetryError("the series has several multi-frame files; give the one that is meant")
    ds = datasets[0]
    stack = planes(
        [required(d, "ImagePositionPatient") for d in datasets],
        required(ds, "ImageOrientationPatient"),
        required(ds, "PixelSpacing"),
    )
    frames = np.stack([_scaled(pixels(d)[0], d, d) for d in datasets])
    return frames, stack


def _enhanced_frames(ds: Any) -> tuple[FloatArray, Planes]:
    stored = pixels(ds)
    if len(stored) < 2:
        raise DosimetryError("there is one slice alone; a volume has two or more")
    scalings = frame_items(ds, "PixelValueTransformationSequence")
    frames = [_scaled(f, s or {}, ds) for f, s in zip(stored, scalings, strict=True)]
    return np.stack(frames), frame_planes(ds)


def _nm_frames(ds: Any) -> tuple[FloatArray, Planes]:
    """Frames of a reconstructed SPECT: place of the first, then a signed step along the normal."""
    for keyword in ("NumberOfEnergyWindows", "NumberOfDetectors"):
        if int(ds.get(keyword) or 1) > 1:
            raise DosimetryError(f"{keyword} is {ds.get(keyword)}, legal is 1: one volume a file")
    detectors = ds.get("DetectorInformationSequence") or [{}]
    place = detectors[0] if detectors[0].get("ImagePositionPatient") else ds
    first = np.array(required(place, "ImagePositionPatient"), dtype=np.float64)
    turn = required(place, "ImageOrientationPatient")
    normal = planes([first], turn, required(ds, "PixelSpacing")).normal
    step = number(ds, "SpacingBetweenSlices") if ds.get("SpacingBetweenSlices") else 0.0
    if step == 0:
        raise DosimetryError("the SPECT has no SpacingBetweenSlices: its step is not known")
    stored = pixels(ds)
    position = first + np.outer(np.arange(len(stored)) * step, normal)
    return _scaled(stored, ds, ds), planes(list(position), turn, ds.PixelSpacing)


def _scaled(stored: np.ndarray, scaling: Any, ds: Any) -> FloatArray:
    """Stored values with the real-world map of activity, or else the rescale of the modality."""
    mapping = _activity_map(ds)
    if mapping is not None:
        slope = number(mapping, "RealWorldValueSlope")
        intercept = float(mapping.get("RealWorldValueIntercept") or 0.0)
    else:
        slope = number(scaling, "RescaleSlope") if "RescaleSlope" in scaling else 1.0
        intercept = number(scaling, "RescaleIntercept") if "RescaleIntercept" in scaling else 0.0
    values = stored * np.float64(slope) + intercept
    padding = ds.get("PixelPaddingValue")
    if ds.Modality == "CT" and padding is not None:
        values[stored == int(padding)] = _AIR_HU
    return np.asarray(values, dtype=np.float64)


def _activity_map(ds: Any) -> Any | None:
    for item in ds.get("RealWorldValueMappingSequence") or []:
        if _map_unit(item) in _MBQ_PER_ML:
            return item
    return None


def _map_unit(item: Any) -> str:
    codes = item.get("MeasurementUnitsCodeSequence") or []
    return str(codes[0].get("CodeValue", "")) if len(codes) else ""


def _hounsfield(datasets: list[Any], values: FloatArray) -> tuple[FloatArray, tuple[str, ...]]:
    ds = datasets[0]
    kind = str(ds.get("RescaleType") or "HU")
    if kind not in ("HU", "US"):
        raise DosimetryError(f"RescaleType of the CT is {shown(kind)}, legal is HU")
    padded = ds.get("PixelPaddingValue") is not None
    return values, ("padding outside the field of view set to air",) if padded else ()


def _to_mbq_per_ml(
    ds: Any, voxel_ml: float, calibration_mbq_per_count: float | None
) -> tuple[float, tuple[str, ...]]:
    mapping = _activity_map(ds)
    unit = _map_unit(mapping) if mapping is not None else str(ds.get("Units") or "")
    if unit in _MBQ_PER_ML:
        if calibration_mbq_per_count is not None:
            raise DosimetryError(f"the image is in {unit}: a calibration would be applied twice")
        return _MBQ_PER_ML[unit], (f"values in {unit}",)
    if unit not in _COUNTS:
        raise DosimetryError(
            f"the image is in {shown(unit)}, legal are BQML, or counts with a calibration factor"
        )
    if calibration_mbq_per_count is None:
        raise DosimetryError(
            "the image is in counts (no unit of activity): give the calibration factor in MBq per "
            "count"
        )
    if not (np.isfinite(calibration_mbq_per_count) and calibration_mbq_per_count > 0):
        raise DosimetryError(
            f"the calibration is {calibration_mbq_per_count:g} MBq per count, legal is above 0"
        )
    words = f"counts x {calibration_mbq_per_count:.6g} MBq per count / {voxel_ml:.4g} mL a voxel"
    return calibration_mbq_per_count / voxel_ml, (words,)
