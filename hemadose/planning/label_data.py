"""The rules of the product labels as data: what triggers them, what follows, who says so.

Statuses: ``sourced`` was read in the source named, ``secondary`` in a text that quotes the label,
``UNVERIFIED`` could not be read anywhere reliable, ``ASSUMED`` is a choice of this project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LabelName = Literal["lutathera", "pluvicto", "none"]
Status = Literal["sourced", "secondary", "UNVERIFIED", "ASSUMED"]

_AJR = "AJR Am J Roentgenol 2023;220:619, doi:10.2214/AJR.22.28237, Table 1"
_LUTATHERA_LABEL = "Lutathera prescribing information, as quoted in secondary texts"
_LUTATHERA_HCP = "lutathera-hcp.com, dose modifications, footnote c"
_PLUVICTO_LABEL = "Pluvicto prescribing information, as quoted in secondary texts"
_PLUVICTO_HCP = "pluvicto-hcp.com, dosing and administration"
_ELIGIBILITY = "PMC10571645, Table 2"
_PROJECT = "choice of this project"


@dataclass(frozen=True)
class LabelRule:
    """One rule of a label, in words.

    Attributes
    ----------
    id : str
        Stable name, ``label.toxicity.action``.
    trigger, action, resume : str
        What is observed, what follows, and what ends it; empty where the rule has none.
    source : str
        Where the rule was read.
    status : {"sourced", "secondary", "UNVERIFIED", "ASSUMED"}
        How well it is supported.
    """

    id: str
    trigger: str
    action: str
    resume: str
    source: str
    status: Status


@dataclass(frozen=True)
class Toxicity:
    """A group of lineages that a label judges together.

    Attributes
    ----------
    id : str
        First part of the ids of its rules.
    lineages : tuple of str
        Lineages of the blood count.
    hold_grade : int
        CTCAE grade from which treatment is withheld; it resumes below this grade.
    reduce_grade : int
        Grade after which the next activity is reduced.
    or_baseline : bool
        Whether a return to the baseline grade also ends it.
    """

    id: str
    lineages: tuple[str, ...]
    hold_grade: int
    reduce_grade: int
    or_baseline: bool = False


@dataclass(frozen=True)
class LabelRegimen:
    """Numbers of one label.

    Attributes
    ----------
    full_gbq, reduced_gbq : float
        Activity per cycle, and after a reduction.
    interval_days : float
        Planned days between cycles.
    max_cycles : int
        Cycles of the regimen.
    max_delay_days : float
        Delay caused by toxicity that the label judges.
    delay_stops : bool
        Whether that delay ends treatment (True) or is a warning (False).
    min_creatinine_clearance_ml_min : float
        Treatment is withheld below this clearance.
    toxicities : tuple of Toxicity
        What is judged by blood counts.
    required : tuple of str
        Lineages that must have been measured since the last cycle.
    assumptions : tuple of str
        What the label leaves open here.
    """

    full_gbq: float
    reduced_gbq: float
    interval_days: float
    max_cycles: int
    max_delay_days: float
    delay_stops: bool
    min_creatinine_clearance_ml_min: float
    toxicities: tuple[Toxicity, ...]
    required: tuple[str, ...]
    assumptions: tuple[str, ...]


_COMMON_ASSUMPTIONS = (
    "ASSUMED: a delay is counted from the scheduled day (last cycle plus the label's interval) to "
    "the count that shows recovery.",
    "ASSUMED: a cycle counts as reduced below 90 % of the label's full activity (syringes are "
    "filled to within 10 %).",
    "Only blood counts and creatinine clearance are judged; the label's rules for creatinine "
    "change, liver, dry mouth and other toxicity are not part of this decision.",
)

REGIMENS: dict[LabelName, LabelRegimen] = {
    "lutathera": LabelRegimen(
        full_gbq=7.4,
        reduced_gbq=3.7,
        interval_days=56.0,
        max_cycles=4,
        max_delay_days=112.0,
        delay_stops=True,
        min_creatinine_clearance_ml_min=40.0,
        toxicities=(
            Toxicity("lutathera.platelets", ("platelets",), 2, 2),
            Toxicity("lutathera.anaemia_neutropenia", ("haemoglobin", "neutrophils"), 3, 3),
            Toxicity("lutathera.leukopenia", ("leukocytes",), 3, 3),
        ),
        required=("platelets", "haemoglobin", "neutrophils"),
        assumptions=(
            *_COMMON_ASSUMPTIONS,
            "ASSUMED: leukopenia of grade 3-4 is judged as 'any other grade 3-4 toxicity', also "
            "where low lymphocytes may explain it (the cautious reading).",
        ),
    ),
    "pluvicto": LabelRegimen(
        full_gbq=7.4,
        reduced_gbq=5.9,
        interval_days=42.0,
        max_cycles=6,
        max_delay_days=28.0,
        delay_stops=False,
        min_creatinine_clearance_ml_min=30.0,
        toxicities=(
            Toxicity(
                "pluvicto.myelosuppression",
                ("platelets", "haemoglobin", "leukocytes", "neutrophils"),
                2,
                3,
                or_baseline=True,
            ),
        ),
        required=("platelets", "haemoglobin", "leukocytes", "neutrophils"),
        assumptions=(
            *_COMMON_ASSUMPTIONS,
            "UNVERIFIED wording: after a reduction the activity is not raised again.",
        ),
    ),
}


LABEL_VERSIONS: dict[LabelName, str] = {
    "lutathera": "lutathera-1 (AJR 2023;220:619, Table 1; lutathera-hcp.com; PMC10571645, Table 2)",
    "pluvicto": "pluvicto-1 (AJR 2023;220:619, Table 1; pluvicto-hcp.com; secondary texts)",
    "none": "none-1",
}
"""Version of each set of rules as transcribed here, and what it was read in."""


def _lutathera_toxicity(
    toxicity: str, what: str, grades: str, resume: str, source: str = _AJR
) -> tuple[LabelRule, ...]:
    """Withhold, reduce, return to full activity and stop: the same four for each toxicity."""
    recovered = f"{what} of grade {resume}"
    return (
        LabelRule(f"{toxicity}.hold", f"grade {grades}", "withhold", recovered, source, "sourced"),
        LabelRule(
            f"{toxicity}.reduce",
            f"recovered from grade {grades}",
            "resume at 3.7 GBq",
            "the reduced activity is tolerated",
            _LUTATHERA_LABEL,
            "secondary",
        ),
        LabelRule(
            f"{toxicity}.re_escalate",
            "the reduced activity was tolerated",
            "return to 7.4 GBq",
            "",
            _LUTATHERA_LABEL,
            "UNVERIFIED",
        ),
        LabelRule(
            f"{toxicity}.stop",
            f"grade {grades} again after a reduced activity",
            "stop for good",
            "",
            source,
            "sourced",
        ),
    )


RULES: dict[str, LabelRule] = {
    rule.id: rule
    for rule in (
        LabelRule("none.no_rules", "", "no label rules apply", "", _PROJECT, "ASSUMED"),
        LabelRule(
            "data.missing",
            "no blood count since the last cycle",
            "withhold",
            "a complete blood count",
            _PROJECT,
            "ASSUMED",
        ),
        LabelRule(
            "data.stale",
            "the last blood count is older than allowed",
            "withhold",
            "a recent blood count",
            _PROJECT,
            "ASSUMED",
        ),
        LabelRule(
            "data.model",
            "the data contradict the model, or its posterior could not be sampled",
            "withhold",
            "data that were checked",
            _PROJECT,
            "ASSUMED",
        ),
        LabelRule(
            "lutathera.regimen",
            "no rule withholds or reduces",
            "7.4 GBq every 8 weeks (+-1), 4 cycles",
            "",
            _LUTATHERA_LABEL,
            "secondary",
        ),
        LabelRule(
            "lutathera.complete",
            "4 cycles were given",
            "the regimen is complete",
            "",
            _LUTATHERA_LABEL,
            "secondary",
        ),
        *_lutathera_toxicity("lutathera.platelets", "platelets", "2-4", "0-1"),
        *_lutathera_toxicity(
            "lutathera.anaemia_neutropenia", "haemoglobin and neutrophils", "3-4", "0-2"
        ),
        *_lutathera_toxicity(
            "lutathera.leukopenia", "leukocytes", "3-4", "0-2", _AJR + ", 'any other' row"
        ),
        LabelRule(
            "lutathera.delay",
            "toxicity delays treatment by 16 weeks or more",
            "stop for good",
            "",
            _AJR,
            "sourced",
        ),
        LabelRule(
            "lutathera.lymphopenia",
            "grade 3-4 of lymphocytes alone",
            "no change",
            "",
            _LUTATHERA_HCP,
            "sourced",
        ),
        LabelRule(
            "lutathera.renal",
            "creatinine clearance below 40 mL/min",
            "withhold",
            "recovery or return to baseline",
            f"{_AJR} (withhold); the 40 mL/min could not be verified",
            "UNVERIFIED",
        ),
        LabelRule(
            "lutathera.eligibility",
            "before cycle 1: haemoglobin <= 80 g/L, leukocytes <= 2 or platelets <= 70 1e9/L",
            "withhold",
            "counts above the limits",
            _ELIGIBILITY,
            "sourced",
        ),
        LabelRule(
            "pluvicto.regimen",
            "no rule withholds or reduces",
            "7.4 GBq every 6 weeks (+-1), up to 6 cycles",
            "",
            _PLUVICTO_HCP,
            "sourced",
        ),
        LabelRule(
            "pluvicto.complete",
            "6 cycles were given",
            "the regimen is complete",
            "",
            _PLUVICTO_HCP,
            "sourced",
        ),
        LabelRule(
            "pluvicto.myelosuppression.hold",
            "grade 2, or 3 and above",
            "withhold",
            "blood counts of grade 1 or the baseline grade",
            _PLUVICTO_LABEL,
            "secondary",
        ),
        LabelRule(
            "pluvicto.myelosuppression.reduce",
            "recovered from grade 3 or above",
            "resume at 5.9 GBq (-20 %), not raised again",
            "",
            _PLUVICTO_LABEL,
            "secondary",
        ),
        LabelRule(
            "pluvicto.myelosuppression.stop",
            "grade 3 or above again after one reduction",
            "stop for good",
            "",
            _AJR,
            "sourced",
        ),
        LabelRule(
            "pluvicto.delay",
            "toxicity delays treatment by more than 4 weeks",
            "consider stopping for good (a warning)",
            "",
            _PLUVICTO_HCP,
            "sourced",
        ),
        LabelRule(
            "pluvicto.renal",
            "creatinine clearance below 30 mL/min",
            "withhold",
            "improvement or return to baseline",
            _PLUVICTO_LABEL,
            "secondary",
        ),
    )
}
