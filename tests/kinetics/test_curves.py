from itertools import pairwise

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp

from kinetics import KineticsError, SumOfExponentials

CURVE = SumOfExponentials([12.0, -4.0, 0.5], [0.7, 2.0, 0.03])
rates = st.floats(1e-4, 5.0)
amplitudes = st.floats(-50.0, 50.0)


def test_value_is_the_sum_of_its_terms():
    t = np.array([0.0, 1.0, 100.0])
    expected = 12 * np.exp(-0.7 * t) - 4 * np.exp(-2 * t) + 0.5 * np.exp(-0.03 * t)
    np.testing.assert_allclose(CURVE(t), expected, rtol=1e-14)
    assert CURVE(1.0).shape == ()


def test_integrals_agree_with_quadrature():
    whole = sum(quad(CURVE, a, b, epsabs=1e-13)[0] for a, b in ((0, 10), (10, 100), (100, 2000)))
    assert CURVE.integral() == pytest.approx(whole, rel=1e-10)
    assert CURVE.cumulative(7.0) == pytest.approx(quad(CURVE, 0, 7.0, epsabs=1e-13)[0], rel=1e-12)
    assert CURVE.cumulative(1e5) == pytest.approx(CURVE.integral(), rel=1e-12)


def test_convolution_agrees_with_an_ode_solver():
    t = np.array([0.3, 2.0, 20.0, 90.0])
    solution = solve_ivp(
        lambda time, n: CURVE(time) - 0.25 * n, (0, 90), [0.0], t_eval=t, rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(CURVE.convolved(0.25, t), solution.y[0], rtol=1e-8)


@pytest.mark.parametrize("gap", [0.0, 1e-14, 1e-9, 1e-4])
def test_convolution_where_the_rates_meet(gap):
    k, t = sympy.Rational(1, 4), sympy.Integer(6)
    rate = k + sympy.nsimplify(gap)
    if gap:
        exact = (sympy.exp(-k * t) - sympy.exp(-rate * t)) / (rate - k)
    else:
        exact = t * sympy.exp(-k * t)
    value = SumOfExponentials([1.0], [0.25 + gap]).convolved(0.25, 6.0)
    assert value == pytest.approx(float(sympy.N(exact, 30)), rel=1e-12)


def test_decay_scale_and_sum():
    both = CURVE.decayed(0.1).scaled(3.0) + SumOfExponentials([1.0], [0.2])
    t = np.linspace(0, 50, 7)
    np.testing.assert_allclose(both(t), 3 * np.exp(-0.1 * t) * CURVE(t) + np.exp(-0.2 * t))


def test_draws_broadcast():
    draws = SumOfExponentials(np.ones((5, 2)), [[0.1, 0.2]])
    assert draws.shape == (5,)
    assert draws([1.0, 2.0]).shape == (5, 2)
    assert draws.scaled(np.arange(5.0)).integral() == pytest.approx(15.0 * np.arange(5))
    assert (draws + SumOfExponentials([1.0], [1.0])).amplitude.shape == (5, 3)
    assert draws[2].shape == ()


def test_compact_merges_terms_of_the_same_rate():
    rate = np.array([[0.1, 0.2, 0.1], [0.3, 0.2, 0.3]])
    curve = SumOfExponentials(np.arange(6.0).reshape(2, 3), rate)
    small = (curve + curve).compact()
    assert small.n_terms == 2
    t = np.array([0.0, 3.0, 30.0])
    np.testing.assert_allclose(small(t), 2 * curve(t), rtol=1e-14)


def test_a_constant_term_has_an_infinite_integral_unless_it_is_zero():
    assert np.isinf(SumOfExponentials([1.0], [0.0]).integral())
    assert SumOfExponentials([0.0, 2.0], [0.0, 0.5]).integral() == 4.0
    assert SumOfExponentials([1.0], [0.0]).cumulative(5.0) == 5.0


@given(st.lists(st.tuples(amplitudes, rates), min_size=1, max_size=4), rates, st.floats(0.01, 500))
def test_convolution_conserves_what_flows_in(terms, loss, time):
    curve = SumOfExponentials(*np.array(terms).T)
    held = curve.convolved(loss, time)
    lost = curve.cumulative(time) - held
    # what was lost is the loss rate times the integral of the content, by quadrature
    edges = np.concatenate([[0.0], np.geomspace(1e-3 * time, time, 8)])
    pieces = pairwise(edges)
    expected = loss * sum(quad(lambda s: float(curve.convolved(loss, s)), *p)[0] for p in pieces)
    assert lost == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(curve.amplitude).sum())


@pytest.mark.parametrize(
    ("amplitude", "rate", "words"),
    [
        ([1.0], [-0.1], "zero or positive"),
        ([np.nan], [0.1], "finite"),
        ([1.0, 2.0], [0.1, 0.2, 0.3], "broadcast"),
        (1.0, 0.1, "axis of terms"),
    ],
)
def test_bad_input(amplitude, rate, words):
    with pytest.raises(KineticsError, match=words):
        SumOfExponentials(amplitude, rate)
