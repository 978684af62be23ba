import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosimetry import (
    MARROW_MODELS,
    Anatomy,
    DosimetryError,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    reference_anatomy,
    require_same_method,
    rmblr,
    s_value_table,
)
from dosimetry.chains import decay_chain
from dosimetry.marrow import red_marrow_fraction, red_marrow_fraction_of_share
from kinetics import SumOfExponentials

MAN = reference_anatomy("male")
# per GBq of 177Lu-PSMA or -DOTATATE: fast loss from blood, some 2 % per litre after a few hours
BLOOD = SumOfExponentials([0.10, 0.02, 0.001], [1.6, 0.12, 0.012])
ORGANS = {
    "kidneys": SumOfExponentials([30.0, -30.0], [0.0173, 1.0]),
    "liver": SumOfExponentials([60.0], [0.013]),
    "spleen": SumOfExponentials([10.0], [0.013]),
}
BODY = SumOfExponentials([600.0, 400.0], [0.4, 0.015])


def by_blood(**changes):
    arguments = {
        "anatomy": MAN,
        "ratio": rmblr("unity"),
        "organ_mbq": ORGANS,
        "whole_body_mbq": BODY,
    } | changes
    return marrow_dose_blood_method(BLOOD, "Lu-177", **arguments)


@pytest.mark.parametrize("model", MARROW_MODELS)
def test_lutetium_marrow_dose_lies_in_the_published_range(model):
    # blood method: medians 15.3, 20.5, 28.3 mGy/GBq by mono-, bi-, tri-exponential fits of 131
    # cycles of 177Lu-DOTATATE; 30 +- 8 for 177Lu-PSMA-617 (PMC5472088)
    assert 0.015 < by_blood(marrow_model=model).dose_gy < 0.038


def test_dose_by_hand():
    table = s_value_table("Lu-177", "male")
    in_marrow = BLOOD.integral() * 1170
    expected = in_marrow * table.s_value("marrow", "marrow").total
    rest = BODY.integral() - in_marrow
    for organ, curve in ORGANS.items():
        expected += curve.integral() * table.s_value("marrow", organ).total
        rest -= curve.integral()
    expected += rest * table.remainder("marrow", ORGANS).total
    assert by_blood().dose_gy == pytest.approx(expected)


@given(st.floats(300, 3000))
def test_marrow_mass_cancels_in_the_blood_method(mass_g):
    patient = Anatomy("male", 73, 176, organ_mass_g={"marrow": mass_g})
    found, reference = by_blood(anatomy=patient).contribution_gy(), by_blood().contribution_gy()
    assert found["self_electrons"] == pytest.approx(reference["self_electrons"])
    cube_root = (mass_g / 1170) ** (1 / 3)  # photons leave a small organ more easily
    assert found["self_photons"] == pytest.approx(reference["self_photons"] * cube_root)
    assert found["self_photons"] < 0.02 * found["self_electrons"]


@given(st.floats(0.1, 3))
def test_self_dose_is_linear_in_the_ratio(value):
    ratio = rmblr("measured", value=value, sd=0.0)
    one = by_blood().contribution_gy()["self_electrons"]
    assert by_blood(ratio=ratio).contribution_gy()["self_electrons"] == pytest.approx(value * one)


def test_image_and_blood_method_agree_where_the_concentrations_do():
    image = marrow_dose_image_method(
        BLOOD,
        "Lu-177",
        anatomy=MAN,
        organ_mbq=ORGANS,
        whole_body_mbq=BODY,
        marrow_density_g_per_ml=1.0,
    )
    assert image.dose_gy == pytest.approx(by_blood().dose_gy)
    assert (image.method, by_blood().method) == ("image", "blood")
    with pytest.raises(DosimetryError, match=r"marrow by blood.*marrow by image"):
        require_same_method(image, by_blood())
    assert require_same_method(image, image) == "image"


def test_image_concentration_is_per_millilitre():
    light = marrow_dose_image_method(BLOOD, "Lu-177", anatomy=MAN)
    dense = marrow_dose_image_method(BLOOD, "Lu-177", anatomy=MAN, marrow_density_g_per_ml=2.06)
    assert light.dose_gy == pytest.approx(2 * dense.dose_gy)


def test_activity_in_the_body_counts_once():
    """Activity moved from the remainder into an organ leaves the remainder."""
    rest = by_blood().by_origin()["remainder"]
    more = ORGANS | {"liver": ORGANS["liver"].scaled(2.0)}
    moved = by_blood(organ_mbq=more).by_origin()["remainder"]
    s_value = s_value_table("Lu-177", "male").remainder("marrow", ORGANS).total
    assert rest - moved == pytest.approx(ORGANS["liver"].integral() * s_value)


