from pathlib import Path

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.transport.electrons import (
    collision_stopping_power,
    csda_range,
    photons_above,
    radiative_stopping_power,
)
from dosimetry.transport.nuclide_kernels import nuclide_point_kernel
from dosimetry.transport.particle_kernels import electron_point_kernel, photon_point_kernel
from dosimetry.transport.photons import photon_cross_sections
from kinetics import cores

REFERENCE = Path(__file__).parents[2] / "reference" / "dosimetry_electron_dose_point_kernels.csv"
CSDA_CM = {0.1: 0.01431, 1.0: 0.43707}  # with bremsstrahlung, as in dosimetry_csda_range_water.csv
EGSNRC = np.loadtxt(REFERENCE, delimiter=",", skiprows=1)


@pytest.mark.parametrize("energy", [0.003, 0.1, 3.0])
def test_all_energy_of_electrons_is_scored(energy):
    kernel = electron_point_kernel(energy, n_histories=400)
    total = kernel.absorbed_mev.sum() + kernel.outside_mev
    assert total == pytest.approx(energy, rel=1e-12)
    assert np.all(kernel.absorbed_mev >= 0)


@pytest.mark.parametrize("energy", [0.0015, 0.05, 0.7, 3.0])
def test_all_energy_of_photons_is_scored(energy):
    if energy < 0.002:
        with pytest.raises(DosimetryError, match=r"between 0\.002 and 10"):
            photon_point_kernel(energy, edges_cm=[0, 1])
        return
    kernel = photon_point_kernel(energy, edges_cm=[0, 1, 30], n_histories=1000)
    total = kernel.absorbed_mev.sum() + kernel.outside_mev
    assert total == pytest.approx(energy, rel=1e-12)


def test_the_number_of_cores_changes_nothing(monkeypatch):
    found = []
    for n in (1, 2):
        monkeypatch.setattr(cores, "n_cores", lambda n=n: n)
        found.append(electron_point_kernel(0.5, n_histories=800, seed=3).absorbed_mev)
    alone, both = found
    np.testing.assert_array_equal(alone, both)
    other = electron_point_kernel(0.5, n_histories=800, seed=4).absorbed_mev
    assert not np.array_equal(alone, other)


def test_a_bar_changes_nothing(monkeypatch, capsys):
    monkeypatch.setattr("kinetics.progress._PATIENCE_S", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown, quiet = (
        nuclide_point_kernel("Y-90", n_histories=2000, progress=progress).absorbed_mev
        for progress in (True, False)
    )
    np.testing.assert_array_equal(shown, quiet)
    assert "transport" in capsys.readouterr().err


def compared_with_egsnrc(energy, n_histories):
    _, ends, wanted = EGSNRC[EGSNRC[:, 0] == energy].T
    edges = np.concatenate([[0], ends]) * CSDA_CM[energy]
    kernel = electron_point_kernel(energy, edges_cm=edges, n_histories=n_histories, seed=1)
    scale = energy * 0.05
    return kernel.absorbed_mev / scale, kernel.standard_error_mev / scale, wanted


@pytest.mark.parametrize(("energy", "tolerance"), [(0.1, 0.035), (1.0, 0.02)])
def test_dose_point_kernels_of_egsnrc(energy, tolerance):
    found, error, wanted = compared_with_egsnrc(energy, 8000)
    assert np.all(np.abs(found - wanted) < tolerance + 4 * error)
    middle = np.arange(24) + 0.5
    mean_radius = [(value * middle).sum() / value.sum() for value in (found, wanted)]
    assert mean_radius[0] == pytest.approx(mean_radius[1], rel=0.015)


@pytest.mark.slow
@pytest.mark.parametrize(("energy", "rms"), [(0.1, 0.022), (1.0, 0.012)])
def test_dose_point_kernels_of_egsnrc_closely(energy, rms):
    found, error, wanted = compared_with_egsnrc(energy, 400_000)
    assert error.max() < 0.005
    assert np.sqrt(np.mean((found - wanted) ** 2)) < rms


def test_standard_errors_are_honest():
    edges = np.linspace(0, 1.2, 7) * csda_range(0.2)
    runs = [
        electron_point_kernel(0.2, edges_cm=edges, n_histories=400, seed=seed) for seed in range(40)
    ]
    found = np.std([run.absorbed_mev[:4] for run in runs], axis=0, ddof=1)
    claimed = np.sqrt(np.mean([run.standard_error_mev[:4] ** 2 for run in runs], axis=0))
    np.testing.assert_allclose(found / claimed, 1, atol=4 / np.sqrt(2 * 39))


def test_soft_photons_follow_the_law_of_attenuation():
    """At 8 keV nearly every interaction absorbs; what scatters is a few per cent."""
    edges = np.array([0, 0.02, 0.05, 0.1, 0.2, 0.5])
    kernel = photon_point_kernel(0.008, edges_cm=edges, n_histories=20_000)
    coherent, incoherent, absorbed, _ = photon_cross_sections(0.008)[0]
    share = np.cumsum(kernel.absorbed_mev) / 0.008
    lowest = -np.expm1(-absorbed * edges[1:])  # scattering lengthens the way to a radius
    highest = -np.expm1(-(absorbed + coherent + incoherent) * edges[1:])
    assert np.all(share > lowest - 0.01)
    assert np.all(share < highest + 0.01)


@pytest.mark.parametrize(("edges", "n_histories"), [([0, 50], 200_000), (None, 20_000)])
def test_bremsstrahlung_leaves_when_it_is_not_followed(edges, n_histories):
    """Stopped at once in a wide shell, or step by step: the radiation yield of slowing down."""
    grid = np.geomspace(0.01, 1.0, 4000)
    _, radiated = photons_above(grid, 0.01)
    share = radiated / (collision_stopping_power(grid) + radiative_stopping_power(grid))
    wanted = np.trapezoid(share, grid)
    kernel = electron_point_kernel(1.0, edges_cm=edges, n_histories=n_histories, photons=False)
    explicit = 0.0 if edges else 6e-4  # delta electrons past the last of the standard shells
    n_photons = n_histories * np.trapezoid(photons_above(grid, 0.01)[0] / 1.85, grid)
    error = 1.5 * wanted / np.sqrt(n_photons)  # photons of 1/k: spread a little above the mean
    assert kernel.outside_mev == pytest.approx(wanted, abs=4 * error + explicit)


def test_followed_bremsstrahlung_is_absorbed_far_away():
    near = electron_point_kernel(2.0, n_histories=4000)
    far = electron_point_kernel(2.0, edges_cm=[0, 1.2, 10, 200], n_histories=4000)
    assert far.absorbed_mev[1:].sum() == pytest.approx(near.outside_mev, rel=0.25)
    assert far.absorbed_mev[2] > far.outside_mev


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"energy_mev": 0.0001}, r"between 0\.002 and 10"),
        ({"energy_mev": float("nan")}, r"between 0\.002 and 10"),
        ({"energy_mev": 0.1, "edges_cm": [0.1, 0.2]}, "rise from 0"),
        ({"energy_mev": 0.1, "edges_cm": [0, 0.2, 0.2]}, "rise from 0"),
        ({"energy_mev": 0.1, "edges_cm": [0]}, "rise from 0"),
        ({"energy_mev": 0.1, "n_histories": 3}, "40 or more"),
    ],
)
def test_what_cannot_be_simulated(arguments, message):
    with pytest.raises(DosimetryError, match=message):
        electron_point_kernel(**arguments)
