import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid

from dosimetry import DosimetryError, nuclide

REFERENCE = Path(__file__).parents[1] / "reference" / "dosimetry_energy_per_decay.csv"
ROWS = list(csv.DictReader(REFERENCE.read_text().splitlines()))
HOURS = {"d": 24.0, "h": 1.0}
KINDS = ("alpha", "alpha_recoil", "beta", "conversion_electron", "auger", "gamma", "x")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["nuclide"])
def test_energy_per_decay_equals_the_published_sums(row):
    data = nuclide(row["nuclide"])
    assert data.half_life_h == pytest.approx(float(row["half_life"]) * HOURS[row["unit"]])
    for kind in KINDS:
        assert data.energy_mev[kind] == pytest.approx(float(row[f"{kind}_mev"]), rel=1e-5), kind


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["nuclide"])
def test_summary_file_of_icrp_107_agrees_once_recoil_is_added(row):
    data = nuclide(row["nuclide"])
    alpha_and_recoil = data.alpha_energy_mev + data.energy_mev["alpha_recoil"]
    assert alpha_and_recoil == pytest.approx(float(row["ndx_alpha_with_recoil_mev"]), rel=1e-4)
    assert data.electron_energy_mev == pytest.approx(float(row["ndx_electron_mev"]), rel=2e-3)
    assert data.photon_energy_mev == pytest.approx(float(row["ndx_photon_mev"]), rel=2e-3, abs=2e-5)


@pytest.mark.parametrize(
    ("name", "delta"),
    [("Lu-177", 8.532e-5), ("I-131", 1.1065e-4), ("Y-90", 5.382e-4), ("Tb-161", 1.1679e-4)],
)
def test_delta_of_electrons(name, delta):
    assert nuclide(name).delta_electron_gy_kg_per_mbq_h == pytest.approx(delta, rel=1e-4)


def test_one_mev_per_decay_is_5_7678e_minus_4():
    data = nuclide("I-131")
    assert data.delta_photon_gy_kg_per_mbq_h / data.photon_energy_mev == pytest.approx(
        5.7678e-4, rel=1e-5
    )
    radium = nuclide("Ra-223")
    assert radium.delta_alpha_gy_kg_per_mbq_h == pytest.approx(0.0032684, rel=1e-4)
    assert radium.delta_alpha_recoil_gy_kg_per_mbq_h == pytest.approx(5.9736e-5, rel=1e-4)


@pytest.mark.parametrize("name", ["Lu-177", "lu177", "177Lu", "177-lu", " LU-177 "])
def test_spellings_give_the_same_object(name):
    assert nuclide(name) is nuclide("Lu-177")


def test_metastable_states_are_told_apart():
    assert nuclide("99mTc").name == nuclide("tc-99m").name == "Tc-99m"
    assert nuclide("Tc-99").half_life_h > 1e6 * nuclide("Tc-99m").half_life_h


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("22Na", "Na-22"),
        ("56mn", "Mn-56"),
        ("147Pm", "Pm-147"),
        ("95mNb", "Nb-95m"),
        ("131I", "I-131"),
    ],
)
def test_symbols_that_begin_like_a_state(name, expected):
    assert nuclide(name).name == expected


@pytest.mark.parametrize("name", ["Lu-717", "lutetium", "", "Xx-1"])
def test_unknown_names_are_refused(name):
    with pytest.raises(DosimetryError, match="did you mean"):
        nuclide(name)


def test_error_lists_close_names():
    with pytest.raises(DosimetryError, match="Lu-177"):
        nuclide("Lu-1777")


@pytest.mark.parametrize("name", ["Lu-177", "I-131", "F-18"])
def test_beta_spectrum_has_the_mean_energy_of_the_branches(name):
    data = nuclide(name)
    energy, density = data.beta_spectrum.T
    assert trapezoid(energy * density, energy) == pytest.approx(data.energy_mev["beta"])
    assert trapezoid(density, energy) == pytest.approx(data.lines["beta"][:, 1].sum(), rel=0.01)


def test_decay_constant():
    data = nuclide("Lu-177")
    assert data.decay_per_h * data.half_life_h == pytest.approx(np.log(2))


def test_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        nuclide("Lu-177").beta_spectrum[0, 0] = 1.0


def test_alpha_emitters_have_no_beta_spectrum():
    assert nuclide("Ra-223").beta_spectrum.shape == (0, 2)
