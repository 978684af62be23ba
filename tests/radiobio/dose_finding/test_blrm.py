import csv
from functools import cache
from itertools import product
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from radiobio.dose_finding import LogisticPrior, blrm_posterior
from radiobio.errors import RadiobioError

REFERENCE = Path(__file__).parents[2] / "reference" / "radiobio_blrm_neuenschwander.csv"
COVARIANCE = [[0.84**2, 0.134], [0.134, 0.80**2]]
NBG = LogisticPrior([2.15, 0.52], COVARIANCE, 250.0)
WIDE = LogisticPrior([-1.0, 0.0], [[4.0, 0.0], [0.0, 1.0]], 10.0)
LEVELS = np.array([1.0, 2.5, 5.0, 10.0, 20.0])


def published():
    with REFERENCE.open() as file:
        rows = list(csv.DictReader(file))
    names = ("level", "treated", "toxic", "mean")
    return tuple(np.array([float(row[name]) for row in rows]) for name in names)


@pytest.fixture(scope="module")
def case():
    levels, treated, toxic, _ = published()
    return blrm_posterior(levels, treated, toxic, prior=NBG)


def unnormalised(posterior):
    """Density of (a, b) in scipy, written independently."""
    prior = stats.multivariate_normal(posterior.prior.mean, posterior.prior.covariance)
    seen = posterior.treated > 0
    x = np.log(posterior.levels[seen] / posterior.prior.reference_level)
    n, y = posterior.treated[seen], posterior.toxic[seen]

    def density(a, b):
        a, b = np.asarray(a)[..., None], np.asarray(b)[..., None]
        p = 1 / (1 + np.exp(-(a + np.exp(b) * x)))
        point = np.concatenate([a, b], axis=-1)
        return prior.pdf(point) * (p**y * (1 - p) ** (n - y)).prod(-1)

    return density


def test_published_means(case):
    np.testing.assert_allclose(case.mean, published()[3], atol=0.006)
    assert case.status == "ok"
    assert case.numerical_error < 1e-8


def test_means_and_probabilities_against_dblquad(case):
    density = unnormalised(case)
    box = (-5.0, 3.5)  # of b; a is within +- 8 of its prior mean

    def integral(function, low, high):
        return integrate.dblquad(function, *box, low, high, epsabs=1e-12, epsrel=1e-10)[0]

    total = integral(density, -5.0, 9.0)
    np.testing.assert_allclose(case.log_evidence, np.log(total), atol=1e-7)
    at, x = 6, np.log(0.1)
    mean = integral(lambda a, b: density(a, b) / (1 + np.exp(-(a + np.exp(b) * x))), -5.0, 9.0)
    np.testing.assert_allclose(case.mean[at], mean / total, atol=1e-7)
    cut = np.log(0.35 / 0.65)
    over = integral(density, lambda b: np.clip(cut - np.exp(b) * x, -5.0, 9.0), 9.0)
    np.testing.assert_allclose(case.above(0.35)[at], over / total, atol=1e-7)
    np.testing.assert_allclose(case.over[at], over / total, atol=1e-7)


def test_without_data_it_is_the_prior():
    posterior = blrm_posterior([5.0, 250.0], [0, 0], [0, 0], prior=NBG)
    for threshold in (0.2, 0.5, 0.9):
        logit = np.log(threshold / (1 - threshold))
        exact = stats.norm.sf(logit, 2.15, 0.84)
        np.testing.assert_allclose(posterior.above(threshold)[1], exact, atol=1e-9)
        # away from the reference: the intercept given b is normal

        def given_b(b, logit=logit):
            mean = 2.15 + 0.134 / 0.64 * (b - 0.52)
            sd = np.sqrt(0.84**2 - 0.134**2 / 0.64)
            cut = logit - np.exp(b) * np.log(5.0 / 250.0)
            return stats.norm.pdf(b, 0.52, 0.8) * stats.norm.sf(cut, mean, sd)

        exact = integrate.quad(given_b, -6.0, 7.0, epsabs=1e-12, limit=400)[0]
        np.testing.assert_allclose(posterior.above(threshold)[0], exact, atol=1e-8)
    np.testing.assert_allclose(posterior.parameter_mean, [2.15, 0.52], atol=1e-8)
    np.testing.assert_allclose(posterior.parameter_covariance, COVARIANCE, atol=1e-8)
    np.testing.assert_allclose(posterior.log_evidence, 0.0, atol=1e-8)


