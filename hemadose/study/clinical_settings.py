"""Keys of study.yaml on the patient, the treatment and its cycles: units, ranges, defaults."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Nuclide = Literal["Lu-177", "I-131"]
Agent = Literal["PSMA-617", "PSMA-I&T", "DOTATATE", "iodide"]
Label = Literal["pluvicto", "lutathera", "none"]
PriorTherapy = Literal[
    "taxane", "platinum", "other_chemotherapy", "radium_223", "external_beam", "radioligand"
]

LEGAL_LABELS: dict[str, tuple[Label, ...]] = {
    "PSMA-617": ("pluvicto", "none"),
    "PSMA-I&T": ("none", "pluvicto"),
    "DOTATATE": ("lutathera", "none"),
    "iodide": ("none",),
}
DEFAULT_CYCLES = {"pluvicto": 6, "lutathera": 4, "Lu-177": 4, "I-131": 2}
DEFAULT_INTERVALS_D = {
    "pluvicto": (42.0, 56.0, 70.0),
    "lutathera": (56.0, 70.0, 84.0),
    "Lu-177": (42.0, 56.0, 70.0),
    "I-131": (180.0, 270.0, 365.0),
}
REFERENCE_HEIGHT_CM = {"male": 176.0, "female": 163.0}  # ICRP 89
LU177_ACTIVITY_GBQ = 7.4

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISO_TIME = re.compile(_ISO_DATE.pattern + r"[T ]\d{2}:\d{2}(:\d{2})?")


def _nuclide(given: object) -> object:
    """Bring the spellings 177Lu, Lu177, lu-177 to Lu-177, and the same for I-131."""
    if not isinstance(given, str):
        return given
    known = {"lu177": "Lu-177", "177lu": "Lu-177", "i131": "I-131", "131i": "I-131"}
    return known.get(re.sub(r"[-\s]", "", given).lower(), given)


def _iso_date(given: object) -> object:
    if isinstance(given, dt.date):
        return given
    try:
        if not isinstance(given, str) or not _ISO_DATE.fullmatch(given):
            raise ValueError
        return _plausible(dt.datetime.fromisoformat(given)).date()
    except ValueError:
        raise ValueError("legal is an ISO date from 1990 to 2100, such as 2025-03-31") from None


def _iso_start(given: object) -> object:
    if isinstance(given, dt.datetime):
        return given
    try:
        if not isinstance(given, str):
            raise ValueError
        if not (_ISO_DATE.fullmatch(given) or _ISO_TIME.fullmatch(given)):
            raise ValueError
        return _plausible(dt.datetime.fromisoformat(given))
    except ValueError:
        raise ValueError(
            "legal is an ISO date or local date-time from 1990 to 2100, without a time zone, "
            "such as 2025-03-31 or 2025-03-31T09:30"
        ) from None


def _plausible(moment: dt.datetime) -> dt.datetime:
    if not 1990 <= moment.year <= 2100:
        raise ValueError
    return moment


def _activity_mbq(given: object) -> object:
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 < given < 50:
        raise ValueError(
            f"this looks like GBq, legal is 50 to 60000 MBq; write {given * 1000:g} "
            "if GBq was meant"
        )
    return given


def _height_cm(given: object) -> object:
    if isinstance(given, float) and 0 < given < 3:
        raise ValueError(f"this looks like metres, legal is 100 to 250 cm; write {given * 100:g}")
    return given


def _id_text(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, blank keys count as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_blank(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            key: value
            for key, value in data.items()
            if value is not None or key not in cls.model_fields
        }

    def _fill(self, **values: object) -> None:
        """Set fields that were left out; they stay unset in `model_fields_set`."""
        for name, value in values.items():
            if name not in self.model_fields_set:
                object.__setattr__(self, name, value)


class OrganMasses(Section):
    """Masses of the patient's own organs."""

    kidneys: float | None = Field(
        default=None,
        ge=30,
        le=1500,
        description="Both kidneys (g). Default: the reference adult's.",
    )
    liver: float | None = Field(
        default=None, ge=300, le=8000, description="Liver (g). Default: the reference adult's."
    )
    spleen: float | None = Field(
        default=None, ge=10, le=5000, description="Spleen (g). Default: the reference adult's."
    )
    marrow: float | None = Field(
        default=None,
        ge=100,
        le=4000,
        description="Red marrow (g). Default: the reference adult's.",
    )


