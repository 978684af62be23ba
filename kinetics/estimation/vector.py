"""The free population parameters as one unconstrained vector, and derivatives by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation._arrays import Gradient, Population
from kinetics.population.covariates import CovariateEffect
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel, correlation_names, effect_names
from kinetics.population.residual import KINDS, SIGMA_COLUMN


@dataclass(frozen=True, eq=False)
class FreeVector:
    """How the vector of free parameters maps to the model; made by `free_vector`.

    The vector holds transformed typical values, covariate effects as they are, logarithms of
    standard deviations, and the lower Cholesky factors (log diagonal) of covariance blocks.

    Attributes
    ----------
    model : PopulationModel
        The model at the start.
    regions : tuple of str
        Regions in the order of the kernels' tables.
    covariates : mapping of str to ndarray, shape (n_occasions,)
        Covariates of the data.
    subject_of_occasion : ndarray of int, shape (n_occasions,)
        Subject of each occasion.
    names : tuple of str
        Population parameters that are free, in the order of `PopulationModel.values`.
    labels : tuple of str
        Name of each element of the vector.
    """

    model: PopulationModel
    regions: tuple[str, ...]
    covariates: Mapping[str, FloatArray]
    subject_of_occasion: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]

    @cached_property
    def plain(self) -> frozenset[str]:
        """Parameters that enter the vector as they are."""
        return frozenset(
            _covariate_names(self.model) | {f"exponent_{region}" for region in self.model.residual}
        )

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """Readable name of each element: ``sd_cl``, or ``cholesky v cl`` within a larger block."""
        single = {f"cholesky {b[0]} {b[0]}": f"sd_{b[0]}" for b in self.model.blocks if len(b) == 1}
        return tuple(single.get(label, label) for label in self.labels)

    @cached_property
    def column(self) -> Mapping[str, int]:
        """Position of each element by its label."""
        return {label: k for k, label in enumerate(self.labels)}

    @cached_property
    def cholesky(self) -> Mapping[str, tuple[int, int]]:
        """Row and column of each free element of the covariance's factor, by label."""
        index = {name: i for i, name in enumerate(self.model.random)}
        words = {label: label.split(" ") for label in self.labels if label.startswith("cholesky ")}
        return {label: (index[a], index[b]) for label, (_, a, b) in words.items()}

    @cached_property
    def start_factor(self) -> FloatArray:
        """Lower Cholesky factor of the model's own covariance."""
        if not self.model.random:
            return np.zeros((0, 0))
        return np.asarray(np.linalg.cholesky(self.model.covariance), dtype=np.float64)

    def start(self) -> FloatArray:
        """Vector of the model's own values."""
        values = self.model.values
        factor = self.start_factor
        return np.array([self._element(label, values, factor) for label in self.labels])

    def _element(self, label: str, values: Mapping[str, float], factor: FloatArray) -> float:
        if label in self.model.parameters:
            return _forward(values[label], self.model.parameters[label].transform)
        if label in self.cholesky:
            i, j = self.cholesky[label]
            element = factor[i, j]
            return float(np.log(element) if i == j else element)
        if label in self.plain:
            return float(values[label])
        return float(np.log(values[label]))

    def start_spread(self) -> FloatArray:
        """How far further starts are drawn from the first: half of a logarithm and the like."""
        out = np.full(len(self.labels), 0.5)
        for k, label in enumerate(self.labels):
            parameter = self.model.parameters.get(label)
            words = label.split(" ")
            if parameter is not None and parameter.transform == "identity":
                out[k] = max(0.3 * abs(parameter.value), parameter.sd)
            elif label in self.plain:
                out[k] = 0.2
            elif words[0] == "cholesky" and words[1] != words[2]:
                out[k] = 0.3 * self.model.parameters[words[1]].sd
        return out

    def values(self, x: FloatArray) -> dict[str, float]:
        """All population parameters at a vector."""
        model = self.model
        out = dict(model.values)
        factor = self.start_factor.copy()
        for label, element in zip(self.labels, x, strict=True):
            if label in model.parameters:
                out[label] = _backward(float(element), model.parameters[label].transform)
            elif label in self.cholesky:
                i, j = self.cholesky[label]
                factor[i, j] = np.exp(element) if i == j else element
            elif label in self.plain:
                out[label] = float(element)
            else:
                out[label] = float(np.exp(element))
        covariance = factor @ factor.T
        sd = np.sqrt(np.diag(covariance))
        for block in model.blocks:
            if f"cholesky {block[0]} {block[0]}" not in self.labels:
                continue
            for name in block:
                out[f"sd_{name}"] = float(sd[model.random.index(name)])
            for key, (a, b) in correlation_names(block).items():
                i, j = model.random.index(a), model.random.index(b)
                out[key] = float(covariance[i, j] / (sd[i] * sd[j]))
        return out

    def free_values(self, x: FloatArray) -> FloatArray:
        """Values of the free population parameters, in the order of `names`."""
        values = self.values(x)
        return np.array([values[name] for name in self.names])

    def jacobian(self, x: FloatArray) -> FloatArray:
        """Derivative of `free_values` by the vector, shape (n_names, n_vector)."""
        step = 1e-5 * np.maximum(np.abs(x), 1e-3)
        columns = [
            (self.free_values(x + h) - self.free_values(x - h)) / (2 * h.sum())
            for h in np.diag(step)
        ]
        return np.array(columns).reshape(len(x), len(self.names)).T

    def population(self, x: FloatArray) -> Population:
        """Population parameters in the kernels' form."""
        values = self.values(x)
        model = self.model
        typical = np.empty((len(self.subject_of_occasion), len(model.parameters)))
        for j, name in enumerate(model.parameters):
            typical[:, j] = self._typical(name, values)[0]
        covariance = _covariance(model, values)
        gamma = np.array([values[f"cycle_sd_{name}"] for name in model.varying])
        sigma = np.zeros((len(self.regions), 3))
        for r, region in enumerate(self.regions):
            for part in _parts(model, region):
                sigma[r, SIGMA_COLUMN[part]] = values[f"{part}_{region}"]
        precision = np.linalg.inv(covariance) if len(covariance) else covariance
        return Population(typical, np.ascontiguousarray(precision), gamma**-2.0, sigma)

    def _typical(
        self, name: str, values: Mapping[str, float]
    ) -> tuple[FloatArray, FloatArray, dict[str, FloatArray]]:
        """Transformed typical parameter of each occasion; derivatives by it and its effects."""
        parameter = self.model.parameters[name]
        log_factor = np.zeros(len(self.subject_of_occasion))
        slopes: dict[str, FloatArray] = {}
        for key, effect in effect_names(name, parameter).items():
            part, slopes[key] = effect.log_factor(self.covariates[effect.covariate], values[key])
            log_factor = log_factor + part
        if parameter.transform == "identity":
            factor = np.exp(log_factor)
            typical = values[name] * factor
            return typical, factor, {key: typical * slope for key, slope in slopes.items()}
        return (
            _forward(values[name], parameter.transform) + log_factor,
            np.ones_like(log_factor),
            slopes,
        )

    def chain(self, x: FloatArray, gradient: Gradient) -> FloatArray:
        """Derivatives (n_subjects, n_vector) of each subject's objective by the vector."""
        model, values = self.model, self.values(x)
        n_subjects = len(gradient.precision)
        out = np.zeros((n_subjects, len(x)))
        column = self.column
        for j, name in enumerate(model.parameters):
            _, by_value, by_effect = self._typical(name, values)
            for label, slope in {name: by_value, **by_effect}.items():
                if label in column:
                    out[:, column[label]] = np.bincount(
                        self.subject_of_occasion, gradient.typical[:, j] * slope, n_subjects
                    )
        if model.random:
            self._chain_covariance(values, gradient, out)
        for k, name in enumerate(model.varying):
            if f"cycle_sd_{name}" in column:
                slope = -2.0 * values[f"cycle_sd_{name}"] ** -2.0
                out[:, column[f"cycle_sd_{name}"]] = gradient.kappa_precision[:, k] * slope
        for r, region in enumerate(self.regions):
            for part in _parts(model, region):
                label = f"{part}_{region}"
                if label in column:
                    scale = 1.0 if label in self.plain else values[label]
                    out[:, column[label]] = gradient.sigma[:, r, SIGMA_COLUMN[part]] * scale
        return out

    def _chain_covariance(
        self,
        values: Mapping[str, float],
        gradient: Gradient,
        out: FloatArray,
    ) -> None:
        factor = np.linalg.cholesky(_covariance(self.model, values))
        precision = np.linalg.inv(factor @ factor.T)
        by_factor = -2.0 * precision @ gradient.precision @ (precision @ factor)
        for label, (i, j) in self.cholesky.items():
            slope = factor[i, i] if i == j else 1.0
            out[:, self.column[label]] = by_factor[:, i, j] * slope

    def bounds(self) -> FloatArray:
        """Limits of each element, shape (n_vector, 2)."""
        out = np.tile([-np.inf, np.inf], (len(self.labels), 1))
        for name, limits in self.model.bounds.items():
            label = name
            if name.startswith(("sd_", "corr_")) and name not in self.labels:
                single = f"cholesky {name[3:]} {name[3:]}"
                block = next((b for b in self.model.blocks if name[3:] in b), ())
                if name.startswith("corr_") or len(block) != 1:
                    raise KineticsError(f"{name} belongs to a covariance block and takes no bounds")
                label = single
            if label not in self.labels:
                continue
            row = self.labels.index(label)
            for side, limit in enumerate(limits):
                if label in self.model.parameters:
                    transform = self.model.parameters[label].transform
                    out[row, side] = _forward(limit, transform)
                elif label in self.plain:
                    out[row, side] = limit
                else:
                    out[row, side] = np.log(limit) if limit > 0 else -np.inf
        return out


