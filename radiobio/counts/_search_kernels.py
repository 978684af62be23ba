"""Search for the activity at which a course falls below a limit, compiled; no validation here."""

import math

import numpy as np
from numba import njit, types

from radiobio.counts._kernels import advance

_CLOSE_LOG_COUNT, _CLOSE_SHARE = 2e-5, 1e-6  # accepted: of ln count; of the bracket's width
_MOST_RUNS = 60
_TABLE = types.Array(types.float64, 2, "C", readonly=True)
_LIST = types.Array(types.float64, 1, "C", readonly=True)


@njit(cache=True, nogil=True, error_model="numpy")
def _log_lowest(activity, start, chain, work, remaining, schedule, numerics):  # type: ignore[no-untyped-def]
    """Logarithm of the lowest count (relative to baseline) if `activity` is given."""
    pool, term, rate, half_decay, half_time, lowest, per_gbq = work
    n_cycles, interval, horizon = schedule
    for i in range(6):
        pool[i] = start[i]
    for j in range(len(term)):
        term[j] = remaining[j]
    lowest[0], lowest[1] = start[4], 0.0
    for cycle in range(n_cycles):
        for j in range(len(term)):
            term[j] += activity * per_gbq[j]
        span = horizon if cycle == n_cycles - 1 else interval
        advance(
            pool, chain, term, rate, half_decay, half_time, span, lowest,
            numerics[0], numerics[1],
        )  # fmt: skip
    return math.log(lowest[0])


@njit(cache=True, nogil=True, error_model="numpy")
def _search(limit, most, start, chain, work, remaining, schedule, numerics):  # type: ignore[no-untyped-def]
    """Lowest activity in 0 to `most` at which the logarithm of the count falls below `limit`."""
    above = _log_lowest(most, start, chain, work, remaining, schedule, numerics) - limit
    if above >= 0.0:
        return math.inf
    below = _log_lowest(0.0, start, chain, work, remaining, schedule, numerics) - limit
    if below < 0.0:
        return 0.0
    # false position of Anderson and Bjoerck: the end that stays is drawn closer
    low, high = 0.0, most
    for _ in range(_MOST_RUNS):
        if below == 0.0:
            return low
        middle = low + (high - low) * below / (below - above)
        value = _log_lowest(middle, start, chain, work, remaining, schedule, numerics) - limit
        if abs(value) < _CLOSE_LOG_COUNT or high - low < _CLOSE_SHARE * most:
            return middle
        if value < 0.0:
            share = 1.0 - value / above
            below *= share if share > 0.0 else 0.5
            high, above = middle, value
        else:
            share = 1.0 - value / below
            above *= share if share > 0.0 else 0.5
            low, below = middle, value
    return 0.5 * (low + high)


@njit(
    types.void(
        _TABLE, _TABLE, _TABLE, _TABLE, _TABLE, _TABLE, _LIST, _LIST, _LIST,
        types.UniTuple(types.float64, 2), types.int64, types.UniTuple(types.float64, 2),
        types.float64[::1], types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def search_rows(  # type: ignore[no-untyped-def]
    state, chain, amplitude, rate, per_gbq, rate_per_gbq, log_limit, wait, most, spans, n_cycles,
    numerics, out, first, stop,
):  # fmt: skip
    """Activities of courses first to stop - 1 into out (n,).

    amplitude, rate (n, m1): dose rate of earlier cycles; per_gbq, rate_per_gbq (n, m2): that of
    the next ones; log_limit: of the count relative to baseline; spans: interval, horizon (h).
    """
    m1, m2 = amplitude.shape[1], per_gbq.shape[1]
    m = m1 + m2
    remaining, start = np.empty(m), np.empty(6)
    work = (np.empty(6), np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(2),
            np.zeros(m))  # fmt: skip
    _, term, own, half_decay, half_time, lowest, given = work
    schedule = (n_cycles, spans[0], spans[1])
    for i in range(first, stop):
        constants = (
            chain[i, 0], chain[i, 1], chain[i, 2], chain[i, 3], chain[i, 4], chain[i, 5]
        )  # fmt: skip
        for j in range(m1):
            own[j] = rate[i, j]
            term[j] = amplitude[i, j]
            remaining[j] = amplitude[i, j] * math.exp(-own[j] * wait[i])
        for j in range(m2):
            own[m1 + j] = rate_per_gbq[i, j]
            given[m1 + j] = per_gbq[i, j]
            term[m1 + j] = remaining[m1 + j] = 0.0
        for j in range(6):
            start[j] = state[i, j]
        lowest[0], lowest[1] = start[4], 0.0
        advance(
            start, constants, term, own, half_decay, half_time, wait[i], lowest,
            numerics[0], numerics[1],
        )  # fmt: skip
        out[i] = _search(
            log_limit[i], most[i], start, constants, work, remaining, schedule, numerics
        )
