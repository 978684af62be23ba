"""Maturation and clearance of foci, and clusters of breaks."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from kinetics import SumOfExponentials
from radiobio.damage.dsb import foci_after_irradiation, foci_per_cell, visible_clusters_per_cell
from radiobio.errors import RadiobioError

REFERENCE = Path(__file__).parents[2] / "reference"
BLOOD = SumOfExponentials([0.012, 0.002], [0.46, 0.023])
TIMES = np.array([0.05, 0.3, 1.0, 5.0, 40.0])
TWO_STEPS = {"repair_rate_per_h": [2.07, 0.259], "clearance_rate_per_h": [8.12, 0.405]}


def acute(time_h, **args):
    return foci_after_irradiation(
        time_h, dose_gy=1.0, irradiation_h=0.0, **({"induction_per_gy": 1.0} | args)
    )


def peaks():
    return np.genfromtxt(REFERENCE / "radiobio_mariotti_peaks.csv", delimiter=",", names=True)


@pytest.mark.parametrize("row", range(6))
def test_peaks_of_single_and_split_doses(row):
    table = peaks()[row]

    def foci(time_h, dose):
        share = table[f"{dose}_fast_share"]
        return acute(
            time_h,
            induction_per_gy=table[f"{dose}_per_gy"],
            repair_rate_per_h=[table[f"{dose}_fast_per_h"], table[f"{dose}_slow_per_h"]],
            fraction=[share, 1 - share],
            maturation_rate_per_h=table[f"{dose}_maturation_per_h"],
        )

    after = np.linspace(0.0, 3.0, 3001)
    both = foci(after + table["gap_h"], "first") + foci(after, "second")
    assert abs(both.max() - table["peak_per_cell"]) < 0.01  # parameters have three digits
    if np.isfinite(table["peak_h"]):
        assert abs(after[both.argmax()] - table["peak_h"]) < 0.01


def test_a_break_repaired_before_it_is_seen_makes_no_focus():
    # hidden breaks leave at B + k, of which B appear as foci, which leave at k
    ripe, repair = 8.0, 0.5

    def slope(t, pools):
        hidden, seen = pools
        return [14.7 * BLOOD(t) - (ripe + repair) * hidden, ripe * hidden - repair * seen]

    ode = solve_ivp(slope, (0, 40), [0, 0], t_eval=TIMES, rtol=1e-10, atol=1e-14, method="LSODA")
    foci = foci_per_cell(
        BLOOD, TIMES, induction_per_gy=14.7, repair_rate_per_h=repair, maturation_rate_per_h=ripe
    )
    np.testing.assert_allclose(foci, ode.y[1], rtol=1e-6)


def test_foci_outlast_their_breaks_by_a_second_step():
    fast, slow = TWO_STEPS["repair_rate_per_h"], TWO_STEPS["clearance_rate_per_h"]
    shares = np.array([0.57, 0.43])

    def slope(t, pools):
        broken, waiting = pools.reshape(2, 2)
        repaired = np.multiply(fast, broken)
        return np.r_[14.7 * shares * BLOOD(t) - repaired, repaired - np.multiply(slow, waiting)]

    ode = solve_ivp(slope, (0, 40), np.zeros(4), t_eval=TIMES, rtol=1e-10, atol=1e-14,
                    method="LSODA")  # fmt: skip
    foci = foci_per_cell(BLOOD, TIMES, induction_per_gy=14.7, fraction=shares, **TWO_STEPS)
    np.testing.assert_allclose(foci, ode.y.sum(0), rtol=1e-6)


def test_waiting_times_of_two_steps():
    rng, n = np.random.default_rng(20), 200_000
    slow = rng.random(n) < 0.43
    first = rng.exponential(1 / np.where(slow, 0.259, 2.07))
    gone = first + rng.exponential(1 / np.where(slow, 0.405, 8.12))
    expected = acute(TIMES, fraction=[0.57, 0.43], **TWO_STEPS)
    seen = (gone > TIMES[:, None]).mean(1)
    error = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(seen - expected) < 4 * error + 1e-12).all()


@pytest.mark.parametrize(
    ("repair", "clearance", "ripe"),
    [(0.46, 0.9, 3.0), (0.2, 0.26, 0.26), (0.46, 0.46, 0.46), (0.3, 0.3 * (1 + 1e-7), None),
     (0.023, 0.023, None), (0.0, 0.5, 8.0), (0.25, None, 0.21)],
)  # fmt: skip
def test_equal_rates_in_vivo(repair, clearance, ripe):
    def response(t):
        if clearance is None:
            left = np.exp(-repair * t)
        elif abs(clearance - repair) < 1e-6:
            middle = 0.5 * (repair + clearance)
            left = (1 + middle * t) * np.exp(-middle * t)
        else:
            left = clearance * np.exp(-repair * t) - repair * np.exp(-clearance * t)
            left /= clearance - repair
        return left * (1.0 if ripe is None else -np.expm1(-ripe * t))

    foci = foci_per_cell(
        BLOOD, TIMES, induction_per_gy=14.7, repair_rate_per_h=repair,
        clearance_rate_per_h=clearance, maturation_rate_per_h=ripe,
    )  # fmt: skip
    expected = [
        14.7 * quad(lambda s, t=t: BLOOD(s) * response(t - s), 0, t, epsabs=1e-14, epsrel=1e-12)[0]
        for t in TIMES
    ]
    # equal k and m are parted by 1e-5, so that two factors of 1e5 cancel
    np.testing.assert_allclose(foci, expected, rtol=1e-9, atol=2e-11)


def test_ex_vivo_is_the_mean_over_the_hour_of_irradiation():
    args = {"repair_rate_per_h": 0.25, "clearance_rate_per_h": 2.0, "maturation_rate_per_h": 8.0}
    at = [0.4, 1.0, 3.0]
    foci = foci_after_irradiation(
        at, dose_gy=0.05, irradiation_h=1.0, induction_per_gy=16.0, **args
    )
    expected = [
        0.05 * quad(lambda s, t=t: acute(t - s, induction_per_gy=16.0, **args), 0, min(t, 1))[0]
        for t in at
    ]
    np.testing.assert_allclose(foci, expected, rtol=1e-9)


def test_foci_there_at_the_start_need_not_mature():
    foci = foci_after_irradiation(
        [0.0, 2.0], dose_gy=0.0, irradiation_h=1.0, induction_per_gy=1.0, repair_rate_per_h=0.25,
        initial_per_cell=0.4, maturation_rate_per_h=8.0,
    )  # fmt: skip
    np.testing.assert_allclose(foci, 0.4 * np.exp([0.0, -0.5]), rtol=1e-12)


def test_fast_maturation_and_clearance_make_no_difference():
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": [0.58, 0.02], "fraction": [0.96, 0.04]}
    plain = foci_per_cell(BLOOD, TIMES, **args)
    fast = foci_per_cell(BLOOD, TIMES, maturation_rate_per_h=1e7, clearance_rate_per_h=1e7, **args)
    np.testing.assert_allclose(fast, plain, rtol=1e-4)
    slow = foci_per_cell(BLOOD, TIMES, maturation_rate_per_h=8.0, **args)
    assert (slow < plain).all()
    assert slow[0] < 0.25 * plain[0]
    assert slow[-1] > 0.9 * plain[-1]


def test_draws_of_maturation_and_clearance():
    ripe = np.array([4.0, 8.0, 12.0])
    clearance = np.array([[3.0, 0.3], [2.0, 0.4], [1.0, 0.5]])
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": [0.58, 0.02], "fraction": [0.9, 0.1]}
    foci = foci_per_cell(
        BLOOD, TIMES, maturation_rate_per_h=ripe, clearance_rate_per_h=clearance, **args
    )
    alone = foci_per_cell(
        BLOOD, TIMES, maturation_rate_per_h=8.0, clearance_rate_per_h=[2.0, 0.4], **args
    )
    assert foci.shape == (3, 5)
    np.testing.assert_allclose(foci[1], alone, rtol=1e-12)


def test_clusters():
    unrepaired = acute([0.0, 2.0, 50.0], repair_rate_per_h=0.25)
    few = visible_clusters_per_cell(unrepaired, clusters_per_cell=1e5, breaks_per_cluster=1e-4)
    np.testing.assert_allclose(few, 10 * unrepaired, rtol=1e-4)
    rng = np.random.default_rng(3)
    breaks = rng.poisson(3.0, 200_000)
    left = rng.binomial(breaks, unrepaired[1]) > 0
    many = visible_clusters_per_cell(unrepaired[1], clusters_per_cell=1.0, breaks_per_cluster=3.0)
    assert abs(left.mean() - many) < 4 * np.sqrt(0.25 / len(left))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maturation_rate_per_h": 0.0}, "maturation_rate_per_h must be finite and above zero"),
        ({"clearance_rate_per_h": [1.0, -1.0]}, "clearance_rate_per_h"),
        ({"clearance_rate_per_h": [1.0, 2.0, 3.0]}, "one value per repair component"),
        ({"induction_per_gy": np.ones((4,)), "background_per_cell": np.ones(3)}, "broadcast"),
    ],
)
def test_what_is_not_legal(change, message):
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": [0.5, 0.02], "fraction": [0.9, 0.1]}
    with pytest.raises(RadiobioError, match=message):
        foci_per_cell(BLOOD, 1.0, **(args | change))


def test_a_share_above_one_is_not_legal():
    with pytest.raises(RadiobioError, match="between 0 and 1, got"):
        visible_clusters_per_cell(1.2, clusters_per_cell=1.0, breaks_per_cluster=1.0)
