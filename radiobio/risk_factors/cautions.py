"""Warnings in words: what a reader must know before using a risk model of few events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kinetics.curves import FloatArray
from radiobio.risk_factors.data import RiskData
from radiobio.risk_factors.performance import PREVALENCE, Difference, Estimate

EVENTS_PER_PREDICTOR = 10.0
"""Rule of thumb of Peduzzi 1996, doi:10.1016/S0895-4356(96)00236-3; disputed, kept as a warning."""
SLOPE_RANGE = (0.8, 1.25)
"""ASSUMED: calibration slopes outside are called far from 1."""
MOST_MISSING = 0.2
"""ASSUMED: a larger share of missing values in a predictor is called too large."""


def data_cautions(data: RiskData) -> list[str]:
    """Events per predictor, missing values and separation."""
    found = []
    n_events = int(min(data.y.sum(), (1 - data.y).sum()))
    per = n_events / data.x.shape[1]
    if per < EVENTS_PER_PREDICTOR:
        found.append(
            f"events per predictor too low: {n_events} events for {data.x.shape[1]} predictors is "
            f"{per:.1f}, below {EVENTS_PER_PREDICTOR:g}; expect shrunk and unstable coefficients"
        )
    for name, share in zip(data.predictors, np.isnan(data.x).mean(0), strict=True):
        if share > MOST_MISSING:
            found.append(
                f"missing share too large: {name} is missing in {share:.0%} of rows (more than "
                f"{MOST_MISSING:.0%}); its effect rests on the imputation"
            )
    alone = [
        name for name, column in zip(data.predictors, data.x.T, strict=True)
        if _separates_alone(column, data.y)
    ]  # fmt: skip
    if alone:
        found.append(
            f"separation: {', '.join(alone)} alone tells patients with event from those without in "
            "some of its range; the effect is bounded by the penalty only"
        )
    else:
        known = np.isfinite(data.x).all(1)
        if 0 < data.y[known].sum() < known.sum() and separates(data.x[known], data.y[known]):
            found.append(
                "separation: the predictors together tell patients with event from those without; "
                "the effects are bounded by the penalty only"
            )
    return found


def model_cautions(estimates: Sequence[Estimate], differences: Sequence[Difference]) -> list[str]:
    """Discrimination, calibration and worth of each model."""
    by: Mapping[tuple[str, str], Estimate] = {(e.model, e.measure): e for e in estimates}
    found = []
    for name in sorted({e.model for e in estimates} - {PREVALENCE}):
        auc, slope = by[name, "auc"], by[name, "calibration_slope"]
        if np.isnan(auc.low):
            found.append(f"{name}: the AUC has no interval, too few events in bootstrap samples")
        elif auc.low <= 0.5 <= auc.high:
            found.append(
                f"{name}: the interval of the AUC, {auc.low:.2f} to {auc.high:.2f}, includes 0.5; "
                "no discrimination is shown"
            )
        elif auc.high < 0.5:
            found.append(f"{name}: the AUC, {auc.value:.2f}, is below 0.5; do not use the model")
        if np.isnan(slope.value):
            found.append(
                f"{name}: its predictions hardly differ from the prevalence (or separate the "
                "patients), so there is no calibration slope"
            )
        elif not SLOPE_RANGE[0] <= slope.value <= SLOPE_RANGE[1]:
            word = "too extreme" if slope.value < 1 else "too timid"
            found.append(
                f"{name}: calibration slope {slope.value:.2f} is far from 1; its predictions are "
                f"{word}"
            )
    for gap in differences:
        if gap.against == PREVALENCE and gap.measure == "log_loss" and not gap.high < 0:
            found.append(
                f"{gap.model}: not shown to be better than the prevalence alone (log loss "
                f"{gap.value:+.3f}, {gap.low:+.3f} to {gap.high:+.3f})"
            )
    return found


def _separates_alone(column: FloatArray, y: FloatArray) -> bool:
    """Whether the known values with event all lie on one side of those without; ties allowed."""
    event, other = (column[np.isfinite(column) & (y == value)] for value in (1, 0))
    if len(event) == 0 or len(other) == 0 or np.ptp(np.concatenate([event, other])) == 0:
        return False
    return bool(event.min() >= other.max() or event.max() <= other.min())


def separates(x: FloatArray, y: FloatArray) -> bool:
    """Whether a plane separates events from the rest, completely or with ties on the plane.

    A linear programme: maximise the sum of s_i (1, x_i) beta with s = +-1, all terms >= 0 and
    -1 <= beta <= 1; the optimum is above 0 if and only if logistic regression without penalty has
    no finite estimate (Albert and Anderson 1984, doi:10.1093/biomet/71.1.1).
    """
    from scipy.optimize import linprog

    if len(y) == 0 or y.min() == y.max():
        return False
    spread = x.std(0)
    z = (x - x.mean(0))[:, spread > 0] / spread[spread > 0]
    signed = np.column_stack([np.ones(len(z)), z]) * np.where(y == 1, 1.0, -1.0)[:, None]
    found = linprog(-signed.sum(0), A_ub=-signed, b_ub=np.zeros(len(z)), bounds=(-1, 1))
    return bool(found.status == 0 and -found.fun > 1e-7)
