from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from foci import FociError, FociSample, LinearCalibration, dose_from_line, eberlein_2015
from foci import fit_linear_calibration as fit

REFERENCE = Path(__file__).parents[1] / "reference"
DOSE = np.repeat([0.0, 0.01, 0.02, 0.05, 0.1], 2)


def simulated(rng, *, intercept=0.2, slope=14.7, cells=200, dispersion=1.0):
    mean = cells * (intercept + slope * DOSE)
    if dispersion > 1:
        return rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
    return rng.poisson(mean)


def test_published_fit_of_the_iaea_example():
    # biodosetools test-dicentrics.R: 0.0010 +- 0.0011, 0.0541 +- 0.0115 (quasi-Poisson)
    counts = pd.read_csv(REFERENCE / "foci_barquinero_counts.csv")
    counts = counts[counts.dose_gy < 1]
    line = fit(counts.dose_gy, counts.cells, counts.foci)
    printed = [
        round(value, 4)
        for value in (
            line.intercept_per_cell,
            line.intercept_sd,
            line.slope_per_gy,
            line.slope_sd,
        )
    ]
    assert printed == [0.0010, 0.0011, 0.0541, 0.0115]
    assert line.dispersion > 1


def negative_log_likelihood(parameters, cells, foci):
    return -stats.poisson.logpmf(foci, cells * (parameters[0] + parameters[1] * DOSE)).sum()


@pytest.mark.parametrize("seed", range(5))
def test_against_a_direct_maximisation(seed):
    rng = np.random.default_rng(seed)
    cells = rng.integers(50, 500, len(DOSE))
    foci = simulated(rng, cells=cells)
    line = fit(DOSE, cells, foci, dispersion=1.0)
    best = optimize.minimize(
        negative_log_likelihood,
        [0.3, 10.0],
        args=(cells, foci),
        bounds=[(1e-9, None), (1e-9, None)],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000},
    )
    assert [line.intercept_per_cell, line.slope_per_gy] == pytest.approx(best.x, rel=1e-5)
    # Fisher information by hand
    mean = best.x[0] + best.x[1] * DOSE
    information = [[(cells * DOSE ** (i + j) / mean).sum() for i in (0, 1)] for j in (0, 1)]
    covariance = np.linalg.inv(information)
    assert line.slope_sd**2 == pytest.approx(covariance[1, 1], rel=1e-4)
    assert line.intercept_sd**2 == pytest.approx(covariance[0, 0], rel=1e-4)
    assert line.covariance == pytest.approx(covariance[0, 1], rel=1e-4)
    assert line.status == "ok"


def test_intercept_stays_at_zero():
    dose = np.array([0.0, 0.05, 0.1, 0.2])
    foci = np.array([0, 60, 140, 310])
    line = fit(dose, [100] * 4, foci, dispersion=1.0)
    assert (line.intercept_per_cell, line.intercept_sd) == (0.0, 0.0)
    assert line.slope_per_gy == pytest.approx(foci.sum() / (100 * dose.sum()))
    assert line.slope_sd == pytest.approx(np.sqrt(foci.sum()) / (100 * dose.sum()))
    assert "bound of zero" in line.status
    # the likelihood falls into the interior
    mean = line.slope_per_gy * dose * 100
    inside = stats.poisson.logpmf(foci, mean * 0.999 + 100 * 1e-3 * line.slope_per_gy * 0.05)
    assert inside[1:].sum() + inside[0] < stats.poisson.logpmf(foci, mean).sum()


def test_dispersion_scales_the_covariance():
    foci = simulated(np.random.default_rng(3))
    one, four = (fit(DOSE, [200] * 10, foci, dispersion=phi) for phi in (1.0, 4.0))
    assert four.slope_sd == pytest.approx(2 * one.slope_sd)
    assert four.covariance == pytest.approx(4 * one.covariance)
    assert four.slope_per_gy == one.slope_per_gy


@pytest.mark.parametrize(
    ("dose", "cells", "foci", "words"),
    [
        ([0.0, 0.1], [100], [1, 2], "shapes"),
        ([0.1, 0.1], [100, 100], [1, 2], "two different doses"),
        ([0.0, 0.1], [100, 100], [20, 10], "do not rise"),
        ([0.0, -0.1], [100, 100], [20, 10], "zero or positive"),
        ([0.0, np.nan], [100, 100], [20, 10], "finite"),
    ],
)
def test_bad_series_are_refused(dose, cells, foci, words):
    with pytest.raises(FociError, match=words):
        fit(dose, cells, foci)


