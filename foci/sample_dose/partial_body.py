"""Partial irradiation: a sample that mixes irradiated cells with spared ones, both with foci."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foci.calibration import CalibrationCurve
from foci.calibration.dose_sets import excess_dose, excess_sd
from foci.checks import check_share
from foci.counting.counts import FociSample
from foci.sample_dose.partial_likelihood import (
    PartialLikelihood,
    log_likelihood_at,
    partial_likelihood,
)
from kinetics.curves import FloatArray

_UNKNOWN_WIDTH = 0.9  # of the interval of the fraction, beyond which nothing is known of it
_POISSON = "foci of irradiated and of spared cells are Poisson, with the background of the baseline"


@dataclass(frozen=True)
class PartialBodyEstimate:
    """Irradiated share of the cells and their foci, by maximum likelihood.

    Attributes
    ----------
    fraction : float
        Irradiated share of the cells.
    excess_per_cell : float
        Radiation-induced foci per irradiated cell.
    background_per_cell : float
        Spontaneous foci per cell, from baseline and sample together.
    fraction_interval, excess_interval : tuple of float
        Profile-likelihood intervals at `level`.
    dose_gy : float or None
        Dose of the irradiated cells; None without a calibration curve.
    dose_interval_gy : tuple of float or None
        From the interval of the excess and the uncertainty of the curve.
    deviance_none, deviance_whole : float
        Twice the log likelihood lost without any irradiation, and with all cells irradiated.
    level : float
        Coverage of the intervals.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    fraction: float
    excess_per_cell: float
    background_per_cell: float
    fraction_interval: tuple[float, float]
    excess_interval: tuple[float, float]
    dose_gy: float | None
    dose_interval_gy: tuple[float, float] | None
    deviance_none: float
    deviance_whole: float
    level: float
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return dict(self.__dict__)


def partial_body(
    sample: FociSample,
    baseline: FociSample,
    *,
    curve: CalibrationCurve | None = None,
    level: float = 0.95,
) -> PartialBodyEstimate:
    r"""Irradiated share of the cells and its foci, from a mixture of two Poisson distributions.

    Parameters
    ----------
    sample : FociSample
        With its distribution of foci over the cells.
    baseline : FociSample
        Unirradiated sample of the same person.
    curve : CalibrationCurve, optional
        Curve of the same laboratory, for the dose of the irradiated cells.
    level : float
        Coverage of the intervals.

    Raises
    ------
    FociError
        If the sample has no distribution.

    Notes
    -----
    A cell has :math:`p\,\mathrm{Pois}(b+Y) + (1-p)\,\mathrm{Pois}(b)` foci; the baseline's total is
    Poisson of mean :math:`n_0 b`; p, Y and b are fitted together. Intervals hold what lowers twice
    the log likelihood by less than the :math:`\chi^2_1` quantile, the other two fitted anew.

    Dolphin's method, :math:`Y/(1-e^{-Y}) = X/(N-n_0)`, takes every cell with a focus for an
    irradiated one. Spared cells have foci, too: it is biased upwards in p and downwards in Y.
    No correction for cells lost to division is made: lymphocytes do not divide before sampling.

    References
    ----------
    Dolphin GW. In: Evans HJ et al. (eds) Human Radiation Cytogenetics (1967), 185-190; the IAEA,
    Cytogenetic Dosimetry, EPR-Biodosimetry 2011, has it with its contaminated Poisson.

    Examples
    --------
    >>> cells = (350, 70, 30, 25, 15, 7, 3)
    >>> sample = FociSample.from_distribution(cells, cycle=1, time_h=1.0)
    >>> found = partial_body(sample, FociSample(1, -1.0, 500, 75))
    >>> round(found.fraction, 2), round(found.excess_per_cell, 1), found.status
    (0.22, 2.3, 'ok')
    """
    from scipy.stats import chi2

    check_share(level, "level")
    grid = partial_likelihood(sample, baseline)
    (fraction, excess, background), top = _polished(sample, baseline, grid)
    limit = float(chi2.ppf(level, 1))
    by_background = _highest_over_background(grid)
    intervals = [
        _interval(axis, 2 * (top - profile), limit)
        for axis, profile in (
            (grid.fraction, by_background.max(1)),
            (grid.excess_per_cell, by_background.max(0)),
        )
    ]
    none, whole = (2 * max(top - height, 0.0) for height in _edges(sample, baseline, grid))
    words = _words(intervals[0], none, whole, limit)
    dose, dose_interval = None, None
    if curve is not None:
        dose, dose_interval = _dose(curve, excess, intervals[1], level)
    return PartialBodyEstimate(
        fraction=fraction,
        excess_per_cell=excess,
        background_per_cell=background,
        fraction_interval=intervals[0],
        excess_interval=intervals[1],
        dose_gy=dose,
        dose_interval_gy=dose_interval,
        deviance_none=none,
        deviance_whole=whole,
        level=level,
        status="; ".join(words) or "ok",
        assumptions=(f"{_POISSON} ASSUMED", *(curve.assumptions if curve else ())),
    )


