"""The next activity and interval from posterior draws, beside a product label's rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hemadose.planning.problem import (
    ROUNDING,
    Choice,
    Problem,
    checked_problem,
    checked_sample_size,
    checked_tumour_dose,
)
from hemadose.planning.reasons import decision_reasons, doubt_reasons, margin_reasons, outcome
from hemadose.planning.recommendation import (
    Alternative,
    BoolArray,
    Constraint,
    ConstraintMargin,
    DecidedBy,
    FloatArray,
    IntArray,
    Recommendation,
    TumourDose,
)
from hemadose.planning.rules import LabelDecision

_MAX_CELLS = 20_000_000  # numbers held at once while resampling
USEFUL_SHARE = 0.25  # ASSUMED: a cycle of less than this share of the plan is not worth giving


def recommend(
    activity_gbq: npt.ArrayLike,
    interval_days: npt.ArrayLike,
    constraints: Sequence[Constraint],
    *,
    hard_cap_gbq: float,
    label: LabelDecision,
    rng: np.random.Generator,
    tumour_dose_gy: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    min_useful_activity_gbq: float | None = None,
    effective_sample_size: float | None = None,
) -> Recommendation:
    r"""Recommend the highest activity whose every risk stays within its tolerance.

    Overdose control: at an interval, activity :math:`a_k` is allowed if
    :math:`P_c(a_j) \le \text{tolerance}_c` for every constraint :math:`c` and every
    :math:`j \le k`, and :math:`a_k` is not above the hard cap. Among the intervals the shortest one
    that reaches the highest allowed activity is taken. There is no interpolation between points of
    the grid. If no useful activity is allowed, the model says "stop" where a cumulative constraint
    alone forbids all of them at every interval, else "hold". The safer of model and label wins, in
    the order stop, hold, lower activity.

    Parameters
    ----------
    activity_gbq : array_like, shape (n_activities,)
        Activities that may be given (GBq), ascending; 0 is legal.
    interval_days : array_like, shape (n_intervals,)
        Admissible intervals since the last cycle (days), ascending.
    constraints : sequence of Constraint
        The risks, all on the same draws.
    hard_cap_gbq : float
        Activity that is never exceeded (GBq).
    label : LabelDecision
        What the label allows, from `label_decision`.
    rng : numpy.random.Generator
        For the resampling of the draws.
    tumour_dose_gy : array_like, shape (n_intervals, n_activities, n_draws), optional
        Tumour dose (Gy).
    n_resamples : int
        Number of resamples behind `stability`.
    min_useful_activity_gbq : float, optional
        Below it a cycle is not worth giving; ASSUMED a quarter of the planned activity.
    effective_sample_size : float, optional
        Number of independent draws that the draws are worth (duplicates after importance
        resampling lower it); by default their number.

    Returns
    -------
    Recommendation

    Raises
    ------
    HemadosePlanningError
        If the grid is empty or not ascending, shapes do not fit, a value is not finite, or no
        activity of the grid lies between the lowest useful one and the hard cap.

    References
    ----------
    Overdose control: Babb J, Rogatko A, Zacks S. Stat Med 1998;17:1103-1120. Neuenschwander B,
    Branson M, Gsponer T. Stat Med 2008;27:2420-2439, doi:10.1002/sim.3230.

    Examples
    --------
    >>> import numpy as np
    >>> from hemadose.planning import Constraint, label_decision, recommend
    >>> activity_gbq = np.array([3.7, 5.5, 7.4])
    >>> kidney_gy_per_gbq = np.random.default_rng(1).normal(0.8, 0.1, 2000)
    >>> over = (activity_gbq[:, None] * kidney_gy_per_gbq > 5.5)[None]
    >>> risk = Constraint("kidneys", "kidney dose above 5.5 Gy", 5.5, "Gy", 0.05, over)
    >>> label = label_decision("none", [], cycles=[], decision_day=0, planned_activity_gbq=7.4)
    >>> plan = recommend(
    ...     activity_gbq, [42.0], [risk], hard_cap_gbq=7.4, label=label,
    ...     rng=np.random.default_rng(2),
    ... )
    >>> plan.action, plan.activity_gbq, plan.binding.name
    ('treat', 5.5, 'kidneys')
    """
    quarter = USEFUL_SHARE * label.planned_activity_gbq
    useful_gbq = quarter if min_useful_activity_gbq is None else min_useful_activity_gbq
    problem = checked_problem(
        activity_gbq, interval_days, constraints, hard_cap_gbq, useful_gbq, label
    )
    shape = problem.constraints[0].exceeds.shape
    tumour = checked_tumour_dose(tumour_dose_gy, shape)
    n_draws = shape[-1]
    n_effective = checked_sample_size(effective_sample_size, n_draws, n_resamples)

    counts = np.stack([c.exceeds.sum(axis=-1) for c in problem.constraints])
    choice = decide(problem, counts[None], n_draws)
    resampled = _resampled(problem, n_effective, n_resamples, rng)
    stability, alternatives = _stability(problem, choice, resampled)

    probability = counts / n_draws
    smoothed = (probability * n_effective + 1) / (n_effective + 2)
    error = np.sqrt(smoothed * (1 - smoothed) / n_effective)
    treat = choice.action[0] == 0
    at = choice.interval[0] if treat else choice.model_interval[0]
    top = choice.activity[0] if treat else choice.model_activity[0]
    binding, following = _margins(problem, choice, probability, error, int(at), int(top))
    near = _near_threshold(problem, probability, error, int(at), int(top))
    decided_by = _decided_by(problem, choice, hard_cap_gbq)
    action, activity, interval = outcome(
        problem, choice.action[0], choice.activity[0], choice.interval[0]
    )
    model = outcome(
        problem, choice.model_action[0], choice.model_activity[0], choice.model_interval[0]
    )
    all_tolerated = np.arange(shape[1]) < choice.n_tolerated[0].min(axis=0)[:, None]
    return Recommendation(
        action=action,
        activity_gbq=activity,
        interval_days=interval,
        decided_by=decided_by,
        model_action=model[0],
        model_activity_gbq=model[1],
        model_interval_days=model[2],
        label=label,
        binding=binding,
        next_constraint=following,
        grid_activity_gbq=problem.activity,
        grid_interval_days=problem.interval,
        constraint_names=tuple(c.name for c in problem.constraints),
        tolerances=problem.tolerance,
        probability=probability,
        mc_standard_error=error,
        allowed=all_tolerated & (np.arange(shape[1]) < problem.n_cap),
        tumour_dose=_tumour_dose(tumour[at, top]) if treat and tumour is not None else None,
        stability=stability,
        decision_changes=1.0 - stability,
        alternatives=alternatives,
        near_threshold=near,
        reasons=(
            *decision_reasons(problem, choice, decided_by, useful_gbq, label),
            *margin_reasons(problem, binding, following),
            *doubt_reasons(near, stability, n_resamples),
            *label.warnings,
        ),
        assumptions=_assumptions(
            problem,
            label,
            f"{useful_gbq:g} GBq"
            + (", a quarter of the planned activity" if min_useful_activity_gbq is None else ""),
            independent=effective_sample_size is None,
        ),
    )


def _assumptions(
    problem: Problem, label: LabelDecision, useful: str, *, independent: bool
) -> tuple[str, ...]:
    """Those of the constraints, of the label and of the decision itself."""
    texts = [text for c in problem.constraints for text in c.assumptions]
    texts += label.assumptions
    texts.append(f"ASSUMED: below {useful}, no cycle is worth giving.")
    if independent:
        texts.append("The draws are taken to be independent.")
    return tuple(dict.fromkeys(texts))


def decide(problem: Problem, counts: npt.NDArray[np.generic], n_draws: int) -> Choice:
    """Decide from the number of exceeding draws.

    Parameters
    ----------
    problem : Problem
        The grid and the limits.
    counts : ndarray, shape (n_resamples, n_constraints, n_intervals, n_activities)
        Number, or weight, of the draws that exceed each limit.
    n_draws : int
        Number, or weight, of all draws.
    """
    most = np.floor(problem.tolerance * n_draws + ROUNDING)[:, None, None]
    within = np.logical_and.accumulate(counts <= most, axis=-1)
    n_tolerated = within.sum(axis=-1)
    n_model = np.minimum(n_tolerated.min(axis=1), problem.n_cap)
    best_of_each = n_tolerated.max(axis=-1)
    exhausted = ((best_of_each <= problem.useful) & problem.cumulative).any(axis=-1)
    model_activity, model_interval = _highest(n_model)
    model_action = np.where(model_activity >= problem.useful, 0, np.where(exhausted, 2, 1))
    activity, interval = _highest(np.minimum(n_model, problem.n_label))
    with_label = np.where(activity >= problem.useful, 0, np.maximum(model_action, 1))
    return Choice(
        np.maximum(with_label, problem.label_code),
        activity,
        interval,
        model_action,
        model_activity,
        model_interval,
        n_tolerated,
    )


def _highest(n_allowed: IntArray) -> tuple[IntArray, IntArray]:
    """Index of the highest allowed activity and of the shortest interval that reaches it."""
    return n_allowed.max(axis=-1) - 1, n_allowed.argmax(axis=-1)


def _resampled(
    problem: Problem, n_effective: int, n_resamples: int, rng: np.random.Generator
) -> Iterator[Choice]:
    """Decisions on bootstrap resamples of the draws, in chunks."""
    n_draws = problem.constraints[0].exceeds.shape[-1]
    columns = exceeding(problem, np.float64 if n_effective > 2**24 else np.float32)
    chunk = max(1, _MAX_CELLS // max(columns.shape))
    for start in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - start)
        weight = rng.multinomial(n_effective, np.full(n_draws, 1 / n_draws), size=size)
        yield decide_weighted(problem, columns, weight.astype(columns.dtype), n_effective)


def exceeding(problem: Problem, dtype: npt.DTypeLike = np.float64) -> FloatArray:
    """Which draws exceed which limit where, as numbers, shape (n_draws, n_constraints * cells).

    Parameters
    ----------
    problem : Problem
        The grid and the limits.
    dtype : dtype
        Kind of number.
    """
    table = np.stack([c.exceeds for c in problem.constraints])
    return np.asarray(table.reshape(-1, table.shape[-1]).T.astype(dtype))


def decide_weighted(
    problem: Problem, columns: FloatArray, weight: FloatArray, n_draws: int
) -> Choice:
    """Decide from weighted draws.

    Parameters
    ----------
    problem : Problem
        The grid and the limits.
    columns : ndarray
        From `exceeding`.
    weight : ndarray, shape (n_resamples, n_draws)
        Weights, which sum to `n_draws`.
    n_draws : int
        Their sum.
    """
    shape = (len(problem.constraints), len(problem.interval), len(problem.activity))
    return decide(problem, (weight @ columns).reshape(len(weight), *shape), n_draws)


def _stability(
    problem: Problem, choice: Choice, resampled: Iterator[Choice]
) -> tuple[float, tuple[Alternative, ...]]:
    """Share of resamples with the same decision, and all decisions with their frequency."""
    rows = np.concatenate([np.stack([c.action, c.activity, c.interval], -1) for c in resampled])
    rows[rows[:, 0] != 0, 1:] = -1
    first = np.array([choice.action[0], choice.activity[0], choice.interval[0]])
    same = rows[:, 0] == first[0]
    if first[0] == 0:
        same &= (np.abs(rows[:, 1] - first[1]) <= 1) & (rows[:, 2] == first[2])
    found, n_found = np.unique(rows, axis=0, return_counts=True)
    alternatives = tuple(
        Alternative(*outcome(problem, *found[i]), frequency=float(n_found[i] / len(rows)))
        for i in np.argsort(-n_found, kind="stable")
    )
    return float(same.mean()), alternatives


def _margins(
    problem: Problem,
    choice: Choice,
    probability: FloatArray,
    error: FloatArray,
    at: int,
    top: int,
) -> tuple[ConstraintMargin | None, ConstraintMargin | None]:
    """Constraint that forbids the activity after `top`, and the next one that would bind."""
    first = choice.n_tolerated[0, :, at]
    found = []
    for c, constraint in enumerate(problem.constraints):
        k = int(first[c])
        if k < len(problem.activity):
            p, tolerance = float(probability[c, at, k]), constraint.tolerance
            margin = ConstraintMargin(
                constraint.name, float(problem.activity[k]), p, float(error[c, at, k]), tolerance
            )
            found.append((k, -p / tolerance, c, margin))
    ordered = [(k, margin) for k, _, _, margin in sorted(found, key=lambda item: item[:3])]
    if ordered and ordered[0][0] == top + 1:
        return ordered[0][1], ordered[1][1] if len(ordered) > 1 else None
    return None, ordered[0][1] if ordered else None


def _near_threshold(
    problem: Problem, probability: FloatArray, error: FloatArray, at: int, top: int
) -> tuple[str, ...]:
    """Names of the constraints whose Monte-Carlo error could change the decision."""
    cells = slice(max(top, 0), top + 2)
    distance = np.abs(probability[:, at, cells] - problem.tolerance[:, None])
    near: BoolArray = np.any(distance < 2 * error[:, at, cells], axis=-1)
    return tuple(c.name for c, close in zip(problem.constraints, near, strict=True) if close)


def _decided_by(problem: Problem, choice: Choice, hard_cap_gbq: float) -> DecidedBy:
    """Say what set the action or limits the activity; the label where both say hold or stop."""
    action, model_action = choice.action[0], choice.model_action[0]
    if action != 0:
        return "label" if action > model_action or action == problem.label_code else "model"
    n_given = int(choice.activity[0]) + 1
    if n_given < choice.model_activity[0] + 1:
        return "label"
    n_tolerated = choice.n_tolerated[0, :, choice.interval[0]].min()
    risk_binds = n_tolerated == n_given and n_given < len(problem.activity)
    at_cap = n_given == problem.n_cap and (
        n_given < len(problem.activity) or problem.activity[-1] >= hard_cap_gbq - ROUNDING
    )
    return "hard cap" if at_cap and not risk_binds else "model"


def _tumour_dose(dose_gy: FloatArray) -> TumourDose:
    lower, upper = np.quantile(dose_gy, [0.05, 0.95])
    return TumourDose(float(dose_gy.mean()), float(lower), float(upper))
