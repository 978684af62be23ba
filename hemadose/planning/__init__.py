"""The next cycle: label rules beside a decision from posterior draws, and the safer of the two."""

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.label_data import RULES, LabelRule
from hemadose.planning.label_walk import Administration, CountGrades, TrailStep
from hemadose.planning.recommend import recommend
from hemadose.planning.recommendation import (
    Alternative,
    Constraint,
    ConstraintMargin,
    Recommendation,
    TumourDose,
)
from hemadose.planning.rules import LabelDecision, label_decision

__all__ = [
    "RULES",
    "Administration",
    "Alternative",
    "Constraint",
    "ConstraintMargin",
    "CountGrades",
    "HemadosePlanningError",
    "LabelDecision",
    "LabelRule",
    "Recommendation",
    "TrailStep",
    "TumourDose",
    "label_decision",
    "recommend",
]
