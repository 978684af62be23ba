"""Reader of the tidy table that `hemadose fit` takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hemadose.errors import StudyError
from hemadose.study.table_columns import CONCENTRATIONS, legal_units
from hemadose.study.tables import Column, Row, read_table
from hemadose.study.text_files import choices, file_label, shown

_OWN_UNITS = {"activity_mbq": "MBq", "activity_mbq_per_ml": "MBq/mL"}
_COLUMNS = (
    Column("patient", False, "the patient (text)"),
    Column("cycle", False, "the number of the cycle"),
    Column("region", False, "the region (text)"),
    Column("time_h", True, "the time since the administration (h), 0 to 2000"),
    Column("activity_mbq", False, "the activity at time_h (MBq)"),
    Column("activity_mbq_per_ml", False, "the activity concentration at time_h (MBq/mL)"),
    Column("value", False, "the activity in `unit`, as in activity.csv of a study"),
    Column("unit", False, "the unit of `value`"),
    Column("sd", False, "the standard deviation, in the unit of the value"),
    Column("below_limit", False, "1 if below the limit of quantification, which is the value"),
    Column("blq", False, "the same as below_limit"),
)


@dataclass(frozen=True, eq=False)
class Series:
    """Samples of one patient, cycle and region, in order of time.

    Attributes
    ----------
    patient, cycle, region : str
        Which; empty where the table does not say.
    unit : str
        ``"MBq"`` or ``"MBq/mL"``.
    time_h, value : ndarray, shape (n,)
        Times (h) and values; a limit of quantification where `below_limit`.
    sd : ndarray, shape (n,), or None
        Standard deviations, where the table gives them.
    below_limit : ndarray of bool, shape (n,)
        Samples below the limit of quantification.
    """

    patient: str
    cycle: str
    region: str
    unit: str
    time_h: np.ndarray
    value: np.ndarray
    sd: np.ndarray | None
    below_limit: np.ndarray

    @property
    def title(self) -> str:
        """Name of the series for tables and figures."""
        region = self.region.replace("_", " ").capitalize() if self.region else "Activity"
        parts = [region, f"cycle {self.cycle}" if self.cycle else "", self.patient]
        return ", ".join(part for part in parts if part)


def read_series(path: Path, *, administered_mbq: float | None = None) -> tuple[Series, ...]:
    """Read the samples of a table.

    Parameters
    ----------
    path : Path
        A table with time_h and one of activity_mbq, activity_mbq_per_ml, or value with unit.
    administered_mbq : float, optional
        Administered activity (MBq), for the units in percent of it.

    Raises
    ------
    StudyError
        At the first error: file, row, column and what is legal.
    """
    label = file_label(path.parent, path.name)
    rows = read_table(path, label, _COLUMNS)
    value_column = _value_column(rows[0])
    samples: dict[tuple[str, str, str], list[tuple[Row, str, float, float | None, bool]]] = {}
    for row in rows:
        sample = (row, *_sample(row, value_column, administered_mbq))
        samples.setdefault((row.text("patient"), row.text("cycle"), row.text("region")), []).append(
            sample
        )
    return tuple(_series(key, found) for key, found in samples.items())


def _value_column(row: Row) -> str:
    present = [name for name in (*_OWN_UNITS, "value") if name in row.cells]
    if len(present) != 1:
        raise StudyError(
            f"the table has {', '.join(present) or 'no column of activities'}; legal is one of "
            "activity_mbq, activity_mbq_per_ml, and value with unit",
            file=row.file,
            row=1,
        )
    if present == ["value"] and "unit" not in row.cells:
        raise StudyError(
            "the column is missing; it holds the unit of value, as MBq or MBq/mL",
            file=row.file,
            row=1,
            column="unit",
        )
    if "blq" in row.cells and "below_limit" in row.cells:
        raise StudyError("below_limit and blq mean the same; keep one", file=row.file, row=1)
    return present[0]


def _sample(
    row: Row, value_column: str, administered_mbq: float | None
) -> tuple[str, float, float | None, bool]:
    """Unit, value, sd and whether below the limit."""
    limit_column = "blq" if "blq" in row.cells else "below_limit"
    below = row.choice(limit_column, ("0", "1"), default="0") == "1"
    unit, factor = _unit(row, value_column, administered_mbq)
    value = row.number(value_column, 0.0, 1e15, open_low=below)
    sd = row.optional_number("sd", 0.0, 1e15)
    return unit, factor * value, None if sd is None else factor * sd, below


def _unit(row: Row, value_column: str, administered_mbq: float | None) -> tuple[str, float]:
    if value_column != "value":
        return _OWN_UNITS[value_column], 1.0
    text = row.cells.get("unit", "")
    percent = administered_mbq or float("nan")
    legal = legal_units("kidneys", percent), legal_units(CONCENTRATIONS[0], percent)
    for units, unit in zip(legal, ("MBq", "MBq/mL"), strict=True):
        if text in units:
            if text.startswith("%") and administered_mbq is None:
                raise row.error("unit", f"{text} needs the administered activity, --administered")
            return unit, units[text]
    names = list(dict.fromkeys([*legal[0], *legal[1]]))
    raise row.error("unit", f"got {shown(text)}, {choices(names, text)}")


def _series(
    key: tuple[str, str, str], found: list[tuple[Row, str, float, float | None, bool]]
) -> Series:
    first = found[0]
    seen: dict[float, int] = {}
    times = []
    for row, unit, _, sd, _ in found:
        time = row.number("time_h", 0.0, 2000.0)
        if time in seen:
            raise row.error(
                "time_h", f"the series has this time in row {seen[time]} too; keep one of the two"
            )
        if unit != first[1]:
            raise row.error("unit", f"got {unit}, but the series began in {first[1]}; use one")
        if (sd is None) != (first[3] is None):
            raise row.error("sd", "give sd in all rows of a region, or in none")
        seen[time] = row.line
        times.append(time)
    order = np.argsort(times)
    sd_column = None if first[3] is None else np.array([f[3] for f in found], float)[order]
    return Series(
        *key,
        unit=first[1],
        time_h=np.array(times)[order],
        value=np.array([f[2] for f in found])[order],
        sd=sd_column,
        below_limit=np.array([f[4] for f in found])[order],
    )
