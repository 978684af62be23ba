"""What each row of a NONMEM table is, and when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.population.cells import Cells, TextArray, identifiers
from kinetics.population.data import IntArray
from kinetics.population.problems import Mask, Problems, absent, numbers

# An observation at the time of a dose counts as after it; what stands before it in the file is
# put this much (h) before.
JUST_AFTER_H = 1e-6
_HIGHEST_EVID = 9999.0


@dataclass(frozen=True, eq=False)
class Events:
    """Kind of each row: arrays of shape (n_rows,)."""

    subject: TextArray
    time_h: FloatArray
    observation: Mask
    dose: Mask
    reset: Mask
    compartment: FloatArray


def events(cells: Cells, problems: Problems) -> Events:
    """Tell observations, doses and resets apart."""
    subject = identifiers(cells.columns["ID"], numeric=True)
    problems.add_where(subject == "", cells, "ID", "legal is a number or name")
    time = numbers(cells, "TIME", problems)
    problems.add_where(
        absent(cells, "TIME"), cells, "TIME", "legal is a number of hours (NONMEM reads 0 here)"
    )
    amount = numbers(cells, "AMT", problems, missing=0.0)
    evid = numbers(cells, "EVID", problems)
    mdv = numbers(cells, "MDV", problems, missing=0.0)
    evid = np.where(absent(cells, "EVID"), (amount != 0).astype(float), evid)
    coded = (evid > 100) & (evid <= _HIGHEST_EVID) & (evid % 100 == 1)
    dose = np.isin(evid, (1, 4)) | coded
    _check(cells, evid, coded, amount, mdv, problems)
    for name in ("RATE", "ADDL", "II", "SS"):
        numbers(cells, name, problems)
    return Events(
        subject=subject,
        time_h=time,
        observation=(evid == 0) & (mdv != 1),
        dose=dose,
        reset=np.isin(evid, (3, 4)),
        compartment=_compartment(cells, evid, coded, dose, problems),
    )


def _check(
    cells: Cells,
    evid: FloatArray,
    coded: Mask,
    amount: FloatArray,
    mdv: FloatArray,
    problems: Problems,
) -> None:
    problems.add_where(
        ~np.isin(evid, (0, 1, 2, 3, 4)) & ~coded & ~np.isnan(evid),
        cells,
        "EVID",
        "legal are 0 to 4, and 101, 201, ... for a bolus into compartment 1, 2, ...; write "
        "infusions (10101) with EVID 1 and RATE",
    )
    problems.add_where(
        coded & (numbers(cells, "RATE", Problems(), missing=0.0) != 0),
        cells,
        "EVID",
        "which is a bolus, but there is a RATE; write EVID 1",
    )
    problems.add_where(~np.isin(mdv, (0, 1)) & ~np.isnan(mdv), cells, "MDV", "legal are 0 and 1")
    problems.add_where(
        (evid == 0) & (amount != 0) & ~np.isnan(amount),
        cells,
        "AMT",
        "but EVID is 0, an observation; legal is 0, or EVID 1 for a dose",
    )
    if "AMT" not in cells.columns:
        problems.add_where(
            np.isin(evid, (1, 4)) | coded, cells, "EVID", "a dose, but there is no column AMT"
        )


def _compartment(
    cells: Cells, evid: FloatArray, coded: Mask, dose: Mask, problems: Problems
) -> FloatArray:
    """Compartment of each dose, from 0."""
    if "CMT" not in cells.columns or not np.any(dose & ~coded):
        number = np.ones(len(cells.line))
    else:
        doses, number = cells.select(dose & ~coded), np.ones(len(cells.line))
        given = numbers(
            doses, "CMT", problems, missing=1.0, hint="; number the compartments from 1"
        )
        problems.add_where(
            (given < 0) | (given != np.floor(given)) & ~np.isnan(given),
            doses,
            "CMT",
            "legal is a whole number from 1 (0: the first); compartments are not turned off",
        )
        number[dose & ~coded] = np.maximum(given, 1.0)
    return np.where(coded, evid // 100, number) - 1.0


def order_events(
    cells: Cells, event: Events, occasion_column: str | None, problems: Problems
) -> tuple[FloatArray, TextArray]:
    """Time of each row within its occasion (h), and the label of the occasion.

    `occasion_column` is None where occasions are ignored.
    """
    subject, time = event.subject, event.time_h
    new = np.ones(len(subject), dtype=bool)
    new[1:] = subject[1:] != subject[:-1]
    _check_blocks(cells, "ID", subject, new, subject, problems)
    back = np.zeros(len(time), dtype=bool)
    back[1:] = (time[1:] < time[:-1]) & ~new[1:]
    start = new | (back & event.reset)
    if occasion_column is None:
        count = np.cumsum(start)
        label = identifiers(np.asarray(count - np.maximum.accumulate(np.where(new, count, 0)) + 1))
    else:
        label = _occasion_label(cells, occasion_column, problems)
        start[1:] |= label[1:] != label[:-1]
        both = np.array([f"{s}\n{k}" for s, k in zip(subject, label, strict=True)], dtype=object)
        _check_blocks(cells, occasion_column, label, start, both, problems)
    problems.add_where(
        back & ~start,
        cells,
        "TIME",
        lambda row: (
            f"before the {time[row - 1]:g} of the row above; legal is a time that does not go back "
            "within a subject, but at a reset (EVID 3 or 4)"
        ),
    )
    segment = np.cumsum(start) - 1
    if occasion_column is not None:
        zero = _zero(event.dose, start, segment, time)
        _check_crossing(cells, event, time, start, segment, problems)
        time = time - zero[segment]
    return time + JUST_AFTER_H * _behind(event, time, segment), label


def _occasion_label(cells: Cells, column: str, problems: Problems) -> TextArray:
    folded = {name.casefold(): name for name in cells.columns}
    if column.casefold() not in folded:
        problems.add(cells, column, "the column is missing; occasions='separate' needs it")
        problems.raise_if_any()
    name = folded[column.casefold()]
    label = identifiers(cells.columns[name], numeric=True)
    problems.add_where(label == "", cells, name, "legal is the number of an occasion")
    return label


def _check_blocks(
    cells: Cells, column: str, text: TextArray, start: Mask, whole: TextArray, problems: Problems
) -> None:
    """Refuse a value that comes back after another one."""
    import pandas as pd

    first = np.flatnonzero(start)
    again = pd.Series(whole[first]).duplicated().to_numpy()
    for row in first[again]:
        problems.add(
            cells,
            column,
            f"{text[row]!r} stands above already, and other rows or a reset to an earlier time lie "
            "between; legal is that the rows of "
            f"{'a subject' if column == 'ID' else 'an occasion'} stand together",
            int(row),
        )


def _zero(dose: Mask, start: Mask, segment: IntArray, time: FloatArray) -> FloatArray:
    """Time of the first dose of each segment, or of its first row."""
    zero = time[start].copy()
    rows = np.flatnonzero(dose)[::-1]
    zero[segment[rows]] = time[rows]
    return zero


def _check_crossing(
    cells: Cells,
    event: Events,
    time: FloatArray,
    start: Mask,
    segment: IntArray,
    problems: Problems,
) -> None:
    """Refuse additional doses that would fall into the next occasion."""
    first = np.flatnonzero(start)
    following = np.append(time[first[1:]], np.inf)
    following[:-1][event.subject[first[1:]] != event.subject[first[:-1]]] = np.inf
    following[:-1][following[:-1] < time[first[:-1]]] = np.inf
    quiet = Problems()
    interval = numbers(cells, "II", quiet, missing=0.0)
    additional = numbers(cells, "ADDL", quiet, missing=0.0)
    problems.add_where(
        event.dose & (time + interval * additional >= following[segment]) & (additional > 0),
        cells,
        "ADDL",
        "but these doses run into the next occasion, which starts anew; write them as rows of "
        "that occasion",
    )


def _behind(event: Events, time: FloatArray, segment: IntArray) -> IntArray:
    """How many observations of the same time stand before the latest dose up to each row."""
    import pandas as pd

    new = np.ones(len(time), dtype=bool)
    new[1:] = (time[1:] != time[:-1]) | (segment[1:] != segment[:-1])
    run = np.cumsum(new)
    seen = np.cumsum(event.observation)
    before: IntArray = seen - (seen - event.observation)[np.flatnonzero(new)][run - 1]
    behind = pd.Series(np.where(event.dose | event.reset, before, 0))
    return np.asarray(behind.groupby(run).cummax(), dtype=np.int64)
