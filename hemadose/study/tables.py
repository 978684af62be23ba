"""CSV tables of a study folder: strict cells, and errors that name file, row and column."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hemadose.errors import StudyError
from hemadose.study.text_files import choices, read_text, shown

LIMIT_BYTES = 5 * 1024 * 1024
LIMIT_ROWS = 20_000
_NO_LIMIT = 1e15

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")


@dataclass(frozen=True)
class Column:
    """One column of a table: its name, whether it must be there, and what it holds."""

    name: str
    required: bool
    text: str


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Parameters
    ----------
    file : str
        Name of the file in messages.
    line : int
        Line in the file, from 1; the header is line 1.
    cells : dict of str to str
        The stripped cells by column; absent columns are absent.
    """

    file: str
    line: int
    cells: dict[str, str]

    def error(self, column: str | None, message: str) -> StudyError:
        """Return the error that names file, row and column."""
        return StudyError(message, file=self.file, row=self.line, column=column)

    def given(self, column: str) -> bool:
        """Tell whether the cell is there and not empty."""
        return bool(self.cells.get(column))

    def number(
        self, column: str, low: float, high: float, *, open_low: bool = False, whole: bool = False
    ) -> float:
        """Read a number from `low` (excluded with `open_low`) to `high`; `whole` wants integers."""
        text = self.cells.get(column, "")
        legal = f"legal is a {'whole ' if whole else ''}number {_interval(low, high, open_low)}"
        if not text:
            raise self.error(column, f"the cell is empty, {legal}")
        if not _NUMBER.fullmatch(text):
            raise self.error(column, f"got {shown(text)}, {legal}{_hint(text)}")
        value = float(text)
        inside = math.isfinite(value) and low <= value <= high and not (open_low and value == low)
        if not inside or (whole and value != int(value)):
            raise self.error(column, f"got {shown(text)}, {legal}")
        return value

    def optional_number(self, column: str, low: float, high: float) -> float | None:
        """Read a number above `low`, or None where the cell is empty."""
        return self.number(column, low, high, open_low=True) if self.given(column) else None

    def integer(self, column: str, low: int, high: int) -> int:
        """Read a whole number from `low` to `high`."""
        return int(self.number(column, low, high, whole=True))

    def choice(self, column: str, legal: Sequence[str], default: str | None = None) -> str:
        """Read one of the legal words; the default where the cell is empty."""
        text = self.cells.get(column, "")
        if not text and default is not None:
            return default
        if text not in legal:
            problem = f"got {shown(text)}" if text else "the cell is empty"
            raise self.error(column, f"{problem}, {choices(legal, text)}")
        return text

    def text(self, column: str) -> str:
        """Read a short text; empty where the column is absent."""
        text = self.cells.get(column, "")
        if len(text) > 64 or not text.isprintable():
            raise self.error(column, f"got {shown(text)}, legal is text of at most 64 characters")
        return text


def _interval(low: float, high: float, open_low: bool) -> str:
    start = f"{'above' if open_low else 'from'} {low:g}"
    if high >= _NO_LIMIT:
        return start
    end = f"{high:.0f}" if high == int(high) else f"{high:g}"
    return f"{start} {'and up to' if open_low else 'to'} {end}"


def _hint(text: str) -> str:
    if _DECIMAL_COMMA.fullmatch(text):
        return f"; write the decimal point, {shown(text.replace(',', '.'))}"
    return ""


def read_table(path: Path, label: str, columns: Sequence[Column]) -> tuple[Row, ...]:
    """Read a comma- or semicolon-separated table.

    Parameters
    ----------
    path : Path
        The file.
    label : str
        Its name in messages.
    columns : sequence of Column
        The legal columns.

    Returns
    -------
    tuple of Row
        The rows that are not blank, in the order of the file.

    Raises
    ------
    StudyError
        If the text is not a table with this header.
    """
    text = read_text(path, label, limit_bytes=LIMIT_BYTES)
    records = _records(text, label, _separator(text, label))
    first, header = next(records, (1, []))
    if not header:
        legal = ", ".join(column.name for column in columns if column.required)
        raise StudyError(f"there is no header row; it must name {legal}", file=label, row=1)
    _check_header(header, label, first, columns)
    rows = []
    for line, cells in records:
        if len(cells) != len(header):
            raise StudyError(
                f"the row has {len(cells)} cells, legal are {len(header)} as in the header; "
                "write the decimal point, not a decimal comma",
                file=label,
                row=line,
            )
        rows.append(Row(label, line, dict(zip(header, cells, strict=True))))
        if len(rows) > LIMIT_ROWS:
            raise StudyError(f"the table has more than the legal {LIMIT_ROWS} rows", file=label)
    if not rows:
        raise StudyError(
            "the table has a header but no rows; fill it in, or remove the file", file=label, row=1
        )
    return tuple(rows)


def _separator(text: str, label: str) -> str:
    header = next(line for line in text.splitlines() if line.strip())
    found = [mark for mark in (",", ";", "\t") if mark in header]
    if found == ["\t"] or len(found) > 1:
        raise StudyError(
            f"the header {shown(header)} is not separated by commas alone or semicolons alone; "
            "legal is one of the two",
            file=label,
            row=1,
        )
    return found[0] if found else ","


def _records(text: str, label: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and stripped cells of each record that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            raise StudyError(
                "the quotes of this row do not match, or a cell is too long; write plain cells",
                file=label,
                row=line,
            ) from None
        if any("\n" in cell or "\r" in cell for cell in cells):
            raise StudyError(
                "a cell in quotes runs over several lines; write it on one line",
                file=label,
                row=line,
            )
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield line, stripped


def _check_header(header: list[str], label: str, line: int, columns: Sequence[Column]) -> None:
    legal = [column.name for column in columns]
    for name in header:
        if name not in legal:
            raise StudyError(
                f"unknown column {shown(name)}, {choices(legal, name)}",
                file=label,
                row=line,
                column=name if name.isidentifier() else shown(name),
            )
        if header.count(name) > 1:
            raise StudyError(
                "the column stands twice in the header; keep one",
                file=label,
                row=line,
                column=name,
            )
    for column in columns:
        if column.required and column.name not in header:
            raise StudyError(
                f"the column is missing; it holds {column.text}",
                file=label,
                row=line,
                column=column.name,
            )