def free_vector(
    model: PopulationModel, data: PopulationData, regions: tuple[str, ...]
) -> FreeVector:
    """Vector of the parameters of a model that are not fixed."""
    covariates: dict[str, FloatArray] = {}
    for parameter in model.parameters.values():
        for effect in parameter.covariates:
            covariates[effect.covariate] = _covariate(effect, data)
    names = tuple(
        name for name in model.values if name not in model.fixed and _belongs(name, model, regions)
    )
    labels: list[str] = [n for n in names if not n.startswith("corr_") and n not in _sds(model)]
    first = sum(n in model.parameters or n in _covariate_names(model) for n in labels)
    cholesky = [
        f"cholesky {a} {b}"
        for block in model.blocks
        if f"sd_{block[0]}" not in model.fixed
        for i, a in enumerate(block)
        for b in block[: i + 1]
    ]
    labels[first:first] = cholesky
    return FreeVector(model, regions, covariates, data.occasion_subject, names, tuple(labels))


def _belongs(name: str, model: PopulationModel, regions: tuple[str, ...]) -> bool:
    """Whether the data can say anything on a parameter: residual errors of absent regions not."""
    absent = [
        f"{part}_{region}"
        for region, error in model.residual.items()
        if region not in regions
        for part in KINDS[error.kind][1]
    ]
    return name not in absent


