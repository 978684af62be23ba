import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosimetry.anatomy import REFERENCE_MASS_G, SEXES
from dosimetry.chains import decay_chain
from dosimetry.errors import DosimetryError
from dosimetry.nuclides import nuclide
from dosimetry.s_values import (
    MARROW_MODELS,
    SValue,
    SValueTable,
    s_value_table,
    scaled_cross_s_value,
    scaled_self_s_value,
)

ORGANS = ("kidneys", "liver", "spleen")
PRINTED_PEOPLE = [(name, sex) for name in ("I-131", "Lu-177") for sex in SEXES]
NUCLIDES = ("Ac-225", "F-18", "H-3", "I-131", "In-111", "Lu-177", "Tb-161", "Tc-99m", "Y-90")
PEOPLE = [(name, sex) for name in NUCLIDES for sex in SEXES]
# red marrow target, Gy/(MBq h), OLINDA/EXM 2.2 times 3.6, four digits
PRINTED = {
    ("Lu-177", "male"): {"marrow": 4.140e-5, "trabecular_bone": 1.498e-5, "kidneys": 1.206e-7},
    ("Lu-177", "female"): {"marrow": 5.364e-5, "trabecular_bone": 1.944e-5, "liver": 1.296e-7},
    ("I-131", "male"): {"marrow": 5.364e-5, "cortical_bone": 2.200e-6, "spleen": 1.476e-6},
    ("I-131", "female"): {"marrow": 6.876e-5, "heart_contents": 1.876e-6, "whole_body": 2.758e-6},
}


def own_table(**changes):
    fields = {
        "nuclide": "Lu-177",
        "sex": "male",
        "phantom": "my phantom",
        "marrow_model": None,
        "source": "my Monte Carlo",
        "mass_g": {"kidneys": 320.0, "whole_body": 80_000.0},
        "values": {("kidneys", "kidneys"): SValue(2.7e-4, 4e-6)},
    }
    return SValueTable(**(fields | changes))


@pytest.mark.parametrize("person", PRINTED_PEOPLE)
def test_parts_add_up_to_the_printed_value(person):
    table = s_value_table(*person)
    for source, value in PRINTED[person].items():
        assert table.s_value("marrow", source).total == pytest.approx(value, rel=5e-4)


@pytest.mark.parametrize("model", MARROW_MODELS)
@pytest.mark.parametrize("person", PEOPLE)
def test_no_part_is_negative(person, model):
    table = s_value_table(*person, marrow_model=model)
    emitter = nuclide(person[0])
    for pair, value in table.values.items():
        assert value.photon >= 0, pair
        assert (value.photon > 0) == (emitter.photon_energy_mev > 0), pair
        assert value.electron >= 0, pair
        assert value.alpha >= 0, pair
        assert value.alpha == 0 or emitter.alpha_energy_mev > 0, pair
    for target in ("marrow", "osteogenic_cells", *ORGANS, "lungs", "salivary_glands"):
        for bone in (False, True):
            rest = table.remainder(target, ORGANS, bone_in_remainder=bone)
            assert min(rest.electron, rest.photon, rest.alpha) >= 0, target


@pytest.mark.parametrize("person", PRINTED_PEOPLE)
def test_electrons_stay_in_the_organs_of_printed_tables(person):
    table = s_value_table(*person)
    delta = nuclide(person[0]).delta_electron_gy_kg_per_mbq_h
    for organ in ORGANS:
        own = table.s_value(organ, organ)
        assert own.electron * REFERENCE_MASS_G[person[1]][organ] / 1000 == pytest.approx(delta)
        assert own.photon < 0.4 * own.electron


@pytest.mark.parametrize("model", MARROW_MODELS)
@pytest.mark.parametrize("person", PRINTED_PEOPLE)
@pytest.mark.parametrize("target", ["marrow", *ORGANS])
def test_remainder_sends_only_photons_once_bone_is_out(person, target, model):
    table = s_value_table(*person, marrow_model=model)
    rest = table.remainder(target, ORGANS)
    assert abs(rest.electron) < 1e-6 * rest.photon
    # the rest of the body sends much the same as the body as a whole
    whole = table.s_value(target, "whole_body").photon
    assert 0.5 * whole < rest.photon < whole


