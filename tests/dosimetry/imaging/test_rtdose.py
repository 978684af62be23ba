"""RTDOSE: what is written is read back, by pydicom's means and by ours."""

import numpy as np
import pydicom
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.imaging import read_rtdose, write_rtdose
from dosimetry.voxels.image import VoxelImage
from tests.dosimetry.imaging.dicom_builders import FRAME, base, save

DOSE = np.random.default_rng(4).gamma(2.0, 3.0, size=(7, 6, 5))
IDENTITY = {
    "PatientName": "Doe^Jane",
    "PatientID": "QX-4711",
    "PatientBirthDate": "19600101",
    "StudyInstanceUID": "1.2.752.24.5.987654321",
}
AXES = {
    "LPS": np.diag([-2.0, -3.0, 4.0]),
    "RAS": np.diag([2.0, 3.0, 4.0]),
    "left-handed": np.diag([2.0, -3.0, 4.0]),
    "permuted": np.array([[0, 0, -2.0], [3.0, 0, 0], [0, -4.0, 0]]),
}


def image(axes="LPS", values=DOSE, unit="Gy"):
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = AXES[axes], (12.5, -7.25, 100.0)
    return VoxelImage(values, affine, unit)


def places(shape, affine):
    index = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ index + affine[:3, 3:]).T


@pytest.mark.parametrize("axes", sorted(AXES))
def test_each_dose_comes_back_in_its_place_to_the_step_of_the_scaling(tmp_path, axes):
    made = image(axes)
    path = write_rtdose(made, tmp_path / "d.dcm")
    back = read_rtdose(path)
    step = float(pydicom.dcmread(path).DoseGridScaling)
    assert step < 1.0001 * DOSE.max() / 2**32
    there = {tuple(p): v for p, v in zip(places(back.shape, back.affine).round(3).tolist(),
                                         np.asarray(back.values).ravel(), strict=True)}  # fmt: skip
    for place, dose in zip(
        places(made.shape, made.affine).round(3).tolist(), DOSE.ravel(), strict=True
    ):
        assert abs(there[tuple(place)] - dose) <= 0.5001 * step


def test_pydicom_reads_the_same_dose_and_the_object_is_complete(tmp_path):
    path = write_rtdose(
        image(), tmp_path / "d.dcm", identity=IDENTITY, frame_of_reference_uid=FRAME, comment="x"
    )
    ds = pydicom.dcmread(path)
    stored = ds.pixel_array * float(ds.DoseGridScaling)
    np.testing.assert_allclose(stored.transpose(2, 1, 0), DOSE, atol=float(ds.DoseGridScaling))
    assert ds.SOPClassUID == pydicom.uid.RTDoseStorage
    assert (ds.Modality, ds.DoseUnits, ds.DoseType) == ("RTDOSE", "GY", "PHYSICAL")
    assert ds.DoseSummationType == "PLAN"
    assert ds.ReferencedRTPlanSequence[0].ReferencedSOPClassUID == pydicom.uid.RTPlanStorage
    assert ds.FrameOfReferenceUID == FRAME
    assert ds.FrameIncrementPointer == pydicom.tag.Tag(0x3004, 0x000C)
    np.testing.assert_allclose(ds.GridFrameOffsetVector, 4.0 * np.arange(5))
    np.testing.assert_allclose(ds.ImagePositionPatient, [-12.5, 7.25, 100.0])
    np.testing.assert_allclose(ds.ImageOrientationPatient, [1, 0, 0, 0, 1, 0])
    np.testing.assert_allclose(ds.PixelSpacing, [3.0, 2.0])
    assert (ds.PatientName, ds.PatientID) == ("Doe^Jane", "QX-4711")
    assert ds.StudyInstanceUID == IDENTITY["StudyInstanceUID"]
    # types 1 and 2 of the modules of the IOD
    for keyword in (
        "SOPInstanceUID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
        "AccessionNumber", "ReferringPhysicianName", "SeriesInstanceUID", "SeriesNumber",
        "OperatorsName", "Manufacturer", "InstanceNumber", "PositionReferenceIndicator",
        "SliceThickness", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
        "PixelRepresentation", "PhotometricInterpretation", "SamplesPerPixel", "NumberOfFrames",
    ):  # fmt: skip
        assert keyword in ds, keyword


def test_an_anonymous_dose_holds_nothing_of_the_patient(tmp_path):
    path = write_rtdose(
        image(),
        tmp_path / "d.dcm",
        identity=IDENTITY,
        frame_of_reference_uid=FRAME,
        anonymise=True,
    )
    raw = path.read_bytes()
    for secret in (*IDENTITY.values(), FRAME):
        assert secret.encode() not in raw
    assert pydicom.dcmread(path).PatientIdentityRemoved == "YES"


@pytest.mark.parametrize("values", [np.zeros((2, 2, 2)), np.full((2, 2, 1), 1e-7)])
def test_no_dose_and_tiny_doses_are_doses(tmp_path, values):
    path = write_rtdose(image(values=values), tmp_path / "d.dcm")
    np.testing.assert_allclose(read_rtdose(path).values, values, rtol=1e-8, atol=1e-30)


@pytest.mark.parametrize(
    ("values", "unit", "name", "message"),
    [
        (DOSE, "Gy/h", "d.dcm", "in Gy, not Gy/h"),
        (-DOSE, "Gy", "d.dcm", "finite doses from 0"),
        (DOSE * np.nan, "Gy", "d.dcm", "finite doses from 0"),
        (DOSE, "Gy", "d.nii", "legal is .dcm"),
    ],
)
def test_what_is_no_dose_is_not_written(tmp_path, values, unit, name, message):
    with pytest.raises(DosimetryError, match=message):
        write_rtdose(image(values=values, unit=unit), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_is_not_overwritten(tmp_path):
    path = write_rtdose(image(), tmp_path / "d.dcm")
    before = path.read_bytes()
    with pytest.raises(DosimetryError, match="exists"):
        write_rtdose(image(), path)
    assert path.read_bytes() == before


def change(path, **attributes):
    ds = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return save(ds, path)


def test_offsets_as_positions_and_downwards_are_read(tmp_path):
    path = write_rtdose(image(), tmp_path / "d.dcm")
    expected = read_rtdose(path)
    absolute = change(path, GridFrameOffsetVector=[100.0 + 4 * k for k in range(5)])
    np.testing.assert_allclose(read_rtdose(absolute).affine, expected.affine)
    downwards = change(path, GridFrameOffsetVector=[-4.0 * k for k in range(5)])
    assert read_rtdose(downwards).affine[2, 2] == pytest.approx(-4.0)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"DoseUnits": "RELATIVE"}, "legal is GY"),
        ({"Modality": "CT"}, "legal is RTDOSE"),
        ({"GridFrameOffsetVector": [0.0, 4, 8, 12, 17]}, "not evenly spaced"),
        ({"GridFrameOffsetVector": [0.0, 4, 8]}, "3 frame offsets for 5 planes"),
        ({"GridFrameOffsetVector": [7.0, 11, 15, 19, 23]}, "begins with 7"),
    ],
)
def test_bad_doses_are_refused(tmp_path, attributes, message):
    path = change(write_rtdose(image(), tmp_path / "d.dcm"), **attributes)
    with pytest.raises(DosimetryError, match=message):
        read_rtdose(path)


def test_other_objects_are_no_dose(tmp_path):
    with pytest.raises(DosimetryError, match="legal is RTDOSE"):
        read_rtdose(save(base("CT"), tmp_path / "ct.dcm"))
