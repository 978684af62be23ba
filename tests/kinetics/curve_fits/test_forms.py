import numpy as np
import pytest
import sympy
from scipy.integrate import quad

from kinetics import CURVE_FORMS, KineticsError, curve_form
from kinetics.curve_fits._form_kernels import SHAPE_CODES, values_and_slopes

DECAY = np.log(2) / (6.647 * 24)
LN2 = np.log(2)
FORMS = [*CURVE_FORMS.values(), curve_form("shared", fast_fraction=0.7)]
TIME = np.array([0.0, 0.2, 1.0, 4.0, 24.0, 72.0, 168.0, 500.0])


def log_parameter(form):
    base = {"odds": 0.6, "uptake_half": 2.5, "excretion": 9.0, "clearance": 70.0}
    values = []
    for i, name in enumerate(form.parameters):
        default = 30.0 + 7 * i if "half_life" in name else 5.0 + i
        values.append(next((v for key, v in base.items() if key in name), default))
    return np.log(values)


def kernel(form, theta, time=TIME):
    value, slope = np.zeros(len(time)), np.zeros((len(time), form.n_parameters))
    template = np.array([1.0 if x is None else x for x in form.template])
    values_and_slopes(
        SHAPE_CODES[form.shape], np.array(form.free), DECAY, template, theta, time, value, slope
    )
    return value, slope


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name)
def test_kernel_twin_derivatives_and_integral(form):
    theta = log_parameter(form)
    value, slope = kernel(form, theta)
    curve = form.curve(theta, decay_per_h=DECAY)
    np.testing.assert_allclose(value, curve(TIME), rtol=1e-10, atol=1e-10)
    for j in range(form.n_parameters):
        h = 1e-6 * np.eye(form.n_parameters)[j]
        difference = (kernel(form, theta + h)[0] - kernel(form, theta - h)[0]) / 2e-6
        np.testing.assert_allclose(slope[:, j], difference, rtol=1e-5, atol=1e-6)
    pieces = [quad(curve, a, b, epsrel=1e-11)[0] for a, b in ((0, 1), (1, 30), (30, 8000))]
    assert curve.integral() == pytest.approx(sum(pieces), rel=1e-8)


def published(t):
    """The equations of the f_nX family as printed, with biological rates."""
    l1, l2, a1, a2 = LN2 / 30.0, LN2 / 30.0 + LN2 / 2.5, 5.0, 6.0
    e1, e2, tail = (np.exp(-(rate + DECAY) * t) for rate in (l1, l2, 0.0))
    fast = 1 / 1.6
    f2c_rate = np.exp(-(LN2 / 2.5 + DECAY) * t)
    slower = np.exp(-(LN2 / 44.0 + DECAY) * t)
    faster = np.exp(-(LN2 / 37.0 + DECAY) * t)
    return {
        "f2a": 100 * e1 - 100 * e2,
        "f2b": a1 * faster,
        "f2c": -a1 * f2c_rate + a1 * tail,
        "f2e": 100 * fast * faster + (100 - 100 * fast) * tail,
        "f3a": a1 * slower + a2 * tail,
        "shared": a1 * 0.7 * faster + a1 * 0.3 * tail,
    }


@pytest.mark.parametrize("name", ["f2a", "f2b", "f2c", "f2e", "f3a", "shared"])
def test_published_equations(name):
    form = next(f for f in FORMS if f.name == name)
    curve = form.curve(log_parameter(form), decay_per_h=DECAY)
    np.testing.assert_allclose(curve(TIME), published(TIME)[name], rtol=1e-12, atol=1e-11)


