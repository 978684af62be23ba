"""From the samples of a study to posterior time-activity curves of every region and cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dosimetry import SOFT_TISSUE_DENSITY_G_PER_ML
from hemadose.study import Study
from kinetics import (
    PUBLISHED_AGENTS,
    ActivitySample,
    CurveFit,
    KineticModel,
    PatientKinetics,
    ResidualError,
    SumOfExponentials,
    fit_curves,
    fit_patient,
    published_model,
    region_model,
    sample_sd,
)

_MISFIT_P = 1e-3  # a fit that misses its samples less probably than this is said
_REFUSED_P = 1e-6  # and below this no plan may rest on it
_CURVE_REGIONS = {"Lu-177": ("blood", "whole_body", "kidneys", "liver", "spleen"),
                  "I-131": ("blood", "whole_body")}  # fmt: skip

RegionCurves = Mapping[str, SumOfExponentials]


@dataclass(frozen=True, eq=False)
class FormChoice:
    """Least-squares fits of the candidate curve forms of one region.

    Attributes
    ----------
    region : str
        Region.
    cycle : int
        Cycle whose samples were fitted.
    candidates : tuple of CurveFit
        The best AICc first.
    chosen : str
        Form that enters the posterior: the default of the region's prior, or the best candidate
        if it is richer. A simpler form is never taken, because the prior already holds what few
        samples leave open, and with few samples the AICc favours forms that miss a phase.
    """

    region: str
    cycle: int
    candidates: tuple[CurveFit, ...]
    chosen: str


@dataclass(frozen=True, eq=False)
class StudyKinetics:
    """Posterior curves of a study.

    Attributes
    ----------
    curves : mapping of int to mapping of str to SumOfExponentials
        By cycle and region, leading axis draws (MBq; blood and marrow MBq/mL). Draw j is the
        same patient in every cycle; `next_cycle` holds the prediction for the planned activity.
    next_cycle : int
        Number of the cycle to be planned.
    next_activity_gbq : float
        Activity that the prediction is for (GBq).
    fits : tuple of PatientKinetics
        One for the published model, if any, and one for each further region.
    form_choices : tuple of FormChoice
        Where samples sufficed to compare curve forms.
    assumptions, warnings : tuple of str
        In words.
    refusals : tuple of str
        Warnings so grave that no plan may rest on these curves.
    """

    curves: Mapping[int, RegionCurves]
    next_cycle: int
    next_activity_gbq: float
    fits: tuple[PatientKinetics, ...]
    form_choices: tuple[FormChoice, ...]
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    refusals: tuple[str, ...] = ()

    def take(self, index: npt.NDArray[np.intp]) -> StudyKinetics:
        """The same with draws chosen anew (importance resampling), in every cycle alike."""
        curves = {
            cycle: {region: curve[index] for region, curve in regions.items()}
            for cycle, regions in self.curves.items()
        }
        return replace(self, curves=curves)


def fit_study(
    study: Study, *, decay_per_h: float, rng: np.random.Generator, n_draws: int
) -> StudyKinetics:
    """Fit every region of a study; regions without samples rest on the population.

    Parameters
    ----------
    study : Study
        The study.
    decay_per_h : float
        Physical decay constant (1/h).
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of posterior draws.
    """
    samples = [
        ActivitySample(s.cycle, s.time_h, s.region, s.value, s.sd, s.blq) for s in study.activity
    ]
    models, choices = _models(study, samples, decay_per_h)
    activity_mbq = {cycle.number: cycle.activity_mbq for cycle in study.cycles}
    fits = tuple(
        fit_patient(
            model,
            [s for s in samples if s.region in model.regions],
            activity_mbq=activity_mbq,
            next_activity_mbq=1000 * study.therapy.planned_activity_gbq,
            rng=rng,
            n_draws=n_draws,
        )
        for model in models
    )
    problems = [problem for fit in fits for problem in _problems(fit)]
    next_cycle = len(study.cycles) + 1
    curves = {
        cycle: {region: curve for fit in fits for region, curve in fit.curves[cycle].items()}
        for cycle in range(1, next_cycle + 1)
    }
    return StudyKinetics(
        curves=curves,
        next_cycle=next_cycle,
        next_activity_gbq=study.therapy.planned_activity_gbq,
        fits=fits,
        form_choices=tuple(choices),
        assumptions=tuple(dict.fromkeys(a for model in models for a in model.assumptions)),
        warnings=tuple(text for text, p in problems if p < _MISFIT_P),
        refusals=tuple(text for text, p in problems if p < _REFUSED_P),
    )


def _problems(fit: PatientKinetics) -> Iterator[tuple[str, float]]:
    """What is wrong with a fit, in words, and how improbable it is if the model holds."""
    from scipy.special import chdtrc, ndtr

    if fit.status != "ok":
        yield f"{fit.model.name}: {fit.status}", 0.0
    groups = sorted({(s.cycle, s.region) for s in fit.samples if not s.below_limit})
    for cycle, region in groups:
        samples = [
            s for s in fit.samples if (s.cycle, s.region) == (cycle, region) and not s.below_limit
        ]
        middle = np.median(fit.curves[cycle][region]([s.time_h for s in samples]), axis=0)
        difference = np.array([s.value for s in samples]) - middle
        chi_square = float(((difference / sample_sd(fit.model, samples, middle)) ** 2).sum())
        yield (
            f"{region}, cycle {cycle}: the fit misses the samples (chi-square {chi_square:.3g} for "
            f"{len(samples)}); check units, times, decay correction and sd",
            float(chdtrc(len(samples), chi_square)),
        )
    spread = np.hypot(fit.model.log_sd_patient, fit.model.log_sd_cycle)
    for cycle in sorted({s.cycle for s in fit.samples}):
        shift = fit.log_parameter[cycle].mean(0) - fit.model.log_median
        z = np.divide(shift, spread, out=np.zeros_like(shift), where=spread > 0)
        worst = int(np.abs(z).argmax())
        yield (
            f"{fit.model.name}, cycle {cycle}: {fit.model.parameters[worst]} lies {z[worst]:+.1f} "
            "standard deviations from the population; check units, times and decay correction",
            float(2 * ndtr(-abs(z[worst])) * len(z)),
        )


def _models(
    study: Study, samples: list[ActivitySample], decay_per_h: float
) -> tuple[list[KineticModel], list[FormChoice]]:
    """The published model where there is one, and an assumed prior for each further region."""
    models: list[KineticModel] = []
    agent, overrides = study.therapy.agent, study.methods.residual_cv
    if agent in PUBLISHED_AGENTS:
        model = published_model(
            agent,
            decay_per_h=decay_per_h,
            tumour_volume_ml={
                name: tumour.mass_g / SOFT_TISSUE_DENSITY_G_PER_ML
                for name, tumour in study.tumours.items()
            },
            weight_kg=study.patient.weight_kg,
            creatinine_clearance_ml_per_min=study.patient.creatinine_clearance_ml_per_min,
        )
        given = {r: ResidualError(cv) for r, cv in overrides.items() if r in model.regions}
        models.append(replace(model, residual={**model.residual, **given}))
    covered = {region for model in models for region in model.regions}
    choices = []
    for region in _regions_wanted(study, samples):
        if region in covered:
            continue
        default = region_model(
            agent, region, decay_per_h=decay_per_h, residual_cv=overrides.get(region)
        )
        choice = _compare_forms(default, [s for s in samples if s.region == region])
        if choice:
            choices.append(choice)
        models.append(
            region_model(
                agent,
                region,
                decay_per_h=decay_per_h,
                form=choice.chosen if choice else None,
                residual_cv=overrides.get(region),
            )
        )
    return models, choices


def _regions_wanted(study: Study, samples: list[ActivitySample]) -> list[str]:
    """Regions that doses need or that were sampled, in a fixed order."""
    wanted = [*_CURVE_REGIONS[study.therapy.nuclide], *study.tumours, *(s.region for s in samples)]
    if study.marrow_dose_method == "image":
        wanted.append("marrow")
    return list(dict.fromkeys(wanted))


def _compare_forms(model: KineticModel, samples: list[ActivitySample]) -> FormChoice | None:
    """Least squares with AICc on the cycle with most quantified samples.

    None if the samples do not suffice to put the default form beside another.
    """
    usable = [s for s in samples if not s.below_limit]
    counts = {cycle: sum(s.cycle == cycle for s in usable) for cycle in {s.cycle for s in usable}}
    if not counts:
        return None
    richest = max(sorted(counts), key=lambda cycle: counts[cycle])
    chosen = [s for s in usable if s.cycle == richest]
    residual = next(iter(model.residual.values()))
    sd = [residual.proportional * s.value if s.sd is None else s.sd for s in chosen]
    fits = fit_curves(
        [s.time_h for s in chosen],
        [s.value for s in chosen],
        sd,
        decay_per_h=model.decay_per_h,
    )
    default = next((fit for fit in fits if fit.form.name == model.form_name), None)
    if default is None:
        return None
    best = fits[0] if fits[0].form.n_parameters > default.form.n_parameters else default
    return FormChoice(chosen[0].region, richest, tuple(fits), best.form.name)
