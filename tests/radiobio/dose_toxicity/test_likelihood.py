"""Likelihood and posterior against plain loops, finite differences and quadrature."""

import numpy as np
import pytest
from scipy import integrate, optimize

from radiobio.dose_toxicity.laplace import approximate, sample
from radiobio.dose_toxicity.likelihood import Design, derivatives, gap_signs, log_likelihood
from radiobio.dose_toxicity.posterior import Posterior


def random_design(rng, *, n_cuts, anchor, n=12, missing=True):
    rows, start, probability, level, centre = [], [0], [], [], []
    for i in range(n):
        ways = 1 + (i % 3 if missing else 0)
        p = rng.dirichlet(np.ones(ways))
        y = i % (n_cuts + 1)
        for k in range(ways):
            rows.append(rng.standard_normal(3))
            probability.append(p[k])
            level.append(y)
            centre.append(i % 3 - 1)
        start.append(len(rows))
    return Design(np.array(rows), np.array(centre), 2, np.log(probability), np.array(start),
                  np.array(level), n_cuts, anchor)  # fmt: skip


def by_hand(design, theta, sd):
    """Probabilities of every patient, one by one."""
    p, m = design.n_beta, design.n_cuts
    beta, gaps, z = theta[:p], np.exp(theta[p : p + m - 1]), theta[p + m - 1 :]
    cuts = {design.anchor: 0.0}
    for k in range(design.anchor + 1, m + 1):
        cuts[k] = cuts[k - 1] + gaps[k - 2]
    for k in range(design.anchor - 1, 0, -1):
        cuts[k] = cuts[k + 1] - gaps[k - 1]
    total = 0.0
    for i in range(len(design.start) - 1):
        chance = 0.0
        for r in range(design.start[i], design.start[i + 1]):
            eta = float(design.columns[r] @ beta)
            if design.centre[r] >= 0:
                eta += sd * z[design.centre[r]]
            at_least = {0: 1.0, m + 1: 0.0}
            at_least.update({k: 1 / (1 + np.exp(cut - eta)) for k, cut in cuts.items()})
            y = int(design.level[r])
            chance += np.exp(design.log_probability[r]) * (at_least[y] - at_least[y + 1])
        total += np.log(chance)
    return total


CASES = [(1, 1), (3, 3), (4, 1), (4, 3)]


@pytest.mark.parametrize(("n_cuts", "anchor"), CASES)
def test_the_likelihood_is_that_of_plain_loops(n_cuts, anchor):
    rng = np.random.default_rng(n_cuts)
    design = random_design(rng, n_cuts=n_cuts, anchor=anchor)
    theta = 0.7 * rng.standard_normal((5, design.size))
    sd = rng.uniform(0.1, 1.0, 5)
    expected = [by_hand(design, t, s) for t, s in zip(theta, sd, strict=True)]
    assert np.allclose(log_likelihood(design, theta, sd), expected, rtol=0, atol=1e-10)
    value, _, _ = derivatives(design, theta[0], sd[0])
    assert value == pytest.approx(expected[0], abs=1e-10)


@pytest.mark.parametrize(("n_cuts", "anchor"), CASES)
def test_gradient_and_hessian_are_those_of_differences(n_cuts, anchor):
    rng = np.random.default_rng(10 + n_cuts)
    design = random_design(rng, n_cuts=n_cuts, anchor=anchor)
    theta, step = 0.7 * rng.standard_normal(design.size), 1e-5
    _, gradient, hessian = derivatives(design, theta, 0.6)
    for k in range(design.size):
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] -= step
        (f1, g1, _), (f0, g0, _) = derivatives(design, up, 0.6), derivatives(design, down, 0.6)
        assert gradient[k] == pytest.approx((f1 - f0) / (2 * step), abs=1e-6)
        assert np.allclose(hessian[k], (g1 - g0) / (2 * step), rtol=0, atol=1e-6)


def test_far_away_coefficients_give_finite_numbers():
    design = random_design(np.random.default_rng(1), n_cuts=4, anchor=3)
    theta = np.full(design.size, 40.0)
    theta[3:6] = 3.0
    value, gradient, hessian = derivatives(design, theta, 1.0)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.isfinite(hessian).all()


