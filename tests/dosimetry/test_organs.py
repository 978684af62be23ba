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
    assert set(dose.contributions) == {"self_electrons", "self_photons", "liver", "remainder"}


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
    ).contribution_gy()
    assert parts["kidneys"] + parts["liver"] + parts["remainder"] < 0.03 * parts["self_electrons"]


def test_the_organ_itself_is_not_counted_twice():
    alone = organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=MAN)
    among = organ_dose("kidneys", KIDNEYS, "Lu-177", anatomy=MAN, other_mbq={"kidneys": KIDNEYS})
    assert among.dose_gy == alone.dose_gy


@pytest.mark.parametrize(
    ("region", "source", "message"),
    [("marrow", "Lu-177", "region"), ("kidneys", "Y-90", "no S values")],
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
