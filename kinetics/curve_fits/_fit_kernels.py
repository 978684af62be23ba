"""Compiled least squares of curve forms for many patients; no validation here."""

import math

import numpy as np
from numba import njit

from kinetics.curve_fits._form_kernels import terms
from kinetics.curve_fits._start_kernels import search, tabulate

MISSING, QUANTIFIED, CENSORED = range(3)
OK, OPEN, NOT_CONVERGED, NOT_POSITIVE = range(4)
TIME, VALUE, INVERSE_SD, KIND = range(4)  # rows of data
_STEP, _GRADIENT, _POINT, _N_ROWS = 1, 2, 4, 6  # rows of work, the last two in pairs; 0 scratch

_MAX_ITERATIONS = 200
_MAX_STEP = 2.5  # in log parameters
_SMALL = 1e-9  # relative decrease that the last step leaves to the quadratic model
_LEAST_PIVOT = 1e-10  # of the information scaled to a unit diagonal
_LEAST_INFORMATION = 1e-8  # on a log parameter: one known to within a factor of e^10000 is open


@njit(cache=True, error_model="numpy")
def _log_below(z):  # type: ignore[no-untyped-def]
    """Log of the normal distribution function at z, and its derivative."""
    if z > -30.0:
        below = 0.5 * math.erfc(-z * 0.7071067811865476)
        return math.log(below), math.exp(-0.5 * z * z) / (below * 2.5066282746310002)
    u = 1.0 / (z * z)
    series = 1.0 - u + 3.0 * u * u
    return -0.5 * z * z - math.log(-z * 2.5066282746310002 / series), -z / series


@njit(inline="always", error_model="numpy")
def _expose(shape, free, decay, points, row, value, level, slope):  # type: ignore[no-untyped-def]
    for j in range(free.shape[0]):
        value[free[j]] = math.exp(points[row, j])
    return terms(shape, value, decay, level, slope)


@njit(cache=True, error_model="numpy")
def _log_tia(m, free, level, slope, out):  # type: ignore[no-untyped-def]
    """Log of the time-integrated activity, its derivative into out."""
    tia = 0.0
    for j in range(free.shape[0]):
        out[j] = 0.0
    for i in range(m):
        part = level[0, i] / level[1, i]
        tia += part
        for j in range(free.shape[0]):
            out[j] += (slope[0, i, free[j]] - part * slope[1, i, free[j]]) / level[1, i]
    for j in range(free.shape[0]):
        out[j] /= tia
    return math.log(tia) if tia > 0.0 else np.nan


@njit(inline="always", error_model="numpy")
def _curve_at(time, m, free, level, slope, work):  # type: ignore[no-untyped-def]
    """Value of the curve; its derivatives to the log parameters into work[0]."""
    f = 0.0
    for j in range(free.shape[0]):
        work[0, j] = 0.0
    for i in range(m):
        e = math.exp(-level[1, i] * time)
        f += level[0, i] * e
        at = level[0, i] * time
        for j in range(free.shape[0]):
            work[0, j] += (slope[0, i, free[j]] - at * slope[1, i, free[j]]) * e
    return f


@njit(inline="always", error_model="numpy")
def _pull(z, kind):  # type: ignore[no-untyped-def]
    """Deviance of a sample at z, half its derivative to the curve and its curvature, times sd."""
    if kind == QUANTIFIED:
        return z * z, z, 1.0
    log_below, hazard = _log_below(z)
    return -2.0 * log_below, -hazard, hazard * (hazard + z)


