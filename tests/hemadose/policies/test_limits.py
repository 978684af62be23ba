"""Limits that contradict each other, tolerances of 0 and 1, and policies asked for wrongly."""

import numpy as np
import pytest

from hemadose.errors import HemadoseError
from hemadose.planning import HemadosePlanningError
from hemadose.planning.policies import POLICIES, PlanningLimits, make_policy
from hemadose.study.settings import GradeTolerance, Limits

WRONG = {
    "tolerance 0": ({"grade3_tolerance": 0}, "above 0 and below 1"),
    "tolerance 1": ({"grade3_tolerance": {"platelets": 1.0}}, "above 0 and below 1"),
    "dose tolerance 1": ({"marrow_dose_tolerance": 1}, "marrow dose must be above 0"),
    "tolerance is text": ({"kidney_bed_tolerance": "low"}, "kidney BED"),
    "lineage": ({"grade3_tolerance": {"thrombocytes": 0.1}}, "legal are platelets"),
    "no lineage": ({"grade3_tolerance": {}}, "no lineage"),
    "min above max": ({"min_useful_activity_gbq": 8.0}, "lower the one or raise the other"),
    "planned above max": ({"planned_activity_gbq": 9.0}, "must lie between"),
    "step": (
        {"activity_step_gbq": 5.0, "max_activity_gbq": 4.0, "planned_activity_gbq": 3.0,
         "min_useful_activity_gbq": 2.0},
        None,
    ),
    "no interval": ({"interval_days": ()}, "one or more days above 0 that rise"),
    "intervals fall": ({"interval_days": (56.0, 42.0)}, "that rise"),
    "interval is a number": ({"interval_days": 42.0}, "that rise"),
    "interval 0": ({"interval_days": (0.0, 42.0)}, "above 0"),
    "no cycle": ({"max_cycles": 0}, "1 or more"),
    "half a cycle": ({"max_cycles": 2.5}, "whole number"),
    "limit 0": ({"marrow_dose_gy": 0.0}, "marrow_dose_gy must be a finite number above 0"),
    "limit nan": ({"kidney_bed_gy": float("nan")}, "kidney_bed_gy"),
    "delay": ({"max_delay_days": -1.0}, "0 or more"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(WRONG))
def test_wrong_limits_are_refused_with_what_is_legal(case):
    fields, text = WRONG[case]
    if text is None:  # a step that hits no useful multiple; marks stay legal
        assert PlanningLimits(**fields).rounded(np.array(4.0)) == 4.0
        return
    with pytest.raises(HemadosePlanningError, match=text) as caught:
        PlanningLimits(**fields)
    assert isinstance(caught.value, HemadoseError)


def test_defaults_are_those_of_a_study():
    """A plan and a trial start from the same assumptions."""
    study, limits = Limits(), PlanningLimits()
    shared = (
        "marrow_dose_gy",
        "marrow_dose_tolerance",
        "kidney_bed_gy",
        "kidney_bed_tolerance",
        "kidney_alpha_beta_gy",
        "kidney_repair_half_life_h",
    )
    for name in shared:
        assert getattr(limits, name) == getattr(study, name)
    grades = GradeTolerance().model_dump()
    assert {name: limits.grade3_tolerance[name] for name in grades} == grades


@pytest.mark.parametrize("step", [0.0, 0.1, 0.25, 0.5])
def test_rounding_is_down_and_keeps_the_marks(step):
    limits = PlanningLimits(activity_step_gbq=step, max_activity_gbq=11.13)
    activity = np.linspace(0, 11.13, 777)
    rounded = limits.rounded(activity)
    assert (rounded <= activity + 1e-8).all()
    assert (rounded >= activity - step - 1e-8).all()
    assert limits.rounded(np.array([7.4, 11.13])) == pytest.approx([7.4, 11.13], abs=1e-12)
    assert (np.diff(rounded) >= -1e-12).all()


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_every_policy_refuses_unknown_settings(name):
    with pytest.raises(HemadosePlanningError, match=r"colour is not known; legal are"):
        make_policy(name, {"colour": 1}, limits=PlanningLimits())


SETTINGS = {
    "unknown policy": ("best", {}, "legal are label, extended"),
    "no first cycle": ("kidney_prescription", {}, "needs the setting first_cycle"),
    "first cycle is text": ("kidney_prescription", {"first_cycle": "7.4"}, "must be a number"),
    "table": (
        "kidney_prescription",
        {"first_cycle": {"covariate": "x", "from": [50, 0], "activity_gbq": [1, 2]}},
        "values that rise",
    ),
    "table sizes": (
        "kidney_prescription",
        {"first_cycle": {"covariate": "x", "from": [0, 50], "activity_gbq": [1]}},
        "one value for each",
    ),
    "share": (
        "kidney_prescription",
        {"first_cycle": 7.4, "reductions": [{"covariate": "x", "below": 1, "share": 1}]},
        "share",
    ),
    "rule": (
        "kidney_prescription",
        {"first_cycle": 7.4, "reductions": [{"covariate": "x", "under": 1}]},
        "legal keys",
    ),
    "rule without range": (
        "kidney_prescription",
        {"first_cycle": 7.4, "reductions": [{"covariate": "x", "share": 0.5}]},
        "needs `below` or `at_least`",
    ),
    "cycles": ("kidney_prescription", {"first_cycle": 7.4, "n_cycles": 7}, "1 to max_cycles"),
    "steps": ("bed_limited", {"second_step_bed_gy": 20.0}, "lies below the first step"),
    "qualifies": ("bed_limited", {"qualifies": "some"}, "nobody, everybody"),
    "activity": ("label", {"activity_gbq": 11.0}, "max_activity_gbq is 7.4"),
    "number of cycles": ("label", {"n_cycles": 0}, "1 to max_cycles"),
    "dose": ("uppsala", {"kidney_dose_gy": -1.0}, "above 0 Gy"),
    "price": ("look_ahead", {"price_of_grade3": -1.0}, "0 or more"),
    "alpha": ("look_ahead", {"alpha_per_gy": 0.0}, "above 0"),
    "waiting": ("overdose_control", {"worth_waiting_gbq": -1.0}, "0 or more"),
    "table of text": (
        "kidney_prescription",
        {"first_cycle": {"covariate": "x", "from": ["low"], "activity_gbq": [1]}},
        "of the wrong kind",
    ),
    "kind": ("overdose_control", {"worth_waiting_gbq": "much"}, "of the wrong kind"),
}


@pytest.mark.parametrize("case", sorted(SETTINGS))
def test_wrong_settings_are_refused(case):
    name, settings, text = SETTINGS[case]
    with pytest.raises(HemadosePlanningError, match=text):
        make_policy(name, settings, limits=PlanningLimits())


@pytest.mark.parametrize("name", ["look_ahead", "overdose_control"])
def test_a_limit_exceeded_before_the_first_cycle_is_refused(situation, name):
    policy = make_policy(name, limits=PlanningLimits())
    burdened = situation(2, cycle=1, day=0.0, marrow_dose_gy=np.full((2, 16), 3.0))
    with pytest.raises(HemadosePlanningError, match="exceeded before cycle 1"):
        policy(burdened)


def test_a_lineage_without_a_tolerance_is_refused(situation):
    policy = make_policy("overdose_control", limits=PlanningLimits({"neutrophils": 0.2}))
    with pytest.raises(HemadosePlanningError, match="no grade3_tolerance is given for platelets"):
        policy(situation())


def test_an_unknown_covariate_is_named(situation):
    settings = {"first_cycle": {"covariate": "bsa", "from": [0], "activity_gbq": [7.4]}}
    policy = make_policy("kidney_prescription", settings, limits=PlanningLimits())
    with pytest.raises(HemadosePlanningError, match="'bsa' is not known; known are: clearance"):
        policy(situation(2, cycle=1, day=0.0))
