"""Text of a user's table: of bounded size, in UTF-8, its cells with their place in the file."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from dosimetry.errors import DosimetryError

TABLE_BYTES = 5_000_000
"""Largest legal size of a table (bytes)."""

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_BINARY_MARKS = (b"\xff\xfe", b"\xfe\xff", b"PK", b"%PDF", b"\x89", b"\x80\x04", b"\xd0\xcf")


def refuse(
    path: Path, message: str, *, row: int | None = None, column: str | None = None
) -> NoReturn:
    """Raise the error of a file: its name, row and column, and what is legal."""
    place = [path.name]
    if row is not None:
        place.append(f"row {row}")
    if column is not None:
        place.append(f"column {column}")
    raise DosimetryError(f"{', '.join(place)}: {message}") from None


def read_text(path: str | Path, *, limit_bytes: int = TABLE_BYTES) -> tuple[Path, str]:
    """Read a UTF-8 text file, with or without byte-order mark.

    Raises
    ------
    DosimetryError
        If it is no regular file, too large, binary (a workbook, a pickle), or not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        refuse(path, f"there is no such file in {path.parent}; legal is a text file")
    with path.open("rb") as stream:
        raw = stream.read(limit_bytes + 1)
    if len(raw) > limit_bytes:
        refuse(path, f"it is larger than the legal {limit_bytes:,} bytes; keep the table only")
    if raw.startswith(_BINARY_MARKS) or b"\x00" in raw:
        refuse(path, "this is no UTF-8 text (a workbook?); save the table as CSV in UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw[: error.start].count(b"\n") + 1
        refuse(path, f"byte 0x{raw[error.start]:02X} is not UTF-8; save it as UTF-8", row=row)
    if not text.strip():
        refuse(path, "the file is empty; legal is a table of S values")
    return path, text


def delimiter_of(text: str) -> str:
    """Tab, semicolon or comma: the first of them that the text holds."""
    return next((mark for mark in "\t;" if mark in text), ",")


def table_rows(path: Path, text: str, delimiter: str) -> list[list[str]]:
    """Cells of every line, blanks stripped; list index plus one is the row of the file."""
    lines = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        return [[cell.strip() for cell in line] for line in lines]
    except csv.Error as error:
        refuse(path, f"this is no table ({error}); is a quotation mark left open?")


def json_content(path: Path, text: str) -> Any:
    """Content of a JSON text.

    Raises
    ------
    DosimetryError
        If it is no JSON, nested too deep or has a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        refuse(path, f"this is no JSON ({error.msg})", row=error.lineno)
    except (ValueError, RecursionError) as error:
        refuse(path, f"this is no JSON of S values ({error})")


def number(path: Path, cell: str, *, row: int, column: str, delimiter: str = "") -> float:
    """Read one S value, with a decimal point or, where commas do not part cells, a comma.

    Raises
    ------
    DosimetryError
        If the cell is empty, no number, not finite or negative.
    """
    if not cell:
        refuse(path, "the cell is empty; legal is a number, 0 for no dose", row=row, column=column)
    both = "." in cell and "," in cell
    if not _NUMBER.fullmatch(cell) or both or ("," in cell and delimiter == ","):
        hint = "; use a decimal point and no thousands separators" if "," in cell else ""
        message = f"got {cell[:40]!r}, legal is a number such as 1.68E-03{hint}"
        refuse(path, message, row=row, column=column)
    value = float(cell.replace(",", "."))
    if not 0 <= value < float("inf"):
        refuse(path, f"got {cell}, legal is a finite number from 0", row=row, column=column)
    return value


def one_value_each(path: Path, names: Sequence[str], what: str, *, row: int | None = None) -> None:
    """Refuse a region that is named twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            refuse(path, f"the {what} {name} is given twice; keep one of them", row=row)
        seen.add(name)
