import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio import CountParameters, RadiobioError, simulate_counts

LN2 = np.log(2)
PLATELETS = CountParameters(240.0, 18.5 * 24, 0.17, 1.0)


def marrow(dose, half_life_h=60.0):
    rate = LN2 / half_life_h
    return SumOfExponentials([dose * rate], [rate])


def twin(baseline, transit_h, gamma, kill, loss, dose_rates, days):
    """Solve the equations with scipy, in plain pools, and restart at each administration."""
    k = 4 / transit_h
    loss = k if loss is None else loss

    def slopes(t, y):
        dose_rate = sum(
            float(curve(t - 24 * start)) for start, curve in dose_rates if t >= 24 * start
        )
        p, t1, t2, t3, c = y
        drive = max(c, 0.01) ** -gamma
        return [
            p * (k * (drive - 1) - kill * dose_rate),
            k * (p - t1),
            k * (t1 - t2),
            k * (t2 - t3),
            loss * (t3 - c),
        ]

    state = np.ones(5)
    count = {}
    stops = np.unique([*(24 * np.asarray(days)), *(24 * start for start, _ in dose_rates)])
    count[stops[0]] = 1.0
    for a, b in pairwise(stops):
        # open the interval a little, so that an administration at its end has not begun
        run = solve_ivp(
            slopes,
            (a, b * (1 - 1e-15)),
            state,
            method="DOP853",
            rtol=1e-10,
            atol=1e-13,
            max_step=24.0,
            first_step=1e-3,
        )
        state = run.y[:, -1]
        count[b] = state[4]
    return baseline * np.array([count[24 * d] for d in days])


