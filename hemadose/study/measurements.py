"""Readers of a study folder's tables: samples, foci, blood counts and the clinic's doses."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path

from hemadose.study.table_columns import (
    ACTIVITY_COLUMNS,
    CONCENTRATIONS,
    COUNT_COLUMNS,
    COUNT_RANGES,
    DOSE_COLUMNS,
    DOSE_METHODS,
    FOCI_COLUMNS,
    LINEAGES,
    REGIONS,
    legal_units,
)
from hemadose.study.table_rows import ActivitySample, CountRow, DoseRow, FociRow
from hemadose.study.tables import Row, read_table
from hemadose.study.text_files import choices, shown

_ADMINISTERED_MARGIN = 1.2
_SMALLEST_VOLUME_ML = 1000.0
_LARGEST_DOSE = {"blood": 5.0, "marrow": 5.0, "whole_body": 5.0}


def read_activity(
    path: Path,
    label: str,
    *,
    administered_mbq: Mapping[int, float],
    tumours: Collection[str],
    decay_per_h: float = 0.0,
) -> tuple[ActivitySample, ...]:
    """Read activity.csv.

    Parameters
    ----------
    path, label : Path and str
        The file, and its name in messages.
    administered_mbq : mapping of int to float
        Administered activity of each cycle (MBq).
    tumours : collection of str
        Declared tumours.
    decay_per_h : float
        Decay constant (1/h) if the values are decay-corrected to the start, otherwise zero.

    Returns
    -------
    tuple of ActivitySample
        Sorted by cycle, region and time.

    Raises
    ------
    StudyError
        At the first error.
    """
    seen: dict[tuple[object, ...], int] = {}
    samples = []
    for row in read_table(path, label, ACTIVITY_COLUMNS):
        cycle = _cycle(row, administered_mbq)
        time_h = row.number("time_h", 0.0, 2000.0)
        region = _region(row, tumours)
        _refuse_repeat(row, seen, (cycle, region, time_h), "cycle, region and time")
        units = legal_units(region, administered_mbq[cycle])
        factor = units[_unit(row, region, units)] * math.exp(-decay_per_h * time_h)
        value = factor * row.number("value", 0.0, 1e15, open_low=True)
        _check_amount(row, region, value, administered_mbq[cycle])
        sd = row.optional_number("sd", 0.0, 1e15)
        samples.append(
            ActivitySample(
                cycle=cycle,
                time_h=time_h,
                region=region,
                value=value,
                sd=None if sd is None else factor * sd,
                blq=row.choice("blq", ("0", "1"), default="0") == "1",
                line=row.line,
            )
        )
    return tuple(sorted(samples, key=lambda item: (item.cycle, item.region, item.time_h)))


def read_foci(path: Path, label: str, *, cycles: Collection[int]) -> tuple[FociRow, ...]:
    """Read foci.csv, sorted by cycle and time; raises StudyError at the first error."""
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for row in read_table(path, label, FOCI_COLUMNS):
        cycle = _cycle(row, cycles)
        time_h = row.number("time_h", -240.0, 2000.0)
        slide, reader = row.text("slide"), row.text("reader")
        _refuse_repeat(row, seen, (cycle, time_h, slide, reader), "cycle, time, slide and reader")
        distribution = _distribution(row)
        cells = row.integer("cells", 1, 1_000_000) if _scored(row, "cells", distribution) else 0
        foci = row.integer("foci", 0, 50_000_000) if _scored(row, "foci", distribution) else 0
        if distribution is not None:
            cells, foci = _agreed(row, distribution, cells, foci)
        if foci > 50 * cells:
            raise row.error("foci", f"got {foci} foci in {cells} cells, legal is up to 50 a cell")
        rows.append(FociRow(cycle, time_h, cells, foci, distribution, slide, reader, row.line))
    return tuple(sorted(rows, key=lambda item: (item.cycle, item.time_h, item.slide, item.reader)))


def read_counts(path: Path, label: str) -> tuple[CountRow, ...]:
    """Read counts.csv, sorted by day; raises StudyError at the first error."""
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for row in read_table(path, label, COUNT_COLUMNS):
        day = row.number("day", -400.0, 4000.0)
        _refuse_repeat(row, seen, (day,), "the days")
        values = {name: _count(row, name) for name in LINEAGES if row.given(name)}
        if not values:
            raise row.error(
                None, f"no count is given, legal is at least one of {_listed(LINEAGES)}"
            )
        parts = values.get("neutrophils", 0.0) + values.get("lymphocytes", 0.0)
        if parts > 1.1 * values.get("leukocytes", math.inf) + 0.2:
            raise row.error(
                "leukocytes",
                f"got {values['leukocytes']:g}, fewer than the {parts:g} neutrophils and "
                "lymphocytes that are part of them; check the three",
            )
        rows.append(CountRow(day, values, row.line))
    return tuple(sorted(rows, key=lambda item: item.day))


def read_doses(
    path: Path, label: str, *, cycles: Collection[int], tumours: Collection[str]
) -> tuple[DoseRow, ...]:
    """Read doses.csv, sorted by cycle, region and method; raises StudyError at the first error."""
    seen: dict[tuple[object, ...], int] = {}
    rows = []
    for row in read_table(path, label, DOSE_COLUMNS):
        cycle = _cycle(row, cycles)
        region = _region(row, tumours)
        default = {"marrow": None, "blood": "blood"}.get(region, "image")
        method = row.choice("method", _dose_methods(region), default=default)
        _refuse_repeat(row, seen, (cycle, region, method), "cycle, region and method")
        sd = row.optional_number("sd", 0.0, _LARGEST_DOSE.get(region, 100.0))
        rows.append(DoseRow(cycle, region, _dose(row, region), sd, method, row.line))
    return tuple(sorted(rows, key=lambda item: (item.cycle, item.region, item.method)))


def _listed(names: Collection[str]) -> str:
    return ", ".join(names)


def _dose_methods(region: str) -> tuple[str, ...]:
    if region == "marrow":
        return DOSE_METHODS
    return ("blood",) if region == "blood" else ("image",)


def _cycle(row: Row, cycles: Collection[int]) -> int:
    number = row.integer("cycle", 1, 20)
    if number not in cycles:
        raise row.error(
            "cycle",
            f"cycle {number} is not in study.yaml, {choices(map(str, sorted(cycles)))}",
        )
    return number


def _region(row: Row, tumours: Collection[str]) -> str:
    text = row.cells["region"]
    if text.startswith(("tumour", "tumor")) and text not in tumours:
        raise row.error(
            "region",
            f"got {shown(text)}, which is not under tumours in study.yaml; declare it there with "
            f"its mass, or write one of {', '.join([*REGIONS, *sorted(tumours)])}",
        )
    return row.choice("region", (*REGIONS, *sorted(tumours)))


def _unit(row: Row, region: str, units: Collection[str]) -> str:
    text = row.cells["unit"]
    if text not in units:
        near = next((unit for unit in units if unit.casefold() == text.casefold()), None)
        meant = f"did you mean {near!r}, " if near else ""
        problem = f"got {shown(text)}" if text else "the cell is empty"
        raise row.error("unit", f"{problem}, {meant}legal for {region} are {', '.join(units)}")
    return text


def _dose(row: Row, region: str) -> float:
    high = _LARGEST_DOSE.get(region, 100.0)
    dose = row.number("dose_gy_per_gbq", 0.0, 1e6, open_low=True)
    if dose > high:
        raise row.error(
            "dose_gy_per_gbq",
            f"got {row.cells['dose_gy_per_gbq']}, this looks like mGy/GBq; divide by 1000, legal "
            f"is a number above 0 and up to {high:g}",
        )
    return dose


def _refuse_repeat(
    row: Row, seen: dict[tuple[object, ...], int], key: tuple[object, ...], what: str
) -> None:
    if key in seen:
        raise row.error(None, f"{what} are the same as in row {seen[key]}; keep one of the two")
    seen[key] = row.line


def _check_amount(row: Row, region: str, value: float, administered_mbq: float) -> None:
    per_ml = region in CONCENTRATIONS
    limit = _ADMINISTERED_MARGIN * administered_mbq / (_SMALLEST_VOLUME_ML if per_ml else 1.0)
    if value > limit:
        raise row.error(
            "value",
            f"got {row.cells['value']} {row.cells['unit']}, more than the "
            f"{administered_mbq:g} MBq administered could give; legal is up to {limit:g} "
            f"{'MBq/mL' if per_ml else 'MBq'}, so check value and unit",
        )


def _scored(row: Row, column: str, distribution: tuple[int, ...] | None) -> bool:
    """Tell whether to read cells or foci: always, unless c0 to c6 stand for an empty cell."""
    if column not in row.cells and distribution is None:
        raise row.error(column, "the column is missing; legal are cells and foci, or c0 to c6")
    return row.given(column) or distribution is None


def _distribution(row: Row) -> tuple[int, ...] | None:
    names = [f"c{k}" for k in range(7)]
    if not any(row.given(name) for name in names):
        return None
    for name in names:
        if name not in row.cells:
            raise row.error(name, "the column is missing; legal are all of c0 to c6, or none")
    return tuple(row.integer(name, 0, 1_000_000) for name in names)


def _agreed(row: Row, distribution: tuple[int, ...], cells: int, foci: int) -> tuple[int, int]:
    """Return cells and foci after comparing them with the distribution."""
    total = sum(distribution)
    least = sum(k * count for k, count in enumerate(distribution))
    if total == 0:
        raise row.error("c0", "c0 to c6 are all 0, legal is at least one cell")
    if row.given("cells") and cells != total:
        raise row.error("cells", f"got {cells}, but c0 to c6 add up to {total}; correct one")
    if row.given("foci") and (foci < least or (foci > least and distribution[6] == 0)):
        raise row.error("foci", f"got {foci}, but c0 to c6 hold {least}; correct one")
    return total, foci if row.given("foci") else least


def _count(row: Row, name: str) -> float:
    low, high, unit, hint = COUNT_RANGES[name]
    value = row.number(name, 0.0, 1e9)
    if value == 0:
        raise row.error(
            name, f"got 0, legal is above 0 {unit}; write the limit of detection, as 0.1"
        )
    if not low <= value <= high:
        raise row.error(
            name,
            f"got {row.cells[name]}, {hint}, legal is a number from {low:g} to {high:g} {unit}",
        )
    return value