def test_bone_uptake_raises_the_remainder():
    without, uptake = by_blood(), by_blood(bone_in_remainder=True)
    ratio = uptake.by_origin()["remainder"] / without.by_origin()["remainder"]
    assert 3 < ratio < 4.5


def test_heavy_patients_get_less_from_the_remainder():
    heavy = by_blood(anatomy=Anatomy("male", 146, 176)).contribution_gy()
    reference = by_blood().contribution_gy()
    lighter = reference["remainder_photons"] * 2 ** (-2 / 3)
    assert heavy["remainder_photons"] == pytest.approx(lighter)
    assert heavy["liver_photons"] == reference["liver_photons"]


def test_without_a_whole_body_curve_the_dose_is_a_lower_bound():
    dose = by_blood(whole_body_mbq=None)
    assert "remainder" not in dose.by_origin()
    assert any("lower bound" in note for note in dose.assumptions)
    assert dose.dose_gy < by_blood().dose_gy


def test_assumptions_name_the_model():
    notes = " ".join(by_blood(marrow_model="icrp133").assumptions)
    assert "DERIVED" in notes
    assert "Forrer" in notes
    assert "ICRP 89" in notes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"organ_mbq": {"tumour": BLOOD}}, "leave tumours in the whole body"),
        ({"organ_mbq": {"marrow": BLOOD}}, "first argument"),
        ({"whole_body_mbq": BLOOD}, "more activity than the whole body"),
        ({"organ_mbq": {"toe": BLOOD}}, "no S values for the sources"),
        ({"blood_density_g_per_ml": 0.0}, "density"),
        ({"large_vessel_volume_ml": 0.0}, "large_vessel_volume_ml"),
        (
            {"large_vessel_volume_ml": 900.0, "organ_mbq": {"heart_contents": BLOOD}},
            "not both",
        ),
        ({"marrow_model": "cristy"}, "marrow_model"),
    ],
)
def test_what_cannot_be_is_refused(changes, message):
    with pytest.raises(DosimetryError, match=message):
        by_blood(**changes)


def test_image_density_must_be_positive():
    with pytest.raises(DosimetryError, match="density"):
        marrow_dose_image_method(BLOOD, "Lu-177", anatomy=MAN, marrow_density_g_per_ml=0)


def test_negative_remainders_in_few_draws_are_told():
    body = BODY.scaled(np.array([1.0, 1.0, 1.0, 0.1]))
    assert any("25.0% of the draws" in note for note in by_blood(whole_body_mbq=body).assumptions)


def test_sgouros_ratio():
    assert rmblr("sgouros", haematocrit=0.47).value == pytest.approx(0.36, abs=0.005)
    # as the marrow mass factor of PyTheranostics: 0.19 / 0.55 * 900 g = 310.9
    assert rmblr("sgouros", haematocrit=0.45).value * 900 == pytest.approx(310.9, abs=0.05)


@pytest.mark.parametrize(
    ("model", "options", "mean", "sd"),
    [
        ("unity", {}, 1.0, 0.25),
        ("unity", {"cv": 0.1}, 1.0, 0.1),
        ("sgouros", {"haematocrit": 0.4}, 0.3167, 0.0792),
        ("measured", {"value": 0.8, "sd": 0.2}, 0.8, 0.2),
    ],
)
def test_ratio_draws_have_the_stated_mean_and_spread(model, options, mean, sd):
    n = 40_000
    draws = rmblr(model, **options, n_draws=n, rng=np.random.default_rng(5)).value
    assert draws.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(n) + 1e-4)
    assert draws.std() == pytest.approx(sd, rel=0.03)
    assert (draws > 0).all()


def test_ratio_draws_reach_the_dose():
    ratio = rmblr("unity", n_draws=500, rng=np.random.default_rng(1))
    dose = by_blood(ratio=ratio)
    assert dose.dose_gy.shape == (500,)
    own = dose.contribution_gy()["self_electrons"]
    assert own.std() / own.mean() == pytest.approx(0.25, rel=0.15)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("plasma", {}, "must be one of"),
        ("sgouros", {}, "haematocrit"),
        ("sgouros", {"haematocrit": 40}, "haematocrit"),
        ("measured", {"value": 0.8}, "measured needs"),
        ("measured", {"value": -0.8, "sd": 0.1}, "measured needs"),
        ("unity", {"n_draws": 10}, "rng"),
        ("unity", {"cv": -0.1}, "cv must be"),
        ("unity", {"cv": np.nan}, "cv must be"),
        ("measured", {"value": np.inf, "sd": 0.1}, "measured needs"),
    ],
)
def test_ratios_that_cannot_be_are_refused(model, options, message):
    with pytest.raises(DosimetryError, match=message):
        rmblr(model, **options)


