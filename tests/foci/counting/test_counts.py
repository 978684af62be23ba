from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foci import (
    FociError,
    FociSample,
    dispersion_test,
    excess_per_cell,
    log_likelihood,
    p_value_against_baseline,
)
from foci.counting.counts import check_counts, pooled_baseline

REFERENCE = Path(__file__).parents[2] / "reference"
BASELINE = FociSample(1, -1.0, 100, 20)


def rows(name):
    return [row for _, row in pd.read_csv(REFERENCE / name).iterrows()]


def classes(row):
    return [int(row[name]) for name in row.index if name[0] == "C"]


def test_sample_from_its_distribution():
    sample = FociSample.from_distribution([5, 3, 0, 2], cycle=2, time_h=4.0)
    assert (sample.cells, sample.foci, sample.distribution) == (10, 9, (5, 3, 0, 2))
    assert sample == FociSample(2, 4.0, 10, 9, (5, 3, 0, 2))
    assert not sample.is_baseline
    assert BASELINE.is_baseline


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, 1.0, 100, 5), "cycle"),
        ((1, np.nan, 100, 5), "time_h"),
        ((1, 1.0, 0, 5), "cells"),
        ((1, 1.0, 100, -1), "foci"),
        ((1, 1.0, 100, 5, (96, 4)), "100 cells and 4 foci"),
        ((1, 1.0, 100, 5, ()), "distribution"),
        ((1, 1.0, 100, 5.5), "whole number"),
        ((1, 1.0, 100.5, 5), "whole number"),
        ((1, 1.0, np.nan, 5), "whole number"),
        ((1, 1.0, 100, 5, (96, 3, -1)), "zero or more"),
        ((1, 1.0, 100, 5, (95.5, 4.5)), "whole numbers"),
        ((1, 1.0, 100, 5, None, True), "open_last_class"),
        ((1, 1.0, 100, 3, (96, 4), True), "4 foci or more"),
    ],
)
def test_impossible_samples_are_refused(arguments, words):
    with pytest.raises(FociError, match=words):
        FociSample(*arguments)


def test_an_open_last_class_is_a_lower_bound():
    with pytest.warns(UserWarning, match="9 of 101 cells are in the open class of 4 or more"):
        sample = FociSample.from_distribution(
            (20, 30, 28, 14, 9), cycle=1, time_h=2.0, open_last_class=True
        )
    assert sample.foci == 168 > 164  # 101 cells times the censored mean of 1.661
    closed = FociSample.from_distribution((20, 30, 0), cycle=1, time_h=2.0, open_last_class=True)
    assert closed.foci == 30  # an empty open class hides nothing


def test_exchanged_columns_are_found():
    check_counts(10, 300, max_foci_per_cell=30)
    with pytest.raises(FociError, match="exchanged"):
        check_counts(10, 301, max_foci_per_cell=30)


def test_several_baselines_are_one_and_none_is_an_error():
    both = pooled_baseline([FociSample(1, -1.0, 100, 20), FociSample(1, -20.0, 50, 4)])
    assert (both.cells, both.foci, both.is_baseline) == (150, 24, True)
    assert pooled_baseline(BASELINE) is BASELINE
    with pytest.raises(FociError, match="baseline is missing"):
        pooled_baseline([])
    with pytest.raises(FociError, match="time_h < 0"):
        pooled_baseline([BASELINE, FociSample(1, 2.0, 100, 20)])


def test_excess_and_its_variance_by_simulation():
    rng = np.random.default_rng(1)
    draws = rng.poisson(45, 200_000) / 100 - rng.poisson(40, 200_000) / 200
    excess = excess_per_cell(FociSample(1, 1.0, 100, 45), FociSample(1, -1.0, 200, 40))
    assert excess.per_cell == pytest.approx(0.25)
    assert excess.sd == pytest.approx(draws.std(), rel=0.01)
    wider = excess_per_cell(
        FociSample(1, 1.0, 100, 45), FociSample(1, -1.0, 200, 40), dispersion=4.0
    )
    assert wider.sd == pytest.approx(2 * excess.sd)


