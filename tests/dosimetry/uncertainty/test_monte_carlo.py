from dataclasses import replace

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.uncertainty import (
    DoseMeasurement,
    RecoveryCoefficient,
    RecoveryCurve,
    dose_draws,
    dose_uncertainty,
    measurement_factor,
    monte_carlo_check,
)

COVARIANCE = np.array([[0.09, -0.006], [-0.006, 0.0025]])
CURVE = RecoveryCurve(5.0, 0.85, COVARIANCE)


def measurement(volume_ml, scale, recovery=None):
    """A tumour whose every uncertainty is proportional to `scale` (0.1: about 10 % or less)."""
    return DoseMeasurement(
        tia_mbq_h=900.0,
        tia_sd_mbq_h=900.0 * 0.6 * scale,
        s_value_gy_per_mbq_h=9e-3,
        volume_ml=volume_ml,
        voi_relative_sd=scale,
        recovery=recovery or RecoveryCurve(5.0, 0.85, COVARIANCE * (scale / 0.1) ** 2),
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


@pytest.mark.parametrize("n_draws", [0, -3])
def test_no_draws_are_refused(n_draws):
    with pytest.raises(DosimetryError, match="at least one"):
        measurement_factor(measurement(9.0, 0.1), n_draws=n_draws, rng=np.random.default_rng())


def test_draws_of_another_number_are_refused():
    with pytest.raises(DosimetryError, match="must hold 10 draws"):
        dose_draws(
            measurement(9.0, 0.1), n_draws=10, rng=np.random.default_rng(), tia_mbq_h=np.ones(9)
        )
