"""`hemadose foci power`: power and cells needed, or a clear refusal."""

import csv
import json

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from foci import calibration_line, write_curve
from hemadose.cli import app

DOSES = ["--dose-mgy", "10", "--dose-mgy", "5"]


def run(out, *options, curve="eberlein2015", baseline="0.2", doses=DOSES):
    arguments = ["foci", "power", "--calibration", str(curve), "--out", str(out)]
    return CliRunner().invoke(app, [*arguments, "--baseline-per-cell", baseline, *doses, *options])


def rows_of(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_power_is_that_of_simulated_tests(tmp_path):
    result = run(tmp_path / "out", "--cells", "100,300", "--baseline-cells", "150")
    assert result.exit_code == 0, result.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"power.csv", "cells_needed.csv", "power.png", "power.pdf"}
    rng = np.random.default_rng(3)
    n = 3000
    for row in rows_of(tmp_path / "out" / "power.csv"):
        cells, dose = int(row["cells"]), float(row["dose_mgy"])
        before = rng.poisson(150 * 0.2, n)
        after = rng.poisson(cells * (0.2 + 0.0147 * dose), n)
        p = {}
        for pair in zip(after.tolist(), before.tolist(), strict=True):
            if pair not in p:
                p[pair] = binomtest(pair[0], sum(pair), cells / (cells + 150)).pvalue
        seen = np.array(
            [
                p[pair] < 0.05 and pair[0] / cells > pair[1] / 150
                for pair in zip(after.tolist(), before.tolist(), strict=True)
            ]
        )
        assert float(row["power"]) == pytest.approx(seen.mean(), abs=4 * 0.5 / np.sqrt(n))


def test_tables_agree_with_each_other(tmp_path):
    path = tmp_path / "curve.json"
    write_curve(calibration_line(14.7, 0.3, source="a line", max_dose_gy=0.008), path)
    result = run(tmp_path / "out", "--json", "--cells", "100,1000", curve=path)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    needed = found["cells_needed"]
    assert [need["dose_mgy"] for need in needed] == [5, 10]
    assert found["alpha"] == 0.05
    for need in needed:
        cells = need["cells_to_detect"]
        for n, reached in ((cells, True), (cells // 2, False)):
            options = ["--cells", str(n), "--json"]
            dose = ["--dose-mgy", str(need["dose_mgy"])]
            again = run(tmp_path / f"{n}", *options, curve=path, doses=dose)
            row = json.loads(again.stdout)["power"][0]
            assert (row["power"] >= 0.9) == reached
            assert (row["smallest_dose_mgy"] <= need["dose_mgy"]) == reached
    half = 0.2 * needed[1]["dose_mgy"] / 1000 * 14.7 / 1.959964  # half-width in foci per cell
    left = half**2 - (0.01 * 0.3) ** 2
    assert needed[1]["cells_for_half_width"] == np.ceil((0.2 + 0.2 + 0.147) / left)
    text = run(tmp_path / "text", curve=path).output
    assert "extrapolated beyond 8 mGy" in text


def test_what_no_number_of_cells_can_do_is_said(tmp_path):
    result = run(tmp_path / "out", "--half-width", "0.05", "--cells", "100")
    assert result.exit_code == 0, result.output
    assert "no number of cells gives this half-width" in result.output
    rows = rows_of(tmp_path / "out" / "cells_needed.csv")
    assert {row["cells_for_half_width"] for row in rows} == {""}


def test_results_are_kept_unless_forced(tmp_path):
    for options, code in (([], 0), ([], 2), (["--force"], 0)):
        assert run(tmp_path, "--cells", "100", *options).exit_code == code


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cells", "100,x"], "--cells: got '100,x', legal are whole numbers"),
        (["--cells", "0"], "--cells: got '0'"),
        (["--cells", "10.5"], "--cells: got '10.5'"),
        (["--power", "1"], "--power: got 1, legal is a number between 0 and 1"),
        (["--level", "0"], "--level: got 0"),
        (["--half-width", "0"], "--half-width: got 0, legal is a number above 0"),
        (["--dispersion", "0.9"], "--dispersion: got 0.9"),
        (["--baseline-cells", "0"], "--baseline-cells"),
        (["--dose-mgy", "-5"], "--dose-mgy: got -5, legal is a number above 0"),
        (["--dose-mgy", "nan"], "--dose-mgy: got nan"),
        (["--dose-mgy", "1e9"], "--dose-mgy: got 1e+09"),
        (["--calibration", "nothing"], "--calibration: there is no file nothing"),
    ],
)
def test_a_bad_option_is_told_in_one_sentence(tmp_path, options, words):
    result = run(tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("baseline", ["-0.1", "nan", "inf"])
def test_a_bad_baseline(tmp_path, baseline):
    result = run(tmp_path / "out", baseline=baseline)
    assert result.exit_code == 2
    assert "--baseline-per-cell: baseline_per_cell must be zero or positive" in result.output
    assert not (tmp_path / "out").exists()


def test_a_curve_that_turns_down(tmp_path):
    from foci import CalibrationCurve

    bent = CalibrationCurve(np.array([0.2, 10.0, -1000.0]), np.diag([1e-6, 1e-2, 1.0]))
    write_curve(bent, tmp_path / "curve.json")
    result = run(tmp_path / "out", curve=tmp_path / "curve.json")
    assert result.exit_code == 2
    assert "the curve falls above 5 mGy" in result.output
