"""Tables of irradiated samples: what `hemadose foci calibrate` reads."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.foci_commands.inputs import told_as

if TYPE_CHECKING:
    from foci import CountRow

_OWN = ("laboratory", "dose_mgy")  # columns beside those of foci.read_counts


@dataclass(frozen=True)
class DoseSeries:
    """Irradiated samples of one laboratory.

    Attributes
    ----------
    laboratory : str
        Its name; empty if the table has none.
    rows : tuple of CountRow
        Counts, in order of the table.
    dose_gy : tuple of float
        Dose of each row (Gy).
    """

    laboratory: str
    rows: tuple[CountRow, ...]
    dose_gy: tuple[float, ...]


def read_series(path: Path, laboratory: str | None) -> tuple[tuple[DoseSeries, ...], list[str]]:
    """Samples of a table, one series a laboratory, and what a reader of it should know.

    Parameters
    ----------
    path : Path
        Columns as for `foci.read_counts`, with `dose_gy` or `dose_mgy`, and `laboratory`.
    laboratory : str, optional
        Only this one of the table; its name, if the table names none.

    Raises
    ------
    HemadoseError
        If the table or a dose is not legal, a slide stands there twice, or there is no such
        laboratory.
    """
    from foci import read_counts

    with told_as():
        table = read_counts(path, ignore_unknown_columns=True)
    own = _own_columns(path)
    notices = [text for text in table.notices if not text.endswith("was ignored")]
    groups: dict[str, list[tuple[CountRow, float]]] = {}
    seen: set[tuple[str, float, str, str]] = set()
    for row in table.rows:
        cells = own.get(row.line, {})
        dose = _dose_gy(path.name, row, cells)
        name = cells.get("laboratory", "")
        if "laboratory" in cells and not name:
            raise HemadoseError(
                f"{path.name}, row {row.line}, column laboratory: the name is missing; legal is a "
                "name in every row, or no such column"
            )
        key = (name, dose, row.sample, row.slide)
        if row.slide and key in seen:
            raise HemadoseError(
                f"{path.name}, row {row.line}, column slide: the slide {row.slide} stands there "
                "twice for one sample; keep one reading of it"
            )
        seen.add(key)
        groups.setdefault(name, []).append((row, dose))
    if list(groups) == [""]:
        groups = {laboratory or "": groups[""]}
    elif laboratory is not None and laboratory not in groups:
        raise HemadoseError(
            f"--laboratory: {path.name} has no laboratory {laboratory!r}; legal are "
            f"{', '.join(sorted(groups))}"
        )
    series = [
        DoseSeries(name, tuple(row for row, _ in group), tuple(dose for _, dose in group))
        for name, group in groups.items()
        if laboratory in (None, name)
    ]
    return tuple(series), notices


def _own_columns(path: Path) -> dict[int, dict[str, str]]:
    """Cells of the columns that `foci.read_counts` does not know, by line."""
    lines = path.read_text("utf-8-sig").splitlines()
    first = next(line for line in lines if line.strip())
    reader = csv.reader(lines, delimiter=";" if ";" in first else ",")
    found = [(reader.line_num, [cell.strip() for cell in record]) for record in reader]
    found = [(line, cells) for line, cells in found if any(cells)]
    header = found[0][1]
    known = ("patient", "sample", "slide", "reader", "cycle", "time_h", "dose_gy", "cells", "foci")
    for name in header:
        if name not in (*known, *_OWN) and not (name[:1] == "C" and name[1:2].isdecimal()):
            raise HemadoseError(
                f"{path.name}, row 1, column {name}: unknown column, legal are "
                f"{', '.join((*known, *_OWN))}, C0, C1, ..., C6+"
            )
    return {
        line: {name: cell for name, cell in zip(header, cells, strict=True) if name in _OWN}
        for line, cells in found[1:]
    }


def _dose_gy(file: str, row: CountRow, own: dict[str, str]) -> float:
    text = own.get("dose_mgy", "")
    column = "dose_mgy" if "dose_mgy" in own else "dose_gy"
    if text and row.dose_gy is not None:
        raise HemadoseError(
            f"{file}, row {row.line}, column dose_mgy: the row has a dose_gy, too; keep one"
        )
    if not text:
        if row.dose_gy is None:
            raise HemadoseError(
                f"{file}, row {row.line}, column {column}: the dose is missing; legal is a "
                "finite number from 0, in Gy (dose_gy) or mGy (dose_mgy)"
            )
        return row.dose_gy
    try:
        dose = float(text) / 1000
    except ValueError:
        dose = float("nan")
    if not (np.isfinite(dose) and dose >= 0):
        raise HemadoseError(
            f"{file}, row {row.line}, column dose_mgy: got {text!r}, legal is a finite number "
            "from 0"
        )
    return dose
