"""Bayesian overdose control: the highest activity whose every risk is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.limits import PlanningLimits, check_patient, grade3_name
from hemadose.planning.policies.settle import (
    ROUNDING,
    Proposal,
    ceiling_gbq,
    may_treat,
    scheduled_day,
    settle,
)
from hemadose.planning.policies.subsets import take_lineage_draws
from hemadose.planning.policies.thresholds import (
    Risk,
    dose_risks,
    probability_at,
    tolerated_count_risks,
    tolerated_gbq,
)
from hemadose.planning.situation import Decisions, FloatArray, IntArray, Policy, Situation


class Highest(NamedTuple):
    """Highest accepted activity, its risks and the one that binds: (n,), (n, n_risks), (n,)."""

    activity_gbq: FloatArray
    probability: FloatArray
    binding: IntArray


def overdose_control(*, limits: PlanningLimits, worth_waiting_gbq: float = 0.0) -> Policy:
    r"""Policy: the highest activity whose every risk stays within its tolerance.

    Among the admissible intervals the shortest one that allows the highest activity is taken.

    Parameters
    ----------
    limits : PlanningLimits
        Limits, tolerances, admissible activities and intervals.
    worth_waiting_gbq : float
        A longer interval is only taken if it allows this much more (GBq).

    Returns
    -------
    Policy

    Raises
    ------
    HemadosePlanningError
        If `worth_waiting_gbq` is negative.

    Notes
    -----
    With :math:`t_i` the activity at which draw i meets a limit, the risk at activity A is the
    share of draws with :math:`t_i < A`. The highest accepted activity is the
    :math:`(\lfloor \mathrm{tolerance}\cdot n\rfloor + 1)`-th smallest :math:`t_i`: exact for the
    draws, without a grid.

    References
    ----------
    Babb J, Rogatko A, Zacks S. Stat Med 1998;17:1103-1120.
    """
    if not (np.isfinite(worth_waiting_gbq) and worth_waiting_gbq >= 0):
        raise HemadosePlanningError(f"worth_waiting_gbq must be 0 or more, got {worth_waiting_gbq}")

    def policy(situation: Situation) -> Decisions:
        check_patient(limits, situation)
        return settle(situation, limits, _propose(situation, limits, worth_waiting_gbq))

    return policy


def highest_activity(
    limits: PlanningLimits, risks: Sequence[Risk], ceiling_gbq: FloatArray
) -> Highest:
    """Highest activity that all risks accept, rounded down to the step.

    Parameters
    ----------
    limits : PlanningLimits
        For the step and the lowest useful activity.
    risks : sequence of Risk
        Each with thresholds of shape (n, n_draws).
    ceiling_gbq : ndarray, shape (n,)
        Highest activity in any case (GBq).
    """
    tolerated = np.stack([tolerated_gbq(r.reached_gbq, r.tolerance) for r in risks], axis=-1)
    lowest = tolerated.min(-1)
    activity = limits.rounded(np.minimum(lowest, ceiling_gbq))
    binding = np.where(lowest < ceiling_gbq - ROUNDING, tolerated.argmin(-1), -1)
    judged = np.maximum(activity, limits.min_useful_activity_gbq)
    probability = np.stack([probability_at(r.reached_gbq, judged) for r in risks], axis=-1)
    return Highest(activity, probability, binding)


def _propose(situation: Situation, limits: PlanningLimits, worth_waiting_gbq: float) -> Proposal:
    n_counts, ceiling = len(situation.counts), ceiling_gbq(situation, limits)
    doses = dose_risks(situation, limits)
    by_dose = highest_activity(limits, doses, np.full(len(ceiling), np.inf))
    exhausted = by_dose.activity_gbq < limits.min_useful_activity_gbq - ROUNDING
    bound = np.minimum(by_dose.activity_gbq, limits.rounded(ceiling))
    unknown = np.full((len(bound), n_counts), np.nan)
    probability = np.concatenate([unknown, by_dose.probability], axis=-1)
    binding = np.where(exhausted, by_dose.binding + n_counts, -1)
    activity, day = np.zeros_like(bound), scheduled_day(situation, limits)
    open_ = may_treat(situation, limits) & ~exhausted
    untried, previous = np.ones(len(bound), dtype=bool), np.full(len(bound), -np.inf)
    for interval in limits.interval_days:
        when = scheduled_day(situation, limits, interval)
        more = bound - activity > worth_waiting_gbq + ROUNDING
        rows = np.flatnonzero(open_ & (when > previous) & (untried | more))
        if len(rows):
            found = _at_day(situation, limits, rows, when[rows], doses)
            gain = found.activity_gbq - activity[rows]
            better = untried[rows] | (gain > worth_waiting_gbq + ROUNDING)
            taken = rows[better]
            activity[taken], day[taken] = found.activity_gbq[better], when[taken]
            probability[taken], binding[taken] = found.probability[better], found.binding[better]
            untried[rows] = False
        previous = when
    names = (*(grade3_name(c.lineage) for c in situation.counts), *(r.name for r in doses))
    return Proposal(activity, day, exhausted, names, probability, binding, seeks_highest=True)


def _at_day(
    situation: Situation,
    limits: PlanningLimits,
    rows: IntArray,
    day: FloatArray,
    doses: Sequence[Risk],
) -> Highest:
    """Highest activity of some patients on a day, shape (m,)."""
    counts = situation.counts
    if len(rows) < len(situation.day):
        counts = tuple(take_lineage_draws(c, rows) for c in counts)
    doses = [risk._replace(reached_gbq=risk.reached_gbq[rows]) for risk in doses]
    ceiling = ceiling_gbq(situation, limits)[rows]
    asked = np.min([ceiling, *(tolerated_gbq(r.reached_gbq, r.tolerance) for r in doses)], axis=0)
    wait_h = 24.0 * (day - situation.day[rows])
    risks = tolerated_count_risks(counts, limits, wait_h=wait_h, max_activity_gbq=asked)
    return highest_activity(limits, [*risks, *doses], ceiling)