@pytest.mark.parametrize("model", MARROW_MODELS)
@pytest.mark.parametrize("name", NUCLIDES)
def test_charged_particles_of_the_remainder_do_not_reach_marrow(name, model):
    table = s_value_table(name, "female", marrow_model=model)
    for target in ("marrow", "osteogenic_cells"):
        rest = table.remainder(target, [*ORGANS, "marrow"])
        assert (rest.electron, rest.alpha) == (0.0, 0.0)
    with_blood = table.remainder("marrow", [*ORGANS, "blood"]) if model == "icrp133" else rest
    assert with_blood.electron == 0.0


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("target", ["marrow", *ORGANS])
def test_remainder_and_sources_add_up_to_the_whole_body(person, target):
    table = s_value_table(*person)
    mass = table.mass_g
    parts = {*ORGANS, target, "trabecular_bone", "cortical_bone"}
    inside = sum(mass[part] * table.s_value(target, part).total for part in parts)
    rest_g = mass["whole_body"] - sum(mass[part] for part in parts)
    total = inside + rest_g * table.remainder(target, ORGANS).total
    assert total == pytest.approx(mass["whole_body"] * table.s_value(target, "whole_body").total)


def test_remainder_uses_the_masses_of_its_table():
    values = {
        ("kidneys", "kidneys"): SValue(3.0, 1.0),
        ("kidneys", "whole_body"): SValue(0.5, 0.25),
        ("whole_body", "kidneys"): SValue(0.25, 0.125),
        ("whole_body", "whole_body"): SValue(0.25, 0.125),
    }
    table = own_table(mass_g={"kidneys": 100.0, "whole_body": 1000.0}, values=values)
    rest = table.remainder("kidneys", [], bone_in_remainder=True)
    assert rest.electron == pytest.approx((0.5 * 1000 - 3 * 100) / 900)
    assert rest.photon == pytest.approx((0.25 * 1000 - 100) / 900)
    body = table.remainder("whole_body", ["kidneys"], bone_in_remainder=True)
    assert body.total == pytest.approx(0.375)
    with pytest.raises(DosimetryError, match=r"no mass for 'cortical_bone'.*my phantom"):
        table.remainder("kidneys", [])
    with pytest.raises(DosimetryError, match=r"electron part.*these regions alone give more"):
        own_table(
            mass_g={"kidneys": 100.0, "whole_body": 1000.0},
            values=values | {("kidneys", "kidneys"): SValue(5.5, 1.0)},
        ).remainder("kidneys", [], bone_in_remainder=True)
    heavy = own_table(mass_g={"kidneys": 100.0, "whole_body": 100.0}, values=values)
    with pytest.raises(DosimetryError, match="weigh as much"):
        heavy.remainder("kidneys", [], bone_in_remainder=True)


@pytest.mark.parametrize("person", PEOPLE)
def test_blood_and_heart_irradiate_marrow_alike_by_photons(person):
    table = s_value_table(*person, marrow_model="icrp133")
    blood = table.s_value("marrow", "blood")
    assert blood.photon == table.s_value("marrow", "heart_contents").photon
    assert blood.electron < 0.1 * table.s_value("marrow", "marrow").electron
    with pytest.raises(DosimetryError, match="blood"):
        s_value_table(*person).s_value("marrow", "blood")


def test_chain_is_the_sum_of_its_members():
    chain = decay_chain("Ac-225", retained={"Bi-213": 0.5})
    table = s_value_table(chain, "male", marrow_model="icrp133")
    assert table.nuclide == "Ac-225"
    assert set(chain.assumptions) <= set(table.assumptions)
    for pair in (("kidneys", "kidneys"), ("marrow", "blood"), ("marrow", "whole_body")):
        members = [
            s_value_table(m.nuclide, "male", marrow_model="icrp133").s_value(*pair)
            for m in chain.members
        ]
        yields = [m.decays_per_parent for m in chain.members]
        for part in ("electron", "photon", "alpha"):
            expected = np.dot(yields, [getattr(value, part) for value in members])
            assert getattr(table.s_value(*pair), part) == pytest.approx(expected)
    alone = s_value_table(decay_chain("Lu-177"), "male").s_value("marrow", "marrow")
    assert alone.total == pytest.approx(4.140e-5, rel=5e-4)


@pytest.mark.parametrize("sex", SEXES)
def test_alpha_particles_stay_in_a_solid_organ(sex):
    chain = decay_chain("Ra-223")
    energy = chain.delta_alpha_gy_kg_per_mbq_h + chain.delta_alpha_recoil_gy_kg_per_mbq_h
    table = s_value_table(chain, sex)
    for organ in (*ORGANS, "whole_body"):
        mass_kg = REFERENCE_MASS_G[sex][organ] / 1000
        assert table.s_value(organ, organ).alpha * mass_kg == pytest.approx(energy)
    assert table.s_value("kidneys", "spleen").alpha == 0


