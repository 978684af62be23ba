"""`hemadose simulate`: what it writes and says, and what it refuses."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from hemadose.cli import app
from hemadose.trials import parts, simulate_cli, simulate_command
from hemadose.trials.runs import run
from hemadose.trials.settings_file import read_trial

TRIAL = """\
schema: 1
name: a small trial
patients: 6
chunk: 4
planned_cycles: 2
cohort: {name: DOTATATE}
arms:
  - {name: usual, policy: label}
  - name: adaptive
    policy: overdose_control
    label_scope: toxicity
    schedule: {image_h: [24]}
"""


@pytest.fixture
def trial_file(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(TRIAL, "utf-8")
    return path


def invoke(*arguments):
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def test_a_trial_is_run_written_and_resumed(tmp_path, trial_file):
    out = tmp_path / "out"
    result = invoke(trial_file, "--out", out)
    assert result.exit_code == 0, result.output
    assert "adaptive against usual: tumour dose x" in result.stdout
    assert "Research use, not a medical device." in result.stdout
    assert {path.name for path in out.iterdir()} == {
        *("trial.json", "chunks", "summary.csv", "summary.json", "trial.png", "trial.pdf")
    }
    rows = pd.concat([pd.read_parquet(path) for path in sorted((out / "chunks").iterdir())])
    table = pd.read_csv(out / "summary.csv").set_index(["arm", "metric"])
    for arm, own in rows.groupby("arm"):
        assert table.loc[(arm, "activity_gbq"), "value"] == pytest.approx(
            own["activity_gbq"].mean(), rel=1e-5
        )
        given = own.filter(regex="activity_cycle_")
        assert given.sum(axis=1).to_numpy() == pytest.approx(own["activity_gbq"].to_numpy())
        assert ((given > 0).sum(axis=1) == own["n_cycles"]).all()
        assert (own["n_decisions"] >= own["n_cycles"]).all()
        assert set(own["ended_by"]) <= {"completed", "label", "policy", "refusal", "delay"}
        assert (own["tumour_dose_gy"] > 0).equals(own["n_cycles"] > 0)
    document = json.loads((out / "summary.json").read_text("utf-8"))
    assert any("ASSUMED" in note for note in document["assumptions"])
    before = {path: path.read_bytes() for path in out.rglob("*.parquet")}

    again = invoke(trial_file, "--out", out)
    assert again.exit_code == 2
    assert "is not empty" in again.stderr
    resumed = invoke(trial_file, "--out", out, "--resume", "--json")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads(resumed.stdout) == document
    assert {path: path.read_bytes() for path in out.rglob("*.parquet")} == before


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("DOTATATE", "DOTATOC", "cohort.name"),
        ("patients: 6", "patients: six", "whole number"),
        ("chunk: 4", "chunk: 4\nlimits: {marrow_dose_tolerance: 1}", "marrow_dose_tolerance"),
        ("chunk: 4", "chunck: 4", "'chunk'"),
    ],
)
def test_a_bad_file_exits_with_2_and_writes_nothing(tmp_path, trial_file, before, after, word):
    trial_file.write_text(TRIAL.replace(before, after), "utf-8")
    result = invoke(trial_file, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith("hemadose: ")
    assert "trial.yaml, row" in result.stderr
    assert word in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--workers", "2", "--dask", "tcp://127.0.0.1:9"], "exclude each other"),
        (["--workers", "0"], "--workers"),
    ],
)
def test_bad_options_exit_with_2(tmp_path, trial_file, options, word):
    result = invoke(trial_file, "--out", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert word in result.stderr
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_what_can_be_resumed(tmp_path, trial_file, monkeypatch, fake_chunk):
    def interrupted(trial, patients):
        if patients[0]:
            raise KeyboardInterrupt
        return fake_chunk(trial, patients)

    out = tmp_path / "out"
    monkeypatch.setattr(parts, "simulate_chunk", interrupted)
    result = invoke(trial_file, "--out", out)
    assert result.exit_code == 130
    assert "--resume" in result.stderr
    assert [path.name for path in (out / "chunks").iterdir()] == ["chunk-00000.parquet"]
    monkeypatch.setattr(parts, "simulate_chunk", fake_chunk)
    assert invoke(trial_file, "--out", out, "--resume").exit_code == 0


# undoes what a shell does to tests in its background, where Ctrl-C is ignored
HEED_CTRL_C = """\
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def test_ctrl_c_at_a_terminal_with_two_workers_exits_with_130(tmp_path, trial_file):
    parts.simulate_chunk(read_trial(trial_file), range(2))  # compiles what the workers will run
    trial_file.write_text(TRIAL.replace("patients: 6", "patients: 4000"), "utf-8")
    out = tmp_path / "out"
    heeding = [sys.executable, "-c", HEED_CTRL_C, "-m", "hemadose"]
    command = [*heeding, "simulate", str(trial_file), "--out", str(out)]
    with subprocess.Popen(
        [*command, "--workers", "2"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        until = time.monotonic() + 120
        while not list(out.glob("chunks/chunk-*.parquet")) and time.monotonic() < until:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the workers too
        stderr = process.communicate(timeout=120)[1]
    assert process.returncode == 130, stderr
    assert "hemadose: stopped; finished chunks are kept" in stderr
    assert "Traceback" not in stderr


def test_a_disk_that_is_full_at_the_end_loses_no_chunk(
    tmp_path, trial_file, fake_chunk, monkeypatch
):
    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    monkeypatch.setattr(parts, "simulate_chunk", fake_chunk)
    monkeypatch.setattr(simulate_command.tempfile, "TemporaryDirectory", full)
    result = invoke(trial_file, "--out", out)
    assert result.exit_code == 2
    assert "cannot be written to" in result.stderr
    assert "No space left" in result.stderr
    monkeypatch.undo()
    monkeypatch.setattr(parts, "simulate_chunk", fake_chunk)
    assert invoke(trial_file, "--out", out, "--resume").exit_code == 0


def test_a_batch_system_that_ends_the_run_exits_with_130(
    tmp_path, trial_file, fake_chunk, monkeypatch
):
    def ended(trial, patients):
        if patients[0]:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        return fake_chunk(trial, patients)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(parts, "simulate_chunk", ended)
    result = invoke(trial_file, "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert "--resume" in result.stderr
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_path_cannot_write_to_the_terminal(tmp_path, trial_file):
    place = tmp_path / "a\n\x1b[31m"
    place.mkdir()
    (place / "x").write_text("")
    result = invoke(trial_file, "--out", place)
    assert result.exit_code == 2
    assert result.stderr.rstrip("\n").isprintable()
    assert "a\\n\\x1b[31m is not empty" in result.stderr


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_shows_patients_and_the_time_left(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(simulate_cli, "_PATIENCE_S", 0.0)
    with simulate_cli.patients_bar() as progress:
        for done in range(0, 50, 10):
            progress(done, 100)
            time.sleep(0.08)
    assert "/100" in screen.getvalue()
    assert "left" in screen.getvalue()


def test_the_folder_is_named_after_the_trial(tmp_path, trial_file, monkeypatch, fake_chunk):
    monkeypatch.setattr(parts, "simulate_chunk", fake_chunk)
    monkeypatch.chdir(tmp_path)
    assert invoke(trial_file).exit_code == 0
    assert (tmp_path / "a_small_trial" / "summary.csv").exists()
    document = json.loads((tmp_path / "a_small_trial" / "trial.json").read_text("utf-8"))
    assert document["n_chunks"] == 2
    assert document["hemadose_version"] == run.package_version()


def test_the_text_holds_the_numbers_of_the_table(make_trial, fake_chunk, tmp_path):
    from hemadose.trials.results.summary import summary_table, tally

    trial = make_trial(patients=20, chunk=20)
    table = summary_table(tally([fake_chunk(trial, range(20))], trial, planned_cycles=4), trial)
    found = simulate_command.SimulateResult(trial, table, ("ASSUMED: a",), tmp_path)
    text = simulate_command.simulate_text(found)
    value = table[(table["arm"] == "bold") & (table["metric"] == "activity_gbq")]["value"].item()
    assert np.isfinite(value)
    assert f"{value:.4g} +-" in text
    assert "1 assumptions" in text
