"""A digital torso with known activity in every voxel, to try and to test maps on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.imaging.nifti import write_nifti
from dosimetry.voxels.image import FloatArray, VoxelImage
from kinetics import SumOfExponentials

_LN2 = float(np.log(2))

# name: label, centre and half-axes (mm), activity at time zero (MBq/mL), effective half-life (h),
# CT number. Shapes and numbers are made up, of the order of radioligand therapy with Lu-177.
_ORGANS: Mapping[str, tuple[int, tuple[float, ...], tuple[float, ...], float, float, float]] = {
    "body": (1, (0, 0, 0), (150, 100, 125), 0.02, 50.0, 40.0),
    "liver": (2, (70, 20, 40), (55, 50, 60), 0.15, 70.0, 55.0),
    "kidney_right": (3, (65, -45, -40), (25, 25, 50), 1.2, 45.0, 35.0),
    "kidney_left": (4, (-65, -45, -30), (25, 25, 50), 1.2, 45.0, 35.0),
    "tumour": (5, (-45, 35, -50), (14, 14, 14), 3.0, 90.0, 45.0),
}
_VERTEBRAE = ("vertebrae_L4", "vertebrae_L3", "vertebrae_L2", "vertebrae_L1")
_VERTEBRA = (0.06, 60.0, 250.0)
_AIR_HU = -1000.0
_NAMES = {row[0]: name for name, row in _ORGANS.items()} | {
    10 + k: name for k, name in enumerate(_VERTEBRAE)
}


@dataclass(frozen=True, eq=False)
class Phantom:
    """Images of the torso, and what is true of them.

    Attributes
    ----------
    times_h : tuple of float
        Times of the activity images.
    images : tuple of VoxelImage
        Activity (MBq/mL) as present at each time, as the imaging system shows it.
    labels, ct : VoxelImage
        Labels of regions; CT numbers (HU).
    names : dict of int to str
        Region of each label.
    tia : VoxelImage
        True time-integrated activity (MBq h/mL).
    """

    times_h: tuple[float, ...]
    images: tuple[VoxelImage, ...]
    labels: VoxelImage
    ct: VoxelImage
    names: dict[int, str]
    tia: VoxelImage


def torso_phantom(
    *,
    voxel_mm: float = 8.0,
    times_h: Sequence[float] = (24.0, 96.0, 168.0),
    activity_mbq_per_ml: Mapping[str, SumOfExponentials] | None = None,
    fwhm_mm: float = 0.0,
    relative_noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Phantom:
    """Torso of ellipsoids with liver, kidneys, a tumour and four lumbar vertebrae.

    Parameters
    ----------
    voxel_mm : float
        Side of the cubic voxels.
    times_h : sequence of float
        Times of the images after the injection.
    activity_mbq_per_ml : mapping of str to SumOfExponentials, optional
        Concentration in each region, physical decay inside the rates; ``"vertebrae"`` stands for
        all four. Regions left out hold nothing. If missing, curves of the order of 177Lu therapy.
    fwhm_mm : float
        Full width at half maximum of the imaging system, by which the images are blurred.
    relative_noise : float
        Standard deviation of a voxel before the blur, relative to its activity; normal and
        independent.
    rng : numpy Generator, optional
        For the noise.

    Raises
    ------
    DosimetryError
        If the voxels are too large for the organs, a region is unknown, or noise is asked for
        without `rng`.

    Examples
    --------
    >>> phantom = torso_phantom(voxel_mm=12.0)
    >>> sorted(phantom.names.values())[:3]
    ['body', 'kidney_left', 'kidney_right']
    """
    if not 1 <= voxel_mm <= 15:
        raise DosimetryError(f"voxel_mm: got {voxel_mm:g}, legal is from 1 to 15")
    if not 0 <= fwhm_mm < np.inf:
        raise DosimetryError(f"fwhm_mm: got {fwhm_mm:g}, legal is from 0")
    if relative_noise and rng is None:
        raise DosimetryError("noise needs rng, so that it can be repeated")
    labels = _labels(voxel_mm)
    curves = _curves(activity_mbq_per_ml)
    index = np.asarray(labels.values)
    by_label = np.zeros((len(times_h) + 1, max(_NAMES) + 1))
    for label, curve in curves.items():
        by_label[:, label] = [*curve(np.asarray(times_h, dtype=np.float64)), curve.integral()]
    hu = np.full(by_label.shape[1], _VERTEBRA[2])
    hu[0] = _AIR_HU
    for label, *_, number in _ORGANS.values():
        hu[label] = number
    images = []
    for values in by_label[:-1]:
        image = values[index]
        if rng is not None:
            image = image * (1 + relative_noise * rng.standard_normal(image.shape))
        images.append(labels.with_values(_blurred(image, fwhm_mm / voxel_mm), "MBq/mL"))
    return Phantom(
        tuple(float(time) for time in times_h),
        tuple(images),
        labels,
        labels.with_values(hu[index], "HU"),
        dict(_NAMES),
        labels.with_values(by_label[-1][index], "MBq h/mL"),
    )


def _labels(voxel_mm: float) -> VoxelImage:
    half = np.ceil(np.array([160.0, 110.0, 130.0]) / voxel_mm)
    shape = (2 * half + 1).astype(int)
    affine = np.diag([-voxel_mm, -voxel_mm, voxel_mm, 1.0])  # columns to the left, rows to the back
    affine[:3, 3] = half * voxel_mm * (1, 1, -1)
    x, y, z = (
        affine[a, a] * np.arange(shape[a]).reshape([-1 if b == a else 1 for b in range(3)])
        + affine[a, 3]
        for a in range(3)
    )
    labels = np.zeros(tuple(shape), np.int16)
    for label, centre, axes, *_ in _ORGANS.values():
        parts = zip((x, y, z), centre, axes, strict=True)
        inside = sum(((v - c) / a) ** 2 for v, c, a in parts) <= 1
        labels[inside & ((labels <= 1) | (label > 2))] = label
    disc = (x / 25) ** 2 + ((y + 55) / 18) ** 2 <= 1
    for k in range(len(_VERTEBRAE)):
        labels[disc & (z >= -70 + 35 * k) & (z < -42 + 35 * k)] = 10 + k
    return VoxelImage(labels, affine, "label")


def _curves(given: Mapping[str, SumOfExponentials] | None) -> dict[int, SumOfExponentials]:
    """Concentration by label: those given, or the phantom's own."""
    if given is None:
        own = {name: row[3:5] for name, row in _ORGANS.items()} | {"vertebrae": _VERTEBRA[:2]}
        given = {
            name: SumOfExponentials(np.array([start]), np.array([_LN2 / life]))
            for name, (start, life) in own.items()
        }
    unknown = sorted(set(given) - {*_NAMES.values(), "vertebrae"})
    if unknown:
        raise DosimetryError(
            f"activity_mbq_per_ml: got {unknown[0]!r}, legal are vertebrae, "
            f"{', '.join(_NAMES.values())}"
        )
    spine = {label: given["vertebrae"] for label in _NAMES if label >= 10 and "vertebrae" in given}
    return spine | {label: given[name] for label, name in _NAMES.items() if name in given}


def _blurred(values: FloatArray, fwhm_voxel: float) -> FloatArray:
    if fwhm_voxel == 0:
        return values
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, fwhm_voxel / np.sqrt(8 * _LN2)))


def write_phantom(phantom: Phantom, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Write activity_024h.nii.gz, ..., labels.nii.gz (names in its header) and ct.nii.gz.

    Raises
    ------
    DosimetryError
        If a file exists and `overwrite` is not set.
    """
    folder = Path(folder)
    for time, image in zip(phantom.times_h, phantom.images, strict=True):
        write_nifti(image, folder / f"activity_{time:03.0f}h.nii.gz", overwrite=overwrite)
    write_nifti(phantom.labels, folder / "labels.nii.gz", labels=phantom.names, overwrite=overwrite)
    write_nifti(phantom.ct, folder / "ct.nii.gz", overwrite=overwrite)
    return folder
