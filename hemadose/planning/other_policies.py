"""What every policy would do for a study's patient now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.explain import ACTIONS
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.registry import make_policy
from hemadose.planning.recommendation import PolicyAnswer
from hemadose.planning.situation import TREAT, Decisions, LabelLimits, Situation

_DECIDERS = {
    "label": "the label",
    "cap": "the hard cap",
    "coherence": "the last activity, after which a toxicity was seen",
    "refusal": "data that contradict the model",
    "cycles": "the number of cycles",
    "delay": "the longest delay",
}


class _Row(NamedTuple):
    """A policy as the table asks for it.

    ``beyond_label``: of the label only what withholds for toxicity and missing data applies, not
    its number of cycles.
    """

    text: str
    beyond_label: bool


_ROWS: Mapping[str, _Row] = {
    "label": _Row("planned activity and interval, as long as the label allows", False),
    "overdose_control": _Row("highest activity whose risks are all accepted", False),
    "look_ahead": _Row("first cycle of the best plan for all cycles that remain", False),
    "extended": _Row("planned activity until marrow dose or kidney BED reach their limit", True),
    "uppsala": _Row(
        "planned activity until 23 Gy to the kidneys or the marrow dose limit, by expectation", True
    ),
    "bed_limited": _Row("planned activity until a kidney BED of 27 + 2 Gy (UNVERIFIED)", True),
    "kidney_prescription": _Row("activity that brings the kidneys to a prescribed dose", True),
}
_LOOK_AHEAD_DRAWS = 200  # of those of the study, for speed
_NEEDS_KIDNEYS = ("bed_limited", "kidney_prescription")


def other_policies(
    situation: Situation,
    beyond_label: LabelLimits,
    limits: PlanningLimits,
    *,
    planned_cycles: int,
    has_tumours: bool,
    chosen: str = "overdose_control",
    settings: Mapping[str, Any] | None = None,
) -> tuple[PolicyAnswer, ...]:
    """Ask every policy what it would do now.

    Parameters
    ----------
    situation : Situation
        One patient.
    beyond_label : LabelLimits
        What the label says without its number of cycles.
    limits : PlanningLimits
        Limits of the study.
    planned_cycles : int
        Cycles planned in all.
    has_tumours : bool
        Whether tumour doses are known.
    chosen, settings : str, mapping
        The policy with settings of its own; the others have their defaults.

    Returns
    -------
    tuple of PolicyAnswer
    """
    answers = []
    has_kidneys = bool((situation.kidney_gy_per_gbq > 0).any())
    for name, row in _ROWS.items():
        own = dict(settings or {}) if name == chosen else {}
        missing = ""
        if name in _NEEDS_KIDNEYS and not has_kidneys:
            missing = "there is no kidney dose"
        elif name == "look_ahead" and not has_tumours:
            missing = "there is no tumour dose"
        elif name == "kidney_prescription" and "first_cycle" not in own:
            missing = "the study gives no rule for the first cycle"
        if missing:
            answers.append(PolicyAnswer(name, row.text, None, 0.0, None, f"not asked: {missing}"))
            continue
        known = replace(situation, label=beyond_label) if row.beyond_label else situation
        answers.append(_answer(name, row.text, own, known, limits, planned_cycles))
    return tuple(answers)


def _answer(
    name: str,
    text: str,
    settings: Mapping[str, Any],
    situation: Situation,
    limits: PlanningLimits,
    planned_cycles: int,
) -> PolicyAnswer:
    try:
        own, its_limits = own_settings(name, settings, limits, planned_cycles)
        decided = make_policy(name, own, limits=its_limits)(situation)
    except HemadosePlanningError as error:
        return PolicyAnswer(name, text, None, 0.0, None, f"not asked: {error}")
    action = ACTIONS[int(decided.action[0])]
    return PolicyAnswer(
        policy=name,
        text=text,
        action=action,  # type: ignore[arg-type]
        activity_gbq=round(float(decided.activity_gbq[0]), 6),
        interval_days=interval_of(decided, situation),
        limited_by=limited_by(decided, situation.label),
    )


def own_settings(
    name: str, settings: Mapping[str, Any], limits: PlanningLimits, planned_cycles: int
) -> tuple[dict[str, Any], PlanningLimits]:
    """Settings and limits of a policy in a study.

    The study's marrow limit serves the policy by expected doses too (image- and blood-based doses
    need different limits); the label's schedule and look-ahead plan the study's number of cycles;
    look-ahead uses up to 200 draws.

    Parameters
    ----------
    name, settings : str, mapping
        Policy, and what is given of its settings.
    limits : PlanningLimits
        Limits of the study.
    planned_cycles : int
        Cycles planned in all.
    """
    own: dict[str, Any] = {}
    if name == "uppsala":
        own["marrow_dose_gy"] = limits.marrow_dose_gy
    if name == "look_ahead":
        own["n_draws"] = _LOOK_AHEAD_DRAWS
    if name in ("label", "look_ahead"):
        limits = replace(limits, max_cycles=planned_cycles)
    return {**own, **settings}, limits


def interval_of(decided: Decisions, situation: Situation) -> float | None:
    """Days from the last cycle to the one decided; None if there is none.

    Parameters
    ----------
    decided : Decisions
        Of one patient.
    situation : Situation
        The patient.
    """
    if decided.action[0] != TREAT:
        return None
    return float(decided.day[0] - np.nan_to_num(situation.last_day[0]))


def limited_by(decided: Decisions, label: LabelLimits) -> str:
    """What sets a policy's action or limits its activity, in words.

    Parameters
    ----------
    decided : Decisions
        Of one patient.
    label : LabelLimits
        What the label allowed.
    """
    who, index = str(decided.decided_by[0]), int(decided.binding[0])
    if who == "policy":
        if index >= 0:
            return decided.constraint_names[index]
        return "the policy's own schedule"
    if who == "label" and label.action[0] == TREAT and label.rule_id[0] == "blood dose":
        return "blood dose"
    return _DECIDERS[who]
