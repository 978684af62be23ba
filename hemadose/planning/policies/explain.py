"""Why a policy decides as it does for one patient: what binds, and how far the next risk is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.limits import LIMIT_ASSUMPTIONS, PlanningLimits
from hemadose.planning.policies.settle import scheduled_day
from hemadose.planning.policies.thresholds import (
    count_risk,
    dose_risks,
    probability_at,
    tolerated_gbq,
)
from hemadose.planning.situation import Decisions, FloatArray, Policy, Situation

if TYPE_CHECKING:
    import pandas as pd

ACTIONS = ("treat", "hold", "stop")
_SEARCHED = 4.0  # times the highest admissible activity: how far a margin is sought


@dataclass(frozen=True)
class Margin:
    """How far one risk is from binding.

    Attributes
    ----------
    name : str
        The risk.
    tolerance, probability : float
        What is accepted, and the probability at the activity judged.
    standard_error : float
        Monte-Carlo error of the probability, from the number of draws.
    tolerated_gbq : float
        Highest activity that it alone accepts (GBq); infinite beyond four times the highest
        admissible one.
    room_gbq : float
        That less the activity judged (GBq); negative where the risk is exceeded.
    """

    name: str
    tolerance: float
    probability: float
    standard_error: float
    tolerated_gbq: float
    room_gbq: float


@dataclass(frozen=True, eq=False)
class Explanation:
    """One patient's decision and its margins.

    Attributes
    ----------
    action : {"treat", "hold", "stop"}
        The decision.
    activity_gbq, day : float
        Activity (GBq) and day, as in `Decisions`.
    decided_by : str
        Who decided.
    judged_gbq : float
        Activity at which the margins stand: that given, or the lowest useful one.
    margins : tuple of Margin
        Tightest first, judged for the next cycle with the shared limits, whatever the policy.
    binding : str
        What keeps the activity from being higher: a risk, the label, the cap, the number of
        cycles, a delay, a refusal, or the policy's own rule.
    status : str
        One sentence.
    assumptions : tuple of str
        What is assumed.
    """

    action: str
    activity_gbq: float
    day: float
    decided_by: str
    judged_gbq: float
    margins: tuple[Margin, ...]
    binding: str
    status: str
    assumptions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row for each margin."""
        import pandas as pd

        return pd.DataFrame([asdict(margin) for margin in self.margins])


def explain(policy: Policy, situation: Situation, *, limits: PlanningLimits) -> Explanation:
    """Explain what a policy decides for one patient.

    Parameters
    ----------
    policy : Policy
        Any policy.
    situation : Situation
        One patient (n = 1).
    limits : PlanningLimits
        The limits whose margins are shown.

    Returns
    -------
    Explanation

    Raises
    ------
    HemadosePlanningError
        If the situation holds more than one patient.
    """
    check_one_patient(situation)
    decided = policy(situation)
    action, activity = ACTIONS[int(decided.action[0])], float(decided.activity_gbq[0])
    judged = activity if action == "treat" else limits.min_useful_activity_gbq
    day = decided.day if action == "treat" else scheduled_day(situation, limits)
    margins = risk_margins(situation, limits, day=day, activity_gbq=judged)
    binding = _binding(decided)
    return Explanation(
        action=action,
        activity_gbq=activity,
        day=float(decided.day[0]),
        decided_by=str(decided.decided_by[0]),
        judged_gbq=judged,
        margins=margins,
        binding=binding,
        status=_status(action, activity, binding, margins),
        assumptions=LIMIT_ASSUMPTIONS,
    )


def risk_margins(
    situation: Situation, limits: PlanningLimits, *, day: FloatArray, activity_gbq: float
) -> tuple[Margin, ...]:
    """Distance of every risk of one patient's next cycle from its tolerance, tightest first.

    Parameters
    ----------
    situation : Situation
        One patient.
    limits : PlanningLimits
        Limits and tolerances.
    day : ndarray, shape (1,)
        Day of the administration.
    activity_gbq : float
        Activity at which the probabilities stand (GBq).
    """
    wait_h = 24.0 * (day - situation.day)
    most = np.full(1, _SEARCHED * limits.max_activity_gbq)
    risks = [
        *(count_risk(c, limits, wait_h=wait_h, max_activity_gbq=most) for c in situation.counts),
        *dose_risks(situation, limits),
    ]
    margins = []
    for risk in risks:
        probability = float(probability_at(risk.reached_gbq, np.full(1, activity_gbq))[0])
        tolerated = float(tolerated_gbq(risk.reached_gbq, risk.tolerance)[0])
        tolerated = tolerated if tolerated <= most[0] else np.inf
        n = risk.reached_gbq.shape[-1]
        smoothed = (probability * n + 1) / (n + 2)
        error = float(np.sqrt(smoothed * (1 - smoothed) / n))
        room = tolerated - activity_gbq
        margins.append(Margin(risk.name, risk.tolerance, probability, error, tolerated, room))
    return tuple(sorted(margins, key=lambda m: (m.room_gbq, -m.probability / m.tolerance)))


def _binding(decided: Decisions) -> str:
    who, index = str(decided.decided_by[0]), int(decided.binding[0])
    if who == "policy":
        return decided.constraint_names[index] if index >= 0 else "the policy's own rule"
    texts = {
        "label": "the label",
        "cap": "the highest admissible activity",
        "coherence": "the last activity, after which a toxicity was seen",
        "refusal": "a refusal of the model",
        "cycles": "the number of cycles",
        "delay": "the longest delay",
    }
    return texts[who]


def _status(action: str, activity: float, binding: str, margins: tuple[Margin, ...]) -> str:
    head = f"treat with {activity:.3g} GBq" if action == "treat" else action
    others = [margin for margin in margins if margin.name != binding]
    text = f"{head}, limited by {binding}"
    if not others:
        return f"{text}."
    after = others[0]
    if np.isinf(after.tolerated_gbq):
        return f"{text}; no other risk is near."
    return (
        f"{text}; the next is {after.name}: probability {after.probability:.3g} of "
        f"{after.tolerance:g} accepted, at its tolerance with {after.tolerated_gbq:.3g} GBq."
    )


def check_one_patient(situation: Situation) -> None:
    """Refuse more than one patient.

    Raises
    ------
    HemadosePlanningError
        If there are more.
    """
    if len(situation.day) != 1:
        raise HemadosePlanningError(
            f"one patient is explained at a time, got {len(situation.day)}; take one row"
        )
