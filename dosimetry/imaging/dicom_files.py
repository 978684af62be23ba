"""DICOM files: datasets, series, and where their planes lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.safety import files_of, imaging_package, refuses_damage, require_size, shown
from dosimetry.voxels.image import FloatArray

_DEFLATED = "1.2.840.10008.1.2.1.99"
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Planes:
    """Parallel planes of pixels in the patient (DICOM's left, posterior, superior; mm).

    Attributes
    ----------
    position : ndarray, shape (n, 3)
        Centre of the first pixel of each plane.
    row, column : ndarray, shape (3,)
        Directions in which the column index, and the row index, rise.
    spacing_mm : tuple of float
        Distance of columns, and of rows.
    """

    position: FloatArray
    row: FloatArray
    column: FloatArray
    spacing_mm: tuple[float, float]

    @property
    def normal(self) -> FloatArray:
        """Direction across the planes."""
        return np.cross(self.row, self.column)

    def affine(self, first: FloatArray, step: FloatArray) -> FloatArray:
        """From (column, row, plane) to RAS millimetres, for planes that begin at `first`."""
        affine = np.eye(4)
        affine[:3, 0] = _LPS_TO_RAS @ self.row * self.spacing_mm[0]
        affine[:3, 1] = _LPS_TO_RAS @ self.column * self.spacing_mm[1]
        affine[:3, 2] = _LPS_TO_RAS @ step
        affine[:3, 3] = _LPS_TO_RAS @ first
        return affine


@refuses_damage
def read_dataset(path: str | Path) -> Any:  # pydicom's datasets have no types
    """Read one DICOM file.

    Raises
    ------
    DosimetryError
        If it is not DICOM, deflated or damaged.
    """
    pydicom = imaging_package("pydicom")
    path = Path(path)
    if not path.is_file():
        raise DosimetryError(f"{path} is not a file")
    if not _looks_like_dicom(path):
        raise DosimetryError(f"{path.name} is no DICOM file")
    meta = pydicom.filereader.read_file_meta_info(path)
    if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
        raise DosimetryError(f"{path.name} is deflated DICOM; save it uncompressed")
    return pydicom.dcmread(path)


def read_series(path: str | Path) -> list[Any]:
    """Read the images of one series: a file, or all DICOM files of a folder.

    Raises
    ------
    DosimetryError
        If there is no image, or if the files are of several series.
    """
    path = Path(path)
    if not path.is_dir():
        return [read_dataset(path)]
    datasets = [read_dataset(file) for file in files_of(path) if _looks_like_dicom(file)]
    datasets = [ds for ds in datasets if "Rows" in ds]
    if not datasets:
        raise DosimetryError(f"there is no DICOM image in {path}")
    series: dict[str, list[Any]] = {}
    for ds in datasets:
        series.setdefault(str(ds.get("SeriesInstanceUID", "")), []).append(ds)
    if len(series) > 1:
        words = [
            f"{ds[0].get('Modality', '?')} {shown(ds[0].get('SeriesDescription', ''))} "
            f"({len(ds)} files)"
            for ds in series.values()
        ]
        raise DosimetryError(
            f"{path} holds {len(series)} series: {', '.join(words[:6])}; legal is one series a "
            "folder"
        )
    return datasets


def _looks_like_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def required(ds: Any, keyword: str) -> Any:
    """An attribute that must be there and not empty.

    Raises
    ------
    DosimetryError
        If it is missing.
    """
    value = ds.get(keyword)
    if value is None or (hasattr(value, "__len__") and len(value) == 0):
        raise DosimetryError(f"the DICOM file has no {keyword}")
    return value


def number(ds: Any, keyword: str) -> float:
    """A finite number that must be there.

    Raises
    ------
    DosimetryError
        If it is missing or no finite number.
    """
    return float(_numbers(required(ds, keyword), keyword, 1)[0])


def _numbers(value: Any, keyword: str, n: int) -> FloatArray:
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (n,) or not np.isfinite(numbers).all():
        raise DosimetryError(f"{keyword} is {shown(value)}, legal are {n} numbers")
    return numbers


def pixels(ds: Any) -> np.ndarray:
    """Stored pixel values, shape (frames, rows, columns).

    Raises
    ------
    DosimetryError
        If there are none, too many, colours, or compressed ones that cannot be read.
    """
    n_frames = int(ds.get("NumberOfFrames") or 1)
    rows, columns = int(required(ds, "Rows")), int(required(ds, "Columns"))
    require_size(n_frames * rows * columns, "the DICOM image")
    if int(ds.get("SamplesPerPixel", 1)) != 1:
        raise DosimetryError("the DICOM image has colours; legal is one value a pixel")
    try:
        values = np.asarray(ds.pixel_array)
    except (RuntimeError, NotImplementedError) as error:
        syntax = ds.file_meta.TransferSyntaxUID.name
        raise DosimetryError(
            f"the pixels are stored as {syntax}, which cannot be read here ({shown(error, 80)}); "
            "save the files uncompressed"
        ) from None
    except (AttributeError, ValueError, KeyError) as error:
        raise DosimetryError(f"the pixel data are damaged: {shown(error, 120)}") from None
    return values.reshape(n_frames, rows, columns)


def planes(position: Sequence[Any], orientation: Any, spacing: Any) -> Planes:
    """Planes from ImagePositionPatient, ImageOrientationPatient and PixelSpacing.

    Raises
    ------
    DosimetryError
        If a value is missing, or the directions are not two unit vectors at a right angle.
    """
    at = np.array([_numbers(p, "ImagePositionPatient", 3) for p in position])
    cosines = _numbers(orientation, "ImageOrientationPatient", 6)
    row, column = cosines[:3], cosines[3:]
    if abs(row @ row - 1) > 1e-3 or abs(column @ column - 1) > 1e-3 or abs(row @ column) > 1e-3:
        raise DosimetryError(
            f"ImageOrientationPatient is {shown(orientation, 80)}, legal are two unit vectors at a "
            "right angle"
        )
    between_rows, between_columns = _numbers(spacing, "PixelSpacing", 2)
    if not (between_rows > 0 and between_columns > 0):
        raise DosimetryError(f"PixelSpacing is {shown(spacing)}, legal are positive numbers")
    return Planes(at, row, column, (float(between_columns), float(between_rows)))


def evenly_stacked(stack: Planes) -> tuple[np.ndarray, FloatArray]:
    """Order of the planes along their normal, and the step from one to the next (mm).

    Raises
    ------
    DosimetryError
        If planes lie at one place, a plane is missing, or the stack is tilted.
    """
    depth = stack.position @ stack.normal
    order = np.argsort(depth)
    depth = depth[order]
    gaps = np.diff(depth)
    step = float(np.median(gaps))
    tolerance = max(0.01 * step, 0.005)
    if (gaps < tolerance).any():
        raise DosimetryError(
            f"two planes lie at the same place ({depth[int(gaps.argmin())]:.2f} mm along the "
            "normal): several times, gates or energy windows in one series?"
        )
    wrong = np.flatnonzero(np.abs(gaps - step) > tolerance)
    if len(wrong):
        at = int(wrong[0])
        missing = gaps[at] / step
        words = (
            f"{round(missing) - 1} missing"
            if missing > 1.5 and abs(missing - round(missing)) < 0.02
            else "uneven spacing"
        )
        raise DosimetryError(
            f"planes at {depth[at]:.2f} and {depth[at + 1]:.2f} mm are {gaps[at]:.3g} mm apart, "
            f"others {step:.3g} mm: {words}"
        )
    ordered = stack.position[order]
    sideways = ordered - np.outer(depth - depth[0], stack.normal) - ordered[0]
    if np.abs(sideways).max() > 0.1:
        raise DosimetryError(
            f"the planes shift sideways by {np.abs(sideways).max():.3g} mm: a tilted gantry? "
            "resample the series to a straight stack first"
        )
    return order, (ordered[-1] - ordered[0]) / (len(ordered) - 1)


def frame_items(ds: Any, keyword: str) -> list[Any]:
    """One item a frame of a functional group, its own or the shared one; None where neither is.

    Raises
    ------
    DosimetryError
        If there are not as many per-frame groups as frames.
    """
    frames = list(required(ds, "PerFrameFunctionalGroupsSequence"))
    n_frames = int(ds.get("NumberOfFrames") or 1)
    if len(frames) != n_frames:
        raise DosimetryError(f"{len(frames)} functional groups for {n_frames} frames")
    shared_groups = ds.get("SharedFunctionalGroupsSequence") or []
    shared = shared_groups[0].get(keyword) if len(shared_groups) else None
    items = []
    for frame in frames:
        sequence = frame.get(keyword) or shared
        items.append(sequence[0] if sequence else None)
    return items


def frame_planes(ds: Any) -> Planes:
    """Planes of the frames of an enhanced multi-frame object.

    Raises
    ------
    DosimetryError
        If a frame has no place, or frames differ in direction or pixel size.
    """
    positions = frame_items(ds, "PlanePositionSequence")
    orientations = frame_items(ds, "PlaneOrientationSequence")
    measures = frame_items(ds, "PixelMeasuresSequence")
    if any(item is None for item in (*positions, *orientations, *measures)):
        raise DosimetryError("a frame has no plane position, orientation or pixel measures")
    turns = {tuple(map(float, required(o, "ImageOrientationPatient"))) for o in orientations}
    sizes = {tuple(map(float, required(m, "PixelSpacing"))) for m in measures}
    if len(turns) > 1 or len(sizes) > 1:
        raise DosimetryError("the frames differ in orientation or pixel size")
    at = [required(item, "ImagePositionPatient") for item in positions]
    return planes(at, next(iter(turns)), next(iter(sizes)))
