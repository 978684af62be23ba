"""The keys of study.yaml: their units, legal values and defaults."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hemadose.study.clinical_settings import Cycle, Decision, Patient, Section, Therapy, Tumour

PolicyName = Literal[
    "label", "extended", "kidney_prescription", "bed_limited", "uppsala", "overdose_control",
    "look_ahead",
]  # fmt: skip
Tolerance = Annotated[float, Field(gt=0.0, lt=1.0)]


def _every_lineage(given: object) -> object:
    if isinstance(given, int | float) and not isinstance(given, bool):
        return dict.fromkeys(GradeTolerance.model_fields, given)
    return given


class GradeTolerance(Section):
    """Largest accepted probability of a grade of 3 or more, by lineage."""

    platelets: Tolerance = Field(default=0.25, description="Platelets. Default: 0.25 (ASSUMED).")
    haemoglobin: Tolerance = Field(
        default=0.25, description="Haemoglobin. Default: 0.25 (ASSUMED)."
    )
    neutrophils: Tolerance = Field(
        default=0.25, description="Neutrophils. Default: 0.25 (ASSUMED)."
    )
    leukocytes: Tolerance = Field(default=0.25, description="Leukocytes. Default: 0.25 (ASSUMED).")


class Limits(Section):
    """Limits of dose, and the accepted probability (0 to 1) of exceeding each."""

    marrow_dose_gy: float = Field(
        default=2.0,
        ge=0.1,
        le=20,
        description="Red-marrow dose, all cycles together (Gy). Default: 2, a convention from "
        "radioiodine therapy that predicts toxicity of 177Lu poorly.",
    )
    marrow_dose_tolerance: Tolerance = Field(
        default=0.05, description="Accepted P(marrow dose > limit). Default: 0.05 (ASSUMED)."
    )
    kidney_bed_gy: float = Field(
        default=40.0,
        ge=5,
        le=150,
        description="Biologically effective dose of the kidneys, all cycles together (Gy). "
        "Default: 40 (ASSUMED, patients without risk factors).",
    )
    kidney_bed_tolerance: Tolerance = Field(
        default=0.05, description="Accepted P(kidney BED > limit). Default: 0.05 (ASSUMED)."
    )
    kidney_alpha_beta_gy: float = Field(
        default=2.6,
        ge=0.5,
        le=20,
        description="Alpha/beta of the kidneys (Gy). Default: 2.6 (ASSUMED).",
    )
    kidney_repair_half_life_h: float = Field(
        default=2.8,
        ge=0.1,
        le=24,
        description="Repair half-life of the kidneys (h). Default: 2.8 (ASSUMED).",
    )
    blood_dose_gy: float = Field(
        default=2.0,
        ge=0.1,
        le=20,
        description="Blood dose of one cycle (Gy), used for I-131. Default: 2.",
    )
    blood_dose_tolerance: Tolerance = Field(
        default=0.05,
        description="Accepted P(blood dose > limit), used for I-131. Default: 0.05 (ASSUMED).",
    )
    grade3_tolerance: Annotated[GradeTolerance, BeforeValidator(_every_lineage)] = Field(
        default_factory=GradeTolerance,
        description="Accepted P(grade >= 3): one number for all lineages, or one for each. "
        "Default: 0.25 each (ASSUMED, the convention of overdose control).",
    )


class FociCalibration(Section):
    """The laboratory's own calibration of foci against blood dose."""

    slope_per_gy: float = Field(gt=0, le=200, description="Foci per cell and Gy (1/Gy).")
    slope_sd: float = Field(gt=0, le=200, description="Standard deviation of the slope (1/Gy).")
    irradiation_h: float = Field(
        default=1.0,
        ge=0,
        le=24,
        description="Duration of the calibration's irradiation (h). Default: 1.",
    )
    source: str = Field(
        default="",
        max_length=200,
        description="Where the calibration comes from. Default: not stated.",
    )


class LowerLimits(Section):
    """The laboratory's lower limits of normal, by lineage."""

    platelets: float | None = Field(
        default=None, ge=50, le=400, description="Platelets (1e9/L). Default: the grading step's."
    )
    haemoglobin: float | None = Field(
        default=None, ge=80, le=200, description="Haemoglobin (g/L). Default: the grading step's."
    )
    neutrophils: float | None = Field(
        default=None, ge=0.5, le=5, description="Neutrophils (1e9/L). Default: the grading step's."
    )
    lymphocytes: float | None = Field(
        default=None, ge=0.2, le=5, description="Lymphocytes (1e9/L). Default: the grading step's."
    )
    leukocytes: float | None = Field(
        default=None, ge=1, le=10, description="Leukocytes (1e9/L). Default: the grading step's."
    )


