"""Margins, sensitivity and the value of a sample, for one patient."""

import json
from statistics import NormalDist

import numpy as np
import pytest

from hemadose.planning import HemadosePlanningError
from hemadose.planning.policies import (
    POLICIES,
    PlanningLimits,
    explain,
    make_policy,
    sensitivity,
    usual_variants,
    value_of_sample,
)
from hemadose.planning.policies.sample_value import systematic_draws
from hemadose.planning.policies.sensitivity import scaled
from hemadose.planning.situation import HOLD

LIMITS = PlanningLimits(max_activity_gbq=12.0)
SETTINGS = {"kidney_prescription": {"first_cycle": 7.4}}


@pytest.fixture
def patient(situation):
    return situation(1, 64, seed=1, kill=0.9, lineages=("platelets", "neutrophils"))


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_is_explained(patient, name):
    policy = make_policy(name, SETTINGS.get(name), limits=LIMITS)
    found = explain(policy, patient, limits=LIMITS)
    assert found.action == "treat"
    assert found.activity_gbq == policy(patient).activity_gbq[0]
    assert len(found.margins) == 4
    assert len(found.to_frame()) == 4
    assert found.binding in found.status
    json.dumps(found.to_dict())
    assert any("ASSUMED" in text for text in found.assumptions)


def test_margins_say_what_each_risk_alone_would_allow(patient):
    policy = make_policy("overdose_control", limits=LIMITS)
    found = explain(policy, patient, limits=LIMITS)
    assert found.decided_by == "policy"
    assert found.margins[0].name == found.binding
    rooms = [margin.room_gbq for margin in found.margins]
    assert rooms == sorted(rooms)
    assert 0 <= rooms[0] < LIMITS.activity_step_gbq + 1e-9
    for margin in found.margins:
        assert margin.probability <= margin.tolerance
    # without the binding risk, the next one is met at the activity that was said
    after = found.margins[1]
    loose = dict.fromkeys(("platelets", "neutrophils"), 0.25) | {
        found.binding.removesuffix(" grade 3"): 0.99
    }
    wide = PlanningLimits(max_activity_gbq=40.0, grade3_tolerance=loose, interval_days=(42.0,))
    day = found.day
    alone = make_policy("overdose_control", limits=wide)(patient)
    if day == 42.0:
        assert alone.activity_gbq[0] == pytest.approx(after.tolerated_gbq, abs=0.1)


def test_a_hold_is_explained_at_the_lowest_useful_activity(situation):
    sick = situation(1, 50, kill=30.0)
    found = explain(make_policy("overdose_control", limits=LIMITS), sick, limits=LIMITS)
    assert found.action == "hold"
    assert found.judged_gbq == LIMITS.min_useful_activity_gbq
    assert found.margins[0].name == "platelets grade 3"
    assert found.margins[0].room_gbq < 0
    assert found.margins[0].probability > 0.25


def test_two_patients_are_not_explained(situation):
    policy = make_policy("overdose_control", limits=LIMITS)
    with pytest.raises(HemadosePlanningError, match="one patient"):
        explain(policy, situation(2), limits=LIMITS)


def test_sensitivity_finds_what_moves_the_decision(patient):
    policy = make_policy("overdose_control", limits=LIMITS)
    variants = usual_variants("overdose_control", {}, patient, limits=LIMITS)
    found = sensitivity(policy, patient, variants)
    table = found.to_frame().set_index("variant")
    planned = table.loc["as planned", "activity_gbq"]
    assert not table.loc["as planned", "flips"]
    assert not table.loc["as planned", "moves"]
    assert table.loc["kill x 1.25", "activity_gbq"] < planned
    assert table.loc["kill x 0.8", "activity_gbq"] > planned
    assert table.loc["marrow dose x 1.2", "activity_gbq"] < planned
    assert table.loc["tolerance of grade 3 x 1.5", "activity_gbq"] > planned
    assert "kill x 1.25" in found.status


def test_sensitivity_names_what_flips_it(situation):
    sick = situation(1, 50, kill=2.0)
    policy = make_policy("overdose_control", limits=LIMITS)
    worse = {"kill x 30": (policy, scaled(sick, kill=30.0)), "same": (policy, sick)}
    found = sensitivity(policy, sick, worse)
    assert found.action == ("treat", "hold", "treat")
    assert found.flips.tolist() == [False, True, False]
    assert found.status.startswith("The action changes with: kill x 30;")


def test_scaling_the_kidneys_is_exact_for_one_exponential(situation):
    """G = T_r / (T_r + T_e), and the BED of equal past cycles, by hand."""
    known = situation(1, 4)
    effective, repair = 40.0, 2.8
    g = repair / (repair + effective)
    dose = np.full((1, 4), 5.0)
    known = type(known)(**{**vars(known), "kidney_protraction": np.full((1, 4), g),
                           "kidney_dose_gy": dose,
                           "kidney_bed_gy": dose * (1 + g * 5.0 / 2.6)})  # fmt: skip
    found = scaled(known, kidney_dose=1.2, kidney_repair_half_life=1.5, kidney_alpha_beta=0.8)
    g2 = 1.5 * repair / (1.5 * repair + effective)
    np.testing.assert_allclose(found.kidney_protraction, g2)
    np.testing.assert_allclose(found.kidney_bed_gy, 6.0 * (1 + g2 * 6.0 / (0.8 * 2.6)))


