from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from dosimetry import DosimetryError, csda_range, nuclide, sphere_s_value
from dosimetry.spheres import absorbed_fraction_geometry, collision_stopping_power

REFERENCE = Path(__file__).parents[1] / "reference" / "dosimetry_sphere_lu177.csv"
TABLE = np.loadtxt(REFERENCE, delimiter=",", skiprows=1)


def _inside_and_way_out(n, rng):
    """Random points and directions in a unit sphere: distance to the surface."""
    point = rng.standard_normal((n, 3))
    point *= (rng.random(n) ** (1 / 3) / np.linalg.norm(point, axis=1))[:, None]
    cosine = rng.uniform(-1, 1, n)
    radius = np.linalg.norm(point, axis=1)
    return -radius * cosine + np.sqrt(1 - radius**2 * (1 - cosine**2))


def test_published_spheres_within_two_percent_above_a_tenth_of_a_gram():
    mass, s_value = TABLE.T
    found = sphere_s_value("Lu-177", mass_g=mass).total / (3.6e9 * s_value)
    assert np.abs(found[mass > 0.1] - 1).max() < 0.02
    assert np.abs(found - 1).max() < 0.05


@pytest.mark.parametrize("distance", [0.1, 0.7, 1.9])
def test_geometric_factor_by_monte_carlo(distance):
    way_out = _inside_and_way_out(200_000, np.random.default_rng(1))
    share = np.mean(way_out > distance)
    error = np.sqrt(share / len(way_out))
    assert absorbed_fraction_geometry(distance, 1.0) == pytest.approx(share, abs=4 * error)


def test_geometric_factor_ends_at_the_diameter():
    np.testing.assert_allclose(absorbed_fraction_geometry([0.0, 2.0, 5.0], 1.0), [1, 0, 0])


@pytest.mark.parametrize(("name", "mass_g"), [("Lu-177", 0.05), ("I-131", 0.5)])
def test_electrons_by_monte_carlo(name, mass_g):
    """Sample beta energies, points and directions; follow the straight track to the surface."""
    rng, n, data = np.random.default_rng(2), 200_000, nuclide(name)
    energy, density = data.beta_spectrum.T
    cumulative = np.concatenate(
        [[0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(energy))]
    )
    betas = cumulative[-1]
    lines = data.electron_lines
    weight = np.concatenate([[betas], lines[:, 1]])
    kind = rng.choice(len(weight), size=n, p=weight / weight.sum())
    beta = np.interp(rng.random(n), cumulative / betas, energy)
    start = np.where(kind == 0, beta, np.concatenate([[0], lines[:, 0]])[kind])
    radius = np.cbrt(3 * mass_g * 1.03**2 / (4 * np.pi))
    left = np.clip(csda_range(start) - radius * _inside_and_way_out(n, rng), 0, None)
    grid = np.geomspace(1e-4, 1, 3000)
    kept = start - np.interp(left, csda_range(grid), grid) * (left > 0)
    fraction = kept.mean() / start.mean()
    found = sphere_s_value(name, mass_g=mass_g).electron * mass_g / 1000
    assert found / data.delta_electron_gy_kg_per_mbq_h == pytest.approx(fraction, abs=0.004)


def test_photons_by_quadrature():
    data, mass_g = nuclide("I-131"), 20.0
    radius = np.cbrt(3 * mass_g / (4 * np.pi))
    path = Path(__file__).parents[2] / "dosimetry" / "data" / "mu_en_water.csv"
    energy, value = np.loadtxt(path, delimiter=",", skiprows=1).T
    kept = 0.0
    for line, count in data.photon_lines:
        mu = np.exp(np.interp(np.log(line), np.log(energy), np.log(value)))
        share, _ = quad(
            lambda x, mu=mu: mu * np.exp(-mu * x) * absorbed_fraction_geometry(x, radius),
            0,
            2 * radius,
            limit=200,
            points=[min(1 / mu, radius)],
        )
        kept += line * count * share
    found = sphere_s_value(data, mass_g=mass_g, density_g_per_ml=1.0).photon
    assert found == pytest.approx(kept * 5.7678e-4 / 0.020, rel=2e-3)


@pytest.mark.parametrize("energy", [0.02, 0.1, 0.5, 2.0])
def test_range_is_the_integral_of_one_over_stopping_power(energy):
    path, _ = quad(lambda e: 1 / collision_stopping_power(e), 0.001, energy, limit=200)
    assert csda_range(energy) == pytest.approx(path, rel=2e-3, abs=6e-6)


def test_density_effect_sets_in_smoothly():
    # the tabulated constants must meet where the effect starts, at x0 = log10(beta gamma) = 0.24
    start = (np.sqrt(1 + 10**0.48) - 1) * 0.51099895
    below, above = collision_stopping_power([start - 1e-6, start + 1e-6])
    assert above / below == pytest.approx(1, abs=2e-4)


def test_large_spheres_keep_all_electrons_and_small_ones_none():
    delta = nuclide("Lu-177").delta_electron_gy_kg_per_mbq_h
    fraction = sphere_s_value("Lu-177", mass_g=np.array([1e-9, 1e6])).electron * [1e-12, 1e3]
    assert fraction[0] / delta < 0.05
    assert fraction[1] / delta == pytest.approx(1, abs=1e-3)


def test_dose_falls_with_mass_and_takes_draws():
    mass = np.geomspace(0.01, 1000, 50)
    total = sphere_s_value("I-131", mass_g=mass).total
    assert (np.diff(total) < 0).all()
    assert sphere_s_value("I-131", mass_g=mass[7]).total == pytest.approx(total[7])


@pytest.mark.parametrize("mass", [0.0, -1.0, np.nan, [1.0, -2.0]])
def test_masses_must_be_positive(mass):
    with pytest.raises(DosimetryError, match="positive"):
        sphere_s_value("Lu-177", mass_g=mass)


def test_alpha_emitters_are_refused():
    with pytest.raises(DosimetryError, match="alpha"):
        sphere_s_value("Ra-223", mass_g=1.0)


def test_pure_photon_emitters_have_no_electron_dose_from_betas():
    value = sphere_s_value("Be-7", mass_g=10.0)
    assert 0 <= value.electron < 0.01 * value.photon
