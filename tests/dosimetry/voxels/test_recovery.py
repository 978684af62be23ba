"""Recovery curves: fits, uncertainty, and the blurred sphere."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter

from dosimetry.errors import DosimetryError
from dosimetry.voxels import (
    fit_recovery,
    recovered_activity,
    sphere_peak_recovery,
    sphere_recovery,
    sphere_volume_ml,
)
from dosimetry.voxels.gaussian_sphere import FWHM_PER_SIGMA

VOLUME = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 113.0])


def kept(diameter, fwhm):
    """Overlap of two spheres, averaged over the Maxwell distribution of the displacement."""
    radius, sigma = diameter / 2, fwhm / FWHM_PER_SIGMA

    def integrand(x):
        overlap = 1 - 3 * x / (4 * radius) + x**3 / (16 * radius**3)
        return overlap * np.sqrt(2 / np.pi) * x**2 / sigma**3 * np.exp(-(x**2) / (2 * sigma**2))

    return quad(integrand, 0, min(2 * radius, 12 * sigma), epsabs=1e-14, limit=200)[0]


@pytest.mark.parametrize("ratio", [0.02, 0.2, 0.29, 0.31, 0.5, 1.0, 3.0, 30.0])
def test_blurred_sphere_against_quadrature(ratio):
    assert float(sphere_recovery(10 * ratio, 10.0)) == pytest.approx(
        kept(10 * ratio, 10.0), rel=1e-9
    )


@pytest.mark.parametrize("diameter", [10.0, 24.0])
def test_blurred_sphere_against_a_blurred_image(diameter):
    fwhm, size = 12.0, 1.0
    n = int(diameter + 4 * fwhm) | 1
    axis = (np.arange(n) - n // 2) * size
    radius = np.sqrt(sum(a**2 for a in np.meshgrid(axis, axis, axis)))
    sphere = np.clip((diameter / 2 - radius) / size + 0.5, 0, 1)  # soft edge: part of a voxel
    blurred = gaussian_filter(sphere, fwhm / FWHM_PER_SIGMA / size, truncate=6)
    assert float(sphere_recovery(diameter, fwhm)) == pytest.approx(
        float((blurred * sphere).sum() / sphere.sum()), rel=0.01
    )
    assert float(sphere_peak_recovery(diameter, fwhm)) == pytest.approx(
        float(blurred[n // 2, n // 2, n // 2]), rel=0.01
    )


def test_limits_of_the_blurred_sphere():
    assert float(sphere_recovery(1e4, 1.0)) == pytest.approx(1.0, abs=2e-4)
    small, sigma = 0.05, 10 / FWHM_PER_SIGMA
    dilute = sphere_volume_ml(small) * 1000 / (2 * np.pi * sigma**2) ** 1.5
    assert float(sphere_recovery(small, 10.0)) == pytest.approx(float(dilute), rel=1e-4)
    assert float(sphere_peak_recovery(small, 10.0)) == pytest.approx(float(dilute), rel=1e-4)
    both = sphere_recovery(np.geomspace(0.1, 500, 400), 10.0)
    assert (np.diff(both) > 0).all()


@pytest.mark.parametrize("lengths", [(0.0, 5.0), (5.0, -1.0), (np.nan, 1.0)])
def test_lengths_that_are_refused(lengths):
    for function in (sphere_recovery, sphere_peak_recovery):
        with pytest.raises(DosimetryError, match="above 0 mm"):
            function(*lengths)


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
