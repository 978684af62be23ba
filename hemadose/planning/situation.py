"""What a clinic knows before the next cycle, and what a policy answers: n patients side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from radiobio import CountParameters

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

TREAT, HOLD, STOP = 0, 1, 2  # actions, in order of caution


@dataclass(frozen=True, eq=False)
class LineageDraws:
    """Posterior draws of one lineage's counts in each patient.

    Attributes
    ----------
    lineage : str
        Which cells.
    parameters : CountParameters, shape (n, n_draws)
        Draws of the count parameters.
    state : ndarray, shape (n, n_draws, 6)
        Pools on the decision day, as `CountCourse.state`.
    remaining_rate : SumOfExponentials, shape (n, n_draws)
        Marrow dose rate (Gy/h) that earlier cycles still give, time from the decision day.
    rate_per_gbq : SumOfExponentials, shape (n, n_draws)
        Marrow dose rate of the next cycle (Gy/h per GBq), time from its administration.
    """

    lineage: str
    parameters: CountParameters
    state: FloatArray
    remaining_rate: SumOfExponentials
    rate_per_gbq: SumOfExponentials


@dataclass(frozen=True, eq=False)
class LabelLimits:
    """What a product label allows each patient now.

    Attributes
    ----------
    action : ndarray of int, shape (n,)
        ``TREAT``, ``HOLD`` or ``STOP``.
    max_activity_gbq : ndarray, shape (n,)
        Highest activity allowed (GBq), infinite if not limited; 0 where the label holds or stops.
    rule_id : tuple of str
        The rule that decides, one a patient.
    """

    action: IntArray
    max_activity_gbq: FloatArray
    rule_id: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Situation:
    """What is known of n patients on the day on which their next cycle is decided.

    Attributes
    ----------
    day : ndarray, shape (n,)
        Decision day, in days since cycle 1.
    cycle : ndarray of int, shape (n,)
        Number of the cycle that is decided; 1 if none was given.
    last_day, last_gbq : ndarray, shape (n,)
        Day and activity of the last cycle given; ``nan`` before the first.
    marrow_gy_per_gbq, kidney_gy_per_gbq : ndarray, shape (n, n_draws)
        Dose of the next cycle per activity.
    kidney_protraction : ndarray, shape (n, n_draws)
        Lea-Catcheside factor G of the kidneys' dose in one cycle.
    tumour_gy_per_gbq : ndarray, shape (n, n_draws, n_ahead)
        Tumour dose per activity in the next and later cycles; the last entry serves all beyond.
    marrow_dose_gy, kidney_dose_gy, kidney_bed_gy, tumour_dose_gy : ndarray, shape (n, n_draws)
        Given so far.
    counts : tuple of LineageDraws
        Lineages whose grade 3 is to be avoided.
    label : LabelLimits
        What the label allows.
    covariates : mapping of str to ndarray (n,)
        Known before treatment, such as ``creatinine_clearance_ml_per_min``.
    refusals : tuple of str
        One a patient: why no decision may rest on the model, or "".
    toxicity : ndarray of bool, shape (n,), optional
        Whether a grade 3 or worse was counted since the last cycle: the next activity is then
        not above the last one, whatever the model says.
    """

    day: FloatArray
    cycle: IntArray
    last_day: FloatArray
    last_gbq: FloatArray
    marrow_gy_per_gbq: FloatArray
    kidney_gy_per_gbq: FloatArray
    kidney_protraction: FloatArray
    tumour_gy_per_gbq: FloatArray
    marrow_dose_gy: FloatArray
    kidney_dose_gy: FloatArray
    kidney_bed_gy: FloatArray
    tumour_dose_gy: FloatArray
    counts: tuple[LineageDraws, ...]
    label: LabelLimits
    covariates: Mapping[str, FloatArray] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    toxicity: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a policy answers.

    Attributes
    ----------
    action : ndarray of int, shape (n,)
        ``TREAT``, ``HOLD`` or ``STOP``.
    activity_gbq : ndarray, shape (n,)
        Activity (GBq), 0 unless the action is to treat.
    day : ndarray, shape (n,)
        Day of the administration, or the day on which a held cycle is decided again; ``nan`` for
        ``STOP``. A day of treatment later than the decision day is decided again on that day.
    constraint_names : tuple of str
        Risks the policy judged; empty for a policy that judges none.
    probability : ndarray, shape (n, n_constraints)
        Their probability at the activity and day that the policy wants, at the lowest useful
        activity where it wants none, ``nan`` where it was not asked (label, refusal).
    binding : ndarray of int, shape (n,)
        Index of the constraint that keeps the activity from being higher; -1 if none does.
    decided_by : ndarray of str, shape (n,)
        ``"policy"``, ``"label"``, ``"cap"`` (the highest admissible activity), ``"coherence"``
        (no more than last time after a toxicity), ``"refusal"``, ``"cycles"`` (their number is
        reached) or ``"delay"`` (held for too long).
    """

    action: IntArray
    activity_gbq: FloatArray
    day: FloatArray
    constraint_names: tuple[str, ...]
    probability: FloatArray
    binding: IntArray
    decided_by: npt.NDArray[np.str_]


Policy = Callable[[Situation], Decisions]
