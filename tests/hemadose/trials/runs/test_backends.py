"""The same seed gives the same bits in one process, in two, and on a Dask cluster."""

import os
import sys

import pytest

from hemadose.errors import HemadoseError
from hemadose.trials.parts import simulate_chunk
from hemadose.trials.runs.backends import dask_cluster, processes, serial
from hemadose.trials.runs.run import run_trial
from hemadose.trials.simulate_command import backend_for


@pytest.fixture(scope="module")
def scheduler():
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


def chunk_files(out):
    return {path.name: path.read_bytes() for path in (out / "chunks").iterdir()}


def test_three_backends_give_the_same_bits(tmp_path, make_trial, scheduler):
    trial = make_trial(
        patients=12,
        chunk=5,
        planned_cycles=2,
        arms=("usual",),
    )
    adaptive = trial.arms[0].model_copy(
        update={"name": "adaptive", "policy": "overdose_control", "label_scope": "toxicity"}
    )
    trial = trial.model_copy(update={"arms": (*trial.arms, adaptive)})
    backends = {"one": serial, "two": processes(2), "dask": dask_cluster(scheduler)}
    files = {}
    for name, backend in backends.items():
        run_trial(trial, tmp_path / name, simulate=simulate_chunk, backend=backend)
        files[name] = chunk_files(tmp_path / name)
    assert len(files["one"]) == 3
    assert files["two"] == files["one"]
    assert files["dask"] == files["one"]


def test_more_chunks_than_tasks_at_a_time(make_trial, scheduler):
    for backend in (serial, dask_cluster(scheduler)):
        results = dict(backend(lambda number: bytes([number]), range(23)))
        assert results == {number: bytes([number]) for number in range(23)}


def test_an_error_in_a_worker_arrives(scheduler):
    def fails(number):
        raise ValueError(f"chunk {number} cannot be computed")

    for backend in (serial, processes(2), dask_cluster(scheduler)):
        with pytest.raises(ValueError, match="chunk 4 cannot"):
            list(backend(fails, [4]))


def test_a_worker_that_dies_is_named():
    with pytest.raises(HemadoseError, match="a worker process died"):
        list(processes(2)(lambda number: os._exit(1), [0]))


def test_a_scheduler_that_does_not_answer(monkeypatch):
    from hemadose.trials.runs import backends

    monkeypatch.setattr(backends, "_CONNECT_S", 0.5)
    with pytest.raises(HemadoseError, match=r"no scheduler answers at 'tcp://127\.0\.0\.1:9'"):
        list(dask_cluster("tcp://127.0.0.1:9")(lambda number: b"", [0]))


@pytest.mark.parametrize(
    "address", ["", "abc", "tcp://", "http://x:1", "tcp://127.0.0.1:99999", "inproc://x", "a\nb:1"]
)
def test_an_address_that_is_none(address):
    with pytest.raises(HemadoseError, match="legal is the address") as error:
        backend_for(1, address)
    assert "\n" not in str(error.value)


def test_too_many_workers():
    most = 4 * os.cpu_count()
    assert backend_for(most, None)
    with pytest.raises(HemadoseError, match=f"legal is 1 to {most}"):
        backend_for(most + 1, None)


def test_dask_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(HemadoseError, match=r"hemadose\[cluster\]"):
        backend_for(1, "tcp://127.0.0.1:8786")


def test_workers_and_dask_exclude_each_other():
    with pytest.raises(HemadoseError, match="exclude each other"):
        backend_for(2, "tcp://127.0.0.1:8786")
