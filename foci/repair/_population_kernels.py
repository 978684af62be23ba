"""Compiled predictions of root-transformed foci; no validation here.

A dose table holds the exponential terms of a dose rate, one row each: time_h is its start (h),
amount its amplitude (Gy/h) and rate its decay rate (1/h).
"""

import math

from numba import njit, types

from kinetics.structures._predict_signature import PREDICT

_SMALL = 0.1  # of |k - lambda| t, below which a series of 10 terms is used


@njit(
    types.UniTuple(types.float64, 2)(types.float64, types.float64, types.float64),
    cache=True,
    error_model="numpy",
)
def pool_of_term(decay, loss, time):  # type: ignore[no-untyped-def]
    """Content of a pool fed by exp(-decay t), and its derivative by the loss rate."""
    x = (loss - decay) * time
    fed = math.exp(-decay * time)
    if abs(x) < _SMALL:
        content, slope, power = 0.0, 0.0, 1.0  # power: (-x)^n / n!
        for n in range(10):
            content += power / (n + 1)
            slope += power / (n + 2)
            power *= -x / (n + 1)
        return time * fed * content, -time * time * fed * slope
    kept = math.exp(-loss * time)
    return time * (fed - kept) / x, -time * time * (fed - kept * (1.0 + x)) / (x * x)


@njit(
    types.UniTuple(types.float64, 2)(types.float64[:, ::1], types.float64, types.float64),
    cache=True,
    error_model="numpy",
)
def pool_of_terms(terms, loss, time):  # type: ignore[no-untyped-def]
    """Content of a pool fed by a dose table, and its derivative by the loss rate."""
    content, slope = 0.0, 0.0
    for d in range(terms.shape[0]):
        since = time - terms[d, 0]
        if since > 0.0:
            one, change = pool_of_term(terms[d, 3], loss, since)
            content += terms[d, 1] * one
            slope += terms[d, 1] * change
    return content, slope


@njit([PREDICT], cache=True, error_model="numpy")
def predict_one_pool(parameter, rows, doses, value, jacobian):  # type: ignore[no-untyped-def]
    """Twice the root of foci per cell; parameters induction, background, repair rate."""
    induction, background, rate = parameter
    for i in range(rows.shape[0]):
        content, slope = pool_of_terms(doses, rate, rows[i, 0])
        root = math.sqrt(background + induction * content)
        value[i] = 2.0 * root
        jacobian[i, 0] = content / root
        jacobian[i, 1] = 1.0 / root
        jacobian[i, 2] = induction * slope / root


@njit([PREDICT], cache=True, error_model="numpy")
def predict_two_pools(parameter, rows, doses, value, jacobian):  # type: ignore[no-untyped-def]
    """The same; parameters induction, background, fast and slow rate, fast fraction."""
    induction, background, fast, slow, share = parameter
    for i in range(rows.shape[0]):
        quick, quick_slope = pool_of_terms(doses, fast, rows[i, 0])
        late, late_slope = pool_of_terms(doses, slow, rows[i, 0])
        content = share * quick + (1.0 - share) * late
        root = math.sqrt(background + induction * content)
        value[i] = 2.0 * root
        jacobian[i, 0] = content / root
        jacobian[i, 1] = 1.0 / root
        jacobian[i, 2] = induction * share * quick_slope / root
        jacobian[i, 3] = induction * (1.0 - share) * late_slope / root
        jacobian[i, 4] = induction * (quick - late) / root
