"""Probability that a dose is seen in the foci: power of the tests against the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from foci.calibration.curve import CalibrationCurve
from foci.checks import check_share, check_whole, number, numbers
from foci.counting.conditional_test import critical_counts
from foci.counting.counts import Alternative, check_dispersion
from foci.errors import FociError
from kinetics.curves import FloatArray

Method = Literal["exact", "currie"]
_TAIL = 1e-10  # baseline counts rarer than it are left out of the sum


@dataclass(frozen=True)
class Counting:
    """How the foci are counted and tested.

    Parameters
    ----------
    baseline_per_cell : float
        True mean of the patient's baseline.
    baseline_cells : int, optional
        Cells scored in the baseline; missing: as many as in the sample.
    method : {"exact", "currie"}
        Conditional test of the two counts, or Currie's decision threshold with the baseline that
        was counted (the conditional test where it holds no focus).
    alternative : {"two-sided", "greater"}
        Alternative of the conditional test; Currie is always ``"greater"``.
    alpha : float
        Probability of a false detection.
    dispersion : float
        Variance over mean of both counts (negative binomial above one).

    Raises
    ------
    FociError
        If a number is impossible.
    """

    baseline_per_cell: float
    baseline_cells: int | None = None
    method: Method = "exact"
    alternative: Alternative = "two-sided"
    alpha: float = 0.05
    dispersion: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= number(self.baseline_per_cell, "baseline_per_cell") < np.inf:
            raise FociError(
                "baseline_per_cell must be zero or positive foci per cell, got "
                f"{self.baseline_per_cell}"
            )
        if self.baseline_cells is not None:
            check_whole(self.baseline_cells, "baseline_cells")
        if self.method not in ("exact", "currie"):
            raise FociError(f"method must be 'exact' or 'currie', got {self.method!r}")
        if self.alternative not in ("two-sided", "greater"):
            raise FociError(
                f"alternative must be 'two-sided' or 'greater', got {self.alternative!r}"
            )
        check_share(self.alpha, "alpha")
        check_dispersion(self.dispersion)


def detection_power(
    dose_gy: npt.ArrayLike, curve: CalibrationCurve, counting: Counting, *, cells: int
) -> FloatArray:
    r"""Probability that foci at a dose are found significantly above the baseline.

    Parameters
    ----------
    dose_gy : array_like, shape (...)
        True doses of a sample irradiated and kept like those of the curve (Gy).
    curve : CalibrationCurve
        Curve of the laboratory; its intercept is replaced by the baseline.
    counting : Counting
        Baseline, test and dispersion.
    cells : int
        Cells scored in the sample.

    Returns
    -------
    ndarray, shape (...)
        At dose zero it is the probability of a false detection.

    Raises
    ------
    FociError
        If a dose is negative or on the falling branch of the curve, or cells are fewer than one.

    Notes
    -----
    :math:`\sum_{x_0} P(x_0 \mid n_0 b)\, P(X_1 \ge c(x_0) \mid n_1 \mu_1)` with
    :math:`\mu_1 = b + y(D) - y(0)` and :math:`c(x_0)` the smallest significant count.

    Examples
    --------
    >>> from foci import eberlein_2015
    >>> detection_power([0.0, 0.01, 0.02], eberlein_2015(), Counting(0.2), cells=100).round(3)
    array([0.017, 0.465, 0.937])
    """
    dose = numbers(dose_gy, "dose_gy")
    if not (np.isfinite(dose).all() and (dose >= 0).all()):
        raise FociError("doses must be finite and zero or positive")
    check_whole(cells, "cells")
    critical, probability = _region(counting, int(cells))
    if (dose > curve.turning_dose_gy).any():
        raise FociError(
            f"the curve falls above {curve.turning_dose_gy:.3g} Gy: it says nothing of the power "
            f"at {dose.max():g} Gy"
        )
    mean = counting.baseline_per_cell + curve.mean_per_cell(dose) - curve.intercept_per_cell
    found = _at_least(critical, cells * mean[..., None], counting.dispersion)
    return np.asarray((found * probability).sum(axis=-1))


@lru_cache(maxsize=64)
def _region(counting: Counting, cells: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Smallest significant count for each baseline count, and the probability of that count."""
    before, probability = _baseline_counts(counting, cells)
    return _critical(counting, before, cells), probability


def _baseline_counts(counting: Counting, cells: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Baseline counts that may occur, and their probabilities."""
    from scipy.stats import nbinom, poisson

    mean = counting.baseline_per_cell * (counting.baseline_cells or cells)
    if mean == 0:
        return np.zeros(1, np.int64), np.ones(1)
    law = poisson(mean)
    if counting.dispersion > 1:
        law = nbinom(mean / (counting.dispersion - 1), 1 / counting.dispersion)
    counts = np.arange(int(law.ppf(_TAIL)), int(law.isf(_TAIL)) + 1)
    return counts, np.asarray(law.pmf(counts))


def _critical(
    counting: Counting, before: npt.NDArray[np.int64], cells: int
) -> npt.NDArray[np.int64]:
    """Smallest significant count for each baseline count."""
    from scipy.stats import norm

    n0, alpha = counting.baseline_cells or cells, counting.alpha

    def conditional(counts: npt.NDArray[np.int64], side: Alternative) -> npt.NDArray[np.int64]:
        return critical_counts(
            counts, cells, n0, alpha=alpha, alternative=side, dispersion=counting.dispersion
        )

    if counting.method == "exact":
        return conditional(before, counting.alternative)
    mean = before / n0
    sd = np.sqrt(counting.dispersion * mean * (1 / cells + 1 / n0))
    threshold = cells * (mean + norm.ppf(1 - alpha) * sd)
    critical = np.floor(threshold).astype(np.int64) + 1
    if before[0] == 0:
        critical[0] = conditional(before[:1], "greater")[0]
    return np.asarray(critical)


def _at_least(count: npt.NDArray[np.int64], mean: FloatArray, dispersion: float) -> FloatArray:
    """Probability of at least so many."""
    from scipy.special import betainc, gammainc

    if dispersion == 1:
        return np.asarray(gammainc(count, mean))
    size = np.maximum(mean, 1e-300) / (dispersion - 1)
    return np.asarray(betainc(count.astype(np.float64), size, 1 - 1 / dispersion))
