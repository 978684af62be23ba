"""Cells of a table, from a delimited text file or a data frame, with the line of each row."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.population.errors import PopulationDataError

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.population.data import IntArray

TextArray = npt.NDArray[np.object_]
MISSING = frozenset({"", ".", "NA", "NaN", "nan", "None", "<NA>"})
_SEPARATORS = (",", ";", "\t", " ")


@dataclass(frozen=True, eq=False)
class Cells:
    """The rows of a table.

    Attributes
    ----------
    file : str
        Name of the table in messages.
    line : ndarray of int, shape (n_rows,)
        Line of the file of each row, from 1; of a data frame its position, from 0.
    columns : mapping of str to ndarray, shape (n_rows,)
        Cells by column: text in which missing cells are empty, or numbers.
    spelled : mapping of str to str
        How the file spells a column.
    decimal : str
        The decimal mark.
    """

    file: str
    line: IntArray
    columns: Mapping[str, npt.NDArray[Any]]
    spelled: Mapping[str, str]
    decimal: str = "."

    def select(self, mask: npt.NDArray[np.bool_]) -> Cells:
        """Return the rows of a mask."""
        chosen = {name: column[mask] for name, column in self.columns.items()}
        return Cells(self.file, self.line[mask], chosen, self.spelled, self.decimal)

    def renamed(self, names: Mapping[str, str]) -> Cells:
        """Return the table with other names of columns; messages keep the spelling of the file."""
        columns: dict[str, npt.NDArray[Any]] = {}
        spelled: dict[str, str] = {}
        for old, values in self.columns.items():
            new = names.get(old, old)
            if new in columns:
                raise PopulationDataError(
                    f"{self.file}, row 1: the columns {spelled[new]} and {self.spelled[old]} both "
                    f"mean {new}; keep one of them."
                )
            columns[new], spelled[new] = values, self.spelled[old]
        return Cells(self.file, self.line, columns, spelled, self.decimal)


def shown(value: object) -> str:
    """Quote a value for a message: one line, at most 40 characters."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def read_cells(
    path: str | os.PathLike[str], *, separator: str | None = None, decimal: str = "."
) -> Cells:
    """Read a delimited text file with a header.

    Parameters
    ----------
    path : path
        A UTF-8 text file. Blank lines and lines that start with ``#`` are skipped; the header may
        start with ``#``.
    separator : str, optional
        Separator; missing: the first of comma, semicolon, tab and blanks found in the header.
    decimal : str
        Decimal mark, ``.`` or ``,``.

    Raises
    ------
    PopulationDataError
        If this is not a table.
    """
    place = Path(path)
    if decimal not in (".", ","):
        raise PopulationDataError(f"got the decimal mark {decimal!r}, legal are '.' and ','")
    try:
        text = place.read_text("utf-8-sig")
    except OSError as error:
        raise PopulationDataError(f"{place}: the file cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError as error:
        raise PopulationDataError(
            f"{place.name}: byte {error.start + 1} is not UTF-8; save the file as UTF-8."
        ) from None
    lines = [line.strip(" \r") for line in text.split("\n")]
    numbers = [i for i, line in enumerate(lines) if line and not line.startswith("#")]
    commented = [i for i, line in enumerate(lines) if line.startswith("#")]
    if commented and (not numbers or commented[0] < numbers[0]) and _names(lines[commented[0]]):
        first = commented[0]
    elif numbers:
        first = numbers.pop(0)
    else:
        raise PopulationDataError(f"{place.name}: the file is empty; legal is a header and rows.")
    mark = separator or next((m for m in _SEPARATORS if m in lines[first]), ",")
    header, *records = _split(
        place.name, [lines[first].lstrip("# "), *(lines[i] for i in numbers)], mark
    )
    line = np.array(numbers, dtype=np.int64) + 1
    _check_shape(place.name, header, records, line, first + 1)
    table = np.array(records, dtype=object).reshape(len(records), len(header))
    table[np.isin(table, list(MISSING))] = ""
    columns = {name: table[:, j] for j, name in enumerate(header)}
    return Cells(place.name, line, columns, {name: name for name in header}, decimal)


def _names(line: str) -> bool:
    """Tell whether a commented line is a header: it names an ID, a subject or a patient."""
    words = line.lstrip("# ").casefold().replace(",", " ").replace(";", " ").split()
    return bool({"id", "subject", "patient"} & set(words[:3]))


def _split(file: str, lines: list[str], mark: str) -> list[list[str]]:
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    try:
        return [[cell.strip() for cell in record] for record in reader]
    except csv.Error as error:
        raise PopulationDataError(f"{file}: the file is no table ({error}).") from None


def _check_shape(
    file: str, header: list[str], records: list[list[str]], line: IntArray, first: int
) -> None:
    twice = {name.casefold() for name in header if _count(header, name) > 1}
    if twice or "" in header:
        what = f"named {', '.join(sorted(twice))} twice" if "" not in header else "without a name"
        raise PopulationDataError(f"{file}, row {first}: there are columns {what}; name each once.")
    if not records:
        raise PopulationDataError(f"{file}: the table has a header but no rows.")
    if len(records) != len(line):
        raise PopulationDataError(
            f"{file}: a quoted cell runs over several lines; write it on one."
        )
    wrong = [i for i, record in enumerate(records) if len(record) != len(header)]
    if wrong:
        raise PopulationDataError(
            f"{file}, row {line[wrong[0]]}: the row has {len(records[wrong[0]])} cells, legal are "
            f"{len(header)} as in the header; mark a missing cell by a dot"
            + (f"; {len(wrong) - 1} more rows are like it." if len(wrong) > 1 else ".")
        )


def _count(header: list[str], name: str) -> int:
    return sum(other.casefold() == name.casefold() for other in header)


def cells_of_frame(frame: pd.DataFrame, label: str) -> Cells:
    """Cells of a data frame; `label` names it in messages."""
    columns: dict[str, npt.NDArray[Any]] = {}
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise PopulationDataError(f"{label}: there are two columns {twice[0]}; name each once.")
    for name in frame.columns:
        series = frame[name]
        if series.dtype.kind in "iufb":
            columns[str(name)] = series.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            columns[str(name)] = _text(series.astype(object).to_numpy(dtype=object))
    line = np.arange(len(frame), dtype=np.int64)
    return Cells(label, line, columns, {name: name for name in columns})


def _text(values: TextArray) -> TextArray:
    """Text of each cell, numbers that are whole without a fraction; missing ones empty."""
    out = np.empty(len(values), dtype=object)
    out[:] = ["" if (text := _one(value)) in MISSING else text for value in values]
    return out


def _one(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float | np.floating):
        return _plain(float(value))
    return str(value)


def _plain(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


def identifiers(values: Iterable[Any], *, numeric: bool = False) -> TextArray:
    """Text of each identifier.

    Numbers that are whole are written without a fraction; text stays as it is written unless
    `numeric`, in which case ``"01"`` and ``"1.0"`` are ``"1"`` if the whole column is numeric.
    Object arrays are columns of `Cells`: text already.
    """
    array = np.asarray(values)
    if numeric and array.dtype.kind != "f":
        with contextlib.suppress(ValueError):
            array = array.astype(np.float64)
    if array.dtype == object:
        return array
    distinct, index = np.unique(array, return_inverse=True)
    return _text(distinct.astype(object))[index]
