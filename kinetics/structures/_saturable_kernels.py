"""Compiled predictions of the saturable mammillary system."""

import hashlib
from typing import Any

import numpy as np
from numba import njit, types

from kinetics.structures._dose_events import dose_events
from kinetics.structures._ode_kernels import EXPLICIT, OK, STIFF, solve_one
from kinetics.structures._predict_signature import PREDICT

TOLERANCE = 1e-8  # relative; predictions of a structure
_ABSOLUTE = 1e-13  # of the total amount given
_MAX_STEPS = 20_000
_STIFF_FROM = 5000.0  # fastest rate times duration; Rodas5P is quicker from here on
_table = types.float64[:, ::1]


@njit(
    [
        types.void(
            types.float64[::1], types.int64[::1], types.int64[::1], types.float64, _table, _table,
            types.float64[::1], _table,
        )
    ],
    cache=True,
    error_model="numpy",
)  # fmt: skip
def predict_saturable(parameter, slot, observed, decay, rows, doses, value, jacobian):  # type: ignore[no-untyped-def]
    """Predictions and their derivatives.

    slot (p + 2): index into `parameter` of each system parameter, of the blood volume and of the
    factor from amount to observation; -1 where the parameter is left out (rates zero, capacity
    infinite, volume and factor one). observed: compartment of each region; -1 the sum of all.
    """
    n_system, n = slot.shape[0] - 2, (slot.shape[0] - 3) // 4
    full = np.zeros(n_system)
    full[1 + 3 * n :] = np.inf
    wanted = np.empty(n_system, dtype=np.int64)
    q = 0
    for i in range(n_system):
        if slot[i] >= 0:
            full[i] = parameter[slot[i]]
            wanted[q] = i
            q += 1
    value[:], jacobian[:] = np.nan, np.nan
    events = dose_events(doses)
    given = 0.0
    for d in range(doses.shape[0]):
        given += abs(doses[d, 1]) * (1.0 + doses[d, 6])
    if not (np.isfinite(parameter).all() and np.isfinite(events).all()):
        return
    order = np.argsort(rows[:, 0], kind="mergesort")
    fastest = full[0] + full[1 : 1 + n].sum() + full[1 + n : 1 + 3 * n].sum()
    fastest += given * (full[1 : 1 + n] / full[1 + 3 * n :]).sum()
    span = rows[order[-1], 0] - min(0.0, rows[order[0], 0])
    state, sens = np.empty((rows.shape[0], n + 1)), np.empty((rows.shape[0], n + 1, q))
    status, _ = solve_one(
        None, None, True, STIFF if fastest * span > _STIFF_FROM else EXPLICIT, np.zeros(n + 1),
        full, wanted[:q], rows[order, 0], events, TOLERANCE,
        np.full(n + 1, _ABSOLUTE * given + 1e-300), False, _MAX_STEPS, state, sens,
    )  # fmt: skip
    if status != OK:
        return
    jacobian[:] = 0.0
    volume = parameter[slot[n_system]] if slot[n_system] >= 0 else 1.0
    gain = parameter[slot[n_system + 1]] if slot[n_system + 1] >= 0 else 1.0
    for m in range(rows.shape[0]):
        row, compartment = order[m], observed[int(rows[order[m], 1])]
        factor = gain * np.exp(-decay * rows[row, 0]) / (volume if compartment == 0 else 1.0)
        value[row] = factor * (state[m].sum() if compartment < 0 else state[m, compartment])
        for k in range(q):
            slope = sens[m, :, k].sum() if compartment < 0 else sens[m, compartment, k]
            jacobian[row, slot[wanted[k]]] = factor * slope
        if compartment == 0 and slot[n_system] >= 0:
            jacobian[row, slot[n_system]] = -value[row] / volume
        if slot[n_system + 1] >= 0:
            jacobian[row, slot[n_system + 1]] = value[row] / gain


def compiled_predict(slot: tuple[int, ...], observed: tuple[int, ...], decay: float) -> Any:
    """`predict_saturable` of one layout, with the signature that all structures share."""

    def predict(parameter, rows, doses, value, jacobian):  # type: ignore[no-untyped-def]
        predict_saturable(
            parameter, np.array(slot), np.array(observed), decay, rows, doses, value, jacobian
        )

    # numba finds cached machine code by the name: two layouts must not share it
    layout = hashlib.sha256(repr((slot, observed, decay)).encode()).hexdigest()[:16]
    predict.__name__ = predict.__qualname__ = f"predict_{layout}"
    return njit([PREDICT], cache=True, error_model="numpy")(predict)
