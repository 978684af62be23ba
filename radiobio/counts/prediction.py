"""Nadir, recovery and grades ahead, with intervals from posterior draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share, number, numbers
from radiobio.counts.course import Administration, CountParameters, simulate_counts
from radiobio.errors import RadiobioError
from radiobio.toxicity import ctcae_limits

if TYPE_CHECKING:
    import pandas as pd

_STEP_DAYS = 1.0
_LEAST_HORIZON, _MOST_HORIZON = 1.0, 3650.0
_GRADES = (1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class CountPrediction:
    """What is expected of one lineage within a horizon, for one or n patients.

    Attributes
    ----------
    lineage : str
        Which cells.
    probability : float
        Of the central intervals.
    nadir : ndarray, shape (..., 3)
        Lowest count: median, lower and upper limit (1e9/L; haemoglobin g/L).
    nadir_day : ndarray, shape (..., 3)
        Its day, likewise.
    recovery_days : ndarray, shape (..., 3)
        Days from the nadir until the count is back at `recovery_target`, likewise, among draws
        that fall below it; infinite is not within the horizon, ``nan`` that no draw falls below.
    falls_below : ndarray, shape (...)
        Probability of falling below the target.
    recovers : ndarray, shape (...)
        Probability of being back within the horizon, of those that fall below; ``nan`` if none.
    grade_probability : ndarray, shape (..., 4)
        Probability of grade 1, 2, 3 and 4 or worse (CTCAE v5.0); ``nan`` where a blood count
        alone cannot tell.
    recovery_target : str
        What counts as recovered, in words.
    status : tuple of str
        One a patient: ``"ok"``, or what is not reached within the horizon: recovery, or the
        nadir, or a target that is above the baseline itself.
    assumptions : tuple of str
        As given, and how far ahead it looks.
    """

    lineage: str
    probability: float
    nadir: FloatArray
    nadir_day: FloatArray
    recovery_days: FloatArray
    falls_below: FloatArray
    recovers: FloatArray
    grade_probability: FloatArray
    recovery_target: str
    status: tuple[str, ...]
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, lists and text."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a patient and quantity: median and limits."""
        import pandas as pd

        quantities = {
            "nadir": self.nadir,
            "nadir_day": self.nadir_day,
            "recovery_days": self.recovery_days,
        }
        rows = [
            (patient, self.lineage, name, *limits, self.status[patient])
            for name, values in quantities.items()
            for patient, limits in enumerate(values.reshape(-1, 3).tolist())
        ]
        columns = ["patient", "lineage", "quantity", "median", "lower", "upper", "status"]
        return pd.DataFrame(rows, columns=columns)


