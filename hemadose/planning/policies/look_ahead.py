"""Look-ahead: plan all remaining cycles, give the first of them, plan again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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
from hemadose.planning.policies.subsets import take_draws, take_patients
from hemadose.planning.policies.thresholds import (
    Risk,
    dose_risks,
    probability_at,
    tolerated_count_risks,
    tolerated_gbq,
)
from hemadose.planning.situation import Decisions, FloatArray, IntArray, Policy, Situation

ANY_GRADE3 = "any grade 3"


class Worth(NamedTuple):
    """What a Gy, a grade 3 and a day are worth.

    ``benefit_per_gy`` is 1 (utility in Gy) or alpha (utility in log cell kill).
    """

    benefit_per_gy: float
    price_of_grade3: float
    price_per_day: float


class Course(NamedTuple):
    """The best activity of one plan and what it is worth: (n,), (n,), (n, n_risks + 1), (n,)."""

    activity_gbq: FloatArray
    utility: FloatArray
    probability: FloatArray
    binding: IntArray


def look_ahead(
    *,
    limits: PlanningLimits,
    price_of_grade3: float = 0.0,
    price_per_day: float = 0.0,
    alpha_per_gy: float | None = None,
    fewer_cycles: bool = True,
    n_draws: int | None = None,
) -> Policy:
    r"""Policy: the first cycle of the best plan for all remaining ones, planned anew each time.

    A plan is an interval, a number m of cycles and one activity A for each of them. It is legal if
    each risk over its whole course (to the horizon after its last cycle) stays within its
    tolerance, and worth

    .. math::
        U = A\,\sum_{j=1}^{m} E[d_j] - p\,P(\text{grade} \ge 3) - q\,T

    with the tumour's dose per activity :math:`d_j` in the j-th cycle from now, the probability
    that any lineage falls to grade 3, and the time T to the last cycle. Where the uptake of the
    tumour falls from cycle to cycle, fewer cycles of more activity win: more is given now.

    Parameters
    ----------
    limits : PlanningLimits
        Limits, tolerances (here of the whole course), admissible activities and intervals.
    price_of_grade3 : float
        Utility that a probability of 1 of grade 3 or more costs (Gy, or log cell kill).
    price_per_day : float
        Utility that a day until the last cycle costs.
    alpha_per_gy : float, optional
        Radiosensitivity of the tumour: utility is then the expected log cell kill
        :math:`\alpha D`; without it, the dose.
    fewer_cycles : bool
        Whether plans of fewer cycles than remain are considered.
    n_draws : int, optional
        Draws used (the first ones), for speed; all by default.

    Returns
    -------
    Policy

    Raises
    ------
    HemadosePlanningError
        If a price is negative, alpha not above zero or `n_draws` below 1.

    Notes
    -----
    Open-loop feedback control: a plan does not foresee that later measurements will correct it
    (each decision does correct it), and its activity is constant, so that it approximates the
    exact dynamic programme from below. A plan is only simulated if its dose limits alone would
    let it beat the best one so far, which changes no result. The best activity is found exactly:
    between two thresholds of the draws more activity is always worth more, so that only the
    thresholds are compared.

    References
    ----------
    Bertsekas DP. Dynamic Programming and Optimal Control, vol. 1, sect. 6.2 (open-loop feedback
    control).
    """
    for name, price in (("price_of_grade3", price_of_grade3), ("price_per_day", price_per_day)):
        if not (np.isfinite(price) and price >= 0):
            raise HemadosePlanningError(f"{name} must be a number of 0 or more, got {price!r}")
    if alpha_per_gy is not None and not (np.isfinite(alpha_per_gy) and alpha_per_gy > 0):
        raise HemadosePlanningError(f"alpha_per_gy must be above 0, got {alpha_per_gy!r}")
    if n_draws is not None and n_draws < 1:
        raise HemadosePlanningError(f"n_draws must be 1 or more, got {n_draws!r}")
    worth = Worth(alpha_per_gy or 1.0, price_of_grade3, price_per_day)

    def policy(situation: Situation) -> Decisions:
        check_patient(limits, situation)
        known = situation if n_draws is None else _first_draws(situation, n_draws)
        return settle(situation, limits, _propose(known, limits, worth, fewer_cycles))

    return policy


def _propose(
    situation: Situation, limits: PlanningLimits, worth: Worth, fewer_cycles: bool
) -> Proposal:
    doses = dose_risks(situation, limits)
    names = (*(grade3_name(c.lineage) for c in situation.counts), *(r.name for r in doses))
    n, n_counts = len(situation.day), len(situation.counts)
    by_dose = _lowest(doses)
    exhausted = limits.rounded(by_dose) < limits.min_useful_activity_gbq - ROUNDING
    over = np.argmin([tolerated_gbq(r.reached_gbq, r.tolerance) for r in doses], axis=0)
    best = Course(
        activity_gbq=np.zeros(n),
        utility=np.full(n, -np.inf),
        probability=np.full((n, len(names) + 1), np.nan),
        binding=np.where(exhausted, n_counts + over, -1),
    )
    day = scheduled_day(situation, limits)
    open_ = may_treat(situation, limits) & ~exhausted
    remaining = limits.max_cycles - situation.cycle + 1
    for n_cycles in range(int(remaining[open_].max(initial=0)), 0, -1):
        considered = open_ & ((remaining >= n_cycles) if fewer_cycles else remaining == n_cycles)
        previous = np.full(n, -np.inf)
        for interval in limits.interval_days:
            when = scheduled_day(situation, limits, interval)
            new = when > previous if n_cycles == 1 else np.ones(n, dtype=bool)
            _improve(
                situation, limits, worth, (n_cycles, interval), when, considered & new, best, day
            )
            previous = when
    return Proposal(
        best.activity_gbq,
        day,
        exhausted,
        (*names, ANY_GRADE3),
        best.probability,
        best.binding,
        seeks_highest=True,
    )


def _improve(
    situation: Situation,
    limits: PlanningLimits,
    worth: Worth,
    plan: tuple[int, float],
    when: FloatArray,
    considered: npt.NDArray[np.bool_],
    best: Course,
    day: FloatArray,
) -> None:
    """Put the plan into `best` and `day` where it is worth more."""
    n_cycles, interval = plan
    per_gbq = worth.benefit_per_gy * tumour_per_gbq(situation, n_cycles)
    time_cost = worth.price_per_day * (when - situation.day + (n_cycles - 1) * interval)
    doses = dose_risks(situation, limits, n_cycles=n_cycles)
    bound = limits.rounded(np.minimum(_lowest(doses), ceiling_gbq(situation, limits)))
    useful = bound >= limits.min_useful_activity_gbq - ROUNDING
    promising = bound * per_gbq - time_cost > best.utility + ROUNDING
    rows = np.flatnonzero(considered & useful & promising)
    if len(rows) == 0:
        return
    chosen = take_patients(situation, rows)
    ceiling = ceiling_gbq(chosen, limits)
    chosen_doses = [r._replace(reached_gbq=r.reached_gbq[rows]) for r in doses]
    counts = tolerated_count_risks(
        chosen.counts,
        limits,
        wait_h=24.0 * (when[rows] - chosen.day),
        max_activity_gbq=np.minimum(_lowest(chosen_doses), ceiling),
        n_cycles=n_cycles,
        interval_h=24.0 * interval,
    )
    found = best_course(limits, counts, chosen_doses, ceiling, per_gbq[rows], worth.price_of_grade3)
    utility = found.utility - time_cost[rows]
    better = utility > best.utility[rows] + ROUNDING
    taken = rows[better]
    for old, new in zip(best, (*found[:1], utility, *found[2:]), strict=True):
        old[taken] = new[better]
    day[taken] = when[taken]


def best_course(
    limits: PlanningLimits,
    counts: Sequence[Risk],
    doses: Sequence[Risk],
    ceiling_gbq: FloatArray,
    benefit_per_gbq: FloatArray,
    price_of_grade3: float,
) -> Course:
    """Activity of the highest utility among those that all risks accept; -inf if there is none.

    Parameters
    ----------
    limits : PlanningLimits
        For the step and the lowest useful activity.
    counts, doses : sequence of Risk
        Each with thresholds of shape (n, n_draws); a grade 3 of any of the first has the price.
    ceiling_gbq, benefit_per_gbq : ndarray, shape (n,)
        Highest activity in any case (GBq), and utility per activity (1/GBq).
    price_of_grade3 : float
        Utility that a probability of 1 costs.
    """
    risks = [*counts, *doses]
    tolerated = np.stack([tolerated_gbq(r.reached_gbq, r.tolerance) for r in risks], axis=-1)
    allowed = np.minimum(tolerated.min(-1), ceiling_gbq)
    n_draws = doses[0].reached_gbq.shape[-1]
    never = np.full((len(allowed), n_draws), np.inf)
    first: FloatArray = np.min([never, *(r.reached_gbq for r in counts)], axis=0)
    candidates = allowed[:, None]
    if price_of_grade3 > 0:
        candidates = np.minimum(np.concatenate([first, candidates], axis=1), candidates)
    candidates = limits.rounded(candidates)
    probability = probability_at(first[:, None, :], candidates)
    utility = candidates * benefit_per_gbq[:, None] - price_of_grade3 * probability
    utility = np.where(candidates >= limits.min_useful_activity_gbq - ROUNDING, utility, -np.inf)
    at = utility.argmax(1)
    rows = np.arange(len(at))
    activity = candidates[rows, at]
    each = [probability_at(r.reached_gbq, activity) for r in risks]
    limiting = np.where(allowed < ceiling_gbq - ROUNDING, tolerated.argmin(-1), -1)
    priced = activity < limits.rounded(allowed) - ROUNDING
    return Course(
        activity,
        utility[rows, at],
        np.stack([*each, probability[rows, at]], axis=-1),
        np.where(priced, len(risks), limiting),
    )


def tumour_per_gbq(situation: Situation, n_cycles: int) -> FloatArray:
    """Expected tumour dose of the next cycles together per activity of each (Gy/GBq), shape (n,).

    Parameters
    ----------
    situation : Situation
        n patients.
    n_cycles : int
        How many; the last entry of ``tumour_gy_per_gbq`` serves all beyond.
    """
    expected = situation.tumour_gy_per_gbq.mean(1)
    n_ahead = expected.shape[-1]
    beyond = max(0, n_cycles - n_ahead) * expected[:, -1]
    return np.asarray(expected[:, :n_cycles].sum(-1) + beyond)


def _lowest(risks: Sequence[Risk]) -> FloatArray:
    return np.asarray(np.min([tolerated_gbq(r.reached_gbq, r.tolerance) for r in risks], axis=0))


def _first_draws(situation: Situation, n_draws: int) -> Situation:
    n, present = situation.marrow_gy_per_gbq.shape
    return take_draws(situation, np.tile(np.arange(min(n_draws, present)), (n, 1)))
