import numpy as np
import pytest
from scipy import integrate, special, stats

from foci import FociError, FociSample, eberlein_2015
from foci.calibration import CalibrationCurve, calibration_line
from foci.counting.count_mean import log_marginal
from foci.sample_dose.dose_posterior import dose_posterior
from foci.sample_dose.dose_prior import DosePrior

SLOPE, SLOPE_SD, BACKGROUND = 14.7, 14.7 * 0.05, 0.2
LINE = calibration_line(SLOPE, SLOPE_SD)
FLAT = DosePrior(0.0, 1.0, "uniform")


def sample(foci, cells=200, time_h=1.0):
    return FociSample(1, time_h, cells, int(foci))


def marginal(foci, cells, mean, variance, kind, dispersion=1.0):
    arrays = (np.array([float(value)]) for value in (foci, cells, mean, variance, dispersion))
    return float(log_marginal(*arrays, kind)[0])


@pytest.mark.parametrize("dispersion", [1.0, 1.7])
@pytest.mark.parametrize("foci", [0, 1, 7, 130])
@pytest.mark.parametrize(("mean", "sd"), [(0.02, 0.01), (0.6, 0.02), (0.6, 0.3)])
def test_mean_integrated_out_against_quadrature(mean, sd, foci, dispersion):
    cells, x, n = 200, foci / dispersion, 200 / dispersion
    laws = {
        "gamma": stats.gamma((mean / sd) ** 2, scale=sd**2 / mean),
        "normal": stats.truncnorm(-mean / sd, np.inf, loc=mean, scale=sd),
    }
    m = np.linspace(1e-9, 3.0, 1_000_001)
    for kind, law in laws.items():
        log_value = law.logpdf(m) + special.xlogy(x, n * m) - n * m - special.gammaln(x + 1)
        top = log_value.max()
        exact = top + np.log(integrate.simpson(np.exp(log_value - top), m))
        assert marginal(foci, cells, mean, sd**2, kind, dispersion) == pytest.approx(
            exact, abs=2e-5
        )


def test_gamma_mean_is_the_negative_binomial_and_a_known_mean_the_poisson():
    mean, variance = 0.7, 0.01
    size = mean**2 / variance
    exact = stats.nbinom.logpmf(150, size, (mean / variance) / (mean / variance + 200))
    assert marginal(150, 200, mean, variance, "gamma") == pytest.approx(exact, abs=1e-9)
    for kind in ("gamma", "normal"):
        poisson = stats.poisson.logpmf(150, 200 * mean)
        assert marginal(150, 200, mean, 0.0, kind) == pytest.approx(poisson, abs=1e-4)


