import numpy as np
import pytest

from kinetics import (
    KineticsError,
    effective_sample_size,
    normalised_weights,
    resample,
    sample_posterior,
)


def test_gaussian_posterior_has_its_exact_moments():
    mean, root = np.array([1.0, -2.0, 0.5]), np.array([[1.0, 0, 0], [0.8, 0.5, 0], [-0.3, 0.2, 2]])
    precision = np.linalg.inv(root @ root.T)

    def log_density(x):
        return -0.5 * np.einsum("ni,ij,nj->n", x - mean, precision, x - mean)

    posterior = sample_posterior(
        log_density, np.zeros(3), rng=np.random.default_rng(2), n_draws=20_000
    )
    np.testing.assert_allclose(posterior.mode, mean, atol=1e-5)
    np.testing.assert_allclose(posterior.covariance, root @ root.T, rtol=1e-5, atol=1e-6)
    n_independent = 1 / (1 / posterior.effective_sample_size + 1 / 20_000)
    error = np.sqrt(np.diag(root @ root.T) / n_independent)
    assert (np.abs(posterior.draws.mean(0) - mean) < 4 * error).all()
    assert posterior.status == "ok"


def test_both_modes_of_a_mixture_are_found():
    def log_density(x):
        parts = [np.log(w) - 0.5 * ((x - m) ** 2).sum(-1) / s**2 - 2 * np.log(s)
                 for w, m, s in ((0.3, -4.0, 0.5), (0.7, 4.0, 1.0))]  # fmt: skip
        return np.logaddexp(*parts)

    rng = np.random.default_rng(3)
    starts = np.array([[-3.0, -3.0], [3.0, 3.0], [0.0, 0.1]])
    posterior = sample_posterior(log_density, starts, rng=rng, n_draws=8000)
    share = (posterior.draws[:, 0] < 0).mean()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / posterior.effective_sample_size))


def test_the_same_seed_gives_the_same_draws():
    draws = [
        sample_posterior(
            lambda x: -((x**4).sum(-1)), np.ones(2), rng=np.random.default_rng(7)
        ).draws
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*draws)


def test_effective_sample_size_of_known_weights():
    assert effective_sample_size(np.zeros(50)) == pytest.approx(50)
    assert effective_sample_size(np.log([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert effective_sample_size([-np.inf, 0.0]) == pytest.approx(1)
    assert effective_sample_size([-np.inf, -np.inf]) == 0.0


def test_systematic_resampling_keeps_expected_counts():
    weight = normalised_weights(np.log([1.0, 2.0, 5.0]))
    counts = np.bincount(resample(weight, 800, np.random.default_rng(1)), minlength=3)
    assert (np.abs(counts - [100, 200, 500]) <= 1).all()


def test_poor_importance_sampling_is_said():
    def ridge(x):  # far too few proposals for a narrow curved ridge
        return -0.5 * ((x[:, 1] - 30 * x[:, 0] ** 2) ** 2) / 1e-4 - 0.5 * x[:, 0] ** 2 / 25

    posterior = sample_posterior(
        ridge, np.zeros(2), rng=np.random.default_rng(0), n_draws=20, n_proposals=40
    )
    assert "importance sampling is poor" in posterior.status


def test_an_impossible_density_is_an_error():
    with pytest.raises(KineticsError, match="impossible"):
        sample_posterior(
            lambda x: np.full(len(x), -np.inf), np.zeros(1), rng=np.random.default_rng(0)
        )


def test_proposal_density_is_scipys_multivariate_t():
    from scipy.stats import multivariate_t

    from kinetics.posterior import _T_DEGREES, _log_t

    rng = np.random.default_rng(5)
    root = np.tril(rng.normal(size=(4, 4))) + 3 * np.eye(4)
    x, mean = rng.normal(size=(50, 4)) * 5, rng.normal(size=4)
    expected = multivariate_t.logpdf(x, mean, root @ root.T, df=_T_DEGREES)
    np.testing.assert_allclose(_log_t(x, mean, root), expected, rtol=1e-10)


def test_a_very_narrow_density_is_sampled_or_said_to_be_poor():
    def log_density(x):
        return -0.5 * (((x - [0.3, -0.2]) / [1e-6, 1.0]) ** 2).sum(-1)

    posterior = sample_posterior(log_density, np.zeros(2), rng=np.random.default_rng(1))
    assert np.isfinite(posterior.draws).all()
    assert posterior.status == "ok" or "poor" in posterior.status
