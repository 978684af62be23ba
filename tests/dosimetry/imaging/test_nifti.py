"""NIfTI: orientation, scaling, units and label names survive; damaged files are refused."""

import nibabel as nib
import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.imaging import nifti_label_names, read_nifti, write_nifti
from dosimetry.voxels.image import VoxelImage

AFFINE = np.array([[-4.0, 0, 0, 30], [0, 0, 3.0, -20], [0, 2.0, 0, 5], [0, 0, 0, 1]])
VALUES = np.arange(24, dtype=np.float64).reshape(2, 3, 4)


def saved(path, values=VALUES, affine=AFFINE, change=lambda image: None):
    image = nib.Nifti1Image(np.asarray(values), affine)
    image.header.set_xyzt_units(xyz="mm")
    change(image)
    nib.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_round_trip_keeps_values_place_and_unit(tmp_path, name):
    image = VoxelImage(VALUES / 7, AFFINE, "MBq h/mL")
    path = write_nifti(image, tmp_path / "new" / name)
    back = read_nifti(path, unit="MBq h/mL")
    np.testing.assert_allclose(back.values, VALUES / 7, rtol=1e-7)
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-5)
    raw = nib.load(path)
    assert raw.header.get_xyzt_units()[0] == "mm"
    assert int(raw.header["qform_code"]) == int(raw.header["sform_code"]) == 1
    with pytest.raises(DosimetryError, match="holds values in 'MBq h/mL', expected are MBq/mL"):
        read_nifti(path, unit="MBq/mL")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.bool_])
def test_whole_numbers_stay_whole(tmp_path, dtype):
    values = (VALUES % 2).astype(dtype)
    path = write_nifti(VoxelImage(values, AFFINE, "label"), tmp_path / "l.nii.gz")
    back = read_nifti(path, unit="label")
    assert np.issubdtype(back.values.dtype, np.integer)
    np.testing.assert_array_equal(back.values, values)


def test_the_scaling_of_the_header_is_applied(tmp_path):
    image = nib.Nifti1Image(VALUES.astype(np.int16), AFFINE)
    image.header.set_slope_inter(0.5, -3.0)
    nib.save(image, tmp_path / "s.nii")
    back = read_nifti(tmp_path / "s.nii", unit="HU")
    np.testing.assert_allclose(back.values, 0.5 * VALUES - 3)


def test_a_single_time_point_of_four_dimensions_is_a_volume(tmp_path):
    path = saved(tmp_path / "t.nii", VALUES[..., None])
    assert read_nifti(path, unit="HU").shape == VALUES.shape


def test_metres_become_millimetres(tmp_path):
    scaled = AFFINE / [[1000], [1000], [1000], [1]]
    path = saved(
        tmp_path / "m.nii", affine=scaled, change=lambda i: i.header.set_xyzt_units("meter")
    )
    np.testing.assert_allclose(read_nifti(path, unit="HU").affine, AFFINE, atol=1e-4)


def test_names_of_labels_travel_in_the_header(tmp_path):
    names = {1: "kidney_left", 27: 'L5 <"&'}
    labels = VoxelImage(VALUES.astype(np.int16), AFFINE, "label")
    path = write_nifti(labels, tmp_path / "l.nii.gz", labels=names)
    assert nifti_label_names(path) == names
    assert nifti_label_names(saved(tmp_path / "plain.nii")) == {}


def test_the_header_of_totalsegmentator_is_read(tmp_path):
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension>  <Date><![CDATA[2013]]></Date>   '
        '<VolumeInformation Index="0">   <LabelTable><Label Key="1" Red="1.0" Alpha="1">'
        '<![CDATA[spleen]]></Label>\n<Label Key="2" Red="0.0"><![CDATA[kidney_right]]></Label>\n'
        "  </LabelTable>  <VolumeType><![CDATA[Label]]></VolumeType>   </VolumeInformation>"
        "</CaretExtension>\n              "
    )
    path = saved(
        tmp_path / "ts.nii.gz",
        change=lambda i: i.header.extensions.append(nib.nifti1.Nifti1Extension(0, xml.encode())),
    )
    assert nifti_label_names(path) == {1: "spleen", 2: "kidney_right"}


@pytest.mark.parametrize(
    "xml",
    [
        b"<CaretExtension><VolumeInformation><LabelTable><Label>",
        b'<CaretExtension><VolumeInformation><LabelTable><Label Key="x">a</Label></LabelTable>'
        b"</VolumeInformation></CaretExtension>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><CaretExtension>&b;</CaretExtension>',
    ],
)
def test_damaged_or_hostile_label_tables_are_refused(tmp_path, xml):
    path = saved(
        tmp_path / "x.nii",
        change=lambda i: i.header.extensions.append(nib.nifti1.Nifti1Extension(0, xml)),
    )
    with pytest.raises(DosimetryError, match="label table"):
        nifti_label_names(path)


def unplaced(image):
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)


def twice_placed(image):
    moved = image.affine.copy()
    moved[0, 3] += 5
    image.set_qform(moved, code=1)
    image.set_sform(image.affine, code=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [(unplaced, "neither qform nor sform"), (twice_placed, "in different places")],
)
def test_an_image_that_lies_nowhere_or_twice_is_refused(tmp_path, change, message):
    path = saved(tmp_path / "p.nii", change=change)
    with pytest.raises(DosimetryError, match=message):
        read_nifti(path, unit="HU")


def test_bad_files_are_refused_in_words(tmp_path):
    (tmp_path / "text.nii").write_text("no image")
    whole = saved(tmp_path / "whole.nii.gz", np.random.default_rng(1).normal(size=(20, 20, 20)))
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[:3000])
    saved(tmp_path / "four.nii", np.zeros((2, 2, 2, 2)))
    saved(tmp_path / "complex.nii", np.zeros((2, 2, 2), np.complex64))
    for name, message in {
        "text.nii": "cannot be read as NIfTI",
        "cut.nii.gz": "cut off or damaged",
        "four.nii": "legal are three dimensions",
        "complex.nii": "legal are real numbers",
        "none.nii": "is not a file",
        "image.img": "is no NIfTI file",
    }.items():
        with pytest.raises(DosimetryError, match=message):
            read_nifti(tmp_path / name, unit="HU")


def test_an_image_too_large_is_refused_before_it_is_read(tmp_path):
    header = nib.Nifti1Header()
    header.set_data_shape((2000, 2000, 2000))
    header["sform_code"], header["magic"], header["vox_offset"] = 1, b"n+1", 352
    header.set_sform(np.eye(4), code=1)
    (tmp_path / "huge.nii").write_bytes(header.binaryblock + b"\0" * 4)
    with pytest.raises(DosimetryError, match="8,000,000,000 voxels"):
        read_nifti(tmp_path / "huge.nii", unit="HU")


def test_nothing_is_written_over_a_file_or_from_bad_values(tmp_path):
    image = VoxelImage(VALUES, AFFINE, "Gy")
    path = write_nifti(image, tmp_path / "d.nii")
    before = path.read_bytes()
    with pytest.raises(DosimetryError, match="exists"):
        write_nifti(image.with_values(VALUES + 1, "Gy"), path)
    assert path.read_bytes() == before
    write_nifti(image.with_values(VALUES + 1, "Gy"), path, overwrite=True)
    assert path.read_bytes() != before
    for bad, name in ((VALUES * np.nan, "n.nii"), (VALUES, "n.img")):
        with pytest.raises(DosimetryError):
            write_nifti(VoxelImage(bad, AFFINE, "Gy"), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["d.nii"]
