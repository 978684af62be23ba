"""Compiled dose tables as events of a differential equation; no validation here."""

import numpy as np
from numba import njit, types

BOLUS, RATE_CHANGE, RESET = 0.0, 1.0, 2.0  # kinds of events; columns: time, kind, compartment, size
_table = types.float64[:, ::1]


@njit([_table(_table)], cache=True, error_model="numpy")
def dose_events(doses):  # type: ignore[no-untyped-def]
    """Events (time, kind, compartment, size) of a dose table, in order of time.

    Repeated doses are written out. Steady state and estimated rates have no events: NaN.
    """
    total = 0
    for d in range(doses.shape[0]):
        if doses[d, 3] < 0.0 or doses[d, 4] != 0.0:
            return np.full((1, 4), np.nan)
        total += (1 + int(doses[d, 6])) * (2 if doses[d, 3] > 0.0 else 1)
        total += 1 if doses[d, 7] != 0.0 else 0
    events, e = np.empty((total, 4)), 0
    for d in range(doses.shape[0]):
        start, amount, compartment, rate = doses[d, 0], doses[d, 1], doses[d, 2], doses[d, 3]
        if doses[d, 7] != 0.0:
            events[e] = np.array([start, RESET, 0.0, 0.0])
            e += 1
        for repeat in range(1 + int(doses[d, 6])):
            when = start + repeat * doses[d, 5]
            if rate > 0.0:
                events[e] = np.array([when, RATE_CHANGE, compartment, rate])
                e += 1
                events[e] = np.array([when + amount / rate, RATE_CHANGE, compartment, -rate])
            else:
                events[e] = np.array([when, BOLUS, compartment, amount])
            e += 1
    return events[np.argsort(events[:, 0], kind="mergesort")]
