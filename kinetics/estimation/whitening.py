"""Where a posterior lies and how wide it is, so that a sampler moves in standard units."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation._bayes_kernels import log_posterior
from kinetics.estimation._bayes_layout import Whitening
from kinetics.estimation.log_posterior import Target
from kinetics.estimation.objective import Evaluation, evaluate
from kinetics.estimation.optimise import minimise
from kinetics.estimation.uncertainty import gradient_hessian

_STEP = 0.01  # posterior standard deviations, for second derivatives
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
        self.at: Evaluation

    def __call__(self, w: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        prior, slope_prior, x, slope = self.target.log_prior(w)
        at = evaluate(self.target.problem, x, "FOCEI", start=self.effects, want_gradient=True)
        if not np.isfinite(at.objective) and self.effects.any():
            at = evaluate(self.target.problem, x, "FOCEI", want_gradient=True)
        if not (np.isfinite(at.objective + prior) and np.isfinite(at.score).all()):
            return np.inf, np.zeros_like(w), np.zeros((len(self.effects) + 1, len(w)))
        self.effects, self.at = at.effects, at
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
            lambda at: marginal(at)[1], w, np.ones(size, dtype=bool), curvature, best.gradient
        )
        covariance = _safe_inverse(0.5 * hessian)
        marginal(w)
    whitening = _whitening(target, w, marginal.at, covariance)
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
    size, n_all = target.n_population, target.size - target.n_population
    most = int(target.problem.n_effects.max(initial=0))
    return Whitening(
        np.zeros(size), np.eye(size), np.zeros(n_all), np.zeros((n_all, most)),
        np.zeros((n_all, size)),
    )  # fmt: skip


def log_density(
    target: Target, whitening: Whitening, v: FloatArray, gradient: FloatArray | None = None
) -> tuple[float, FloatArray]:
    """Log posterior density of whitened variables v (d,) up to a constant, and its gradient."""
    out = np.empty(len(v)) if gradient is None else gradient
    value = log_posterior(
        target.problem.predict, target.problem.design, target.layout, whitening, v, out
    )
    return float(value), out


def _whitening(target: Target, w: FloatArray, at: Evaluation, covariance: FloatArray) -> Whitening:
    """Gaussian of the population, and the likelihood of each subject's effects to second order."""
    size, n_effects = target.n_population, target.problem.n_effects
    plain, start = no_whitening(target), target.layout.start - target.n_population
    scale = _scales(target, w)
    effects = np.concatenate([own[:m] for own, m in zip(at.effects, n_effects, strict=True)])
    pull, information = np.zeros_like(plain.pull), np.zeros_like(plain.information)
    for i, (a, b) in enumerate(pairwise(start)):
        hessian = at.hessian[i, : b - a, : b - a]
        prior = np.linalg.inv(scale[i] @ scale[i].T)
        data = hessian - prior if hessian.any() else np.zeros_like(prior)  # no observations: zero
        pull[a:b] = data @ effects[a:b] + prior @ effects[a:b]
        information[a:b, : b - a] = data
    cross = np.zeros_like(plain.cross)
    for k in range(size):
        h = np.zeros(size)
        h[k] = _STEP * np.sqrt(covariance[k, k])
        up, down = (_by_effects(target, plain, w + sign * h, effects) for sign in (1, -1))
        cross[:, k] = (down - up) / (2.0 * h[k])
    if not np.isfinite(cross).all():
        cross = np.zeros_like(cross)
    factor = np.linalg.cholesky(covariance) if size else covariance
    return Whitening(w, np.ascontiguousarray(factor), pull, information, cross)


def _by_effects(target: Target, plain: Whitening, w: FloatArray, effects: FloatArray) -> FloatArray:
    """Derivative of the log likelihood by the effects (m_all,), which are held."""
    scale, start = _scales(target, w), target.layout.start - target.n_population
    spans = list(zip(start[:-1], start[1:], scale, strict=True))
    z = [np.linalg.solve(own, effects[a:b]) for a, b, own in spans]
    v = np.concatenate([w, *z])
    by_z = log_density(target, plain, v)[1][target.n_population :] + v[target.n_population :]
    return np.concatenate([np.linalg.solve(own.T, by_z[a:b]) for a, b, own in spans])


def _scales(target: Target, w: FloatArray) -> list[FloatArray]:
    """Lower factor of the covariance of each subject's effects."""
    model = target.problem.model
    values = target.problem.vector.values(target.log_prior(w)[2])
    n_eta = len(model.random)
    eta = np.linalg.cholesky(model.with_values(values).covariance) if n_eta else np.eye(0)
    gamma = np.array([values[f"cycle_sd_{name}"] for name in model.varying])
    out = []
    for m in target.problem.n_effects:
        own = np.zeros((m, m))
        own[:n_eta, :n_eta] = eta
        if len(gamma):
            np.fill_diagonal(own[n_eta:, n_eta:], np.tile(gamma, (m - n_eta) // len(gamma)))
        out.append(own)
    return out


def _safe_inverse(information: FloatArray) -> FloatArray:
    """Inverse, positive definite even where the information is not."""
    diagonal = np.abs(np.diag(np.nan_to_num(information)))
    scale = np.sqrt(np.maximum(diagonal, 1e-4))
    eigenvalue, vector = np.linalg.eigh(np.nan_to_num(information) / np.outer(scale, scale))
    inverse = (vector / np.maximum(np.abs(eigenvalue), 1e-3)) @ vector.T
    return np.asarray(inverse / np.outer(scale, scale))
