"""What the product labels would do next, given a patient's blood counts so far.

Each label is a small state machine. It walks counts and cycles in order of time, opens a toxicity
when a grade reaches its threshold, closes it when it has recovered, and remembers what calls for a
reduction or an end of treatment. The rules themselves are data, see `hemadose.planning.label_data`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.label_data import REGIMENS, RULES, LabelName
from hemadose.planning.label_walk import (
    Administration,
    CountGrades,
    LabelAction,
    TrailStep,
    Verdict,
    Walk,
    baseline_from,
    in_order,
    judge_delay,
    needs_reduction,
    walk_history,
)

LINEAGES = ("platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes")

_MIN_HAEMOGLOBIN, _MIN_LEUKOCYTES = 80.0, 2.0  # g/L, 1e9/L: PMC10571645, Table 2


@dataclass(frozen=True)
class LabelDecision:
    """What the label allows on the decision day.

    Attributes
    ----------
    label : {"lutathera", "pluvicto", "none"}
        The label that was applied.
    action : {"treat", "reduce", "hold", "stop"}
        In order of caution.
    max_activity_gbq : float
        Highest activity allowed now; 0 for "hold" and "stop".
    resume_activity_gbq : float
        Highest activity once a hold ends; equals `max_activity_gbq` for "treat" and "reduce".
    planned_activity_gbq : float
        What was planned.
    rule_id, reason, resume_condition, source, status : str
        The rule that decides, the observation that triggered it, what ends it, where the rule was
        read, and how well it is supported.
    trail : tuple of TrailStep
        Every step of the walk, in order of time.
    warnings, assumptions : tuple of str
        What the reader must know besides.
    """

    label: LabelName
    action: LabelAction
    max_activity_gbq: float
    resume_activity_gbq: float
    planned_activity_gbq: float
    rule_id: str
    reason: str
    resume_condition: str
    source: str
    status: str
    trail: tuple[TrailStep, ...] = ()
    warnings: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain Python values, ready for JSON."""
        return asdict(self)


def label_decision(
    label: LabelName,
    history: Sequence[CountGrades],
    *,
    cycles: Sequence[Administration],
    decision_day: float,
    planned_activity_gbq: float,
    baseline_grades: Mapping[str, int | None] | None = None,
    baseline_values: Mapping[str, float] | None = None,
    creatinine_clearance_ml_min: float | None = None,
    min_creatinine_clearance_ml_min: float | None = None,
    max_data_age_days: float | None = None,
    min_platelets: float = 70.0,
    re_escalate: bool = True,
    regimen_ends: bool = True,
) -> LabelDecision:
    """Apply a label's haematological rules to a patient's history.

    Counts and cycles later than `decision_day` are not used. A count on the day of a cycle was
    taken before it. Lymphocytes change nothing in either label.

    Parameters
    ----------
    label : {"lutathera", "pluvicto", "none"}
        Whose rules apply; "none" allows the planned activity unless the counts are stale.
    history : sequence of CountGrades
        Graded blood counts in any order; those up to the first cycle are the baseline.
    cycles : sequence of Administration
        Cycles already given, in any order.
    decision_day : float
        Day for which the label is asked.
    planned_activity_gbq : float
        Activity planned for the next cycle (GBq).
    baseline_grades : mapping, optional
        Grades before treatment; by default the last ones up to the first cycle.
    baseline_values : mapping, optional
        Counts before cycle 1 for the eligibility rule (1e9/L; haemoglobin g/L); by default the
        values of the last count.
    creatinine_clearance_ml_min : float, optional
        Latest creatinine clearance (mL/min).
    min_creatinine_clearance_ml_min : float, optional
        Withhold below it; by default 30 (Pluvicto) or 40 mL/min (Lutathera, UNVERIFIED).
    max_data_age_days : float, optional
        Withhold if a required count is older (with "none": if there are counts and the last is
        older); not checked by default.
    min_platelets : float
        Eligibility limit of platelets (1e9/L), 70 or 75.
    re_escalate : bool
        Lutathera: back to the full activity once a reduced one was tolerated (UNVERIFIED).
    regimen_ends : bool
        Whether treatment ends with the label's number of cycles.

    Returns
    -------
    LabelDecision

    Raises
    ------
    HemadosePlanningError
        If the label or a lineage is unknown, or a day, grade or activity is not legal.

    Examples
    --------
    >>> history = [CountGrades(40, {"platelets": 2, "haemoglobin": 1, "neutrophils": 0})]
    >>> given = [Administration(0, 7.4)]
    >>> decision = label_decision(
    ...     "lutathera", history, cycles=given, decision_day=56, planned_activity_gbq=7.4
    ... )
    >>> decision.action, decision.rule_id
    ('hold', 'lutathera.platelets.hold')
    >>> decision.reason
    'platelets (grade 2) on day 40 has not recovered.'
    """
    _check(label, history, cycles, decision_day, planned_activity_gbq, creatinine_clearance_ml_min)
    if label == "none":
        verdict = _stale(history, cycles, decision_day, max_data_age_days) or Verdict(
            "treat", "none.no_rules", "No label rules were asked for."
        )
        return _decision(label, verdict, planned_activity_gbq, planned_activity_gbq)
    regimen = REGIMENS[label]
    events = in_order(history, cycles, decision_day)
    baseline = baseline_from(events) if baseline_grades is None else baseline_grades
    walk = Walk(regimen, baseline, re_escalate)
    walk_history(walk, label, events)
    warnings = judge_delay(walk, label, decision_day)
    if min_creatinine_clearance_ml_min is None:
        min_creatinine_clearance_ml_min = regimen.min_creatinine_clearance_ml_min
    values = _latest_values(events) if baseline_values is None else baseline_values
    reduction = needs_reduction(walk)
    verdict = (
        walk.stop
        or (_completed(walk, label) if regimen_ends else None)
        or _unresolved(walk)
        or _renal(label, creatinine_clearance_ml_min, min_creatinine_clearance_ml_min)
        or _data(walk, decision_day, max_data_age_days)
        or _eligibility(walk, label, values, min_platelets)
        or reduction
        or _treat(walk, label)
    )
    ceiling_gbq = regimen.reduced_gbq if reduction else regimen.full_gbq
    unchecked = ("The age of the counts was not checked.",) if max_data_age_days is None else ()
    return _decision(
        label,
        verdict,
        planned_activity_gbq,
        min(ceiling_gbq, planned_activity_gbq),
        trail=(*walk.trail, TrailStep(decision_day, verdict.rule_id, verdict.reason)),
        warnings=warnings,
        assumptions=(*regimen.assumptions, *unchecked),
    )


