"""Time-activity fits of single voxels."""

from __future__ import annotations

import numpy as np
from numba import float64, int64, njit, uint8, void

FITTED, PHYSICAL_TAIL, FASTEST, NOT_POSITIVE = 1, 2, 3, 4
_ROUNDS = 30  # of weights at the prediction
_STEPS = 60  # of the search for the rate
_SETTLED = 1e-6  # relative change of the rate that ends the search
_WEIGHED = 1e-5  # and of rate and amplitude the rounds of weights


@njit(cache=True, error_model="numpy")
def _project(rate, rise, t, y, w):  # type: ignore[no-untyped-def]
    """Best amplitude at a rate, and the slope of the sum of squares along the rate.

    The curve of amplitude 1 is b = rise exp(-rate t), rise = 1 - exp(-uptake t). With the
    amplitude a at its best, half the slope is -a sum w b' (y - a b), and b' = -t b.
    """
    by, bb, tby, tbb = 0.0, 0.0, 0.0, 0.0
    for i in range(t.shape[0]):
        b = rise[i] * np.exp(-rate * t[i])
        wby, wbb = w[i] * b * y[i], w[i] * b * b
        by += wby
        bb += wbb
        tby += t[i] * wby
        tbb += t[i] * wbb
    amplitude = by / bb
    return amplitude, (tby - amplitude * tbb) * amplitude


@njit(cache=True, error_model="numpy")
def _bracket(table, rates, y, w):  # type: ignore[no-untyped-def]
    """Index of the best rate of a table of curves, -1 if no amplitude is positive."""
    best, lowest = -1, 0.0
    for g in range(rates.shape[0]):
        by, bb = 0.0, 0.0
        for i in range(y.shape[0]):
            b = table[g, i]
            by += w[i] * b * y[i]
            bb += w[i] * b * b
        if by > 0.0 and -by * by / bb < lowest:
            best, lowest = g, -by * by / bb
    return best


@njit(cache=True, error_model="numpy")
def _best_rate(low, high, rise, t, y, w):  # type: ignore[no-untyped-def]
    """Zero of the slope between two rates, by the Illinois method in the logarithm."""
    a, b = np.log(low), np.log(high)
    _, fa = _project(low, rise, t, y, w)
    _, fb = _project(high, rise, t, y, w)
    if fa >= 0.0:
        return low
    if fb <= 0.0:
        return high
    side = 0
    for _step in range(_STEPS):
        c = (fa * b - fb * a) / (fa - fb)
        _, fc = _project(np.exp(c), rise, t, y, w)
        if fc == 0.0:
            return np.exp(c)
        if fc > 0.0:
            shift, b, fb = b - c, c, fc
            fa = 0.5 * fa if side == 1 else fa
            side = 1
        else:
            shift, a, fa = c - a, c, fc
            fb = 0.5 * fb if side == -1 else fb
            side = -1
        if shift < _SETTLED or b - a < _SETTLED:
            break
    return np.exp(c)


@njit(cache=True, error_model="numpy")
def _weigh(relative, constant, level, w):  # type: ignore[no-untyped-def]
    """Weights 1/sd^2 at a level; 1 without a noise model."""
    largest = 0.0
    for i in range(level.shape[0]):
        largest = max(largest, level[i])
    for i in range(level.shape[0]):
        sd = np.hypot(relative * max(level[i], 0.01 * largest), constant)
        w[i] = 1.0 / (sd * sd) if sd > 0.0 else 1.0


@njit(cache=True, error_model="numpy")
def _fit(table, rates, rise, t, y, w, level, relative, constant):  # type: ignore[no-untyped-def]
    """Amplitude (0 if none is positive) and rate of one voxel, weights at the prediction."""
    amplitude, rate = 0.0, 0.0
    for i in range(y.shape[0]):
        level[i] = y[i]
    for _round in range(_ROUNDS):
        _weigh(relative, constant, level, w)
        g = _bracket(table, rates, y, w)
        if g < 0:
            return 0.0, 0.0
        low, high = rates[max(g - 1, 0)], rates[min(g + 1, rates.shape[0] - 1)]
        before, size = rate, amplitude
        rate = _best_rate(low, high, rise, t, y, w)
        amplitude, _ = _project(rate, rise, t, y, w)
        moved = abs(rate - before) / rate + abs(amplitude - size) / amplitude
        if relative == 0.0 or moved < _WEIGHED:
            break
        for i in range(y.shape[0]):
            level[i] = amplitude * rise[i] * np.exp(-rate * t[i])
    return amplitude, rate


