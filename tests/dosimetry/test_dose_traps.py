"""The mistakes that dose calculations are known for, one test each."""

from dataclasses import replace

import numpy as np
import pytest

from dosimetry import (
    Anatomy,
    DosimetryError,
    SkeletalMetastasis,
    SValue,
    SValueTable,
    blood_dose,
    blood_dose_from_whole_body,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    nuclide,
    organ_dose,
    photon_coefficient,
    reference_anatomy,
    require_same_method,
    rmblr,
    s_value_table,
    tumour_dose,
    whole_blood_from_plasma,
)
from dosimetry._sources import _WITHOUT_PROGENY
from dosimetry.chains import decay_chain
from dosimetry.rbe import rbe_weighted
from kinetics import SumOfExponentials

MAN, WOMAN = reference_anatomy("male"), reference_anatomy("female")
BLOOD = SumOfExponentials([0.10, 0.02, 0.001], [1.6, 0.12, 0.012])
BODY = SumOfExponentials([600.0, 400.0], [0.4, 0.015])
HALF = SumOfExponentials([1.0], [np.log(2) / 8])
_MEV = 0.5767835882  # Gy g/(MBq h) per MeV


def marrow(source="Lu-177", curve=BLOOD, anatomy=MAN, **changes):
    arguments = {"ratio": rmblr("unity"), "whole_body_mbq": BODY} | changes
    return marrow_dose_blood_method(curve, source, anatomy=anatomy, **arguments)


@pytest.mark.parametrize(
    ("name", "printed_sv_per_mbq_h"),
    [("Ra-223", 1.426e-2), ("Ac-225", 1.454e-2), ("Po-213", 2.102e-2)],
)
def test_weighting_of_alpha_particles_is_applied_once(name, printed_sv_per_mbq_h):
    """OLINDA/EXM 2.2 prints five times the dose of alpha particles: our absorbed dose times an
    RBE of 5 is its number, and no further factor is left."""
    curve = SumOfExponentials([1.0], [max(1.0, 2 * nuclide(name).decay_per_h)])
    dose = marrow_dose_image_method(
        curve.scaled(1.03 / 1170 / curve.integral()), name, anatomy=MAN
    )  # one MBq h in all red marrow
    assert rbe_weighted(dose).weighted == pytest.approx(printed_sv_per_mbq_h, rel=0.02)
    assert dose.dose_gy < 0.25 * printed_sv_per_mbq_h


def test_alpha_energy_holds_the_recoil_once():
    """ICRP-07.NDX prints 5.8919 MeV for Ac-225: alpha particles and recoil nuclei together."""
    parts = blood_dose(HALF.scaled(1e-4), "Ac-225", anatomy=MAN).contribution_gy()
    assert parts["self_alpha"] == pytest.approx(5.8919 * _MEV * HALF.integral() * 1e-4, rel=2e-4)


def test_the_remainder_does_not_count_the_marrow_twice():
    """All activity of the body in the marrow leaves nothing for the remainder."""
    body = BLOOD.scaled(1170.0)
    parts = marrow(whole_body_mbq=body.scaled(5300 / 1170)).by_origin()
    left = (5300 - 1170) * BLOOD.integral()
    s_value = s_value_table("Lu-177", "male").remainder("marrow", []).total
    assert parts["remainder"] == pytest.approx(left * s_value)
    whole = s_value_table("Lu-177", "male").s_value("marrow", "whole_body").total
    assert 5 < whole / s_value < 15


def test_the_marrow_mass_cancels_in_the_blood_method_only():
    small, large = (
        Anatomy("male", 73, 176, organ_mass_g={"marrow": mass_g}) for mass_g in (700.0, 1400.0)
    )
    by_blood = [marrow(anatomy=a).contribution_gy()["self_electrons"] for a in (small, large)]
    assert by_blood[0] == pytest.approx(by_blood[1])
    # activity found in all marrow (not per millilitre) spreads over the mass
    found = [
        marrow_dose_image_method(
            BLOOD.scaled(1.03 * 1000 / a.mass_g("marrow")), "Lu-177", anatomy=a
        ).contribution_gy()["self_electrons"]
        for a in (small, large)
    ]
    assert found[0] == pytest.approx(2 * found[1])


def test_millilitres_are_not_grams():
    light, dense = (
        blood_dose(BLOOD, "Lu-177", anatomy=MAN, blood_density_g_per_ml=density)
        for density in (1.0, 1.06)
    )
    ratio = light.contribution_gy()["self_electrons"] / dense.contribution_gy()["self_electrons"]
    assert ratio == pytest.approx(1.06)
    assert any("1.06" in note for note in dense.assumptions)


def test_plasma_is_not_blood():
    blood = whole_blood_from_plasma(BLOOD, 0.45)
    ratio = (
        blood_dose(blood, "Lu-177", anatomy=MAN).dose_gy
        / blood_dose(BLOOD, "Lu-177", anatomy=MAN).dose_gy
    )
    assert ratio == pytest.approx(0.55)


