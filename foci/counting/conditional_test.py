"""Counts above a baseline: the conditional test, for arrays of baseline counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foci.counting.counts import Alternative
from kinetics.curves import FloatArray

IntArray = npt.NDArray[np.int64]
_REACH = 15
_AT_ONCE = 2_000_000  # probabilities held in memory
_TIE = 1 + 1e-7  # outcomes this much more likely count as equally likely


def critical_counts(
    baseline_foci: npt.ArrayLike,
    cells: int,
    baseline_cells: int,
    *,
    alpha: float,
    alternative: Alternative,
    dispersion: float = 1.0,
) -> IntArray:
    """Smallest count above the baseline's mean that is significant, for each baseline count.

    Given the sum T of both counts, the sample's count is binomial with the share of its cells, or
    beta-binomial for overdispersed counts (negative binomial with variance over mean `dispersion`
    and the pooled mean).
    """
    x0 = np.atleast_1d(np.asarray(baseline_foci, dtype=np.int64))

    def significant(x1: IntArray) -> npt.NDArray[np.bool_]:
        p = p_values(x1, x0, cells, baseline_cells, alternative, dispersion)
        return np.asarray(p < alpha)

    low = np.floor(x0 * (cells / baseline_cells)).astype(np.int64)  # at the mean: never
    step, high = 4, low + 4
    while not (reached := significant(high)).all():
        step *= 2
        high = np.where(reached, high, low + step)
    while (high - low > 1).any():
        middle = (low + high) // 2
        reached = significant(middle)
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.asarray(high)


def p_values(
    x1: IntArray,
    x0: IntArray,
    cells: int,
    baseline_cells: int,
    alternative: Alternative,
    dispersion: float,
) -> FloatArray:
    """P value of each pair of counts, the sample's above the baseline's mean."""
    share = cells / (cells + baseline_cells)
    if dispersion > 1:
        return _beta_binomial(x1, x0, share, alternative, dispersion)
    from scipy.special import bdtr, betainc

    total = x0 + x1
    upper = np.where(x1 > 0, betainc(np.maximum(x1, 1), x0 + 1.0, share), 1.0)
    if alternative == "greater":
        return np.asarray(upper)
    lower = _last_as_unlikely(x1, total, share)
    return np.asarray(upper + np.where(lower >= 0, bdtr(lower, total, share), 0.0))


def _log_binomial(k: FloatArray, total: IntArray, share: float) -> FloatArray:
    from scipy.special import gammaln

    value = gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1)
    return np.asarray(value + k * np.log(share) + (total - k) * np.log1p(-share))


def _last_as_unlikely(x1: IntArray, total: IntArray, share: float) -> IntArray:
    """Largest count below the mode that is no more likely than x1; -1 where there is none."""
    limit = _log_binomial(x1.astype(np.float64), total, share) + np.log(_TIE)
    low, high = np.full_like(total, -1), np.floor((total + 1) * share).astype(np.int64)
    high = np.minimum(high, total)
    while (high - low > 1).any():
        middle = (low + high) // 2
        unlikely = _log_binomial(middle.astype(np.float64), total, share) <= limit
        low, high = np.where(unlikely, middle, low), np.where(unlikely, high, middle)
    return low


def _beta_binomial(
    x1: IntArray, x0: IntArray, share: float, alternative: Alternative, dispersion: float
) -> FloatArray:
    """The same by summation; sizes of the negative binomials from the pooled mean.

    Outcomes further from the mean than `_REACH` standard deviations and dispersions are left out.
    """
    total = x0 + x1
    size = np.maximum(total, 1e-12) / (dispersion - 1)
    sd = np.sqrt(total * share * (1 - share) * (total + size) / (1 + size))
    reach = np.ceil(_REACH * (sd + dispersion + 1)).astype(np.int64)
    mean = np.floor(total * share).astype(np.int64)
    first = np.maximum(mean - reach, 0)
    width = int((np.minimum(np.maximum(x1, mean) + reach, total) - first).max()) + 1
    rows = max(1, _AT_ONCE // width)
    parts = [
        _summed(x1[at], total[at], size[at], first[at], width, share, alternative)
        for at in (slice(start, start + rows) for start in range(0, len(x1), rows))
    ]
    return np.concatenate(parts)


def _summed(
    x1: IntArray,
    total: IntArray,
    size: FloatArray,
    first: IntArray,
    width: int,
    share: float,
    alternative: Alternative,
) -> FloatArray:
    """P values by summation over so many outcomes from the first of each row on."""
    from scipy.special import gammaln

    x1, total, first = (values[:, None] for values in (x1, total, first))
    size = size[:, None]
    a, b = share * size, (1 - share) * size
    k = first + np.arange(width)
    rest = np.maximum(total - k, 0)
    value = (
        gammaln(total + 1) - gammaln(k + 1) - gammaln(rest + 1)
        + gammaln(k + a) + gammaln(rest + b) - gammaln(total + size)
        + gammaln(size) - gammaln(a) - gammaln(b)
    )  # fmt: skip
    probability = np.exp(np.where(k <= total, value, -np.inf))
    counted = k >= x1
    if alternative == "two-sided":
        seen = np.take_along_axis(probability, x1 - first, axis=1)
        counted = counted | ((probability <= seen * _TIE) & (k < share * total))
    return np.asarray((probability * counted).sum(axis=1))
