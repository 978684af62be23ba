"""The compiled steps of electrons against quadrature, and whole tracks against theory."""

import numpy as np
import pytest
from scipy.integrate import quad

from dosimetry.transport import _columns as col
from dosimetry.transport import _electron_kernels as kernels
from dosimetry.transport import elastic
from dosimetry.transport._direction_kernels import isotropic, turned
from dosimetry.transport._shower_kernels import run_batches
from dosimetry.transport.electron_table import electron_table
from dosimetry.transport.electrons import collision_stopping_power

MASS = 0.51099895
N = 40_000


def states(seed):
    return np.array([seed], dtype=np.uint64)


def close_to(drawn, mean, spread):
    return drawn.mean() == pytest.approx(mean, abs=4 * spread / np.sqrt(len(drawn)))


@pytest.mark.parametrize("spread", [0.1, 0.4, 0.8, 2.0])
def test_soft_loss_has_its_mean_and_variance(spread):
    state = states(1)
    drawn = np.array([kernels._soft_loss(1.0, spread**2, state) for _ in range(N)])
    assert drawn.min() >= 0
    assert close_to(drawn, 1.0, spread)
    fourth = np.mean((drawn - 1) ** 4) - spread**4
    assert close_to((drawn - 1) ** 2, spread**2, np.sqrt(fourth))


def test_soft_deflection_has_its_first_two_moments():
    state = states(2)
    first, second = 0.1, 0.27
    cosine = np.array([kernels._soft_cosine(first, second, state) for _ in range(N)])
    assert close_to(cosine, np.exp(-first), cosine.std())
    legendre = 1.5 * cosine**2 - 0.5
    assert close_to(legendre, np.exp(-second), legendre.std())


@pytest.mark.parametrize("energy", [0.01, 1.0])
def test_soft_and_hard_scattering_add_up(energy):
    table, lowest, per_log = electron_table(energy * 1.01, 0.005, 0.01)
    row = int((np.log(energy) - lowest) * per_log)
    energy = float(np.exp(lowest + row / per_log))
    state = states(3)
    drawn = 1 - np.array([kernels._hard_cosine(energy, table, row, 0.0, state) for _ in range(N)])
    rate = table[row, col.ELASTIC]
    soft = table[row, col.SOFT_FIRST]
    soft -= elastic.collision_deflection(np.array([energy]), 0.005)[0][0]
    total = elastic.moments(np.array([energy]), np.ones(1))[0][0]
    assert close_to(drawn, (total - soft) / rate, drawn.std())


@pytest.mark.parametrize("energy", [0.02, 1.0])
def test_energy_given_in_collisions(energy):
    cut, tau = 0.005, energy / MASS
    state = states(4)
    drawn = np.array([kernels._energy_given(energy, cut, state) for _ in range(N)])

    def density(w):
        left = energy - w
        cross = (2 * tau + 1) / (tau + 1) ** 2
        return 1 / w**2 + 1 / left**2 + 1 / (energy + MASS) ** 2 - cross / (w * left)

    norm = quad(density, cut, energy / 2)[0]
    mean = quad(lambda w: w * density(w), cut, energy / 2)[0] / norm
    assert drawn.min() >= cut
    assert drawn.max() <= energy / 2
    assert close_to(drawn, mean, drawn.std())


def test_turned_vectors_keep_length_and_angle():
    state = states(5)
    for _ in range(50):
        before = np.array(isotropic(state))
        after = np.array(turned(*before, 0.3, 1.7))
        assert np.linalg.norm(after) == pytest.approx(1)
        assert before @ after == pytest.approx(0.3)
    np.testing.assert_allclose(turned(0.0, 0.0, -1.0, 0.3, 0.0)[2], -0.3)


@pytest.mark.parametrize("energy", [0.05, 0.5])
def test_mean_square_radius_is_that_of_lewis(energy):
    r"""Slowing down continuously: <r^2>(s) = 2 int_0^s dt int_0^t exp(-int_u^t ds'/lambda) du.

    Lewis HW. Phys Rev 1950;78:526-529. Averaged over the energy deposited along the path; the
    twin integrates on a fine grid, the transport samples hard and soft deflections.
    """
    table, lowest, per_log = electron_table(energy * 1.0001, 10.0, 10.0)
    table = table.copy()
    table[:, col.STRAGGLING] = 0.0
    settings = np.zeros(col.N_SETTINGS)
    settings[[col.ELECTRON_LOG_MIN, col.ELECTRON_PER_LOG]] = lowest, per_log
    settings[[col.CUTOFF, col.DELTA_CUT, col.PHOTON_CUT]] = 0.001, 10.0, 10.0
    steps = np.geomspace(energy, 0.001, 4001)
    stopping = np.exp(np.interp(np.log(steps), lowest + np.arange(len(table)) / per_log,
                                np.log(table[:, col.SOFT_LOSS])))  # fmt: skip
    bend = elastic.moments(steps, np.ones_like(steps))[0]
    bend += elastic.collision_deflection(steps, 10.0)[0]
    width = -np.diff(steps)

    def summed(value):
        return np.concatenate([[0], np.cumsum(0.5 * (value[1:] + value[:-1]) * width)])

    turn = summed(bend / stopping)  # int ds / lambda up to each energy
    forward = summed(np.exp(turn) / stopping) * np.exp(-turn)
    square = summed(2 * forward / stopping)
    middle = 0.5 * (square[1:] + square[:-1])
    wanted = (middle @ width + square[-1] * steps[-1]) / energy

    edges = np.linspace(0, 1.1 * summed(1 / stopping)[-1], 401)
    finder = np.searchsorted(edges, np.arange(64) / 64 * edges[-1], side="right") - 1
    scores = np.zeros((20, 401))
    source = np.array([[1.0, energy, energy, col.ELECTRON]])
    seeds = np.random.SeedSequence(7).generate_state(20, np.uint64)
    no_photons = np.zeros((2, col.N_PHOTON)), np.zeros((2, 2))
    run_batches(
        table, *no_photons, settings, source, edges, finder.astype(np.int64), 400, seeds, scores,
        0, 20,
    )  # fmt: skip
    radius2 = (edges[1:] ** 2 + edges[1:] * edges[:-1] + edges[:-1] ** 2) / 3
    by_batch = scores[:, :-1] @ radius2 / 400
    error = by_batch.std(ddof=1) / np.sqrt(20)
    assert error < 0.01 * wanted
    assert by_batch.mean() == pytest.approx(wanted, abs=4 * error)


def test_soft_stopping_power_is_the_rest_of_the_whole():
    table, lowest, per_log = electron_table(1.0, 0.01, 0.01)
    energy = np.exp(lowest + np.arange(len(table)) / per_log)
    below = energy < 0.02  # no collision gives 10 keV away, no photon of 10 keV below 10 keV
    whole = collision_stopping_power(energy)
    np.testing.assert_allclose(table[below, col.SOFT_LOSS], whole[below], rtol=1e-3)
    assert np.all(table[~below, col.SOFT_LOSS] < whole[~below] * 1.001)
