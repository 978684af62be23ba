import numpy as np
import pytest
from scipy import optimize, stats

from foci.calibration import (
    CalibrationCurve,
    calibration_line,
    check_curve,
    combine_laboratories,
    eberlein_2015,
)
from foci.errors import FociError


def simulated(rng, n, between, mean=(0.3, 10.0)):
    """Curves of n laboratories, each with its own covariance, and their true coefficients."""
    curves, truth = {}, []
    for lab in range(n):
        sd = np.array([0.03, 0.8]) * rng.uniform(0.5, 1.5)
        within = np.outer(sd, sd) * [[1, -0.6], [-0.6, 1]]
        own = rng.multivariate_normal(mean, between)
        seen = rng.multivariate_normal(own, within)
        curves[f"lab {lab}"] = CalibrationCurve(np.maximum(seen, 1e-3), within)
        truth.append(own)
    return curves, np.array(truth)


BETWEEN = np.array([[0.08**2, 0.7 * 0.08 * 3.0], [0.7 * 0.08 * 3.0, 3.0**2]])


def restricted_minus_log_likelihood(parameters, theta, within):
    """Of all coefficients stacked, from one big covariance."""
    lower = np.array([[parameters[0], 0.0], [parameters[1], parameters[2]]])
    n = len(theta)
    total = np.zeros((2 * n, 2 * n))
    for i in range(n):
        total[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = within[i] + lower @ lower.T
    design = np.tile(np.eye(2), (n, 1))
    inverse = np.linalg.inv(total)
    information = design.T @ inverse @ design
    y = theta.ravel()
    mean = np.linalg.solve(information, design.T @ inverse @ y)
    gap = y - design @ mean
    return 0.5 * (
        gap @ inverse @ gap + np.linalg.slogdet(total)[1] + np.linalg.slogdet(information)[1]
    )


def test_spread_against_the_restricted_likelihood_of_the_stacked_coefficients():
    curves, _ = simulated(np.random.default_rng(1), 12, BETWEEN)
    found = combine_laboratories(curves, scale="identity")
    theta = np.array([curve.coefficients for curve in curves.values()])
    within = np.array([curve.covariance for curve in curves.values()])
    best = optimize.minimize(
        restricted_minus_log_likelihood,
        [0.05, 1.0, 2.0],
        args=(theta, within),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 5000},
    )
    lower = np.array([[best.x[0], 0.0], [best.x[1], best.x[2]]])
    assert found.between == pytest.approx(lower @ lower.T, rel=1e-3)
    assert found.status == "ok"
    # shrunken curve of one laboratory: conditional mean of the joint normal, mean known; the
    # total spread is widened by (n - 1) / (n - 3)
    wide = found.between + 2 / 9 * (found.between + within.mean(0))
    total = within[0] + wide
    expected = found.mean.coefficients + wide @ np.linalg.solve(
        total, theta[0] - found.mean.coefficients
    )
    assert found.shrunken["lab 0"].coefficients == pytest.approx(expected)


def coverage(n, n_laboratories, seed):
    """Mean spread, and shares of 95 % intervals that hold a new and an own slope."""
    rng = np.random.default_rng(seed)
    spreads, covered_new, covered_own = [], 0, 0
    for _ in range(n):
        curves, truth = simulated(rng, n_laboratories, BETWEEN)
        found = combine_laboratories(curves, scale="identity")
        spreads.append(found.between)
        new = rng.multivariate_normal([0.3, 10.0], BETWEEN)[1]
        expected = found.new_laboratory
        covered_new += abs(new - expected.slope_per_gy) < 1.96 * expected.slope_sd
        for own, true in zip(found.shrunken.values(), truth, strict=True):
            covered_own += abs(true[1] - own.slope_per_gy) < 1.96 * own.slope_sd
    return np.mean(spreads, 0), covered_new / n, covered_own / (n * n_laboratories)


def test_the_spread_and_the_curve_of_a_new_laboratory_are_recovered():
    spread, new, own = coverage(30, 20, seed=2)
    assert spread == pytest.approx(BETWEEN, rel=0.25)
    assert new > 0.85
    assert 0.88 < own < 0.98


@pytest.mark.slow
@pytest.mark.parametrize("n_laboratories", [5, 8, 20])
def test_coverage_of_curves_between_laboratories(n_laboratories):
    _, new, own = coverage(200, n_laboratories, seed=1)
    assert 0.90 < new < 0.985
    assert 0.90 < own < 0.985


def test_one_curve_for_all_needs_no_spread():
    curves, _ = simulated(np.random.default_rng(4), 30, np.zeros((2, 2)))
    found = combine_laboratories(curves, scale="identity")
    assert found.p_value > 0.01
    assert found.between[1, 1] < 0.2 * BETWEEN[1, 1] / 5
    spread, _ = simulated(np.random.default_rng(4), 30, BETWEEN)
    assert combine_laboratories(spread, scale="identity").p_value < 1e-6


