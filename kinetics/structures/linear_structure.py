"""Compartment models as compiled structures: the source of their predictions, written by sympy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.structures.codegen import compiled_predict, python_text
from kinetics.structures.formula import symbol
from kinetics.structures.rate_matrix import exchange_plan
from kinetics.structures.structure import Structure
from kinetics.structures.transfer import observation_matrix, rate_matrix

if TYPE_CHECKING:
    from kinetics.structures.compartments import CompartmentModel

_QUANTITIES = ("lag", "bioavailability", "modelled_rate", "modelled_duration")
_DEFAULTS = (0.0, 1.0, 0.0, 0.0)
_MODULE = '''"""{title}"""

import math

import numpy as np
from numba import njit

from kinetics.structures._predict_signature import PREDICT
from kinetics.structures._structure_kernels import linear_predict

DOSED = np.array({dosed})
ORDER = np.array({order}, dtype=np.int64)
PARENT = np.array({parent}, dtype=np.int64)
DOSING_INDEX = np.array({dosing_index})


@njit([PREDICT], cache=True, error_model="numpy")
def predict(parameter, rows, doses, value, jacobian):
    k = np.zeros(({n}, {n}))
    dk = np.zeros(({p}, {n}, {n}))
    c = np.zeros(({r}, {n}))
    dc = np.zeros(({p}, {r}, {n}))
    dosing = np.array({dosing})
{body}
    linear_predict(
        k, dk, c, dc, dosing, DOSING_INDEX, DOSED, ORDER, PARENT, {one_way},
        rows, doses, value, jacobian,
    )
'''


def linear_structure(
    model: CompartmentModel, dosed: tuple[str, ...], quantities: tuple[Mapping[str, str], ...]
) -> Structure:
    """Structure of a compartment model.

    Parameters
    ----------
    model : CompartmentModel
        The model.
    dosed : tuple of str
        Compartments that doses may go into, in the order of the dose table's index.
    quantities : tuple of mapping of str to str
        Parameters that are the lag, bioavailability, infusion rate and infusion duration of
        dosed compartments.
    """
    if len(set(dosed)) < len(dosed):
        raise KineticsError(f"dosed compartments must differ, got {', '.join(dosed)}")
    model.check_reach(dosed)
    for quantity, chosen in zip(_QUANTITIES, quantities, strict=True):
        for compartment, name in chosen.items():
            symbol(name)
            if compartment not in dosed:
                raise KineticsError(
                    f"{quantity} names {compartment!r}, which is not dosed; "
                    f"dosed are {', '.join(dosed)}"
                )
    extra = [name for chosen in quantities for name in chosen.values()]
    parameters = tuple(dict.fromkeys([*model.parameters, *extra]))
    index = np.array(
        [[parameters.index(q[c]) if c in q else -1 for q in quantities] for c in dosed]
    )
    source = _source(model, parameters, dosed, index)
    equations = [model.equations()]
    for quantity, chosen in zip(_QUANTITIES, quantities, strict=True):
        equations += [f"{quantity} of {c} = {name}" for c, name in chosen.items()]
    return Structure(
        name=model.name,
        parameters=parameters,
        regions=tuple(model.observed),
        predict=compiled_predict(source, model.name),
        equations="\n".join(equations),
        curves=_curves(model, parameters, dosed[0], quantities),
    )


def _curves(
    model: CompartmentModel,
    parameters: tuple[str, ...],
    dosed: str,
    quantities: tuple[Mapping[str, str], ...],
) -> Callable[[FloatArray], Mapping[str, SumOfExponentials]] | None:
    """Responses to a unit bolus; none where it is delayed."""
    lag, bioavailability = quantities[:2]
    if dosed in lag:
        return None

    def curves(parameter: FloatArray) -> Mapping[str, SumOfExponentials]:
        values = {name: parameter[..., i] for i, name in enumerate(parameters)}
        amount = values[bioavailability[dosed]] if dosed in bioavailability else 1.0
        return model.curves({n: values[n] for n in model.parameters}, dosed=dosed, amount=amount)

    return curves


def _source(
    model: CompartmentModel, parameters: tuple[str, ...], dosed: tuple[str, ...], index: Any
) -> str:
    """Text of the module that predicts the model."""
    k, c = rate_matrix(model), observation_matrix(model)
    places = {name: f"parameter[{i}]" for i, name in enumerate(parameters)}
    plan = exchange_plan([[bool(x != 0) for x in row] for row in k.tolist()])
    dosing = [
        [f"parameter[{i}]" if i >= 0 else repr(d) for i, d in zip(row, _DEFAULTS, strict=True)]
        for row in index.tolist()
    ]
    return _MODULE.format(
        title=f"Predictions of a generated model: {len(k.tolist())} compartments.",
        dosed=[model.index(name) for name in dosed],
        order=plan.order.tolist(),
        parent=plan.parent.tolist(),
        one_way=plan.one_way,
        dosing_index=index.tolist(),
        dosing=f"[{', '.join('[' + ', '.join(row) + ']' for row in dosing)}]",
        n=k.rows,
        p=len(parameters),
        r=c.rows,
        body="\n".join(f"    {line}" for line in _assignments(k, c, parameters, places)),
    )


def _assignments(k: Any, c: Any, parameters: tuple[str, ...], places: dict[str, str]) -> list[str]:
    """Statements that fill k, dk, c and dc; common parts are computed once."""
    import sympy

    entries: list[tuple[str, Any]] = []
    for name, matrix in (("k", k), ("c", c)):
        for i in range(matrix.rows):
            for j in range(matrix.cols):
                expression = matrix[i, j]
                entries.append((f"{name}[{i}, {j}]", expression))
                for p, parameter in enumerate(parameters):
                    slope = sympy.diff(expression, symbol(parameter))
                    entries.append((f"d{name}[{p}, {i}, {j}]", slope))
    entries = [(target, value) for target, value in entries if value != 0]
    taken = [symbol(name) for name in parameters]
    common, reduced = sympy.cse(
        [value for _, value in entries], symbols=sympy.numbered_symbols("part", exclude=taken)
    )
    lines = [f"{part.name} = {python_text(value, places)}" for part, value in common]
    lines += [
        f"{target} = {python_text(value, places)}"
        for (target, _), value in zip(entries, reduced, strict=True)
    ]
    return lines
