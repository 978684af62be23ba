"""Imputation, missing indicators, selection and standardisation, learnt from training rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.risk_factors.data import IntArray

IMPUTATIONS = ("median", "iterative")
_ROUNDS = 10
_RIDGE = 1.0  # ASSUMED penalty of the chained regressions of standardised columns


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """What was learnt from training rows; `apply` turns predictors (n, p) into columns (n, q).

    Attributes
    ----------
    median, lowest, highest : ndarray, shape (p,)
        Of the known values.
    chained : ndarray, shape (p, p + 1), or None
        Iterative imputation: regression of each predictor on the others and 1 (diagonal 0).
    indicator : ndarray of int
        Predictors with a column "missing" (imputation "median", missing in some training row).
    kept : ndarray of int, shape (q,)
        Columns kept of the p + len(indicator).
    mean, scale : ndarray, shape (q,)
        Standardisation.
    """

    median: FloatArray
    lowest: FloatArray
    highest: FloatArray
    chained: FloatArray | None
    indicator: IntArray
    kept: IntArray
    mean: FloatArray
    scale: FloatArray

    def apply(self, x: FloatArray) -> FloatArray:
        """Standardised columns (n, q) of predictors (n, p)."""
        return (self.filled(x)[:, self.kept] - self.mean) / self.scale

    def columns(self, predictors: Sequence[str]) -> tuple[str, ...]:
        """Names of the q columns."""
        names = [*predictors, *(f"{predictors[j]} missing" for j in self.indicator)]
        return tuple(names[k] for k in self.kept)

    def filled(self, x: FloatArray) -> FloatArray:
        """Columns in their own units (n, p + len(indicator)), missing values imputed."""
        missing = np.isnan(x)
        filled = np.where(missing, self.median, x)
        if self.chained is not None and missing.any():
            order = _order(missing)
            for _ in range(_ROUNDS):
                for j in order:
                    rows = missing[:, j]
                    guess = _with_one(filled[rows]) @ self.chained[j]
                    filled[rows, j] = np.clip(guess, self.lowest[j], self.highest[j])
        return np.column_stack([filled, missing[:, self.indicator]])


def learn_preprocessing(
    x: FloatArray, y: FloatArray, *, imputation: str, keep_strongest: int | None = None
) -> Preprocessing:
    """Learn medians, imputation, selection and standardisation from training rows.

    ``keep_strongest`` keeps that many columns, those with the largest correlation with `y`.
    Columns that are constant in these rows are left out.
    """
    missing = np.isnan(x)
    known = [x[~missing[:, j], j] for j in range(x.shape[1])]
    median, lowest, highest = (
        np.array([float(of(values)) if len(values) else 0.0 for values in known])
        for of in (np.median, np.min, np.max)
    )
    chained = _chained(x, missing, median, lowest, highest) if imputation == "iterative" else None
    indicator = np.flatnonzero(missing.any(0)) if imputation == "median" else np.array([], int)
    bare = Preprocessing(
        median, lowest, highest, chained, indicator.astype(np.int64),
        np.arange(x.shape[1] + len(indicator)), np.zeros(1), np.ones(1),
    )  # fmt: skip
    columns = bare.apply(x)
    mean, scale = columns.mean(0), columns.std(0)
    kept = np.flatnonzero(scale > 1e-12 * (1 + np.abs(mean)))
    if keep_strongest is not None:
        strength = np.abs((columns[:, kept] - mean[kept]).T @ (y - y.mean())) / scale[kept]
        kept = np.sort(kept[np.argsort(-strength, kind="stable")[:keep_strongest]])
    return Preprocessing(
        median, lowest, highest, chained, bare.indicator, kept, mean[kept], scale[kept]
    )


def _chained(
    x: FloatArray, missing: npt.NDArray[np.bool_], median: FloatArray, lowest: FloatArray,
    highest: FloatArray,
) -> FloatArray:  # fmt: skip
    """Regressions of each predictor on the others, by turns, until the last round."""
    n_predictors = x.shape[1]
    filled = np.where(missing, median, x)
    coefficients = np.zeros((n_predictors, n_predictors + 1))
    order = _order(missing)
    for _ in range(_ROUNDS if order else 0):
        for j in order:
            rows = missing[:, j]
            coefficients[j] = _regression(filled, ~rows, j)
            guess = _with_one(filled[rows]) @ coefficients[j]
            filled[rows, j] = np.clip(guess, lowest[j], highest[j])
    for j in sorted(set(range(n_predictors)) - set(order)):
        coefficients[j] = _regression(filled, ~missing[:, j], j)
    return coefficients


def _regression(filled: FloatArray, rows: npt.NDArray[np.bool_], j: int) -> FloatArray:
    """Ridge regression of column j on the others: coefficients and, last, the intercept."""
    out = np.zeros(filled.shape[1] + 1)
    target = filled[rows, j]
    if len(target) == 0:
        return out
    others = np.delete(np.arange(filled.shape[1]), j)
    mean, scale = filled[rows][:, others].mean(0), filled[rows][:, others].std(0)
    scale = np.where(scale > 1e-12 * (1 + np.abs(mean)), scale, np.inf)
    z = (filled[rows][:, others] - mean) / scale
    gram = z.T @ z + _RIDGE * np.eye(len(others))
    slope = np.linalg.solve(gram, z.T @ (target - target.mean())) / scale
    out[others] = slope
    out[-1] = target.mean() - slope @ mean
    return out


def _with_one(columns: FloatArray) -> FloatArray:
    return np.column_stack([columns, np.ones(len(columns))])


def _order(missing: npt.NDArray[np.bool_]) -> list[int]:
    """Columns with a missing value, the one with the fewest first."""
    count = missing.sum(0)
    return [int(j) for j in np.argsort(count, kind="stable") if count[j]]
