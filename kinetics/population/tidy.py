"""Reader of tidy tables: one file of observations, and one of doses."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from kinetics.population.build import VALUE_COLUMNS, aliases, build
from kinetics.population.cells import Cells, read_cells
from kinetics.population.data import PopulationData
from kinetics.population.errors import PopulationDataError

_AMOUNT_COLUMNS = ("amount", "activity_mbq")


def read_tidy(
    observations_csv: str | os.PathLike[str],
    doses_csv: str | os.PathLike[str] | None = None,
    *,
    value_column: str | None = None,
    regions: Sequence[str] | None = None,
    covariates: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    separator: str | None = None,
    decimal: str = ".",
) -> PopulationData:
    r"""Read observations, a row each, and doses, a row each; every cycle is its own occasion.

    Parameters
    ----------
    observations_csv : path
        Columns `patient`, `time_h` after the administration of the cycle (h), `value` (or
        `activity_mbq`, `activity_mbq_per_ml`); optional `cycle`, `region`, `sd` (known standard
        deviation of the value), `below_limit` (1: the value is the limit of quantification) and,
        without `doses_csv`, `amount` (bolus at time 0 into the first compartment; 1 if there is
        no such column). The other columns are covariates: numbers, constant within a cycle, and
        carried forward from the cycle before where missing.
    doses_csv : path, optional
        Columns `patient` and `amount` (or `activity_mbq`); optional `cycle`, `time_h`, and
        `compartment` (from 0), `rate` (per hour) or `duration_h`, `steady_state`, `interval_h`,
        `additional`, `reset`, all 0 by default.
    value_column : str, optional
        Column of the observations that holds the value.
    regions : sequence of str, optional
        Names of the regions in their order; missing: in order of appearance, or ``blood``.
    covariates : sequence of str, optional
        The covariates to keep; missing: all.
    columns : mapping of str to str, optional
        Columns to rename in either file, as ``{"hours": "time_h"}``.
    separator : str, optional
        Separator; missing: found in the header.
    decimal : str
        Decimal mark, ``.`` or ``,``.

    Returns
    -------
    PopulationData
        Patients in order of appearance, cycles in order of their number.

    Raises
    ------
    PopulationDataError
        If a table cannot be read as a whole; problems are told together.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp()) / "samples.csv"
    >>> rows = ["patient,cycle,time_h,activity_mbq", "A,1,2,80", "A,1,24,20", "A,2,24,18"]
    >>> _ = path.write_text("\n".join(rows))
    >>> data = read_tidy(path)
    >>> data.occasion_label, data.value
    (('1', '2'), array([80., 20., 18.]))
    """
    renaming = dict(columns or {})
    samples = _renamed(read_cells(observations_csv, separator=separator, decimal=decimal), renaming)
    samples = samples.renamed(aliases(samples))
    samples = samples.renamed(_value_name(samples, value_column))
    doses = None
    if doses_csv is not None:
        doses = _renamed(read_cells(doses_csv, separator=separator, decimal=decimal), renaming)
        doses = doses.renamed(aliases(doses))
        doses = doses.renamed({name: "amount" for name in _AMOUNT_COLUMNS})
        if "amount" in samples.columns:
            raise PopulationDataError(
                f"{samples.file}, column {samples.spelled['amount']}: the doses stand in "
                f"{doses.file} as well; keep one of them."
            )
    return build(samples, doses, regions=regions, covariates=covariates)


def _renamed(cells: Cells, columns: Mapping[str, str]) -> Cells:
    return cells.renamed({old: new for old, new in columns.items() if old in cells.columns})


def _value_name(cells: Cells, value_column: str | None) -> dict[str, str]:
    """Which column is to be called value."""
    legal = VALUE_COLUMNS if value_column is None else (value_column,)
    found = [name for name in legal if name in cells.columns]
    if len(found) == 1:
        return {found[0]: "value"}
    problem = f"there are {', '.join(found)}" if found else f"there is no {', '.join(legal)}"
    raise PopulationDataError(
        f"{cells.file}, row 1: {problem}; legal is one column of values (value_column names it), "
        f"and there are {', '.join(cells.spelled.values())}."
    )
