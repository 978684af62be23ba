"""Overdose control against the grid of `recommend`, and its thresholds against a twin."""

from dataclasses import replace

import numpy as np
import pytest

from hemadose.planning import Constraint, label_decision, recommend
from hemadose.planning.policies import PlanningLimits, make_policy
from hemadose.planning.policies.subsets import take_patients
from hemadose.planning.policies.thresholds import (
    count_risk,
    dose_risks,
    probability_at,
    tolerated_count_risks,
    tolerated_gbq,
)
from hemadose.planning.situation import HOLD, STOP, TREAT
from radiobio import GRADE3_LIMIT, simulate_counts

LIMITS = PlanningLimits(max_activity_gbq=12.0, activity_step_gbq=0.2)
GRID = np.arange(1, 61) * 0.2
ACTIONS = ("treat", "hold", "stop")
CASES = [  # kill, marrow dose, kidney dose
    (0.7, 1.0, 1.0), (1.2, 1.0, 1.5), (0.2, 2.5, 1.0), (8.0, 1.0, 1.0)]  # fmt: skip


def patients(situation, case):
    kill, marrow, kidney = case
    return situation(
        4, 16, seed=11, kill=kill, marrow=marrow, kidney=kidney,
        lineages=("platelets", "neutrophils"),
    )  # fmt: skip


def falls_to_grade_3(counts, wait_days, activity_gbq, n_cycles=1, interval_days=0.0):
    """Whether each draw of one patient does, (n_activities, n_draws), by `simulate_counts`."""
    parameters = counts.parameters[0][None]
    shape = (len(activity_gbq), parameters.shape[1])
    every = parameters[np.zeros(shape[0], dtype=int)]
    given = counts.rate_per_gbq[0]
    given = type(given)(
        activity_gbq[:, None, None] * given.amplitude,
        np.broadcast_to(given.rate_per_h, (*shape, given.n_terms)).copy(),
    )
    rest = counts.remaining_rate[0]
    rest = type(rest)(
        np.broadcast_to(rest.amplitude, (*shape, rest.n_terms)).copy(),
        np.broadcast_to(rest.rate_per_h, (*shape, rest.n_terms)).copy(),
    )
    starts = wait_days + interval_days * np.arange(n_cycles)
    day = np.concatenate([[wait_days], np.arange(wait_days, starts[-1] + 84.01, 1.0)])
    course = simulate_counts(
        every,
        [(0.0, rest), *((float(start), given) for start in starts)],
        day,
        initial_state=np.broadcast_to(counts.state[0], (*shape, 6)),
        initial_day=0.0,
    )
    return course.nadir() < GRADE3_LIMIT[counts.lineage]


def by_recommend(known, limits):
    """The same patient and draws through the grid search of a study's plan."""
    elapsed = known.day[0] - known.last_day[0]
    interval = np.unique(np.maximum(limits.interval_days, elapsed))
    shape = (len(interval), len(GRID), known.marrow_gy_per_gbq.shape[1])
    constraints = [
        Constraint(
            f"{c.lineage} grade 3", "", 1.0, "", limits.tolerance[f"{c.lineage} grade 3"],
            np.stack([falls_to_grade_3(c, i - elapsed, GRID) for i in interval]),
        )
        for c in known.counts
    ]  # fmt: skip
    marrow = known.marrow_dose_gy[0] + GRID[:, None] * known.marrow_gy_per_gbq[0]
    dose = GRID[:, None] * known.kidney_gy_per_gbq[0]
    bed = known.kidney_bed_gy[0] + dose * (
        1 + known.kidney_protraction[0] * dose / limits.kidney_alpha_beta_gy
    )
    over = {"marrow dose": marrow > limits.marrow_dose_gy, "kidney BED": bed > limits.kidney_bed_gy}
    constraints += [
        Constraint(name, "", 1.0, "Gy", limits.tolerance[name], np.broadcast_to(e, shape),
                   cumulative=True)
        for name, e in over.items()
    ]  # fmt: skip
    plan = recommend(
        GRID,
        interval,
        constraints,
        hard_cap_gbq=limits.max_activity_gbq,
        label=label_decision("none", [], cycles=[], decision_day=0, planned_activity_gbq=12.0),
        rng=np.random.default_rng(1),
        n_resamples=1,
        min_useful_activity_gbq=limits.min_useful_activity_gbq,
    )
    return plan, known.last_day[0]


