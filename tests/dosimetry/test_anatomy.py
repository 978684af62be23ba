import numpy as np
import pytest

from dosimetry import (
    REFERENCE_BLOOD_VOLUME_ML,
    REFERENCE_MASS_G,
    Anatomy,
    DosimetryError,
    reference_anatomy,
)
from dosimetry.blood_volume import BLOOD_VOLUME_FORMULAS, blood_volume_ml


@pytest.mark.parametrize(
    ("sex", "expected"),
    [("male", (73000, 1170, 5600, 310, 1800, 150)), ("female", (60000, 900, 4100, 275, 1400, 130))],
)
def test_reference_masses(sex, expected):
    regions = ("whole_body", "marrow", "blood", "kidneys", "liver", "spleen")
    assert tuple(REFERENCE_MASS_G[sex][region] for region in regions) == expected


@pytest.mark.parametrize("sex", ["male", "female"])
def test_reference_blood_has_its_density(sex):
    density = REFERENCE_MASS_G[sex]["blood"] / REFERENCE_BLOOD_VOLUME_ML[sex]
    assert density == pytest.approx(1.055, abs=0.006)


@pytest.mark.parametrize(
    ("sex", "weight", "height", "formula", "expected"),
    [
        # 0.3669 * 1.8^3 + 0.03219 * 80 + 0.6041 and 0.3561 * 1.65^3 + 0.03308 * 60 + 0.1833
        ("male", 80, 180, "nadler", 5319.06),
        ("female", 60, 165, "nadler", 3767.74),
        # 70 / sqrt(25 / 22) * 100 at 200 cm, 70 * 22 at a body mass index of 22 and 100 cm
        ("male", 100, 200, "lemmens", 6566.58),
        ("female", 22, 100, "lemmens", 1540.0),
        # surface 2 m2: (3.33 * 2 - 0.81) and (2.66 * 2 - 0.46) kg over 1.06
        ("male", 80, 180, "bosgra", 5518.87),
        ("female", 80, 180, "bosgra", 4584.91),
    ],
)
def test_blood_volume_by_hand(sex, weight, height, formula, expected):
    found = blood_volume_ml(sex, weight_kg=weight, height_cm=height, formula=formula)
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("formula", BLOOD_VOLUME_FORMULAS)
@pytest.mark.parametrize("sex", ["male", "female"])
def test_blood_volume_of_the_reference_adults_is_near_icrp_89(sex, formula):
    volume = reference_anatomy(sex).blood_volume_ml(formula=formula)
    assert volume == pytest.approx(REFERENCE_BLOOD_VOLUME_ML[sex], rel=0.08)


def test_lemmens_gives_obese_patients_less_blood_per_kilogram():
    per_kg = [
        blood_volume_ml("male", weight_kg=w, height_cm=175, formula="lemmens") / w
        for w in (70, 100, 150)
    ]
    assert per_kg == sorted(per_kg, reverse=True)


def test_measured_blood_comes_first():
    patient = Anatomy("male", 80, 180, organ_mass_g={"blood": [5300.0, 6360.0]})
    np.testing.assert_allclose(patient.blood_volume_ml(formula="lemmens"), [5000, 6000])
    assert "measured" in patient.blood_volume_note()
    assert "Nadler" in Anatomy("male", 80, 180).blood_volume_note()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"formula": "retzlaff"}, "formula"), ({"sex": "x"}, "sex"), ({"weight_kg": 0}, "positive")],
)
def test_blood_volumes_that_cannot_be(changes, message):
    arguments = {"sex": "male", "weight_kg": 80.0, "height_cm": 180.0} | changes
    with pytest.raises(DosimetryError, match=message):
        blood_volume_ml(**arguments)


def test_patient_masses_come_first():
    patient = Anatomy("female", 70, 165, 0.4, {"kidneys": [250.0, 260.0]})
    np.testing.assert_allclose(patient.mass_g("kidneys"), [250, 260])
    assert patient.mass_g("liver") == 1400
    assert patient.mass_g("whole_body") == 70_000
    assert patient.mass_assumption("kidneys") == ()
    assert "ASSUMED" in patient.mass_assumption("liver")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("other", 70, 170), "sex"),
        (("male", 70_000, 170), "weight_kg"),
        (("male", 70, 1.7), "height_cm"),
        (("male", float("nan"), 170), "weight_kg"),
        (("male", 70, 170, 42), "haematocrit"),
        (("male", 70, 170, 0.4, {"kidneys": -1}), "mass"),
        (("male", 70, 170, 0.4, {"kidney": 300}), "known"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(DosimetryError, match=message):
        Anatomy(*arguments)


def test_unknown_region_and_sex():
    with pytest.raises(DosimetryError, match="known"):
        reference_anatomy("male").mass_g("toe")
    with pytest.raises(DosimetryError, match="sex"):
        reference_anatomy("child")


@pytest.mark.parametrize(
    ("masses", "message"),
    [
        ({"kidneys": 0.31}, "3.1 to 31000 g"),  # kilograms: the dose would be a thousandfold
        ({"kidneys": 310_000.0}, "3.1 to 31000 g"),
        ({"liver": [1800.0, np.nan]}, "liver must lie"),
        ({"whole_body": 80_000.0}, "is weight_kg"),
    ],
)
def test_masses_that_cannot_be(masses, message):
    with pytest.raises(DosimetryError, match=message):
        Anatomy("male", 80.0, 178.0, organ_mass_g=masses)


def test_weight_is_one_number():
    with pytest.raises(DosimetryError, match="weight_kg"):
        Anatomy("male", np.array([80.0, 81.0]), 178.0)