CASES = {
    "platelets": (240.0, 18.5 * 24, 0.17, 1.0, None),
    "fast chain": (4.2, 5.0 * 24, 0.24, 1.5, None),
    "red cells": (130.0, 8.0 * 24, 0.1, 0.5, 1 / 2880),
    "strong kill": (240.0, 12.0 * 24, 0.17, 6.0, None),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_equals_ode_solver(case):
    baseline, transit_h, gamma, kill, loss = case
    fast = SumOfExponentials([0.05, 0.006, -0.03], [1.2, 0.0116, 2.5])
    dose_rates = [(0.0, fast), (56.0, marrow(0.5))]
    days = np.array([0.0, 1.0, 3.5, 10.0, 24.0, 40.0, 56.0, 57.25, 84.0, 140.0])
    course = simulate_counts(
        CountParameters(baseline, transit_h, gamma, kill, loss), dose_rates, days
    )
    expected = twin(baseline, transit_h, gamma, kill, loss, dose_rates, days)
    np.testing.assert_allclose(course.count, expected, rtol=1e-5)


def test_steady_state_stays():
    course = simulate_counts(PLATELETS, [], np.arange(0, 200.0))
    np.testing.assert_allclose(course.count, 240.0, rtol=1e-12)
    course = simulate_counts(PLATELETS, [(30.0, marrow(1.0))], [-20.0, 10.0, 30.0])
    np.testing.assert_allclose(course.count, 240.0, rtol=1e-12)


@settings(max_examples=60)
@given(
    st.floats(0, 100), st.floats(0, 10), st.floats(2, 40), st.floats(0, 0.5), st.floats(0.01, 200)
)
def test_never_negative_never_explodes(dose, kill, transit_d, gamma, half_life_h):
    chain = CountParameters(1.0, 24 * transit_d, gamma, kill)
    course = simulate_counts(chain, [(0.0, marrow(dose, half_life_h))], np.arange(0, 300.0))
    assert (course.count > 0).all()
    assert np.isfinite(course.state).all()
    assert course.count.max() < 1000
    if gamma <= 0.25:
        assert course.count.max() < 6


def test_absurd_dose_and_usual_feedback():
    chain = CountParameters(240.0, 24 * np.array([5.0, 18.5]), 0.17, 4.25)
    course = simulate_counts(chain, [(0.0, marrow(100.0))], np.arange(0, 2500.0))
    assert (course.count > 0).all()
    assert (course.count < 3 * 240).all()
    np.testing.assert_allclose(course.count[:, -1], 240.0, rtol=0.01)


def test_recovers_to_baseline():
    course = simulate_counts(PLATELETS, [(0.0, marrow(0.5))], np.arange(0, 400.0))
    assert course.nadir() < 180
    np.testing.assert_allclose(course.count[-1], 240.0, rtol=1e-4)


def test_a_brief_dose_counts_by_its_dose():
    days = np.arange(0, 84.0)
    nadirs = [
        simulate_counts(PLATELETS, [(0.0, marrow(0.5, half_life_h))], days).nadir()
        for half_life_h in (0.001, 0.05, 0.5, 5.0, 60.0)
    ]
    np.testing.assert_allclose(nadirs[:4], nadirs[3], rtol=1e-4)
    # an acute dose is a proliferating pool that starts at e^{-kill dose}
    acute = [-0.5, 1.0, 1.0, 1.0, 1.0, 0.0]
    start = simulate_counts(PLATELETS, [], days, initial_state=acute, initial_day=0.0)
    np.testing.assert_allclose(nadirs[0], start.nadir(), rtol=1e-4)
    assert nadirs[3] < nadirs[4] < 1.02 * nadirs[3]  # spread over days: a little recovery


def test_only_kill_times_dose_matters():
    days = np.arange(0, 84.0)
    half = CountParameters(240.0, 18.5 * 24, 0.17, 0.5)
    a = simulate_counts(PLATELETS, [(0.0, marrow(0.5))], days)
    b = simulate_counts(half, [(0.0, marrow(1.0))], days)
    np.testing.assert_allclose(a.count, b.count, rtol=1e-12)


def test_more_dose_lower_nadir():
    dose = np.linspace(0, 5, 30)
    rate = LN2 / 60
    curves = SumOfExponentials((dose * rate)[:, None], [rate])
    chain = CountParameters(np.full(30, 240.0), 18.5 * 24, 0.17, 1.0)
    nadir = simulate_counts(chain, [(0.0, curves)], np.arange(0, 84.0)).nadir()
    assert (np.diff(nadir) < 0).all()


def test_nadir_of_platelets_at_five_weeks():
    # NETTER-1 (Lutathera label): median platelet nadir 5.1 weeks after the first dose
    course = simulate_counts(PLATELETS, [(0.0, marrow(0.0697 * 7.4))], np.arange(0, 84, 0.25))
    assert abs(course.nadir_day() / 7 - 5.1) < 0.15


def test_continued_futures_equal_the_whole():
    history = [(0.0, marrow(0.5)), (56.0, marrow(0.5))]
    tail = (100.0, marrow(0.4))
    switch = 103.0  # three days after an administration: most of it is still to come
    past = simulate_counts(PLATELETS, [*history, tail], [0.0, 50.0, switch])
    future = np.array([switch, 120.0, 150.0, 200.0])
    administrations = [*history, tail, (112.0, marrow(0.5))]
    continued = simulate_counts(
        PLATELETS, administrations, future, initial_state=past.state, initial_day=switch
    )
    whole = simulate_counts(PLATELETS, administrations, [0.0, 50.0, *future])
    np.testing.assert_allclose(continued.count, whole.count[2:], rtol=2e-5)
    forgotten = simulate_counts(
        PLATELETS, [(112.0, marrow(0.5))], future, initial_state=past.state, initial_day=switch
    )
    assert forgotten.count[-2] > 1.005 * whole.count[-2]


def test_candidate_activities_share_one_history():
    past = simulate_counts(PLATELETS, [(0.0, marrow(0.5))], [0.0, 56.0])
    scale = np.array([0.0, 0.5, 1.0])
    chain = CountParameters(np.full(3, 240.0), 18.5 * 24, 0.17, 1.0)
    rises = [(0.0, marrow(0.5)), (56.0, marrow(0.5).scaled(scale))]
    future = simulate_counts(
        chain, rises, np.arange(56, 140.0), initial_state=past.state, initial_day=56.0
    )
    assert future.count.shape == (3, 84)
    assert (np.diff(future.count[:, 40]) < 0).all()
    alone = simulate_counts(
        PLATELETS, [(0.0, marrow(0.5)), (56.0, marrow(0.25))], np.arange(0, 140.0)
    )
    np.testing.assert_allclose(future.count[1], alone.count[56:], rtol=1e-5)


def test_shapes_and_repeated_days():
    chain = CountParameters(np.full((2, 3), 240.0), 18.5 * 24, 0.17, 1.0)
    course = simulate_counts(chain, [(0.0, marrow(0.5))], [0.0, 30.0, 30.0])
    assert course.count.shape == (2, 3, 3)
    assert course.state.shape == (2, 3, 6)
    np.testing.assert_array_equal(course.count[..., 1], course.count[..., 2])
    assert simulate_counts(PLATELETS, [], []).count.shape == (0,)
    assert chain[0].shape == (3,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"day": [3.0, 1.0]}, "rise"),
        ({"day": [0.0], "initial_day": 5.0}, "lies before"),
        ({"day": [0.0], "initial_state": np.zeros(6)}, "needs initial_day"),
        ({"day": [0.0], "initial_state": np.zeros(4), "initial_day": 0.0}, "does not fit"),
    ],
)
def test_what_is_not_legal(arguments, message):
    with pytest.raises(RadiobioError, match=message):
        simulate_counts(PLATELETS, [(0.0, marrow(0.5))], **arguments)


