from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from dosimetry.errors import DosimetryError
from dosimetry.transport import elastic
from dosimetry.transport import electrons as slow

REFERENCE = Path(__file__).parents[2] / "reference"
MASS = 0.51099895


def moller(energy, given):
    """Moller's cross section per energy given away (1/(MeV cm)), written from the textbook."""
    tau = energy / MASS
    beta2 = tau * (tau + 2) / (tau + 1) ** 2
    share = given / energy
    bracket = (
        1 / share**2
        + 1 / (1 - share) ** 2
        + (tau / (tau + 1)) ** 2
        - (2 * tau + 1) / (tau + 1) ** 2 / (share * (1 - share))
    )
    electrons_per_g = 10 * 6.02214076e23 / 18.01528
    area = 2 * np.pi * 2.8179403262e-13**2 * electrons_per_g
    return area * MASS / (beta2 * energy**2) * bracket


def test_csda_ranges():
    energy, reach = np.loadtxt(
        REFERENCE / "dosimetry_csda_range_water.csv", delimiter=",", skiprows=1
    ).T
    grid = np.geomspace(1e-3, 3, 20_000)
    stopping = slow.collision_stopping_power(grid) + slow.radiative_stopping_power(grid)
    total = np.concatenate([[0], np.cumsum(np.diff(grid) * (1 / stopping[1:] + 1 / stopping[:-1]))])
    total = grid[0] / stopping[0] / 2 + total / 2
    np.testing.assert_allclose(np.interp(energy, grid, total), reach, rtol=0.002)
    soft = energy <= 0.1  # above, bremsstrahlung shortens the range; ours is by collisions alone
    np.testing.assert_allclose(slow.csda_range(energy[soft]), reach[soft], rtol=0.001)
    assert np.all(slow.csda_range(energy) > 0.999 * reach)


@pytest.mark.parametrize("energy", [0.01, 0.15, 2.0])
def test_hard_collisions_and_straggling_are_integrals_of_moller(energy):
    cut = 0.004
    number, loss = slow.collisions_above(np.array([energy]), cut)
    spread = slow.straggling(np.array([energy]), cut)
    assert number[0] == pytest.approx(quad(lambda w: moller(energy, w), cut, energy / 2)[0], 1e-3)
    lost = quad(lambda w: w * moller(energy, w), cut, energy / 2)[0]
    assert loss[0] == pytest.approx(lost, rel=1e-3)
    squared = quad(lambda w: w * w * moller(energy, w), 1e-12, cut)[0]
    assert spread[0] == pytest.approx(squared, rel=1e-3)


def test_no_collision_gives_more_than_half_away():
    number, loss = slow.collisions_above(np.array([0.01]), 0.005)
    assert number[0] == pytest.approx(0, abs=1e-12)
    assert loss[0] == pytest.approx(0, abs=1e-12)


def test_radiative_loss_tends_to_the_classical_limit():
    # 16/3 alpha r_e^2 m_e c^2 Z(Z+1), per gram of water
    squares = 2 * 2 + 8 * 9
    limit = 16 / 3 * 7.2973525693e-3 * 2.8179403262e-13**2 * MASS * squares
    limit *= 6.02214076e23 / 18.01528
    assert slow.radiative_stopping_power(1e-3) == pytest.approx(limit, rel=2e-3)


@pytest.mark.parametrize(
    "quantity", [slow.collision_stopping_power, slow.csda_range, slow.radiative_stopping_power]
)
@pytest.mark.parametrize("energy", [0.0, -1.0, 9e-4, 20.1, 50.0, np.inf, np.nan, [0.1, np.nan]])
def test_energies_out_of_range_are_refused(quantity, energy):
    with pytest.raises(DosimetryError, match=r"between 0\.001 and 20 MeV, got"):
        quantity(energy)


@pytest.mark.parametrize(
    "quantity", [slow.collision_stopping_power, slow.csda_range, slow.radiative_stopping_power]
)
def test_both_ends_of_the_range_belong_to_it(quantity):
    assert (quantity([1e-3, 20.0]) > 0).all()