@pytest.mark.parametrize("case", CASES)
def test_it_agrees_with_a_plan_on_a_fine_grid(situation, case):
    """Activity, interval, action and binding risk are those of the grid, patient by patient."""
    known = patients(situation, case)
    decided = make_policy("overdose_control", limits=LIMITS)(known)
    for row in range(4):
        plan, last = by_recommend(take_patients(known, np.array([row])), LIMITS)
        assert plan.action == ACTIONS[decided.action[row]]
        if plan.action == "treat":
            assert plan.activity_gbq == pytest.approx(decided.activity_gbq[row], abs=1e-6)
            assert last + plan.interval_days == decided.day[row]
            at = int(np.argmin(np.abs(GRID - plan.activity_gbq)))
            when = int(np.argmin(np.abs(plan.grid_interval_days - plan.interval_days)))
            np.testing.assert_allclose(decided.probability[row], plan.probability[:, when, at])
        if plan.binding is not None and plan.action == "treat":
            assert decided.constraint_names[decided.binding[row]] in {
                c.name for c in (plan.binding, plan.next_constraint) if c is not None
            }


def test_the_cases_above_cover_all_outcomes(situation):
    policy = make_policy("overdose_control", limits=LIMITS)
    found = [policy(patients(situation, case)) for case in CASES]
    activity = np.concatenate([d.activity_gbq for d in found])
    assert {TREAT, HOLD, STOP} <= set(np.concatenate([d.action for d in found]))
    assert len(np.unique(activity)) > 6
    assert {42.0, 70.0} <= set(np.concatenate([d.day for d in found]))
    assert len(set(np.concatenate([d.binding for d in found]))) >= 3


def test_thresholds_followed_only_as_far_as_needed_decide_the_same(situation):
    known = situation(10, 64, kill=1.0, lineages=("platelets", "haemoglobin", "neutrophils"))
    options = {"wait_h": np.zeros(10), "max_activity_gbq": np.full(10, 12.0)}
    full = [count_risk(c, LIMITS, **options) for c in known.counts]
    some = tolerated_count_risks(known.counts, LIMITS, **options)
    tolerated = [np.min([tolerated_gbq(r.reached_gbq, r.tolerance) for r in risks], axis=0)
                 for risks in (full, some)]  # fmt: skip
    np.testing.assert_allclose(tolerated[1], tolerated[0], rtol=2e-4)
    for a, b in zip(full, some, strict=True):
        below = a.reached_gbq < 0.999 * tolerated[0][:, None]
        np.testing.assert_allclose(b.reached_gbq[below], a.reached_gbq[below], rtol=2e-4)
        assert (b.reached_gbq[~below] > 0.998 * np.repeat(tolerated[0], 64)[~below.ravel()]).all()


def test_dose_thresholds_meet_their_limits(situation):
    """Put back into the dose and the BED, they give the limits."""
    known = situation(5, 30)
    marrow, kidneys = (
        risk.reached_gbq for risk in dose_risks(known, LIMITS, n_cycles=np.arange(1, 6))
    )
    cycles = np.arange(1, 6)[:, None]
    total = known.marrow_dose_gy + cycles * marrow * known.marrow_gy_per_gbq
    np.testing.assert_allclose(total, 2.0)
    dose = kidneys * known.kidney_gy_per_gbq
    bed = known.kidney_bed_gy + cycles * dose * (1 + known.kidney_protraction * dose / 2.6)
    np.testing.assert_allclose(bed, 40.0)
    over = replace(known, kidney_bed_gy=np.full((5, 30), 41.0))
    assert (dose_risks(over, LIMITS)[1].reached_gbq == 0).all()


@pytest.mark.parametrize("tolerance", [0.05, 0.2, 0.25, 0.3, 0.99])
def test_the_tolerated_activity_is_the_highest_one(tolerance):
    reached = np.random.default_rng(2).exponential(5.0, (50, 20))
    highest = tolerated_gbq(reached, tolerance)
    assert (probability_at(reached, highest) <= tolerance).all()
    assert (probability_at(reached, highest * (1 + 1e-9)) > tolerance).all()


def test_a_longer_interval_must_be_worth_it(situation):
    known = situation(8, 20, seed=11, kill=0.7, lineages=("platelets", "neutrophils"))
    patient = make_policy("overdose_control", limits=LIMITS)(known)
    hasty = make_policy("overdose_control", {"worth_waiting_gbq": 100.0}, limits=LIMITS)(known)
    assert (hasty.day[hasty.action == TREAT] == 42.0).all()
    assert (patient.activity_gbq >= hasty.activity_gbq - 1e-9).all()
    assert (patient.activity_gbq > hasty.activity_gbq + 1e-9).any()


def test_without_room_for_the_dose_it_stops_and_without_counts_it_holds(situation):
    toxic = make_policy("overdose_control", limits=LIMITS)(situation(3, kill=50.0))
    assert (toxic.action == HOLD).all()
    full = situation(3, kidney_bed_gy=np.full((3, 16), 39.5))
    stopped = make_policy("overdose_control", limits=LIMITS)(full)
    assert (stopped.action == STOP).all()
    assert (stopped.binding == stopped.constraint_names.index("kidney BED")).all()
