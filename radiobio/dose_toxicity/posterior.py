"""Log posterior of the regression: the likelihood, the normal prior, the spread of centres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from kinetics.curves import FloatArray
from radiobio.dose_toxicity.likelihood import Design, derivatives, log_likelihood

_LOG_2_PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is sampled: coefficients theta (see `Design`) and s, the log SD between centres.

    Attributes
    ----------
    design : Design
        The data.
    mean, covariance : ndarray, shape (n_fixed,), (n_fixed, n_fixed)
        Normal prior of all but the effects of centres.
    log_sd_centre : tuple of float or None
        Normal prior of s; None where the SD is half-normal.
    sd_centre_scale : float
        Scale of the half-normal.
    """

    design: Design
    mean: FloatArray
    covariance: FloatArray
    log_sd_centre: tuple[float, float] | None
    sd_centre_scale: float

    @cached_property
    def precision(self) -> FloatArray:
        """Inverse of the prior covariance, with ones for the effects of centres."""
        out = np.eye(self.design.size)
        q = self.design.n_fixed
        inverse = np.linalg.inv(self.covariance)
        out[:q, :q] = 0.5 * (inverse + inverse.T)
        return out

    @cached_property
    def centre_of_prior(self) -> FloatArray:
        """Prior mean of theta."""
        return np.concatenate([self.mean, np.zeros(self.design.n_centres)])

    @cached_property
    def _log_norm(self) -> float:
        log_det = float(np.linalg.slogdet(self.precision)[1])
        return 0.5 * (log_det - self.design.size * _LOG_2_PI)

    def log_prior_of_spread(self, s: FloatArray) -> FloatArray:
        """Log density of s."""
        if self.log_sd_centre is not None:
            mean, sd = self.log_sd_centre
            return np.asarray(-0.5 * ((s - mean) / sd) ** 2 - np.log(sd) - 0.5 * _LOG_2_PI)
        x = np.exp(s) / self.sd_centre_scale
        return np.asarray(-0.5 * x**2 + np.log(2.0 * x) - 0.5 * _LOG_2_PI)

    def _slope_of_spread(self, s: float) -> float:
        if self.log_sd_centre is not None:
            mean, sd = self.log_sd_centre
            return -(s - mean) / sd**2
        return 1.0 - float(np.exp(2.0 * s)) / self.sd_centre_scale**2

    def spread_quantile(self, probability: float) -> float:
        """Prior quantile of s."""
        if self.log_sd_centre is not None:
            mean, sd = self.log_sd_centre
            return mean + sd * NormalDist().inv_cdf(probability)
        return float(np.log(self.sd_centre_scale * NormalDist().inv_cdf(0.5 + probability / 2)))

    def log_density(self, theta: FloatArray, s: FloatArray) -> FloatArray:
        """Log of the joint density of draws, shape (..., size) and (...)."""
        off = theta - self.centre_of_prior
        prior = self._log_norm - 0.5 * np.einsum("...i,ij,...j->...", off, self.precision, off)
        inside = log_likelihood(self.design, theta, np.exp(s))
        return np.asarray(inside + prior + self.log_prior_of_spread(s))

    def at_spread(
        self, theta: FloatArray, s: float, *, hessian: bool = True
    ) -> tuple[float, FloatArray, FloatArray]:
        """Log density at one theta, its gradient and Hessian in theta."""
        value, gradient, curve = derivatives(self.design, theta, float(np.exp(s)), hessian=hessian)
        pull = self.precision @ (theta - self.centre_of_prior)
        prior = self._log_norm - 0.5 * float((theta - self.centre_of_prior) @ pull)
        total = value + prior + float(self.log_prior_of_spread(np.asarray(s)))
        return total, gradient - pull, curve - self.precision if hessian else curve

    def in_all(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Log density and gradient at (theta, s)."""
        theta, s = x[:-1], float(x[-1])
        value, slope, _ = self.at_spread(theta, s, hessian=False)
        q = self.design.n_fixed
        pull = theta[q:]  # of the standard-normal prior, which does not depend on s
        in_s = float((slope[q:] + pull) @ theta[q:]) + self._slope_of_spread(s)
        return value, np.concatenate([slope, [in_s]])


@dataclass(frozen=True, eq=False)
class Whitened:
    """Log density and gradient in v, (theta, s) = centre + root v, as samplers call it."""

    posterior: Posterior
    centre: FloatArray
    root: FloatArray

    @property
    def size(self) -> int:
        """Number of variables."""
        return len(self.centre)

    def __call__(self, v: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient; minus infinity where the value is not finite."""
        value, gradient = self.posterior.in_all(self.centre + self.root @ v)
        if not np.isfinite(value):
            return -np.inf, np.zeros(self.size)
        return value, self.root.T @ gradient

    def start(self, seed: int) -> FloatArray:
        """Where a chain begins."""
        return np.random.default_rng(seed).standard_normal(self.size)
