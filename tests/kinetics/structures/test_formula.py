import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from kinetics import KineticsError
from kinetics.structures.formula import names_in, parse_formula, symbol


def test_arithmetic_and_functions_are_read_exactly():
    formula = parse_formula("0.1 * a ** 2 / (b + 1e-3) - exp(-k * t) + log(sqrt(b))", "abkt")
    a, b, k, t = (symbol(n) for n in "abkt")
    expected = a**2 / 10 / (b + sympy.Rational(1, 1000)) - sympy.exp(-k * t) + sympy.log(b) / 2
    assert sympy.simplify(formula - expected) == 0
    assert names_in(formula) == ("a", "b", "k", "t")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("__import__('os').system('x')", "not legal"),
        ("a.real", "not legal"),
        ("lambda: 1", "not legal"),
        ("[1, 2]", "not legal"),
        ("'text'", "no number"),
        ("True", "no number"),
        ("1j", "no number"),
        ("a ^ 2", r"\*\* for a power"),
        ("a % 2", "operator not legal"),
        ("sin(a)", "functions are"),
        ("exp(a, 2)", "functions are"),
        ("exp(a", "cannot read"),
        ("CL / W", "unknown name 'W'"),
        ("1 / 0", "finite real"),
        ("sqrt(-1)", "finite real"),
        ("1e999", "finite real"),
        ("9 ** 9 ** 9", "power too large"),
        ("((9 ** 60) ** 60) ** 60", "power too large"),
        ("2 ** exp(exp(exp(9)))", "rational"),
        ("", "must be text"),
        ("1+" * 1500 + "1", "characters"),
        ("(" * 900 + "1" + ")" * 900, "cannot read"),
    ],
)
def test_whatever_is_no_formula_is_refused(text, says):
    with pytest.raises(KineticsError, match=says):
        parse_formula(text, ["a", "CL"])


def test_names_must_be_names():
    for name in ("2a", "a b", "exp", ""):
        with pytest.raises(KineticsError, match="no legal name"):
            symbol(name)


LEAVES = st.sampled_from(["a", "b"]) | st.integers(1, 9).map(str) | st.just("0.25")
TEXTS = st.recursive(
    LEAVES,
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda x: f"({''.join(x)})"),
    max_leaves=12,
)


@given(TEXTS)
def test_values_equal_those_of_python(text):
    value = parse_formula(text).subs({symbol("a"): 3, symbol("b"): sympy.Rational(1, 2)})
    assert float(value) == pytest.approx(eval(text, {"a": 3, "b": 0.5}), rel=1e-12, abs=1e-12)
