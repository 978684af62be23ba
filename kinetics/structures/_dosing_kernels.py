"""Compiled superposition of doses on the response of a linear system; no validation here."""

import numpy as np
from numba import njit

# Rows this close before a dose (h) count as after it: repeated doses fall on rounded times.
TIME_TOLERANCE_H = 1e-9
_MOST_RUNNING = 1e6  # infusions running at once in steady state; beyond it there is none
_SERIES_BELOW = 0.05


@njit(cache=True, error_model="numpy")
def _ramp(rate, time):  # type: ignore[no-untyped-def]
    """Integral of exp(-rate s) over s from 0 to time, and its derivative by rate."""
    z = rate * time
    if abs(z) > _SERIES_BELOW:
        decayed = np.exp(-z)
        integral = (1.0 - decayed) / rate
        return integral, (time * decayed - integral) / rate
    term = 1.0 + 0.0 * z
    integral, slope = 0.0 * z, 0.0 * z
    for m in range(9):
        integral += term
        slope -= term * ((m + 1.0) / (m + 2.0))
        term *= -z / (m + 2.0)
    return integral * time, slope * (time * time)


@njit(cache=True, error_model="numpy")
def _train(rate, time, interval, count):  # type: ignore[no-untyped-def]
    """Sums of exp(-rate s) and s exp(-rate s) over s = time + i interval, i < count.

    A negative count means infinitely many.
    """
    term = np.exp(-rate * time)
    if count == 1:
        return term, time * term
    ratio = np.exp(-rate * interval)
    if count < 0:
        gap = rate * _ramp(rate, interval)[0]
        return term / gap, term * (time + interval * ratio / gap) / gap
    total, moment = 0.0 * term, 0.0 * term
    for i in range(count):
        total += term
        moment += (time + i * interval) * term
        term *= ratio
    return total, moment


@njit(cache=True, error_model="numpy")
def _infusions(rate, time, interval, count, duration):  # type: ignore[no-untyped-def]
    """Infusions of unit rate that started `time + i interval` ago, i < count.

    Their sum, its derivatives by rate and by duration, and how many still run.
    """
    total, by_rate, by_duration = 0.0 * rate, 0.0 * rate, 0.0 * rate
    running = 0
    while time < duration and running != count:
        value, slope = _ramp(rate, time)
        total += value
        by_rate += slope
        time += interval
        running += 1
    if running != count:
        left = count - running if count > 0 else -1
        ended, moment = _train(rate, time - duration, interval, left)
        value, slope = _ramp(rate, duration)
        total += value * ended
        by_rate += slope * ended - value * moment
        by_duration += ended
    return total, by_rate, by_duration, running


@njit(cache=True, error_model="numpy")
def _endless_infusion(rate, time):  # type: ignore[no-untyped-def]
    """Infusion of unit rate since ever, stopped `time` ago, and its derivative by rate."""
    level = np.exp(-rate * time) / rate
    return level, -(time + 1.0 / rate) * level


@njit(cache=True, error_model="numpy")
def _strength(amount, coded, available, modelled_rate, modelled_duration):  # type: ignore[no-untyped-def]
    """Size (amount of a bolus, rate of an infusion) and duration of a dose.

    Each with its derivatives by bioavailability and by the modelled rate or duration.
    """
    given = available * amount
    if coded == -2.0:
        size = given / modelled_duration
        return (
            size, amount / modelled_duration, -size / modelled_duration,
            modelled_duration, 0.0, 1.0,
        )  # fmt: skip
    if coded == 0.0:
        return given, amount, 0.0, 0.0, 0.0, 0.0
    rate = modelled_rate if coded == -1.0 else coded
    by_rate = 1.0 if coded == -1.0 else 0.0
    duration = given / rate
    return rate, 0.0, by_rate, duration, amount / rate, -by_rate * duration / rate


@njit(cache=True, error_model="numpy")
def _usable(size, duration, lag, interval, steady):  # type: ignore[no-untyped-def]
    """Whether the quantities of a dose are finite and its steady state exists."""
    finite = np.isfinite(size) and np.isfinite(duration) and np.isfinite(lag)
    reached = not steady or interval == 0.0 or duration < _MOST_RUNNING * interval
    return finite and duration >= 0.0 and reached


@njit(cache=True, error_model="numpy")
def _latest(since, interval, additional, steady):  # type: ignore[no-untyped-def]
    """Time since the latest of repeated doses, and how many were given (-1: infinitely many).

    `since` counts from the first dose. A count of 0 means none yet.
    """
    if interval <= 0.0 or not (steady or additional > 0.0):
        return max(since, 0.0), 1 if since >= -TIME_TOLERANCE_H else 0
    last = min(np.floor((since + TIME_TOLERANCE_H) / interval), additional)
    elapsed = max(since - last * interval, 0.0)
    return elapsed, -1 if steady else max(int(last) + 1, 0)


@njit(cache=True, error_model="numpy", forceinline=True)
def _weights(rate, elapsed, interval, count, infused, duration):  # type: ignore[no-untyped-def]
    """Response of exp(-rate t) to a dose of unit size repeated `count` times.

    A count of 0 stands for the endless infusion. Returns the response and its derivatives by rate,
    by lag and by duration.
    """
    if not infused:
        weight, moment = _train(rate, elapsed, interval, count)
        return weight, -moment, rate * weight, 0.0 * weight
    if count == 0:
        weight, by_rate = _endless_infusion(rate, elapsed)
        return weight, by_rate, 0.0 * weight, 0.0 * weight
    weight, by_rate, by_duration, running = _infusions(rate, elapsed, interval, count, duration)
    return weight, by_rate, rate * weight - running, by_duration


