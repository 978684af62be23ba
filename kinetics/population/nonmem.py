"""Reader of NONMEM tables: one file with doses and observations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.population._nonmem_events import Events, events, order_events
from kinetics.population._nonmem_regions import Regions, named_regions
from kinetics.population.build import build
from kinetics.population.cells import Cells, TextArray, cells_of_frame, identifiers, read_cells
from kinetics.population.data import PopulationData
from kinetics.population.occasions import RESERVED
from kinetics.population.problems import Mask, Problems, absent, numbers

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "ID", "TIME", "DV", "AMT", "EVID", "MDV", "CMT", "RATE", "ADDL", "II", "SS", "DVID", "CENS",
    "BLQ", "LIMIT", "LLOQ", "OCC", "C", "SD", "DV_SD",
)  # fmt: skip
_NO_DATES = "dates are not read; write TIME in hours that run on, and drop=('{}',)"
_NO_DURATION = "durations are not read; write RATE (amount per hour), and drop=('{}',)"
_REFUSED = {
    **dict.fromkeys(("DATE", "DAT1", "DAT2", "DAT3"), _NO_DATES),
    **dict.fromkeys(("DUR", "TINF"), _NO_DURATION),
}


def read_nonmem(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    regions: Regions | None = None,
    region_column: str | None = None,
    covariates: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    occasions: Literal["ignore", "separate"] = "ignore",
    occasion_column: str = "OCC",
    lloq: float | None = None,
    separator: str | None = None,
    decimal: str = ".",
) -> PopulationData:
    """Read a NONMEM table.

    Parameters
    ----------
    source : path or DataFrame
        A delimited text file with a header, or its data frame. Missing cells are empty, ``.`` or
        ``NA``. Rows with anything in a column C, and lines that start with ``#``, are comments.
    regions : str, sequence of str or mapping, optional
        Names of the observed regions: one name; names in ascending order of the code in
        `region_column`; or name by code. Missing: ``blood`` if there is one code, otherwise the
        column and the code, as ``dvid_2`` (text stands for itself).
    region_column : str, optional
        Column that says what is observed; missing: DVID, otherwise CMT if observations have
        several.
    covariates : sequence of str, optional
        The covariates; missing: every column that is not NONMEM's. Numbers, constant within a
        subject (within an occasion if these are separate); one value in any row is enough.
    columns : mapping of str to str, optional
        Columns to rename, as ``{"conc": "DV"}``. NONMEM's names are read in any case.
    drop : sequence of str
        Columns to leave unread.
    occasions : {"ignore", "separate"}
        ``"ignore"``: one occasion a subject, whose time runs on. ``"separate"``: each value of
        `occasion_column` is an occasion that starts from an empty system (what is left of earlier
        doses is forgotten) and counts its time from its first dose, or from its first row if it
        has none. Either way a reset (EVID 3 or 4) at which the time goes back starts one.
    occasion_column : str
        Number of the occasion.
    lloq : float, optional
        Limit of quantification where there is no LLOQ column.
    separator : str, optional
        Separator; missing: found in the header (comma, semicolon, tab or blanks).
    decimal : str
        Decimal mark, ``.`` or ``,``.

    Returns
    -------
    PopulationData
        Compartments of doses count from 0 (CMT from 1; missing or 0 is the first).

    Raises
    ------
    PopulationDataError
        If the table cannot be read as a whole; problems are told together.

    Notes
    -----
    EVID 0 is an observation, 1 a dose, 2 another event, 3 a reset, 4 a reset and a dose; 101, 201,
    ... are boluses into compartments 1, 2, ... (as in RxODE). Where EVID is missing a row with an
    amount is a dose. Rows with MDV 1 are no observations. CENS 1 marks a value below the limit
    DV (as in Monolix), BLQ 1 one below LLOQ; without either, a DV below LLOQ is below the limit.
    SD or DV_SD is the known standard deviation of DV. An observation that stands before a dose of
    the same time is before it: what follows in the file at that time is read 1e-6 h later.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"ID": [1, 1], "TIME": [0, 2], "AMT": [100, 0], "DV": [0, 7.5]})
    >>> data = read_nonmem(table)
    >>> data.value, data.doses[:, 1]
    (array([7.5]), array([100.]))
    """
    if occasions not in ("ignore", "separate"):
        raise KineticsError(f"got occasions={occasions!r}, legal are 'ignore' and 'separate'")
    cells = _cells(source, separator, decimal)
    problems = Problems()
    cells = _standard(cells, columns or {}, drop, problems)
    _check_present(cells, covariates, problems)
    problems.raise_if_any()
    cells = cells.select(absent(cells, "C") | _is(cells, "C", "0"))
    event = events(cells, problems)
    value, below = _observed(cells, event.observation, lloq, problems)
    regions_of_rows, names = named_regions(
        cells, event.observation, region_column, regions, problems
    )
    problems.raise_if_any()
    separate = occasion_column.upper() if occasions == "separate" else None
    time, label = order_events(cells, event, separate, problems)
    problems.raise_if_any()
    rows = {"subject": event.subject, "occasion": label}
    observed: dict[str, npt.NDArray[Any]] = {
        **rows,
        "time_h": time,
        "value": value,
        "below_limit": below.astype(np.float64),
        "region": regions_of_rows,
        "sd": numbers(cells, "SD", problems),
    }
    return build(
        Cells(cells.file, cells.line, observed, {}).select(event.observation),
        _doses(cells, event, rows | {"time_h": time}).select(event.dose | event.reset),
        covariate_rows=_covariates(cells, rows, covariates, (occasion_column, region_column)),
        covariates=covariates,
        regions=names,
    )


def _cells(
    source: str | os.PathLike[str] | pd.DataFrame, separator: str | None, decimal: str
) -> Cells:
    if isinstance(source, str | os.PathLike):
        return read_cells(source, separator=separator, decimal=decimal)
    return cells_of_frame(source, "table")


def _standard(
    cells: Cells, columns: Mapping[str, str], drop: Sequence[str], problems: Problems
) -> Cells:
    """Leave out columns, and name the others as NONMEM does."""
    left = {name.casefold() for name in drop}
    folded = {name.casefold(): name for name in cells.columns}
    for name in (*drop, *columns):
        if name.casefold() not in folded:
            there = ", ".join(cells.columns)
            problems.add(cells, name, f"there is no such column; there are {there}")
    kept = {name: c for name, c in cells.columns.items() if name.casefold() not in left}
    renaming = {old.casefold(): new for old, new in columns.items()}
    names = {}
    for name in kept:
        new = renaming.get(name.casefold(), name)
        names[name] = new.upper() if new.upper() in (*COLUMNS, *_REFUSED) else new
    names = {old: "SD" if new == "DV_SD" else new for old, new in names.items()}
    return Cells(cells.file, cells.line, kept, cells.spelled, cells.decimal).renamed(names)


def _check_present(cells: Cells, covariates: Sequence[str] | None, problems: Problems) -> None:
    there = ", ".join(cells.spelled.values())
    for name in ("ID", "TIME", "DV"):
        if name not in cells.columns:
            problems.add(
                cells,
                name,
                f"the column is missing; there are {there} (columns={{...}} renames them)",
            )
    for name, advice in _REFUSED.items():
        if name in cells.columns and name not in (covariates or ()):
            problems.add(cells, name, advice.format(cells.spelled[name]))
    for name in set(RESERVED) & set(cells.columns):
        problems.add(cells, name, "the name is taken; drop it or rename it with columns={...}")
    if "CENS" in cells.columns and "BLQ" in cells.columns:
        problems.add(
            cells,
            "CENS",
            "there is a column BLQ as well; keep one, with drop=('CENS',) or ('BLQ',)",
        )


def _is(cells: Cells, name: str, text: str) -> Mask:
    if name not in cells.columns:
        return np.zeros(len(cells.line), dtype=bool)
    return np.asarray(identifiers(cells.columns[name]) == text, dtype=bool)


def _observed(
    cells: Cells, observation: Mask, lloq: float | None, problems: Problems
) -> tuple[FloatArray, Mask]:
    """Value of each row, the limit where it is below the limit, and whether it is."""
    seen = cells.select(observation)
    dv = numbers(seen, "DV", problems)
    limit = numbers(seen, "LLOQ", problems, missing=np.nan if lloq is None else lloq)
    censored = numbers(seen, "CENS", problems, missing=0.0)
    flagged = numbers(seen, "BLQ", problems, missing=0.0)
    _check_limits(seen, dv, limit, censored, flagged, problems)
    sd = numbers(seen, "SD", problems)
    problems.add_where(sd <= 0, seen, "SD", "legal is a number above 0, or a missing cell")
    below = (censored == 1) | (flagged == 1)
    if "CENS" not in cells.columns and "BLQ" not in cells.columns:
        below = dv < limit
    use_limit = below & (censored != 1)
    problems.add_where(
        absent(seen, "DV") & ~use_limit, seen, "DV", "legal is a number, or MDV 1 if there is none"
    )
    value, where = np.full(len(cells.line), np.nan), np.zeros(len(cells.line), dtype=bool)
    value[observation], where[observation] = np.where(use_limit, limit, dv), below
    return value, where


def _check_limits(
    cells: Cells,
    dv: FloatArray,
    limit: FloatArray,
    censored: FloatArray,
    flagged: FloatArray,
    problems: Problems,
) -> None:
    problems.add_where(
        ~np.isin(censored, (0, 1)) & ~np.isnan(censored),
        cells,
        "CENS",
        "legal are 0 and 1 (below the limit DV); values above an upper limit (-1) are not read",
    )
    problems.add_where(
        ~np.isin(flagged, (0, 1)) & ~np.isnan(flagged), cells, "BLQ", "legal are 0 and 1"
    )
    problems.add_where(
        (censored == 1) & (np.abs(limit - dv) > 0),
        cells,
        "DV",
        lambda row: (
            f"but CENS is 1, which makes DV the limit, and the limit of quantification is "
            f"{limit[row]:g}; write the limit in DV, or name the column CENS BLQ"
        ),
    )
    problems.add_where(
        (flagged == 1) & np.isnan(limit),
        cells,
        "BLQ",
        "but there is no limit; legal is a number in LLOQ, or the argument lloq",
    )
    problems.add_where(
        ((censored == 1) | (flagged == 1)) & ~absent(cells, "LIMIT"),
        cells,
        "LIMIT",
        "a lower bound of values below the limit is not read; leave the column out with "
        "drop=('LIMIT',)",
    )


def _doses(cells: Cells, event: Events, rows: Mapping[str, npt.NDArray[Any]]) -> Cells:
    """Cells of the dose table; their problems name NONMEM's columns."""
    spelled = {
        "amount": "AMT", "rate": "RATE", "steady_state": "SS", "interval_h": "II",
        "additional": "ADDL",
    }  # fmt: skip
    problems = Problems()
    given = {
        name: np.where(event.dose, numbers(cells, column, problems), 0.0)
        for name, column in spelled.items()
    }
    more = {"compartment": event.compartment, "reset": event.reset.astype(np.float64)}
    return Cells(cells.file, cells.line, {**rows, **given, **more}, spelled)


def _covariates(
    cells: Cells,
    rows: Mapping[str, TextArray],
    wanted: Sequence[str] | None,
    used: tuple[str | None, ...],
) -> Cells:
    """Cells of the columns that are covariates: those wanted, or what has no other meaning."""
    taken = {name.casefold() for name in (*COLUMNS, *used) if name}
    others = {
        name: column
        for name, column in cells.columns.items()
        if (name.casefold() not in taken if wanted is None else name in wanted)
    }
    return Cells(cells.file, cells.line, {**others, **rows}, cells.spelled, cells.decimal)
