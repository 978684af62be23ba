"""Courses of one patient that share their steps and doses; compiled by numba, no validation.

Doses do not depend on the count parameters, so that a patient's steps are laid out once for all
parameter sets. They end at administrations only: counts in between are interpolated. A row of
`step` (n_steps, 3) is a length (h) and the dose (Gy) of its first half and of all of it; `kind`
(n_steps,) is the place of its length in `length`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from radiobio.counts._kernels import chain_step, step_responses, within

FIRST_STEPS_H = (24.0, 48.0, 96.0)  # after an administration
_SAME = 1e-9  # relative difference below which two lengths are one
_TINY = 1e-300  # so that the logarithm of a count stays finite
N_RESPONSES = 13  # of `step_responses`
GRID = "Tuple((f8[:, ::1], i8[::1], f8[::1], i8[::1], f8[::1]))"  # what `lay_out` gives


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


@njit("i8(f8, f8[::1], i8)", cache=True, nogil=True, error_model="numpy")
def _kind(h, length, n_kinds):  # type: ignore[no-untyped-def]
    """Place of a step's length among those in use, or where to put it."""
    for m in range(n_kinds):
        if abs(length[m] - h) < _SAME * h:
            return m
    return n_kinds


@njit(
    "UniTuple(i8, 2)(f8[::1], f8[:, ::1], f8[:, ::1], f8, f8, f8[:, ::1], i8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _steps(start_h, amplitude, rate, end_h, longest_h, step, kind, length):  # type: ignore[no-untyped-def]
    """Steps from the first administration to `end_h`; gives how many, and how many lengths."""
    node = np.sort(start_h)  # nan last
    n_steps, n_kinds, before = 0, 0, 0.0
    for i in range(len(node)):
        if not node[i] < end_h:
            break
        another = i + 1 < len(node) and node[i + 1] < end_h
        until = node[i + 1] if another else end_h
        at, n_since = node[i], 0
        while until - at > _SAME * abs(until):
            h = min(longest_h, until - at)
            if n_since < len(FIRST_STEPS_H):
                h = min(h, FIRST_STEPS_H[n_since])
            middle = _total_dose(start_h, amplitude, rate, at + 0.5 * h)
            after = _total_dose(start_h, amplitude, rate, at + h)
            m = _kind(h, length, n_kinds)
            if m == n_kinds:
                length[m] = h
                n_kinds += 1
            kind[n_steps] = m
            step[n_steps, 0] = h
            step[n_steps, 1], step[n_steps, 2] = middle - before, after - before
            before, at = after, at + h
            n_since += 1
            n_steps += 1
    return n_steps, n_kinds


@njit(
    GRID + "(f8[::1], f8[:, ::1], f8[:, ::1], f8[::1], f8, f8)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def lay_out(start_h, amplitude, rate, obs_h, end_h, longest_h):  # type: ignore[no-untyped-def]
    """Steps from the first administration to `end_h`: step, kind, length, obs_step, obs_place.

    obs_step (n_obs,) is the step that each count falls into, -1 before the first administration;
    obs_place where in it (0 to 1); obs_h rises. Long steps are of whole days, so that few lengths
    are in use.
    """
    longest_h = max(24.0, 24.0 * math.floor(longest_h / 24.0))
    at = end_h
    for c in range(len(start_h)):
        if start_h[c] < at:  # false for nan: not given
            at = start_h[c]
    most = len(start_h) * (2 + len(FIRST_STEPS_H)) + math.ceil((end_h - at) / longest_h)
    step, kind, length = np.empty((most, 3)), np.empty(most, np.int64), np.empty(most)
    n_steps, n_lengths = _steps(start_h, amplitude, rate, end_h, longest_h, step, kind, length)
    obs_step, obs_place = np.empty(len(obs_h), np.int64), np.empty(len(obs_h))
    s = -1
    for o in range(len(obs_h)):
        while s + 1 < n_steps and obs_h[o] > at:
            s += 1
            at += step[s, 0]
        obs_step[o] = s
        obs_place[o] = min(1.0, 1.0 - (at - obs_h[o]) / step[s, 0]) if s >= 0 else 0.0
    return step[:n_steps], kind[:n_steps], length[:n_lengths], obs_step, obs_place


@njit(
    "void(f8, f8, f8, f8, f8, " + GRID + ", f8[:, :, ::1], f8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def follow(k, loss, gamma, kill, lost, grid, response, log_count, state):  # type: ignore[no-untyped-def]
    """One course: log counts relative to baseline and the state at the end.

    grid: step, kind, length, obs_step and obs_place as in `lay_out`; response: work space
    (n_lengths, 2, 13). The step is that of `radiobio.counts._kernels`.
    """
    step, kind, length, obs_step, obs_place = grid
    for m in range(len(length)):
        h = length[m]
        whole, middle = (
            step_responses(k * h, loss * h),
            step_responses(0.5 * k * h, 0.5 * loss * h),
        )
        for j in range(N_RESPONSES):
            response[m, 0, j], response[m, 1, j] = whole[j], middle[j]
    for j in range(6):
        state[j] = 1.0 if 0 < j < 5 else 0.0
    chain = (k, loss, gamma, kill, lost, 0.0)
    p, drive = 1.0, 1.0
    n_obs, o = len(obs_step), 0
    while o < n_obs and obs_step[o] < 0:
        log_count[o] = 0.0
        o += 1
    for s in range(len(step)):
        h, m = step[s, 0], kind[s]
        t2, t3, c = state[2], state[3], state[4]
        p, drive = chain_step(
            state, p, drive, chain, h, step[s, 1], step[s, 2], (0.0, 0.0, 0.0), response[m, 0],
            response[m, 1],
        )  # fmt: skip
        if o < n_obs and obs_step[o] == s:
            u, v = loss * h, k * h
            a, b = u * (t3 - c), u * (state[3] - state[4])
            bend, new_bend = u * (v * (t2 - t3) - a), u * (v * (state[2] - state[3]) - b)
            while o < n_obs and obs_step[o] == s:
                count = within(c, a, bend, state[4], b, new_bend, obs_place[o])
                log_count[o] = math.log(max(_TINY, count))
                o += 1
