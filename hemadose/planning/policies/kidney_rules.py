"""Policies led by the kidneys: a prescribed dose over the course, and BED in two steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.covariate_rules import (
    CovariateRule,
    FirstActivity,
    covariate_rules,
    first_activity,
)
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.schedules import (
    ROUNDING,
    check_dose,
    checked_cycles,
    checked_schedule,
)
from hemadose.planning.policies.settle import Proposal, ceiling_gbq, scheduled_day, settle
from hemadose.planning.situation import Decisions, FloatArray, Policy, Situation


def kidney_prescription(
    *,
    limits: PlanningLimits,
    first_cycle: FirstActivity,
    kidney_dose_gy: float = 23.0,
    n_cycles: int = 4,
    reductions: Sequence[Any] = (),
    interval_days: float | None = None,
) -> Policy:
    r"""Policy: bring the cumulative kidney dose to a prescription over the course.

    Parameters
    ----------
    limits : PlanningLimits
        Lowest and highest activity, cycles, delay.
    first_cycle : float, mapping or callable
        Activity of cycle 1: a number (GBq), a table ``{covariate, from, activity_gbq}``, or a
        function of the covariates. No coefficients are published, so that it must be given.
    kidney_dose_gy : float
        Prescribed cumulative kidney dose (Gy).
    n_cycles : int
        Cycles over which it is spread.
    reductions : sequence of mapping
        Rules ``{covariate, below | at_least, share}``: each that applies takes its share off the
        prescription and off the first activity. A missing covariate counts as impaired.
    interval_days : float, optional
        Interval, the first admissible one by default.

    Returns
    -------
    Policy

    Raises
    ------
    HemadosePlanningError
        If a setting is not legal, or a covariate that a rule needs is not known.

    Notes
    -----
    From cycle 2 on, with the expected doses so far :math:`D` and per activity :math:`d`, cycle k
    of n gets :math:`A = (D_\mathrm{prescribed} - D) / ((n - k + 1)\,d)`.
    """
    dose = check_dose("kidney_dose_gy", kidney_dose_gy)
    last = checked_cycles(limits, n_cycles)
    rules = covariate_rules("reductions", reductions)
    _, interval = checked_schedule(limits, None, interval_days)
    first = first_activity(first_cycle)

    def policy(situation: Situation) -> Decisions:
        n = len(situation.day)
        kept = _kept_share(rules, situation)
        left = np.maximum(last - situation.cycle + 1, 1)
        room = np.maximum(kept * dose - situation.kidney_dose_gy.mean(-1), 0.0)
        activity = room / (left * situation.kidney_gy_per_gbq.mean(-1))
        starts = situation.cycle == 1
        if starts.any():
            activity = np.where(starts, kept * first(situation.covariates, n), activity)
        activity = limits.rounded(np.minimum(activity, limits.max_activity_gbq))
        done = situation.cycle > last
        activity = np.where(done, 0.0, activity)
        total = situation.kidney_dose_gy + activity[:, None] * situation.kidney_gy_per_gbq
        proposal = Proposal(
            activity_gbq=activity,
            day=scheduled_day(situation, limits, interval),
            exhausted=np.ones(n, dtype=bool),
            names=("kidney dose",),
            probability=(total > (kept * dose)[:, None]).mean(-1)[:, None],
            binding=np.where(activity < limits.max_activity_gbq - ROUNDING, 0, -1),
        )
        return settle(situation, limits, proposal)

    return policy


def bed_limited(
    *,
    limits: PlanningLimits,
    qualifies: str | Sequence[Any] = "nobody",
    first_step_bed_gy: float = 27.0,
    first_step_margin_gy: float = 2.0,
    second_step_bed_gy: float = 40.0,
    activity_gbq: float | None = None,
    interval_days: float | None = None,
) -> Policy:
    """Policy: equal cycles until a kidney BED of 27 Gy, up to 40 Gy for those who qualify.

    A cycle is given if the expected BED after it is at most the step's limit (27 + 2 Gy, then
    40 Gy). The limits are those ascribed to the ILUMINET trial and are UNVERIFIED.

    Parameters
    ----------
    limits, activity_gbq, interval_days
        As in `fixed_schedule`; cycles go on up to ``limits.max_cycles``.
    qualifies : {"nobody", "everybody"} or sequence of mapping
        Who may go on to the second step: rules ``{covariate, below | at_least}`` that must all
        apply. A missing covariate does not qualify.
    first_step_bed_gy, first_step_margin_gy, second_step_bed_gy : float
        Kidney BED of the steps and the margin of the first (Gy, UNVERIFIED).

    Returns
    -------
    Policy

    Raises
    ------
    HemadosePlanningError
        If a setting is not legal, or the second step lies below the first.
    """
    activity, interval = checked_schedule(limits, activity_gbq, interval_days)
    first = check_dose("first_step_bed_gy", first_step_bed_gy)
    second = check_dose("second_step_bed_gy", second_step_bed_gy)
    if not (np.isfinite(first_step_margin_gy) and first_step_margin_gy >= 0):
        raise HemadosePlanningError(
            f"first_step_margin_gy must be 0 or more, got {first_step_margin_gy!r}"
        )
    if first + first_step_margin_gy > second:
        raise HemadosePlanningError(
            f"second_step_bed_gy ({second:g}) lies below the first step with its margin "
            f"({first + first_step_margin_gy:g}); raise the one or lower the other"
        )
    rules = _qualifying(qualifies)

    def policy(situation: Situation) -> Decisions:
        n = len(situation.day)
        allowed = np.full(n, rules is not None)
        for rule in rules or ():
            allowed &= rule.applies(situation, unknown=False)
        limit = np.where(allowed, second, first + first_step_margin_gy)
        given = np.minimum(activity, ceiling_gbq(situation, limits))
        bed = bed_after(situation, limits, given)
        exhausted = bed.mean(-1) > limit + ROUNDING
        proposal = Proposal(
            activity_gbq=np.where(exhausted, 0.0, activity),
            day=scheduled_day(situation, limits, interval),
            exhausted=exhausted,
            names=("kidney BED",),
            probability=(bed > limit[:, None]).mean(-1)[:, None],
            binding=np.where(exhausted, 0, -1),
        )
        return settle(situation, limits, proposal)

    return policy


def bed_after(situation: Situation, limits: PlanningLimits, activity_gbq: FloatArray) -> FloatArray:
    """Cumulative kidney BED after one more cycle (Gy), shape (n, n_draws).

    Parameters
    ----------
    situation : Situation
        n patients.
    limits : PlanningLimits
        For alpha/beta.
    activity_gbq : ndarray, shape (n,)
        Activity of the cycle (GBq).
    """
    dose = activity_gbq[:, None] * situation.kidney_gy_per_gbq
    relative = 1 + situation.kidney_protraction * dose / limits.kidney_alpha_beta_gy
    return np.asarray(situation.kidney_bed_gy + dose * relative)


def _kept_share(rules: tuple[CovariateRule, ...], situation: Situation) -> FloatArray:
    kept = np.ones(len(situation.day))
    for rule in rules:
        kept *= np.where(rule.applies(situation, unknown=True), 1 - rule.share, 1.0)
    return kept


def _qualifying(qualifies: str | Sequence[Any]) -> tuple[CovariateRule, ...] | None:
    """Rules that must apply; none of them for everybody, None for nobody."""
    if qualifies == "nobody":
        return None
    if qualifies == "everybody":
        return ()
    if isinstance(qualifies, str):
        raise HemadosePlanningError(
            f"qualifies must be nobody, everybody or a list of rules, got {qualifies!r}"
        )
    return covariate_rules("qualifies", qualifies)
