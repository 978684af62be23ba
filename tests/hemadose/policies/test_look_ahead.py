"""Look-ahead against brute force over plans, and against exact dynamic programming."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from hemadose.planning.policies import PlanningLimits, make_policy
from hemadose.planning.policies.subsets import take_draws, take_patients
from hemadose.planning.situation import TREAT
from tests.hemadose.policies.test_overdose_control import falls_to_grade_3

LIMITS = PlanningLimits(
    max_activity_gbq=10.0, activity_step_gbq=0.5, interval_days=(42.0, 63.0), max_cycles=4,
    kidney_bed_gy=60.0, marrow_dose_gy=3.0, min_useful_activity_gbq=2.0,
)  # fmt: skip
GRID = np.arange(4, 21) * 0.5


def best_by_force(known, limits, price, price_per_day):
    """Best (utility, activity, day) over all plans of one patient, each simulated."""
    found = [(-np.inf, 0.0, 0.0)]
    remaining = int(limits.max_cycles - known.cycle[0] + 1)
    uptake = known.tumour_gy_per_gbq[0].mean(0)
    uptake = np.concatenate([uptake, np.repeat(uptake[-1], 10)])
    for n_cycles, interval in product(range(1, remaining + 1), limits.interval_days):
        when = max(known.last_day[0] + interval, known.day[0])
        falls = [
            falls_to_grade_3(c, when - known.day[0], GRID, n_cycles, interval) for c in known.counts
        ]
        marrow = known.marrow_dose_gy[0] + n_cycles * GRID[:, None] * known.marrow_gy_per_gbq[0]
        dose = GRID[:, None] * known.kidney_gy_per_gbq[0]
        bed = known.kidney_bed_gy[0] + n_cycles * dose * (
            1 + known.kidney_protraction[0] * dose / limits.kidney_alpha_beta_gy
        )
        legal = ((marrow > limits.marrow_dose_gy).mean(-1) <= limits.marrow_dose_tolerance) & (
            (bed > limits.kidney_bed_gy).mean(-1) <= limits.kidney_bed_tolerance
        )
        for c, fall in zip(known.counts, falls, strict=True):
            legal &= fall.mean(-1) <= limits.tolerance[f"{c.lineage} grade 3"]
        any_falls = np.any(falls, axis=0).mean(-1)
        span = when - known.day[0] + (n_cycles - 1) * interval
        utility = GRID * uptake[:n_cycles].sum() - price * any_falls - price_per_day * span
        utility = np.where(legal, utility, -np.inf)
        at = int(utility.argmax())
        found.append((utility[at], GRID[at], when))
    return max(found, key=lambda item: item[0])


@pytest.mark.parametrize(("price", "price_per_day"), [(0.0, 0.0), (60.0, 0.0), (20.0, 0.3)])
def test_it_finds_the_plan_that_brute_force_finds(situation, price, price_per_day):
    known = situation(
        4, 12, seed=21, kill=0.9, cycle=2, lineages=("platelets", "neutrophils"),
        tumour=(3.0, 2.0, 1.5),
    )  # fmt: skip
    settings = {"price_of_grade3": price, "price_per_day": price_per_day}
    decided = make_policy("look_ahead", settings, limits=LIMITS)(known)
    for row in range(4):
        alone = take_patients(known, np.array([row]))
        utility, activity, when = best_by_force(alone, LIMITS, price, price_per_day)
        if np.isneginf(utility):
            assert decided.action[row] != TREAT
            continue
        assert decided.activity_gbq[row] == pytest.approx(activity)
        assert decided.day[row] == when


def test_the_cases_of_brute_force_differ(situation):
    """The comparison above covers several activities, days and numbers of cycles."""
    known = situation(4, 12, seed=21, kill=0.9, lineages=("platelets", "neutrophils"),
                      tumour=(3.0, 2.0, 1.5))  # fmt: skip
    cheap = make_policy("look_ahead", limits=LIMITS)(known)
    dear = make_policy("look_ahead", {"price_of_grade3": 60.0}, limits=LIMITS)(known)
    one_plan = make_policy("look_ahead", {"fewer_cycles": False}, limits=LIMITS)(known)
    assert len(np.unique(cheap.activity_gbq)) > 2
    assert (dear.activity_gbq < cheap.activity_gbq).any()
    assert (dear.activity_gbq <= cheap.activity_gbq).all()
    assert (one_plan.activity_gbq != cheap.activity_gbq).any()


def without_counts(situation, uptake, marrow_gy_per_gbq=0.05, n_draws=4):
    """A certain patient at cycle 1 whose only limit is the marrow dose: linear, so exact."""
    known = situation(1, n_draws, cycle=1, day=0.0, counts=(), tumour=uptake)
    constant = np.full((1, n_draws), marrow_gy_per_gbq)
    return replace(
        known,
        marrow_gy_per_gbq=constant,
        kidney_gy_per_gbq=np.full((1, n_draws), 1e-6),
        tumour_gy_per_gbq=np.tile(np.array(uptake), (1, n_draws, 1)),
    )


def followed(situation, uptake, limits, **settings):
    """Tumour dose of a whole course in which every cycle is planned anew."""
    policy = make_policy("look_ahead", settings, limits=limits)
    known, total, activities = without_counts(situation, uptake), 0.0, []
    for cycle in range(1, limits.max_cycles + 1):
        uptake_left = np.array(uptake[cycle - 1 :])
        known = replace(
            known, cycle=np.array([cycle]), day=np.array([42.0 * cycle]),
            last_day=np.array([42.0 * (cycle - 1)]),
            tumour_gy_per_gbq=np.tile(uptake_left, (1, 4, 1)),
        )  # fmt: skip
        decided = policy(known)
        if decided.action[0] != TREAT:
            break
        activities.append(float(decided.activity_gbq[0]))
        total += activities[-1] * uptake_left[0]
        spent = known.marrow_dose_gy + decided.activity_gbq[0] * known.marrow_gy_per_gbq
        known = replace(known, marrow_dose_gy=spent)
    return total, activities


def exact_programme(uptake, room_gbq, cap, least, step):
    """Bellman's recursion over the activity left: nothing, or `least` to `cap` in steps."""
    choices = [0.0, *np.arange(round(least / step), round(cap / step) + 1) * step]
    left = np.arange(round(room_gbq / step) + 1) * step
    value = np.zeros(len(left))
    for dose in reversed(uptake):
        best = np.full(len(left), -np.inf)
        for activity in choices:
            k = round(activity / step)
            best[k:] = np.maximum(best[k:], activity * dose + value[: len(left) - k])
        value = best
    return value[-1]


