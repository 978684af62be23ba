"""Compiled loops of damage kinetics; no validation here."""

import math

import numpy as np
from numba import njit, types

from kinetics.structures._matrix_kernels import decay_factor

BLOCK = 64  # curves that are worked on together
_NEAR = 1e-4  # times of decay apart: a difference of exponentials loses four digits there


@njit("f8(f8, f8, f8)", cache=True, nogil=True, error_model="numpy")
def _content(rate, loss, time):  # type: ignore[no-untyped-def]
    """(e^{-rate t} - e^{-loss t}) / (loss - rate) without cancellation."""
    gap = abs(loss - rate) * time
    share = -math.expm1(-gap) / gap if gap > 0.0 else 1.0
    return time * math.exp(-min(rate, loss) * time) * share


@njit(cache=True, nogil=True, error_model="numpy")
def _factors(curves, last, row, least, exponent, factor, b):  # type: ignore[no-untyped-def]
    """Exponents and factors of one curve, terms first; True where a pair of rates is near."""
    amplitude, rate, loss, weight, induction = curves
    a, r, k, w = min(row, last[0]), min(row, last[1]), min(row, last[2]), min(row, last[3])
    scale = induction[min(row, last[4])]
    n_terms, near = amplitude.shape[1], False
    for j in range(loss.shape[1]):
        exponent[n_terms + j, b], factor[n_terms + j, b] = -loss[k, j], 0.0
    for i in range(n_terms):
        exponent[i, b], factor[i, b] = -rate[r, i], 0.0
        for j in range(loss.shape[1]):
            gap = loss[k, j] - rate[r, i]
            if abs(gap) < least:
                near = True
            else:
                part = scale * amplitude[a, i] * weight[w, j] / gap
                factor[i, b] += part
                factor[n_terms + j, b] -= part
    return near


@njit(cache=True, nogil=True, error_model="numpy")
def _add_near(curves, last, row, least, time, total, b):  # type: ignore[no-untyped-def]
    """Add the pairs that `_factors` left out."""
    amplitude, rate, loss, weight, induction = curves
    a, r, k, w = min(row, last[0]), min(row, last[1]), min(row, last[2]), min(row, last[3])
    for i in range(amplitude.shape[1]):
        for j in range(loss.shape[1]):
            if abs(loss[k, j] - rate[r, i]) < least:
                part = induction[min(row, last[4])] * amplitude[a, i] * weight[w, j]
                for m in range(len(time)):
                    total[m, b] += part * _content(rate[r, i], loss[k, j], time[m])


_TABLE = types.Array(types.float64, 2, "C", readonly=True)
_LIST = types.Array(types.float64, 1, "C", readonly=True)


@njit(
    types.void(
        _TABLE, _TABLE, _TABLE, _TABLE, _LIST, _LIST, _LIST, types.float64,
        types.float64[:, ::1], types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def foci_of_curves(  # type: ignore[no-untyped-def]
    amplitude, rate, loss, weight, induction, background, time, first_time, out, start, stop
):
    """Foci of curves start to stop into out (stop - start, n_times).

    amplitude, rate (n, n_terms); loss, weight (n, n_losses); induction, background (n,): each may
    have one row, which then holds for all. first_time is the earliest time above zero.

    N = background + sum_i A_i e^{-rate_i t} + sum_j B_j e^{-loss_j t}; a pair of near rates is
    left out of A and B and added by itself.
    """
    n_rates, n_times = amplitude.shape[1] + loss.shape[1], len(time)
    last = np.array(
        [len(amplitude), len(rate), len(loss), len(weight), len(induction), len(background)]
    )
    last -= 1
    exponent, factor = np.zeros((n_rates, BLOCK)), np.zeros((n_rates, BLOCK))
    total = np.zeros((n_times, BLOCK))
    near = np.zeros(BLOCK, np.bool_)
    least = _NEAR / first_time
    curves = (amplitude, rate, loss, weight, induction)
    for begin in range(start, stop, BLOCK):
        size = min(BLOCK, stop - begin)
        for b in range(size):
            near[b] = _factors(curves, last, begin + b, least, exponent, factor, b)
            for m in range(n_times):
                total[m, b] = background[min(begin + b, last[5])]
        for s in range(n_rates):
            for m in range(n_times):
                for b in range(BLOCK):
                    total[m, b] += factor[s, b] * decay_factor(exponent[s, b] * time[m])
        for b in range(size):
            if near[b]:
                _add_near(curves, last, begin + b, least, time, total, b)
            at_start = background[min(begin + b, last[5])]
            for m in range(n_times):
                out[begin + b - start, m] = total[m, b] if time[m] > 0.0 else at_start
