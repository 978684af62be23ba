"""Loops over arrays, compiled by numba; no validation here.

A course is the array ``pool``: ln P, T1, T2, T3, C and ln R, relative to baseline. What drives it
is a list of dose-rate terms whose present value is in ``term`` and which decay by ``rate``.
``chain`` is (k, loss of circulating cells, feedback exponent, log kill per dose, log reserve lost
per dose, effect per concentration): for radiation the last is zero, for a drug the two before it.
"""

import math

import numpy as np
from numba import njit, types

FEEDBACK_FLOOR = 0.01  # of the reserve: fewer circulating cells do not drive production further
_LOG_FLOOR = math.log(FEEDBACK_FLOOR)
_TINY = 1e-300  # so that the logarithm of a count stays finite
_MOST_TRANSITIONS = 16  # of a cell within a step that count: 1.5^16/16! is 3e-11
_FORGOTTEN = 1e-13  # log kill to come below which a term is dropped
_TABLE = types.Array(types.float64, 2, "C", readonly=True)
_LIST = types.Array(types.float64, 1, "C", readonly=True)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def feedback(c, log_reserve, gamma):  # type: ignore[no-untyped-def]
    """Feedback (C/R)^-gamma."""
    return math.exp(-gamma * max(math.log(max(c, _TINY)) - log_reserve, _LOG_FLOOR))


@njit(cache=True, nogil=True, error_model="numpy")
def _longest_step(term, rate, share, k, strength, reserve_loss, step, tolerance):  # type: ignore[no-untyped-def]
    """Step (h) that resolves every term that still matters, and whether none does."""
    longest, quiet = math.inf, True
    for j in range(len(term)):
        if term[j] == 0.0:
            continue
        size = abs(term[j])
        if rate[j] > 0.0 and (strength + reserve_loss) * size < _FORGOTTEN * rate[j]:
            term[j] = 0.0
            continue
        size *= strength
        if size > tolerance * rate[j]:
            quiet = False
            change = share if size > rate[j] else share * size / rate[j]
            if change > tolerance:
                # either the term is resolved, or what it changes within a step is small
                longest = min(
                    longest, max(step / max(rate[j], 1.5 * size), 6.0 * tolerance / (change * k))
                )
    return longest, quiet


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _dose(term, rate, half_decay, half_time):  # type: ignore[no-untyped-def]
    """Dose of half a step; the terms decay by it."""
    dose = 0.0
    for j in range(len(term)):
        if term[j] != 0.0:
            dose += term[j] * half_time[j]
            term[j] *= half_decay[j]
    return dose


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _effect(term, slope):  # type: ignore[no-untyped-def]
    """Effect of the drug now."""
    total = 0.0
    if slope > 0.0:
        for j in range(len(term)):
            total += term[j]
    return slope * total


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _decays(term, rate, half, half_decay, half_time):  # type: ignore[no-untyped-def]
    """Factor by which a term decays in half a step, and its integral over it per amplitude."""
    for j in range(len(term)):
        if term[j] != 0.0:
            x = rate[j] * half
            half_decay[j] = math.exp(-x)
            half_time[j] = (1.0 - half_decay[j]) / rate[j] if x > 1e-5 else half * (1.0 - 0.5 * x)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def within(c, a, bend, new, b, new_bend, s):  # type: ignore[no-untyped-def]
    """Quintic through values, slopes and curvatures at 0 and 1, at s."""
    rise = new - c
    third = 10.0 * rise - 6.0 * a - 4.0 * b - 1.5 * bend + 0.5 * new_bend
    fourth = -15.0 * rise + 8.0 * a + 7.0 * b + 1.5 * bend - new_bend
    fifth = 6.0 * rise - 3.0 * (a + b) + 0.5 * (new_bend - bend)
    return c + s * (a + s * (0.5 * bend + s * (third + s * (fourth + s * fifth))))


@njit(cache=True, nogil=True, error_model="numpy")
def _minimum(c, a, bend, new, b, new_bend):  # type: ignore[no-untyped-def]
    """Least value within a step and its place (0 to 1) from values, slopes and curvatures.

    The place is that of the cubic through values and slopes, the value that of the quintic.
    """
    rise = new - c
    square, cube = 3.0 * rise - 2.0 * a - b, a + b - 2.0 * rise
    s = -a / (square + math.sqrt(max(0.0, square * square - 3.0 * a * cube)))
    return within(c, a, bend, new, b, new_bend, s), s


