"""Search for the activity at which a course falls below a limit, compiled; no validation here."""

import math

import numpy as np
from numba import njit, types

from radiobio.counts._kernels import advance

_CLOSE_LOG_COUNT, _CLOSE_SHARE = 2e-5, 1e-6  # accepted: of ln count; of the bracket's width
_MOST_RUNS = 60
_DAMPED = 0.5  # feedback exponent; oscillations last from 0.57 on
_DEEP = math.log(0.1)  # log count below which no bound is known
_SAFE = 0.02  # margin of the log count: above the error of stepping
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


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _dose_left(amplitude, rate):  # type: ignore[no-untyped-def]
    """Integral of a dose rate; infinite if a term does not decay."""
    total = 0.0
    for j in range(len(amplitude)):
        if amplitude[j] != 0.0:
            total += amplitude[j] / rate[j] if rate[j] > 0.0 else math.inf
    return total


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _margin(state, chain, dose, log_limit):  # type: ignore[no-untyped-def]
    """How far the logarithm of a count certainly stays above `log_limit` after a dose.

    No pool falls below the lowest of them, less the kill that is still to come and an undershoot
    that is not larger than the overshoot there is: below a feedback of 0.5 oscillations shrink,
    unless they are deep.
    """
    if not (chain[2] < _DAMPED and log_limit > _DEEP):
        return -math.inf
    lowest, highest = min(state[0], state[5]), state[0]
    for i in range(1, 5):
        log_pool = math.log(state[i])
        lowest, highest = min(lowest, log_pool), max(highest, log_pool)
    overshoot = max(highest - state[5], 0.0)
    return lowest - overshoot - (chain[3] + chain[4]) * dose - log_limit


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _keep_lowest(lowest, activity):  # type: ignore[no-untyped-def]
    """Put an activity among the lowest, which rise, if it belongs there."""
    place = len(lowest) - 1
    if activity >= lowest[place]:
        return
    while place > 0 and lowest[place - 1] > activity:
        lowest[place] = lowest[place - 1]
        place -= 1
    lowest[place] = activity


@njit(
    types.void(
        _TABLE, _TABLE, _TABLE, _TABLE, _TABLE, _TABLE, _LIST, _LIST, _LIST,
        types.UniTuple(types.float64, 2), types.int64, types.UniTuple(types.float64, 2),
        types.UniTuple(types.int64, 2), types.float64[::1], types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def search_rows(  # type: ignore[no-untyped-def]
    state, chain, amplitude, rate, per_gbq, rate_per_gbq, log_limit, wait, most, spans, n_cycles,
    numerics, group, out, first, stop,
):  # fmt: skip
    """Activities of courses of groups first to stop - 1 into out (n,).

    amplitude, rate (n, m1): dose rate of earlier cycles; per_gbq, rate_per_gbq (n, m2): that of
    the next ones; log_limit: of the count relative to baseline; spans: interval, horizon (h);
    group: courses in a group and how many of its lowest activities are wanted.
    """
    m1, m2 = amplitude.shape[1], per_gbq.shape[1]
    m = m1 + m2
    remaining, start = np.empty(m), np.empty(6)
    work = (np.empty(6), np.empty(m), np.empty(m), np.empty(m), np.empty(m), np.empty(2),
            np.zeros(m))  # fmt: skip
    _, term, own, half_decay, half_time, lowest, given = work
    schedule = (n_cycles, spans[0], spans[1])
    size, wanted = group
    margin, found = np.empty(size), np.empty(wanted)
    for g in range(first, stop):
        for i in range(g * size, g * size + size):
            dose = _dose_left(amplitude[i], rate[i])
            dose += n_cycles * most[i] * _dose_left(per_gbq[i], rate_per_gbq[i])
            margin[i - g * size] = _margin(state[i], chain[i], dose, log_limit[i])
        for j in range(wanted):
            found[j] = math.inf
        # the most endangered first: what they tolerate bounds what is asked of the others
        for place in np.argsort(margin):
            i = g * size + place
            if margin[place] > _SAFE:
                out[i] = math.inf
                continue
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
            asked = min(most[i], found[wanted - 1])
            out[i] = _search(
                log_limit[i], asked, start, constants, work, remaining, schedule, numerics
            )
            _keep_lowest(found, out[i])
