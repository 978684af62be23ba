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
    detection_limits,
    dispersion_test,
    excess_per_cell,
    log_likelihood,
    p_value_against_baseline,
)

REFERENCE = Path(__file__).parents[1] / "reference"
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
    ],
)
def test_impossible_samples_are_refused(arguments, words):
    with pytest.raises(FociError, match=words):
        FociSample(*arguments)


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


@pytest.mark.parametrize("row", rows("foci_limits.csv"))
def test_exact_limits_published(row):
    control = FociSample(1, -1.0, int(row.baseline_cells), int(row.baseline_foci))
    limits = detection_limits(control, int(row.cells), alpha=row.alpha, beta=row.beta)
    assert limits.threshold_foci == row.threshold_foci
    assert limits.detection_limit_foci == pytest.approx(row.detection_limit_foci, abs=6e-4)


def test_limits_of_a_patient_baseline():
    # 20 foci in 100 cells: significant from 36 on; 100 in 500: from 31 on
    exact = detection_limits(BASELINE, 100)
    assert (exact.threshold_foci + 1, exact.threshold_per_cell) == (36, pytest.approx(0.15))
    assert exact.detection_limit_foci == pytest.approx(43.9, abs=0.05)
    assert detection_limits(FociSample(1, -1.0, 500, 100), 100).threshold_foci == 30
    currie = detection_limits(BASELINE, 100, method="currie")
    assert currie.threshold_per_cell == pytest.approx(0.104, abs=5e-4)
    large = detection_limits(FociSample(1, -1.0, 500, 100), 100, method="currie")
    assert large.threshold_per_cell / 0.0147 == pytest.approx(5.5, abs=0.05)  # mGy


def test_currie_detection_limit_solves_its_equation():
    limits = detection_limits(BASELINE, 150, method="currie", beta=0.2, dispersion=1.7)
    variance = 1.7 * 0.2 * (1 / 150 + 1 / 100)
    assert limits.threshold_per_cell == pytest.approx(stats.norm.ppf(0.95) * variance**0.5)
    spread = (variance + 1.7 * limits.detection_limit_per_cell / 150) ** 0.5
    missed = (limits.threshold_per_cell - limits.detection_limit_per_cell) / spread
    assert stats.norm.cdf(missed) == pytest.approx(0.2, rel=1e-10)


def test_limits_refuse_what_they_cannot_do():
    with pytest.raises(FociError, match="exact"):
        detection_limits(FociSample(1, -1.0, 100, 0), 100, method="currie")
    with pytest.raises(FociError, match="currie"):
        detection_limits(BASELINE, 100, dispersion=1.5)
    with pytest.raises(FociError, match="cells"):
        detection_limits(BASELINE, 0)
    with pytest.raises(FociError, match="alpha"):
        detection_limits(BASELINE, 100, alpha=0.0)


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
