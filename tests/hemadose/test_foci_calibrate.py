"""`hemadose foci calibrate`: curves of a table, one laboratory or several, or a clear refusal."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from foci import fit_calibration, read_curve
from hemadose.cli import app

EXAMPLES = Path(__file__).parents[2] / "examples"
SERIES = EXAMPLES / "foci" / "calibration.csv"
TRUTH = json.loads((EXAMPLES / "foci" / "truth.json").read_text("utf-8"))
GOOD = "dose_mgy,cells,foci\n0,500,100\n20,500,250\n50,500,465\n100,500,840\n"


def run(path, out, *options):
    return CliRunner().invoke(app, ["foci", "calibrate", str(path), "--out", str(out), *options])


def table(folder, text):
    path = folder / "counts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def laboratories(slopes, seed=4):
    """Counts of several laboratories with known slopes (per cell and Gy)."""
    rng = np.random.default_rng(seed)
    lines = ["laboratory,dose_mgy,cells,foci"]
    for name, slope in slopes.items():
        for dose in (0, 10, 20, 50, 100):
            foci = rng.poisson(500 * (0.2 + slope * dose / 1000))
            lines.append(f"{name},{dose},500,{foci}")
    return "\n".join(lines) + "\n"


def test_the_example_gives_back_what_was_simulated(tmp_path):
    result = run(SERIES, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "14 samples, 0 to 100 mGy, 7,000 cells" in result.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {
        "curve.json", "calibration.csv", "coefficients.csv", "calibration.png", "calibration.pdf"
    }  # fmt: skip
    curve = read_curve(tmp_path / "out" / "curve.json")
    assert abs(curve.slope_per_gy - TRUTH["apparent_slope_per_gy"]) < 3 * curve.slope_sd
    assert abs(curve.intercept_per_cell - TRUTH["background_per_cell"]) < 3 * curve.intercept_sd
    assert (curve.irradiation_h, curve.repair_h, curve.max_dose_gy) == (1.0, 0.0, 0.1)


def test_the_curve_is_that_of_the_library_and_the_table_its_residuals(tmp_path):
    run(SERIES, tmp_path / "out", "--model", "linear_quadratic", "--irradiation-h", "0.5")
    given = rows_of(SERIES)
    columns = ([float(row[name]) for row in given] for name in ("dose_mgy", "cells", "foci"))
    dose, cells, foci = (np.array(column) for column in columns)
    fit = fit_calibration(dose / 1000, cells, foci, model="linear_quadratic")
    curve = read_curve(tmp_path / "out" / "curve.json")
    np.testing.assert_allclose(curve.coefficients, fit.curve.coefficients, rtol=1e-12)
    np.testing.assert_allclose(curve.covariance, fit.curve.covariance, rtol=1e-12)
    assert curve.irradiation_h == 0.5
    rows = rows_of(tmp_path / "out" / "calibration.csv")
    mean = curve.mean_per_cell(dose / 1000)
    assert [float(row["fitted_per_cell"]) for row in rows] == pytest.approx(mean, rel=1e-5)
    cells_of_first = np.repeat(np.arange(4), [396, 93, 10, 1])  # C0 to C3 of the first row
    index = cells_of_first.var(ddof=1) / cells_of_first.mean()
    assert float(rows[0]["dispersion_index"]) == pytest.approx(index, rel=1e-5)
    assert rows[-1]["dispersion_index"] == ""  # its open class holds cells


def test_dose_in_gy_and_mgy_are_the_same(tmp_path):
    curves = []
    for name, text in [
        ("mgy", GOOD),
        ("gy", "dose_gy;cells;foci\n0;500;100\n0.02;500;250\n\n0.05;500;465\n0.1;500;840\n"),
    ]:
        result = run(table(tmp_path, text), tmp_path / name, "--laboratory", "Ulm")
        assert result.exit_code == 0, result.output
        curves.append(read_curve(tmp_path / name / "curve.json"))
    np.testing.assert_allclose(curves[0].coefficients, curves[1].coefficients)
    assert curves[0].source == "Ulm, counts.csv"


def test_several_laboratories_are_fitted_and_combined(tmp_path):
    slopes = {"A": 15.0, "B": 6.0, "C/1": 30.0, "D": 10.0, "E": 20.0, "F": 8.0}
    path = table(tmp_path, laboratories(slopes))
    result = run(path, tmp_path / "all", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [one["laboratory"] for one in document["laboratories"]] == list(slopes)
    for one, slope in zip(document["laboratories"], slopes.values(), strict=True):
        found, sd = one["curve"]["coefficients"][1], one["curve"]["covariance"][1][1] ** 0.5
        assert abs(found - slope) < 4 * sd
    combined = document["combined"]
    assert combined["p_value"] < 1e-6
    own = document["laboratories"][0]["curve"]["covariance"][1][1]
    assert combined["new_laboratory"]["covariance"][1][1] > 25 * own
    names = {path.name for path in (tmp_path / "all").glob("*.json")}
    assert {"curve_A.json", "curve_C_1.json", "combined_mean.json"} <= names
    assert "curve.json" not in names
    run(path, tmp_path / "one", "--laboratory", "B")
    alone = read_curve(tmp_path / "one" / "curve.json")
    assert alone.to_dict() == read_curve(tmp_path / "all" / "curve_B.json").to_dict()


def test_two_laboratories_are_fitted_and_not_combined(tmp_path):
    result = run(table(tmp_path, laboratories({"A": 15.0, "B": 6.0})), tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "the laboratories were not combined: a spread between laboratories needs 4" in (
        result.output
    )


def test_results_are_kept_unless_forced(tmp_path):
    path, out = table(tmp_path, GOOD), tmp_path / "out"
    assert run(path, out).exit_code == 0
    before = (out / "curve.json").read_text()
    path.write_text(GOOD.replace("840", "900"))
    result = run(path, out)
    assert result.exit_code == 2
    assert "--force" in result.output
    assert (out / "curve.json").read_text() == before
    assert run(path, out, "--force").exit_code == 0
    assert (out / "curve.json").read_text() != before


def test_names_of_samples_are_no_formulas(tmp_path):
    text = "sample," + GOOD.replace("\n", "\n=1+1,").removesuffix("=1+1,")
    assert run(table(tmp_path, text), tmp_path / "out").exit_code == 0
    assert rows_of(tmp_path / "out" / "calibration.csv")[0]["sample"] == "'=1+1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dose_mgy,cells\n0,500\n", "row 1, column foci: the column is missing"),
        ("dose_mgy,cells,foci,colour\n0,5,1,red\n", "column colour: unknown column, legal are"),
        ("dose_mgy,cells,foci\n-1,500,10\n", "row 2, column dose_mgy: got '-1', legal is"),
        ("dose_mgy,cells,foci\n0,500,10\n\nx,500,90\n", "row 4, column dose_mgy: got 'x'"),
        ("dose_gy,cells,foci\n0,500,10\n,500,90\n", "row 3, column dose_gy: the dose is missing"),
        ("dose_gy,dose_mgy,cells,foci\n0,0,5,1\n", "column dose_mgy: the row has a dose_gy"),
        ("dose_mgy,cells,foci\n0,500,10.5\n", "row 2, column foci: got '10.5'"),
        ("dose_mgy,cells,foci\n0,500,-4\n", "row 2, column foci: got '-4'"),
        ("dose_mgy,cells,foci\n0,0,0\n", "row 2, column cells: got 0"),
        ("dose_mgy,cells,foci\n0,4,500\n", "cells and foci exchanged"),
        ("dose_mgy,C0,C1,C3\n0,4,5,0\n", "the classes must be C0, C1, ... without a gap"),
        ("dose_mgy,cells,foci\n0,500,100\n", "at least two different doses"),
        ("dose_mgy,cells,foci\n0,500,100\n50,500,0\n", "do not rise with dose"),
        ("dose_mgy,laboratory,cells,foci\n0,A,5,1\n5,,5,1\n", "row 3, column laboratory"),
        ("dose_mgy,laboratory,cells,foci\n0,A/1,5,1\n5,A_1,5,1\n", "same file name"),
        ("dose_mgy,slide,cells,foci\n0,s,5,1\n0,s,5,1\n", "row 3, column slide"),
        ("dose_mgy,cells,foci\n0,500\n", "row 2: the row has 2 cells"),
        ("dose_mgy,cells,foci\n", "a header but no rows"),
        ("", "the file is empty"),
    ],
)  # fmt: skip
def test_a_bad_table_is_told_in_one_sentence(tmp_path, text, words):
    result = run(table(tmp_path, text), tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.output.split())
    assert result.output.count("hemadose:") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "cubic"], "--model: got 'cubic', legal are linear, linear_quadratic"),
        (["--irradiation-h", "-1"], "--irradiation-h: got -1"),
        (["--repair-h", "nan"], "--repair-h: got nan"),
    ],
)
def test_a_bad_option_is_told_in_one_sentence(tmp_path, options, words):
    result = run(table(tmp_path, GOOD), tmp_path / "out", *options)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_laboratory_that_is_not_there(tmp_path):
    path = table(tmp_path, laboratories({"A": 15.0, "B": 6.0}))
    result = run(path, tmp_path / "out", "--laboratory", "C")
    assert result.exit_code == 2
    assert "legal are A, B" in result.output
    assert run(tmp_path / "nothing.csv", tmp_path / "out").exit_code == 2
    assert not (tmp_path / "out").exists()


def test_the_example_is_what_the_script_simulates(tmp_path):
    spec = importlib.util.spec_from_file_location("simulate_foci", EXAMPLES / "simulate_foci.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(tmp_path)
    for name in ("calibration.csv", "patient.csv"):
        new, old = ((f / name).read_text("utf-8") for f in (tmp_path, EXAMPLES / "foci"))
        assert new == old
    new = json.loads((tmp_path / "truth.json").read_text("utf-8"))
    assert new.pop("expected_foci_per_cell") == pytest.approx(TRUTH["expected_foci_per_cell"])
    assert new == {name: TRUTH[name] for name in new}
    assert "SIMULATED" in TRUTH["about"]
