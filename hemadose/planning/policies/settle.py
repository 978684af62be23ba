"""From what a policy wants to a decision: cycles, refusals, the label and delays have their say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.situation import (
    HOLD,
    STOP,
    TREAT,
    Decisions,
    FloatArray,
    IntArray,
    LabelLimits,
    Situation,
)

ROUNDING = 1e-9  # GBq and days
_WIDTH = "<U9"


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a policy wants before anyone else is asked.

    Attributes
    ----------
    activity_gbq : ndarray, shape (n,)
        Activity (GBq); below the lowest useful one it is none.
    day : ndarray, shape (n,)
        Day of the administration.
    exhausted : ndarray of bool, shape (n,)
        Whether waiting cannot help, so that "no activity" is the end of treatment.
    names, probability, binding
        As in `Decisions`.
    seeks_highest : bool
        Whether the policy would give more if it could, so that the cap or the label limits it.
    """

    activity_gbq: FloatArray
    day: FloatArray
    exhausted: npt.NDArray[np.bool_]
    names: tuple[str, ...]
    probability: FloatArray
    binding: IntArray
    seeks_highest: bool = False


def ceiling_gbq(situation: Situation, limits: PlanningLimits) -> FloatArray:
    """Highest activity that cap, label and coherence allow (GBq), shape (n,).

    A label that does not treat is left out: it has its say in `settle`.

    Parameters
    ----------
    situation : Situation
        n patients.
    limits : PlanningLimits
        Their limits.
    """
    label = situation.label
    allowed = np.where(label.action == TREAT, label.max_activity_gbq, np.inf)
    return np.minimum(np.minimum(limits.max_activity_gbq, allowed), coherent_gbq(situation))


def coherent_gbq(situation: Situation) -> FloatArray:
    """Highest coherent activity (GBq): after a toxicity the last one, else infinite, shape (n,).

    Parameters
    ----------
    situation : Situation
        n patients.
    """
    if situation.toxicity is None:
        return np.full(len(situation.day), np.inf)
    known = situation.toxicity & ~np.isnan(situation.last_gbq)
    return np.where(known, situation.last_gbq, np.inf)


def may_treat(situation: Situation, limits: PlanningLimits) -> npt.NDArray[np.bool_]:
    """Whether a model's answer matters: nobody else withholds the cycle, shape (n,).

    Parameters
    ----------
    situation : Situation
        n patients.
    limits : PlanningLimits
        Their limits.
    """
    open_ = (situation.label.action == TREAT) & (situation.cycle <= limits.max_cycles)
    return np.asarray(open_ & ~_refused(situation))


def scheduled_day(
    situation: Situation, limits: PlanningLimits, interval_days: float | None = None
) -> FloatArray:
    """Day of the next cycle at an interval, today if that has passed or at cycle 1, shape (n,).

    Parameters
    ----------
    situation : Situation
        n patients.
    limits : PlanningLimits
        Their limits.
    interval_days : float, optional
        Interval; the first admissible one by default.
    """
    interval = limits.interval_days[0] if interval_days is None else interval_days
    due = np.where(np.isnan(situation.last_day), situation.day, situation.last_day + interval)
    return np.maximum(due, situation.day)


