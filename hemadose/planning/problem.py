"""The checked input of a decision: the grid, the constraints and the fixed limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.recommendation import BoolArray, Constraint, FloatArray, IntArray
from hemadose.planning.rules import LabelDecision

ROUNDING = 1e-9  # GBq, and counts of draws

_LABEL_CODE = {"treat": 0, "reduce": 0, "hold": 1, "stop": 2}


@dataclass(frozen=True, eq=False)
class Problem:
    """The grid and the fixed limits, checked.

    ``useful`` is the index of the lowest activity worth giving; ``n_cap`` and ``n_label`` count
    the activities up to the hard cap and up to the label's maximum.
    """

    activity: FloatArray
    interval: FloatArray
    constraints: tuple[Constraint, ...]
    tolerance: FloatArray
    cumulative: BoolArray
    useful: int
    n_cap: int
    n_label: int
    label_code: int


class Choice(NamedTuple):
    """Decisions, one for each resample: index of the action, of the activity, of the interval.

    The last two are those of the highest tolerated activity, -1 if there is none, also where the
    action is not to treat. ``n_tolerated`` counts the tolerated activities, shape (..., n_c, n_i).
    """

    action: IntArray
    activity: IntArray
    interval: IntArray
    model_action: IntArray
    model_activity: IntArray
    model_interval: IntArray
    n_tolerated: IntArray


def _grid(name: str, values: npt.ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise HemadosePlanningError(f"{name} needs one or more values, got shape {array.shape}")
    if not np.isfinite(array).all() or array[0] < 0 or (np.diff(array) <= 0).any():
        raise HemadosePlanningError(f"{name} must be finite, not negative and ascending")
    return array


def checked_problem(
    activity_gbq: npt.ArrayLike,
    interval_days: npt.ArrayLike,
    constraints: Sequence[Constraint],
    hard_cap_gbq: float,
    useful_gbq: float,
    label: LabelDecision,
) -> Problem:
    """Check what was given and put it together."""
    activity = _grid("activity_gbq", activity_gbq)
    interval = _grid("interval_days", interval_days)
    for name, value in (("hard cap", hard_cap_gbq), ("lowest useful activity", useful_gbq)):
        if not (np.isfinite(value) and value > 0):
            raise HemadosePlanningError(f"the {name} must be above 0 GBq, got {value:g}")
    if hard_cap_gbq < useful_gbq:
        raise HemadosePlanningError(
            f"the hard cap ({hard_cap_gbq:g} GBq) lies below the lowest useful activity "
            f"({useful_gbq:g} GBq); raise the one or lower the other"
        )
    useful = int((activity < useful_gbq - ROUNDING).sum())
    n_cap = int((activity <= hard_cap_gbq + ROUNDING).sum())
    if n_cap <= useful:
        raise HemadosePlanningError(
            f"no activity of the grid lies between the lowest useful one ({useful_gbq:g} GBq) and "
            f"the hard cap ({hard_cap_gbq:g} GBq)"
        )
    _check_constraints(constraints, (len(interval), len(activity)))
    label_code = _LABEL_CODE[label.action]
    n_label = int((activity <= label.max_activity_gbq + ROUNDING).sum())
    return Problem(
        activity=activity,
        interval=interval,
        constraints=tuple(constraints),
        tolerance=np.array([c.tolerance for c in constraints]),
        cumulative=np.array([c.cumulative for c in constraints]),
        useful=useful,
        n_cap=n_cap,
        n_label=n_label if label_code == 0 else len(activity),
        label_code=label_code,
    )


def _check_constraints(constraints: Sequence[Constraint], grid: tuple[int, int]) -> None:
    if not constraints:
        raise HemadosePlanningError("at least one constraint is needed, got none")
    names = [c.name for c in constraints]
    if len(set(names)) < len(names):
        raise HemadosePlanningError(f"constraint names must be unique, got {', '.join(names)}")
    n_draws = constraints[0].exceeds.shape[-1]
    for c in constraints:
        if c.exceeds.shape != (*grid, n_draws):
            raise HemadosePlanningError(
                f"constraint {c.name!r} has shape {c.exceeds.shape}; the grid and the draws call "
                f"for {(*grid, n_draws)}"
            )


def checked_tumour_dose(dose_gy: npt.ArrayLike | None, shape: tuple[int, ...]) -> FloatArray | None:
    """Tumour doses that are finite and fit the grid."""
    if dose_gy is None:
        return None
    array = np.asarray(dose_gy, dtype=np.float64)
    if array.shape != shape:
        raise HemadosePlanningError(
            f"tumour_dose_gy has shape {array.shape}; the grid and the draws call for {shape}"
        )
    if not np.isfinite(array).all():
        raise HemadosePlanningError("tumour_dose_gy must be finite")
    return array


def checked_sample_size(size: float | None, n_draws: int, n_resamples: int) -> int:
    """Draws in a resample."""
    if n_resamples < 1:
        raise HemadosePlanningError(f"n_resamples must be 1 or more, got {n_resamples}")
    if size is None:
        return n_draws
    if not 1 <= size <= n_draws:
        raise HemadosePlanningError(
            f"effective_sample_size must lie between 1 and the number of draws ({n_draws}), "
            f"got {size:g}"
        )
    return round(size)
