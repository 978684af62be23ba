"""Occasions of the rows of a table, and covariates, which are constant within an occasion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.population.cells import Cells, TextArray, identifiers
from kinetics.population.data import IntArray
from kinetics.population.problems import Mask, Problems, numbers

ONLY_OCCASION = "1"
# Columns of observations that are no covariates.
RESERVED = (
    "subject", "occasion", "time_h", "region", "value", "sd", "below_limit", "amount", "row",
)  # fmt: skip
_CODE = (
    "; code text as numbers (as 0 and 1), or leave the column out by naming the covariates to keep"
)


@dataclass(frozen=True, eq=False)
class Occasions:
    """The occasions of the observations, in order of subject and label."""

    subjects: tuple[str, ...]
    labels: tuple[str, ...]
    key: IntArray  # subject index times the number of labels, plus label index; ascending
    of_row: IntArray  # occasion of each observation

    def subject(self) -> IntArray:
        """Index of the subject of each occasion."""
        return self.key // len(self.labels)

    def label(self) -> tuple[str, ...]:
        """Label of each occasion."""
        return tuple(self.labels[k] for k in self.key % len(self.labels))

    def find(self, subject: TextArray, label: TextArray) -> IntArray:
        """Occasion of each row of another table; -1 where no observation belongs to it."""
        import pandas as pd

        s = pd.Index(self.subjects).get_indexer(pd.Index(subject))
        k = pd.Index(self.labels).get_indexer(pd.Index(label))
        key = s * len(self.labels) + k
        at = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        return np.where((s >= 0) & (k >= 0) & (self.key[at] == key), at, -1).astype(np.int64)


def observed_occasions(cells: Cells, problems: Problems) -> Occasions:
    """Occasions of the observations."""
    import pandas as pd

    subject, label = subject_and_label(cells, problems)
    code, subjects = pd.factorize(subject)
    rank, labels = pd.factorize(label)
    try:
        order = np.argsort([float(text) for text in labels], kind="stable")
    except ValueError:
        order = np.arange(len(labels))
    rank, labels = np.argsort(order)[rank], labels[order]
    key, of_row = np.unique(code * len(labels) + rank, return_inverse=True)
    return Occasions(tuple(subjects), tuple(labels), key, of_row)


def subject_and_label(cells: Cells, problems: Problems) -> tuple[TextArray, TextArray]:
    """Subject and occasion of each row, as text."""
    subject = identifiers(cells.columns["subject"])
    problems.add_where(subject == "", cells, "subject", "legal is a number or name")
    if "occasion" not in cells.columns:
        return subject, np.full(len(subject), ONLY_OCCASION, dtype=object)
    label = identifiers(cells.columns["occasion"])
    problems.add_where(label == "", cells, "occasion", "legal is the number of an occasion")
    return subject, label


def occasion_covariates(
    cells: Cells, occasions: Occasions, wanted: Sequence[str] | None, problems: Problems
) -> Mapping[str, FloatArray]:
    """Value of each covariate in each occasion; `wanted` None is all of them."""
    there = [name for name in cells.columns if name not in RESERVED]
    subject, label = subject_and_label(cells, Problems())
    of_row = occasions.find(subject, label)
    values = {}
    for name in there if wanted is None else wanted:
        if name in there:
            values[name] = occasion_covariate(cells, name, of_row, occasions, problems)
        else:
            listed = ", ".join(there) or "none"
            problems.add(cells, name, f"there is no such covariate; there are {listed}")
    return values


def occasion_covariate(
    cells: Cells, name: str, of_row: IntArray, occasions: Occasions, problems: Problems
) -> FloatArray:
    """Value of a covariate in each occasion, carried forward within a subject."""
    own = Problems()
    value = numbers(cells, name, own, hint=_CODE)
    known = np.flatnonzero((of_row >= 0) & ~np.isnan(value))
    source = np.full(len(occasions.key), -1)
    source[of_row[known][::-1]] = known[::-1]  # the first row of each occasion is written last
    first = source[of_row]
    differs = np.zeros(len(value), dtype=bool)
    differs[known] = value[known] != value[first[known]]
    if not own.total:
        own.add_where(
            differs,
            cells,
            name,
            lambda row: (
                f"but row {cells.line[first[row]]} of the same subject and occasion has "
                f"{value[first[row]]:g}; legal is one value in an occasion, or leave the column "
                "out by naming the covariates to keep"
            ),
        )
    subject = occasions.subject()
    latest = np.maximum.accumulate(np.where(source >= 0, np.arange(len(source)), -1))
    found = (latest >= 0) & (subject[latest] == subject)
    if not own.total:
        _add_unknown(cells, name, of_row, occasions, found, own)
    problems.add_first_of(own)
    return np.where(found, value[source[latest]], np.nan)


def _add_unknown(
    cells: Cells, name: str, of_row: IntArray, occasions: Occasions, found: Mask, problems: Problems
) -> None:
    """Add a problem for every occasion without a value of the covariate."""
    for k in np.flatnonzero(~found):
        rows = np.flatnonzero(of_row == k)
        problems.add(
            cells,
            name,
            f"subject {occasions.subjects[occasions.subject()[k]]} has no value in occasion "
            f"{occasions.label()[k]} nor before; legal is a number in one of its rows",
            int(rows[0]) if len(rows) else None,
        )
