import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hemadose.cli import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "psma617_cycle1" / "activity.csv"
GOOD = "region,time_h,activity_mbq,sd,below_limit\n" + "".join(
    f"kidneys,{t},{a},{s},{b}\n"
    for t, a, s, b in [(4, 200, 10, 0), (24, 160, 8, 0), (72, 90, 5, 0), (168, 40, 3, 0),
                       (240, 15, 3, 1)]
)  # fmt: skip


def run(path, *options):
    return CliRunner().invoke(app, ["fit", str(path), "--nuclide", "Lu-177", *options])


def test_a_table_is_fitted_and_drawn(tmp_path):
    table = tmp_path / "samples.csv"
    table.write_text(GOOD)
    result = run(table)
    assert result.exit_code == 0, result.output
    assert "Kidneys: 5 samples (1 below the limit" in result.output
    assert "averaged TIA" in result.output
    assert "ASSUMED: standard deviation" not in result.output
    folder = tmp_path / "fit"
    assert {p.name for p in folder.iterdir()} == {"fits.csv", "gates.csv", "fits.png", "fits.pdf"}
    rows = list(csv.DictReader((folder / "fits.csv").read_text("utf-8").splitlines()))
    assert float(rows[0]["tia_q05_h"]) < float(rows[0]["tia_h"]) < float(rows[0]["tia_q95_h"])
    assert sum(float(r["akaike_weight"] or 0) for r in rows) == pytest.approx(1)


def test_the_table_of_a_study_is_legal(tmp_path):
    result = run(EXAMPLE, "--administered", "7400", "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "ASSUMED: standard deviation 10 %" in result.output


def test_forms_of_the_administered_activity(tmp_path):
    table = tmp_path / "samples.csv"
    table.write_text(GOOD)
    result = run(table, "--form", "f2e", "--form", "f4d")
    assert result.exit_code == 2
    assert "--administered" in result.output
    result = run(table, "--form", "f2e", "--form", "f4d", "--administered", "300")
    assert result.exit_code == 0, result.output
    assert "ASSUMED: the activity circulates" in result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time_h,activity_mbq\n1,x\n", "row 2, column activity_mbq: got 'x', legal is"),
        ("time_h,activity\n1,2\n", "did you mean"),
        ("time_h\n1\n", "no column of activities"),
        ("time_h,value\n1,2\n", "column unit: the column is missing"),
        ("time_h,value,unit\n1,2,mCi\n", "row 2, column unit: got 'mCi'"),
        ("time_h,value,unit\n1,2,%IA\n", "--administered"),
        ("time_h,activity_mbq\n1,2\n1,3\n", "row 3, column time_h: the series has this time"),
        ("time_h,activity_mbq,sd\n1,2,1\n2,3,\n", "row 3, column sd"),
        ("time_h,value,unit\n1,2,MBq\n2,3,kBq/mL\n", "row 3, column unit"),
        ("time_h,activity_mbq,activity_mbq_per_ml\n1,2,3\n", "legal is one of"),
        ("time_h,activity_mbq,blq,below_limit\n1,2,0,0\n", "mean the same"),
    ],
)
def test_a_bad_table_is_told_in_one_sentence(tmp_path, text, words):
    table = tmp_path / "samples.csv"
    table.write_text(text)
    result = run(table)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--form", "quad"], "legal are mono"), (["--cv", "0"], "above 0"),
     (["--nuclide", "Xx-1"], "--nuclide"), (["--form", "shared"], "population")],
)  # fmt: skip
def test_bad_options(tmp_path, options, words):
    table = tmp_path / "samples.csv"
    table.write_text(GOOD)
    result = run(table, *options)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.parametrize("value", [["0", "0", "0"], ["5", "5", "5"], ["1e-9", "1e9", "3"]])
def test_odd_samples_end_in_words(tmp_path, value):
    table = tmp_path / "samples.csv"
    table.write_text(
        "time_h,activity_mbq\n" + "".join(f"{24 * i},{v}\n" for i, v in enumerate(value))
    )
    result = run(table)
    assert result.exit_code == 0, result.output
    assert "nan" not in result.output
