"""A study decided by the policy that study.yaml names, instead of overdose control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hemadose.planning.other_policies import interval_of, limited_by, own_settings
from hemadose.planning.policies.explain import ACTIONS
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.registry import make_policy
from hemadose.planning.policies.subsets import take_draws, take_patients
from hemadose.planning.recommendation import Action, Alternative, Recommendation, TumourDose
from hemadose.planning.situation import Decisions, Policy, Situation

_COUNTS_MATTER = ("overdose_control", "look_ahead")
_N_RESAMPLES, _N_COSTLY = 200, 10


class Chosen(NamedTuple):
    """The policy of a study, what it decides for it, and the step of its activities (GBq)."""

    name: str
    policy: Policy
    decisions: Decisions
    action: Action
    activity_gbq: float
    interval_days: float | None
    step_gbq: float


def chosen_policy(
    name: str,
    settings: Mapping[str, Any],
    situation: Situation,
    limits: PlanningLimits,
    *,
    planned_cycles: int,
) -> Chosen | None:
    """What the policy of study.yaml decides; None for overdose control as `recommend` has it.

    Parameters
    ----------
    name, settings : str, mapping
        As in study.yaml.
    situation : Situation
        One patient.
    limits : PlanningLimits
        Limits of the study.
    planned_cycles : int
        Cycles planned in all.
    """
    if name == "overdose_control" and not settings:
        return None
    own, its_limits = own_settings(name, settings, limits, planned_cycles)
    policy = make_policy(name, own, limits=its_limits)
    decided = policy(situation)
    action: Action = ACTIONS[int(decided.action[0])]  # type: ignore[assignment]
    activity = round(float(decided.activity_gbq[0]), 6)
    days, step = interval_of(decided, situation), limits.activity_step_gbq
    return Chosen(name, policy, decided, action, activity, days, step)


def decided_by_policy(
    advice: Recommendation,
    chosen: Chosen,
    situation: Situation,
    *,
    effective_sample_size: float,
    rng: np.random.Generator,
) -> Recommendation:
    """A recommendation with the policy's decision in the place of overdose control's.

    Parameters
    ----------
    advice : Recommendation
        Of overdose control, on a grid that holds the policy's activity and interval.
    chosen : Chosen
        The policy's decision.
    situation : Situation
        One patient.
    effective_sample_size : float
        Draws in a resample.
    rng : numpy.random.Generator
        For the resampling.
    """
    limit = limited_by(chosen.decisions, situation.label)
    stability, alternatives, n = _stability(chosen, situation, round(effective_sample_size), rng)
    who = str(chosen.decisions.decided_by[0])
    over = _exceeded(advice, chosen)
    said = _said(chosen.action, chosen.activity_gbq, chosen.interval_days)
    instead = _said(advice.action, advice.activity_gbq, advice.interval_days)
    notes = [
        f"Policy {chosen.name} of study.yaml decides: {said}, limited by {limit}.",
        f"Overdose control, the default, would say {instead}.",
        *over,
        f"{100 * stability:.0f} % of {n} resamples of the draws lead to the same decision.",
    ]
    tumour = None
    if chosen.action == "treat" and (situation.tumour_gy_per_gbq > 0).any():
        dose = chosen.activity_gbq * situation.tumour_gy_per_gbq[0, :, 0]
        low, high = np.quantile(dose, [0.05, 0.95])
        tumour = TumourDose(float(dose.mean()), float(low), float(high))
    return replace(
        advice,
        action=chosen.action,
        activity_gbq=chosen.activity_gbq,
        interval_days=chosen.interval_days,
        policy=chosen.name,
        decided_by={"label": "label", "cap": "hard cap"}.get(who, "policy"),  # type: ignore[arg-type]
        binding=None,
        next_constraint=None,
        tumour_dose=tumour,
        stability=stability,
        decision_changes=1.0 - stability,
        alternatives=alternatives,
        near_threshold=(),
        reasons=(*notes, *advice.label.warnings),
    )


def _exceeded(advice: Recommendation, chosen: Chosen) -> list[str]:
    """Risks that the policy takes beyond their tolerance."""
    if chosen.action != "treat" or chosen.interval_days is None:
        return []
    at = int(np.abs(advice.grid_interval_days - chosen.interval_days).argmin())
    k = int(np.abs(advice.grid_activity_gbq - chosen.activity_gbq).argmin())
    rows = zip(
        advice.constraint_names, advice.probability[:, at, k], advice.tolerances, strict=True
    )
    return [
        f"This exceeds what is tolerated: {name} with probability {p:.3g}, tolerance {tolerance:g}."
        for name, p, tolerance in rows
        if p > tolerance + 1e-9
    ]


def _stability(
    chosen: Chosen, situation: Situation, n_draws: int, rng: np.random.Generator
) -> tuple[float, tuple[Alternative, ...], int]:
    """Share of resamples of the draws with the same decision, all decisions, their number."""
    costly = chosen.name in _COUNTS_MATTER
    n = _N_COSTLY if costly else _N_RESAMPLES
    known = situation if costly else replace(situation, counts=())
    index = rng.integers(0, situation.marrow_gy_per_gbq.shape[-1], (n, n_draws))
    found = chosen.policy(take_draws(take_patients(known, np.zeros(n, dtype=np.int64)), index))
    last = float(np.nan_to_num(situation.last_day[0]))
    rows = np.stack([found.action, found.activity_gbq.round(6), found.day.round(6) - last], -1)
    rows[found.action != 0, 2] = -1.0
    days = -1.0 if chosen.interval_days is None else round(chosen.interval_days, 6)
    same = (rows[:, 0] == ACTIONS.index(chosen.action)) & (np.abs(rows[:, 2] - days) < 1e-6)
    same &= np.abs(rows[:, 1] - chosen.activity_gbq) <= chosen.step_gbq + 1e-9
    kinds, counted = np.unique(rows, axis=0, return_counts=True)
    alternatives = tuple(
        Alternative(
            ACTIONS[int(kinds[i, 0])],  # type: ignore[arg-type]
            float(kinds[i, 1]),
            float(kinds[i, 2]) if kinds[i, 0] == 0 else None,
            float(counted[i] / n),
        )
        for i in np.argsort(-counted, kind="stable")
    )
    return float(same.mean()), alternatives, n


def _said(action: str, activity_gbq: float, interval_days: float | None) -> str:
    if action != "treat":
        return action
    return f"{activity_gbq:g} GBq" + (f" after {interval_days:g} days" if interval_days else "")
