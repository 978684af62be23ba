"""The log posterior of a population model as one function of one flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.priors import Prior, complete_priors
from kinetics.estimation.problem import Problem, bind
from kinetics.estimation.vector import FreeVector, free_vector
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel, correlation_names, effect_names
from kinetics.population.residual import KINDS, SIGMA_COLUMN

_BACKWARD = (np.asarray, np.exp, lambda x: 1.0 / (1.0 + np.exp(-x)))
_MARGIN = 1e-3  # of the range, by which a start keeps off its limits


@dataclass(frozen=True, eq=False)
class Target:
    """A population model, its data and priors, as the kernels take them; made by `bind_target`.

    Attributes
    ----------
    problem : Problem
        Model and data.
    full : FreeVector
        The model's vector with every parameter free.
    priors : mapping of str to Prior
        By population parameter.
    layout : Layout
        Arrays of the kernels.
    """

    problem: Problem
    full: FreeVector
    priors: Mapping[str, Prior]
    layout: Any

    @property
    def n_population(self) -> int:
        """Sampled population parameters."""
        return len(self.layout.free)

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return int(self.layout.start[-1])

    def start(self) -> FloatArray:
        """Unconstrained vector (P,) of the model's own values."""
        layout = self.layout
        x = layout.base[layout.free]
        low, high = layout.low, layout.high
        out = x.copy()
        with np.errstate(invalid="ignore", divide="ignore"):
            both = np.isfinite(low) & np.isfinite(high)
            share = np.clip((x - low) / (high - low), _MARGIN, 1 - _MARGIN)
            out[both] = np.log(share / (1 - share))[both]
            lower, upper = np.isfinite(low) & ~both, np.isfinite(high) & ~both
            out[lower] = np.log(np.maximum(x - low, _MARGIN))[lower]
            out[upper] = np.log(np.maximum(high - x, _MARGIN))[upper]
        return np.asarray(out)

    def log_prior(self, w: FloatArray) -> tuple[float, FloatArray, FloatArray, FloatArray]:
        """Log prior density of w (P,), its gradient, the free elements x and their slope by w."""
        from kinetics.estimation._bayes_layout import log_prior

        layout = self.layout
        full, gradient = np.empty(len(layout.base)), np.empty(len(w))
        value = log_prior(self.problem.design, layout, np.ascontiguousarray(w), full, gradient)
        x = full[layout.free]
        low, high = layout.low, layout.high
        with np.errstate(invalid="ignore"):
            slope = np.where(
                np.isfinite(low),
                np.where(np.isfinite(high), (x - low) * (high - x) / (high - low), x - low),
                np.where(np.isfinite(high), x - high, 1.0),
            )
        return float(value), gradient, x, slope

    def full_at(self, w: FloatArray) -> FloatArray:
        """Every element (n_full,) at an unconstrained vector (P,)."""
        full = self.layout.base.copy()
        full[self.layout.free] = self.log_prior(w)[2]
        return np.asarray(full)

    def values(self, full: FloatArray) -> dict[str, FloatArray]:
        """Free population parameters by name from elements (..., n_full)."""
        model, column = self.problem.model, self.full.labels.index
        size = len(model.random)
        factor = np.zeros((*full.shape[:-1], size, size))
        position = self.layout.factor_at
        for i in range(size):
            for j in range(i + 1):
                if position[i, j] >= 0:
                    x = full[..., position[i, j]]
                    factor[..., i, j] = np.exp(x) if i == j else x
        covariance = factor @ np.swapaxes(factor, -1, -2)
        out: dict[str, FloatArray] = {}
        for name in self.problem.vector.names:
            if name.startswith("sd_") and name[3:] in model.random:
                i = model.random.index(name[3:])
                out[name] = np.sqrt(covariance[..., i, i])
            elif name in _pairs(model):
                i, j = (model.random.index(n) for n in _pairs(model)[name])
                scale = np.sqrt(covariance[..., i, i] * covariance[..., j, j])
                out[name] = covariance[..., i, j] / scale
            else:
                out[name] = _BACKWARD[_scale(name, self.full)](full[..., column(name)])
        return out


