"""The label's state machines over many patients: the same answers, and quickly."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hemadose.planning import Administration, CountGrades, HemadosePlanningError, label_decision
from hemadose.planning.label_data import LABEL_VERSIONS, REGIMENS
from hemadose.planning.policies import label_limits
from hemadose.planning.situation import HOLD, STOP, TREAT

LINEAGES = ("platelets", "haemoglobin", "neutrophils", "leukocytes")
CODES = {"treat": TREAT, "reduce": TREAT, "hold": HOLD, "stop": STOP}
GRADES = st.lists(st.integers(0, 3), min_size=1, max_size=12)


def history(grades):
    return [
        CountGrades(14.0 * i, dict.fromkeys(LINEAGES, 0) | {"platelets": grade})
        for i, grade in enumerate(grades)
    ]


def cycles(number, activity=7.4):
    return [Administration(42.0 * i, activity) for i in range(number)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(REGIMENS)), st.lists(GRADES, min_size=1, max_size=5), st.data())
def test_each_patient_has_the_answer_of_the_state_machine(label, grades, data):
    histories = [history(g) for g in grades]
    given_cycles = [cycles(data.draw(st.integers(1, 6))) for _ in grades]
    day = np.array([14.0 * len(g) for g in grades])
    found = label_limits(label, histories, cycles=given_cycles, day=day, planned_activity_gbq=7.4)
    for i, one in enumerate(histories):
        alone = label_decision(
            label, one, cycles=given_cycles[i], decision_day=day[i], planned_activity_gbq=7.4
        )
        assert found.action[i] == CODES[alone.action]
        assert found.max_activity_gbq[i] == alone.max_activity_gbq
        assert found.rule_id[i] == alone.rule_id


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(REGIMENS)), GRADES, st.integers(1, 6))
def test_toxicity_rules_alone_never_allow_less(label, grades, n_cycles):
    """They differ only where the label's own regimen is the limit."""
    known = ([history(grades)],)
    options = {"cycles": [cycles(n_cycles)], "day": [300.0], "planned_activity_gbq": 7.4}
    whole = label_limits(label, *known, **options)
    toxicity = label_limits(label, *known, scope="toxicity", **options)
    assert toxicity.action[0] <= whole.action[0]
    assert toxicity.max_activity_gbq[0] >= whole.max_activity_gbq[0]
    if not whole.rule_id[0].endswith(".complete"):
        assert toxicity.action[0] == whole.action[0]
        assert toxicity.rule_id == whole.rule_id


def test_toxicity_rules_reduce_but_do_not_end_the_regimen():
    options = {"day": [260.0], "planned_activity_gbq": 7.4, "scope": "toxicity"}
    fine = label_limits("pluvicto", [history([0] * 18)], cycles=[cycles(6)], **options)
    assert (fine.action[0], fine.max_activity_gbq[0]) == (TREAT, np.inf)
    recovered = history([0, 0, 3] + [0] * 16)
    reduced = label_limits("pluvicto", [recovered], cycles=[cycles(6)], **options)
    assert reduced.max_activity_gbq[0] == 5.9
    assert reduced.rule_id == ("pluvicto.myelosuppression.reduce",)


def test_clearance_may_be_missing_for_some():
    found = label_limits(
        "pluvicto",
        [history([0])] * 3,
        cycles=[[]] * 3,
        day=np.zeros(3),
        planned_activity_gbq=7.4,
        creatinine_clearance_ml_min=[np.nan, 29.0, 31.0],
    )
    assert found.action.tolist() == [TREAT, HOLD, TREAT]


def test_wrong_input_is_refused():
    options = {"cycles": [[]], "day": [0.0], "planned_activity_gbq": 7.4}
    with pytest.raises(HemadosePlanningError, match="legal are label, toxicity"):
        label_limits("pluvicto", [[]], scope="all", **options)
    with pytest.raises(HemadosePlanningError, match="same number of patients"):
        label_limits("pluvicto", [[], []], **options)
    with pytest.raises(HemadosePlanningError, match="legal are none, lutathera, pluvicto"):
        label_limits("zevalin", [[]], **options)


def test_every_label_has_a_version():
    assert set(LABEL_VERSIONS) == {*REGIMENS, "none"}
    for label, version in LABEL_VERSIONS.items():
        assert version.startswith(f"{label}-")


@pytest.mark.parametrize("label", sorted(REGIMENS))
def test_a_decision_with_25_counts_is_quick(label):
    """A tenth of a virtual patient's time; the limit is loose for a busy machine."""
    histories = [history([1, 0, 2, 0, 3] * 5)] * 40
    options = {"cycles": [cycles(3)] * 40, "day": np.full(40, 351.0), "planned_activity_gbq": 7.4}
    label_limits(label, histories, **options)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        label_limits(label, histories, **options)
        seconds.append((time.process_time() - start) / 40)
    assert min(seconds) < 1e-3
