"""A study as a policy sees it: one patient's situation, and the limits of the study folder."""

from __future__ import annotations

import numpy as np

from hemadose.assessment.assess import Assessment
from hemadose.assessment.counts import CONSTRAINED_LINEAGES
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.thresholds import Risk, tolerated_gbq
from hemadose.planning.recommend import USEFUL_SHARE
from hemadose.planning.rules import LabelDecision
from hemadose.planning.situation import (
    HOLD,
    STOP,
    TREAT,
    FloatArray,
    LabelLimits,
    LineageDraws,
    Situation,
)
from hemadose.study.clinical_settings import Therapy
from hemadose.study.settings import Limits
from kinetics import SumOfExponentials
from radiobio import bed_gy, lea_catcheside_g, simulate_counts

MOST_CYCLES = 20  # as in study.yaml
_GRID_STEPS_GBQ = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
_MOST_GRID_POINTS = 40
_FINE_STEP_GBQ = 0.1
_NO_LONGEST_DELAY_DAYS = 3650.0  # the label has its own rule
_ACTIONS = {"treat": TREAT, "reduce": TREAT, "hold": HOLD, "stop": STOP}

SITUATION_ASSUMPTIONS = (
    "ASSUMED: among draws, the counts of each lineage go with the marrow dose of the same rank; "
    "the update by the patient's own counts loses the pairs.",
    "131I studies hold no kidney and no tumour dose unless tumours are declared: those limits do "
    "not bind. The blood dose limit of the next cycle caps the activity of every policy.",
)


def activity_step_gbq(cap_gbq: float) -> float:
    """Step of the grid of activities up to a cap: round, and at most 40 of them (GBq).

    Parameters
    ----------
    cap_gbq : float
        Highest activity (GBq).
    """
    return next((s for s in _GRID_STEPS_GBQ if cap_gbq / s <= _MOST_GRID_POINTS), cap_gbq / 40)


def study_limits(
    therapy: Therapy, limits: Limits, *, label_max_gbq: float | None = None
) -> PlanningLimits:
    """Limits of a study folder as all policies share them.

    The label's own number of cycles and longest delay act through the label.

    Parameters
    ----------
    therapy : Therapy
        The treatment and the room for its next cycle.
    limits : Limits
        Limits and tolerances.
    label_max_gbq : float, optional
        Activity to which the label reduces (GBq): where it is no multiple of the grid's step,
        activities go by 0.1 GBq.

    Raises
    ------
    HemadosePlanningError
        If limits contradict each other.
    """
    step = activity_step_gbq(therapy.max_activity_gbq)
    marks = (0.0, therapy.planned_activity_gbq, therapy.max_activity_gbq)
    if label_max_gbq is not None and np.abs(np.subtract(marks, label_max_gbq)).min() > 1e-9:
        multiple = label_max_gbq / step
        step = step if abs(multiple - round(multiple)) < 1e-9 else min(step, _FINE_STEP_GBQ)
    return PlanningLimits(
        grade3_tolerance=limits.grade3_tolerance.model_dump(),
        marrow_dose_gy=limits.marrow_dose_gy,
        marrow_dose_tolerance=limits.marrow_dose_tolerance,
        kidney_bed_gy=limits.kidney_bed_gy,
        kidney_bed_tolerance=limits.kidney_bed_tolerance,
        kidney_alpha_beta_gy=limits.kidney_alpha_beta_gy,
        kidney_repair_half_life_h=limits.kidney_repair_half_life_h,
        min_useful_activity_gbq=USEFUL_SHARE * therapy.planned_activity_gbq,
        planned_activity_gbq=therapy.planned_activity_gbq,
        max_activity_gbq=therapy.max_activity_gbq,
        activity_step_gbq=step,
        interval_days=therapy.interval_days,
        max_cycles=MOST_CYCLES,
        max_delay_days=_NO_LONGEST_DELAY_DAYS,
    )


