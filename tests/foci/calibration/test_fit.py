from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from foci.calibration import fit_calibration as fit
from foci.errors import FociError

REFERENCE = Path(__file__).parents[2] / "reference"
DOSE = np.repeat([0.0, 0.01, 0.02, 0.05, 0.1], 2)
NAMES = ("c", "alpha", "beta")


def simulated(rng, *, intercept=0.2, slope=14.7, cells=200, dispersion=1.0):
    mean = cells * (intercept + slope * DOSE)
    if dispersion > 1:
        return rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
    return rng.poisson(mean)


def series(name):
    if name == "dicentrics":
        return pd.read_csv(REFERENCE / "foci_barquinero_counts.csv")
    counts = pd.read_csv(REFERENCE / "foci_calibration_counts.csv")
    return counts[counts.series == name]


def published():
    frame = pd.read_csv(REFERENCE / "foci_calibration_fits.csv", dtype=str)
    return [row.dropna() for _, row in frame.iterrows()]


def agrees(value, printed, relative=0.0):
    """Whether a value rounds to what was printed (or lies within a relative tolerance)."""
    digits = printed.lower().split("e")[0]
    decimals = len(digits.partition(".")[2])
    exponent = int(printed.lower().partition("e")[2] or 0)
    half = 0.5001 * 10.0 ** (exponent - decimals)
    return abs(value - float(printed)) <= max(half, relative * abs(value))


def test_published_fit_of_the_iaea_example():
    # biodosetools test-dicentrics.R: 0.0010 +- 0.0011, 0.0541 +- 0.0115 (quasi-Poisson)
    counts = series("dicentrics")
    counts = counts[counts.dose_gy < 1]
    line = fit(counts.dose_gy, counts.cells, counts.foci).curve
    printed = [
        round(value, 4)
        for value in (line.intercept_per_cell, line.intercept_sd, line.slope_per_gy, line.slope_sd)
    ]
    assert printed == [0.0010, 0.0011, 0.0541, 0.0115]
    assert line.dispersion > 1


@pytest.mark.parametrize("row", published(), ids=lambda row: row["series"])
def test_published_linear_quadratic_fits_with_covariances(row):
    counts = series(row["series"])
    phi = None if row["dispersion"] == "pearson" else 1.0
    found = fit(counts.dose_gy, counts.cells, counts.foci, model="linear_quadratic", dispersion=phi)
    # R's glm stops at a relative change of the deviance of 1e-8; the quasi-Poisson row was
    # printed with more digits than it had converged to
    relative = 5e-6 if phi is None else 0.0
    curve = found.curve
    for i, name in enumerate(NAMES):
        assert agrees(curve.coefficients[i], row[name], relative)
        assert agrees(np.sqrt(curve.covariance[i, i]), row[f"{name}_sd"], relative)
        for j in range(i):
            printed = row[f"cov_{NAMES[j]}_{name}"]
            assert agrees(curve.covariance[i, j], printed, relative)
    measures = ("log_likelihood", "deviance", "pearson_dispersion")
    for name in (name for name in measures if name in row):
        assert agrees(getattr(found, name), row[name], relative)
    assert curve.status == "ok"
    assert curve.max_dose_gy == counts.dose_gy.max()


def test_measures_of_the_fit_by_hand():
    counts = series("dicentrics")
    found = fit(counts.dose_gy, counts.cells, counts.foci, model="linear_quadratic", dispersion=1.0)
    mean = found.cells * found.curve.mean_per_cell(found.dose_gy)
    log_likelihood = stats.poisson.logpmf(counts.foci, mean).sum()
    saturated = stats.poisson.logpmf(counts.foci, counts.foci).sum()
    assert found.log_likelihood == pytest.approx(log_likelihood, rel=1e-12)
    assert found.deviance == pytest.approx(2 * (saturated - log_likelihood), rel=1e-9)
    # of integer counts: 2 x 3 + 2 x 35.711957; a yield in a Poisson density gives 7.057
    assert found.aic == pytest.approx(77.423914, abs=1e-6)
    assert found.degrees_of_freedom == 8
    assert found.goodness_of_fit_p == pytest.approx(stats.chi2.sf(found.deviance, 8))


def test_a_line_through_curved_data_says_that_it_fits_poorly():
    counts = series("dicentrics")
    found = fit(counts.dose_gy, counts.cells, counts.foci)
    assert "scatter about the curve" in found.curve.status
    assert found.goodness_of_fit_p < 1e-10
    curved = fit(counts.dose_gy, counts.cells, counts.foci, model="linear_quadratic")
    assert curved.aic < found.aic - 100


def negative_log_likelihood(parameters, dose, cells, foci, scale):
    mean = cells * (dose[:, None] ** np.arange(len(parameters)) @ (parameters * scale))
    return -stats.poisson.logpmf(foci, np.maximum(mean, 1e-12)).sum()