def test_decay_corrected_samples_are_refused_and_corrected():
    decay = nuclide("Lu-177").decay_per_h
    corrected = SumOfExponentials([0.1, 0.001], [0.6, 0.0005])
    for calculate in (
        lambda c: blood_dose(c, "Lu-177", anatomy=MAN),
        lambda c: marrow(curve=c),
        lambda c: marrow_dose_image_method(c, "Lu-177", anatomy=MAN),
        lambda c: organ_dose("liver", c, "Lu-177", anatomy=MAN),
    ):
        with pytest.raises(DosimetryError, match="physical decay"):
            calculate(corrected)
        assert calculate(corrected.decayed(decay)).dose_gy > 0


@pytest.mark.parametrize(("name", "share"), [("Lu-177", 0.568), ("Tb-161", 0.617), ("Y-90", 0.439)])
def test_electrons_leave_the_marrow(name, share):
    """Absorbed fraction of electrons in red marrow implied by OLINDA/EXM 2.2, far from one."""
    parts = marrow(name, whole_body_mbq=None).contribution_gy()
    local = blood_dose(BLOOD, name, anatomy=MAN).contribution_gy()["self_electrons"]
    assert parts["self_electrons"] / local == pytest.approx(share, abs=0.02)


def test_methods_are_not_pooled():
    """0.03 by blood and 0.11 Gy/GBq by images of the same agent are two methods, no error."""
    image = marrow_dose_image_method(BLOOD.scaled(3.0), "Lu-177", anatomy=MAN)
    with pytest.raises(DosimetryError, match="method"):
        require_same_method(marrow(), image)


@pytest.mark.parametrize("name", ["I-131", "Lu-177"])
def test_women_have_their_own_reference_weight(name):
    """60 kg, not 73: the same whole-body S value would be 24 % off."""
    table = s_value_table(name, "female")
    own = table.s_value("whole_body", "whole_body").photon * 60 ** (2 / 3)
    assert photon_coefficient(name, "female") == pytest.approx(own)
    heavier = marrow(name, anatomy=Anatomy("female", 73, 165)).contribution_gy()
    reference = marrow(name, anatomy=WOMAN).contribution_gy()
    ratio = heavier["remainder_photons"] / reference["remainder_photons"]
    assert ratio == pytest.approx((60 / 73) ** (2 / 3))


def test_own_s_values_take_their_place():
    """A user's table counts with its own masses; one for another nuclide or sex is refused."""
    own = SValueTable(
        "Lu-177", "male", "mine", None, "my code", {"kidneys": 200.0},
        {("kidneys", "kidneys"): SValue(4e-4, 5e-6)},
    )  # fmt: skip
    curve = SumOfExponentials([30.0], [0.0173])
    table = s_value_table("Lu-177", "male").updated_with(own)
    dose = organ_dose("kidneys", curve, "Lu-177", anatomy=MAN, s_values=table).contribution_gy()
    assert dose["self_electrons"] == pytest.approx(curve.integral() * 4e-4 * 200 / 310)
    with pytest.raises(DosimetryError, match="needed are those"):
        organ_dose("kidneys", curve, "Lu-177", anatomy=WOMAN, s_values=table)
    with pytest.raises(DosimetryError, match="needed are those"):
        marrow("I-131", s_values=table)
    massless = SValueTable("Lu-177", "male", "mine", None, "my code", {}, dict(own.values))
    with pytest.raises(DosimetryError, match="mass of the kidneys"):
        organ_dose("kidneys", curve, "Lu-177", anatomy=MAN, s_values=massless)


def test_progeny_counts_as_a_chain_only():
    chain = decay_chain("Pb-212")
    named = blood_dose(HALF, "Pb-212", anatomy=MAN).by_radiation()
    counted = blood_dose(HALF, chain, anatomy=MAN).by_radiation()
    notes = blood_dose(HALF, "Pb-212", anatomy=MAN).assumptions
    assert any("without its progeny" in note for note in notes)
    assert "alpha" not in named  # Pb-212 itself emits none
    assert counted["alpha"] == pytest.approx(7.95238 * _MEV * HALF.integral(), rel=1e-3)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        (SumOfExponentials([150e6], [0.0173]), "convert Bq"),  # 150 MBq in Bq: 2.4 MGy
        (SumOfExponentials([-150.0], [0.0173]), "check its sign"),
        (SumOfExponentials([[150.0]] * 9 + [[1.0]], [[0.02]] * 9 + [[0.0]]), "never decays"),
        (SumOfExponentials(np.ones((0, 1)), np.ones((0, 1))), "no draws"),
    ],
)
def test_curves_that_are_no_activity(curve, message):
    with pytest.raises(DosimetryError, match=message):
        organ_dose("kidneys", curve, "Lu-177", anatomy=MAN)
    with pytest.raises(DosimetryError, match=message):
        marrow_dose_image_method(curve, "Lu-177", anatomy=MAN)


