import numpy as np
import pytest
from scipy.integrate import quad

from dosimetry.transport import collision_stopping_power, csda_range
from dosimetry.transport.elastic import collision_deflection, moments
from dosimetry.transport.electrons import collisions_above
from radiobio.errors import RadiobioError
from radiobio.tracks import _columns as col
from radiobio.tracks import alpha_range, alpha_stopping_power
from radiobio.tracks.stopping import alpha_tables, electron_tables

ENERGY_KEV = [3.0, 10.0, 50.0, 300.0]


def at_energy(table, column, energy_kev):
    return np.interp(energy_kev, table[:, col.ENERGY], table[:, column])


def test_alpha_stopping_power_returns_its_table():
    tabulated = [1131.0, 2256.0, 874.7, 529.0]
    assert alpha_stopping_power([0.1, 0.8, 5.0, 10.0]) == pytest.approx(np.array(tabulated) / 10)


@pytest.mark.parametrize("energy_mev", [0.5, 5.0, 8.0])
def test_alpha_range_is_the_integral_of_its_reciprocal(energy_mev):
    above = quad(lambda e: 1e3 / float(alpha_stopping_power(e)), 1e-3, energy_mev, limit=500)[0]
    assert alpha_range(energy_mev) == pytest.approx(above + 2.0 / 9.891, rel=1e-4)


def test_alpha_table_inverts_the_range():
    table, reach = alpha_tables()
    energy = np.interp(
        np.log(alpha_range([1.0, 6.0])), table[:, col.LOG_RANGE], table[:, col.ENERGY]
    )
    assert energy == pytest.approx([1000.0, 6000.0], rel=1e-3)
    assert np.interp(np.log(6000.0), *reach.T) == pytest.approx(float(alpha_range(6.0)), rel=1e-3)


@pytest.mark.parametrize("energy_kev", ENERGY_KEV)
def test_electron_table_holds_the_physics_of_dosimetry(energy_kev):
    table, reach = electron_tables(0.5)
    mev = np.array([energy_kev / 1e3])
    ranges = np.exp(at_energy(table, col.LOG_RANGE, energy_kev))
    assert ranges == pytest.approx(1e4 * float(csda_range(mev)[0]), rel=2e-3)
    assert np.interp(np.log(energy_kev), *reach.T) == pytest.approx(ranges, rel=2e-3)
    number, hard = collisions_above(mev, 1e-3)
    assert at_energy(table, col.COLLISION, energy_kev) == pytest.approx(number[0] / 1e4, rel=2e-2)
    soft = 1 - hard[0] / collision_stopping_power(mev)[0]
    assert at_energy(table, col.SOFT, energy_kev) == pytest.approx(soft, rel=1e-3)


@pytest.mark.parametrize("energy_kev", ENERGY_KEV)
def test_deflections_keep_the_first_transport_coefficient(energy_kev):
    table, _ = electron_tables(0.5)
    screen = at_energy(table, col.SCREEN, energy_kev)
    norm = quad(lambda mu: (mu + screen) ** -2, 0, 1)[0]
    mean = quad(lambda mu: 2 * mu * (mu + screen) ** -2, 0, 1)[0] / norm
    mev = np.array([energy_kev / 1e3])
    wanted = moments(mev, np.ones(1))[0][0] + collision_deflection(mev, 1.0)[0][0]
    assert at_energy(table, col.DEFLECTION, energy_kev) * mean == pytest.approx(
        wanted / 1e4, rel=1e-2
    )


@pytest.mark.parametrize("energy_mev", [0.0, -1.0, 20.0, np.nan])
def test_alpha_energies_out_of_range_are_named(energy_mev):
    with pytest.raises(RadiobioError, match="alpha particles must lie between"):
        alpha_range(energy_mev)
