"""Compiled predictions of linear compartment systems with their derivatives; no validation here.

Generated models call `linear_predict`, which hands pointers to one function compiled once for all
of them: linking it into each model would compile it again every time.
"""

import numpy as np
from llvmlite import binding
from numba import carray, cfunc, njit, types

from kinetics.structures._dosing_kernels import superpose
from kinetics.structures._mode_kernels import complex_modes, nudge, real_modes, workspace

_NUDGE = 1e-6  # relative; applied both ways, so that its error is of second order
_WORST = 1e8  # condition number over relative distance of rates: derivatives lose this factor
_SAME = 1e-14


@njit(cache=True, error_model="numpy")
def _separation(rate):  # type: ignore[no-untyped-def]
    """Smallest relative distance of two rates; rates of zero need not differ."""
    n = rate.shape[0]
    largest, smallest = 0.0, 1.0
    for i in range(n):
        largest = max(largest, abs(rate[i]))
    for i in range(n):
        for j in range(i):
            size = max(abs(rate[i]), abs(rate[j]))
            if size > 1e-12 * largest:
                smallest = min(smallest, abs(rate[i] - rate[j]) / size)
    return smallest


@njit(cache=True, error_model="numpy")
def _add_product(a, b, out):  # type: ignore[no-untyped-def]
    """Add a b to out; calling BLAS takes longer for small matrices."""
    for i in range(a.shape[0]):
        for m in range(a.shape[1]):
            if a[i, m] != 0.0:
                for j in range(b.shape[1]):
                    out[i, j] += a[i, m] * b[m, j]


@njit(cache=True, error_model="numpy")
def _terms(  # type: ignore[no-untyped-def]
    rate, right, left, weight, dk, c, dc, dosed, amplitude, d_amplitude, d_rate
):
    r"""Amplitudes of unit boluses, times weight, and the derivatives of amplitudes and rates.

    With K = R diag(-rate) L and M = L dK R: d rate_i = -M_ii, dR = R G, dL = -G L where
    G_ij = M_ij / (rate_i - rate_j) off the diagonal.
    """
    n, n_regions = rate.shape[0], c.shape[0]
    seen, d_seen = np.zeros((n_regions, n), right.dtype), np.empty((n_regions, n), right.dtype)
    change, product = np.empty((n, n), right.dtype), np.empty((n, n), right.dtype)
    _add_product(c, right, seen)
    for d in range(dosed.shape[0]):
        for r in range(n_regions):
            for i in range(n):
                amplitude[d, r, i] = weight * seen[r, i] * left[i, dosed[d]]
    for p in range(dk.shape[0]):
        product[:] = 0.0
        change[:] = 0.0
        _add_product(dk[p], right, product)
        _add_product(left, product, change)
        _part(rate, change, d_rate[p])
        d_seen[:] = 0.0
        _add_product(dc[p], right, d_seen)
        _add_product(seen, change, d_seen)
        _amplitude_change(seen, d_seen, left, change, weight, dosed, d_amplitude[p])


@njit(cache=True, error_model="numpy")
def _part(rate, change, d_rate):  # type: ignore[no-untyped-def]
    """Split the matrix M into the derivatives of the rates and the mixing G, in place."""
    n = rate.shape[0]
    largest = np.abs(rate).max()
    for i in range(n):
        d_rate[i] = -change[i, i]
        for j in range(n):
            gap = rate[i] - rate[j]
            if i == j or abs(gap) <= _SAME * largest:
                change[i, j] = 0.0
            else:
                change[i, j] /= gap


@njit(cache=True, error_model="numpy")
def _amplitude_change(  # type: ignore[no-untyped-def]
    seen, d_seen, left, mixing, weight, dosed, d_amplitude
):
    """Derivative of seen times left, one parameter."""
    n = left.shape[0]
    for d in range(dosed.shape[0]):
        for i in range(n):
            d_left = 0.0 * left[i, i]
            for m in range(n):
                d_left -= mixing[i, m] * left[m, dosed[d]]
            for r in range(seen.shape[0]):
                d_amplitude[d, r, i] = weight * (
                    d_seen[r, i] * left[i, dosed[d]] + seen[r, i] * d_left
                )


