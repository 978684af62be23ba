from dataclasses import replace

import numpy as np
import pytest

from dosimetry import (
    Anatomy,
    nuclide,
    organ_dose,
    sphere_s_value,
    tumour_dose,
)
from dosimetry.errors import DosimetryError
from dosimetry.recovery import RecoveryCoefficient, recovery_curve
from dosimetry.uncertainty import (
    DoseMeasurement,
    dose_draws,
    dose_uncertainty,
    measurement_factor,
    monte_carlo_check,
    tia_from_draws,
)
from kinetics import SumOfExponentials

COVARIANCE = np.array([[0.09, -0.006], [-0.006, 0.0025]])


def curve(scale):
    parameters = {"half_volume_ml": 5.0, "exponent": 0.85}
    return recovery_curve(
        "log_logistic", parameters, COVARIANCE * scale**2, smallest_ml=0.5, largest_ml=100.0
    )


def measurement(volume_ml, scale, recovery=None):
    """A tumour whose every uncertainty is proportional to `scale` (0.1: about 10 % or less)."""
    return DoseMeasurement(
        tia_mbq_h=900.0,
        tia_sd_mbq_h=900.0 * 0.6 * scale,
        s_value_gy_per_mbq_h=9e-3,
        volume_ml=volume_ml,
        voi_relative_sd=scale,
        recovery=recovery or curve(scale / 0.1),
        calibration_relative_sd=0.5 * scale,
        spect_fwhm_mm=10.0,
        s_value_exponent=0.98,
        s_value_relative_sd=0.4 * scale,
    )


@pytest.mark.parametrize("volume_ml", [1.0, 9.0, 100.0])
@pytest.mark.parametrize("scale", [0.01, 0.05])
def test_agrees_with_first_order_while_uncertainties_are_small(volume_ml, scale):
    check = monte_carlo_check(
        measurement(volume_ml, scale), n_draws=100_000, rng=np.random.default_rng(1)
    )
    # 100 000 draws know a standard deviation to 0.22 %; the rest is curvature, of order scale^2
    assert check.sd_ratio == pytest.approx(1.0, abs=0.01 + 4 * scale**2)
    assert abs(check.bias_gy) < 2 * scale**2 * check.first_order.dose_gy + 0.01 * (
        check.first_order.standard_uncertainty_gy
    )


def test_agrees_within_five_percent_at_ten_percent():
    check = monte_carlo_check(measurement(9.0, 0.1), n_draws=100_000, rng=np.random.default_rng(2))
    assert check.sd_ratio == pytest.approx(1.0, abs=0.05)


def test_large_uncertainties_are_skewed_and_first_order_misses_the_tail():
    check = monte_carlo_check(measurement(2.0, 0.6), n_draws=100_000, rng=np.random.default_rng(3))
    frame = check.to_frame().set_index("method")
    assert check.sd_ratio > 1.1
    assert frame.loc["first order", "q025_gy"] < 0 < frame.loc["Monte Carlo", "q025_gy"]
    assert frame.loc["Monte Carlo", "q975_gy"] > frame.loc["first order", "q975_gy"]


@pytest.mark.parametrize("name", ["calibration_relative_sd", "s_value_relative_sd", "tia_sd_mbq_h"])
def test_one_input_alone_is_exact(name):
    """Factors of the dose: log-normal with the mean and spread stated, at any size."""
    base = DoseMeasurement(900.0, 0.0, 9e-3, volume_ml=9.0, voi_relative_sd=0.0)
    one = replace(base, **{name: 0.5 * (900.0 if name == "tia_sd_mbq_h" else 1.0)})
    draws = dose_draws(one, n_draws=400_000, rng=np.random.default_rng(4))
    assert draws.mean() == pytest.approx(8.1, rel=0.005)
    assert draws.std() == pytest.approx(4.05, rel=0.015)


def test_nothing_uncertain():
    sure = DoseMeasurement(900.0, 0.0, 9e-3, volume_ml=9.0, voi_relative_sd=0.0, spect_fwhm_mm=8.0)
    draws = dose_draws(sure, n_draws=5, rng=np.random.default_rng(5))
    assert draws == pytest.approx(np.full(5, 8.1), rel=1e-6)
    assert np.isnan(monte_carlo_check(sure, n_draws=5, rng=np.random.default_rng()).sd_ratio)


def test_mass_alone_has_the_moments_of_a_power():
    """E[1/x] of a log-normal x with mean one is 1 + cv^2."""
    tumour = DoseMeasurement(900.0, 0.0, 9e-3, volume_ml=9.0, voi_relative_sd=0.3)
    factor = measurement_factor(tumour, n_draws=400_000, rng=np.random.default_rng(6))
    assert factor.mean() == pytest.approx(1.09, rel=0.004)