@njit(cache=True, error_model="numpy")
def _tia_variance(amplitude, rate, uptake, rise, held, t, w):  # type: ignore[no-untyped-def]
    """Variance of the time-integrated activity from the information matrix of (a, rate)."""
    aa, ar, rr = 0.0, 0.0, 0.0
    for i in range(t.shape[0]):
        b = rise[i] * np.exp(-rate * t[i])
        slope = -t[i] * b * amplitude
        aa += w[i] * b * b
        ar += w[i] * b * slope
        rr += w[i] * slope * slope
    fast = 0.0 if np.isinf(uptake) else 1.0 / (rate + uptake)
    by_a = 1.0 / rate - fast
    if held:
        return by_a * by_a / aa
    by_r = amplitude * (fast * fast - 1.0 / (rate * rate))
    det = aa * rr - ar * ar
    if not det > 1e-12 * aa * rr:
        return np.inf
    return (by_a * by_a * rr - 2.0 * by_a * by_r * ar + by_r * by_r * aa) / det


@njit(
    void(int64, int64, float64[::1], float64, float64[::1], float64, float64[::1],
         float64[:, ::1], float64[:, ::1], float64, float64, float64[::1], float64[::1],
         float64[::1], uint8[::1]),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def fit_range(  # type: ignore[no-untyped-def]
    first, last, t, uptake, rise, fallback, rates, table, values, relative, constant, tia, error,
    rate, status,
):  # fmt: skip
    """Voxels first to last of values (n_times, n_voxels): TIA, standard error, rate, status."""
    n = t.shape[0]
    y, w, level = np.empty(n), np.empty(n), np.empty(n)
    slowest, fastest = rates[0], rates[-1]
    for v in range(first, last):
        for i in range(n):
            y[i] = values[i, v]
        amplitude, own = _fit(table, rates, rise, t, y, w, level, relative, constant)
        code = FITTED
        if amplitude <= 0.0:
            code, own = NOT_POSITIVE, fallback
            for i in range(n):
                level[i] = abs(y[i])
            _weigh(relative, constant, level, w)
            amplitude, _ = _project(own, rise, t, y, w)
        elif own <= slowest * (1.0 + 1e-6):
            code, own = PHYSICAL_TAIL, slowest
        elif own >= fastest * (1.0 - 1e-6):
            code, own = FASTEST, fastest
        fast = 0.0 if np.isinf(uptake) else 1.0 / (own + uptake)
        tia[v] = amplitude * (1.0 / own - fast)
        error[v] = np.sqrt(_tia_variance(amplitude, own, uptake, rise, code != FITTED, t, w))
        rate[v], status[v] = own, code


@njit(
    void(int64, int64, float64[::1], float64, float64, float64[::1], float64[:, ::1], float64,
         float64, float64[::1], float64[::1], float64[::1], uint8[::1]),
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def trapezoid_range(  # type: ignore[no-untyped-def]
    first, last, t, slowest, fastest, weight, values, relative, constant, tia, error, rate, status
):  # fmt: skip
    """Trapezoids with the given weights, then a tail through the last two samples."""
    n = t.shape[0]
    gap = t[n - 1] - t[n - 2] if n > 1 else 1.0
    for v in range(first, last):
        end, before = values[n - 1, v], values[n - 2, v] if n > 1 else 0.0
        own, code = slowest, PHYSICAL_TAIL
        if end <= 0.0 or before <= 0.0:
            code = NOT_POSITIVE
        else:
            steep = np.log(before / end) / gap
            if steep > slowest:
                own, code = min(steep, fastest), FITTED if steep < fastest else FASTEST
        total, variance = end / own, 0.0
        for i in range(n):
            y = values[i, v]
            total += weight[i] * y
            slope = weight[i]
            if i == n - 1:
                slope += 1.0 / own + (1.0 / (own * own * gap) if code == FITTED else 0.0)
            elif i == n - 2 and code == FITTED:
                slope -= end / (own * own * gap * before)
            sd = np.hypot(relative * y, constant)
            variance += slope * slope * sd * sd
        tia[v], error[v], rate[v], status[v] = total, np.sqrt(variance), own, code
