"""The compiled loop of many curves against numpy, and summaries over draws."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kinetics import SumOfExponentials, cores
from radiobio.damage.cohort_foci import cohort_foci
from radiobio.damage.dsb import foci_per_cell
from radiobio.errors import RadiobioError

TIMES = np.array([0.0, 0.25, 1.0, 4.0, 24.0, 96.0, 168.0])


def drawn(shape, n_terms=3, seed=1):
    rng = np.random.default_rng(seed)
    rate = rng.lognormal(-2, 1.5, (*shape, n_terms))
    return SumOfExponentials(rng.lognormal(-4, 1, (*shape, n_terms)), rate)


def by_numpy(curve, time_h, induction, rate, share, background):
    unrepaired = curve[..., None, :].convolved(rate, time_h)
    induced = (share[..., None] * unrepaired).sum(-2)
    return background[..., None] + induction[..., None] * induced


@pytest.mark.parametrize("shape", [(1,), (63,), (64,), (65,), (3, 50), (2, 2, 33)])
def test_the_loop_equals_numpy(shape):
    rng, curve = np.random.default_rng(2), drawn(shape)
    rate, share = rng.lognormal(-1, 1, (*shape, 2)), np.array([0.9, 0.1])
    induction, background = rng.lognormal(2, 0.3, shape), rng.random(shape)
    foci = foci_per_cell(
        curve, TIMES, induction_per_gy=induction, repair_rate_per_h=rate, fraction=share,
        background_per_cell=background,
    )  # fmt: skip
    expected = by_numpy(curve, TIMES, induction, rate, share, background)
    np.testing.assert_allclose(foci, expected, rtol=1e-11)
    np.testing.assert_array_equal(foci[..., 0], background)


@given(st.floats(1e-9, 5.0), st.floats(-1e-3, 1e-3), st.floats(1e-6, 300.0), st.floats(1.0, 1e6))
@settings(max_examples=200, deadline=None)
def test_near_rates_lose_no_digits(rate, gap, first_time, spread):
    assume(rate * first_time < 20)  # beyond, the exponents themselves lose digits
    times = np.array([first_time, first_time * spread])
    curve = SumOfExponentials([0.01, -0.002], [rate, 2 * rate])
    loss = np.array([rate * (1 + gap)])
    foci = foci_per_cell(curve, times, induction_per_gy=10.0, repair_rate_per_h=loss)
    expected = by_numpy(curve, times, np.array(10.0), loss, np.ones(1), np.array(0.0))
    np.testing.assert_allclose(foci, expected, rtol=1e-10, atol=1e-250)


def test_small_doses_of_an_uptake_phase():
    # starts at zero: foci grow with the square of time, the terms cancel twice
    curve = SumOfExponentials([0.01, -0.01], [0.05, 2.0])
    foci = foci_per_cell(curve, [1e-4, 1e-3], induction_per_gy=10.0, repair_rate_per_h=0.25)
    time = np.array([1e-4, 1e-3])
    series = 10 * 0.01 * (1.95 * time**2 / 2 - (0.25 * 1.95 + 2**2 - 0.05**2) * time**3 / 6)
    np.testing.assert_allclose(foci, series, rtol=1e-6)


def test_order_and_repetition_of_times_do_not_matter():
    curve = drawn((5,))
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": 0.25}
    foci = foci_per_cell(curve, [24.0, 0.0, 1.0, 24.0], **args)
    sorted_foci = foci_per_cell(curve, [0.0, 1.0, 24.0], **args)
    np.testing.assert_allclose(foci, sorted_foci[:, [2, 0, 1, 2]], rtol=1e-12)


def test_no_curve_and_no_time():
    curve = drawn((5,))[:0]
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": 0.25}
    assert foci_per_cell(curve, TIMES, **args).shape == (0, 7)
    assert foci_per_cell(drawn((5,)), [], **args).shape == (5, 0)


def test_same_bits_on_any_number_of_cores(monkeypatch):
    curve = drawn((3, 20_000))
    args = {"induction_per_gy": 14.7, "repair_rate_per_h": 0.25}
    many = foci_per_cell(curve, TIMES, **args)
    monkeypatch.setattr(cores, "n_cores", lambda: 1)
    np.testing.assert_array_equal(many, foci_per_cell(curve, TIMES, **args))


def test_summaries_are_those_of_the_draws():
    rng, curve = np.random.default_rng(5), drawn((7, 301))
    args = {
        "induction_per_gy": rng.lognormal(2, 0.2, (7, 1)),
        "repair_rate_per_h": rng.lognormal(-1, 0.3, (301, 1)),
        "background_per_cell": rng.random((7, 301)),
        "maturation_rate_per_h": 8.0,
    }
    foci = foci_per_cell(curve, TIMES, **args)
    result = cohort_foci(curve, TIMES, quantile=(0.025, 0.5), **args)
    np.testing.assert_allclose(result.mean_per_cell, foci.mean(1), rtol=1e-12)
    np.testing.assert_allclose(result.sd_per_cell, foci.std(1, ddof=1), rtol=1e-10)
    expected = np.quantile(foci, (0.025, 0.5), axis=1)
    np.testing.assert_allclose(result.quantile_per_cell, expected, rtol=1e-12)
    table = result.to_frame()
    assert list(table.columns) == [
        "patient", "time_h", "mean_per_cell", "sd_per_cell", "q02_5_per_cell", "q50_per_cell",
    ]  # fmt: skip
    row = table[(table["patient"] == 4) & (table["time_h"] == 24.0)].iloc[0]
    assert row["q50_per_cell"] == result.quantile_per_cell[1, 4, 4]
    assert result.status == "ok"


def test_a_single_draw_has_no_standard_deviation():
    result = cohort_foci(
        drawn((4, 1)), TIMES, induction_per_gy=14.7, repair_rate_per_h=0.25, quantile=()
    )
    assert np.isnan(result.sd_per_cell).all()
    assert "no standard deviation" in result.status
    assert result.quantile_per_cell.shape == (0, 4, 7)


@pytest.mark.parametrize(
    ("shape", "quantile", "message"),
    [
        ((5,), (0.5,), "must be \\(n_patients, n_draws\\)"),
        ((5, 0), (0.5,), "must be \\(n_patients, n_draws\\)"),
        ((2, 5), (1.5,), "between 0 and 1"),
    ],
)
def test_what_is_not_legal(shape, quantile, message):
    with pytest.raises(RadiobioError, match=message):
        cohort_foci(
            drawn(shape), TIMES, induction_per_gy=14.7, repair_rate_per_h=0.25, quantile=quantile
        )
