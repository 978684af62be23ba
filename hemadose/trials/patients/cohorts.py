"""The cohorts that trials can be run in: two PSMA ligands and DOTATATE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import cast

import numpy as np

from dosimetry import (
    RELATIVE_UNCERTAINTY,
    marrow_model_spread,
    nuclide,
    reference_anatomy,
)
from foci import RepairModel, eberlein_2015
from hemadose.errors import HemadoseError
from hemadose.trials.patients.cohort_model import DOSE_FACTORS, FOCI_PARAMETERS, Cohort
from hemadose.trials.patients.dose_coefficients import dose_coefficients
from kinetics import PUBLISHED_AGENTS, published_model, region_model
from kinetics.curves import FloatArray
from kinetics.models import Curves, KineticModel
from radiobio import induction_from_apparent_slope

_NUCLIDE, _SEX = "Lu-177", "male"

# Log SD of the ratio of vertebral to blood-based marrow dose in 16 patients (PMC10478826 Table 3,
# its patient 5 left out as in the source): what the blood does not tell of a marrow dose.
_MARROW_BEYOND_BLOOD_LOG_SD = 0.267
_KIDNEY_FACTOR_LOG_SD = RELATIVE_UNCERTAINTY["kidney_s_value"]
_TUMOUR_FACTOR_LOG_SD = 0.2  # ASSUMED

# DOTATATE: mean and log SD of dose coefficients between patients (Gy/GBq). Marrow (image-based)
# and blood: PMC10478826 Table 3, 16 patients. Kidneys: 0.43 +- 0.13. Tumour: ASSUMED, near both
# PSMA models.
_DOTATATE_MARROW_GY_PER_GBQ = 0.0697
_DOTATATE_LOG_SD = {"marrow": 0.476, "blood": 0.376, "kidneys": 0.295, "tumour": 0.7}
_DOTATATE_TUMOUR_ML = 10.0  # ASSUMED volume behind the prior of the uptake

# ASSUMED: set so that four cycles of 7.4 GBq give true platelets of grade 3 or above in about 4 %
# of the virtual patients, as in 140 patients on 177Lu-PSMA-617 (Groener 2021: platelets 4.3 %,
# leukocytes 3.6 %, any 9.3 %; doi:10.1186/s13550-021-00805-7). DOTATATE's own kill needs no factor.
_PSMA_KILL_FACTOR = {"PSMA-617": 0.7, "PSMA-I&T": 0.6}

_FOCI_ASSUMPTION = (
    "foci: induction and repair as the prior of a patient's foci assumes them, with the "
    "calibration line of Eberlein et al. 2015"
)
_ANATOMY_ASSUMPTION = (
    f"ASSUMED: S values of the ICRP 89 reference {_SEX} for all patients; what differs between "
    "patients is in the dose factors"
)
_FACTOR_ASSUMPTION = (
    "ASSUMED: log SD of the dose factors of kidneys "
    f"{_KIDNEY_FACTOR_LOG_SD:g} (uncertainty of the S value) and tumour "
    f"{_TUMOUR_FACTOR_LOG_SD:g}, the same in all cycles"
)


def cohort(name: str) -> Cohort:
    """Cohort of virtual patients by name.

    Parameters
    ----------
    name : {"PSMA-617", "PSMA-I&T", "DOTATATE"}
        The two PSMA ligands follow their published population models (Siebinga 2023 and 2024),
        DOTATATE the assumed priors of single regions, scaled to published dose coefficients.

    Returns
    -------
    Cohort

    Raises
    ------
    HemadoseError
        If the name is not known.

    Notes
    -----
    The marrow dose of the PSMA ligands is blood-based times a factor with median one and the log
    SD of vertebral over blood-based doses, 0.267 (PMC10478826, Table 3); that of DOTATATE is
    image-based with a mean of 0.0697 Gy/GBq (same table).

    Examples
    --------
    >>> psma = cohort("PSMA-617")
    >>> curves = psma.curves(psma.log_median, activity_gbq=7.4, cycle=1)
    >>> round(float(curves["kidney_dose"].integral()), 1)
    3.2
    """
    if name not in COHORTS:
        raise HemadoseError(f"cohort {name!r} is not known; known: {', '.join(COHORTS)}")
    return COHORTS[name]()


def _psma(agent: str, *, label: str, planned_cycles: int, note: str) -> Cohort:
    paper = PUBLISHED_AGENTS[agent]
    decay = nuclide(_NUCLIDE).decay_per_h
    reference = {"tumour_volume_ml": paper.tumour_reference_ml}
    if paper.allometric_weight_kg is not None:
        reference["weight_kg"] = paper.allometric_weight_kg
    if paper.reference_clearance_ml_per_min is not None:
        reference["creatinine_clearance_ml_per_min"] = paper.reference_clearance_ml_per_min

    def at(**factor: float) -> KineticModel:
        """The published model with covariates that many times their reference."""
        value = {n: r * factor.get(n, 1.0) for n, r in reference.items()}
        return published_model(
            agent,
            decay_per_h=decay,
            tumour_volume_ml={"tumour": value["tumour_volume_ml"]},
            weight_kg=value.get("weight_kg"),
            creatinine_clearance_ml_per_min=value.get("creatinine_clearance_ml_per_min"),
        )

    model = at()
    exponent = {n: at(**{n: np.e}).log_median - model.log_median for n in reference}
    change = np.zeros((len(paper.tumour_cycle_factor), len(model.parameters)))
    change[:, model.parameters.index("uptake_tumour_per_h")] = np.log(paper.tumour_cycle_factor)

    def kinetics(log_kinetic: FloatArray, activity_mbq: FloatArray) -> Curves:
        one_each = cast("float", activity_mbq)  # the model broadcasts over patients
        return model.curves(log_kinetic, one_each, 1)

    return _assembled(
        agent,
        [model],
        kinetics,
        label=label,
        dose_method="blood",
        schedule=(planned_cycles, 42.0),
        cycle_change=change,
        covariates=(reference, exponent),
        marrow_log_sd=_MARROW_BEYOND_BLOOD_LOG_SD,
        kill_factor=_PSMA_KILL_FACTOR[agent],
        notes=(
            f"ASSUMED: the kill per gray of DOTATATE times {_PSMA_KILL_FACTOR[agent]:g}, so that "
            "four cycles of 7.4 GBq give the platelet toxicity of grade 3 and above of Groener "
            "2021 (4.3 %, doi:10.1186/s13550-021-00805-7)",
            *(note for note in model.assumptions if "planned activity" not in note),
            "the uncertainty of the published medians counts as variation between patients",
            "the blood-based marrow dose times a factor with the log SD of vertebral over "
            f"blood-based doses, {_MARROW_BEYOND_BLOOD_LOG_SD:g} (PMC10478826, 177Lu-DOTATATE; "
            "ASSUMED to hold for PSMA ligands)",
            note,
        ),
    )


def _dotatate() -> Cohort:
    decay = nuclide(_NUCLIDE).decay_per_h
    regions = ("blood", "whole_body", "kidneys", "marrow", "tumour")
    models = [region_model("DOTATATE", region, decay_per_h=decay) for region in regions]
    models = [_with_spread(model, _kinetic_log_sd(model.regions[0])) for model in models]
    ends = np.cumsum([len(model.parameters) for model in models])

    def kinetics(log_kinetic: FloatArray, activity_mbq: FloatArray) -> Curves:
        one_each = cast("float", activity_mbq)  # the models broadcast over patients
        curves: Curves = {}
        for model, end in zip(models, ends, strict=True):
            own = log_kinetic[..., end - len(model.parameters) : end]
            curves |= model.curves(own, one_each, 1)
        return curves

    volume = np.zeros(ends[-1])
    volume[ends[-1] - len(models[-1].parameters)] = 1.0  # the tumour's amplitude
    found = _assembled(
        "DOTATATE",
        models,
        kinetics,
        label="lutathera",
        dose_method="image",
        schedule=(4, 56.0),
        cycle_change=np.zeros((1, ends[-1])),
        covariates=({"tumour_volume_ml": _DOTATATE_TUMOUR_ML}, {"tumour_volume_ml": volume}),
        kill_factor=1.0,
        marrow_log_sd=float(np.sqrt(np.log1p(marrow_model_spread(_NUCLIDE, _SEX).cv ** 2))),
        notes=(
            "ASSUMED: typical kinetics of DOTATATE (no population model is published) and residual "
            "errors of 10 to 25 %",
            "ASSUMED: kinetics of each region by itself, not correlated; liver and "
            "spleen irradiate like the rest of the body",
            f"marrow scaled to a mean image-based dose of {_DOTATATE_MARROW_GY_PER_GBQ:g} Gy/GBq, "
            "spreads to log SDs of "
            + ", ".join(f"{sd:g} ({region})" for region, sd in _DOTATATE_LOG_SD.items())
            + ": PMC10478826 Table 3 and published kidney doses (0.43 +- 0.13 Gy/GBq); that of "
            "the tumour is ASSUMED",
            f"ASSUMED: uptake in proportion to the tumour's volume, {_DOTATATE_TUMOUR_ML:g} mL "
            "behind the typical one; no change with the cycle",
        ),
    )
    typical = found.curves(found.log_median, activity_gbq=1.0, cycle=1)["marrow_dose"].integral()
    mean = float(typical) * np.exp(_DOTATATE_LOG_SD["marrow"] ** 2 / 2)
    found.log_median[ends[3] - len(models[3].parameters)] += np.log(
        _DOTATATE_MARROW_GY_PER_GBQ / mean
    )
    return found


def _kinetic_log_sd(region: str) -> float | None:
    """Log SD of a region's activity: that of its dose without the part of the dose factor.

    Published marrow doses share one S value, so that theirs is that of the activity alone.
    """
    factor = {"kidneys": _KIDNEY_FACTOR_LOG_SD, "tumour": _TUMOUR_FACTOR_LOG_SD}.get(region, 0.0)
    dose = _DOTATATE_LOG_SD.get(region)
    return None if dose is None else float(np.sqrt(dose**2 - factor**2))


def _with_spread(model: KineticModel, log_sd: float | None) -> KineticModel:
    """A region's model with the spread of its time-integrated activity scaled to `log_sd`."""
    if log_sd is None:
        return model
    p, step, region = len(model.parameters), 1e-4, model.regions[0]
    at = model.log_median + step * np.concatenate([np.eye(p), -np.eye(p)])
    log_tia = np.log(model.curves(at, 1.0, 1)[region].integral())
    slope = (log_tia[:p] - log_tia[p:]) / (2 * step)
    between, within = (
        float(np.sum((slope * sd) ** 2)) for sd in (model.log_sd_patient, model.log_sd_cycle)
    )
    factor = np.sqrt((log_sd**2 - within) / between)
    return replace(model, log_sd_patient=model.log_sd_patient * factor)