@pytest.mark.parametrize("seed", range(5))
def test_against_a_direct_maximisation(seed):
    rng = np.random.default_rng(seed)
    cells = rng.integers(50, 500, len(DOSE))
    foci = simulated(rng, cells=cells)
    line = fit(DOSE, cells, foci, dispersion=1.0).curve
    best = optimize.minimize(
        negative_log_likelihood,
        [0.3, 10.0],
        args=(DOSE, cells, foci, 1.0),
        bounds=[(1e-9, None), (1e-9, None)],
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000},
    )
    assert line.coefficients == pytest.approx(best.x, rel=1e-5)
    # Fisher information by hand
    mean = best.x[0] + best.x[1] * DOSE
    information = [[(cells * DOSE ** (i + j) / mean).sum() for i in (0, 1)] for j in (0, 1)]
    assert line.covariance == pytest.approx(np.linalg.inv(information), rel=1e-4)
    assert line.status == "ok"


@pytest.mark.parametrize("seed", range(12))
def test_constrained_curves_against_a_bounded_optimiser(seed):
    # few counts on nearly straight data: any coefficient may end at its bound
    rng = np.random.default_rng(100 + seed)
    dose = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.0])
    cells = rng.integers(20, 300, len(dose))
    truth = np.array([0.002, 0.08, 0.0]) if seed % 2 else np.array([0.0, 0.005, 0.05])
    foci = rng.poisson(cells * (dose[:, None] ** np.arange(3) @ truth))
    found = fit(dose, cells, foci, model="linear_quadratic", dispersion=1.0)
    scale = np.array([0.01, 0.1, 0.05])
    fits = [
        optimize.minimize(
            negative_log_likelihood,
            start,
            args=(dose, cells, foci, scale),
            bounds=[(0.0, None)] * 3,
            method="L-BFGS-B",
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000},
        )
        for start in ([0.5, 0.5, 0.5], [0.01, 1.0, 0.01], [0.01, 0.01, 1.0])
    ]
    best = min(fits, key=lambda result: result.fun)
    assert -found.log_likelihood <= best.fun + 1e-7
    for value, name in zip(
        found.curve.coefficients, ("intercept", "linear", "quadratic"), strict=True
    ):
        assert (value == 0) == (f"the {name}" in found.curve.status)
    free = found.curve.coefficients > 0
    assert ((np.diag(found.curve.covariance) > 0) == free).all()
    assert found.degrees_of_freedom == len(dose) - free.sum()


def test_the_constrained_cases_meet_every_bound():
    # otherwise the test before would not test its constraints
    seen = set()
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        dose = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.0])
        cells = rng.integers(20, 300, len(dose))
        truth = np.array([0.002, 0.08, 0.0]) if seed % 2 else np.array([0.0, 0.005, 0.05])
        foci = rng.poisson(cells * (dose[:, None] ** np.arange(3) @ truth))
        curve = fit(dose, cells, foci, model="linear_quadratic").curve
        seen |= set(np.flatnonzero(curve.coefficients == 0))
    assert seen == {0, 1, 2}


def test_intercept_stays_at_zero():
    dose = np.array([0.0, 0.05, 0.1, 0.2])
    foci = np.array([0, 60, 140, 310])
    line = fit(dose, [100] * 4, foci, dispersion=1.0).curve
    assert (line.intercept_per_cell, line.intercept_sd) == (0.0, 0.0)
    assert line.slope_per_gy == pytest.approx(foci.sum() / (100 * dose.sum()))
    assert line.slope_sd == pytest.approx(np.sqrt(foci.sum()) / (100 * dose.sum()))
    assert "bound of zero" in line.status
    # the likelihood falls into the interior
    mean = line.slope_per_gy * dose * 100
    inside = stats.poisson.logpmf(foci, mean * 0.999 + 100 * 1e-3 * line.slope_per_gy * 0.05)
    assert inside[1:].sum() + inside[0] < stats.poisson.logpmf(foci, mean).sum()


def test_a_known_background_is_kept_and_its_uncertainty_carried():
    foci = simulated(np.random.default_rng(7))
    exact = fit(DOSE, [200] * 10, foci, intercept_per_cell=0.2, dispersion=1.0).curve
    assert exact.coefficients[0] == 0.2
    assert exact.covariance[0].tolist() == [0.0, 0.0]
    known = fit(
        DOSE, [200] * 10, foci, intercept_per_cell=0.2, intercept_sd=0.03, dispersion=1.0
    ).curve
    # how the slope follows the background, by refitting
    step = 1e-4
    up, down = (
        fit(DOSE, [200] * 10, foci, intercept_per_cell=0.2 + sign * step, dispersion=1.0).curve
        for sign in (1, -1)
    )
    response = (up.slope_per_gy - down.slope_per_gy) / (2 * step)
    assert known.slope_per_gy == exact.slope_per_gy
    assert known.intercept_sd == pytest.approx(0.03)
    assert known.covariance[0, 1] == pytest.approx(0.03**2 * response, rel=0.05)
    added = known.slope_sd**2 - exact.slope_sd**2
    assert added == pytest.approx((0.03 * response) ** 2, rel=0.1)


