from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from dosimetry import DosimetryError, nuclide, sphere_s_value
from dosimetry.chains import decay_chain
from dosimetry.spheres import absorbed_in_sphere
from dosimetry.transport.point_kernel import PointKernel
from dosimetry.transport.surrogate import nuclide_kernel

REFERENCE = Path(__file__).parents[1] / "reference" / "dosimetry_sphere_lu177.csv"
TABLE = np.loadtxt(REFERENCE, delimiter=",", skiprows=1)


def _geometric_factor(distance, radius):
    """Twin of the moments in the code: the factor itself, checked by random points below."""
    ratio = np.clip(np.divide(distance, radius), 0, 2)
    return 1 - 0.75 * ratio + ratio**3 / 16


def _inside_and_way_out(n, rng):
    """Random points and directions in a unit sphere: distance to the surface."""
    point = rng.standard_normal((n, 3))
    point *= (rng.random(n) ** (1 / 3) / np.linalg.norm(point, axis=1))[:, None]
    cosine = rng.uniform(-1, 1, n)
    radius = np.linalg.norm(point, axis=1)
    return -radius * cosine + np.sqrt(1 - radius**2 * (1 - cosine**2))


def test_published_spheres_within_two_percent():
    mass, s_value = TABLE.T
    found = sphere_s_value("Lu-177", mass_g=mass).total / (3.6e9 * s_value)
    assert np.abs(found - 1).max() < 0.02


@pytest.mark.parametrize("distance", [0.1, 0.7, 1.9])
def test_geometric_factor_by_monte_carlo(distance):
    way_out = _inside_and_way_out(200_000, np.random.default_rng(1))
    share = np.mean(way_out > distance)
    error = np.sqrt(share / len(way_out))
    assert _geometric_factor(distance, 1.0) == pytest.approx(share, abs=4 * error)


def test_geometric_factor_ends_at_the_diameter():
    np.testing.assert_allclose(_geometric_factor([0.0, 2.0, 5.0], 1.0), [1, 0, 0])


@pytest.mark.parametrize("radius", [0.01, 0.3, 1.0, 4.0, 30.0])
def test_an_exponential_kernel_by_quadrature(radius):
    mu, edges = 1.5, np.concatenate([[0.0], np.geomspace(1e-4, 50, 1500)])
    kernel = PointKernel(
        "exponential", 1.0, edges, -np.diff(np.exp(-mu * edges)), np.zeros(1500), 0.0
    )
    expected, _ = quad(
        lambda r: mu * np.exp(-mu * r) * _geometric_factor(r, radius),
        0,
        min(2 * radius, 30),
        limit=200,
    )
    assert absorbed_in_sphere(kernel, radius) == pytest.approx(expected, rel=1e-4)


def test_random_displacements_by_monte_carlo():
    """Sample the distance from the kernel, and see whether the point is still in the sphere."""
    kernel = nuclide_kernel("I-131", radiations=["electrons"])
    rng, n, radius = np.random.default_rng(3), 400_000, 0.15
    cumulative = np.concatenate([[0], np.cumsum(kernel.absorbed_mev)])
    distance = np.interp(rng.random(n) * cumulative[-1], cumulative, kernel.edges_cm)
    inside = radius * _inside_and_way_out(n, rng) > distance
    found = absorbed_in_sphere(kernel, radius) / cumulative[-1]
    error = np.sqrt(found * (1 - found) / n)
    assert found == pytest.approx(inside.mean(), abs=4 * error)


@pytest.mark.parametrize("name", ["I-131", "Lu-177", "Y-90"])
def test_large_spheres_keep_all_electrons_and_small_ones_none(name):
    emitter = nuclide(name)
    kept = sphere_s_value(name, mass_g=np.array([1e-9, 1e6])).electron * [1e-12, 1e3]
    assert kept[0] / emitter.delta_electron_gy_kg_per_mbq_h < 0.05
    assert kept[1] / emitter.delta_electron_gy_kg_per_mbq_h == pytest.approx(1, abs=5e-3)


def test_dose_falls_with_mass_and_takes_draws():
    mass = np.geomspace(0.01, 1000, 50).reshape(5, 10)
    total = sphere_s_value("I-131", mass_g=mass).total
    assert total.shape == (5, 10)
    assert (np.diff(total.ravel()) < 0).all()
    assert sphere_s_value("I-131", mass_g=mass[0, 7]).total == pytest.approx(total[0, 7])


def test_alpha_particles_and_recoils_stay():
    emitter = nuclide("Ra-223")
    value = sphere_s_value("Ra-223", mass_g=2.0)
    delta = emitter.delta_alpha_gy_kg_per_mbq_h + emitter.delta_alpha_recoil_gy_kg_per_mbq_h
    assert value.alpha == pytest.approx(500 * delta, rel=1e-12)


def test_a_chain_is_the_sum_of_its_members():
    chain = decay_chain("Ac-225", retained={"Bi-213": 0.4})
    value = sphere_s_value(chain, mass_g=0.02)
    for part in ("electron", "photon", "alpha"):
        members = sum(
            m.decays_per_parent * getattr(sphere_s_value(m.nuclide, mass_g=0.02), part)
            for m in chain.members
        )
        assert getattr(value, part) == pytest.approx(members, rel=1e-9)


@pytest.mark.parametrize("mass", [0.0, -1.0, np.nan, [1.0, -2.0]])
def test_masses_must_be_positive(mass):
    with pytest.raises(DosimetryError, match="positive"):
        sphere_s_value("Lu-177", mass_g=mass)


@pytest.mark.parametrize("density", [0.0, -1.0, np.nan, np.inf])
def test_densities_must_be_positive(density):
    with pytest.raises(DosimetryError, match="positive and finite"):
        sphere_s_value("Lu-177", mass_g=1.0, density_g_per_ml=density)


def test_pure_photon_emitters_have_no_electron_dose_from_betas():
    value = sphere_s_value("Be-7", mass_g=10.0)
    assert 0 <= value.electron < 0.01 * value.photon
