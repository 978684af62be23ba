"""Reading a patient's counts and cycles in order of time, as a label judges them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hemadose.planning.label_data import RULES, LabelName, LabelRegimen, Toxicity

LabelAction = Literal["treat", "reduce", "hold", "stop"]

_REDUCED_BELOW = 0.9  # share of the full activity; see the assumptions of each regimen


@dataclass(frozen=True)
class CountGrades:
    """CTCAE grades of one blood count.

    Parameters
    ----------
    day : float
        Day of the count, on the same axis as the cycles.
    grades : mapping of str to int or None
        Grade 0-4 per lineage; None or no entry means not measured. Where the lower limit of
        normal is unknown, give 1 for a count above the grade 2 limit: labels treat 0 and 1 alike.
    values : mapping of str to float, optional
        The counts themselves (1e9/L; haemoglobin g/L), for the reasons given.
    """

    day: float
    grades: Mapping[str, int | None]
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Administration:
    """One cycle: the day it was given and its activity (GBq)."""

    day: float
    activity_gbq: float


@dataclass(frozen=True)
class TrailStep:
    """One step of the walk: the day, the rule it touches (or "") and what happened."""

    day: float
    rule_id: str
    text: str


Event = CountGrades | Administration


class Finding(NamedTuple):
    """The grade of one lineage on one day."""

    lineage: str
    day: float
    grade: int
    value: float | None

    def __str__(self) -> str:
        unit = "g/L" if self.lineage == "haemoglobin" else "×10⁹/L"
        value = "" if self.value is None else f" {self.value:g} {unit}"
        return f"{self.lineage}{value} (grade {self.grade}) on day {self.day:g}"


class Verdict(NamedTuple):
    """A rule that fired and why."""

    action: LabelAction
    rule_id: str
    reason: str


@dataclass
class Walk:
    """What is remembered while the history is read."""

    regimen: LabelRegimen
    baseline: Mapping[str, int | None]
    re_escalate: bool
    cycles: list[Administration] = field(default_factory=list)
    latest: dict[str, Finding] = field(default_factory=dict)
    unresolved: dict[str, Finding] = field(default_factory=dict)
    recovered_day: float | None = None
    severe: dict[str, Finding] = field(default_factory=dict)
    reduced_day: dict[str, float] = field(default_factory=dict)
    stop: Verdict | None = None
    trail: list[TrailStep] = field(default_factory=list)

    def note(self, day: float, rule_id: str, text: str) -> None:
        """Add a step to the trail."""
        self.trail.append(TrailStep(day, rule_id, text))


def in_order(
    history: Sequence[CountGrades], cycles: Sequence[Administration], decision_day: float
) -> list[Event]:
    """Events up to the decision day; on one day counts come before the cycle."""
    events: list[Event] = [*history, *cycles]
    known = [event for event in events if event.day <= decision_day]
    return sorted(known, key=lambda event: (event.day, isinstance(event, Administration)))


def baseline_from(events: Sequence[Event]) -> dict[str, int | None]:
    """Last grade of each lineage before the first cycle."""
    baseline: dict[str, int | None] = {}
    for event in events:
        if isinstance(event, Administration):
            break
        baseline |= {name: grade for name, grade in event.grades.items() if grade is not None}
    return baseline


def walk_history(walk: Walk, label: LabelName, events: Sequence[Event]) -> None:
    """Read all events, in order, into `walk`."""
    for event in events:
        if isinstance(event, CountGrades):
            _read_count(walk, label, event)
        else:
            _read_cycle(walk, label, event)


def _limits(walk: Walk, toxicity: Toxicity, lineage: str) -> tuple[int, int]:
    """Grades from which to withhold and to reduce; a toxicity is worse than the baseline."""
    above = (walk.baseline.get(lineage) or 0) + 1 if toxicity.or_baseline else 0
    return max(toxicity.hold_grade, above), max(toxicity.reduce_grade, above)


def _read_count(walk: Walk, label: LabelName, count: CountGrades) -> None:
    for lineage, grade in count.grades.items():
        if grade is not None:
            value = count.values.get(lineage)
            walk.latest[lineage] = Finding(lineage, count.day, grade, value)
    if not walk.cycles:
        return
    lymphocytes = count.grades.get("lymphocytes")
    if lymphocytes is not None and lymphocytes >= 3 and label == "lutathera":
        text = f"{walk.latest['lymphocytes']}: lymphocytes alone change nothing"
        walk.note(count.day, "lutathera.lymphopenia", text)
    for toxicity in walk.regimen.toxicities:
        for lineage in toxicity.lineages:
            if count.grades.get(lineage) is not None:
                _judge(walk, toxicity, walk.latest[lineage])


def _judge(walk: Walk, toxicity: Toxicity, finding: Finding) -> None:
    """Open, keep or close the toxicity of one lineage."""
    hold_grade, reduce_grade = _limits(walk, toxicity, finding.lineage)
    rule_id = f"{toxicity.id}.hold"
    if finding.grade >= hold_grade:
        if finding.lineage not in walk.unresolved:
            walk.note(finding.day, rule_id, f"{finding}: withhold")
        walk.unresolved[finding.lineage] = finding
    elif finding.lineage in walk.unresolved:
        del walk.unresolved[finding.lineage]
        walk.note(finding.day, rule_id, f"{finding}: recovered")
        if not walk.unresolved:
            walk.recovered_day = finding.day
    if finding.grade < reduce_grade:
        return
    if toxicity.id in walk.reduced_day:
        first = walk.severe[toxicity.id]
        reason = f"{finding} after a reduced activity; it was first seen as {first}."
        _stop(walk, finding.day, f"{toxicity.id}.stop", reason)
    walk.severe.setdefault(toxicity.id, finding)


def _stop(walk: Walk, day: float, rule_id: str, reason: str) -> None:
    """Treatment ends; the first reason is kept."""
    if walk.stop is None:
        walk.stop = Verdict("stop", rule_id, reason)
        walk.note(day, rule_id, f"stop: {reason}")


def _read_cycle(walk: Walk, label: LabelName, cycle: Administration) -> None:
    judge_delay(walk, label, cycle.day)
    number = len(walk.cycles) + 1
    text = f"cycle {number}: {cycle.activity_gbq:g} GBq"
    reduced = cycle.activity_gbq < _REDUCED_BELOW * walk.regimen.full_gbq
    if walk.unresolved or walk.stop:
        text += ", given though the label withheld it"
    elif not reduced and needs_reduction(walk):
        text += f", given though the label allowed {walk.regimen.reduced_gbq:g} GBq"
    walk.note(cycle.day, "", text)
    if reduced:
        for toxicity_id in walk.severe:
            walk.reduced_day.setdefault(toxicity_id, cycle.day)
    walk.cycles.append(cycle)
    walk.recovered_day = None


def judge_delay(walk: Walk, label: LabelName, day: float) -> tuple[str, ...]:
    """Judge how long toxicity has delayed the cycle that is due; return warnings."""
    end_day = day if walk.unresolved else walk.recovered_day
    if not walk.cycles or end_day is None:
        return ()
    regimen = walk.regimen
    delay_days = end_day - (walk.cycles[-1].day + regimen.interval_days)
    limit_days = regimen.max_delay_days
    text = f"Toxicity has delayed cycle {len(walk.cycles) + 1} by {delay_days:g} days"
    if regimen.delay_stops and delay_days >= limit_days:
        _stop(walk, day, f"{label}.delay", f"{text}, {limit_days:g} or more.")
    elif not regimen.delay_stops and delay_days > limit_days:
        text += f", more than {limit_days:g}: the label says to consider stopping for good."
        walk.note(day, f"{label}.delay", text)
        return (text,)
    return ()


def _tolerated(walk: Walk, toxicity: Toxicity) -> bool:
    """Whether every lineage was counted after the reduced cycle (a relapse would have stopped)."""
    day = walk.reduced_day.get(toxicity.id)
    found = [walk.latest[name] for name in toxicity.lineages if name in walk.latest]
    return day is not None and all(finding.day > day for finding in found)


def needs_reduction(walk: Walk) -> Verdict | None:
    """Say whether the next activity is reduced because of an earlier toxicity."""
    for toxicity in walk.regimen.toxicities:
        severe = walk.severe.get(toxicity.id)
        may_return = walk.re_escalate and f"{toxicity.id}.re_escalate" in RULES
        if severe is not None and not (may_return and _tolerated(walk, toxicity)):
            reason = f"{severe} calls for {walk.regimen.reduced_gbq:g} GBq."
            return Verdict("reduce", f"{toxicity.id}.reduce", reason)
    return None
