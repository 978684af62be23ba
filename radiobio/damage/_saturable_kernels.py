"""Compiled loop of saturable repair; no validation here."""

import math

from numba import njit, types

_RELATIVE, _ABSOLUTE = 1e-7, 1e-11  # accepted error of a step
_MOST_STEPS = 200_000  # of one curve
_TABLE = types.Array(types.float64, 2, "C", readonly=True)
_LIST = types.Array(types.float64, 1, "C", readonly=True)


@njit(cache=True, nogil=True, error_model="numpy")
def _slope(curve, row, time, n):  # type: ignore[no-untyped-def]
    """Breaks made minus breaks repaired per hour."""
    amplitude, rate, induction, capacity, half, first_order = curve
    made = 0.0
    for i in range(amplitude.shape[1]):
        made += amplitude[row, i] * math.exp(-rate[row, i] * time)
    return induction[row] * made - n * (capacity[row] / (half[row] + n) + first_order[row])


@njit(cache=True, nogil=True, error_model="numpy")
def _step(curve, row, time, n, h, k1):  # type: ignore[no-untyped-def]
    """Dormand-Prince step of order 5: new value, its slope, and the error estimate."""
    k2 = _slope(curve, row, time + h / 5, n + h * k1 / 5)
    k3 = _slope(curve, row, time + 0.3 * h, n + h * (3 * k1 + 9 * k2) / 40)
    k4 = _slope(curve, row, time + 0.8 * h, n + h * (44 / 45 * k1 - 56 / 15 * k2 + 32 / 9 * k3))
    k5 = _slope(
        curve, row, time + 8 / 9 * h,
        n + h * (19372 * k1 - 76080 * k2 + 64448 * k3 - 1908 * k4) / 6561,
    )  # fmt: skip
    k6 = _slope(
        curve, row, time + h,
        n + h * (9017 / 3168 * k1 - 355 / 33 * k2 + 46732 / 5247 * k3 + 49 / 176 * k4
                 - 5103 / 18656 * k5),
    )  # fmt: skip
    new = n + h * (
        35 / 384 * k1 + 500 / 1113 * k3 + 125 / 192 * k4 - 2187 / 6784 * k5 + 11 / 84 * k6
    )
    k7 = _slope(curve, row, time + h, new)
    error = h * (
        71 / 57600 * k1 - 71 / 16695 * k3 + 71 / 1920 * k4 - 17253 / 339200 * k5
        + 22 / 525 * k6 - k7 / 40
    )  # fmt: skip
    return new, k7, error


@njit(
    types.int64(
        _TABLE, _TABLE, _LIST, _LIST, _LIST, _LIST, _LIST, _LIST,
        types.float64[:, ::1], types.int64, types.int64,
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)  # fmt: skip
def saturable_foci(  # type: ignore[no-untyped-def]
    amplitude, rate, induction, capacity, half, first_order, initial, time, out, start, stop
):
    """Foci of curves start to stop at ascending times into out (n, n_times).

    Returns the first curve that took too many steps, or -1.
    """
    curve = (amplitude, rate, induction, capacity, half, first_order)
    for row in range(start, stop):
        now, n, steps = 0.0, initial[row], 0
        slope = _slope(curve, row, now, n)
        fastest = capacity[row] / half[row] + first_order[row]
        for i in range(rate.shape[1]):
            fastest = max(fastest, rate[row, i])
        h = 0.01 / fastest if fastest > 0.0 else 1.0
        for m in range(len(time)):
            while now < time[m]:
                last = now + 1.01 * h >= time[m]
                size = time[m] - now if last else h
                new, new_slope, error = _step(curve, row, now, n, size, slope)
                ratio = abs(error) / (_ABSOLUTE + _RELATIVE * max(abs(n), abs(new)))
                grown = size * min(4.0, max(0.2, 0.9 * max(ratio, 1e-10) ** -0.2))
                if ratio <= 1.0:
                    now = time[m] if last else now + size
                    n, slope = new, new_slope
                    h = max(h, grown) if last else grown
                else:
                    h = grown
                steps += 1
                if steps > _MOST_STEPS:
                    return row
            out[row, m] = n
    return -1
