"""The table of a clinic as arrays: outcome, predictors and groups of rows, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

    from radiobio.dose_toxicity import CohortTable

IntArray = npt.NDArray[np.int64]
FEWEST_EVENTS = 5
"""ASSUMED: with fewer patients with (or without) the event nothing can be validated."""
FEWEST_GROUPS = 3
"""Groups with and without an event that nested folds need."""


@dataclass(frozen=True, eq=False)
class RiskData:
    """Outcome (n,) of 0 and 1, predictors (n, p) with ``nan`` for missing, group numbers (n,)."""

    predictors: tuple[str, ...]
    x: FloatArray
    y: FloatArray
    group: IntArray

    def rows(self, index: IntArray) -> RiskData:
        """Rows of an index, with repetition."""
        return RiskData(self.predictors, self.x[index], self.y[index], self.group[index])


def risk_table(
    cohort: CohortTable, *, outcome: str, grade: int = 3, dose_method: str | None = None
) -> pd.DataFrame:
    """Return one row a patient of a cohort table, ready for `assess_risk_factors`.

    Parameters
    ----------
    cohort : CohortTable
        As read by `radiobio.dose_toxicity.read_cohort_csv`.
    outcome : str
        Lineage, or ``any``.
    grade : int
        The outcome is this worst grade or more.
    dose_method : str, optional
        Rows of this dosimetry method only; doses of several methods do not compare.

    Returns
    -------
    pandas.DataFrame
        ``patient``, ``centre``, ``marrow_dose_gy`` (``activity_gbq`` where the method is activity),
        the covariates as numbers (``bone_metastases`` 0 none, 1 few, 2 diffuse) and ``severe`` (0
        or 1).

    Raises
    ------
    RadiobioError
        If the cohort has no such rows, or doses of several methods.
    """
    import pandas as pd

    if grade not in (1, 2, 3, 4):
        raise RadiobioError(f"grade must be 1, 2, 3 or 4, not {grade!r}")
    chosen = cohort.of(outcome, dose_method=dose_method)
    methods = sorted(set(chosen.dose_method))
    if len(methods) > 1:
        raise RadiobioError(
            f"the doses come from the methods {methods}, which do not compare; choose "
            "one with dose_method="
        )
    dose = "activity_gbq" if methods == ["activity"] else "marrow_dose_gy"
    return pd.DataFrame({
        "patient": chosen.patient, "centre": chosen.centre, dose: chosen.exposure,
        **chosen.covariates, "severe": (chosen.worst_grade >= grade).astype(int),
    })  # fmt: skip


def risk_data(
    table: pd.DataFrame, *, outcome: str, predictors: Sequence[str], group: str | None
) -> RiskData:
    """Check a table and return its arrays; see `assess_risk_factors`."""
    names = _names(predictors)
    x = predictor_values(table, names)
    for j, name in enumerate(names):
        known = x[np.isfinite(x[:, j]), j]
        if len(known) == 0 or known.min() == known.max():
            what = "is missing in all rows" if len(known) == 0 else f"is {known[0]:g} in all rows"
            raise RadiobioError(f"predictor {name!r} {what}; leave it out")
    _require(table, outcome, "outcome")
    if outcome in names:
        raise RadiobioError(f"{outcome!r} is the outcome and a predictor; it must be one of both")
    y = _numbers(table, outcome, "0 or 1 (1: the patient had the event), not missing")
    wrong = np.flatnonzero(~((y == 0) | (y == 1)))
    if len(wrong):
        raise _cell(table, int(wrong[0]), outcome, "0 or 1 (1: the patient had the event)")
    n_events = int(y.sum())
    if min(n_events, len(y) - n_events) < FEWEST_EVENTS:
        raise RadiobioError(
            f"{n_events} of {len(y)} patients have the event {outcome!r}; at least {FEWEST_EVENTS} "
            "with and without it are needed; collect more patients or take a more frequent outcome"
        )
    groups = _groups(table, group)
    for value, word in ((1, "with"), (0, "without")):
        n_groups = len(np.unique(groups[y == value]))
        if n_groups < FEWEST_GROUPS:
            raise RadiobioError(
                f"patients {word} the event come from {n_groups} groups of {group!r} only; "
                f"{FEWEST_GROUPS} are needed to keep groups apart in nested folds"
            )
    return RiskData(names, x, y, groups)


def predictor_values(table: pd.DataFrame, names: Sequence[str]) -> FloatArray:
    """Values of the predictors (n, p); ``nan`` is missing."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise RadiobioError(f"table must be a pandas DataFrame, not {type(table).__name__}")
    if not table.columns.is_unique:
        twice = sorted({str(c) for c in table.columns[table.columns.duplicated()]})
        raise RadiobioError(f"the columns {twice} stand twice in the table; keep one of each")
    if len(table) == 0:
        raise RadiobioError("the table has no rows")
    for name in names:
        _require(table, name, "predictor")
    legal = "a finite number, true/false, or an empty cell for missing"
    return np.column_stack([_numbers(table, name, legal) for name in names])


def _names(predictors: Sequence[str]) -> tuple[str, ...]:
    if isinstance(predictors, str):
        raise RadiobioError(f"predictors must be a list of columns, not the text {predictors!r}")
    names = tuple(predictors)
    if not names or len(set(names)) < len(names):
        raise RadiobioError(f"predictors must be one or more different columns, not {list(names)}")
    return names


def _require(table: pd.DataFrame, name: str, role: str) -> None:
    if name not in table.columns:
        raise RadiobioError(
            f"the {role} {name!r} is no column of the table; it has "
            f"{', '.join(map(str, table.columns))}"
        )


def _numbers(table: pd.DataFrame, name: str, legal: str) -> FloatArray:
    column = table[name]
    values = np.empty(len(column))
    missing = column.isna().to_numpy(dtype=bool)
    for i, value in enumerate(column):
        if missing[i]:
            values[i] = np.nan
            continue
        if not isinstance(value, Real | np.bool_):
            raise _cell(table, i, name, legal)
        values[i] = float(value)
        if not np.isfinite(values[i]):
            raise _cell(table, i, name, legal)
    return values


def _cell(table: pd.DataFrame, i: int, name: str, legal: str) -> RadiobioError:
    value = table[name].iloc[i]
    if isinstance(value, np.generic):
        value = value.item()
    return RadiobioError(
        f"row {i} (counted from 0, index {table.index[i]!r}), column {name}: got {value!r}; "
        f"legal: {legal}"
    )


def _groups(table: pd.DataFrame, group: str | None) -> IntArray:
    if group is None:
        return np.arange(len(table), dtype=np.int64)
    _require(table, group, "group")
    if table[group].isna().any():
        i = int(np.flatnonzero(table[group].isna())[0])
        raise _cell(table, i, group, "the name of the patient or group; it may not be missing")
    numbers: dict[object, int] = {}
    codes = [numbers.setdefault(value, len(numbers)) for value in table[group]]
    return np.array(codes, dtype=np.int64)
