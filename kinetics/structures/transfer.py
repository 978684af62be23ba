"""Compartment models in symbols: rate matrix, transfer functions, closed forms, derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kinetics.errors import KineticsError
from kinetics.structures.formula import symbol

if TYPE_CHECKING:
    from kinetics.structures.compartments import CompartmentModel

_MOST_CLOSED = 3


@dataclass(frozen=True, eq=False)
class TransferFunction:
    r"""Response of one observed quantity to a unit impulse, in the Laplace domain.

    .. math:: H(s) = \frac{b_{m} s^{m} + \dots + b_0}{s^{n} + a_{n-1} s^{n-1} + \dots + a_0}

    Attributes
    ----------
    numerator, denominator : tuple of sympy.Expr
        Coefficients, highest power first; common factors are cancelled and the denominator
        starts with one.
    """

    numerator: tuple[Any, ...]
    denominator: tuple[Any, ...]

    def __call__(self, s: Any) -> Any:
        """H(s) as a sympy expression."""
        import sympy

        return sympy.Poly(self.numerator, sympy.Dummy()).eval(s) / sympy.Poly(
            self.denominator, sympy.Dummy()
        ).eval(s)


@dataclass(frozen=True, eq=False)
class ClosedForm:
    r"""Closed form :math:`f(t) = \sum_i a_i e^{-\lambda_i t}` of one observed quantity.

    Attributes
    ----------
    amplitude, rate_per_h : tuple of sympy.Expr
        Amplitude and rate of each term; three rates are written with cosines and so hold where
        they are real.
    """

    amplitude: tuple[Any, ...]
    rate_per_h: tuple[Any, ...]

    def __call__(self, time_h: Any) -> Any:
        """f(t) as a sympy expression; the time is one too, or the name of a symbol."""
        import sympy

        if isinstance(time_h, str):
            time_h = symbol(time_h)
        terms = zip(self.amplitude, self.rate_per_h, strict=True)
        return sum((a * sympy.exp(-r * time_h) for a, r in terms), sympy.Integer(0))

    def derivative(self, parameter: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Derivatives of all amplitudes and of all rates by a parameter."""
        import sympy

        by = symbol(parameter)
        return (
            tuple(sympy.diff(a, by) for a in self.amplitude),
            tuple(sympy.diff(r, by) for r in self.rate_per_h),
        )


def rate_matrix(model: CompartmentModel) -> Any:
    r"""Rate matrix K (sympy.Matrix) of :math:`\dot x = K x`, physical decay included (1/h)."""
    import sympy

    n = len(model.compartments)
    k = sympy.zeros(n, n)
    for (source, target), rate in model.rates.items():
        j = model.index(source)
        k[j, j] -= rate
        if target is not None:
            k[model.index(target), j] += rate
    decay = sympy.Rational(repr(model.decay_per_h))
    return k - decay * sympy.eye(n)


def observation_matrix(model: CompartmentModel) -> Any:
    """Weights C (sympy.Matrix, observed by compartments) of :math:`y = C x`."""
    import sympy

    return sympy.Matrix([list(row) for row in model.weights.values()])


def transfer_function(
    model: CompartmentModel, observed: str, *, dosed: str | None = None
) -> TransferFunction:
    """Transfer function from a dosed compartment to an observed quantity.

    Parameters
    ----------
    model : CompartmentModel
        The model.
    observed : str
        One of ``model.observed``.
    dosed : str, optional
        Compartment of the unit bolus; the first when missing.

    Raises
    ------
    KineticsError
        If the observed quantity or compartment does not exist.

    Examples
    --------
    >>> from kinetics.structures.compartments import CompartmentModel
    >>> oral = CompartmentModel(("gut", "blood"), {("gut", "blood"): "ka"},
    ...     {"blood": "blood / V"}, {"blood": "ke"})
    >>> h = transfer_function(oral, "blood")
    >>> h.numerator, h.denominator
    ((ka/V,), (1, ka + ke, ka*ke))
    """
    import sympy

    if observed not in model.observed:
        raise KineticsError(f"no observed {observed!r}; there are {', '.join(model.observed)}")
    k, s = rate_matrix(model), sympy.Dummy("s")
    source = model.index(dosed or model.compartments[0])
    weight = sympy.Matrix([list(model.weights[observed])])
    n = k.rows
    # Faddeev-LeVerrier: adj(sI - K) = sum_m N_m s^(n-1-m) with no division but by numbers
    power, top, bottom = sympy.eye(n), [], [sympy.Integer(1)]
    for m in range(1, n + 1):
        top.append((weight * power)[0, source])
        product = (k * power).applyfunc(sympy.expand)
        last = sympy.expand(-product.trace() / m)
        bottom.append(last)
        power = product + last * sympy.eye(n)
    ratio = sympy.cancel(_polynomial(top, s) / _polynomial(bottom, s))
    numerator, denominator = (sympy.Poly(x, s) for x in sympy.fraction(ratio))
    lead = denominator.LC()
    return TransferFunction(
        tuple(sympy.factor(x / lead) for x in numerator.all_coeffs()),
        tuple(sympy.expand(sympy.cancel(x / lead)) for x in denominator.all_coeffs()),
    )


