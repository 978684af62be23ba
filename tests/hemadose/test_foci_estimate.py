"""`hemadose foci estimate`: doses of samples and of a cycle, or a clear refusal."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from typer.testing import CliRunner

from foci import (
    FociSample,
    RepairModel,
    blood_dose_from_foci,
    calibration_line,
    draw_repair,
    eberlein_2015,
    write_curve,
)
from hemadose.cli import app
from kinetics import SumOfExponentials

EXAMPLE = Path(__file__).parents[2] / "examples" / "foci" / "patient.csv"
TRUTH = json.loads((EXAMPLE.parent / "truth.json").read_text("utf-8"))
PHASES = ["--phase", "0.9,1.5", "--phase", "0.1,30"]
LINE = calibration_line(
    14.7, 0.3, intercept_per_cell=0.21, intercept_sd=0.01, source="a line", max_dose_gy=0.1
)
GOOD = "time_h,cells,foci\n-1,500,100\n1,500,250\n"


@pytest.fixture
def curve(tmp_path):
    path = tmp_path / "curve.json"
    write_curve(LINE, path)
    return path


@pytest.fixture
def few_draws(monkeypatch):
    """Where what the samples are worth does not matter."""
    monkeypatch.setattr("hemadose.foci_commands.estimate_course._N_WORTH", 300)


def run(path, out, *options, curve="eberlein2015"):
    arguments = ["foci", "estimate", str(path), "--calibration", str(curve), "--out", str(out)]
    return CliRunner().invoke(app, [*arguments, *options])


def table(folder, text):
    path = folder / "counts.csv"
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path):
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def document(path, out, *options, curve="eberlein2015"):
    result = run(path, out, "--json", *options, curve=curve)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_doses_of_samples_by_every_estimator(tmp_path, curve):
    result = run(EXAMPLE, tmp_path / "out", curve=curve)
    assert result.exit_code == 0, result.output
    assert "correct for it once, never twice" in result.output
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"samples.csv", "doses.csv", "estimate.png", "estimate.pdf"}
    rows = rows_of(tmp_path / "out" / "doses.csv")
    methods = ["delta", "fieller", "merkle", "bayes", "partial-body"]
    assert [row["method"] for row in rows[:5]] == methods
    before, after = 103 / 500, 237 / 500  # of the example at 4 h
    by_hand = 1000 * (after - before) / 14.7
    sd = np.sqrt((103 + 237) / 500**2 + (by_hand / 1000 * 0.3) ** 2) / 14.7 * 1000
    delta = next(row for row in rows if row["method"] == "delta" and float(row["time_h"]) == 4)
    assert float(delta["dose_mgy"]) == pytest.approx(by_hand, rel=1e-5)
    assert float(delta["low_mgy"]) == pytest.approx(by_hand - 1.959964 * sd, rel=1e-4)
    for row in rows:
        if row["time_h"] == "4" and row["method"] != "partial-body":
            assert float(row["dose_mgy"]) == pytest.approx(by_hand, rel=0.02)
            assert float(row["high_mgy"]) - float(row["low_mgy"]) == pytest.approx(4 * sd, rel=0.25)


def test_a_sample_against_its_baseline(tmp_path, curve):
    found = document(EXAMPLE, tmp_path / "out", curve=curve)
    assert found["irradiated_like_the_calibration"]
    row = found["samples"][2]
    assert (row["time_h"], row["cells"], row["foci"], row["baseline_foci"]) == (24, 500, 147, 103)
    assert row["excess_per_cell"] == pytest.approx(44 / 500)
    assert row["excess_sd"] == pytest.approx(np.sqrt(250) / 500)
    assert row["p_value"] == pytest.approx(binomtest(147, 250, 0.5).pvalue)
    smallest = next(x for x in range(103, 200) if binomtest(x, 103 + x, 0.5).pvalue < 0.05)
    assert row["threshold_per_cell"] == pytest.approx((smallest - 1 - 103) / 500)
    assert row["threshold_mgy"] == pytest.approx((smallest - 103) / 500 / 14.7 * 1000)
    assert row["detection_limit_mgy"] > row["threshold_mgy"]
    assert row["dispersion_index"] == pytest.approx(1, abs=0.2)


def test_the_blood_dose_of_a_cycle(tmp_path):
    result = run(EXAMPLE, tmp_path / "out", *PHASES)
    assert result.exit_code == 0, result.output
    assert "was corrected for repair once" in result.output
    blood = rows_of(tmp_path / "out" / "blood_dose.csv")[0]
    truth = 1000 * TRUTH["blood_dose_gy"]
    assert float(blood["low_mgy"]) < truth < float(blood["high_mgy"])
    assert float(blood["blood_dose_mgy"]) == pytest.approx(truth, rel=0.3)
    received = [float(row["dose_mgy"]) for row in rows_of(tmp_path / "out" / "doses.csv")]
    share, half_life = np.array(TRUTH["phases_share_half_life_h"]).T
    area = share * half_life
    part = [float(area @ (1 - 0.5 ** (t / half_life)) / area.sum()) for t in (1, 4, 24, 48)]
    assert np.array(received) / float(blood["blood_dose_mgy"]) == pytest.approx(part, rel=1e-3)
    assert {row["threshold_mgy"] for row in rows_of(tmp_path / "out" / "samples.csv")} == {""}


def test_what_a_sample_was_worth(tmp_path):
    """The sample at 1 h, against estimates with and without it."""
    found = document(EXAMPLE, tmp_path / "out", *PHASES)
    worth = {row["sample"]: row for row in found["worth"]}
    assert list(worth) == ["all", "cycle 1, baseline"] + [f"cycle 1, {t} h" for t in (1, 4, 24, 48)]
    counts = [(-1.0, 103), (1.0, 184), (4.0, 237), (24.0, 147), (48.0, 115)]
    samples = [FociSample(1, time_h, 500, foci) for time_h, foci in counts]
    shape = SumOfExponentials([0.9, 0.1], np.log(2) / np.array([1.5, 30.0]))
    rng = np.random.default_rng(8)
    draws = draw_repair(RepairModel(eberlein_2015()), 10_000, rng)
    variance = [
        np.log(blood_dose_from_foci(s, shape, repair_draws=draws, rng=rng).dose_gy).var()
        for s in (samples, samples[:1] + samples[2:])
    ]
    assert worth["cycle 1, 1 h"]["variance_reduction"] == pytest.approx(
        1 - variance[0] / variance[1], abs=0.1
    )


@pytest.mark.usefixtures("few_draws")
def test_the_slope_is_corrected_for_repair_once(tmp_path):
    """A curve of an hour's irradiation has lost foci; doses of samples like it do not change."""
    doses, samples = [], []
    for hours in (0.0, 4.0):
        path = tmp_path / f"curve{hours:g}.json"
        write_curve(replace(LINE, irradiation_h=hours), path)
        with_phases = document(EXAMPLE, tmp_path / f"course{hours:g}", *PHASES, curve=path)
        doses.append(with_phases["blood_dose"][0]["blood_dose_mgy"])
        without = document(EXAMPLE, tmp_path / f"like{hours:g}", "--method", "delta", curve=path)
        samples.append([row["dose_mgy"] for row in without["doses"]])
    assert samples[0] == samples[1]
    left = (1 - np.exp(-0.25 * 4)) / (0.25 * 4)
    assert doses[1] / doses[0] == pytest.approx(left, rel=0.06)


