from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosimetry import (
    Anatomy,
    DosimetryError,
    marrow_dose_blood_method,
    nuclide,
    reference_anatomy,
    rmblr,
    s_value_table,
    sphere_s_value,
)
from dosimetry.chains import decay_chain
from dosimetry.metastases import SkeletalMetastasis, escaping_s_value
from kinetics import SumOfExponentials

MAN = reference_anatomy("male")
BLOOD = SumOfExponentials([0.02, 0.001], [0.12, 0.012])
BODY = SumOfExponentials([600.0, 400.0], [0.4, 0.015])
LESION = SumOfExponentials([20.0], [0.012])
LU = nuclide("Lu-177")


def dose(metastases, **changes):
    arguments = {"anatomy": MAN, "ratio": rmblr("unity"), "whole_body_mbq": BODY} | changes
    return marrow_dose_blood_method(BLOOD, "Lu-177", metastases=metastases, **arguments)


@pytest.mark.parametrize("name", ["I-131", "Lu-177", "Y-90"])
@pytest.mark.parametrize("mass_g", [0.01, 1.0, 50.0])
def test_kept_and_escaping_energy_is_all_energy(name, mass_g):
    kept = mass_g * np.asarray(sphere_s_value(name, mass_g=mass_g).electron)
    left = escaping_s_value(name, mass_g=mass_g, density_g_per_ml=1.03).electron
    assert kept + left == pytest.approx(1000 * nuclide(name).delta_electron_gy_kg_per_mbq_h)


def test_escaping_energy_against_a_published_table():
    """S values of spheres for Lu-177 (tests/reference): what is missing to all the energy of the
    electrons, less the photons' own small part."""
    path = Path(__file__).parents[1] / "reference" / "dosimetry_sphere_lu177.csv"
    delta = 1000 * LU.delta_electron_gy_kg_per_mbq_h
    mass_g, s_gy_per_bq_s = np.loadtxt(path, delimiter=",", skiprows=1)[:7].T
    photon = np.asarray(sphere_s_value("Lu-177", mass_g=mass_g, density_g_per_ml=1.04).photon)
    published = 1 - mass_g * (3.6e9 * s_gy_per_bq_s - photon) / delta
    found = escaping_s_value("Lu-177", mass_g=mass_g, density_g_per_ml=1.04).electron / delta
    np.testing.assert_allclose(found, published, atol=0.01)
    assert published[0] > 0.17


@given(st.floats(0.02, 100), st.floats(1.1, 5))
def test_larger_spheres_keep_more(mass_g, factor):
    small, large = (
        float(escaping_s_value("Lu-177", mass_g=m).electron) for m in (mass_g, mass_g * factor)
    )
    assert large <= small


def test_a_point_gives_all_its_electrons_to_the_marrow():
    """The limit of no mass: the energy of the electrons over the mass of all red marrow."""
    point = SkeletalMetastasis(LESION, marrow_share=1.0, mass_g=1e-10)
    found = dose({"tumour_l4": point}).contribution_gy()["tumour_l4_electrons"]
    local = 1000 * LU.delta_electron_gy_kg_per_mbq_h * LESION.integral() / 1170
    assert found == pytest.approx(local, rel=0.02)


def test_trabecular_metastasis_by_hand():
    table = s_value_table("Lu-177", "male")
    share = 0.6
    lesion = SkeletalMetastasis(LESION, marrow_share=share, model="trabecular")
    found = dose({"tumour": lesion}).by_origin()["tumour"]
    near, far = (table.s_value("marrow", f"{k}_bone").total for k in ("trabecular", "cortical"))
    assert found == pytest.approx(LESION.integral() * (share * near + (1 - share) * far))


def test_activity_in_metastases_leaves_the_remainder():
    lesion = SkeletalMetastasis(LESION, marrow_share=0.5, mass_g=10.0)
    plain, with_it = dose(None), dose({"tumour_l4": lesion})
    s_value = s_value_table("Lu-177", "male").remainder("marrow", ["marrow"]).total
    lost = plain.by_origin()["remainder"] - with_it.by_origin()["remainder"]
    assert lost == pytest.approx(LESION.integral() * s_value)
    assert with_it.dose_gy > plain.dose_gy
    assert any("spheres" in note for note in with_it.assumptions)


def test_share_and_marrow_mass_scale_the_charged_particles():
    parts = []
    for share, mass_g in ((0.4, 1170.0), (0.8, 1170.0), (0.4, 585.0)):
        lesion = SkeletalMetastasis(LESION, marrow_share=share, mass_g=5.0)
        patient = Anatomy("male", 73, 176, organ_mass_g={"marrow": mass_g})
        parts.append(dose({"tumour": lesion}, anatomy=patient).contribution_gy())
    electrons = [float(p["tumour_electrons"]) for p in parts]
    assert electrons[1] == pytest.approx(2 * electrons[0])
    assert electrons[2] == pytest.approx(2 * electrons[0])
    assert parts[1]["tumour_photons"] == pytest.approx(parts[0]["tumour_photons"])


def test_draws_of_share_and_mass():
    lesion = SkeletalMetastasis(
        LESION, marrow_share=np.array([0.2, 0.4, 0.6]), mass_g=np.array([4.0, 5.0, 6.0])
    )
    found = dose({"tumour": lesion}).contribution_gy()["tumour_electrons"]
    assert found.shape == (3,)
    one = SkeletalMetastasis(LESION, marrow_share=0.4, mass_g=5.0)
    assert found[1] == pytest.approx(
        float(dose({"tumour": one}).contribution_gy()["tumour_electrons"])
    )


def test_alpha_particles_hardly_leave_a_metastasis():
    """Ranges of 50 to 90 um: from 1 g of tissue less than 2 % of the alpha energy escapes."""
    chain = decay_chain("Ac-225")
    energy_mev = chain.energy_mev["alpha"] + chain.energy_mev["alpha_recoil"]
    left = escaping_s_value(chain, mass_g=1.0)
    share = float(left.alpha) / (energy_mev * 0.5767835882)
    assert 0 <= share < 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "cube"}, "model"),
        ({"marrow_share": 1.2}, "marrow_share"),
        ({"mass_g": None}, "mass_g"),
    ],
)
def test_metastases_that_cannot_be(arguments, message):
    with pytest.raises(DosimetryError, match=message):
        SkeletalMetastasis(LESION, **({"marrow_share": 0.5, "mass_g": 3.0} | arguments))


def test_names_and_curves_are_checked():
    lesion = SkeletalMetastasis(LESION, marrow_share=0.5, mass_g=3.0)
    with pytest.raises(DosimetryError, match="tumour_"):
        dose({"l4": lesion})
    flat = SkeletalMetastasis(SumOfExponentials([1.0], [0.001]), marrow_share=0.5, mass_g=3.0)
    with pytest.raises(DosimetryError, match="physical decay"):
        dose({"tumour": flat})
