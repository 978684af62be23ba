"""Formulas written as text, read safely into sympy: arithmetic, exp, log and sqrt, nothing else."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection
from typing import Any

from kinetics.errors import KineticsError

FUNCTIONS = ("exp", "log", "sqrt")
_MAX_LENGTH = 2000
_MAX_EXPONENT = 64
_MAX_BITS = 4096  # of a number raised to a power
_LEGAL = "legal are numbers, names, + - * / **, parentheses, exp, log and sqrt"
_NAME = re.compile(r"[^\W\d]\w*")


def parse_formula(text: str, names: Collection[str] | None = None) -> Any:
    """Read a formula into a sympy expression, without evaluating any code.

    Parameters
    ----------
    text : str
        Arithmetic (``+ - * / **``, parentheses) on numbers and names, and the functions exp, log
        (natural) and sqrt, such as ``"CL / V"``. Decimal numbers are taken exactly.
    names : collection of str, optional
        Names that may occur; any when missing.

    Returns
    -------
    sympy.Expr
        Names are real symbols (see `symbol`).

    Raises
    ------
    KineticsError
        If the text is not such a formula, names something unknown, or is not finite and real.

    Examples
    --------
    >>> parse_formula("CL / V + 0.5", ["CL", "V"])
    CL/V + 1/2
    """
    import sympy

    if not isinstance(text, str) or not text.strip():
        raise KineticsError(f"a formula must be text such as 'CL / V', got {text!r}")
    if len(text) > _MAX_LENGTH:
        raise KineticsError(f"formula of {len(text)} characters; at most {_MAX_LENGTH} are legal")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        value = _converted(tree.body, text, names)
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        if isinstance(error, KineticsError):
            raise
        raise KineticsError(f"cannot read the formula {text!r}; {_LEGAL}") from None
    if value.has(sympy.zoo, sympy.oo, -sympy.oo, sympy.nan, sympy.I):
        raise KineticsError(f"the formula {text!r} is not a finite real number")
    return value


def symbol(name: str) -> Any:
    """Sympy symbol of a parameter, compartment or variable of time: always real."""
    import sympy

    if not _NAME.fullmatch(name) or name in FUNCTIONS:
        raise KineticsError(
            f"{name!r} is no legal name: letters, digits and _ without a leading digit, "
            f"not {', '.join(FUNCTIONS)}"
        )
    return sympy.Symbol(name, real=True)


def names_in(expression: Any) -> tuple[str, ...]:
    """Names that occur in a sympy expression, sorted."""
    return tuple(sorted(s.name for s in expression.free_symbols))


def _converted(node: ast.expr, text: str, names: Collection[str] | None) -> Any:
    if isinstance(node, ast.Constant):
        return _number(node.value, text)
    if isinstance(node, ast.Name):
        return _named(node.id, text, names)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
        value = _converted(node.operand, text, names)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        left, right = (_converted(x, text, names) for x in (node.left, node.right))
        return _arithmetic(node.op, left, right, text)
    if isinstance(node, ast.Call):
        return _called(node, text, names)
    raise KineticsError(f"{ast.unparse(node)!r} is not legal in the formula {text!r}; {_LEGAL}")


def _number(value: object, text: str) -> Any:
    import sympy

    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KineticsError(f"{value!r} is no number in the formula {text!r}")
    if not math.isfinite(value):
        raise KineticsError(f"the formula {text!r} is not a finite real number")
    return sympy.Integer(value) if isinstance(value, int) else sympy.Rational(repr(value))


def _named(name: str, text: str, names: Collection[str] | None) -> Any:
    if names is not None and name not in names:
        raise KineticsError(
            f"unknown name {name!r} in the formula {text!r}; known are {', '.join(names) or 'none'}"
        )
    return symbol(name)


def _arithmetic(operator: ast.operator, left: Any, right: Any, text: str) -> Any:
    if isinstance(operator, ast.Add):
        return left + right
    if isinstance(operator, ast.Sub):
        return left - right
    if isinstance(operator, ast.Mult):
        return left * right
    if isinstance(operator, ast.Div):
        return left / right
    if isinstance(operator, ast.Pow):
        return _power(left, right, text)
    hint = "write ** for a power" if isinstance(operator, ast.BitXor) else _LEGAL
    raise KineticsError(f"operator not legal in the formula {text!r}; {hint}")


def _power(base: Any, exponent: Any, text: str) -> Any:
    if exponent.is_number:
        if not exponent.is_Rational:
            raise KineticsError(f"an exponent must be rational or a name in the formula {text!r}")
        bits = 0
        if base.is_Rational:
            bits = max(int(base.p).bit_length(), int(base.q).bit_length())
        if abs(exponent) > _MAX_EXPONENT or bits * abs(exponent) > _MAX_BITS:
            raise KineticsError(f"power too large in the formula {text!r}")
    return base**exponent


def _called(node: ast.Call, text: str, names: Collection[str] | None) -> Any:
    import sympy

    function = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if function not in FUNCTIONS or len(node.args) != 1 or node.keywords:
        raise KineticsError(
            f"{ast.unparse(node)!r} is not legal in the formula {text!r}; functions are "
            f"{', '.join(FUNCTIONS)}, each of one argument"
        )
    return getattr(sympy, function)(_converted(node.args[0], text, names))
