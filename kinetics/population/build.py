"""Population data from tidy tables: a row an observation, a row a dose."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.population.cells import Cells, cells_of_frame, identifiers
from kinetics.population.data import IntArray, PopulationData
from kinetics.population.dose_rows import default_doses, dose_values
from kinetics.population.errors import PopulationDataWarning
from kinetics.population.occasions import (
    RESERVED,
    Occasions,
    observed_occasions,
    occasion_covariate,
    occasion_covariates,
    subject_and_label,
)
from kinetics.population.problems import Mask, Problems, absent, numbers
from kinetics.structures.structure import DOSE_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

ONLY_REGION = "blood"
# Other names of the columns of the two tables.
SAME = {"patient": "subject", "id": "subject", "cycle": "occasion", "blq": "below_limit"}
VALUE_COLUMNS = ("value", "activity_mbq", "activity_mbq_per_ml")
_YES, _NO = ["1", "true"], ["", "0", "false"]


def population_data(
    observations: pd.DataFrame,
    doses: pd.DataFrame | None = None,
    *,
    regions: Sequence[str] | None = None,
    covariates: Sequence[str] | None = None,
) -> PopulationData:
    """Population data from data frames.

    Parameters
    ----------
    observations : DataFrame
        A row an observation: `subject` (or `patient`), `time_h` since the start of the occasion
        (h), `value`; optional `occasion` (or `cycle`), `region`, `sd` (known standard deviation,
        unit of the value), `below_limit` (1 or True: the value is the limit of quantification),
        `amount` (bolus at time 0, if `doses` is missing), `row` (where it came from). All other
        columns are covariates: numbers, constant within an occasion.
    doses : DataFrame, optional
        A row a dose: `subject` and `amount`; optional `occasion` and the columns of
        `kinetics.structures.DOSE_COLUMNS`, zero by default, or `duration_h` of an infusion. No
        rows: no doses. Missing: every occasion has a bolus at time 0 of `amount`, by default 1.
    regions : sequence of str, optional
        Names of the regions in their order; missing: in order of appearance.
    covariates : sequence of str, optional
        The covariates to keep; missing: all other columns.

    Returns
    -------
    PopulationData
        Subjects in order of appearance, occasions in order of their number. Missing covariates
        of an occasion are carried forward from the subject's occasion before. Occasions without
        observations are left out, with a `PopulationDataWarning`.

    Raises
    ------
    PopulationDataError
        If a cell is not what it must be; all problems are told at once.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     {"subject": [1, 1, 2], "time_h": [1.0, 24.0, 20.0], "value": [9.0, 4.0, 5.0]}
    ... )
    >>> data = population_data(table)
    >>> data.subjects, data.observation_start
    (('1', '2'), array([0, 2, 3]))
    """
    rows = cells_of_frame(observations, "observations")
    given = None if doses is None else cells_of_frame(doses, "doses")
    return build(
        rows.renamed(aliases(rows)),
        None if given is None else given.renamed(aliases(given)),
        regions=regions,
        covariates=covariates,
    )


def aliases(cells: Cells) -> dict[str, str]:
    """Names that columns of a table have in `build`, whatever their case."""
    known = {name: name for name in (*RESERVED, *VALUE_COLUMNS, *DOSE_COLUMNS, "duration_h")} | SAME
    return {name: known[name.casefold()] for name in cells.columns if name.casefold() in known}


def build(
    observations: Cells,
    doses: Cells | None,
    *,
    regions: Sequence[str] | None = None,
    covariates: Sequence[str] | None = None,
    covariate_rows: Cells | None = None,
) -> PopulationData:
    """Population data from cells; see `population_data`.

    `covariate_rows` holds subject, occasion and the covariates where these are not in the rows
    of the observations.
    """
    problems = Problems()
    _require(observations, ("subject", "time_h", "value"), problems)
    if doses is not None:
        _require(doses, ("subject", "amount"), problems)
    problems.raise_if_any()
    occasions = observed_occasions(observations, problems)
    time, value = (_given(observations, name, problems) for name in ("time_h", "value"))
    sd = numbers(observations, "sd", problems)
    problems.add_where(sd <= 0, observations, "sd", "legal is a number above 0, or a missing cell")
    names, region = _regions(observations, regions, problems)
    below = _flags(observations, "below_limit", problems)
    row = numbers(observations, "row", problems).astype(np.int64) if (
        "row" in observations.columns) else observations.line  # fmt: skip
    values = occasion_covariates(
        observations if covariate_rows is None else covariate_rows, occasions, covariates, problems
    )
    if doses is None:
        amount = (
            occasion_covariate(observations, "amount", occasions.of_row, occasions, problems)
            if "amount" in observations.columns
            else np.ones(len(occasions.key))
        )
        of_dose, table = np.arange(len(occasions.key)), default_doses(amount)
    else:
        of_dose, table = _doses(doses, observations, occasions, problems)
    problems.raise_if_any()
    order = np.lexsort((time, occasions.of_row))
    dose_order = np.lexsort((table[:, 0], of_dose))
    bounds = np.arange(len(occasions.key) + 1)
    return PopulationData(
        subjects=occasions.subjects,
        occasion_subject=occasions.subject(),
        occasion_label=occasions.label(),
        covariates=values,
        regions=names,
        observation_start=np.searchsorted(occasions.of_row[order], bounds).astype(np.int64),
        time_h=time[order],
        value=value[order],
        region=region[order],
        below_limit=below[order],
        sd=sd[order],
        row=row[order],
        dose_start=np.searchsorted(of_dose[dose_order], bounds).astype(np.int64),
        doses=np.ascontiguousarray(table[dose_order]),
    )


def _require(cells: Cells, names: Sequence[str], problems: Problems) -> None:
    if not len(cells.line) and "value" in names:
        problems.add(cells, None, "there is no observation")
    for name in names:
        if name not in cells.columns:
            there = ", ".join(cells.spelled.values())
            problems.add(cells, name, f"the column is missing; there are {there}")


def _given(cells: Cells, name: str, problems: Problems) -> FloatArray:
    """Read numbers that must be there."""
    value = numbers(cells, name, problems)
    problems.add_where(absent(cells, name), cells, name, "legal is a number")
    return value


def _flags(cells: Cells, name: str, problems: Problems) -> Mask:
    if name not in cells.columns:
        return np.zeros(len(cells.line), dtype=bool)
    text = np.array([word.casefold() for word in identifiers(cells.columns[name])], dtype=object)
    yes = np.isin(text, _YES)
    no = np.isin(text, _NO)
    problems.add_where(~yes & ~no, cells, name, "legal is 1 or 0, or true or false")
    return yes


def _regions(
    cells: Cells, regions: Sequence[str] | None, problems: Problems
) -> tuple[tuple[str, ...], IntArray]:
    import pandas as pd

    if "region" not in cells.columns:
        only = ONLY_REGION if regions is None else regions[0]
        if regions is not None and len(regions) != 1:
            problems.add(cells, "region", f"the column is missing; legal are {', '.join(regions)}")
        return (only,), np.zeros(len(cells.line), dtype=np.int64)
    text = identifiers(cells.columns["region"])
    if regions is None:
        problems.add_where(text == "", cells, "region", "legal is the name of a region")
        code, names = pd.factorize(text)
    else:
        code = pd.Index(list(regions)).get_indexer(pd.Index(text))
        names = np.array(regions, dtype=object)
        problems.add_where(code < 0, cells, "region", f"legal are {', '.join(regions)}")
    return tuple(str(name) for name in names), code.astype(np.int64)


def _doses(
    cells: Cells, observations: Cells, occasions: Occasions, problems: Problems
) -> tuple[IntArray, FloatArray]:
    """Occasion and row of the dose table of each dose that belongs to observations."""
    table = dose_values(cells, problems)
    subject, label = subject_and_label(cells, problems)
    if "occasion" not in cells.columns and "occasion" in observations.columns:
        if len(occasions.key) > len(occasions.subjects):
            problems.add(cells, "occasion", "the column is missing; the observations have one")
        by_subject = dict(zip(occasions.subjects, occasions.label(), strict=False))
        label = np.array([by_subject.get(name, "") for name in subject], dtype=object)
    if "occasion" in cells.columns and "occasion" not in observations.columns:
        problems.add(observations, "occasion", "the column is missing; the doses have one")
    at = occasions.find(subject, label)
    left = dict.fromkeys(zip(subject[at < 0], label[at < 0], strict=True))
    if left and not problems.total:
        several = len(occasions.key) > len(occasions.subjects)
        named = [f"{who} (occasion {which})" if several else who for who, which in left]
        more = f" and {len(named) - 20} more" if len(named) > 20 else ""
        warnings.warn(
            f"{cells.file}: subjects with doses but no observation were left out: "
            f"{', '.join(named[:20])}{more}",
            PopulationDataWarning,
            stacklevel=4,
        )
    return at[at >= 0], table[at >= 0]
