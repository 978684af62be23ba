"""Published S values, and figures derived from them."""

import csv
from pathlib import Path

import pytest

from dosimetry.anatomy import REFERENCE_MASS_G, SEXES
from dosimetry.nuclides import nuclide
from dosimetry.s_values import MARROW_MODELS, marrow_model_spread, s_value_table

REFERENCE = Path(__file__).parents[2] / "reference" / "dosimetry_s_values.csv"
ORGANS = ("kidneys", "liver", "spleen")
with REFERENCE.open() as lines:
    ROWS = list(csv.DictReader(lines))


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda r: "-".join([r["nuclide"], r["sex"], r["target"], r["source"]])
)
def test_published_value(row):
    table = s_value_table(row["nuclide"], row["sex"], marrow_model=row["marrow_model"])
    value = table.s_value(row["target"], row["source"])
    weighted = float(row["alpha_weight"]) * value.alpha + value.electron + value.photon
    assert weighted == pytest.approx(
        float(row["gy_per_mbq_h"]), rel=float(row["relative_tolerance"])
    )


@pytest.mark.parametrize("sex", SEXES)
def test_value_of_the_body_is_that_of_marrow_and_bone(sex):
    """S(RM <- TB) of Y-90: 5.220e-6 printed for men, 5.233e-6 from the printed parts."""
    table, mass = s_value_table("Y-90", sex), REFERENCE_MASS_G[sex]
    near = sum(
        mass[region] * table.s_value("marrow", region).total
        for region in ("marrow", "trabecular_bone")
    )
    printed = {"male": 5.220e-6, "female": 6.228e-6}[sex]
    assert near / mass["whole_body"] == pytest.approx(printed, rel=0.0035)
    assert table.s_value("marrow", "whole_body").total == pytest.approx(printed, rel=0.0035)


def test_weight_of_alpha_particles_hides_in_printed_values():
    """Printed S of Ra-223 over the bare alpha energy is 5.09: 5 times alpha and recoil."""
    radium = nuclide("Ra-223")
    own = s_value_table("Ra-223", "male").s_value("marrow", "marrow")
    bare = radium.delta_alpha_gy_kg_per_mbq_h / 1.17
    assert 5 * own.alpha / bare == pytest.approx(5.09, abs=0.005)
    assert 1.426e-2 / bare == pytest.approx(5.1, abs=0.015)


@pytest.mark.parametrize(
    ("region", "fraction"),
    [("blood", 0.0336), ("marrow", 0.516), ("trabecular_bone_surface", 0.137)],
)
def test_alpha_absorbed_fractions_of_icrp133(region, fraction):
    """From S(R-marrow) for Ra-223, times 20, less electrons and photons."""
    radium = nuclide("Ra-223")
    energy = radium.delta_alpha_gy_kg_per_mbq_h + radium.delta_alpha_recoil_gy_kg_per_mbq_h
    value = s_value_table("Ra-223", "male", marrow_model="icrp133").s_value("marrow", region)
    assert value.alpha * 1.17 / energy == pytest.approx(fraction, rel=1e-9)
    published = {"blood": 1.913e-3, "marrow": 2.937e-2, "trabecular_bone_surface": 7.76e-3}
    assert published[region] / 20 * 1.17 / energy == pytest.approx(fraction, rel=0.01)


@pytest.mark.parametrize(
    ("name", "fraction"),
    [
        ("C-14", 0.608),
        ("Ca-45", 0.532),
        ("H-3", 0.828),
        ("Sr-90", 0.432),
        ("Tc-99", 0.497),
        ("Y-90", 0.319),
    ],
)
def test_electron_absorbed_fractions_of_icrp133(name, fraction):
    """Effective phi(R-marrow <- R-marrow) of beta emitters, three digits."""
    value = s_value_table(name, "male", marrow_model="icrp133").s_value("marrow", "marrow")
    phi = value.electron * 1.17 / nuclide(name).delta_electron_gy_kg_per_mbq_h
    assert phi == pytest.approx(fraction, abs=1.5e-3)


@pytest.mark.parametrize(
    ("name", "fraction"), [("I-131", 0.567), ("Lu-177", 0.568), ("Tb-161", 0.617), ("Y-90", 0.439)]
)
def test_marrow_holds_part_of_its_electrons_in_olinda2(name, fraction):
    """Effective phi(RM <- RM), photons included."""
    value = s_value_table(name, "male").s_value("marrow", "marrow")
    phi = value.total * 1.17 / nuclide(name).delta_electron_gy_kg_per_mbq_h
    assert phi == pytest.approx(fraction, abs=2e-3)


@pytest.mark.parametrize(
    ("name", "difference"),
    [("I-131", -0.19), ("Lu-177", -0.17), ("Tb-161", -0.14), ("Y-90", -0.275)],
)
def test_spread_of_the_marrow_models(name, difference):
    spread = marrow_model_spread(name, "male")
    assert spread.relative_difference == pytest.approx(difference, abs=0.012)
    assert spread.cv == pytest.approx(abs(difference), abs=0.012)
    with pytest.raises(ValueError, match="blood"):
        marrow_model_spread(name, "male", source_region="blood")


@pytest.mark.parametrize(
    ("name", "male", "female"),
    [
        ("Cu-67", 0.0059, 0.0062),
        ("I-124", 0.0524, 0.0554),
        ("I-131", 0.01873, 0.0198),
        ("Lu-177", 0.00185, 0.00193),
        ("Tb-161", 0.00293, 0.00316),
        ("Y-90", 0.0, 0.0),
    ],
)
def test_photon_constants_of_the_blood_method(name, male, female):
    """S(TB <- TB) of photons times weight^(2/3), Gy kg^(2/3)/(GBq h)."""
    for sex, constant in (("male", male), ("female", female)):
        photon = s_value_table(name, sex).s_value("whole_body", "whole_body").photon
        weight_kg = REFERENCE_MASS_G[sex]["whole_body"] / 1000
        assert 1000 * photon * weight_kg ** (2 / 3) == pytest.approx(constant, rel=0.015, abs=1e-5)


@pytest.mark.parametrize("model", MARROW_MODELS)
def test_removing_marrow_and_bone_cuts_the_whole_body_value(model):
    """Stabin 2001: Lu-177 in men, about 3x without marrow and organs, 10x without bone too."""
    table = s_value_table("Lu-177", "male", marrow_model=model)
    whole = table.s_value("marrow", "whole_body").total
    with_bone = table.remainder("marrow", ORGANS, bone_in_remainder=True).total
    assert whole / with_bone == pytest.approx(3, rel=0.05 if model == "olinda2" else 0.25)
    assert whole / table.remainder("marrow", ORGANS).total == pytest.approx(
        10, rel=0.1 if model == "olinda2" else 0.35
    )
