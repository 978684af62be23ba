"""Images of `hemadose voxel`: activity, density and regions on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.dicom_images import DicomImage, read_dicom_image
from dosimetry.imaging.masks import Masks, read_masks
from dosimetry.imaging.nifti import is_nifti, read_nifti
from dosimetry.imaging.units import DENSITY_ASSUMED, density_from_hu, in_mbq_per_ml
from dosimetry.voxels.grids import on_grid
from dosimetry.voxels.image import VoxelImage
from hemadose.errors import HemadoseError

_AIR_G_PER_ML = 0.0012
_HIGHEST_G_PER_ML = 25.0


@dataclass(frozen=True)
class VoxelOptions:
    """Options of `hemadose voxel` that say how to read the images.

    Attributes
    ----------
    nuclide : str
        Radionuclide.
    times_h : tuple of float
        After the injection, one an image; from the files if empty.
    unit : str or None
        Of NIfTI activity.
    calibration_mbq_per_count : float or None
        For DICOM images in counts.
    injected_at : datetime or None
        Overrides the DICOM files.
    masks, labels, ct, density : Path or None
        Files of regions, of the label map, of CT numbers, of density.
    regions : tuple of str
        Regions wanted; all if empty.
    resample : bool
        Whether masks and density of another grid are resampled.
    """

    nuclide: str
    times_h: tuple[float, ...] = ()
    unit: str | None = None
    calibration_mbq_per_count: float | None = None
    injected_at: datetime | None = None
    masks: Path | None = None
    labels: Path | None = None
    ct: Path | None = None
    density: Path | None = None
    regions: tuple[str, ...] = ()
    resample: bool = False


@dataclass(frozen=True, eq=False)
class VoxelInputs:
    """What was read.

    Attributes
    ----------
    images : tuple of VoxelImage
        Activity (MBq/mL) as present at each time, in order of time, on one grid.
    times_h : tuple of float or None
        Times after the injection; None for one image whose time is not known.
    masks : Masks
        Regions on the grid; none if no masks were given.
    density : VoxelImage or None
        In g/mL, on the grid.
    series : DicomImage or None
        First DICOM series of activity: identity and frame of reference.
    notes : tuple of str
        What was done and assumed.
    """

    images: tuple[VoxelImage, ...]
    times_h: tuple[float, ...] | None
    masks: Masks
    density: VoxelImage | None
    series: DicomImage | None
    notes: tuple[str, ...]


def moment(text: str | None) -> datetime | None:
    """Read --injected-at.

    Raises
    ------
    HemadoseError
        If it is no date and time.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or len(text) <= len("2026-01-31") or found.tzinfo is not None:
        raise HemadoseError(
            f"--injected-at: got {text!r}, legal is a local date and time, as 2026-01-31T09:30"
        )
    return found


def read_inputs(paths: Sequence[Path], options: VoxelOptions, *, half_life_h: float) -> VoxelInputs:
    """Read and check all images.

    Parameters
    ----------
    paths : sequence of Path
        Activity: a NIfTI file, a DICOM folder or a multi-frame file a time.
    options : VoxelOptions
        How to read them.
    half_life_h : float
        Physical half-life of the nuclide.

    Raises
    ------
    DosimetryError, HemadoseError
        If something is missing or does not fit.
    """
    if options.ct is not None and options.density is not None:
        raise HemadoseError("--ct and --density: give one of them")
    if options.masks is None and (options.labels is not None or options.regions):
        raise HemadoseError("--labels and --region go with --masks")
    notes: list[str] = []
    images, times, series = [], [], []
    for path in paths:
        image, time, dicom = _activity(path, options, half_life_h, notes)
        images.append(image)
        times.append(time)
        series.append(dicom)
    found = _times(paths, times, options.times_h)
    if found is not None:
        order = np.argsort(found, kind="stable")
        images = [images[i] for i in order]
        found = tuple(found[i] for i in order)
    first = images[0]
    for number, image in enumerate(images[1:], start=2):
        images[number - 1] = on_grid(image, first, f"activity image {number}")
    known = [dicom for dicom in series if dicom is not None]
    frames = {dicom.frame_of_reference_uid for dicom in known} - {""}
    if len(frames) > 1:
        notes.append(
            f"ASSUMED: the images, of {len(frames)} frames of reference, are registered to each "
            "other"
        )
    masks = Masks({})
    if options.masks is not None:
        masks = read_masks(
            options.masks,
            first,
            labels=options.labels,
            names=options.regions,
            resample=options.resample,
            frame_of_reference_uid=frames.pop() if len(frames) == 1 else None,
        )
        notes += masks.notes
    density = _density(options, first, notes)
    return VoxelInputs(
        tuple(images), found, masks, density, known[0] if known else None, tuple(notes)
    )


