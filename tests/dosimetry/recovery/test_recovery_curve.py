"""Recovery curves: fits, known parameters, uncertainty, draws and corrected activities."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.recovery import (
    RecoveryCoefficient,
    fit_recovery,
    plot_recovery,
    recovered_activity,
    recovery_curve,
    sphere_recovery,
    sphere_volume_ml,
)

COVARIANCE = np.array([[0.09, -0.006], [-0.006, 0.0025]])


def known(half_ml=5.0, exponent=0.85, covariance=COVARIANCE, smallest_ml=0.5, largest_ml=100.0):
    parameters = {"half_volume_ml": half_ml, "exponent": exponent}
    return recovery_curve(
        "log_logistic", parameters, covariance, smallest_ml=smallest_ml, largest_ml=largest_ml
    )


VOLUME = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 113.0])


@pytest.mark.parametrize(
    ("form", "truth", "curve"),
    [
        ("log_logistic", [1.5, 0.9], lambda v: 1 / (1 + (1.5 / v) ** 0.9)),
        ("plateau", [1.5, 0.9, 0.92], lambda v: 0.92 / (1 + (1.5 / v) ** 0.9)),
        ("gaussian_sphere", [11.0], lambda v: sphere_recovery(np.cbrt(6000 * v / np.pi), 11.0)),
    ],
)
def test_exact_curves_are_recovered(form, truth, curve):
    fit = fit_recovery(VOLUME, curve(VOLUME), sd=0.02, form=form)
    assert fit.status == "ok"
    np.testing.assert_allclose(np.exp(fit.log_parameter), truth, rtol=1e-6)
    np.testing.assert_allclose(fit(VOLUME), curve(VOLUME), rtol=1e-7)
    assert fit.volume_for(0.6) == pytest.approx(
        np.interp(0.6, curve(np.geomspace(0.1, 1e3, 20001)), np.geomspace(0.1, 1e3, 20001)),
        rel=1e-3,
    )
    assert len(fit.to_frame()) == len(truth)


def test_a_log_logistic_comes_close_to_a_blurred_sphere():
    """The empirical form and the physical one agree to a few hundredths over a phantom's range."""
    diameter = np.array([10.0, 13.0, 17.0, 22.0, 28.0, 37.0, 60.0])
    physical = sphere_recovery(diameter, 12.0)
    fit = fit_recovery(sphere_volume_ml(diameter), physical)
    assert np.abs(fit(sphere_volume_ml(diameter)) - physical).max() < 0.04


def test_covariance_is_that_of_repeated_fits():
    rng = np.random.default_rng(2)
    truth, sd = 1 / (1 + (1.5 / VOLUME) ** 0.9), 0.01
    fits = [fit_recovery(VOLUME, truth + sd * rng.standard_normal(8), sd=sd) for _ in range(400)]
    parameters = np.array([f.log_parameter for f in fits])
    expected = fit_recovery(VOLUME, truth, sd=sd)
    np.testing.assert_allclose(np.cov(parameters.T), expected.log_covariance, rtol=0.25, atol=2e-5)
    at_three = np.array([float(f(3.0)) for f in fits])
    assert at_three.std() == pytest.approx(float(expected.standard_error(3.0)), rel=0.12)


def test_scatter_stands_in_for_missing_errors():
    rng = np.random.default_rng(5)
    noisy = 1 / (1 + (1.5 / VOLUME) ** 0.9) + 0.02 * rng.standard_normal(8)
    scattered, given = fit_recovery(VOLUME, noisy), fit_recovery(VOLUME, noisy, sd=0.02)
    np.testing.assert_allclose(scattered.log_parameter, given.log_parameter, rtol=1e-5)
    ratio = (scattered.residual_sd / 0.02) ** 2
    np.testing.assert_allclose(scattered.log_covariance, given.log_covariance * ratio, rtol=1e-3)


def test_correction_against_draws():
    rng = np.random.default_rng(3)
    curve = fit_recovery(VOLUME, 1 / (1 + (1.5 / VOLUME) ** 0.9), sd=0.01)
    first_order = recovered_activity(50.0, 3.0, curve, measured_sd=1.5, volume_sd_ml=0.15)
    n = 200_000
    volume = rng.normal(3.0, 0.15, n)
    drawn = rng.normal(50.0, 1.5, n) / curve.draws(volume, n_draws=n, rng=rng)
    assert float(first_order.value) == pytest.approx(drawn.mean(), rel=0.003)
    assert float(first_order.standard_error) == pytest.approx(drawn.std(), rel=0.02)
    assert float(first_order.covariance_with_volume_ml) == pytest.approx(
        np.cov(drawn, volume)[0, 1], rel=0.04
    )
    assert float(first_order.covariance_with_volume_ml) < 0
    assert first_order.notes == ()


def test_correction_broadcasts_and_warns_beyond_the_phantom():
    curve = fit_recovery(VOLUME, 1 / (1 + (1.5 / VOLUME) ** 0.9), sd=0.01)
    result = recovered_activity([10.0, 20.0], [0.1, 5.0], curve)
    np.testing.assert_allclose(result.value, [10.0, 20.0] / curve([0.1, 5.0]))
    assert "extrapolated" in result.notes[0]


