"""The activity at which each draw meets a limit, and what an accepted risk allows of it.

Every risk rises with the activity. So one number a draw, the activity at which its limit is met,
holds the whole risk curve: the probability at an activity is the share of draws met below it, and
the highest activity that a tolerance allows is one of these numbers. No grid is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hemadose.planning.policies.limits import PlanningLimits, grade3_name
from hemadose.planning.situation import FloatArray, LineageDraws, Situation
from radiobio import GRADE3_LIMIT

_COUNT_ROUNDING = 1e-9  # of draws


class Risk(NamedTuple):
    """One risk: its name, what is accepted, and where each draw meets it, shape (n, n_draws).

    ``cumulative`` says that waiting does not lower it.
    """

    name: str
    tolerance: float
    reached_gbq: FloatArray
    cumulative: bool


def tolerated_gbq(reached_gbq: FloatArray, tolerance: float) -> FloatArray:
    """Highest activity at which the share of draws that have met the limit is accepted.

    Parameters
    ----------
    reached_gbq : ndarray, shape (..., n_draws)
        Activity at which each draw meets the limit (GBq); ``inf`` if never.
    tolerance : float
        Accepted share.

    Returns
    -------
    ndarray, shape (...)
    """
    n_accepted = accepted_draws(tolerance, reached_gbq.shape[-1])
    return np.asarray(np.partition(reached_gbq, n_accepted, axis=-1)[..., n_accepted])


def accepted_draws(tolerance: float, n_draws: int) -> int:
    """How many of the draws may meet the limit.

    Parameters
    ----------
    tolerance : float
        Accepted share, below 1.
    n_draws : int
        Number of draws.
    """
    return min(int(np.floor(tolerance * n_draws + _COUNT_ROUNDING)), n_draws - 1)


def probability_at(reached_gbq: FloatArray, activity_gbq: FloatArray) -> FloatArray:
    """Share of draws that have met the limit below an activity, shape (...).

    Parameters
    ----------
    reached_gbq : ndarray, shape (..., n_draws)
        Activity at which each draw meets the limit (GBq).
    activity_gbq : ndarray, shape (...)
        Activity (GBq).
    """
    return np.asarray((reached_gbq < activity_gbq[..., None]).mean(-1))


def quadratic_reached_gbq(
    room_gy: FloatArray, linear_gy_per_gbq: FloatArray, quadratic_per_gbq2: FloatArray
) -> FloatArray:
    r"""Activity at which a dose :math:`aA + bA^2` takes up the room, 0 where there is none.

    Parameters
    ----------
    room_gy : ndarray, shape (...)
        Limit less what was given (Gy).
    linear_gy_per_gbq, quadratic_per_gbq2 : ndarray, shape (...)
        Coefficients a (Gy/GBq) and b (Gy/GBq²), zero or positive.
    """
    room = np.maximum(room_gy, 0.0)
    a, b = linear_gy_per_gbq, quadratic_per_gbq2
    with np.errstate(divide="ignore", invalid="ignore"):
        root = 2 * room / (a + np.sqrt(a * a + 4 * b * room))
    return np.where(room > 0, np.where((a > 0) | (b > 0), root, np.inf), 0.0)


def dose_risks(
    situation: Situation, limits: PlanningLimits, *, n_cycles: npt.ArrayLike = 1
) -> tuple[Risk, Risk]:
    """Risks of the cumulative marrow dose and kidney BED, in closed form.

    Parameters
    ----------
    situation : Situation
        n patients.
    limits : PlanningLimits
        The limits.
    n_cycles : array_like, shape (n,)
        Cycles that the activity is given.
    """
    cycles = np.asarray(n_cycles, dtype=np.float64)[..., None]
    marrow = quadratic_reached_gbq(
        limits.marrow_dose_gy - situation.marrow_dose_gy,
        cycles * situation.marrow_gy_per_gbq,
        np.zeros_like(situation.marrow_gy_per_gbq),
    )
    dose = situation.kidney_gy_per_gbq
    kidneys = quadratic_reached_gbq(
        limits.kidney_bed_gy - situation.kidney_bed_gy,
        cycles * dose,
        cycles * situation.kidney_protraction * dose**2 / limits.kidney_alpha_beta_gy,
    )
    return (
        Risk("marrow dose", limits.marrow_dose_tolerance, marrow, cumulative=True),
        Risk("kidney BED", limits.kidney_bed_tolerance, kidneys, cumulative=True),
    )


def count_risk(
    counts: LineageDraws,
    limits: PlanningLimits,
    *,
    wait_h: FloatArray,
    max_activity_gbq: FloatArray,
    n_cycles: int = 1,
    interval_h: float = 0.0,
    n_lowest: int | None = None,
) -> Risk:
    """Risk that a lineage falls to grade 3 or below, from the stepping of its counts.

    Parameters
    ----------
    counts : LineageDraws
        Draws of n patients.
    limits : PlanningLimits
        The limits.
    wait_h : ndarray, shape (n,)
        Time from the decision day to the administration (h).
    max_activity_gbq : ndarray, shape (n,)
        Activity above which nobody asks (GBq); draws that meet the limit later are ``inf``.
    n_cycles, interval_h : int, float
        How often the activity is given, and the time between (h).
    n_lowest : int, optional
        How many of the lowest thresholds of each patient are wanted; all by default.
    """
    from radiobio.counts.cohort import activity_reaching

    reached = activity_reaching(
        counts.parameters,
        counts.state,
        limit=GRADE3_LIMIT[counts.lineage],
        remaining_rate=counts.remaining_rate,
        rate_per_gbq=counts.rate_per_gbq,
        wait_h=wait_h[:, None],
        max_activity_gbq=max_activity_gbq[:, None],
        n_cycles=n_cycles,
        interval_h=interval_h,
        horizon_h=24.0 * limits.horizon_days,
        n_lowest=n_lowest,
    )
    name = grade3_name(counts.lineage)
    return Risk(name, limits.tolerance[name], reached, cumulative=False)


def tolerated_count_risks(
    lineages: Sequence[LineageDraws],
    limits: PlanningLimits,
    *,
    wait_h: FloatArray,
    max_activity_gbq: FloatArray,
    n_cycles: int = 1,
    interval_h: float = 0.0,
) -> list[Risk]:
    """Risks of all lineages, exact up to the activity that all of them tolerate.

    What the draws so far tolerate bounds what is asked of the others and of the next lineage;
    beyond it, thresholds are ``inf``. That changes no result below the bound and saves most
    searches.

    Parameters
    ----------
    lineages : sequence of LineageDraws
        Draws of n patients.
    limits, wait_h, max_activity_gbq, n_cycles, interval_h
        As in `count_risk`.
    """
    asked, risks = max_activity_gbq, []
    for counts in lineages:
        accepted = accepted_draws(
            limits.tolerance[grade3_name(counts.lineage)], counts.state.shape[-2]
        )
        risk = count_risk(
            counts,
            limits,
            wait_h=wait_h,
            max_activity_gbq=asked,
            n_cycles=n_cycles,
            interval_h=interval_h,
            n_lowest=accepted + 1,
        )
        asked = np.minimum(asked, tolerated_gbq(risk.reached_gbq, risk.tolerance))
        risks.append(risk)
    return risks
