"""Whatever is wrong with a file, it is read, or refused in words."""

import warnings

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.imaging import (
    read_dicom_image,
    read_masks,
    read_nifti,
    read_rtdose,
    write_nifti,
    write_rtdose,
)
from dosimetry.voxels.image import VoxelImage
from tests.dosimetry.imaging.dicom_builders import rtstruct, save, seg, spect

AFFINE = np.diag([-4.0, -4.0, 4.0, 1.0])
LIKE = VoxelImage(np.zeros((6, 6, 6)), AFFINE, "MBq/mL")
SQUARE = np.array([[2.0, 2, 4], [14, 2, 4], [14, 14, 4], [2, 14, 4]])


def files(folder):
    volume = np.ones((6, 6, 6), np.uint16)
    contours = [SQUARE, SQUARE + np.array([0, 0, 4])]
    frames = [(1, (0.0, 0.0, 4.0 * k), np.eye(6)) for k in range(6)]
    write_nifti(LIKE.with_values(volume.astype(np.int16), "label"), folder / "l.nii")
    write_rtdose(LIKE.with_values(np.ones((6, 6, 6)), "Gy"), folder / "d.dcm")
    return {
        "nifti": ((folder / "l.nii").read_bytes(), ".nii", lambda p: read_nifti(p, unit="label")),
        "labels": ((folder / "l.nii").read_bytes(), ".nii", lambda p: read_masks(p, LIKE)),
        "rtdose": ((folder / "d.dcm").read_bytes(), ".dcm", read_rtdose),
        "spect": (
            save(spect(volume), folder / "s.dcm").read_bytes(), ".dcm",
            lambda p: read_dicom_image(p, calibration_mbq_per_count=1.0),
        ),
        "seg": (
            save(seg(frames, labels=("a",)), folder / "m.dcm").read_bytes(), ".dcm",
            lambda p: read_masks(p, LIKE),
        ),
        "rtstruct": (
            save(rtstruct({"a": contours}), folder / "r.dcm").read_bytes(),
            ".dcm", lambda p: read_masks(p, LIKE),
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["labels", "nifti", "rtdose", "rtstruct", "seg", "spect"])
def test_a_damaged_file_is_read_or_refused(tmp_path, kind):
    whole, suffix, read = files(tmp_path)[kind]
    rng = np.random.default_rng(sum(map(ord, kind)))
    refused = 0
    for trial in range(150):
        raw = bytearray(whole)
        if trial % 3 == 0:
            raw = raw[: int(rng.integers(1, len(raw)))]
        else:  # mostly in the header, where bytes mean something
            for at in rng.integers(0, min(len(raw), 3000), size=int(rng.integers(1, 12))):
                raw[at] = int(rng.integers(256))
        path = tmp_path / f"x{suffix}"
        path.write_bytes(raw)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read(path)
            except DosimetryError as error:
                words = str(error)
                refused += "\n" not in words
    assert refused > 20
