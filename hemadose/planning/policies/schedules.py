"""Schedules of equal cycles: the label's, and those that go on until a limit is met."""

from __future__ import annotations

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.settle import Proposal, ceiling_gbq, scheduled_day, settle
from hemadose.planning.policies.thresholds import dose_risks, probability_at
from hemadose.planning.situation import Decisions, Policy, Situation

ROUNDING = 1e-9


def fixed_schedule(
    *,
    limits: PlanningLimits,
    activity_gbq: float | None = None,
    interval_days: float | None = None,
    n_cycles: int | None = None,
) -> Policy:
    """Policy: the same activity at the same interval, whatever the model says.

    Parameters
    ----------
    limits : PlanningLimits
        Highest activity, cycles, delay.
    activity_gbq : float, optional
        Activity of a cycle (GBq), the planned one by default.
    interval_days : float, optional
        Interval, the first admissible one by default.
    n_cycles : int, optional
        Number of cycles, the highest admissible one by default.

    Returns
    -------
    Policy
        It rests on no model, so that a refusal of the model does not hold it.

    Raises
    ------
    HemadosePlanningError
        If the schedule lies outside the limits.
    """
    activity, interval = checked_schedule(limits, activity_gbq, interval_days)
    last = checked_cycles(limits, n_cycles)

    def policy(situation: Situation) -> Decisions:
        n = len(situation.day)
        done = situation.cycle > last
        proposal = Proposal(
            activity_gbq=np.where(done, 0.0, activity),
            day=scheduled_day(situation, limits, interval),
            exhausted=done,
            names=(),
            probability=np.empty((n, 0)),
            binding=np.full(n, -1),
        )
        return settle(situation, limits, proposal, uses_model=False)

    return policy


def extended(
    *,
    limits: PlanningLimits,
    activity_gbq: float | None = None,
    interval_days: float | None = None,
) -> Policy:
    """Policy: equal cycles until the next would exceed the marrow dose or the kidney BED.

    A limit is met when the probability to exceed it is above its tolerance. Blood counts act
    only through the label's rules.

    Parameters
    ----------
    limits, activity_gbq, interval_days
        As in `fixed_schedule`; cycles go on up to ``limits.max_cycles``.

    Returns
    -------
    Policy

    Raises
    ------
    HemadosePlanningError
        If the schedule lies outside the limits.
    """
    activity, interval = checked_schedule(limits, activity_gbq, interval_days)

    def policy(situation: Situation) -> Decisions:
        risks = dose_risks(situation, limits)
        given = np.minimum(activity, ceiling_gbq(situation, limits))
        probability = np.stack([probability_at(r.reached_gbq, given) for r in risks], axis=-1)
        over = probability - np.array([r.tolerance for r in risks])
        exhausted = (over > ROUNDING).any(-1)
        proposal = Proposal(
            activity_gbq=np.where(exhausted, 0.0, activity),
            day=scheduled_day(situation, limits, interval),
            exhausted=exhausted,
            names=tuple(r.name for r in risks),
            probability=probability,
            binding=np.where(exhausted, over.argmax(-1), -1),
        )
        return settle(situation, limits, proposal)

    return policy


def uppsala(
    *,
    limits: PlanningLimits,
    activity_gbq: float | None = None,
    interval_days: float | None = None,
    kidney_dose_gy: float = 23.0,
    marrow_dose_gy: float = 2.0,
) -> Policy:
    """Policy: equal cycles until the next would exceed 23 Gy to the kidneys or 2 Gy to the marrow.

    The expected doses (means over the draws) are compared with the limits, as a clinic that
    works with one number does.

    Parameters
    ----------
    limits, activity_gbq, interval_days
        As in `fixed_schedule`; cycles go on up to ``limits.max_cycles``.
    kidney_dose_gy, marrow_dose_gy : float
        Cumulative doses that are not exceeded (Gy).

    Returns
    -------
    Policy

    Raises
    ------
    HemadosePlanningError
        If the schedule lies outside the limits, or a dose is not above zero.
    """
    activity, interval = checked_schedule(limits, activity_gbq, interval_days)
    most = np.array([check_dose("kidney_dose_gy", kidney_dose_gy),
                     check_dose("marrow_dose_gy", marrow_dose_gy)])  # fmt: skip

    def policy(situation: Situation) -> Decisions:
        given = np.minimum(activity, ceiling_gbq(situation, limits))[:, None]
        kidneys = situation.kidney_dose_gy + given * situation.kidney_gy_per_gbq
        marrow = situation.marrow_dose_gy + given * situation.marrow_gy_per_gbq
        dose = np.stack([kidneys, marrow], axis=-1)  # (n, n_draws, 2)
        share = dose.mean(1) / most
        exhausted = (share > 1 + ROUNDING).any(-1)
        proposal = Proposal(
            activity_gbq=np.where(exhausted, 0.0, activity),
            day=scheduled_day(situation, limits, interval),
            exhausted=exhausted,
            names=("kidney dose", "marrow dose"),
            probability=(dose > most).mean(1),
            binding=np.where(exhausted, share.argmax(-1), -1),
        )
        return settle(situation, limits, proposal)

    return policy


def checked_schedule(
    limits: PlanningLimits, activity_gbq: float | None, interval_days: float | None
) -> tuple[float, float]:
    """Activity and interval of a schedule, those of the limits by default.

    Raises
    ------
    HemadosePlanningError
        If one lies outside the limits.
    """
    activity = limits.planned_activity_gbq if activity_gbq is None else activity_gbq
    lowest, highest = limits.min_useful_activity_gbq, limits.max_activity_gbq
    if not lowest - ROUNDING <= activity <= highest + ROUNDING:
        raise HemadosePlanningError(
            f"activity_gbq of {activity:g} is not legal: min_useful_activity_gbq is {lowest:g}, "
            f"max_activity_gbq is {highest:g}"
        )
    interval = limits.interval_days[0] if interval_days is None else interval_days
    if not (np.isfinite(interval) and interval > 0):
        raise HemadosePlanningError(f"interval_days must be a number above 0, got {interval!r}")
    return float(activity), float(interval)


def checked_cycles(limits: PlanningLimits, n_cycles: int | None) -> int:
    """Number of cycles, at most that of the limits.

    Raises
    ------
    HemadosePlanningError
        If it is not a whole number from 1 to ``limits.max_cycles``.
    """
    if n_cycles is None:
        return limits.max_cycles
    whole = isinstance(n_cycles, int) and not isinstance(n_cycles, bool)
    if not whole or not 1 <= n_cycles <= limits.max_cycles:
        raise HemadosePlanningError(
            f"n_cycles must be a whole number from 1 to max_cycles ({limits.max_cycles}), got "
            f"{n_cycles!r}"
        )
    return n_cycles


def check_dose(name: str, dose_gy: float) -> float:
    """Refuse a dose that is not above zero.

    Raises
    ------
    HemadosePlanningError
        If it is not finite and above zero.
    """
    if not (np.isfinite(dose_gy) and dose_gy > 0):
        raise HemadosePlanningError(f"{name} must be a number above 0 Gy, got {dose_gy!r}")
    return float(dose_gy)
