"""Run loops that release the interpreter on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import numpy as np

_PARTS_PER_CORE = 4  # so that a slow part does not keep the others waiting


def n_cores() -> int:
    """Cores that may be used: NUMBA_NUM_THREADS, or what the system grants."""
    chosen = int(os.environ.get("NUMBA_NUM_THREADS", "0"))
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return chosen or granted or 1


def on_all_cores(n_items: int, run: Callable[[int, int], object]) -> None:
    """Call ``run(start, stop)`` for ranges that cover the items, on threads.

    Parameters
    ----------
    n_items : int
        Number of items; with one item or one core everything runs in the calling thread.
    run : callable
        Works on items start to stop - 1 and releases the interpreter (numba ``nogil``).
    """
    n_threads = min(n_cores(), n_items)
    if n_threads < 2:
        run(0, n_items)
        return
    edges = np.unique(np.linspace(0, n_items, _PARTS_PER_CORE * n_threads + 1).astype(int))
    list(_threads().map(lambda edge: run(*edge), pairwise(edges.tolist())))


@lru_cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_cores())
