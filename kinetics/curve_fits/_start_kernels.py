"""Compiled search of a grid of curve shapes, each with its best amplitudes."""

import math

import numpy as np
from numba import njit

from kinetics.curve_fits._form_kernels import terms


@njit(cache=True, error_model="numpy")
def tabulate(shape, free, linear, decay, template, starts, t, table):  # type: ignore[no-untyped-def]
    """Curves at unit amplitudes into table (1 + n_linear, n_times, n_starts).

    Row 0 is what no amplitude scales; the others are the curves that the amplitudes scale.
    """
    n_full = template.shape[0]
    value = template.copy()
    level, slope = np.zeros((2, n_full)), np.zeros((2, n_full, n_full))
    for g in range(starts.shape[0]):
        for b in range(linear.shape[0] + 1):
            for j in range(free.shape[0]):
                value[free[j]] = math.exp(starts[g, j])
            for k in range(linear.shape[0]):
                value[free[linear[k]]] = 1.0 if k == b - 1 else 0.0
            m = terms(shape, value, decay, level, slope)
            for n in range(t.shape[0]):
                f = 0.0
                for i in range(m):
                    f += level[0, i] * math.exp(-level[1, i] * t[n])
                table[b, n, g] = f - table[0, n, g] if b > 0 else f


@njit(cache=True, error_model="numpy")
def _costs(table, target, w, sums, cost):  # type: ignore[no-untyped-def]
    """Chi-square of every start with at most one amplitude, which goes to sums[0]."""
    n_starts = cost.shape[0]
    for g in range(n_starts):
        cost[g] = sums[0, g] = sums[1, g] = 0.0
    for n in range(target.shape[0]):
        for g in range(n_starts):
            rest = target[n] - table[0, n, g]
            cost[g] += w[n] * rest * rest
        if table.shape[0] > 1:
            for g in range(n_starts):
                wb = w[n] * table[1, n, g]
                sums[0, g] += wb * (target[n] - table[0, n, g])
                sums[1, g] += wb * table[1, n, g]
    if table.shape[0] > 1:
        for g in range(n_starts):
            fits = sums[0, g] > 0.0
            cost[g] = cost[g] - sums[0, g] * sums[0, g] / sums[1, g] if fits else np.inf
            sums[0, g] = sums[0, g] / sums[1, g]


@njit(cache=True, error_model="numpy")
def _eliminate(square, right, n, out):  # type: ignore[no-untyped-def]
    """Solve the first n normal equations by Gaussian elimination."""
    for k in range(n):
        for j in range(k + 1, n):
            factor = square[j, k] / square[k, k]
            right[j] -= factor * right[k]
            for c in range(k, n):
                square[j, c] -= factor * square[k, c]
    for k in range(n - 1, -1, -1):
        total = right[k]
        for j in range(k + 1, n):
            total -= square[k, j] * out[j]
        out[k] = total / square[k, k]


@njit(cache=True, error_model="numpy")
def _amplitudes(table, g, target, w, floor, square, right, out):  # type: ignore[no-untyped-def]
    """Chi-square of start g with its best amplitudes held above floor; infinite if none is."""
    n_basis = table.shape[0] - 1
    for k in range(n_basis):
        right[k] = 0.0
        square[k, :] = 0.0
        for n in range(target.shape[0]):
            wb = w[n] * table[k + 1, n, g]
            right[k] += wb * (target[n] - table[0, n, g])
            for j in range(n_basis):
                square[k, j] += wb * table[j + 1, n, g]
        square[k, k] *= 1.0 + 1e-12
    _eliminate(square, right, n_basis, out)
    positive = False
    for k in range(n_basis):
        positive = positive or out[k] > floor
        out[k] = out[k] if out[k] > floor else floor
    return _cost_of(table, g, target, w, out) if positive else np.inf


@njit(cache=True, error_model="numpy")
def _cost_of(table, g, target, w, amplitude):  # type: ignore[no-untyped-def]
    chi_square = 0.0
    for n in range(target.shape[0]):
        rest = target[n] - table[0, n, g]
        for k in range(table.shape[0] - 1):
            rest -= amplitude[k] * table[k + 1, n, g]
        chi_square += w[n] * rest * rest
    return chi_square


@njit(cache=True, error_model="numpy")
def _cheapest(cost):  # type: ignore[no-untyped-def]
    """Index of the least finite cost; -1 if there is none."""
    least, g = np.inf, -1
    for h in range(cost.shape[0]):
        if cost[h] < least:
            least, g = cost[h], h
    return g


@njit(cache=True, error_model="numpy")
def search(starts, linear, table, target, w, floor, sums, cost, square, work, best):  # type: ignore[no-untyped-def]
    """The best few starts, amplitudes in place, into best; the number found.

    sums (2, n_starts), cost (n_starts,), square (p, p) and work (2, p) are room to work in.
    """
    n_lin = linear.shape[0]
    if n_lin <= 1:
        _costs(table, target, w, sums, cost)
    else:
        for g in range(cost.shape[0]):
            cost[g] = _amplitudes(table, g, target, w, floor, square, work[0], work[1])
    for found in range(best.shape[0]):
        g = _cheapest(cost)
        if g < 0:
            return found
        cost[g] = np.inf
        for j in range(starts.shape[1]):
            best[found, j] = starts[g, j]
        if n_lin == 1:
            best[found, linear[0]] = math.log(sums[0, g])
        elif n_lin > 1:
            _amplitudes(table, g, target, w, floor, square, work[0], work[1])
            for k in range(n_lin):
                best[found, linear[k]] = math.log(work[1, k])
    return best.shape[0]