def test_cuts_lie_in_order_and_the_anchor_at_zero():
    for anchor in (1, 2, 3, 4):
        cuts = gap_signs(4, anchor)[1:-1] @ np.array([0.5, 1.0, 2.0])
        assert np.allclose(np.diff(cuts), [0.5, 1.0, 2.0])
        assert cuts[anchor - 1] == 0.0


def posterior_of(design, **options):
    q = design.n_fixed
    settings = {"log_sd_centre": None, "sd_centre_scale": 0.5, **options}
    return Posterior(design, np.linspace(-1.0, 0.5, q), np.diag(np.linspace(0.3, 1.0, q)),
                     **settings)  # fmt: skip


@pytest.mark.parametrize("spread", [None, (-1.0, 0.4)])
def test_the_gradient_in_all_variables_is_that_of_differences(spread):
    rng = np.random.default_rng(4)
    design = random_design(rng, n_cuts=4, anchor=3)
    posterior = posterior_of(design, log_sd_centre=spread)
    x, step = np.append(0.5 * rng.standard_normal(design.size), -0.8), 1e-5
    value, gradient = posterior.in_all(x)
    assert value == pytest.approx(float(posterior.log_density(x[:-1], x[-1])), abs=1e-10)
    for k in range(len(x)):
        e = step * (np.arange(len(x)) == k)
        slope = (posterior.in_all(x + e)[0] - posterior.in_all(x - e)[0]) / (2 * step)
        assert gradient[k] == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("spread", [None, (-1.0, 0.4)])
def test_the_prior_of_the_spread_is_a_density_with_its_quantiles(spread):
    posterior = posterior_of(
        random_design(np.random.default_rng(4), n_cuts=1, anchor=1), log_sd_centre=spread
    )

    def density(s):
        return float(np.exp(posterior.log_prior_of_spread(np.asarray(s))))

    for p in (0.05, 0.5, 0.99):
        mass, _ = integrate.quad(density, -25.0, posterior.spread_quantile(p), limit=200)
        assert mass == pytest.approx(p, abs=1e-6)


def small_posterior():
    """Two coefficients, no centres: few patients, so that the posterior is skewed."""
    rng = np.random.default_rng(8)
    columns = np.column_stack([np.ones(25), rng.normal(0, 1, 25)])
    level = (rng.random(25) < 1 / (1 + np.exp(2.0 - columns[:, 1]))).astype(int)
    design = Design(columns, np.full(25, -1), 0, np.zeros(25), np.arange(26), level, 1, 1)
    return Posterior(design, np.array([-2.3, 0.4]), np.diag([1.0, 0.25]), None, 0.5)


def test_mode_is_that_of_a_general_optimiser():
    posterior = small_posterior()
    best = optimize.minimize(
        lambda t: -float(posterior.log_density(t, np.asarray(-1.0))), np.zeros(2), tol=1e-10
    )
    assert np.allclose(approximate(posterior).mode[0], best.x, atol=1e-5)


def test_moments_and_evidence_are_those_of_quadrature():
    posterior = small_posterior()
    a, b = np.linspace(-7, 2, 181), np.linspace(-2.5, 3.5, 181)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    s = np.full(len(grid), -1.0)
    prior_of_s = float(posterior.log_prior_of_spread(np.asarray(-1.0)))
    density = np.exp(posterior.log_density(grid, s) - prior_of_s)
    mass = density.sum() * (a[1] - a[0]) * (b[1] - b[0])
    mean = density @ grid / density.sum()
    sd = np.sqrt(density @ (grid - mean) ** 2 / density.sum())
    mixture = approximate(posterior)
    assert mixture.log_evidence == pytest.approx(np.log(mass), abs=0.05)  # Laplace, 25 patients
    theta, _, efficiency = sample(posterior, mixture, 40_000, np.random.default_rng(2))
    assert efficiency > 0.7
    assert np.allclose(theta.mean(0), mean, atol=4 * sd / np.sqrt(40_000) * 1.5)
    assert np.allclose(theta.std(0), sd, rtol=0.02)