def test_cycles_and_patients_have_their_own_baselines(tmp_path):
    text = (
        "patient,cycle,time_h,slide,cells,foci\n"
        "A,1,-2,s,100,20\nA,1,-2,t,300,70\nA,1,1,,400,200\nA,2,1,,400,250\n"
        "B,1,-1,,400,40\nB,1,1,,400,200\n"
    )
    found = document(table(tmp_path, text), tmp_path / "out", "--method", "fieller")
    assert [row["baseline_cells"] for row in found["samples"]] == [400, 400, 400]
    assert [row["baseline_foci"] for row in found["samples"]] == [90, 90, 40]
    assert "no baseline of this cycle: that of cycle 1 ASSUMED" in found["assumptions"]


@pytest.mark.usefixtures("few_draws")
def test_the_background_of_the_curve_stands_in_only_if_asked(tmp_path, curve):
    path = table(tmp_path, "patient,time_h,cells,foci\nA,1,500,250\n")
    result = run(path, tmp_path / "out", curve=curve)
    assert result.exit_code == 2
    assert "the baseline of patient A is missing" in result.output
    result = run(path, tmp_path / "out", "--curve-background")
    assert result.exit_code == 2
    assert "its intercept is 0" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()
    found = document(path, tmp_path / "out", "--curve-background", curve=curve)
    row = found["samples"][0]
    assert row["p_value"] is None
    assert row["excess_per_cell"] == pytest.approx(0.5 - 0.21)
    delta = found["doses"][0]
    assert delta["dose_mgy"] == pytest.approx((0.5 - 0.21) / 14.7 * 1000)
    course = document(path, tmp_path / "c", "--curve-background", *PHASES, curve=curve)
    assert course["blood_dose"][0]["blood_dose_mgy"] > 0
    assert any("background of the calibration curve" in words for words in course["assumptions"])


