"""Partial irradiation in Bayesian terms: share of irradiated cells and their dose together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foci.calibration import CalibrationCurve
from foci.calibration.dose_sets import excess_dose, excess_sd
from foci.checks import check_share
from foci.counting.counts import FociSample
from foci.errors import FociError
from foci.repair.prior import BACKGROUND_MEAN_PER_CELL, BACKGROUND_SHAPE
from foci.sample_dose.dose_grid import Grid, median_and_mode, shortest_interval, trapezoid_weights
from foci.sample_dose.dose_prior import DosePrior
from foci.sample_dose.partial_body import _POISSON
from foci.sample_dose.partial_likelihood import PartialLikelihood, partial_likelihood
from kinetics.curves import FloatArray

_N_DOSES = 241
_N_NODES = 9  # Gauss-Hermite, for the calibration curve
_SHARE_OF_PRIOR = 0.8  # width of an interval of the fraction relative to that of the prior


@dataclass(frozen=True, eq=False)
class PartialBodyPosterior:
    """Joint posterior of the irradiated share of the cells and of their dose.

    Attributes
    ----------
    fraction, dose_gy : ndarray, shape (n_fraction,) and (n_dose,)
        Axes of the grid.
    density : ndarray, shape (n_fraction, n_dose)
        Posterior density.
    fraction_median, dose_median_gy : float
        Medians of the two marginals.
    fraction_interval, dose_interval_gy : tuple of float
        Shortest intervals that hold `level`.
    mean_dose_gy : float
        Median of fraction times dose: the mean dose of all cells.
    mean_dose_interval_gy : tuple of float
        Its equal-tailed interval; identified also where fraction and dose are not.
    level : float
        Probability of the intervals.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    fraction: FloatArray
    dose_gy: FloatArray
    density: FloatArray
    fraction_median: float
    dose_median_gy: float
    fraction_interval: tuple[float, float]
    dose_interval_gy: tuple[float, float]
    mean_dose_gy: float
    mean_dose_interval_gy: tuple[float, float]
    level: float
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Summaries and status, without the grid."""
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("fraction", "dose_gy", "density")
        }


def partial_body_posterior(
    sample: FociSample,
    baseline: FociSample,
    curve: CalibrationCurve,
    *,
    prior: DosePrior | None = None,
    level: float = 0.95,
) -> PartialBodyPosterior:
    r"""Posterior of the irradiated share of the cells and of their dose.

    Parameters
    ----------
    sample : FociSample
        With its distribution of foci over the cells.
    baseline : FociSample
        Unirradiated sample of the same person.
    curve : CalibrationCurve
        Curve of the same laboratory.
    prior : DosePrior, optional
        Prior of the dose of the irradiated cells; uniform from 0 to 10 Gy by default. The share has
        a uniform prior.
    level : float
        Probability of the intervals.

    Raises
    ------
    FociError
        If the sample has no distribution or the counts are impossible.

    Notes
    -----
    The likelihood of `partial_body` times the gamma prior of the background, summed over it; the
    excess at a dose is normal with the mean and standard deviation of the curve.

    Examples
    --------
    >>> from foci import eberlein_2015
    >>> cells = (350, 70, 30, 25, 15, 7, 3)
    >>> sample = FociSample.from_distribution(cells, cycle=1, time_h=1.0)
    >>> found = partial_body_posterior(sample, FociSample(1, -1.0, 500, 75), eberlein_2015())
    >>> round(found.fraction_median, 2), round(found.dose_median_gy, 2), found.status
    (0.22, 0.16, 'ok')
    """
    check_share(level, "level")
    prior = prior or DosePrior(0.0, 10.0, "uniform")
    low, high = prior.support_gy
    highest = float(curve.mean_per_cell(high) + 5 * curve.sd_per_cell(high))
    grid = partial_likelihood(sample, baseline, highest_excess=max(highest, 1e-6))
    log_marginal = _over_background(grid)
    dose = _doses(curve, grid.excess_per_cell, low, high)
    likelihood = np.exp(log_marginal - log_marginal.max())
    joint = _over_curve(curve, dose, grid.excess_per_cell, likelihood)
    joint = joint * np.exp(prior.log_density(dose))
    weight = joint * trapezoid_weights(grid.fraction)[:, None] * trapezoid_weights(dose)
    if not weight.sum() > 0:
        raise FociError("the counts are impossible at every dose of the prior")
    joint, weight = joint / weight.sum(), weight / weight.sum()
    fraction = _marginal(grid.fraction, (joint * trapezoid_weights(dose)).sum(1))
    of_dose = _marginal(dose, (joint * trapezoid_weights(grid.fraction)[:, None]).sum(0))
    mean_dose = (grid.fraction[:, None] * dose).ravel()
    order = np.argsort(mean_dose)
    below = np.cumsum(weight.ravel()[order])
    tails = np.interp([(1 - level) / 2, 0.5, (1 + level) / 2], below, mean_dose[order])
    limits = _pair(shortest_interval(fraction, level)[0])
    dose_limits = _pair(shortest_interval(of_dose, level)[0])
    return PartialBodyPosterior(
        fraction=grid.fraction,
        dose_gy=dose,
        density=joint,
        fraction_median=float(median_and_mode(fraction)[0][0]),
        dose_median_gy=float(median_and_mode(of_dose)[0][0]),
        fraction_interval=limits,
        dose_interval_gy=dose_limits,
        mean_dose_gy=float(tails[1]),
        mean_dose_interval_gy=(float(tails[0]), float(tails[2])),
        level=level,
        status=_status(limits, dose_limits, level),
        assumptions=(
            f"{_POISSON} ASSUMED",
            "prior of the irradiated share uniform ASSUMED",
            f"prior of the dose {prior.kind} {prior.low_gy:g} to {prior.high_gy:g} Gy ASSUMED",
            *curve.assumptions,
        ),
    )


def _over_background(grid: PartialLikelihood) -> FloatArray:
    """Log likelihood with the background summed over, its gamma prior included."""
    from scipy.special import logsumexp, xlogy

    b = grid.background_per_cell
    log_prior = xlogy(BACKGROUND_SHAPE - 1, b) - BACKGROUND_SHAPE / BACKGROUND_MEAN_PER_CELL * b
    log_weight = log_prior + np.log(trapezoid_weights(b))
    return np.asarray(logsumexp(grid.log_likelihood + log_weight, axis=-1))


def _doses(curve: CalibrationCurve, excess: FloatArray, low: float, high: float) -> FloatArray:
    """Doses whose excess may lie on the grid."""
    ends = [excess_dose(curve, float(value)) for value in excess[[0, -1]]]
    sd = [float(excess_sd(curve, end)) / max(float(curve.slope_at(end)), 1e-12) for end in ends]
    first = max(low, ends[0] - 5 * min(sd[0], ends[0] / 5))
    last = min(high, ends[1] + 5 * min(sd[1], ends[1] / 5))
    if not first < last:
        raise FociError("the counts are impossible at every dose of the prior")
    share = np.linspace(0.0, 1.0, _N_DOSES)
    return np.asarray(first + (last - first) * (share**2 if first == 0 else share))


def _over_curve(
    curve: CalibrationCurve, dose: FloatArray, excess: FloatArray, likelihood: FloatArray
) -> FloatArray:
    """Likelihood at each dose, the uncertainty of the curve integrated out."""
    node, weight = np.polynomial.hermite_e.hermegauss(_N_NODES)
    mean = curve.mean_per_cell(dose) - curve.intercept_per_cell
    at = np.maximum(mean[:, None] + excess_sd(curve, dose)[:, None] * node, 0.0)
    cell = np.clip(np.searchsorted(excess, at, side="right") - 1, 0, len(excess) - 2)
    share = np.clip((at - excess[cell]) / (excess[cell + 1] - excess[cell]), 0.0, None)
    left, right = np.where(share <= 1, 1 - share, 0.0), np.where(share <= 1, share, 0.0)
    found = likelihood[:, cell] * left + likelihood[:, cell + 1] * right
    return np.asarray(found @ (weight / weight.sum()))


def _marginal(axis: FloatArray, density: FloatArray) -> Grid:
    return Grid(axis[None], (density / (density * trapezoid_weights(axis)).sum())[None])


def _pair(values: FloatArray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _status(fraction: tuple[float, float], dose_gy: tuple[float, float], level: float) -> str:
    """What the counts do not tell."""
    words = []
    if min(fraction[0], dose_gy[0]) <= 0:
        words.append(
            "no irradiation at all is not excluded: neither the fraction nor the dose of the "
            "irradiated cells is identified"
        )
    elif fraction[1] - fraction[0] > _SHARE_OF_PRIOR * level:
        words.append("the fraction is not identified: only the mean dose of all cells is")
    elif fraction[1] > 0.999:
        words.append("irradiation of all cells is not excluded")
    return "; ".join(words) or "ok"
