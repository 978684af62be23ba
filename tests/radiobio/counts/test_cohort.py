import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio.counts import (
    CountParameters,
    activity_reaching,
    advance_counts,
    lineage_prior,
    simulate_counts,
    steady_state,
)
from radiobio.errors import RadiobioError

LN2 = np.log(2)
LINEAGES = ("haemoglobin", "leukocytes", "lymphocytes", "neutrophils", "platelets")
PER_GBQ = {"blood": 0.0164, "image": 0.0697}  # marrow dose (Gy/GBq): PMC10478826, Table 3
HORIZON_H = 84 * 24.0
PLATELETS = CountParameters(240.0, 18.5 * 24, 0.17, 1.0)


def patients(lineage, method, n, rng, *, reserve_loss=0.0):
    """Prior draws and dose rates per activity with fast, slow and rising terms."""
    drawn = lineage_prior(lineage, method).sample(n, rng)
    parameters = CountParameters(
        drawn.baseline, drawn.mean_transit_time_h, drawn.feedback_exponent, drawn.kill_per_gy,
        drawn.circulating_loss_per_h, reserve_loss,
    )  # fmt: skip
    dose = PER_GBQ[method] * np.exp(0.5 * rng.standard_normal(n))
    slow = LN2 / (60 * np.exp(0.3 * rng.standard_normal(n)))
    fast = LN2 / (1.5 * np.exp(0.4 * rng.standard_normal(n)))
    share = rng.uniform(0.1, 0.6, n)
    amplitude = [dose * (1 - share) * slow, 1.2 * dose * share * fast, -0.6 * dose * share * fast]
    return parameters, SumOfExponentials(
        np.stack(amplitude, -1), np.stack([slow, fast, 3 * fast], -1)
    )


def solved(parameters, dose_rate, span_h, state=None):
    """State at the end and lowest count by scipy; one course."""
    k, gamma = 4 / parameters.mean_transit_time_h, parameters.feedback_exponent
    a, r = dose_rate.amplitude, dose_rate.rate_per_h

    def slopes(t, y):
        rate = a @ np.exp(-r * t)
        drive = np.exp(-gamma * max(np.log(y[4]) - y[5], np.log(0.01)))
        return [
            k * (drive - 1) - parameters.kill_per_gy * rate,
            k * (np.exp(y[0]) - y[1]),
            k * (y[1] - y[2]),
            k * (y[2] - y[3]),
            parameters.circulating_loss_per_h * (y[3] - y[4]),
            -parameters.reserve_loss_per_gy * rate,
        ]

    run = solve_ivp(
        slopes, (0, span_h), steady_state() if state is None else state, method="DOP853",
        rtol=1e-9, atol=1e-12, first_step=1e-3, max_step=24.0, dense_output=True,
    )  # fmt: skip
    return run.y[:, -1], parameters.baseline * run.sol(np.linspace(0, span_h, 8000))[4].min()