def test_bremsstrahlung_photons_carry_the_radiative_loss():
    energy = np.array([1.0])
    _, carried = slow.photons_above(energy, 1e-9)
    assert carried[0] == pytest.approx(slow.radiative_stopping_power(1.0), rel=1e-6)
    number, carried = slow.photons_above(energy, 0.05)
    scale = 2 * slow.radiative_stopping_power(1.0)
    assert number[0] == pytest.approx(scale * quad(lambda k: (1 - k) / k, 0.05, 1)[0])
    assert carried[0] == pytest.approx(scale * quad(lambda k: 1 - k, 0.05, 1)[0])


@pytest.mark.parametrize("energy", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("cut", [0.01, 1.0])
def test_scattering_moments_by_quadrature(energy, cut):
    beta2 = 1 - (MASS / (energy + MASS)) ** 2
    momentum = np.sqrt(energy * (energy + 2 * MASS))
    wanted = np.zeros(2)
    for z, atoms in ((1, 2), (8, 1)):
        radius = 0.885341 * 5.29177210903e-9 / z ** (1 / 3)
        screen = 1.13 * (1.973269804e-11 / (2 * momentum * radius)) ** 2
        area = np.pi * (2.8179403262e-13 * MASS * z / momentum) ** 2 / beta2
        density = area * atoms * 6.02214076e23 / 18.01528

        def per_log(log_mu, power, z=z, screen=screen, density=density):
            mu = np.exp(log_mu)
            sine = np.sqrt(mu)
            spin = np.pi * z * 7.2973525693e-3 * np.sqrt(beta2) * sine * (1 - sine)
            weight = 2 * mu if power == 1 else 6 * mu * (1 - mu)
            return density * weight * (1 - beta2 * mu + spin) / (mu + screen) ** 2 * mu

        span = (np.log(screen) - 14, np.log(cut))
        wanted += [quad(per_log, *span, args=(power,), limit=200)[0] for power in (1, 2)]
    found = elastic.moments(np.array([energy]), np.array([cut]))
    np.testing.assert_allclose(np.ravel(found), wanted, rtol=1e-5)


def test_cut_angles_space_the_events():
    energy = np.geomspace(0.002, 3, 9)
    cut = elastic.cut_angles(energy, 0.2)
    total, _ = elastic.moments(energy, np.ones_like(energy))
    rate = elastic.hard_scattering(energy, cut).sum(axis=0)
    np.testing.assert_allclose(rate[cut > 0] / total[cut > 0], 5.0, rtol=1e-6)
    assert np.all(rate[cut == 0] <= total[cut == 0] * 5)


def test_transport_cross_section_of_oxygen_near_partial_waves():
    """Against the fit to partial waves of the Urban model of Geant4 (Liljequist et al. 1990).

    Its quotient of Born to partial waves, interpolated between carbon and aluminium in squared
    atomic number: 1.070, 1.068, 1.080, 1.107, 1.114 (from G4UrbanMscModel).
    """
    energy = np.array([0.01, 0.04, 0.1, 0.4, 1.0])
    quotient = np.array([1.070, 1.068, 1.080, 1.107, 1.114])
    momentum2 = energy * (energy + 2 * MASS)
    beta2 = momentum2 / (energy + MASS) ** 2
    epsilon = 4 * momentum2 * (5.29177210903e-9 / 1.973269804e-11) ** 2 / 8 ** (2 / 3)
    born = np.log1p(epsilon) - epsilon / (1 + epsilon)
    area = 2 * np.pi * (2.8179403262e-13 * MASS * 8) ** 2 / (momentum2 * beta2)
    wanted = area * born / quotient * 6.02214076e23 / 18.01528
    both, _ = elastic.moments(energy, np.ones(5))
    hydrogen = 2 / 64 * both / (1 + 2 / 64)  # nearly: the logarithms differ by little
    np.testing.assert_allclose(both - hydrogen, wanted, rtol=0.02)