def test_against_weighted_draws_of_the_prior(case):
    rng = np.random.default_rng(5)
    a, b = rng.multivariate_normal(NBG.mean, NBG.covariance, size=1_000_000).T
    logit = a[:, None] + np.exp(b)[:, None] * np.log(case.levels / 250.0)
    seen = case.treated > 0
    log_weight = (
        case.toxic[seen] * logit[:, seen] - case.treated[seen] * np.logaddexp(0, logit[:, seen])
    ).sum(1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    size = 1 / (weight**2).sum()
    risk = 1 / (1 + np.exp(-logit))
    for value, found in ((risk, case.mean), (risk >= 0.35, case.over)):
        error = 4 * np.sqrt((weight @ (value - found) ** 2) / size) + 1e-6
        assert (np.abs(weight @ value - found) < error).all()
    sd = np.sqrt(weight @ (risk - case.mean) ** 2)
    np.testing.assert_allclose(case.sd, sd, rtol=0.05)


@pytest.mark.parametrize("prior", [NBG, WIDE], ids=["published", "wide"])
@pytest.mark.parametrize("factor", [1, 30, 3000])
def test_the_error_is_not_understated(prior, factor):
    treated, toxic = np.array([3, 4, 5, 4, 2]) * factor, np.array([0, 0, 1, 1, 1]) * factor
    rough = blrm_posterior(LEVELS, treated, toxic, prior=prior, tolerance=1e-3)
    fine = blrm_posterior(LEVELS, treated, toxic, prior=prior, tolerance=1e-11)
    for name in ("mean", "sd", "under", "over"):
        difference = np.abs(getattr(rough, name) - getattr(fine, name)).max()
        assert difference <= rough.numerical_error + 1e-11
    assert fine.numerical_error < 1e-9


def test_much_data_leaves_little_doubt():
    treated, toxic = np.array([0, 0, 4000, 0, 0]), np.array([0, 0, 1000, 0, 0])
    posterior = blrm_posterior(LEVELS, treated, toxic, prior=WIDE)
    np.testing.assert_allclose(posterior.mean[2], 0.25, atol=1e-3)
    np.testing.assert_allclose(posterior.sd[2], np.sqrt(0.25 * 0.75 / 4000), rtol=0.01)


def test_a_tolerance_that_is_not_reached_is_said():
    posterior = blrm_posterior(
        LEVELS, [3, 0, 0, 0, 0], [1, 0, 0, 0, 0], prior=NBG, tolerance=1e-300
    )
    assert "only good to" in posterior.status


def test_quantiles_invert_the_probabilities(case):
    for probability in (0.025, 0.5, 0.9):
        quantile = case.quantile(probability)
        for i in (0, 6, 14):
            np.testing.assert_allclose(case.above(quantile[i])[i], 1 - probability, atol=1e-9)


def test_the_unit_of_the_levels_does_not_matter(case):
    gbq = LogisticPrior(NBG.mean, NBG.covariance, 0.25)
    other = blrm_posterior(case.levels / 1000, case.treated, case.toxic, prior=gbq)
    np.testing.assert_allclose(other.over, case.over, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=5))
def test_risk_rises_with_the_level_and_the_parts_sum_to_one(counts):
    treated = [max(pair) for pair in counts]
    toxic = [min(pair) for pair in counts]
    posterior = blrm_posterior(LEVELS, treated, toxic, prior=WIDE)
    assert (np.diff(posterior.over) >= -1e-9).all()
    assert (np.diff(posterior.mean) > 0).all()
    total = posterior.under + posterior.on_target + posterior.over
    np.testing.assert_allclose(total, 1.0, atol=1e-12)
    # a toxicity at a level raises its own risk, whatever else is known
    for at in (0, 4):
        more = np.eye(5, dtype=int)[at]
        worse = blrm_posterior(LEVELS, treated + more, toxic + more, prior=WIDE)
        better = blrm_posterior(LEVELS, treated + more, toxic, prior=WIDE)
        assert worse.over[at] >= posterior.over[at] - 1e-8 >= better.over[at] - 2e-8


