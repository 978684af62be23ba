"""What a trial file says of patients, limits, arms and policies, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from hemadose.errors import HemadoseError
from hemadose.planning.label_data import REGIMENS
from hemadose.planning.policies.limits import PlanningLimits, grade3_name
from hemadose.planning.policies.registry import POLICIES
from hemadose.planning.rules import LINEAGES
from hemadose.study.clinical_settings import LEGAL_LABELS
from hemadose.study.text_files import choices, shown
from hemadose.study.yaml_text import KeyPath, YamlDocument
from hemadose.trials import parts
from hemadose.trials.clinic.prior import ClinicPrior
from hemadose.trials.free_sections import legal_words, section_of
from hemadose.trials.patients.covariates import N_COORDINATES, CovariateModel, covariates_at
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.settings import Arm, TrialSettings
from hemadose.trials.settings_file import PartError, named_in

_T = TypeVar("_T")


def check_parts(trial: TrialSettings, document: YamlDocument) -> None:
    """Make what the sections are passed on to, so that a mistake shows before anything runs."""
    _checked(document, ("cohort", "name"), lambda: parts.cohort_of(trial))
    _check_patients(trial, document)
    _check_values(document, ("limits",), trial.limits, section_of(PlanningLimits))
    _checked(document, ("limits",), lambda: parts.limits_of(trial))
    for place, arm in enumerate(trial.arms):
        _check_label(trial, arm, ("arms", place), document)
    _check_lineages(trial, document)
    for place, arm in enumerate(trial.arms):
        _check_arm(trial, arm, ("arms", place), document)
    most = max(parts.limits_of(trial, arm).max_cycles for arm in trial.arms)
    if most < parts.planned_cycles_of(trial):
        raise document.error(
            ("limits", "max_cycles"),
            f"max_cycles ({most}) is below the planned cycles ({parts.planned_cycles_of(trial)}) "
            "in every arm; set planned_cycles to what is given at most",
        )


def _check_patients(trial: TrialSettings, document: YamlDocument) -> None:
    """Check who the patients are, what is true of them and what the clinic believes."""
    place = ("cohort", "covariates")
    _check_values(document, place, trial.cohort.covariates, section_of(CovariateModel))
    span = trial.cohort.covariates.get("tumour_volume_range_ml", (0, 1))
    if span[0] >= span[1]:
        raise document.error(
            (*place, "tumour_volume_range_ml"), "the first volume must be below the second"
        )
    _checked(document, place, lambda: parts.covariates_of(trial))
    _check_values(document, ("truth",), trial.truth, section_of(TruthSettings, ("covariates",)))
    _checked(document, ("truth",), lambda: parts.truth_of(trial))
    _check_values(document, ("clinic", "prior"), trial.clinic.prior, section_of(ClinicPrior))
    _checked(document, ("clinic", "prior"), lambda: parts.prior_of(trial))
    sections: tuple[tuple[KeyPath, Mapping[str, Any]], ...] = (
        (("truth",), trial.truth),
        (("clinic", "prior"), trial.clinic.prior),
    )
    for section, values in sections:
        for name in values.get("log_shift", ()):
            known = parts.cohort_of(trial).parameters
            if name not in known:
                raise document.error(
                    (*section, "log_shift", name),
                    f"unknown key {shown(name)}, {choices(known, name)}",
                )


def _check_lineages(trial: TrialSettings, document: YamlDocument) -> None:
    counted = parts.lineages_of(trial)
    tables: tuple[tuple[KeyPath, Sequence[str], Sequence[str]], ...] = (
        (("lineages",), trial.lineages, LINEAGES),
        (("monitoring", "checked_lineages"), trial.monitoring.checked_lineages, counted),
    )
    for key, names, legal in tables:
        for place, name in enumerate(names):
            if name not in legal:
                raise document.error((*key, place), f"got {shown(name)}, {choices(legal, name)}")
            if name in names[:place]:
                raise document.error((*key, place), f"{name} stands twice; keep one")
    for arm in trial.arms:
        label = parts.label_of(arm, trial)
        required = REGIMENS[label].required if label in REGIMENS else ()
        lacking = [name for name in required if name not in counted]
        if lacking:
            raise document.error(
                ("lineages",),
                f"the label {label} (arm {arm.name}) also needs {', '.join(lacking)}; add them, "
                "leave lineages out, or set that arm's label to none",
            )


def _check_label(trial: TrialSettings, arm: Arm, own: KeyPath, document: YamlDocument) -> None:
    agent = parts.cohort_of(trial).agent
    if arm.label is not None and arm.label not in LEGAL_LABELS[agent]:
        raise document.error(
            (*own, "label"),
            f"got {shown(arm.label)}, for {agent} {choices(LEGAL_LABELS[agent])}",
        )


def _check_arm(trial: TrialSettings, arm: Arm, own: KeyPath, document: YamlDocument) -> None:
    """Check an arm: its policy, limits and the policy's settings."""
    if arm.policy not in POLICIES:
        raise document.error(
            (*own, "policy"), f"got {shown(arm.policy)}, {choices(POLICIES, arm.policy)}"
        )
    _check_values(document, (*own, "limits"), arm.limits, section_of(PlanningLimits))
    _checked(document, (*own, "limits"), partial(parts.limits_of, trial, arm))
    limits = parts.limits_of(trial, arm)
    untold = [
        name for name in parts.lineages_of(trial) if grade3_name(name) not in limits.tolerance
    ]
    if untold:
        where = own if "grade3_tolerance" in arm.limits else ()
        raise document.error(
            (*where, "limits", "grade3_tolerance"),
            f"no tolerance is given for {', '.join(untold)}; give one for each lineage that is "
            "counted, or one number for all",
        )
    place = (*own, "settings")
    _check_values(document, place, arm.settings, section_of(POLICIES[arm.policy], ("limits",)))
    _check_rules(trial, arm, limits, place, document)
    _checked(document, place, partial(parts.policy_of, trial, arm))


