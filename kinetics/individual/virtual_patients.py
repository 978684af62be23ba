"""Many patients of a population at once: curves and measurements as arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.individual._target import untransformed
from kinetics.individual.posterior import check_decay
from kinetics.models import KineticModel
from kinetics.population.model import PopulationModel
from kinetics.population.residual import KINDS, ResidualErrorModel

_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class VirtualPopulation:
    """One region of a population in standardised effects z ~ N(0, 1).

    Attributes
    ----------
    name : str
        Name of the model.
    region : str
        The region.
    n_effects : int
        Length of z.
    curves : callable
        ``curves(z (..., n_effects))``: activity with physical decay, one occasion of a patient.
    recorded_decay_per_h : float
        Rate by which the recorded values are corrected for decay; 0 where they are not.
    sd : callable
        ``sd(f, time_h)``: residual standard deviation at recorded predictions (of the logarithm
        where `logarithmic`).
    logarithmic : bool
        Whether the residual error is log-normal.
    assumptions : tuple of str
        What is assumed.
    """

    name: str
    region: str
    n_effects: int
    curves: Callable[[FloatArray], SumOfExponentials]
    recorded_decay_per_h: float
    sd: Callable[[FloatArray, FloatArray], FloatArray]
    logarithmic: bool
    assumptions: tuple[str, ...]

    def recorded(self, z: FloatArray, times_h: FloatArray) -> FloatArray:
        """Predictions (..., n_times) as the data record them."""
        return np.asarray(self.curves(z)(times_h) * np.exp(self.recorded_decay_per_h * times_h))

    def log_tia(self, z: FloatArray) -> FloatArray:
        """Logarithm of the time-integrated activity, shape (...); NaN where it is not positive."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.log(self.curves(z).integral()))

    def measured(self, f: FloatArray, times_h: FloatArray, noise: FloatArray) -> FloatArray:
        """Measurements at predictions f with standard-normal noise."""
        spread = self.sd(f, times_h) * noise
        return f * np.exp(spread) if self.logarithmic else f + spread

    def log_likelihood(self, y: FloatArray, f: FloatArray, times_h: FloatArray) -> FloatArray:
        """Log likelihood summed over the last axis (times), up to a constant of y."""
        with np.errstate(all="ignore"):
            sd = np.maximum(self.sd(f, times_h), _TINY)
            distance = (np.log(y / f) if self.logarithmic else y - f) / sd
            total = (-0.5 * distance**2 - np.log(sd)).sum(-1)
        return np.asarray(np.where(np.isfinite(total), total, -np.inf))


def virtual_population(
    model: PopulationModel | KineticModel,
    *,
    decay_corrected: bool,
    decay_per_h: float | None = None,
    region: str | None = None,
    activity_mbq: float = 1.0,
) -> VirtualPopulation:
    """One region of a population after a bolus at time 0, ready for simulation.

    Covariates are at their reference. The effects of the subject and of the occasion are taken
    together, because one occasion is looked at.

    Parameters
    ----------
    model : PopulationModel or KineticModel
        The population.
    decay_corrected : bool
        Whether the model's data are corrected for physical decay (a `KineticModel`'s are not).
    decay_per_h : float, optional
        Physical decay constant (1/h), for decay-corrected data.
    region : str, optional
        Region; the first when missing.
    activity_mbq : float
        Amount administered (MBq).

    Raises
    ------
    KineticsError
        If the structure has no curves, the region is unknown, or the residual error is that of
        each measurement.
    """
    if isinstance(model, KineticModel):
        if decay_corrected:
            raise KineticsError(f"{model.name} predicts activities that are not decay-corrected")
        return _of_kinetic_model(model, _region(region, model.regions), activity_mbq)
    check_decay(model, decay_corrected, decay_per_h)
    name = _region(region, tuple(model.residual))
    unit_curves = model.structure.curves
    if unit_curves is None:
        raise KineticsError(f"{model.structure.name} is not a sum of exponentials")
    typical, root = effect_map(model)
    added = float(decay_per_h or 0.0) if decay_corrected else 0.0
    scale = activity_mbq if model.structure.needs_dose else 1.0
    error = model.residual[name]

    def curves(z: FloatArray) -> SumOfExponentials:
        psi = typical + np.clip(z, -12.0, 12.0) @ root.T
        return unit_curves(untransformed(model, psi))[name].decayed(added).scaled(scale)

    return VirtualPopulation(
        name=model.structure.name,
        region=name,
        n_effects=root.shape[1],
        curves=curves,
        recorded_decay_per_h=added,
        sd=lambda f, _: residual_sd(error, f),
        logarithmic=error.kind == "lognormal",
        assumptions=("ASSUMED: the population parameters are known without uncertainty",)
        + ("ASSUMED: covariates at their reference",)
        * any(p.covariates for p in model.parameters.values()),
    )