class Patient(Section):
    """The patient."""

    id: Annotated[str, BeforeValidator(_id_text)] = Field(
        default="",
        max_length=64,
        pattern=r"^[A-Za-z0-9._-]*$",
        description="Pseudonym of at most 64 letters, digits and . _ - (no names). "
        "Default: the folder's name.",
    )
    sex: Literal["male", "female"] = Field(
        description="Chooses the reference adult whose S values are scaled."
    )
    weight_kg: float = Field(ge=25, le=300, description="Body weight (kg).")
    height_cm: Annotated[float, BeforeValidator(_height_cm)] = Field(
        default=REFERENCE_HEIGHT_CM["male"],
        ge=100,
        le=250,
        description="Height (cm). Default: 176 for a male, 163 for a female, the reference "
        "adult's (ASSUMED).",
    )
    haematocrit: float | None = Field(
        default=None,
        ge=0.15,
        le=0.65,
        description="Volume fraction of cells in blood, needed for rmblr sgouros. Default: not "
        "known.",
    )
    creatinine_clearance_ml_per_min: float | None = Field(
        default=None, ge=5, le=250, description="Creatinine clearance (mL/min). Default: not known."
    )
    organ_mass_g: OrganMasses = Field(
        default_factory=OrganMasses, description="Masses of single organs (g). Default: none known."
    )
    prior_therapies: tuple[PriorTherapy, ...] = Field(
        default=(), description="Earlier treatments that burden the marrow. Default: none."
    )
    bone_metastases: Literal["none", "few", "many", "diffuse"] = Field(
        default="none", description="Extent of bone metastases. Default: none (ASSUMED)."
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._fill(height_cm=REFERENCE_HEIGHT_CM[self.sex])
        return self


class Therapy(Section):
    """The treatment and the room for its next cycle; `_complete` fills what was left out."""

    nuclide: Annotated[Nuclide, BeforeValidator(_nuclide)] = Field(
        description="Radionuclide; 177Lu and lu177 are read as Lu-177, 131I as I-131."
    )
    agent: Agent = Field(
        description="Radiopharmaceutical; iodide goes with I-131, all others with Lu-177."
    )
    label: Label = Field(
        default="none",
        description="Product label whose rules run beside the models. Default: pluvicto for "
        "PSMA-617, lutathera for DOTATATE, otherwise none.",
    )
    planned_cycles: int = Field(
        default=1,
        ge=1,
        le=20,
        description="Cycles planned in all. Default: 6 (pluvicto), 4 (lutathera), without a "
        "label 4 for Lu-177 and 2 for I-131 (ASSUMED).",
    )
    planned_activity_gbq: float = Field(
        default=LU177_ACTIVITY_GBQ,
        ge=0.1,
        le=60,
        description="Activity of a cycle as planned (GBq). Default: 7.4 for Lu-177; required "
        "for I-131.",
    )
    interval_days: tuple[Annotated[float, Field(ge=7, le=1000)], ...] = Field(
        default=(56.0,),
        min_length=1,
        max_length=20,
        description="Admissible times from the last cycle to the next (days), increasing. "
        "Default: 42, 56, 70 (pluvicto), 56, 70, 84 (lutathera), without a label 42, 56, 70 for "
        "Lu-177 and 180, 270, 365 for I-131; all but the label's own interval are ASSUMED.",
    )
    max_activity_gbq: float = Field(
        default=LU177_ACTIVITY_GBQ,
        ge=0.1,
        le=60,
        description="Hard cap on the next cycle's activity (GBq). Default: 7.4 with a label, "
        "otherwise planned_activity_gbq; set it to let a plan exceed that.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = "I-131" if self.agent == "iodide" else "Lu-177"
        if self.nuclide != needed:
            raise ValueError(f"agent {self.agent} goes with nuclide {needed}, got {self.nuclide}")
        self._fill(label=LEGAL_LABELS[self.agent][0])
        if self.label not in LEGAL_LABELS[self.agent]:
            legal = " or ".join(LEGAL_LABELS[self.agent])
            raise ValueError(f"label {self.label} is not for agent {self.agent}, legal is {legal}")
        rules = self.nuclide if self.label == "none" else self.label
        self._fill(planned_cycles=DEFAULT_CYCLES[rules], interval_days=DEFAULT_INTERVALS_D[rules])
        if "planned_activity_gbq" not in self.model_fields_set and self.nuclide == "I-131":
            raise ValueError("planned_activity_gbq is required for I-131; add it in GBq")
        self._fill(planned_activity_gbq=LU177_ACTIVITY_GBQ)
        self._fill(
            max_activity_gbq=self.planned_activity_gbq
            if self.label == "none"
            else LU177_ACTIVITY_GBQ
        )
        if self.planned_activity_gbq > self.max_activity_gbq:
            raise ValueError(
                f"planned_activity_gbq {self.planned_activity_gbq:g} is above max_activity_gbq "
                f"{self.max_activity_gbq:g}; lower the one or set the other"
            )
        if any(a >= b for a, b in zip(self.interval_days, self.interval_days[1:], strict=False)):
            raise ValueError("interval_days must increase from entry to entry")
        return self


class Tumour(Section):
    """One tumour, treated as a sphere."""

    mass_g: float = Field(ge=0.01, le=10000, description="Mass of the tumour (g).")


class Cycle(Section):
    """One administered cycle."""

    number: int = Field(ge=1, le=20, description="Number of the cycle: 1, 2, 3 without a gap.")
    start: Annotated[dt.datetime, BeforeValidator(_iso_start)] = Field(
        description="Start of the administration: ISO date or local date-time, no time zone."
    )
    activity_mbq: Annotated[float, BeforeValidator(_activity_mbq)] = Field(
        ge=50, le=60000, description="Administered activity (MBq)."
    )


class Decision(Section):
    """When the next cycle is decided on."""

    date: Annotated[dt.date | None, BeforeValidator(_iso_date)] = Field(
        default=None, description="Date of the decision (ISO). Default: the latest date with data."
    )
