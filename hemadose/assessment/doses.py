"""From curves to absorbed doses of every region and cycle, with draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry import (
    RELATIVE_UNCERTAINTY,
    SOLID_ORGANS,
    AbsorbedDose,
    Anatomy,
    MarrowBloodRatio,
    blood_dose,
    lognormal_factor,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    marrow_model_spread,
    organ_dose,
    rmblr,
    s_value_factor,
    tumour_dose,
)
from hemadose.assessment.activity import RegionCurves, StudyKinetics
from hemadose.study import DoseRow, Study
from kinetics import SumOfExponentials

FloatArray = npt.NDArray[np.float64]

_CLINIC_DOSE_CV = 0.20  # ASSUMED where doses.csv gives no sd
_CYCLE_CV = 0.15  # ASSUMED change of a dose per activity from cycle to cycle


@dataclass(frozen=True, eq=False)
class StudyDoses:
    """Absorbed doses by cycle and region.

    Attributes
    ----------
    doses : mapping of int to mapping of str to AbsorbedDose
        By cycle and region; the cycle after the last is the prediction for the planned activity.
    marrow_method : str
        ``"blood"`` or ``"image"``: the one method of every marrow dose here.
    assumptions : tuple of str
        In words.
    """

    doses: Mapping[int, Mapping[str, AbsorbedDose]]
    marrow_method: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class DoseModel:
    """What turns curves into doses, with its own draws: the same in every cycle.

    Attributes
    ----------
    anatomy : Anatomy
        The patient.
    ratio : MarrowBloodRatio
        Red-marrow-to-blood ratio, draws.
    factor : mapping of str to ndarray
        Factor with mean one for the uncertainty of S value, mass and calibration, by region.
    marrow_image : mapping of str to ndarray
        Draws of ``recovery`` and ``red_marrow_fraction`` of the marrow VOI, where given.
    assumptions : tuple of str
        In words.
    """

    anatomy: Anatomy
    ratio: MarrowBloodRatio
    factor: Mapping[str, FloatArray]
    marrow_image: Mapping[str, FloatArray]
    assumptions: tuple[str, ...]

    def take(self, index: npt.NDArray[np.intp]) -> DoseModel:
        """The same with draws chosen anew."""
        ratio = MarrowBloodRatio(self.ratio.model, self.ratio.value[index], self.ratio.assumptions)
        factor = {region: values[index] for region, values in self.factor.items()}
        image = {name: values[index] for name, values in self.marrow_image.items()}
        return DoseModel(self.anatomy, ratio, factor, image, self.assumptions)


def dose_model(study: Study, *, rng: np.random.Generator, n_draws: int) -> DoseModel:
    """Draw what the doses of a study share: ratio of marrow to blood, and dose factors.

    Parameters
    ----------
    study : Study
        The study.
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of draws.
    """
    patient, methods = study.patient, study.methods
    masses = {
        region: mass
        for region, mass in patient.organ_mass_g.model_dump().items()
        if mass is not None
    }
    ratio = rmblr(
        methods.rmblr,
        haematocrit=patient.haematocrit,
        value=methods.rmblr_value,
        sd=methods.rmblr_sd,
        n_draws=n_draws,
        rng=rng,
    )
    organ = ("kidney_s_value", "voi", "calibration")
    model_cv = marrow_model_spread(study.therapy.nuclide, patient.sex).cv
    sources = {
        "blood": ("calibration",),
        "marrow": (model_cv, "calibration"),
        **dict.fromkeys(SOLID_ORGANS, organ),
        **dict.fromkeys(study.tumours, organ),
    }
    spreads = {**RELATIVE_UNCERTAINTY, "marrow_model": model_cv}
    factors = ", ".join(f"{name} {100 * cv:.3g} %" for name, cv in spreads.items())
    return DoseModel(
        anatomy=Anatomy(
            patient.sex, patient.weight_kg, patient.height_cm, patient.haematocrit, masses
        ),
        ratio=ratio,
        factor={
            region: s_value_factor(*names, n_draws=n_draws, rng=rng)
            for region, names in sources.items()
        },
        marrow_image=_marrow_image(study, rng=rng, n_draws=n_draws),
        assumptions=(
            f"dose factors, one standard deviation: {factors}; ASSUMED to hold for liver, spleen "
            "and tumours as published for kidneys",
            *ratio.assumptions,
            *_unused_marrow_image(study),
        ),
    )


def _marrow_image(study: Study, *, rng: np.random.Generator, n_draws: int) -> dict[str, FloatArray]:
    """Draws of what a marrow VOI is divided by; empty where the study gives none."""
    methods = study.methods
    given = {
        "recovery": (methods.marrow_recovery, methods.marrow_recovery_sd),
        "red_marrow_fraction": (methods.red_marrow_fraction, methods.red_marrow_fraction_sd),
    }
    return {
        name: lognormal_factor(value, (sd or 0.0) / value, n_draws=n_draws, rng=rng)
        for name, (value, sd) in given.items()
        if value is not None
    }


def _unused_marrow_image(study: Study) -> tuple[str, ...]:
    methods = study.methods
    given = methods.marrow_recovery is not None or methods.red_marrow_fraction is not None
    if not given or study.marrow_dose_method == "image":
        return ()
    return ("marrow_recovery and red_marrow_fraction are not used: marrow doses are blood-based",)


def blood_doses(study: Study, kinetics: StudyKinetics, model: DoseModel) -> dict[int, AbsorbedDose]:
    """Blood dose of every cycle (the blood comes first, because foci may reweight the draws)."""
    return {
        cycle: blood_dose(
            curves["blood"],
            study.therapy.nuclide,
            anatomy=model.anatomy,
            whole_body_mbq=curves["whole_body"],
            blood_density_g_per_ml=study.methods.blood_density_g_per_ml,
            s_value_factor=model.factor["blood"],
        )
        for cycle, curves in kinetics.curves.items()
    }


def study_doses(
    study: Study, kinetics: StudyKinetics, model: DoseModel, *, rng: np.random.Generator
) -> StudyDoses:
    """Doses of every region and cycle; the clinic's own doses replace the computed ones.

    Parameters
    ----------
    study : Study
        The study.
    kinetics : StudyKinetics
        Posterior curves.
    model : DoseModel
        Draws of what all cycles share.
    rng : numpy.random.Generator
        Source of randomness, for the spread of the clinic's doses.
    """
    blood = blood_doses(study, kinetics, model)
    doses: dict[int, dict[str, AbsorbedDose]] = {
        cycle: {"blood": blood[cycle], **_other_doses(study, curves, model)}
        for cycle, curves in kinetics.curves.items()
    }
    method = study.marrow_dose_method
    rows = [r for r in study.doses if r.region != "marrow" or r.method == method]
    notes = _replace_by_clinic(study, doses, rows, rng)
    unused = len(study.doses) - len(rows)
    if unused:
        notes.append(
            f"{unused} marrow doses of doses.csv were found by the other method and are not used: "
            f"every marrow dose here is {method}-based"
        )
    every = (a for regions in doses.values() for dose in regions.values() for a in dose.assumptions)
    return StudyDoses(doses, method, tuple(dict.fromkeys((*model.assumptions, *notes, *every))))


def _other_doses(study: Study, curves: RegionCurves, model: DoseModel) -> dict[str, AbsorbedDose]:
    """Doses of marrow, organs and tumours in one cycle."""
    nuclide, body = study.therapy.nuclide, curves["whole_body"]
    organs = {region: curves[region] for region in SOLID_ORGANS if region in curves}
    common: dict[str, Any] = {
        "anatomy": model.anatomy,
        "organ_mbq": organs,
        "whole_body_mbq": body,
        "marrow_model": study.methods.marrow_model,
        "s_value_factor": model.factor["marrow"],
    }
    doses: dict[str, AbsorbedDose] = {}
    if study.marrow_dose_method == "image":
        doses["marrow"] = marrow_dose_image_method(
            curves["marrow"],
            nuclide,
            recovery=model.marrow_image.get("recovery", 1.0),
            red_marrow_fraction=model.marrow_image.get("red_marrow_fraction", 1.0),
            **common,
        )
    else:
        doses["marrow"] = marrow_dose_blood_method(
            curves["blood"],
            nuclide,
            ratio=model.ratio,
            blood_density_g_per_ml=study.methods.blood_density_g_per_ml,
            **common,
        )
    for region, curve in organs.items():
        doses[region] = organ_dose(
            region,
            curve,
            nuclide,
            anatomy=model.anatomy,
            other_mbq=organs,
            whole_body_mbq=body,
            s_value_factor=model.factor[region],
        )
    for region, tumour in study.tumours.items():
        doses[region] = tumour_dose(
            curves[region],
            nuclide,
            mass_g=tumour.mass_g,
            region=region,
            s_value_factor=model.factor[region],
        )
    return doses


def _replace_by_clinic(
    study: Study,
    doses: dict[int, dict[str, AbsorbedDose]],
    rows: list[DoseRow],
    rng: np.random.Generator,
) -> list[str]:
    """Put the clinic's doses in place, with the shape in time of the computed ones."""
    notes = []
    next_cycle = max(doses)
    latest: dict[str, tuple[DoseRow, FloatArray]] = {}
    for row in sorted(rows, key=lambda r: r.cycle):
        n_draws = len(doses[row.cycle][row.region].dose_gy)
        cv = _CLINIC_DOSE_CV if row.sd is None else row.sd / row.dose_gy_per_gbq
        per_gbq = lognormal_factor(row.dose_gy_per_gbq, cv, n_draws=n_draws, rng=rng)
        if row.sd is None:
            notes.append(f"ASSUMED: doses.csv line {row.line} has no sd; taken as {cv:.0%}")
        activity_gbq = study.cycles[row.cycle - 1].activity_mbq / 1000
        doses[row.cycle][row.region] = _given(doses, row, per_gbq * activity_gbq)
        latest[row.region] = (row, per_gbq)
    for region, (row, per_gbq) in latest.items():
        change = lognormal_factor(1.0, _CYCLE_CV, n_draws=len(per_gbq), rng=rng)
        predicted = per_gbq * change * study.therapy.planned_activity_gbq
        ahead = DoseRow(next_cycle, region, 0.0, None, row.method, row.line)
        doses[next_cycle][region] = _given(doses, ahead, predicted)
    if latest:
        notes.append(
            "ASSUMED: the clinic's doses are delivered over time as the population's kinetics "
            f"deliver them, and change from cycle to cycle by {_CYCLE_CV:.0%}"
        )
    return notes


def _given(
    doses: dict[int, dict[str, AbsorbedDose]], row: DoseRow, dose_gy: FloatArray
) -> AbsorbedDose:
    """A dose of known size with the time course of the computed one."""
    computed = doses[row.cycle][row.region].dose_rate
    total = computed.integral()
    shape = computed if (total > 0).all() else _positive_part(computed)
    curve = shape.scaled(dose_gy / shape.integral())
    return AbsorbedDose(row.region, row.method, {"clinic": curve}, ())


def _positive_part(curve: SumOfExponentials) -> SumOfExponentials:
    return SumOfExponentials(np.maximum(curve.amplitude, 0.0), curve.rate_per_h)
