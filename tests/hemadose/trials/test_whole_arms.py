"""Whole arms: what a policy can know, and what must hold from cycle to cycle."""

import numpy as np
import pytest

from hemadose.planning.policies import PlanningLimits, make_policy
from hemadose.planning.situation import TREAT
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from hemadose.trials.clinic.prior import ClinicPrior
from hemadose.trials.clinic.records import Clinic
from hemadose.trials.course import Calendar, Measure, run_arm
from hemadose.trials.patients.cohorts import cohort
from hemadose.trials.patients.measured import measure_activity, measure_counts
from hemadose.trials.patients.true_course import TrueCourse
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.patients.virtual_patients import draw_patients
from radiobio import GRADE3_LIMIT

SCHEDULE = Schedule((("marrow", (24.0, 96.0)), ("kidneys", (24.0, 96.0))))
LIMITS = PlanningLimits(
    max_activity_gbq=11.1, interval_days=(56.0, 70.0), max_cycles=4, marrow_dose_tolerance=0.25
)
CALENDAR = Calendar(
    interval_days=56.0,
    max_cycles=4,
    max_delay_days=112.0,
    recheck_days=14.0,
    count_interval_days=14.0,
    follow_up_days=84.0,
)


def drawn(n, *, first=0, **settings):
    truth = TruthSettings(**settings)
    return draw_patients(
        cohort("DOTATATE"), np.arange(first, first + n), seed=3, truth=truth, max_cycles=4
    )


def clinic_of(patients, *, label="lutathera", **given):
    return Clinic(
        patients.cohort, patients.covariates, schedule=SCHEDULE, limits=LIMITS, label=label,
        label_scope="toxicity", n_draws=16, **given,
    )  # fmt: skip


def measure_of(patients):
    def cycle(mask, number, activity_gbq):
        given = {"cycle": number, "activity_gbq": activity_gbq, "mask": mask}
        return {
            region: measure_activity(patients, region=region, times_h=times_h, **given)
            for region, times_h in SCHEDULE.activity
        }, None

    return Measure(counts=lambda counts, day: measure_counts(patients, counts, day), cycle=cycle)


def arm_of(patients, clinic, policy, measure):
    true = TrueCourse(patients)
    drops_out = np.zeros((patients.n, 4), dtype=bool)
    book = run_arm(clinic, true, policy, measure=measure, drops_out=drops_out, calendar=CALENDAR)
    return book, true


@pytest.mark.parametrize("name", ["label", "extended", "overdose_control"])
def test_a_policy_sees_nothing_of_the_truth_but_what_was_measured(name):
    """Other patients behind the same measurements are treated alike, though they fare otherwise."""
    n, kept = 12, []
    patients, others = drawn(n, kill_factor=2.0), drawn(n, first=500, kill_factor=0.3)
    policy, real = make_policy(name, limits=LIMITS), measure_of(patients)

    def noted(job):
        def call(*args):
            kept.append(job(*args))
            return kept[-1]

        return call

    measure = Measure(counts=noted(real.counts), cycle=noted(real.cycle))
    book, true = arm_of(patients, clinic_of(patients), policy, measure)
    tape = iter(kept)
    replay = Measure(counts=lambda *_: next(tape), cycle=lambda *_: next(tape))
    again, other_true = arm_of(others, clinic_of(patients), policy, replay)
    assert next(tape, None) is None
    np.testing.assert_array_equal(again.given_gbq, book.given_gbq)
    np.testing.assert_array_equal(again.last_day, book.last_day)
    np.testing.assert_array_equal(again.ended_by, book.ended_by)
    for key, tally in book.tallies.items():
        np.testing.assert_array_equal(again.tallies[key], tally, err_msg=key)
    treated = book.n_cycles > 0
    assert treated.sum() > 8
    ratio = other_true.marrow_dose_gy[treated] / true.marrow_dose_gy[treated]
    assert (np.abs(np.log(ratio)) > 1e-3).all()
    assert (other_true.lowest["platelets"] > true.lowest["platelets"]).mean() > 0.6


@pytest.mark.parametrize("label", ["lutathera", None])
def test_no_activity_rises_after_a_toxicity_and_nothing_is_given_while_the_label_holds(label):
    """Without a label, and with a clinic that underrates the kill, coherence alone stands guard."""
    n, held = 60, 0
    patients = drawn(n, outlier_share=0.5, outlier_factor=4.0)
    prior = ClinicPrior(kill_factor=1.0 if label else 0.3)
    clinic = clinic_of(patients, label=label, prior=prior)
    policy = make_policy("overdose_control", limits=LIMITS)
    last_gbq, toxic = np.full(n, np.nan), np.zeros(n, dtype=bool)
    kept_low, rose = 0, 0
    record_counts, record_cycle = clinic.record_counts, clinic.record_cycle

    def see_counts(day, counts, mask):
        for lineage, values in counts.items():
            toxic[mask & (values < GRADE3_LIMIT[lineage])] = True
        record_counts(day, counts, mask)

    def see_cycle(mask, day, activity_gbq, *measured):
        nonlocal kept_low, rose
        again = mask & np.isfinite(last_gbq)
        assert (activity_gbq <= last_gbq + 1e-9)[again & toxic].all()
        kept_low += int((again & toxic).sum())
        rose += int((activity_gbq > last_gbq)[again & ~toxic].sum())
        last_gbq[mask], toxic[mask] = activity_gbq[mask], False
        record_cycle(mask, day, activity_gbq, *measured)

    def seen(situation):
        nonlocal held
        decided = policy(situation)
        holds = situation.label.action != TREAT
        assert (decided.action[holds] != TREAT).all()
        assert (decided.activity_gbq[holds] == 0).all()
        held += int(holds.sum())
        return decided

    clinic.record_counts, clinic.record_cycle = see_counts, see_cycle
    book, _ = arm_of(patients, clinic, seen, measure_of(patients))
    assert min(kept_low, rose) >= 5, (kept_low, rose)
    assert held >= 5 if label else held == 0
    assert not book.active.any()