@njit(cache=True, error_model="numpy")
def _complex_terms(k, dk, c, dc, dosed):  # type: ignore[no-untyped-def]
    """Complex terms; where rates meet, half of each of two matrices nudged in opposite ways."""
    n, n_regions, n_dosed, n_parameters = k.shape[0], c.shape[0], dosed.shape[0], dk.shape[0]
    rate = np.empty(2 * n, np.complex128)
    right, left = np.empty((n, n), np.complex128), np.empty((n, n), np.complex128)
    amplitude = np.zeros((n_dosed, n_regions, 2 * n), np.complex128)
    d_amplitude = np.zeros((n_parameters, n_dosed, n_regions, 2 * n), np.complex128)
    d_rate = np.zeros((n_parameters, 2 * n), np.complex128)
    condition = complex_modes(k, rate[:n], right, left)
    if condition < _WORST * _separation(rate[:n]):
        _terms(
            rate[:n], right, left, 1.0, dk, c, dc, dosed,
            amplitude[:, :, :n], d_amplitude[:, :, :, :n], d_rate[:, :n],
        )  # fmt: skip
        rate[n:] = rate[:n]
        return rate, amplitude, d_amplitude, d_rate
    parted = np.empty((n, n))
    for half in range(2):
        nudge(k, _NUDGE if half == 0 else -_NUDGE, parted)
        a, b = half * n, half * n + n
        if not complex_modes(parted, rate[a:b], right, left) < np.inf:
            amplitude[:] = np.nan
            return rate, amplitude, d_amplitude, d_rate
        _terms(
            rate[a:b], right, left, 0.5, dk, c, dc, dosed,
            amplitude[:, :, a:b], d_amplitude[:, :, :, a:b], d_rate[:, a:b],
        )  # fmt: skip
    return rate, amplitude, d_amplitude, d_rate


@njit(cache=True, error_model="numpy")
def _linear_predict(  # type: ignore[no-untyped-def]
    k, dk, c, dc, dosing, dosing_index, dosed, order, parent, one_way, rows, doses, value, jacobian
):
    """See `linear_predict`."""
    finite = np.isfinite(k.sum() + dk.sum() + c.sum() + dc.sum() + dosing.sum())
    if not finite:
        value[:] = np.nan
        jacobian[:] = np.nan
        return
    n, n_regions, n_dosed, n_parameters = k.shape[0], c.shape[0], dosed.shape[0], dk.shape[0]
    rate, right, left = np.empty(n), np.empty((n, n)), np.empty((n, n))
    condition = real_modes(k, order, parent, workspace(n, one_way), rate, right, left)
    if condition < _WORST * _separation(rate):
        amplitude = np.empty((n_dosed, n_regions, n))
        d_amplitude = np.empty((n_parameters, n_dosed, n_regions, n))
        d_rate = np.empty((n_parameters, n))
        _terms(rate, right, left, 1.0, dk, c, dc, dosed, amplitude, d_amplitude, d_rate)
        superpose(
            rows, doses, amplitude, rate, d_amplitude, d_rate, dosing, dosing_index, value, jacobian
        )
        return
    z_rate, z_amplitude, dz_amplitude, dz_rate = _complex_terms(k, dk, c, dc, dosed)
    superpose(
        rows, doses, z_amplitude, z_rate, dz_amplitude, dz_rate, dosing, dosing_index,
        value, jacobian,
    )  # fmt: skip


_numbers, _integers = types.CPointer(types.float64), types.CPointer(types.int64)
_BY_POINTER = types.void(_integers, *[_integers] * 4, *[_numbers] * 9)


@cfunc(_BY_POINTER, cache=True)
def _predict_by_pointer(  # type: ignore[no-untyped-def]
    sizes, dosing_index, dosed, order, parent, k, dk, c, dc, dosing, rows, doses, value, jacobian
):
    n, p, r, d, n_plan, one_way, n_rows, n_doses = carray(sizes, (8,))
    _linear_predict(
        carray(k, (n, n)), carray(dk, (p, n, n)), carray(c, (r, n)), carray(dc, (p, r, n)),
        carray(dosing, (d, 4)), carray(dosing_index, (d, 4)), carray(dosed, (d,)),
        carray(order, (n_plan,)), carray(parent, (n_plan,)), one_way != 0,
        carray(rows, (n_rows, 2)), carray(doses, (n_doses, 8)),
        carray(value, (n_rows,)), carray(jacobian, (n_rows, p)),
    )  # fmt: skip


binding.add_symbol("hemadose_linear_predict", _predict_by_pointer.address)
_linked_predict = types.ExternalFunction("hemadose_linear_predict", _BY_POINTER)


@njit
def linear_predict(  # type: ignore[no-untyped-def]
    k, dk, c, dc, dosing, dosing_index, dosed, order, parent, one_way, rows, doses, value, jacobian
):
    """Predictions of a linear compartment system and their derivatives.

    k (n, n), dk (p, n, n) : rate matrix (1/h) and its derivatives by the p parameters.
    c (r, n), dc (p, r, n) : what each region sees of each compartment, and derivatives.
    dosing (d, 4), dosing_index (d, 4), dosed (d,) : lag (h), bioavailability, modelled rate and
    duration (h) of each dosed compartment, the parameter of each or -1, and its index.
    order, parent, one_way : plan of the matrix. All arrays are contiguous.
    """
    sizes = np.array(
        [
            k.shape[0], dk.shape[0], c.shape[0], dosed.shape[0], order.shape[0], int(one_way),
            rows.shape[0], doses.shape[0],
        ]
    )  # fmt: skip
    _linked_predict(
        sizes.ctypes, dosing_index.ctypes, dosed.ctypes, order.ctypes, parent.ctypes,
        k.ctypes, dk.ctypes, c.ctypes, dc.ctypes, dosing.ctypes,
        rows.ctypes, doses.ctypes, value.ctypes, jacobian.ctypes,
    )  # fmt: skip
