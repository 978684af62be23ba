"""Rows of a dose table, checked and turned into the columns that structures take."""

from __future__ import annotations

import numpy as np

from kinetics.curves import FloatArray
from kinetics.population.cells import Cells
from kinetics.population.problems import Mask, Problems, absent, numbers
from kinetics.structures.structure import DOSE_COLUMNS, dose_table

_LEGAL = ("subject", "occasion", *DOSE_COLUMNS, "duration_h")


def default_doses(amount: FloatArray) -> FloatArray:
    """Dose table with a bolus at time 0 of each amount."""
    return dose_table(amount=amount)


def dose_values(cells: Cells, problems: Problems) -> FloatArray:
    """Dose table, shape (n_doses, 8), of a table of doses.

    Parameters
    ----------
    cells : Cells
        Columns of `kinetics.structures.DOSE_COLUMNS`, or `duration_h` in place of `rate`; empty
        cells and absent columns are 0, except the amount.
    problems : Problems
        Takes what is not legal.
    """
    for name in cells.columns:
        if name not in _LEGAL:
            problems.add(cells, name, f"unknown column of doses; legal are {', '.join(_LEGAL)}")
    column = {name: numbers(cells, name, problems, missing=0.0) for name in DOSE_COLUMNS}
    column["rate"] = _rate(cells, column, problems)
    _check(cells, column, problems)
    if not len(cells.line):
        return np.empty((0, len(DOSE_COLUMNS)))
    return dose_table(**column)


def _rate(cells: Cells, column: dict[str, FloatArray], problems: Problems) -> FloatArray:
    """Rate of each dose, from its duration where that is given."""
    duration = numbers(cells, "duration_h", problems, missing=0.0)
    problems.add_where(
        duration < 0, cells, "duration_h", "legal is a number of hours from 0 (0: a bolus)"
    )
    both = (duration > 0) & (column["rate"] != 0)
    problems.add_where(both, cells, "duration_h", "but there is a rate as well; keep one of them")
    infused = duration > 0
    return np.where(infused, column["amount"] / np.where(infused, duration, 1.0), column["rate"])


def _check(cells: Cells, column: dict[str, FloatArray], problems: Problems) -> None:
    amount, rate, steady = column["amount"], column["rate"], column["steady_state"]
    interval, additional = column["interval_h"], column["additional"]
    spelled = {name: cells.spelled.get(name, name) for name in DOSE_COLUMNS}
    endless = (steady > 0) & (interval == 0) & (amount == 0) & ((rate > 0) | (rate == -1))
    empty = absent(cells, "amount")
    checks = {
        "amount": (
            ((amount < 0) | empty & ~endless, "legal is a number from 0"),
            (
                (amount == 0) & ~empty & (rate != 0) & ~endless,
                f"but {spelled['rate']} is given: an infusion of nothing; legal is an amount "
                "above 0",
            ),
        ),
        "compartment": (
            (_not_whole(column["compartment"]), "legal is a whole number from 0"),
        ),
        "rate": (
            (
                (rate < 0) & (rate != -1) & (rate != -2),
                "legal is a rate per hour above 0, 0 for a bolus, -1 where the rate is a parameter "
                "of the model and -2 where the duration is",
            ),
        ),
        "steady_state": (
            (~np.isin(steady, (0, 1, 2)), "legal are 0, 1 (replaces what was) and 2 (adds to it)"),
        ),
        "interval_h": (
            (interval < 0, "legal is a number of hours from 0"),
            (
                (interval == 0) & (additional > 0),
                f"but {spelled['additional']} is above 0; legal is the interval between the doses, "
                "above 0 h",
            ),
            (
                (interval == 0) & (steady > 0) & ~endless & (additional <= 0),
                f"but {spelled['steady_state']} is above 0; legal is the interval between the "
                "doses, above 0 h",
            ),
        ),
        "additional": ((_not_whole(additional), "legal is a whole number from 0"),),
        "reset": ((~np.isin(column["reset"], (0, 1)), "legal are 0 and 1"),),
    }  # fmt: skip
    for name, rules in checks.items():
        for wrong, legal in rules:
            problems.add_where(wrong & np.isfinite(column[name]), cells, name, legal)


def _not_whole(value: FloatArray) -> Mask:
    return np.asarray((value < 0) | (value != np.floor(value)), dtype=bool)