def _polynomial(coefficients: list[Any], s: Any) -> Any:
    total: Any = 0
    for x in coefficients:
        total = total * s + x
    return total


def closed_form(model: CompartmentModel, observed: str, *, dosed: str | None = None) -> ClosedForm:
    r"""Amplitudes and rates of the response to a unit bolus, for up to three exponentials.

    Each rate is minus a root of the denominator, each amplitude its residue
    :math:`N(-\lambda)/D'(-\lambda)`. Two rates are written by the quadratic formula, three by the
    cosines of the cubic with real roots.

    Parameters
    ----------
    model : CompartmentModel
        The model.
    observed : str
        One of ``model.observed``.
    dosed : str, optional
        Compartment of the unit bolus; the first when missing.

    Raises
    ------
    KineticsError
        If there are more than three exponentials: use `CompartmentModel.curves`, which solves
        any number of compartments numerically.

    Examples
    --------
    >>> from kinetics.structures.compartments import CompartmentModel
    >>> one = CompartmentModel(("blood",), observed={"blood": "blood / V"},
    ...     elimination={"blood": "CL / V"})
    >>> closed_form(one, "blood")("t")
    exp(-CL*t/V)/V
    """
    import sympy

    h = transfer_function(model, observed, dosed=dosed)
    order = len(h.denominator) - 1
    if order > _MOST_CLOSED:
        raise KineticsError(
            f"{order} exponentials have no closed form here (at most {_MOST_CLOSED}); "
            "CompartmentModel.curves solves them numerically"
        )
    s = sympy.Dummy("s")
    numerator = _polynomial(list(h.numerator), s)
    slope = sympy.diff(_polynomial(list(h.denominator), s), s)
    rates = _rates(h.denominator)
    return ClosedForm(tuple((numerator / slope).subs(s, -rate) for rate in rates), rates)


def _rates(denominator: tuple[Any, ...]) -> tuple[Any, ...]:
    """Minus the roots of a polynomial of degree one to three, the largest first."""
    import sympy

    if len(denominator) == 2:
        return (denominator[1],)
    if len(denominator) == 3:
        total, product = denominator[1:]
        factors = _rational_rates(denominator)
        root = sympy.sqrt(sympy.factor(total**2 - 4 * product))
        return factors or ((total + root) / 2, (total - root) / 2)
    if factors := _rational_rates(denominator):
        return factors
    a, b, c = denominator[1:]
    centre = a / 3
    p, q = (a**2 - 3 * b) / 9, (2 * a**3 - 9 * a * b + 27 * c) / 54
    angle = sympy.acos(q / sympy.sqrt(p) ** 3) / 3
    turns = (sympy.Integer(0), 2 * sympy.pi / 3, -2 * sympy.pi / 3)
    return tuple(centre + 2 * sympy.sqrt(p) * sympy.cos(angle + turn) for turn in turns)


def _rational_rates(denominator: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rates, where the denominator falls into factors of first and second degree."""
    import sympy

    s = sympy.Dummy("s")
    rates: list[Any] = []
    factors = sympy.factor_list(_polynomial(list(denominator), s), s)[1]
    if len(factors) == 1 and factors[0][1] == 1:
        return ()
    for factor, multiplicity in factors:
        coefficients = sympy.Poly(factor, s).all_coeffs()
        monic = tuple(sympy.cancel(x / coefficients[0]) for x in coefficients)
        if multiplicity > 1:
            raise KineticsError("a rate is repeated: the response is no sum of exponentials")
        if len(monic) > 1:
            rates += _rates(monic)
    return tuple(rates)
