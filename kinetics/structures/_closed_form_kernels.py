"""Compiled predictions of the built-in closed forms; no validation here."""

from typing import Any

import numpy as np
from numba import njit

from kinetics.structures._dosing_kernels import superpose
from kinetics.structures._predict_signature import PREDICT

# Relative half-distance of two rates below which their divided difference is interpolated.
_CLOSE = 5e-4


@njit(cache=True, error_model="numpy")
def _micro(n, rates, parameter, micro, d_micro):  # type: ignore[no-untyped-def]
    """Micro-constants k10, k12, k21, k13, k31 (2n - 1,) and derivatives (2n - 1, p).

    Returns the index of the central volume.
    """
    d_micro[:] = 0.0
    if rates:
        for m in range(2 * n - 1):
            micro[m] = parameter[m]
            d_micro[m, m] = 1.0
        return 2 * n - 1
    for m in range(2 * n - 1):
        flow = m + m % 2  # cl, q, q, q3, q3 are parameters 0, 2, 2, 4, 4
        volume = m + 1 if m > 0 and m % 2 == 0 else 1
        micro[m] = parameter[flow] / parameter[volume]
        d_micro[m, flow] = 1.0 / parameter[volume]
        d_micro[m, volume] = -micro[m] / parameter[volume]
    return 1


@njit(cache=True, error_model="numpy")
def _three_poles(c2, c1, c0, pole):  # type: ignore[no-untyped-def]
    """Roots of x^3 - c2 x^2 + c1 x - c0, all real, polished by Newton's method."""
    centre = c2 / 3.0
    radius = np.sqrt(max(centre * centre - c1 / 3.0, 0.0))
    cosine = (centre**3 - 0.5 * centre * c1 + 0.5 * c0) / radius**3
    angle = np.arccos(min(max(cosine, -1.0), 1.0)) / 3.0
    for i in range(3):
        x = centre + 2.0 * radius * np.cos(angle - 2.0 * np.pi * i / 3.0)
        for _ in range(2):
            x -= (((x - c2) * x + c1) * x - c0) / ((3.0 * x - 2.0 * c2) * x + c1)
        pole[i] = x


@njit(cache=True, error_model="numpy")
def _poles(n, k, dk, pole, d_pole):  # type: ignore[no-untyped-def]
    """Disposition rates (n,) and derivatives (p, n), from the characteristic polynomial."""
    p = d_pole.shape[0]
    if n == 1:
        pole[0] = k[0]
        for q in range(p):
            d_pole[q, 0] = dk[0, q]
    elif n == 2:
        total = k[0] + k[1] + k[2]
        root = np.sqrt((k[0] + k[1] - k[2]) ** 2 + 4.0 * k[1] * k[2])
        pole[0] = 0.5 * (total + root)
        pole[1] = k[0] * k[2] / pole[0]
        for q in range(p):
            d1 = dk[0, q] + dk[1, q] + dk[2, q]
            d0 = dk[0, q] * k[2] + k[0] * dk[2, q]
            d_pole[q, 0] = (d0 - pole[0] * d1) / (pole[1] - pole[0])
            d_pole[q, 1] = (d0 - pole[1] * d1) / (pole[0] - pole[1])
    else:
        a, b, c, d, e = k[0], k[1], k[2], k[3], k[4]
        c2 = a + b + c + d + e
        c1 = a * (c + e) + b * e + d * c + c * e
        _three_poles(c2, c1, a * c * e, pole)
        for q in range(p):
            da, db, dc, dd, de = dk[0, q], dk[1, q], dk[2, q], dk[3, q], dk[4, q]
            d2 = da + db + dc + dd + de
            d1 = da * (c + e) + db * e + dc * (a + d + e) + dd * c + de * (a + b + c)
            d0 = da * c * e + a * dc * e + a * c * de
            for i in range(3):
                x = pole[i]
                slope = (pole[(i + 1) % 3] - x) * (pole[(i + 2) % 3] - x)
                d_pole[q, i] = ((d2 * x - d1) * x + d0) / slope


@njit(cache=True, error_model="numpy")
def _shares(n, k, dk, pole, d_pole, share, d_share):  # type: ignore[no-untyped-def]
    """Share of each rate in the central amount after a central bolus, with derivatives.

    share_i = prod_j (k_j1 - pole_i) / prod_{l != i} (pole_l - pole_i)
    """
    for i in range(n):
        over, under = 1.0, 1.0
        for j in range(1, n):
            over *= k[2 * j] - pole[i]
            under *= pole[(i + j) % n] - pole[i]
        share[i] = over / under
        for q in range(d_share.shape[0]):
            change = 0.0
            for j in range(1, n):
                zero, other = 1.0, (i + j) % n
                for m in range(1, n):
                    if m != j:
                        zero *= k[2 * m] - pole[i]
                change += zero / under * (dk[2 * j, q] - d_pole[q, i])
                change -= share[i] * (d_pole[q, other] - d_pole[q, i]) / (pole[other] - pole[i])
            d_share[q, i] = change


