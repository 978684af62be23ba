"""The structural model of a population: from one parameter set to predictions with derivatives.

A structure is a compiled function with one signature, whatever the model behind it (closed form,
rate matrix, differential equation, formula), so that the estimators are compiled once for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError

# Columns of the dose table, one row a dose, in order of time.
DOSE_COLUMNS = (
    "time_h",
    "amount",
    "compartment",  # index from 0
    "rate",  # amount per hour; 0 bolus, -1 rate is a parameter, -2 duration is a parameter
    "steady_state",  # 0 no, 1 replaces the state, 2 adds to it
    "interval_h",  # between repeated doses
    "additional",  # number of further doses
    "reset",  # 1 empties the system just before the dose
)
# Columns of the observation table.
ROW_COLUMNS = ("time_h", "region")


@dataclass(frozen=True, eq=False)
class Structure:
    """A structural model.

    Attributes
    ----------
    name : str
        Name of the model.
    parameters : tuple of str
        Names of the structural parameters, in the order of `predict`.
    regions : tuple of str
        What is observed; the region of an observation is an index into it.
    predict : callable
        Compiled ``predict(parameter (p,), rows (n, 2), doses (d, 8), value (n,),
        jacobian (n, p))``; writes the prediction of each row and its derivative by each
        parameter. Columns: `ROW_COLUMNS`, `DOSE_COLUMNS`.
    equations : str
        The model in readable equations.
    needs_dose : bool
        Whether predictions are proportional to doses (False: a formula in time alone).
    curves : callable, optional
        ``curves(parameter (..., p))`` gives the response of each region to a bolus of one unit
        into the first compartment; None where it is not a sum of exponentials.
    """

    name: str
    parameters: tuple[str, ...]
    regions: tuple[str, ...]
    predict: Any = field(repr=False)
    equations: str = ""
    needs_dose: bool = True
    curves: Callable[[FloatArray], Mapping[str, SumOfExponentials]] | None = field(
        default=None, repr=False
    )

    def __call__(
        self,
        parameter: Mapping[str, float],
        time_h: npt.ArrayLike,
        *,
        region: str | None = None,
        doses: npt.ArrayLike | None = None,
    ) -> FloatArray:
        """Predictions at some times for one parameter set.

        Parameters
        ----------
        parameter : mapping of str to float
            Every structural parameter by name.
        time_h : array_like, shape (n_times,)
            Times (h).
        region : str, optional
            Observed region; the first when missing.
        doses : array_like, shape (n_doses, 8), optional
            Dose table (see `dose_table`); a bolus of one unit at time 0 when missing.

        Returns
        -------
        ndarray, shape (n_times,)
        """
        if set(parameter) != set(self.parameters):
            raise KineticsError(
                f"{self.name} has the parameters {', '.join(self.parameters)}; "
                f"given were {', '.join(parameter)}"
            )
        if region is not None and region not in self.regions:
            raise KineticsError(
                f"{self.name} has no region {region!r}; it has {', '.join(self.regions)}"
            )
        time = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
        index = 0 if region is None else self.regions.index(region)
        rows = np.column_stack([time, np.full(len(time), float(index))])
        table = dose_table() if doses is None else np.asarray(doses, dtype=np.float64)
        value, jacobian = np.empty(len(time)), np.empty((len(time), len(self.parameters)))
        self.predict(
            np.array([float(parameter[name]) for name in self.parameters]),
            rows, np.ascontiguousarray(table), value, jacobian,
        )  # fmt: skip
        return value


def dose_table(**columns: npt.ArrayLike) -> FloatArray:
    """Dose table, shape (n_doses, 8), from columns by name; a unit bolus at time 0 by default.

    Examples
    --------
    >>> dose_table(time_h=[0.0, 12.0], amount=100.0)[:, :3]
    array([[  0., 100.,   0.],
           [ 12., 100.,   0.]])
    """
    unknown = set(columns) - set(DOSE_COLUMNS)
    if unknown:
        raise KineticsError(
            f"unknown dose columns {', '.join(sorted(unknown))}; legal: {', '.join(DOSE_COLUMNS)}"
        )
    given = {"time_h": 0.0, "amount": 1.0, **columns}
    values = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(given.get(name, 0.0), dtype=np.float64))
            for name in DOSE_COLUMNS
        )
    )
    return np.ascontiguousarray(np.column_stack(values))
