"""Means and variances that grow chunk by chunk, without keeping the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from hemadose.planning.situation import FloatArray

Z95 = 1.959963984540054  # normal quantile of a 95 % interval


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean and sum of squared deviations of columns.

    Attributes
    ----------
    n, mean, squares : ndarray, shape (n_columns,)
        Values that are not nan, their mean, and the sum of their squared distances to it.
    """

    n: FloatArray
    mean: FloatArray
    squares: FloatArray

    @property
    def variance(self) -> FloatArray:
        """Variance of a value; nan below two values."""
        out = np.full(self.n.shape, np.nan)
        np.divide(self.squares, self.n - 1, out=out, where=self.n > 1)
        return out

    @property
    def se(self) -> FloatArray:
        """Monte Carlo standard error of the mean; nan below two values."""
        out = np.full(self.n.shape, np.nan)
        np.divide(self.variance, self.n, out=out, where=self.n > 1)
        return np.asarray(np.sqrt(out))


def moments_of(values: FloatArray) -> Moments:
    """Moments of the columns of a table, shape (n_rows, n_columns); nan counts as missing."""
    held = np.isfinite(values)
    n = held.sum(axis=0).astype(np.float64)
    filled = np.where(held, values, 0.0)
    mean = np.divide(filled.sum(axis=0), n, out=np.zeros_like(n), where=n > 0)
    squares = np.where(held, (filled - mean) ** 2, 0.0).sum(axis=0)
    return Moments(n, mean, squares)


def merged(a: Moments, b: Moments) -> Moments:
    """Moments of both together (Chan, Golub & LeVeque, Am Stat 1983;37:242, eq. 2.1)."""
    n = a.n + b.n
    share = np.divide(b.n, n, out=np.zeros_like(n), where=n > 0)
    step = b.mean - a.mean
    return Moments(n, a.mean + step * share, a.squares + b.squares + step**2 * a.n * share)


def all_merged(parts: list[Moments]) -> Moments:
    """Moments of all parts together, merged from the first to the last."""
    return reduce(merged, parts)


def wilson(share: FloatArray, n: FloatArray, z: float = Z95) -> tuple[FloatArray, FloatArray]:
    """Interval of a proportion (Wilson, J Am Stat Assoc 1927;22:209).

    Parameters
    ----------
    share : ndarray
        Proportion observed.
    n : ndarray
        Number of patients; nan results where it is 0.
    z : float
        Normal quantile; 1.96 for 95 %.

    Returns
    -------
    lower, upper : ndarray
    """
    n = np.where(n > 0, n, np.nan)
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
