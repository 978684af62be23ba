"""Compiled amounts and curves of linear compartment systems; no validation here."""

import numpy as np
from numba import njit, prange

from kinetics.structures._mode_kernels import complex_modes, invert, nudge, real_modes, workspace

WORST_CONDITION = 1e5  # of the modes: amplitudes lose this factor times 1e-16
_LOG2E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to an integer in the low bits
_NUDGE = 1e-10  # relative; parts a double rate by its square root
RUN = 256  # matrices that share a workspace on one core


@njit(cache=True, inline="always")
def decay_factor(x):  # type: ignore[no-untyped-def]
    """exp(x) with x held within -708 and 708, as straight code that vectorises.

    Reduction by multiples of log 2 and the Taylor series to degree 12: two units in the last place.
    """
    x = min(max(x, -708.0), 708.0)
    shifted = x * _LOG2E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    r2 = r * r
    r4 = r2 * r2
    low = (1.0 + r) + r2 * (0.5 + r * (1.0 / 6.0))
    mid = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0))
    high = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0))
    value = low + r4 * (mid + r4 * (high + r4 * (1.0 / 479001600.0)))
    bits = (np.float64(shifted).view(np.int64) << 52) + np.float64(1.0).view(np.int64)
    return value * np.int64(bits).view(np.float64)


@njit(cache=True, error_model="numpy")
def _two_compartment(amount, k10, k12, k21, time_h, out):  # type: ignore[no-untyped-def]
    difference = k10 + k12 - k21
    product = 4.0 * k12 * k21
    root = np.sqrt(difference * difference + product)
    # each share in the form that does not cancel
    if difference > 0.0:
        large = 0.5 * (root + difference)
        small = 0.25 * product / large
    else:
        small = 0.5 * (root - difference)
        large = 0.25 * product / small if small > 0.0 else 0.0
    fast = 0.5 * (k10 + k12 + k21 + root)
    slow = k10 * k21 / fast if fast > 0.0 else 0.0
    a = amount * large / root if root > 0.0 else amount
    b = amount * small / root if root > 0.0 else 0.0
    for m in range(time_h.shape[0]):
        out[m] = a * decay_factor(-fast * time_h[m]) + b * decay_factor(-slow * time_h[m])


@njit(cache=True)
def two_compartment(amount, k10, k12, k21, time_h, out):  # type: ignore[no-untyped-def]
    """Central amount after a bolus into out (n, n_times), on one core."""
    for i in range(amount.shape[0]):
        _two_compartment(amount[i], k10[i], k12[i], k21[i], time_h, out[i])


@njit(cache=True, parallel=True)
def two_compartment_on_all_cores(amount, k10, k12, k21, time_h, out):  # type: ignore[no-untyped-def]
    """The same as `two_compartment`; starting the threads pays from some thousands on."""
    for i in prange(amount.shape[0]):
        _two_compartment(amount[i], k10[i], k12[i], k21[i], time_h, out[i])


@njit(cache=True, error_model="numpy")
def _exponential(k, time, x0, out):  # type: ignore[no-untyped-def]
    """exp(K time) x0 by the (6, 6) Pade approximation with scaling and squaring."""
    n = k.shape[0]
    norm = 0.0
    for j in range(n):
        norm = max(norm, np.abs(k[:, j]).sum() * time)
    squarings = 0
    while norm > 0.5:
        norm *= 0.5
        squarings += 1
    a = k * (time / 2.0**squarings)
    power, coefficient = np.eye(n), 1.0
    top, bottom = np.eye(n), np.eye(n)
    for m in range(1, 7):
        power = power @ a
        coefficient *= (7.0 - m) / (m * (13.0 - m))
        top += coefficient * power
        bottom += (coefficient if m % 2 == 0 else -coefficient) * power
    inverse = np.empty((n, n))
    invert(bottom, inverse)
    result = inverse @ top
    for _ in range(squarings):
        result = result @ result
    out[:] = result @ x0


@njit(cache=True, error_model="numpy")
def _sum_terms(rate, amplitude, time_h, factor, out):  # type: ignore[no-untyped-def]
    """Real sums of exponentials of several compartments."""
    n_times = time_h.shape[0]
    for i in range(rate.shape[0]):
        for m in range(n_times):
            factor[m] = decay_factor(-rate[i] * time_h[m])
        for c in range(amplitude.shape[0]):
            a = amplitude[c, i]
            if i == 0:
                for m in range(n_times):
                    out[c, m] = a * factor[m]
            else:
                for m in range(n_times):
                    out[c, m] += a * factor[m]


