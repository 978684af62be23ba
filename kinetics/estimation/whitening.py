"""Where a posterior lies and how wide it is, so that a sampler moves in standard units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation._bayes_kernels import Whitening, log_posterior
from kinetics.estimation.log_posterior import Target
from kinetics.estimation.objective import evaluate
from kinetics.estimation.optimise import minimise
from kinetics.estimation.uncertainty import gradient_hessian

_STEP = 1e-4  # of standard-normal effects, for second derivatives
_LEAST_CURVATURE = 0.25  # of a random effect, whose prior alone has 1
_FEWEST_SD = 1e-7  # of the largest observation: a residual error this small is a perfect fit


@dataclass(frozen=True, eq=False)
class Approximation:
    """The mode of the population parameters and a Gaussian about it.

    Attributes
    ----------
    w : ndarray, shape (P,)
        Mode of the unconstrained population parameters, random effects integrated out by FOCEI.
    log_density : float
        Log posterior density there, by FOCEI.
    covariance : ndarray, shape (P, P)
        Inverse curvature there.
    whitening : Whitening
        The change of variables of the kernels.
    trouble : str
        Empty, or why there is no mode.
    """

    w: FloatArray
    log_density: float
    covariance: FloatArray
    whitening: Whitening
    trouble: str


class _Marginal:
    """Minus two log posterior of the population parameters by FOCEI, with memory of the modes."""

    def __init__(self, target: Target) -> None:
        self.target, self.effects = target, target.problem.empty_effects()

    def __call__(self, w: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        prior, slope_prior, x, slope = self.target.log_prior(w)
        at = evaluate(self.target.problem, x, "FOCEI", start=self.effects, want_gradient=True)
        if not np.isfinite(at.objective) and self.effects.any():
            at = evaluate(self.target.problem, x, "FOCEI", want_gradient=True)
        if not (np.isfinite(at.objective + prior) and np.isfinite(at.score).all()):
            return np.inf, np.zeros_like(w), np.zeros((len(self.effects) + 1, len(w)))
        self.effects = at.effects
        score = np.vstack([at.score * slope, -2.0 * slope_prior])
        return at.objective - 2.0 * prior, score.sum(0), score


def approximate(target: Target, start: FloatArray | None = None) -> Approximation:
    """Mode and curvature of the posterior, from a start (P,) or the model's own values."""
    size = target.n_population
    w = target.start() if start is None else start
    marginal = _Marginal(target)
    value = marginal(w)[0]
    if not np.isfinite(value):
        return _nowhere(target, w, _not_finite(target))
    covariance, trouble = np.zeros((size, size)), ""
    if size:
        limits = np.tile([-np.inf, np.inf], (size, 1))
        best = minimise(marginal, w, bounds=limits, tolerance=1e-4)
        w, value = best.x, best.objective
        trouble = _perfect_fit(target, w)
        if trouble:
            return _nowhere(target, w, trouble)
        curvature = np.maximum(np.diag(best.hessian), 1e-6)
        hessian = gradient_hessian(
            lambda at: marginal(at)[1], w, np.ones(size, dtype=bool), curvature
        )
        covariance = _safe_inverse(0.5 * hessian)
        marginal(w)
    whitening = _whitening(target, w, marginal.effects, covariance)
    return Approximation(w, -0.5 * value, covariance, whitening, trouble)


def _perfect_fit(target: Target, w: FloatArray) -> str:
    """Say which residual error the data drive to zero, where the posterior has no mode."""
    x = target.log_prior(w)[2]
    values, data = target.problem.vector.values(x), target.problem.data
    size = float(np.abs(data.value).max(initial=0.0)) or 1.0
    for name in target.problem.vector.names:
        part = name.split("_")[0]
        unit = size if part == "additive" else 1.0
        of_error = name not in target.problem.model.parameters and part in _ERRORS
        if of_error and values[name] < _FEWEST_SD * unit:
            return (
                f"{name} goes to zero: the model fits the data exactly (do observations of a "
                "region all have the same value?), and the posterior does not exist; fix it or "
                "give it a prior that excludes zero"
            )
    return ""


_ERRORS = ("additive", "proportional", "lognormal")


def _not_finite(target: Target) -> str:
    x = target.log_prior(target.start())[2]
    by_subject = evaluate(target.problem, x, "FOCEI").by_subject
    bad = np.flatnonzero(~np.isfinite(by_subject))
    names = ", ".join(target.problem.data.subjects[i] for i in bad[:5])
    return (
        f"the likelihood is not finite at the start values for {len(bad)} subject(s) ({names}): a "
        "prediction is zero, negative or overflows where the residual error needs more; change "
        "the start values or the residual error"
    )


