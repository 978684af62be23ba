from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from kinetics import SumOfExponentials
from radiobio import (
    RadiobioError,
    foci_after_irradiation,
    foci_per_cell,
    induction_from_apparent_slope,
)

REFERENCE = Path(__file__).parents[2] / "reference"
LN2 = np.log(2)
BLOOD = SumOfExponentials([0.012, 0.002], [LN2 / 1.5, LN2 / 30])
TWO_POOLS = {"repair_rate_per_h": [0.58, 0.02], "fraction": [0.96, 0.04]}


def test_synthetic_table_to_its_digits():
    table = np.genfromtxt(
        REFERENCE / "radiobio_foci_one_compartment.csv", delimiter=",", names=True
    )
    foci = foci_per_cell(BLOOD, table["time_h"], induction_per_gy=14.7, **TWO_POOLS)
    np.testing.assert_allclose(foci, table["foci_closed_form"], rtol=1e-10)
    np.testing.assert_allclose(foci, table["foci_ode"], rtol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.02, 0.25, LN2 / 1.5])
def test_single_pool_equals_ode(rate):
    time = np.array([0.3, 1.0, 5.0, 40.0, 160.0])

    def slope(t, n):
        return 14.7 * BLOOD(t) - rate * n

    ode = solve_ivp(slope, (0, 160), [0.0], t_eval=time, rtol=1e-10, atol=1e-13, method="LSODA")
    foci = foci_per_cell(BLOOD, time, induction_per_gy=14.7, repair_rate_per_h=rate)
    np.testing.assert_allclose(foci, ode.y[0], rtol=1e-6)


@given(st.floats(0.05, 3.0), st.floats(0.005, 0.04), st.floats(0.1, 1.0), st.floats(0.0, 0.02))
def test_foci_follow_the_dose_early_and_the_dose_rate_late(repair, slow, fast, early_h):
    """c D at first, c (dD/dt) / (k - lambda) at last, for any patient with lambda < k."""
    curve = SumOfExponentials([0.01, 0.002], [slow + fast, slow])
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": repair}
    early = foci_per_cell(curve, early_h, **args)
    dose = 14.7 * curve.cumulative(early_h)
    assert dose * (1 - repair * early_h) <= early * (1 + 1e-12)
    assert early <= dose * (1 + 1e-12)
    # foci over dose rate approach their limit, by the slower of the other two exponentials
    late_h = 30 / min(fast, repair - slow)
    late = foci_per_cell(curve, late_h, **args)
    np.testing.assert_allclose(late, 14.7 * curve(late_h) / (repair - slow), rtol=1e-6)


def test_early_samples_order_patients_by_dose_and_late_ones_by_dose_rate():
    # two patients of equal dose rate at 48 h, of which one got three times the dose until 1 h
    slow = SumOfExponentials([0.004, 0.002], [0.5, 0.02])
    fast = SumOfExponentials([0.024, 0.002], [2.0, 0.02])
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": 0.25}
    at = np.array([0.1, 48.0])
    ratio = foci_per_cell(fast, at, **args) / foci_per_cell(slow, at, **args)
    dose = fast.cumulative(at) / slow.cumulative(at)
    dose_rate = fast(at) / slow(at)
    np.testing.assert_allclose(ratio[0], dose[0], rtol=1e-3)
    np.testing.assert_allclose(ratio[1], dose_rate[1], rtol=1e-3)
    assert dose[0] > 3
    assert dose[1] > 1.03


@given(st.floats(1e-6, 1e6), st.floats(0, 5), st.floats(0, 300))
def test_linear_in_dose(factor, rate, time):
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": rate}
    one = foci_per_cell(BLOOD, time, **args)
    scaled = foci_per_cell(BLOOD.scaled(factor), time, **args)
    np.testing.assert_allclose(scaled, factor * one, rtol=1e-12, atol=1e-300)