def _assembled(
    agent: str,
    models: list[KineticModel],
    kinetics: Callable[[FloatArray, FloatArray], Curves],
    *,
    label: str,
    dose_method: str,
    schedule: tuple[int, float],
    cycle_change: FloatArray,
    covariates: tuple[Mapping[str, float], Mapping[str, FloatArray]],
    marrow_log_sd: float,
    kill_factor: float,
    notes: tuple[str, ...],
) -> Cohort:
    """Kinetics, dose factors and foci side by side."""
    repair = RepairModel(eberlein_2015())
    induction_sd = float(np.sqrt(np.log1p(repair.induction_cv**2)))
    more_median = [0.0, 0.0, 0.0, -(induction_sd**2) / 2, np.log(repair.repair_rate_per_h[0])]
    more_sd = [
        marrow_log_sd, _KIDNEY_FACTOR_LOG_SD, _TUMOUR_FACTOR_LOG_SD, induction_sd,
        repair.rate_log_sd[0],
    ]  # fmt: skip
    none = np.zeros(len(more_median))
    reference, exponent = covariates
    regions = [region for model in models for region in model.regions]
    return Cohort(
        name=agent,
        agent=agent,
        nuclide=_NUCLIDE,
        label=label,
        dose_method=dose_method,
        planned_cycles=schedule[0],
        interval_days=schedule[1],
        planned_gbq=7.4,
        parameters=(*_names(models), *DOSE_FACTORS, *FOCI_PARAMETERS),
        log_median=np.concatenate([*(m.log_median for m in models), more_median]),
        log_sd_patient=np.concatenate([*(m.log_sd_patient for m in models), more_sd]),
        log_sd_cycle=np.concatenate([*(m.log_sd_cycle for m in models), none]),
        log_cycle_change=np.pad(cycle_change, ((0, 0), (0, len(none)))),
        covariate_reference=MappingProxyType(dict(reference)),
        covariate_exponent=MappingProxyType(
            {name: np.concatenate([value, none]) for name, value in exponent.items()}
        ),
        kinetics=kinetics,
        dose_coefficients=dose_coefficients(
            regions,
            _NUCLIDE,
            anatomy=reference_anatomy(_SEX),
            dose_method=dose_method,
            tumour_volume_ml=reference["tumour_volume_ml"],
        ),
        kill_factor=kill_factor,
        foci_per_gy=_induction_per_gy(repair),
        residual=MappingProxyType({r: error for m in models for r, error in m.residual.items()}),
        source=models[0].source,
        assumptions=(
            *dict.fromkeys(notes), _ANATOMY_ASSUMPTION, _FACTOR_ASSUMPTION, _FOCI_ASSUMPTION,
        ),
    )  # fmt: skip