@njit(cache=True, nogil=True, error_model="numpy")
def step_responses(theta, loss):  # type: ignore[no-untyped-def]
    """What a step of length `theta` (in 1/k) makes of the pools, if P - P(0) = a s + b s^2.

    Returns e^-theta, e^-loss, C from T3, T2, T1; C, T1, T2, T3 from a and b each. A pool in the
    chain holds Poisson probabilities g_j of j transitions; all is sums of their tails, summed
    from the far end, so that nothing cancels however short the step is.
    """
    decay = math.exp(-theta)
    g = decay
    for j in range(1, _MOST_TRANSITIONS + 1):
        g *= theta / j
    tail, ramp, square = 0.0, 0.0, 0.0
    c_now, c_tail, c_ramp, c_square = 0.0, 0.0, 0.0, 0.0
    r1, r2, r3 = 0.0, 0.0, 0.0
    s1, s2, s3 = 0.0, 0.0, 0.0
    q0, q1, q2, c1, c2 = 0.0, 0.0, 0.0, 0.0, 0.0
    gap, inverse = 1.0 - loss / theta, 1.0 / theta
    ratio = loss * inverse
    for j in range(_MOST_TRANSITIONS, 0, -1):
        tail += g
        ramp += tail
        c_tail += c_now  # of j
        c_ramp += c_tail
        if j == 4:
            r3, s3 = ramp * inverse, 2.0 * square * inverse
            c1, c2 = c_ramp * inverse, 2.0 * c_square * inverse
        elif j == 3:
            r2, s2 = ramp * inverse, 2.0 * square * inverse
        elif j == 2:
            r1, s1 = ramp * inverse, 2.0 * square * inverse
        square += ramp * inverse
        c_square += c_ramp * inverse
        c_now = ratio * g + gap * c_now
        g *= j * inverse
        if j == 3:
            q2 = c_now
        elif j == 2:
            q1 = c_now
        elif j == 1:
            q0 = c_now
    return decay, math.exp(-loss), q0, q1, q2, c1, c2, r1, s1, r2, s2, r3, s3


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _count(w, p, x1, x2, x3, y, rise, bend):  # type: ignore[no-untyped-def]
    """C after a step with responses `w`; pools are given above P."""
    return p + (w[1] * y + w[2] * x3 + w[3] * x2 + w[4] * x1 + rise * w[5] + bend * w[6])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def chain_step(pool, p, drive, chain, h, first, both, effects, whole, middle):  # type: ignore[no-untyped-def]
    """Advance the pools by h, changing `pool`; returns P and the feedback at the end.

    first, both: dose of half the step and of all of it; effects: of the drug at start, middle
    and end.
    """
    k, loss, gamma, kill, reserve_loss, _ = chain
    log_p, c, log_r = pool[0], pool[4], pool[5]
    e0, e1, e2 = effects
    # pools above P, so that a steady state stays exactly
    x1, x2, x3, y = pool[1] - p, pool[2] - p, pool[3] - p, c - p
    turn = -gamma * drive * loss * h * (pool[3] - c) / c
    turn = min(0.5 * drive, max(-0.5 * drive, turn))
    # slopes of ln P without the kill at start, middle and end: first with a feedback that goes
    # on as it does now, then with that of the counts which follow from it
    a0 = k * (drive * (1.0 - e0) - 1.0)
    a1 = k * ((drive + 0.5 * turn) * (1.0 - e1) - 1.0)
    a2 = k * ((drive + turn) * (1.0 - e2) - 1.0)
    p1 = math.exp(log_p + h / 24.0 * (5.0 * a0 + 8.0 * a1 - a2) - kill * first)
    p2 = math.exp(log_p + h / 6.0 * (a0 + 4.0 * a1 + a2) - kill * both)
    rise, bend = 4.0 * p1 - p2 - 3.0 * p, 2.0 * (p2 - 2.0 * p1 + p)
    c1 = _count(middle, p, x1, x2, x3, y, 0.5 * rise, 0.25 * bend)
    c2 = _count(whole, p, x1, x2, x3, y, rise, bend)
    drive = feedback(c2, log_r - reserve_loss * both, gamma)
    a1 = k * (feedback(c1, log_r - reserve_loss * first, gamma) * (1.0 - e1) - 1.0)
    a2 = k * (drive * (1.0 - e2) - 1.0)
    p1 = math.exp(log_p + h / 24.0 * (5.0 * a0 + 8.0 * a1 - a2) - kill * first)
    log_p += h / 6.0 * (a0 + 4.0 * a1 + a2) - kill * both
    p2 = math.exp(log_p)
    rise, bend = 4.0 * p1 - p2 - 3.0 * p, 2.0 * (p2 - 2.0 * p1 + p)
    decay, theta = whole[0], k * h
    second = decay * (x2 + theta * x1) + rise * whole[9] + bend * whole[10]
    third = decay * (x3 + theta * (x2 + 0.5 * theta * x1)) + rise * whole[11] + bend * whole[12]
    pool[0] = log_p
    pool[1] = max(_TINY, p + decay * x1 + rise * whole[7] + bend * whole[8])
    pool[2], pool[3] = max(_TINY, p + second), max(_TINY, p + third)
    pool[4] = max(_TINY, _count(whole, p, x1, x2, x3, y, rise, bend))
    pool[5] = log_r - reserve_loss * both
    return p2, drive