def _polished(
    sample: FociSample, baseline: FociSample, grid: PartialLikelihood
) -> tuple[tuple[float, float, float], float]:
    """Maximum from the highest point of the grid on, and the log likelihood there."""
    from scipy.optimize import minimize

    def objective(x: FloatArray) -> float:
        value = log_likelihood_at(sample, baseline, x[:1], x[1:2], x[2:])[0, 0, 0]
        return -float(value) if np.isfinite(value) else 1e300

    start = np.array(grid.maximum())
    bounds = [(0.0, 1.0), (0.0, None), (1e-9, None)]
    found = minimize(objective, start, method="L-BFGS-B", bounds=bounds)
    best = found.x if found.fun <= objective(start) else start
    p, excess, background = (float(value) for value in best)
    return (p, excess, background), -objective(best)


def _highest_over_background(grid: PartialLikelihood) -> FloatArray:
    """Log likelihood maximised over the background, by a parabola through the highest points."""
    value = grid.log_likelihood
    at = np.clip(value.argmax(-1, keepdims=True), 1, value.shape[-1] - 2)
    left, middle, right = (
        np.take_along_axis(value, at + shift, axis=-1)[..., 0] for shift in (-1, 0, 1)
    )
    with np.errstate(invalid="ignore"):
        bend = 2 * middle - left - right
        gain = np.where(bend > 1e-12, (right - left) ** 2 / (8 * np.maximum(bend, 1e-12)), 0.0)
    inside = (middle >= left) & (middle >= right)
    return np.asarray(np.where(inside, middle + gain, value.max(-1)))


def _interval(axis: FloatArray, deviance: FloatArray, limit: float) -> tuple[float, float]:
    """Range of the axis with a deviance below the limit, between points by interpolation."""
    below = np.flatnonzero(deviance <= max(limit, deviance.min() + 1e-9))
    ends = []
    for inner, outer in ((below[0], below[0] - 1), (below[-1], below[-1] + 1)):
        if not 0 <= outer < len(axis):
            ends.append(float(axis[inner]))
            continue
        # the root of the deviance is close to straight
        here, there = np.sqrt(np.maximum([deviance[inner], min(deviance[outer], 1e6)], 0.0))
        share = (np.sqrt(limit) - here) / max(there - here, 1e-12)
        ends.append(float(axis[inner] + np.clip(share, 0, 1) * (axis[outer] - axis[inner])))
    return ends[0], ends[1]


def _edges(
    sample: FociSample, baseline: FociSample, grid: PartialLikelihood
) -> tuple[float, float]:
    """Highest log likelihoods without irradiation, and with all cells irradiated."""
    pooled = np.array([(sample.foci + baseline.foci) / (sample.cells + baseline.cells)])
    own = np.array([max(baseline.foci / baseline.cells, 1e-12)])
    zero, one = np.zeros(1), np.ones(1)
    none = log_likelihood_at(sample, baseline, zero, zero, np.maximum(pooled, 1e-12))[0, 0, 0]
    excess = np.array([max(sample.per_cell - own[0], 0.0)])
    at = own if excess[0] > 0 else pooled
    whole = log_likelihood_at(sample, baseline, one, excess, np.maximum(at, 1e-12))[0, 0, 0]
    return float(none), float(whole)


def _words(fraction: tuple[float, float], none: float, whole: float, limit: float) -> list[str]:
    """What the counts do not tell."""
    if none < limit:
        return [
            "the counts agree with no irradiation at all: neither the fraction nor the dose of "
            "irradiated cells is identified"
        ]
    words = []
    if fraction[1] - fraction[0] > _UNKNOWN_WIDTH:
        words.append("the fraction is not identified: only its product with the excess is")
    if whole < limit:
        words.append("the counts agree with irradiation of all cells: use a whole-body estimate")
    return words


def _dose(
    curve: CalibrationCurve, excess: float, interval: tuple[float, float], level: float
) -> tuple[float, tuple[float, float]]:
    """Dose of an excess and its interval, the curve's uncertainty added in quadrature."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    dose = excess_dose(curve, excess)
    spread = z * excess_sd(curve, dose) / max(float(curve.slope_at(dose)), 1e-12)
    low, high = (excess_dose(curve, end) for end in interval)
    return dose, (
        max(dose - float(np.hypot(dose - low, spread)), 0.0),
        dose + float(np.hypot(high - dose, spread)),
    )
