"""Cells with at least one focus on several slides: a beta-binomial share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foci.checks import numbers
from foci.counting.counts import check_counts
from foci.counting.likelihood_fit import maximise
from foci.errors import FociError
from kinetics.curves import FloatArray


@dataclass(frozen=True)
class PositiveCells:
    r"""Beta-binomial share of cells with at least one focus, over slides.

    Attributes
    ----------
    share, share_sd : float
        Mean share of positive cells, and its standard deviation.
    correlation, correlation_sd : float
        Correlation of two cells of one slide; its standard deviation is NaN at the bound of zero.
    p_value : float
        Likelihood-ratio test of the binomial distribution.
    mean_per_cell : float
        Mean foci per cell of Poisson counts with this share: :math:`-\ln(1 - share)`.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    share: float
    share_sd: float
    correlation: float
    correlation_sd: float
    p_value: float
    mean_per_cell: float
    status: str


def positive_cells(cells: Sequence[int], positive: Sequence[int]) -> PositiveCells:
    r"""Fit a beta-binomial to the cells with at least one focus on several slides.

    Parameters
    ----------
    cells, positive : sequence of int, shape (n_slides,)
        Cells scored on each slide, and those of them with one focus or more.

    Raises
    ------
    FociError
        If a number is impossible, there are fewer than two slides, or no cell or every cell is
        positive.

    Notes
    -----
    Shares :math:`p_i \sim \mathrm{Beta}(p(1-\rho)/\rho, (1-p)(1-\rho)/\rho)`; maximum
    likelihood. For readers who note only which cells are positive.

    References
    ----------
    Williams DA. Biometrics 1975;31:949-952, doi:10.2307/2529820.

    Examples
    --------
    >>> fit = positive_cells([100] * 6, [21, 35, 18, 40, 12, 30])
    >>> round(fit.share, 2), round(fit.correlation, 3), fit.p_value < 0.01
    (0.26, 0.041, True)
    """
    from scipy.special import expit, logit
    from scipy.stats import betabinom, binom, chi2

    n, x = numbers(cells, "cells"), numbers(positive, "positive")
    _check_positive(n, x)
    share = x.sum() / n.sum()

    def log_likelihood(z: FloatArray) -> float:
        p, rho = expit(z[0]), expit(z[1])
        return float(betabinom.logpmf(x, n, p * (1 - rho) / rho, (1 - p) * (1 - rho) / rho).sum())

    best = maximise(log_likelihood, np.array([logit(share), -3.0]), low=np.array([-np.inf, -12.0]))
    none = float(binom.logpmf(x, n, share).sum())
    if best.value <= none + 1e-6:
        sd = float(np.sqrt(share * (1 - share) / n.sum()))
        words = "ok: no scatter between slides beyond binomial noise"
        return PositiveCells(
            float(share), sd, 0.0, float("nan"), 1.0, float(-np.log1p(-share)), words
        )
    p, rho = float(expit(best.position[0])), float(expit(best.position[1]))
    spread = np.sqrt(np.diag(best.covariance))
    return PositiveCells(
        share=p,
        share_sd=float(p * (1 - p) * spread[0]),
        correlation=rho,
        correlation_sd=float(rho * (1 - rho) * spread[1]),
        p_value=float(chi2.sf(2 * (best.value - none), 1) / 2),
        mean_per_cell=float(-np.log1p(-p)),
        status=best.status,
    )


def _check_positive(cells: FloatArray, positive: FloatArray) -> None:
    if cells.ndim != 1 or cells.shape != positive.shape or len(cells) < 2:
        raise FociError(
            f"cells and positive need one number for each of 2 or more slides, got shapes "
            f"{cells.shape} and {positive.shape}"
        )
    for n, x in zip(cells, positive, strict=True):
        check_counts(n, x, max_foci_per_cell=1)
    if not 0 < positive.sum() < cells.sum():
        raise FociError("no cell, or every cell, is positive: the share has no uncertainty")
