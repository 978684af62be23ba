"""Compiled slope and Jacobian of the saturable mammillary system.

Parameters of n tissues: elimination, uptake (n), release (n), loss (n), capacity (n).
"""

from numba import njit, types

_vector = types.float64[::1]
_table = types.float64[:, ::1]

# slope(time, state, parameter, slope)
SLOPE = types.void(types.float64, _vector, _vector, _vector)
# jacobian(time, state, parameter, by_state (n, n), by_parameter (n, p)); the tables come zeroed
JACOBIAN = types.void(types.float64, _vector, _vector, _table, _table)


@njit([SLOPE], cache=True, error_model="numpy")
def saturable_slope(time, state, parameter, slope):  # type: ignore[no-untyped-def]
    """Net flows of the saturable mammillary system."""
    n = state.shape[0] - 1
    central = state[0]
    net = parameter[0] * central
    for j in range(n):
        content = state[j + 1]
        free = 1.0 - content / parameter[1 + 3 * n + j]
        flow = parameter[1 + j] * central * free - parameter[1 + n + j] * content
        slope[j + 1] = flow - parameter[1 + 2 * n + j] * content
        net += flow
    slope[0] = -net


@njit([JACOBIAN], cache=True, error_model="numpy")
def saturable_jacobian(time, state, parameter, by_state, by_parameter):  # type: ignore[no-untyped-def]
    """Derivatives of `saturable_slope` by the state and by the parameters."""
    n = state.shape[0] - 1
    central = state[0]
    by_state[0, 0] = -parameter[0]
    by_parameter[0, 0] = -central
    for j in range(n):
        row, content, capacity = j + 1, state[j + 1], parameter[1 + 3 * n + j]
        uptake, release = parameter[1 + j], parameter[1 + n + j]
        free = 1.0 - content / capacity
        back = uptake * central / capacity + release
        by_state[row, 0] = uptake * free
        by_state[0, 0] -= uptake * free
        by_state[row, row] = -back - parameter[1 + 2 * n + j]
        by_state[0, row] = back
        by_parameter[row, 1 + j], by_parameter[0, 1 + j] = central * free, -central * free
        by_parameter[row, 1 + n + j], by_parameter[0, 1 + n + j] = -content, content
        by_parameter[row, 1 + 2 * n + j] = -content
        bound = uptake * central * (content / capacity) / capacity
        by_parameter[row, 1 + 3 * n + j], by_parameter[0, 1 + 3 * n + j] = bound, -bound