@njit(cache=True, error_model="numpy")
def _evaluate(shape, free, decay, data, anchor, value, level, slope, work, mats, slot):  # type: ignore[no-untyped-def]
    """Objective and deviance at work[_POINT + slot].

    Half the negative gradient goes to work[_GRADIENT + slot], the lower half of the Gauss-Newton
    matrix to mats[slot].
    """
    p = free.shape[0]
    m = _expose(shape, free, decay, work, _POINT + slot, value, level, slope)
    for j in range(p):
        work[_GRADIENT + slot, j] = 0.0
        for k in range(j + 1):
            mats[slot, j, k] = 0.0
    deviance = 0.0
    for n in range(data.shape[1]):
        if data[KIND, n] == MISSING:
            continue
        f = _curve_at(data[TIME, n], m, free, level, slope, work)
        z = (data[VALUE, n] - f) * data[INVERSE_SD, n]
        part, pull, weight = _pull(z, data[KIND, n])
        deviance += part
        pull *= data[INVERSE_SD, n]
        weight *= data[INVERSE_SD, n] * data[INVERSE_SD, n]
        for j in range(p):
            work[_GRADIENT + slot, j] += pull * work[0, j]
            for k in range(j + 1):
                mats[slot, j, k] += weight * work[0, j] * work[0, k]
    objective = deviance
    if anchor[0] >= 0:
        objective += _hold(anchor, free, m, level, slope, work, mats, slot)
    return objective, deviance


@njit(cache=True, error_model="numpy")
def _hold(anchor, free, m, level, slope, work, mats, slot):  # type: ignore[no-untyped-def]
    """Penalty that draws one log parameter, or log TIA, towards a target: (index, target, sd)."""
    p, held = free.shape[0], int(anchor[0])
    if held == p:
        now = _log_tia(m, free, level, slope, work[0])
    else:
        for j in range(p):
            work[0, j] = 1.0 if j == held else 0.0
        now = work[_POINT + slot, held]
    z = (anchor[1] - now) / anchor[2]
    for j in range(p):
        work[_GRADIENT + slot, j] += z / anchor[2] * work[0, j]
        for k in range(j + 1):
            mats[slot, j, k] += work[0, j] * work[0, k] / (anchor[2] * anchor[2])
    return z * z


@njit(cache=True, error_model="numpy")
def _factor(mats, slot, damping, lower):  # type: ignore[no-untyped-def]
    """Cholesky factor of mats[slot] + damping its diagonal; False if not positive definite."""
    p = lower.shape[0]
    least = 0.0
    for j in range(p):
        least += 1e-7 * mats[slot, j, j]
    for j in range(p):
        for k in range(j):
            total = mats[slot, j, k]
            for i in range(k):
                total -= lower[j, i] * lower[k, i]
            lower[j, k] = total * lower[k, k]
        total = mats[slot, j, j]
        total += damping * (total if total > least else least)
        for i in range(j):
            total -= lower[j, i] * lower[j, i]
        if not total > 0.0:
            return False
        lower[j, j] = 1.0 / math.sqrt(total)  # the diagonal holds its inverse
    return True


@njit(inline="always", error_model="numpy")
def _next_point(work, now, lower, bound):  # type: ignore[no-untyped-def]
    """Newton step within the bounds from one point to the other; the decrease of the model."""
    p = work.shape[1]
    for j in range(p):
        total = work[_GRADIENT + now, j]
        for i in range(j):
            total -= lower[j, i] * work[_STEP, i]
        work[_STEP, j] = total * lower[j, j]
    for j in range(p - 1, -1, -1):
        total = work[_STEP, j]
        for i in range(j + 1, p):
            total -= lower[i, j] * work[_STEP, i]
        work[_STEP, j] = total * lower[j, j]
    for j in range(p):
        step = work[_STEP, j]
        step = step if step < _MAX_STEP else _MAX_STEP
        aim = work[_POINT + now, j] + (step if step > -_MAX_STEP else -_MAX_STEP)
        aim = aim if aim > bound[j, 0] else bound[j, 0]
        aim = aim if aim < bound[j, 1] else bound[j, 1]
        work[_POINT + 1 - now, j] = aim
        work[_STEP, j] = aim - work[_POINT + now, j]


@njit(inline="always", error_model="numpy")
def _predicted(work, mats, now):  # type: ignore[no-untyped-def]
    """Decrease of the objective that the quadratic model promises for the step."""
    total = 0.0
    for j in range(work.shape[1]):
        d = work[_STEP, j]
        total += (2.0 * work[_GRADIENT + now, j] - mats[now, j, j] * d) * d
        for k in range(j):
            total -= 2.0 * mats[now, j, k] * d * work[_STEP, k]
    return total


