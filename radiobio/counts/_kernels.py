"""Loops over arrays, compiled by numba; no validation here."""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

LARGEST_STEP = 0.3  # of the fastest rate constant of the chain; keeps RK4 errors near 1e-5
FEEDBACK_FLOOR = 0.01  # of baseline: fewer circulating cells do not drive production further


@njit(cache=True)
def _slopes(p, t1, t2, t3, c, ktr, loss, gamma):  # type: ignore[no-untyped-def]
    """Time derivatives of ln P, T1, T2, T3 and C (all relative to baseline), without the kill."""
    drive = math.exp(-gamma * math.log(max(c, FEEDBACK_FLOOR)))
    return (
        ktr * (drive - 1.0),
        ktr * (math.exp(p) - t1),
        ktr * (t1 - t2),
        ktr * (t2 - t3),
        loss * (t3 - c),
    )


@njit(cache=True)
def _course(  # type: ignore[no-untyped-def]
    state, k, out, g, kill, amplitude, rate, start_h, node_h, is_output, output
):
    """One course by RK4 in ln P; the kill is integrated in closed form."""
    m = amplitude.shape[0]
    decay, half_decay, half_dose = np.empty(m), np.empty(m), np.empty(m)
    p, t1, t2, t3, c = state
    started = 0
    column = 0
    if is_output[0]:
        output[0] = c
        column = 1
    last_half = -1.0
    for s in range(len(node_h) - 1):
        while started < m and start_h[started] <= node_h[s]:
            decay[started] = math.exp(-rate[started] * (node_h[s] - start_h[started]))
            started += 1
        span = node_h[s + 1] - node_h[s]
        n_steps = max(1, math.ceil(span * max(k, out) / LARGEST_STEP - 1e-9))
        h = span / n_steps
        half = 0.5 * h
        if abs(half - last_half) > 1e-9 * half:
            last_half = half
            for j in range(m):
                x = rate[j] * half
                half_decay[j] = math.exp(-x)
                share = -math.expm1(-x) / x if x > 0.0 else 1.0
                half_dose[j] = kill * amplitude[j] * half * share
        for _ in range(n_steps):
            first = 0.0
            second = 0.0
            for j in range(started):
                first += half_dose[j] * decay[j]
                decay[j] *= half_decay[j]
                second += half_dose[j] * decay[j]
                decay[j] *= half_decay[j]
            a = _slopes(p, t1, t2, t3, c, k, out, g)
            b = _slopes(
                p + half * a[0] - first,
                t1 + half * a[1],
                t2 + half * a[2],
                t3 + half * a[3],
                c + half * a[4],
                k,
                out,
                g,
            )
            d = _slopes(
                p + half * b[0] - first,
                t1 + half * b[1],
                t2 + half * b[2],
                t3 + half * b[3],
                c + half * b[4],
                k,
                out,
                g,
            )
            e = _slopes(
                p + h * d[0] - first - second,
                t1 + h * d[1],
                t2 + h * d[2],
                t3 + h * d[3],
                c + h * d[4],
                k,
                out,
                g,
            )
            sixth = h / 6.0
            p += sixth * (a[0] + 2.0 * (b[0] + d[0]) + e[0]) - first - second
            t1 += sixth * (a[1] + 2.0 * (b[1] + d[1]) + e[1])
            t2 += sixth * (a[2] + 2.0 * (b[2] + d[2]) + e[2])
            t3 += sixth * (a[3] + 2.0 * (b[3] + d[3]) + e[3])
            c += sixth * (a[4] + 2.0 * (b[4] + d[4]) + e[4])
        if is_output[s + 1]:
            output[column] = c
            column += 1
    state[0], state[1], state[2], state[3], state[4] = p, t1, t2, t3, c


@njit(cache=True)
def integrate_counts(  # type: ignore[no-untyped-def]
    state, ktr, loss, gamma, kill, amplitude, rate, start_h, node_h, is_output, output
):
    """Blood counts relative to baseline of n courses, on one core.

    state (n, 5) is changed in place; ktr, loss, gamma, kill (n,); amplitude, rate (n, m) and
    start_h (m,), sorted by start_h; node_h (k,) contains every start_h after its first entry;
    is_output (k,) marks the nodes whose counts go to output (n, n_output).
    """
    for i in range(len(state)):
        _course(
            state[i], ktr[i], loss[i], gamma[i], kill[i], amplitude[i], rate[i], start_h, node_h,
            is_output, output[i],
        )  # fmt: skip


@njit(cache=True, parallel=True)
def integrate_counts_on_all_cores(  # type: ignore[no-untyped-def]
    state, ktr, loss, gamma, kill, amplitude, rate, start_h, node_h, is_output, output
):
    """The same as `integrate_counts`; starting the threads pays from some hundred courses on."""
    for i in prange(len(state)):
        _course(
            state[i], ktr[i], loss[i], gamma[i], kill[i], amplitude[i], rate[i], start_h, node_h,
            is_output, output[i],
        )  # fmt: skip