def _nowhere(target: Target, w: FloatArray, trouble: str) -> Approximation:
    size = target.n_population
    return Approximation(w, -np.inf, np.zeros((size, size)), no_whitening(target), trouble)


def no_whitening(target: Target) -> Whitening:
    """The change of variables that changes nothing."""
    n_effects = target.problem.n_effects
    spread = np.zeros((int(n_effects.sum()), int(n_effects.max(initial=0))))
    row = 0
    for m in n_effects:
        spread[row : row + m, :m] = np.eye(m)
        row += m
    size = target.n_population
    return Whitening(np.zeros(target.size), np.eye(size), np.zeros((len(spread), size)), spread)


def log_density(
    target: Target, whitening: Whitening, v: FloatArray, gradient: FloatArray | None = None
) -> tuple[float, FloatArray]:
    """Log posterior density of whitened variables v (d,) up to a constant, and its gradient."""
    out = np.empty(len(v)) if gradient is None else gradient
    value = log_posterior(
        target.problem.predict, target.problem.design, target.layout, whitening, v, out
    )
    return float(value), out


def _whitening(
    target: Target, w: FloatArray, effects: FloatArray, covariance: FloatArray
) -> Whitening:
    """Gaussian of the population, and of each subject's effects given the population.

    Given the population the subjects are independent, so one pair of gradients differentiates
    the same effect of all of them.
    """
    plain, size = no_whitening(target), target.n_population
    centre = np.concatenate([w, _standard_effects(target, w, effects)])
    n_effects = target.problem.n_effects
    first = np.concatenate([[0], np.cumsum(n_effects)])
    cross = np.empty((len(centre) - size, size))
    sd = np.sqrt(np.diag(covariance))
    for k in range(size):
        h = np.zeros_like(centre)
        h[k] = 0.01 * sd[k]
        cross[:, k] = _change(target, plain, centre, h)[size:] / (2.0 * h[k])
    inner = np.zeros((len(cross), plain.spread.shape[1]))
    for e in range(plain.spread.shape[1]):
        h = np.zeros_like(centre)
        h[size + first[:-1][n_effects > e] + e] = _STEP
        inner[:, e] = _change(target, plain, centre, h)[size:] / (2.0 * _STEP)
    factor = np.linalg.cholesky(covariance) if size else covariance
    slope, spread = np.zeros_like(cross), np.zeros_like(inner)
    for a, b in zip(first[:-1], first[1:], strict=True):
        curvature = -0.5 * (inner[a:b, : b - a] + inner[a:b, : b - a].T)
        eigenvalue, vector = np.linalg.eigh(curvature)
        eigenvalue = np.maximum(np.nan_to_num(eigenvalue, nan=1.0), _LEAST_CURVATURE)
        inverse = (vector / eigenvalue) @ vector.T
        slope[a:b] = inverse @ cross[a:b] @ factor
        spread[a:b, : b - a] = np.linalg.cholesky(0.5 * (inverse + inverse.T))
    return Whitening(centre, np.ascontiguousarray(factor), slope, spread)


def _change(target: Target, plain: Whitening, centre: FloatArray, h: FloatArray) -> FloatArray:
    return np.asarray(
        log_density(target, plain, centre + h)[1] - log_density(target, plain, centre - h)[1]
    )


def _standard_effects(target: Target, w: FloatArray, effects: FloatArray) -> FloatArray:
    """Standard-normal effects, one vector, from the subjects' random effects."""
    x = target.log_prior(w)[2]
    model, values = target.problem.model, target.problem.vector.values(x)
    n_eta = len(model.random)
    factor = np.linalg.cholesky(model.with_values(values).covariance) if n_eta else np.eye(0)
    gamma = np.array([values[f"cycle_sd_{name}"] for name in model.varying])
    out = []
    for own, m in zip(effects, target.problem.n_effects, strict=True):
        out.append(np.linalg.solve(factor, own[:n_eta]) if n_eta else own[:0])
        if len(gamma):
            out.append((own[n_eta:m].reshape(-1, len(gamma)) / gamma).ravel())
    return np.concatenate(out)


def _safe_inverse(information: FloatArray) -> FloatArray:
    """Inverse, positive definite even where the information is not."""
    diagonal = np.abs(np.diag(np.nan_to_num(information)))
    scale = np.sqrt(np.maximum(diagonal, 1e-4))
    eigenvalue, vector = np.linalg.eigh(np.nan_to_num(information) / np.outer(scale, scale))
    inverse = (vector / np.maximum(np.abs(eigenvalue), 1e-3)) @ vector.T
    return np.asarray(inverse / np.outer(scale, scale))
