"""The sentences of a recommendation: what was decided, what binds, how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

from hemadose.planning.problem import Choice, Problem
from hemadose.planning.recommendation import Action, ConstraintMargin, DecidedBy
from hemadose.planning.rules import LabelDecision

ACTIONS: tuple[Action, ...] = ("treat", "hold", "stop")  # in order of caution


def outcome(
    problem: Problem, action: int, activity: int, interval: int
) -> tuple[Action, float, float | None]:
    """Indices as the values a reader sees."""
    if action != 0:
        return ACTIONS[action], 0.0, None
    return "treat", float(problem.activity[activity]), float(problem.interval[interval])


def decision_reasons(
    problem: Problem,
    choice: Choice,
    decided_by: DecidedBy,
    useful_gbq: float,
    label: LabelDecision,
) -> Iterator[str]:
    """Sentences on what was decided, by whom."""
    action, model_action = choice.action[0], choice.model_action[0]
    model = outcome(problem, model_action, choice.model_activity[0], choice.model_interval[0])
    said = f"{model[1]:g} GBq after {model[2]:g} days" if model_action == 0 else f"to {model[0]}"
    if decided_by == "label":
        yield f"Rule {label.rule_id} decides: {label.reason}"
        if action != 0 and problem.label_code == 0:
            yield (
                f"The label allows {label.max_activity_gbq:g} GBq, and the grid has no useful "
                f"activity (at least {useful_gbq:g} GBq) up to there."
            )
        if action == 0:
            given = outcome(problem, action, choice.activity[0], choice.interval[0])
            yield (
                f"The highest activity of the grid within the label and every tolerance is "
                f"{given[1]:g} GBq after {given[2]:g} days."
            )
        yield f"The model alone would say {said}."
    elif action == 0:
        yield (
            f"The highest activity of the grid that keeps every risk within its tolerance is "
            f"{said}{', the hard cap' if decided_by == 'hard cap' else ''}."
        )
    if model_action != 0:
        text = f"No activity of at least {useful_gbq:g} GBq keeps every risk within its tolerance"
        if model_action == 2:
            yield f"{text}; a cumulative limit is used up, so waiting does not help."
        else:
            yield f"{text}; what binds is not only cumulative, so waiting may help."
    if decided_by != "label" and label.action != "treat":
        yield f"Rule {label.rule_id} says {label.action}: {label.reason}"


def margin_reasons(
    problem: Problem, binding: ConstraintMargin | None, following: ConstraintMargin | None
) -> Iterator[str]:
    """Sentences on the constraint that binds and on the next one."""
    text = {c.name: c.text for c in problem.constraints}
    for margin, start in ((binding, "What binds"), (following, "The next to bind")):
        if margin is not None:
            yield (
                f"{start}: at {margin.activity_gbq:g} GBq the risk of {text[margin.name]} is "
                f"{margin.probability:.3g}, above its tolerance of {margin.tolerance:g}."
            )
    if binding is None and following is None:
        yield "No risk exceeds its tolerance at any activity of the grid."


def doubt_reasons(near: tuple[str, ...], stability: float, n_resamples: int) -> Iterator[str]:
    """Sentences on how sure the decision is."""
    yield (
        f"{100 * stability:.0f} % of {n_resamples} resamples of the draws lead to the same "
        "decision (activity within one step)."
    )
    if near:
        yield f"Within two Monte-Carlo standard errors of the tolerance: {', '.join(near)}."