def test_illegal_parameters():
    with pytest.raises(RadiobioError, match="mean_transit_time_h"):
        CountParameters(240.0, 0.0, 0.17, 1.0)
    with pytest.raises(RadiobioError, match="kill_per_gy"):
        CountParameters(240.0, 400.0, 0.17, -1.0)
    with pytest.raises(RadiobioError, match="do not broadcast"):
        CountParameters(np.ones(3), np.ones(2), 0.17, 1.0)
    curves = SumOfExponentials(np.ones((3, 1)), np.ones((3, 1)))
    with pytest.raises(RadiobioError, match="does not fit parameters"):
        simulate_counts(PLATELETS, [(0.0, curves)], [0.0, 1.0])


def test_import_is_light():
    code = (
        "import sys, radiobio; print([m for m in ('numba', 'scipy', 'pandas') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_reserve_stays_with_its_parameters():
    chain = CountParameters(240.0, 444.0, 0.17, np.ones(3), None, [0.0, 0.1, 0.2])
    assert chain[1].reserve_loss_per_gy == 0.1
    course = simulate_counts(chain, [(0.0, marrow(2.0))], [0.0, 3.0, 1500.0])
    np.testing.assert_allclose(course.state[:, 5], [0.0, -0.2, -0.4], rtol=1e-4)
    np.testing.assert_allclose(course.count[:, 2], 240 * np.exp([0.0, -0.2, -0.4]), rtol=1e-4)
    with pytest.raises(RadiobioError, match="reserve_loss_per_gy"):
        CountParameters(240.0, 444.0, 0.17, 1.0, None, -0.1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"circulating_loss_per_h": 1e300}, "100/h"),  # would step without end
        ({"mean_transit_time_h": 1e-3}, "0.04 h"),
        ({"feedback_exponent": 50.0}, "at most 10"),
        ({"baseline": "x"}, "baseline"),
    ],
)
def test_parameters_beyond_any_meaning(change, message):
    given = {"baseline": 250.0, "mean_transit_time_h": 444.0, "feedback_exponent": 0.17,
             "kill_per_gy": 1.0}  # fmt: skip
    with pytest.raises(RadiobioError, match=message):
        CountParameters(**(given | change))


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_transit_times_far_from_usual_against_solve_ivp(factor):
    """Twelve cycles under a mean transit time 100 times shorter or longer."""
    chain = CountParameters(250.0, 444.0 * factor, 0.17, 1.0)
    starts = 42.0 * np.arange(12)
    marrow = SumOfExponentials([0.006], [0.01155])
    days = np.linspace(0.0, 600.0, 61)
    found = simulate_counts(chain, [(s, marrow) for s in starts], days).count
    k = 4.0 / (444.0 * factor)

    def right(t, y):
        age = t - 24.0 * starts
        rate = (0.006 * np.exp(-0.01155 * np.maximum(age, 0.0)) * (age >= 0)).sum()
        feedback = max(y[4], 0.01) ** -0.17
        return [k * (feedback - 1.0) - rate, k * (np.exp(y[0]) - y[1]), k * (y[1] - y[2]),
                k * (y[2] - y[3]), k * (y[3] - y[4])]  # fmt: skip

    state, relative = np.array([0.0, 1.0, 1.0, 1.0, 1.0]), [1.0]
    edges = np.unique(np.concatenate([24.0 * days, 24.0 * starts]))
    for low, high in pairwise(edges):
        state = solve_ivp(right, (low, high), state, method="LSODA", rtol=1e-9, atol=1e-11).y[:, -1]
        if high in 24.0 * days:
            relative.append(state[4])
    np.testing.assert_allclose(found / 250.0, relative, atol=3e-5)


def test_days_and_states_that_are_no_numbers():
    chain = CountParameters(250.0, 444.0, 0.17, 1.0)
    marrow = SumOfExponentials([0.006], [0.01155])
    for call, message in (
        (lambda: simulate_counts(chain, [(np.nan, marrow)], [0.0]), "start_day"),
        (lambda: simulate_counts(chain, [], "x"), "day"),
        (lambda: simulate_counts(chain, [], [0.0], initial_day=-np.inf), "initial_day"),
        (lambda: simulate_counts(chain, [], [0.0], initial_day=0.0, initial_state=-1.0), "pools"),
    ):
        with pytest.raises(RadiobioError, match=message):
            call()
