"""What a plan consists of: its constraints, and the recommendation with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.rules import LabelDecision

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Action = Literal["treat", "hold", "stop"]
DecidedBy = Literal["model", "label", "hard cap", "policy"]
Change = Literal["none", "activity", "interval", "action"]


@dataclass(frozen=True, eq=False)
class Constraint:
    """A risk and how much of it is tolerated.

    Parameters
    ----------
    name : str
        Short unique name.
    text : str
        What exceeding means, in words, such as "platelets of grade 3 or above".
    limit : float
        The value that must not be exceeded, in `unit`.
    unit : str
        Unit of the limit ("" for a grade).
    tolerance : float
        Highest probability of exceeding that is accepted, between 0 and 1.
    exceeds : ndarray of bool, shape (n_intervals, n_activities, n_draws)
        Whether the limit is exceeded, for each draw.
    cumulative : bool
        Whether the quantity only adds up over cycles (a kidney BED), so that waiting cannot help.
    assumptions : tuple of str
        What the prediction rests on.

    Raises
    ------
    HemadosePlanningError
        If the tolerance or the array is not legal.
    """

    name: str
    text: str
    limit: float
    unit: str
    tolerance: float
    exceeds: BoolArray
    cumulative: bool = False
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        exceeds = np.asarray(self.exceeds)
        if not 0 < self.tolerance < 1:
            raise HemadosePlanningError(
                f"constraint {self.name!r}: the tolerance must lie between 0 and 1, "
                f"got {self.tolerance:g}"
            )
        if not np.isfinite(self.limit):
            raise HemadosePlanningError(f"constraint {self.name!r}: the limit must be finite")
        if exceeds.dtype != np.bool_:
            raise HemadosePlanningError(
                f"constraint {self.name!r}: exceeds must be boolean, got {exceeds.dtype}; compare "
                "with the limit first, so that NaN cannot pass as safe"
            )
        if exceeds.ndim != 3 or exceeds.size == 0:
            raise HemadosePlanningError(
                f"constraint {self.name!r}: exceeds needs the shape (n_intervals, n_activities, "
                f"n_draws), got {exceeds.shape}"
            )
        object.__setattr__(self, "exceeds", exceeds)

    @property
    def probability(self) -> FloatArray:
        """Share of draws that exceed the limit, shape (n_intervals, n_activities)."""
        return np.asarray(self.exceeds.mean(axis=-1), dtype=np.float64)


@dataclass(frozen=True)
class ConstraintMargin:
    """Where a constraint first exceeds its tolerance.

    Attributes
    ----------
    name : str
        Name of the constraint.
    activity_gbq : float
        Lowest activity of the grid that is not tolerated (GBq).
    probability, mc_standard_error, tolerance : float
        Risk at that activity, its Monte-Carlo standard error, and the tolerance.
    """

    name: str
    activity_gbq: float
    probability: float
    mc_standard_error: float
    tolerance: float


@dataclass(frozen=True)
class Alternative:
    """A decision and the share of resamples that made it."""

    action: Action
    activity_gbq: float
    interval_days: float | None
    frequency: float


@dataclass(frozen=True)
class TumourDose:
    """Expected tumour dose (Gy) at the recommended activity: mean and 90 % interval."""

    mean_gy: float
    lower_gy: float
    upper_gy: float


@dataclass(frozen=True)
class Variant:
    """The model's decision under one varied assumption.

    Attributes
    ----------
    assumption : str
        What is varied; "as planned" for the decision as it stands.
    factor : float
        By which factor.
    action : {"treat", "hold", "stop"}
        The decision then.
    activity_gbq : float
        Its activity (GBq).
    interval_days : float or None
        Its interval since the last cycle (days).
    change : {"none", "activity", "interval", "action"}
        What differs from the decision as planned, the gravest.
    """

    assumption: str
    factor: float
    action: Action
    activity_gbq: float
    interval_days: float | None
    change: Change


@dataclass(frozen=True)
class Measurement:
    """What one more measurement would be worth before the decision.

    Attributes
    ----------
    name : str
        The measurement.
    still_possible : bool
        Whether its time has not passed on the decision day.
    change_probability, change_error : float
        Probability that it changes the decision (action, interval, or activity by more than one
        step of the grid), and its Monte-Carlo error.
    change_by_chance : float
        The same of a measurement that tells nothing: what few effective draws alone do.
    activity_gain_gbq, activity_gain_error_gbq : float
        Expected change of the activity (GBq) and its Monte-Carlo error.
    tumour_gain_gy, tumour_gain_error_gy : float or None
        The same of the tumour dose of the next cycle (Gy); None without tumours.
    effective_sample_size : float
        Median number of draws that the reweighted ones are worth.
    status : str
        One sentence.
    """

    name: str
    still_possible: bool
    change_probability: float
    change_error: float
    change_by_chance: float
    activity_gain_gbq: float
    activity_gain_error_gbq: float
    tumour_gain_gy: float | None
    tumour_gain_error_gy: float | None
    effective_sample_size: float
    status: str


@dataclass(frozen=True)
class PolicyAnswer:
    """What another policy would do for this patient now.

    Attributes
    ----------
    policy : str
        Its name.
    text : str
        What it does, in words.
    action : {"treat", "hold", "stop"} or None
        Its decision; None where it does not apply.
    activity_gbq : float
        Its activity (GBq).
    interval_days : float or None
        Its interval since the last cycle (days); None unless "treat".
    limited_by : str
        What sets the action or limits the activity; where it does not apply, why.
    """

    policy: str
    text: str
    action: Action | None
    activity_gbq: float
    interval_days: float | None
    limited_by: str


@dataclass(frozen=True, eq=False)
class Recommendation:
    """The next cycle's activity and interval, and why.

    Attributes
    ----------
    action : {"treat", "hold", "stop"}
        What to do.
    activity_gbq : float
        Recommended activity (GBq), a point of the grid; 0 unless "treat".
    interval_days : float or None
        Recommended interval since the last cycle (days); None unless "treat".
    decided_by : {"model", "label", "hard cap", "policy"}
        What set the action or limits the activity; "policy" is one of study.yaml that is not
        overdose control.
    model_action, model_activity_gbq, model_interval_days
        The decision without the label's rules.
    label : LabelDecision
        What the label allows.
    binding : ConstraintMargin or None
        Constraint that forbids the next higher activity of the grid.
    next_constraint : ConstraintMargin or None
        The next one that would bind, and where; None if none does within the grid.
    grid_activity_gbq, grid_interval_days : ndarray
        The grid.
    constraint_names : tuple of str
        Names, in the order of the first axis of the arrays below.
    tolerances : ndarray, shape (n_constraints,)
        Tolerated probabilities.
    probability, mc_standard_error : ndarray, shape (n_constraints, n_intervals, n_activities)
        Risks and their Monte-Carlo standard errors (Laplace's rule, never zero).
    allowed : ndarray of bool, shape (n_intervals, n_activities)
        Whether all risks up to this activity are tolerated and the hard cap is kept.
    tumour_dose : TumourDose or None
        At the recommended activity; None if not treated or not given.
    stability : float
        Share of resamples of the draws with the same action, the same interval and the activity
        within one step of the grid.
    decision_changes : float
        One minus `stability`.
    alternatives : tuple of Alternative
        Every decision that a resample made, the most frequent first.
    near_threshold : tuple of str
        Constraints whose risk at the recommended or the next higher activity lies within two
        Monte-Carlo standard errors of the tolerance.
    reasons, assumptions : tuple of str
        Sentences for the reader.
    policy : str
        The policy that decided.
    firmness : str
        What flips or moves the decision, in one or two sentences; "" if it was not asked.
    variants : tuple of Variant
        The model's decision under varied assumptions; the first is the one as planned.
    measurements : tuple of Measurement
        What one more measurement would be worth.
    policies : tuple of PolicyAnswer
        What every policy would do now.
    """

    action: Action
    activity_gbq: float
    interval_days: float | None
    decided_by: DecidedBy
    model_action: Action
    model_activity_gbq: float
    model_interval_days: float | None
    label: LabelDecision
    binding: ConstraintMargin | None
    next_constraint: ConstraintMargin | None
    grid_activity_gbq: FloatArray
    grid_interval_days: FloatArray
    constraint_names: tuple[str, ...]
    tolerances: FloatArray
    probability: FloatArray
    mc_standard_error: FloatArray
    allowed: BoolArray
    tumour_dose: TumourDose | None
    stability: float
    decision_changes: float
    alternatives: tuple[Alternative, ...]
    near_threshold: tuple[str, ...]
    reasons: tuple[str, ...]
    assumptions: tuple[str, ...]
    policy: str = "overdose_control"
    firmness: str = ""
    variants: tuple[Variant, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    policies: tuple[PolicyAnswer, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Risks as a tidy table: one row for each interval, activity and constraint."""
        import pandas as pd

        shape = self.probability.shape
        constraint, interval, activity = (index.ravel() for index in np.indices(shape))
        names = np.array(self.constraint_names, dtype=object)
        table = pd.DataFrame(
            {
                "interval_days": self.grid_interval_days[interval],
                "activity_gbq": self.grid_activity_gbq[activity],
                "constraint": names[constraint],
                "probability": self.probability.ravel(),
                "mc_standard_error": self.mc_standard_error.ravel(),
                "tolerance": self.tolerances[constraint],
                "allowed": np.broadcast_to(self.allowed, shape).ravel(),
            }
        )
        order = np.lexsort((constraint, activity, interval))
        return table.iloc[order].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values, ready for JSON."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}


def _plain(value: Any) -> Any:
    """Arrays, tuples and results as lists and dictionaries."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, LabelDecision):
        return _plain(value.to_dict())
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