@njit(cache=True, error_model="numpy", forceinline=True)
def _chain(jacobian, j, index, c, coded, by_lag, by_available, by_modelled):  # type: ignore[no-untyped-def]
    """Add the derivatives of row j by the dosing quantities that are parameters."""
    if index[c, 0] >= 0:
        jacobian[j, index[c, 0]] += by_lag
    if index[c, 1] >= 0:
        jacobian[j, index[c, 1]] += by_available
    modelled = int(1.0 - coded)  # column 2 for a modelled rate (-1), 3 for a duration (-2)
    if coded < 0.0 and index[c, modelled] >= 0:
        jacobian[j, index[c, modelled]] += by_modelled


@njit(cache=True, error_model="numpy", forceinline=True)
def _superpose_dose(  # type: ignore[no-untyped-def]
    dose, stop, c, rows, amplitude, rate, d_amplitude, d_rate, dosing, index, value, jacobian
):
    """Add one row of the dose table, until it is cancelled at `stop`."""
    time, coded, steady, interval = dose[0], dose[3], dose[4] > 0.0, dose[5]
    lag, additional = dosing[c, 0], dose[6]
    size, size_f, size_m, duration, duration_f, duration_m = _strength(
        dose[1], coded, dosing[c, 1], dosing[c, 2], dosing[c, 3]
    )
    if not _usable(size, duration, lag, interval, steady):
        value[:] = np.nan
        jacobian[:] = np.nan
        return
    infused = coded != 0.0
    endless = infused and steady and interval <= 0.0
    for j in range(rows.shape[0]):
        if not time <= rows[j, 0] + TIME_TOLERANCE_H < stop:
            continue
        elapsed, count = max(rows[j, 0] - time, 0.0), 0
        if not endless:
            elapsed, count = _latest(rows[j, 0] - time - lag, interval, additional, steady)
            if count == 0:
                continue
        region = int(rows[j, 1])
        total, by_lag, by_duration = 0.0, 0.0, 0.0
        for k in range(rate.shape[0]):
            weight, by_rate, later, longer = _weights(
                rate[k], elapsed, interval, count, infused, duration
            )
            height = amplitude[c, region, k]
            total += (height * weight).real
            by_lag += (height * later).real
            by_duration += (height * longer).real
            sized, turned = size * weight, size * height * by_rate
            for q in range(jacobian.shape[1]):
                slope = d_amplitude[q, c, region, k] * sized + d_rate[q, k] * turned
                jacobian[j, q] += slope.real
        value[j] += size * total
        _chain(
            jacobian, j, index, c, coded, size * by_lag,
            total * size_f + size * by_duration * duration_f,
            total * size_m + size * by_duration * duration_m,
        )  # fmt: skip


@njit(cache=True, error_model="numpy")
def superpose(  # type: ignore[no-untyped-def]
    rows, doses, amplitude, rate, d_amplitude, d_rate, dosing, dosing_index, value, jacobian
):
    """Superpose all doses of a table at every row, with the derivatives by the parameters.

    A unit bolus into compartment c gives ``sum_k amplitude[c, r, k] exp(-rate[k] t)`` in region r.
    Amplitudes and rates may be complex (in conjugate pairs): the real part counts.

    rows (n, 2), doses (d, 8): columns ``ROW_COLUMNS``, ``DOSE_COLUMNS`` of `structure.py`, doses in
        order of time.
    amplitude (n_cmt, n_region, n_exp), rate (n_exp,), and their derivatives by the p parameters,
    d_amplitude (p, n_cmt, n_region, n_exp), d_rate (p, n_exp).
    dosing (n_cmt, 4) : lag (h), bioavailability, modelled rate, modelled duration (h).
    dosing_index (n_cmt, 4) : which parameter each of them is; -1 for a constant.
    value (n,), jacobian (n, p) : written.

    A row at the time of a dose counts after it, as in a file that lists the dose first. A reset,
    and a dose with steady_state 1, cancel everything earlier, pending doses included. A
    steady-state dose stands for doses given every interval since ever, so that before its lag is
    over the previous one acts. An infusion with steady state and interval 0 has run since ever and
    stops at its time, whatever the lag. Quantities that are not finite, and a
    compartment that does not exist, give NaN everywhere.
    """
    value[:] = 0.0
    jacobian[:] = 0.0
    stop = np.inf
    for i in range(doses.shape[0] - 1, -1, -1):
        c = int(doses[i, 2])
        if not 0 <= c < amplitude.shape[0]:
            value[:] = np.nan
            jacobian[:] = np.nan
        elif doses[i, 1] != 0.0 or (doses[i, 4] > 0.0 and doses[i, 3] != 0.0):
            _superpose_dose(
                doses[i], stop, c, rows, amplitude, rate, d_amplitude, d_rate, dosing, dosing_index,
                value, jacobian,
            )  # fmt: skip
        if doses[i, 7] != 0.0 or doses[i, 4] == 1.0:
            stop = min(stop, doses[i, 0])