@njit(cache=True, error_model="numpy")
def _difficult(k, x0, time_h, pick, out):  # type: ignore[no-untyped-def]
    """Amounts where the plan does not apply: complex modes, or the matrix exponential."""
    n = k.shape[0]
    rate = np.empty(n, np.complex128)
    right, left = np.empty((n, n), np.complex128), np.empty((n, n), np.complex128)
    if complex_modes(k, rate, right, left) < WORST_CONDITION:
        start = left @ x0.astype(np.complex128)
        for m in range(time_h.shape[0]):
            term = np.exp(-rate * time_h[m]) * start
            for c in range(pick.shape[0]):
                out[c, m] = (right[pick[c]] * term).sum().real
        return
    state = np.empty(n)
    for m in range(time_h.shape[0]):
        _exponential(k, time_h[m], x0, state)
        for c in range(pick.shape[0]):
            out[c, m] = state[pick[c]]


@njit(cache=True, error_model="numpy")
def amounts(k, x0, time_h, order, parent, one_way, pick, out):  # type: ignore[no-untyped-def]
    """Amounts into out (n_sets, n_picked, n_times), on one core."""
    n = k.shape[1]
    work = workspace(n, one_way)
    rate, right, left = np.empty(n), np.empty((n, n)), np.empty((n, n))
    amplitude, factor = np.empty((pick.shape[0], n)), np.empty(time_h.shape[0])
    for i in range(k.shape[0]):
        condition = real_modes(k[i], order, parent, work, rate, right, left)
        if not condition < WORST_CONDITION:
            _difficult(k[i], x0[i], time_h, pick, out[i])
            continue
        for m in range(n):
            start = 0.0
            for c in range(n):
                start += left[m, c] * x0[i, c]
            for c in range(pick.shape[0]):
                amplitude[c, m] = right[pick[c], m] * start
        _sum_terms(rate, amplitude, time_h, factor, out[i])


@njit(cache=True, parallel=True)
def amounts_on_all_cores(k, x0, time_h, order, parent, one_way, pick, out):  # type: ignore[no-untyped-def]
    """The same as `amounts`; starting the threads pays from some hundreds on."""
    runs = (k.shape[0] + RUN - 1) // RUN
    for r in prange(runs):
        a, b = r * RUN, min((r + 1) * RUN, k.shape[0])
        amounts(k[a:b], x0[a:b], time_h, order, parent, one_way, pick, out[a:b])


@njit(cache=True, error_model="numpy")
def _real_part_modes(k, rate, right, left):  # type: ignore[no-untyped-def]
    """Modes outside the plan, if they are real; condition number, or infinite."""
    n = k.shape[0]
    z_rate = np.empty(n, np.complex128)
    z_right, z_left = np.empty((n, n), np.complex128), np.empty((n, n), np.complex128)
    condition = complex_modes(k, z_rate, z_right, z_left)
    for i in range(n):
        if abs(z_rate[i].imag) > 1e-9 * abs(z_rate[i]):
            return np.inf
    rate[:], right[:], left[:] = z_rate.real, z_right.real, z_left.real
    return condition


@njit(cache=True, error_model="numpy")
def curves(k, x0, order, parent, one_way, amplitude, rate, good):  # type: ignore[no-untyped-def]
    """Amplitudes (n_sets, n, n) and rates (n_sets, n) of the amounts, on one core.

    good tells where they are real and accurate.
    """
    n = k.shape[1]
    work = workspace(n, one_way)
    right, left, parted = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    for i in range(k.shape[0]):
        condition = real_modes(k[i], order, parent, work, rate[i], right, left)
        if not condition < WORST_CONDITION:
            condition = _real_part_modes(k[i], rate[i], right, left)
        if not condition < WORST_CONDITION:
            nudge(k[i], _NUDGE, parted)
            condition = _real_part_modes(parted, rate[i], right, left)
        good[i] = condition < 100.0 * WORST_CONDITION
        for m in range(n):
            start = 0.0
            for c in range(n):
                start += left[m, c] * x0[i, c]
            for c in range(n):
                amplitude[i, c, m] = right[c, m] * start


@njit(cache=True, parallel=True)
def curves_on_all_cores(k, x0, order, parent, one_way, amplitude, rate, good):  # type: ignore[no-untyped-def]
    """The same as `curves`; starting the threads pays from some hundreds on."""
    runs = (k.shape[0] + RUN - 1) // RUN
    for r in prange(runs):
        a, b = r * RUN, min((r + 1) * RUN, k.shape[0])
        curves(
            k[a:b], x0[a:b], order, parent, one_way, amplitude[a:b], rate[a:b], good[a:b]
        )  # fmt: skip
