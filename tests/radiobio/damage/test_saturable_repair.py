import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio.damage.dsb import foci_per_cell
from radiobio.damage.saturable_repair import saturable_foci_per_cell, saturable_repair_left
from radiobio.errors import RadiobioError

BLOOD = SumOfExponentials([0.012, 0.002], [0.46, 0.023])
NOTHING = SumOfExponentials([0.0], [1.0])
TIMES = np.array([0.0, 0.3, 1.0, 5.0, 40.0, 160.0])


@pytest.mark.parametrize("first_order", [0.0, 0.05])
@pytest.mark.parametrize(("capacity", "half"), [(0.01, 0.05), (0.1, 0.2), (1.0, 0.3), (30.0, 2.0)])
def test_equals_an_ode_solver(capacity, half, first_order):
    def slope(t, n):
        return 14.7 * BLOOD(t) - capacity * n / (half + n) - first_order * n

    ode = solve_ivp(slope, (0, 160), [0.1], t_eval=TIMES, rtol=1e-11, atol=1e-14, method="LSODA")
    foci = saturable_foci_per_cell(
        BLOOD, TIMES, induction_per_gy=14.7, capacity_per_h=capacity, initial_per_cell=0.1,
        half_capacity_per_cell=half, first_order_rate_per_h=first_order, background_per_cell=0.2,
    )  # fmt: skip
    np.testing.assert_allclose(foci - 0.2, ode.y[0], rtol=1e-6, atol=1e-9)


@given(st.floats(0.01, 5.0), st.floats(0.05, 5.0), st.floats(0.01, 20.0))
@settings(max_examples=30, deadline=None)
def test_without_irradiation_it_is_the_exact_solution(capacity, half, initial):
    args = {"capacity_per_h": capacity, "half_capacity_per_cell": half, "initial_per_cell": initial}
    exact = saturable_repair_left(TIMES, **args)
    foci = saturable_foci_per_cell(NOTHING, TIMES, induction_per_gy=1.0, **args)
    np.testing.assert_allclose(foci, exact, rtol=1e-6, atol=1e-8)
    # the implicit solution K ln N + N = K ln N0 + N0 - V t, where N is not lost in rounding
    kept = exact > 1e-6
    left = half * np.log(exact[kept]) + exact[kept]
    expected = half * np.log(initial) + initial - capacity * TIMES[kept]
    np.testing.assert_allclose(left, expected, rtol=1e-9, atol=1e-8)


def test_with_capacity_to_spare_repair_is_of_first_order():
    foci = saturable_foci_per_cell(
        BLOOD, TIMES, induction_per_gy=14.7, capacity_per_h=2.5e5, half_capacity_per_cell=1e6
    )
    first = foci_per_cell(BLOOD, TIMES, induction_per_gy=14.7, repair_rate_per_h=0.25)
    np.testing.assert_allclose(foci, first, rtol=1e-6, atol=1e-9)


def test_far_above_capacity_repair_is_constant():
    left = saturable_repair_left(
        [0.0, 1.0, 2.0], initial_per_cell=1e4, capacity_per_h=10.0, half_capacity_per_cell=0.01
    )
    np.testing.assert_allclose(left, [1e4, 9990.0, 9980.0], rtol=1e-6)


def test_a_doubled_dose_more_than_doubles_the_foci():
    args = {"induction_per_gy": 14.7, "capacity_per_h": 0.1, "half_capacity_per_cell": 0.1}
    one = saturable_foci_per_cell(BLOOD, TIMES[1:], **args)
    two = saturable_foci_per_cell(BLOOD.scaled(2.0), TIMES[1:], **args)
    assert (two > 2 * one).all()


def test_draws_and_order_of_times():
    rng = np.random.default_rng(4)
    curves = BLOOD[None, None].scaled(rng.lognormal(0, 0.3, (3, 4)))
    capacity, half = rng.lognormal(-2, 0.3, (3, 1)), rng.lognormal(-1, 0.3, 4)
    args = {"induction_per_gy": 14.7}
    foci = saturable_foci_per_cell(
        curves, [40.0, 1.0, 40.0], capacity_per_h=capacity, half_capacity_per_cell=half, **args
    )
    assert foci.shape == (3, 4, 3)
    np.testing.assert_array_equal(foci[..., 0], foci[..., 2])
    alone = saturable_foci_per_cell(
        curves[2, 1], 1.0, capacity_per_h=capacity[2, 0], half_capacity_per_cell=half[1], **args
    )
    assert alone.shape == ()
    np.testing.assert_allclose(foci[2, 1, 1], alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_capacity_per_cell": 0.0}, "half_capacity_per_cell must be finite and above zero"),
        ({"capacity_per_h": -1.0}, "capacity_per_h"),
        ({"induction_per_gy": [1.0, 2.0], "initial_per_cell": [1.0, 2.0, 3.0]}, "broadcast"),
        ({"capacity_per_h": 1e6}, "curve 0 needs too many steps"),
    ],
)
def test_what_is_not_legal(change, message):
    args = {"induction_per_gy": 14.7, "capacity_per_h": 0.1, "half_capacity_per_cell": 0.2}
    with pytest.raises(RadiobioError, match=message):
        saturable_foci_per_cell(BLOOD, [1.0, 168.0], **(args | change))