class Methods(Section):
    """Choices of method."""

    marrow_dose: Literal["blood", "image"] | None = Field(
        default=None,
        description="Marrow dose from blood or from a marrow VOI in images; the two differ about "
        "fourfold and are never pooled. Default: image if there are marrow rows of images, "
        "otherwise blood.",
    )
    marrow_model: Literal["olinda2", "icrp133"] = Field(
        default="olinda2", description="Family of the marrow's S values. Default: olinda2."
    )
    rmblr: Literal["unity", "sgouros", "measured"] = Field(
        default="unity",
        description="Red-marrow-to-blood ratio of activity concentrations: 1, from the "
        "haematocrit, or rmblr_value. Default: unity.",
    )
    rmblr_value: float | None = Field(
        default=None, gt=0, le=20, description="The ratio when rmblr is measured. Default: none."
    )
    rmblr_sd: float | None = Field(
        default=None, ge=0, le=10, description="Standard deviation of rmblr_value. Default: none."
    )
    marrow_recovery: float | None = Field(
        default=None,
        gt=0,
        le=1.5,
        description="Recovery coefficient of the marrow VOI, by which the image method divides. "
        "Default: none (the concentrations of activity.csv are corrected already).",
    )
    marrow_recovery_sd: float | None = Field(
        default=None, ge=0, le=0.5, description="Standard deviation of it. Default: none (0)."
    )
    red_marrow_fraction: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of the marrow VOI that is red marrow (marrow space times cellularity), "
        "if all of its activity lies there: the image method divides by it. Default: none "
        "(concentrations are those of red marrow, ASSUMED).",
    )
    red_marrow_fraction_sd: float | None = Field(
        default=None, ge=0, le=0.5, description="Standard deviation of it. Default: none (0)."
    )
    blood_density_g_per_ml: float = Field(
        default=1.0,
        ge=1.0,
        le=1.12,
        description="Density of blood (g/mL). Default: 1.0, the convention of the published "
        "coefficients of the blood dose; the physical value is 1.06.",
    )
    activity_values: Literal["measured", "decay_corrected"] = Field(
        default="measured",
        description="Values of activity.csv as present at time_h, or decay-corrected to the start "
        "of the cycle. Default: measured.",
    )
    residual_cv: dict[str, Annotated[float, Field(ge=0.005, le=1.0)]] = Field(
        default_factory=dict,
        description="Proportional residual error (coefficient of variation) by region, instead of "
        "the published one. Default: none.",
    )
    foci_calibration: FociCalibration | None = Field(
        default=None,
        description="The laboratory's calibration; foci of different laboratories differ by "
        "an order of magnitude. Default: the published one of the foci step (ASSUMED to apply).",
    )
    foci_dispersion: float | None = Field(
        default=None,
        ge=1,
        le=20,
        description="Variance-to-mean ratio of foci per cell; 1 is Poisson. Default: from the "
        "distributions c0..c6 where given, otherwise 1.",
    )
    lower_limit_of_normal: LowerLimits = Field(
        default_factory=LowerLimits,
        description="Lower limits of normal for grade 1. Default: the grading step's.",
    )
    max_data_age_days: float = Field(
        default=14.0,
        ge=1,
        le=90,
        description="Blood counts older than this at the decision are stale (days). Default: 14 "
        "(ASSUMED).",
    )

    @model_validator(mode="after")
    def _marrow_image(self) -> Self:
        for key in ("marrow_recovery", "red_marrow_fraction"):
            given = getattr(self, key) is not None
            if not given and getattr(self, f"{key}_sd") is not None:
                raise ValueError(f"{key}_sd needs {key}; add it")
            if given and self.marrow_dose == "blood":
                raise ValueError(f"{key} is used with marrow_dose image only, got blood")
        return self

    @model_validator(mode="after")
    def _ratio(self) -> Self:
        if self.rmblr == "measured" and (self.rmblr_value is None or self.rmblr_sd is None):
            raise ValueError("rmblr measured needs rmblr_value and rmblr_sd; add both")
        if self.rmblr != "measured" and self.rmblr_value is not None:
            raise ValueError(
                f"rmblr_value is used with rmblr measured only, got rmblr {self.rmblr}"
            )
        return self


class Planning(Section):
    """Which policy decides."""

    policy: PolicyName = Field(
        default="overdose_control",
        description="Policy that decides; the label stands beside each. overdose_control: the "
        "highest activity whose risks are all accepted. Default: overdose_control.",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of that policy, such as first_cycle (GBq) and kidney_dose_gy of "
        "kidney_prescription. Default: none (the policy's own).",
    )


class Files(Section):
    """Names of the tables, inside the study folder."""

    activity: str = Field(default="activity.csv", description="Samples. Default: activity.csv.")
    foci: str = Field(default="foci.csv", description="DNA-damage foci. Default: foci.csv.")
    counts: str = Field(default="counts.csv", description="Blood counts. Default: counts.csv.")
    doses: str = Field(default="doses.csv", description="The clinic's doses. Default: doses.csv.")


class Settings(Section):
    """The whole of study.yaml."""

    schema_version: Literal[1] = Field(
        default=1, alias="schema", description="Version of this format. Default: 1."
    )
    patient: Patient = Field(description="The patient.")
    therapy: Therapy = Field(description="The treatment and the room for its next cycle.")
    tumours: dict[str, Tumour] = Field(
        default_factory=dict,
        max_length=50,
        description="Each tumour with its mass, named tumour or tumour_NAME. Default: none.",
    )
    cycles: tuple[Cycle, ...] = Field(
        default=(), max_length=20, description="The cycles given so far, in order. Default: none."
    )
    decision: Decision = Field(
        default_factory=Decision, description="When the next cycle is decided on. Default: empty."
    )
    limits: Limits = Field(
        default_factory=Limits, description="Limits and tolerances. Default: those below."
    )
    methods: Methods = Field(
        default_factory=Methods, description="Choices of method. Default: those below."
    )
    planning: Planning = Field(
        default_factory=Planning, description="Which policy decides. Default: overdose_control."
    )
    files: Files = Field(
        default_factory=Files, description="Names of the tables. Default: those below."
    )
