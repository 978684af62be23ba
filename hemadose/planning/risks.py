"""The risks of every candidate activity and interval, from an assessment's draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hemadose.assessment.assess import Assessment
from hemadose.assessment.counts import CONSTRAINED_LINEAGES
from hemadose.planning.recommendation import Constraint
from hemadose.study import Study
from kinetics import SumOfExponentials
from radiobio import GRADE3_LIMIT, bed_gy, lea_catcheside_g

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_GRID_STEPS_GBQ = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_MOST_GRID_POINTS = 40


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
    step = next((s for s in _GRID_STEPS_GBQ if cap_gbq / s <= _MOST_GRID_POINTS), cap_gbq / 40)
    grid = np.arange(1, int(cap_gbq / step + 1e-9) + 1) * step
    marks = [mark for mark in (cap_gbq, *marks_gbq) if 0 < mark <= cap_gbq]
    return np.unique(np.concatenate([grid, marks]).round(6))


def study_risks(
    assessment: Assessment, activity_gbq: FloatArray, interval_days: FloatArray, *, n_draws: int
) -> Risks:
    """Evaluate every constraint of a study on the grid.

    Kidney BED and marrow dose are summed over all cycles, the blood dose (131I) is that of the
    next cycle; the grade of each lineage is the worst within 12 weeks after the next cycle.

    Parameters
    ----------
    assessment : Assessment
        The chain's result.
    activity_gbq, interval_days : ndarray
        The grid.
    n_draws : int
        Draws used, at most those of the assessment.
    """
    grid = (len(interval_days), len(activity_gbq), n_draws)
    iodine = assessment.study.therapy.nuclide == "I-131"
    constraints = [
        *(_grade(assessment, name, activity_gbq, interval_days, n_draws)
          for name in CONSTRAINED_LINEAGES),
        _marrow(assessment, activity_gbq, grid),
        _blood(assessment, activity_gbq, grid) if iodine else
        _kidneys(assessment, activity_gbq, grid),
    ]  # fmt: skip
    tumour = _tumour_dose(assessment, activity_gbq, n_draws)
    return Risks(
        activity_gbq,
        interval_days,
        tuple(constraints),
        None if tumour is None else np.broadcast_to(tumour, grid),
    )


def interval_grid(study: Study) -> FloatArray:
    """Admissible intervals since the last cycle (days), those that have passed replaced by now.

    Before the first cycle there is nothing to wait for: the only interval is 0.
    """
    if not study.cycles:
        return np.zeros(1)
    elapsed = study.decision_day - study.cycle_day(len(study.cycles))
    return np.unique(np.maximum(study.therapy.interval_days, elapsed))


def _grade(
    assessment: Assessment,
    lineage: str,
    activity_gbq: FloatArray,
    interval_days: FloatArray,
    n_draws: int,
) -> Constraint:
    counts = assessment.counts[lineage]
    study = assessment.study
    last = study.cycle_day(len(study.cycles)) if study.cycles else 0.0
    exceeds = np.stack(
        [
            counts.reaches_grade_3(
                next_day=last + float(interval), activity_gbq=activity_gbq, n_draws=n_draws
            )
            for interval in interval_days
        ]
    )
    return Constraint(
        name=f"{lineage} grade 3",
        text=f"{lineage} of grade 3 or above within 12 weeks",
        limit=GRADE3_LIMIT[lineage],
        unit="g/L" if lineage == "haemoglobin" else "1e9/L",
        tolerance=getattr(study.limits.grade3_tolerance, lineage),
        exceeds=exceeds,
    )


def _next_and_past(
    assessment: Assessment, region: str
) -> tuple[SumOfExponentials, list[SumOfExponentials]]:
    """Dose rate of the next cycle per GBq, and of the cycles given."""
    doses, kinetics = assessment.doses.doses, assessment.kinetics
    ahead = doses[kinetics.next_cycle][region].dose_rate.scaled(1 / kinetics.next_activity_gbq)
    return ahead, [doses[c.number][region].dose_rate for c in assessment.study.cycles]


def _marrow(
    assessment: Assessment, activity_gbq: FloatArray, grid: tuple[int, int, int]
) -> Constraint:
    limits, method = assessment.study.limits, assessment.doses.marrow_method
    ahead, past = _next_and_past(assessment, "marrow")
    given = sum((curve.integral() for curve in past), np.zeros(assessment.n_draws))
    total = given[: grid[2]] + activity_gbq[:, None] * ahead.integral()[: grid[2]]
    return Constraint(
        name="marrow dose",
        text=f"a cumulative marrow dose ({method}-based) above {limits.marrow_dose_gy:g} Gy",
        limit=limits.marrow_dose_gy,
        unit="Gy",
        tolerance=limits.marrow_dose_tolerance,
        exceeds=np.broadcast_to(total > limits.marrow_dose_gy, grid),
        cumulative=True,
        assumptions=(
            f"the limit of {limits.marrow_dose_gy:g} Gy is a convention; it is compared with "
            f"{method}-based marrow doses, and image- and blood-based ones differ about fourfold",
        ),
    )


def _blood(
    assessment: Assessment, activity_gbq: FloatArray, grid: tuple[int, int, int]
) -> Constraint:
    limits = assessment.study.limits
    ahead, _ = _next_and_past(assessment, "blood")
    dose = activity_gbq[:, None] * ahead.integral()[: grid[2]]
    return Constraint(
        name="blood dose",
        text=f"a blood dose of the next cycle above {limits.blood_dose_gy:g} Gy",
        limit=limits.blood_dose_gy,
        unit="Gy",
        tolerance=limits.blood_dose_tolerance,
        exceeds=np.broadcast_to(dose > limits.blood_dose_gy, grid),
    )


def _kidneys(
    assessment: Assessment, activity_gbq: FloatArray, grid: tuple[int, int, int]
) -> Constraint:
    limits = assessment.study.limits
    ratio, half_life = limits.kidney_alpha_beta_gy, limits.kidney_repair_half_life_h
    ahead, past = _next_and_past(assessment, "kidneys")
    given = sum(
        (bed_gy(curve, alpha_beta_gy=ratio, repair_half_life_h=half_life) for curve in past),
        np.zeros(assessment.n_draws),
    )
    dose = activity_gbq[:, None] * ahead.integral()[: grid[2]]
    g = lea_catcheside_g(ahead, np.log(2) / half_life)[: grid[2]]
    total = given[: grid[2]] + dose * (1 + g * dose / ratio)
    return Constraint(
        name="kidney BED",
        text=f"a cumulative kidney BED above {limits.kidney_bed_gy:g} Gy",
        limit=limits.kidney_bed_gy,
        unit="Gy",
        tolerance=limits.kidney_bed_tolerance,
        exceeds=np.broadcast_to(total > limits.kidney_bed_gy, grid),
        cumulative=True,
        assumptions=(
            f"kidneys: alpha/beta {ratio:g} Gy, repair half-life {half_life:g} h, cycles repaired "
            "completely in between",
        ),
    )


def _tumour_dose(
    assessment: Assessment, activity_gbq: FloatArray, n_draws: int
) -> FloatArray | None:
    """Mass-weighted mean dose of the next cycle, shape (n_activities, n_draws)."""
    masses = {name: tumour.mass_g for name, tumour in assessment.study.tumours.items()}
    if not masses:
        return None
    weighted = sum(
        mass * _next_and_past(assessment, name)[0].integral()[:n_draws]
        for name, mass in masses.items()
    )
    return np.asarray(activity_gbq[:, None] * weighted / sum(masses.values()))
