"""Models of named compartments: written as text, solved exactly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.structures.compartment_text import (
    as_factor,
    check_compartments,
    check_parameters,
    read_rate,
    read_weights,
)
from kinetics.structures.formula import names_in, parse_formula, symbol
from kinetics.structures.rate_matrix import rate_matrix_amounts, rate_matrix_curves

if TYPE_CHECKING:
    from kinetics.structures.structure import Structure


@dataclass(frozen=True, eq=False)
class CompartmentModel:
    r"""A linear compartment model, :math:`\dot x = K x`, observed as sums of compartments.

    Parameters
    ----------
    compartments : tuple of str
        Names of the compartments; doses go into the first unless said otherwise.
    transfers : mapping of (str, str) to str
        Rate (1/h) from one compartment to another: a parameter, or arithmetic on parameters such
        as ``"Q / V"`` (see `kinetics.structures.formula.parse_formula`).
    observed : mapping of str to str
        What is measured: compartments times formulas of parameters, such as ``"blood / V"`` or
        ``"blood + kidneys"``.
    elimination : mapping of str to str
        Rate out of the system from a compartment.
    decay_per_h : float
        Physical decay of every compartment (1/h).
    parameters : tuple of str
        Order of the parameters; that of their first mention when missing.
    name : str
        Name of the model.

    Raises
    ------
    KineticsError
        If a name is unknown or taken twice, a compartment feeds itself, a formula is not legal,
        or what is observed is not a weighted sum of compartments.

    Examples
    --------
    >>> model = CompartmentModel(
    ...     compartments=("blood", "kidneys"),
    ...     transfers={("blood", "kidneys"): "k12", ("kidneys", "blood"): "k21"},
    ...     elimination={"blood": "CL / V"},
    ...     observed={"blood": "blood / V", "kidneys": "kidneys"},
    ... )
    >>> print(model)
    compartment model with the parameters k12, k21, CL, V
    d blood/dt = k21*kidneys - k12*blood - (CL/V)*blood
    d kidneys/dt = k12*blood - k21*kidneys
    observed blood = blood/V
    observed kidneys = kidneys
    >>> curves = model.curves({"k12": 0.2, "k21": 0.05, "CL": 1.5, "V": 5.0}, amount=100.0)
    >>> curves["blood"].integral().round(6)  # amount / CL
    np.float64(66.666667)
    """

    compartments: tuple[str, ...]
    transfers: Mapping[tuple[str, str], str] = field(default_factory=dict)
    observed: Mapping[str, str] = field(default_factory=dict)
    elimination: Mapping[str, str] = field(default_factory=dict)
    decay_per_h: float = 0.0
    parameters: tuple[str, ...] = ()
    name: str = "compartment model"

    def __post_init__(self) -> None:
        object.__setattr__(self, "compartments", tuple(self.compartments))
        for name in ("transfers", "elimination", "observed"):
            object.__setattr__(self, name, dict(getattr(self, name)))
        object.__setattr__(self, "decay_per_h", float(self.decay_per_h))
        check_compartments(self)
        found: dict[str, None] = {}
        for rate in (*self.rates.values(), *(x for row in self.weights.values() for x in row)):
            found |= dict.fromkeys(names_in(rate))
        check_parameters(self, tuple(found))
        object.__setattr__(self, "parameters", tuple(self.parameters or self._first_mention(found)))

    def _first_mention(self, found: Mapping[str, None]) -> tuple[str, ...]:
        """Parameters in the order of their first mention in the text of the model."""
        text = " ".join(
            [*self.transfers.values(), *self.elimination.values(), *self.observed.values()]
        )
        return tuple(dict.fromkeys(x for x in re.findall(r"[^\W\d]\w*", text) if x in found))

    @cached_property
    def rates(self) -> dict[tuple[str, str | None], Any]:
        """Rate of each flow (from, to) as a sympy expression; to is None for elimination."""
        flows: dict[tuple[str, str | None], Any] = {}
        for (source, target), text in self.transfers.items():
            flows[source, target] = read_rate(text, self.compartments)
        for source, text in self.elimination.items():
            flows[source, None] = read_rate(text, self.compartments)
        return flows

    @cached_property
    def weights(self) -> dict[str, tuple[Any, ...]]:
        """Weight of each compartment in what is observed, as sympy expressions."""
        return {
            name: read_weights(name, text, self.compartments)
            for name, text in self.observed.items()
        }

    def equations(self) -> str:
        """Differential equations and observations, one a line."""
        lines = []
        for compartment in self.compartments:
            terms = [
                f"+ {as_factor(rate)}*{source}"
                for (source, target), rate in self.rates.items()
                if target == compartment
            ]
            terms += [
                f"- {as_factor(rate)}*{compartment}"
                for (source, _), rate in self.rates.items()
                if source == compartment
            ]
            if self.decay_per_h:
                terms.append(f"- {self.decay_per_h:.6g}*{compartment}")
            right = " ".join(terms).removeprefix("+ ") or "0"
            lines.append(f"d {compartment}/dt = {right}")
        for name, text in self.observed.items():
            lines.append(f"observed {name} = {parse_formula(text)}")
        return "\n".join(lines)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but the compiled function."""
        return {name: value for name, value in vars(self).items() if name != "_evaluate"}

    def __str__(self) -> str:
        return f"{self.name} with the parameters {', '.join(self.parameters)}\n{self.equations()}"

    def index(self, compartment: str) -> int:
        """Position of a compartment."""
        if compartment not in self.compartments:
            raise KineticsError(
                f"no compartment {compartment!r}; there are {', '.join(self.compartments)}"
            )
        return self.compartments.index(compartment)

    def check_reach(self, dosed: Sequence[str]) -> None:
        """Raise unless everything observed receives something of doses into `dosed`."""
        reached = {self.compartments[self.index(c)] for c in dosed}
        for _ in self.compartments:
            reached |= {target for source, target in self.transfers if source in reached}
        for name, row in self.weights.items():
            seen = [c for c, w in zip(self.compartments, row, strict=True) if w != 0]
            if not reached & set(seen):
                raise KineticsError(
                    f"observed {name!r} lies in {', '.join(seen)}, where nothing arrives from "
                    f"{', '.join(dosed)}"
                )

    def curves(
        self,
        parameters: Mapping[str, npt.ArrayLike],
        *,
        dosed: str | None = None,
        amount: npt.ArrayLike = 1.0,
    ) -> dict[str, SumOfExponentials]:
        """What is observed after a bolus, as exact sums of exponentials.

        Parameters
        ----------
        parameters : mapping of str to array_like, shape (...)
            Every parameter by name; draws broadcast.
        dosed : str, optional
            Compartment of the bolus; the first when missing.
        amount : array_like, shape (...)
            Amount of the bolus (MBq).

        Returns
        -------
        dict of str to SumOfExponentials, leading axes (...)
            Physical decay at `decay_per_h` is included.

        Raises
        ------
        KineticsError
            If rates are complex (exchange in a circle): use `amounts` instead.
        """
        k, weight, start = self._numbers(parameters, dosed, amount)
        try:
            content = rate_matrix_curves(k, start)
        except KineticsError as error:
            raise KineticsError(
                f"{self.name}: {error}; CompartmentModel.amounts gives them"
            ) from None
        amplitude = np.einsum("...rc,...ce->...re", weight, content.amplitude)
        rate = content.rate_per_h[..., 0, :]
        return {
            name: SumOfExponentials(amplitude[..., r, :], rate)
            for r, name in enumerate(self.observed)
        }

    def amounts(
        self,
        parameters: Mapping[str, npt.ArrayLike],
        time_h: npt.ArrayLike,
        *,
        dosed: str | None = None,
        amount: npt.ArrayLike = 1.0,
    ) -> dict[str, FloatArray]:
        """What is observed at some times after a bolus, whatever the rates are.

        Parameters
        ----------
        parameters : mapping of str to array_like, shape (...)
            Every parameter by name; draws broadcast.
        time_h : array_like, shape (n_times,)
            Times (h).
        dosed : str, optional
            Compartment of the bolus; the first when missing.
        amount : array_like, shape (...)
            Amount of the bolus (MBq).

        Returns
        -------
        dict of str to ndarray, shape (..., n_times)
        """
        k, weight, start = self._numbers(parameters, dosed, amount)
        content = rate_matrix_amounts(k, start, time_h)
        seen = np.einsum("...rc,...ct->...rt", weight, content)
        return {name: seen[..., r, :] for r, name in enumerate(self.observed)}

    def structure(
        self,
        *,
        dosed: str | Sequence[str] | None = None,
        lag: Mapping[str, str] | None = None,
        bioavailability: Mapping[str, str] | None = None,
        modelled_rate: Mapping[str, str] | None = None,
        modelled_duration: Mapping[str, str] | None = None,
    ) -> Structure:
        """The model for the population engine: compiled predictions with derivatives.

        Parameters
        ----------
        dosed : str or sequence of str, optional
            Compartments that doses may go into, in the order of the compartment index of the dose
            table; all compartments in their order when missing.
        lag, bioavailability, modelled_rate, modelled_duration : mapping of str to str, optional
            Parameter (a new name, or one of the model) that is the lag (h), the bioavailability,
            or the rate (amount/h) or duration (h) of infusions into a dosed compartment.

        Returns
        -------
        kinetics.structures.structure.Structure
        """
        from kinetics.structures.linear_structure import linear_structure

        return linear_structure(
            self,
            (dosed,) if isinstance(dosed, str) else tuple(dosed or self.compartments),
            (lag or {}, bioavailability or {}, modelled_rate or {}, modelled_duration or {}),
        )

    @cached_property
    def _evaluate(self) -> Any:
        """Compiled numpy function of the parameters: all rates, then all weights."""
        import sympy

        expressions = [*self.rates.values(), *(x for row in self.weights.values() for x in row)]
        return sympy.lambdify([symbol(p) for p in self.parameters], expressions, "numpy")

    def _numbers(
        self, parameters: Mapping[str, npt.ArrayLike], dosed: str | None, amount: npt.ArrayLike
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Rate matrices (..., n, n), weights (..., n_observed, n), start (..., n)."""
        target = dosed or self.compartments[0]
        self.check_reach([target])
        values = _checked_values(self, parameters)
        given = np.asarray(amount, dtype=np.float64)
        try:
            shape = np.broadcast_shapes(given.shape, *(v.shape for v in values))
        except ValueError:
            raise KineticsError("parameters and amount do not broadcast") from None
        with np.errstate(all="ignore"):
            results = [np.broadcast_to(x, shape) for x in self._evaluate(*values)]
        n, n_rates = len(self.compartments), len(self.rates)
        k = np.zeros((*shape, n, n))
        for (source, to), rate in zip(self.rates, results, strict=False):
            if not (np.isfinite(rate) & (rate >= 0)).all():
                raise KineticsError(
                    f"the rate from {source} to {to or 'outside'} must be finite and not negative"
                )
            j = self.index(source)
            k[..., j, j] -= rate
            if to is not None:
                k[..., self.index(to), j] += rate
        k[..., range(n), range(n)] -= self.decay_per_h
        weight = np.stack(results[n_rates:], axis=-1).reshape(*shape, len(self.observed), n)
        if not np.isfinite(weight).all():
            raise KineticsError("what is observed is not finite for some parameter set")
        start = np.zeros((*shape, n))
        start[..., self.index(target)] = given
        return k, weight, start


def _checked_values(
    model: CompartmentModel, parameters: Mapping[str, npt.ArrayLike]
) -> list[FloatArray]:
    """Parameter values in the order of the model."""
    if set(parameters) != set(model.parameters):
        raise KineticsError(
            f"{model.name} has the parameters {', '.join(model.parameters)}; "
            f"given were {', '.join(parameters)}"
        )
    return [np.asarray(parameters[name], dtype=np.float64) for name in model.parameters]