def test_excess_without_any_focus_says_so():
    empty = FociSample(1, 1.0, 100, 0)
    assert "exact test" in excess_per_cell(empty, FociSample(1, -1.0, 100, 0)).status


def test_conditional_test_against_the_binomial_sum():
    # one-sided: the probability of 36 or more of 56 foci in half of the cells
    p = p_value_against_baseline(FociSample(1, 1.0, 100, 36), BASELINE, alternative="greater")
    assert p == pytest.approx(stats.binom.sf(35, 56, 0.5), rel=1e-10)
    p = p_value_against_baseline(FociSample(1, 1.0, 100, 36), BASELINE)
    assert p == pytest.approx(2 * stats.binom.sf(35, 56, 0.5), rel=1e-10)


def test_conditional_test_published_value():
    # 13 in 1000 cells against 1 in 1000: 0.002 in biodosetools test-limits.R
    case, control = FociSample(1, 1.0, 1000, 13), FociSample(1, -1.0, 1000, 1)
    assert p_value_against_baseline(case, control) == pytest.approx(30 / 2**14, rel=1e-10)


def test_conditional_test_without_any_focus():
    assert p_value_against_baseline(FociSample(1, 1.0, 9, 0), FociSample(1, -1.0, 9, 0)) == 1.0


@pytest.mark.parametrize("row", rows("foci_barquinero_counts.csv"))
def test_dispersion_of_the_iaea_example(row):
    test = dispersion_test(classes(row))
    assert test.index == pytest.approx(row.dispersion_index, abs=1e-6)
    assert test.u == pytest.approx(row.u, abs=1e-5)
    assert test.status.startswith("consistent") == (abs(row.u) <= 1.96)


@pytest.mark.parametrize("row", rows("foci_micronuclei_u.csv"))
def test_u_of_published_micronuclei(row):
    assert dispersion_test(classes(row)).u == pytest.approx(row.u, abs=0.0051)


def test_dispersion_needs_two_foci():
    with pytest.raises(FociError, match="2 foci"):
        dispersion_test([10, 1])


def test_likelihood_twins():
    foci, cells, mean = np.array([0, 7, 60]), np.array([50, 100, 200]), np.array([0.05, 0.1, 0.25])
    assert log_likelihood(foci, cells, mean) == pytest.approx(
        stats.poisson.logpmf(foci, cells * mean), rel=1e-10
    )
    assert log_likelihood(foci, cells, mean, dispersion=1.8) == pytest.approx(
        stats.nbinom.logpmf(foci, cells * mean / 0.8, 1 / 1.8), rel=1e-10
    )


def test_negative_binomial_has_the_variance_asked_for_and_adds_up():
    x = np.arange(2000)
    p = np.exp(log_likelihood(x, 100, 0.6, dispersion=3.0))
    assert p.sum() == pytest.approx(1)
    assert p @ x == pytest.approx(60)
    assert p @ (x - 60) ** 2 == pytest.approx(180)
    one = np.exp(log_likelihood(x[:300], 50, 0.6, dispersion=3.0))
    assert np.convolve(one, one)[:300] == pytest.approx(p[:300], rel=1e-9)


def test_poisson_limit_of_the_negative_binomial():
    near = log_likelihood([3, 40, 90], 100, 0.4, dispersion=1 + 1e-9)
    assert near == pytest.approx(log_likelihood([3, 40, 90], 100, 0.4), abs=1e-5)


@given(foci=st.integers(0, 500), dispersion=st.sampled_from([1.0, 1.3, 5.0]))
def test_likelihood_broadcasts_over_draws(foci, dispersion):
    means = np.array([[0.1, 0.5], [2.0, 0.0], [-0.1, 1.0]])
    value = log_likelihood([foci, foci], [100, 50], means, dispersion=dispersion)
    assert value.shape == (3, 2)
    assert value[0, 1] == log_likelihood(foci, 50, 0.5, dispersion=dispersion)
    assert value[2, 0] == -np.inf
    assert value[1, 1] == (0.0 if foci == 0 else -np.inf)


def test_underdispersion_is_refused():
    with pytest.raises(FociError, match="dispersion"):
        log_likelihood(1, 1, 1.0, dispersion=0.9)
