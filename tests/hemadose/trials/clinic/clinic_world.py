"""Virtual patients under a fixed schedule, watched by a clinic: shared by the tests of it."""

import numpy as np

from hemadose.planning.policies import PlanningLimits
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from hemadose.trials.clinic.records import Clinic
from hemadose.trials.patients.cohorts import cohort
from hemadose.trials.patients.measured import measure_activity, measure_counts, measure_foci
from hemadose.trials.patients.true_course import TrueCourse
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.patients.virtual_patients import draw_patients
from kinetics import SumOfExponentials
from radiobio.counts import advance_counts

BLOOD, IMAGED = (1.0, 4.0, 24.0, 72.0), (24.0, 96.0)
FOUR = (("blood", BLOOD), ("kidneys", IMAGED), ("tumour", IMAGED))
SCHEDULES = {
    "none": Schedule(),
    "one": Schedule((("blood", (24.0,)),)),
    "four": Schedule(FOUR),
    "foci": Schedule(FOUR, (-1.0, 1.0, 4.0, 24.0), 200),
}
GBQ, INTERVAL_D = 7.4, 42.0


def world(name, schedule, *, n, seed=1, n_draws=64, limits=None, label=None, **given):
    """Patients, the truth about them and their clinic."""
    truth = TruthSettings(foci_laboratory_factor=1.0)
    patients = draw_patients(cohort(name), np.arange(n), seed=seed, truth=truth)
    clinic = Clinic(
        cohort(name),
        patients.covariates,
        schedule=schedule,
        limits=limits or PlanningLimits(),
        label=label,
        n_draws=n_draws,
        **given,
    )
    return patients, TrueCourse(patients), clinic


def measured(patients, schedule, cycle):
    """Samples by region and foci of one cycle."""
    given = {"cycle": cycle, "activity_gbq": GBQ}
    samples = {
        region: measure_activity(patients, region=region, times_h=times, **given)
        for region, times in schedule.activity
    }
    if not schedule.foci_times_h:
        return samples, None
    cells, times = schedule.foci_cells, schedule.foci_times_h
    return samples, measure_foci(patients, times_h=times, cells=cells, **given)


def treated(name, schedule, *, n, cycles, seed=1, before=None, **given):
    """Give `cycles` cycles with weekly counts; `before` sees each situation."""
    patients, true, clinic = world(name, schedule, n=n, seed=seed, **given)
    everyone = np.ones(n, dtype=bool)
    for cycle in range(1, cycles + 2):
        day = (cycle - 1) * INTERVAL_D
        for count_day in [day] if cycle == 1 else day - np.arange(35.0, -7.0, -7.0):
            at = np.full(n, count_day)
            clinic.record_counts(at, measure_counts(patients, true.counts_on(at), at), everyone)
        if before is not None:
            before(cycle, clinic, true, patients)
        if cycle > cycles:
            return patients, true, clinic
        true.give(everyone, day, GBQ)
        samples, foci = measured(patients, schedule, cycle)
        clinic.record_cycle(everyone, np.full(n, day), np.full(n, GBQ), samples, foci)
    raise AssertionError


def log_nadir(lineage, span_days=INTERVAL_D):
    """Log of the lowest count if `GBQ` is given now, shape (n, n_draws)."""
    parts = (lineage.remaining_rate, lineage.rate_per_gbq.scaled(GBQ))
    shape = lineage.parameters.shape

    def joined(values):
        return np.concatenate([np.broadcast_to(v, (*shape, v.shape[-1])) for v in values], -1)

    rate = SumOfExponentials(
        joined([p.amplitude for p in parts]), joined([p.rate_per_h for p in parts])
    )
    ahead = advance_counts(
        lineage.parameters, lineage.state, dose_rate=rate, span_h=np.full(shape, 24.0 * span_days)
    )
    return np.log(ahead.lowest)
