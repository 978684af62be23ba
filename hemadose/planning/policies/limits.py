"""What every policy must respect: limits, tolerances, admissible activities and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.situation import Situation
from radiobio import GRADE3_LIMIT

_ASSUMED_TOLERANCE = 0.25  # ASSUMED: the convention of overdose control
_DOSE_TOLERANCE = 0.05  # ASSUMED
_POSITIVE = (
    "marrow_dose_gy",
    "kidney_bed_gy",
    "kidney_alpha_beta_gy",
    "kidney_repair_half_life_h",
    "min_useful_activity_gbq",
    "planned_activity_gbq",
    "max_activity_gbq",
    "recheck_days",
    "horizon_days",
)

LIMIT_ASSUMPTIONS = (
    "ASSUMED: tolerances are those given; 0.25 for a grade of 3 or more is the convention of "
    "overdose control, 0.05 for doses a choice of this project.",
    "The marrow limit of 2 Gy is a convention from radioiodine therapy that predicts toxicity of "
    "177Lu poorly.",
    "ASSUMED: kidneys have alpha/beta 2.6 Gy and a repair half-life of 2.8 h; cycles are repaired "
    "completely in between; a BED of 40 Gy is the limit of patients without risk factors.",
    "ASSUMED: intervals other than the label's, the longest delay where no label sets one, the "
    "lowest useful activity (a quarter of 7.4 GBq) and the rounding of activities.",
)


@dataclass(frozen=True)
class PlanningLimits:
    """Limits that all policies share.

    Parameters
    ----------
    grade3_tolerance : float or mapping of str to float
        Largest accepted probability of a grade of 3 or more, one for all lineages or by lineage
        (ASSUMED 0.25).
    marrow_dose_gy, marrow_dose_tolerance : float
        Cumulative marrow dose (Gy), 2 by convention, and the accepted probability to exceed it
        (ASSUMED 0.05).
    kidney_bed_gy, kidney_bed_tolerance : float
        Cumulative biologically effective dose of the kidneys (Gy), and the accepted probability
        to exceed it (both ASSUMED).
    kidney_alpha_beta_gy : float
        Alpha/beta of the kidneys (Gy, ASSUMED 2.6).
    kidney_repair_half_life_h : float
        Repair half-life of the kidneys (h, ASSUMED 2.8); whoever builds a `Situation` needs it
        for `kidney_protraction` and for the BED given so far.
    min_useful_activity_gbq : float
        Below it a cycle is not worth giving (GBq, ASSUMED a quarter of 7.4).
    planned_activity_gbq, max_activity_gbq : float
        Activity of an ordinary cycle, and one that is never exceeded (GBq).
    activity_step_gbq : float
        Activities are rounded down to a multiple of it (GBq); 0 does not round.
    interval_days : tuple of float
        Admissible days from one cycle to the next, rising; the first is the scheduled one.
    max_cycles : int
        Cycles at most.
    max_delay_days : float
        Treatment ends when a cycle has been held this long after its scheduled day.
    recheck_days : float
        A held cycle is decided again after these days.
    horizon_days : float
        Days after a cycle in which the lowest count is sought.

    Raises
    ------
    HemadosePlanningError
        If a tolerance is not above 0 and below 1, or limits contradict each other.

    Examples
    --------
    >>> PlanningLimits(grade3_tolerance=0.1).grade3_tolerance["platelets"]
    0.1
    """

    grade3_tolerance: Mapping[str, float] | float = _ASSUMED_TOLERANCE
    marrow_dose_gy: float = 2.0
    marrow_dose_tolerance: float = _DOSE_TOLERANCE
    kidney_bed_gy: float = 40.0
    kidney_bed_tolerance: float = _DOSE_TOLERANCE
    kidney_alpha_beta_gy: float = 2.6
    kidney_repair_half_life_h: float = 2.8
    min_useful_activity_gbq: float = 1.85
    planned_activity_gbq: float = 7.4
    max_activity_gbq: float = 7.4
    activity_step_gbq: float = 0.1
    interval_days: tuple[float, ...] = (42.0, 56.0, 70.0)
    max_cycles: int = 6
    max_delay_days: float = 112.0
    recheck_days: float = 14.0
    horizon_days: float = 84.0
    tolerance: dict[str, float] = field(init=False, repr=False)
    """Accepted probability by name of the constraint, see `grade3_name`."""

    def __post_init__(self) -> None:
        given = self.grade3_tolerance
        grades = dict(given) if isinstance(given, Mapping) else dict.fromkeys(GRADE3_LIMIT, given)
        unknown = [name for name in grades if name not in GRADE3_LIMIT]
        if unknown or not grades:
            raise HemadosePlanningError(
                f"grade3_tolerance names {', '.join(unknown) or 'no lineage'}; legal are "
                f"{', '.join(GRADE3_LIMIT)}"
            )
        tolerance = {grade3_name(name): value for name, value in grades.items()}
        tolerance["marrow dose"] = self.marrow_dose_tolerance
        tolerance["kidney BED"] = self.kidney_bed_tolerance
        for name, value in tolerance.items():
            check_tolerance(name, value)
        for name in _POSITIVE:
            _check_number(name, getattr(self, name), positive=True)
        for name in ("activity_step_gbq", "max_delay_days"):
            _check_number(name, getattr(self, name), positive=False)
        self._check_activities()
        self._check_schedule()
        object.__setattr__(self, "grade3_tolerance", grades)
        object.__setattr__(self, "tolerance", tolerance)
        object.__setattr__(self, "interval_days", tuple(float(d) for d in self.interval_days))

    def _check_activities(self) -> None:
        lowest, highest = self.min_useful_activity_gbq, self.max_activity_gbq
        if lowest > highest:
            raise HemadosePlanningError(
                f"min_useful_activity_gbq ({lowest:g}) is above max_activity_gbq ({highest:g}), "
                "so that no activity is legal; lower the one or raise the other"
            )
        if not lowest <= self.planned_activity_gbq <= highest:
            raise HemadosePlanningError(
                f"planned_activity_gbq ({self.planned_activity_gbq:g}) must lie between "
                f"min_useful_activity_gbq ({lowest:g}) and max_activity_gbq ({highest:g})"
            )
        if self.activity_step_gbq > 0 and float(self.rounded(np.array(highest))) < lowest - 1e-9:
            raise HemadosePlanningError(
                f"no multiple of activity_step_gbq ({self.activity_step_gbq:g}) lies between "
                f"min_useful_activity_gbq ({lowest:g}) and max_activity_gbq ({highest:g}); "
                "give a smaller step, or 0 not to round"
            )

    def _check_schedule(self) -> None:
        try:
            days = np.array(self.interval_days, dtype=np.float64)
        except (TypeError, ValueError):
            days = np.empty(0)
        legal = days.ndim == 1 and days.size > 0 and bool(np.isfinite(days).all())
        if not legal or not (days > 0).all() or not (np.diff(days) > 0).all():
            raise HemadosePlanningError(
                f"interval_days must be one or more days above 0 that rise, such as (42, 56, 70); "
                f"got {self.interval_days!r}"
            )
        if isinstance(self.max_cycles, bool) or int(self.max_cycles) != self.max_cycles:
            raise HemadosePlanningError(
                f"max_cycles must be a whole number, got {self.max_cycles!r}"
            )
        if self.max_cycles < 1:
            raise HemadosePlanningError(f"max_cycles must be 1 or more, got {self.max_cycles}")

    def rounded(self, activity_gbq: np.ndarray) -> np.ndarray:
        """Activities rounded down to the step (GBq); the planned and the highest one are legal.

        Parameters
        ----------
        activity_gbq : ndarray, shape (...)
            Activities (GBq).
        """
        if self.activity_step_gbq == 0:
            return activity_gbq
        down = np.floor(activity_gbq / self.activity_step_gbq + 1e-9) * self.activity_step_gbq
        for mark in (self.planned_activity_gbq, self.max_activity_gbq):
            reached = (activity_gbq >= mark - 1e-9) & (down < mark)
            down = np.where(reached, mark, down)
        return down


def grade3_name(lineage: str) -> str:
    """Name of the constraint on a lineage's grade."""
    return f"{lineage} grade 3"


