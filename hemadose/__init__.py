"""The front door: from a patient's study folder to the next cycle's activity.

The science packages are handed on: ``from hemadose import kinetics``. Everything is loaded when it
is first used, so that the command line starts quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dosimetry
    import foci
    import kinetics
    import radiobio
    from hemadose.assessment.assess import Assessment, assess
    from hemadose.errors import HemadoseError, StudyError
    from hemadose.planning.plan import Plan, plan
    from hemadose.study import Study, read_cohort, read_study

__version__ = "0.1.0"

_HOME = {
    "Assessment": "hemadose.assessment.assess",
    "HemadoseError": "hemadose.errors",
    "Plan": "hemadose.planning.plan",
    "Study": "hemadose.study",
    "StudyError": "hemadose.errors",
    "assess": "hemadose.assessment.assess",
    "plan": "hemadose.planning.plan",
    "read_cohort": "hemadose.study",
    "read_study": "hemadose.study",
}
_PACKAGES = ("dosimetry", "foci", "kinetics", "radiobio")

__all__ = [
    "Assessment",
    "HemadoseError",
    "Plan",
    "Study",
    "StudyError",
    "assess",
    "dosimetry",
    "foci",
    "kinetics",
    "plan",
    "radiobio",
    "read_cohort",
    "read_study",
]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return import_module(name)
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'hemadose' has no attribute {name!r}")
