"""What a trial file names, made: cohort, truth, limits, policies, and the chunk they make up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.planning.label_data import REGIMENS, LabelName
from hemadose.planning.policies import LIMIT_ASSUMPTIONS, PlanningLimits, make_policy
from hemadose.planning.policies.registry import WITHOUT_MODEL
from hemadose.planning.situation import FloatArray, IntArray, Policy
from hemadose.study.text_files import choices, shown
from hemadose.trials.clinic.kinetic_surrogate import Schedule as Sampling
from hemadose.trials.clinic.prior import ClinicPrior
from hemadose.trials.clinic.records import Clinic
from hemadose.trials.course import BoolArray, Calendar, Measure, run_arm
from hemadose.trials.patients.cohort_model import Cohort
from hemadose.trials.patients.cohorts import COHORTS, cohort
from hemadose.trials.patients.covariates import N_COORDINATES, covariates_at
from hemadose.trials.patients.measured import measure_activity, measure_counts, measure_foci
from hemadose.trials.patients.true_course import TrueCourse, true_tolerance_gbq
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.patients.virtual_patients import MAX_CYCLES, VirtualPatients, draw_patients
from hemadose.trials.results.outcome_rows import rows_of
from hemadose.trials.settings import Arm, Schedule, TrialSettings
from hemadose.trials.settings_file import dataclass_from

if TYPE_CHECKING:
    import pandas as pd

_LINEAGES = ("platelets", "haemoglobin", "neutrophils")
_OTHER_INTERVALS = (0.0, 14.0, 28.0)  # days after the scheduled one that are admissible as well


def cohort_of(trial: TrialSettings) -> Cohort:
    """The cohort that a trial names."""
    name = trial.cohort.name
    if name not in COHORTS:
        raise HemadoseError(f"got {shown(name)}, {choices(COHORTS, name)}")
    return cohort(name)


def truth_of(trial: TrialSettings) -> TruthSettings:
    """Where the truth of a trial departs from what the clinic believes."""
    truth = dataclass_from(TruthSettings, trial.truth, without=("covariates",))
    return replace(truth, covariates=covariates_of(trial))


def covariates_of(trial: TrialSettings) -> dict[str, object]:
    """Settings of the patients' covariates, checked."""
    settings = trial.cohort.covariates
    covariates_at(trial.cohort.name, np.zeros((1, N_COORDINATES)), settings=settings)
    return settings


def prior_of(trial: TrialSettings) -> ClinicPrior:
    """What the clinic of a trial believes."""
    return dataclass_from(ClinicPrior, trial.clinic.prior)


def planned_cycles_of(trial: TrialSettings) -> int:
    """Planned cycles: those of the trial or of its cohort."""
    return trial.planned_cycles or cohort_of(trial).planned_cycles


def limits_of(trial: TrialSettings, arm: Arm | None = None) -> PlanningLimits:
    """Limits of a trial, or of one arm; cycles and intervals are the cohort's unless given."""
    first = cohort_of(trial).interval_days
    usual = {
        "max_cycles": planned_cycles_of(trial),
        "interval_days": tuple(first + more for more in _OTHER_INTERVALS),
    }
    given = trial.limits if arm is None else {**trial.limits, **arm.limits}
    limits = dataclass_from(PlanningLimits, {**usual, **given})
    if limits.max_cycles > MAX_CYCLES:
        raise HemadoseError(f"max_cycles: got {limits.max_cycles}, legal is up to {MAX_CYCLES}")
    return limits


def lineages_of(trial: TrialSettings) -> tuple[str, ...]:
    """Lineages that are counted: those given, or what the arms' labels require."""
    if trial.lineages:
        return trial.lineages
    labels = {label_of(arm, trial) for arm in trial.arms}
    required = [REGIMENS[label].required for label in sorted(labels) if label in REGIMENS]
    return tuple(dict.fromkeys((*_LINEAGES, *(name for names in required for name in names))))


def label_of(arm: Arm, trial: TrialSettings) -> LabelName:
    """Label whose rules hold in an arm."""
    label: LabelName = arm.label or cohort_of(trial).label  # type: ignore[assignment]
    return label


def policy_of(trial: TrialSettings, arm: Arm) -> Policy:
    """The policy of an arm."""
    return make_policy(arm.policy, arm.settings, limits=limits_of(trial, arm))


def assumptions_of(trial: TrialSettings) -> tuple[str, ...]:
    """What a trial rests on, in words."""
    patients = _drawn(trial, np.arange(1))
    notes = [*patients.truth.assumptions, *patients.assumptions, *LIMIT_ASSUMPTIONS]
    for arm in trial.arms:
        notes += _clinic(arm, trial, patients).assumptions
    return tuple(dict.fromkeys(notes))


