import pytest

from dosimetry import REFERENCE_MASS_G, DosimetryError
from dosimetry.s_values.readers import REGION_NAMES, region_name
from dosimetry.s_values.readers.regions import HOLLOW, icrp89_mass_g

SPELLINGS = {
    "Red Mar.": "marrow",
    "R-marrow": "marrow",
    "Red (active)  bone marrow": "marrow",
    "Tot Body": "whole_body",
    "Kidneys ": "kidneys",
    "RKidney + LKidney": "kidneys",
    "TrabBone": "trabecular_bone",
    "Cortical bone mineral, volume": "cortical_bone",
    "HeartCon": "heart_contents",
    "Hrt Wall": "heart_wall",
    "Esophagus": "oesophagus",
    "LLI Wall": "lli_wall",
    "Left colon": "left_colon",
    "Small Intestine": "small_intestine",
}


@pytest.mark.parametrize("text", sorted(SPELLINGS))
def test_names_of_other_programs(text):
    assert region_name(text) == SPELLINGS[text]
    assert region_name(text.upper()) == SPELLINGS[text]


def test_the_users_names_come_first():
    assert region_name("RM", {"rm": "marrow"}) == "marrow"
    assert region_name("Liver", {"Liver": "whole_liver"}) == "whole_liver"


def test_the_table_is_in_lower_case_and_maps_to_snake_case():
    assert all(key == key.casefold() for key in REGION_NAMES)
    assert all(name.replace("_", "").isalpha() for name in REGION_NAMES.values())
    assert "whole_body" not in HOLLOW


@pytest.mark.parametrize("sex", ["female", "male"])
def test_masses_hold_the_shared_ones(sex):
    mass = icrp89_mass_g(sex)
    for region, value in REFERENCE_MASS_G[sex].items():
        assert mass[region] == value
    assert all(value > 0 for value in mass.values())
    assert ("prostate" in mass) == (sex == "male")


def test_unknown_sex_is_refused():
    with pytest.raises(DosimetryError, match="sex must be one of"):
        icrp89_mass_g("child")
