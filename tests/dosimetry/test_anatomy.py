import numpy as np
import pytest

from dosimetry import (
    REFERENCE_BLOOD_VOLUME_ML,
    REFERENCE_MASS_G,
    Anatomy,
    DosimetryError,
    reference_anatomy,
)


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


def test_blood_volume_by_hand():
    # 0.3669 * 1.8^3 + 0.03219 * 80 + 0.6041 and 0.3561 * 1.65^3 + 0.03308 * 60 + 0.1833
    assert Anatomy("male", 80, 180).blood_volume_ml == pytest.approx(5319.06, abs=0.01)
    assert Anatomy("female", 60, 165).blood_volume_ml == pytest.approx(3767.74, abs=0.01)


@pytest.mark.parametrize("sex", ["male", "female"])
def test_blood_volume_of_the_reference_adults_is_near_icrp_89(sex):
    volume = reference_anatomy(sex).blood_volume_ml
    assert volume == pytest.approx(REFERENCE_BLOOD_VOLUME_ML[sex], rel=0.08)


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