def test_a_saturating_curve_is_fitted_only_when_asked_for():
    dose = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0])
    foci = np.rint(1000 * (0.2 + 10 * dose - 2 * dose**2)).astype(int)
    free = fit(dose, [1000] * 6, foci, model="linear_quadratic", saturating=True).curve
    assert free.coefficients == pytest.approx([0.2, 10.0, -2.0], rel=1e-3)
    held = fit(dose, [1000] * 6, foci, model="linear_quadratic").curve
    assert held.coefficients[2] == 0
    assert "quadratic coefficient is at its bound" in held.status
    assert held.slope_per_gy == pytest.approx(fit(dose, [1000] * 6, foci).curve.slope_per_gy)


def test_dispersion_scales_the_covariance():
    foci = simulated(np.random.default_rng(3))
    one, four = (fit(DOSE, [200] * 10, foci, dispersion=phi).curve for phi in (1.0, 4.0))
    assert four.covariance == pytest.approx(4 * one.covariance)
    assert four.coefficients.tolist() == one.coefficients.tolist()


def test_dispersion_between_the_cells():
    rng = np.random.default_rng(8)
    mean = 0.2 + 14.7 * DOSE
    counts = [rng.negative_binomial(m / 0.8, 1 / 1.8, size=3000) for m in mean]
    distributions = [np.bincount(sample) for sample in counts]
    foci = [sample.sum() for sample in counts]
    found = fit(DOSE, [3000] * 10, foci, distributions=distributions).curve
    assert found.dispersion == pytest.approx(1.8, rel=0.03)
    by_hand = sum(s.var(ddof=1) / s.mean() for s in counts) / len(counts)
    assert found.dispersion == pytest.approx(by_hand, rel=1e-12)
    with pytest.raises(FociError, match="distribution 1 holds"):
        fit(DOSE, [3000] * 10, range(10), distributions=distributions)
    with pytest.raises(FociError, match="9 distributions"):
        fit(DOSE, [3000] * 10, foci, distributions=distributions[:9])


def test_tables_hold_the_samples_and_the_fit():
    found = fit(DOSE, [200] * 10, simulated(np.random.default_rng(3)), dispersion=1.0)
    frame = found.to_frame()
    assert (frame.fitted_per_cell - found.curve.mean_per_cell(DOSE)).abs().max() == 0
    chi_square = (frame.pearson_residual**2).sum()
    assert chi_square / 8 == pytest.approx(found.pearson_dispersion)
    assert found.to_dict()["curve"]["coefficients"] == found.curve.coefficients.tolist()


@pytest.mark.parametrize(
    ("dose", "cells", "foci", "words"),
    [
        ([0.0, 0.1], [100], [1, 2], "shapes"),
        ([0.1, 0.1], [100, 100], [1, 2], "two different doses"),
        ([0.0, 0.1], [100, 100], [20, 10], "do not rise"),
        ([0.0, -0.1], [100, 100], [20, 10], "zero or positive"),
        ([0.0, np.nan], [100, 100], [20, 10], "finite"),
        ([0.0, 0.1], [100, 100], [0.2, 1.5], "whole numbers"),
        ([0.0, 0.1], [0, 100], [0, 15], "cells 1 or more"),
        ([0.0, 0.1], [100, 100], [0, 0], "do not rise"),
    ],
)
def test_bad_series_are_refused(dose, cells, foci, words):
    with pytest.raises(FociError, match=words):
        fit(dose, cells, foci)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "quadratic"}, "model"),
        ({"model": "linear_quadratic"}, "three different doses"),
        ({"intercept_sd": 0.1}, "give both"),
        ({"intercept_per_cell": -0.1}, "zero or positive"),
        ({"intercept_per_cell": 1.0}, "do not rise"),
        ({"dispersion": 0.5}, "1 or more"),
    ],
)
def test_bad_options_are_refused(options, words):
    with pytest.raises(FociError, match=words):
        fit([0.0, 0.1], [100, 100], [20, 50], **options)


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [1.0, 2.0])
def test_coverage_of_the_slope(dispersion):
    rng = np.random.default_rng(11)
    n, hits = 1000, 0
    for _ in range(n):
        foci = simulated(rng, dispersion=dispersion)
        line = fit(DOSE, [200] * len(DOSE), foci, dispersion=dispersion).curve
        hits += abs(line.slope_per_gy - 14.7) < 1.645 * line.slope_sd
    assert 0.87 < hits / n < 0.93