@pytest.mark.parametrize("name", ["Ac-225", "Ra-223"])
def test_mass_cancels_for_alpha_particles_too(name):
    chain = decay_chain(name)
    curve = SumOfExponentials([1e-4], [0.02])
    small, large = (
        marrow_dose_blood_method(
            curve,
            chain,
            anatomy=Anatomy("male", 73, 176, organ_mass_g={"marrow": mass_g}),
            ratio=rmblr("unity"),
        ).contribution_gy()
        for mass_g in (600.0, 1800.0)
    )
    for radiation in ("alpha", "electrons"):
        key = f"self_{radiation}"
        assert small[key] == pytest.approx(large[key])


def test_blood_in_large_vessels_leaves_the_remainder():
    apart = by_blood(large_vessel_volume_ml=900.0)
    table = s_value_table("Lu-177", "male")
    in_vessels = BLOOD.integral() * 900
    photons = apart.contribution_gy()["heart_contents_photons"]
    expected = in_vessels * table.s_value("marrow", "heart_contents").photon
    assert photons == pytest.approx(expected)
    left = by_blood().by_origin()["remainder"] - apart.by_origin()["remainder"]
    assert left == pytest.approx(in_vessels * table.remainder("marrow", ORGANS).total)
    assert any("large vessels" in note for note in apart.assumptions)


def image(**changes):
    arguments = {"anatomy": MAN, "organ_mbq": ORGANS, "whole_body_mbq": BODY} | changes
    return marrow_dose_image_method(BLOOD, "Lu-177", **arguments)


def test_recovery_and_red_marrow_fraction_raise_the_concentration():
    fraction = red_marrow_fraction(marrow_space_fraction=0.85, cellularity=0.7)
    plain = image().by_origin()["self"]
    corrected = image(recovery=0.78, red_marrow_fraction=fraction).by_origin()["self"]
    assert corrected == pytest.approx(plain / (0.78 * 0.85 * 0.7))


def test_recovery_draws_reach_the_dose():
    recovery = np.random.default_rng(3).normal(0.78, 0.05, 400)
    own = image(recovery=recovery).by_origin()["self"]
    assert own.shape == (400,)
    assert own.std() / own.mean() == pytest.approx(0.05 / 0.78, rel=0.15)


@pytest.mark.parametrize("mass_g", [800.0, 1170.0])
def test_share_of_all_marrow(mass_g):
    """The activity of the volume of interest over its share is the activity of all red marrow:
    no density, no volume and, for electrons, no more than the mass of all marrow is left."""
    patient = Anatomy("male", 73, 176, organ_mass_g={"marrow": mass_g})
    volume_ml, share = 120.0, 0.067
    fraction = red_marrow_fraction_of_share(share, voi_volume_ml=volume_ml, anatomy=patient)
    found = image(anatomy=patient, red_marrow_fraction=fraction).contribution_gy()
    all_activity = BLOOD.integral() * volume_ml / share
    s_value = s_value_table("Lu-177", "male").s_value("marrow", "marrow").electron
    assert found["self_electrons"] == pytest.approx(all_activity * s_value * 1170 / mass_g)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recovery": 0.0}, "recovery"),
        ({"recovery": 78.0}, "recovery"),
        ({"red_marrow_fraction": 1.5}, "red_marrow_fraction"),
    ],
)
def test_corrections_out_of_range(arguments, message):
    with pytest.raises(DosimetryError, match=message):
        image(**arguments)


def test_shares_that_do_not_fit():
    with pytest.raises(DosimetryError, match="cellularity"):
        red_marrow_fraction(marrow_space_fraction=0.8, cellularity=70)
    with pytest.raises(DosimetryError, match="as a share of it"):
        red_marrow_fraction_of_share(0.2, voi_volume_ml=100.0, anatomy=MAN)
    with pytest.raises(DosimetryError, match="voi_volume_ml"):
        red_marrow_fraction_of_share(0.1, voi_volume_ml=0.0, anatomy=MAN)


@pytest.mark.parametrize(
    ("sex", "mass_g", "options", "expected"),
    [
        ("female", None, {"model": "unity"}, 900.0),
        ("male", 1000.0, {"model": "unity"}, 1000.0),
        ("female", None, {"model": "sgouros", "haematocrit": 0.45}, 310.9),
    ],
)
def test_marrow_mass_factors_of_pytheranostics(sex, mass_g, options, expected):
    """Ratio times mass of marrow, unit tests of qurit/PyTheranostics (bone_marrow.py@d6acd84c)."""
    masses = {} if mass_g is None else {"marrow": mass_g}
    patient = Anatomy(sex, 70, 170, organ_mass_g=masses)
    factor = rmblr(**options).value * patient.mass_g("marrow")
    assert factor == pytest.approx(expected, abs=0.05)