def hermite_pmf(count, single, double):
    """Probability of count = X1 + 2 X2 with Poisson X1 and X2."""
    twos = np.arange(count // 2 + 1)
    return float(
        (stats.poisson.pmf(twos, double) * stats.poisson.pmf(count - 2 * twos, single)).sum()
    )


# Coefficients and counts of the example of the R package radir 1.0.4 (Higueras 2015, example 3a)
RADIR = CalibrationCurve(
    np.array([0.0, 3.126e-3, 2.537e-2]),
    np.array([[0, 0, 0], [0, 7.205e-6, -3.438e-6], [0, -3.438e-6, 2.718e-6]]),
)


@pytest.mark.parametrize("kind", ["gamma", "normal"])
def test_example_of_radir_against_a_twin(kind):
    cells, dicentrics = 1811, 102
    dose = np.arange(0.5, 3.0, 0.001)
    mean = 3.126e-3 * dose + 2.537e-2 * dose**2
    variance = 7.205e-6 * dose**2 - 2 * 3.438e-6 * dose**3 + 2.718e-6 * dose**4
    if kind == "gamma":
        density = stats.nbinom.pmf(
            dicentrics, mean**2 / variance, (mean / variance) / (mean / variance + cells)
        )
    else:
        single, double = cells * mean - cells**2 * variance, cells**2 * variance / 2
        density = np.array(
            [hermite_pmf(dicentrics, a, b) for a, b in zip(single, double, strict=True)]
        )
    density /= density.sum()
    found = dose_posterior(
        sample(dicentrics, cells), RADIR, mean_prior=kind, prior=DosePrior(0.0, 20.0, "uniform")
    )
    assert found.mean_gy == pytest.approx(density @ dose, abs=2e-4)
    assert found.sd_gy == pytest.approx(
        np.sqrt(density @ dose**2 - (density @ dose) ** 2), abs=2e-4
    )
    assert found.mode_gy == pytest.approx(dose[density.argmax()], abs=1e-3)
    cdf = np.cumsum(density) - density / 2
    assert found.equal_tailed_gy == pytest.approx(np.interp([0.025, 0.975], cdf, dose), abs=5e-4)
    assert found.status == ("ok",)


@pytest.mark.parametrize("kind", ["gamma", "normal"])
@pytest.mark.parametrize(
    ("foci", "baseline", "cells"), [(12, 6, 50), (75, 40, 200), (900, 210, 1000)]
)
def test_own_baseline_against_brute_force(foci, baseline, cells, kind):
    # background and slope drawn apart; the posterior takes their sum for one gamma or normal mean
    rng = np.random.default_rng(1)
    n = 40_000
    background = rng.gamma(0.5 + baseline, 1 / (0.5 / 0.3 + cells), n)
    slope = rng.normal(SLOPE, SLOPE_SD, n) if kind == "normal" else rng.gamma(400.0, SLOPE / 400, n)
    found = dose_posterior(
        sample(foci, cells),
        LINE,
        baseline=sample(baseline, cells, -1.0),
        prior=FLAT,
        mean_prior=kind,
    )
    dose = found.grid_gy[::4]
    density = np.array(
        [stats.poisson.pmf(foci, cells * (background + slope * d)).mean() for d in dose]
    )
    density /= integrate.trapezoid(density, dose)
    mean = integrate.trapezoid(density * dose, dose)
    sd = np.sqrt(integrate.trapezoid(density * (dose - mean) ** 2, dose))
    assert found.mean_gy == pytest.approx(mean, abs=0.05 * sd)
    assert found.sd_gy == pytest.approx(sd, rel=0.03)
    cdf = integrate.cumulative_trapezoid(density, dose, initial=0)
    exact = np.interp([0.025, 0.975], cdf, dose)
    assert found.equal_tailed_gy == pytest.approx(exact, abs=0.1 * sd)


def test_evidence_is_a_distribution_of_the_count():
    total = dose_posterior(
        [sample(x, 20) for x in range(1500)], LINE, baseline=sample(4, 20, -1.0), prior=FLAT
    )
    assert np.exp(total.log_evidence).sum() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("kind", ["gamma", "log_normal", "log_uniform", "uniform"])
def test_priors_are_densities_with_their_quantiles(kind):
    prior = DosePrior(0.02, 0.5, kind)
    points = [0.02, 0.05, 0.1, 0.3, 0.5]
    value = integrate.quad(
        lambda d: np.exp(prior.log_density(d)), 1e-12, 50.0, points=[*points, 3.0], limit=500
    )[0]
    assert value == pytest.approx(1.0, abs=1e-5)
    inside = integrate.quad(lambda d: np.exp(prior.log_density(d)), 0.02, 0.5, limit=200)[0]
    assert inside == pytest.approx(0.95 if kind in ("gamma", "log_normal") else 1.0, abs=1e-6)
    # with a count of nothing the posterior is the prior
    empty = dose_posterior(sample(0, 1), calibration_line(1e-9, 0.0), prior=prior, level=0.9)
    low, high = empty.equal_tailed_gy
    below = integrate.quad(lambda d: np.exp(prior.log_density(d)), 1e-12, low, points=points[:1])[0]
    above = integrate.quad(lambda d: np.exp(prior.log_density(d)), high, 3.0, points=[0.5])[0]
    assert (below, above) == pytest.approx((0.05, 0.05), abs=2e-3)


def test_gamma_prior_keeps_its_mean_and_sd():
    prior = DosePrior.gamma(0.1, 0.04)
    dose = np.linspace(1e-6, 1.0, 20_001)
    density = np.exp(prior.log_density(dose))
    mean = integrate.trapezoid(density * dose, dose)
    assert mean == pytest.approx(0.1, rel=1e-5)
    assert integrate.trapezoid(density * (dose - mean) ** 2, dose) == pytest.approx(
        0.0016, rel=1e-4
    )


def test_a_gamma_prior_pulls_the_dose():
    free, held = (
        dose_posterior(sample(150), LINE, baseline=sample(40, 200, -1.0), prior=prior)
        for prior in (FLAT, DosePrior.gamma(0.01, 0.003))
    )
    assert held.mean_gy < free.mean_gy
    assert held.sd_gy < free.sd_gy


@pytest.mark.parametrize("mean_prior", ["gamma", "normal"])
def test_many_samples_at_once_are_the_single_ones(mean_prior):
    counts, baselines = (40, 90, 400), (30, 50, 45)
    together = dose_posterior(
        [sample(x) for x in counts],
        LINE,
        baseline=[sample(b, 200, -1.0) for b in baselines],
        dispersion=[1.0, 1.5, 2.0],
        mean_prior=mean_prior,
    )
    assert together.mean_gy.shape == (3,)
    assert together.shortest_gy.shape == (3, 2)
    for i, (x, b, phi) in enumerate(zip(counts, baselines, (1.0, 1.5, 2.0), strict=True)):
        one = dose_posterior(
            sample(x), LINE, baseline=sample(b, 200, -1.0), dispersion=phi, mean_prior=mean_prior
        )
        assert one.mean_gy.shape == ()
        assert one.shortest_gy == pytest.approx(together.shortest_gy[i], rel=1e-9)
        assert one.log_evidence == pytest.approx(together.log_evidence[i], rel=1e-9)
    frame = together.to_frame()
    assert list(frame["mean_gy"]) == together.mean_gy.tolist()
    assert frame.shape[0] == 3


def test_intervals_quantiles_and_draws_tell_the_same():
    found = dose_posterior(sample(150), LINE, baseline=sample(40, 200, -1.0), level=0.9)
    assert found.quantile_gy([0.05, 0.95]) == pytest.approx(found.equal_tailed_gy)
    draws = found.draws_gy(20_000, np.random.default_rng(1))
    assert draws.mean() == pytest.approx(float(found.mean_gy), abs=4 * draws.std() / 141)
    inside = (draws > found.shortest_gy[0]) & (draws < found.shortest_gy[1])
    assert inside.mean() == pytest.approx(0.9, abs=0.01)
    assert np.diff(found.shortest_gy) <= np.diff(found.equal_tailed_gy)
    assert np.array_equal(found.interval_gy("equal_tailed"), found.equal_tailed_gy)
    # the ends of the shortest interval are equally dense
    ends = np.interp(found.shortest_gy, found.grid_gy, found.density_per_gy)
    assert ends[0] == pytest.approx(ends[1], rel=0.05)


def test_more_foci_more_dose_and_more_cells_less_doubt():
    doses = dose_posterior(
        [sample(x) for x in (40, 60, 100, 300)], LINE, baseline=sample(40, 200, -1.0)
    )
    assert np.all(np.diff(doses.median_gy) > 0)
    sds = [
        dose_posterior(sample(0.6 * n, n), LINE, baseline=sample(0.2 * n, n, -1.0)).sd_gy
        for n in (50, 500, 5000)
    ]
    assert np.all(np.diff(sds) < 0)


def test_a_curve_that_falls_gives_two_doses_and_says_so():
    curve = CalibrationCurve(np.array([0.1, 10.0, -5.0]), np.diag([1e-6, 1e-4, 1e-4]))
    found = dose_posterior(sample(2 * 1285, 2000), curve, prior=DosePrior(0.0, 1.9, "uniform"))
    assert "falls above 1 Gy" in found.status[0]
    assert "2 modes" in found.status[0]
    # the roots of 10 D - 5 D^2 = 1.185
    roots = 1 - np.array([1.0, -1.0]) * np.sqrt(1 - 1.185 / 5)
    for root in roots:
        near = np.abs(found.grid_gy - root) < 0.05
        peak = found.grid_gy[near][found.density_per_gy[near].argmax()]
        assert peak == pytest.approx(root, abs=0.005)
    dose = np.linspace(0.0, 1.9, 40_001)
    sd = np.sqrt(1e-6 + 1e-4 * dose**2 + 1e-4 * dose**4)
    mean = 0.1 + 10 * dose - 5 * dose**2
    density = stats.nbinom.pmf(2570, mean**2 / sd**2, 1 / (1 + 2000 * sd**2 / mean)) / 1.9
    assert found.log_evidence == pytest.approx(np.log(integrate.trapezoid(density, dose)), abs=1e-3)
    assert found.mean_gy == pytest.approx(
        integrate.trapezoid(density * dose, dose) / integrate.trapezoid(density, dose), rel=1e-3
    )


def test_a_band_that_falls_is_explained():
    curve = CalibrationCurve(np.array([0.1, 10.0]), np.diag([1e-4, 36.0]))
    found = dose_posterior(sample(500, 100), curve)
    assert "lower limit of the calibration curve falls" in found.status[0]
    sure = dose_posterior(sample(500, 100), calibration_line(10.0, 0.5))
    assert sure.status == ("ok",)


def test_what_the_counts_do_not_tell_is_said():
    nothing = dose_posterior(sample(38), LINE, baseline=sample(40, 200, -1.0))
    assert nothing.status == ("zero dose is not excluded",)
    assert nothing.shortest_gy[0] == 0.0
    assert nothing.equal_tailed_gy[0] > 0.0
    short = calibration_line(SLOPE, SLOPE_SD, max_dose_gy=0.02, status="poor")
    beyond = dose_posterior(sample(500), short, baseline=sample(40, 200, -1.0))
    assert "extrapolated beyond 0.02 Gy" in beyond.status[0]
    assert "calibration: poor" in beyond.status[0]
    alone = dose_posterior(sample(500), eberlein_2015())
    assert any("no baseline sample" in words for words in alone.assumptions)


def test_what_cannot_be_is_refused():
    with pytest.raises(FociError, match="no sample"):
        dose_posterior([], LINE)
    with pytest.raises(FociError, match="level"):
        dose_posterior(sample(5), LINE, level=1.0)
    with pytest.raises(FociError, match="mean_prior"):
        dose_posterior(sample(5), LINE, mean_prior="beta")
    with pytest.raises(FociError, match="dispersion"):
        dose_posterior(sample(5), LINE, dispersion=[1.0, 2.0])
    with pytest.raises(FociError, match="1 or more"):
        dose_posterior(sample(5), LINE, dispersion=0.5)
    with pytest.raises(FociError, match="one baseline"):
        dose_posterior(sample(5), LINE, baseline=[sample(4), sample(5)])
    with pytest.raises(FociError, match="kind"):
        dose_posterior(sample(5), LINE).interval_gy("widest")
    with pytest.raises(FociError, match="probabilities"):
        dose_posterior(sample(5), LINE).quantile_gy(1.5)
    for low, high, kind in ((0.0, 1.0, "gamma"), (1.0, 0.5, "uniform"), (-0.1, 1.0, "uniform")):
        with pytest.raises(FociError, match="low_gy"):
            DosePrior(low, high, kind)
    with pytest.raises(FociError, match="SD"):
        DosePrior.gamma(0.1, 0.2)
    with pytest.raises(FociError, match="high_gy / low_gy"):
        DosePrior(0.001, 1.0, "gamma").log_density(0.1)


def simulated(rng, n, cells, dose_gy, dispersion, background=BACKGROUND):
    """Counts of n samples and baselines, the slope of the laboratory as uncertain as the line."""

    def count(mean):
        if dispersion == 1:
            return rng.poisson(mean)
        return rng.negative_binomial(np.maximum(mean, 1e-9) / (dispersion - 1), 1 / dispersion)

    slope = SLOPE + SLOPE_SD * rng.standard_normal(n)
    foci = count(cells * (background + slope * dose_gy))
    before = count(cells * background * np.ones(n))
    return (
        [sample(x, cells) for x in foci],
        [sample(x, cells, -1.0) for x in before],
    )


def coverage(rng, n, cells, dose_gy, dispersion=1.0, mean_prior="gamma"):
    """Share of 95 % intervals that hold the dose: shortest and equal-tailed."""
    samples, baselines = simulated(rng, n, cells, dose_gy, dispersion)
    found = dose_posterior(
        samples, LINE, baseline=baselines, dispersion=dispersion, mean_prior=mean_prior, prior=FLAT
    )
    return [
        float(np.mean((limits[:, 0] <= dose_gy) & (dose_gy <= limits[:, 1])))
        for limits in (found.shortest_gy, found.equal_tailed_gy)
    ]


def test_coverage_at_fixed_doses():
    rng = np.random.default_rng(11)
    found = np.array([coverage(rng, 400, n, d) for n in (50, 1000) for d in (0.0, 0.01, 0.1)])
    assert 0.93 < found[:, 0].mean() < 0.97
    assert 0.93 < found[[1, 2, 4, 5], 1].mean() < 0.97
    assert np.all(found[[0, 3], 1] == 0.0)  # an equal-tailed interval never holds zero dose


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [1.0, 1.5])
@pytest.mark.parametrize("dose_mgy", [0, 5, 10, 25, 50, 100])
@pytest.mark.parametrize("cells", [50, 100, 300, 1000])
def test_coverage_of_every_design(cells, dose_mgy, dispersion):
    rng = np.random.default_rng([cells, dose_mgy])
    shortest, equal_tailed = coverage(rng, 3000, cells, dose_mgy / 1000, dispersion)
    assert 0.92 < shortest < 0.98
    assert dose_mgy == 0 or 0.92 < equal_tailed < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("dose_mgy", [0, 10, 100])
