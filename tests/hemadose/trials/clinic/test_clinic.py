"""The clinic of a trial: what it records, refuses and believes."""

import numpy as np
import pytest

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies import PlanningLimits
from hemadose.planning.situation import TREAT
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from hemadose.trials.clinic.prior import ClinicPrior
from hemadose.trials.clinic.records import Clinic
from hemadose.trials.patients.cohorts import cohort

from .clinic_world import SCHEDULES, log_nadir, measured, treated, world

ONE = SCHEDULES["one"]


def test_a_situation_has_the_shapes_of_its_contract():
    _, true, clinic = treated("DOTATATE", SCHEDULES["foci"], n=6, cycles=2, n_draws=16)
    rows = np.array([4, 1, 2])
    situation = clinic.situation(np.full(3, 84.0), rows)
    assert situation.cycle.tolist() == [3, 3, 3]
    assert situation.last_day.tolist() == [42.0] * 3
    assert situation.last_gbq.tolist() == [7.4] * 3
    for name in ("marrow_gy_per_gbq", "kidney_gy_per_gbq", "kidney_protraction", "kidney_bed_gy"):
        value = getattr(situation, name)
        assert value.shape == (3, 16)
        assert (value > 0).all()
    assert situation.tumour_gy_per_gbq.shape == (3, 16, 4)
    assert (situation.kidney_bed_gy > situation.kidney_dose_gy).all()
    assert [c.lineage for c in situation.counts] == ["platelets", "haemoglobin", "neutrophils"]
    for lineage in situation.counts:
        assert lineage.state.shape == (3, 16, 6)
        assert lineage.rate_per_gbq.shape == lineage.remaining_rate.shape == (3, 16)
    assert situation.refusals == ("", "", "")
    assert (situation.label.action == TREAT).all()
    np.testing.assert_array_equal(situation.marrow_dose_gy, clinic.marrow_dose_draws(rows))
    ratio = np.median(situation.tumour_dose_gy, 1) / true.tumour_dose_gy[rows]
    assert (np.abs(np.log(ratio)) < 0.8).all()


def test_what_is_believed_of_a_patient_does_not_depend_on_the_others():
    _, _, many = treated("DOTATATE", ONE, n=7, cycles=2, n_draws=16)
    _, _, few = treated("DOTATATE", ONE, n=3, cycles=2, n_draws=16)
    one, other = many.situation(np.full(2, 84.0), np.array([2, 0])), few.situation(np.full(3, 84.0))
    np.testing.assert_allclose(one.marrow_dose_gy, other.marrow_dose_gy[[2, 0]], rtol=1e-9)
    for a, b in zip(one.counts, other.counts, strict=True):
        np.testing.assert_allclose(a.state, b.state[[2, 0]], rtol=1e-6, atol=1e-8)


def test_patients_may_differ_in_their_number_of_cycles():
    patients, _, clinic = world("PSMA-I&T", ONE, n=4, n_draws=16)
    everyone = np.ones(4, dtype=bool)
    counts = {"platelets": 200.0, "haemoglobin": 120.0, "neutrophils": 4.0}
    counts = {name: np.full(4, value) for name, value in counts.items()}
    clinic.record_counts(np.zeros(4), counts, everyone)
    samples, _ = measured(patients, ONE, 1)
    clinic.record_cycle(everyone, np.zeros(4), np.full(4, 7.4), samples)
    some = np.array([True, False, True, False])
    clinic.record_cycle(some, np.full(4, 42.0), np.full(4, 7.4), measured(patients, ONE, 2)[0])
    clinic.record_counts(np.full(4, 84.0), counts, everyone)
    situation = clinic.situation(np.full(4, 84.0))
    assert situation.cycle.tolist() == [3, 2, 3, 2]
    dose, log_sd = clinic.doses.marrow(np.arange(4))
    assert np.isfinite(dose[:, 0]).all()
    assert np.isnan(dose[[1, 3], 1]).all()
    assert (log_sd > 0).all()
    # uptake falls from cycle to cycle, so that who is a cycle ahead expects less for the tumour
    change = np.median(np.log(situation.tumour_gy_per_gbq), axis=1)
    assert (change[1, :3] > change[1, 1:4] - 1e-9).all()


def test_stale_and_missing_counts_are_refused():
    _, _, clinic = treated("DOTATATE", ONE, n=2, cycles=1, n_draws=16)
    assert clinic.situation(np.full(2, 42.0)).refusals == ("", "")
    late = clinic.situation(np.full(2, 71.0)).refusals
    assert all("stale (29 days)" in text for text in late)
    samples = {"blood": np.full((2, 1), np.nan)}
    first = np.array([True, False])
    clinic.record_cycle(first, np.full(2, 43.0), np.full(2, 7.4), samples)
    refusals = clinic.situation(np.full(2, 50.0)).refusals
    assert "platelets have not been counted since the last cycle" in refusals[0]
    assert refusals[1] == ""
    some = {"platelets": [150.0] * 2, "haemoglobin": [120.0] * 2, "neutrophils": [np.nan] * 2}
    some = {name: np.array(value) for name, value in some.items()}
    clinic.record_counts(np.full(2, 50.0), some, np.ones(2, dtype=bool))
    refusals = clinic.situation(np.full(2, 50.0)).refusals
    assert refusals[0] == "neutrophils have not been counted since the last cycle"


