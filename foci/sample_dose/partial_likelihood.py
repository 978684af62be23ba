"""Likelihood of a sample in which only some cells were irradiated, on a grid that closes in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foci.counting.counts import FociSample
from foci.errors import FociError
from kinetics.curves import FloatArray

_DROP = 25.0  # log likelihood below the highest at which the grid ends
_COARSE = (33, 41, 17)
_FINE = (81, 97, 25)
_PASSES = 3
_ABOVE_HIGHEST = 5.0  # excess foci searched beyond twice the highest count of a cell


@dataclass(frozen=True, eq=False)
class PartialLikelihood:
    """Log likelihood on a grid.

    Attributes
    ----------
    fraction, excess_per_cell, background_per_cell : ndarray, one-dimensional
        Axes: irradiated share of the cells, their foci above the background, the background.
    log_likelihood : ndarray, shape (n_fraction, n_excess, n_background)
        Of the sample and its baseline.
    """

    fraction: FloatArray
    excess_per_cell: FloatArray
    background_per_cell: FloatArray
    log_likelihood: FloatArray

    def maximum(self) -> tuple[float, float, float]:
        """Axis values of the highest point."""
        i, j, k = np.unravel_index(self.log_likelihood.argmax(), self.log_likelihood.shape)
        return (
            float(self.fraction[i]),
            float(self.excess_per_cell[j]),
            float(self.background_per_cell[k]),
        )


def log_likelihood_at(
    sample: FociSample,
    baseline: FociSample,
    fraction: FloatArray,
    excess: FloatArray,
    background: FloatArray,
) -> FloatArray:
    r"""Log likelihood of sample and baseline on the grid of three axes.

    Notes
    -----
    :math:`\sum_k c_k \ln[p\,\mathrm{Pois}(k; b+Y) + (1-p)\,\mathrm{Pois}(k; b)]
    + x_0\ln b - n_0 b` with :math:`c_k` cells of k foci, up to a constant. An open last class K
    has the tails :math:`P(k \ge K)` in place of the two Poisson probabilities.
    """
    from scipy.special import xlogy

    cells = np.array(sample.distribution, dtype=np.float64)
    number = np.flatnonzero(cells)
    total = excess[:, None] + background
    p = fraction[:, None, None]
    value = np.zeros((len(fraction), len(excess), len(background)))
    for k in number.tolist():
        is_open = sample.open_last_class and k == len(cells) - 1
        with np.errstate(divide="ignore"):
            chance = p * _chance(k, total, is_open) + (1 - p) * _chance(k, background, is_open)
            value += cells[k] * np.log(chance)
    return np.asarray(value + xlogy(baseline.foci, background) - baseline.cells * background)


def _chance(count: int, mean: FloatArray, is_open: bool) -> FloatArray:
    """Poisson probability of a count, or of so many or more."""
    from scipy.special import gammainc, gammaln, xlogy

    if is_open and count > 0:
        return np.asarray(gammainc(count, mean))
    if is_open:
        return np.ones_like(mean)
    return np.asarray(np.exp(xlogy(count, mean) - mean - gammaln(count + 1)))


def partial_likelihood(
    sample: FociSample, baseline: FociSample, *, highest_excess: float = np.inf
) -> PartialLikelihood:
    """Likelihood on a grid that covers what is within `_DROP` of the highest.

    Parameters
    ----------
    sample : FociSample
        With its distribution.
    baseline : FociSample
        Unirradiated sample of the same person; its totals suffice.
    highest_excess : float
        Upper end of the excess foci searched.

    Raises
    ------
    FociError
        If the sample has no distribution.
    """
    if sample.distribution is None:
        raise FociError(
            "a partial irradiation is seen only in the distribution of the foci over the cells: "
            "give FociSample.from_distribution"
        )
    highest = 2 * float(np.flatnonzero(sample.distribution).max()) + _ABOVE_HIGHEST
    mean, sd = (baseline.foci + 0.5) / baseline.cells, np.sqrt(baseline.foci + 1) / baseline.cells
    ends = [
        (0.0, 1.0),
        (0.0, min(highest, highest_excess)),
        (max(mean - 8 * sd, 1e-3 / baseline.cells), mean + 8 * sd),
    ]
    for _ in range(_PASSES):
        axes = [_axis(*end, n) for end, n in zip(ends, _COARSE, strict=True)]
        height = log_likelihood_at(sample, baseline, *axes)
        likely = height > height.max() - _DROP
        for i, axis in enumerate(axes):
            hit = np.flatnonzero(likely.any(axis=tuple(k for k in range(3) if k != i)))
            low, high = max(hit[0] - 1, 0), min(hit[-1] + 1, len(axis) - 1)
            ends[i] = (float(axis[low]), float(axis[high]))
    fraction, excess, background = (_axis(*end, n) for end, n in zip(ends, _FINE, strict=True))
    value = log_likelihood_at(sample, baseline, fraction, excess, background)
    return PartialLikelihood(fraction, excess, background, value)


def _axis(low: float, high: float, n: int) -> FloatArray:
    """Points between the ends, denser towards a low end of zero."""
    share = np.linspace(0.0, 1.0, n)
    if low == 0 and high > 1:
        share = share**2
    return np.asarray(low + (high - low) * share)
