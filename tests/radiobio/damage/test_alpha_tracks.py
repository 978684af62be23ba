import numpy as np
import pytest
from scipy.integrate import quad

from kinetics import SumOfExponentials
from radiobio.damage.alpha_tracks import (
    BETA_SHARE_RA223,
    alpha_tracks_per_cell,
    alpha_tracks_per_gy,
    specific_energy_per_track_gy,
    track_components,
)
from radiobio.damage.dsb import foci_after_irradiation
from radiobio.errors import RadiobioError


def test_specific_energy_of_a_track():
    # z1 = 0.204 L/d^2 (L in keV/um, d in um), the microdosimetric unit of the textbooks
    np.testing.assert_allclose(specific_energy_per_track_gy(100.0, 1.0), 20.4, atol=0.005)
    let, diameter = np.array([80.0, 100.0, 120.0]), 6.2
    chord, mass_kg = 2 * diameter / 3, 1e-15 * np.pi * diameter**3 / 6
    joule = let * chord * 1.602176634e-16
    np.testing.assert_allclose(specific_energy_per_track_gy(let, diameter), joule / mass_kg)


def test_tracks_of_random_chords():
    rng, n = np.random.default_rng(9), 200_000
    diameter, let, dose = 6.2, 100.0, 0.1
    # random lines hit the disc evenly; their chords follow from the distance to the centre
    chord = diameter * np.sqrt(1 - rng.random(n))
    mass_kg = 1e-15 * np.pi * diameter**3 / 6
    imparted = let * chord * 1.602176634e-16 / mass_kg
    expected = dose / imparted.mean()
    error = 4 * imparted.std() / imparted.mean() / np.sqrt(n)
    np.testing.assert_allclose(alpha_tracks_per_gy(let, diameter) * dose, expected, rtol=error)


def test_the_beta_share_makes_no_track():
    slope = alpha_tracks_per_gy(100.0, 6.2)
    with_betas = alpha_tracks_per_gy(100.0, 6.2, beta_share=BETA_SHARE_RA223)
    np.testing.assert_allclose(with_betas, 0.963 * slope)


@pytest.mark.parametrize(("rate", "stays"), [(0.24, 0.15), (0.1, 0.0), (0.16, 1.0), (0.0, 0.3)])
def test_in_vivo_is_the_sum_of_repair_laws(rate, stays):
    curve = SumOfExponentials([0.01, 0.002], [0.5, 0.1])
    times = np.array([0.5, 4.0, 24.0])
    tracks = alpha_tracks_per_cell(
        curve, times, tracks_per_gy=1.9, repair_rate_per_h=rate, persistent_fraction=stays,
        background_per_cell=0.01,
    )  # fmt: skip

    def left(t):
        return (1 - stays) * np.exp(-rate * t) + stays

    expected = [1.9 * quad(lambda s, t=t: curve(s) * left(t - s), 0, t)[0] for t in times]
    np.testing.assert_allclose(tracks - 0.01, expected, rtol=1e-9)


def test_persistent_tracks_keep_count_of_the_dose():
    curve = SumOfExponentials([0.01], [0.1])
    late = alpha_tracks_per_cell(
        curve, 1000.0, tracks_per_gy=1.9, repair_rate_per_h=0.24, persistent_fraction=0.15
    )
    np.testing.assert_allclose(late, 0.15 * 1.9 * 0.1, rtol=1e-10)


def test_repair_after_irradiation_with_draws():
    rate, fraction = track_components([0.24, 0.16, 0.13], [[0.1], [0.2]])
    assert rate.shape == fraction.shape == (2, 3, 2)
    left = foci_after_irradiation(
        [0.0, 4.0, 24.0], dose_gy=0.0, irradiation_h=1.0, induction_per_gy=0.0,
        initial_per_cell=2.0, repair_rate_per_h=rate, fraction=fraction,
    )  # fmt: skip
    np.testing.assert_allclose(
        left[1, 0], 2 * (0.8 * np.exp(-0.24 * np.array([0.0, 4.0, 24.0])) + 0.2)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: track_components(0.2, 1.1), "persistent_fraction must be between 0 and 1"),
        (lambda: track_components(-0.2, 0.1), "repair_rate_per_h"),
        (lambda: alpha_tracks_per_gy(100.0, 6.2, beta_share=2.0), "beta_share must be between"),
        (lambda: alpha_tracks_per_gy(0.0, 6.2), "let_kev_per_um must be finite and above zero"),
        (lambda: specific_energy_per_track_gy(100.0, -1.0), "nucleus_diameter_um"),
    ],
)
def test_what_is_not_legal(call, message):
    with pytest.raises(RadiobioError, match=message):
        call()
