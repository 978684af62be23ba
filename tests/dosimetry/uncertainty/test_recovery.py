import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.uncertainty import (
    RecoveryCoefficient,
    RecoveryCurve,
    counts_exponent,
    edge_share,
    fit_recovery_curve,
    sphere_diameter_mm,
)
from dosimetry.uncertainty.recovery import sphere_counts_ratio, sphere_recovery

COVARIANCE = np.array([[0.09, -0.006], [-0.006, 0.0025]])
CURVE = RecoveryCurve(5.0, 0.85, COVARIANCE)


def blurred_points(volume_ml, fwhm_mm, n=400_000):
    """Distances from the centre of points of a uniform sphere, each displaced at random (mm)."""
    rng = np.random.default_rng(11)
    radius = float(sphere_diameter_mm(volume_ml)) / 2
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    points = direction * radius * np.cbrt(rng.random(n))[:, None]
    return np.linalg.norm(points + rng.normal(0, fwhm_mm / 2.354820045, (n, 3)), axis=1), radius


@pytest.mark.parametrize(("volume_ml", "fwhm_mm"), [(1.0, 10.0), (10.0, 10.0), (200.0, 12.0)])
def test_counts_of_a_blurred_sphere_by_displacing_points(volume_ml, fwhm_mm):
    distance, radius = blurred_points(volume_ml, fwhm_mm)
    inside = (distance < radius).mean()
    assert sphere_recovery(volume_ml, fwhm_mm) == pytest.approx(inside, abs=4e-3)
    outlines = volume_ml * np.array([0.3, 0.8, 1.0, 1.5, 4.0])
    counts = [(distance < radius * np.cbrt(v / volume_ml)).mean() for v in outlines]
    ratio = sphere_counts_ratio(outlines, volume_ml, fwhm_mm)
    assert ratio * inside == pytest.approx(counts, abs=4e-3)


@pytest.mark.parametrize("volume_ml", [0.5, 5.0, 50.0, 500.0])
def test_counts_exponent_is_the_slope_of_the_counts(volume_ml):
    step = 1e-3
    outlines = volume_ml * np.array([1 - step, 1 + step])
    low, high = sphere_counts_ratio(outlines, volume_ml, 9.0)
    slope = (high - low) / (2 * step)
    own = sphere_recovery(volume_ml, 9.0)
    assert float(counts_exponent(volume_ml, 9.0, own)) == pytest.approx(slope, rel=2e-3)


def test_edge_share_from_small_to_large():
    values = edge_share([1e-3, 1.0, 1e2, 1e6], 10.0)
    assert (np.diff(values) > 0).all()
    assert values[0] < 1e-2
    assert values[-1] == pytest.approx(1.0, abs=0.02)
    assert float(edge_share(10.0, 0.0)) == pytest.approx(1.0)


def test_curve_goes_through_a_half():
    assert float(CURVE(5.0)) == pytest.approx(0.5)
    assert float(CURVE(1e9)) == pytest.approx(1.0)


@pytest.mark.parametrize("volume_ml", [0.5, 5.0, 80.0])
def test_slope_and_spread_by_differences(volume_ml):
    step = 1e-5

    def log_r(volume, half=5.0, exponent=0.85):
        return float(np.log(RecoveryCurve(half, exponent, COVARIANCE)(volume)))

    slope = (log_r(volume_ml * (1 + step)) - log_r(volume_ml * (1 - step))) / (2 * step)
    assert float(CURVE.slope(volume_ml)) == pytest.approx(slope, rel=1e-6)
    gradient = np.array(
        [
            (log_r(volume_ml, 5 + step) - log_r(volume_ml, 5 - step)) / (2 * step),
            (log_r(volume_ml, 5, 0.85 + step) - log_r(volume_ml, 5, 0.85 - step)) / (2 * step),
        ]
    )
    expected = np.sqrt(gradient @ COVARIANCE @ gradient)
    assert float(CURVE.relative_sd(volume_ml)) == pytest.approx(expected, rel=1e-5)


def test_drawn_curves_spread_as_the_covariance_says():
    small = RecoveryCurve(5.0, 0.85, COVARIANCE / 100)
    rng = np.random.default_rng(5)
    ratio = small.ratio_draws(np.full(100_000, 2.0), 2.0, rng=rng)
    assert ratio.mean() == pytest.approx(1.0, abs=2e-3)
    assert ratio.std() == pytest.approx(float(small.relative_sd(2.0)), rel=0.02)


def test_a_single_coefficient():
    coefficient = RecoveryCoefficient(0.8, 0.04, log_slope=0.2)
    rng = np.random.default_rng(6)
    assert float(coefficient.relative_sd(3.0)) == pytest.approx(0.05)
    ratio = coefficient.ratio_draws(np.full(100_000, 20.0), 10.0, rng=rng)
    assert ratio.mean() == pytest.approx(2**0.2, rel=1e-3)
    assert ratio.std() / ratio.mean() == pytest.approx(0.05, rel=0.02)
    assert coefficient([1.0, 2.0]) == pytest.approx([0.8, 0.8])
    assert coefficient.slope([1.0, 2.0]) == pytest.approx([0.2, 0.2])


def test_fit_recovers_the_curve_and_its_covariance():
    volume = np.array([0.5, 1.0, 2.0, 4.0, 10.0, 30.0, 100.0])
    rng = np.random.default_rng(8)
    fits = [fit_recovery_curve(volume, CURVE(volume) + rng.normal(0, 0.01, 7), np.full(7, 0.01))
            for _ in range(300)]  # fmt: skip
    found = np.array([[fit.half_volume_ml, fit.exponent] for fit in fits])
    assert found.mean(axis=0) == pytest.approx([5.0, 0.85], rel=0.01)
    stated = np.mean([fit.covariance for fit in fits], axis=0)
    assert np.cov(found.T) == pytest.approx(stated, rel=0.3)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RecoveryCurve(0.0, 1.0, COVARIANCE), "must be positive"),
        (lambda: RecoveryCurve(1.0, 1.0, np.eye(3)), "2 by 2"),
        (lambda: RecoveryCurve(1.0, 1.0, [[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (lambda: RecoveryCurve(1.0, 1.0, [[1.0, 2.0], [2.0, 1.0]]), "negative variance"),
        (lambda: RecoveryCoefficient(0.0), "value > 0"),
        (lambda: RecoveryCoefficient(0.5, -0.1), "sd >= 0"),
        (lambda: fit_recovery_curve([1, 2], [0.1, 0.2], [0.1, 0.1]), "at least three"),
        (lambda: fit_recovery_curve([1, 2, 3], [0.1, 0.2, -1], [0.1] * 3), "positive"),
        (lambda: edge_share(1.0, -2.0), "zero or positive"),
        (lambda: counts_exponent(1.0, 2.0, 0.0), "positive"),
    ],
)
def test_wrong_arguments_are_refused(make, match):
    with pytest.raises(DosimetryError, match=match):
        make()
