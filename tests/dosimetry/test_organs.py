import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosimetry import (
    Anatomy,
    DosimetryError,
    organ_dose,
    reference_anatomy,
    s_value_table,
    sphere_s_value,
    tumour_dose,
)
from dosimetry.chains import decay_chain
from kinetics import SumOfExponentials

MAN = reference_anatomy("male")
KIDNEYS = SumOfExponentials([30.0], [0.0173])  # MBq per GBq, effective half-life 40 h
LIVER = SumOfExponentials([50.0], [0.013])
BODY = SumOfExponentials([600.0, 400.0], [0.4, 0.015])


def test_lutetium_kidney_dose_is_of_the_published_size():
    # 177Lu kidneys: 0.43 +- 0.13 Gy/GBq, EJNMMI Res 2018;8:100
    assert 0.27 < organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=MAN).dose_gy < 0.91


def test_dose_by_hand():
    dose = organ_dose(
        "kidneys",
        KIDNEYS,
        "Lu-177",
        anatomy=MAN,
        other_mbq={"liver": LIVER},
        whole_body_mbq=BODY,
    )
    table = s_value_table("Lu-177", "male")
    rest = BODY.integral() - KIDNEYS.integral() - LIVER.integral()
    expected = (
        KIDNEYS.integral() * 7.76e-5 * 3.6
        + LIVER.integral() * 1.20e-7 * 3.6
        + rest * table.remainder("kidneys", ["liver"]).total
    )
    assert dose.dose_gy == pytest.approx(expected)
    assert {"self_electrons", "self_photons", "liver_photons"} < set(dose.contributions)
    assert set(dose.by_origin()) == {"self", "liver", "remainder"}


@given(st.floats(80, 900))
def test_self_dose_scales_with_the_mass_of_the_patient(mass_g):
    patient = Anatomy("male", 73, 176, organ_mass_g={"kidneys": mass_g})
    found = organ_dose("kidneys", KIDNEYS, "I-131", anatomy=patient).contribution_gy()
    reference = organ_dose("kidneys", KIDNEYS, "I-131", anatomy=MAN).contribution_gy()
    ratio = 310 / mass_g
    assert found["self_electrons"] == pytest.approx(reference["self_electrons"] * ratio)
    assert found["self_photons"] == pytest.approx(reference["self_photons"] * ratio ** (2 / 3))


def test_masses_may_be_draws():
    patient = Anatomy("male", 73, 176, organ_mass_g={"kidneys": np.array([300.0, 320.0])})
    assert organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=patient).dose_gy.shape == (2,)


def test_cross_dose_is_small_for_lutetium():
    parts = organ_dose(
        "spleen",
        SumOfExponentials([5.0], [0.013]),
        "Lu-177",
        anatomy=MAN,
        other_mbq={"kidneys": KIDNEYS, "liver": LIVER},
        whole_body_mbq=BODY,
    ).by_origin()
    assert parts["kidneys"] + parts["liver"] + parts["remainder"] < 0.03 * parts["self"]


def test_the_organ_itself_is_not_counted_twice():
    alone = organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=MAN)
    among = organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=MAN, other_mbq={"kidneys": KIDNEYS})
    assert among.dose_gy == alone.dose_gy


@pytest.mark.parametrize(
    ("region", "source", "message"),
    [("marrow", "Lu-177", "region"), ("toe", "Lu-177", "region"), ("kidneys", "Xx-90", "Xx-90")],
)
def test_what_is_not_covered_is_refused(region, source, message):
    with pytest.raises(DosimetryError, match=message):
        organ_dose(region, KIDNEYS, source, anatomy=MAN)


def test_tumour_dose_is_the_sphere():
    dose = tumour_dose(KIDNEYS, "Lu-177", mass_g=12.0, region="tumour_a")
    assert dose.dose_gy == pytest.approx(
        KIDNEYS.integral() * sphere_s_value("Lu-177", mass_g=12.0).total
    )
    assert (dose.region, dose.method) == ("tumour_a", "image")
    assert any("ASSUMED" in note for note in dose.assumptions)


