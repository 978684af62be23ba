"""The keys of a trial file: what is simulated, with which arms, and how it is watched."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from hemadose.study.clinical_settings import Section
from hemadose.study.text_files import shown

Name = Annotated[
    str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.,+&()-]*$")
]
NAME_WORDS = (
    "1 to 60 letters, digits, spaces and _ . , + & ( ) -, beginning with a letter or digit; in "
    "quotes if it is a number"
)
MAX_CHUNKS = 100_000


def _rising(times_h: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in pairwise(times_h)):
        raise ValueError("the times must rise, each given once")
    return times_h


SampleTimes = Annotated[
    tuple[Annotated[float, Field(ge=0.01, le=504)], ...],
    Field(max_length=8),
    AfterValidator(_rising),
]
Values = dict[str, Any]  # checked against what they are passed on to


class FociSchedule(Section):
    """When blood is drawn for foci after each administration, and how many cells are scored."""

    times_h: Annotated[SampleTimes, Field(min_length=1)] = Field(
        description="Times after each administration (h), rising, at most 8."
    )
    cells: int = Field(default=100, ge=1, le=100_000, description="Cells scored. Default: 100.")


class Schedule(Section):
    """What the clinic measures after each administration."""

    blood_samples_h: SampleTimes = Field(
        default=(), description="Times of blood samples (h), rising, at most 8. Default: none."
    )
    image_h: SampleTimes = Field(
        default=(),
        description="Times of images (h), rising, at most 8. They show kidneys, tumour and, where "
        "the cohort's marrow dose rests on images, the marrow. Default: none.",
    )
    foci: FociSchedule | None = Field(default=None, description="Foci. Default: none.")


class Arm(Section):
    """One way to choose the activities, and what it rests on."""

    name: Name = Field(description="Name of the arm in tables and figures.")
    policy: str = Field(description="Name of the policy.")
    settings: Values = Field(default={}, description="Settings of the policy. Default: none.")
    limits: Values = Field(
        default={}, description="Limits of this arm that differ from the trial's. Default: none."
    )
    schedule: Schedule = Field(default=Schedule(), description="Samples. Default: none.")
    label: Literal["pluvicto", "lutathera", "none"] | None = Field(
        default=None, description="Label whose rules hold as well. Default: that of the cohort."
    )
    label_scope: Literal["label", "toxicity"] = Field(
        default="label",
        description="Whether the label's activity and number of cycles hold too, or only what it "
        "says on toxicity. Default: label.",
    )


class CohortSettings(Section):
    """Who the virtual patients are."""

    name: str = Field(description="Name of the cohort.")
    covariates: Values = Field(
        default={}, description="Covariates of the patients. Default: those of the cohort."
    )


class Monitoring(Section):
    """How patients are followed; the same in all arms."""

    count_interval_days: float = Field(
        default=14.0,
        ge=1,
        le=84,
        description="Days between blood counts. Default: 14 (ASSUMED). One more is taken on each "
        "day of a decision.",
    )
    follow_up_days: float = Field(
        default=84.0,
        ge=7,
        le=365,
        description="Days watched after the last cycle. Default: 84 (ASSUMED).",
    )
    checked_lineages: tuple[str, ...] = Field(
        default=("platelets",),
        description="Lineages whose predicted nadir is compared with the true one after each "
        "cycle. Default: platelets.",
    )


class ClinicSettings(Section):
    """How the clinic computes."""

    n_draws: int = Field(
        default=64, ge=16, le=4096, description="Quasi-random draws per patient. Default: 64."
    )
    prior: Values = Field(
        default={}, description="Where its beliefs differ from the cohort. Default: nowhere."
    )


class TrialSettings(Section):
    """A virtual trial."""

    schema_version: Literal[1] = Field(alias="schema", description="Version of the file: 1.")
    name: Name = Field(description="Name of the trial.")
    seed: int = Field(default=1, ge=0, le=2**32 - 1, description="Seed. Default: 1.")
    patients: int = Field(ge=1, le=100_000_000, description="Number of virtual patients.")
    chunk: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Patients computed together. Default: 100.",
    )
    cohort: CohortSettings = Field(description="Who the patients are.")
    planned_cycles: int | None = Field(
        default=None, ge=1, le=10, description="Planned cycles. Default: those of the cohort."
    )
    lineages: tuple[str, ...] = Field(
        default=(),
        description="Lineages that are counted. Default: platelets, haemoglobin, neutrophils and "
        "what the arms' labels require.",
    )
    reference: str | None = Field(
        default=None, description="Arm that others are compared with. Default: the first."
    )
    limits: Values = Field(default={}, description="Limits that the policies keep to.")
    truth: Values = Field(
        default={}, description="Where the truth departs from the clinic's model."
    )
    monitoring: Monitoring = Field(default=Monitoring(), description="How patients are followed.")
    clinic: ClinicSettings = Field(default=ClinicSettings(), description="How the clinic computes.")
    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=40)] = Field(
        description="The arms; all treat the same patients."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [arm.name for arm in self.arms]
        for name in names:
            if [other.casefold() for other in names].count(name.casefold()) > 1:
                raise ValueError(f"two arms are called {name!r}; give each its own name")
        if self.reference is not None and self.reference not in names:
            raise ValueError(
                f"the reference arm {shown(self.reference)} is not one of {', '.join(names)}"
            )
        if self.n_chunks > MAX_CHUNKS:
            raise ValueError(
                f"{self.patients} patients in chunks of {self.chunk} are {self.n_chunks} chunks, "
                f"legal are {MAX_CHUNKS}; raise chunk"
            )
        return self

    @property
    def reference_arm(self) -> str:
        """Name of the arm that others are compared with."""
        return self.reference or self.arms[0].name

    @property
    def n_chunks(self) -> int:
        """Number of chunks; fixed by the trial, whoever computes them."""
        return -(-self.patients // self.chunk)

    def chunk_range(self, number: int) -> range:
        """Patients of a chunk, by index."""
        return range(number * self.chunk, min((number + 1) * self.chunk, self.patients))

    @property
    def folder_name(self) -> str:
        """Name of the trial as a folder."""
        return re.sub(r"[^A-Za-z0-9.+-]+", "_", self.name).strip("_.")
