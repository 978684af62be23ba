import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hemadose.assessment.assess import assess
from hemadose.cli import app
from hemadose.dose_command import (
    COLUMNS,
    dose_report,
    marrow_methods,
    model_spread,
    write_doses,
)
from hemadose.dose_figure import draw_doses
from hemadose.errors import HemadoseError
from hemadose.study import read_study

EXAMPLES = Path(__file__).parents[2] / "examples"
N_DRAWS = 200
STUDIES = ["dotatate_cycle2_hold", "hemmingsson2023/patient_01", "iodine131_dtc", "psma617_cycle1"]


@pytest.fixture(scope="module")
def reports():
    return {
        name: dose_report(read_study(EXAMPLES / name), seed=3, n_draws=N_DRAWS) for name in STUDIES
    }


def run(*arguments):
    return CliRunner().invoke(app, ["dose", *map(str, arguments)])


@pytest.mark.parametrize("name", STUDIES)
def test_contributions_add_up_to_the_total(reports, name):
    table = reports[name].table
    assert tuple(table.columns) == COLUMNS
    assert not table.isna().to_numpy().any()
    for _, dose in table.groupby(["cycle", "region", "method", "marrow_model"]):
        assert list(dose["contribution"]).count("total") == 1
        assert dose["contribution"].iloc[-1] == "total"
        assert dose["mean_gy"].iloc[:-1].sum() == pytest.approx(dose["mean_gy"].iloc[-1])
        assert (dose["q05_gy"] <= dose["q50_gy"]).all()
        assert (dose["q50_gy"] <= dose["q95_gy"]).all()
    cycles = len(reports[name].study.cycles)
    assert set(table["cycle"]) == set(range(1, cycles + 2))


@pytest.mark.parametrize("name", ["hemmingsson2023/patient_01", "psma617_cycle1"])
def test_the_doses_are_those_of_the_plan(reports, name):
    study = read_study(EXAMPLES / name)
    planned = assess(study, rng=np.random.default_rng(3), n_draws=N_DRAWS).doses
    totals = reports[name].totals
    for cycle, regions in planned.doses.items():
        for region, dose in regions.items():
            rows = totals[(totals["cycle"] == cycle) & (totals["region"] == region)]
            first = rows.iloc[0]  # of marrow, the method and model of the study come first
            assert first["method"] == dose.method
            assert first["mean_gy"] == pytest.approx(dose.dose_gy.mean(), rel=1e-12)
            assert first["q95_gy"] == pytest.approx(np.quantile(dose.dose_gy, 0.95), rel=1e-12)
    assert reports[name].marrow_method == planned.marrow_method


def test_both_methods_and_models_stand_side_by_side(reports):
    report = reports["dotatate_cycle2_hold"]
    marrow = report.totals[report.totals["region"] == "marrow"]
    found = list(zip(marrow["method"], marrow["marrow_model"], strict=True))
    both = [("image", "olinda2"), ("image", "icrp133"), ("blood", "olinda2"), ("blood", "icrp133")]
    assert found == 3 * both
    other = report.totals[report.totals["region"] != "marrow"]
    assert set(other["marrow_model"]) == {""}
    assert "were found by the other method" not in " ".join(report.assumptions)


def test_samples_decide_on_the_methods():
    assert marrow_methods(read_study(EXAMPLES / "dotatate_cycle2_hold")) == ("image", "blood")
    assert marrow_methods(read_study(EXAMPLES / "psma617_cycle1")) == ("blood",)
    assert marrow_methods(read_study(EXAMPLES / "hemmingsson2023/patient_01")) == ("image", "blood")


@pytest.mark.parametrize("name", ["dotatate_cycle2_hold", "iodine131_dtc", "psma617_cycle1"])
def test_the_spread_of_the_marrow_models(reports, name):
    # the electron S value of marrow is 17 to 27 % smaller in ICRP 133 than in OLINDA/EXM 2
    spread = model_spread(reports[name])
    assert len(spread) == len(reports[name].study.cycles) * len(spread["method"].unique()) + len(
        spread["method"].unique()
    )
    assert (spread["difference"] < -0.05).all()
    assert (spread["difference"] > -0.3).all()
    np.testing.assert_allclose(spread["difference"], spread["icrp133"] / spread["olinda2"] - 1)


def test_the_clinics_doses_have_no_marrow_model(reports):
    report = reports["hemmingsson2023/patient_01"]
    first = report.totals[(report.totals["region"] == "marrow") & (report.totals["cycle"] == 1)]
    assert list(first["method"]) == ["image", "blood"]
    assert set(first["marrow_model"]) == {""}
    # the table gives 0.093 and 0.015 Gy/GBq for 7.4 GBq; a spread of 20 % is assumed
    assert first["mean_gy"].to_numpy() == pytest.approx([0.093 * 7.4, 0.015 * 7.4], rel=0.06)
    assert model_spread(report).empty