def _activity(
    path: Path, options: VoxelOptions, half_life_h: float, notes: list[str]
) -> tuple[VoxelImage, float | None, DicomImage | None]:
    if is_nifti(path):
        if options.calibration_mbq_per_count is not None:
            raise HemadoseError("--calibration is for DICOM images in counts; give --unit")
        try:
            image = read_nifti(path, unit=options.unit)
        except DosimetryError as error:
            if options.unit is None and "does not say the unit" in str(error):
                raise HemadoseError(
                    f"{path.name}: NIfTI does not say the unit of activity; give --unit, as MBq/mL "
                    "or Bq/mL"
                ) from None
            raise
        return in_mbq_per_ml(image), None, None
    if options.unit is not None:
        raise HemadoseError("--unit is for NIfTI images; DICOM says its own")
    dicom = read_dicom_image(
        path,
        calibration_mbq_per_count=options.calibration_mbq_per_count,
        injected_at=options.injected_at,
        half_life_h=half_life_h,
    )
    if dicom.modality == "CT":
        raise HemadoseError(f"{path} is a CT; activity is PET or SPECT, the CT goes to --ct")
    notes += [f"{path.name}: {note}" for note in dicom.notes]
    return dicom.image, dicom.time_h, dicom


def _times(
    paths: Sequence[Path], times: Sequence[float | None], given: tuple[float, ...]
) -> tuple[float, ...] | None:
    if given:
        if len(given) != len(paths):
            raise HemadoseError(f"--times has {len(given)} times for {len(paths)} images")
        found = given
    else:
        known = [time for time in times if time is not None]
        if len(known) < len(times):
            if len(paths) == 1:
                return None
            raise HemadoseError(
                "the images do not say when they were taken after the injection: give --times, or "
                "--injected-at for DICOM"
            )
        found = tuple(known)
    if not all(np.isfinite(time) and time >= 0 for time in found):
        raise HemadoseError(f"--times: got {list(found)}, legal are hours from 0")
    if len(set(found)) < len(found):
        raise HemadoseError(f"two images have the same time: {sorted(found)} h")
    return found


def _density(options: VoxelOptions, like: VoxelImage, notes: list[str]) -> VoxelImage | None:
    path = options.ct or options.density
    if path is None:
        return None
    if options.ct is None:
        image = read_nifti(path, unit="g/mL")
        values = np.asarray(image.values, dtype=np.float64)
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= _HIGHEST_G_PER_ML):
            raise HemadoseError(
                f"--density: values from {low:g} to {high:g} are no densities in g/mL; CT numbers "
                "go to --ct"
            )
        return on_grid(image, like, "the density", resample=options.resample, outside=_AIR_G_PER_ML)
    if is_nifti(path):
        ct = read_nifti(path, unit="HU")
    else:
        dicom = read_dicom_image(path)
        if dicom.modality != "CT":
            raise HemadoseError(f"--ct: {path} is {dicom.modality}, legal is CT")
        ct = dicom.image
        notes += [f"{path.name}: {note}" for note in dicom.notes]
    notes.append(DENSITY_ASSUMED)
    # densities are averaged over a voxel, CT numbers are not: they are no additive quantity
    density = density_from_hu(ct)
    return on_grid(density, like, "the CT", resample=options.resample, outside=_AIR_G_PER_ML)