def study_situation(
    assessment: Assessment, label: LabelDecision, *, n_draws: int = 500
) -> Situation:
    """What is known of a study's patient on the decision day, as a policy sees it (n = 1).

    Parameters
    ----------
    assessment : Assessment
        The chain's result.
    label : LabelDecision
        What the label says.
    n_draws : int
        Draws used, at most those of the assessment.

    Returns
    -------
    Situation
        Without toxicity flag: after a grade 3 since the last cycle the label's rules and the
        updated counts decide. The blood dose limit (131I) lowers ``label.max_activity_gbq``.
    """
    study, kinetics = assessment.study, assessment.kinetics
    n = min(n_draws, assessment.n_draws)
    day, given = study.decision_day, study.cycles
    doses, ahead = assessment.doses.doses, assessment.doses.doses[kinetics.next_cycle]

    def per_gbq(region: str) -> FloatArray:
        return ahead[region].dose_gy[:n] / kinetics.next_activity_gbq

    def so_far(region: str) -> FloatArray:
        return sum((doses[c.number][region].dose_gy[:n] for c in given), np.zeros(n))

    marrow = per_gbq("marrow")
    kidneys, kidney_dose, bed = np.zeros(n), np.zeros(n), np.zeros(n)
    protraction = np.ones(n)
    if "kidneys" in ahead:
        ratio = study.limits.kidney_alpha_beta_gy
        half_life = study.limits.kidney_repair_half_life_h
        kidneys, kidney_dose = per_gbq("kidneys"), so_far("kidneys")
        curves = [doses[c.number]["kidneys"].dose_rate[:n] for c in given]
        options = {"alpha_beta_gy": ratio, "repair_half_life_h": half_life}
        bed = sum((bed_gy(curve, **options) for curve in curves), bed)
        protraction = lea_catcheside_g(ahead["kidneys"].dose_rate[:n], np.log(2) / half_life)
    mass = {name: tumour.mass_g for name, tumour in study.tumours.items()}
    whole = sum(mass.values()) or 1.0
    tumour = sum((m / whole * per_gbq(name) for name, m in mass.items()), np.zeros(n))
    tumour_given = sum((m / whole * so_far(name) for name, m in mass.items()), np.zeros(n))
    last = given[-1] if given else None
    clearance = study.patient.creatinine_clearance_ml_per_min
    return Situation(
        day=np.array([day]),
        cycle=np.array([len(given) + 1]),
        last_day=np.array([study.cycle_day(last.number) if last else np.nan]),
        last_gbq=np.array([last.activity_mbq / 1000 if last else np.nan]),
        marrow_gy_per_gbq=marrow[None],
        kidney_gy_per_gbq=kidneys[None],
        kidney_protraction=protraction[None],
        tumour_gy_per_gbq=np.asarray(tumour)[None, :, None],
        marrow_dose_gy=so_far("marrow")[None],
        kidney_dose_gy=kidney_dose[None],
        kidney_bed_gy=np.asarray(bed)[None],
        tumour_dose_gy=np.asarray(tumour_given)[None],
        counts=tuple(_lineage(assessment, name, marrow, day) for name in CONSTRAINED_LINEAGES),
        label=label_limits_of(label, blood_risk(assessment, n)),
        covariates={
            "creatinine_clearance_ml_per_min": np.array(
                [np.nan if clearance is None else clearance]
            ),
            "weight_kg": np.array([study.patient.weight_kg]),
        },
        refusals=(assessment.refusals[0] if assessment.refusals else "",),
    )


def label_limits_of(label: LabelDecision, blood: Risk | None) -> LabelLimits:
    """A label's decision, and a blood dose limit, as a policy takes them.

    Parameters
    ----------
    label : LabelDecision
        What the label says.
    blood : Risk or None
        Risk of the blood dose, whose tolerated activity caps that of the label.
    """
    action = _ACTIONS[label.action]
    most = label.max_activity_gbq if action == TREAT else 0.0
    rule = label.rule_id
    if action == TREAT and blood is not None:
        tolerated = float(tolerated_gbq(blood.reached_gbq, blood.tolerance)[0])
        if tolerated < most:
            most, rule = tolerated, blood.name
    return LabelLimits(np.array([action]), np.array([most]), (rule,))


def blood_risk(assessment: Assessment, n_draws: int) -> Risk | None:
    """Risk of the next cycle's blood dose for 131I, which no `Situation` holds; None for 177Lu.

    Parameters
    ----------
    assessment : Assessment
        The chain's result.
    n_draws : int
        Draws used.
    """
    if assessment.study.therapy.nuclide != "I-131":
        return None
    limits, kinetics = assessment.study.limits, assessment.kinetics
    dose = assessment.doses.doses[kinetics.next_cycle]["blood"].dose_gy[:n_draws]
    reached = limits.blood_dose_gy * kinetics.next_activity_gbq / dose
    return Risk("blood dose", limits.blood_dose_tolerance, reached[None], cumulative=False)


def _lineage(assessment: Assessment, name: str, marrow: FloatArray, day: float) -> LineageDraws:
    """Draws of a lineage on the decision day, in the order of the marrow dose's ranks."""
    counts, n = assessment.counts[name], len(marrow)
    own = np.argsort(counts.next_per_gbq[:n].integral(), kind="stable")
    index = np.empty(n, dtype=np.intp)
    index[np.argsort(marrow, kind="stable")] = own
    parameters = counts.posterior.parameters[index]
    given = [(start, curve[index]) for start, curve in counts.given]
    state = simulate_counts(parameters, given, [day]).state
    return LineageDraws(
        lineage=name,
        parameters=parameters[None],
        state=state[None],
        remaining_rate=_remaining(given, day, n)[None],
        rate_per_gbq=counts.next_per_gbq[index][None],
    )


def _remaining(
    given: list[tuple[float, SumOfExponentials]], day: float, n: int
) -> SumOfExponentials:
    """Dose rate that earlier cycles still give, time from the decision day."""
    rest = SumOfExponentials(np.zeros((n, 1)), np.ones((n, 1)))
    for start, curve in given:
        left = np.exp(-curve.rate_per_h * 24.0 * (day - start))
        rest = rest + SumOfExponentials(curve.amplitude * left, curve.rate_per_h)
    return rest.compact()