def test_all_data_together_give_the_prior():
    """Calibration without chance: posteriors weighted by their evidence sum to the prior."""
    levels, treated = [2.5, 10.0, 20.0], (2, 1, 3)
    before = blrm_posterior(levels, [0, 0, 0], [0, 0, 0], prior=WIDE)
    thresholds = (1e-6, 0.05, 0.2, 0.5, 0.95)
    total, mean, above = 0.0, 0.0, np.zeros((len(thresholds), 3))
    for toxic in product(*(range(n + 1) for n in treated)):
        posterior = blrm_posterior(levels, treated, toxic, prior=WIDE)
        ways = np.prod([comb(n, y) for n, y in zip(treated, toxic, strict=True)])
        weight = ways * np.exp(posterior.log_evidence)
        total += weight
        mean = mean + weight * posterior.mean
        above += weight * np.array([posterior.above(t) for t in thresholds])
    assert total == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(mean, before.mean, atol=1e-8)
    np.testing.assert_allclose(above, [before.above(t) for t in thresholds], atol=1e-8)


@pytest.mark.parametrize("n", [150, pytest.param(20_000, marks=pytest.mark.slow)])
def test_simulation_based_calibration(n):
    """The posterior probability of what is true is uniform, when truths come from the prior."""
    rng = np.random.default_rng(7)
    treated = np.array([3, 3, 6, 3, 3])
    rank = []

    @cache  # there are only 1,792 possible outcomes
    def posterior_of(toxic):
        return blrm_posterior(LEVELS, treated, toxic, prior=WIDE, tolerance=1e-4)

    for a, b in rng.multivariate_normal(WIDE.mean, WIDE.covariance, size=n):
        truth = 1 / (1 + np.exp(-(a + np.exp(b) * np.log(LEVELS / 10.0))))
        posterior = posterior_of(tuple(rng.binomial(treated, truth).tolist()))
        rank.append([posterior.above(min(max(truth[i], 1e-15), 1 - 1e-15))[i] for i in (1, 4)])
    for ranks in np.transpose(rank):
        assert stats.kstest(ranks, "uniform").pvalue > 0.001
        observed = np.histogram(ranks, bins=10, range=(0, 1))[0]
        assert stats.chisquare(observed).pvalue > 0.001


def test_table(case):
    frame = case.to_frame()
    assert len(frame) == 15
    assert (frame["q025"] < frame["median"]).all()
    assert (frame["median"] < frame["q975"]).all()


def test_what_is_not_legal():
    legal = {"levels": [1.0, 2.0], "treated": [3, 3], "toxic": [0, 1]}
    for change, message in (
        ({"levels": [2.0, 1.0]}, "rising positive"),
        ({"levels": [0.0, 1.0]}, "above zero"),
        ({"treated": [3]}, "one count for each"),
        ({"toxic": [0, 4]}, "toxic <= treated"),
        ({"toxic": [0, 0.5]}, "whole numbers"),
        ({"interval": (0.35, 0.2)}, "must rise"),
        ({"interval": 0.3}, "two numbers"),
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": np.nan}, "tolerance"),
        ({"interval": (0.2,)}, "two numbers"),
        ({"interval": (0.0, 0.2)}, "above 0 and below 1"),
    ):
        with pytest.raises(RadiobioError, match=message):
            blrm_posterior(**(legal | change), prior=NBG)
    for mean, covariance, reference, message in (
        ([0.0], np.eye(2), 1.0, "two finite means"),
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], 1.0, "positive definite"),
        ([0.0, 0.0], [[1.0, 0.0], [0.5, 1.0]], 1.0, "symmetric"),
        ([0.0, 0.0], np.eye(2), 0.0, "reference_level"),
        ([0.0, 0.0], np.eye(2), [1.0, 2.0], "single number"),
    ):
        with pytest.raises(RadiobioError, match=message):
            LogisticPrior(mean, covariance, reference)
    with pytest.raises(RadiobioError, match="threshold"):
        blrm_posterior(**legal, prior=NBG).above(1.0)
