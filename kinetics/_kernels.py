"""Compiled loops over parameter sets; no validation here."""

import numpy as np
from numba import njit, prange


@njit(cache=True)
def _slope(state, slope, elimination, uptake, release, capacity):  # type: ignore[no-untyped-def]
    """Right-hand side of the mammillary system with saturable uptake."""
    central = state[0]
    net = elimination * central
    for j in range(uptake.shape[0]):
        content = state[j + 1]
        flow = uptake[j] * central * (1.0 - content / capacity[j]) - release[j] * content
        slope[j + 1] = flow
        net += flow
    slope[0] = -net


@njit(cache=True, parallel=True)
def saturable_mammillary(initial, elimination, uptake, release, capacity, time_h):  # type: ignore[no-untyped-def]
    """Amounts after a central bolus, shape (n, n_compartments, n_times), by Runge-Kutta 4.

    The step follows the fastest rate present: 0.7 divided by it.
    """
    n, p = uptake.shape
    out = np.empty((n, p + 1, time_h.shape[0]))
    for i in prange(n):
        state = np.zeros(p + 1)
        k1, k2, k3, k4 = np.empty(p + 1), np.empty(p + 1), np.empty(p + 1), np.empty(p + 1)
        state[0] = initial[i]
        linear = elimination[i] + uptake[i].sum() + release[i].max()
        time = 0.0
        for m in range(time_h.shape[0]):
            while time < time_h[m]:
                fastest = linear
                for j in range(p):
                    fastest += uptake[i, j] * state[0] / capacity[i, j]
                h = min(0.7 / fastest, time_h[m] - time)
                args = (elimination[i], uptake[i], release[i], capacity[i])
                _slope(state, k1, *args)
                _slope(state + 0.5 * h * k1, k2, *args)
                _slope(state + 0.5 * h * k2, k3, *args)
                _slope(state + h * k3, k4, *args)
                state += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
                time = time + h if time + h < time_h[m] else time_h[m]
            out[i, :, m] = state
    return out
