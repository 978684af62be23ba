"""Measures of each model with intervals, and the differences between models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from radiobio.risk_factors.cross_validation import OutOfFold
from radiobio.risk_factors.data import IntArray
from radiobio.risk_factors.measures import (
    auc,
    brier,
    calibration_intercept,
    calibration_slope,
    log_loss,
    net_benefit,
    smooth_calibration,
    wilson,
)

MEASURES = (
    "auc", "brier", "scaled_brier", "log_loss", "calibration_intercept", "calibration_slope",
)  # fmt: skip
PREVALENCE = "prevalence"
_COMPARED = ("auc", "brier", "log_loss")
_N_GROUPS = 5
_N_POINTS = 41
_FEWEST_SAMPLES = 0.8  # ASSUMED: share of bootstrap samples that must give a value


@dataclass(frozen=True)
class Estimate:
    """A measure of one model: cross-validated value, interval, spread over repeats, apparent value.

    ``low`` and ``high`` come from a bootstrap over patients of the held-out predictions,
    ``repeat_sd`` is the SD over repeats of the cross-validation (how much the folds matter), and
    ``apparent`` is the value of the final model in the patients it was fitted to.
    """

    model: str
    measure: str
    value: float
    low: float
    high: float
    repeat_sd: float
    apparent: float

    @property
    def optimism(self) -> float:
        """Apparent minus cross-validated value."""
        return self.apparent - self.value


@dataclass(frozen=True)
class Difference:
    """Measure of `model` minus that of `against` in the same bootstrap samples."""

    model: str
    against: str
    measure: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Observed against predicted: groups of patients with Wilson intervals, and a smooth curve.

    ``predicted``, ``observed``, ``low``, ``high``, ``n`` have shape (n_groups,), ``n`` is the mean
    number of patients per repeat; ``at``, ``smooth``, ``smooth_low``, ``smooth_high`` have shape
    (n_points,), the band is a bootstrap over patients.
    """

    predicted: FloatArray
    observed: FloatArray
    low: FloatArray
    high: FloatArray
    n: FloatArray
    at: FloatArray
    smooth: FloatArray
    smooth_low: FloatArray
    smooth_high: FloatArray


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit of acting at each threshold, (n_thresholds,), and the gain with its interval.

    ``gain`` is the net benefit minus that of the better of acting in all and in none.
    """

    thresholds: FloatArray
    benefit: FloatArray
    benefit_low: FloatArray
    benefit_high: FloatArray
    all_benefit: FloatArray
    gain: FloatArray
    gain_low: FloatArray
    gain_high: FloatArray


def estimates(
    cv: OutOfFold, y: FloatArray, weights: FloatArray, apparent: Mapping[str, FloatArray],
    level: float,
) -> tuple[tuple[Estimate, ...], tuple[Difference, ...]]:  # fmt: skip
    """Measures of all models and of the prevalence, and their differences.

    `weights` (1 + n_bootstrap, n): the first row is ones.
    """
    probability = {**cv.probability, PREVALENCE: cv.prevalence}
    whole = np.zeros((1, len(y)), dtype=np.int64)
    share = np.full((1, len(y)), y.mean())
    samples, rows = {}, []
    for name, p in probability.items():
        samples[name] = _measures(p, cv.prevalence, cv.fold, y, weights)
        by_repeat = [
            _measures(p[r : r + 1], cv.prevalence[r : r + 1], cv.fold[r : r + 1], y, weights[:1])
            for r in range(len(p))
        ]
        fitted = apparent[name][None] if name in apparent else share
        seen = _measures(fitted, share, whole, y, weights[:1])
        for measure in MEASURES:
            values = samples[name][measure]
            spread = np.array([found[measure][0] for found in by_repeat])
            sd = float(spread.std(ddof=1)) if len(spread) > 1 else np.nan
            rows.append(Estimate(
                name, measure, float(values[0]), *interval(values[1:], level), sd,
                float(seen[measure][0]),
            ))  # fmt: skip
    names = list(probability)
    differences = []
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            for measure in _COMPARED:
                gap = samples[name][measure] - samples[other][measure]
                low, high = interval(gap[1:], level)
                differences.append(Difference(name, other, measure, float(gap[0]), low, high))
    return tuple(rows), tuple(differences)


def calibration_curve(
    p: FloatArray, y: FloatArray, weights: FloatArray, level: float
) -> CalibrationCurve:
    """Groups of equal size of the predictions (n_repeats, n), and the smooth curve."""
    rank = np.argsort(np.argsort(p.ravel(), kind="stable"), kind="stable")
    member = rank * _N_GROUPS // p.size
    outcome = np.broadcast_to(y, p.shape).ravel()
    size = np.bincount(member, minlength=_N_GROUPS)
    predicted = np.bincount(member, weights=p.ravel(), minlength=_N_GROUPS) / size
    observed = np.bincount(member, weights=outcome, minlength=_N_GROUPS) / size
    n = size / len(p)
    low, high = wilson(observed, n, level)
    at = np.linspace(float(np.quantile(p, 0.02)), float(np.quantile(p, 0.98)), _N_POINTS)
    smooth = smooth_calibration(p, y, at, weights)
    band = _bands(smooth[1:], level)
    return CalibrationCurve(predicted, observed, low, high, n, at, smooth[0], *band)


def decision_curve(
    p: FloatArray, y: FloatArray, thresholds: FloatArray, weights: FloatArray, level: float
) -> DecisionCurve:
    """Net benefit of a model against acting in all and in none."""
    model = net_benefit(p, y, thresholds, weights)
    everyone = net_benefit(np.ones((1, len(y))), y, thresholds, weights)
    gain = model - np.maximum(everyone, 0.0)
    return DecisionCurve(
        thresholds, model[0], *_bands(model[1:], level), everyone[0], gain[0],
        *_bands(gain[1:], level),
    )  # fmt: skip


def interval(samples: FloatArray, level: float) -> tuple[float, float]:
    """Quantiles of bootstrap samples; ``nan`` where too many gave no value."""
    known = samples[np.isfinite(samples)]
    if len(known) < _FEWEST_SAMPLES * len(samples):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def _bands(samples: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    pairs = np.array([interval(column, level) for column in samples.T])
    return pairs[:, 0], pairs[:, 1]


def _measures(
    p: FloatArray, base: FloatArray, fold: IntArray, y: FloatArray, weights: FloatArray
) -> dict[str, FloatArray]:
    squared = brier(p, y, weights)
    return {
        "auc": auc(p, y, fold, weights),
        "brier": squared,
        "scaled_brier": 1 - squared / brier(base, y, weights),
        "log_loss": log_loss(p, y, weights),
        "calibration_intercept": calibration_intercept(p, y, weights),
        "calibration_slope": calibration_slope(p, base, y, weights),
    }