def test_posterior_draws_take_the_place_of_the_fit():
    tumour = measurement(9.0, 0.05)
    tia = np.random.default_rng(7).normal(900, 90, 50_000)
    draws = dose_draws(tumour, n_draws=50_000, rng=np.random.default_rng(8), tia_mbq_h=tia)
    factor = measurement_factor(tumour, n_draws=50_000, rng=np.random.default_rng(8))
    assert draws == pytest.approx(factor * tia * 9e-3)
    expected = dose_uncertainty(replace(tumour, tia_sd_mbq_h=90.0)).relative_uncertainty
    assert draws.std() / draws.mean() == pytest.approx(expected, rel=0.04)


def test_a_seed_gives_the_same_draws():
    tumour = measurement(9.0, 0.1, RecoveryCoefficient(0.6, 0.05, log_slope=0.3))
    one, two = (dose_draws(tumour, n_draws=10, rng=np.random.default_rng(9)) for _ in range(2))
    assert (one == two).all()
    assert (one > 0).all()


def test_the_coefficient_alone_draws_like_its_curve_while_uncertainties_are_small():
    whole = measurement(9.0, 0.03)
    alone = replace(whole, recovery=whole.coefficient)
    spread = [
        measurement_factor(m, n_draws=200_000, rng=np.random.default_rng(11)).std()
        for m in (whole, alone)
    ]
    assert spread[0] == pytest.approx(spread[1], rel=0.02)


def tumour_of(curve_mbq, factor):
    return tumour_dose(curve_mbq, "Lu-177", mass_g=9.0 * 1.03, s_value_factor=factor)


def kidneys_of(curve_mbq, factor):
    anatomy = Anatomy("male", 73.0, 176.0, organ_mass_g={"kidneys": 300.0})
    return organ_dose("kidneys", curve_mbq, "Lu-177", anatomy=anatomy, s_value_factor=factor)


@pytest.mark.parametrize("dose_of", [kidneys_of, tumour_of])
def test_factors_give_an_absorbed_dose_the_uncertainty_of_its_budget(dose_of):
    """Posterior curves times the factors, through the dose functions themselves."""
    n, rng = 100_000, np.random.default_rng(12)
    rate = nuclide("Lu-177").decay_per_h + 0.006 * rng.lognormal(0.0, 0.05, n)
    posterior = SumOfExponentials(rng.normal(10.0, 0.4, n)[:, None], rate[:, None])
    tia, tia_sd = tia_from_draws(posterior)
    one = SumOfExponentials([tia * 0.01], [0.01])
    s_value = float(dose_of(one, 1.0).dose_gy) / tia
    measured = replace(
        measurement(9.0, 0.02), tia_mbq_h=tia, tia_sd_mbq_h=tia_sd, s_value_gy_per_mbq_h=s_value
    )
    factor = measurement_factor(measured, n_draws=n, rng=rng)
    dose = dose_of(posterior, factor)
    first = dose_uncertainty(measured)
    # 100 000 draws know a standard deviation to 0.22 %
    assert dose.dose_gy.std() == pytest.approx(first.standard_uncertainty_gy, rel=0.01)
    assert dose.dose_gy.mean() == pytest.approx(first.dose_gy, rel=0.01)
    table = dose.to_frame().set_index("contribution")
    assert table.loc["total", "sd_gy"] == pytest.approx(dose.dose_gy.std())


def test_the_sphere_s_value_is_that_of_the_tumour_dose():
    one = SumOfExponentials([10.0], [0.01])
    expected = 1000.0 * float(sphere_s_value("Lu-177", mass_g=9.0 * 1.03).total)
    assert float(tumour_of(one, 1.0).dose_gy) == pytest.approx(expected)


@pytest.mark.parametrize("n_draws", [0, -3])
def test_no_draws_are_refused(n_draws):
    with pytest.raises(DosimetryError, match="at least one"):
        measurement_factor(measurement(9.0, 0.1), n_draws=n_draws, rng=np.random.default_rng())


def test_one_draw_has_no_spread():
    with pytest.raises(DosimetryError, match="at least two"):
        monte_carlo_check(measurement(9.0, 0.1), n_draws=1, rng=np.random.default_rng())


def test_draws_of_another_number_are_refused():
    with pytest.raises(DosimetryError, match="must hold 10 draws"):
        dose_draws(
            measurement(9.0, 0.1), n_draws=10, rng=np.random.default_rng(), tia_mbq_h=np.ones(9)
        )