def _parts(model: PopulationModel, region: str) -> tuple[str, ...]:
    return KINDS[model.residual[region].kind][1] if region in model.residual else ()


def _covariate(effect: CovariateEffect, data: PopulationData) -> FloatArray:
    if effect.covariate not in data.covariates:
        raise KineticsError(
            f"the data have no covariate {effect.covariate!r}; they have "
            f"{', '.join(data.covariates) or 'none'}"
        )
    values = np.asarray(data.covariates[effect.covariate], dtype=np.float64)
    effect.check(values)
    return values


def _sds(model: PopulationModel) -> set[str]:
    return {f"sd_{name}" for name in model.random}


def _covariate_names(model: PopulationModel) -> set[str]:
    return {key for name, p in model.parameters.items() for key in effect_names(name, p)}


def _covariance(model: PopulationModel, values: Mapping[str, float]) -> FloatArray:
    sd = np.array([values[f"sd_{name}"] for name in model.random])
    out = np.diag(sd**2)
    for block in model.blocks:
        for key, (a, b) in correlation_names(block).items():
            i, j = model.random.index(a), model.random.index(b)
            out[i, j] = out[j, i] = values[key] * sd[i] * sd[j]
    return out


def _forward(value: float, transform: str) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        if transform == "log":
            return float(np.log(value)) if value > 0 else -np.inf
        if transform == "logit":
            return float(np.log(value / (1.0 - value)))
    return float(value)


def _backward(element: float, transform: str) -> float:
    if transform == "log":
        return float(np.exp(element))
    if transform == "logit":
        return float(1.0 / (1.0 + np.exp(-element)))
    return element
