import numpy as np
import pytest
from scipy import optimize, stats

from foci import FociError, FociSample
from foci.calibration import CalibrationCurve, calibration_line
from foci.sample_dose.partial_body import excess_dose, excess_sd, partial_body
from foci.sample_dose.partial_body_bayes import partial_body_posterior
from foci.sample_dose.partial_likelihood import log_likelihood_at, partial_likelihood

LINE = calibration_line(14.7, 0.7)
BACKGROUND = 0.2


def drawn(rng, fraction, excess, *, cells=500, baseline_cells=500):
    """Sample and baseline of a person irradiated in part."""
    irradiated = rng.random(cells) < fraction
    foci = rng.poisson(BACKGROUND + excess * irradiated)
    before = int(rng.poisson(BACKGROUND * baseline_cells))
    return (
        FociSample.from_distribution(np.bincount(foci).tolist(), cycle=1, time_h=1.0),
        FociSample(1, -1.0, baseline_cells, before),
    )


def twin_log_likelihood(sample, baseline, p, excess, background):
    """Written out cell class by cell class with scipy's Poisson."""
    number = np.arange(len(sample.distribution))
    cells = np.array(sample.distribution)
    mixed = p * stats.poisson.pmf(number, background + excess)
    mixed += (1 - p) * stats.poisson.pmf(number, background)
    value = (cells[cells > 0] * np.log(mixed[cells > 0])).sum()
    return value + baseline.foci * np.log(background) - baseline.cells * background


def em_twin(sample, baseline, n_steps=4000):
    """Maximum by expectation and maximisation."""
    number, cells = np.arange(len(sample.distribution)), np.array(sample.distribution)
    p, excess, background = 0.5, 2.0, 0.2
    for _ in range(n_steps):
        hit = p * stats.poisson.pmf(number, background + excess)
        share = hit / (hit + (1 - p) * stats.poisson.pmf(number, background))
        induced = cells * share * number * excess / (background + excess)
        spontaneous = (cells * number).sum() - induced.sum()
        p = (cells * share).sum() / cells.sum()
        excess = induced.sum() / (cells * share).sum()
        background = (baseline.foci + spontaneous) / (baseline.cells + cells.sum())
    return p, excess, background


def test_likelihood_and_maximum_against_twins():
    sample, baseline = drawn(np.random.default_rng(1), 0.3, 2.0)
    point = (0.4, 1.5, 0.25)
    shift = [
        log_likelihood_at(sample, baseline, *(np.array([v]) for v in at))[0, 0, 0]
        - twin_log_likelihood(sample, baseline, *at)
        for at in (point, (0.1, 3.0, 0.15))
    ]
    assert shift[0] == pytest.approx(shift[1], abs=1e-9)  # equal up to a constant
    found = partial_body(sample, baseline)
    p, excess, background = em_twin(sample, baseline)
    assert found.fraction == pytest.approx(p, abs=2e-4)
    assert found.excess_per_cell == pytest.approx(excess, rel=2e-4)
    assert found.background_per_cell == pytest.approx(background, rel=2e-4)
    assert found.status == "ok"


def test_profile_intervals_against_a_twin():
    sample, baseline = drawn(np.random.default_rng(2), 0.3, 2.0)
    found = partial_body(sample, baseline)
    top = twin_log_likelihood(
        sample, baseline, found.fraction, found.excess_per_cell, found.background_per_cell
    )

    def deviance(at, fixed):
        def rest(x):
            p, excess = (at, x[0]) if fixed == "fraction" else (x[0], at)
            if not (0 < p < 1 and excess > 0 and x[1] > 0):
                return 1e9
            return -twin_log_likelihood(sample, baseline, p, excess, x[1])

        start = [found.excess_per_cell if fixed == "fraction" else found.fraction, 0.2]
        best = optimize.minimize(rest, start, method="Nelder-Mead", options={"xatol": 1e-7})
        return 2 * (top + best.fun)

    for fixed, interval in (
        ("fraction", found.fraction_interval),
        ("excess", found.excess_interval),
    ):
        for end in interval:
            assert deviance(end, fixed) == pytest.approx(stats.chi2.ppf(0.95, 1), abs=0.06)
    assert found.deviance_none > found.deviance_whole > 3.84
    whole = optimize.minimize_scalar(
        lambda b: -twin_log_likelihood(sample, baseline, 1.0, max(sample.per_cell - b, 0.0), b),
        bounds=(0.05, 0.5),
        method="bounded",
    )
    assert found.deviance_whole == pytest.approx(2 * (top + whole.fun), rel=0.02)


