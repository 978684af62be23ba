"""Courses of one patient that share their steps and doses; compiled by numba, no validation.

Doses do not depend on the count parameters, so that a patient's steps are laid out once for all
parameter sets. A row of `step` (n_steps, 3) is a length (h) and the dose (Gy) of its first and of
its second half.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

FEEDBACK_FLOOR = 0.01  # of what is left of the baseline, as in `radiobio.counts._kernels`
AFTER_START_H = (24.0, 72.0)  # steps after an administration end here
_LOG_FLOOR = math.log(FEEDBACK_FLOOR)
_TINY = 1e-300  # so that the logarithm of a count stays finite


@njit("f8(f8[::1], f8[::1], f8)", cache=True, nogil=True, error_model="numpy")
def _dose_until(amplitude, rate, time_h):  # type: ignore[no-untyped-def]
    """Dose (Gy) of one administration up to a time after it."""
    total = 0.0
    for j in range(len(amplitude)):
        x = rate[j] * time_h
        if x > 1e-12:
            total -= amplitude[j] * math.expm1(-x) / rate[j]
        else:
            total += amplitude[j] * time_h
    return total


@njit("f8(f8[::1], f8[:, ::1], f8[:, ::1], f8)", cache=True, nogil=True, error_model="numpy")
def _total_dose(start_h, amplitude, rate, time_h):  # type: ignore[no-untyped-def]
    """Dose (Gy) of all administrations up to a time."""
    total = 0.0
    for c in range(len(start_h)):
        if start_h[c] < time_h:  # false for nan: not given
            total += _dose_until(amplitude[c], rate[c], time_h - start_h[c])
    return total


@njit("i8(f8[::1], f8[::1], f8, f8[::1])", cache=True, nogil=True, error_model="numpy")
def _nodes(start_h, obs_h, end_h, node):  # type: ignore[no-untyped-def]
    """Fill `node` with the rising times at which a step must end; gives their number."""
    n = 0
    first = math.inf
    for c in range(len(start_h)):
        if start_h[c] < end_h:  # false for nan: not given
            first = min(first, start_h[c])
            node[n] = start_h[c]
            n += 1
            for after in AFTER_START_H:
                node[n] = min(start_h[c] + after, end_h)
                n += 1
    if n == 0:
        return 0
    for i in range(len(obs_h)):
        if obs_h[i] > first:
            node[n] = obs_h[i]
            n += 1
    node[n] = end_h
    node[: n + 1].sort()
    return n + 1


@njit(
    "i8(f8[::1], f8[:, ::1], f8[:, ::1], f8[::1], f8, f8, i8[::1], f8[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def lay_out(start_h, amplitude, rate, obs_h, end_h, longest_h, obs_step, step):  # type: ignore[no-untyped-def]
    """Steps from the first administration to `end_h`; gives their number.

    obs_step gets the number of steps before each count, zero before the first administration;
    obs_h rises.
    """
    node = np.empty(len(obs_h) + len(start_h) * (1 + len(AFTER_START_H)) + 1)
    n_nodes = _nodes(start_h, obs_h, end_h, node)
    n_steps, o, before = 0, 0, 0.0
    for i in range(len(obs_h)):
        obs_step[i] = 0
    while n_nodes > 0 and o < len(obs_h) and obs_h[o] <= node[0]:
        o += 1
    for i in range(n_nodes - 1):
        span = node[i + 1] - node[i]
        pieces = math.ceil(span / longest_h - 1e-9)
        for j in range(pieces):
            h = span / pieces
            at = node[i] + j * h
            middle = _total_dose(start_h, amplitude, rate, at + 0.5 * h)
            after = _total_dose(start_h, amplitude, rate, at + h)
            step[n_steps, 0], step[n_steps, 1], step[n_steps, 2] = (
                h,
                middle - before,
                after - middle,
            )
            before = after
            n_steps += 1
        while o < len(obs_h) and obs_h[o] <= node[i + 1]:
            obs_step[o] = n_steps
            o += 1
    return n_steps


@njit("i8(f8[::1], i8, f8, f8)", cache=True, nogil=True, error_model="numpy")
def most_steps(start_h, n_obs, end_h, longest_h):  # type: ignore[no-untyped-def]
    """A number of steps that suffices for `lay_out`."""
    first = end_h
    for c in range(len(start_h)):
        if start_h[c] < first:
            first = start_h[c]
    fixed = n_obs + len(start_h) * (1 + len(AFTER_START_H)) + 1
    return fixed + math.ceil((end_h - first) / longest_h)


@njit("f8(f8, f8, f8)", cache=True, nogil=True, error_model="numpy", inline="always")
def _drive(c, log_reserve, gamma):  # type: ignore[no-untyped-def]
    """Feedback on proliferation less one."""
    return math.exp(-gamma * max(math.log(max(c, _TINY)) - log_reserve, _LOG_FLOOR)) - 1.0


@njit(
    "void(f8, f8, f8, f8, f8, f8[:, ::1], i8[::1], f8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def follow(k, loss, gamma, kill, lost, step, obs_step, log_count, state):  # type: ignore[no-untyped-def]
    """One course: log counts relative to baseline and the state at the end.

    The scheme of `radiobio.counts._kernels.advance` with its steps given: Runge-Kutta of order 4
    with integrating factors, kill and loss of reserve (1/Gy) in closed form.
    """
    log_p, t1, t2, t3, c, log_r = 0.0, 1.0, 1.0, 1.0, 1.0, 0.0
    p, last, e, ec = 1.0, -1.0, 1.0, 1.0
    n_obs = len(obs_step)
    o = 0
    while o < n_obs and obs_step[o] == 0:
        log_count[o] = 0.0
        o += 1
    for s in range(len(step)):
        h = step[s, 0]
        half = 0.5 * h
        if abs(h - last) > 1e-9 * h:
            last = h
            e = math.exp(-k * half)
            ec = e if loss == k else math.exp(-loss * half)
        first = kill * step[s, 1]
        both = first + kill * step[s, 2]
        r1 = log_r - lost * step[s, 1]
        log_r -= lost * (step[s, 1] + step[s, 2])
        x1, x2, x3, y = t1 - p, t2 - p, t3 - p, c - p
        e2, ec2, middle = e * e, ec * ec, e * half
        a0 = k * _drive(c, r1 + lost * step[s, 1], gamma)
        a2, a3, a4 = k * x1, k * x2, loss * x3
        b0 = k * _drive(p + ec * (y + half * a4), r1, gamma)
        b1 = k * (math.exp(log_p + half * a0 - first) - p)
        b2, b3, b4 = k * e * x1, k * (e * x2 + middle * a2), loss * (e * x3 + middle * a3)
        d0 = k * _drive(p + ec * y + half * b4, r1, gamma)
        d1 = k * (math.exp(log_p + half * b0 - first) - p)
        d2, d3 = k * (e * x1 + half * b1), k * (e * x2 + half * b2)
        d4 = loss * (e * x3 + half * b3)
        f0 = k * _drive(p + ec2 * y + h * ec * d4, log_r, gamma)
        f1 = k * (math.exp(log_p + h * d0 - both) - p)
        f2, f3 = k * (e2 * x1 + h * e * d1), k * (e2 * x2 + h * e * d2)
        f4 = loss * (e2 * x3 + h * e * d3)
        sixth = h / 6.0
        log_p += sixth * (a0 + 2.0 * (b0 + d0) + f0) - both
        t1 = p + e2 * x1 + sixth * (2.0 * e * (b1 + d1) + f1)
        t2 = p + e2 * x2 + sixth * (e2 * a2 + 2.0 * e * (b2 + d2) + f2)
        t3 = p + e2 * x3 + sixth * (e2 * a3 + 2.0 * e * (b3 + d3) + f3)
        c = max(_TINY, p + ec2 * y + sixth * (ec2 * a4 + 2.0 * ec * (b4 + d4) + f4))
        p = math.exp(log_p)
        while o < n_obs and obs_step[o] == s + 1:
            log_count[o] = math.log(c)
            o += 1
    state[0], state[1], state[2], state[3], state[4], state[5] = log_p, t1, t2, t3, c, log_r
