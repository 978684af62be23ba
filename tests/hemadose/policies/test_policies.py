"""Properties that every policy must have, and the schedules by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemadose.planning.policies import POLICIES, PlanningLimits, make_policy, safer
from hemadose.planning.policies.sensitivity import scaled
from hemadose.planning.policies.subsets import take_patients
from hemadose.planning.situation import HOLD, STOP, TREAT, Decisions, LabelLimits

NAMES = sorted(POLICIES)
MODEL_NAMES = [name for name in NAMES if name != "label"]
NEEDED = {"kidney_prescription": {"first_cycle": 7.4}}
LIMITS = PlanningLimits(max_activity_gbq=12.0)
# plans of fewer cycles may give more at once when risk rises; one plan may not
ONE_PLAN = {**NEEDED, "look_ahead": {"fewer_cycles": False}}
factors = st.floats(1.03, 4.0)
few = settings(max_examples=12, deadline=None)


def decide(name, known, limits=LIMITS, options=NEEDED):
    return make_policy(name, options.get(name), limits=limits)(known)


def label(n, action, most, rule="pluvicto.rule"):
    return LabelLimits(np.full(n, action), np.full(n, float(most)), (rule,) * n)


@pytest.mark.parametrize("name", NAMES)
def test_a_patient_alone_is_decided_as_in_a_batch(situation, name):
    known = situation(5, kill=1.2, lineages=("platelets", "neutrophils"))
    batch = decide(name, known)
    for row in range(5):
        alone = decide(name, take_patients(known, np.array([row])))
        for field in ("action", "activity_gbq", "day", "probability", "binding", "decided_by"):
            np.testing.assert_array_equal(getattr(alone, field)[0], getattr(batch, field)[row])


@pytest.mark.parametrize("name", NAMES)
def test_decisions_are_legal(situation, name):
    known = situation(40, seed=3, kill=2.0, marrow=2.0, kidney=1.5)
    decided = decide(name, known)
    treated = decided.action == TREAT
    activity = decided.activity_gbq[treated]
    assert ((activity >= LIMITS.min_useful_activity_gbq) & (activity <= 12.0)).all()
    assert (decided.activity_gbq[~treated] == 0).all()
    assert (np.isnan(decided.day) == (decided.action == STOP)).all()
    assert (decided.day[treated] >= known.day[treated]).all()
    assert (decided.day[decided.action == HOLD] == known.day[0] + LIMITS.recheck_days).all()
    assert decided.probability.shape == (40, len(decided.constraint_names))


@pytest.mark.parametrize("name", NAMES)
@few
@given(kill=factors, marrow=factors, kidney=factors)
def test_more_risk_never_raises_the_activity(situation, name, kill, marrow, kidney):
    known = situation(4, seed=5, kill=0.8)
    before = decide(name, known, options=ONE_PLAN)
    after = decide(
        name,
        scaled(known, kill=kill, marrow_dose=marrow, kidney_dose=kidney),
        options=ONE_PLAN,
    )
    assert (after.activity_gbq <= before.activity_gbq + 1e-9).all()


@pytest.mark.parametrize("name", NAMES)
@few
@given(share=st.floats(0.1, 0.95), drop=st.floats(0.02, 0.6))
def test_lower_counts_never_raise_the_activity(situation, name, share, drop):
    limits = replace(LIMITS, interval_days=(42.0,))
    known = situation(4, seed=6, kill=0.7)
    before = decide(name, known, limits, ONE_PLAN)
    lower = scaled(known, baseline=share)
    down = np.array([-drop, *np.full(4, np.exp(-drop)), 0.0])
    state = known.counts[0].state * np.array([0, 1, 1, 1, 1, 1])
    state = np.where(np.arange(6) == 0, known.counts[0].state + down, state * down)
    state[..., 5] = known.counts[0].state[..., 5]
    emptier = replace(known, counts=(replace(known.counts[0], state=state),))
    for worse in (lower, emptier):
        after = decide(name, worse, limits, ONE_PLAN)
        assert (after.activity_gbq <= before.activity_gbq + 1e-9).all()


TIGHTER = {
    "grade3_tolerance": 0.07,
    "marrow_dose_gy": 0.9,
    "marrow_dose_tolerance": 0.01,
    "kidney_bed_gy": 12.0,
    "kidney_bed_tolerance": 0.01,
    "max_activity_gbq": 8.0,
    "max_cycles": 3,
    "horizon_days": None,
}


@pytest.mark.parametrize("field", sorted(set(TIGHTER) - {"horizon_days", "max_cycles"}))
@pytest.mark.parametrize("name", NAMES)
def test_tighter_limits_never_raise_the_activity(situation, name, field):
    known = situation(12, seed=7, n_draws=40, marrow=1.5)
    wide = decide(name, known, options=ONE_PLAN)
    tight = decide(name, known, replace(LIMITS, **{field: TIGHTER[field]}), ONE_PLAN)
    assert (tight.activity_gbq <= wide.activity_gbq + 1e-9).all()


@pytest.mark.parametrize("field", sorted(set(TIGHTER) - {"horizon_days", "max_cycles"}))
def test_tighter_limits_do_bite(situation, field):
    """The property above is not empty: each limit lowers some activity of overdose control."""
    known = situation(12, seed=7, n_draws=40, marrow=1.5)
    wide = decide("overdose_control", known)
    tight = decide("overdose_control", known, replace(LIMITS, **{field: TIGHTER[field]}))
    assert (tight.activity_gbq < wide.activity_gbq - 1e-9).any()


@pytest.mark.parametrize("name", NAMES)
def test_no_escalation_after_a_toxicity(situation, name):
    known = situation(6, seed=8, kill=0.1, marrow=0.3, kidney=0.3, last_gbq=np.full(6, 5.0))
    toxic = replace(known, toxicity=np.array([True, False] * 3))
    free, held = decide(name, known), decide(name, toxic)
    assert (free.activity_gbq > 5.0).all()
    np.testing.assert_array_equal(held.activity_gbq[1::2], free.activity_gbq[1::2])
    assert (held.activity_gbq[::2] <= 5.0).all()
    assert (held.decided_by[::2] == "coherence").all()


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_holds_what_rests_on_the_model(situation, name):
    known = replace(situation(2, kill=0.1), refusals=("", "the fit misses its samples"))
    decided = decide(name, known)
    assert decided.action[0] == TREAT
    if name == "label":
        assert decided.action[1] == TREAT
    else:
        assert decided.action[1] == HOLD
        assert decided.decided_by[1] == "refusal"
        assert decided.day[1] == 42.0 + 14.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", [HOLD, STOP])
def test_a_label_that_holds_or_stops_wins(situation, name, action):
    known = replace(situation(3, kill=0.1), label=label(3, action, 0))
    decided = decide(name, known)
    assert (decided.action == action).all()
    assert (decided.decided_by == "label").all()


@pytest.mark.parametrize("name", NAMES)
def test_a_label_that_reduces_wins(situation, name):
    known = situation(3, kill=0.1, marrow=0.1, kidney=0.3)
    known = replace(known, label=label(3, TREAT, 5.9))
    decided = decide(name, known)
    assert decided.activity_gbq == pytest.approx(5.9)
    assert (decided.decided_by == "label").all()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_that_stops_beats_a_label_that_treats(situation, name):
    """Kidneys and marrow have had far too much: waiting cannot help."""
    full = np.full((2, 16), 200.0)
    known = situation(2, kidney_bed_gy=full, kidney_dose_gy=full, marrow_dose_gy=full)
    decided = decide(name, known)
    assert (decided.action == STOP).all()
    assert (decided.decided_by == "policy").all()


@pytest.mark.parametrize("name", NAMES)
def test_the_last_cycle_and_the_longest_delay_end_treatment(situation, name):
    limits = replace(LIMITS, max_cycles=4)
    over = decide(name, situation(2, cycle=5, kidney=0.1, marrow=0.1), limits)
    assert (over.action == STOP).all()
    late = replace(situation(2, kill=0.1, day=154.0), label=label(2, HOLD, 0))
    assert (decide(name, late, limits).action == STOP).all()
    assert (decide(name, late, limits).decided_by == "delay").all()
    early = replace(situation(2, kill=0.1, day=153.0), label=label(2, HOLD, 0))
    assert (decide(name, early, limits).action == HOLD).all()


@few
@given(st.data())
def test_the_safer_of_two_is_the_more_cautious_in_everything(data):
    n = 6
    codes = st.lists(st.sampled_from([TREAT, HOLD, STOP]), min_size=n, max_size=n)
    gbq = st.lists(st.floats(2.0, 12.0), min_size=n, max_size=n)
    action, most = np.array(data.draw(codes)), np.array(data.draw(gbq))
    own, activity = np.array(data.draw(codes)), np.array(data.draw(gbq))
    rules = LabelLimits(action, np.where(action == TREAT, most, 0.0), ("rule",) * n)
    day = np.full(n, 50.0)
    proposed = Decisions(
        own, np.where(own == TREAT, activity, 0.0), np.where(own == STOP, np.nan, 60.0), (),
        np.empty((n, 0)), np.full(n, -1), np.full(n, "policy"),
    )  # fmt: skip
    found = safer(proposed, rules, day=day, limits=LIMITS)
    np.testing.assert_array_equal(found.action, np.maximum(own, action))
    both = (own == TREAT) & (action == TREAT)
    np.testing.assert_allclose(found.activity_gbq, np.where(both, np.minimum(activity, most), 0))
    by_label = (action > own) | (both & (most < activity)) | ((action == own) & (own != TREAT))
    np.testing.assert_array_equal(found.decided_by, np.where(by_label, "label", "policy"))
    again = safer(found, rules, day=day, limits=LIMITS)
    np.testing.assert_array_equal(again.activity_gbq, found.activity_gbq)


def test_the_label_schedule_by_hand(situation):
    known = situation(3, last_day=10.0, day=42.0)
    decided = decide("label", known)
    assert decided.activity_gbq.tolist() == [7.4] * 3
    assert decided.day.tolist() == [52.0] * 3
    first = decide("label", situation(2, cycle=1, day=-3.0))
    assert first.day.tolist() == [-3.0] * 2
    four = make_policy("label", {"n_cycles": 4, "interval_days": 56.0}, limits=LIMITS)
    assert four(situation(2, cycle=4, kidney=0.1)).day.tolist() == [56.0] * 2
    assert (four(situation(2, cycle=5, kidney=0.1)).action == STOP).all()


def one(value):
    return np.full((1, 4), float(value))


def plain(situation, **fields):
    """One patient whose four draws are the same."""
    fixed = {
        "kidney_gy_per_gbq": one(0.5),
        "kidney_protraction": one(0.1),
        "marrow_gy_per_gbq": one(0.03),
    }
    return situation(1, 4, **(fixed | fields))


def test_uppsala_by_hand(situation):
    """0.5 Gy/GBq: 3.7 Gy a cycle; 19.3 Gy is the most after which one more fits into 23 Gy."""
    fits = plain(situation, kidney_dose_gy=one(19.29), marrow_dose_gy=one(1.0))
    over = plain(situation, kidney_dose_gy=one(19.31), marrow_dose_gy=one(1.0))
    marrow = plain(situation, kidney_dose_gy=one(5.0), marrow_dose_gy=one(1.779))
    assert decide("uppsala", fits).action == TREAT
    assert decide("uppsala", over).action == STOP
    assert decide("uppsala", over).binding == 0
    assert decide("uppsala", marrow).action == STOP
    assert decide("uppsala", marrow).binding == 1


def test_bed_in_two_steps_by_hand(situation):
    """A cycle of 3.7 Gy with G 0.1 has a BED of 3.7 (1 + 0.1 * 3.7 / 2.6) = 4.2265 Gy."""
    at = {bed: plain(situation, kidney_bed_gy=one(bed)) for bed in (24.77, 24.78, 35.77, 35.78)}
    assert decide("bed_limited", at[24.77]).action == TREAT
    assert decide("bed_limited", at[24.78]).action == STOP
    all_go_on = {"bed_limited": {"qualifies": "everybody"}}
    assert decide("bed_limited", at[24.78], options=all_go_on).action == TREAT
    assert decide("bed_limited", at[35.77], options=all_go_on).action == TREAT
    assert decide("bed_limited", at[35.78], options=all_go_on).action == STOP
    some = {"bed_limited": {"qualifies": [{"covariate": "clearance", "at_least": 50}]}}
    two = situation(3, kidney_bed_gy=np.full((3, 16), 26.0), kidney=0.8)
    two = replace(two, covariates={"clearance": np.array([49.0, 50.0, np.nan])})
    assert decide("bed_limited", two, options=some).action.tolist() == [STOP, TREAT, STOP]


def test_the_kidney_prescription_by_hand(situation):
    """23 Gy over four cycles: with 8 Gy given in one, 5 Gy in each of three, 10 GBq."""
    known = plain(situation, kidney_dose_gy=one(8.0))
    assert decide("kidney_prescription", known).activity_gbq == pytest.approx(10.0)
    reduced = {
        "kidney_prescription": {
            "first_cycle": {"covariate": "clearance", "from": [0, 60], "activity_gbq": [5, 8]},
            "reductions": [{"covariate": "clearance", "below": 50, "share": 0.25}],
        }
    }
    low = replace(known, covariates={"clearance": np.array([40.0])})
    # 17.25 Gy prescribed: 9.25 Gy left, 3.083 Gy a cycle, 6.1667 GBq
    found = decide("kidney_prescription", low, options=reduced)
    assert found.activity_gbq == pytest.approx(6.1)
    start = situation(4, cycle=1, day=0.0)
    start = replace(start, covariates={"clearance": np.array([40.0, 55.0, 60.0, 90.0])})
    found = decide("kidney_prescription", start, options=reduced)
    assert found.activity_gbq == pytest.approx([3.7, 5.0, 8.0, 8.0])  # 5 x 0.75, rounded down
    given_all = plain(situation, kidney_dose_gy=one(22.9))
    assert decide("kidney_prescription", given_all).action == STOP
    own = {"kidney_prescription": {"first_cycle": lambda c: 4.0 + c["clearance"] / 30}}
    found = decide("kidney_prescription", start, options=own)
    assert found.activity_gbq == pytest.approx([5.3, 5.8, 6.0, 7.0])


def test_the_prescription_is_reached_when_the_prediction_holds(situation):
    """Four cycles that follow the rule give the prescribed dose."""
    limits = replace(LIMITS, activity_step_gbq=0.0, max_activity_gbq=20.0)
    dose, cycle = 0.0, 1
    while cycle <= 4:
        known = plain(situation, kidney_dose_gy=one(dose), cycle=cycle, day=42.0 * cycle)
        dose += 0.5 * float(decide("kidney_prescription", known, limits).activity_gbq[0])
        cycle += 1
    assert dose == pytest.approx(23.0)


def test_extended_goes_on_until_a_risk_is_not_accepted(situation):
    """One of 16 draws over the BED is 0.0625: above 0.05, below 0.07."""
    bed = np.full((1, 16), 10.0)
    bed[0, 0] = 39.9
    known = situation(1, 16, kidney_bed_gy=bed, marrow=0.1)
    assert decide("extended", known).action == STOP
    assert decide("extended", known).binding == 1
    accepted = replace(LIMITS, kidney_bed_tolerance=0.07)
    assert decide("extended", known, accepted).action == TREAT