def dolphin(sample):
    """Plain Dolphin: share and yield of the irradiated cells, spared ones without a focus."""
    hit = sample.cells - sample.distribution[0]
    excess = optimize.brentq(lambda y: y / -np.expm1(-y) - sample.foci / hit, 1e-9, 50.0)
    return sample.foci / (excess * sample.cells), excess


def test_plain_dolphin_is_biased_and_the_mixture_is_not():
    # truth: 30 % of the cells with 2 foci above a background of 0.2
    rng = np.random.default_rng(3)
    pairs = [drawn(rng, 0.3, 2.0) for _ in range(25)]
    plain = np.array([dolphin(sample) for sample, _ in pairs])
    mixed = np.array(
        [(e.fraction, e.excess_per_cell) for e in (partial_body(s, b) for s, b in pairs)]
    )
    error = mixed.std(axis=0) / np.sqrt(len(pairs))
    assert np.all(np.abs(mixed.mean(0) - [0.3, 2.0]) < 4 * error)
    assert plain[:, 0].mean() > 0.4  # too many cells
    assert plain[:, 1].mean() < 1.8  # with too few foci each
    # without a background Dolphin's method is right
    cells = np.random.default_rng(4).poisson(2.0 * (np.arange(100_000) % 10 < 3))
    clean = FociSample.from_distribution(np.bincount(cells).tolist(), cycle=1, time_h=1.0)
    assert dolphin(clean) == pytest.approx((0.3, 2.0), rel=0.02)


def test_what_is_not_identified_is_said():
    rng = np.random.default_rng(5)
    none = partial_body(*drawn(rng, 0.0, 0.0))
    assert "no irradiation at all" in none.status
    whole = partial_body(*drawn(rng, 1.0, 1.0))
    assert "irradiation of all cells" in whole.status
    assert whole.fraction_interval[1] == 1.0
    faint = partial_body(*drawn(rng, 0.5, 0.3, cells=300))
    assert faint.fraction_interval[1] - faint.fraction_interval[0] > 0.5
    assert faint.status != "ok"
    posterior = partial_body_posterior(*drawn(rng, 0.0, 0.0), LINE)
    assert "no irradiation at all" in posterior.status
    whole = partial_body_posterior(*drawn(rng, 1.0, 3.0), LINE)
    assert "all cells is not excluded" in whole.status


def test_dose_of_the_irradiated_cells():
    sample, baseline = drawn(np.random.default_rng(6), 0.3, 2.0)
    found = partial_body(sample, baseline, curve=LINE)
    assert found.dose_gy == pytest.approx(found.excess_per_cell / 14.7)
    narrow = partial_body(sample, baseline, curve=calibration_line(14.7, 0.0))
    assert narrow.dose_interval_gy == pytest.approx(np.array(found.excess_interval) / 14.7)
    assert found.dose_interval_gy[0] < narrow.dose_interval_gy[0]
    assert found.dose_interval_gy[1] > narrow.dose_interval_gy[1]
    assert found.to_dict()["dose_gy"] == found.dose_gy
    assert partial_body(sample, baseline).dose_gy is None


def test_linear_quadratic_curve_is_inverted():
    curve = CalibrationCurve(np.array([0.1, 2.0, 0.5]), np.diag([1e-4, 0.04, 0.01]))
    for dose in (0.01, 0.5, 3.0):
        excess = float(curve.mean_per_cell(dose)) - 0.1
        assert excess_dose(curve, excess) == pytest.approx(dose, rel=1e-9)
        assert excess_sd(curve, dose) == pytest.approx(np.sqrt(0.04 * dose**2 + 0.01 * dose**4))
    falling = CalibrationCurve(np.array([0.1, 2.0, -0.5]), np.zeros((3, 3)))
    assert excess_dose(falling, 1.5) == pytest.approx(1.0)
    assert excess_dose(falling, 50.0) == pytest.approx(2.0)  # its highest point