def test_decay_data_that_a_user_changed_are_not_the_printed_nuclide():
    from dataclasses import replace

    changed = replace(nuclide("Lu-177"))
    fitted = s_value_table(changed, "male").s_value("marrow", "marrow")
    printed = s_value_table("Lu-177", "male").s_value("marrow", "marrow")
    assert fitted.total != printed.total
    assert fitted.total == pytest.approx(printed.total, rel=0.01)


@given(st.floats(0.2, 5), st.floats(0.2, 5))
def test_mass_scaling_composes(first, second):
    base = SValue(3.0, 2.0, 7.0)
    once = scaled_self_s_value(base, reference_g=100, patient_g=100 * first * second)
    step = scaled_self_s_value(base, reference_g=100, patient_g=100 * first)
    twice = scaled_self_s_value(step, reference_g=100 * first, patient_g=100 * first * second)
    np.testing.assert_allclose(
        [once.electron, once.photon, once.alpha], [twice.electron, twice.photon, twice.alpha]
    )
    assert once.electron * first * second == pytest.approx(3.0)
    assert once.alpha * first * second == pytest.approx(7.0)


def test_cross_dose_in_a_patient_of_another_size():
    weights = {"reference_weight_kg": 73.0, "patient_weight_kg": np.array([73.0, 584.0])}
    base = SValue(1.0, 2.0, 3.0)
    assert scaled_cross_s_value(base, **weights) is base
    scaled = scaled_cross_s_value(base, **weights, photon_scaling="body_weight")
    np.testing.assert_allclose(scaled.photon, [2.0, 0.5])
    assert (scaled.electron, scaled.alpha) == (1.0, 3.0)
    with pytest.raises(DosimetryError, match="body_weight"):
        scaled_cross_s_value(base, **weights, photon_scaling="bmi")


def test_own_organ_values_over_the_marrow_model():
    shipped = s_value_table("Lu-177", "male", marrow_model="icrp133")
    own = own_table()
    merged = shipped.updated_with(own)
    assert merged.s_value("kidneys", "kidneys").total == pytest.approx(2.74e-4)
    assert merged.values["marrow", "marrow"] is shipped.values["marrow", "marrow"]
    assert merged.marrow_model == "icrp133"
    assert (merged.mass_g["kidneys"], merged.mass_g["liver"]) == (320.0, 1800.0)
    assert any("my Monte Carlo" in note for note in merged.assumptions)
    with pytest.raises(DosimetryError, match="same nuclide and sex"):
        s_value_table("Lu-177", "female").updated_with(own)


def test_missing_pairs_are_named():
    own = own_table()
    own.require_pairs([("kidneys", "kidneys")])
    with pytest.raises(DosimetryError, match=r"liver <- liver, marrow <- marrow.*updated_with"):
        own.require_pairs([("liver", "liver"), ("kidneys", "kidneys"), ("marrow", "marrow")])
    with pytest.raises(DosimetryError, match="sources known for this target: kidneys"):
        own.s_value("kidneys", "liver")


def test_own_tables_are_checked():
    with pytest.raises(DosimetryError, match="mass of kidneys"):
        own_table(mass_g={"kidneys": 0.0})
    with pytest.raises(DosimetryError, match="must be finite"):
        own_table(values={("kidneys", "kidneys"): SValue(np.nan, 0.0)})
    with pytest.raises(TypeError):
        own_table().values["liver", "liver"] = SValue(1.0, 1.0)


def test_frame_has_a_row_a_pair():
    frame = s_value_table("Y-90", "male").to_frame().set_index(["target", "source"])
    assert len(frame) == len(s_value_table("Y-90", "male").values)
    assert frame.loc[("marrow", "marrow"), "total"] == pytest.approx(2.020e-4, rel=0.005)


def test_what_cannot_be_asked():
    assert s_value_table("177Lu", "male") is s_value_table("Lu-177", "male")
    with pytest.raises(DosimetryError, match="no nuclide"):
        s_value_table("Lu-999", "male")
    with pytest.raises(DosimetryError, match="sex"):
        s_value_table("Lu-177", "child")
    with pytest.raises(DosimetryError, match="marrow_model"):
        s_value_table("Lu-177", "male", marrow_model="olinda1")


def test_derived_values_say_so():
    notes = " ".join(s_value_table("Tb-161", "male", marrow_model="icrp133").assumptions)
    assert "DERIVED" in notes
    assert "ICRP 133" in notes
    assert "ASSUMED" in " ".join(s_value_table("Lu-177", "male").assumptions)
    assert "alpha" in " ".join(s_value_table("Ac-225", "male").assumptions)
    assert s_value_table("Tb-161", "male").source != s_value_table("Lu-177", "male").source
