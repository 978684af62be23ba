import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dosimetry import (
    Anatomy,
    DosimetryError,
    blood_dose,
    nuclide,
    photon_coefficient,
    reference_anatomy,
    whole_blood_from_plasma,
)
from kinetics import SumOfExponentials

MAN = reference_anatomy("male")
BLOOD = SumOfExponentials([0.3, 0.05], [0.8, 0.03])
BODY = SumOfExponentials([4000.0, 2000.0], [0.3, 0.02])


def unit_curve(nuclide_name):
    """A curve with a time integral of one that falls faster than the nuclide decays."""
    rate = 2 * nuclide(nuclide_name).decay_per_h
    return SumOfExponentials([rate], [rate])


@pytest.mark.parametrize(
    ("name", "self_gy_ml_per_gbq_h", "male", "female"),
    [("Lu-177", 85.32, 0.00185, 0.00193), ("I-131", 110.65, 0.01873, 0.0198)],
)
def test_coefficients_of_the_published_formulas(name, self_gy_ml_per_gbq_h, male, female):
    dose = blood_dose(unit_curve(name), name, anatomy=MAN).contribution_gy()
    assert dose["self_electrons"] * 1000 == pytest.approx(self_gy_ml_per_gbq_h, rel=1e-4)
    assert photon_coefficient(name, "male") * 1000 == pytest.approx(male, rel=3e-3)
    assert photon_coefficient(name, "female") * 1000 == pytest.approx(female, rel=3e-3)


def test_eanm_formula_for_iodine():
    """D = 108 tau_mL + 0.0188 w^(-2/3) tau_WB in Gy/GBq, Lassmann 2008; 108 lies between the
    values of density 1 (110.65) and 1.06 (104.4)."""
    weight, tau_ml, tau_body = 81.0, BLOOD.integral() / 1000, BODY.integral() / 1000
    published = 108 * tau_ml + 0.0188 * weight ** (-2 / 3) * tau_body
    anatomy = Anatomy("male", weight, 175)
    low, high = (
        blood_dose(
            BLOOD, "I-131", anatomy=anatomy, whole_body_mbq=BODY, blood_density_g_per_ml=density
        ).dose_gy
        for density in (1.06, 1.0)
    )
    assert low < published < high
    assert high == pytest.approx(published, rel=0.025)


def test_eberlein_formula_for_lutetium():
    weight = 66.0
    published = 85.3 * BLOOD.integral() / 1000 + 0.00185 * weight ** (-2 / 3) * 100
    body = unit_curve("Lu-177").scaled(100_000.0)
    dose = blood_dose(
        BLOOD, "Lu-177", anatomy=Anatomy("male", weight, 175), whole_body_mbq=body
    ).dose_gy
    assert dose == pytest.approx(published, rel=1e-3)


def test_haenscheid_closed_form():
    """Haenscheid 2009: 14 % of the whole-body residence time is in the blood."""
    anatomy = Anatomy("female", 64, 166)
    body = SumOfExponentials([1000.0], [0.045])  # 1 GBq
    blood = body.scaled(0.14 / anatomy.blood_volume_ml)
    tau = 1 / 0.045
    published = tau * (0.14 * 108 / anatomy.blood_volume_ml + 0.0188 * 64 ** (-2 / 3))
    found = blood_dose(blood, "I-131", anatomy=anatomy, whole_body_mbq=body).dose_gy
    assert found == pytest.approx(published, rel=0.05)


def test_dose_rate_integrates_to_the_dose():
    dose = blood_dose(BLOOD, "Lu-177", anatomy=MAN, whole_body_mbq=BODY)
    assert dose.dose_rate.cumulative(5000.0) == pytest.approx(dose.dose_gy)
    assert sum(dose.contribution_gy().values()) == pytest.approx(dose.dose_gy)


def test_blood_alone_is_a_lower_bound_of_the_whole_body():
    dose = blood_dose(BLOOD, "Lu-177", anatomy=MAN)
    stand_in = BLOOD.scaled(MAN.blood_volume_ml)
    given_body = blood_dose(BLOOD, "Lu-177", anatomy=MAN, whole_body_mbq=stand_in)
    assert dose.dose_gy == pytest.approx(given_body.dose_gy)
    assert any("lower bound" in note for note in dose.assumptions)
    assert not any("lower bound" in note for note in given_body.assumptions)


def test_nuclides_without_s_values_give_their_self_dose():
    dose = blood_dose(BLOOD, "Y-90", anatomy=MAN)
    assert set(dose.contributions) == {"self_electrons"}
    assert dose.dose_gy == pytest.approx(0.5382 * BLOOD.integral(), rel=1e-4)
    assert any("no S values for Y-90" in note for note in dose.assumptions)


def test_alpha_and_recoil_are_reported_apart():
    parts = blood_dose(BLOOD, "Ac-225", anatomy=MAN).contribution_gy()
    ratio = parts["self_alpha_recoil"] / parts["self_alpha"]
    assert ratio == pytest.approx(0.104813 / 5.78718, rel=1e-4)


@given(st.floats(0.01, 100))
def test_dose_is_linear_in_activity(factor):
    one = blood_dose(BLOOD, "I-131", anatomy=MAN, whole_body_mbq=BODY).dose_gy
    more = blood_dose(
        BLOOD.scaled(factor), "I-131", anatomy=MAN, whole_body_mbq=BODY.scaled(factor)
    ).dose_gy
    assert more == pytest.approx(factor * one)


def test_draws_broadcast():
    draws = BLOOD.scaled(np.linspace(0.5, 2, 7))
    dose = blood_dose(draws, "Lu-177", anatomy=MAN, whole_body_mbq=BODY)
    assert dose.dose_gy.shape == (7,)
    single = blood_dose(draws[3], "Lu-177", anatomy=MAN, whole_body_mbq=BODY)
    assert single.dose_gy.shape == ()
    assert dose.dose_gy[3] == pytest.approx(single.dose_gy)


def test_draws_that_do_not_fit_are_refused():
    with pytest.raises(DosimetryError, match="do not fit"):
        blood_dose(
            BLOOD.scaled(np.ones(3)),
            "Lu-177",
            anatomy=MAN,
            whole_body_mbq=BODY.scaled(np.ones(4)),
        )
    with pytest.raises(DosimetryError, match="factor of shape"):
        blood_dose(BLOOD.scaled(np.ones(3)), "Lu-177", anatomy=MAN, s_value_factor=np.ones(4))


def test_decay_corrected_curves_are_refused():
    corrected = SumOfExponentials([0.3, 0.05], [0.8, 0.001])
    with pytest.raises(DosimetryError, match="physical decay"):
        blood_dose(corrected, "Lu-177", anatomy=MAN)
    blood_dose(corrected.decayed(nuclide("Lu-177").decay_per_h), "Lu-177", anatomy=MAN)


@pytest.mark.parametrize("density", [0.0, -1.0, float("nan")])
def test_density_must_be_positive(density):
    with pytest.raises(DosimetryError, match="density"):
        blood_dose(BLOOD, "Lu-177", anatomy=MAN, blood_density_g_per_ml=density)


def test_plasma_is_diluted_by_cells():
    haematocrit = np.array([0.3, 0.45])
    blood = whole_blood_from_plasma(BLOOD, haematocrit)
    np.testing.assert_allclose(blood.integral(), BLOOD.integral() * (1 - haematocrit))
    with pytest.raises(DosimetryError, match="haematocrit"):
        whole_blood_from_plasma(BLOOD, 45)