def _region(region: str | None, regions: tuple[str, ...]) -> str:
    if region is not None and region not in regions:
        raise KineticsError(f"there is no region {region!r}; there are {', '.join(regions)}")
    return region or regions[0]


def _of_kinetic_model(model: KineticModel, region: str, activity_mbq: float) -> VirtualPopulation:
    total = np.hypot(model.log_sd_patient, model.log_sd_cycle)
    index = np.flatnonzero(total > 0)
    error = model.residual[region]

    def curves(z: FloatArray) -> SumOfExponentials:
        log_parameter = np.broadcast_to(
            model.log_median, (*z.shape[:-1], len(model.log_median))
        ).copy()
        log_parameter[..., index] += total[index] * np.clip(z, -12.0, 12.0)
        flat = model.curves(log_parameter.reshape(-1, len(total)), activity_mbq, 1)[region]
        shape = (*z.shape[:-1], flat.n_terms)
        return SumOfExponentials(flat.amplitude.reshape(shape), flat.rate_per_h.reshape(shape))

    return VirtualPopulation(
        name=model.name,
        region=region,
        n_effects=len(index),
        curves=curves,
        recorded_decay_per_h=0.0,
        sd=lambda f, time: error.sd(f, np.exp(-model.decay_per_h * time)),
        logarithmic=False,
        assumptions=model.assumptions,
    )


def effect_map(model: PopulationModel) -> tuple[FloatArray, FloatArray]:
    """Transformed typical parameters (p,) and the map (p, q) from standardised effects to them."""
    names = list(model.parameters)
    p = len(names)
    covariance = np.zeros((p, p))
    index = [names.index(name) for name in model.random]
    covariance[np.ix_(index, index)] = model.covariance
    for name in model.varying:
        covariance[names.index(name), names.index(name)] += model.parameters[name].cycle_sd ** 2
    used = np.flatnonzero(np.diag(covariance) > 0)
    root = np.zeros((p, len(used)))
    root[used] = np.linalg.cholesky(covariance[np.ix_(used, used)])
    forward: dict[str, Callable[[float], Any]] = {
        "log": np.log,
        "identity": float,
        "logit": lambda value: np.log(value / (1.0 - value)),
    }
    typical = np.array([forward[q.transform](q.value) for q in model.parameters.values()])
    return typical, root


def residual_sd(error: ResidualErrorModel, f: FloatArray) -> FloatArray:
    """Residual standard deviation at predictions; of the logarithm for a log-normal error."""
    value = dict(zip(KINDS[error.kind][1], error.values, strict=True))
    size = np.abs(f)
    if error.kind == "known":
        raise KineticsError(
            "the residual error is that of each measurement (known): give the model another "
            "residual error for simulation and design"
        )
    if error.kind == "lognormal":
        return np.full_like(size, value["lognormal"])
    if error.kind == "power":
        return np.asarray(value["proportional"] * size ** value["exponent"])
    additive, proportional = value.get("additive", 0.0), value.get("proportional", 0.0)
    if error.kind == "combined2":
        return np.hypot(additive, proportional * size)
    return np.asarray(additive + proportional * size)
