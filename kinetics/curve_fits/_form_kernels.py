"""Compiled terms of the curve forms and their derivatives to the log parameters."""

import math

import numpy as np
from numba import njit

WASHOUT, UPTAKE, SPLIT, TIA, IODINE = range(5)
SHAPE_CODES = {"washout": WASHOUT, "uptake": UPTAKE, "split": SPLIT, "tia": TIA, "iodine": IODINE}

_LN2 = np.log(2.0)
_LEAST_GAP = 1e-4


@njit(cache=True)
def _washout(value, decay, level, slope):  # type: ignore[no-untyped-def]
    n = value.shape[0] // 2
    for i in range(n):
        level[0, i] = value[i]
        slope[0, i, i] = value[i]
        rate = _LN2 / value[n + i]
        level[1, i] = rate + decay
        slope[1, i, n + i] = -rate
    return n


@njit(cache=True)
def _uptake(value, decay, level, slope):  # type: ignore[no-untyped-def]
    level[0, 0] = slope[0, 0, 0] = value[0]
    level[0, 1] = slope[0, 1, 0] = -value[0]
    clearance, extra = _LN2 / value[1], _LN2 / value[2]
    level[1, 0] = clearance + decay
    level[1, 1] = clearance + extra + decay
    slope[1, 0, 1] = slope[1, 1, 1] = -clearance
    slope[1, 1, 2] = -extra
    return 2


@njit(cache=True)
def _split(value, decay, level, slope):  # type: ignore[no-untyped-def]
    slow = value[1] / (1.0 + value[1])
    level[0, 0] = slope[0, 0, 0] = value[0] / (1.0 + value[1])
    level[0, 1] = slope[0, 1, 0] = value[0] * slow
    slope[0, 0, 1] = -level[0, 0] * slow
    slope[0, 1, 1] = level[0, 0] * slow
    for i in range(2):
        rate = _LN2 / value[2 + i]
        level[1, i] = rate + decay
        slope[1, i, 2 + i] = -rate
    return 2


@njit(cache=True)
def _tia(value, decay, level, slope):  # type: ignore[no-untyped-def]
    blood, extra = _LN2 / value[4], _LN2 / value[3]
    clearance, own = _LN2 / value[2], -_LN2 / value[2]
    if clearance > 0.5 * blood:
        clearance, own = 0.5 * blood, 0.0
    share = 0.5 * value[1] / (1.0 + value[1])
    share_slope = share / (1.0 + value[1])
    level[1, 0], level[1, 1], level[1, 2] = (
        clearance + decay,
        clearance + extra + decay,
        blood + decay,
    )
    slope[1, 0, 2] = slope[1, 1, 2] = own
    slope[1, 1, 3] = -extra
    slope[1, 2, 4] = -blood
    level[0, 0], level[0, 1], level[0, 2] = 1.0 - share, -share, 2.0 * share - 1.0
    slope[0, 0, 1], slope[0, 1, 1], slope[0, 2, 1] = -share_slope, -share_slope, 2.0 * share_slope
    norm = level[0, 0] / level[1, 0] + level[0, 1] / level[1, 1] + level[0, 2] / level[1, 2]
    factor = value[0] / norm
    for j in range(1, 5):
        change = 0.0  # of norm
        for i in range(3):
            change += (slope[0, i, j] if j == 1 else 0.0) / level[1, i] - level[0, i] * slope[
                1, i, j
            ] / level[1, i] ** 2
        for i in range(3):
            own = slope[0, i, j] if j == 1 else 0.0
            slope[0, i, j] = factor * (own - level[0, i] * change / norm)
    for i in range(3):
        level[0, i] *= factor
        slope[0, i, 0] = level[0, i]
    return 3


@njit(cache=True)
def _iodine(value, decay, level, slope):  # type: ignore[no-untyped-def]
    uptake, excretion, organ = _LN2 / value[1], _LN2 / value[2], _LN2 / value[3]
    blood = uptake + excretion
    mean, gap = 0.5 * (blood + organ), blood - organ
    held = abs(gap) < _LEAST_GAP * mean
    if held:
        gap = _LEAST_GAP * mean if gap >= 0 else -_LEAST_GAP * mean
    level[1, 0], level[1, 1] = mean - 0.5 * gap + decay, mean + 0.5 * gap + decay
    level[0, 0] = value[0] * uptake / gap
    level[0, 1] = value[4] - level[0, 0]
    for j in range(1, 4):
        change = -uptake if j == 1 else (-excretion if j == 2 else -organ)
        mean_slope = 0.5 * change
        gap_slope = gap / mean * mean_slope if held else (-change if j == 3 else change)
        slope[1, 0, j] = mean_slope - 0.5 * gap_slope
        slope[1, 1, j] = mean_slope + 0.5 * gap_slope
        slope[0, 0, j] = -level[0, 0] * gap_slope / gap - (level[0, 0] if j == 1 else 0.0)
        slope[0, 1, j] = -slope[0, 0, j]
    slope[0, 0, 0], slope[0, 1, 0] = level[0, 0], -level[0, 0]
    slope[0, 1, 4] = value[4]
    return 2


@njit(cache=True)
def terms(shape, value, decay, level, slope):  # type: ignore[no-untyped-def]
    """Amplitudes level[0] and rates level[1], their derivatives to the log of each value.

    slope[0] and slope[1], both (term, value), take the derivatives; what a shape leaves untouched
    there must be zero before the first call. Returns the number of terms.
    """
    if shape == WASHOUT:
        return _washout(value, decay, level, slope)
    if shape == UPTAKE:
        return _uptake(value, decay, level, slope)
    if shape == SPLIT:
        return _split(value, decay, level, slope)
    if shape == TIA:
        return _tia(value, decay, level, slope)
    return _iodine(value, decay, level, slope)


@njit(cache=True, error_model="numpy")
def values_and_slopes(shape, free, decay, template, theta, t, value_out, slope_out):  # type: ignore[no-untyped-def]
    """Curve values (n_times,) and derivatives to the log parameters (n_times, p)."""
    n_full = template.shape[0]
    value = template.copy()
    level, slope = np.zeros((2, n_full)), np.zeros((2, n_full, n_full))
    for j in range(free.shape[0]):
        value[free[j]] = math.exp(theta[j])
    m = terms(shape, value, decay, level, slope)
    for n in range(t.shape[0]):
        for i in range(m):
            e = math.exp(-level[1, i] * t[n])
            value_out[n] += level[0, i] * e
            for j in range(free.shape[0]):
                rate_part = level[0, i] * t[n] * slope[1, i, free[j]]
                slope_out[n, j] += (slope[0, i, free[j]] - rate_part) * e