def test_f4d_as_printed_by_sympy():
    t = sympy.symbols("t", positive=True)
    a1, a, p = sympy.Rational(900), sympy.Rational(1, 5), sympy.Rational(1, 230)
    l1, l2, lbc = (
        sympy.Rational(1, 60),
        sympy.Rational(1, 60) + sympy.Rational(2, 5),
        sympy.Rational(40),
    )
    norm = (1 - a) / (l1 + p) - a / (l2 + p) - (1 - 2 * a) / (lbc + p)
    f = (
        a1
        / norm
        * sympy.exp(-p * t)
        * (
            (1 - a) * sympy.exp(-l1 * t)
            - a * sympy.exp(-l2 * t)
            - (1 - 2 * a) * sympy.exp(-lbc * t)
        )
    )
    assert sympy.simplify(sympy.integrate(f, (t, 0, sympy.oo)) - a1) == 0
    form = curve_form("f4d", blood_half_life_h=LN2 / 40)
    odds = 2 * 0.2 / (1 - 2 * 0.2)
    curve = form.curve(np.log([900, odds, 60 * LN2, LN2 / 0.4]), decay_per_h=1 / 230)
    expected = [float(f.subs(t, time)) for time in (0.01, 0.5, 5, 50)]
    np.testing.assert_allclose(curve([0.01, 0.5, 5, 50]), expected, rtol=1e-10)
    assert curve.integral() == pytest.approx(900, rel=1e-12)
    assert curve(0.0) == pytest.approx(0, abs=1e-10)
    assert "ASSUMED" in form.assumptions[0]


def test_derivatives_of_iodine_by_sympy():
    t, d, u, x, c, a1 = sympy.symbols("t d u x c a1", positive=True)
    k1, k2, k3 = sympy.log(2) / u, sympy.log(2) / x, sympy.log(2) / c
    f = d * k1 / (k1 + k2 - k3) * (
        sympy.exp(-(k3 + DECAY) * t) - sympy.exp(-(k1 + k2 + DECAY) * t)
    ) + a1 * sympy.exp(-(k1 + k2 + DECAY) * t)
    at = {d: 100.0, u: 3.0, x: 8.0, c: 90.0, a1: 4.0, t: 11.0}
    form = curve_form("iodine")
    value, slope = kernel(form, np.log([3.0, 8.0, 90.0, 4.0]), np.array([11.0]))
    assert value[0] == pytest.approx(float(f.subs(at)), rel=1e-12)
    exact = [float((sympy.diff(f, s) * s).subs(at)) for s in (u, x, c, a1)]
    np.testing.assert_allclose(slope[0], exact, rtol=1e-10)


def test_iodine_where_clearance_meets_uptake_and_excretion():
    form, t = curve_form("iodine", administered=7400.0), np.array([1.0, 10.0, 60.0])
    rate = LN2 / 10 + LN2 / 30
    limit = (7400 * LN2 / 10 * t + 4.0) * np.exp(-(rate + DECAY) * t)
    curve = form.curve(np.log([10, 30, LN2 / rate, 4.0]), decay_per_h=DECAY)
    np.testing.assert_allclose(curve(t), limit, rtol=1e-7)
    near = form.curve(np.log([10, 30, LN2 / rate * 1.002, 4.0]), decay_per_h=DECAY)
    np.testing.assert_allclose(near(t), limit, rtol=1e-2)


def test_draws_keep_their_axes():
    form = curve_form("f3a")
    draws = log_parameter(form) + 0.1 * np.random.default_rng(0).standard_normal((4, 5, 3))
    assert form.curve(draws, decay_per_h=DECAY).integral().shape == (4, 5)


@pytest.mark.parametrize(
    ("name", "constant", "words"),
    [
        ("shared", {}, "fast_fraction"),
        ("shared", {"fast_fraction": 1.0}, "below 1"),
        ("f4d", {"blood_half_life_h": -1.0}, "above 0"),
        ("f4d", {"speed": 1.0}, "speed"),
        ("mono", {"administered": 1.0}, "no constants"),
        ("quad", {}, "legal are mono, bi"),
    ],
)
def test_bad_forms(name, constant, words):
    with pytest.raises(KineticsError, match=words):
        curve_form(name, **constant)