@pytest.mark.parametrize("cells", [50, 1000])
def test_coverage_with_a_normal_mean(cells, dose_mgy):
    rng = np.random.default_rng([7, cells, dose_mgy])
    shortest, equal_tailed = coverage(rng, 1500, cells, dose_mgy / 1000, 1.0, "normal")
    assert 0.92 < shortest < 0.98
    assert dose_mgy == 0 or 0.92 < equal_tailed < 0.98


@pytest.mark.parametrize("cells", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_simulation_based_calibration(cells):
    # dose, slope and background drawn from their priors: the rank of the dose is uniform
    rng = np.random.default_rng(13)
    n, prior = 1500, DosePrior(0.0, 0.1, "uniform")
    dose, background = rng.uniform(0.0, 0.1, n), rng.gamma(0.5, 0.6, n)
    samples, baselines = simulated(rng, n, cells, dose, 1.0, background)
    found = dose_posterior(samples, LINE, baseline=baselines, prior=prior)
    step = np.diff(found.grid_gy) * (found.density_per_gy[:, 1:] + found.density_per_gy[:, :-1]) / 2
    below = np.concatenate([np.zeros((n, 1)), np.cumsum(step, axis=1)], axis=1)
    rank = [np.interp(d, x, c) for d, x, c in zip(dose, found.grid_gy, below, strict=True)]
    assert stats.kstest(rank, "uniform").pvalue > 0.005
