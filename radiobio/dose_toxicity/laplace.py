"""Fast posterior: normal in the coefficients at each spread of centres, and importance weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from radiobio.dose_toxicity.posterior import Posterior

_N_SPREADS = 18
_TAILS = (0.001, 0.9995)  # prior quantiles between which the spread is looked for
_MOST_STEPS = 60
_LONGEST_STEP = 2.0
_CONVERGED = 1e-8  # of Newton's decrement
_PROPOSALS = 2  # for each draw that is kept
_CHUNK_NUMBERS = 4_000_000


@dataclass(frozen=True, eq=False)
class Mixture:
    """Normal densities of theta given s, the log SD between centres, uniform in cells of s.

    The mean is linear in s between the middles of cells, the covariance that of the cell.

    Attributes
    ----------
    spread : ndarray, shape (n_spreads,)
        Middle of each cell of s, the log SD between centres.
    width : float
        Width of a cell.
    log_weight : ndarray, shape (n_spreads,)
        Log of the probability of each cell.
    mode, root : ndarray, shape (n_spreads, size), (n_spreads, size, size)
        Mode and Cholesky factor of the inverse of the negative Hessian.
    log_evidence : float
        Log of the marginal likelihood.
    """

    spread: FloatArray
    width: float
    log_weight: FloatArray
    mode: FloatArray
    root: FloatArray
    log_evidence: float


def approximate(posterior: Posterior) -> Mixture:
    """Laplace approximation of the coefficients on a grid of the spread of centres.

    Notes
    -----
    Tierney & Kadane 1986; the grid over the hyperparameter as of Rue et al. 2009 (INLA).
    """
    low, high = (posterior.spread_quantile(p) for p in _TAILS)
    edges = np.linspace(low, high, _N_SPREADS + 1)
    spread = 0.5 * (edges[1:] + edges[:-1])
    theta, size = posterior.centre_of_prior, posterior.design.size
    modes, roots, log_mass = [], [], []
    for s in spread:
        theta, value, curve = _mode(posterior, theta, float(s))
        lower = np.linalg.cholesky(-curve)
        modes.append(theta)
        roots.append(np.linalg.inv(lower).T)
        log_mass.append(
            value + 0.5 * size * np.log(2.0 * np.pi) - float(np.log(np.diag(lower)).sum())
        )
    width = float(edges[1] - edges[0])
    log_mass = np.array(log_mass) + np.log(width)
    evidence = float(np.logaddexp.reduce(log_mass))
    return Mixture(spread, width, log_mass - evidence, np.array(modes), np.array(roots), evidence)


def _mode(
    posterior: Posterior, theta: FloatArray, s: float
) -> tuple[FloatArray, float, FloatArray]:
    """Maximum over theta by Newton's method with halved steps, its value and Hessian there."""
    value, gradient, curve = posterior.at_spread(theta, s)
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(_negative(posterior, curve), gradient)
        decrement = float(step @ gradient)
        if decrement < _CONVERGED:
            break
        scale = min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
        while scale > 1e-8:
            new = posterior.at_spread(theta + scale * step, s)
            if new[0] > value:
                break
            scale *= 0.5
        else:
            break
        theta = theta + scale * step
        value, gradient, curve = new
    return theta, value, -_negative(posterior, curve)


def _negative(posterior: Posterior, curve: FloatArray) -> FloatArray:
    """Negative Hessian; that of the prior is added where it is not positive definite."""
    matrix = -0.5 * (curve + curve.T)
    for factor in (0.0, 0.1, 1.0, 10.0, 100.0):
        trial = matrix + factor * posterior.precision
        if np.linalg.eigvalsh(trial)[0] > 0:
            return np.asarray(trial)
    return posterior.precision


def sample(
    posterior: Posterior, mixture: Mixture, n_draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, float]:
    """Draws of theta and s by importance resampling of the mixture.

    Returns
    -------
    theta : ndarray, shape (n_draws, size)
        Coefficients.
    s : ndarray, shape (n_draws,)
        Log SD between centres.
    efficiency : float
        Effective share of the proposals, 1 where the mixture is the posterior.

    Notes
    -----
    Weights are cut at their mean times the root of the number of proposals (Ionides 2008).
    """
    theta, s, log_proposal = proposals(mixture, _PROPOSALS * n_draws, rng)
    chunk = max(1, _CHUNK_NUMBERS // len(posterior.design.level))
    log_target = np.concatenate(
        [posterior.log_density(theta[k : k + chunk], s[k : k + chunk])
         for k in range(0, len(s), chunk)]
    )  # fmt: skip
    weight = np.exp(log_target - log_proposal - (log_target - log_proposal).max())
    weight = np.minimum(weight, weight.mean() * np.sqrt(len(weight)))
    weight = weight / weight.sum()
    ladder = (np.arange(n_draws) + rng.random()) / n_draws
    kept = np.minimum(np.searchsorted(np.cumsum(weight), ladder), len(weight) - 1)
    kept = rng.permutation(kept)
    return theta[kept], s[kept], float(1.0 / (len(weight) * (weight**2).sum()))


def _modes(mixture: Mixture, s: FloatArray) -> FloatArray:
    """Modes at s, linear between the middles of cells."""
    columns = [np.interp(s, mixture.spread, column) for column in mixture.mode.T]
    return np.stack(columns, axis=1)


def proposals(
    mixture: Mixture, n: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Draws of theta and s from the mixture and their log density."""
    weight = np.exp(mixture.log_weight)
    cell = rng.choice(len(weight), size=n, p=weight / weight.sum())
    s = mixture.spread[cell] + mixture.width * (rng.random(n) - 0.5)
    normal = rng.standard_normal((n, mixture.mode.shape[1]))
    theta = _modes(mixture, s) + np.einsum("nij,nj->ni", mixture.root[cell], normal)
    log_root = np.log(np.abs(np.diagonal(mixture.root, axis1=1, axis2=2))).sum(1)
    log_density = (
        mixture.log_weight[cell] - np.log(mixture.width) - log_root[cell]
        - 0.5 * (normal**2).sum(1) - 0.5 * normal.shape[1] * np.log(2.0 * np.pi)
    )  # fmt: skip
    return theta, s, log_density
