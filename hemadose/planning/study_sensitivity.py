"""Which assumption flips a study's decision, or moves its activity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.registry import make_policy
from hemadose.planning.policies.sensitivity import sensitivity, usual_variants
from hemadose.planning.policies.thresholds import Risk, tolerated_gbq
from hemadose.planning.recommendation import Change, Variant
from hemadose.planning.situation import TREAT, LabelLimits, Situation

_WORDS = {
    "kill": "marrow kill per Gy",
    "baseline": "baseline counts",
    "kidney repair half-life": "repair half-life of the kidneys",
    "kidney alpha/beta": "α/β of the kidneys",
    "tolerance of grade 3": "accepted risk of grade 3",
}
_BLOOD_FACTORS = (1.2, 1 / 1.2)


def study_variants(
    situation: Situation,
    limits: PlanningLimits,
    blood: Risk | None,
    *,
    name: str = "overdose_control",
    settings: Mapping[str, Any] | None = None,
) -> tuple[Variant, ...]:
    """The policy's decision as planned and under each varied assumption.

    A label that treats keeps its ceiling. One that holds or stops is left out: the table then
    tells of the model alone.

    Parameters
    ----------
    situation : Situation
        One patient.
    limits : PlanningLimits
        Limits of the decision as it stands.
    blood : Risk or None
        Risk of the blood dose (131I), varied instead of the kidneys.
    name, settings : str, mapping
        The policy.
    """
    policy = make_policy(name, settings, limits=limits)
    known = open_label(situation, blood)
    cases = usual_variants(name, settings or {}, known, limits=limits)
    if blood is not None:
        cases = {text: case for text, case in cases.items() if not text.startswith("kidney")}
        for factor in _BLOOD_FACTORS:
            cases[f"blood dose x {factor:.3g}"] = (policy, _more_blood_dose(known, blood, factor))
    found = sensitivity(policy, known, cases, step_gbq=limits.activity_step_gbq)
    last = 0.0 if np.isnan(known.last_day[0]) else float(known.last_day[0])
    variants = []
    for k, text in enumerate(found.names):
        assumption, _, times = text.partition(" x ")
        treats = found.action[k] == "treat"
        moved = abs(found.activity_gbq[k] - found.activity_gbq[0])
        change: Change = "none"
        if found.flips[k]:
            change = "action"
        elif moved > limits.activity_step_gbq + 1e-9:
            change = "activity"
        elif treats and found.day[k] != found.day[0]:
            change = "interval"
        variants.append(
            Variant(
                assumption=_WORDS.get(assumption, assumption),
                factor=float(times or 1),
                action=found.action[k],  # type: ignore[arg-type]
                activity_gbq=round(float(found.activity_gbq[k]), 6),
                interval_days=float(found.day[k] - last) if treats else None,
                change=change,
            )
        )
    return tuple(variants)


def open_label(situation: Situation, blood: Risk | None) -> Situation:
    """The situation with a label that holds or stops left out.

    Parameters
    ----------
    situation : Situation
        One patient.
    blood : Risk or None
        Risk of the blood dose (131I), which then caps the activity alone.
    """
    if situation.label.action[0] == TREAT:
        return situation
    most = np.array([np.inf])
    if blood is not None:
        most = tolerated_gbq(blood.reached_gbq, blood.tolerance)
    return replace(situation, label=LabelLimits(np.array([TREAT]), most, ("",)))


def firmness_sentence(variants: tuple[Variant, ...], *, held_by_label: bool) -> str:
    """Say what flips the decision and what moves its activity.

    Parameters
    ----------
    variants : tuple of Variant
        From `study_variants`.
    held_by_label : bool
        Whether the label holds or stops, whatever the model says.
    """
    planned, others = variants[0], variants[1:]
    subject = "The decision"
    start = ""
    if held_by_label:
        start = "The label withholds the cycle whatever is assumed of the model. "
        subject = f"The model's own decision ({_said(planned)})"
    flips = [f"{_varied(v)} ({_said(v)})" for v in others if v.change == "action"]
    moves = [v for v in others if v.change == "activity"]
    n = len({v.assumption for v in others})
    if flips:
        text = f"{subject} flips if {', or '.join(flips)}."
    else:
        text = f"{subject} flips with none of the {n} assumptions varied."
    if moves:
        low, high = (f(moves, key=lambda v: v.activity_gbq) for f in (min, max))
        ends = [low] if low.activity_gbq < planned.activity_gbq else []
        ends += [high] if high.activity_gbq > planned.activity_gbq else []
        most = ", and ".join(f"{v.activity_gbq:g} GBq with {_varied(v)}" for v in ends)
        text += f" The activity moves at most to {most}."
    elif planned.action == "treat":
        text += " Nor does its activity move by more than one step."
    return start + text


def _varied(variant: Variant) -> str:
    return f"{variant.assumption} × {variant.factor:.3g}"


def _said(variant: Variant) -> str:
    if variant.action != "treat":
        return variant.action
    days = variant.interval_days
    return f"{variant.activity_gbq:g} GBq" + (f" after {days:g} days" if days else "")


def _more_blood_dose(situation: Situation, blood: Risk, factor: float) -> Situation:
    label = situation.label
    before, after = (tolerated_gbq(blood.reached_gbq / f, blood.tolerance) for f in (1.0, factor))
    # where the blood dose was what capped, its ceiling moves; elsewhere it can only come down
    capped = label.max_activity_gbq >= before - 1e-9
    most = np.where(capped, after, np.minimum(label.max_activity_gbq, after))
    return replace(situation, label=replace(label, max_activity_gbq=most))
