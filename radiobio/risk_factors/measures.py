"""Discrimination, calibration and benefit of predicted probabilities, with weights of patients.

Probabilities have shape (n_repeats, n): each repeat of the cross-validation predicts each patient
once, from a model that never saw the patient. Weights have shape (n_samples, n): ones, or how
often a bootstrap sample drew the patient.
"""

from __future__ import annotations

import numpy as np

from kinetics.curves import FloatArray
from radiobio.risk_factors.data import IntArray
from radiobio.risk_factors.logistic import expit

_SMALLEST = 1e-12
_STEPS = 40
_NARROWEST = 0.05  # ASSUMED: SD of the log odds below which a calibration slope says nothing
_LARGEST = 50.0
_CHUNK = 64


def auc(p: FloatArray, y: FloatArray, fold: IntArray, weights: FloatArray) -> FloatArray:
    """Share of pairs with and without event that are ordered rightly, (n_samples,).

    Only pairs predicted by the same model (of one fold and repeat) are compared: folds differ in
    their training prevalence, which would bias a pooled value. Ties count one half.
    """
    event, other = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    right = np.zeros((len(event), len(other)))
    pairs = np.zeros_like(right)
    for r in range(len(p)):
        same = fold[r][event][:, None] == fold[r][other][None, :]
        gap = p[r][event][:, None] - p[r][other][None, :]
        right += same * (0.5 * (np.sign(gap) + 1.0))
        pairs += same
    of_event, of_other = weights[:, event], weights[:, other]
    number = ((of_event @ pairs) * of_other).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(((of_event @ right) * of_other).sum(1) / number)


def brier(p: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean squared difference of probability and outcome, (n_samples,)."""
    return _mean(((p - y) ** 2).mean(0), weights)


def log_loss(p: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Mean negative log probability of what happened, (n_samples,)."""
    clipped = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return _mean(-np.log(np.where(y == 1, clipped, 1 - clipped)).mean(0), weights)


def calibration_intercept(p: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Intercept a of logit P(event) = a + logit(p), (n_samples,); 0 is perfect."""
    eta = _logit(p)[None]
    a = np.zeros(len(weights))
    for _ in range(_STEPS):
        q = expit(a[:, None, None] + eta)
        gradient = ((q - y).mean(1) * weights).sum(1)
        curvature = ((q * (1 - q)).mean(1) * weights).sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            step = gradient / curvature
        a = a - np.clip(step, -2.0, 2.0)
        if np.nanmax(np.abs(step), initial=0.0) < 1e-9:
            break
    return np.where(np.abs(a) < _LARGEST, a, np.nan)


def calibration_slope(
    p: FloatArray, base: FloatArray, y: FloatArray, weights: FloatArray
) -> FloatArray:
    """Slope b of logit P(event) = a + b (logit(p) - logit(base)), (n_samples,); 1 is perfect.

    `base` (n_repeats, n) is the share of events in the rows that each model was trained on; with
    it differences between folds do not enter. All repeats are fitted together. The slope is
    ``nan`` where the predictions hardly differ (SD of the log odds below 0.05) or where they
    separate the patients with event from those without.
    """
    x = _logit(p) - _logit(base)
    if x.std() < _NARROWEST:
        return np.full(len(weights), np.nan)
    out = np.empty(len(weights))
    for start in range(0, len(weights), _CHUNK):
        part = slice(start, start + _CHUNK)
        out[part] = _slopes(x, y, weights[part])
    return out


def net_benefit(
    p: FloatArray, y: FloatArray, thresholds: FloatArray, weights: FloatArray
) -> FloatArray:
    """Net benefit of acting where p >= threshold, (n_samples, n_thresholds).

    True positives minus false positives times t / (1 - t), per patient (Vickers and Elkin 2006,
    doi:10.1177/0272989X06295361).
    """
    acts = (p[:, :, None] >= thresholds).mean(0)
    odds = thresholds / (1 - thresholds)
    gain = acts * np.where(y[:, None] == 1, 1.0, -odds)
    return np.asarray(weights @ gain / weights.sum(1, keepdims=True))


def smooth_calibration(
    p: FloatArray, y: FloatArray, at: FloatArray, weights: FloatArray, *, span: float = 0.75
) -> FloatArray:
    """Local linear regression of the outcome on the probability, (n_samples, len(at)).

    Tricube weights over the `span` nearest share of the predictions, as in loess; clipped to 0..1.
    """
    gap = p.ravel()[None, :] - at[:, None]
    width = np.quantile(np.abs(gap), span, axis=1)[:, None] * 1.000001 + 1e-6
    kernel = np.clip(1 - (np.abs(gap) / width) ** 3, 0.0, None) ** 3
    outcome = np.broadcast_to(y, p.shape).ravel()
    sums = []
    for term in (kernel, kernel * gap, kernel * gap**2, kernel * outcome, kernel * gap * outcome):
        by_patient = term.reshape(len(at), *p.shape).sum(1)
        sums.append(weights @ by_patient.T)
    s0, s1, s2, t0, t1 = sums
    ridge = 1e-9 * s0 * (width[:, 0] ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (s2 * t0 - s1 * t1 + ridge * t0) / (s0 * s2 - s1**2 + ridge * s0)
    return np.asarray(np.clip(value, 0.0, 1.0))


def wilson(share: FloatArray, n: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Interval of a share among n patients (Wilson 1927)."""
    from scipy.stats import norm

    z = float(norm.ppf(0.5 + level / 2))
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def _slopes(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Newton's method for intercept and slope of all samples side by side."""
    a = np.full(len(weights), float(np.log(y.mean() / (1 - y.mean()))))
    b = np.ones(len(weights))
    for _ in range(_STEPS):
        q = expit(a[:, None, None] + b[:, None, None] * x)
        w, v = q - y, q * (1 - q)
        g0, g1, h00, h01, h11 = (
            (term.sum(1) * weights).sum(1) for term in (w, w * x, v, v * x, v * x**2)
        )
        det = h00 * h11 - h01**2
        with np.errstate(invalid="ignore", divide="ignore"):
            da, db = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        a, b = a - np.clip(da, -1.0, 1.0), b - np.clip(db, -1.0, 1.0)
        if np.nanmax(np.abs([da, db]), initial=0.0) < 1e-9:
            break
    settled = np.isfinite(b) & (np.abs(b) < _LARGEST) & (np.abs(db) < 1e-4)
    return np.where(settled, b, np.nan)


def _mean(value: FloatArray, weights: FloatArray) -> FloatArray:
    return np.asarray(weights @ value / weights.sum(1))


def _logit(p: FloatArray) -> FloatArray:
    clipped = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
