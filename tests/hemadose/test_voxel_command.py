"""`hemadose voxel` on a phantom whose activity is known, with a kernel that can be done by hand."""

import json
from datetime import datetime

import numpy as np
import pandas as pd
import pydicom
import pytest
from typer.testing import CliRunner

import dosimetry.voxels
from dosimetry import marrow_model_spread, nuclide
from dosimetry.imaging import read_nifti, read_rtdose, torso_phantom, write_nifti, write_phantom
from dosimetry.transport.voxel_kernel import VoxelKernel
from dosimetry.voxels.image import VoxelImage
from hemadose.cli import app
from tests.dosimetry.imaging.dicom_builders import FRAME, pet, rtstruct, save, spect, write_series

LU = nuclide("Lu-177")
DELTA = LU.delta_electron_gy_kg_per_mbq_h
TIMES = "24,96,168"
VOXEL_KERNEL = dosimetry.voxels.voxel_kernel


@pytest.fixture(autouse=True)
def local_kernel(monkeypatch):
    """All energy stays in the voxel: dose = concentration x energy / density."""

    def kernel(source, *, voxel_mm, half_width):
        values = np.zeros([2 * h + 1 for h in half_width])
        values[tuple(half_width)] = 1e6 * DELTA / (np.prod(voxel_mm) * 1.04)
        return VoxelKernel(
            source.name, tuple(voxel_mm), values, None, 1.04, "local", ("ASSUMED: x",)
        )

    monkeypatch.setattr(dosimetry.voxels, "voxel_kernel", kernel)


@pytest.fixture(scope="module")
def phantom():
    return torso_phantom(voxel_mm=12.0)


@pytest.fixture
def folder(phantom, tmp_path):
    return write_phantom(phantom, tmp_path / "phantom")


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["voxel", *map(str, arguments)])
    assert result.exit_code == code, result.output
    if code:
        assert "Traceback" not in result.output
        assert isinstance(result.exception, SystemExit)
    return result


def refused(*arguments):
    return " ".join(run(*arguments, code=2).output.split())


def activity(folder):
    return sorted(folder.glob("activity_*"))


def test_the_phantom_comes_back_with_its_doses(phantom, folder, tmp_path):
    out = tmp_path / "out"
    result = run(
        *activity(folder), "--times", TIMES, "--nuclide", "Lu-177", "--masks",
        folder / "labels.nii.gz", "--geud", 1, "--out", out,
    )  # fmt: skip
    assert "not a medical device" in result.stdout
    assert "ASSUMED: uniform soft tissue" in result.stdout
    assert sorted(p.name for p in out.iterdir()) == [
        "dose.nii.gz", "dvh.csv", "figure.pdf", "figure.png", "regions.csv", "tia.nii.gz",
    ]  # fmt: skip
    tia = read_nifti(out / "tia.nii.gz")
    dose = read_nifti(out / "dose.nii.gz")
    assert (tia.unit, dose.unit) == ("MBq h/mL", "Gy")
    np.testing.assert_allclose(tia.affine, phantom.tia.affine, atol=1e-4)
    np.testing.assert_allclose(tia.values, phantom.tia.values, rtol=1e-5, atol=1e-9)
    truth = np.asarray(phantom.tia.values) * 1e3 * DELTA / 1.04
    np.testing.assert_allclose(dose.values, truth, rtol=1e-5, atol=1e-9)
    table = pd.read_csv(out / "regions.csv").set_index("region")
    assert sorted(table.index) == sorted(phantom.names.values())
    for label, name in phantom.names.items():
        inside = np.asarray(phantom.labels.values) == label
        volume = inside.sum() * tia.voxel_ml
        assert table.loc[name, "volume_ml"] == pytest.approx(volume, rel=1e-5)
        total = np.asarray(phantom.tia.values)[inside].sum() * tia.voxel_ml
        assert table.loc[name, "tia_mbq_h"] == pytest.approx(total, rel=1e-5)
        assert table.loc[name, "d98_gy"] <= table.loc[name, "d50_gy"] <= table.loc[name, "d2_gy"]
        assert table.loc[name, "geud_gy"] == pytest.approx(table.loc[name, "mean_gy"], rel=1e-5)
    assert set(pd.read_csv(out / "dvh.csv")["region"]) == set(phantom.names.values())


