"""Virtual trials: what a clinic infers for a decision, against a full fit."""

from __future__ import annotations

import numpy as np

from benchmarks.timing import announce, process_seconds, require, row
from hemadose.planning.policies import PlanningLimits
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from hemadose.trials.clinic.records import Clinic
from hemadose.trials.patients.cohorts import cohort
from hemadose.trials.patients.measured import measure_activity, measure_counts
from hemadose.trials.patients.true_course import TrueCourse
from hemadose.trials.patients.virtual_patients import VirtualPatients, draw_patients
from radiobio import fit_counts, lineage_prior

N_PATIENTS, N_CYCLES, GBQ, INTERVAL_D = 100, 6, 7.4, 42.0
SCHEDULE = Schedule((("blood", (1.0, 4.0, 24.0, 72.0)),))


def virtual_trial_rows() -> None:
    """Time of what a clinic infers for one decision, per patient, through six cycles."""
    announce("virtual trials: 100 patients through six cycles")
    name = "PSMA-617"
    patients = draw_patients(cohort(name), np.arange(N_PATIENTS), seed=1)
    ours_s = process_seconds(lambda: _inferred(patients)) / N_PATIENTS
    clinic = _inferred(patients)
    day = np.full(N_PATIENTS, N_CYCLES * INTERVAL_D)
    kill = clinic.situation(day).counts[0].parameters.kill_per_gy
    full = _full_fit(clinic, 0)
    shift = abs(np.log(kill[0]).mean() - np.log(full).mean()) / np.log(full).std()
    require(shift < 0.5, f"kill of the first patient differs by {shift:.2f} sd")
    full_s = 3 * process_seconds(lambda: _full_fit(clinic, 0))
    row(
        "virtual trial, what a clinic infers for a decision",
        ours_s / N_CYCLES,
        {"fit_counts of three lineages, doses known": full_s},
        f"{1.0 / ours_s:.0f} patients/s through {N_CYCLES} cycles; kill within {shift:.2f} sd",
    )


def _inferred(patients: VirtualPatients) -> Clinic:
    """Six cycles of one activity, four blood samples each, counts every week."""
    n, everyone = patients.n, np.ones(patients.n, dtype=bool)
    clinic = Clinic(
        patients.cohort,
        patients.covariates,
        schedule=SCHEDULE,
        limits=PlanningLimits(),
        label=None,
    )
    true, times_h = TrueCourse(patients), SCHEDULE.activity[0][1]
    for cycle in range(1, N_CYCLES + 1):
        day = (cycle - 1) * INTERVAL_D
        for count_day in [day] if cycle == 1 else day - np.arange(35.0, -7.0, -7.0):
            at = np.full(n, count_day)
            clinic.record_counts(at, measure_counts(patients, true.counts_on(at), at), everyone)
        clinic.situation(np.full(n, day))
        true.give(everyone, day, GBQ)
        blood = measure_activity(
            patients, cycle=cycle, activity_gbq=GBQ, region="blood", times_h=times_h
        )
        clinic.record_cycle(everyone, np.full(n, day), np.full(n, GBQ), {"blood": blood})
    return clinic


def _full_fit(clinic: Clinic, patient: int) -> np.ndarray:
    """Kill per gray of platelets by the chain of a single study, the dose known."""
    from kinetics import SumOfExponentials

    update = clinic.counts[0]
    prior = lineage_prior("platelets", update.prior.dose_method)
    prior.log_mean[:] = update.prior.log_mean[patient]
    dose_gy = clinic.doses.marrow(np.array([patient]))[0][0]
    rate = 1.0 / clinic.doses.marrow_time_h[patient]
    given = [
        (k * INTERVAL_D, SumOfExponentials(np.array([dose * r]), np.array([r])))
        for k, (dose, r) in enumerate(zip(dose_gy, rate, strict=True))
    ]
    fit = fit_counts(
        prior, given, day=update.day[patient], count=update.count[patient],
        rng=np.random.default_rng(1),
    )  # fmt: skip
    return np.asarray(fit.parameters.kill_per_gy)