@njit(cache=True, error_model="numpy")
def _descend(  # type: ignore[no-untyped-def]
    shape, free, decay, data, anchor, scale, bound, value, level, slope, work, mats, lower
):
    """Levenberg-Marquardt from work[_POINT]; objective, deviance, converged and the final slot."""
    now, damping, calm = 0, 1e-4, 0
    objective, deviance = _evaluate(
        shape, free, decay, data, anchor, value, level, slope, work, mats, 0
    )
    for _ in range(_MAX_ITERATIONS):
        if not _factor(mats, now, damping, lower):
            damping = 10.0 * damping + 1e-10
            if damping > 1e12:
                return objective, deviance, False, now
            continue
        _next_point(work, now, lower, bound)
        predicted = _predicted(work, mats, now)
        small = _SMALL * objective + 1e-16 * scale
        if abs(predicted) <= small and damping <= 1e-2:  # so small that the step needs no check
            for j in range(free.shape[0]):
                work[_POINT + now, j] += work[_STEP, j]
            return objective - predicted, abs(deviance - predicted), True, now
        fresh, fresh_deviance = _evaluate(
            shape, free, decay, data, anchor, value, level, slope, work, mats, 1 - now
        )
        if fresh <= objective:
            calm = calm + 1 if objective - fresh <= small else 0
            objective, deviance, now = fresh, fresh_deviance, 1 - now
            damping = 0.05 * damping + 1e-14
        else:  # also when not a number
            damping = 8.0 * damping + 1e-8
            calm += damping > 1e6
        if calm >= 3:
            return objective, deviance, True, now
    return objective, deviance, False, now


@njit(cache=True, error_model="numpy")
def _invert_factor(lower):  # type: ignore[no-untyped-def]
    """Inverse of the factor in its place; False if a pivot is too small."""
    for j in range(lower.shape[0]):
        if lower[j, j] * lower[j, j] * _LEAST_PIVOT > 1.0:
            return False
        for k in range(j):
            total = 0.0
            for i in range(k, j):
                total -= lower[j, i] * lower[i, k]
            lower[j, k] = total * lower[j, j]
    return True


@njit(cache=True, error_model="numpy")
def _invert(mats, lower, size, out):  # type: ignore[no-untyped-def]
    """Inverse of mats[0] by way of mats[1], its scaled copy; False if nearly singular."""
    p = size.shape[0]
    for j in range(p):
        if not mats[0, j, j] > _LEAST_INFORMATION:
            return False
        size[j] = 1.0 / math.sqrt(mats[0, j, j])
        for k in range(j + 1):
            mats[1, j, k] = mats[0, j, k] * size[j] * size[k]
    if not (_factor(mats, 1, 0.0, lower) and _invert_factor(lower)):
        return False
    for j in range(p):
        for k in range(j + 1):
            total = 0.0
            for i in range(j, p):
                total += lower[i, j] * lower[i, k]
            out[j, k] = out[k, j] = total * size[j] * size[k]
    return True


@njit(cache=True, error_model="numpy")
def _load(t, y, s, kind, i, data, target, w):  # type: ignore[no-untyped-def]
    """Row i into data, with targets and weights of the search; sum of y^2/s^2, and the largest y.

    The search takes a censored sample as half its limit, give or take that half.
    """
    scale, largest = 0.0, 0.0
    row = i if t.shape[0] > 1 else 0
    for n in range(y.shape[1]):
        half = 0.5 * y[i, n] if kind[i, n] == CENSORED else 0.0
        given = kind[i, n] != MISSING
        data[TIME, n], data[VALUE, n] = t[row, n], y[i, n]
        data[INVERSE_SD, n], data[KIND, n] = 1.0 / s[i, n], kind[i, n]
        target[n] = y[i, n] - half if given else 0.0
        w[n] = 1.0 / (s[i, n] * s[i, n] + half * half) if given else 0.0
        scale += w[n] * target[n] * target[n]
        largest = target[n] if target[n] > largest else largest
    return scale, largest


@njit(cache=True, error_model="numpy")
def _variance(slope, covariance):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(slope.shape[0]):
        for c in range(slope.shape[0]):
            total += slope[j] * slope[c] * covariance[j, c]
    return total