def predict_counts(
    parameters: CountParameters,
    dose_rates: Sequence[Administration],
    *,
    lineage: str,
    first_day: float,
    horizon_days: float = 84.0,
    initial_state: npt.ArrayLike | None = None,
    weight: npt.ArrayLike | None = None,
    effective_sample_size: npt.ArrayLike | None = None,
    recovery_share: float | None = None,
    lower_limit_of_normal: float | None = None,
    probability: float = 0.9,
    assumptions: tuple[str, ...] = (),
) -> CountPrediction:
    """Nadir, its day, time to recovery and grades, each from the same draws.

    Parameters
    ----------
    parameters : CountParameters, shape (..., n_draws)
        Posterior draws, the last axis; patients may lead.
    dose_rates : sequence of (start_day, SumOfExponentials)
        Administrations, as in `simulate_counts`.
    lineage : str
        As in `radiobio.toxicity.ctcae_grade`.
    first_day, horizon_days : float
        The prediction starts on this day and looks so far ahead (d), 1 to 3650 days.
    initial_state : array_like, shape (..., n_draws, 6), optional
        State of each draw on `first_day`; no irradiation before without.
    weight : array_like, shape (..., n_draws), optional
        Weights of the draws; equal by default.
    effective_sample_size : array_like, shape (...), optional
        Of the draws, if they are resampled or otherwise not independent, as in `CountDraws`; that
        of the weights by default. Limits from few draws lie further out.
    recovery_share : float, optional
        Recovered is this share of the draw's baseline; grade 1 or less by default.
    lower_limit_of_normal : float, optional
        The laboratory's, for grade 1.
    probability : float
        Of the central intervals.
    assumptions : tuple of str
        Those of the prior, to be carried along.

    Returns
    -------
    CountPrediction

    Raises
    ------
    RadiobioError
        If the lineage is not known, a number is not legal, or weights or effective sample sizes
        do not fit.

    Notes
    -----
    Counts are followed in steps of one day; the nadir is the lowest of them, refined by the
    parabola through its neighbours. Recovery is the last crossing of the target upwards, so that
    a count that dips again has not recovered before. Nadir and recovery are those of the expected
    count, without the scatter of a measured one. Limits lie where a further draw falls beyond
    them with the probability left (of n equal draws, rank p (n + 1)), so that they cover
    correctly with few draws as well.

    Examples
    --------
    >>> from kinetics import SumOfExponentials
    >>> chain = CountParameters([250.0, 240.0, 180.0], 444.0, 0.17, [1.0, 1.5, 4.0])
    >>> marrow = SumOfExponentials([0.006], [0.01155])
    >>> ahead = predict_counts(chain, [(0.0, marrow)], lineage="platelets", first_day=0.0)
    >>> ahead.grade_probability.round(2)
    array([ nan, 0.33, 0.33, 0.  ])
    >>> ahead.status
    ('ok',)
    """
    limits = ctcae_limits(lineage)
    _check(first_day, horizon_days, recovery_share, probability)
    normal = None
    if lower_limit_of_normal is not None:
        normal = number(lower_limit_of_normal, "lower_limit_of_normal")
        if not 0 < normal < np.inf:
            raise RadiobioError(f"lower_limit_of_normal must be above zero, got {normal:g}")
    shape = parameters.shape or (1,)
    share = _weights(weight, shape)
    thinned = _thinned(effective_sample_size, share)
    days = first_day + np.linspace(0.0, horizon_days, 1 + int(np.ceil(horizon_days / _STEP_DAYS)))
    course = simulate_counts(
        parameters, dose_rates, days, initial_state=initial_state, initial_day=first_day
    )
    count = course.count.reshape(*shape, len(days))
    nadir, nadir_day = _refined_minimum(days, count)
    healthy = np.broadcast_to(parameters.baseline, shape)
    target = np.broadcast_to(limits[0], shape)
    words = f"grade 1 or less (at least {limits[0]:g})"
    if recovery_share is not None:
        target = recovery_share * healthy
        words = f"{recovery_share:.0%} of baseline"
    falling = (nadir_day >= days[-1]) & (nadir < count[..., 0])
    below, recovery = _recovery(days, count, target, nadir_day)
    falls = (share * below).sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recovers = (share * (below & np.isfinite(recovery))).sum(-1) / falls
    return CountPrediction(
        lineage,
        probability,
        _limits(nadir, share, thinned, probability),
        _limits(nadir_day, share, thinned, probability),
        _limits(recovery, share * below, thinned, probability),
        falls,
        recovers,
        _grade_probability(nadir, share, limits, normal),
        words,
        _status(
            recovers,
            (share * falling).sum(-1),
            (share * (healthy < target)).sum(-1),
            words,
            horizon_days,
        ),
        (*assumptions, f"looks {horizon_days:g} days ahead of day {first_day:g}, CTCAE v5.0"),
    )


def _check(
    first_day: float, horizon_days: float, recovery_share: float | None, probability: float
) -> None:
    if not np.isfinite(number(first_day, "first_day")):
        raise RadiobioError(f"first_day must be finite, got {first_day}")
    if not _LEAST_HORIZON <= number(horizon_days, "horizon_days") <= _MOST_HORIZON:
        raise RadiobioError(
            f"horizon_days must be {_LEAST_HORIZON:g} to {_MOST_HORIZON:g}, got {horizon_days}"
        )
    if recovery_share is not None:
        check_share(recovery_share, "recovery_share")
    check_share(probability, "probability")


def _weights(weight: npt.ArrayLike | None, shape: tuple[int, ...]) -> FloatArray:
    """Weights of the draws, of sum one along the last axis."""
    weights = numbers(1.0 if weight is None else weight, "weight")
    try:
        given = np.broadcast_to(weights, shape)
    except ValueError:
        raise RadiobioError(f"weight does not fit draws of shape {shape}") from None
    total = given.sum(-1, keepdims=True)
    if not ((given >= 0).all() and np.isfinite(total).all() and (total > 0).all()):
        raise RadiobioError("weights must be finite, zero or positive and not all zero")
    return np.asarray(given / total)