@pytest.mark.parametrize("method", ["mono", "trapezoid", "shared"])
def test_every_method_finds_the_activity_of_a_region(phantom, folder, tmp_path, method):
    result = run(
        *activity(folder), "--times", TIMES, "--nuclide", "Lu-177", "--masks",
        folder / "labels.nii.gz", "--region", "tumour", "--method", method, "--json", "--out",
        tmp_path / "out",
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert document["method"] == method
    inside = np.asarray(phantom.labels.values) == 5
    total = np.asarray(phantom.tia.values)[inside].sum() * phantom.tia.voxel_ml
    tolerance = 0.2 if method == "trapezoid" else 1e-3
    assert [row["region"] for row in document["regions"]] == ["tumour"]
    assert document["regions"][0]["tia_mbq_h"] == pytest.approx(total, rel=tolerance)
    told = any("known to 10 %" in note for note in document["assumptions"])
    assert told == (method == "shared")


def test_images_in_any_order_are_sorted_by_time(folder, tmp_path):
    def tumour(images, times, out):
        options = (
            "--nuclide",
            "Lu-177",
            "--masks",
            folder / "labels.nii.gz",
            "--json",
            "--out",
            out,
        )
        return json.loads(run(*images, "--times", times, *options).stdout)["regions"]

    images = activity(folder)
    assert tumour(images, TIMES, tmp_path / "a") == tumour(
        images[::-1], "168,96,24", tmp_path / "b"
    )


def test_one_image_gives_a_dose_rate_or_with_a_half_life_a_dose(phantom, folder, tmp_path):
    first = activity(folder)[0]
    run(first, "--nuclide", "Lu-177", "--out", tmp_path / "rate")
    rate = read_nifti(tmp_path / "rate" / "dose_rate.nii.gz")
    assert rate.unit == "Gy/h"
    truth = np.asarray(phantom.images[0].values) * 1e3 * DELTA / 1.04
    np.testing.assert_allclose(rate.values, truth, rtol=1e-5, atol=1e-12)
    run(first, "--nuclide", "Lu-177", "--times", 24, "--half-life", 90, "--out", tmp_path / "dose")
    dose = np.asarray(read_nifti(tmp_path / "dose" / "dose.nii.gz").values)
    tumour = np.asarray(phantom.labels.values) == 5
    np.testing.assert_allclose(
        dose[tumour], np.asarray(phantom.tia.values)[tumour] * 1e3 * DELTA / 1.04, rtol=1e-5
    )
    words = refused(first, "--nuclide", "Lu-177", "--half-life", 90, "--out", tmp_path / "x")
    assert "give --times" in words
    words = refused(
        first, "--nuclide", "Lu-177", "--times", 24, "--half-life", 900, "--out", tmp_path / "x"
    )
    assert "up to the physical 159.5" in words
    words = refused(first, "--nuclide", "Lu-177", "--format", "rtdose", "--out", tmp_path / "x")
    assert "RTDOSE holds doses in Gy" in words
    assert not (tmp_path / "x").exists()


def test_density_scales_the_dose_and_gives_masses(phantom, folder, tmp_path):
    grid = phantom.ct
    density = np.where(np.asarray(phantom.labels.values) >= 10, 1.3, 1.04)
    write_nifti(grid.with_values(density, "g/mL"), folder / "density.nii.gz")
    common = (
        *activity(folder), "--times", TIMES, "--nuclide", "Lu-177", "--masks",
        folder / "labels.nii.gz", "--region", "vertebrae_L3", "--json",
    )  # fmt: skip
    plain = json.loads(run(*common, "--out", tmp_path / "a").stdout)["regions"][0]
    scaled = json.loads(
        run(*common, "--density", folder / "density.nii.gz", "--out", tmp_path / "b").stdout
    )["regions"][0]
    assert scaled["mass_g"] == pytest.approx(1.3 * scaled["volume_ml"], rel=1e-6)
    assert scaled["mean_gy"] == pytest.approx(plain["mean_gy"] * 1.04 / 1.3, rel=1e-5)
    ct = json.loads(run(*common, "--ct", folder / "ct.nii.gz", "--out", tmp_path / "c").stdout)
    assert any("Schneider 2000" in words for words in ct["assumptions"])
    assert any("below 0.1 g/mL count as air" in words for words in ct["assumptions"])
    assert not any("uniform soft tissue of" in words for words in ct["assumptions"])
    assert ct["regions"][0]["mass_g"] == pytest.approx(1.1644 * plain["volume_ml"], rel=1e-3)
    words = refused(*common, "--density", folder / "ct.nii.gz", "--out", tmp_path / "d")
    assert "holds values in 'HU', expected are g/mL" in words
    words = refused(*common, "--ct", folder / "density.nii.gz", "--out", tmp_path / "d")
    assert "holds values in 'g/mL', expected are HU" in words
    words = refused(*common, "--ct", folder / "ct.nii.gz", "--density", "x", "--out", "y")
    assert "give one of them" in words


def test_rates_at_a_bound_and_a_geud_that_is_left_out_are_told(tmp_path):
    grid = np.diag([10.0, 10.0, 10.0, 1.0])
    rises = np.full((4, 4, 4), 1.0)
    noise = np.where(np.arange(4) == 0, -0.3, 1.0) * np.ones((4, 4, 4))
    for name, values in (("a", rises), ("b", 2 * rises), ("c", 0.5 * noise), ("d", 0.4 * noise)):
        write_nifti(VoxelImage(values, grid, "MBq/mL"), tmp_path / f"{name}.nii.gz")
    write_nifti(VoxelImage(np.ones((4, 4, 4), np.int16), grid, "label"), tmp_path / "all.nii.gz")

    def document(*names):
        return json.loads(
            run(
                *(tmp_path / f"{name}.nii.gz" for name in names), "--times", "24,48", "--nuclide",
                "Lu-177", "--masks", tmp_path / "all.nii.gz", "--geud", 2, "--json", "--out",
                tmp_path / "".join(names),
            ).stdout
        )  # fmt: skip

    rising, noisy = document("a", "b"), document("c", "d")
    told = "100 % of the time-integrated activity is in voxels with: slowest rate allowed"
    assert any(note.startswith(told) for note in rising["notes"])
    assert rising["regions"][0]["geud_gy"] > 0
    assert not any("gEUD" in note for note in rising["notes"])
    assert noisy["regions"][0]["geud_gy"] is None
    assert "no gEUD of label_1: some doses there are negative" in noisy["notes"]
    assert any("not fitted (no positive amplitude)" in note for note in noisy["notes"])
    assert not any("slowest rate" in note for note in noisy["notes"])


def test_a_small_region_within_a_large_one_keeps_its_own_curve(phantom, folder, tmp_path):
    labels = np.asarray(phantom.labels.values)
    masks = folder / "masks"
    masks.mkdir(exist_ok=True)
    for name, inside in (("all", labels > 0), ("tumour", labels == 5)):
        write_nifti(phantom.labels.with_values(inside.astype(np.int16), "label"),
                    masks / f"{name}.nii.gz", overwrite=True)  # fmt: skip
    document = json.loads(
        run(
            *activity(folder), "--times", TIMES, "--nuclide", "Lu-177", "--masks", masks,
            "--method", "shared", "--json", "--out", tmp_path / "a",
        ).stdout
    )  # fmt: skip
    tia = {row["region"]: row["tia_mbq_h"] for row in document["regions"]}
    truth = np.asarray(phantom.tia.values)[labels == 5].sum() * phantom.tia.voxel_ml
    assert tia["tumour"] == pytest.approx(truth, rel=1e-3)
    assert any("lies in smaller regions" in note for note in document["notes"])
    assert any("goes further or leaves" in words for words in document["assumptions"])


def test_marrow_from_the_vertebrae(phantom, folder, tmp_path):
    common = (
        *activity(folder), "--times", TIMES, "--nuclide", "Lu-177", "--masks",
        folder / "labels.nii.gz", "--json",
    )  # fmt: skip
    document = json.loads(
        run(
            *common, "--sex", "male", "--marrow-fractions", "0.8,0.85,0.6", "--out", tmp_path / "a"
        ).stdout
    )
    rows = {(row["model"], row["marrow_model"]): row for row in document["marrow"]}
    assert len(rows) == 6  # three places of the activity, two S models
    lower = rows["uniform", "icrp133"]["self_dose_gy"] / rows["uniform", "olinda2"]["self_dose_gy"]
    spread = marrow_model_spread("Lu-177", "male").relative_difference
    assert lower - 1 == pytest.approx(spread, abs=1e-9)
    by_model = {row["model"]: row for row in document["marrow"]}
    tia = 0.06 * 60 / np.log(2)
    assert by_model["uniform"]["marrow_mbq_h_per_ml"] == pytest.approx(tia, rel=1e-4)
    top = tia / (0.8 * 0.85 * 0.6)
    assert by_model["red_marrow"]["marrow_mbq_h_per_ml"] == pytest.approx(top, rel=1e-4)
    assert (tmp_path / "a" / "marrow.csv").is_file()
    alone = json.loads(run(*common, "--sex", "female", "--out", tmp_path / "b").stdout)
    assert [row["model"] for row in alone["marrow"]] == ["uniform", "uniform"]
    words = refused(*common, "--region", "liver", "--sex", "male", "--out", tmp_path / "c")
    assert "begin with 'vertebra'" in words


def test_dicom_in_and_rtdose_out(tmp_path):
    volume = np.full((6, 5, 4), 500, np.uint16)
    folders = []
    for day in (2, 5):
        made = pet(
            volume if day == 2 else volume // 2, start=f"202601{day:02d}", spacing=(4.0, 4.0)
        )
        folders.append(write_series(made, tmp_path / f"day{day}"))
    square = np.array([[-12.0, -22, 34], [4, -22, 34], [4, -6, 34], [-12, -6, 34]])
    contours = [square + np.array([0, 0, z]) for z in (0.0, 4.0, 8.0)]
    masks = save(rtstruct({"GTV <1>": contours, "_=$^{1$": contours}), tmp_path / "rs.dcm")
    common = (*folders, "--nuclide", "Lu-177", "--masks", masks, "--format", "rtdose,csv")
    result = run(*common, "--json", "--out", tmp_path / "a")
    document = json.loads(result.stdout)
    assert document["times_h"] == pytest.approx([24.0, 96.0])
    rate = np.log(2) / 72
    row = document["regions"][0]
    assert [r["region"] for r in document["regions"]] == ["GTV <1>", "_=$^{1$"]
    assert row["volume_ml"] == pytest.approx(16 * 16 * 12 / 1000)
    tia = 0.5 * np.exp(24 * rate) / rate  # MBq h/mL
    assert row["tia_mbq_h"] == pytest.approx(tia * row["volume_ml"], rel=1e-4)
    dose = read_rtdose(tmp_path / "a" / "dose.dcm")
    assert float(np.asarray(dose.values).mean()) == pytest.approx(
        tia * 1e3 * DELTA / 1.04, rel=1e-4
    )
    ds = pydicom.dcmread(tmp_path / "a" / "dose.dcm")
    assert (ds.PatientID, ds.FrameOfReferenceUID) == ("QX-4711", FRAME)
    run(*common, "--anonymise", "--out", tmp_path / "b")
    assert b"QX-4711" not in (tmp_path / "b" / "dose.dcm").read_bytes()
    other = rtstruct({"a": contours})
    for roi in other.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = "1.2.3"
    words = refused(
        *folders, "--nuclide", "Lu-177", "--masks", save(other, tmp_path / "o.dcm"), "--out", "x"
    )
    assert "another frame of reference" in words
    assert "half-life of 159.5 h" in refused(*folders, "--nuclide", "Y-90", "--out", tmp_path / "x")


def test_spect_in_counts(tmp_path):
    path = save(spect(np.full((6, 5, 4), 64, np.uint16)), tmp_path / "nm.dcm")
    words = refused(path, "--nuclide", "Lu-177", "--out", tmp_path / "x")
    assert "give the calibration factor in MBq per count" in words
    result = run(
        path, "--nuclide", "Lu-177", "--calibration", 1e-3, "--half-life", 100, "--injected-at",
        datetime(2026, 1, 1, 12).isoformat(), "--json", "--out", tmp_path / "a",
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert document["times_h"] == pytest.approx([24.0])
    assert any(words.startswith("nm.dcm: counts x 0.001") for words in document["notes"])
    dose = read_nifti(tmp_path / "a" / "dose.nii.gz")
    tia = 1.0 * 2 ** (24 / 100) * 100 / np.log(2)
    np.testing.assert_allclose(dose.values, tia * 1e3 * DELTA / 1.04, rtol=1e-4)


def test_results_are_kept_unless_force_is_given(folder, tmp_path):
    out = tmp_path / "out"
    command = (activity(folder)[0], "--nuclide", "Lu-177", "--out", out)
    run(*command)
    (out / "mine.txt").write_text("kept")
    before = (out / "dose_rate.nii.gz").stat().st_mtime_ns
    assert "--force to replace them" in refused(*command)
    assert (out / "dose_rate.nii.gz").stat().st_mtime_ns == before
    run(*command, "--force")
    assert (out / "mine.txt").read_text() == "kept"
    assert not list(out.glob(".*"))


def moved(folder, name, shift):
    image = read_nifti(folder / "labels.nii.gz", unit="label")
    affine = image.affine.copy()
    affine[:3, 3] += shift
    write_nifti(VoxelImage(image.values, affine, "label"), folder / name)
    return folder / name


BAD = {
    "nuclide": (["--nuclide", "Lu-777"], "did you mean Lu-177"),
    "two times": (["--times", "24,96"], "--times has 2 times for 3 images"),
    "same times": (["--times", "24,24,96"], "same time"),
    "negative time": (["--times", "-1,24,96"], "legal are hours from 0"),
    "words": (["--times", "a,b,c"], "legal are numbers between commas"),
    "no times": (["--times", ""], "give --times"),
    "method": (["--method", "magic"], "legal are mono, trapezoid, shared"),
    "half-life": (["--half-life", "50"], "is for one image"),
    "kernel": (["--kernel-mm", "0"], "--kernel-mm"),
    "geud": (["--geud", "0"], "--geud: got 0, legal is a finite number but 0"),
    "above": (["--above", "-2"], "legal are doses above 0"),
    "format": (["--format", "nrrd"], "legal are nifti, rtdose, csv"),
    "no format": (["--format", ","], "legal are nifti, rtdose, csv"),
    "unit": (["--unit", "Bq/mL"], "holds values in 'MBq/mL', expected are Bq/mL"),
    "calibration": (["--calibration", "1"], "is for DICOM images"),
    "injected": (["--injected-at", "2026-01-31"], "legal is a local date and time"),
    "fractions": (["--marrow-fractions", "0.5"], "three numbers"),
    "fractions alone": (["--marrow-fractions", "0.5,0.5,0.5"], "goes with --sex"),
    "labels alone": (["--labels", "x.csv"], "go with --masks"),
    "no masks": (["--masks", "nowhere.nii.gz"], "is not a file"),
    "region": (["--masks", "{labels}", "--region", "heart"], "no region 'heart'"),
    "map": (["--masks", "{labels}", "--labels", "{bad}"], "row 1: the columns are"),
    "escape": (["--masks", "{folder}", "--labels", "{escape}"], "outside the folder"),
    "other grid": (["--masks", "{shifted}"], "allow resampling"),
    "outside": (["--masks", "{far}"], "lies outside the image"),
    "sex": (["--masks", "{labels}", "--sex", "other"], "male"),
}


@pytest.mark.parametrize("case", sorted(BAD))
def test_bad_input_exits_with_2_in_words_and_writes_nothing(folder, tmp_path, case):
    options, message = BAD[case]
    (folder / "bad.csv").write_text("id,region\n3,a\n")
    (folder / "escape.csv").write_text("file,name\n../../secret.nii.gz,a\n")
    places = {
        "labels": folder / "labels.nii.gz",
        "folder": folder,
        "bad": folder / "bad.csv",
        "escape": folder / "escape.csv",
        "shifted": moved(folder, "shifted.nii.gz", 5.0),
        "far": moved(folder, "far.nii.gz", 5000.0),
    }
    given = [option.format(**places) for option in options]
    usual = {"--nuclide": "Lu-177", "--times": TIMES, "--out": str(tmp_path / "out")}
    rest = [part for key, value in usual.items() if key not in given for part in (key, value)]
    assert message in refused(*activity(folder), *given, *rest)
    assert not (tmp_path / "out").exists()


def test_an_activity_on_another_grid_or_without_unit_is_refused(folder, tmp_path):
    import nibabel

    other = torso_phantom(voxel_mm=15.0)
    write_nifti(other.images[1], folder / "other.nii.gz")
    words = refused(
        activity(folder)[0], folder / "other.nii.gz", "--times", "24,96", "--nuclide", "Lu-177",
        "--out", tmp_path / "x",
    )  # fmt: skip
    assert "activity image 2 lies on another grid" in words
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 4, 4)), np.eye(4)), folder / "bare.nii.gz")
    words = refused(folder / "bare.nii.gz", "--nuclide", "Lu-177", "--out", tmp_path / "x")
    assert "give --unit, as MBq/mL or Bq/mL" in words
    run(folder / "bare.nii.gz", "--unit", "kBq/mL", "--nuclide", "Lu-177", "--out", tmp_path / "x")
    words = refused(folder / "bare.nii.gz", "--unit", "Gy", "--nuclide", "Lu-177", "--out", "y")
    assert "the unit of activity is 'Gy'" in words


