"""`hemadose foci count` on simulated slides whose foci are known."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from typer.testing import CliRunner

import foci.images
from foci import read_counts
from foci.images.image import NucleusImage
from foci.images.reading import write_image
from foci.images.simulate import simulate_image
from foci.images.simulate_conditions import Cells, Conditions, Microscope, Staining
from hemadose.cli import app

CLEAR = Conditions(
    Microscope(pixel_um=0.16, numerical_aperture=0.8, refractive_index=1.0),
    Cells(
        diameter_um=7.0,
        height_share=0.3,
        touching_share=0.0,
        out_of_focus_share=0.0,
        weak_share=0.0,
        debris_per_nucleus=0.0,
    ),
    Staining(
        focus_fwhm_um=0.6, contrast=5.0, texture_cv=(0.3, 0.3), single_marker_spots=(0.0, 0.0)
    ),
)
N = 12
CLASSES = [*(f"C{k}" for k in range(6)), "C6+"]


@pytest.fixture(scope="module")
def slides(tmp_path_factory):
    """Two samples of two and one images, and the true foci of the first."""
    folder = tmp_path_factory.mktemp("slides")
    rng = np.random.default_rng(5)
    truth = 0
    for name in ("day0/a", "day0/b", "day1/a"):
        path = folder / f"{name}.ome.tif"
        path.parent.mkdir(exist_ok=True)
        simulated = simulate_image(N, rng=rng, foci_counts=[0, 0, 1, 2] * 3, conditions=CLEAR)
        truth += simulated.foci_per_nucleus.sum() * (path.parent.name == "day0")
        write_image(simulated.image, path)
    return folder, truth


@pytest.fixture(scope="module")
def counted(slides, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "result"
    run(slides[0] / "day0", "--cycle", 2, "--time", -1.5, "--out", out)
    return out


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["foci", "count", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def refused(*arguments):
    return " ".join(run(*arguments, code=2).output.split())


def test_counts_are_near_the_truth_and_read_back_as_a_sample(slides, counted):
    (row,) = read_counts(counted / "samples.csv").rows
    assert (row.sample, row.cycle, row.time_h) == ("day0", 2, -1.5)
    assert row.cells >= 0.8 * 2 * N
    assert row.foci / row.cells == pytest.approx(slides[1] / (2 * N), rel=0.3)


def test_tables_agree_with_each_other(counted):
    tables = {name: pd.read_csv(counted / f"{name}.csv") for name in
              ("samples", "quality", "nuclei", "objects")}  # fmt: skip
    used = tables["nuclei"][tables["nuclei"]["used"]]
    sample, quality = tables["samples"].iloc[0], tables["quality"].iloc[0]
    assert sample["cells"] == quality["used"] == len(used) == sample[CLASSES].sum()
    assert sample["foci"] == used["foci"].sum()
    assert quality["expected_foci"] == pytest.approx(used["expected_foci"].sum(), rel=1e-3)
    assert quality["nuclei"] == len(tables["nuclei"])
    assert quality["images"] == tables["nuclei"]["image"].nunique() == 2
    numbers = np.minimum(used["foci"], 6).value_counts().reindex(range(7), fill_value=0)
    np.testing.assert_array_equal(sample[CLASSES].astype(int), numbers)
    assert quality["counting_dispersion"] == pytest.approx(
        used["foci"].var() / used["foci"].mean(), rel=1e-4
    )
    keys = ["image", "nucleus"]
    probable = tables["objects"].merge(used[keys], on=keys).groupby(keys)["probability"].sum()
    expected = used.set_index(keys)["expected_foci"]
    np.testing.assert_allclose(probable, expected.loc[probable.index], rtol=1e-3)
    assert 1 <= quality["detection_dispersion"] < 5


def test_a_picture_an_image(counted):
    pictures = sorted((counted / "overlays").iterdir())
    assert [path.name for path in pictures] == ["0001_a.ome.png", "0002_b.ome.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_folders_are_samples_and_json_is_all_on_stdout(slides, tmp_path):
    folder = slides[0]
    result = run(folder / "day0", folder / "day1", "--no-overlays", "--json", "--out", tmp_path)
    document = json.loads(result.stdout)
    assert document["schema"] == "hemadose.foci_count"
    assert [row["sample"] for row in document["samples"]] == ["day0", "day1"]
    assert [row["images"] for row in document["samples"]] == [2, 1]
    assert document["samples"][0]["time_h"] is None
    assert not (tmp_path / "overlays").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "nuclei.csv", "objects.csv", "quality.csv", "samples.csv"
    ]  # fmt: skip


def test_results_are_replaced_by_force_only(slides, tmp_path):
    image = slides[0] / "day1" / "a.ome.tif"
    run(image, "--out", tmp_path, "--no-overlays")
    before = (tmp_path / "samples.csv").stat().st_mtime_ns
    assert "holds results (samples.csv)" in refused(image, "--out", tmp_path)
    run(image, "--out", tmp_path, "--force")
    assert (tmp_path / "samples.csv").stat().st_mtime_ns > before
    assert (tmp_path / "overlays" / "0001_a.ome.png").is_file()


def test_nothing_is_written_if_an_image_is_bad(slides, tmp_path):
    bad = tmp_path / "bad.tif"
    bad.write_bytes(b"II*\0 not really")
    text = refused(slides[0] / "day1", bad, "--out", tmp_path / "out")
    assert "bad.tif" in text
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tif"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interruption_leaves_nothing(slides, tmp_path, monkeypatch, error):
    real, calls = foci.images.count_foci, []

    def interrupted(image, **options):
        calls.append(image)
        if len(calls) > 1:
            raise error
        return real(image, **options)

    monkeypatch.setattr(foci.images, "count_foci", interrupted)
    result = CliRunner().invoke(
        app, ["foci", "count", str(slides[0] / "day0"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code not in (0, 2)
    assert len(calls) == 2
    assert not list(tmp_path.iterdir())


def test_channels_and_pixel_size_by_argument(slides, tmp_path):
    (tmp_path / "in").mkdir()
    simulated = simulate_image(6, rng=np.random.default_rng(2), conditions=CLEAR).image
    planes = [simulated.channels[name] // 16 for name in ("53bp1", "gamma_h2ax", "dna")]
    path = tmp_path / "in" / "=cmd().tif"
    tifffile.imwrite(path, np.stack(planes, -1).astype(np.uint8), photometric="rgb")
    arguments = (path, "--out", tmp_path / "out")
    places = ("--channels", "dna=2, gamma_h2ax=1, 53bp1=0")
    assert "which of its 3 channels" in refused(*arguments)
    assert "give pixel_um" in refused(*arguments, *places)
    run(*arguments, *places, "--pixel-um", 0.16)
    nuclei = pd.read_csv(tmp_path / "out" / "nuclei.csv")
    assert set(nuclei["image"]) == {"'=cmd().tif"}


def test_what_the_reader_warns_of_is_a_note(slides, tmp_path):
    result = run(slides[0] / "day1", "--pixel-um", 0.18, "--no-overlays", "--out", tmp_path / "o")
    assert "says its pixels are 0.16 um, 0.18 um were given" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.tif"], "there is no such file"),
        (["."], "holds no file that ends in .tif or .tiff"),
        (["day0", "day1", "--cycle", "1"], "are of 2 (day0, day1)"),
        (["day0", "--time", "nan"], "--time: got nan"),
        (["day0", "day0/a.ome.tif"], "is the same image as"),
        (["day0", "--channels", "dna:0"], "--channels: got 'dna:0'"),
        (["day0", "--channels", "dna=0,dna=1"], "each once"),
        (["day0", "--channels", "dna=7,53bp1=1"], "there is no channel 7"),
        (["day0", "--pixel-um", "-1"], "pixel_um must be positive"),
        (["day0", "--full-scale", "10"], "above the full scale 10"),
        (["day0", "--out", "day0/a.ome.tif"], "is not a folder"),
    ],
)
def test_bad_input(slides, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(slides[0])
    assert words in refused("--out", tmp_path / "out", *arguments)
    assert not list(tmp_path.iterdir())


def test_images_without_a_usable_nucleus(tmp_path):
    rng = np.random.default_rng(1)
    empty = {name: rng.poisson(50, (80, 80)).astype(np.uint16) for name in ("dna", "53bp1")}
    image = NucleusImage(empty, pixel_um=0.16, source="noise")
    write_image(image, tmp_path / "noise.ome.tif")
    refused(tmp_path / "noise.ome.tif", "--out", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["noise.ome.tif"]
