"""The main job: a study folder in, the next cycle's activity out."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dosimetry import DosimetryError
from foci import FociError
from hemadose.assessment.assess import Assessment, assess
from hemadose.errors import HemadoseError
from hemadose.planning.chosen_policy import chosen_policy, decided_by_policy
from hemadose.planning.label_data import RULES
from hemadose.planning.label_walk import Administration, CountGrades
from hemadose.planning.measurement_worth import WORTH_ASSUMPTIONS, study_measurements
from hemadose.planning.other_policies import other_policies, own_settings
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.recommend import recommend
from hemadose.planning.recommendation import Recommendation
from hemadose.planning.risks import Risks, activity_grid, interval_grid, study_risks
from hemadose.planning.rules import LabelDecision, label_decision
from hemadose.planning.situation import Situation
from hemadose.planning.study_sensitivity import firmness_sentence, study_variants
from hemadose.planning.study_situation import (
    SITUATION_ASSUMPTIONS,
    blood_risk,
    label_limits_of,
    study_limits,
    study_situation,
)
from hemadose.study import Study, read_study
from kinetics import KineticsError
from radiobio import RadiobioError, ctcae_grade

_PLANNING_DRAWS = 500


@dataclass(frozen=True, eq=False)
class Plan:
    """A planned study.

    Attributes
    ----------
    assessment : Assessment
        Kinetics, doses, foci and counts.
    label : LabelDecision
        What the label's rules say.
    risks : Risks
        Every constraint on the grid.
    recommendation : Recommendation
        The decision and its reasons.
    seed : int
        Seed of the random numbers.
    """

    assessment: Assessment
    label: LabelDecision
    risks: Risks
    recommendation: Recommendation
    seed: int

    @property
    def study(self) -> Study:
        """The study that was planned."""
        return self.assessment.study


def plan(
    study: Study | str | Path,
    *,
    seed: int = 1,
    n_draws: int = 1000,
    progress: Callable[[str], None] = lambda step: None,
) -> Plan:
    """Plan the next cycle of a study.

    Parameters
    ----------
    study : Study or path
        A study, or the folder that holds one.
    seed : int
        Seed; the same seed gives the same numbers.
    n_draws : int
        Number of posterior draws; planning uses up to 500 of them.
    progress : callable
        Called with the name of each step as it begins.

    Returns
    -------
    Plan

    Raises
    ------
    StudyError
        If the folder holds an error, named by file, row and column.
    HemadoseError
        If the data contradict each other, such as organs that hold more than the whole body.
    """
    if not isinstance(study, Study):
        study = read_study(study)
    rng = np.random.default_rng(seed)
    try:
        assessment = assess(study, rng=rng, n_draws=n_draws, progress=progress)
    except (KineticsError, DosimetryError, RadiobioError, FociError) as error:
        raise HemadoseError(f"{study.folder.name}: {error}") from error
    progress("planning")
    label = _refused(study_label_decision(study), assessment.refusals)
    limits = study_limits(study.therapy, study.limits, label_max_gbq=label.resume_activity_gbq)
    situation = study_situation(assessment, label, n_draws=_PLANNING_DRAWS)
    chosen = chosen_policy(
        study.planning.policy,
        study.planning.settings,
        situation,
        limits,
        planned_cycles=study.therapy.planned_cycles,
    )
    marks_gbq = [study.therapy.planned_activity_gbq, label.resume_activity_gbq]
    interval = interval_grid(study)
    if chosen is not None and chosen.interval_days is not None:
        marks_gbq.append(chosen.activity_gbq)
        interval = np.unique([*interval, chosen.interval_days])
    activity = activity_grid(study.therapy.max_activity_gbq, *marks_gbq)
    risks = study_risks(assessment, situation, limits, activity, interval)
    n_draws = situation.marrow_gy_per_gbq.shape[-1]
    n_effective = min(_effective_sample_size(assessment), n_draws)
    recommendation = recommend(
        activity,
        interval,
        risks.constraints,
        hard_cap_gbq=study.therapy.max_activity_gbq,
        label=label,
        rng=rng,
        tumour_dose_gy=risks.tumour_dose_gy,
        min_useful_activity_gbq=limits.min_useful_activity_gbq,
        effective_sample_size=n_effective,
    )
    if chosen is not None:
        recommendation = decided_by_policy(
            recommendation, chosen, situation, effective_sample_size=n_effective, rng=rng
        )
    progress("how firm")
    recommendation = _with_firmness(
        recommendation, assessment, situation, limits, risks, np.random.default_rng([seed, 1])
    )
    return Plan(assessment, label, risks, recommendation, seed)


def _with_firmness(
    recommendation: Recommendation,
    assessment: Assessment,
    situation: Situation,
    limits: PlanningLimits,
    risks: Risks,
    rng: np.random.Generator,
) -> Recommendation:
    """Add what flips the decision, what more data would be worth and what other policies do."""
    study, label = assessment.study, recommendation.label
    blood = blood_risk(assessment, situation.marrow_gy_per_gbq.shape[-1])
    beyond = _refused(study_label_decision(study, regimen_ends=False), assessment.refusals)
    name, cycles = study.planning.policy, study.therapy.planned_cycles
    policies = other_policies(
        situation,
        label_limits_of(beyond, blood),
        limits,
        planned_cycles=cycles,
        has_tumours=bool(study.tumours),
        chosen=name,
        settings=study.planning.settings,
    )
    if assessment.refusals:
        text = "No model may be asked how firm this is: the data contradict it."
        return replace(recommendation, firmness=text, policies=policies)
    own, its_limits = own_settings(name, study.planning.settings, limits, cycles)
    variants = study_variants(situation, its_limits, blood, name=name, settings=own)
    held = label.action in ("hold", "stop")
    text = firmness_sentence(variants, held_by_label=held)
    measurements = study_measurements(assessment, situation, limits, risks, label, rng=rng)
    return replace(
        recommendation,
        firmness=text,
        variants=variants,
        measurements=measurements,
        policies=policies,
        reasons=(*recommendation.reasons, text),
        assumptions=(*recommendation.assumptions, *SITUATION_ASSUMPTIONS, *WORTH_ASSUMPTIONS),
    )


def study_label_decision(study: Study, *, regimen_ends: bool = True) -> LabelDecision:
    """What the label of a study says of its counts, graded by CTCAE v5.0.

    Where the lower limit of normal is not known, a count above the limit of grade 2 is passed on
    as grade 1: the labels treat grades 0 and 1 alike.

    Parameters
    ----------
    study : Study
        The study.
    regimen_ends : bool
        Whether the label's number of cycles ends treatment.
    """
    lower_limits = study.methods.lower_limit_of_normal.model_dump()
    therapy = study.therapy
    unlimited = therapy.label == "none"  # then only the hard cap limits the activity
    history = [
        CountGrades(
            row.day,
            {name: _grade(name, value, lower_limits[name]) for name, value in row.values.items()},
            row.values,
        )
        for row in study.counts
    ]
    return label_decision(
        therapy.label,
        history,
        cycles=[
            Administration(study.cycle_day(c.number), c.activity_mbq / 1000) for c in study.cycles
        ],
        decision_day=study.decision_day,
        planned_activity_gbq=therapy.max_activity_gbq
        if unlimited
        else therapy.planned_activity_gbq,
        creatinine_clearance_ml_min=study.patient.creatinine_clearance_ml_per_min,
        max_data_age_days=study.methods.max_data_age_days,
        regimen_ends=regimen_ends,
    )


def _refused(label: LabelDecision, refusals: tuple[str, ...]) -> LabelDecision:
    """Hold where no plan may rest on the assessment, unless the label already stops."""
    if not refusals or label.action == "stop":
        return label
    rule = RULES["data.model"]
    return replace(
        label,
        action="hold",
        max_activity_gbq=0.0,
        rule_id=rule.id,
        reason=f"{refusals[0]}.",
        resume_condition=rule.resume,
        source=rule.source,
        status=rule.status,
    )


def _grade(lineage: str, value: float, lower_limit: float | None) -> int:
    grade = float(ctcae_grade(lineage, value, lower_limit_of_normal=lower_limit))
    return 1 if math.isnan(grade) else int(grade)


def _effective_sample_size(assessment: Assessment) -> float:
    """The smallest effective number of draws of any step that the plan rests on."""
    sizes = [fit.effective_sample_size for fit in assessment.kinetics.fits]
    sizes += [c.posterior.effective_sample_size for c in assessment.counts.values()]
    if assessment.foci is not None and assessment.foci.used:
        sizes.append(assessment.foci.update.effective_sample_size)
    return max(1.0, min(sizes))