def test_logarithms_scale_with_the_unit():
    curves, _ = simulated(np.random.default_rng(5), 8, BETWEEN)
    found = combine_laboratories(curves)
    ten = {
        name: CalibrationCurve(10 * curve.coefficients, 100 * curve.covariance)
        for name, curve in curves.items()
    }
    scaled = combine_laboratories(ten)
    assert scaled.between == pytest.approx(found.between, rel=1e-4, abs=1e-8)
    for name in curves:
        assert scaled.shrunken[name].coefficients == pytest.approx(
            10 * found.shrunken[name].coefficients, rel=1e-5
        )
    # the moments of the log-normal, by drawing
    log_theta = np.log([curve.slope_per_gy for curve in curves.values()])
    new = found.new_laboratory
    expected = np.exp(log_theta.mean() + log_theta.var(ddof=1) / 2)
    assert new.slope_per_gy == pytest.approx(expected, rel=0.05)
    within = np.mean([(curve.slope_sd / curve.slope_per_gy) ** 2 for curve in curves.values()])
    total = found.between[1, 1] + within
    log_variance = found.between[1, 1] + 2 / 5 * total + total / len(curves)
    assert new.slope_sd / new.slope_per_gy == pytest.approx(
        np.sqrt(np.expm1(log_variance)), rel=0.05
    )


def test_a_precise_laboratory_keeps_its_curve_and_a_poor_one_is_drawn_in():
    rng = np.random.default_rng(6)
    curves, _ = simulated(rng, 10, BETWEEN)
    curves["precise"] = calibration_line(18.0, 0.01, intercept_per_cell=0.4, intercept_sd=0.001)
    curves["poor"] = calibration_line(18.0, 30.0, intercept_per_cell=0.4, intercept_sd=1.0)
    found = combine_laboratories(curves, scale="identity")
    assert found.shrunken["precise"].slope_per_gy == pytest.approx(18.0, abs=0.01)
    assert abs(found.shrunken["poor"].slope_per_gy - found.mean.slope_per_gy) < 0.5
    assert found.shrunken["poor"].slope_sd < 30
    frame = found.to_frame()
    assert frame.laboratory.tolist()[:2] == ["mean", "new laboratory"]
    assert len(frame) == 14


def line(**fields):
    return calibration_line(10.0, 1.0, intercept_per_cell=0.2, intercept_sd=0.02, **fields)


@pytest.mark.parametrize(
    ("curves", "scale", "words"),
    [
        ([line()] * 3, "log", "4 curves or more"),
        ([line()] * 3 + [line(irradiation_h=2.0)], "log", "convert_curve"),
        ([line()] * 3 + [line(repair_h=2.0)], "log", "convert_curve"),
        ([line()] * 3 + [calibration_line(10.0, 1.0)], "log", "variance of zero"),
        ([line()] * 4, "square", "scale"),
        (
            [line()] * 3 + [CalibrationCurve(np.array([0.1, 1, 1]), np.eye(3))],
            "log",
            "cannot be combined",
        ),
        ([line()] * 3 + [calibration_line(1.0, 1.0, intercept_sd=0.1)], "log", "above zero"),
    ],
)
def test_curves_that_cannot_be_combined(curves, scale, words):
    with pytest.raises(FociError, match=words):
        combine_laboratories({f"lab {i}": curve for i, curve in enumerate(curves)}, scale=scale)


def test_four_laboratories_come_with_a_warning():
    found = combine_laboratories({name: line() for name in "ABCD"})
    assert "say little of the spread" in found.status


OWN = calibration_line(14.7, 0.7, intercept_per_cell=0.2, intercept_sd=0.02, covariance=-0.005)
CONTROL = np.array([0.0, 0.02, 0.05, 0.1])


def test_a_laboratory_passes_its_own_check_as_often_as_it_should():
    rng = np.random.default_rng(9)
    p_values, ratios, sds = [], [], []
    for _ in range(400):
        c, b = rng.multivariate_normal(OWN.coefficients, OWN.covariance)
        found = check_curve(OWN, CONTROL, [300] * 4, rng.poisson(300 * (c + b * CONTROL)))
        p_values.append(found.p_value)
        ratios.append(found.scale_ratio)
        sds.append(found.scale_ratio_sd)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.std(ratios) == pytest.approx(np.mean(sds), rel=0.15)


@pytest.mark.parametrize("factor", [0.1, 3.0, 10.0])
def test_the_curve_of_another_laboratory_is_noticed(factor):
    foci = np.rint(300 * (0.2 + factor * 14.7 * CONTROL))
    found = check_curve(OWN, CONTROL, [300] * 4, foci)
    assert found.scale_ratio == pytest.approx(factor, rel=0.1)
    assert "use a curve of this laboratory" in found.status
    assert found.to_dict()["degrees_of_freedom"] == 4


def test_controls_without_dose_test_the_intercept_alone():
    found = check_curve(OWN, [0.0], [500], [100])
    assert np.isnan(found.scale_ratio)
    assert found.status == "ok"
    high = check_curve(OWN, [0.0], [500], [400])
    assert high.status.startswith("the curve does not fit")
    assert "foci per gray" not in high.status
    with pytest.raises(FociError, match="at least one sample"):
        check_curve(eberlein_2015(), [], [], [])
