import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid

from dosimetry.errors import DosimetryError
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV, nuclide, nuclide_names

REFERENCE = Path(__file__).parents[1] / "reference" / "dosimetry_energy_per_decay.csv"
ROWS = list(csv.DictReader(REFERENCE.read_text().splitlines()))
HOURS = {"d": 24.0, "h": 1.0}
SUMMARY = REFERENCE.with_name("dosimetry_icrp107_summary.csv")
SUMMARY_ROWS = list(csv.DictReader(SUMMARY.read_text().splitlines()))
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


# ---- all 1252 nuclides ----


def test_there_are_1252_nuclides():
    names = nuclide_names()
    assert len(names) == 1252
    assert list(names) == sorted(set(names))


@pytest.mark.parametrize("row", SUMMARY_ROWS, ids=lambda row: row["nuclide"])
def test_line_sums_equal_the_summary_file_of_icrp_107(row):
    data = nuclide(row["nuclide"])
    found = (
        data.alpha_energy_mev + data.energy_mev["alpha_recoil"],
        data.electron_energy_mev,
        data.photon_energy_mev,
    )
    keys = ("alpha_with_recoil_mev", "electron_mev", "photon_mev")
    for value, key in zip(found, keys, strict=True):
        assert value == pytest.approx(float(row[key]), rel=5e-4, abs=5.1e-5), key


def test_every_nuclide_loads_and_is_consistent():
    for name in nuclide_names():
        data = nuclide(name)
        assert 0 < data.half_life_h < np.inf, name
        assert set(data.energy_mev) == set(data.lines)
        for kind, lines in data.lines.items():
            assert lines.shape[1:] == (2,)
            assert (lines >= 0).all(), (name, kind)
            assert data.energy_mev[kind] == pytest.approx(float(lines.prod(axis=1).sum()))
        total = data.alpha_energy_mev + data.electron_energy_mev + data.photon_energy_mev
        rest = sum(data.energy_mev[k] for k in ("alpha_recoil", "neutron", "fission_fragment"))
        assert sum(data.energy_mev.values()) == pytest.approx(total + rest)


def test_every_beta_spectrum_has_the_mean_energy_of_its_branches():
    for name in nuclide_names():
        data = nuclide(name)
        energy = data.energy_mev["beta"] + data.energy_mev["delayed_beta"]
        if not len(data.beta_spectrum):
            assert energy == 0, name
            continue
        grid, density = data.beta_spectrum.T
        assert (np.diff(grid) > 0).all(), name
        assert trapezoid(grid * density, grid) == pytest.approx(energy, rel=1e-9), name
        branches = np.concatenate([data.lines["beta"], data.lines["delayed_beta"]])
        # 2.3 % for N-16, below 0.5 % for all others
        assert trapezoid(density, grid) == pytest.approx(branches[:, 1].sum(), rel=0.025), name


def test_spontaneous_fission_is_kept_apart():
    californium = nuclide("Cf-252")
    assert californium.energy_mev["fission_fragment"] == pytest.approx(94.0435 * 0.06184)
    assert californium.energy_mev["neutron"] == pytest.approx(2.30603 * 0.116414)
    assert californium.energy_mev["delayed_beta"] == pytest.approx(1.27952 * 0.192239)
    assert californium.energy_mev["beta"] == 0
    with_fission = [n for n in nuclide_names() if nuclide(n).energy_mev["fission_fragment"] > 0]
    assert len(with_fission) == 28
    assert [n for n in nuclide_names() if nuclide(n).energy_mev["neutron"] > 0] == with_fission


def test_positrons_come_with_two_annihilation_photons():
    for name in nuclide_names():
        data = nuclide(name)
        photons = data.lines["annihilation"]
        if len(photons):
            assert photons[:, 0] == pytest.approx(0.511, abs=1e-3)
            assert 0 < photons[:, 1].sum() <= 2 + 1e-3, name


def test_delta_is_energy_times_one_constant():
    for name in ("Ac-225", "Cf-252", "I-131"):
        data = nuclide(name)
        assert data.delta_electron_gy_kg_per_mbq_h == pytest.approx(
            data.electron_energy_mev * GY_KG_PER_MBQ_H_PER_MEV
        )


@pytest.mark.parametrize("name", [177, None, b"Lu-177"])
def test_a_name_is_text(name):
    with pytest.raises(DosimetryError, match="given by its name"):
        nuclide(name)