def test_published_line_says_what_is_assumed():
    line = eberlein_2015(slope_cv=0.2)
    assert line.slope_per_gy == 14.7
    assert line.slope_sd == pytest.approx(2.94)
    assert any("20% ASSUMED" in words for words in line.assumptions)
    with pytest.raises(FociError, match="slope_cv"):
        eberlein_2015(slope_cv=-0.1)


@pytest.mark.parametrize(
    "fields",
    [
        {"slope_per_gy": 0.0},
        {"slope_sd": -1.0},
        {"covariance": 1.0},
        {"irradiation_h": -1.0},
    ],
)
def test_impossible_lines_are_refused(fields):
    with pytest.raises(FociError):
        LinearCalibration(**({"slope_per_gy": 14.7, "slope_sd": 1.0} | fields))


LINE = LinearCalibration(14.7, 0.9, intercept_per_cell=0.2, intercept_sd=0.02, covariance=-0.006)


def test_fieller_limits_solve_their_equation():
    sample = FociSample(1, 1.0, 200, 190)
    dose = dose_from_line(sample, LINE, level=0.9)
    z = stats.norm.ppf(0.95)
    for limit in dose.fieller_interval_gy:
        gap = sample.per_cell - 0.2 - 14.7 * limit
        variance = 190 / 200**2 + 0.02**2 + 0.9**2 * limit**2 + 2 * limit * -0.006
        assert gap**2 == pytest.approx(z**2 * variance, rel=1e-9)
    assert dose.g == pytest.approx((z * 0.9 / 14.7) ** 2)
    assert dose.fieller_interval_gy[0] < dose.dose_gy < dose.fieller_interval_gy[1]


def test_delta_sd_by_simulation():
    rng = np.random.default_rng(2)
    line = rng.multivariate_normal([0.2, 14.7], [[0.02**2, -0.006], [-0.006, 0.9**2]], 400_000)
    dose = (rng.poisson(400, 400_000) / 400 - line[:, 0]) / line[:, 1]
    result = dose_from_line(FociSample(1, 1.0, 400, 400), LINE)
    assert result.sd_gy == pytest.approx(dose.std(), rel=0.02)


def test_baseline_replaces_the_intercept():
    sample, baseline = FociSample(1, 1.0, 200, 190), FociSample(1, -1.0, 100, 50)
    own = dose_from_line(sample, LINE, baseline=baseline)
    assert own.dose_gy == pytest.approx((0.95 - 0.5) / 14.7)
    assert dose_from_line(baseline, LINE, baseline=sample).status.startswith("the count is not")


def test_a_slope_that_may_be_zero_has_no_fieller_interval():
    result = dose_from_line(FociSample(1, 1.0, 200, 190), LinearCalibration(14.7, 8.0))
    assert result.fieller_interval_gy is None
    assert "unbounded" in result.status
    with pytest.raises(FociError, match="level"):
        dose_from_line(FociSample(1, 1.0, 200, 190), LINE, level=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [1.0, 2.0])
def test_coverage_of_the_slope_and_of_the_dose(dispersion):
    rng = np.random.default_rng(11)
    n, slope, delta, fieller = 1000, 0, 0, 0
    for _ in range(n):
        foci = simulated(rng, dispersion=dispersion)
        line = fit(DOSE, [200] * len(DOSE), foci, dispersion=dispersion)
        slope += abs(line.slope_per_gy - 14.7) < 1.645 * line.slope_sd
        mean = 200 * (0.2 + 14.7 * 0.04)
        count = (
            rng.poisson(mean)
            if dispersion == 1
            else rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
        )
        result = dose_from_line(FociSample(1, 1.0, 200, int(count)), line, level=0.9)
        delta += result.delta_interval_gy[0] < 0.04 < result.delta_interval_gy[1]
        fieller += result.fieller_interval_gy[0] < 0.04 < result.fieller_interval_gy[1]
    for hits in (slope, delta, fieller):
        assert 0.87 < hits / n < 0.93