def test_posterior_against_importance_sampling():
    sample, baseline = drawn(np.random.default_rng(7), 0.3, 2.0, cells=200)
    found = partial_body_posterior(sample, baseline, LINE)
    rng = np.random.default_rng(8)
    n = 400_000
    p, dose = rng.random(n), rng.uniform(0.0, 0.4, n)
    excess = np.maximum(dose * rng.normal(14.7, 0.7, n), 0.0)
    background = rng.gamma(0.5 + baseline.foci, 1 / (0.5 / 0.3 + baseline.cells), n)
    log_weight = np.zeros(n)
    for k, cells in enumerate(sample.distribution):
        mixed = p * stats.poisson.pmf(k, background + excess)
        log_weight += cells * np.log(mixed + (1 - p) * stats.poisson.pmf(k, background))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    assert 1 / (weight**2).sum() > 3000

    def quantile(values, share):
        order = np.argsort(values)
        return np.interp(share, np.cumsum(weight[order]), values[order])

    assert found.fraction_median == pytest.approx(quantile(p, 0.5), abs=0.01)
    assert found.dose_median_gy == pytest.approx(quantile(dose, 0.5), abs=0.003)
    exact = quantile(p * dose, [0.025, 0.5, 0.975])
    grid = [*found.mean_dose_interval_gy, found.mean_dose_gy]
    assert sorted(grid) == pytest.approx(exact, rel=0.03)
    low, high = found.dose_interval_gy
    assert weight[(dose > low) & (dose < high)].sum() == pytest.approx(0.95, abs=0.01)
    low, high = found.fraction_interval
    assert weight[(p > low) & (p < high)].sum() == pytest.approx(0.95, abs=0.01)
    assert "density" not in found.to_dict()


def test_mean_dose_is_known_where_the_fraction_is_not():
    sample, baseline = drawn(np.random.default_rng(9), 0.5, 0.4, cells=1000)
    found = partial_body_posterior(sample, baseline, LINE)
    fraction_ratio = found.fraction_interval[1] / found.fraction_interval[0]
    low, high = found.mean_dose_interval_gy
    assert high / low < fraction_ratio
    assert low < 0.5 * 0.4 / 14.7 < high


def test_what_cannot_be_is_refused():
    baseline = FociSample(1, -1.0, 100, 20)
    with pytest.raises(FociError, match="distribution"):
        partial_body(FociSample(1, 1.0, 100, 50), baseline)
    sample, baseline = drawn(np.random.default_rng(1), 0.3, 2.0)
    with pytest.raises(FociError, match="level"):
        partial_body(sample, baseline, level=0.0)
    with pytest.raises(FociError, match="level"):
        partial_body_posterior(sample, baseline, LINE, level=1.2)
    assert partial_likelihood(sample, baseline).log_likelihood.shape == (81, 97, 25)


@pytest.mark.slow
@pytest.mark.parametrize(("fraction", "excess"), [(0.2, 1.5), (0.6, 1.0)])
def test_coverage_of_both_estimators(fraction, excess):
    rng = np.random.default_rng([17, int(10 * fraction)])
    n, inside = 400, np.zeros(4)
    for _ in range(n):
        slope = rng.normal(14.7, 0.7)  # the laboratory's slope is as uncertain as its line
        dose = excess / 14.7
        sample, baseline = drawn(rng, fraction, dose * slope)
        ml = partial_body(sample, baseline, curve=LINE)
        bayes = partial_body_posterior(sample, baseline, LINE)
        inside += [
            low <= truth <= high
            for truth, (low, high) in (
                (fraction, ml.fraction_interval),
                (dose, ml.dose_interval_gy),
                (fraction, bayes.fraction_interval),
                (dose, bayes.dose_interval_gy),
            )
        ]
    assert np.all((inside / n > 0.92) & (inside / n < 0.98)), inside / n
