import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosimetry import (
    MARROW_MODELS,
    REFERENCE_MASS_G,
    DosimetryError,
    SValue,
    has_s_values,
    nuclide,
    s_value_table,
    scaled_self_s_value,
)

ORGANS = ("kidneys", "liver", "spleen")
PEOPLE = [(name, sex) for name in ("Lu-177", "I-131") for sex in ("male", "female")]
# red marrow target, Gy/(MBq h), OLINDA/EXM 2.2 times 3.6, four digits
PRINTED = {
    ("Lu-177", "male"): {"marrow": 4.140e-5, "trabecular_bone": 1.498e-5, "kidneys": 1.206e-7},
    ("Lu-177", "female"): {"marrow": 5.364e-5, "trabecular_bone": 1.944e-5, "liver": 1.296e-7},
    ("I-131", "male"): {"marrow": 5.364e-5, "cortical_bone": 2.200e-6, "spleen": 1.476e-6},
    ("I-131", "female"): {"marrow": 6.876e-5, "heart_contents": 1.876e-6, "whole_body": 2.758e-6},
}


@pytest.mark.parametrize("person", PEOPLE)
def test_parts_add_up_to_the_printed_value(person):
    table = s_value_table(*person)
    for source, value in PRINTED[person].items():
        assert table.s_value("marrow", source).total == pytest.approx(value, rel=5e-4)


@pytest.mark.parametrize("model", MARROW_MODELS)
@pytest.mark.parametrize("person", PEOPLE)
def test_no_part_is_negative(person, model):
    for pair, value in s_value_table(*person, marrow_model=model).values.items():
        assert value.photon > 0, pair
        assert value.electron >= 0, pair


@pytest.mark.parametrize("person", PEOPLE)
def test_electrons_stay_in_solid_organs(person):
    table = s_value_table(*person)
    delta = nuclide(person[0]).delta_electron_gy_kg_per_mbq_h
    for organ in ORGANS:
        own = table.s_value(organ, organ)
        assert own.electron * REFERENCE_MASS_G[person[1]][organ] / 1000 == pytest.approx(delta)
        assert own.photon < 0.4 * own.electron


@pytest.mark.parametrize("person", PEOPLE)
def test_marrow_does_not_absorb_all_its_electrons(person):
    delta = nuclide(person[0]).delta_electron_gy_kg_per_mbq_h
    mass_kg = REFERENCE_MASS_G[person[1]]["marrow"] / 1000
    fraction = {
        model: s_value_table(*person, marrow_model=model).s_value("marrow", "marrow").electron
        * mass_kg
        / delta
        for model in MARROW_MODELS
    }
    assert 0.53 < fraction["olinda2"] < 0.58
    assert 0.43 < fraction["icrp133"] < 0.48


def test_marrow_models_differ_by_17_percent_for_lu177():
    own = [
        s_value_table("Lu-177", "male", marrow_model=m).s_value("marrow", "marrow").total
        for m in MARROW_MODELS
    ]
    assert own[1] / own[0] - 1 == pytest.approx(-0.17, abs=0.01)


def test_removing_marrow_and_bone_cuts_the_whole_body_value():
    table = s_value_table("Lu-177", "male")
    whole = table.s_value("marrow", "whole_body").total
    with_bone = table.remainder("marrow", ORGANS, bone_in_remainder=True).total
    assert whole / with_bone == pytest.approx(3, rel=0.05)
    assert whole / table.remainder("marrow", ORGANS).total == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("target", ["marrow", *ORGANS])
@pytest.mark.parametrize("model", MARROW_MODELS)
def test_remainder_sends_only_photons_once_bone_is_out(person, target, model):
    table = s_value_table(*person, marrow_model=model)
    rest = table.remainder(target, ORGANS)
    assert abs(rest.electron) < 1e-6 * rest.photon
    # the rest of the body sends much the same as the body as a whole
    whole = table.s_value(target, "whole_body").photon
    assert 0.5 * whole < rest.photon < whole


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("target", ["marrow", *ORGANS])
def test_remainder_and_sources_add_up_to_the_whole_body(person, target):
    table, mass = s_value_table(*person), REFERENCE_MASS_G[person[1]]
    parts = {*ORGANS, target, "trabecular_bone", "cortical_bone"}
    inside = sum(mass[part] * table.s_value(target, part).total for part in parts)
    rest_g = mass["whole_body"] - sum(mass[part] for part in parts)
    total = inside + rest_g * table.remainder(target, ORGANS).total
    assert total == pytest.approx(mass["whole_body"] * table.s_value(target, "whole_body").total)


@pytest.mark.parametrize("person", PEOPLE)
def test_blood_and_heart_irradiate_marrow_alike_by_photons(person):
    table = s_value_table(*person, marrow_model="icrp133")
    blood = table.s_value("marrow", "blood")
    assert blood.photon == table.s_value("marrow", "heart_contents").total
    assert blood.electron < 0.1 * table.s_value("marrow", "marrow").electron
    with pytest.raises(DosimetryError, match="blood"):
        s_value_table(*person).s_value("marrow", "blood")


@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_mass_scaling_composes(first, second):
    base = SValue(3.0, 2.0)
    once = scaled_self_s_value(base, reference_g=100, patient_g=100 * first * second)
    step = scaled_self_s_value(base, reference_g=100, patient_g=100 * first)
    twice = scaled_self_s_value(step, reference_g=100 * first, patient_g=100 * first * second)
    np.testing.assert_allclose([once.electron, once.photon], [twice.electron, twice.photon])
    assert once.electron * first * second == pytest.approx(3.0)


def test_what_the_table_covers():
    assert has_s_values("177Lu")
    assert not has_s_values("Y-90")
    with pytest.raises(DosimetryError, match="covered"):
        s_value_table("Y-90", "male")
    with pytest.raises(DosimetryError, match="sex"):
        s_value_table("Lu-177", "child")
    with pytest.raises(DosimetryError, match="marrow_model"):
        s_value_table("Lu-177", "male", marrow_model="olinda1")