def _refined_minimum(days: FloatArray, count: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lowest count and its day by the parabola through the lowest and its neighbours."""
    lowest = count.argmin(-1)
    inner = np.clip(lowest, 1, len(days) - 2)[..., None]
    left, mid, right = (np.take_along_axis(count, inner + i, -1)[..., 0] for i in (-1, 0, 1))
    curvature = left - 2.0 * mid + right
    inside = (curvature > 0) & (lowest == inner[..., 0])
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(inside, 0.5 * (left - right) / curvature, 0.0)
    value = np.where(inside, mid - 0.25 * (left - right) * shift, count.min(-1))
    return value, days[lowest] + shift * (days[1] - days[0])


def _recovery(
    days: FloatArray, count: FloatArray, target: FloatArray, nadir_day: FloatArray
) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Whether the count falls below its target, and the days from the nadir until it is back."""
    low = count < target[..., None]
    below = np.asarray(low.any(-1))
    last = len(days) - 1 - low[..., ::-1].argmax(-1)  # the last day below
    back = np.minimum(last + 1, len(days) - 1)
    at, after = (np.take_along_axis(count, i[..., None], -1)[..., 0] for i in (last, back))
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = days[last] + (target - at) / (after - at) * (days[back] - days[last])
    days_after = np.where(last < len(days) - 1, crossing - nadir_day, np.inf)
    return below, np.where(below, days_after, 0.0)


def _thinned(effective: npt.ArrayLike | None, weight: FloatArray) -> FloatArray:
    """Effective sample size per that of the weights, (...)."""
    shape = weight.shape[:-1]
    if effective is None:
        return np.ones(shape)
    try:
        given = np.broadcast_to(np.asarray(effective, np.float64), shape)
    except ValueError:
        raise RadiobioError(f"effective_sample_size does not fit patients {shape}") from None
    if not (np.isfinite(given).all() and (given > 0).all()):
        raise RadiobioError("effective_sample_size must be finite and above zero")
    return np.asarray(given * (weight**2).sum(-1))


def _limits(
    values: FloatArray, weight: FloatArray, thinned: FloatArray, probability: float
) -> FloatArray:
    """Weighted median and central limits along the last axis, (..., 3); nan without weight."""
    some = weight.sum(-1) > 0
    share = weight / np.where(some, weight.sum(-1), 1.0)[..., None]
    most = np.where(share > 0, values, -np.inf).max(-1, keepdims=True)
    values = np.where(share > 0, values, most)
    order = np.argsort(values, axis=-1)
    ranked, share = (np.take_along_axis(x, order, -1) for x in (values, share))
    rank = np.cumsum(share, axis=-1) - 0.5 * share
    found = []
    for level in (0.5, 0.5 - 0.5 * probability, 0.5 + 0.5 * probability):
        # of n equal draws the one of rank p (n + 1), at (p (n + 1) - 1/2) / n of the weight
        further = (level - 0.5) * (share**2).sum(-1) / thinned
        value = _interpolated(level + further, rank, ranked)
        found.append(np.where(some, value, np.nan))
    return np.stack(found, -1)


def _interpolated(level: FloatArray, rank: FloatArray, ranked: FloatArray) -> FloatArray:
    """Values at a level (...) of ranks rising along the last axis; the ends beyond them."""
    after = np.minimum((rank < level[..., None]).sum(-1), rank.shape[-1] - 1)
    before = np.maximum(after - 1, 0)
    (low, high), (left, right) = (
        [np.take_along_axis(x, i[..., None], -1)[..., 0] for i in (before, after)]
        for x in (rank, ranked)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.clip((level - low) / (high - low), 0.0, 1.0)
        between = left + place * (right - left)
    return np.where((high > low) & (right > left) & (place > 0), between, left)


def _grade_probability(
    nadir: FloatArray, weight: FloatArray, limits: tuple[float, ...], normal: float | None
) -> FloatArray:
    """Probability of each grade or worse, (..., 4)."""
    at = (np.nan if normal is None else max(normal, limits[0]), *limits)
    result = np.full((*nadir.shape[:-1], len(_GRADES)), np.nan)
    for i, limit in enumerate(at):
        if np.isfinite(limit):
            result[..., i] = (weight * (nadir < limit)).sum(-1)
    return result


def _status(
    recovers: FloatArray, falling: FloatArray, ill: FloatArray, words: str, horizon_days: float
) -> tuple[str, ...]:
    """What is not reached, a patient: shares that recover, still fall, and are never at target."""

    def said(back: float, down: float, never: float) -> str:
        parts = (
            (down > 0, f"{down:.0%} of the draws still fall at the end of the {horizon_days:g} "
             "days: their nadir is lower and later"),
            (back < 1, f"{1 - back:.0%} of the draws that fall below it are not back at {words} "
             f"within {horizon_days:g} days"),
            (never > 0, f"in {never:.0%} of the draws the baseline itself is not {words}: give "
             "recovery_share"),
        )  # fmt: skip
        return "; ".join(text for holds, text in parts if holds) or "ok"

    columns = (np.atleast_1d(x).ravel().tolist() for x in (recovers, falling, ill))
    return tuple(said(*row) for row in zip(*columns, strict=True))
