"""The runner: what is written, what is refused, and that memory does not grow with patients."""

import errno
import json
import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from hemadose.errors import HemadoseError
from hemadose.trials.results.summary import summary_table, tally
from hemadose.trials.runs.chunks import ChunkError, chunk_path, read_chunk
from hemadose.trials.runs.run import chunk_tables, fingerprint, run_trial


def test_chunks_hold_every_patient_of_every_arm_once(tmp_path, make_trial, fake_chunk):
    trial = make_trial(patients=30, chunk=7)
    run_trial(trial, tmp_path / "out", simulate=fake_chunk)
    tables = list(chunk_tables(trial, tmp_path / "out"))
    assert [len(table) for table in tables] == [21, 21, 21, 21, 6]
    rows = pd.concat(tables)
    for arm in trial.arms:
        assert sorted(rows[rows["arm"] == arm.name]["patient"]) == list(range(30))
    alone = fake_chunk(trial, range(8, 9))
    kept = rows[rows["patient"] == 8].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, kept, check_exact=True, check_dtype=False)


def test_progress_tells_patients_done(tmp_path, make_trial, fake_chunk):
    told = []
    run_trial(
        make_trial(patients=16, chunk=7),
        tmp_path / "out",
        simulate=fake_chunk,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(0, 16), (7, 16), (14, 16), (16, 16)]


def test_nothing_is_overwritten(tmp_path, make_trial, fake_chunk):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(HemadoseError, match="is not empty"):
        run_trial(make_trial(), out, simulate=fake_chunk)
    with pytest.raises(HemadoseError, match="holds no trial to resume"):
        run_trial(make_trial(), out, simulate=fake_chunk, resume=True)
    with pytest.raises(HemadoseError, match="is not a folder"):
        run_trial(make_trial(), out / "mine.txt", simulate=fake_chunk)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_made(tmp_path, make_trial, fake_chunk):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", tmp_path / ("x" * 300)):
        with pytest.raises(HemadoseError, match=r"cannot be made \("):
            run_trial(make_trial(), out, simulate=fake_chunk)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("there", [False, True])
def test_a_run_that_fails_before_its_first_chunk_leaves_nothing(
    tmp_path, make_trial, fake_chunk, there
):
    def unreachable(task, numbers):
        raise HemadoseError("no scheduler answers")
        yield

    out = tmp_path / "out"
    if there:
        out.mkdir()
    with pytest.raises(HemadoseError, match="no scheduler"):
        run_trial(make_trial(), out, simulate=fake_chunk, backend=unreachable)
    assert out.is_dir() == there
    assert list(out.glob("*")) == []
    run_trial(make_trial(), out, simulate=fake_chunk)


def test_two_runs_in_one_folder_exclude_each_other(tmp_path, make_trial, fake_chunk):
    trial, out = make_trial(), tmp_path / "out"
    refused = []

    def during(trial, patients):
        with pytest.raises(HemadoseError, match="another run is writing to") as error:
            run_trial(trial, out, simulate=fake_chunk, resume=True)
        refused.append(error)
        return fake_chunk(trial, patients)

    run_trial(trial, out, simulate=during)
    assert len(refused) == trial.n_chunks
    run_trial(trial, out, simulate=fake_chunk, resume=True)
    assert sorted(path.name for path in out.iterdir()) == ["chunks", "trial.json"]


def test_a_full_disk_is_named_and_keeps_what_is_finished(
    tmp_path, make_trial, fake_chunk, monkeypatch
):
    trial, out = make_trial(), tmp_path / "out"
    real = os.fsync

    def full(number):
        if list(out.glob("chunks/.chunk-00002*")):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HemadoseError, match=r"chunk-00002.parquet cannot be written \(No space"):
        run_trial(trial, out, simulate=fake_chunk)
    assert sorted(path.name for path in (out / "chunks").iterdir()) == [
        "chunk-00000.parquet",
        "chunk-00001.parquet",
    ]
    monkeypatch.setattr(os, "fsync", real)
    run_trial(trial, out, simulate=fake_chunk, resume=True)


def test_a_changed_trial_is_refused_with_what_changed(tmp_path, make_trial, fake_chunk):
    out = tmp_path / "out"
    run_trial(make_trial(truth={"kill_factor": 1.0}), out, simulate=fake_chunk)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(HemadoseError) as error:
        run_trial(
            make_trial(truth={"kill_factor": 2}, seed=3, arms=("usual", "adaptive", "other")),
            out,
            simulate=fake_chunk,
            resume=True,
        )
    for change in ("truth.kill_factor: 1.0 -> 2.0", "seed: 1.0 -> 3.0", "arms[3].name"):
        assert change in str(error.value)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    run_trial(make_trial(truth={"kill_factor": 1}), out, simulate=fake_chunk, resume=True)


