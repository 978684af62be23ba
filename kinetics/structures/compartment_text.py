"""Check and read the text that a compartment model is written in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from kinetics.errors import KineticsError
from kinetics.structures.formula import names_in, parse_formula, symbol

if TYPE_CHECKING:
    from kinetics.structures.compartments import CompartmentModel


def check_compartments(model: CompartmentModel) -> None:
    """Names of compartments, and the compartments that flows name."""
    if not model.compartments or not model.observed:
        raise KineticsError("a compartment model needs compartments and something observed")
    if len(set(model.compartments)) < len(model.compartments):
        raise KineticsError(f"compartments must differ, got {', '.join(model.compartments)}")
    for name in model.compartments:
        symbol(name)
    for pair in model.transfers:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise KineticsError(f"a transfer is named (from, to), got {pair!r}")
        if pair[0] == pair[1]:
            raise KineticsError(f"{pair[0]!r} cannot feed itself")
        for name in pair:
            model.index(name)
    for name in model.elimination:
        model.index(name)
    if not (math.isfinite(model.decay_per_h) and model.decay_per_h >= 0):
        raise KineticsError(f"decay_per_h must be zero or positive, got {model.decay_per_h:g}")


def check_parameters(model: CompartmentModel, found: tuple[str, ...]) -> None:
    """An order given by the user names each parameter once."""
    given = tuple(model.parameters)
    if len(set(given)) < len(given):
        raise KineticsError(f"parameters must differ, got {', '.join(given)}")
    if given and set(given) != set(found):
        raise KineticsError(
            f"parameters were given as {', '.join(given)}, the formulas name {', '.join(found)}"
        )


def read_rate(text: str, compartments: tuple[str, ...]) -> Any:
    """Rate as a sympy expression of parameters."""
    rate = parse_formula(text)
    if taken := set(names_in(rate)) & set(compartments):
        raise KineticsError(
            f"the rate {text!r} names the compartment {', '.join(sorted(taken))}; "
            "rates are formulas of parameters"
        )
    if rate.is_number and not rate > 0:
        raise KineticsError(f"a rate must be positive, got {text!r}")
    return rate


def read_weights(name: str, text: str, compartments: tuple[str, ...]) -> tuple[Any, ...]:
    """Weight of each compartment in an observed sum, as sympy expressions of parameters."""
    import sympy

    formula = parse_formula(text)
    contents = [symbol(c) for c in compartments]
    row = tuple(sympy.simplify(sympy.diff(formula, c)) for c in contents)
    rest = sympy.simplify(formula - sum(w * c for w, c in zip(row, contents, strict=True)))
    linear = all(not w.has(*contents) for w in row) and rest == 0
    if not linear or all(w == 0 for w in row):
        raise KineticsError(
            f"observed {name!r} must be a weighted sum of compartments "
            f"({', '.join(compartments)}), got {text!r}"
        )
    return row


def as_factor(rate: Any) -> str:
    """Text of a rate before a multiplication sign."""
    return str(rate) if rate.is_Symbol or rate.is_number else f"({rate})"
