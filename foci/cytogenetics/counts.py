"""Aberrations scored in metaphases or binucleated cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.counting.counts import FociSample, check_counts, totals
from foci.counting.dispersion import dispersion_test
from foci.errors import FociError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AberrationCounts:
    """Dicentrics, translocations or micronuclei scored in one person.

    Parameters
    ----------
    cells, aberrations : int
        Cells scored and aberrations in them.
    distribution : tuple of int, optional
        Number of cells with 0, 1, 2, ... aberrations; must agree with the totals.

    Raises
    ------
    FociError
        If a number is impossible or the distribution disagrees with the totals.

    Examples
    --------
    >>> counts = AberrationCounts.from_distribution((302, 28, 22, 8, 1))
    >>> counts.cells, counts.aberrations, round(counts.per_cell, 3)
    (361, 100, 0.277)
    """

    cells: int
    aberrations: int
    distribution: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_counts(self.cells, self.aberrations)
        if self.distribution is not None:
            cells, aberrations = totals(self.distribution)
            if (cells, aberrations) != (self.cells, self.aberrations):
                raise FociError(
                    f"the distribution holds {cells} cells and {aberrations} aberrations, but "
                    f"cells={self.cells} and aberrations={self.aberrations} were given"
                )

    @classmethod
    def from_distribution(cls, distribution: Sequence[int]) -> AberrationCounts:
        """Counts from the number of cells with 0, 1, 2, ... aberrations."""
        return cls(*totals(distribution), tuple(int(n) for n in distribution))

    @property
    def per_cell(self) -> float:
        """Mean number of aberrations per cell."""
        return self.aberrations / self.cells

    def as_sample(self) -> FociSample:
        """The same counts for the estimators of foci; cycle and time mean nothing here."""
        return FociSample(1, 0.0, self.cells, self.aberrations, self.distribution)


def yield_table(dose_gy: npt.ArrayLike, distributions: Sequence[Sequence[int]]) -> pd.DataFrame:
    """Yield, standard error, dispersion index and u of each dose of a series.

    Parameters
    ----------
    dose_gy : array_like, shape (n_doses,)
        Doses (Gy).
    distributions : sequence of sequence of int
        For each dose the number of cells with 0, 1, 2, ... aberrations.

    Returns
    -------
    DataFrame
        One row a dose: `dose_gy`, `cells`, `aberrations`, `per_cell`, `sd_per_cell` (of the
        mean, from the scatter of the cells), `dispersion_index`, `u`, `status`. Below two
        aberrations the index and u do not exist; the standard deviation is then Poisson's.

    Raises
    ------
    FociError
        If the numbers of doses and distributions differ or a distribution is impossible.

    Examples
    --------
    >>> table = yield_table([0.25, 4.0], [(1987, 20, 1), (35, 41, 21, 4, 2)])
    >>> table[["dispersion_index", "u"]].round(3).to_numpy().tolist()
    [[1.08, 2.61], [0.882, -0.844]]
    """
    import pandas as pd

    dose = np.atleast_1d(np.asarray(dose_gy, dtype=np.float64))
    if dose.shape != (len(distributions),):
        raise FociError(f"{len(dose)} doses were given for {len(distributions)} distributions")
    rows = []
    for d, distribution in zip(dose.tolist(), distributions, strict=True):
        counts = AberrationCounts.from_distribution(distribution)
        index, u, status = float("nan"), float("nan"), "too few aberrations for the u test"
        if counts.aberrations > 1 and counts.cells > 1:
            test = dispersion_test(distribution)
            index, u, status = test.index, test.u, test.status
        scatter = index if np.isfinite(index) else 1.0
        sd = float(np.sqrt(scatter * counts.aberrations)) / counts.cells
        rows.append((d, counts.cells, counts.aberrations, counts.per_cell, sd, index, u, status))
    counted = ["dose_gy", "cells", "aberrations", "per_cell", "sd_per_cell"]
    return pd.DataFrame(rows, columns=[*counted, "dispersion_index", "u", "status"])