@pytest.mark.parametrize(
    ("uptake", "room_gbq"),
    [((3.0, 3.0, 3.0, 3.0), 30.0), ((4.0, 2.0, 1.0, 0.5), 20.0), ((4.0, 2.0, 1.0, 0.5), 25.0),
     ((3.0, 2.7, 2.4, 2.1), 26.0), ((3.0, 2.7, 2.4, 2.1), 37.0)],
)  # fmt: skip
def test_it_comes_close_to_the_exact_dynamic_programme(situation, uptake, room_gbq):
    """Never above it, exact where equal cycles or full ones are optimal, else within 5 %."""
    limits = PlanningLimits(
        marrow_dose_gy=0.05 * room_gbq + 1e-9, max_activity_gbq=10.0, max_cycles=4,
        activity_step_gbq=0.5, min_useful_activity_gbq=2.0, interval_days=(42.0,),
    )  # fmt: skip
    exact = exact_programme(uptake, room_gbq, 10.0, 2.0, 0.5)
    reached, activities = followed(situation, uptake, limits)
    assert sum(activities) <= room_gbq + 1e-9
    assert 0.95 * exact <= reached <= exact + 1e-9
    if room_gbq in (20.0, 30.0):
        assert reached == pytest.approx(exact)


def test_falling_uptake_gives_more_now(situation):
    limits = PlanningLimits(marrow_dose_gy=1.0, max_activity_gbq=10.0, max_cycles=4)
    policy = make_policy("look_ahead", limits=limits)
    steady = policy(without_counts(situation, (3.0, 3.0, 3.0, 3.0))).activity_gbq[0]
    falling = policy(without_counts(situation, (3.0, 1.0, 0.5, 0.2))).activity_gbq[0]
    assert steady == pytest.approx(5.0)
    assert falling == pytest.approx(10.0)


def test_log_cell_kill_scales_the_prices(situation):
    known = situation(5, 16, kill=0.4)
    in_gy = make_policy("look_ahead", {"price_of_grade3": 40.0}, limits=LIMITS)(known)
    in_kill = make_policy(
        "look_ahead", {"price_of_grade3": 8.0, "alpha_per_gy": 0.2}, limits=LIMITS
    )(known)
    np.testing.assert_array_equal(in_gy.activity_gbq, in_kill.activity_gbq)


def test_fewer_draws_are_the_first_ones(situation):
    known = situation(4, 16, kill=0.4)
    some = make_policy("look_ahead", {"n_draws": 10}, limits=LIMITS)(known)
    first = take_draws(known, np.tile(np.arange(10), (4, 1)))
    same = make_policy("look_ahead", limits=LIMITS)(first)
    np.testing.assert_array_equal(some.activity_gbq, same.activity_gbq)