def test_draw_axes_and_background():
    curves = BLOOD.scaled(np.array([1.0, 2.0, 3.0]))
    rates = np.array([[0.5, 0.02], [0.6, 0.02], [0.7, 0.01]])
    foci = foci_per_cell(
        curves,
        [1.0, 4.0],
        induction_per_gy=[10.0, 12.0, 14.0],
        repair_rate_per_h=rates,
        fraction=[0.9, 0.1],
        background_per_cell=[0.1, 0.2, 0.3],
    )
    assert foci.shape == (3, 2)
    alone = foci_per_cell(
        curves[1],
        4.0,
        induction_per_gy=12.0,
        repair_rate_per_h=rates[1],
        fraction=[0.9, 0.1],
        background_per_cell=0.2,
    )
    np.testing.assert_allclose(foci[1, 1], alone, rtol=1e-13)
    assert alone.shape == ()
    many = foci_per_cell(
        BLOOD, [1.0], induction_per_gy=14.7, repair_rate_per_h=[[0.2], [0.3], [0.4]]
    )
    assert many.shape == (3, 1)


@pytest.mark.parametrize("duration", [0.0, 1.0, 3.0])
def test_ex_vivo_equals_ode(duration):
    rates, shares = np.array([0.25, 0.0]), np.array([0.9, 0.1])
    dose = 0.05
    time = np.array([0.5, 1.0, 2.0, 5.0, 25.0])
    expected = []
    for t in time:
        pools = shares * 0.1 + (14.7 * dose * shares if duration == 0 else 0.0)
        for start, stop, dose_rate in (
            (0.0, min(t, duration), dose / duration if duration else 0.0),
            (duration, t, 0.0),
        ):
            if stop > start:
                run = solve_ivp(
                    lambda _, n, r=dose_rate: 14.7 * r * shares - rates * n,
                    (start, stop),
                    pools,
                    rtol=1e-10,
                    atol=1e-13,
                )
                pools = run.y[:, -1]
        expected.append(0.2 + pools.sum())
    foci = foci_after_irradiation(
        time,
        dose_gy=dose,
        irradiation_h=duration,
        induction_per_gy=14.7,
        repair_rate_per_h=rates,
        fraction=shares,
        initial_per_cell=0.1,
        background_per_cell=0.2,
    )
    np.testing.assert_allclose(foci, expected, rtol=1e-6)


def test_ex_vivo_means_of_patients():
    # PMC8940852: 50.1 mGy in 1 h; foci 0.72 (0.16), 0.26 (0.09), 0.04 (0.09) 0, 4, 24 h later
    foci = foci_after_irradiation(
        [1.0, 5.0, 25.0],
        dose_gy=0.0501,
        irradiation_h=1.0,
        induction_per_gy=induction_from_apparent_slope(14.37, 0.25, 1.0),
        repair_rate_per_h=0.25,
    )
    np.testing.assert_allclose(foci[0], 0.72, atol=5e-4)
    assert abs(foci[1] - 0.26) < 0.01
    assert abs(foci[2] - 0.04) < 0.09


def test_apparent_slope():
    # 0.72 foci / 50.1 mGy = 0.01437 per mGy, corrected for repair 0.01624 per mGy
    assert round(float(induction_from_apparent_slope(14.37, 0.25, 1.0)) / 1000, 5) == 0.01624
    np.testing.assert_allclose(induction_from_apparent_slope(14.7, [0.0, 0.25], 0.0), 14.7)


def test_alpha_track_law():
    foci = foci_after_irradiation(
        [0.0, 4.0],
        dose_gy=0.0,
        irradiation_h=1.0,
        induction_per_gy=0.0,
        repair_rate_per_h=[0.24, 0.0],
        fraction=[0.85, 0.15],
        initial_per_cell=2.0,
    )
    np.testing.assert_allclose(foci, 2 * (0.85 * np.exp([0, -0.96]) + 0.15), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fraction": [0.9, 0.2]}, "sum to 1"),
        ({"fraction": 1.0}, "sum to 1"),
        ({"fraction": [0.5, 0.3, 0.2]}, "do not broadcast"),
        ({"repair_rate_per_h": [-0.1, 0.2]}, "repair_rate_per_h"),
        ({"induction_per_gy": -1.0}, "induction"),
        ({"background_per_cell": np.nan}, "background"),
    ],
)
def test_what_is_not_legal(change, message):
    args = {"induction_per_gy": 14.7, **TWO_POOLS, **change}
    with pytest.raises(RadiobioError, match=message):
        foci_per_cell(BLOOD, 1.0, **args)
    with pytest.raises(RadiobioError, match="time_h"):
        foci_per_cell(BLOOD, -1.0, induction_per_gy=14.7, repair_rate_per_h=0.2)
