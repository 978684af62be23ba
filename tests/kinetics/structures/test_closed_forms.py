import csv
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.linalg import expm

from kinetics import KineticsError
from kinetics.structures.closed_forms import (
    one_compartment,
    sum_of_exponentials,
    three_compartment,
    two_compartment,
)
from kinetics.structures.events import dose_row
from kinetics.structures.structure import dose_table

REFERENCE = Path(__file__).parents[2] / "reference"
VALUES = {
    "cl": 3.1, "v": 11.0, "v1": 11.0, "q": 4.2, "v2": 23.0, "q2": 4.2, "q3": 0.9, "v3": 60.0,
    "k": 0.28, "k10": 0.31, "k12": 0.4, "k21": 0.19, "k13": 0.07, "k31": 0.021, "ka": 1.3,
    "lag": 0.4, "bioavailability": 0.7, "rate": 21.0, "duration": 3.3, "decay_per_h": 0.0043,
    "a1": 2.0, "l1": 0.9, "a2": 1.1, "l2": 0.03, "l_uptake": 4.0,
}  # fmt: skip
STRUCTURES = {
    "1": one_compartment(),
    "1 oral": one_compartment(absorption=True),
    "1 oral rates": one_compartment(absorption=True, parametrisation="rates"),
    "1 oral, all": one_compartment(
        absorption=True, lag=True, bioavailability=True, zero_order="duration", decay=True
    ),
    "2": two_compartment(),
    "2 oral": two_compartment(absorption=True),
    "2 rates, all": two_compartment(
        parametrisation="rates", lag=True, bioavailability=True, zero_order="rate", decay=True
    ),
    "3 rates": three_compartment(parametrisation="rates"),
    "3 oral, decay": three_compartment(absorption=True, decay=True),
    "exponentials": sum_of_exponentials(2),
    "exponentials with uptake": sum_of_exponentials(2, uptake=True, decay=True),
}


def values(structure):
    return np.array([VALUES[name] for name in structure.parameters])


def predict(structure, parameter, times, doses):
    value, jacobian = np.empty(len(times)), np.empty((len(times), len(parameter)))
    rows = np.column_stack([times, np.zeros(len(times))])
    structure.predict(np.array(parameter), rows, np.array(doses), value, jacobian)
    return value, jacobian


def rate_matrix(structure):
    """Matrix of the system with the depot in front, and the volume of the central compartment."""
    v = dict(zip(structure.parameters, values(structure), strict=True))
    volume = v.get("v", v.get("v1"))
    k10 = v.get("k", v.get("k10", v.get("cl", 0) / volume))
    exchange = [(v[f"k1{j}"], v[f"k{j}1"]) for j in (2, 3) if f"k1{j}" in v]
    if "q" in v:
        exchange = [(v["q"] / volume, v["q"] / v["v2"])]
    if "q2" in v:
        exchange = [(v[f"q{j}"] / volume, v[f"q{j}"] / v[f"v{j}"]) for j in (2, 3)]
    n = len(exchange) + 2
    matrix = np.zeros((n, n))
    matrix[1, 1] = -k10
    matrix[0, 0], matrix[1, 0] = -v.get("ka", 0.0), v.get("ka", 0.0)
    for j, (there, back) in enumerate(exchange, start=2):
        matrix[1, 1] -= there
        matrix[j, 1], matrix[1, j], matrix[j, j] = there, back, -back
    return matrix - v.get("decay_per_h", 0.0) * np.eye(n), volume, v


@pytest.mark.parametrize("name", [n for n in STRUCTURES if "exp" not in n])
def test_a_bolus_is_the_matrix_exponential(name):
    structure = STRUCTURES[name]
    matrix, volume, v = rate_matrix(structure)
    first = 0 if "ka" in v else 1
    times = np.array([0.5, 1.0, 4.0, 24.0, 96.0, 200.0])
    expected = [
        v.get("bioavailability", 1.0) / volume * expm(matrix * (t - v.get("lag", 0.0)))[1, first]
        for t in times
    ]
    actual, _ = predict(structure, values(structure), times, dose_table())
    np.testing.assert_allclose(actual, expected, rtol=1e-10)
    if "lag" in v:
        assert structure.curves is None
    else:
        curve = structure.curves(values(structure))["blood"]
        np.testing.assert_allclose(curve(times), actual, rtol=1e-12)
        draws = np.tile(values(structure), (2, 3, 1))
        np.testing.assert_allclose(
            structure.curves(draws)["blood"](times)[1, 2], actual, rtol=1e-12
        )