def settle(
    situation: Situation, limits: PlanningLimits, proposal: Proposal, *, uses_model: bool = True
) -> Decisions:
    """Put cycles, refusals, label and delays over what a policy wants.

    Parameters
    ----------
    situation : Situation
        n patients.
    limits : PlanningLimits
        Their limits.
    proposal : Proposal
        What the policy wants.
    uses_model : bool
        Whether the policy rests on the model, so that a refusal holds it.
    """
    coherent = coherent_gbq(situation)
    activity = np.minimum(proposal.activity_gbq, coherent)
    useful = activity >= limits.min_useful_activity_gbq - ROUNDING
    action = np.where(useful, TREAT, np.where(proposal.exhausted, STOP, HOLD))
    decided_by = np.full(action.shape, "policy", dtype=_WIDTH)
    decided_by[activity < proposal.activity_gbq - ROUNDING] = "coherence"
    if proposal.seeks_highest:
        ceiling = ceiling_gbq(situation, limits)
        at_ceiling = activity >= limits.rounded(ceiling) - ROUNDING
        limited = useful & (proposal.binding < 0) & at_ceiling
        who = np.where(ceiling < limits.max_activity_gbq - ROUNDING, "label", "cap")
        who = np.where(ceiling >= coherent - ROUNDING, "coherence", who)
        decided_by[limited] = who[limited]
    over = situation.cycle > limits.max_cycles
    action[over], decided_by[over] = STOP, "cycles"
    if uses_model:
        held = _refused(situation) & (action != STOP)
        action[held], decided_by[held] = HOLD, "refusal"
    decisions = Decisions(
        action=action.astype(np.int64),
        activity_gbq=np.where(action == TREAT, activity, 0.0),
        day=np.where(action == TREAT, proposal.day, np.nan),
        constraint_names=proposal.names,
        probability=proposal.probability,
        binding=proposal.binding,
        decided_by=decided_by,
    )
    decisions = safer(decisions, situation.label, day=situation.day, limits=limits)
    return _end_delays(decisions, situation, limits)


def safer(
    decisions: Decisions, label: LabelLimits, *, day: FloatArray, limits: PlanningLimits
) -> Decisions:
    """Take the safer of a policy's decision and the label's: stop, hold, lower activity.

    Parameters
    ----------
    decisions : Decisions
        What a policy answers.
    label : LabelLimits
        What the label allows.
    day : ndarray, shape (n,)
        Decision day.
    limits : PlanningLimits
        For the lowest useful activity and the day on which a hold is decided again.

    Returns
    -------
    Decisions
        ``decided_by`` is ``"label"`` where the label lowered the activity, and where it holds or
        stops and the policy is not more cautious.
    """
    activity = np.where(
        label.action == TREAT,
        np.minimum(decisions.activity_gbq, label.max_activity_gbq),
        0.0,
    )
    treats = (decisions.action == TREAT) & (label.action == TREAT)
    too_little = treats & (activity < limits.min_useful_activity_gbq - ROUNDING)
    action = np.maximum(decisions.action, label.action)
    action[too_little] = HOLD
    lowered = treats & (activity < decisions.activity_gbq - ROUNDING)
    by_label = lowered | ((label.action >= decisions.action) & (label.action != TREAT))
    decided_by = decisions.decided_by.astype(_WIDTH)
    decided_by[by_label] = "label"
    held_until = np.where(action == HOLD, day + limits.recheck_days, np.nan)
    return replace(
        decisions,
        action=action,
        activity_gbq=np.where(action == TREAT, activity, 0.0),
        day=np.where(action == TREAT, decisions.day, held_until),
        decided_by=decided_by,
    )


def _end_delays(decisions: Decisions, situation: Situation, limits: PlanningLimits) -> Decisions:
    """A cycle held for too long after its scheduled day ends treatment."""
    first = np.isnan(situation.last_day)
    scheduled = np.where(first, 0.0, situation.last_day + limits.interval_days[0])
    late = situation.day - scheduled >= limits.max_delay_days - ROUNDING
    ends = (decisions.action == HOLD) & late
    if not ends.any():
        return decisions
    changed: dict[str, Any] = {
        "action": np.where(ends, STOP, decisions.action),
        "day": np.where(ends, np.nan, decisions.day),
        "decided_by": np.where(ends, "delay", decisions.decided_by),
    }
    return replace(decisions, **changed)


def _refused(situation: Situation) -> npt.NDArray[np.bool_]:
    if not situation.refusals:
        return np.zeros(len(situation.day), dtype=bool)
    return np.array([bool(text) for text in situation.refusals])
