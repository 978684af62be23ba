"""Protraction factors, stopped irradiations and cycles against integrals and equations."""

import numpy as np
import pytest
from scipy.integrate import dblquad, solve_ivp

from kinetics import SumOfExponentials
from radiobio import RadiobioError
from radiobio.survival import (
    bed_gy,
    lea_catcheside_g,
    lea_catcheside_g_constant_rate,
    protraction_matrix,
    repopulation_gy,
)
from radiobio.survival.pair_integrals import divided

LN2 = np.log(2)


def both_orders(first, second, repair, delay, until):
    """Integral of f(t) g(s) exp(-mu |t - s|) by quadrature, the kink at s = t split off."""

    def integrand(s, t):
        return float(first(t)) * float(second(s - delay)) * np.exp(-repair * abs(t - s))

    options = {"epsabs": 1e-12, "epsrel": 1e-10}
    low = dblquad(integrand, delay, until, delay, lambda t: t, **options)[0]
    high = dblquad(integrand, 0, until, lambda t: max(t, delay), until, **options)[0]
    return low + high


def test_stopped_irradiation():
    curve = SumOfExponentials([1.0], [0.0138629])
    # computed once by solving the equation of unrepaired dose
    g = lea_catcheside_g(curve, 0.2475526, until_h=24.0)
    assert abs(g - 0.2814830) < 1e-7
    np.testing.assert_allclose(
        lea_catcheside_g(curve, 0.2475526, until_h=1e5), 0.0138629 / (0.0138629 + 0.2475526)
    )


@pytest.mark.parametrize("repair", [0.0, 0.03, 0.05, 0.3])  # 0.05 meets a rate of the curve
def test_stopped_multi_exponential_equals_double_integral(repair):
    curve = SumOfExponentials([1.2, 0.4, -1.5], [0.05, 0.01, 0.9])
    expected = both_orders(curve, curve, repair, 0.0, 20.0) / float(curve.cumulative(20.0)) ** 2
    np.testing.assert_allclose(lea_catcheside_g(curve, repair, until_h=20.0), expected, rtol=1e-8)


def test_stopped_constant_rate_is_the_closed_form():
    curve = SumOfExponentials([0.3], [0.0])
    for irradiation_h in (0.5, 4.0, 30.0):
        g = lea_catcheside_g(curve, 0.5, until_h=irradiation_h)
        np.testing.assert_allclose(
            g, lea_catcheside_g_constant_rate(irradiation_h, 0.5), rtol=1e-12
        )


def test_meeting_rates_are_continuous():
    curve, until = SumOfExponentials([1.0], [0.1]), 15.0
    near = lea_catcheside_g(curve, 0.1 * (1 + np.array([[0.0], [1e-13], [1e-9], [1e-6]])),
                            until_h=until)  # fmt: skip
    # limit: (2/D^2) (1 - e^{-2x}(1 + 2x)) / (4 lambda^2), x = lambda T
    x, dose = 0.1 * until, (1 - np.exp(-1.5)) / 0.1
    exact = 2 / dose**2 * (1 - np.exp(-2 * x) * (1 + 2 * x)) / (4 * 0.1**2)
    np.testing.assert_allclose(near[:2], exact, rtol=1e-12)
    np.testing.assert_allclose(near, exact, rtol=2e-6)


def test_divided_difference_at_the_change_of_method():
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 50

    def exact(a, b, tau):
        a, b, tau = (mpmath.mpf(float(x)) for x in (a, b, tau))
        return (-mpmath.expm1(-a * tau) / a + mpmath.expm1(-b * tau) / b) / (b - a)

    for small, tau in [(1e-6, 3.0), (0.02, 10.0), (0.7, 50.0), (3.0, 200.0)]:
        for relative in (1e-12, 1e-6, 0.049, 0.0499999, 0.0500001, 0.051, 0.5, 8.0):
            gap = relative * max(small, 1 / tau)
            got = divided(np.array(small), np.array(small + gap), np.array(tau))
            np.testing.assert_allclose(
                float(got), float(exact(small, small + gap, tau)), rtol=2e-13
            )


@pytest.mark.parametrize(("delay", "until"), [(0.0, 300.0), (8.0, 300.0), (8.0, 20.0)])
def test_pairs_of_two_curves_equal_double_integral(delay, until):
    first = SumOfExponentials([0.5, 0.2], [0.3, 0.08])
    second = SumOfExponentials([0.9, -0.6], [0.12, 0.6])
    repair = 0.25
    expected = both_orders(first, second, repair, delay, until) / (
        float(first.cumulative(until)) * float(second.cumulative(until - delay))
    )
    matrix = protraction_matrix(
        [first, second], repair, start_h=[0.0, delay], until_h=until if until < 100 else np.inf
    )
    np.testing.assert_allclose(matrix[0, 1], expected, rtol=1e-7)
    assert matrix[0, 1] == matrix[1, 0]
    swapped = protraction_matrix(
        [second, first], repair, start_h=[delay, 0.0], until_h=until if until < 100 else np.inf
    )
    np.testing.assert_allclose(swapped, matrix[::-1, ::-1], rtol=1e-13)


