"""The risks of every candidate activity and interval, from the thresholds of a situation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hemadose.assessment.assess import Assessment
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.thresholds import Risk, count_risk, dose_risks
from hemadose.planning.recommendation import Constraint
from hemadose.planning.situation import Situation
from hemadose.planning.study_situation import activity_step_gbq, blood_risk
from hemadose.study import Study
from radiobio import GRADE3_LIMIT

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Risks:
    """Constraints and expected tumour dose on a grid of activities and intervals.

    Attributes
    ----------
    activity_gbq : ndarray, shape (n_activities,)
        Candidate activities (GBq).
    interval_days : ndarray, shape (n_intervals,)
        Candidate intervals since the last cycle (days).
    constraints : tuple of Constraint
        The risks.
    tumour_dose_gy : ndarray, shape (n_intervals, n_activities, n_draws), or None
        Mass-weighted mean dose of the tumours (Gy).
    """

    activity_gbq: FloatArray
    interval_days: FloatArray
    constraints: tuple[Constraint, ...]
    tumour_dose_gy: FloatArray | None


def activity_grid(cap_gbq: float, *marks_gbq: float) -> FloatArray:
    """Round activities up to the cap, at most 40 of them, and the marks that must be among them.

    Parameters
    ----------
    cap_gbq : float
        Highest activity (GBq).
    *marks_gbq : float
        Activities to include where they do not exceed the cap, such as the planned one (GBq).
    """
    step = activity_step_gbq(cap_gbq)
    grid = np.arange(1, int(cap_gbq / step + 1e-9) + 1) * step
    marks = [mark for mark in (cap_gbq, *marks_gbq) if 0 < mark <= cap_gbq]
    return np.unique(np.concatenate([grid, marks]).round(6))


def interval_grid(study: Study) -> FloatArray:
    """Admissible intervals since the last cycle (days), those that have passed replaced by now.

    Before the first cycle there is nothing to wait for: the only interval is 0.
    """
    if not study.cycles:
        return np.zeros(1)
    elapsed = study.decision_day - study.cycle_day(len(study.cycles))
    return np.unique(np.maximum(study.therapy.interval_days, elapsed))


def study_risks(
    assessment: Assessment,
    situation: Situation,
    limits: PlanningLimits,
    activity_gbq: FloatArray,
    interval_days: FloatArray,
) -> Risks:
    """Evaluate every constraint of a study on the grid.

    Each draw meets each limit at one activity, as for the policies; at a grid point the limit is
    exceeded where that activity is lower. Kidney BED and marrow dose are summed over all cycles,
    the blood dose (131I) is that of the next cycle; the grade of each lineage is the worst within
    12 weeks after the next cycle.

    Parameters
    ----------
    assessment : Assessment
        The chain's result.
    situation : Situation
        The same patient as a policy sees it.
    limits : PlanningLimits
        Limits and tolerances.
    activity_gbq, interval_days : ndarray
        The grid.
    """
    n_draws = situation.marrow_gy_per_gbq.shape[-1]
    grid = (len(interval_days), len(activity_gbq), n_draws)
    blood = blood_risk(assessment, n_draws)
    marrow, kidneys = dose_risks(situation, limits)
    doses = (marrow, kidneys if blood is None else blood)
    constraints = [
        *_grades(situation, limits, activity_gbq, interval_days),
        *(_dose(assessment, risk, activity_gbq, grid) for risk in doses),
    ]
    tumour = activity_gbq[:, None] * situation.tumour_gy_per_gbq[0, :, 0]
    return Risks(
        activity_gbq,
        interval_days,
        tuple(constraints),
        np.broadcast_to(tumour, grid) if assessment.study.tumours else None,
    )


def _grades(
    situation: Situation,
    limits: PlanningLimits,
    activity_gbq: FloatArray,
    interval_days: FloatArray,
) -> list[Constraint]:
    """One constraint for each lineage."""
    last_day = np.nan_to_num(situation.last_day)  # day 0 before the first cycle
    most = activity_gbq[-1:]
    constraints = []
    for counts in situation.counts:
        risks = [
            count_risk(
                counts,
                limits,
                wait_h=24.0 * (last_day + interval - situation.day),
                max_activity_gbq=most,
            )
            for interval in interval_days
        ]
        lineage = counts.lineage
        constraints.append(
            Constraint(
                name=risks[0].name,
                text=f"{lineage} of grade 3 or above within 12 weeks",
                limit=GRADE3_LIMIT[lineage],
                unit="g/L" if lineage == "haemoglobin" else "1e9/L",
                tolerance=risks[0].tolerance,
                exceeds=np.stack([_exceeds(risk, activity_gbq) for risk in risks]),
            )
        )
    return constraints


def _exceeds(risk: Risk, activity_gbq: FloatArray) -> BoolArray:
    """Whether each draw has met its limit below an activity, shape (n_activities, n_draws)."""
    return np.asarray(risk.reached_gbq < activity_gbq[:, None])


def _dose(
    assessment: Assessment, risk: Risk, activity_gbq: FloatArray, grid: tuple[int, int, int]
) -> Constraint:
    limits, method = assessment.study.limits, assessment.doses.marrow_method
    limit, text, assumptions = {
        "marrow dose": (
            limits.marrow_dose_gy,
            f"a cumulative marrow dose ({method}-based) above {limits.marrow_dose_gy:g} Gy",
            f"the limit of {limits.marrow_dose_gy:g} Gy is a convention; it is compared with "
            f"{method}-based marrow doses, and image- and blood-based ones differ about fourfold",
        ),
        "kidney BED": (
            limits.kidney_bed_gy,
            f"a cumulative kidney BED above {limits.kidney_bed_gy:g} Gy",
            f"kidneys: alpha/beta {limits.kidney_alpha_beta_gy:g} Gy, repair half-life "
            f"{limits.kidney_repair_half_life_h:g} h, cycles repaired completely in between",
        ),
        "blood dose": (
            limits.blood_dose_gy,
            f"a blood dose of the next cycle above {limits.blood_dose_gy:g} Gy",
            "",
        ),
    }[risk.name]
    return Constraint(
        name=risk.name,
        text=text,
        limit=limit,
        unit="Gy",
        tolerance=risk.tolerance,
        exceeds=np.broadcast_to(_exceeds(risk, activity_gbq), grid),
        cumulative=risk.cumulative,
        assumptions=(assumptions,) if assumptions else (),
    )