@njit(cache=True, nogil=True, error_model="numpy")
def advance(  # type: ignore[no-untyped-def]
    pool, chain, term, rate, half_decay, half_time, span, lowest, step, tolerance
):
    """Advance one course by `span` hours; note a lower count and when it is reached in `lowest`.

    A step predicts P from the present feedback, finds C at its middle and end, from their
    feedback P again, and from that all pools. The chain is exact for a P that is quadratic within
    the step, the kill is integrated in closed form. half_decay, half_time: work space.
    """
    k, loss, gamma, kill, reserve_loss, slope = chain
    p = math.exp(pool[0])
    drive = feedback(pool[4], pool[5], gamma)
    quiet, last, now = False, 0.0, 0.0
    whole = step_responses(1.0, 1.0)
    middle = whole
    while span - now > 1e-12 * span:
        longest = step / max(k * max(1.0, drive - 1.0), loss)
        if not quiet:
            share = 1.0 if slope > 0.0 else min(1.0, p / pool[1])
            resolved, quiet = _longest_step(
                term, rate, share, k, max(kill, k * slope * drive), reserve_loss, step, tolerance
            )
            longest = min(longest, resolved)
        left = span - now
        h = left if left <= longest else (0.5 * left if left < 2.0 * longest else longest)
        if abs(h - last) > 1e-9 * h:
            last = h
            whole, middle = (
                step_responses(k * h, loss * h),
                step_responses(0.5 * k * h, 0.5 * loss * h),
            )
            _decays(term, rate, 0.5 * h, half_decay, half_time)
        h = last
        e0 = _effect(term, slope)
        first = _dose(term, rate, half_decay, half_time)
        e1 = _effect(term, slope)
        both = first + _dose(term, rate, half_decay, half_time)
        effects = (e0, e1, _effect(term, slope))
        c, t2, t3 = pool[4], pool[2], pool[3]
        p, drive = chain_step(pool, p, drive, chain, h, first, both, effects, whole, middle)
        fall, rise = loss * (t3 - c), loss * (pool[3] - pool[4])
        if pool[4] < lowest[0]:
            lowest[0], lowest[1] = pool[4], now + h
        if fall < 0.0 < rise:
            bend = loss * (k * (t2 - t3) - fall)
            new_bend = loss * (k * (pool[2] - pool[3]) - rise)
            value, place = _minimum(c, h * fall, h * h * bend, pool[4], h * rise, h * h * new_bend)
            if value < lowest[0]:
                lowest[0], lowest[1] = value, now + h * place
        now += h


@njit(
    types.void(
        types.float64[:, ::1], _TABLE, _TABLE, _TABLE, _LIST, _LIST,
        types.Array(types.boolean, 1, "C", readonly=True), types.float64[:, ::1],
        types.float64, types.float64, types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def integrate_counts(  # type: ignore[no-untyped-def]
    state, chain, amplitude, rate, start_h, node_h, is_output, output, step, tolerance, first, stop
):
    """Blood counts relative to baseline of courses first to stop - 1.

    state (n, 6) is changed in place; chain (n, 6); amplitude, rate (n, m) and start_h (m,), sorted
    by start_h; node_h contains every start_h after its first entry; is_output marks the nodes
    whose counts go to output (n, n_output).
    """
    m = len(start_h)
    term, own = np.empty(m), np.empty(m)
    half_decay, half_time, lowest = np.empty(m), np.empty(m), np.empty(2)
    for i in range(first, stop):
        constants = (
            chain[i, 0], chain[i, 1], chain[i, 2], chain[i, 3], chain[i, 4], chain[i, 5]
        )  # fmt: skip
        for j in range(m):
            term[j], own[j] = 0.0, rate[i, j]
        started, column = 0, 0
        for s in range(len(node_h)):
            if s > 0:
                advance(
                    state[i], constants, term, own, half_decay, half_time,
                    node_h[s] - node_h[s - 1], lowest, step, tolerance,
                )  # fmt: skip
            while started < m and start_h[started] <= node_h[s]:
                term[started] = amplitude[i, started] * math.exp(
                    -own[started] * (node_h[s] - start_h[started])
                )
                started += 1
            if is_output[s]:
                output[i, column] = state[i, 4]
                column += 1


@njit(
    types.void(
        types.float64[:, ::1], _TABLE, _TABLE, _TABLE, _LIST, types.float64[:, ::1],
        types.float64, types.float64, types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def advance_rows(  # type: ignore[no-untyped-def]
    state, chain, amplitude, rate, span, lowest, step, tolerance, first, stop
):
    """Advance courses first to stop - 1 by their spans (h); lowest (n, 2): count and time."""
    m = amplitude.shape[1]
    term, own = np.empty(m), np.empty(m)
    half_decay, half_time = np.empty(m), np.empty(m)
    for i in range(first, stop):
        constants = (
            chain[i, 0], chain[i, 1], chain[i, 2], chain[i, 3], chain[i, 4], chain[i, 5]
        )  # fmt: skip
        for j in range(m):
            term[j], own[j] = amplitude[i, j], rate[i, j]
        lowest[i, 0], lowest[i, 1] = state[i, 4], 0.0
        advance(
            state[i], constants, term, own, half_decay, half_time, span[i], lowest[i],
            step, tolerance,
        )  # fmt: skip
