"""CT, PET and SPECT series: scaling, place, units, decay correction; and what is refused."""

from datetime import datetime

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dosimetry.errors import DosimetryError
from dosimetry.imaging import read_dicom_image
from tests.dosimetry.imaging.dicom_builders import (
    FRAME,
    HALF_LIFE_H,
    base,
    pet,
    put_pixels,
    save,
    slices,
    spect,
    write_series,
)

VOLUME = np.random.default_rng(3).integers(0, 2000, size=(5, 4, 3)).astype(np.uint16)


def ct(**options):
    made = slices(VOLUME, **options)
    for ds in made:
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1.0, -1024.0, "HU"
    return made


def test_ct_slices_in_any_order_become_a_volume_in_ras(tmp_path):
    folder = write_series(ct(), tmp_path / "ct")
    (folder / "readme.txt").write_text("not DICOM")
    got = read_dicom_image(folder)
    assert (got.modality, got.image.unit, got.time_h) == ("CT", "HU", None)
    np.testing.assert_array_equal(got.image.values, VOLUME.transpose(2, 1, 0) - 1024.0)
    # LPS (-10, -20, 30) is RAS (10, 20, 30); spacing of columns 2 mm, rows 3 mm, slices 4 mm
    expected = [[-2, 0, 0, 10], [0, -3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]
    np.testing.assert_allclose(got.image.affine, expected)
    assert got.frame_of_reference_uid == FRAME
    assert got.identity["PatientName"] == "Doe^Jane"


@pytest.mark.parametrize(
    "orientation", [(1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1), (0.8, 0.6, 0, -0.6, 0.8, 0)]
)
def test_each_voxel_lies_where_the_standard_puts_it(tmp_path, orientation):
    folder = write_series(ct(orientation=orientation), tmp_path / "ct")
    image = read_dicom_image(folder).image
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    for plane, r, c in [(0, 0, 0), (4, 3, 2), (2, 1, 2)]:
        lps = np.array([-10.0, -20, 30]) + 4 * plane * np.cross(row, column)
        lps = lps + 2.0 * c * row + 3.0 * r * column
        index = np.linalg.inv(image.affine) @ [*(lps * [-1, -1, 1]), 1]
        i, j, k = np.rint(index[:3]).astype(int)
        np.testing.assert_allclose(index[:3], [i, j, k], atol=1e-6)
        assert image.values[i, j, k] == VOLUME[plane, r, c] - 1024.0


def test_padding_of_a_ct_is_air(tmp_path):
    made = ct()
    for ds in made:
        ds.PixelPaddingValue = int(VOLUME[0, 0, 0])
    got = read_dicom_image(write_series(made, tmp_path / "ct"))
    assert got.image.values[0, 0, 0] == -1000
    assert "padding" in got.notes[0]


def test_each_slice_of_a_pet_has_its_own_slope(tmp_path):
    made = pet(VOLUME)
    for k, ds in enumerate(made):
        ds.RescaleSlope = 1000.0 + k
    got = read_dicom_image(write_series(made, tmp_path / "pet"))
    expected = VOLUME.transpose(2, 1, 0) * (1000.0 + np.arange(5)) * 1e-6
    np.testing.assert_allclose(got.image.values, expected, rtol=1e-12)
    assert got.image.unit == "MBq/mL"
    assert got.time_h == pytest.approx(24.0)


@pytest.mark.parametrize(
    ("term", "factor", "time_h"),
    [("ADMIN", 2 ** (-24 / HALF_LIFE_H), 24.0), ("NONE", 1.0, 24 + 1 / 6), ("START", 1.0, 24.0)],
)
def test_values_are_those_present_at_the_time_given(tmp_path, term, factor, time_h):
    got = read_dicom_image(write_series(pet(VOLUME, term), tmp_path / "pet"))
    np.testing.assert_allclose(got.image.values, VOLUME.transpose(2, 1, 0) * 1e-3 * factor)
    assert got.time_h == pytest.approx(time_h)


def test_a_time_of_day_alone_is_no_time_of_injection(tmp_path):
    made = pet(VOLUME)
    for ds in made:
        del ds.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartDateTime
        ds.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime = "110000"
    folder = write_series(made, tmp_path / "pet")
    got = read_dicom_image(folder)
    assert got.time_h is None
    assert "time of day alone" in " ".join(got.notes)
    injected = datetime(2025, 12, 31, 12)
    assert read_dicom_image(folder, injected_at=injected).time_h == pytest.approx(48.0)
    with pytest.raises(DosimetryError, match="before the injection"):
        read_dicom_image(folder, injected_at=datetime(2026, 2, 1))


def test_admin_without_injection_or_half_life_is_refused(tmp_path):
    made = pet(VOLUME, "ADMIN")
    for ds in made:
        del ds.RadiopharmaceuticalInformationSequence
    folder = write_series(made, tmp_path / "pet")
    with pytest.raises(DosimetryError, match="give the date and time of the injection"):
        read_dicom_image(folder)
    injected = datetime(2026, 1, 1, 12)
    with pytest.raises(DosimetryError, match="give the half-life"):
        read_dicom_image(folder, injected_at=injected)
    got = read_dicom_image(folder, injected_at=injected, half_life_h=24.0)
    np.testing.assert_allclose(got.image.values, VOLUME.transpose(2, 1, 0) * 0.5e-3)


def test_a_spect_in_counts_needs_a_calibration(tmp_path):
    path = save(spect(VOLUME), tmp_path / "nm.dcm")
    with pytest.raises(DosimetryError, match=r"in counts.*calibration factor in MBq per count"):
        read_dicom_image(path)
    got = read_dicom_image(path, calibration_mbq_per_count=2e-3)
    # a step of -4 mm along the normal: the last frame is the lowest
    expected = VOLUME[::-1].transpose(2, 1, 0) * 2e-3 / 0.064
    np.testing.assert_allclose(got.image.values, expected, rtol=1e-12)
    np.testing.assert_allclose(got.image.affine[:3, 3], [10, 20, 30 - 16])
    activity = got.image.values.sum() * got.image.voxel_ml
    assert activity == pytest.approx(VOLUME.sum(dtype=float) * 2e-3)
    assert any(note.startswith("ASSUMED: not decay-corrected") for note in got.notes)
    for bad in (0.0, -1.0, np.inf):
        with pytest.raises(DosimetryError, match="legal is above 0"):
            read_dicom_image(path, calibration_mbq_per_count=bad)


def test_a_spect_with_a_real_world_map_is_in_activity(tmp_path):
    ds = spect(VOLUME, step=4.0)
    item, code = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "Bq/ml", "UCUM", "Bq/ml"
    item.RealWorldValueSlope, item.RealWorldValueIntercept = 250.0, 0.0
    item.MeasurementUnitsCodeSequence = [code]
    ds.RealWorldValueMappingSequence = [item]
    path = save(ds, tmp_path / "nm.dcm")
    got = read_dicom_image(path)
    np.testing.assert_allclose(got.image.values, VOLUME.transpose(2, 1, 0) * 250e-6)
    with pytest.raises(DosimetryError, match="applied twice"):
        read_dicom_image(path, calibration_mbq_per_count=1.0)


def test_an_enhanced_multi_frame_ct_is_read_frame_by_frame(tmp_path):
    ds = put_pixels(base("CT"), VOLUME)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1.0, 0, 0, 0, 1, 0]
    measures.PixelSpacing = [3.0, 2.0]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = []
    places = [8.0, 0.0, 12.0, 4.0, 16.0]
    for k, z in enumerate(places):
        group, place, scaling = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [0.0, 0.0, z]
        scaling.RescaleSlope, scaling.RescaleIntercept = 1.0 + k, -1000.0
        scaling.RescaleType = "HU"
        group.PlanePositionSequence = [place]
        group.PixelValueTransformationSequence = [scaling]
        ds.PerFrameFunctionalGroupsSequence.append(group)
    got = read_dicom_image(save(ds, tmp_path / "ct.dcm")).image
    for k, z in enumerate(places):
        expected = VOLUME[k].T * (1.0 + k) - 1000
        np.testing.assert_array_equal(got.values[:, :, int(z / 4)], expected)
    del ds.PerFrameFunctionalGroupsSequence[0]
    with pytest.raises(DosimetryError, match="4 functional groups for 5 frames"):
        read_dicom_image(save(ds, tmp_path / "ct2.dcm"))