def test_an_image_dose_beside_the_chosen_blood_method(tmp_path):
    study = Path(shutil.copytree(EXAMPLES / "hemmingsson2023/patient_01", tmp_path / "one"))
    path = study / "study.yaml"
    path.write_text(path.read_text("utf-8").replace("marrow_dose: image", "marrow_dose: blood"))
    totals = dose_report(read_study(study), seed=1, cycle=1, n_draws=N_DRAWS).totals
    assert list(totals[totals["region"] == "marrow"]["method"]) == ["blood", "image"]


def test_the_command_prints_and_writes(tmp_path):
    result = run(EXAMPLES / "psma617_cycle1", "--out", tmp_path / "out", "--seed", 3)
    assert result.exit_code == 0, result.output
    for words in (
        "simulated-psma617: absorbed dose (Gy), Lu-177 PSMA-617",
        "Cycle 1, 7.42 GBq given",
        "Cycle 2, predicted for 7.4 GBq",
        "remainder, photons",
        "Marrow model spread, cycle 1, by blood: icrp133 differs from olinda2 by -",
        "ASSUMED: blood density",
        "not a medical device",
    ):
        assert words in result.output
    assert "limits." not in result.output
    folder = tmp_path / "out"
    assert {p.name for p in folder.iterdir()} == {"doses.csv", "doses.pdf", "doses.png"}
    rows = list(csv.DictReader((folder / "doses.csv").read_text("utf-8").splitlines()))
    assert tuple(rows[0]) == COLUMNS
    assert (folder / "doses.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "doses.pdf").read_bytes().startswith(b"%PDF")


def test_json_is_one_document_and_the_seed_decides(tmp_path):
    study = EXAMPLES / "hemmingsson2023/patient_01"
    runs = [run(study, "--json", "--seed", seed, "--out", tmp_path / "o") for seed in (5, 5, 6)]
    first, again, other = (json.loads(result.output) for result in runs)
    assert first == again
    assert first["doses"] != other["doses"]
    assert (first["schema"], first["nuclide"], first["seed"]) == ("hemadose.dose", "Lu-177", 5)
    assert set(first["doses"][0]) == set(COLUMNS)
    assert first["marrow_model_spread"] == []
    assert first["marrow_method"] == "image"
    assert any(note.startswith("ASSUMED") for note in first["assumptions"])


def test_one_cycle(tmp_path):
    study = EXAMPLES / "hemmingsson2023/patient_01"
    result = run(study, "--cycle", 2, "--json", "--out", tmp_path)
    assert {row["cycle"] for row in json.loads(result.output)["doses"]} == {2}
    result = run(study, "--cycle", 3, "--out", tmp_path / "never")
    assert result.exit_code == 2
    assert "--cycle: got 3, legal are 1 to 2" in result.output
    assert not (tmp_path / "never").exists()


def test_a_folder_of_studies(tmp_path):
    for name in ("patient_01", "patient_05"):
        shutil.copytree(EXAMPLES / "hemmingsson2023" / name, tmp_path / "cohort" / name)
    result = run(tmp_path / "cohort", "--json", "--cycle", 1, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert document["schema"] == "hemadose.doses"
    assert [s["study"] for s in document["studies"]] == ["hemmingsson2023-01", "hemmingsson2023-05"]
    assert (tmp_path / "out" / "patient_05" / "doses.csv").is_file()


def test_bad_input_exits_with_2_and_one_sentence(tmp_path):
    study = Path(shutil.copytree(EXAMPLES / "psma617_cycle1", tmp_path / "study"))
    path = study / "activity.csv"
    path.write_text(path.read_text("utf-8").replace("kidneys", "kidny", 1), "utf-8")
    result = run(study)
    assert result.exit_code == 2
    assert "activity.csv, row" in result.output
    assert not (study / "result").exists()
    assert run(tmp_path / "nowhere").exit_code == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path, reports):
    taken = tmp_path / "taken"
    taken.write_text("")
    for folder in (taken, taken / "inside"):
        with pytest.raises(HemadoseError, match=r"cannot be written to .*taken.*another folder"):
            write_doses(reports["iodine131_dtc"], folder)


def test_help_shows_an_example():
    result = run("--help")
    assert result.exit_code == 0
    assert "hemadose dose examples/psma617_cycle1" in " ".join(result.output.split())


@pytest.mark.parametrize("name", STUDIES)
def test_bars_are_as_long_as_the_doses(reports, name):
    report = reports[name]
    figure = draw_doses(report)
    drawn = sorted(
        sum(patch.get_width() for patch in ax.patches if abs(patch.get_y() + 0.3 - y) < 0.1)
        for ax in figure.axes
        for y in range(len(ax.get_yticks()))
    )
    expected = sorted(report.totals["mean_gy"])
    # parts whose mean is negative (a remainder) are drawn as nothing
    assert drawn == pytest.approx(expected, rel=0.05)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles[0] == "Blood and marrow"
    assert ("Tumours" in titles) is bool(report.study.tumours)
    assert figure.axes[0].get_ylabel() == "Cycle 1"
