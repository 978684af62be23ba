"""How well a curve fits Poisson counts: likelihood, deviance and dispersion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from foci.checks import numbers
from foci.counting.counts import log_likelihood
from foci.errors import FociError
from kinetics.curves import FloatArray


def cell_dispersion(
    distributions: Sequence[Sequence[int]], cells: npt.ArrayLike, foci: npt.ArrayLike
) -> float:
    r"""Pooled variance over mean between the cells of each sample.

    :math:`\sum_i (N_i-1) s_i^2/\bar y_i \,/\, \sum_i (N_i-1)` over the samples with foci.
    """
    n, x = np.atleast_1d(cells), np.atleast_1d(foci)
    if len(distributions) != len(n):
        raise FociError(f"{len(distributions)} distributions were given for {len(n)} samples")
    chi_square = weight = 0.0
    for row, distribution in enumerate(distributions):
        seen = numbers(distribution, f"distribution {row + 1}")
        number = np.arange(len(seen))
        if seen.sum() != n[row] or number @ seen != x[row]:
            raise FociError(
                f"distribution {row + 1} holds {seen.sum():g} cells and {number @ seen:g} foci, "
                f"but {n[row]:g} and {x[row]:g} were given"
            )
        if x[row] > 0:
            mean = x[row] / n[row]
            chi_square += float(seen @ (number - mean) ** 2 / mean)
            weight += float(n[row] - 1)
    return chi_square / weight if weight else 1.0


def pearson_dispersion(mean: FloatArray, n: FloatArray, x: FloatArray, freedom: int) -> float:
    """Pearson's chi-square per degree of freedom."""
    used = mean > 0
    chi_square = ((x - n * mean)[used] ** 2 / (n * mean)[used]).sum()
    return float(chi_square / freedom) if freedom > 0 else float("nan")


def poisson_deviance(expected: FloatArray, x: FloatArray) -> float:
    """Poisson deviance of the totals."""
    from scipy.special import xlogy

    return float(2 * (xlogy(x, x) - xlogy(x, expected) - (x - expected)).sum())


def poisson_log_likelihood(expected: FloatArray, x: FloatArray) -> float:
    """Poisson log-likelihood of the totals."""
    return float(log_likelihood(x, 1, expected).sum())


def upper_tail(chi_square: float, freedom: int) -> float:
    """Chance of a larger chi-square; nan without degrees of freedom."""
    from scipy.special import chdtrc

    return float(chdtrc(freedom, chi_square)) if freedom > 0 else float("nan")
