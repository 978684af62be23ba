"""Compiled calls of a differential equation: slopes, Jacobians and the variational equations."""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from kinetics.structures._saturable_system import saturable_jacobian, saturable_slope

_JIGGLE = 6e-6  # cube root of the machine precision, for central differences


def call_slope(slope: Any, time: Any, state: Any, parameter: Any, out: Any) -> None:
    """Call `slope`; None stands for the saturable system, called directly so that it is cached."""


def _call_jacobian(
    jacobian: Any, time: Any, state: Any, parameter: Any, by_state: Any, by_parameter: Any
) -> None:
    """Call `jacobian`; None stands for the saturable system."""


@overload(call_slope)
def _typed_slope(slope, time, state, parameter, out):  # type: ignore[no-untyped-def]
    if isinstance(slope, types.NoneType):
        return lambda slope, time, state, parameter, out: saturable_slope(
            time, state, parameter, out
        )
    return lambda slope, time, state, parameter, out: slope(time, state, parameter, out)


@overload(_call_jacobian)
def _typed_jacobian(jacobian, time, state, parameter, by_state, by_parameter):  # type: ignore[no-untyped-def]
    if isinstance(jacobian, types.NoneType):
        return lambda jacobian, time, state, parameter, by_state, by_parameter: saturable_jacobian(
            time, state, parameter, by_state, by_parameter
        )
    return lambda jacobian, time, state, parameter, by_state, by_parameter: jacobian(
        time, state, parameter, by_state, by_parameter
    )


@njit(cache=True, error_model="numpy")
def _differences(slope, time, state, parameter, by_state):  # type: ignore[no-untyped-def]
    """Jacobian by central differences."""
    n = state.shape[0]
    up, down, moved = np.empty(n), np.empty(n), state.copy()
    largest = np.abs(state).max() + 1e-300
    for i in range(n):
        step = _JIGGLE * max(abs(state[i]), 1e-3 * largest)
        moved[i] = state[i] + step
        call_slope(slope, time, moved, parameter, up)
        moved[i] = state[i] - step
        call_slope(slope, time, moved, parameter, down)
        moved[i] = state[i]
        for j in range(n):
            by_state[j, i] = (up[j] - down[j]) / (2.0 * step)


@njit(cache=True, error_model="numpy")
def jacobian_tables(slope, jacobian, analytic, time, state, parameter, by_state, by_parameter):  # type: ignore[no-untyped-def]
    """Jacobian by state and by parameter, analytic where there is one."""
    by_state[:] = 0.0
    if analytic:
        by_parameter[:] = 0.0
        _call_jacobian(jacobian, time, state, parameter, by_state, by_parameter)
    else:
        _differences(slope, time, state, parameter, by_state)


@njit(cache=True, error_model="numpy")
def derivative(slope, jacobian, analytic, time, point, setting, tables, out):  # type: ignore[no-untyped-def]
    """Slope of a point: of the state, and of its sensitivities by the variational equations."""
    parameter, chosen, feed = setting
    n, q = feed.shape[0], chosen.shape[0]
    state = point[:n]
    call_slope(slope, time, state, parameter, out[:n])
    for i in range(n):
        out[i] += feed[i]
    if q == 0:
        return
    by_state, by_parameter = tables
    jacobian_tables(slope, jacobian, analytic, time, state, parameter, by_state, by_parameter)
    for i in range(n):
        row = n + i * q
        for k in range(q):
            out[row + k] = by_parameter[i, chosen[k]]
        for j in range(n):
            factor = by_state[i, j]
            if factor != 0.0:
                other = n + j * q
                for k in range(q):
                    out[row + k] += factor * point[other + k]


@njit(cache=True, error_model="numpy")
def combine(weight, count, slopes, h, point, out):  # type: ignore[no-untyped-def]
    """Sum: out = point + h sum_j weight_j slopes_j."""
    out[:] = point
    for j in range(count):
        factor = h * weight[j]
        if factor != 0.0:
            for i in range(out.shape[0]):
                out[i] += factor * slopes[j, i]


@njit(cache=True, error_model="numpy")
def error_ratio(error, old, new, relative, absolute):  # type: ignore[no-untyped-def]
    """Largest error over its tolerance; infinite where anything is not finite."""
    worst, total = 0.0, 0.0
    for i in range(error.shape[0]):
        size = abs(error[i]) / (absolute[i] + relative * max(abs(old[i]), abs(new[i])))
        total += size + new[i] * 0.0
        worst = max(worst, size)
    return worst if np.isfinite(total) else np.inf