def test_the_kernel_of_the_package_gives_little_more_than_the_local_dose(
    phantom, folder, tmp_path, monkeypatch
):
    """Deep in the liver electrons leave and enter alike; photons add some per cent."""
    monkeypatch.setattr(dosimetry.voxels, "voxel_kernel", VOXEL_KERNEL)
    run(*activity(folder), "--times", TIMES, "--nuclide", "Lu-177", "--out", tmp_path / "out")
    dose = np.asarray(read_nifti(tmp_path / "out" / "dose.nii.gz").values)
    inside = np.argwhere(np.asarray(phantom.labels.values) == 2)
    centre = tuple(np.rint(inside.mean(axis=0)).astype(int))
    local = float(phantom.tia.values[centre]) * 1e3 * DELTA / 1.04
    assert 1.01 < float(dose[centre]) / local < 1.15


def test_alpha_emitters_say_that_there_is_no_rbe(folder, tmp_path):
    result = run(activity(folder)[0], "--nuclide", "Ac-225", "--out", tmp_path / "out")
    assert "summed without RBE" in result.stdout
    assert (
        "RBE"
        not in run(activity(folder)[0], "--nuclide", "Lu-177", "--out", tmp_path / "lu").stdout
    )


def test_help_has_an_example():
    words = " ".join(run("--help").output.split())
    assert "Example: hemadose voxel" in words
