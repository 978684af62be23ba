"""Which parameters of a compartment model could be told from perfect data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from kinetics.errors import KineticsError
from kinetics.structures.formula import names_in, symbol
from kinetics.structures.transfer import transfer_function

if TYPE_CHECKING:
    from kinetics.structures.compartments import CompartmentModel

# Two generic parameter sets: distinct primes, so that no relation holds by chance.
_POINTS = ((7, 3, 13, 5, 23, 11, 31, 17, 43, 29), (19, 37, 5, 41, 3, 29, 11, 47, 7, 13))
_MOST_UNKNOWN = 8  # for the algebra; beyond it only local statements are made
_DIGITS = 60
_ZERO = 1e-35


@dataclass(frozen=True, eq=False)
class Identifiability:
    """What perfect data of a compartment model would tell.

    Attributes
    ----------
    status : dict of str to str
        Each parameter: "global" (one value fits), "local" (a finite number of positive values
        fits, or more than one cannot be ruled out) or "not identifiable" (a continuum fits).
    combinations : tuple of str
        Combinations that are told although their parameters are not.
    confounded : tuple of tuple of str
        Groups of parameters that cannot be told apart.
    summary : tuple of str
        Coefficients of the transfer functions: all that the data depend on.
    algebra : bool
        Whether the number of solutions was examined; if not, identifiable parameters are called
        "local".
    """

    status: dict[str, str]
    combinations: tuple[str, ...]
    confounded: tuple[tuple[str, ...], ...]
    summary: tuple[str, ...]
    algebra: bool

    @property
    def identifiable(self) -> bool:
        """Whether every parameter is identifiable, at least locally."""
        return not self.confounded

    def __str__(self) -> str:
        words = {
            "global": "globally identifiable",
            "local": "identifiable among a finite number of values",
            "not identifiable": "not identifiable",
        }
        lines = [f"{name}: {words[status]}" for name, status in self.status.items()]
        lines += [f"cannot be told apart: {', '.join(group)}" for group in self.confounded]
        if self.combinations:
            lines.append(f"identifiable combinations: {', '.join(self.combinations)}")
        if not self.algebra:
            lines.append("too large for the algebra: whether more than one value fits is open")
        return "\n".join(lines)


def identifiability(
    model: CompartmentModel,
    *,
    dosed: str | Sequence[str] | None = None,
    observed: str | Sequence[str] | None = None,
    known: Sequence[str] = (),
) -> Identifiability:
    r"""Structural identifiability from the transfer functions.

    The coefficients of the transfer functions from every dosed compartment to everything observed
    are all that perfect data can tell. The rank of their derivatives by the parameters says what
    is locally identifiable, its null space what is confounded. Whether one value alone fits is
    decided by a Groebner basis of the equations that give the same coefficients; only positive
    alternatives count.

    Parameters
    ----------
    model : CompartmentModel
        The model.
    dosed : str or sequence of str, optional
        Compartments with doses of known amount, each followed on its own; the first when missing.
    observed : str or sequence of str, optional
        What is observed; everything when missing.
    known : sequence of str
        Parameters whose values are known.

    Returns
    -------
    Identifiability

    Raises
    ------
    KineticsError
        If a name is unknown.

    Notes
    -----
    Rank and solutions are computed exactly at generic parameter values (primes), so a statement
    holds for all values but exceptional ones, and "global" for the neighbourhood of such values.

    References
    ----------
    Bellman R, Astrom KJ. On structural identifiability. Math Biosci 1970;7:329
    (doi:10.1016/0025-5564(70)90132-X). Meshkat N, Eisenberg M, DiStefano JJ. An algorithm for
    finding globally identifiable parameter combinations of nonlinear ODE models using Groebner
    bases. Math Biosci 2009;222:61 (doi:10.1016/j.mbs.2009.08.010).

    Examples
    --------
    >>> from kinetics.structures.compartments import CompartmentModel
    >>> oral = CompartmentModel(("gut", "blood"), {("gut", "blood"): "ka"},
    ...     {"blood": "F * blood / V"}, {"blood": "ke"})
    >>> print(identifiability(oral))
    ka: identifiable among a finite number of values
    ke: identifiable among a finite number of values
    F: not identifiable
    V: not identifiable
    cannot be told apart: F, V
    identifiable combinations: F/V
    """
    sources = _listed(dosed, model.compartments[:1])
    targets = _listed(observed, tuple(model.observed))
    for name in known:
        if name not in model.parameters:
            raise KineticsError(
                f"no parameter {name!r}; {model.name} has {', '.join(model.parameters)}"
            )
    model.check_reach(sources)
    unknown = [name for name in model.parameters if name not in known]
    summary = _summary(model, sources, targets, unknown)
    rank, confounded = _confounded(summary, model.parameters, unknown)
    loose = {name for group in confounded for name in group}
    small = len(unknown) <= _MOST_UNKNOWN and all(_is_rational(x) for x in summary)
    bases = (
        [_basis(summary, model.parameters, unknown, point) for point in _POINTS] if small else []
    )
    status = {}
    for name in unknown:
        if name in loose:
            status[name] = "not identifiable"
        else:
            status[name] = "global" if bases and _unique(name, bases, unknown) else "local"
    combinations = _combinations(summary, bases, loose, rank, model.parameters, unknown)
    return Identifiability(
        status=status,
        combinations=combinations,
        confounded=confounded,
        summary=tuple(str(x) for x in summary),
        algebra=small,
    )


def _listed(chosen: str | Sequence[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if chosen is None:
        return default
    return (chosen,) if isinstance(chosen, str) else tuple(chosen)


def _summary(
    model: CompartmentModel,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    unknown: list[str],
) -> list[Any]:
    """Coefficients of all transfer functions that depend on unknown parameters."""
    found: dict[Any, None] = {}
    for source in sources:
        for target in targets:
            h = transfer_function(model, target, dosed=source)
            for x in (*h.numerator, *h.denominator):
                if set(names_in(x)) & set(unknown):
                    found[x] = None
    return list(found)


def _at(expression: Any, parameters: Sequence[str], point: tuple[int, ...], keep: Any = ()) -> Any:
    """Expression with numbers for the parameters, but for those to keep."""
    values = {
        symbol(name): point[i % len(point)] + 53 * (i // len(point))
        for i, name in enumerate(parameters)
        if name not in keep
    }
    return expression.subs(values)


def _confounded(
    summary: list[Any], parameters: Sequence[str], unknown: list[str]
) -> tuple[int, tuple[tuple[str, ...], ...]]:
    """Rank of the derivatives, and groups of parameters that share a null direction."""
    import sympy

    jacobian = sympy.Matrix([[sympy.diff(x, symbol(name)) for name in unknown] for x in summary])
    if not summary:
        jacobian = sympy.zeros(1, len(unknown))
    at_point = _at(jacobian, parameters, _POINTS[0])
    if not all(x.is_Rational for x in at_point):
        at_point = at_point.evalf(_DIGITS)
    null = at_point.nullspace(iszerofunc=_is_zero)
    groups: list[set[str]] = []
    for vector in null:
        group = {name for name, x in zip(unknown, vector, strict=True) if not _is_zero(x)}
        for other in [g for g in groups if g & group]:
            groups.remove(other)
            group |= other
        groups.append(group)
    ordered = tuple(tuple(name for name in unknown if name in group) for group in groups)
    return len(unknown) - len(null), tuple(sorted(ordered, key=lambda g: unknown.index(g[0])))


def _is_zero(x: Any) -> bool:
    return bool(x == 0) if x.is_Rational else bool(abs(x) < _ZERO)


def _is_rational(expression: Any) -> bool:
    return bool(expression.is_rational_function(*expression.free_symbols))


def _basis(
    summary: list[Any], parameters: Sequence[str], unknown: list[str], point: tuple[int, ...]
) -> Any:
    """Groebner basis of the parameter sets that look like the point, none of them zero."""
    import sympy

    inverse = sympy.Dummy("inverse")
    product = sympy.prod([symbol(name) for name in unknown])
    equations = [inverse * product - _at(product, parameters, point)]
    for x in summary:
        difference = _at(x, parameters, point, keep=unknown) - _at(x, parameters, point)
        equations.append(sympy.fraction(sympy.together(difference))[0])
    generators = [inverse, *(symbol(name) for name in unknown)]
    return sympy.groebner(equations, *generators, order="grevlex")


def _unique(name: str, bases: list[Any], unknown: list[str]) -> bool:
    """Whether one positive value of a parameter fits, at all generic points."""
    import sympy

    target = symbol(name)
    for basis in bases:
        polynomial = _eliminated(basis, target)
        if polynomial is None:
            return False
        roots = [r for r in sympy.Poly(polynomial, target).real_roots() if r.is_positive]
        if len(set(roots)) > 1:
            return False
    return True


def _eliminated(basis: Any, target: Any) -> Any:
    """Polynomial of least degree in one variable that vanishes on all solutions, or None.

    Powers of the variable are reduced by the basis until they depend on each other.
    """
    import sympy

    remainders: list[Any] = []
    monomials: dict[Any, int] = {}
    for degree in range(9):
        remainder = sympy.Poly(basis.reduce(target**degree)[1], *basis.gens)
        remainders.append(remainder)
        for monomial in remainder.monoms():
            monomials.setdefault(monomial, len(monomials))
        matrix = sympy.zeros(len(monomials), degree + 1)
        for j, r in enumerate(remainders):
            for monomial, coefficient in r.terms():
                matrix[monomials[monomial], j] = coefficient
        if null := matrix.nullspace():
            return sum(c * target**j for j, c in enumerate(null[0]))
    return None


def _combinations(
    summary: list[Any],
    bases: list[Any],
    loose: set[str],
    rank: int,
    parameters: Sequence[str],
    unknown: list[str],
) -> tuple[str, ...]:
    """Independent functions of the confounded parameters that the data tell, simple ones first."""
    import sympy

    if not loose:
        return ()
    firm = [symbol(name) for name in unknown if name not in loose]
    candidates = sorted(
        _monomials(summary, loose, parameters, unknown)
        + _constant_elements(bases, loose)
        + [x for x in summary if set(names_in(x)) & loose],
        key=sympy.count_ops,
    )
    chosen: list[Any] = []
    for candidate in candidates:
        if len(firm) + len(chosen) == rank:
            break
        trial = sympy.Matrix([*firm, *chosen, candidate]).jacobian([symbol(n) for n in unknown])
        if _at(trial, parameters, _POINTS[1]).rank(iszerofunc=_is_zero) > len(firm) + len(chosen):
            chosen.append(candidate)
    return tuple(str(x) for x in chosen)


def _monomials(
    summary: list[Any], loose: set[str], parameters: Sequence[str], unknown: list[str]
) -> list[Any]:
    """Ratios and products of two confounded parameters that change no coefficient."""
    import sympy

    names = [name for name in unknown if name in loose]
    found = []
    derivatives = sympy.Matrix([[sympy.diff(x, symbol(n)) for n in unknown] for x in summary])
    at_point = _at(derivatives, parameters, _POINTS[1])
    rank = at_point.rank(iszerofunc=_is_zero)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            for candidate in (symbol(a) / symbol(b), symbol(a) * symbol(b), symbol(a) + symbol(b)):
                row = sympy.Matrix([[sympy.diff(candidate, symbol(n)) for n in unknown]])
                both = at_point.col_join(_at(row, parameters, _POINTS[1]))
                if both.rank(iszerofunc=_is_zero) == rank:
                    found.append(candidate)
    return found


def _constant_elements(bases: list[Any], loose: set[str]) -> list[Any]:
    """Elements of the bases that differ between two points by their constant term only."""
    import sympy

    if not bases:
        return []
    shapes = []
    for basis in bases:
        polynomials = [sympy.Poly(x, *basis.gens[1:]) for x in basis.exprs
                       if not x.has(basis.gens[0])]  # fmt: skip
        shapes.append([p.monic().as_expr() - p.monic().TC() for p in polynomials])
    return [
        x
        for first, second in pairwise(shapes)
        for x in first
        if x in second and set(names_in(x)) & loose
    ]
