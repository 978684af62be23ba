"""The labels' state machines over many patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.label_data import LabelName
from hemadose.planning.label_walk import Administration, CountGrades
from hemadose.planning.rules import label_decision
from hemadose.planning.situation import HOLD, STOP, TREAT, LabelLimits

_CODE = {"treat": TREAT, "reduce": TREAT, "hold": HOLD, "stop": STOP}


def label_limits(
    label: LabelName,
    histories: Sequence[Sequence[CountGrades]],
    *,
    cycles: Sequence[Sequence[Administration]],
    day: npt.ArrayLike,
    planned_activity_gbq: float,
    scope: Literal["label", "toxicity"] = "label",
    creatinine_clearance_ml_min: npt.ArrayLike | None = None,
    max_data_age_days: float | None = None,
    **options: Any,
) -> LabelLimits:
    """What a label allows each of n patients on their decision day.

    Parameters
    ----------
    label : {"lutathera", "pluvicto", "none"}
        Whose rules apply.
    histories : sequence of n sequences of CountGrades
        Graded blood counts of each patient.
    cycles : sequence of n sequences of Administration
        Cycles given to each patient.
    day : array_like, shape (n,)
        Decision day.
    planned_activity_gbq : float
        Activity planned for a cycle (GBq).
    scope : {"label", "toxicity"}
        With "toxicity" only what withholds, reduces or stops for toxicity and missing data
        applies: neither the label's number of cycles nor its full activity is a limit
        (``max_activity_gbq`` is then infinite), for policies beyond the label.
    creatinine_clearance_ml_min : array_like, shape (n,), optional
        Latest creatinine clearance (mL/min), ``nan`` where not known.
    max_data_age_days : float, optional
        Withhold if a required count is older.
    **options
        Others of `label_decision`, the same for all.

    Returns
    -------
    LabelLimits

    Raises
    ------
    HemadosePlanningError
        As `label_decision`, or if the number of patients differs between arguments.

    Examples
    --------
    >>> blood = {"haemoglobin": 0, "neutrophils": 0}
    >>> histories = [[CountGrades(40, blood | {"platelets": grade})] for grade in (1, 2)]
    >>> found = label_limits(
    ...     "lutathera", histories, cycles=[[Administration(0, 7.4)]] * 2, day=[56, 56],
    ...     planned_activity_gbq=7.4,
    ... )
    >>> found.max_activity_gbq.tolist(), found.rule_id[1]
    ([7.4, 0.0], 'lutathera.platelets.hold')
    """
    if scope not in ("label", "toxicity"):
        raise HemadosePlanningError(f"scope {scope!r} is not known; legal are label, toxicity")
    days = np.atleast_1d(np.asarray(day, dtype=np.float64))
    n = len(days)
    clearance = np.full(n, np.nan)
    if creatinine_clearance_ml_min is not None:
        clearance = np.asarray(creatinine_clearance_ml_min, dtype=np.float64)
    sizes = (len(histories), len(cycles), n, len(clearance))
    if len(set(sizes)) > 1:
        raise HemadosePlanningError(
            "histories, cycles, day and creatinine_clearance_ml_min must be of the same number of "
            f"patients, got {', '.join(str(size) for size in sizes)}"
        )
    action, most, rules = np.empty(n, dtype=np.int64), np.empty(n), []
    limitless = scope == "toxicity"
    if limitless:
        options = {"regimen_ends": False} | options
    for i in range(n):
        decision = label_decision(
            label,
            histories[i],
            cycles=cycles[i],
            decision_day=float(days[i]),
            planned_activity_gbq=planned_activity_gbq,
            creatinine_clearance_ml_min=None if np.isnan(clearance[i]) else float(clearance[i]),
            max_data_age_days=max_data_age_days,
            **options,
        )
        action[i] = _CODE[decision.action]
        free = limitless and decision.action == "treat"
        most[i] = np.inf if free else decision.max_activity_gbq
        rules.append(decision.rule_id)
    return LabelLimits(action, most, tuple(rules))