def test_no_count_at_all_is_refused():
    _, _, clinic = world("DOTATATE", ONE, n=1, n_draws=16)
    assert "platelets have not been counted;" in clinic.situation(np.zeros(1)).refusals[0]


def test_a_toxicity_is_told_until_the_next_cycle():
    _, _, clinic = treated("DOTATATE", ONE, n=2, cycles=1, n_draws=16, label="lutathera")
    low = {"platelets": [30.0, 200.0], "haemoglobin": [120.0] * 2, "neutrophils": [3.0] * 2}
    everyone = np.ones(2, dtype=bool)
    clinic.record_counts(np.full(2, 45.0), {name: np.array(v) for name, v in low.items()}, everyone)
    situation = clinic.situation(np.full(2, 45.0))
    assert situation.toxicity is not None
    assert situation.toxicity.tolist() == [True, False]
    assert situation.label.action[0] != TREAT
    samples = {"blood": np.full((2, 1), np.nan)}
    clinic.record_cycle(everyone, np.full(2, 56.0), np.full(2, 7.4), samples)
    after = clinic.situation(np.full(2, 60.0)).toxicity
    assert after is not None
    assert not after.any()


def test_a_wrong_prior_shifts_the_beliefs():
    shifted = ClinicPrior(log_shift={"marrow_dose_factor": np.log(2.0)}, kill_factor=2.0)
    _, _, right = treated("DOTATATE", Schedule(), n=3, cycles=0)
    _, _, wrong = treated("DOTATATE", Schedule(), n=3, cycles=0, prior=shifted)
    day = np.zeros(3)
    a, b = right.situation(day), wrong.situation(day)
    np.testing.assert_allclose(b.marrow_gy_per_gbq / a.marrow_gy_per_gbq, 2.0, rtol=0.02)
    ratio = b.counts[0].parameters.kill_per_gy / a.counts[0].parameters.kill_per_gy
    np.testing.assert_allclose(ratio, 2.0, rtol=1e-9)


def test_records_that_cannot_be():
    _, _, clinic = treated("DOTATATE", ONE, n=2, cycles=1, n_draws=16)
    everyone, gbq = np.ones(2, dtype=bool), np.full(2, 7.4)
    nothing = {"blood": np.full((2, 1), np.nan)}
    with pytest.raises(HemadosePlanningError, match="out of order"):
        clinic.record_cycle(everyone, np.zeros(2), gbq, nothing)
    with pytest.raises(HemadosePlanningError, match="above zero"):
        clinic.record_cycle(everyone, np.full(2, 42.0), 0.0 * gbq, nothing)
    with pytest.raises(HemadosePlanningError, match="schedule"):
        clinic.record_cycle(everyone, np.full(2, 42.0), gbq, {"kidneys": nothing["blood"]})
    with pytest.raises(HemadosePlanningError, match="schedule"):
        clinic.record_cycle(everyone, np.full(2, 42.0), gbq, nothing, np.ones((2, 3)))
    with pytest.raises(HemadosePlanningError, match="give nan"):
        clinic.record_counts(np.full(2, 42.0), {"platelets": gbq}, everyone)
    assert clinic.doses.n_given.tolist() == [1, 1]
    for cycle in range(1, PlanningLimits().max_cycles):
        clinic.record_cycle(everyone, np.full(2, 42.0 * cycle), gbq, nothing)
    with pytest.raises(HemadosePlanningError, match="all 6 cycles"):
        clinic.record_cycle(everyone, np.full(2, 420.0), gbq, nothing)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_draws": 1}, "n_draws"),
        ({"max_data_age_days": 0.0}, "max_data_age_days"),
        ({"prior": ClinicPrior(log_shift={"colour": 1.0})}, "colour"),
    ],
)
def test_settings_that_cannot_be(given, message):
    with pytest.raises(HemadosePlanningError, match=message):
        world("DOTATATE", ONE, n=2, **{"n_draws": 16, **given})


def test_priors_that_cannot_be():
    with pytest.raises(HemadosePlanningError, match="kill_factor"):
        ClinicPrior(kill_factor=0.0)
    uneven = {"tumour_volume_ml": np.ones(2), "weight_kg": np.ones(3)}
    with pytest.raises(HemadosePlanningError, match="equally long"):
        Clinic(cohort("DOTATATE"), uneven, schedule=ONE, limits=PlanningLimits(), label=None)


def test_counts_narrow_the_nadir():
    spreads = []
    treated(
        "DOTATATE", Schedule(), n=20, cycles=2,
        before=lambda cycle, clinic, *_: spreads.append(
            log_nadir(clinic.situation(np.full(20, 42.0 * (cycle - 1))).counts[0]).std(1).mean()
        ),
    )  # fmt: skip
    assert spreads[0] > 1.5 * spreads[1] > 1.5 * spreads[2] * 0.9
