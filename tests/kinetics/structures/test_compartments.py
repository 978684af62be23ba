import pickle
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy
from scipy.integrate import solve_ivp

from kinetics import KineticsError
from kinetics.structures.compartments import CompartmentModel
from kinetics.structures.formula import symbol
from kinetics.structures.structure import dose_table
from kinetics.structures.transfer import closed_form, rate_matrix, transfer_function

TIMES_H = np.array([0.3, 1.0, 5.0, 24.0, 96.0])
ONE = CompartmentModel(("blood",), {}, {"blood": "blood / V"}, {"blood": "CL / V"})
ORAL = CompartmentModel(
    ("gut", "blood"), {("gut", "blood"): "ka"}, {"blood": "blood / V"}, {"blood": "ke"}
)
TWO = CompartmentModel(
    ("blood", "kidneys"),
    {("blood", "kidneys"): "k12", ("kidneys", "blood"): "k21"},
    {"blood": "blood / V", "whole_body": "blood + kidneys"},
    {"blood": "CL / V"},
    decay_per_h=0.00434,
)
THREE = CompartmentModel(
    ("blood", "kidneys", "tumour"),
    {("blood", "kidneys"): "k12", ("kidneys", "blood"): "k21",
     ("blood", "tumour"): "k13", ("tumour", "blood"): "k31"},
    {"blood": "blood / V", "tumour": "tumour"},
    {"blood": "k10"},
    name="blood, kidneys and tumour",
)  # fmt: skip
ORAL_TWO = CompartmentModel(
    ("gut", "blood", "tissue"),
    {("gut", "blood"): "ka", ("blood", "tissue"): "Q / V", ("tissue", "blood"): "Q / W"},
    {"blood": "blood / V"},
    {"blood": "CL / V"},
)
CIRCLE = CompartmentModel(
    ("a", "b", "c"),
    {("a", "b"): "k1", ("b", "c"): "k2", ("c", "a"): "k3"},
    {"b": "b / V", "all": "a + b + c"},
    {"b": "ke"},
)
VALUES = {
    ONE: {"CL": 1.5, "V": 5.0},
    ORAL: {"ka": 0.9, "ke": 0.2, "V": 4.0},
    TWO: {"k12": 0.2, "k21": 0.05, "CL": 1.5, "V": 5.0},
    THREE: {"k12": 0.2, "k21": 0.05, "k13": 0.4, "k31": 0.012, "k10": 0.3, "V": 5.0},
    ORAL_TWO: {"ka": 0.9, "Q": 2.0, "V": 4.0, "W": 20.0, "CL": 1.2},
    CIRCLE: {"k1": 0.9, "k2": 0.7, "k3": 1.1, "ke": 0.1, "V": 3.0},
}
MODELS = pytest.mark.parametrize("model", VALUES, ids=lambda m: " ".join(m.compartments))


def by_ode(model, time_h, amount=1.0, infusion=None):
    """Observed values by solve_ivp of the equations, after a dose into the first compartment."""
    values = {symbol(k): v for k, v in VALUES[model].items()}
    k = np.array(rate_matrix(model).subs(values).tolist(), dtype=float)
    weight = {n: np.array([float(x.subs(values)) for x in row]) for n, row in model.weights.items()}
    start = np.zeros(len(k))
    start[0] = 0.0 if infusion else amount
    inflow = np.zeros(len(k))
    state, times, out = start, np.asarray(time_h), []
    for a, b in zip([0.0, *times[:-1]], times, strict=True):
        inflow[0] = amount / infusion if infusion and a < infusion else 0.0
        solved = solve_ivp(
            lambda _, x: k @ x + inflow, (a, b), state, method="DOP853", rtol=1e-12, atol=1e-14
        )
        state = solved.y[:, -1]
        out.append(state)
    return {name: np.array(out) @ w for name, w in weight.items()}


def predictions(structure, parameter, time_h, region=0, doses=None):
    rows = np.column_stack([time_h, np.full(len(time_h), float(region))])
    value, jacobian = np.empty(len(rows)), np.empty((len(rows), len(parameter)))
    table = dose_table() if doses is None else doses
    structure.predict(np.asarray(parameter, dtype=float), rows, table, value, jacobian)
    return value, jacobian