def test_dispersion_level_and_prior_are_heard(tmp_path, curve):
    path = table(tmp_path, GOOD)

    def width(*options, method="fieller"):
        out = tmp_path / "-".join([method, *options])
        row = document(path, out, "--method", method, *options, curve=curve)["doses"][0]
        return row["high_mgy"] - row["low_mgy"], row["dose_mgy"]

    plain = width()[0]
    assert width("--dispersion", "2")[0] == pytest.approx(plain * np.sqrt(2), rel=0.03)
    assert width("--level", "0.6826895")[0] == pytest.approx(plain / 1.96, rel=0.02)
    assert width(method="bayes")[1] == pytest.approx(0.3 / 14.7 * 1000, rel=0.03)
    assert width("--prior", "gamma,1,3", method="bayes")[1] < 10


@pytest.mark.usefixtures("few_draws")
def test_an_earlier_course_does_not_outlive_its_estimate(tmp_path):
    path, out = table(tmp_path, GOOD), tmp_path / "out"
    assert run(path, out, *PHASES).exit_code == 0
    assert (out / "worth.csv").exists()
    assert run(path, out).exit_code == 2
    assert run(path, out, "--force").exit_code == 0
    assert not (out / "worth.csv").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_h,cells,foci\n1,500,250\n", "column time_h: the baseline is missing; legal is"),
        ("time_h,cells,foci\n-1,500,250\n", "all samples are baselines"),
        ("cells,foci\n500,250\n", "counts.csv: line 2: time_h is missing"),
        ("time_h,cells,foci\n-1,500,100\ninf,500,250\n", "row 3, column time_h: got 'inf'"),
        ("time_h,cells,foci\n-1,500,100\n1,500,250.5\n", "row 3, column foci: got '250.5'"),
        ("time_h,cells,foci\n-1,500,-1\n1,500,250\n", "row 2, column foci: got '-1'"),
        ("time_h,cells,foci\n-1,0,0\n1,500,250\n", "row 2, column cells: got 0"),
        ("time_h,cells,foci\n-1,500,100\n1,2,250\n", "cells and foci exchanged"),
        ("time_h,cycle,cells,foci\n-1,0,500,100\n", "row 2, column cycle: got 0"),
        ("time_h,cells,foci,dose\n-1,500,100,1\n", "column dose: unknown column, legal are"),
        ("time_h,cells,foci\n-1,500,100,7\n", "row 2: the row has 4 cells"),
        ("time_h,slide,cells,foci\n-1,s,9,1\n-1,s,9,1\n", "slide s stands there twice"),
        ("time_h,C0,C1,cells\n-1,400,100,501\n", "row 2, column cells: got 501"),
    ],
)
def test_a_bad_table_is_told_in_one_sentence(tmp_path, text, words):
    result = run(table(tmp_path, text), tmp_path / "out")
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.output.split())
    assert result.output.count("hemadose:") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "dolphin"], "--method: got 'dolphin', legal are all, delta, fieller"),
        (["--method", "partial-body"], "cycle 1, 1 h: it needs the distribution of the foci"),
        (["--method", "bayes", "--phase", "1,2"], "give one of them"),
        (["--level", "95"], "--level: got 95, legal is a number between 0 and 1"),
        (["--dispersion", "0.5"], "--dispersion: got 0.5, legal is a variance over mean"),
        (["--phase", "0.9"], "--phase: got '0.9', legal is as 0.9,1.5"),
        (["--phase", "0.9,-1"], "--phase: got '0.9,-1'"),
        (["--prior", "uniform,0"], "--prior: got 'uniform,0', legal is as uniform,0,1000"),
        (["--prior", "flat,0,10"], "kind must be one of"),
        (["--prior", "uniform,9,1"], "--prior: got 'uniform,9,1'"),
        (["--calibration", "none.json"], "--calibration: there is no file none.json; legal is"),
    ],
)
def test_a_bad_option_is_told_in_one_sentence(tmp_path, options, words):
    result = run(table(tmp_path, GOOD), tmp_path / "out", *options)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_curves_that_cannot_serve(tmp_path):
    path = tmp_path / "curve.json"
    path.write_text('{"format": "something else"}')
    result = run(table(tmp_path, GOOD), tmp_path / "out", curve=path)
    assert result.exit_code == 2
    assert "no calibration curve" in result.output
    bent = replace(LINE, coefficients=np.array([0.2, 10, 3]), covariance=np.eye(3) * 1e-6)
    write_curve(bent, path)
    result = run(table(tmp_path, GOOD), tmp_path / "out", *PHASES, curve=path)
    assert result.exit_code == 2
    assert "the calibration must be a straight line" in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()
    assert run(table(tmp_path, GOOD), tmp_path / "out", curve=path).exit_code == 0
