"""Checks of the cells of a table; the problems are collected so that all are told at once."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.population.cells import Cells, shown
from kinetics.population.errors import PopulationDataError

MOST_LISTED = 20
Mask = npt.NDArray[np.bool_]
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")


class Problems:
    """A growing list of problems, one sentence each."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self.total = 0

    def add(self, cells: Cells, column: str | None, message: str, row: int | None = None) -> None:
        """Add a problem of a column, in row number `row` (an index) where that is given."""
        self.total += 1
        if len(self.listed) < MOST_LISTED:
            place = [cells.file]
            if row is not None:
                place.append(f"row {cells.line[row]}")
            if column is not None:
                place.append(f"column {cells.spelled.get(column, column)}")
            self.listed.append(f"{', '.join(place)}: {message}.")

    def add_where(
        self, mask: Mask, cells: Cells, column: str, legal: str | Callable[[int], str]
    ) -> None:
        """Add a problem for every row of a mask.

        Parameters
        ----------
        mask : ndarray of bool, shape (n_rows,)
            The rows that are wrong.
        cells : Cells
            The table.
        column : str
            The column that is wrong.
        legal : str or callable of the index of the row
            Second half of the sentence that begins with what was given.
        """
        rows = np.flatnonzero(mask)
        for row in rows[:MOST_LISTED]:
            text = cells.columns[column][row] if column in cells.columns else ""
            empty = text == "" or (isinstance(text, float) and np.isnan(text))
            given = "the cell is empty" if empty else f"got {shown(text)}"
            rest = legal if isinstance(legal, str) else legal(int(row))
            self.add(cells, column, f"{given}, {rest}", int(row))
        self.total += max(len(rows) - MOST_LISTED, 0)

    def add_first_of(self, other: Problems) -> None:
        """Add the first of other problems, and how many rows are like it."""
        if not other.total:
            return
        self.total += 1
        more = f"; {other.total - 1} more rows are like it." if other.total > 1 else "."
        if len(self.listed) < MOST_LISTED:
            self.listed.append(other.listed[0].removesuffix(".") + more)

    def raise_if_any(self) -> None:
        """Raise `PopulationDataError` if there is any problem."""
        if self.total:
            raise PopulationDataError(*self.listed, total=self.total)


def numbers(
    cells: Cells,
    column: str,
    problems: Problems,
    *,
    missing: float = np.nan,
    hint: str = "",
) -> FloatArray:
    """Read a column of finite numbers.

    Parameters
    ----------
    cells : Cells
        The table.
    column : str
        The column; where the table lacks it all is `missing`.
    problems : Problems
        Takes the cells that are no numbers.
    missing : float
        Value of missing cells.
    hint : str
        What to do about a cell that is no number.

    Returns
    -------
    ndarray, shape (n_rows,)
    """
    if column not in cells.columns:
        return np.full(len(cells.line), missing)
    raw = cells.columns[column]
    value = raw if raw.dtype.kind == "f" else _parsed(cells, column, problems, hint)
    problems.add_where(np.isinf(value), cells, column, "legal is a finite number")
    return np.where(absent(cells, column), missing, value)


def absent(cells: Cells, column: str) -> Mask:
    """Tell which cells of a column are empty; all if there is no such column."""
    if column not in cells.columns:
        return np.ones(len(cells.line), dtype=bool)
    raw = cells.columns[column]
    return np.isnan(raw) if raw.dtype.kind == "f" else np.asarray(raw == "", dtype=bool)


def _parsed(cells: Cells, column: str, problems: Problems, hint: str) -> FloatArray:
    texts = ["nan" if text == "" else text for text in cells.columns[column]]
    if cells.decimal == ",":
        texts = [text.replace(",", ".") for text in texts]
    try:
        return np.array(texts, dtype=object).astype(np.float64)
    except ValueError:
        value = np.array([_number(text) for text in texts])
    wrong = np.isnan(value) & (cells.columns[column] != "")
    problems.add_where(
        wrong, cells, column, lambda row: f"legal is a number{_advice(texts[row]) or hint}"
    )
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _advice(text: str) -> str:
    if _CLOCK.fullmatch(text):
        return " of hours; write a clock time as hours since the first dose (9:30 after 8:00: 1.5)"
    if _DATE.fullmatch(text):
        return " of hours; write a date as hours since the first dose"
    if re.fullmatch(r"[+-]?\d*,\d+", text):
        return "; write the decimal point, or read the file with decimal=','"
    return ""
