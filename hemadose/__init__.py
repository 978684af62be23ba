"""The front door: from a patient's study folder to the next cycle's activity."""

from hemadose.assess import Assessment, assess
from hemadose.errors import HemadoseError, StudyError
from hemadose.plan import Plan, plan
from hemadose.study import Study, read_cohort, read_study

__version__ = "0.1.0"

__all__ = [
    "Assessment",
    "HemadoseError",
    "Plan",
    "Study",
    "StudyError",
    "assess",
    "plan",
    "read_cohort",
    "read_study",
]