@pytest.mark.parametrize("lineage", LINEAGES)
def test_advance_equals_ode_solver_over_the_prior(lineage):
    rng = np.random.default_rng(1)
    for method in sorted(PER_GBQ):
        parameters, per_gbq = patients(lineage, method, 8, rng, reserve_loss=0.3)
        dose_rate = per_gbq.scaled(rng.uniform(3.7, 20.0, 8))
        found = advance_counts(parameters, steady_state(), dose_rate=dose_rate, span_h=HORIZON_H)
        exact = simulate_counts(parameters, [(0.0, dose_rate)], [0.0, 84.0])
        for i in range(8):
            state, lowest = solved(parameters[i], dose_rate[i], HORIZON_H)
            np.testing.assert_allclose(found.lowest[i], lowest, rtol=1e-3)
            np.testing.assert_allclose(found.state[i], state, rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(exact.state[i], state, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("lineage", LINEAGES)
def test_six_cycles_over_the_prior(lineage):
    rng = np.random.default_rng(2)
    n = 20
    parameters, per_gbq = patients(lineage, "image", n, rng)
    state, worst, worst_fine = np.tile(steady_state(), (n, 1)), 0.0, 0.0
    expected = state.copy()
    remaining = per_gbq.scaled(0.0)
    cycle_h = 42 * 24.0
    fine = simulate_counts(
        parameters, [(42.0 * j, per_gbq.scaled(7.4)) for j in range(6)], 42.0 * np.arange(7)
    )
    for cycle in range(6):
        now = SumOfExponentials(
            remaining.amplitude + per_gbq.scaled(7.4).amplitude, per_gbq.rate_per_h
        )
        found = advance_counts(parameters, state, dose_rate=now, span_h=cycle_h)
        state = found.state
        for i in range(n):
            expected[i], lowest = solved(parameters[i], now[i], cycle_h, expected[i])
            worst = max(worst, abs(found.lowest[i] / lowest - 1))
        exact = parameters.baseline * expected[:, 4]
        worst_fine = max(worst_fine, abs(fine.count[:, cycle + 1] / exact - 1).max())
        remaining = SumOfExponentials(
            now.amplitude * np.exp(-now.rate_per_h * cycle_h), now.rate_per_h
        )
    print(
        f"{lineage}: largest relative error of six nadirs {worst:.1e}, of counts {worst_fine:.1e}"
    )
    assert worst < 1e-3
    assert worst_fine < 1e-5


@pytest.mark.parametrize("times_k", [0.0, 0.03, 0.97, 1 - 1e-9, 1.0, 1 + 1e-7, 1.4, 4.0, 30.0])
def test_any_loss_of_circulating_cells(times_k):
    k = 4 / 444.0
    chain = CountParameters(1.0, 444.0, 0.2, 2.0, max(times_k * k, 1e-6))
    dose_rate = SumOfExponentials([0.5 * LN2 / 60, 0.02], [LN2 / 60, 0.5])
    state, lowest = solved(chain, dose_rate, HORIZON_H)
    found = advance_counts(chain, steady_state(), dose_rate=dose_rate, span_h=HORIZON_H)
    np.testing.assert_allclose(found.lowest, lowest, rtol=1e-3)
    np.testing.assert_allclose(found.state, state, rtol=1e-3, atol=1e-3)
    course = simulate_counts(chain, [(0.0, dose_rate)], [0.0, 84.0])
    np.testing.assert_allclose(course.state, state, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("gy_per_h", [1e-4, 0.01, 1.0])
def test_a_dose_rate_that_does_not_decay(gy_per_h):
    dose_rate = SumOfExponentials([gy_per_h], [0.0])
    state, lowest = solved(PLATELETS, dose_rate, 400.0)
    found = advance_counts(PLATELETS, steady_state(), dose_rate=dose_rate, span_h=400.0)
    np.testing.assert_allclose(found.lowest, lowest, rtol=1e-3)
    np.testing.assert_allclose(found.state[1:5], state[1:5], rtol=1e-3)
    np.testing.assert_allclose(found.state[0], state[0], atol=1e-3)


def test_lowest_count_and_its_time():
    dose_rate = SumOfExponentials([0.5 * LN2 / 60], [LN2 / 60])
    found = advance_counts(PLATELETS, steady_state(), dose_rate=dose_rate, span_h=HORIZON_H)
    course = simulate_counts(PLATELETS, [(0.0, dose_rate)], np.arange(0, 84, 0.05))
    np.testing.assert_allclose(found.lowest, course.nadir(), rtol=2e-4)
    assert abs(found.lowest_h / 24 - course.nadir_day()) < 0.3
    falling = advance_counts(PLATELETS, steady_state(), dose_rate=dose_rate, span_h=240.0)
    assert falling.lowest_h == 240.0
    np.testing.assert_allclose(falling.lowest, 240.0 * falling.state[4])
    low = steady_state()
    low[4] = 0.4  # recovers from the start
    rising = advance_counts(PLATELETS, low, dose_rate=dose_rate.scaled(0.0), span_h=240.0)
    assert rising.lowest_h == 0.0
    np.testing.assert_allclose(rising.lowest, 96.0)


def test_two_spans_are_one():
    rng = np.random.default_rng(3)
    parameters, per_gbq = patients("neutrophils", "image", 50, rng, reserve_loss=0.2)
    dose_rate = per_gbq.scaled(7.4)
    span = rng.uniform(0, HORIZON_H, 50)
    first = advance_counts(parameters, steady_state(), dose_rate=dose_rate, span_h=span)
    later = SumOfExponentials(
        dose_rate.amplitude * np.exp(-dose_rate.rate_per_h * span[:, None]), dose_rate.rate_per_h
    )
    second = advance_counts(parameters, first.state, dose_rate=later, span_h=HORIZON_H - span)
    whole = advance_counts(parameters, steady_state(), dose_rate=dose_rate, span_h=HORIZON_H)
    np.testing.assert_allclose(second.state, whole.state, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.minimum(first.lowest, second.lowest), whole.lowest, rtol=1e-3)
    still = advance_counts(parameters, first.state, dose_rate=later, span_h=0.0)
    np.testing.assert_array_equal(still.state, first.state)


@settings(max_examples=80, deadline=None)
@given(
    dose=st.floats(0, 1e4),
    kill=st.floats(0, 10),
    transit_d=st.floats(2, 40),
    gamma=st.floats(0, 0.5),
    half_life_h=st.floats(0.01, 400),
    reserve_loss=st.floats(0, 2),
    loss_per_h=st.floats(1e-4, 0.5),
)
def test_never_negative_never_explodes(
    dose, kill, transit_d, gamma, half_life_h, reserve_loss, loss_per_h
):
    chain = CountParameters(1.0, 24 * transit_d, gamma, kill, loss_per_h, reserve_loss)
    dose_rate = SumOfExponentials([dose * LN2 / half_life_h], [LN2 / half_life_h])
    found = advance_counts(chain, steady_state(), dose_rate=dose_rate, span_h=300 * 24.0)
    assert np.isfinite(found.state).all()
    assert (found.state[1:5] > 0).all()
    assert 0 < found.lowest <= 1.0
    assert found.state[1:5].max() < 1000


@settings(max_examples=40, deadline=None)
@given(
    kill=st.floats(0.01, 5),
    transit_d=st.floats(4, 40),
    gamma=st.floats(0, 0.3),
    half_life_h=st.floats(0.1, 200),
)
def test_more_activity_never_raises_the_lowest_count(kill, transit_d, gamma, half_life_h):
    chain = CountParameters(np.ones(40), 24 * transit_d, gamma, kill)
    dose = np.geomspace(1e-3, 10, 40)
    dose_rate = SumOfExponentials((dose * LN2 / half_life_h)[:, None], [LN2 / half_life_h])
    found = advance_counts(chain, steady_state(), dose_rate=dose_rate, span_h=HORIZON_H)
    ratio = found.lowest[1:] / found.lowest[:-1]
    assert (ratio <= 1 + 5e-4).all()  # up to the error of the steps


def test_reserve_is_what_is_left_in_the_end():
    dose = np.array([0.0, 0.5, 2.0])
    chain = CountParameters(240.0, 300.0, 0.2, np.ones(3), None, 0.15)
    dose_rate = SumOfExponentials((dose * LN2 / 60)[:, None], [LN2 / 60])
    found = advance_counts(chain, steady_state(), dose_rate=dose_rate, span_h=2000 * 24.0)
    np.testing.assert_allclose(found.state[:, 4], np.exp(-0.15 * dose), rtol=2e-4)
    np.testing.assert_allclose(found.state[:, 5], -0.15 * dose, rtol=1e-9, atol=1e-12)
    course = simulate_counts(chain, [(0.0, dose_rate)], [0.0, 2000.0])
    np.testing.assert_allclose(course.count[:, 1], 240 * np.exp(-0.15 * dose), rtol=1e-6)


def test_neither_feedback_nor_kill():
    dose_rate = SumOfExponentials([0.5 * LN2 / 60], [LN2 / 60])
    none = CountParameters(1.0, 300.0, 0.2, 0.0)
    np.testing.assert_allclose(
        advance_counts(none, steady_state(), dose_rate=dose_rate, span_h=5000.0).state,
        steady_state(),
        atol=1e-13,
    )
    open_loop = CountParameters(1.0, 300.0, 0.0, 1.3)  # P stays at e^{-kill dose}, C follows
    found = advance_counts(open_loop, steady_state(), dose_rate=dose_rate, span_h=20_000.0)
    np.testing.assert_allclose(found.state[0], -0.65, rtol=1e-9)
    np.testing.assert_allclose(found.state[1:5], np.exp(-0.65), rtol=1e-6)


def test_units_scale():
    # counts in other units, time in other units, dose in other units
    dose_rate = SumOfExponentials([0.006, 0.02], [0.0116, 0.5])
    usual = advance_counts(PLATELETS, steady_state(), dose_rate=dose_rate, span_h=1500.0)
    minutes = CountParameters(240e3, 18.5 * 24 * 60, 0.17, 0.001)
    scaled = SumOfExponentials(dose_rate.amplitude * 1000 / 60, dose_rate.rate_per_h / 60)
    other = advance_counts(minutes, steady_state(), dose_rate=scaled, span_h=1500.0 * 60)
    np.testing.assert_allclose(other.lowest, 1000 * usual.lowest, rtol=1e-9)
    np.testing.assert_allclose(other.state, usual.state, rtol=1e-9)


def brute_force(parameters, state, limit, remaining, per_gbq, wait_h, most, schedule):
    """Bisection over fine simulations of one course."""
    n_cycles, interval_h, horizon_h = schedule
    end = (wait_h + (n_cycles - 1) * interval_h + horizon_h) / 24
    days = np.linspace(wait_h / 24, end, 3000)

    def lowest(activity):
        given_rates = [(0.0, remaining)] + [
            ((wait_h + j * interval_h) / 24, per_gbq.scaled(activity)) for j in range(n_cycles)
        ]
        course = simulate_counts(
            parameters, given_rates, days, initial_state=state, initial_day=0.0
        )
        return course.nadir()

    if lowest(most) >= limit:
        return np.inf
    if lowest(0.0) < limit:
        return 0.0
    low, high = 0.0, most
    for _ in range(14):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if lowest(middle) < limit else (middle, high)
    return 0.5 * (low + high)


@pytest.mark.parametrize("schedule", [(1, 0.0, HORIZON_H), (3, 42 * 24.0, 60 * 24.0)])
def test_activity_equals_brute_force(schedule):
    rng = np.random.default_rng(5)
    n = 24
    parameters, per_gbq = patients("platelets", "image", n, rng, reserve_loss=0.1)
    remaining = per_gbq.scaled(2.0)
    earlier = advance_counts(
        parameters, steady_state(), dose_rate=per_gbq.scaled(7.4), span_h=900.0
    ).state
    limit = np.tile([50.0, 75.0, 100.0, 150.0], n // 4)
    wait = rng.uniform(0, 700.0, n)
    found = activity_reaching(
        parameters, earlier, limit=limit, remaining_rate=remaining, rate_per_gbq=per_gbq,
        wait_h=wait, max_activity_gbq=15.0, n_cycles=schedule[0], interval_h=schedule[1],
        horizon_h=schedule[2],
    )  # fmt: skip
    expected = [
        brute_force(
            parameters[i], earlier[i], limit[i], remaining[i], per_gbq[i], wait[i], 15.0, schedule
        )
        for i in range(n)
    ]
    assert 0 in found
    assert np.inf in found
    assert ((found > 0) & np.isfinite(found)).sum() >= 5
    np.testing.assert_allclose(found, expected, rtol=5e-3, atol=5e-3)


def test_lower_limit_more_activity():
    limit = np.linspace(20.0, 239.0, 60)
    found = activity_reaching(
        PLATELETS, steady_state(), limit=limit,
        remaining_rate=SumOfExponentials([0.0], [1.0]),
        rate_per_gbq=SumOfExponentials([0.0697 * LN2 / 60], [LN2 / 60]), wait_h=0.0,
        max_activity_gbq=100.0,
    )  # fmt: skip
    assert (np.diff(found[np.isfinite(found)]) < 0).all()
    assert np.isfinite(found).sum() > 50


def test_threads_do_not_change_a_bit():
    code = """if True:
        import hashlib, numpy as np
        from kinetics import SumOfExponentials
        from radiobio.counts import *
        rng = np.random.default_rng(7)
        own = lineage_prior("platelets", "image").sample(1000, rng)
        rate = SumOfExponentials(rng.uniform(0, 1e-3, (1000, 2)), rng.uniform(0.01, 0.5, (1000, 2)))
        a = advance_counts(own, steady_state(), dose_rate=rate.scaled(7.4), span_h=1000.0)
        b = activity_reaching(own, a.state, limit=75.0, remaining_rate=rate, rate_per_gbq=rate,
                              wait_h=10.0, max_activity_gbq=20.0)
        c = simulate_counts(own, [(0.0, rate.scaled(7.4))], [0.0, 30.0]).count
        print(hashlib.sha256(b"".join(x.tobytes() for x in (a.state, a.lowest, b, c))).hexdigest())
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={"PATH": "", "NUMBA_NUM_THREADS": threads},
        ).stdout
        for threads in ("1", "3")
    }  # fmt: skip
    assert len(found) == 1


def test_axes_broadcast():
    parameters = CountParameters(np.full((2, 3), 240.0), 444.0, 0.17, 1.0)
    rate = SumOfExponentials(np.full((2, 1, 1), 0.006), [0.0116])
    found = advance_counts(parameters, steady_state(), dose_rate=rate, span_h=np.full(3, 900.0))
    assert found.state.shape == (2, 3, 6)
    assert found.lowest.shape == found.lowest_h.shape == (2, 3)
    activity = activity_reaching(
        PLATELETS, steady_state(), limit=np.array([[50.0], [100.0]]), remaining_rate=rate[0],
        rate_per_gbq=rate[0], wait_h=np.zeros(4), max_activity_gbq=10.0,
    )  # fmt: skip
    assert activity.shape == (2, 4)
    empty = advance_counts(PLATELETS, np.empty((0, 6)), dose_rate=rate[0, 0], span_h=1.0)
    assert empty.lowest.shape == (0,)


def test_what_is_not_legal():
    rate = SumOfExponentials([0.006], [0.0116])
    with pytest.raises(RadiobioError, match="six pools"):
        advance_counts(PLATELETS, np.ones(5), dose_rate=rate, span_h=1.0)
    with pytest.raises(RadiobioError, match="span_h"):
        advance_counts(PLATELETS, steady_state(), dose_rate=rate, span_h=-1.0)
    with pytest.raises(RadiobioError, match="do not broadcast"):
        advance_counts(PLATELETS, np.ones((2, 6)), dose_rate=rate, span_h=np.ones(3))
    usual = {
        "limit": 50.0, "remaining_rate": rate, "rate_per_gbq": rate, "wait_h": 0.0,
        "max_activity_gbq": 10.0,
    }  # fmt: skip
    for wrong, message in [
        ({"limit": 0.0}, "limit"),
        ({"n_cycles": 0}, "n_cycles"),
        ({"wait_h": np.nan}, "wait_h"),
        ({"horizon_h": -1.0}, "horizon_h"),
        ({"max_activity_gbq": np.ones((2, 1))}, ""),
    ]:
        state = np.ones((3, 6)) if not message else steady_state()
        if not message:
            assert activity_reaching(PLATELETS, state, **usual | wrong).shape == (2, 3)
            continue
        with pytest.raises(RadiobioError, match=message):
            activity_reaching(PLATELETS, state, **usual | wrong)
