"""The blurred sphere: closed forms against quadrature, blurred images and displaced points."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.ndimage import gaussian_filter

from dosimetry.errors import DosimetryError
from dosimetry.recovery import (
    counts_exponent,
    edge_share,
    sphere_diameter_mm,
    sphere_peak_recovery,
    sphere_recovery,
    sphere_volume_ml,
)
from dosimetry.recovery.blurred_sphere import FWHM_PER_SIGMA, sphere_counts_ratio


def own_recovery(volume_ml, fwhm_mm):
    return float(sphere_recovery(sphere_diameter_mm(volume_ml), fwhm_mm))


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
    assert own_recovery(volume_ml, fwhm_mm) == pytest.approx(inside, abs=4e-3)
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
    own = own_recovery(volume_ml, 9.0)
    assert float(counts_exponent(volume_ml, 9.0, own)) == pytest.approx(slope, rel=2e-3)


def test_edge_share_from_small_to_large():
    values = edge_share([1e-3, 1.0, 1e2, 1e6], 10.0)
    assert (np.diff(values) > 0).all()
    assert values[0] < 1e-2
    assert values[-1] == pytest.approx(1.0, abs=0.02)
    assert float(edge_share(10.0, 1e-3)) == pytest.approx(1.0, abs=1e-4)


def test_diameter_of_a_sphere():
    assert float(sphere_diameter_mm(4 / 3 * np.pi * 2.0**3)) == pytest.approx(40.0)
    assert float(sphere_diameter_mm(sphere_volume_ml(17.0))) == pytest.approx(17.0)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: counts_exponent(1.0, 2.0, 0.0), "positive"),
        (lambda: edge_share(-1.0, 2.0), "above 0 mL"),
        (lambda: edge_share(1.0, -2.0), "above 0 mm"),
        (lambda: sphere_diameter_mm(0.0), "above 0 mL"),
    ],
)
def test_wrong_arguments_are_refused(make, match):
    with pytest.raises(DosimetryError, match=match):
        make()
