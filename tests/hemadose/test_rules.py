"""The label state machines: each rule by hand, and their properties."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemadose.errors import HemadoseError
from hemadose.planning import (
    RULES,
    Administration,
    CountGrades,
    HemadosePlanningError,
    label_decision,
)

CAUTION = {"treat": 0, "reduce": 1, "hold": 2, "stop": 3}
ALL_FINE = {"platelets": 0, "haemoglobin": 1, "neutrophils": 0, "leukocytes": 0}


def count(day, values=None, **grades):
    return CountGrades(day, ALL_FINE | grades, values or {})


def decide(label, history, done, day, **options):
    cycles = [Administration(*cycle) for cycle in done]
    options = {"planned_activity_gbq": 7.4} | options
    return label_decision(label, history, cycles=cycles, decision_day=day, **options)


ONE = [(0, 7.4)]
L, P = "lutathera", "pluvicto"
PLT, MYELO = "lutathera.platelets", "pluvicto.myelosuppression"

# label, history, cycles, day, options, action, highest activity, rule
CASES = {
    "no label": ("none", [count(20, platelets=4)], ONE, 40, {}, "treat", 7.4, "none.no_rules"),
    "L fine": (L, [count(40)], ONE, 56, {}, "treat", 7.4, "lutathera.regimen"),
    "L grade 1": (L, [count(40, platelets=1)], ONE, 56, {}, "treat", 7.4, "lutathera.regimen"),
    "L hold": (L, [count(40, platelets=2)], ONE, 56, {}, "hold", 0, f"{PLT}.hold"),
    "L reduce": (
        L,
        [count(40, platelets=2), count(60, platelets=1)],
        ONE,
        61,
        {},
        "reduce",
        3.7,
        f"{PLT}.reduce",
    ),
    "L relapse before any new cycle is not a recurrence": (
        L,
        [count(30, platelets=2), count(40), count(50, platelets=3)],
        ONE,
        56,
        {},
        "hold",
        0,
        f"{PLT}.hold",
    ),
    "L relapse after a full cycle given against the label": (
        L,
        [count(30, platelets=2), count(50), count(80, platelets=2)],
        [(0, 7.4), (56, 7.4)],
        112,
        {},
        "hold",
        0,
        f"{PLT}.hold",
    ),
    "L tolerated": (
        L,
        [count(40, platelets=2), count(60), count(100)],
        [(0, 7.4), (61, 3.7)],
        117,
        {},
        "treat",
        7.4,
        f"{PLT}.re_escalate",
    ),
    "L tolerated, stay reduced": (
        L,
        [count(40, platelets=2), count(60), count(100)],
        [(0, 7.4), (61, 3.7)],
        117,
        {"re_escalate": False},
        "reduce",
        3.7,
        f"{PLT}.reduce",
    ),
    "L recurrence": (
        L,
        [count(40, platelets=2), count(60), count(100, platelets=2)],
        [(0, 7.4), (61, 3.7)],
        117,
        {},
        "stop",
        0,
        f"{PLT}.stop",
    ),
    "L recurrence is for good": (
        L,
        [count(40, platelets=2), count(60), count(100, platelets=2), count(130)],
        [(0, 7.4), (61, 3.7)],
        140,
        {},
        "stop",
        0,
        f"{PLT}.stop",
    ),
    "L 16 weeks late": (
        L,
        [count(40, platelets=2)],
        ONE,
        56 + 112,
        {},
        "stop",
        0,
        "lutathera.delay",
    ),
    "L one day less": (L, [count(40, platelets=2)], ONE, 167, {}, "hold", 0, f"{PLT}.hold"),
    "L late for other reasons": (
        L,
        [count(40, platelets=2), count(60), count(290)],
        ONE,
        300,
        {},
        "reduce",
        3.7,
        f"{PLT}.reduce",
    ),
    "L anaemia 2 is no reason": (
        L,
        [count(40, haemoglobin=2, neutrophils=2)],
        ONE,
        56,
        {},
        "treat",
        7.4,
        "lutathera.regimen",
    ),
    "L lymphocytes alone": (
        L,
        [count(40, lymphocytes=4)],
        ONE,
        56,
        {},
        "treat",
        7.4,
        "lutathera.regimen",
    ),
    "L clearance": (
        L,
        [count(40)],
        ONE,
        56,
        {"creatinine_clearance_ml_min": 39.0},
        "hold",
        0,
        "lutathera.renal",
    ),
    "L clearance limit is an argument": (
        L,
        [count(40)],
        ONE,
        56,
        {"creatinine_clearance_ml_min": 39.0, "min_creatinine_clearance_ml_min": 30.0},
        "treat",
        7.4,
        "lutathera.regimen",
    ),
    "L no count": (L, [count(-7)], ONE, 56, {}, "hold", 0, "data.missing"),
    "L stale": (L, [count(28)], ONE, 56, {"max_data_age_days": 14}, "hold", 0, "data.stale"),
    "L not stale": (
        L,
        [count(42)],
        ONE,
        56,
        {"max_data_age_days": 14},
        "treat",
        7.4,
        "lutathera.regimen",
    ),
    "L complete": (
        L,
        [count(200)],
        [(0, 7.4), (56, 7.4), (112, 7.4), (168, 7.4)],
        224,
        {},
        "stop",
        0,
        "lutathera.complete",
    ),
    "L not eligible": (
        L,
        [count(-7, values={"platelets": 70.0})],
        [],
        0,
        {},
        "hold",
        0,
        "lutathera.eligibility",
    ),
    "L eligible": (
        L,
        [],
        [],
        0,
        {"baseline_values": {"platelets": 71.0, "haemoglobin": 81.0, "leukocytes": 2.1}},
        "treat",
        7.4,
        "lutathera.regimen",
    ),
    "L the other platelet limit": (
        L,
        [],
        [],
        0,
        {"baseline_values": {"platelets": 71.0}, "min_platelets": 75.0},
        "hold",
        0,
        "lutathera.eligibility",
    ),
    "P fine": (P, [count(30)], ONE, 42, {}, "treat", 7.4, "pluvicto.regimen"),
    "P grade 2": (P, [count(30, leukocytes=2)], ONE, 42, {}, "hold", 0, f"{MYELO}.hold"),
    "P grade 2 recovered": (
        P,
        [count(30, platelets=2), count(45, platelets=1)],
        ONE,
        46,
        {},
        "treat",
        7.4,
        "pluvicto.regimen",
    ),
    "P grade 3": (P, [count(30, neutrophils=3)], ONE, 42, {}, "hold", 0, f"{MYELO}.hold"),
    "P grade 3, now 2": (
        P,
        [count(30, platelets=3), count(40, platelets=2)],
        ONE,
        42,
        {},
        "hold",
        0,
        f"{MYELO}.hold",
    ),
    "P reduce": (
        P,
        [count(30, platelets=3), count(45, platelets=1)],
        ONE,
        46,
        {},
        "reduce",
        5.9,
        f"{MYELO}.reduce",
    ),
    "P never back to full": (
        P,
        [count(30, platelets=3), count(45), count(80)],
        [(0, 7.4), (46, 5.9)],
        90,
        {},
        "reduce",
        5.9,
        f"{MYELO}.reduce",
    ),
    "P grade 2 after the reduction": (
        P,
        [count(30, platelets=3), count(45), count(80, platelets=2)],
        [(0, 7.4), (46, 5.9)],
        90,
        {},
        "hold",
        0,
        f"{MYELO}.hold",
    ),
    "P recurrence in another lineage": (
        P,
        [count(30, platelets=3), count(45), count(80, haemoglobin=3)],
        [(0, 7.4), (46, 5.9)],
        90,
        {},
        "stop",
        0,
        f"{MYELO}.stop",
    ),
    "P baseline of grade 2": (
        P,
        [count(-5, haemoglobin=2), count(30, haemoglobin=2)],
        ONE,
        42,
        {},
        "treat",
        7.4,
        "pluvicto.regimen",
    ),
    "P clearance": (
        P,
        [count(30)],
        ONE,
        42,
        {"creatinine_clearance_ml_min": 29.0},
        "hold",
        0,
        "pluvicto.renal",
    ),
    "P complete": (
        P,
        [count(240)],
        [(42 * i, 7.4) for i in range(6)],
        252,
        {},
        "stop",
        0,
        "pluvicto.complete",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_case_by_hand(name):
    label, history, done, day, options, action, activity, rule_id = CASES[name]
    decision = decide(label, history, done, day, **options)
    assert (decision.action, decision.max_activity_gbq) == (action, activity)
    assert decision.rule_id == rule_id
    assert decision.source == RULES[rule_id].source
    assert decision.status == RULES[rule_id].status
    assert decision.trail or label == "none"
    json.dumps(decision.to_dict(), allow_nan=False)


@pytest.mark.parametrize("toxicity", ["anaemia_neutropenia", "leukopenia"])
@pytest.mark.parametrize("stage", ["hold", "reduce", "re_escalate", "stop"])
def test_each_toxicity_of_lutathera_goes_through_all_stages(toxicity, stage):
    lineage = "haemoglobin" if toxicity == "anaemia_neutropenia" else "leukocytes"
    history = [count(40, **{lineage: 3})]
    done, day = [(0, 7.4)], 56
    if stage != "hold":
        history += [count(60, **{lineage: 2})]
        day = 61
    if stage in ("re_escalate", "stop"):
        done, day = [(0, 7.4), (61, 3.7)], 117
        history += [count(100, **{lineage: 3 if stage == "stop" else 2})]
    assert decide(L, history, done, day).rule_id == f"lutathera.{toxicity}.{stage}"


def test_every_rule_is_reached():
    reached = set()
    for label, history, done, day, options, *_ in CASES.values():
        decision = decide(label, history, done, day, **options)
        reached |= {decision.rule_id} | {step.rule_id for step in decision.trail}
    late = decide(P, [count(30, platelets=2)], ONE, 42 + 29)
    reached |= {step.rule_id for step in late.trail}
    by_stage = {rule for rule in RULES if "anaemia" in rule or "leukopenia" in rule}
    elsewhere = {"data.model"}  # says that a fit misses its samples: tested with the chain
    assert set(RULES) - by_stage - elsewhere <= reached  # by_stage: the test of all stages above


def test_delay_of_pluvicto_is_a_warning():
    late = decide(P, [count(30, platelets=2)], ONE, 42 + 29)
    assert late.action == "hold"
    assert len(late.warnings) == 1
    assert "29 days" in late.warnings[0]
    assert not decide(P, [count(30, platelets=2)], ONE, 42 + 28).warnings


def test_delay_before_an_earlier_cycle_still_ends_treatment():
    history = [count(40, platelets=2), count(170), count(220)]
    decision = decide(L, history, [(0, 7.4), (171, 3.7)], 227)
    assert (decision.action, decision.rule_id) == ("stop", "lutathera.delay")


def test_reason_names_value_grade_and_day():
    decision = decide(L, [count(40, {"platelets": 62.0}, platelets=2)], ONE, 56)
    assert decision.reason == "platelets 62 ×10⁹/L (grade 2) on day 40 has not recovered."
    assert decision.resume_condition == "platelets of grade 0-1"
    assert decision.resume_activity_gbq == 3.7
    stale = decide(L, [count(28)], ONE, 56, max_data_age_days=14)
    assert "28 days old" in stale.reason


def test_missing_lineages_are_named():
    decision = decide(L, [CountGrades(40, {"platelets": 0, "haemoglobin": None})], ONE, 56)
    assert decision.rule_id == "data.missing"
    assert decision.reason.endswith("has haemoglobin, neutrophils.")
    fulfilled = decide(L, [count(40, platelets=2), CountGrades(50, {"haemoglobin": 0})], ONE, 56)
    assert fulfilled.rule_id == f"{PLT}.hold"  # a later count without platelets resolves nothing


def test_what_is_not_sourced_is_marked():
    decision = decide(
        L, [count(40, platelets=2), count(60), count(100)], [(0, 7.4), (61, 3.7)], 117
    )
    assert any(f"{PLT}.re_escalate is UNVERIFIED" in text for text in decision.assumptions)
    reduced = decide(L, [count(40, platelets=2), count(60)], ONE, 61)
    assert any(f"{PLT}.reduce is secondary" in text for text in reduced.assumptions)
    assert any("age of the counts was not checked" in text for text in reduced.assumptions)


def test_trail_reports_deviations_and_the_future_is_not_used():
    history = [count(40, platelets=2), count(60), count(300, platelets=4)]
    decision = decide(L, history, [(0, 7.4), (61, 7.4), (400, 7.4)], 100)
    texts = [step.text for step in decision.trail]
    assert "cycle 2: 7.4 GBq, given though the label allowed 3.7 GBq" in texts
    assert [step.day for step in decision.trail] == sorted(step.day for step in decision.trail)
    assert not any("300" in text or "cycle 3" in text for text in texts)
    early = decide(L, [count(40, platelets=2)], [(0, 7.4), (50, 7.4)], 60)
    assert any("given though the label withheld it" in step.text for step in early.trail)


def test_planned_activity_is_never_exceeded():
    assert decide(L, [count(40)], ONE, 56, planned_activity_gbq=5.0).max_activity_gbq == 5.0
    assert decide(L, [count(40)], ONE, 56, planned_activity_gbq=9.0).max_activity_gbq == 7.4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "xofigo"}, "'xofigo' is not known"),
        ({"history": [CountGrades(1, {"hemoglobin": 1})]}, "lineage 'hemoglobin'"),
        ({"history": [CountGrades(1, {"platelets": 5})]}, "must be 0 to 4"),
        ({"history": [CountGrades(math.nan, {})]}, "finite"),
        ({"done": [(0, -7.4)]}, "above 0 GBq"),
        ({"day": math.inf}, "finite"),
        ({"planned_activity_gbq": math.nan}, "above 0 GBq"),
        ({"creatinine_clearance_ml_min": math.nan}, "creatinine clearance"),
    ],
)
def test_input_that_is_not_legal(change, words):
    call = {"label": L, "history": [], "done": ONE, "day": 56} | change
    with pytest.raises(HemadosePlanningError, match=words) as caught:
        decide(**call)
    assert isinstance(caught.value, HemadoseError)


LINEAGES = ("platelets", "haemoglobin", "neutrophils", "lymphocytes", "leukocytes")
GRADES = st.fixed_dictionaries({name: st.integers(0, 4) for name in LINEAGES})
DAYS = st.integers(1, 400)


@settings(max_examples=300)
@given(
    label=st.sampled_from([L, P]),
    counts=st.lists(st.tuples(DAYS, GRADES), max_size=8),
    later=st.lists(st.tuples(DAYS, st.sampled_from([7.4, 5.9, 3.7])), max_size=3),
    day=st.integers(100, 400),
    worse=st.lists(GRADES, min_size=8, max_size=8),
    baseline=GRADES,
    re_escalate=st.booleans(),
    clearance=st.sampled_from([None, 25.0, 80.0]),
)
def test_worse_counts_are_never_judged_less_cautiously(
    label, counts, later, day, worse, baseline, re_escalate, clearance
):
    def caution(grades):
        decision = decide(
            label,
            [CountGrades(when, values) for (when, _), values in zip(counts, grades, strict=False)],
            [(0, 7.4), *later],
            day,
            baseline_grades=baseline,
            re_escalate=re_escalate,
            creatinine_clearance_ml_min=clearance,
        )
        return CAUTION[decision.action], -decision.max_activity_gbq

    better = [values for _, values in counts]
    worst = [
        {name: max(a[name], b[name]) for name in LINEAGES}
        for a, b in zip(better, worse, strict=False)
    ]
    assert caution(worst)[0] >= caution(better)[0]
    assert caution(worst)[1] >= caution(better)[1]
    assert caution(better) == caution(better)


@settings(max_examples=50)
@given(counts=st.permutations([(20, 2), (35, 0), (61, 1), (80, 2), (95, 0)]))
def test_the_order_of_the_list_does_not_matter(counts):
    given_cycles = [(61, 3.7), (0, 7.4)]
    decision = decide(L, [count(d, platelets=g) for d, g in counts], given_cycles, 117)
    assert decision.rule_id == f"{PLT}.stop"
    assert decision.trail[0].day == 0


def test_without_a_label_stale_counts_still_hold():
    arguments = {"cycles": [Administration(0, 7.4)], "planned_activity_gbq": 7.4}
    history = [CountGrades(20, {"platelets": 0})]
    fresh = label_decision("none", history, decision_day=30, max_data_age_days=14, **arguments)
    stale = label_decision("none", history, decision_day=40, max_data_age_days=14, **arguments)
    absent = label_decision("none", [], decision_day=40, max_data_age_days=14, **arguments)
    assert (fresh.action, stale.action, absent.action) == ("treat", "hold", "treat")
    assert stale.rule_id == "data.stale"
    assert "20 days old" in stale.reason
