import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import dosimetry
from dosimetry import (
    AbsorbedDose,
    DosimetryError,
    lognormal_factor,
    organ_dose,
    reference_anatomy,
    require_same_method,
    s_value_factor,
)
from kinetics import SumOfExponentials

CURVE = SumOfExponentials([30.0], [0.0173])
MAN = reference_anatomy("male")


def test_monte_carlo_equals_quadrature():
    """Time-activity, S value, volume and activity meter: 17.1, 16.7, 5.4 and 5 % make 25 %
    (177Lu kidneys, Ann Nucl Med 2019;33:521)."""
    n, rng = 200_000, np.random.default_rng(11)
    activity = CURVE.scaled(lognormal_factor(1.0, 0.171, n_draws=n, rng=rng))
    factor = s_value_factor("kidney_s_value", "voi", "calibration", n_draws=n, rng=rng)
    dose = organ_dose("kidneys", activity, "Lu-177", anatomy=MAN, s_value_factor=factor).dose_gy
    parts = np.array([0.171, 0.167, 0.054, 0.05])
    assert np.sqrt((parts**2).sum()) == pytest.approx(0.25, abs=0.001)
    exact = np.sqrt(np.prod(1 + parts**2) - 1)
    found = dose.std() / dose.mean()
    assert found == pytest.approx(exact, rel=0.015)
    assert found == pytest.approx(0.25, abs=0.006)
    central = organ_dose("kidneys", CURVE, "Lu-177", anatomy=MAN).dose_gy
    assert dose.mean() == pytest.approx(central, abs=4 * dose.std() / np.sqrt(n))


def test_factor_without_sources_is_one():
    np.testing.assert_array_equal(s_value_factor(n_draws=3, rng=np.random.default_rng(1)), 1.0)


def test_same_seed_same_factor():
    one, two = (
        s_value_factor("calibration", 0.1, n_draws=5, rng=np.random.default_rng(3))
        for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("source", ["kidney", -0.1, float("nan")])
def test_unknown_uncertainties_are_refused(source):
    with pytest.raises(DosimetryError, match=r"known|cv"):
        s_value_factor(source, n_draws=2, rng=np.random.default_rng(1))


def test_frame_holds_contributions_and_total():
    factor = np.linspace(0.8, 1.2, 41)
    dose = organ_dose("liver", CURVE, "I-131", anatomy=MAN, s_value_factor=factor)
    frame = dose.to_frame().set_index("contribution")
    assert list(frame.index) == ["self_electrons", "self_photons", "total"]
    assert list(frame["origin"]) == ["self", "self", "total"]
    assert list(frame["radiation"]) == ["electrons", "photons", "total"]
    assert frame.loc["total", "mean_gy"] == pytest.approx(dose.dose_gy.mean())
    assert frame.loc["total", "q50_gy"] == pytest.approx(np.median(dose.dose_gy))
    assert frame.loc["total", "q05_gy"] == pytest.approx(0.82 * frame.loc["total", "mean_gy"])
    assert frame["mean_gy"][:2].sum() == pytest.approx(frame.loc["total", "mean_gy"])


def test_single_curves_have_no_spread():
    frame = organ_dose("liver", CURVE, "I-131", anatomy=MAN).to_frame()
    assert (frame["sd_gy"] == 0).all()


def test_contributions_take_the_shape_of_the_draws():
    dose = AbsorbedDose("liver", "image", {"a": CURVE, "b": CURVE.scaled(np.array([1.0, 2.0]))}, ())
    assert {part.shape for part in dose.contribution_gy().values()} == {(2,)}
    np.testing.assert_allclose(sum(dose.contribution_gy().values()), dose.dose_gy)
    assert dose.dose_rate.n_terms == 1  # both terms decay alike


def test_sums_by_origin_and_radiation():
    parts = {
        "self_alpha": CURVE,
        "self_electrons": CURVE.scaled(2.0),
        "whole_body_photons": CURVE.scaled(np.array([4.0, 8.0])),
        "tumour_l4_electrons": CURVE.scaled(16.0),
    }
    dose, one = AbsorbedDose("marrow", "blood", parts, ()), CURVE.integral()
    assert list(dose.by_radiation()) == ["alpha", "electrons", "photons"]
    assert list(dose.by_origin()) == ["self", "whole_body", "tumour_l4"]
    np.testing.assert_allclose(dose.by_radiation()["electrons"], [18 * one, 18 * one])
    np.testing.assert_allclose(dose.by_origin()["whole_body"], [4 * one, 8 * one])
    for sums in (dose.by_radiation(), dose.by_origin()):
        np.testing.assert_allclose(sum(sums.values()), dose.dose_gy)


def test_contributions_without_a_radiation_are_unspecified():
    dose = AbsorbedDose("marrow", "blood", {"clinic": CURVE}, ())
    assert set(dose.by_radiation()) == {"unspecified"}
    assert set(dose.by_origin()) == {"clinic"}


def test_assumptions_are_told_once():
    assert AbsorbedDose("liver", "image", {"a": CURVE}, ("x", "y", "x")).assumptions == ("x", "y")


def test_result_is_frozen():
    dose = organ_dose("liver", CURVE, "I-131", anatomy=MAN)
    with pytest.raises(dataclasses.FrozenInstanceError):
        dose.region = "kidneys"
    with pytest.raises(TypeError):
        dose.contributions["more"] = CURVE


def test_a_dose_needs_contributions_and_pooling_needs_doses():
    with pytest.raises(DosimetryError, match="at least one"):
        AbsorbedDose("liver", "image", {}, ())
    with pytest.raises(DosimetryError, match="nothing"):
        require_same_method()
    liver = organ_dose("liver", CURVE, "I-131", anatomy=MAN)
    spleen = organ_dose("spleen", CURVE, "I-131", anatomy=MAN)
    with pytest.raises(DosimetryError, match="one region"):
        require_same_method(liver, spleen)


def test_public_names_exist_and_are_documented():
    for name in dosimetry.__all__:
        member = getattr(dosimetry, name)
        if callable(member):
            assert member.__doc__, name


def test_import_leaves_heavy_packages_alone():
    code = (
        "import sys, dosimetry; "
        "print([m for m in ('pandas', 'scipy', 'numba', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
