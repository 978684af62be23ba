"""Residuals and variances of samples: those of Fisher scoring on their likelihood."""

import numpy as np
import pytest

from hemadose.trials.clinic.dose_observations import EffectPrior, Observed
from hemadose.trials.clinic.kinetic_surrogate import CyclePolynomial

CV, SD = np.array([0.2, 0.2, 0.0]), np.array([0.0, 0.5, 2.0])
VALUE, GBQ = np.log([0.3, 0.1, 0.2]), 7.4


def observed(log_sample):
    """Samples of many patients against a prediction without an error of its own."""
    m, k = len(log_sample), len(CV)
    prior = EffectPrior(
        np.zeros((m, 1)), np.ones(1), np.zeros(1), CV, SD, 0, background_log_mean=0.0,
        background_log_sd=1.0,
    )  # fmt: skip
    zero = np.zeros(k)
    flat = CyclePolynomial(zero, np.zeros((k, 1)), np.zeros((k, 1, 1)), zero, zero)
    samples = np.exp(log_sample)
    return Observed(samples, np.empty((m, 0)), np.full((m, 1), np.log(GBQ)), prior, flat)


def score(seen, m):
    value = np.broadcast_to(VALUE, (m, len(CV)))
    residual, variance, _, _ = seen.residual(value, np.zeros(m), first=False)
    return residual / variance, variance


@pytest.mark.parametrize("gap", [-1.0, 0.0, 0.4, 3.0])
def test_the_slope_is_that_of_the_likelihood(gap):
    seen = observed((VALUE + np.log(GBQ) + gap)[None])
    slope, _ = score(seen, 1)
    h = 1e-5
    for i in range(len(CV)):
        step = h * np.eye(len(CV))[i]
        up, down = (seen.misfit((VALUE + s)[None], np.zeros(1))[0] for s in (step, -step))
        assert slope[0, i] == pytest.approx((down - up) / (2 * h), rel=1e-5, abs=1e-7)


def test_the_variance_is_the_inverse_of_the_information():
    """The information is the mean square of the slope over samples drawn from the prediction."""
    n = 200_000
    value = np.exp(VALUE) * GBQ
    log_sd = np.sqrt(np.log1p(CV**2 + (SD / value) ** 2))
    z = np.random.default_rng(5).standard_normal((n, len(CV)))
    slope, variance = score(observed(np.log(value) + log_sd * z), n)
    np.testing.assert_allclose((slope**2).mean(0), 1 / variance[0], rtol=0.02)
    np.testing.assert_allclose(slope.mean(0), 0.0, atol=4 / np.sqrt(n * variance[0].min()))
