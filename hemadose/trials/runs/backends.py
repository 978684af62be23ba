"""Who computes the chunks: this process, processes of this machine, or a Dask cluster.

A backend takes a function of a chunk's number and the numbers, and yields pairs of number and
result as they are finished, in any order. No more than a few results wait at any time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from hemadose.errors import HemadoseError
from hemadose.study.text_files import shown

if TYPE_CHECKING:
    from distributed import Client

Task = Callable[[int], bytes]
Backend = Callable[[Task, Sequence[int]], Iterator[tuple[int, bytes]]]

_AHEAD = 2  # tasks a core holds, so that none waits for the next
_CONNECT_S = 10
_ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?([\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
_LEGAL_ADDRESS = "legal is the address that the scheduler shows, as tcp://127.0.0.1:8786"


def serial(task: Task, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    """Compute in this process, one chunk after the other."""
    return ((number, task(number)) for number in numbers)


def processes(n_workers: int) -> Backend:
    """Compute in processes of this machine (joblib's loky), with one thread each."""
    return partial(_in_processes, n_workers)


def dask_cluster(address: str) -> Backend:
    """Compute on the workers of a Dask scheduler.

    Parameters
    ----------
    address : str
        Address of the scheduler, as tcp://127.0.0.1:8786. Its workers need hemadose.

    Raises
    ------
    HemadoseError
        If the address is none, or Dask is not installed.
    """
    found = _ADDRESS.fullmatch(address)
    if not found or int(found["port"]) > 65535:
        raise HemadoseError(f"--dask: got {shown(address)}, {_LEGAL_ADDRESS}")
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise HemadoseError(
            "--dask needs Dask, which is not installed; `pip install 'hemadose[cluster]'`"
        ) from None
    return partial(_on_cluster, address)


def _numbered(task: Task, number: int) -> tuple[int, bytes]:
    return number, task(number)


def _in_processes(
    n_workers: int, task: Task, numbers: Sequence[int]
) -> Iterator[tuple[int, bytes]]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    n_workers = min(n_workers, max(len(numbers), 2))  # one would be this process
    with parallel_config("loky", n_jobs=n_workers, inner_max_num_threads=1):
        parallel = Parallel(
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch=_AHEAD * n_workers,
            max_nbytes=None,
        )
        try:
            yield from parallel(delayed(_numbered)(task, number) for number in numbers)
        except TerminatedWorkerError:
            raise HemadoseError(
                "a worker process died (too little memory for so many?); start again with --resume "
                "and fewer --workers"
            ) from None


def _on_cluster(address: str, task: Task, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        raise HemadoseError(
            f"--dask: no scheduler answers at {shown(address)} ({type(error).__name__}); "
            f"{_LEGAL_ADDRESS}"
        ) from None
    with client:
        yield from _collect(client, task, numbers)


def _collect(client: Client, task: Task, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    from distributed import KilledWorker, as_completed

    cores = sum(client.nthreads().values())
    if not cores:
        raise HemadoseError("--dask: the scheduler has no workers; start some and try again")
    waiting = iter(numbers)
    submit = partial(client.submit, _numbered, task, pure=False)
    first = [submit(number) for number in islice(waiting, _AHEAD * cores)]
    running = as_completed(first, loop=client.loop)
    try:
        for future in running:
            yield future.result()
            future.release()
            for number in islice(waiting, 1):
                running.add(submit(number))
    except KilledWorker:
        raise HemadoseError(
            "a Dask worker died again and again on one chunk (too little memory?); start again "
            "with --resume"
        ) from None