def _decision(
    label: LabelName,
    verdict: Verdict,
    planned_gbq: float,
    ceiling_gbq: float,
    *,
    trail: tuple[TrailStep, ...] = (),
    warnings: tuple[str, ...] = (),
    assumptions: tuple[str, ...] = (),
) -> LabelDecision:
    """Put the rule that decides beside what was observed."""
    rule = RULES[verdict.rule_id]
    touched = [RULES[step.rule_id] for step in trail if step.rule_id]
    weak = {r.id: r for r in (*touched, rule) if r.status != "sourced" and label != "none"}
    marked = (f"Rule {r.id} is {r.status}: {r.source}." for r in weak.values())
    resume_gbq = 0.0 if verdict.action == "stop" else ceiling_gbq
    return LabelDecision(
        label=label,
        action=verdict.action,
        max_activity_gbq=resume_gbq if verdict.action in ("treat", "reduce") else 0.0,
        resume_activity_gbq=resume_gbq,
        planned_activity_gbq=planned_gbq,
        rule_id=rule.id,
        reason=verdict.reason,
        resume_condition=rule.resume,
        source=rule.source,
        status=rule.status,
        trail=trail,
        warnings=warnings,
        assumptions=(*marked, *assumptions),
    )


def _latest_values(events: Sequence[CountGrades | Administration]) -> dict[str, float]:
    values: dict[str, float] = {}
    for event in events:
        if isinstance(event, CountGrades):
            values |= event.values
    return values


def _completed(walk: Walk, label: LabelName) -> Verdict | None:
    given, regimen = len(walk.cycles), walk.regimen
    if given < regimen.max_cycles:
        return None
    reason = f"{given} cycles were given; the label's regimen has {regimen.max_cycles}."
    return Verdict("stop", f"{label}.complete", reason)


def _unresolved(walk: Walk) -> Verdict | None:
    if not walk.unresolved:
        return None
    worst = max(walk.unresolved.values(), key=lambda finding: finding.grade)
    toxicity = next(t for t in walk.regimen.toxicities if worst.lineage in t.lineages)
    return Verdict("hold", f"{toxicity.id}.hold", f"{worst} has not recovered.")


