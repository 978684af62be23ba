"""Compiled adaptive solvers of ordinary differential equations with forward sensitivities.

No validation here. A point is one vector: the state (n), then its derivatives by each of q chosen
parameters (n, q), row by row. `feed` (n) is a constant input, of an infusion.
"""

import numpy as np
from numba import njit, prange, types

from kinetics.structures._dose_events import BOLUS, RATE_CHANGE
from kinetics.structures._dosing_kernels import TIME_TOLERANCE_H
from kinetics.structures._ode_stiff import linearise, stiff_step
from kinetics.structures._ode_system import call_slope, combine, derivative, error_ratio
from kinetics.structures._ode_tableaux import DP_ERROR, DP_NODE, DP_STAGE
from kinetics.structures._saturable_system import JACOBIAN, SLOPE

_vector = types.float64[::1]
_table = types.float64[:, ::1]

OK, STEPS_EXHAUSTED, STEP_TOO_SMALL, NOT_FINITE = 0, 1, 2, 3
EXPLICIT, STIFF = 0, 1


@njit(cache=True, error_model="numpy")
def _explicit_step(slope, jacobian, analytic, time, h, point, setting, tolerance, work):  # type: ignore[no-untyped-def]
    """One Dormand-Prince step into the trial point; the first slope is already in `work`."""
    trial, error, slopes, tables, _ = work
    for i in range(1, 7):
        combine(DP_STAGE[i], i, slopes, h, point, trial)
        derivative(
            slope, jacobian, analytic, time + DP_NODE[i] * h, trial, setting, tables, slopes[i]
        )
    error[:] = 0.0
    for j in range(7):
        factor = h * DP_ERROR[j]
        for i in range(error.shape[0]):
            error[i] += factor * slopes[j, i]
    return error_ratio(error, point, trial, tolerance[0], tolerance[1])


@njit(cache=True, error_model="numpy")
def _prepare(slope, jacobian, analytic, method, time, point, setting, work):  # type: ignore[no-untyped-def]
    """What a step needs at its starting point."""
    _, _, slopes, tables, stiff = work
    if method == STIFF:
        linearise(slope, jacobian, analytic, time, point, setting, tables, stiff)
    else:
        derivative(slope, jacobian, analytic, time, point, setting, tables, slopes[0])


@njit(cache=True, error_model="numpy")
def _first_step(slope, time, point, setting, span):  # type: ignore[no-untyped-def]
    """Step over which the fastest-changing state moves by a hundredth of the largest."""
    parameter, _, feed = setting
    rate = np.empty_like(feed)
    call_slope(slope, time, point[: feed.shape[0]], parameter, rate)
    largest, fastest = np.abs(point[: feed.shape[0]]).max(), np.abs(rate + feed).max()
    h = 0.01 * largest / fastest if fastest > 0.0 and largest > 0.0 else 1e-4 * span
    return min(h if np.isfinite(h) and h > 0.0 else 1e-6 * span, span)


@njit(cache=True, error_model="numpy")
def _advance(  # type: ignore[no-untyped-def]
    slope, jacobian, analytic, method, time, end, h, point, setting, tolerance, work, left
):
    """Step from `time` to `end`; returns status, next step and the number of steps left."""
    if h <= 0.0:
        h = _first_step(slope, time, point, setting, end - time)
    _prepare(slope, jacobian, analytic, method, time, point, setting, work)
    rejected = False
    while time < end:
        if left <= 0:
            return STEPS_EXHAUSTED, h, left
        left -= 1
        last = h >= (end - time) * (1.0 - 1e-12)
        step = end - time if last else h
        if method == STIFF:
            worst = stiff_step(
                slope, jacobian, analytic, time, step, point, setting, tolerance, work
            )
        else:
            worst = _explicit_step(
                slope, jacobian, analytic, time, step, point, setting, tolerance, work
            )
        growth = min(5.0, max(0.2, 0.9 * worst**-0.2)) if worst > 0.0 else 5.0
        if worst > 1.0:
            h = step * (growth if np.isfinite(worst) else 0.1)
            rejected = True
            if h <= 4e-16 * max(abs(time), abs(end)):
                return (STEP_TOO_SMALL if np.isfinite(worst) else NOT_FINITE), h, left
            continue
        time = end if last else time + step
        point[:] = work[0]
        proposal = step * (min(growth, 1.0) if rejected else growth)
        h = max(h, proposal) if last else proposal
        rejected = False
        if time < end:
            _prepare(slope, jacobian, analytic, method, time, point, setting, work)
    return OK, h, left


@njit(cache=True, error_model="numpy")
def _apply(event, point, feed):  # type: ignore[no-untyped-def]
    """A dose: a bolus, a change of the infusion rate, or an emptying of the system."""
    compartment = int(event[2])
    if event[1] == BOLUS:
        point[compartment] += event[3]
    elif event[1] == RATE_CHANGE:
        feed[compartment] += event[3]
    else:
        point[:] = 0.0
        feed[:] = 0.0


