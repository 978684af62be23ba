"""Rules over covariates that a clinic gives: first activities, reductions, who qualifies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.situation import FloatArray, Situation

Covariates = Mapping[str, FloatArray]
FirstActivity = float | Mapping[str, Any] | Callable[[Covariates], npt.ArrayLike]

_LEGAL_FIRST = (
    "a number (GBq), a table {covariate: name, from: [rising values], activity_gbq: [one for "
    "each]}, or a function of the covariates"
)


@dataclass(frozen=True)
class CovariateRule:
    """A range of one covariate, from `at_least` to below `below`.

    Parameters
    ----------
    covariate : str
        Name in ``Situation.covariates``.
    below, at_least : float
        Range in which the rule applies.
    share : float
        What the rule takes away (0 to 1), for rules that reduce.

    Raises
    ------
    HemadosePlanningError
        If the range is empty or unlimited, or the share not from 0 to 1.
    """

    covariate: str
    below: float = np.inf
    at_least: float = -np.inf
    share: float = 0.0

    def __post_init__(self) -> None:
        if not self.at_least < self.below or np.isinf([self.at_least, self.below]).all():
            raise HemadosePlanningError(
                f"the rule on {self.covariate} needs `below` or `at_least`, the first above the "
                f"second; got below {self.below:g} and at_least {self.at_least:g}"
            )
        if not 0 <= self.share < 1:
            raise HemadosePlanningError(
                f"the share of the rule on {self.covariate} must be 0 to below 1, got "
                f"{self.share:g}"
            )

    def applies(self, situation: Situation, *, unknown: bool) -> npt.NDArray[np.bool_]:
        """Whether a patient's covariate lies in the range, shape (n,).

        Parameters
        ----------
        situation : Situation
            n patients.
        unknown : bool
            Answer where the value is missing (nan).
        """
        value = _covariate(situation.covariates, self.covariate)
        within = (value >= self.at_least) & (value < self.below)
        return np.where(np.isnan(value), unknown, within)


def covariate_rules(name: str, given: Sequence[Any]) -> tuple[CovariateRule, ...]:
    """Rules from mappings, as a settings file has them.

    Parameters
    ----------
    name : str
        Name of the setting, for messages.
    given : sequence of mapping or CovariateRule
        Fields of `CovariateRule`.

    Raises
    ------
    HemadosePlanningError
        If an entry is no rule.
    """
    if isinstance(given, str | Mapping):
        raise HemadosePlanningError(f"{name} must be a list of rules, got {given!r}")
    rules = []
    for entry in given:
        if isinstance(entry, CovariateRule):
            rules.append(entry)
            continue
        legal = {"covariate", "below", "at_least", "share"}
        if not isinstance(entry, Mapping) or "covariate" not in entry or set(entry) - legal:
            raise HemadosePlanningError(
                f"{name}: {entry!r} is no rule; legal keys are covariate, below, at_least, share"
            )
        rules.append(CovariateRule(**entry))
    return tuple(rules)


def first_activity(rule: FirstActivity) -> Callable[[Covariates, int], FloatArray]:
    """Activity of the first cycle from a clinic's own rule.

    Parameters
    ----------
    rule : float, mapping or callable
        A number (GBq); a table ``{covariate, from, activity_gbq}`` whose n-th activity serves
        from the n-th value upwards; or a function from covariates to activities (GBq).

    Returns
    -------
    callable
        (covariates, n) -> activities of shape (n,).

    Raises
    ------
    HemadosePlanningError
        If the rule is none of these.
    """
    if callable(rule):
        return lambda covariates, n: _activities(rule(covariates), n)
    if isinstance(rule, Mapping):
        return _table(rule)
    if isinstance(rule, int | float) and not isinstance(rule, bool):
        return lambda covariates, n: _activities(rule, n)
    raise HemadosePlanningError(f"first_activity must be {_LEGAL_FIRST}; got {rule!r}")


def _table(rule: Mapping[str, Any]) -> Callable[[Covariates, int], FloatArray]:
    if set(rule) != {"covariate", "from", "activity_gbq"}:
        raise HemadosePlanningError(f"first_activity must be {_LEGAL_FIRST}; got {dict(rule)!r}")
    start = np.asarray(rule["from"], dtype=np.float64)
    activity = np.asarray(rule["activity_gbq"], dtype=np.float64)
    if start.ndim != 1 or not start.size or (np.diff(start) <= 0).any():
        raise HemadosePlanningError(
            f"first_activity: `from` must be values that rise, got {rule['from']!r}"
        )
    if activity.shape != start.shape:
        raise HemadosePlanningError(
            f"first_activity: `activity_gbq` needs one value for each of the {start.size} of "
            f"`from`, got {activity.size}"
        )

    def looked_up(covariates: Covariates, n: int) -> FloatArray:
        value = _covariate(covariates, rule["covariate"])
        row = np.searchsorted(start, value, side="right") - 1
        if np.isnan(value).any() or (row < 0).any():
            wrong = int(np.argmax(np.isnan(value) | (row < 0)))
            raise HemadosePlanningError(
                f"first_activity: {rule['covariate']} of patient {wrong} is {value[wrong]:g}; the "
                f"table begins at {start[0]:g}, and a value is required"
            )
        return _activities(activity[row], n)

    return looked_up


def _activities(values: npt.ArrayLike, n: int) -> FloatArray:
    activity = np.broadcast_to(np.asarray(values, dtype=np.float64), (n,))
    if not (np.isfinite(activity) & (activity >= 0)).all():
        raise HemadosePlanningError("first_activity must give activities of 0 GBq or more")
    return activity


def _covariate(covariates: Covariates, name: str) -> FloatArray:
    if name not in covariates:
        known = ", ".join(sorted(covariates)) or "none"
        raise HemadosePlanningError(f"covariate {name!r} is not known; known are: {known}")
    return np.asarray(covariates[name], dtype=np.float64)
