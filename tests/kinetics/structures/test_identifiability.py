import pytest

from kinetics import KineticsError
from kinetics.structures.compartments import CompartmentModel
from kinetics.structures.identifiability import identifiability

EXCHANGE = {("blood", "tissue"): "k12", ("tissue", "blood"): "k21"}


def oral(observed):
    return CompartmentModel(
        ("gut", "blood"), {("gut", "blood"): "ka"}, {"blood": observed}, {"blood": "ke"}
    )


def two(observed, elimination):
    return CompartmentModel(("blood", "tissue"), EXCHANGE, observed, elimination)


def test_elimination_from_both_compartments_seen_centrally():
    # Bellman & Astrom 1970: only the sums of losses and the product of exchanges can be told
    found = identifiability(two({"blood": "blood"}, {"blood": "k10", "tissue": "k20"}))
    assert set(found.status.values()) == {"not identifiable"}
    assert found.confounded == (("k12", "k21", "k10", "k20"),)
    assert set(found.combinations) == {"k12*k21", "k10 + k12", "k20 + k21"}
    assert not found.identifiable
    assert "cannot be told apart: k12, k21, k10, k20" in str(found)


def test_the_same_model_is_identifiable_with_the_tissue_seen():
    model = two({"blood": "blood", "tissue": "tissue"}, {"blood": "k10", "tissue": "k20"})
    found = identifiability(model)
    assert set(found.status.values()) == {"global"}
    assert found.identifiable
    assert not found.combinations
    assert identifiability(model, observed="blood").confounded


def test_or_with_a_dose_into_the_tissue_or_a_parameter_known():
    model = two({"blood": "blood"}, {"blood": "k10", "tissue": "k20"})
    both = identifiability(model, dosed=("blood", "tissue"))
    assert set(both.status.values()) == {"global"}
    known = identifiability(model, known=["k20"])
    assert known.status == dict.fromkeys(("k12", "k21", "k10"), "global")


def test_the_usual_two_compartments_are_globally_identifiable():
    found = identifiability(two({"blood": "blood / V"}, {"blood": "CL / V"}))
    assert set(found.status.values()) == {"global"}
    assert len(found.summary) == 4


def test_bioavailability_and_volume_are_confounded_and_rates_flip_flop():
    found = identifiability(oral("F * blood / V"))
    assert found.status == {
        "ka": "local", "ke": "local", "F": "not identifiable", "V": "not identifiable",
    }  # fmt: skip
    assert found.confounded == (("F", "V"),)
    assert found.combinations == ("F/V",)
    # the second solution of flip-flop: ka and ke swapped, V times ke/ka
    assert set(identifiability(oral("blood / V")).status.values()) == {"local"}


def test_clearance_survives_the_flip_flop():
    model = CompartmentModel(
        ("gut", "blood"), {("gut", "blood"): "ka"}, {"blood": "blood / V"}, {"blood": "CL / V"}
    )
    assert identifiability(model).status == {"ka": "local", "CL": "global", "V": "local"}


def test_two_tissues_seen_from_blood_can_be_swapped():
    model = CompartmentModel(
        ("blood", "tissue", "tumour"),
        EXCHANGE | {("blood", "tumour"): "k13", ("tumour", "blood"): "k31"},
        {"blood": "blood / V", "tumour": "tumour"},
        {"blood": "k10"},
    )
    central = identifiability(model, observed="blood").status
    assert central["k10"] == central["V"] == "global"
    assert {central[k] for k in ("k12", "k21", "k13", "k31")} == {"local"}
    assert set(identifiability(model).status.values()) == {"global"}


def test_what_the_algebra_cannot_read_is_said():
    model = CompartmentModel(("b",), {}, {"b": "b * exp(-a) / V"}, {"b": "exp(c)"})
    found = identifiability(model)
    assert not found.algebra
    assert found.status["c"] == "local"
    assert found.confounded == (("a", "V"),)
    assert found.combinations == ("exp(-a)/V",)
    assert "open" in str(found)


def test_unknown_names_are_named():
    with pytest.raises(KineticsError, match="no parameter 'x'"):
        identifiability(oral("blood"), known=["x"])
    with pytest.raises(KineticsError, match="no observed 'x'"):
        identifiability(oral("blood"), observed="x")
    with pytest.raises(KineticsError, match="no compartment 'x'"):
        identifiability(oral("blood"), dosed="x")
