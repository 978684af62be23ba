"""The command as a user runs it, in a process of its own."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
COMPLETE = Path(__file__).parent / "data" / "complete_study"


def hemadose(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "hemadose", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, check=False,
    )  # fmt: skip


def files_below(folder):
    return {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def study(tmp_path):
    return Path(shutil.copytree(COMPLETE, tmp_path / "study"))


def test_plan_prints_the_recommendation_and_writes_the_report(study, tmp_path):
    run = hemadose("plan", study, "--out", tmp_path / "out", "--seed", 3, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "not a medical device" in run.stdout
    assert "out/report.html" in run.stdout
    assert "activity.csv: " in run.stdout  # what the plan rests on
    assert run.stderr == ""
    result = json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    assert result["recommendation"]["action"] in ("treat", "hold", "stop")
    assert files_below(study) == files_below(COMPLETE)


def test_json_is_one_document_and_nothing_else_and_the_seed_decides(study, tmp_path):
    runs = [
        hemadose("plan", study, "--out", tmp_path / f"o{i}", "--json", "--seed", s, cwd=tmp_path)
        for i, s in enumerate((5, 5))
    ]
    documents = [json.loads(run.stdout) for run in runs]
    assert documents[0] == documents[1]
    assert documents[0]["schema"] == "hemadose.result"
    assert documents[0]["seed"] == 5


def test_bad_input_exits_with_2_and_one_sentence_and_writes_nothing(study, tmp_path):
    path = study / "activity.csv"
    path.write_text(path.read_text("utf-8").replace("kidneys", "kidny", 1), "utf-8")
    before = files_below(tmp_path)
    for command in (["plan", study, "--out", tmp_path / "out"], ["plan", study], ["check", study]):
        run = hemadose(*command, cwd=tmp_path)
        assert run.returncode == 2
        assert run.stdout == ""
        assert run.stderr.startswith("hemadose: study/activity.csv, row ")
        assert run.stderr.count("\n") == 1
        assert "Traceback" not in run.stderr
    assert files_below(tmp_path) == before


def test_check_says_what_the_study_rests_on(study, tmp_path):
    run = hemadose("check", study, cwd=tmp_path)
    assert run.returncode == 0
    assert "valid" in run.stdout
    assert files_below(study) == files_below(COMPLETE)


def test_a_missing_folder_and_an_unknown_example_exit_with_2(tmp_path):
    assert hemadose("plan", tmp_path / "nowhere", cwd=tmp_path).returncode == 2
    run = hemadose("demo", "nothing", cwd=tmp_path)
    assert run.returncode == 2
    assert "psma617_cycle1" in run.stderr
    assert not files_below(tmp_path)


def test_demo_lists_and_plans_an_example_twice_in_the_same_place(tmp_path):
    names = hemadose("demo", "list", cwd=tmp_path).stdout.split()
    assert {"psma617_cycle1", "dotatate_cycle2_hold", "iodine131_dtc"} <= set(names)
    for _ in range(2):
        run = hemadose("demo", "dotatate_cycle2_hold", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        assert "Hold" in run.stdout
    assert (tmp_path / "demo" / "dotatate_cycle2_hold" / "result" / "report.html").is_file()


def test_a_folder_of_studies_is_planned_as_a_table(study, tmp_path):
    folder = tmp_path / "cohort"
    for name in ("patient_01", "patient_05"):
        shutil.copytree(EXAMPLES / "hemmingsson2023" / name, folder / name)
    run = hemadose("plan", folder, "--out", tmp_path / "out", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    lines = (tmp_path / "out" / "cohort.csv").read_text("utf-8").splitlines()
    assert len(lines) == 3
    assert (tmp_path / "out" / "patient_05" / "report.html").is_file()


def test_help_shows_examples_and_loads_nothing_heavy(tmp_path):
    assert "Example:" in hemadose("plan", "--help", cwd=tmp_path).stdout
    code = "import sys, hemadose.cli; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "pandas", "pydantic", "matplotlib"} & set(run)