def _renal(label: LabelName, clearance: float | None, minimum: float) -> Verdict | None:
    if clearance is None or clearance >= minimum:
        return None
    reason = f"Creatinine clearance {clearance:g} mL/min is below {minimum:g} mL/min."
    return Verdict("hold", f"{label}.renal", reason)


def _data(walk: Walk, day: float, max_age_days: float | None) -> Verdict | None:
    """Withhold on counts that are missing since the last cycle, or too old."""
    if not walk.cycles:
        return None
    last = walk.cycles[-1].day
    seen = {n: walk.latest[n].day for n in walk.regimen.required if n in walk.latest}
    missing = [n for n in walk.regimen.required if seen.get(n, -math.inf) <= last]
    if missing:
        names = ", ".join(missing)
        reason = f"No blood count since cycle {len(walk.cycles)} (day {last:g}) has {names}."
        return Verdict("hold", "data.missing", reason)
    lineage = min(seen, key=lambda name: seen[name])
    age_days = day - seen[lineage]
    if max_age_days is None or age_days <= max_age_days:
        return None
    reason = (
        f"The last {lineage} count is {age_days:g} days old; at most {max_age_days:g} is legal."
    )
    return Verdict("hold", "data.stale", reason)


def _stale(
    history: Sequence[CountGrades],
    cycles: Sequence[Administration],
    day: float,
    max_age_days: float | None,
) -> Verdict | None:
    """Without a label: withhold where counts are kept, but the last one is too old."""
    days = [count.day for count in history if count.day <= day]
    if max_age_days is None or not (days and cycles) or day - max(days) <= max_age_days:
        return None
    age_days = day - max(days)
    reason = f"The last blood count is {age_days:g} days old; at most {max_age_days:g} is legal."
    return Verdict("hold", "data.stale", reason)


def _eligibility(
    walk: Walk, label: LabelName, values: Mapping[str, float], min_platelets: float
) -> Verdict | None:
    if walk.cycles or label != "lutathera":
        return None
    limits = {
        "haemoglobin": _MIN_HAEMOGLOBIN,
        "leukocytes": _MIN_LEUKOCYTES,
        "platelets": min_platelets,
    }
    for lineage, limit in limits.items():
        value = values.get(lineage)
        if value is not None and not value > limit:
            reason = f"Before cycle 1 {lineage} of {value:g} is not above {limit:g}."
            return Verdict("hold", "lutathera.eligibility", reason)
    return None


def _treat(walk: Walk, label: LabelName) -> Verdict:
    """No rule stands in the way; name the return to full activity where there is one."""
    for toxicity in walk.regimen.toxicities:
        if toxicity.id in walk.severe:
            reason = f"The reduced activity was tolerated after {walk.severe[toxicity.id]}."
            return Verdict("treat", f"{toxicity.id}.re_escalate", reason)
    judged = {name for toxicity in walk.regimen.toxicities for name in toxicity.lineages}
    found = sorted((f for n, f in walk.latest.items() if n in judged), key=lambda f: -f.grade)
    seen = f"the worst is {found[0]}" if found else "there is no blood count"
    return Verdict("treat", f"{label}.regimen", f"No rule withholds or reduces; {seen}.")


def _check(
    label: str,
    history: Sequence[CountGrades],
    cycles: Sequence[Administration],
    decision_day: float,
    planned_gbq: float,
    clearance: float | None,
) -> None:
    if label not in ("none", *REGIMENS):
        legal = ", ".join(("none", *REGIMENS))
        raise HemadosePlanningError(f"label {label!r} is not known; legal are {legal}")
    days = [decision_day, *(count.day for count in history), *(cycle.day for cycle in cycles)]
    if not all(math.isfinite(day) for day in days):
        raise HemadosePlanningError("every day (counts, cycles, decision) must be a finite number")
    for activity in (planned_gbq, *(cycle.activity_gbq for cycle in cycles)):
        if not (math.isfinite(activity) and activity > 0):
            raise HemadosePlanningError(f"an activity must be above 0 GBq, got {activity:g}")
    if clearance is not None and not clearance >= 0:
        raise HemadosePlanningError(f"creatinine clearance must be 0 or more, got {clearance:g}")
    for count in history:
        for lineage, grade in count.grades.items():
            if lineage not in LINEAGES:
                legal = ", ".join(LINEAGES)
                raise HemadosePlanningError(f"lineage {lineage!r} is not known; legal are {legal}")
            if grade not in (None, 0, 1, 2, 3, 4):
                raise HemadosePlanningError(
                    f"grade of {lineage} on day {count.day:g} must be 0 to 4 or None, got {grade!r}"
                )
