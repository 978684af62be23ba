import numpy as np
import pytest

from dosimetry import DosimetryError, nuclide
from dosimetry.chains import decay_chain
from dosimetry.transport.nuclide_kernels import nuclide_point_kernel
from dosimetry.transport.particle_kernels import electron_point_kernel, photon_point_kernel
from dosimetry.transport.surrogate import (
    kernel_surrogate,
    load_surrogates,
    nuclide_kernel,
    particle_length_cm,
)
from dosimetry.transport.surrogate_training import (
    SCALED_EDGES,
    fit_surrogate,
    train_surrogate,
    training_energies,
)

KINDS = ["electron", "photon"]


@pytest.mark.parametrize("kind", KINDS)
def test_shares_are_positive_and_sum_to_one(kind):
    model = kernel_surrogate(kind)
    shares = model.shares(np.geomspace(*model.limits_mev, 300).clip(*model.limits_mev))
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_cumulative_share_rises_to_one(kind):
    inside = kernel_surrogate(kind).absorbed_fraction([0.02, 0.3, 2.0], np.geomspace(1e-5, 1e4, 90))
    assert (np.diff(inside, axis=1) >= 0).all()
    assert (inside[:, -1] > 0.995).all()
    assert (inside <= 1 + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
def test_scaling_as_the_docstring_says(kind):
    """The shares from the stored arrays, written out one energy at a time."""
    model = kernel_surrogate(kind)
    for energy in (0.03, 0.7):
        apart = np.log(energy) - model.log_energy
        root = model.mean.copy()
        for j, component in enumerate(model.components):
            score = sum(
                d * np.exp(-(a**2) / 2 / model.length[j] ** 2)
                for d, a in zip(model.dual[:, j], apart, strict=True)
            )
            root += score * component
        np.testing.assert_allclose(model.shares([energy])[0], root**2 / (root**2).sum(), rtol=1e-9)


@pytest.mark.parametrize("energy", [0.0137, 0.062, 0.31, 0.93, 2.9])
def test_electron_kernel_against_monte_carlo_of_other_energies(energy):
    """Held out: none of these energies was trained on; 20 000 fresh histories each."""
    edges = float(particle_length_cm("electron", [energy])[0]) * np.linspace(0, 1.2, 31)
    truth = electron_point_kernel(energy, edges_cm=edges, n_histories=20_000, seed=99)
    expected = np.cumsum(truth.absorbed_mev) / energy
    found = kernel_surrogate("electron").absorbed_fraction([energy], edges[1:])[0]
    # four standard errors of a share of 20 000 histories, and the error of the regression
    assert np.abs(found - expected).max() < 4 * 0.5 / np.sqrt(20_000) / 2 + 0.002


@pytest.mark.parametrize("energy", [0.0137, 0.062, 0.31, 0.93, 2.9])
def test_photon_kernel_against_monte_carlo_of_other_energies(energy):
    edges = float(particle_length_cm("photon", [energy])[0]) * 10 * np.linspace(0, 1, 26) ** 2
    truth = photon_point_kernel(energy, edges_cm=edges, n_histories=20_000, seed=99)
    expected = np.cumsum(truth.absorbed_mev) / energy
    found = kernel_surrogate("photon").absorbed_fraction([energy], edges[1:])[0]
    assert np.abs(found - expected).max() < 4 * 0.5 / np.sqrt(20_000) + 0.002


@pytest.mark.parametrize("name", ["I-131", "Lu-177", "Tb-161", "Y-90"])
def test_nuclides_against_monte_carlo(name):
    edges = np.concatenate([[0.0], np.geomspace(1e-3, 20, 40)])
    truth = nuclide_point_kernel(name, edges_cm=edges, n_histories=20_000, seed=5)
    kernel = nuclide_kernel(name)
    assert kernel.energy_mev == pytest.approx(truth.energy_mev, rel=1e-9)
    found = np.interp(edges[1:], kernel.edges_cm[1:], np.cumsum(kernel.absorbed_mev))
    expected = np.cumsum(truth.absorbed_mev)
    assert np.abs(found - expected).max() < 0.012 * truth.energy_mev


@pytest.mark.parametrize("name", ["Ac-225", "F-18", "I-131", "Y-90"])
def test_energy_adds_up(name):
    emitter = nuclide(name)
    kernel = nuclide_kernel(name)
    parts = emitter.electron_energy_mev + emitter.photon_energy_mev
    alpha = emitter.alpha_energy_mev + emitter.energy_mev["alpha_recoil"]
    assert kernel.energy_mev == pytest.approx(parts + alpha, rel=1e-6)
    assert kernel.absorbed_mev.sum() + kernel.outside_mev == pytest.approx(kernel.energy_mev)
    assert (kernel.absorbed_mev >= 0).all()
    assert nuclide_kernel(name, radiations=["alpha"]).absorbed_mev[0] == pytest.approx(alpha)


def test_radiations_and_members_add_up():
    chain = decay_chain("Ra-223")
    whole = nuclide_kernel(chain)
    parts = [nuclide_kernel(chain, radiations=[r]) for r in ("electrons", "photons", "alpha")]
    np.testing.assert_allclose(whole.absorbed_mev, sum(p.absorbed_mev for p in parts), rtol=1e-10)
    members = sum(
        m.decays_per_parent * nuclide_kernel(m.nuclide).absorbed_mev for m in chain.members
    )
    np.testing.assert_allclose(whole.absorbed_mev, members, rtol=1e-9, atol=1e-15)


def test_soft_electrons_stay_and_soft_photons_travel():
    """Fe-55: x rays of 6 keV are absorbed exponentially, Auger electrons where they are emitted."""
    electrons = nuclide_kernel("H-3", radiations=["electrons"])
    emitter = nuclide("H-3")
    energy, density = emitter.beta_spectrum.T
    soft = np.interp(np.linspace(0, 0.005, 2001), energy, density) * np.linspace(0, 0.005, 2001)
    local = float(np.mean(soft)) * 0.005
    assert electrons.absorbed_mev[0] >= local * 0.99
    photons = nuclide_kernel("Fe-55", radiations=["photons"])
    within = np.interp(0.05, photons.edges_cm[1:], np.cumsum(photons.absorbed_mev))
    lines = nuclide("Fe-55").photon_lines
    lines = lines[lines[:, 0] < 0.01]
    length = particle_length_cm("photon", lines[:, 0].clip(1e-3))
    expected = float((lines.prod(axis=1) * -np.expm1(-0.05 / length)).sum())
    assert within == pytest.approx(expected, rel=2e-3)


def test_energies_outside_the_limits_are_refused():
    for kind in KINDS:
        low, high = kernel_surrogate(kind).limits_mev
        for energy in (low / 1.01, high * 1.01, np.nan):
            with pytest.raises(DosimetryError, match="covers"):
                kernel_surrogate(kind).shares([energy])
    with pytest.raises(DosimetryError, match="nuclide_point_kernel"):
        nuclide_kernel("N-16")
    with pytest.raises(DosimetryError, match="radiations"):
        nuclide_kernel("Lu-177", radiations=["neutrons"])


def test_a_known_kernel_is_learned_back():
    """Exponentials whose slope drifts with energy, with counting noise on the training shares."""
    pytest.importorskip("sklearn")
    edges = SCALED_EDGES["photon"]

    def exact(energy):
        slope = 1 + 0.3 * np.sin(np.log(energy))[:, None]
        inside = -np.expm1(-slope * edges)
        return np.column_stack([np.diff(inside, axis=1), 1 - inside[:, -1]])

    rng, energy = np.random.default_rng(4), training_energies("photon", 25)
    noisy = np.array([rng.multinomial(1_000_000, p) / 1e6 for p in exact(energy)])
    model = fit_surrogate("photon", energy, noisy)
    held_out = np.geomspace(0.011, 3.7, 17)
    error = np.cumsum(model.shares(held_out) - exact(held_out), axis=1)
    assert np.abs(error).max() < 1e-3  # the noise of one share is 5e-4


def test_training_refuses_shares_that_do_not_sum_to_one():
    pytest.importorskip("sklearn")
    energy = training_energies("electron", 3)
    with pytest.raises(DosimetryError, match="sum to one"):
        fit_surrogate("electron", energy, np.zeros((3, len(SCALED_EDGES["electron"]))))
    with pytest.raises(DosimetryError, match="columns"):
        fit_surrogate("electron", energy, np.zeros((3, 2)))


@pytest.mark.slow
def test_training_is_reproducible_and_close_to_what_is_shipped(tmp_path):
    settings = {"n_electron_energies": 25, "n_photon_energies": 21, "n_histories": 10_000}
    one = train_surrogate(tmp_path / "one.npz", **settings)
    other = train_surrogate(tmp_path / "other.npz", **settings)
    read = load_surrogates(tmp_path / "one.npz")
    for kind in KINDS:
        np.testing.assert_array_equal(one[kind].dual, other[kind].dual)
        np.testing.assert_array_equal(one[kind].dual, read[kind].dual)
        energy = np.geomspace(0.02, 2, 9)
        apart = np.cumsum(one[kind].shares(energy) - kernel_surrogate(kind).shares(energy), axis=1)
        assert np.abs(apart).max() < 0.02