def test_another_version_of_the_package_is_refused(tmp_path, make_trial, fake_chunk):
    out = tmp_path / "out"
    run_trial(make_trial(), out, simulate=fake_chunk)
    held = json.loads((out / "trial.json").read_text())
    (out / "trial.json").write_text(json.dumps(held | {"hemadose_version": "0.0.0"}))
    with pytest.raises(HemadoseError, match=r"hemadose 0\.0\.0 -> "):
        run_trial(make_trial(), out, simulate=fake_chunk, resume=True)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "moved", "text"])
def test_a_damaged_chunk_is_noticed_and_computed_again(tmp_path, make_trial, fake_chunk, damage):
    trial, out = make_trial(), tmp_path / "out"
    run_trial(trial, out, simulate=fake_chunk)
    path = chunk_path(out, 2)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0x10
    other = tmp_path / "other"
    run_trial(make_trial(seed=9), other, simulate=fake_chunk)
    path.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "flipped": bytes(flipped),
            "empty": b"",
            "foreign": chunk_path(other, 2).read_bytes(),
            "moved": chunk_path(out, 1).read_bytes(),
            "text": b"patient,arm\n1,usual\n",
        }[damage]
    )
    with pytest.raises(ChunkError):
        read_chunk(out, 2, trial=trial, fingerprint=fingerprint(trial))
    kept = {k: chunk_path(out, k).stat().st_mtime_ns for k in (0, 1, 3, 4)}
    run_trial(trial, out, simulate=fake_chunk, resume=True)
    assert path.read_bytes() == whole
    assert {k: chunk_path(out, k).stat().st_mtime_ns for k in kept} == kept


def test_a_failing_chunk_leaves_the_others(tmp_path, make_trial, fake_chunk):
    def fails_once(trial, patients):
        if 14 in patients:
            raise OSError("the disk is full")
        return fake_chunk(trial, patients)

    trial, out = make_trial(), tmp_path / "out"
    with pytest.raises(OSError, match="disk"):
        run_trial(trial, out, simulate=fails_once)
    assert sorted(path.name for path in (out / "chunks").iterdir()) == [
        "chunk-00000.parquet",
        "chunk-00001.parquet",
    ]
    run_trial(trial, out, simulate=fake_chunk, resume=True)
    assert len(list((out / "chunks").iterdir())) == 5


def test_memory_stays_flat(tmp_path, make_trial, fake_chunk):
    def peak(n_chunks):
        trial = make_trial(patients=60 * n_chunks, chunk=60)
        out = tmp_path / str(n_chunks)
        tracemalloc.start()
        run_trial(trial, out, simulate=fake_chunk)
        table = summary_table(tally(chunk_tables(trial, out), trial, planned_cycles=4), trial)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert int(table["n"].max()) == 60 * n_chunks
        return size

    peak(1)  # what is loaded once
    few, many = peak(2), peak(20)
    rows = 20 * 3 * 60 * 25 * 8  # bytes of all rows together
    assert many - few < 0.25 * rows


def test_the_fingerprint_knows_all_settings(make_trial):
    marks = {
        fingerprint(make_trial()),
        fingerprint(make_trial(seed=2)),
        fingerprint(make_trial(chunk=8)),
        fingerprint(make_trial(limits={"marrow_dose_gy": 2.5})),
        fingerprint(make_trial(arms=("usual", "adaptive"))),
    }
    assert len(marks) == 5
    assert fingerprint(make_trial(limits={"marrow_dose_gy": 3})) == fingerprint(
        make_trial(limits={"marrow_dose_gy": 3.0})
    )


def test_chunks_do_not_depend_on_their_order(tmp_path, make_trial, fake_chunk):
    def backwards(task, numbers):
        return ((number, task(number)) for number in reversed(list(numbers)))

    trial = make_trial()
    run_trial(trial, tmp_path / "a", simulate=fake_chunk)
    run_trial(trial, tmp_path / "b", simulate=fake_chunk, backend=backwards)
    pairs = zip(
        chunk_tables(trial, tmp_path / "a"), chunk_tables(trial, tmp_path / "b"), strict=True
    )
    for one, other in pairs:
        assert all(
            np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
            for name in one
        )


def test_a_worker_of_another_version_is_refused(tmp_path, make_trial, fake_chunk, monkeypatch):
    from hemadose.trials.runs import run

    def elsewhere(task, numbers):
        monkeypatch.setattr(run, "package_version", lambda: "0.0.9")
        return ((number, task(number)) for number in numbers)

    with pytest.raises(HemadoseError, match=r"a worker runs hemadose 0\.0\.9"):
        run_trial(make_trial(), tmp_path / "out", simulate=fake_chunk, backend=elsewhere)