def simulate_chunk(trial: TrialSettings, patients: range) -> pd.DataFrame:
    """All arms of some patients; the patients are the same in each.

    Parameters
    ----------
    trial : TrialSettings
        The trial.
    patients : range
        Their indices.

    Returns
    -------
    DataFrame
        One row a patient and arm, arm by arm; see `hemadose.trials.results.outcome_rows`.
        ``tolerance_gbq`` is the highest activity of all planned, equal cycles together at which
        the patient's true counts stay above grade 3, at most what any arm may give.
    """
    import pandas as pd

    index = np.asarray(patients, dtype=np.int64)
    drawn, cycles = _drawn(trial, index), planned_cycles_of(trial)
    arms = [limits_of(trial, arm) for arm in trial.arms]
    tolerance = cycles * true_tolerance_gbq(
        drawn,
        n_cycles=cycles,
        interval_days=limits_of(trial).interval_days[0],
        max_activity_gbq=max(a.max_cycles * a.max_activity_gbq for a in arms) / cycles,
    )
    tables = [_arm_table(arm, trial, drawn, tolerance) for arm in trial.arms]
    table = pd.concat(tables, ignore_index=True)
    noted = table.filter(regex=r"^n_").columns
    given = table.filter(regex=r"^activity_cycle_").columns
    table[noted] = table[noted].fillna(0).astype(np.int64)
    table[given] = table[given].fillna(0.0)
    return table


def _drawn(trial: TrialSettings, index: IntArray) -> VirtualPatients:
    return draw_patients(
        cohort_of(trial),
        index,
        seed=trial.seed,
        truth=truth_of(trial),
        lineages=lineages_of(trial),
        max_cycles=max(
            planned_cycles_of(trial), *(limits_of(trial, arm).max_cycles for arm in trial.arms)
        ),
    )


def _arm_table(
    arm: Arm,
    trial: TrialSettings,
    patients: VirtualPatients,
    tolerance_gbq: FloatArray,
) -> pd.DataFrame:
    clinic, true = _clinic(arm, trial, patients), TrueCourse(patients)
    limits = limits_of(trial, arm)
    watch = trial.monitoring
    calendar = Calendar(
        interval_days=limits.interval_days[0],
        max_cycles=limits.max_cycles,
        max_delay_days=limits.max_delay_days,
        recheck_days=limits.recheck_days,
        count_interval_days=watch.count_interval_days,
        follow_up_days=watch.follow_up_days,
        checked_lineages=watch.checked_lineages,
    )
    book = run_arm(
        clinic,
        true,
        policy_of(trial, arm),
        measure=_measure(patients, arm.schedule),
        drops_out=patients.drops_out,
        calendar=calendar,
    )
    return rows_of(
        book,
        true,
        clinic,
        patient=patients.index,
        arm=arm.name,
        policy=arm.policy,
        tolerance_gbq=tolerance_gbq,
    )


def _clinic(arm: Arm, trial: TrialSettings, patients: VirtualPatients) -> Clinic:
    return Clinic(
        patients.cohort,
        patients.covariates,
        schedule=_sampling(arm.schedule, patients.cohort),
        limits=limits_of(trial, arm),
        label=label_of(arm, trial),
        label_scope=arm.label_scope,
        prior=prior_of(trial),
        n_draws=trial.clinic.n_draws,
        seed=trial.seed,
        lineages=lineages_of(trial),
        drawn_lineages=trial.monitoring.checked_lineages if arm.policy in WITHOUT_MODEL else None,
    )


def _regions(schedule: Schedule, place: Cohort) -> dict[str, tuple[float, ...]]:
    """Sampling times by region; an image shows the marrow where its dose rests on images."""
    imaged = ("kidneys", "tumour", *(("marrow",) if place.dose_method == "image" else ()))
    regions = {"blood": schedule.blood_samples_h, **dict.fromkeys(imaged, schedule.image_h)}
    return {region: times for region, times in regions.items() if times}


def _sampling(schedule: Schedule, place: Cohort) -> Sampling:
    foci = schedule.foci
    activity = tuple(_regions(schedule, place).items())
    return Sampling(activity, foci.times_h, foci.cells) if foci else Sampling(activity)


def _measure(patients: VirtualPatients, schedule: Schedule) -> Measure:
    place = patients.cohort

    def cycle(
        mask: BoolArray, number: IntArray, activity_gbq: FloatArray
    ) -> tuple[dict[str, FloatArray], FloatArray | None]:
        given = {"cycle": number, "activity_gbq": activity_gbq, "mask": mask}
        regions = {
            region: measure_activity(patients, region=region, times_h=times, **given)
            for region, times in _regions(schedule, place).items()
        }
        foci = schedule.foci
        if foci is None:
            return regions, None
        counted = measure_foci(patients, times_h=foci.times_h, cells=foci.cells, **given)
        return regions, counted

    return Measure(counts=lambda counts, day: measure_counts(patients, counts, day), cycle=cycle)