def _check_rules(
    trial: TrialSettings, arm: Arm, limits: PlanningLimits, place: KeyPath, document: YamlDocument
) -> None:
    """Check the rules over covariates against those that the cohort has."""
    known = sorted(
        covariates_at(
            trial.cohort.name, np.zeros((1, N_COORDINATES)), settings=trial.cohort.covariates
        )
    )
    for key in ("first_cycle", "reductions", "qualifies"):
        given = arm.settings.get(key, ())
        for rule in (
            (given,) if isinstance(given, dict) else given if isinstance(given, tuple) else ()
        ):
            if rule["covariate"] not in known:
                raise document.error(
                    (*place, key),
                    f"covariate {shown(rule['covariate'])} is not one of the cohort's; "
                    f"{choices(known, rule['covariate'])}",
                )
    first = arm.settings.get("first_cycle")
    if isinstance(first, dict) and first["from"][0] > 0:
        raise document.error(
            (*place, "first_cycle"),
            f"`from` begins at {first['from'][0]:g}; begin at 0, so that there is an activity for "
            "every patient",
        )
    lowest, highest = limits.min_useful_activity_gbq, limits.max_activity_gbq
    if isinstance(first, int | float) and not lowest <= first <= highest:
        raise document.error(
            (*place, "first_cycle"),
            f"got {first:g}, legal is from min_useful_activity_gbq ({lowest:g}) to "
            f"max_activity_gbq ({highest:g})",
        )


def _check_values(
    document: YamlDocument, place: KeyPath, values: Mapping[str, Any], section: type[BaseModel]
) -> None:
    """Check names, kinds and ranges of the values of a section that has no model of its own."""
    for key in values:
        if key not in section.model_fields:
            raise document.error(
                (*place, key), f"unknown key {shown(key)}, {choices(section.model_fields, key)}"
            )
    for key, field in section.model_fields.items():
        if key not in values and field.is_required() and section is not section_of(CovariateModel):
            raise document.error(
                place, f"the key {key} is missing, legal is {legal_words(section, key)}"
            )
    try:
        section.model_validate(values)
    except ValidationError as error:
        wrong = [
            (*place, *item["loc"])
            for item in error.errors(include_url=False)
            if item["loc"][0] in values
        ]
        if wrong:
            at = max((_known(where, document) for where in wrong), key=len)
            got = shown(document.texts[at]) if at in document.texts else "what stands there"
            legal = legal_words(section, str(wrong[0][len(place)]))
            raise document.error(at, f"got {got}, legal is {legal}") from None


def _known(place: tuple[str | int, ...], document: YamlDocument) -> KeyPath:
    """The parts of a place that stand in the file; others name the kind that was tried."""
    known: KeyPath = ()
    for part in place:
        known = (*known, part) if (*known, part) in document.rows else known
    return known


def _checked(document: YamlDocument, place: KeyPath, make: Callable[[], _T]) -> _T:
    try:
        return make()
    except PartError as error:
        raise document.error((*place, *error.place), str(error)) from None
    except HemadoseError as error:
        section: Any = document.data
        for part in place:
            section = section.get(part, ()) if isinstance(section, dict) else section[int(part)]
        below = named_in(str(error), section if isinstance(section, dict) else ())
        raise document.error((*place, *below), str(error).rstrip(".")) from None
