"""The clinic of a virtual trial: it records what was measured and says what it believes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hemadose.planning import Administration, CountGrades
from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.label_data import REGIMENS, LabelName
from hemadose.planning.policies import PlanningLimits, label_limits
from hemadose.planning.situation import TREAT, LabelLimits, Situation
from hemadose.trials.clinic.count_update import N_NORMALS, CountUpdate, MarrowHistory
from hemadose.trials.clinic.dose_draws import n_normals
from hemadose.trials.clinic.dose_fields import dose_fields
from hemadose.trials.clinic.dose_update import DoseUpdate
from hemadose.trials.clinic.kinetic_surrogate import Schedule, kinetic_surrogate
from hemadose.trials.clinic.prior import ClinicPrior, effect_prior
from hemadose.trials.patients.cohort_model import Cohort
from radiobio import GRADE3_LIMIT, ctcae_grade

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

LINEAGES = ("platelets", "haemoglobin", "neutrophils")
_LEAST_EFFECTIVE = 0.06  # share of the draws; below it counts do not fit what is assumed


class Clinic:
    """Records of n patients of one arm, and what they make believe; never the truth.

    Parameters
    ----------
    cohort : Cohort
        Population the patients come from, as far as the clinic knows.
    covariates : mapping of str to ndarray (n,)
        Known before treatment.
    schedule : Schedule
        What is measured after each administration.
    limits : PlanningLimits
        Limits of the policies; kidney repair and the planned activity are read.
    label : str or None
        ``"pluvicto"``, ``"lutathera"``, or None (also ``"none"``) for no label.
    label_scope : {"label", "toxicity"}
        Whether the label also limits number and size of the cycles.
    prior : ClinicPrior
        How its beliefs differ from the cohort.
    n_draws : int
        Posterior draws, quasi-random; best a power of two.
    seed : int
        Of the scrambled Sobol set, the same for all patients.
    lineages : sequence of str
        Lineages that are judged.
    max_data_age_days : float
        Counts older than this on the decision day are stale.
    drawn_lineages : sequence of str, optional
        Lineages of which a situation holds draws, for policies that need fewer than all.

    Raises
    ------
    HemadosePlanningError
        If covariates differ in length, or a number is not legal.
    """

    def __init__(
        self,
        cohort: Cohort,
        covariates: Mapping[str, FloatArray],
        *,
        schedule: Schedule,
        limits: PlanningLimits,
        label: LabelName | None,
        label_scope: Literal["label", "toxicity"] = "label",
        prior: ClinicPrior | None = None,
        n_draws: int = 64,
        seed: int = 0,
        lineages: Sequence[str] = LINEAGES,
        max_data_age_days: float = 28.0,
        drawn_lineages: Sequence[str] | None = None,
    ) -> None:
        lengths = {len(np.atleast_1d(value)) for value in covariates.values()}
        if len(lengths) != 1:
            raise HemadosePlanningError(f"covariates must be equally long, got {sorted(lengths)}")
        self.n = lengths.pop()
        if n_draws < 2 or not max_data_age_days > 0:
            raise HemadosePlanningError(
                f"n_draws must be 2 or more and max_data_age_days above zero, got {n_draws} and "
                f"{max_data_age_days}"
            )
        prior = prior or ClinicPrior()
        self.cohort, self.limits, self.schedule = cohort, limits, schedule
        self.covariates = {name: np.asarray(value) for name, value in covariates.items()}
        self.label, self.label_scope = None if label == "none" else label, label_scope
        self.max_data_age_days = max_data_age_days
        surrogate = kinetic_surrogate(
            cohort,
            schedule,
            kidney_repair_half_life_h=limits.kidney_repair_half_life_h,
        )
        self.doses = DoseUpdate(
            surrogate,
            effect_prior(cohort, self.covariates, schedule, prior),
            max_cycles=limits.max_cycles,
        )
        self.counts = tuple(
            CountUpdate(
                lineage,
                cohort.dose_method,
                covariates=self.covariates,
                n=self.n,
                kill_factor=cohort.kill_factor * prior.kill_factor,
            )
            for lineage in lineages
        )
        self._drawn = lineages if drawn_lineages is None else drawn_lineages
        self._normals = _normals(
            n_draws, n_normals(self.doses) + N_NORMALS * len(self.counts), seed
        )
        self._given_day = np.full((self.n, limits.max_cycles), np.nan)
        self._given_gbq = np.zeros((self.n, limits.max_cycles))
        self._toxicity = np.zeros(self.n, dtype=bool)  # grade 3 or worse since the last cycle
        self._grades: list[list[CountGrades]] = [[] for _ in range(self.n)]
        self._quiet = np.ones(self.n, dtype=bool)  # no grade yet that the label minds
        self._least_grade = _least_grade(self.label)
        self._cycles: list[list[Administration]] = [[] for _ in range(self.n)]

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the clinic takes for granted, in words."""
        return (
            *self.cohort.assumptions,
            *(note for update in self.counts for note in update.prior.assumptions),
            "kinetics by a quadratic stand-in whose error counts as noise; the posterior of "
            "kinetics and doses is Gaussian at its mode (Laplace)",
            "the marrow dose of a cycle is given at one exponential rate with its mean time; "
            "counts of a lineage revise the marrow dose for that lineage only",
        )

    def record_counts(
        self, day: FloatArray, counts: Mapping[str, FloatArray], mask: BoolArray
    ) -> None:
        """Take up blood counts.

        Parameters
        ----------
        day : ndarray, shape (n,)
            Day of the counts, in days since cycle 1 (zero or below before it).
        counts : mapping of str to ndarray (n,)
            Counts by lineage (1e9/L; haemoglobin g/L), ``nan`` where missing; lineages that the
            clinic does not judge are kept for the label only.
        mask : ndarray of bool, shape (n,)
            Patients they belong to.

        Raises
        ------
        HemadosePlanningError
            If a lineage that is judged has no entry.
        """
        missing = [update.lineage for update in self.counts if update.lineage not in counts]
        if missing:
            raise HemadosePlanningError(f"counts of {', '.join(missing)} are missing; give nan")
        for update in self.counts:
            count = np.where(mask, counts[update.lineage], np.nan)
            update.record(day, count)
            self._toxicity |= count < GRADE3_LIMIT[update.lineage]
        if self.label is not None:
            self._note_grades(day, counts, np.flatnonzero(mask))

    def _note_grades(
        self, day: FloatArray, counts: Mapping[str, FloatArray], rows: IntArray
    ) -> None:
        """Keep what the label has to know: of counts in a row that change nothing, the latest."""
        grades = {lineage: _grades(lineage, value) for lineage, value in counts.items()}
        worst = np.max([[grade or 0 for grade in own] for own in grades.values()], axis=0)
        self._quiet[rows] &= worst[rows] < self._least_grade
        cycle_1 = self._given_day[:, 0]
        for i in rows.tolist():
            own = {name: values[i] for name, values in grades.items() if values[i] is not None}
            kept = self._grades[i]
            if not own:
                continue
            covered = len(kept) > 1 and kept[-1].grades.keys() <= own.keys()
            quiet = covered and self._quiet[i] and kept[-1].day > cycle_1[i]
            if quiet or (covered and own == kept[-1].grades == kept[-2].grades):
                kept.pop()
            kept.append(CountGrades(float(day[i]), own))

    def record_cycle(
        self,
        mask: BoolArray,
        day: FloatArray,
        activity_gbq: FloatArray,
        samples: Mapping[str, FloatArray] | None = None,
        foci: FloatArray | None = None,
    ) -> None:
        """Take up a cycle and what was measured after it.

        Parameters
        ----------
        mask : ndarray of bool, shape (n,)
            Patients who were treated.
        day, activity_gbq : ndarray, shape (n,)
            Day and activity (GBq).
        samples : mapping of str to ndarray (n, n_times), optional
            Activities (MBq; blood MBq/mL) in the regions of the schedule, ``nan`` where missing.
        foci : ndarray, shape (n, n_times), optional
            Foci counted in all cells of a sample.

        Raises
        ------
        HemadosePlanningError
            If a cycle is not later than the last one, or one too many, an activity is not above
            zero, or shapes do not fit the schedule.
        """
        rows = np.flatnonzero(mask)
        number = self.doses.n_given[rows]
        if (number >= self.limits.max_cycles).any():
            raise HemadosePlanningError(f"a patient has had all {self.limits.max_cycles} cycles")
        if not (activity_gbq[rows] > 0).all():
            raise HemadosePlanningError("the activity of a cycle must be above zero (GBq)")
        last = np.where(number > 0, self._given_day[rows, np.maximum(number - 1, 0)], -np.inf)
        if not (day[rows] > last).all():
            raise HemadosePlanningError("cycles are out of order: day must be after the last one")
        self._toxicity[rows] = False
        self._given_day[rows, number] = day[rows]
        self._given_gbq[rows, number] = activity_gbq[rows]
        for i in rows.tolist():
            self._cycles[i].append(Administration(float(day[i]), float(activity_gbq[i])))
        values, scored = self._measured(samples or {}, foci)
        self.doses.record(rows, activity_gbq[rows], values[rows], scored[rows])

    def _measured(
        self, samples: Mapping[str, FloatArray], foci: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Samples side by side, shapes (n, n_activity) and (n, n_foci); what is missing is nan."""
        shapes = [(region, len(times)) for region, times in self.schedule.activity]
        n_foci = len(self.schedule.foci_times_h)
        parts = [samples.get(region, np.full((self.n, k), np.nan)) for region, k in shapes]
        scored = np.full((self.n, n_foci), np.nan) if foci is None else foci
        expected = [(self.n, k) for _, k in shapes]
        unknown = set(samples) - {region for region, _ in shapes}
        if unknown or [p.shape for p in parts] != expected or scored.shape != (self.n, n_foci):
            raise HemadosePlanningError(
                f"samples and foci do not fit the schedule: samples of {dict(shapes)}, foci at "
                f"{n_foci} times"
            )
        return np.concatenate([*parts, np.empty((self.n, 0))], axis=1), scored

    def marrow_dose_draws(self, rows: IntArray) -> FloatArray:
        """Marrow dose given so far (Gy), from samples and foci alone, shape (m, n_draws)."""
        dose: FloatArray = self._fields(np.asarray(rows, dtype=np.int64))[0]["marrow_dose_gy"]
        return dose

    def situation(self, day: FloatArray, rows: IntArray | None = None) -> Situation:
        """What the clinic believes on the decision day.

        Parameters
        ----------
        day : ndarray, shape (m,)
            Decision days.
        rows : ndarray of int, shape (m,), optional
            Patients; all by default.

        Returns
        -------
        Situation
            Of these m patients.
        """
        rows = np.arange(self.n) if rows is None else np.asarray(rows, dtype=np.int64)
        fields, marrow = self._fields(rows)
        start = n_normals(self.doses)
        counts, trouble = [], [list[str]() for _ in rows]
        for index, update in enumerate(self.counts):
            if update.lineage not in self._drawn:
                continue
            normals = self._normals[:, start + index * N_NORMALS :][:, :N_NORMALS]
            draws, converged, effective = update.draws(rows, day, marrow, normals)
            counts.append(draws)
            for i in np.flatnonzero(~converged | (effective < _LEAST_EFFECTIVE * len(normals))):
                trouble[i].append(f"{update.lineage} do not fit the count model")
        number = self.doses.n_given[rows]
        before = np.maximum(number - 1, 0)
        last_day = np.where(number > 0, self._given_day[rows, before], np.nan)
        return Situation(
            day=day,
            cycle=number + 1,
            last_day=last_day,
            last_gbq=np.where(number > 0, self._given_gbq[rows, before], np.nan),
            counts=tuple(counts),
            label=self._label(day, rows),
            covariates={name: value[rows] for name, value in self.covariates.items()},
            refusals=self._refusals(day, rows, last_day, trouble),
            toxicity=self._toxicity[rows],
            **fields,
        )

    def _fields(self, rows: IntArray) -> tuple[dict[str, Any], MarrowHistory]:
        return dose_fields(
            self.doses, rows, self._normals, given_day=self._given_day, limits=self.limits
        )

    def _label(self, day: FloatArray, rows: IntArray) -> LabelLimits:
        if self.label is None:
            n = len(rows)
            return LabelLimits(np.full(n, TREAT), np.full(n, np.inf), ("",) * n)
        clearance = self.covariates.get("creatinine_clearance_ml_per_min")
        return label_limits(
            self.label,
            [self._grades[i] for i in rows],
            cycles=[self._cycles[i] for i in rows],
            day=day,
            planned_activity_gbq=self.limits.planned_activity_gbq,
            scope=self.label_scope,
            max_data_age_days=self.max_data_age_days,
            creatinine_clearance_ml_min=None if clearance is None else clearance[rows],
        )

    def _refusals(
        self, day: FloatArray, rows: IntArray, last_day: FloatArray, trouble: list[list[str]]
    ) -> tuple[str, ...]:
        """Why no decision may rest on the model, one text a patient, or ""."""
        for update in self.counts:
            latest = update.latest_day[rows]
            for i in np.flatnonzero(latest <= np.nan_to_num(last_day, nan=-np.inf)):
                since = "" if np.isnan(last_day[i]) else " since the last cycle"
                trouble[i].append(f"{update.lineage} have not been counted{since}")
            old = (day - latest > self.max_data_age_days) & np.isfinite(latest)
            for i in np.flatnonzero(old):
                age = day[i] - latest[i]
                trouble[i].append(f"the last count of {update.lineage} is stale ({age:.0f} days)")
        for i in np.flatnonzero(~self.doses.converged[rows]):
            trouble[i].append("samples or foci do not fit the kinetic model")
        return tuple("; ".join(reasons) for reasons in trouble)


def _least_grade(label: LabelName | None) -> int:
    """Grade below which no count matters to a label; 5 if none does."""
    toxicities = REGIMENS[label].toxicities if label in REGIMENS else ()
    return min((min(t.hold_grade, t.reduce_grade) for t in toxicities), default=5)


def _grades(lineage: str, count: FloatArray) -> list[int | None]:
    """Grades; 1 for a count above the limit of grade 2, as labels treat 0 and 1 alike."""
    grade = np.nan_to_num(ctcae_grade(lineage, count), nan=1.0)
    return [
        None if missing else int(value)
        for value, missing in zip(grade.tolist(), np.isnan(count).tolist(), strict=True)
    ]


def _normals(n_draws: int, n_dimensions: int, seed: int) -> FloatArray:
    """Scrambled Sobol points as standard normals, shape (n_draws, n_dimensions)."""
    from scipy.special import ndtri
    from scipy.stats.qmc import Sobol

    exponent = (n_draws - 1).bit_length()
    point = Sobol(n_dimensions, scramble=True, rng=seed).random_base2(exponent)[:n_draws]
    return np.asarray(ndtri(np.clip(point, 1e-9, 1.0 - 1e-9)))