def test_a_tumour_dose_says_once_that_it_is_a_sphere():
    dose = tumour_dose(KIDNEYS, "Lu-177", mass_g=12.0, density_g_per_ml=1.2)
    assert sum("sphere" in note for note in dose.assumptions) == 1
    assert [note for note in dose.assumptions if "1.2 g/mL" in note and "left out" in note]


def test_sphere_of_the_mass_of_an_organ_gives_about_its_dose():
    organ = s_value_table("Lu-177", "male").s_value("spleen", "spleen").total
    assert sphere_s_value("Lu-177", mass_g=150.0).total == pytest.approx(organ, rel=0.02)
    iodine = s_value_table("I-131", "male").s_value("spleen", "spleen").total
    assert sphere_s_value("I-131", mass_g=150.0).total == pytest.approx(iodine, rel=0.04)


def test_tumour_mass_may_be_draws():
    mass = np.array([5.0, 10.0, 20.0])
    dose = tumour_dose(KIDNEYS, "I-131", mass_g=mass)
    assert dose.dose_gy.shape == (3,)
    assert (np.diff(dose.dose_gy) < 0).all()


def test_a_tumour_is_named_as_one():
    with pytest.raises(DosimetryError, match="tumour_"):
        tumour_dose(KIDNEYS, "Lu-177", mass_g=10.0, region="lesion")


def test_decay_corrected_organ_curves_are_refused():
    for give in (
        lambda curve: organ_dose("liver", curve, "Lu-177", anatomy=MAN),
        lambda curve: tumour_dose(curve, "Lu-177", mass_g=10.0),
    ):
        with pytest.raises(DosimetryError, match="physical decay"):
            give(SumOfExponentials([30.0], [0.002]))


@pytest.mark.parametrize(("sex", "mass_g"), [("male", 85.0), ("female", 70.0)])
def test_salivary_glands(sex, mass_g):
    """Nearly all energy of the electrons stays in glands of the reference mass."""
    glands = SumOfExponentials([8.0], [0.03])
    dose = organ_dose("salivary_glands", glands, "Lu-177", anatomy=reference_anatomy(sex))
    local = 0.08532 * glands.integral() / mass_g
    assert dose.by_radiation()["electrons"] == pytest.approx(local, rel=0.03)
    assert any("ASSUMED: salivary_glands mass" in note for note in dose.assumptions)
    own = Anatomy(sex, 70, 170, organ_mass_g={"salivary_glands": np.array([40.0, 60.0])})
    doses = organ_dose("salivary_glands", glands, "Lu-177", anatomy=own).dose_gy
    assert doses[0] / doses[1] == pytest.approx(1.5, rel=0.02)


def test_alpha_emitters_in_organs_and_tumours():
    """Alpha particles stay where they are: delta over mass, with the recoil nuclei."""
    chain = decay_chain("Ac-225")
    curve = SumOfExponentials([0.01], [0.005])
    energy_mev = chain.energy_mev["alpha"] + chain.energy_mev["alpha_recoil"]
    local = energy_mev * 0.5767835882 * curve.integral()
    kidney = organ_dose("kidneys", curve, chain, anatomy=MAN).by_radiation()
    assert kidney["alpha"] == pytest.approx(local / 310, rel=1e-3)
    tumour = tumour_dose(curve, chain, mass_g=20.0).by_radiation()
    assert tumour["alpha"] == pytest.approx(local / 20, rel=0.01)
    assert kidney["alpha"] > 20 * kidney["electrons"]


def test_organ_dose_as_a_curve():
    dose = organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=MAN)
    half = dose.dose_until_gy(np.log(2) / 0.0173)
    assert half == pytest.approx(dose.dose_gy / 2)
    assert dose.dose_rate(0.0) == pytest.approx(dose.dose_gy * 0.0173)
