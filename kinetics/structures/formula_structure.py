"""A structural model from a formula in time, written as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kinetics.errors import KineticsError
from kinetics.structures.codegen import compiled_predict, python_text
from kinetics.structures.formula import names_in, parse_formula, symbol
from kinetics.structures.structure import Structure

_MODULE = '''"""Generated: {name}."""

import math

from numba import njit

from kinetics.structures._predict_signature import PREDICT


@njit([PREDICT], cache=True, error_model="numpy")
def predict(parameter, rows, doses, value, jacobian):
    for row in range(rows.shape[0]):
        region = int(rows[row, 1])
{body}
'''


def formula_structure(
    formulas: str | Mapping[str, str], parameters: Sequence[str], *, name: str = "formula"
) -> Structure:
    """Structural model from one formula for each observed region.

    Parameters
    ----------
    formulas : str or mapping of str to str
        Formula of the region "blood", or of each region by name: arithmetic, exp, log and sqrt of
        the parameters, of ``t`` (time, h) and of ``dose``. Where ``dose`` occurs the prediction is
        the sum over all doses given so far, each a bolus, with t the time since that dose;
        infusions, repeated and steady-state doses need a compartment model.
    parameters : sequence of str
        Names of the structural parameters, in order.
    name : str
        Name of the model.

    Returns
    -------
    Structure

    Raises
    ------
    KineticsError
        If a formula cannot be read, names something unknown or leaves a parameter out.

    Notes
    -----
    Derivatives are derived by sympy; the function is compiled once and kept on disk.

    Examples
    --------
    >>> washout = formula_structure("a * exp(-k * t)", ["a", "k"])
    >>> washout({"a": 8.0, "k": 0.1}, [0.0, 10.0]).round(4)
    array([8.   , 2.943])
    """
    table = {"blood": formulas} if isinstance(formulas, str) else dict(formulas)
    names = tuple(parameters)
    if len(set(names)) != len(names) or {"t", "dose"} & set(names):
        raise KineticsError("parameters must have different names, none of them t or dose")
    if not table:
        raise KineticsError("a structure needs at least one formula")
    parsed = {region: parse_formula(text, (*names, "t", "dose")) for region, text in table.items()}
    used = {n for expression in parsed.values() for n in names_in(expression)}
    if unused := set(names) - used:
        raise KineticsError(f"no formula contains the parameter {', '.join(sorted(unused))}")
    body = "\n".join(
        _region(index, expression, names) for index, expression in enumerate(parsed.values())
    )
    return Structure(
        name=name,
        parameters=names,
        regions=tuple(parsed),
        predict=compiled_predict(_MODULE.format(name=name, body=body), name),
        equations="\n".join(f"f_{region} = {text}" for region, text in table.items()),
        needs_dose="dose" in used,
    )


def _region(index: int, expression: Any, names: tuple[str, ...]) -> str:
    """Source that predicts one region with its derivatives, common subexpressions taken out."""
    import sympy

    outputs = [expression, *(sympy.diff(expression, symbol(n)) for n in names)]
    shared, reduced = sympy.cse(outputs, symbols=sympy.numbered_symbols("x", real=True))
    places = {n: f"parameter[{j}]" for j, n in enumerate(names)} | {
        "t": "since", "dose": "doses[d, 1]"
    }  # fmt: skip
    by_dose = "dose" in names_in(expression)
    steps = [f"{s.name} = {python_text(e, places)}" for s, e in shared]
    targets = ["value[row]", *(f"jacobian[row, {j}]" for j in range(len(names)))]
    sums = [f"{target} {'+=' if by_dose else '='} {python_text(e, places)}"
            for target, e in zip(targets, reduced, strict=True)]  # fmt: skip
    lines = [f"if region == {index}:"]
    if by_dose:
        lines += [f"    {target} = 0.0" for target in targets]
        lines += ["    for d in range(doses.shape[0]):",
                  "        since = rows[row, 0] - doses[d, 0]",
                  "        if since >= 0.0:"]  # fmt: skip
        lines += [f"            {line}" for line in (*steps, *sums)]
    else:
        lines += ["    since = rows[row, 0]", *(f"    {line}" for line in (*steps, *sums))]
    return "\n".join(f"        {line}" for line in lines)
