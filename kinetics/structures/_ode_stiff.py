"""Compiled Rosenbrock steps (Rodas5P) of a differential equation with sensitivities."""

import numpy as np
from numba import njit

from kinetics.structures._ode_system import combine, derivative, error_ratio, jacobian_tables
from kinetics.structures._ode_tableaux import (
    RODAS_COUPLING,
    RODAS_GAMMA,
    RODAS_NODE,
    RODAS_STAGE,
    RODAS_TIME,
)

_JIGGLE = 6e-6  # cube root of the machine precision, for central differences


@njit(cache=True, error_model="numpy")
def _factorise(matrix, pivot):  # type: ignore[no-untyped-def]
    """LU decomposition in place with partial pivoting."""
    n = matrix.shape[0]
    for c in range(n):
        best = c
        for r in range(c + 1, n):
            if abs(matrix[r, c]) > abs(matrix[best, c]):
                best = r
        pivot[c] = best
        if best != c:
            for j in range(n):
                matrix[c, j], matrix[best, j] = matrix[best, j], matrix[c, j]
        for r in range(c + 1, n):
            if matrix[r, c] != 0.0:
                matrix[r, c] /= matrix[c, c]
                for j in range(c + 1, n):
                    matrix[r, j] -= matrix[r, c] * matrix[c, j]


@njit(cache=True, error_model="numpy")
def _substitute(matrix, pivot, right):  # type: ignore[no-untyped-def]
    """Solve with the factors of `_factorise` for right sides (n, q), in place."""
    n, q = right.shape
    for c in range(n):
        other = pivot[c]
        for k in range(q):
            right[c, k], right[other, k] = right[other, k], right[c, k]
    for r in range(1, n):
        for j in range(r):
            factor = matrix[r, j]
            for k in range(q):
                right[r, k] -= factor * right[j, k]
    for r in range(n - 1, -1, -1):
        for j in range(r + 1, n):
            factor = matrix[r, j]
            for k in range(q):
                right[r, k] -= factor * right[j, k]
        for k in range(q):
            right[r, k] /= matrix[r, r]


@njit(cache=True, error_model="numpy")
def linearise(slope, jacobian, analytic, time, point, setting, tables, stiff):  # type: ignore[no-untyped-def]
    """Jacobian, its derivative along each sensitivity, and the slope's derivative by time.

    curvature[:, :, k] is d/de of the Jacobian at (state + e sensitivity_k, parameter_k + e):
    central differences, exact where the Jacobian is linear in both.
    """
    parameter, chosen, feed = setting
    matrix, curvature, by_time, _, _ = stiff
    n, q = feed.shape[0], chosen.shape[0]
    before = np.empty_like(point)
    step = 1e-7 * max(abs(time), 1e-3)
    derivative(slope, jacobian, analytic, time + step, point, setting, tables, by_time)
    derivative(slope, jacobian, analytic, time, point, setting, tables, before)
    for i in range(point.shape[0]):
        by_time[i] = (by_time[i] - before[i]) / step
    state, sens = point[:n].copy(), point[n:].reshape(n, q)
    jacobian_tables(slope, jacobian, analytic, time, state, parameter, matrix, tables[1])
    shifted, upper = parameter.copy(), np.empty((n, n))
    for k in range(q):
        value = parameter[chosen[k]]
        step = _JIGGLE * abs(value) if value != 0.0 else _JIGGLE
        if not np.isfinite(step):
            curvature[:, :, k] = 0.0
            continue
        shifted[chosen[k]] = value + step
        state[:] = point[:n] + step * sens[:, k]
        jacobian_tables(slope, jacobian, analytic, time, state, shifted, upper, tables[1])
        shifted[chosen[k]] = value - step
        state[:] = point[:n] - step * sens[:, k]
        jacobian_tables(slope, jacobian, analytic, time, state, shifted, tables[0], tables[1])
        shifted[chosen[k]] = value
        for i in range(n):
            for j in range(n):
                curvature[i, j, k] = (upper[i, j] - tables[0][i, j]) / (2.0 * step)


@njit(cache=True, error_model="numpy")
def _stage_solve(i, h, n, slopes, stiff):  # type: ignore[no-untyped-def]
    """Turn the slopes of stage i into its increments, the sensitivities after the state."""
    _, curvature, by_time, factors, pivot = stiff
    stage = slopes[i]
    for j in range(i):
        factor = RODAS_COUPLING[i, j] / h
        for c in range(stage.shape[0]):
            stage[c] += factor * slopes[j, c]
    factor = h * RODAS_TIME[i]
    for c in range(stage.shape[0]):
        stage[c] += factor * by_time[c]
    _substitute(factors, pivot, stage[:n].reshape(n, 1))
    q = curvature.shape[2]
    if q == 0:
        return
    for c in range(n):
        for j in range(n):
            for k in range(q):
                stage[n + c * q + k] += curvature[c, j, k] * stage[j]
    _substitute(factors, pivot, stage[n:].reshape(n, q))


@njit(cache=True, error_model="numpy")
def stiff_step(slope, jacobian, analytic, time, h, point, setting, tolerance, work):  # type: ignore[no-untyped-def]
    """One Rodas5P step into the trial point; the linearisation is already in `work`."""
    trial, _, slopes, tables, stiff = work
    matrix, factors, pivot = stiff[0], stiff[3], stiff[4]
    n = matrix.shape[0]
    for i in range(n):
        for j in range(n):
            factors[i, j] = -matrix[i, j]
        factors[i, i] += 1.0 / (h * RODAS_GAMMA)
    _factorise(factors, pivot)
    for i in range(8):
        combine(RODAS_STAGE[i], i, slopes, 1.0, point, trial)
        derivative(
            slope, jacobian, analytic, time + RODAS_NODE[i] * h, trial, setting, tables, slopes[i]
        )
        _stage_solve(i, h, n, slopes, stiff)
    for c in range(trial.shape[0]):
        trial[c] += slopes[7, c]
    return error_ratio(slopes[7], point, trial, tolerance[0], tolerance[1])