def _names(models: list[KineticModel]) -> tuple[str, ...]:
    """Parameter names; those of single-region models with their region in front."""
    if len(models) == 1:
        return models[0].parameters
    return tuple(f"{model.regions[0]}_{name}" for model in models for name in model.parameters)


def _induction_per_gy(repair: RepairModel) -> float:
    """Mean induction behind the calibration line, before any repair."""
    line, rate = repair.calibration, repair.calibration_rate_per_h
    slope = line.slope_per_gy * np.exp(rate * line.repair_h)
    return float(induction_from_apparent_slope(slope, rate, line.irradiation_h))


@cache
def _psma_617() -> Cohort:
    note = "6 cycles of 7.4 GBq every 6 weeks (Pluvicto label)"
    return _psma("PSMA-617", label="pluvicto", planned_cycles=6, note=note)


@cache
def _psma_it() -> Cohort:
    note = (
        "ASSUMED: 4 cycles, as far as the published change of the tumour uptake goes, every 6 "
        "weeks; no label covers this ligand, so that the rules of Pluvicto stand in"
    )
    return _psma("PSMA-I&T", label="pluvicto", planned_cycles=4, note=note)


COHORTS: Mapping[str, Callable[[], Cohort]] = MappingProxyType(
    {"PSMA-617": _psma_617, "PSMA-I&T": _psma_it, "DOTATATE": cache(_dotatate)}
)
"""The cohorts by name; each is made on its first use."""

__all__ = ["COHORTS", "Cohort", "cohort"]