def test_matrix_of_parts_is_the_factor_of_their_sum():
    parts = [SumOfExponentials([0.5], [0.2]), SumOfExponentials([0.7, -0.1], [0.05, 1.0])]
    matrix = protraction_matrix(parts, [0.5, 0.04], fraction=[0.6, 0.4], until_h=30.0)
    dose = np.array([float(part.cumulative(30.0)) for part in parts])
    whole = lea_catcheside_g(parts[0] + parts[1], [0.5, 0.04], fraction=[0.6, 0.4], until_h=30.0)
    np.testing.assert_allclose(dose @ matrix @ dose / dose.sum() ** 2, whole, rtol=1e-12)


def test_overlapping_cycles_equal_the_ode():
    cycles = [SumOfExponentials([0.6, -0.6], [0.03, 0.8]), SumOfExponentials([0.4], [0.05])]
    start, repair = [0.0, 12.0], 0.1

    def rate(t):
        return sum(float(c(t - s)) if t >= s else 0.0 for c, s in zip(cycles, start, strict=True))

    def slopes(t, y):  # dose, unrepaired dose, half of G D^2
        return [rate(t), rate(t) - repair * y[1], rate(t) * y[1]]

    y = np.zeros(3)
    for low, high in [(0, 12), (12, 900)]:
        run = solve_ivp(slopes, (low, high), y, method="LSODA", rtol=1e-11, atol=1e-12)
        y = run.y[:, -1]
        if low == 0:  # the second dose rate begins with a step
            continue
    bed = bed_gy(cycles, alpha_beta_gy=3.0, repair_half_life_h=LN2 / repair, start_h=start)
    np.testing.assert_allclose(bed, y[0] + 2 * y[2] / 3.0, rtol=1e-7)


def test_far_apart_cycles_add_and_together_they_are_one():
    cycle = SumOfExponentials([[0.3, 0.1], [0.2, -0.1]], [0.02, 0.2])
    given = {"alpha_beta_gy": 2.6, "repair_half_life_h": [[2.8], [1.0]]}
    apart = bed_gy([cycle, cycle], **given)
    assert apart.shape == (2,)
    np.testing.assert_allclose(bed_gy([cycle, cycle], start_h=[0, 5e3], **given), apart, rtol=1e-12)
    together = bed_gy([cycle, cycle], start_h=[0, 0], **given)
    np.testing.assert_allclose(together, bed_gy(cycle.scaled(2.0), **given), rtol=1e-13)
    between = bed_gy([cycle, cycle], start_h=[0, 24], **given)
    assert (apart < between).all()
    assert (between < together).all()


def test_draws_stop_at_their_own_times():
    curve = SumOfExponentials([[1.0], [2.0]], [[0.05], [0.1]])
    until = np.array([3.0, np.inf])
    g = lea_catcheside_g(curve, [[0.4], [0.3]], until_h=until)
    np.testing.assert_allclose(g[0], lea_catcheside_g(curve[0], 0.4, until_h=3.0), rtol=1e-14)
    np.testing.assert_allclose(g[1], 0.1 / 0.4, rtol=1e-14)


def test_a_cycle_after_the_end_gives_nothing():
    curve = SumOfExponentials([1.0], [0.05])
    matrix = protraction_matrix([curve, curve], 0.4, start_h=[0.0, 50.0], until_h=40.0)
    assert matrix[1, 1] == matrix[0, 1] == 0.0
    assert matrix[0, 0] > 0


def test_repopulation():
    lost = repopulation_gy([10.0, 100.0], alpha_per_gy=0.2, doubling_time_h=48.0, kick_off_h=52.0)
    # one doubling needs ln 2 / alpha of dose
    np.testing.assert_allclose(lost, [0.0, LN2 / 0.2], rtol=1e-14)
    assert repopulation_gy(100.0, alpha_per_gy=0.2, doubling_time_h=np.inf) == 0


def test_what_is_not_legal():
    curve = SumOfExponentials([1.0], [0.1])
    with pytest.raises(RadiobioError, match="give until_h"):
        protraction_matrix([curve, SumOfExponentials([1.0], [0.0])], 0.5)
    with pytest.raises(RadiobioError, match="at least one"):
        protraction_matrix([], 0.5)
    with pytest.raises(RadiobioError, match="one time for each of the 2"):
        protraction_matrix([curve, curve], 0.5, start_h=[0.0, 1.0, 2.0])
    with pytest.raises(RadiobioError, match="start_h must be finite"):
        protraction_matrix([curve], 0.5, start_h=np.nan)
    with pytest.raises(RadiobioError, match="until_h"):
        lea_catcheside_g(curve, 0.5, until_h=-1.0)
    with pytest.raises(RadiobioError, match="doubling_time_h"):
        repopulation_gy(1.0, alpha_per_gy=0.1, doubling_time_h=0.0)
    with pytest.raises(RadiobioError, match="alpha_per_gy"):
        repopulation_gy(1.0, alpha_per_gy=0.0, doubling_time_h=10.0)
