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
from hemadose.planning.label_data import RULES
from hemadose.planning.label_walk import Administration, CountGrades
from hemadose.planning.recommend import recommend
from hemadose.planning.recommendation import Recommendation
from hemadose.planning.risks import Risks, activity_grid, interval_grid, study_risks
from hemadose.planning.rules import LabelDecision, label_decision
from hemadose.study import Study, read_study
from kinetics import KineticsError
from radiobio import RadiobioError, ctcae_grade

_PLANNING_DRAWS = 500
_USEFUL_SHARE = 0.25  # ASSUMED: a cycle of less than this share of the plan is not worth giving


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
    therapy = study.therapy
    label = _refused(study_label_decision(study), assessment.refusals)
    activity = activity_grid(
        therapy.max_activity_gbq, therapy.planned_activity_gbq, label.resume_activity_gbq
    )
    interval = interval_grid(study)
    risks = study_risks(assessment, activity, interval, n_draws=min(n_draws, _PLANNING_DRAWS))
    ess = _effective_sample_size(assessment)
    recommendation = recommend(
        activity,
        interval,
        risks.constraints,
        hard_cap_gbq=therapy.max_activity_gbq,
        label=label,
        rng=rng,
        tumour_dose_gy=risks.tumour_dose_gy,
        min_useful_activity_gbq=_USEFUL_SHARE * therapy.planned_activity_gbq,
        effective_sample_size=min(ess, risks.constraints[0].exceeds.shape[-1]),
    )
    return Plan(assessment, label, risks, recommendation, seed)


def study_label_decision(study: Study) -> LabelDecision:
    """What the label of a study says of its counts, graded by CTCAE v5.0.

    Where the lower limit of normal is not known, a count above the limit of grade 2 is passed on
    as grade 1: the labels treat grades 0 and 1 alike.
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
