from pathlib import Path

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.transport import _photon_kernels as kernels
from dosimetry.transport.electrons import collision_stopping_power, radiative_stopping_power
from dosimetry.transport.photons import form_table, photon_cross_sections

REFERENCE = Path(__file__).parents[2] / "reference" / "dosimetry_nist_water.csv"
NIST = np.loadtxt(REFERENCE, delimiter=",", skiprows=1)
MASS = 0.51099895
COSINE, WEIGHT = np.polynomial.legendre.leggauss(400)


def klein_nishina(energy, *, bound):
    """Density of the cosine, and the share of energy the electron gets."""
    kept = 1 / (1 + energy / MASS * (1 - COSINE))
    density = kept**2 * (kept + 1 / kept - 1 + COSINE**2)
    if bound:
        x2 = (energy / 0.01239841984) ** 2 * (1 - COSINE) / 2
        density = density * (1 - (1 + x2 / 0.1771**2) ** -0.6876)
    return density, 1 - kept


def states(seed):
    return np.array([seed], dtype=np.uint64)


def test_total_cross_sections_are_those_of_nist():
    total = photon_cross_sections(NIST[:, 0]).sum(axis=1)
    np.testing.assert_allclose(total, NIST[:, 1], rtol=1e-3)


@pytest.mark.parametrize("energy", [0.0, -1.0, 1e-4, 10.1, 100.0, np.inf, np.nan, [0.1, np.nan]])
def test_energies_out_of_range_are_refused(energy):
    with pytest.raises(DosimetryError, match=r"between 0\.001 and 10 MeV, got"):
        photon_cross_sections(energy)


def test_energy_transfer_is_that_of_nist():
    """Mean energy given to electrons, less bremsstrahlung, against mu_en within 0.5 %."""
    grid = np.geomspace(1e-3, 10, 3000)
    radiated = radiative_stopping_power(grid)
    share = radiated / (radiated + collision_stopping_power(grid))
    lost = np.concatenate([[0], np.cumsum(share[1:] * np.diff(grid))]) / grid
    for energy, _, wanted in NIST:
        _, incoherent, photoelectric, pair = photon_cross_sections(energy)[0]
        density, given = klein_nishina(energy, bound=True)
        useful = given * (1 - np.interp(energy * given, grid, lost))
        mean = (density * useful) @ WEIGHT / (density @ WEIGHT)
        found = incoherent * mean + photoelectric * (1 - np.interp(energy, grid, lost))
        found += pair * max(1 - 2 * MASS / energy, 0)
        assert found == pytest.approx(wanted, rel=0.005), energy


def test_binding_of_electrons_meets_the_incoherent_cross_section():
    area = np.pi * 2.8179403262e-13**2 * 10 * 6.02214076e23 / 18.01528
    for energy in NIST[(NIST[:, 0] >= 0.003) & (NIST[:, 0] <= 3), 0]:
        bound, _ = klein_nishina(energy, bound=True)
        wanted = photon_cross_sections(energy)[0, 1]
        assert area * bound @ WEIGHT == pytest.approx(wanted, rel=0.02), energy


@pytest.mark.parametrize("energy", [0.02, 0.15, 2.0])
def test_compton_scattering_is_drawn_from_its_density(energy):
    state = states(11)
    drawn = np.array([kernels._compton(energy, state) for _ in range(40_000)])
    density, given = klein_nishina(energy, bound=True)
    density = density / (density @ WEIGHT)
    for found, value in ((drawn[:, 1], COSINE), (1 - drawn[:, 0] / energy, given)):
        mean = (density * value) @ WEIGHT
        error = np.sqrt((density * (value - mean) ** 2) @ WEIGHT / len(found))
        assert found.mean() == pytest.approx(mean, abs=4 * error)
    kept = 1 / (1 + energy / MASS * (1 - drawn[:, 1]))
    np.testing.assert_allclose(drawn[:, 0], energy * kept, rtol=1e-9)


@pytest.mark.parametrize("energy", [0.01, 0.06, 0.5])
def test_rayleigh_scattering_is_drawn_from_its_density(energy):
    form = form_table()
    state = states(12)
    drawn = np.array([kernels._rayleigh(energy, form, state) for _ in range(40_000)])
    slope = np.gradient(form[1], form[0])
    fine = 1 - 2 * np.linspace(0, 1, 200_001) ** 3  # dense near forward
    x2 = (energy / 0.01239841984) ** 2 * (1 - fine) / 2
    density = np.interp(x2, form[0], slope, right=0) * (1 + fine**2)
    norm = np.trapezoid(density, -fine)
    mean = np.trapezoid(density * fine, -fine) / norm
    spread = np.sqrt(np.trapezoid(density * (fine - mean) ** 2, -fine) / norm)
    assert drawn.mean() == pytest.approx(mean, abs=4 * spread / 200 + 1e-3 * spread)


def test_form_factor_gives_the_coherent_cross_section():
    form = form_table()
    for energy in (0.005, 0.01, 0.03, 0.06):
        largest = (energy / 0.01239841984) ** 2
        x2 = np.linspace(0, largest, 100_001)
        slope = np.diff(np.interp(x2, form[0], form[1]))
        middle = 1 - (x2[1:] + x2[:-1]) / largest
        area = np.pi * 2.8179403262e-13**2 * 6.02214076e23 / 18.01528
        found = area * 2 / largest * ((1 + middle**2) * slope).sum()
        assert found == pytest.approx(photon_cross_sections(energy)[0, 0], rel=0.01)
