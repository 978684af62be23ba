"""A clinic's own cohort: one row a patient and lineage, from a CSV file or a data frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.population.cells import Cells, cells_of_frame, identifiers, read_cells, shown
from kinetics.population.errors import PopulationDataError
from radiobio.dose_toxicity.covariates import BONE_LEVELS, COVARIATES, FLAGS
from radiobio.dose_toxicity.published_priors import OUTCOMES
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_BYTES = 20_000_000
_LONGEST = 80
_YES_NO = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "no": 0.0, "yes": 1.0, "false": 0.0,
           "true": 1.0}  # fmt: skip
_ONE_CENTRE = "one centre"
_LEAST_HAEMOGLOBIN = 30.0  # g/L; a lower one before treatment was given in g/dL or mmol/L

COHORT_COLUMNS: Mapping[str, str] = {
    "patient": "text, required: name of the patient",
    "centre": "text: centre or study; without the column all patients are of one centre",
    "dose_method": "text, required: how the marrow dose was obtained (image, blood, planar, ...; "
    "activity where only the activity is known)",
    "marrow_dose_gy": "number of 0 to 100: marrow dose of the whole treatment (Gy); required "
    "unless dose_method is activity",
    "activity_gbq": "number of 0 to 1000: cumulative activity (GBq); required where dose_method "
    "is activity",
    "lineage": f"text, required: one of {', '.join(OUTCOMES)}; any is the worst of all",
    "worst_grade": "whole number of 0 to 4 (haemoglobin 0 to 3), required: worst CTCAE grade",
    "baseline_count": "number above 0: count before the first cycle (1e9/L; haemoglobin in g/L; "
    "in rows of lineage any the haemoglobin); may be missing",
    "bone_metastases": f"{', '.join(BONE_LEVELS)}; may be missing",
    "prior_taxane": "0 or 1; may be missing",
    "prior_ra223": "0 or 1; may be missing",
    "kidney_dysfunction": "0 or 1; may be missing",
    "age_years": "number of 0 to 120; may be missing",
}
"""Columns of a cohort table and their legal values."""

_REQUIRED = ("patient", "dose_method", "lineage", "worst_grade")
_RANGES = {"marrow_dose_gy": (0.0, 100.0), "activity_gbq": (0.0, 1000.0),
           "baseline_count": (0.0, 2000.0), "age_years": (0.0, 120.0)}  # fmt: skip


@dataclass(frozen=True, eq=False)
class CohortTable:
    """Patients with their dose, worst grade and covariates, one row a patient and lineage.

    Attributes
    ----------
    patient, centre, dose_method, lineage : tuple of str
        As given.
    exposure : ndarray, shape (n,)
        Marrow dose (Gy); cumulative activity (GBq) where the method is "activity".
    worst_grade : ndarray of int, shape (n,)
        Worst grade, 0 to 4.
    covariates : mapping of str to ndarray, shape (n,)
        ``baseline_count``, ``bone_metastases`` (0 none, 1 few, 2 diffuse), flags (0 or 1) and
        ``age_years``; ``nan`` is missing.
    """

    patient: tuple[str, ...]
    centre: tuple[str, ...]
    dose_method: tuple[str, ...]
    lineage: tuple[str, ...]
    exposure: FloatArray
    worst_grade: npt.NDArray[np.int64]
    covariates: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.patient)

    def rows(self, mask: npt.NDArray[np.bool_]) -> CohortTable:
        """Rows of a mask."""
        keep = np.flatnonzero(mask)
        patient, centre, method, lineage = (
            tuple(values[i] for i in keep)
            for values in (self.patient, self.centre, self.dose_method, self.lineage)
        )
        return CohortTable(
            patient, centre, method, lineage, self.exposure[keep], self.worst_grade[keep],
            {name: values[keep] for name, values in self.covariates.items()},
        )  # fmt: skip

    def of(self, outcome: str, *, dose_method: str | None = None) -> CohortTable:
        """Rows of one outcome and, if given, one dosimetry method; each patient once."""
        mask = np.array([lineage == outcome for lineage in self.lineage])
        if dose_method is not None:
            mask &= np.array([method == dose_method for method in self.dose_method])
        if not mask.any():
            raise RadiobioError(
                f"the table has no row of lineage {outcome!r}"
                + (f" and dose_method {dose_method!r}" if dose_method else "")
                + f"; it has the lineages {sorted(set(self.lineage))} and the methods "
                f"{sorted(set(self.dose_method))}"
            )
        chosen = self.rows(mask)
        seen: dict[tuple[str, str], str] = {}
        for name, centre, method in zip(
            chosen.patient, chosen.centre, chosen.dose_method, strict=True
        ):
            if (centre, name) in seen:
                other = seen[centre, name]
                how = (
                    f"by the methods {other} and {method}; choose one with dose_method="
                    if other != method
                    else f"twice by the method {method}; keep the row of the whole treatment"
                )
                raise RadiobioError(
                    f"patient {shown(name)} of {shown(centre)} stands in lineage {outcome} {how}"
                )
            seen[centre, name] = method
        return chosen

    def to_frame(self) -> pd.DataFrame:
        """The table with the columns that `read_cohort_csv` reads."""
        import pandas as pd

        activity = np.array([method == "activity" for method in self.dose_method], dtype=bool)
        bone = self.covariates["bone_metastases"]
        columns = {
            "patient": self.patient, "centre": self.centre, "dose_method": self.dose_method,
            "marrow_dose_gy": np.where(activity, np.nan, self.exposure),
            "activity_gbq": np.where(activity, self.exposure, np.nan),
            "lineage": self.lineage, "worst_grade": self.worst_grade, **self.covariates,
            "bone_metastases": ["" if np.isnan(b) else BONE_LEVELS[int(b)] for b in bone],
        }  # fmt: skip
        return pd.DataFrame({name: columns[name] for name in COHORT_COLUMNS})


def read_cohort_csv(path: str | os.PathLike[str], *, separator: str | None = None) -> CohortTable:
    """Read a cohort's doses, worst grades and covariates.

    Parameters
    ----------
    path : path
        UTF-8 text with the columns of `COHORT_COLUMNS`; a missing covariate is an empty cell,
        ``NA`` or a dot.
    separator : str, optional
        Separator; missing: comma, semicolon or tab, as in the header.

    Raises
    ------
    RadiobioError
        If the file is no such table; the message names file, row, column and what is legal. No row
        is dropped.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     place = Path(folder) / "cohort.csv"
    ...     _ = write_cohort_template(place)
    ...     table = read_cohort_csv(place)
    >>> len(table), table.dose_method[0], int(table.worst_grade[0])
    (2, 'image', 3)
    """
    place = Path(path)
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise RadiobioError(f"separator must be one character, got {separator!r}")
    try:
        if place.is_file() and place.stat().st_size > _LARGEST_BYTES:
            raise RadiobioError(f"{place.name}: the file is larger than {_LARGEST_BYTES:,} bytes")
        cells = read_cells(place, separator=separator)
    except PopulationDataError as error:
        raise RadiobioError(str(error)) from None
    return _table(cells)


def cohort_of_frame(frame: pd.DataFrame) -> CohortTable:
    """Return the cohort of a data frame with the columns of `COHORT_COLUMNS`.

    Raises
    ------
    RadiobioError
        As `read_cohort_csv`; rows are counted from 0.
    """
    try:
        return _table(cells_of_frame(frame, "data frame"))
    except PopulationDataError as error:
        raise RadiobioError(str(error)) from None


def join_cohorts(*tables: CohortTable) -> CohortTable:
    """One table of several; a patient is told from others by centre and name."""
    if not tables:
        raise RadiobioError("there are no cohorts to join")
    patient, centre, method, lineage = (
        tuple(value for table in tables for value in getattr(table, name))
        for name in ("patient", "centre", "dose_method", "lineage")
    )
    return CohortTable(
        patient, centre, method, lineage,
        np.concatenate([table.exposure for table in tables]),
        np.concatenate([table.worst_grade for table in tables]),
        {name: np.concatenate([table.covariates[name] for table in tables])
         for name in COVARIATES},
    )  # fmt: skip


def write_cohort_template(path: str | os.PathLike[str]) -> Path:
    """Write a CSV file with the legal columns, their meaning as comments, and two example rows."""
    lines = [f"# {name}: {meaning}" for name, meaning in COHORT_COLUMNS.items()]
    lines.append(",".join(COHORT_COLUMNS))
    lines.append("example-1,Centre A,image,1.9,,platelets,3,180,diffuse,1,0,0,74")
    lines.append("example-2,Centre A,activity,,22.2,platelets,1,,none,0,0,NA,61")
    place = Path(path)
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def _table(cells: Cells) -> CohortTable:
    _check_header(cells)
    n = len(cells.line)
    text = {
        name: _text(cells, name) for name in ("patient", "dose_method", "lineage", "centre")
        if name in cells.columns
    }  # fmt: skip
    text.setdefault("centre", (_ONE_CENTRE,) * n)
    grade = np.empty(n, dtype=np.int64)
    for i, lineage in enumerate(text["lineage"]):
        if lineage not in OUTCOMES:
            raise _wrong(cells, i, "lineage", f"one of {', '.join(OUTCOMES)}")
        top = 3 if lineage == "haemoglobin" else 4
        value = _number(cells, i, "worst_grade")
        if not (0 <= value <= top and value == int(value)):
            raise _wrong(cells, i, "worst_grade", f"a whole number of 0 to {top} for {lineage}")
        grade[i] = int(value)
    dose = np.array([_dose(cells, i, method) for i, method in enumerate(text["dose_method"])])
    covariates = {name: _covariate(cells, name, n) for name in COVARIATES}
    _check_twice(cells, text)
    return CohortTable(text["patient"], text["centre"], text["dose_method"], text["lineage"], dose,
                       grade, covariates)  # fmt: skip


def _check_header(cells: Cells) -> None:
    legal = ", ".join(COHORT_COLUMNS)
    unknown = [name for name in cells.columns if name not in COHORT_COLUMNS]
    if unknown:
        raise RadiobioError(
            f"{cells.file}, header: the column {shown(unknown[0])} is not known; legal are {legal}"
        )
    lacking = [name for name in _REQUIRED if name not in cells.columns]
    if lacking:
        raise RadiobioError(
            f"{cells.file}, header: the columns {', '.join(lacking)} are missing; legal are {legal}"
        )


def _text(cells: Cells, name: str) -> tuple[str, ...]:
    values = tuple(str(value) for value in identifiers(cells.columns[name]))
    for i, value in enumerate(values):
        if not value or len(value) > _LONGEST or not value.isprintable():
            raise _wrong(cells, i, name, f"1 to {_LONGEST} printable characters")
    return values


def _number(cells: Cells, i: int, name: str, *, low: float = 0.0, high: float = np.inf) -> float:
    """Value of a cell; ``nan`` where it is missing."""
    column = cells.columns.get(name)
    if column is None or column[i] == "":
        return float("nan")
    text = column[i]
    try:
        value = float(text)
    except ValueError:
        value = np.inf
    explicit_nan = np.isnan(value) and not isinstance(text, str)
    if not explicit_nan and not (np.isfinite(value) and low <= value <= high):
        raise _wrong(cells, i, name, COHORT_COLUMNS[name])
    return value


def _dose(cells: Cells, i: int, method: str) -> float:
    name = "activity_gbq" if method == "activity" else "marrow_dose_gy"
    value = _number(cells, i, name, low=_RANGES[name][0], high=_RANGES[name][1])
    if np.isnan(value):
        raise RadiobioError(
            f"{cells.file}, row {cells.line[i]}, column {name}: the value is missing, dose_method "
            f"{shown(method)} needs it; give it, or take the row out of the file"
        )
    return value


def _covariate(cells: Cells, name: str, n: int) -> FloatArray:
    if name not in cells.columns:
        return np.full(n, np.nan)
    if name in _RANGES:
        low, high = _RANGES[name]
        values = np.array([_number(cells, i, name, low=low, high=high) for i in range(n)])
        if name == "baseline_count":
            _check_baseline(cells, values)
        return values
    legal = _YES_NO if name in FLAGS else {level: float(k) for k, level in enumerate(BONE_LEVELS)}
    out = np.full(n, np.nan)
    for i, value in enumerate(identifiers(cells.columns[name])):
        word = str(value).casefold()
        if word in legal:
            out[i] = legal[word]
        elif word not in ("", "nan"):
            raise _wrong(cells, i, name, COHORT_COLUMNS[name])
    return out


def _check_baseline(cells: Cells, values: FloatArray) -> None:
    """Baselines above zero, and haemoglobin that can be in g/L."""
    for i, value in enumerate(values):
        red = str(cells.columns["lineage"][i]) in ("haemoglobin", "any")
        if value == 0 or (red and value < _LEAST_HAEMOGLOBIN):
            legal = COHORT_COLUMNS["baseline_count"]
            if red:
                legal += f"; haemoglobin below {_LEAST_HAEMOGLOBIN:g} is not in g/L (10 x g/dL)"
            raise _wrong(cells, i, "baseline_count", legal)


def _check_twice(cells: Cells, text: Mapping[str, tuple[str, ...]]) -> None:
    names = ("patient", "centre", "dose_method", "lineage")
    seen: dict[tuple[str, ...], int] = {}
    for i, key in enumerate(zip(*(text[name] for name in names), strict=True)):
        if key in seen:
            raise RadiobioError(
                f"{cells.file}, row {cells.line[i]}, column patient: {shown(key[0])} stands there "
                f"a second time for the same centre, dose_method and lineage (first in row "
                f"{cells.line[seen[key]]}); keep one row, the worst grade of the whole treatment"
            )
        seen[key] = i


def _wrong(cells: Cells, i: int, name: str, legal: str) -> RadiobioError:
    value = cells.columns[name][i]
    given = "the value is missing" if value in ("", None) else f"got {shown(value)}"
    return RadiobioError(
        f"{cells.file}, row {cells.line[i]}, column {name}: {given}; legal: {legal}"
    )
