"""Tables of foci of many patients, checked, and each patient's own fit as a start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.repair.likelihood import NAMES, TimeCourse, global_maximum, natural
from kinetics import SumOfExponentials
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

DoseRates = Mapping[str, SumOfExponentials] | Mapping[tuple[str, int], SumOfExponentials]
_COLUMNS = ("patient", "time_h", "cells", "foci")
# Where no patient has enough samples: an ex vivo rate (PMC8940852), the rest only a place to
# begin the search.
_FALLBACK = {"induction_per_gy": 15.0, "background_per_cell": 0.2, "repair_rate_per_h": 0.25}


@dataclass(frozen=True, eq=False)
class FociTable:
    """Samples ordered by patient, cycle and time; an occasion is a cycle of a patient."""

    patients: tuple[str, ...]
    occasion_patient: npt.NDArray[np.int64]
    occasion_cycle: tuple[int, ...]
    curves: tuple[SumOfExponentials, ...]
    occasion: npt.NDArray[np.int64]
    time_h: FloatArray
    cells: FloatArray
    foci: FloatArray
    row: npt.NDArray[np.int64]


def foci_table(table: pd.DataFrame, dose_rates: DoseRates) -> FociTable:
    """Arrays of a table (see `foci.repair.population.fit_repair_population`) after the checks.

    Raises
    ------
    FociError
        If a column is missing, a cell is not legal, or an occasion has no single dose rate.
    """
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise FociError(
            f"the table lacks the column {', '.join(missing)}; it has "
            f"{', '.join(map(str, table.columns))}"
        )
    if not len(table):
        raise FociError("the table has no rows")
    by_cycle = "cycle" in table.columns
    patient = table["patient"].astype(str).to_numpy(dtype=object)
    time, cells, foci = (_numbers(table, name) for name in _COLUMNS[1:])
    cycle = _numbers(table, "cycle") if by_cycle else np.ones(len(table))
    _require(np.isfinite(time), table, "time_h", "a number of hours, negative for baseline")
    _require((cells >= 1) & (cells % 1 == 0), table, "cells", "a whole number of 1 or more")
    _require((foci >= 0) & (foci % 1 == 0), table, "foci", "a whole number of 0 or more")
    _require((cycle >= 1) & (cycle % 1 == 0), table, "cycle", "a whole number of 1 or more")
    patients = tuple(dict.fromkeys(patient))
    index = np.array([patients.index(name) for name in patient])
    order = np.lexsort((time, cycle, index))
    key = list(zip(index[order].tolist(), cycle[order].astype(int).tolist(), strict=True))
    occasions = list(dict.fromkeys(key))
    return FociTable(
        patients=patients,
        occasion_patient=np.array([p for p, _ in occasions], dtype=np.int64),
        occasion_cycle=tuple(c for _, c in occasions),
        curves=tuple(_curve(dose_rates, patients[p], c, by_cycle) for p, c in occasions),
        occasion=np.array([occasions.index(k) for k in key], dtype=np.int64),
        time_h=time[order],
        cells=cells[order],
        foci=foci[order],
        row=order.astype(np.int64),
    )


def _numbers(table: pd.DataFrame, name: str) -> FloatArray:
    import pandas as pd

    return np.asarray(pd.to_numeric(table[name], errors="coerce"), dtype=np.float64)


def _require(legal: npt.NDArray[np.bool_], table: pd.DataFrame, column: str, words: str) -> None:
    if not legal.all():
        at = int(np.flatnonzero(~legal)[0])
        raise FociError(
            f"row {table.index[at]}, column {column}: {table[column].iloc[at]!r} is not legal; "
            f"legal is {words}"
        )


def _curve(dose_rates: DoseRates, patient: str, cycle: int, by_cycle: bool) -> SumOfExponentials:
    given: dict[object, SumOfExponentials] = {key: dose_rates[key] for key in dose_rates}  # type: ignore[index]
    curve = given.get((patient, cycle))
    if curve is None and (not by_cycle or cycle == 1):
        curve = given.get(patient)
    if curve is None:
        key = f"({patient!r}, {cycle})" if by_cycle else repr(patient)
        raise FociError(f"dose_rates has no dose rate for {key}; give one for every patient")
    if curve.shape != ():
        raise FociError(
            f"the dose rate of patient {patient} has shape {curve.shape}; give a single curve"
        )
    return curve


def start_values(rows: FociTable) -> dict[str, float]:
    """Medians of the patients' own one-pool fits; fixed values where none has enough samples."""
    found = []
    for p in range(len(rows.patients)):
        mine = np.flatnonzero(rows.occasion_patient == p)
        chosen = np.isin(rows.occasion, mine)
        after = chosen & (rows.time_h > 0)
        if chosen.sum() <= len(NAMES[1]) or after.sum() < 2:
            continue
        course = TimeCourse(
            rows.time_h[chosen], rows.cells[chosen], rows.foci[chosen], rows.occasion[chosen],
            {int(o): rows.curves[o] for o in mine}, 1.0,
        )  # fmt: skip
        found.append(global_maximum(course, 1)[0])
    if not found:
        return dict(_FALLBACK)
    median = natural(NAMES[1], np.median(found, axis=0))
    return dict(zip(NAMES[1], map(float, median), strict=True))