REGIMEN = [
    dose_row(time_h=0.1, amount=70),
    dose_row(time_h=2.3, amount=55, rate=31, interval_h=7, additional=2),
    dose_row(time_h=30, amount=55, steady_state=2, interval_h=9, additional=1),
    dose_row(time_h=41, amount=55, rate=4, steady_state=1, interval_h=9),
]
ZERO_ORDER = {
    "duration": [
        dose_row(time_h=0, amount=80, rate=-2, interval_h=6, additional=2),
        dose_row(time_h=25, amount=30, rate=-2, steady_state=1, interval_h=2),
    ],
    "rate": [
        dose_row(time_h=0, amount=80, rate=-1, interval_h=6, additional=2),
        dose_row(time_h=25, amount=80, rate=-1, steady_state=2, interval_h=2),
        dose_row(time_h=39, amount=0, rate=-1, steady_state=1),
    ],
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_jacobian_is_the_derivative(name):
    structure = STRUCTURES[name]
    start = values(structure)
    times = np.array([0.05, 0.72, 2.9, 5.11, 9.6, 17.3, 27.77, 31.1, 33.3, 40.2, 43.9, 55.5, 80.8])
    for doses in [REGIMEN, *(v for k, v in ZERO_ORDER.items() if k in structure.parameters)]:
        _, jacobian = predict(structure, start, times, doses)
        for q in range(len(start)):
            step = 1e-4 * start[q] * np.eye(len(start))[q]
            near, far = (
                (predict(structure, start + h * step, times, doses)[0]
                 - predict(structure, start - h * step, times, doses)[0]) / (2 * h * step[q])
                for h in (1, 2)
            )  # fmt: skip
            numerical = (4 * near - far) / 3
            np.testing.assert_allclose(
                jacobian[:, q], numerical, rtol=2e-7, atol=2e-8 * np.abs(numerical).max()
            )


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("route", ["bolus", "inf", "oral"])
def test_published_concentrations_to_fifteen_digits(n, route):
    """Dose 100 every 12 h (infusions 1 h), CL 10, V 50, Q 5, V2 100, KA 0.5."""
    with (REFERENCE / "kinetics_closed_forms.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["n_cmt"] == str(n) and r["route"] == route]
    structure = (one_compartment if n == 1 else two_compartment)(absorption=route == "oral")
    known = {"cl": 10, "v": 50, "v1": 50, "q": 5, "v2": 100, "ka": 0.5}
    dose = dose_row(
        time_h=0, amount=100, rate=100 if route == "inf" else 0, interval_h=12, additional=1
    )
    actual = structure(
        {name: known[name] for name in structure.parameters},
        [float(r["time_h"]) for r in rows],
        doses=[dose],
    )
    np.testing.assert_allclose(actual, [float(r["conc_mpmath_40dps"]) for r in rows], rtol=1e-13)


@pytest.mark.parametrize("apart", [0.0, 1e-12, -1e-7, 1e-5, -3e-4, 9.9e-4, 1.01e-3, -3e-3, 0.05])
def test_absorption_as_fast_as_elimination(apart):
    """One compartment, oral, with ka = k (1 + apart): 50 digits by mpmath."""
    structure = one_compartment(absorption=True)
    cl, v, ka = 1.3, 6.5, 0.2 * (1 + apart)
    times = [0.1, 1.0, 5.0, 25.0, 60.0]
    value, jacobian = predict(structure, [cl, v, ka], times, dose_table())

    def exact(t, clearance, volume, absorption):
        # the integral of ka exp(-ka s) exp(-k (t - s)) / V over s
        k = clearance / volume
        gap = absorption - k
        ratio = t if gap == 0 else -mpmath.expm1(-gap * t) / gap
        return absorption / volume * mpmath.exp(-k * t) * ratio

    with mpmath.workdps(50):
        point = [mpmath.mpf(x) for x in (cl, v, ka)]
        for i, t in enumerate(times):
            assert value[i] == pytest.approx(float(exact(t, *point)), rel=2e-10)
            for q in range(3):
                order = tuple(int(m == q) for m in range(3))
                slope = mpmath.diff(lambda *p, at=t: exact(at, *p), point, order)
                assert jacobian[i, q] == pytest.approx(float(slope), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("term", [0, 1, 2])
def test_absorption_as_fast_as_a_disposition_phase(term):
    structure = STRUCTURES["3 oral, decay"]
    parameter = values(structure)
    matrix, volume, _ = rate_matrix(structure)
    phase = np.sort(-np.linalg.eigvals(matrix[1:, 1:]).real)[term] - VALUES["decay_per_h"]
    times = np.array([0.5, 3.0, 20.0])
    for shift in (0.0, 1e-4, 2e-3):
        ka = phase * (1 + shift)
        parameter[6] = ka
        matrix[0, 0], matrix[1, 0] = -ka - VALUES["decay_per_h"], ka
        # both routes at once: the bolus into the central compartment keeps its own rates
        both = [dose_row(time_h=0, amount=1), dose_row(time_h=0, amount=1, compartment=1)]
        expected = [expm(matrix * t)[1, :2].sum() / volume for t in times]
        np.testing.assert_allclose(
            predict(structure, parameter, times, both)[0], expected, rtol=1e-9
        )


def test_rates_that_span_many_orders():
    structure = three_compartment(parametrisation="rates")
    parameter = np.array([5.0, 40.0, 3.0, 0.002, 1e-5, 1.0])
    value, _ = predict(structure, parameter, [1e4], dose_table())
    with mpmath.workdps(60):
        k10, k12, k21, k13, k31 = (mpmath.mpf(x) for x in parameter[:5])
        matrix = mpmath.matrix(
            [[-k10 - k12 - k13, k21, k31], [k12, -k21, 0], [k13, 0, -k31]]
        )  # fmt: skip
        exact = mpmath.expm(matrix * 10000)[0, 0]
    assert value[0] == pytest.approx(float(exact), rel=1e-7)


def test_a_flip_flop_gives_the_same_curve():
    """Exchanging ka and k leaves the shape: known flip-flop of the one-compartment model."""
    times = np.linspace(0.1, 30, 9)
    slow, fast = ({"k": 0.2, "v": 5.0, "ka": 1.1}, {"k": 1.1, "v": 5.0 * 0.2 / 1.1, "ka": 0.2})
    structure = STRUCTURES["1 oral rates"]
    np.testing.assert_allclose(structure(slow, times), structure(fast, times), rtol=1e-12)


def test_an_oral_dose_is_not_yet_in_the_blood_when_it_is_given():
    oral = STRUCTURES["1 oral"]
    start, later = oral(
        {"cl": 2.8, "v": 32.0, "ka": 1.5}, [0.0, 0.25], doses=dose_table(amount=320)
    )
    assert start == 0
    assert later > 3


def test_exponentials_superpose():
    structure = sum_of_exponentials(2, uptake=True)
    parameter = {name: VALUES[name] for name in structure.parameters}
    times, doses = np.array([0.0, 1.0, 13.0]), dose_table(time_h=[0.0, 12.0], amount=[2.0, 3.0])
    curve = structure.curves(values(structure))["blood"]
    expected = 2 * curve(times) + 3 * np.where(times >= 12, curve(np.maximum(times - 12, 0)), 0)
    np.testing.assert_allclose(structure(parameter, times, doses=doses), expected, rtol=1e-12)
    assert expected[0] == 0


def test_what_is_not_finite_gives_nan():
    structure = STRUCTURES["1 oral"]
    assert np.isnan(predict(structure, [1.0, np.nan, 1.0], [1.0], dose_table())[0]).all()
    assert np.isnan(predict(structure, [1.0, 5.0, 1.0], [1.0], dose_table(rate=-2.0))[0]).all()
    value, jacobian = predict(structure, [1.0, 0.0, 1.0], [1.0], dose_table())
    assert not np.isfinite(value).any()
    assert not np.isfinite(jacobian).all()


def test_predictions_are_first_class_functions():
    from numba import njit, types

    from kinetics.structures._predict_signature import PREDICT_FUNCTION

    table, vector = types.float64[:, ::1], types.float64[::1]

    @njit(types.float64(PREDICT_FUNCTION, vector, table, table))
    def first(function, parameter, rows, doses):
        value = np.empty(len(rows))
        function(parameter, rows, doses, value, np.empty((len(rows), len(parameter))))
        return value[0]

    rows = np.array([[1.0, 0.0]])
    for structure in STRUCTURES.values():
        expected, _ = predict(structure, values(structure), [1.0], dose_table())
        assert first(structure.predict, values(structure), rows, dose_table()) == expected[0]


def test_unknown_options_are_refused():
    with pytest.raises(KineticsError, match="parametrisation"):
        one_compartment(parametrisation="micro")
    with pytest.raises(KineticsError, match="zero_order"):
        two_compartment(zero_order="lag")
    with pytest.raises(KineticsError, match="n_terms"):
        sum_of_exponentials(0)


def test_equations_are_readable():
    assert STRUCTURES["2 oral"].equations.splitlines() == [
        "dD/dt = -ka D",
        "dA1/dt = ka D - (cl/v1) A1 - (q/v1) A1 + (q/v2) A2",
        "dA2/dt = (q/v1) A1 - (q/v2) A2",
        "blood = A1/v1",
    ]
    assert STRUCTURES["2 rates, all"].equations.splitlines() == [
        "dA1/dt = -k10 A1 - k12 A1 + k21 A2 - decay_per_h A1",
        "dA2/dt = k12 A1 - k21 A2 - decay_per_h A2",
        "blood = A1/v",
    ]