def worth(patient, log_sd, seed=1, **options):
    return value_of_sample(
        make_policy("overdose_control", limits=LIMITS),
        patient,
        measured_gy_per_gbq=patient.marrow_gy_per_gbq[0],
        log_sd=log_sd,
        rng=np.random.default_rng(seed),
        **options,
    )


def test_a_sample_that_tells_nothing_is_worth_nothing(patient):
    found = worth(patient, 1e6, n_outcomes=50)
    assert found.change_probability == 0
    assert found.tumour_gain_gy == pytest.approx(0, abs=1e-6)
    assert found.risk_after == pytest.approx(found.risk_before)
    assert found.effective_sample_size == pytest.approx(64)


def test_a_sharper_sample_is_worth_more(patient):
    """And at no more risk: every outcome keeps to the same tolerance."""
    blunt, sharp = worth(patient, 1.0, n_outcomes=300), worth(patient, 0.1, n_outcomes=300)
    assert sharp.tumour_gain_gy > blunt.tumour_gain_gy + 3 * sharp.tumour_gain_error_gy
    assert sharp.change_probability > blunt.change_probability
    assert sharp.risk_after <= 0.25 + 1e-9
    assert sharp.effective_sample_size < blunt.effective_sample_size
    json.dumps(sharp.to_dict())


def test_the_value_is_that_of_a_conjugate_case(situation):
    """Only a marrow limit: with log-normal doses the gain has a closed form.

    Log dose ~ N(m, s^2), measured with error e: the posterior SD is p = s e / sqrt(s^2 + e^2), the
    posterior mean has variance s^2 - p^2, and the highest activity is L exp(-mean - z p).
    """
    n, s, error, z = 5_000, 0.3, 0.2, 1.6448536
    normal = [NormalDist().inv_cdf((i + 0.5) / n) for i in range(n)]
    dose = np.exp(np.log(0.05) + s * np.array(normal))[None]
    known = situation(1, n, counts=(), cycle=1, day=0.0, marrow_gy_per_gbq=dose,
                      kidney_gy_per_gbq=np.full((1, n), 1e-6),
                      tumour_gy_per_gbq=np.ones((1, n, 1)))  # fmt: skip
    limits = PlanningLimits(marrow_dose_gy=0.3, max_activity_gbq=100.0, activity_step_gbq=0.0,
                            min_useful_activity_gbq=0.01)  # fmt: skip
    found = value_of_sample(
        make_policy("overdose_control", limits=limits), known,
        measured_gy_per_gbq=dose[0], log_sd=error, rng=np.random.default_rng(3), n_outcomes=300,
    )  # fmt: skip
    left = s * error / np.hypot(s, error)
    now = 6.0 * np.exp(-z * s)
    later = 6.0 * np.exp(-z * left + (s**2 - left**2) / 2)
    assert abs(found.activity_gain_gbq - (later - now)) < 4 * found.activity_gain_error_gbq
    assert found.tumour_gain_gy == pytest.approx(found.activity_gain_gbq)


def test_systematic_draws():
    even = systematic_draws(np.full((2, 7), 1 / 7))
    np.testing.assert_array_equal(even, np.tile(np.arange(7), (2, 1)))
    weight = np.random.default_rng(4).dirichlet(np.ones(50), 20)
    drawn = systematic_draws(weight)
    n_drawn = np.stack([np.bincount(row, minlength=50) for row in drawn])
    assert (np.abs(n_drawn - 50 * weight) < 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("options", "text"),
    [({"log_sd": 0.0}, "log_sd"), ({"log_sd": 0.2, "n_outcomes": 1}, "n_outcomes")],
)
def test_wrong_samples_are_refused(patient, options, text):
    with pytest.raises(HemadosePlanningError, match=text):
        worth(patient, **options)


def test_wrong_shapes_are_refused(patient):
    with pytest.raises(HemadosePlanningError, match="64 numbers above 0"):
        value_of_sample(
            make_policy("overdose_control", limits=LIMITS), patient,
            measured_gy_per_gbq=np.ones(3), log_sd=0.2, rng=np.random.default_rng(1),
        )  # fmt: skip


def test_held_patients_may_gain_a_cycle(situation):
    """Without the sample the risk is too high; some outcomes allow a cycle."""
    unsure = situation(1, 100, kill=6.0)
    assert make_policy("overdose_control", limits=LIMITS)(unsure).action[0] == HOLD
    found = worth(unsure, 0.1, n_outcomes=200)
    assert found.change_probability > 0
    assert found.tumour_gain_gy > 0
    assert found.risk_before == 0
