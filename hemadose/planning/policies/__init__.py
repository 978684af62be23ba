"""Policies for the next cycle: from what a clinic knows to an activity and a day."""

from hemadose.planning.policies.covariate_rules import CovariateRule
from hemadose.planning.policies.explain import Explanation, Margin, explain
from hemadose.planning.policies.kidney_rules import bed_limited, kidney_prescription
from hemadose.planning.policies.label_batch import label_limits
from hemadose.planning.policies.limits import LIMIT_ASSUMPTIONS, PlanningLimits
from hemadose.planning.policies.look_ahead import look_ahead
from hemadose.planning.policies.overdose_control import overdose_control
from hemadose.planning.policies.registry import POLICIES, make_policy
from hemadose.planning.policies.sample_value import SampleValue, value_of_sample
from hemadose.planning.policies.schedules import extended, fixed_schedule, uppsala
from hemadose.planning.policies.sensitivity import Sensitivity, sensitivity, usual_variants
from hemadose.planning.policies.settle import safer

__all__ = [
    "LIMIT_ASSUMPTIONS",
    "POLICIES",
    "CovariateRule",
    "Explanation",
    "Margin",
    "PlanningLimits",
    "SampleValue",
    "Sensitivity",
    "bed_limited",
    "explain",
    "extended",
    "fixed_schedule",
    "kidney_prescription",
    "label_limits",
    "look_ahead",
    "make_policy",
    "overdose_control",
    "safer",
    "sensitivity",
    "uppsala",
    "usual_variants",
    "value_of_sample",
]