def check_tolerance(name: str, value: object) -> None:
    """Refuse a tolerance that forbids or allows everything.

    Raises
    ------
    HemadosePlanningError
        If it is not a number above 0 and below 1.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < float(str(value)) < 1):
        raise HemadosePlanningError(
            f"the tolerance of {name} must be above 0 and below 1, got {value!r}: 0 forbids every "
            "activity and 1 allows any"
        )


def _check_number(name: str, value: object, *, positive: bool) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    legal = number and math.isfinite(float(str(value)))
    if not legal or float(str(value)) < 0 or (positive and float(str(value)) == 0):
        bound = "above 0" if positive else "0 or more"
        raise HemadosePlanningError(f"{name} must be a finite number {bound}, got {value!r}")


def check_patient(limits: PlanningLimits, situation: Situation) -> None:
    """Refuse limits that were exceeded before the first cycle of this treatment.

    Raises
    ------
    HemadosePlanningError
        If a patient at cycle 1 has a marrow dose or kidney BED above the limit in all draws, or a
        lineage is judged for which no tolerance is given.
    """
    missing = [
        c.lineage for c in situation.counts if grade3_name(c.lineage) not in limits.tolerance
    ]
    if missing:
        raise HemadosePlanningError(
            f"no grade3_tolerance is given for {', '.join(missing)}; give one for each lineage "
            "that is judged, or one number for all"
        )
    given = {
        "marrow_dose_gy": (situation.marrow_dose_gy, limits.marrow_dose_gy),
        "kidney_bed_gy": (situation.kidney_bed_gy, limits.kidney_bed_gy),
    }
    for name, (dose, limit) in given.items():
        over = (dose > limit).all(-1) & (situation.cycle == 1)
        if over.any():
            row = int(np.argmax(over))
            raise HemadosePlanningError(
                f"{name} of {limit:g} Gy is exceeded before cycle 1 (patient {row}: at least "
                f"{dose[row].min():g} Gy), so that no activity is legal; raise the limit or leave "
                "the patient out"
            )
