"""Checks that join study.yaml with the tables of a study folder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import pairwise

from hemadose.errors import StudyError
from hemadose.study.clinical_settings import Cycle, Section
from hemadose.study.settings import Settings
from hemadose.study.settings_file import field_keys
from hemadose.study.table_columns import REGIONS, TUMOUR_NAME
from hemadose.study.table_rows import ActivitySample, FociRow, Tables
from hemadose.study.text_files import choices, shown
from hemadose.study.yaml_text import YamlDocument

_HOURS_PER_DAY = 24.0


def cycle_days(cycles: tuple[Cycle, ...]) -> dict[int, float]:
    """Return the start of each cycle (days since the start of cycle 1) by its number."""
    return {cycle.number: (cycle.start - cycles[0].start) / timedelta(days=1) for cycle in cycles}


def decision_day(settings: Settings, tables: Tables) -> float:
    """Return the day of the decision: as given, otherwise the latest with data.

    Days count from the start of cycle 1; without cycles the decision is day 0.
    """
    if not settings.cycles:
        return 0.0
    if settings.decision.date is not None:
        return float((settings.decision.date - settings.cycles[0].start.date()).days)
    starts = cycle_days(settings.cycles)
    rows: list[ActivitySample | FociRow] = [*tables.activity, *tables.foci]
    samples = [starts[row.cycle] + row.time_h / _HOURS_PER_DAY for row in rows]
    return max([*starts.values(), *samples, *(row.day for row in tables.counts)])


def check_settings(settings: Settings, document: YamlDocument) -> None:
    """Check names of tumours and regions, and the order of cycles and decision.

    Parameters
    ----------
    settings : Settings
        Valid section by section.
    document : YamlDocument
        Knows the line of each key.

    Raises
    ------
    StudyError
        At the first error.
    """
    for name in settings.tumours:
        if not TUMOUR_NAME.fullmatch(name):
            raise document.error(
                ("tumours", name),
                f"got {shown(name)}, legal is tumour, or tumour_ followed by letters, digits "
                "and _ such as tumour_1",
            )
    regions = (*REGIONS, *settings.tumours)
    for name in settings.methods.residual_cv:
        if name not in regions:
            raise document.error(
                ("methods", "residual_cv", name), f"unknown region, {choices(regions, name)}"
            )
    if settings.methods.rmblr == "sgouros" and settings.patient.haematocrit is None:
        raise document.error(
            ("methods", "rmblr"),
            "got 'sgouros', which needs patient.haematocrit; add it, or choose unity or measured",
        )
    _check_cycles(settings, document)
    if "planning" in settings.model_fields_set:
        _check_planning(settings, document)


def _check_planning(settings: Settings, document: YamlDocument) -> None:
    from hemadose.planning.errors import HemadosePlanningError
    from hemadose.planning.other_policies import own_settings
    from hemadose.planning.policies import make_policy
    from hemadose.planning.study_situation import study_limits

    planning, therapy = settings.planning, settings.therapy
    try:
        limits = study_limits(therapy, settings.limits)
        own, its_limits = own_settings(
            planning.policy, planning.settings, limits, therapy.planned_cycles
        )
        make_policy(planning.policy, own, limits=its_limits)
    except HemadosePlanningError as error:
        key = "settings" if planning.settings else "policy"
        raise document.error(("planning", key), str(error).rstrip(".")) from None


def _check_cycles(settings: Settings, document: YamlDocument) -> None:
    for index, cycle in enumerate(settings.cycles):
        if cycle.number != index + 1:
            raise document.error(
                ("cycles", index, "number"),
                f"got {cycle.number}, legal is {index + 1}; cycles are numbered 1, 2, 3 in order",
            )
    for index, (before, after) in enumerate(pairwise(settings.cycles), start=1):
        if after.start <= before.start:
            raise document.error(
                ("cycles", index, "start"),
                f"got {after.start:%Y-%m-%d %H:%M}, legal is a time after the start of cycle "
                f"{before.number} ({before.start:%Y-%m-%d %H:%M})",
            )
    date = settings.decision.date
    if date is not None and settings.cycles and date < settings.cycles[-1].start.date():
        raise document.error(
            ("decision", "date"),
            f"got {date}, legal is a date from the start of the last cycle "
            f"({settings.cycles[-1].start:%Y-%m-%d}) on",
        )


def check_tables(
    settings: Settings, tables: Tables, labels: Mapping[str, str], document: YamlDocument
) -> None:
    """Check the tables against each other and against the dates of study.yaml.

    Parameters
    ----------
    settings : Settings
        The settings.
    tables : Tables
        The rows.
    labels : mapping of str to str
        Name of each table's file in messages.
    document : YamlDocument
        Knows the line of each key.

    Raises
    ------
    StudyError
        At the first error.
    """
    end = decision_day(settings, tables) + 1.0
    no_end = settings.cycles and settings.decision.date is None
    _check_sample_times(settings, tables, labels, math.inf if no_end else end)
    for row in tables.counts:
        if not no_end and row.day >= end:
            what = "decision" if settings.cycles else "start of cycle 1, which is still planned"
            raise StudyError(
                f"got {row.day:g}, legal is up to day {end - 1:g}, the {what}",
                file=labels["counts"],
                row=row.line,
                column="day",
            )
    sampled = {(sample.cycle, sample.region): sample.line for sample in tables.activity}
    for dose in tables.doses:
        if line := sampled.get((dose.cycle, dose.region)):
            raise StudyError(
                f"{dose.region} of cycle {dose.cycle} stands in the activity table too (row "
                f"{line}); legal is one of the two, so remove one",
                file=labels["doses"],
                row=dose.line,
                column="region",
            )
    if settings.methods.marrow_dose == "image" and not tables.has_marrow_image:
        raise document.error(
            ("methods", "marrow_dose"),
            "got 'image', but neither table holds marrow rows of images; add them, or write blood",
        )


def _check_sample_times(
    settings: Settings, tables: Tables, labels: Mapping[str, str], end: float
) -> None:
    """Refuse samples after the decision, or after the start of the next cycle."""
    starts = cycle_days(settings.cycles)
    named: list[tuple[str, ActivitySample | FociRow]] = [
        *((labels["activity"], sample) for sample in tables.activity),
        *((labels["foci"], count) for count in tables.foci),
    ]
    for file, row in named:
        day = starts[row.cycle] + row.time_h / _HOURS_PER_DAY
        following = starts.get(row.cycle + 1, math.inf)
        if day >= min(end, following):
            bound = (min(end, following) - starts[row.cycle]) * _HOURS_PER_DAY
            what = "the decision" if end < following else f"the start of cycle {row.cycle + 1}"
            raise StudyError(
                f"got {row.time_h:g}, which is after {what}; legal is below {bound:g} h",
                file=file,
                row=row.line,
                column="time_h",
            )


def assumptions(settings: Settings) -> Iterator[str]:
    """Name each default of study.yaml that is assumed and was used."""
    labelled = settings.therapy.label != "none"
    for key, value, text in _assumed("", settings):
        skipped = labelled and key in ("therapy.planned_cycles", "therapy.max_activity_gbq")
        iodine_only = "used for I-131" in text and settings.therapy.nuclide != "I-131"
        if not skipped and not iodine_only:
            yield f"{key} = {_plain(value)} (ASSUMED default, not given in study.yaml)"


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _assumed(prefix: str, section: Section) -> Iterator[tuple[str, object, str]]:
    for (key, field), name in zip(
        field_keys(type(section)).items(), type(section).model_fields, strict=True
    ):
        value = getattr(section, name)
        text = field.description or ""
        if isinstance(value, Section):
            yield from _assumed(f"{prefix}{key}.", value)
        elif "ASSUMED" in text and value is not None and name not in section.model_fields_set:
            yield f"{prefix}{key}", value, text
