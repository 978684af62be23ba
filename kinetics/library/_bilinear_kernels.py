"""Compiled linear system with bilinear terms: binding to receptors in flow-limited organs.

Parameters: the rate matrix row by row (n * n), then per bilinear term the index of the free and
of the bound amount and the rate; the term is rate x free x bound, gained by the free amount.
"""

from numba import njit

from kinetics.structures._saturable_system import JACOBIAN, SLOPE


@njit([SLOPE], cache=True, error_model="numpy")
def bilinear_slope(time, state, parameter, slope):  # type: ignore[no-untyped-def]
    """Slope of the system."""
    n = state.shape[0]
    for i in range(n):
        total = 0.0
        for j in range(n):
            total += parameter[i * n + j] * state[j]
        slope[i] = total
    for k in range(n * n, parameter.shape[0], 3):
        free, bound = int(parameter[k]), int(parameter[k + 1])
        flow = parameter[k + 2] * state[free] * state[bound]
        slope[free] += flow
        slope[bound] -= flow


@njit([JACOBIAN], cache=True, error_model="numpy")
def bilinear_jacobian(time, state, parameter, by_state, by_parameter):  # type: ignore[no-untyped-def]
    """Derivatives by the state; none by the parameters, so no sensitivities."""
    n = state.shape[0]
    for i in range(n):
        for j in range(n):
            by_state[i, j] = parameter[i * n + j]
    for k in range(n * n, parameter.shape[0], 3):
        free, bound, rate = int(parameter[k]), int(parameter[k + 1]), parameter[k + 2]
        by_state[free, free] += rate * state[bound]
        by_state[free, bound] += rate * state[free]
        by_state[bound, free] -= rate * state[bound]
        by_state[bound, bound] -= rate * state[free]