def bind_target(
    model: PopulationModel, data: PopulationData, priors: Mapping[str, Prior] | None = None
) -> Target:
    """Lay out model, data and priors.

    Raises
    ------
    KineticsError
        If model, data and priors do not go together, or nothing is free.
    """
    from kinetics.estimation._bayes_layout import Layout

    problem = bind(model, data)
    chosen = complete_priors(model, data, priors)
    full = free_vector(model.releasing(), data, model.structure.regions)
    if not (len(problem.vector.labels) + problem.n_effects.sum()):
        raise KineticsError("every parameter is fixed and none is random: nothing to sample")
    column = {label: k for k, label in enumerate(full.labels)}
    labels = problem.vector.labels
    limits = _limits(problem, chosen)
    code = np.zeros((len(labels), 3))
    for k, label in enumerate(labels):
        code[k] = (-1, 0, 0) if label.startswith("cholesky ") else chosen[label].code
    effects = [
        (key, j, effect)
        for j, (name, p) in enumerate(model.parameters.items())
        for key, effect in effect_names(name, p).items()
    ]
    basis = np.zeros((len(effects), len(data.occasion_subject)))
    for e, (_, _, effect) in enumerate(effects):
        basis[e] = effect.log_factor(full.covariates[effect.covariate], 0.0)[1]
    start = len(labels) + np.concatenate([[0], np.cumsum(problem.n_effects)])
    layout = Layout(
        base=full.start(),
        free=_index([column[label] for label in labels]),
        low=np.ascontiguousarray(limits[:, 0]),
        high=np.ascontiguousarray(limits[:, 1]),
        scale=_index([_scale(label, full) for label in labels]),
        kind=_index(code[:, 0]),
        value=np.ascontiguousarray(code[:, 1:]),
        typical_at=_index([column[name] for name in model.parameters]),
        effect_at=_index([column[key] for key, _, _ in effects]),
        effect_of=_index([j for _, j, _ in effects]),
        effect_kind=_index([e.kind in ("linear", "category") for _, _, e in effects]),
        effect_basis=basis,
        **_random_effects(model, chosen, column),
        cycle_at=_index([column[f"cycle_sd_{name}"] for name in model.varying]),
        sigma_at=_residuals(model, column),
        start=_index(start),
    )
    return Target(problem, full, chosen, layout)


def _random_effects(
    model: PopulationModel, priors: Mapping[str, Prior], column: Mapping[str, int]
) -> dict[str, np.ndarray]:
    size = len(model.random)
    factor_at = np.full((size, size), -1, dtype=np.int64)
    place, rows = np.zeros(size, dtype=np.int64), np.ones(size, dtype=np.int64)
    code, shape = np.zeros((size, 3)), np.ones(size)
    for block in model.blocks:
        members = [model.random.index(name) for name in block]
        for a, i in enumerate(members):
            place[i], rows[i] = a, len(block)
            code[i] = priors[f"sd_{block[a]}"].code
            if f"sd_{block[a]}" in model.fixed:
                code[i] = (-1, 0, 0)
            if len(block) > 1:
                shape[i] = priors[next(iter(correlation_names(block)))].values[0]
            for j in members[: a + 1]:
                factor_at[i, j] = column[f"cholesky {model.random[i]} {model.random[j]}"]
    return {
        "factor_at": factor_at, "place": place, "size": rows, "sd_kind": _index(code[:, 0]),
        "sd_value": np.ascontiguousarray(code[:, 1:]), "shape": shape,
    }  # fmt: skip


def _residuals(model: PopulationModel, column: Mapping[str, int]) -> np.ndarray:
    out = np.full((len(model.structure.regions), 3), -1, dtype=np.int64)
    for r, region in enumerate(model.structure.regions):
        if region in model.residual:
            for part in KINDS[model.residual[region].kind][1]:
                out[r, SIGMA_COLUMN[part]] = column[f"{part}_{region}"]
    return out


def _limits(problem: Problem, priors: Mapping[str, Prior]) -> FloatArray:
    """Limits (P, 2) of the elements: the model's bounds, the priors' support, legal effects."""
    model, vector = problem.model, problem.vector
    out = vector.bounds()
    for name in vector.names:
        bounded = priors[name].kind == "uniform"
        block = next((b for b in model.blocks if name in {f"sd_{n}" for n in b}), ())
        if bounded and len(block) > 1:
            raise KineticsError(f"{name} belongs to a covariance block and takes no uniform prior")
        label = f"cholesky {name[3:]} {name[3:]}" if block else name
        if label not in vector.labels or (len(block) > 1):
            continue
        k, scale = vector.labels.index(label), 1 if block else _scale(label, vector)
        low, high = (_forward(limit, scale) for limit in priors[name].support)
        out[k] = max(out[k, 0], low), min(out[k, 1], high)
    for name, p in model.parameters.items():
        for key, effect in effect_names(name, p).items():
            if effect.kind in ("linear", "category") and key in vector.labels:
                k = vector.labels.index(key)
                change = effect.log_factor(vector.covariates[effect.covariate], 0.0)[1]
                low = -1.0 / change.max() if change.max() > 0 else -np.inf
                high = -1.0 / change.min() if change.min() < 0 else np.inf
                out[k] = max(out[k, 0], low), min(out[k, 1], high)
    for label, (low, high) in zip(vector.labels, out, strict=True):
        if not low < high:
            raise KineticsError(f"{label}: its prior and its bounds exclude each other")
    return out


def _forward(limit: float, scale: int) -> float:
    """Limit of an element from a limit of its parameter."""
    if scale == 1:
        return float(np.log(limit)) if limit > 0 else -np.inf
    if scale == 2:
        if limit <= 0.0 or limit >= 1.0:
            return float("-inf" if limit <= 0.0 else "inf")
        return float(np.log(limit / (1.0 - limit)))
    return float(limit)


def _scale(label: str, vector: FreeVector) -> int:
    """How an element makes its parameter: 0 as it is, 1 exp, 2 expit."""
    if label in vector.model.parameters:
        return {"identity": 0, "log": 1, "logit": 2}[vector.model.parameters[label].transform]
    return 0 if label in vector.plain else 1


def _pairs(model: PopulationModel) -> dict[str, tuple[str, str]]:
    return {key: pair for block in model.blocks for key, pair in correlation_names(block).items()}


def _index(values: object) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.int64)