@pytest.mark.parametrize(
    ("volume", "recovery", "options", "message"),
    [
        (VOLUME, VOLUME * 0, {}, "above 0"),
        (-VOLUME, np.ones(8), {}, "above 0 mL"),
        (VOLUME[:2], [0.3, 0.5], {}, "3 volumes or more"),
        (VOLUME, np.ones(7), {}, "one recovery a volume"),
        (VOLUME, np.ones(8), {"form": "linear"}, "'linear'"),
        (VOLUME, np.ones(8), {"sd": 0.0}, "standard deviations"),
    ],
)
def test_data_that_are_refused(volume, recovery, options, message):
    with pytest.raises(DosimetryError, match=message):
        fit_recovery(volume, recovery, **options)


def test_volumes_the_curve_does_not_reach():
    curve = fit_recovery(VOLUME, 0.9 / (1 + 1.5 / VOLUME), sd=0.01, form="plateau")
    with pytest.raises(DosimetryError, match="does not reach"):
        curve.volume_for(0.95)


def test_a_known_curve_goes_through_a_half():
    assert float(known()(5.0)) == pytest.approx(0.5)
    assert float(known()(1e9)) == pytest.approx(1.0)


@pytest.mark.parametrize("volume_ml", [0.5, 5.0, 80.0])
def test_coefficient_at_a_volume_by_differences(volume_ml):
    step = 1e-5

    def log_r(volume, half=5.0, exponent=0.85):
        return float(np.log(known(half, exponent)(volume)))

    found = known().coefficient(volume_ml)
    slope = (log_r(volume_ml * (1 + step)) - log_r(volume_ml * (1 - step))) / (2 * step)
    assert found.value == pytest.approx(1 / (1 + (5.0 / volume_ml) ** 0.85))
    assert found.log_slope == pytest.approx(slope, rel=1e-6)
    gradient = np.array(
        [
            (log_r(volume_ml, 5 + step) - log_r(volume_ml, 5 - step)) / (2 * step),
            (log_r(volume_ml, 5, 0.85 + step) - log_r(volume_ml, 5, 0.85 - step)) / (2 * step),
        ]
    )
    expected = np.sqrt(gradient @ COVARIANCE @ gradient)
    assert found.relative_sd == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["gaussian_sphere", "log_logistic", "plateau"])
def test_drawn_curves_spread_as_the_coefficient_says(form):
    curve = fit_recovery(VOLUME, 1 / (1 + (1.5 / VOLUME) ** 0.9), sd=0.01, form=form)
    draws = curve.draws(2.0, n_draws=100_000, rng=np.random.default_rng(5))
    found = curve.coefficient(2.0)
    assert draws.mean() == pytest.approx(found.value, abs=2e-3)
    assert draws.std() == pytest.approx(found.sd, rel=0.02)


def test_a_known_curve_is_the_one_fitted():
    fit = fit_recovery(VOLUME, 1 / (1 + (1.5 / VOLUME) ** 0.9), sd=0.01)
    value = np.exp(fit.log_parameter)
    again = known(*value, fit.log_covariance * np.outer(value, value), VOLUME[0], VOLUME[-1])
    assert vars(again.coefficient(3.0)) == pytest.approx(vars(fit.coefficient(3.0)))
    assert again.notes([0.6, 40.0]) == ()
    assert "extrapolated" in again.notes(114.0)[0]


def test_an_undetermined_curve_gives_no_coefficient():
    curve = fit_recovery([1.0, 1.001, 1.002], [0.5] * 3, sd=0.02, form="plateau")
    assert curve.status == "the inserts do not determine every parameter"
    with pytest.raises(DosimetryError, match="unknown: the inserts"):
        curve.coefficient(1.0)
    with pytest.raises(DosimetryError, match="unknown: the inserts"):
        curve.draws(1.0, n_draws=2, rng=np.random.default_rng())


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: known(half_ml=0.0), "must be positive"),
        (lambda: known(smallest_ml=2.0, largest_ml=1.0), "must be positive"),
        (lambda: known(covariance=np.eye(3)), "one row a parameter"),
        (lambda: known(covariance=[[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (lambda: known(covariance=[[1.0, 2.0], [2.0, 1.0]]), "negative variance"),
        (lambda: recovery_curve("linear", {}, [], smallest_ml=1, largest_ml=2), "'linear'"),
        (
            lambda: recovery_curve(
                "gaussian_sphere", {"fwhm": 9.0}, [[1.0]], smallest_ml=1, largest_ml=2
            ),
            "has the parameters",
        ),
        (lambda: RecoveryCoefficient(0.0), "value > 0"),
        (lambda: RecoveryCoefficient(np.inf), "finite value"),
        (lambda: RecoveryCoefficient(0.5, -0.1), "sd >= 0"),
        (lambda: RecoveryCoefficient(0.5, 0.1, np.nan), "and log_slope"),
    ],
)
def test_wrong_arguments_are_refused(make, match):
    with pytest.raises(DosimetryError, match=match):
        make()


def test_recovery_curves():
    volume = np.array([0.5, 1.0, 2.0, 8.0, 32.0])
    measured = 1 / (1 + (1.5 / volume) ** 0.9)
    ax = plot_recovery(fit_recovery(volume, measured, sd=0.02), volume_ml=volume,
                       recovery=measured, sd=0.02)  # fmt: skip
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, 1 / (1 + (1.5 / x) ** 0.9), rtol=1e-6)
    assert ax.get_xscale() == "log"
    assert len(ax.collections) >= 1