@njit(cache=True, error_model="numpy")
def _keep(i, point, mats, now, theta, covariance):  # type: ignore[no-untyped-def]
    """Parameters and matrix of the best descent so far into row i."""
    for j in range(theta.shape[1]):
        theta[i, j] = point[_POINT + now, j]
        for c in range(j + 1):
            covariance[i, j, c] = covariance[i, c, j] = mats[now, j, c]


@njit(cache=True, error_model="numpy")
def _begin(searched, i, best, theta, starts, linear, table, target, w, floor, room):  # type: ignore[no-untyped-def]
    """Starts of row i: theta, or if searched the best of the grid; their number."""
    if not searched:
        for j in range(theta.shape[1]):
            best[0, j] = theta[i, j]
        return 1
    sums, cost, square, work = room
    return search(starts, linear, table, target, w, floor, sums, cost, square, work, best)


@njit(cache=True, error_model="numpy")
def _uncertainty(i, m, free, level, slope, work, mats, lower, size, covariance, log_tia):  # type: ignore[no-untyped-def]
    """Covariance and log TIA of row i; variance of log TIA, -1 if the matrix is singular."""
    p = free.shape[0]
    log_tia[i] = _log_tia(m, free, level, slope, work[0])
    for j in range(p):
        for c in range(p):
            mats[0, j, c] = covariance[i, j, c]
    if _invert(mats, lower, size, covariance[i]):
        return _variance(work[0], covariance[i])
    covariance[i] = mats[0]
    return -1.0


@njit(cache=True, nogil=True, error_model="numpy")
def fit_range(  # type: ignore[no-untyped-def]
    first, last, shape, free, linear, decay, template, bound, starts, table, t, y, s, kind,
    anchor, warm, n_best, theta, covariance, deviance, log_tia, tia_variance, status,
):  # fmt: skip
    """Fit rows first to last: grid of starts (unless warm), Levenberg-Marquardt, covariance.

    Where tia_variance is -1 on return the matrix is singular, and covariance holds it instead of
    its inverse.
    """
    p, n_full, n_times = free.shape[0], template.shape[0], y.shape[1]
    value = template.copy()
    level, slope = np.zeros((2, n_full)), np.zeros((2, n_full, n_full))
    work, mats = np.zeros((_N_ROWS, p)), np.zeros((2, p, p))
    lower, size = np.zeros((p, p)), np.zeros(p)
    data, target, w = np.zeros((4, n_times)), np.zeros(n_times), np.zeros(n_times)
    room = np.zeros((2, len(starts))), np.zeros(len(starts)), np.zeros((p, p)), np.zeros((2, p))
    best, own_table = np.zeros((n_best, p)), np.zeros_like(table) if t.shape[0] > 1 else table
    for i in range(first, last):
        if status[i] != OK:
            continue
        scale, largest = _load(t, y, s, kind, i, data, target, w)
        if t.shape[0] > 1 and not warm:
            tabulate(shape, free, linear, decay, template, starts, t[i], own_table)
        found = _begin(
            not warm, i, best, theta, starts, linear, own_table, target, w, 1e-9 * largest, room
        )
        if found == 0 or not largest > 0.0:
            status[i] = NOT_POSITIVE
            continue
        status[i], lowest = NOT_CONVERGED, np.inf
        for k in range(found):
            for j in range(p):
                work[_POINT, j] = best[k, j]
            objective, own, converged, now = _descend(
                shape, free, decay, data, anchor[i], scale, bound, value, level, slope, work,
                mats, lower,
            )  # fmt: skip
            if objective < lowest:
                lowest, deviance[i] = objective, own
                status[i] = OK if converged else NOT_CONVERGED
                _keep(i, work, mats, now, theta, covariance)
        if lowest < np.inf:
            m = _expose(shape, free, decay, theta, i, value, level, slope)
            tia_variance[i] = _uncertainty(
                i, m, free, level, slope, work, mats, lower, size, covariance, log_tia
            )
            status[i] = OPEN if status[i] == OK and tia_variance[i] < 0.0 else status[i]
        else:
            status[i] = NOT_POSITIVE