@njit(cache=True, error_model="numpy")
def _start(initial, parameter, chosen, relative, absolute, control_sens):  # type: ignore[no-untyped-def]
    """Point, setting, tolerance and work arrays of one solution."""
    n, q = initial.shape[0], chosen.shape[0]
    size = n * (1 + q)
    point, limit = np.zeros(size), np.full(size, np.inf)
    point[:n], limit[:n] = initial, absolute
    for k in range(q if control_sens else 0):
        scale = abs(parameter[chosen[k]])
        if scale == 0.0:
            scale = 1.0
        for i in range(n if np.isfinite(scale) else 0):
            limit[n + i * q + k] = absolute[i] / scale
    stiff = (
        np.empty((n, n)), np.empty((n, n, q)), np.empty(size), np.empty((n, n)),
        np.empty(n, dtype=np.int64),
    )  # fmt: skip
    tables = (np.empty((n, n)), np.empty((n, parameter.shape[0])))
    work = (np.empty(size), np.empty(size), np.zeros((8, size)), tables, stiff)
    return point, (parameter, chosen, np.zeros(n)), (relative, limit), work


@njit(cache=True, error_model="numpy")
def solve_one(  # type: ignore[no-untyped-def]
    slope, jacobian, analytic, method, initial, parameter, chosen, time, events, relative,
    absolute, control_sens, max_steps, out, sens_out,
):  # fmt: skip
    """One system: states into out (n_times, n), sensitivities into sens_out (n_times, n, q).

    Starts at the earliest of zero, the first time and the first event; times and events ascend.
    A dose at an output time is counted there. Returns the status and the number of steps; what
    was not reached is NaN.
    """
    n, q = initial.shape[0], chosen.shape[0]
    point, setting, tolerance, work = _start(
        initial, parameter, chosen, relative, absolute, control_sens
    )
    out[:], sens_out[:] = np.nan, np.nan
    n_events, e = events.shape[0], 0
    clock = min(0.0, time[0])
    if n_events > 0:
        clock = min(clock, events[0, 0])
    h, left = 0.0, max_steps
    for m in range(time.shape[0]):
        reached = time[m] + TIME_TOLERANCE_H
        while clock < time[m] or (e < n_events and events[e, 0] <= reached):
            dose = e < n_events and events[e, 0] <= reached
            end = events[e, 0] if dose else time[m]
            if end > clock:
                status, h, left = _advance(
                    slope, jacobian, analytic, method, clock, end, h, point, setting, tolerance,
                    work, left,
                )  # fmt: skip
                if status != OK:
                    return status, max_steps - left
                clock = end
            if dose:
                _apply(events[e], point, setting[2])
                e += 1
                h = 0.0
        if not np.isfinite(point).all():
            return NOT_FINITE, max_steps - left
        out[m] = point[:n]
        for i in range(n):
            for k in range(q):
                sens_out[m, i, k] = point[n + i * q + k]
    return OK, max_steps - left


_MANY = types.void(
    types.FunctionType(SLOPE), types.FunctionType(JACOBIAN), types.boolean, types.int64, _table,
    _table, types.int64[::1], _vector, _table, types.float64, _vector, types.boolean, types.int64,
    types.float64[:, :, ::1], types.float64[:, :, :, ::1], types.int64[:, ::1],
)  # fmt: skip


@njit([_MANY], cache=True, error_model="numpy")
def solve_many(  # type: ignore[no-untyped-def]
    slope, jacobian, analytic, method, initial, parameter, chosen, time, events, relative,
    absolute, control_sens, max_steps, out, sens_out, outcome,
):  # fmt: skip
    """`solve_one` for each row of `initial` and `parameter`; status and steps into outcome."""
    for d in range(initial.shape[0]):
        status, steps = solve_one(
            slope, jacobian, analytic, method, initial[d], parameter[d], chosen, time, events,
            relative, absolute, control_sens, max_steps, out[d], sens_out[d],
        )  # fmt: skip
        outcome[d, 0], outcome[d, 1] = status, steps


@njit([_MANY], cache=True, parallel=True, error_model="numpy")
def solve_many_on_all_cores(  # type: ignore[no-untyped-def]
    slope, jacobian, analytic, method, initial, parameter, chosen, time, events, relative,
    absolute, control_sens, max_steps, out, sens_out, outcome,
):  # fmt: skip
    """The same as `solve_many`, on all cores."""
    for d in prange(initial.shape[0]):
        status, steps = solve_one(
            slope, jacobian, analytic, method, initial[d], parameter[d], chosen, time, events,
            relative, absolute, control_sens, max_steps, out[d], sens_out[d],
        )  # fmt: skip
        outcome[d, 0], outcome[d, 1] = status, steps