@njit(cache=True, error_model="numpy")
def _close(rate, ka):  # type: ignore[no-untyped-def]
    """Whether two rates nearly meet."""
    return abs(ka - rate) < _CLOSE * (ka + rate)


@njit(cache=True, error_model="numpy")
def _absorbed(n, index, ka, rate, d_rate, central, d_central, depot, d_depot):  # type: ignore[no-untyped-def]
    """Response to a depot bolus: every central term convolved with ka exp(-ka t).

    The term at `rate[i]` gives A ka (e^(-rate t) - e^(-ka t)) / (ka - rate). This divided
    difference is a smooth function of the mean rate m and of the squared distance of the rates:
    where they nearly meet, it is interpolated between the distances 1 and 2 times `_CLOSE` m.
    """
    p, free = d_rate.shape[0], n + 1
    for i in range(n):
        gap = ka - rate[i]
        mean = 0.5 * (ka + rate[i])
        unit = _CLOSE * mean
        gain = central[i] * ka
        close = _close(rate[i], ka)
        x = (0.5 * gap / unit) ** 2
        if close:
            for h in range(1, 3):
                weight = (4.0 - x) / 3.0 if h == 1 else (x - 1.0) / 3.0
                for side in range(2):
                    term = free + 2 * h - 2 + side
                    sign = 1.0 - 2.0 * side
                    rate[term] = mean * (1.0 - sign * h * _CLOSE)
                    depot[term] = sign * gain * weight / (2.0 * h * unit)
        else:
            depot[i] = gain / gap
            depot[n] -= depot[i]
        for q in range(p):
            by_ka = 1.0 if q == index else 0.0
            d_gain = d_central[q, i] * ka + central[i] * by_ka
            d_gap = by_ka - d_rate[q, i]
            if not close:
                change = (d_gain - depot[i] * d_gap) / gap
                d_depot[q, i] = change
                d_depot[q, n] -= change
                continue
            d_mean = 0.5 * (by_ka + d_rate[q, i])
            d_x = 0.5 * gap * d_gap / unit**2 - 2.0 * x * d_mean / mean
            for h in range(1, 3):
                weight = (4.0 - x) / 3.0 if h == 1 else (x - 1.0) / 3.0
                d_weight = -d_x / 3.0 if h == 1 else d_x / 3.0
                change = d_gain * weight + gain * (d_weight - weight * d_mean / mean)
                for side in range(2):
                    term = free + 2 * h - 2 + side
                    sign = 1.0 - 2.0 * side
                    d_depot[q, term] = sign * change / (2.0 * h * unit)
                    d_rate[q, term] = d_mean * (1.0 - sign * h * _CLOSE)
        if close:
            free += 4


@njit(cache=True, error_model="numpy")
def _terms(n, absorption, ka, pole):  # type: ignore[no-untyped-def]
    """How many exponentials the response needs."""
    count = n
    if absorption:
        count += 1
        for i in range(n):
            if _close(pole[i], ka):
                count += 4
    return count


@njit(cache=True, error_model="numpy")
def linear_response(n, rates, absorption, decay, parameter):  # type: ignore[no-untyped-def]
    """Concentration after a unit bolus into each compartment, as sums of exponentials.

    `decay` is the index of the rate of physical decay, or -1.
    Returns amplitude (n_cmt, 1, n_exp), rate (n_exp,), and derivatives with p in front.
    """
    p = parameter.shape[0]
    k, dk = np.empty(5), np.empty((5, p))
    volume = _micro(n, rates, parameter, k, dk)
    pole, d_pole = np.empty(n), np.empty((p, n))
    _poles(n, k, dk, pole, d_pole)
    depth = 1 if absorption else 0
    ka = parameter[2 * n] if absorption else 0.0
    n_exp = _terms(n, absorption, ka, pole)
    rate, d_rate = np.zeros(n_exp), np.zeros((p, n_exp))
    amplitude, d_amplitude = np.zeros((depth + 1, 1, n_exp)), np.zeros((p, depth + 1, 1, n_exp))
    central, d_central = amplitude[depth, 0], d_amplitude[:, depth, 0]
    _shares(n, k, dk, pole, d_pole, central, d_central)
    for i in range(n):
        rate[i] = pole[i]
        central[i] /= parameter[volume]
        for q in range(p):
            d_rate[q, i] = d_pole[q, i]
            d_central[q, i] /= parameter[volume]
        d_central[volume, i] -= central[i] / parameter[volume]
    if absorption:
        rate[n] = ka
        d_rate[2 * n, n] = 1.0
        _absorbed(
            n, 2 * n, ka, rate, d_rate, central, d_central, amplitude[0, 0], d_amplitude[:, 0, 0]
        )
    if decay >= 0:
        rate += parameter[decay]
        d_rate[decay] += 1.0
    return amplitude, rate, d_amplitude, d_rate