def drop(index):
    return lambda made: made.pop(index)


def shift(made):
    made[2].ImagePositionPatient = [-10.0, -20.0, 39.0]


def tilt(made):
    for k, ds in enumerate(made):
        ds.ImagePositionPatient = [-10.0, -20.0 + k, 30.0 + 4 * k]


def repeat(made):
    made += slices(VOLUME[:1])


def another_series(made):
    made += slices(VOLUME, series="1.2.826.0.1.3680043.8.498.8")


def all_but_one(made):
    del made[1:]


def set_one(keyword, value):
    return lambda made: setattr(made[1], keyword, value)


def set_all(keyword, value):
    return lambda made: [setattr(ds, keyword, value) for ds in made]


def delete_all(keyword):
    return lambda made: [delattr(ds, keyword) for ds in made]


BAD_CT = {
    "missing slice": (drop(2), "1 missing"),
    "uneven": (shift, "uneven spacing"),
    "tilted": (tilt, "tilted gantry"),
    "twice": (repeat, "same place"),
    "two series": (another_series, "2 series"),
    "one slice": (all_but_one, "one slice alone"),
    "pixel size": (set_one("PixelSpacing", [3.0, 3.0]), "differ in PixelSpacing"),
    "orientation": (set_one("ImageOrientationPatient", [0.0, 1, 0, 1, 0, 0]), "differ in ImageOri"),
    "frame": (set_one("FrameOfReferenceUID", "1.2.3"), "differ in FrameOfReferenceUID"),
    "no place": (delete_all("ImagePositionPatient"), "no ImagePositionPatient"),
    "no spacing": (delete_all("PixelSpacing"), "no PixelSpacing"),
    "skewed": (set_all("ImageOrientationPatient", [1.0, 0, 0, 1, 0, 0]), "right angle"),
    "scout": (set_all("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]), "localizer"),
    "not HU": (set_all("RescaleType", "OD"), "legal is HU"),
    "MR": (set_all("Modality", "MR"), "legal are CT, PT and NM"),
    "colours": (set_all("SamplesPerPixel", 3), "colours"),
    "too little": (set_all("PixelData", b"\0\0"), "damaged"),
}


@pytest.mark.parametrize("case", sorted(BAD_CT))
def test_a_bad_ct_series_is_refused_in_words(tmp_path, case):
    change, message = BAD_CT[case]
    made = ct()
    change(made)
    with pytest.raises(DosimetryError, match=message):
        read_dicom_image(write_series(made, tmp_path / "ct"))


BAD_PET = {
    "units": (set_all("Units", "GML"), "in 'GML', legal are BQML"),
    "no decay": (delete_all("DecayCorrection"), "no DecayCorrection"),
    "odd decay": (set_all("DecayCorrection", "SCAN"), "legal are START, ADMIN, NONE"),
    "mixed decay": (set_one("DecayCorrection", "NONE"), "differ in DecayCorrection"),
    "no attenuation": (set_all("CorrectedImage", ["DECY"]), "not corrected for attenuation"),
    "mixed units": (set_one("Units", "CNTS"), "differ in Units"),
}


@pytest.mark.parametrize("case", sorted(BAD_PET))
def test_a_bad_pet_series_is_refused_in_words(tmp_path, case):
    change, message = BAD_PET[case]
    made = pet(VOLUME)
    change(made)
    with pytest.raises(DosimetryError, match=message):
        read_dicom_image(write_series(made, tmp_path / "pet"))


def test_beds_without_decay_correction_and_other_nuclides_are_refused(tmp_path):
    made = pet(VOLUME, "NONE")
    made[0].AcquisitionTime = "121000"
    folder = write_series(made, tmp_path / "pet")
    with pytest.raises(DosimetryError, match="taken at 2 times"):
        read_dicom_image(folder)
    with pytest.raises(DosimetryError, match=r"with a half-life of 159\.5 h"):
        read_dicom_image(folder, half_life_h=64.0)


BAD_NM = {
    "projections": ("ImageType", ["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"], "RECON TOMO"),
    "gated": ("ImageType", ["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"], "RECON TOMO"),
    "windows": ("NumberOfEnergyWindows", 2, "NumberOfEnergyWindows is 2"),
    "no step": ("SpacingBetweenSlices", None, "no SpacingBetweenSlices"),
    "no place": ("DetectorInformationSequence", [], "no ImagePositionPatient"),
}


@pytest.mark.parametrize("case", sorted(BAD_NM))
def test_a_bad_spect_is_refused_in_words(tmp_path, case):
    keyword, value, message = BAD_NM[case]
    ds = spect(VOLUME)
    setattr(ds, keyword, value)
    with pytest.raises(DosimetryError, match=message):
        read_dicom_image(save(ds, tmp_path / "nm.dcm"), calibration_mbq_per_count=1.0)


def test_files_that_are_no_dicom_or_lead_elsewhere_are_refused(tmp_path):
    (tmp_path / "x.dcm").write_text("no image")
    with pytest.raises(DosimetryError, match="no DICOM file"):
        read_dicom_image(tmp_path / "x.dcm")
    with pytest.raises(DosimetryError, match="is not a file"):
        read_dicom_image(tmp_path / "none.dcm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DosimetryError, match="no DICOM image"):
        read_dicom_image(tmp_path / "empty")
    folder = write_series(ct(), tmp_path / "ct")
    outside = save(ct()[0], tmp_path / "elsewhere.dcm")
    (folder / "link.dcm").symlink_to(outside)
    with pytest.raises(DosimetryError, match="outside the folder"):
        read_dicom_image(folder)
    whole = save(ct()[0], tmp_path / "whole.dcm").read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[:150])
    with pytest.raises(DosimetryError, match="no Modality"):
        read_dicom_image(tmp_path / "cut.dcm")


def test_deflated_files_are_refused_before_they_are_inflated(tmp_path):
    ds = ct()[0]
    ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    save(ds, tmp_path / "d.dcm")
    with pytest.raises(DosimetryError, match="deflated"):
        read_dicom_image(tmp_path / "d.dcm")