def differences(structure, parameter, time_h, region=0, doses=None):
    """Jacobian by central differences, extrapolated once."""
    columns = []
    for i, p in enumerate(parameter):
        slopes = []
        for h in (1e-3 * p, 2e-3 * p):
            up, down = (np.array(parameter, dtype=float) for _ in range(2))
            up[i] += h
            down[i] -= h
            high, low = (predictions(structure, x, time_h, region, doses)[0] for x in (up, down))
            slopes.append((high - low) / (2 * h))
        columns.append((4 * slopes[0] - slopes[1]) / 3)
    return np.array(columns).T


@MODELS
def test_amounts_and_structure_match_the_differential_equation(model):
    expected = by_ode(model, TIMES_H, amount=7.0)
    amounts = model.amounts(VALUES[model], TIMES_H, amount=7.0)
    structure = model.structure()
    for name, values in expected.items():
        np.testing.assert_allclose(amounts[name], values, rtol=1e-8, atol=1e-11)
        predicted = structure(VALUES[model], TIMES_H, region=name, doses=dose_table(amount=7.0))
        np.testing.assert_allclose(predicted, amounts[name], rtol=1e-10, atol=1e-13)


@MODELS
def test_jacobian_matches_central_differences(model):
    structure = model.structure()
    parameter = [VALUES[model][name] for name in structure.parameters]
    for region in range(len(model.observed)):
        _, jacobian = predictions(structure, parameter, TIMES_H, region)
        slopes = differences(structure, parameter, TIMES_H, region)
        np.testing.assert_allclose(jacobian, slopes, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("model", [m for m in VALUES if m is not CIRCLE])
def test_curves_are_the_amounts_and_their_integral_the_dc_gain(model):
    curves = model.curves(VALUES[model], amount=3.0)
    amounts = model.amounts(VALUES[model], TIMES_H, amount=3.0)
    for name, curve in curves.items():
        np.testing.assert_allclose(curve(TIMES_H), amounts[name], rtol=1e-11, atol=1e-14)
        gain = transfer_function(model, name)(0).subs(
            {symbol(k): v for k, v in VALUES[model].items()}
        )
        assert curve.integral() == pytest.approx(3.0 * float(gain), rel=1e-12)


@pytest.mark.parametrize("model", [m for m in VALUES if m is not CIRCLE])
def test_closed_forms_match_the_inverse_laplace_transform(model):
    values = {symbol(k): sympy.Rational(str(v)) for k, v in VALUES[model].items()}
    for name in model.observed:
        form = closed_form(model, name)
        s = sympy.Symbol("s")
        image = sympy.lambdify(s, transfer_function(model, name)(s).subs(values), "mpmath")
        for time_h in (0.5, 6.0):
            value = complex(form(time_h).subs(values).evalf(30))
            with mpmath.workdps(30):
                inverse = mpmath.invertlaplace(image, time_h, method="talbot")
            assert value.real == pytest.approx(float(inverse), rel=1e-10)
            assert abs(value.imag) < 1e-12


def test_closed_form_derivatives_match_differences_and_four_rates_are_refused():
    form = closed_form(TWO, "blood")
    values = {symbol(k): v for k, v in VALUES[TWO].items()}
    amplitude, rate = form.derivative("k12")
    for i in range(2):
        for slope, expression in ((amplitude[i], form.amplitude[i]), (rate[i], form.rate_per_h[i])):
            high, low = (
                float(expression.subs(values | {symbol("k12"): 0.2 + h})) for h in (1e-6, -1e-6)
            )
            assert float(slope.subs(values)) == pytest.approx((high - low) / 2e-6, rel=1e-7)
    four = CompartmentModel(
        ("a", "b", "c", "d"),
        {("a", x): f"k{x}" for x in "bcd"} | {(x, "a"): f"q{x}" for x in "bcd"},
        {"a": "a"},
        {"a": "ke"},
    )
    with pytest.raises(KineticsError, match="4 exponentials"):
        closed_form(four, "a")


def test_draws_broadcast():
    values = VALUES[TWO] | {"k12": np.full((3, 1), 0.2), "V": np.array([5.0, 6.0])}
    curves = TWO.curves(values, amount=[1.0, 2.0])
    assert curves["blood"].shape == (3, 2)
    single = TWO.curves(VALUES[TWO] | {"V": 6.0}, amount=2.0)["whole_body"]
    np.testing.assert_allclose(curves["whole_body"][1, 1](TIMES_H), single(TIMES_H), rtol=1e-12)


def test_a_used_model_travels_to_another_process():
    before = ORAL.curves(VALUES[ORAL])["blood"]
    after = pickle.loads(pickle.dumps(ORAL)).curves(VALUES[ORAL])["blood"]
    np.testing.assert_array_equal(after(TIMES_H), before(TIMES_H))


def test_equal_absorption_and_elimination():
    k, v, t = 0.3, 4.0, TIMES_H
    structure = ORAL.structure()
    base = t * np.exp(-k * t)
    for ke in (k, k * (1 + 1e-9), k * (1 + 1e-5)):
        value, jacobian = predictions(structure, [k, ke, v], t)
        gap = ke - k
        factor = -np.expm1(-gap * t) / (gap * t) if gap else 1.0
        np.testing.assert_allclose(value, k / v * base * factor, rtol=1e-8, atol=1e-12)
        if gap < 1e-8:
            expected = np.column_stack(
                [base / v * (1 - k * t / 2), -k / v * base * t / 2, -k / v**2 * base]
            )
            np.testing.assert_allclose(jacobian, expected, rtol=1e-6, atol=1e-8)


def test_transit_chain_of_equal_rates():
    names = ("a", "b", "c", "d")
    chain = CompartmentModel(
        names, {pair: "ktr" for pair in pairwise(names)}, {"d": "d"},
        {"d": "ktr"},
    )  # fmt: skip
    k, t = 0.4, TIMES_H
    value, jacobian = predictions(chain.structure(), [k], t)
    decay = np.exp(-k * t)
    np.testing.assert_allclose(value, (k * t) ** 3 / 6 * decay, rtol=1e-8, atol=1e-10)
    slope = (k**2 * t**3 / 2 - k**3 * t**4 / 6) * decay
    np.testing.assert_allclose(jacobian[:, 0], slope, rtol=1e-6, atol=1e-6)


def test_two_identical_tissues():
    structure = THREE.structure()
    parameter = [0.2, 0.05, 0.2, 0.05, 0.3, 5.0]
    for region in range(2):
        _, jacobian = predictions(structure, parameter, TIMES_H, region)
        slopes = differences(structure, parameter, TIMES_H, region)
        np.testing.assert_allclose(jacobian, slopes, rtol=1e-6, atol=1e-8)


def test_dosing_parameters_shift_scale_and_stretch():
    structure = ORAL_TWO.structure(
        dosed=("gut", "blood"), lag={"gut": "tlag"}, bioavailability={"gut": "F"},
        modelled_duration={"blood": "dur"},
    )  # fmt: skip
    assert structure.parameters == ("ka", "Q", "V", "W", "CL", "tlag", "F", "dur")
    values = VALUES[ORAL_TWO] | {"tlag": 0.4, "F": 0.7, "dur": 2.0}
    times = np.array([0.6, 1.0, 3.0, 30.0])
    oral = structure(values, times, doses=dose_table(amount=10.0))
    expected = ORAL_TWO.amounts(VALUES[ORAL_TWO], times - 0.4, amount=7.0)["blood"]
    np.testing.assert_allclose(oral, expected, rtol=1e-10)
    infused = dose_table(amount=10.0, compartment=1.0, rate=-2.0)
    value = structure(values, times, doses=infused)
    swapped = CompartmentModel(
        ("blood", "gut", "tissue"), ORAL_TWO.transfers, ORAL_TWO.observed, ORAL_TWO.elimination
    )
    VALUES[swapped] = VALUES[ORAL_TWO]
    grid = np.array([0.6, 1.0, 2.0, 3.0, 30.0])
    expected = by_ode(swapped, grid, amount=10.0, infusion=2.0)["blood"][[0, 1, 3, 4]]
    del VALUES[swapped]
    np.testing.assert_allclose(value, expected, rtol=1e-8)
    parameter = [values[name] for name in structure.parameters]
    both = np.vstack([dose_table(amount=10.0), infused])
    _, jacobian = predictions(structure, parameter, times, doses=both)
    slopes = differences(structure, parameter, times, doses=both)
    np.testing.assert_allclose(jacobian, slopes, rtol=1e-6, atol=1e-8)
    assert structure.curves is None
    assert "lag of gut = tlag" in structure.equations


def test_curves_of_a_structure_are_its_predictions():
    structure = ORAL.structure(bioavailability={"gut": "F"})
    curve = structure.curves(np.array([0.9, 0.2, 4.0, 0.5]))["blood"]
    values = {"ka": 0.9, "ke": 0.2, "V": 4.0, "F": 0.5}
    np.testing.assert_allclose(curve(TIMES_H), structure(values, TIMES_H), rtol=1e-11)


def test_values_that_make_no_sense_give_nan_and_no_exception():
    structure = ONE.structure()
    for parameter in ([1.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]):
        value, jacobian = predictions(structure, parameter, TIMES_H)
        assert np.isnan(value).all()
        assert np.isnan(jacobian).all()


def test_complex_rates_point_to_amounts():
    with pytest.raises(KineticsError, match=r"CompartmentModel\.amounts"):
        CIRCLE.curves(VALUES[CIRCLE])


def test_it_prints_as_equations():
    text = str(TWO)
    assert "d blood/dt = k21*kidneys - k12*blood - (CL/V)*blood - 0.00434*blood" in text
    assert "observed whole_body = blood + kidneys" in text
    assert TWO.parameters == ("k12", "k21", "CL", "V")
    ordered = CompartmentModel(
        TWO.compartments, TWO.transfers, TWO.observed, TWO.elimination,
        parameters=("V", "CL", "k12", "k21"),
    )  # fmt: skip
    assert ordered.parameters == ("V", "CL", "k12", "k21")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"compartments": ("blood", "blood")}, "must differ"),
        ({"compartments": ()}, "needs compartments"),
        ({"compartments": ("blood", "2nd")}, "no legal name"),
        ({"transfers": {("blood", "liver"): "k"}}, "no compartment 'liver'"),
        ({"transfers": {("blood", "blood"): "k"}}, "cannot feed itself"),
        ({"transfers": {"blood": "k"}}, r"\(from, to\)"),
        ({"transfers": {("blood", "kidneys"): "k * blood"}}, "names the compartment"),
        ({"transfers": {("blood", "kidneys"): "-1"}}, "must be positive"),
        ({"elimination": {"liver": "k"}}, "no compartment 'liver'"),
        ({"observed": {}}, "something observed"),
        ({"observed": {"x": "blood ** 2"}}, "weighted sum"),
        ({"observed": {"x": "blood + 1"}}, "weighted sum"),
        ({"observed": {"x": "V"}}, "weighted sum"),
        ({"observed": {"x": "blood / exp(kidneys)"}}, "weighted sum"),
        ({"parameters": ("k12", "k12")}, "must differ"),
        ({"parameters": ("k12", "k99")}, "the formulas name"),
        ({"decay_per_h": -1.0}, "decay_per_h"),
    ],
)
def test_what_is_wrong_is_named(changes, says):
    given = {
        "compartments": ("blood", "kidneys"),
        "transfers": {("blood", "kidneys"): "k12"},
        "observed": {"kidneys": "kidneys"},
        "elimination": {"blood": "k10"},
    }
    with pytest.raises(KineticsError, match=says):
        CompartmentModel(**(given | changes))


def test_wrong_use_is_named():
    sink = CompartmentModel(("a", "b"), {("a", "b"): "k"}, {"a": "a"})
    with pytest.raises(KineticsError, match="nothing arrives"):
        sink.curves({"k": 1.0}, dosed="b")
    with pytest.raises(KineticsError, match="no compartment 'c'"):
        sink.curves({"k": 1.0}, dosed="c")
    with pytest.raises(KineticsError, match="has the parameters k; given were q"):
        sink.curves({"q": 1.0})
    with pytest.raises(KineticsError, match="rate from a to b"):
        sink.curves({"k": [1.0, -1.0]})
    with pytest.raises(KineticsError, match="not dosed"):
        sink.structure(dosed="a", lag={"b": "tlag"})
    with pytest.raises(KineticsError, match="must differ"):
        sink.structure(dosed=("a", "a"))
    with pytest.raises(KineticsError, match="no observed 'c'"):
        transfer_function(sink, "c")
