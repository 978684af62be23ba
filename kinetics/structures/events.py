"""Doses as NONMEM describes them: rows of the dose table, and what they stand for."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.structures.structure import DOSE_COLUMNS

_TIME, _STEADY, _INTERVAL, _ADDITIONAL, _RESET = 0, 4, 5, 6, 7
_TOLERANCE_H = 1e-9


def dose_row(
    *,
    time_h: float,
    amount: float,
    compartment: int = 0,
    rate: float = 0.0,
    steady_state: int = 0,
    interval_h: float = 0.0,
    additional: int = 0,
    reset: bool = False,
) -> tuple[float, ...]:
    """One validated row of the dose table.

    Parameters
    ----------
    time_h : float
        Time of the dose (h).
    amount : float
        Amount; 0 only for a reset or for the constant infusion of a steady state.
    compartment : int
        Compartment, counted from 0.
    rate : float
        Amount per hour of an infusion; 0 a bolus, -1 the rate is a parameter, -2 the duration is.
    steady_state : {0, 1, 2}
        1: given every `interval_h` since ever, replaces what was there; 2: the same, added to it.
        With amount and interval 0: a constant infusion since ever that stops at `time_h`.
    interval_h : float
        Between repeated doses (h).
    additional : int
        Number of further doses.
    reset : bool
        Whether the system is emptied just before the dose.

    Returns
    -------
    tuple of float
        In the order of `kinetics.structures.DOSE_COLUMNS`.

    Raises
    ------
    KineticsError
        If a value is illegal, or the values do not fit together.

    Examples
    --------
    >>> dose_row(time_h=0, amount=100, interval_h=24, additional=3)
    (0.0, 100.0, 0.0, 0.0, 0.0, 24.0, 3.0, 0.0)
    """
    row = (
        float(time_h), float(amount), float(compartment), float(rate), float(steady_state),
        float(interval_h), float(additional), float(reset),
    )  # fmt: skip
    for name, value in zip(DOSE_COLUMNS, row, strict=True):
        if not math.isfinite(value):
            raise KineticsError(f"{name} of a dose must be finite, got {value}")
        if value < 0 and name not in ("time_h", "rate"):
            raise KineticsError(f"{name} of a dose must not be negative, got {value:g}")
    for name, whole in (("compartment", compartment), ("additional", additional)):
        if whole != int(whole):
            raise KineticsError(f"{name} of a dose must be a whole number, got {whole:g}")
    if rate < 0 and rate not in (-1, -2):
        raise KineticsError(
            f"rate {rate:g} is illegal: positive, 0 (bolus), -1 (rate is a parameter) or "
            "-2 (duration is a parameter)"
        )
    if steady_state not in (0, 1, 2):
        raise KineticsError(f"steady_state must be 0, 1 or 2, got {steady_state:g}")
    problem = _conflict(amount, rate, steady_state, interval_h, additional, reset)
    if problem:
        raise KineticsError(f"dose at {time_h:g} h: {problem}")
    return row


def _conflict(
    amount: float, rate: float, steady_state: int, interval_h: float, additional: int, reset: bool
) -> str:
    """What does not fit together; empty when all does."""
    if additional > 0 and interval_h == 0:
        return "additional doses need an interval_h"
    if amount > 0 or not (steady_state or rate):
        if steady_state and interval_h == 0:
            return "steady state needs an interval_h (or amount 0 and a rate: constant infusion)"
        if amount == 0 and not reset:
            return "amount 0 is legal only for a reset or a constant infusion in steady state"
        return ""
    if not steady_state or rate in (0, -2) or interval_h > 0:
        return "amount 0 with a rate means a constant infusion: steady_state, rate, no interval_h"
    return ""


def nonmem_dose(
    *,
    time_h: float,
    evid: int,
    amt: float = 0.0,
    cmt: int = 1,
    rate: float = 0.0,
    ii: float = 0.0,
    addl: int = 0,
    ss: int = 0,
) -> tuple[float, ...] | None:
    """Dose-table row of one NONMEM event record, None if the record gives no dose.

    Parameters
    ----------
    time_h : float
        TIME, counted within the occasion (h).
    evid : int
        EVID: 0 observation, 1 dose, 2 other, 3 reset, 4 reset and dose; or nlmixr2's classic code
        of a dose into compartment n, 100 n + 1 (101, 201, ...), which overrides `cmt`.
    amt, rate, ii, addl, ss : float
        Data items AMT, RATE, II, ADDL, SS.
    cmt : int
        CMT, counted from 1; 0 stands for the first compartment.

    Raises
    ------
    KineticsError
        If a code is unknown or the record is no legal dose.

    Examples
    --------
    >>> nonmem_dose(time_h=0.0, evid=101, amt=320.0)
    (0.0, 320.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    >>> nonmem_dose(time_h=0.0, evid=0) is None
    True
    """
    if evid in (0, 2):
        return None
    if evid == 3:
        return dose_row(time_h=time_h, amount=0.0, reset=True)
    if evid >= 100 and evid % 100 == 1 and evid < 10000:
        cmt = evid // 100
    elif evid not in (1, 4):
        raise KineticsError(
            f"EVID {evid} is not supported: use 0 to 4, or 101, 201, ... for a dose into "
            "compartment 1, 2, ...; give infusions by RATE and steady state by SS and II"
        )
    if cmt < 0:
        raise KineticsError(f"CMT {cmt}: turning compartments off is not supported")
    return dose_row(
        time_h=time_h, amount=amt, compartment=max(int(cmt) - 1, 0), rate=rate, steady_state=ss,
        interval_h=ii, additional=addl, reset=evid == 4,
    )  # fmt: skip


def expand_doses(table: npt.ArrayLike) -> FloatArray:
    """Every dose on its own row: repeated doses written out, those cancelled by a reset dropped.

    Predictions do not change. A dose in steady state stays one row, because it stands for
    infinitely many earlier doses.

    Parameters
    ----------
    table : array_like, shape (n_doses, 8)
        Dose table (see `kinetics.structures.dose_table`), in order of time.

    Returns
    -------
    ndarray, shape (n_expanded, 8)
        Dose table in order of time, without additional doses.

    Raises
    ------
    KineticsError
        If the table does not have 8 columns or is not in order of time.

    Examples
    --------
    >>> from kinetics.structures.structure import dose_table
    >>> expand_doses(dose_table(amount=100.0, interval_h=12.0, additional=2))[:, 0]
    array([ 0., 12., 24.])
    """
    doses = np.asarray(table, dtype=np.float64)
    if doses.ndim != 2 or doses.shape[1] != len(DOSE_COLUMNS):
        raise KineticsError(
            f"a dose table has {len(DOSE_COLUMNS)} columns ({', '.join(DOSE_COLUMNS)}), "
            f"got shape {doses.shape}"
        )
    if (np.diff(doses[:, _TIME]) < 0).any():
        raise KineticsError("the dose table must be in order of time")
    stop, parts = np.inf, []
    for dose in doses[::-1]:
        number = np.arange(int(dose[_ADDITIONAL]) + 1)
        rows = np.repeat(dose[None], len(number), axis=0)
        rows[:, _TIME] += number * dose[_INTERVAL]
        rows[1:, [_STEADY, _RESET]] = 0.0
        kept = rows[:, _TIME] < stop - _TOLERANCE_H
        kept[0] |= dose[_RESET] > 0  # a reset stays, even where another one follows at once
        parts.append(rows[kept])
        if dose[_RESET] > 0 or dose[_STEADY] == 1:
            stop = min(stop, dose[_TIME])
    expanded = np.concatenate([doses[:0], *parts[::-1]])
    expanded[:, _ADDITIONAL] = 0.0
    expanded[expanded[:, _STEADY] == 0, _INTERVAL] = 0.0
    return expanded[np.argsort(expanded[:, _TIME], kind="stable")]
