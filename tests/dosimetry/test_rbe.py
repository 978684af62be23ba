import numpy as np
import pytest

from dosimetry import AbsorbedDose, DosimetryError
from dosimetry.rbe import RbeWeightedDose, rbe_weighted
from kinetics import SumOfExponentials

CURVE = SumOfExponentials([0.01], [0.02])
DOSE = AbsorbedDose(
    "marrow",
    "blood",
    {
        "self_alpha": CURVE,
        "self_electrons": CURVE.scaled(0.1),
        "remainder_photons": CURVE.scaled(np.array([0.01, 0.02])),
    },
    ("note",),
)


@pytest.mark.parametrize("rbe", [1.0, 3.2, 5.0, 20.0])
def test_only_alpha_is_weighted(rbe):
    weighted = rbe_weighted(DOSE, rbe_alpha=rbe)
    parts = DOSE.by_radiation()
    expected = rbe * parts["alpha"] + parts["electrons"] + parts["photons"]
    np.testing.assert_allclose(weighted.weighted, expected)
    assert weighted.unit == f"Gy(RBE{rbe:g})"
    assert "ASSUMED" in weighted.assumptions[-1]
    assert weighted.assumptions[0] == "note"


def test_the_absorbed_dose_stays_as_it_is():
    before = DOSE.dose_gy.copy()
    rbe_weighted(DOSE)
    np.testing.assert_array_equal(DOSE.dose_gy, before)


def test_rbe_draws():
    rbe = np.array([4.0, 6.0])
    weighted = rbe_weighted(DOSE, rbe_alpha=rbe)
    assert weighted.weighted[1] - weighted.weighted[0] == pytest.approx(
        2 * CURVE.integral() + 0.01 * CURVE.integral()
    )
    assert weighted.unit == "Gy(RBE5±1)"


def test_a_weighted_dose_is_not_weighted_again():
    weighted = rbe_weighted(DOSE)
    assert not isinstance(weighted, AbsorbedDose)
    assert not hasattr(weighted, "dose_gy")
    with pytest.raises(DosimetryError, match="once"):
        rbe_weighted(weighted)


@pytest.mark.parametrize("rbe", [0.0, -5.0, float("nan"), [5.0, 5.0, 5.0]])
def test_rbe_that_cannot_be(rbe):
    with pytest.raises(DosimetryError, match="rbe_alpha"):
        rbe_weighted(DOSE, rbe_alpha=rbe)


def test_a_dose_must_tell_its_radiation():
    with pytest.raises(DosimetryError, match="clinic"):
        rbe_weighted(AbsorbedDose("marrow", "image", {"clinic": CURVE}, ()))


def test_frame_carries_the_unit():
    frame = rbe_weighted(DOSE).to_frame()
    assert set(frame["unit"]) == {"Gy(RBE5)"}
    assert "mean_gy" not in frame
    parts = frame.set_index("contribution")["mean_gy_rbe"]
    assert parts.drop("total").sum() == pytest.approx(parts["total"])
    assert isinstance(rbe_weighted(DOSE), RbeWeightedDose)
