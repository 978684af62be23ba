"""Which assumption would change a decision, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hemadose.planning.policies.explain import ACTIONS, check_one_patient
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.registry import make_policy
from hemadose.planning.situation import FloatArray, Policy, Situation

if TYPE_CHECKING:
    import pandas as pd

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What each varied assumption does to one patient's decision.

    Attributes
    ----------
    names : tuple of str
        Variants; the first is the decision as it stands, "as planned".
    action : tuple of str
        "treat", "hold" or "stop".
    activity_gbq, day : ndarray, shape (n_variants,)
        Activity (GBq) and day of each.
    flips : ndarray of bool, shape (n_variants,)
        Whether the action is another.
    moves : ndarray of bool, shape (n_variants,)
        Whether the activity moves by more than one step, or the day.
    status : str
        One sentence.
    """

    names: tuple[str, ...]
    action: tuple[str, ...]
    activity_gbq: FloatArray
    day: FloatArray
    flips: BoolArray
    moves: BoolArray
    status: str

    def to_frame(self) -> pd.DataFrame:
        """One row for each variant."""
        import pandas as pd

        columns = ("action", "activity_gbq", "day", "flips", "moves")
        return pd.DataFrame({"variant": self.names, **{c: getattr(self, c) for c in columns}})


def sensitivity(
    policy: Policy,
    situation: Situation,
    variants: Mapping[str, tuple[Policy, Situation]],
    *,
    step_gbq: float = 0.1,
) -> Sensitivity:
    """Decide again under each varied assumption.

    Parameters
    ----------
    policy : Policy
        Policy of the decision as it stands.
    situation : Situation
        One patient (n = 1).
    variants : mapping of str to (Policy, Situation)
        What is decided instead, such as those of `usual_variants`.
    step_gbq : float
        Activities that differ by more than this have moved (GBq).

    Returns
    -------
    Sensitivity

    Raises
    ------
    HemadosePlanningError
        If a situation holds more than one patient.
    """
    cases = {"as planned": (policy, situation), **variants}
    for _, known in cases.values():
        check_one_patient(known)
    found = [decide(known) for decide, known in cases.values()]
    action = np.array([int(d.action[0]) for d in found])
    activity = np.array([float(d.activity_gbq[0]) for d in found])
    day = np.array([float(d.day[0]) for d in found])
    flips = action != action[0]
    same_day = (day == day[0]) | (np.isnan(day) & np.isnan(day[0]))
    moves = (np.abs(activity - activity[0]) > step_gbq + 1e-9) | ~same_day
    changed = [name for name, flip in zip(cases, flips, strict=True) if flip]
    moved = [n for n, f, m in zip(cases, flips, moves, strict=True) if m and not f]
    status = (
        f"The action changes with: {', '.join(changed) or 'none of them'}; "
        f"activity or day move with: {', '.join(moved) or 'none of them'}."
    )
    names = tuple(ACTIONS[code] for code in action)
    return Sensitivity(tuple(cases), names, activity, day, flips, moves, status)


def usual_variants(
    name: str,
    settings: Mapping[str, Any],
    situation: Situation,
    *,
    limits: PlanningLimits,
) -> dict[str, tuple[Policy, Situation]]:
    """Variants of the assumptions that every decision rests on.

    Kill per dose, marrow dose, baseline count, the kidneys' alpha/beta and repair half-life and
    the tolerances, each up and down. Kill and baseline are varied from the decision day on: the
    pools of that day stay.

    Parameters
    ----------
    name, settings : str, mapping
        Policy, as in `make_policy`.
    situation : Situation
        One patient.
    limits : PlanningLimits
        Limits of the decision as it stands.
    """
    policy = make_policy(name, settings, limits=limits)
    variants = {}
    for factor in (1.25, 0.8):
        variants[f"kill x {factor:g}"] = (policy, scaled(situation, kill=factor))
    for factor in (1.2, 1 / 1.2):
        variants[f"marrow dose x {factor:.3g}"] = (policy, scaled(situation, marrow_dose=factor))
        variants[f"kidney dose x {factor:.3g}"] = (policy, scaled(situation, kidney_dose=factor))
    for factor in (1.1, 0.9):
        variants[f"baseline x {factor:g}"] = (policy, scaled(situation, baseline=factor))
    for factor in (2.0, 0.5):
        text = f"kidney repair half-life x {factor:g}"
        variants[text] = (policy, scaled(situation, kidney_repair_half_life=factor))
    for factor in (1.5, 1 / 1.5):
        changed = replace(limits, kidney_alpha_beta_gy=factor * limits.kidney_alpha_beta_gy)
        decide = make_policy(name, settings, limits=changed)
        known = scaled(situation, kidney_alpha_beta=factor)
        variants[f"kidney alpha/beta x {factor:.3g}"] = (decide, known)
    for factor in (1.5, 1 / 1.5):
        tolerance = {k: min(0.99, factor * v) for k, v in _grades(limits).items()}
        decide = make_policy(name, settings, limits=replace(limits, grade3_tolerance=tolerance))
        variants[f"tolerance of grade 3 x {factor:.3g}"] = (decide, situation)
    return variants


def _grades(limits: PlanningLimits) -> dict[str, float]:
    given = limits.grade3_tolerance
    assert isinstance(given, dict)
    return given


def scaled(
    situation: Situation,
    *,
    kill: float = 1.0,
    marrow_dose: float = 1.0,
    kidney_dose: float = 1.0,
    baseline: float = 1.0,
    kidney_repair_half_life: float = 1.0,
    kidney_alpha_beta: float = 1.0,
) -> Situation:
    r"""A situation with some of its assumptions scaled.

    Parameters
    ----------
    situation : Situation
        n patients.
    kill, marrow_dose, kidney_dose, baseline, kidney_repair_half_life, kidney_alpha_beta : float
        Factors. The protraction factor follows the repair half-life as for one exponential,
        :math:`G = T_r/(T_r + T_e)`. Of the kidney BED given so far, the part beyond the dose
        follows G, the square of the dose and alpha/beta (whose limit is not part of a situation).
    """
    counts = []
    for c in situation.counts:
        p = c.parameters
        parameters = replace(p, kill_per_gy=kill * p.kill_per_gy, baseline=baseline * p.baseline)
        counts.append(
            replace(
                c,
                parameters=parameters,
                remaining_rate=c.remaining_rate.scaled(marrow_dose),
                rate_per_gbq=c.rate_per_gbq.scaled(marrow_dose),
            )
        )
    g = situation.kidney_protraction
    protraction = g / (g + (1 - g) / kidney_repair_half_life)
    beyond = situation.kidney_bed_gy - situation.kidney_dose_gy
    beyond = beyond * kidney_dose**2 / kidney_alpha_beta * protraction / g
    dose = kidney_dose * situation.kidney_dose_gy
    return replace(
        situation,
        counts=tuple(counts),
        marrow_gy_per_gbq=marrow_dose * situation.marrow_gy_per_gbq,
        marrow_dose_gy=marrow_dose * situation.marrow_dose_gy,
        kidney_gy_per_gbq=kidney_dose * situation.kidney_gy_per_gbq,
        kidney_dose_gy=dose,
        kidney_bed_gy=dose + beyond,
        kidney_protraction=protraction,
    )
