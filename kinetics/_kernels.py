"""Compiled loops over parameter sets; no validation here."""

import numpy as np
from numba import njit, prange


@njit(cache=True)
def _slope(state, slope, elimination, uptake, release, inverse_capacity):  # type: ignore[no-untyped-def]
    """Right-hand side of the mammillary system with saturable uptake."""
    central = state[0]
    net = elimination * central
    for j in range(uptake.shape[0]):
        content = state[j + 1]
        free = 1.0 - content * inverse_capacity[j]
        flow = uptake[j] * central * free - release[j] * content
        slope[j + 1] = flow
        net += flow
    slope[0] = -net


@njit(cache=True)
def _amounts(initial, k10, k_in, k_out, inverse, time_h, out):  # type: ignore[no-untyped-def]
    """Amounts of one system by Runge-Kutta 4.

    The step is 0.7 over the fastest rate present while that rate shows, and grows to 2.2 over it,
    still stable, when only slower ones are left.
    """
    p = k_in.shape[0]
    state, trial, total, slope = np.zeros((4, p + 1))
    state[0] = initial
    linear = k10 + k_in.sum() + k_out.max()
    time = 0.0
    for m in range(time_h.shape[0]):
        while time < time_h[m]:
            fastest = linear
            for j in range(p):
                fastest += k_in[j] * state[0] * inverse[j]
            reach = 2.2 - 1.5 * np.exp(-0.1 * linear * time)
            h = min(reach / fastest, time_h[m] - time)
            _slope(state, slope, k10, k_in, k_out, inverse)
            for c in range(p + 1):
                total[c] = slope[c]
                trial[c] = state[c] + 0.5 * h * slope[c]
            for stage in range(2):
                _slope(trial, slope, k10, k_in, k_out, inverse)
                step = 0.5 * h if stage == 0 else h
                for c in range(p + 1):
                    total[c] += 2.0 * slope[c]
                    trial[c] = state[c] + step * slope[c]
            _slope(trial, slope, k10, k_in, k_out, inverse)
            for c in range(p + 1):
                state[c] += h / 6.0 * (total[c] + slope[c])
            time = time + h if time + h < time_h[m] else time_h[m]
        out[:, m] = state


@njit(cache=True)
def saturable_mammillary(initial, elimination, uptake, release, capacity, time_h, out):  # type: ignore[no-untyped-def]
    """Amounts after a central bolus into out (n, n_compartments, n_times), on one core."""
    for i in range(len(initial)):
        _amounts(
            initial[i], elimination[i], uptake[i], release[i], 1.0 / capacity[i], time_h, out[i]
        )


@njit(cache=True, parallel=True)
def saturable_mammillary_on_all_cores(  # type: ignore[no-untyped-def]
    initial, elimination, uptake, release, capacity, time_h, out
):
    """The same as `saturable_mammillary`; starting the threads pays from about a hundred on."""
    for i in prange(len(initial)):
        _amounts(
            initial[i], elimination[i], uptake[i], release[i], 1.0 / capacity[i], time_h, out[i]
        )


@njit(cache=True)
def _project(amounts, rate, time_h, amplitude):  # type: ignore[no-untyped-def]
    """Least squares of each row of amounts on exp(-rate t), weighted by 1/amount.

    Modified Gram-Schmidt with the right-hand side (all ones) as one more column.
    """
    n_rate, n_time = rate.shape[0], time_h.shape[0]
    basis, column = np.empty((n_rate, n_time)), np.empty((n_rate, n_time))
    for k in range(n_rate):
        for m in range(n_time):
            basis[k, m] = np.exp(-rate[k] * time_h[m])
    triangle, target = np.empty((n_rate, n_rate)), np.empty(n_rate)
    rest = np.empty(n_time)
    for c in range(amounts.shape[0]):
        for m in range(n_time):
            rest[m] = 1.0
            for k in range(n_rate):
                column[k, m] = basis[k, m] / amounts[c, m]
        for k in range(n_rate):
            norm = np.sqrt(np.dot(column[k], column[k]))
            triangle[k, k] = norm
            column[k] /= norm
            for j in range(k + 1, n_rate):
                triangle[k, j] = np.dot(column[k], column[j])
                column[j] -= triangle[k, j] * column[k]
            target[k] = np.dot(column[k], rest)
            rest -= target[k] * column[k]
        for k in range(n_rate - 1, -1, -1):
            value = target[k]
            for j in range(k + 1, n_rate):
                value -= triangle[k, j] * amplitude[c, j]
            amplitude[c, k] = value / triangle[k, k]


@njit(cache=True)
def project(amounts, rate, time_h, amplitude):  # type: ignore[no-untyped-def]
    """Amplitudes (n, n_compartments, n_rates) of amounts on exponentials, on one core."""
    for i in range(len(amounts)):
        _project(amounts[i], rate[i], time_h, amplitude[i])


@njit(cache=True, parallel=True)
def project_on_all_cores(amounts, rate, time_h, amplitude):  # type: ignore[no-untyped-def]
    """The same as `project`; starting the threads pays from about a hundred on."""
    for i in prange(len(amounts)):
        _project(amounts[i], rate[i], time_h, amplitude[i])