@njit(cache=True, error_model="numpy")
def _dosing(n_cmt, parameter, lag, available, modelled_rate, modelled_duration):  # type: ignore[no-untyped-def]
    """Dosing quantities of the compartments; parameters apply to the first one.

    A modelled rate or duration that is no parameter is NaN.
    """
    dosing, index = np.full((n_cmt, 4), np.nan), np.full((n_cmt, 4), -1)
    dosing[:, 0] = 0.0
    dosing[:, 1] = 1.0
    for m, q in enumerate((lag, available, modelled_rate, modelled_duration)):
        if q >= 0:
            dosing[0, m] = parameter[q]
            index[0, m] = q
    return dosing, index


@njit(cache=True, error_model="numpy")
def linear_predict(  # type: ignore[no-untyped-def]
    n, rates, absorption, lag, available, modelled_rate, modelled_duration, decay,
    parameter, rows, doses, value, jacobian,
):  # fmt: skip
    """Predict one to three compartments; `lag` to `decay` are indices of parameters or -1."""
    amplitude, rate, d_amplitude, d_rate = linear_response(n, rates, absorption, decay, parameter)
    dosing, index = _dosing(
        amplitude.shape[0], parameter, lag, available, modelled_rate, modelled_duration
    )
    superpose(rows, doses, amplitude, rate, d_amplitude, d_rate, dosing, index, value, jacobian)


@njit(cache=True, error_model="numpy")
def linear_curves(n, rates, absorption, available, decay, parameters, amplitude, rate):  # type: ignore[no-untyped-def]
    """Response to a unit bolus into the first compartment, for parameters (m, p).

    Written into amplitude and rate (m, 5 n + 1); returns how many terms any of them needs.
    """
    most = 1
    for i in range(parameters.shape[0]):
        height, speed, _, _ = linear_response(n, rates, absorption, decay, parameters[i])
        scale = parameters[i, available] if available >= 0 else 1.0
        for k in range(speed.shape[0]):
            amplitude[i, k] = scale * height[0, 0, k]
            rate[i, k] = speed[k]
        most = max(most, speed.shape[0])
    return most


@njit(cache=True, error_model="numpy")
def exponentials_response(n_terms, uptake, decay, parameter):  # type: ignore[no-untyped-def]
    """The same four as `linear_response` for parameters a1, l1, a2, l2, ... (and l_uptake)."""
    p, n_exp = parameter.shape[0], n_terms + 1 if uptake else n_terms
    rate, d_rate = np.zeros(n_exp), np.zeros((p, n_exp))
    amplitude, d_amplitude = np.zeros((1, 1, n_exp)), np.zeros((p, 1, 1, n_exp))
    for i in range(n_terms):
        amplitude[0, 0, i] = parameter[2 * i]
        d_amplitude[2 * i, 0, 0, i] = 1.0
        rate[i] = parameter[2 * i + 1]
        d_rate[2 * i + 1, i] = 1.0
        if uptake:
            amplitude[0, 0, n_terms] -= parameter[2 * i]
            d_amplitude[2 * i, 0, 0, n_terms] = -1.0
    if uptake:
        rate[n_terms] = parameter[2 * n_terms]
        d_rate[2 * n_terms, n_terms] = 1.0
    if decay >= 0:
        rate += parameter[decay]
        d_rate[decay] += 1.0
    return amplitude, rate, d_amplitude, d_rate


def _compiled(predict: Any, *layout: int) -> Any:
    """Compile a layout under a name of its own.

    Numba finds cached machine code by that name: two layouts that share it would be confused.
    """
    predict.__name__ += "_" + "_".join(str(int(x)) for x in layout).replace("-1", "x")
    predict.__qualname__ = predict.__name__
    return njit([PREDICT], cache=True, error_model="numpy")(predict)


def linear_predictor(n: int, rates: bool, absorption: bool, *indices: int) -> Any:
    """Compiled prediction of one layout of parameters.

    `indices` are those of lag, bioavailability, modelled rate, modelled duration and decay.
    """
    lag, available, modelled_rate, modelled_duration, decay = indices

    def predict_linear(parameter, rows, doses, value, jacobian):  # type: ignore[no-untyped-def]
        linear_predict(
            n, rates, absorption, lag, available, modelled_rate, modelled_duration, decay,
            parameter, rows, doses, value, jacobian,
        )  # fmt: skip

    return _compiled(predict_linear, n, rates, absorption, *indices)


def exponentials_predictor(n_terms: int, uptake: bool, decay: int) -> Any:
    """Compiled prediction of a sum of exponentials."""

    def predict_exponentials(parameter, rows, doses, value, jacobian):  # type: ignore[no-untyped-def]
        amplitude, rate, d_amplitude, d_rate = exponentials_response(
            n_terms, uptake, decay, parameter
        )
        dosing, index = _dosing(1, parameter, -1, -1, -1, -1)
        superpose(rows, doses, amplitude, rate, d_amplitude, d_rate, dosing, index, value, jacobian)

    return _compiled(predict_exponentials, n_terms, uptake, decay)
