"""A run killed at random moments goes on where it stopped, and ends bitwise as one that was not."""

import inspect
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from hemadose.trials.runs.run import fingerprint, run_trial
from hemadose.trials.settings import TrialSettings

SCRIPT = """
import sys
from pathlib import Path
from hemadose.trials.runs.run import run_trial
from hemadose.trials.settings import TrialSettings

{simulate}

trial = TrialSettings.model_validate({content})
print("ready", flush=True)
run_trial(trial, Path(sys.argv[1]), simulate=simulate, resume=True)
"""
CONTENT = {
    "schema": 1,
    "name": "killed",
    "patients": 60,
    "chunk": 4,
    "cohort": {"name": "DOTATATE"},
    "arms": ({"name": "usual", "policy": "label"},),
}


def simulate(trial, patients):
    import time

    import numpy as np
    import pandas as pd

    time.sleep(0.02)
    draws = [np.random.default_rng([trial.seed, p]).random(2000) for p in patients]
    table = pd.DataFrame({"patient": list(patients), "arm": trial.arms[0].name})
    return table.join(pd.DataFrame(np.array(draws), columns=[f"x{k}" for k in range(2000)]))


def start(out):
    script = SCRIPT.format(simulate=inspect.getsource(simulate), content=CONTENT)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(out)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


def finished_files(out):
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in (out / "chunks").glob("chunk-*.parquet")
    }


def test_a_run_killed_at_random_moments_loses_nothing(tmp_path):
    run_trial(TrialSettings.model_validate(CONTENT), tmp_path / "whole", simulate=simulate)
    out = tmp_path / "killed"
    rng = np.random.default_rng()
    kept = {}
    for _ in range(3):
        with start(out) as process:
            time.sleep(rng.uniform(0.0, 0.15))
            os.kill(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        now = finished_files(out) if out.is_dir() else {}
        assert kept.items() <= now.items()  # nothing finished was written again
        kept = now
    with start(out) as process:
        pass
    assert process.returncode == 0
    now = finished_files(out)
    assert kept.items() <= now.items()
    assert len(now) == 15
    for name in now:
        whole = (tmp_path / "whole" / "chunks" / name).read_bytes()
        assert (out / "chunks" / name).read_bytes() == whole


def test_a_torn_write_is_no_chunk(tmp_path, make_trial, fake_chunk):
    trial, out = make_trial(), tmp_path / "out"
    run_trial(trial, out, simulate=fake_chunk)
    whole = (out / "chunks" / "chunk-00003.parquet").read_bytes()
    (out / "chunks" / "chunk-00003.parquet").unlink()
    (out / "chunks" / ".chunk-00003.parquet.part").write_bytes(whole[:100])
    run_trial(trial, out, simulate=fake_chunk, resume=True)
    assert (out / "chunks" / "chunk-00003.parquet").read_bytes() == whole
    assert len(list((out / "chunks").iterdir())) == 5


@pytest.mark.parametrize("state", ["no folder", "empty folder", "torn trial.json"])
def test_a_run_killed_before_its_first_chunk_can_be_resumed(
    tmp_path, make_trial, fake_chunk, state
):
    trial, out = make_trial(), tmp_path / "out"
    if state != "no folder":
        (out / "chunks").mkdir(parents=True)
    if state == "torn trial.json":
        (out / ".trial.json.part").write_text('{"schema"')
    run_trial(trial, out, simulate=fake_chunk, resume=True)
    assert len(list((out / "chunks").iterdir())) == 5
    assert fingerprint(trial) in (out / "trial.json").read_text()
    assert sorted(path.name for path in out.iterdir()) == ["chunks", "trial.json"]
