"""Tables of counted foci: strict CSV files, with errors that name file, row and column."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foci.counting.counts import FociSample, check_counts, pooled, totals
from foci.counting.slides import SlideCounts
from foci.errors import FociError

_TEXT = ("patient", "sample", "slide", "reader")
_NUMBERS = ("cycle", "time_h", "dose_gy", "cells", "foci")
_CLASS = re.compile(r"C(\d{1,2})(\+?)")
_WHOLE = re.compile(r"\d{1,9}(\.0*)?")


@dataclass(frozen=True)
class CountRow:
    """One row: what was counted on one slide, or in one sample.

    Parameters
    ----------
    patient, sample, slide, reader : str
        Names; empty where not given.
    cycle : int
        Treatment cycle; 1 where not given.
    time_h : float or None
        Time after the administration (h); negative for the baseline.
    dose_gy : float or None
        Dose of a calibration sample (Gy).
    cells, foci : int
        Nuclei scored and foci in them.
    distribution : tuple of int or None
        Number of cells with 0, 1, 2, ... foci.
    open_last_class : bool
        Whether its last class means "or more" and holds cells.
    line : int
        Line of the file, the header being line 1.
    """

    patient: str
    sample: str
    slide: str
    reader: str
    cycle: int
    time_h: float | None
    dose_gy: float | None
    cells: int
    foci: int
    distribution: tuple[int, ...] | None
    open_last_class: bool
    line: int

    def as_slide(self) -> SlideCounts:
        """The row as a slide; a distribution with an open last class is left out."""
        known = None if self.open_last_class else self.distribution
        return SlideCounts(self.slide or f"line {self.line}", self.reader, self.cells, self.foci,
                           known)  # fmt: skip


@dataclass(frozen=True)
class CountTable:
    """Rows of a table of counts, and what a reader of it should know."""

    rows: tuple[CountRow, ...]
    notices: tuple[str, ...]

    def samples(self, patient: str = "") -> tuple[FociSample, ...]:
        """Samples of a patient, slides of one cycle and time added up.

        Raises
        ------
        FociError
            If the table has no such patient, a row without a time, or a slide read twice.
        """
        groups: dict[tuple[int, float], list[FociSample]] = {}
        seen: set[tuple[int, float, str]] = set()
        for row in self.rows:
            if row.patient != patient:
                continue
            if row.time_h is None:
                raise FociError(f"line {row.line}: time_h is missing; a patient's sample needs it")
            key = (row.cycle, row.time_h, row.slide)
            if row.slide and key in seen:
                raise FociError(
                    f"line {row.line}: slide {row.slide} stands there twice for one sample; keep "
                    "one reading of it (reader_effect compares them)"
                )
            seen.add(key)
            whole = FociSample(row.cycle, row.time_h, row.cells, row.foci, row.distribution,
                               row.open_last_class)  # fmt: skip
            groups.setdefault((row.cycle, row.time_h), []).append(whole)
        if not groups:
            known = sorted({row.patient for row in self.rows})
            raise FociError(f"there is no patient {patient!r}; the table has {known}")
        return tuple(
            group[0] if len(group) == 1 else FociSample(*key, *pooled(group))
            for key, group in sorted(groups.items())
        )


def read_counts(
    path: str | os.PathLike[str],
    *,
    max_foci_per_cell: float = 100.0,
    ignore_unknown_columns: bool = False,
) -> CountTable:
    r"""Read counts of foci, one row a slide or a sample.

    Parameters
    ----------
    path : path
        A UTF-8 file, separated by commas or semicolons, with a header. Columns: `patient`,
        `sample`, `slide`, `reader` (text), `cycle`, `time_h`, `dose_gy`, and `cells` with
        `foci`, or the classes `C0`, `C1`, ... (number of cells with so many foci), of which the
        last may be open (`C6+`). All but the counts may be missing.
    max_foci_per_cell : float
        Counts above cells times this limit are refused: exchanged columns.
    ignore_unknown_columns : bool
        Skip unknown columns with a notice, instead of refusing them.

    Raises
    ------
    FociError
        If the file is no such table; the message names file, row, column and what is legal.

    Notes
    -----
    Where the open class holds cells and `foci` is not given, the foci are those of the
    maximum-likelihood Poisson mean, and a notice says so.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = Path(folder) / "foci.csv"
    ...     _ = place.write_text("time_h,cells,foci\n-1,100,20\n2,100,45\n")
    ...     [sample.per_cell for sample in read_counts(place).samples()]
    [0.2, 0.45]
    """
    place = Path(path)
    header, records = _records(place)
    notices = _check_header(place.name, header, ignore_unknown_columns)
    classes = _classes(place.name, header)
    rows = []
    for line, cells in records:
        if len(cells) != len(header):
            raise FociError(
                f"{place.name}, row {line}: the row has {len(cells)} cells, legal are "
                f"{len(header)} as in the header; write the decimal point, not a decimal comma"
            )
        row = _Row(place.name, line, dict(zip(header, cells, strict=True)))
        rows.append(_count_row(row, classes, max_foci_per_cell, notices))
    if not rows:
        raise FociError(f"{place.name}: the table has a header but no rows")
    return CountTable(tuple(rows), tuple(notices))


@dataclass(frozen=True)
class _Row:
    file: str
    line: int
    cells: dict[str, str]

    def error(self, column: str, message: str) -> FociError:
        return FociError(f"{self.file}, row {self.line}, column {column}: {message}")

    def whole(self, column: str, low: int) -> int:
        text = self.cells[column]
        legal = f"legal is a whole number from {low}"
        if not _WHOLE.fullmatch(text):
            hint = "; counts have no fractions and no sign" if text else ""
            raise self.error(column, f"got {text!r}, {legal}{hint}")
        if int(float(text)) < low:
            raise self.error(column, f"got {text}, {legal}")
        return int(float(text))

    def number(self, column: str, low: float) -> float | None:
        text = self.cells.get(column, "")
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not (np.isfinite(value) and value >= low):
            bound = f" from {low:g}" if np.isfinite(low) else ""
            raise self.error(column, f"got {text!r}, legal is a finite number{bound}")
        return value


def _records(place: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and the rows that are not blank, with their lines."""
    try:
        text = place.read_text("utf-8-sig")
    except OSError as error:
        raise FociError(f"{place}: the file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise FociError(f"{place.name}: the file is not UTF-8; save it as UTF-8") from None
    first = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(text.splitlines(), delimiter=";" if ";" in first else ",")
    try:
        lines = [(reader.line_num, [c.strip() for c in record]) for record in reader]
    except csv.Error as error:
        raise FociError(f"{place.name}, row {reader.line_num}: {error}") from None
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if not lines:
        raise FociError(f"{place.name}: the file is empty; legal is a header and rows")
    return lines[0][1], lines[1:]


def _check_header(file: str, header: list[str], ignore: bool) -> list[str]:
    """Notices about the columns."""
    notices = []
    for name in header:
        if header.count(name) > 1:
            raise FociError(f"{file}, row 1, column {name}: the column stands twice; keep one")
        if name in _TEXT or name in _NUMBERS or _CLASS.fullmatch(name):
            continue
        legal = ", ".join((*_TEXT, *_NUMBERS, "C0", "C1", "...", "C6+"))
        if not ignore:
            raise FociError(f"{file}, row 1, column {name}: unknown column, legal are {legal}")
        notices.append(f"{file}: the column {name} was ignored")
    return notices


def _classes(file: str, header: list[str]) -> tuple[str, ...]:
    """Names of the class columns in order; empty for cells and foci alone."""
    found = [(int(match[1]), match[2], name) for name in header
             if (match := _CLASS.fullmatch(name))]  # fmt: skip
    found.sort()
    if not found:
        missing = [name for name in ("cells", "foci") if name not in header]
        if missing:
            raise FociError(
                f"{file}, row 1, column {missing[0]}: the column is missing; give cells and foci, "
                "or the classes C0, C1, ..."
            )
        return ()
    numbers = [k for k, _, _ in found]
    if len(found) < 2 or numbers != list(range(len(found))) or any(p for _, p, _ in found[:-1]):
        raise FociError(
            f"{file}, row 1: the classes must be C0, C1, ... without a gap, only the last may be "
            f"open (C6+); got {', '.join(name for _, _, name in found)}"
        )
    return tuple(name for _, _, name in found)


def _count_row(
    row: _Row, classes: Sequence[str], max_foci_per_cell: float, notices: list[str]
) -> CountRow:
    distribution: tuple[int, ...] | None = None
    is_open = False
    given = any(row.cells[name] for name in classes)
    if given:
        distribution = tuple(row.whole(name, 0) for name in classes)
        is_open = classes[-1].endswith("+") and distribution[-1] > 0
    elif not (row.cells.get("cells") and row.cells.get("foci")):
        raise row.error("cells", "the counts are missing; give cells and foci, or the classes")
    cells, foci = _row_totals(row, distribution, is_open, notices)
    try:
        check_counts(cells, foci, max_foci_per_cell=max_foci_per_cell)
    except FociError as error:
        raise row.error("foci" if cells else "cells", str(error)) from None
    return CountRow(
        patient=row.cells.get("patient", ""),
        sample=row.cells.get("sample", ""),
        slide=row.cells.get("slide", ""),
        reader=row.cells.get("reader", ""),
        cycle=row.whole("cycle", 1) if row.cells.get("cycle") else 1,
        time_h=row.number("time_h", -np.inf),
        dose_gy=row.number("dose_gy", 0.0),
        cells=cells,
        foci=foci,
        distribution=distribution,
        open_last_class=is_open,
        line=row.line,
    )


def _row_totals(
    row: _Row, distribution: tuple[int, ...] | None, is_open: bool, notices: list[str]
) -> tuple[int, int]:
    """Cells and foci, from the columns or from the classes, which must agree."""
    if distribution is None:
        return row.whole("cells", 1), row.whole("foci", 0)
    cells, foci = totals(distribution)
    stated = {name: row.whole(name, 0) for name in ("cells", "foci") if row.cells.get(name)}
    if stated.get("cells", cells) != cells:
        raise row.error("cells", f"got {stated['cells']}, but the classes hold {cells}")
    if "foci" in stated and (stated["foci"] < foci or (stated["foci"] != foci and not is_open)):
        more = " or more" if is_open else ""
        raise row.error("foci", f"got {stated['foci']}, but the classes hold {foci}{more}")
    if is_open and "foci" not in stated and cells > distribution[-1]:
        from foci.counting.distributions import fit_distribution

        fit = fit_distribution([distribution], form="poisson", open_last_class=True)
        taken = max(foci, round(cells * float(fit.mean_per_cell[0])))
        notices.append(
            f"{row.file}, row {row.line}: {distribution[-1]} cells are in the open last class: at "
            f"least {foci} foci, {taken} are taken (censored Poisson counts ASSUMED)"
        )
        foci = taken
    return cells, stated.get("foci", foci)