def test_an_image_in_becquerel_is_no_marrow_dose():
    """0.05 MBq/mL of an image in Bq/mL would be 136 kGy."""
    with pytest.raises(DosimetryError, match="convert Bq"):
        marrow_dose_image_method(SumOfExponentials([5e4], [0.0173]), "Lu-177", anatomy=MAN)


FIVE = SumOfExponentials([[0.05]] * 5, [0.0173])
_FOUR = np.full(4, 0.8)


@pytest.mark.parametrize(
    "dose",
    [
        lambda: marrow_dose_image_method(FIVE, "Lu-177", anatomy=MAN, recovery=_FOUR),
        lambda: marrow_dose_image_method(FIVE, "Lu-177", anatomy=MAN, red_marrow_fraction=_FOUR),
        lambda: marrow(curve=FIVE, ratio=replace(rmblr("unity"), value=_FOUR)),
        lambda: marrow(curve=FIVE, large_vessel_volume_ml=500 * _FOUR),
        lambda: marrow(curve=FIVE, anatomy=of_mass({"marrow": 1000 * _FOUR})),
        lambda: marrow(curve=FIVE, metastases={"tumour": SkeletalMetastasis(HALF, _FOUR, 10.0)}),
        lambda: blood_dose(FIVE, "Lu-177", anatomy=of_mass({"blood": 5000 * _FOUR})),
        lambda: blood_dose_from_whole_body(FIVE, "Lu-177", anatomy=MAN, blood_share=_FOUR),
        lambda: organ_dose("kidneys", FIVE, "Lu-177", anatomy=of_mass({"kidneys": 300 * _FOUR})),
        lambda: tumour_dose(FIVE, "Lu-177", mass_g=10 * _FOUR),
        lambda: whole_blood_from_plasma(FIVE, 0.5 * _FOUR),
    ],
)
def test_draws_of_every_argument_must_fit_the_curve(dose):
    with pytest.raises(DosimetryError, match="not fit"):
        dose()


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf])
def test_factors_that_cannot_be(factor):
    with pytest.raises(DosimetryError, match="finite and zero or more"):
        tumour_dose(HALF, "Lu-177", mass_g=10.0, s_value_factor=factor)


def test_a_density_in_kilograms_per_cubic_metre():
    with pytest.raises(DosimetryError, match="kg/m3"):
        blood_dose(BLOOD, "Lu-177", anatomy=MAN, blood_density_g_per_ml=1060.0)


def test_negative_s_values_of_a_table_are_refused():
    table = SValueTable(
        "Lu-177", "male", "mine", None, "mine", {"kidneys": 310.0},
        {("kidneys", "kidneys"): SValue(-1e-4, 1e-6)},
    )  # fmt: skip
    with pytest.raises(DosimetryError, match="zero or more"):
        organ_dose("kidneys", HALF, "Lu-177", anatomy=MAN, s_values=table)


def of_mass(organ_mass_g):
    return Anatomy("male", 73.0, 176.0, organ_mass_g=organ_mass_g)


def test_what_is_not_scaled_to_the_patient_is_said():
    alone = organ_dose("kidneys", HALF, "Lu-177", anatomy=MAN)
    beside = organ_dose("kidneys", HALF, "Lu-177", anatomy=MAN, other_mbq={"liver": HALF})
    assert not any("not scaled" in note for note in alone.assumptions)
    assert any("other organs as in the reference adult" in note for note in beside.assumptions)
    photons = blood_dose(BLOOD, "Lu-177", anatomy=MAN, whole_body_mbq=BODY)
    assert any("weight^(-2/3)" in note for note in photons.assumptions)


@pytest.mark.parametrize(
    ("name", "daughter", "counted"),
    [
        ("Sr-90", "Y-90", "0.196 of 1.13"),  # ICRP 107: 0.1958 and 0.1958 + 0.9331 MeV
        ("Ge-68", "Ga-68", ""),
        ("Cs-137", "Ba-137m", ""),
        ("Ra-223", "Po-215", ""),
        ("Pb-212", "Bi-212", ""),
    ],
)
def test_progeny_that_is_left_out_is_named(name, daughter, counted):
    curve = SumOfExponentials([1.0], [max(0.1, 2 * nuclide(name).decay_per_h)])
    notes = blood_dose(curve, name, anatomy=MAN).assumptions
    found = [note for note in notes if "without its progeny" in note]
    assert len(found) == 1
    assert daughter in found[0]
    assert counted in found[0]


@pytest.mark.parametrize("name", [*sorted(_WITHOUT_PROGENY), "Po-212", "C-14"])
def test_no_word_of_progeny_where_there_is_none(name):
    chain = decay_chain(name)
    own = sum(chain.parent.energy_mev.values())
    assert sum(chain.energy_mev.values()) == pytest.approx(own, rel=0.01)
    curve = SumOfExponentials([1.0], [2 * nuclide(name).decay_per_h])
    notes = tumour_dose(curve, name, mass_g=10.0).assumptions
    assert not any("without its progeny" in note for note in notes)
