import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

from kinetics import KineticsError, SumOfExponentials
from kinetics.structures.rate_matrix import (
    exchange_plan,
    rate_matrix_amounts,
    rate_matrix_curves,
    two_compartment,
)

TIMES_H = np.array([0.0, 0.25, 1.0, 4.0, 24.0, 168.0])


def system(n, flows, losses=()):
    """Rate matrix from flows {(from, to): rate} and losses {compartment: rate}."""
    k = np.zeros((n, n))
    for (source, target), rate in dict(flows).items():
        k[target, source] += rate
        k[source, source] -= rate
    for source, rate in dict(losses).items():
        k[source, source] -= rate
    return k


def exact(k, x0, time_h):
    """Amounts by the matrix exponential with 40 digits."""
    with mpmath.workdps(40):
        columns = [mpmath.expm(mpmath.matrix(k) * t) * mpmath.matrix(x0) for t in time_h]
    return np.array([[float(v) for v in c] for c in columns]).T


MAMMILLARY = system(
    4, {(0, 1): 0.2, (1, 0): 0.05, (0, 2): 0.05, (2, 0): 0.01, (0, 3): 0.6, (3, 0): 0.3}, {0: 0.4}
)
CASES = {
    "one compartment": system(1, {}, {0: 0.1}),
    "two identical tissues": system(
        3, {(0, 1): 0.2, (1, 0): 0.1, (0, 2): 0.2, (2, 0): 0.1}, {0: 0.3}
    ),
    "mammillary": MAMMILLARY,
    "catenary": system(4, {(i, j): 0.1 * (i + 2 * j + 1) for i in range(4) for j in range(4)
                           if abs(i - j) == 1}, {3: 0.2}),
    "oral": system(3, {(0, 1): 0.7, (1, 2): 0.3, (2, 1): 0.1}, {1: 0.2}),
    "blocks": system(
        5, {(3, 1): 0.5, (1, 2): 0.2, (2, 1): 0.1, (2, 0): 0.3, (0, 4): 0.7, (4, 0): 0.2},
        {4: 0.1, 1: 0.3},
    ),
    "sinks": system(4, {(0, 1): 0.2, (1, 0): 0.1, (0, 2): 0.3, (1, 3): 0.05}),
    "circle, complex": system(3, {(0, 1): 1.0, (1, 2): 1.0, (2, 0): 1.0}, {0: 0.1}),
    "circle, real": system(3, {(0, 1): 1.0, (1, 2): 0.2, (2, 0): 0.05, (1, 0): 0.3}, {0: 0.1}),
    "transit chain": system(4, {(0, 1): 0.4, (1, 2): 0.4, (2, 3): 0.4}, {3: 0.4}),
    "equal absorption": system(2, {(0, 1): 0.3}, {1: 0.3}),
    "nearly equal": system(2, {(0, 1): 0.3}, {1: 0.3 * (1 + 1e-7)}),
    "stiff": system(3, {(0, 1): 40.0, (1, 0): 3.0, (1, 2): 1e-4, (2, 1): 2e-5}, {0: 5.0}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_amounts_match_the_exponential_with_many_digits(name):
    k = CASES[name]
    x0 = np.linspace(100.0, 20.0, len(k))
    np.testing.assert_allclose(
        rate_matrix_amounts(k, x0, TIMES_H), exact(k, x0, TIMES_H), rtol=1e-10, atol=1e-11
    )


@pytest.mark.parametrize("name", sorted(set(CASES) - {"circle, complex", "transit chain"}))
def test_curves_match_the_exponential_with_many_digits(name):
    k = CASES[name]
    x0 = np.linspace(100.0, 20.0, len(k))
    curves = rate_matrix_curves(k, x0)
    assert isinstance(curves, SumOfExponentials)
    assert curves.shape == (len(k),)
    scale = 1e-8 if "equal" in name else 1e-10
    np.testing.assert_allclose(curves(TIMES_H), exact(k, x0, TIMES_H), rtol=scale, atol=1e-10)


@pytest.mark.parametrize("name", ["circle, complex", "transit chain"])
def test_curves_that_are_no_real_exponentials_say_so(name):
    with pytest.raises(KineticsError, match="complex or repeated"):
        rate_matrix_curves(CASES[name], np.ones(len(CASES[name])))


def test_integral_is_minus_the_inverse_matrix():
    x0 = np.array([100.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(
        rate_matrix_curves(MAMMILLARY, x0).integral(), -np.linalg.solve(MAMMILLARY, x0), rtol=1e-12
    )


def test_draws_broadcast_and_both_twins_agree():
    rng = np.random.default_rng(1)
    factor = np.exp(0.3 * rng.standard_normal((1500, 2, 1, 1)))
    k = MAMMILLARY * factor
    x0 = np.array([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    amounts = rate_matrix_amounts(k, x0, TIMES_H)  # threads
    curves = rate_matrix_curves(k, x0)
    assert amounts.shape == (1500, 2, 4, 6)
    np.testing.assert_allclose(curves(TIMES_H), amounts, rtol=1e-11, atol=1e-13)
    for i in (0, 700, 1499):  # one core
        np.testing.assert_array_equal(rate_matrix_amounts(k[i], x0, TIMES_H), amounts[i])
    one = rate_matrix_amounts(k, x0, TIMES_H, compartments=[2])
    np.testing.assert_array_equal(one[:, :, 0], amounts[:, :, 2])


def test_a_flow_that_some_draws_lack_is_solved_too():
    k = np.stack([MAMMILLARY, MAMMILLARY])
    k[1, 0, 1] = 0.0
    x0 = np.array([1.0, 0, 0, 0])
    amounts = rate_matrix_amounts(k, x0, TIMES_H)
    for i in range(2):
        np.testing.assert_allclose(amounts[i], exact(k[i], x0, TIMES_H), rtol=1e-11, atol=1e-14)


@st.composite
def systems(draw, closed=False):
    n = draw(st.integers(1, 6))
    rates = st.floats(1e-3, 3.0)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    losses = {} if closed else {i: draw(rates) for i in range(n)}
    start = [draw(st.floats(0.0, 100.0)) for _ in range(n)]
    return system(n, {pair: draw(rates) for pair in chosen}, losses), np.array(start)


@given(systems())
def test_any_network_matches_scipy(given_system):
    k, x0 = given_system
    expected = np.stack([expm(k * t) @ x0 for t in TIMES_H], axis=-1)
    np.testing.assert_allclose(rate_matrix_amounts(k, x0, TIMES_H), expected, rtol=1e-8, atol=1e-8)


@given(systems(closed=True))
def test_a_closed_network_conserves_mass(given_system):
    k, x0 = given_system
    total = rate_matrix_amounts(k, x0, TIMES_H).sum(axis=0)
    np.testing.assert_allclose(total, x0.sum(), rtol=1e-9, atol=1e-9)


@given(systems(), st.floats(-3.0, 3.0))
def test_amounts_are_linear_in_the_start(given_system, factor):
    k, x0 = given_system
    other = x0[::-1].copy()
    both, first, second = (
        rate_matrix_amounts(k, x, TIMES_H) for x in (x0 + factor * other, x0, other)
    )
    np.testing.assert_allclose(both, first + factor * second, rtol=1e-9, atol=1e-8)


def test_two_compartments_match_the_matrix():
    rng = np.random.default_rng(2)
    k10, k12, k21 = np.exp(rng.standard_normal((3, 40)) - 1)
    k = np.zeros((40, 2, 2))
    k[:, 0, 0], k[:, 0, 1], k[:, 1, 0], k[:, 1, 1] = -k10 - k12, k21, k12, -k21
    amount = np.linspace(1, 50, 40)
    rates = {"elimination_per_h": k10, "transfer_per_h": k12, "return_per_h": k21}
    closed = two_compartment(amount, TIMES_H, **rates)
    matrix = rate_matrix_amounts(k, amount[:, None] * [1.0, 0.0], TIMES_H)[:, 0]
    np.testing.assert_allclose(closed, matrix, rtol=1e-10, atol=1e-13)
    many = {name: np.resize(x, 30_000) for name, x in rates.items()}
    threads = two_compartment(np.resize(amount, 30_000), TIMES_H, **many)
    np.testing.assert_array_equal(threads[:40], closed)


def test_two_compartments_keep_digits_where_terms_cancel():
    with mpmath.workdps(40):
        k = mpmath.matrix([[-(0.3 + 1e-9), 5.0], [1e-9, -5.0]])
        expected = [float(mpmath.expm(k * t)[0, 0]) for t in (1.0, 50.0)]
    values = two_compartment(
        1.0, [1.0, 50.0], elimination_per_h=0.3, transfer_per_h=1e-9, return_per_h=5.0
    )
    np.testing.assert_allclose(values, expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [((0.0, 0.0, 0.0), 1.0), ((0.1, 0.0, 0.1), np.exp(-1)), ((0.1, 0.0, 0.0), np.exp(-1)),
     ((0.0, 0.1, 0.1), 0.5 + 0.5 * np.exp(-2)), ((0.0, 0.1, 0.0), np.exp(-1))],
)  # fmt: skip
def test_two_compartments_at_the_edges(rates, expected):
    names = ("elimination_per_h", "transfer_per_h", "return_per_h")
    value = two_compartment(1.0, [10.0], **dict(zip(names, rates, strict=True)))
    assert value[0] == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (MAMMILLARY, ([0, 1, 2, 3], [-1, 0, 0, 0], False)),
        (CASES["oral"], ([0, 1, 2], [-1, -1, 1], True)),
        (CASES["circle, complex"], ([], [], False)),
    ],
)
def test_plans(pattern, expected):
    plan = exchange_plan(np.asarray(pattern) != 0)
    assert (plan.order.tolist(), plan.parent.tolist(), plan.one_way) == expected


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((np.ones((2, 3)), [1, 1], [0.0]), "shape"),
        ((-np.eye(2), [1.0], [0.0]), "2 compartments"),
        ((-np.ones((3, 2, 2)), np.ones((4, 2)), [0.0]), "broadcast"),
        ((-np.eye(2) * np.nan, [1, 1], [0.0]), "finite"),
        ((-np.eye(2), [1, 1], [-1.0]), "positive"),
        ((-np.eye(2), [1, 1], [[1.0]]), "list"),
    ],
)
def test_wrong_input_is_named(arguments, says):
    with pytest.raises(KineticsError, match=says):
        rate_matrix_amounts(*arguments)


def test_wrong_compartments_and_growth_are_named():
    with pytest.raises(KineticsError, match="indices from 0 to 1"):
        rate_matrix_amounts(-np.eye(2), [1, 1], [1.0], compartments=[2])
    with pytest.raises(KineticsError, match="grow"):
        rate_matrix_curves([[0.1]], [1.0])
    for wrong in ({"elimination_per_h": -1.0}, {"amount": np.nan}, {"time_h": [-1.0]}):
        given = {"amount": 1.0, "time_h": [1.0], "elimination_per_h": 1.0,
                 "transfer_per_h": 1.0, "return_per_h": 1.0} | wrong  # fmt: skip
        with pytest.raises(KineticsError):
            two_compartment(given.pop("amount"), given.pop("time_h"), **given)
