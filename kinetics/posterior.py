"""Posterior draws of a smooth, low-dimensional density: modes, Laplace, importance sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

LogDensity = Callable[[FloatArray], FloatArray]

_T_DEGREES = 5  # of freedom: tails of the proposal, heavier than the Laplace approximation
_WANTED_EFFECTIVE_SHARE = 0.25  # of the proposals; below it the proposal is refined
_MAX_REFINEMENTS = 8
_LEAST_EFFECTIVE = 100.0
_MODE_DROP = 8.0  # local modes this much below the best one (log density) are dropped
_CURVATURES = (1e-2, 1e10)  # legal range of the curvature at a mode, in 1/parameter^2


@dataclass(frozen=True, eq=False)
class PosteriorDraws:
    """Equally weighted draws of a posterior and how well they were obtained.

    Attributes
    ----------
    draws : ndarray, shape (n_draws, n_parameters)
        Draws after importance resampling; some proposals appear more than once.
    mode : ndarray, shape (n_parameters,)
        Maximum of the density (the maximum a posteriori estimate).
    covariance : ndarray, shape (n_parameters, n_parameters)
        Inverse curvature at the mode (Laplace).
    effective_sample_size : float
        Kish's effective sample size of the importance weights before resampling.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    draws: FloatArray
    mode: FloatArray
    covariance: FloatArray
    effective_sample_size: float
    status: str


def effective_sample_size(log_weight: npt.ArrayLike) -> float:
    r"""Kish's effective sample size :math:`(\sum w)^2/\sum w^2` of unnormalised log weights.

    Parameters
    ----------
    log_weight : array_like, shape (n,)
        Logarithm of the weights, up to a constant; ``-inf`` is legal for some, not for all.

    Returns
    -------
    float
        Between 1 and n; 0 if every weight is zero.
    """
    weight = normalised_weights(log_weight)
    return float(1.0 / np.sum(weight**2)) if weight.any() else 0.0


def normalised_weights(log_weight: npt.ArrayLike) -> FloatArray:
    """Weights that sum to one from log weights, shape (n,); all zero if all are ``-inf``."""
    logs = np.asarray(log_weight, dtype=np.float64)
    top = logs.max()
    if not np.isfinite(top):
        return np.zeros_like(logs)
    weight = np.exp(logs - top)
    return np.asarray(weight / weight.sum())


def resample(weight: npt.ArrayLike, n_draws: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Systematic resampling: indices of `n_draws` draws, equally weighted afterwards.

    Parameters
    ----------
    weight : array_like, shape (n,)
        Weights that sum to one.
    n_draws : int
        Number of indices wanted.
    rng : numpy.random.Generator
        Source of the single random offset.

    References
    ----------
    Kitagawa G. J Comput Graph Stat 1996;5:1-25, doi:10.1080/10618600.1996.10474692.
    """
    position = (rng.random() + np.arange(n_draws)) / n_draws
    edges = np.cumsum(np.asarray(weight, dtype=np.float64))
    indices = np.searchsorted(edges / edges[-1], position, side="right")
    return np.asarray(rng.permutation(np.minimum(indices, len(edges) - 1)))


def sample_posterior(
    log_density: LogDensity,
    starts: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
    n_proposals: int | None = None,
) -> PosteriorDraws:
    r"""Draw from a density known up to a constant.

    The density is maximised from every start; each distinct mode gets a multivariate t with the
    inverse curvature as its scale; proposals from their mixture are weighted by density over
    proposal density and resampled. While fewer than a quarter of the proposals are effective, a
    component is added where the weight is largest (incremental mixture importance sampling).
    Exact as the number of proposals grows; the effective sample size says how close it came.
    Parameters should have a scale of about one (a standard-normal prior), because curvatures are
    taken with a fixed step.

    Parameters
    ----------
    log_density : callable
        Maps parameters of shape (m, n_parameters) to log densities of shape (m,); ``-inf`` and
        ``nan`` mean impossible.
    starts : array_like, shape (n_parameters,) or (n_starts, n_parameters)
        Where the search begins.
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of draws returned.
    n_proposals : int, optional
        Number of proposals; ``4 * n_draws`` by default.

    Raises
    ------
    KineticsError
        If the density is impossible at every start.

    References
    ----------
    Laplace and importance resampling: Gelman A et al. Bayesian Data Analysis, 3rd ed. (2013),
    ch. 10 and 13.

    Examples
    --------
    >>> import numpy as np
    >>> normal = lambda x: -0.5 * ((x - 2.0) ** 2).sum(-1)
    >>> posterior = sample_posterior(normal, np.zeros(1), rng=np.random.default_rng(1))
    >>> bool(abs(posterior.draws.mean() - 2.0) < 0.1), posterior.status
    (True, 'ok')
    """

    def density(x: FloatArray) -> FloatArray:
        values = np.asarray(log_density(x), dtype=np.float64)
        return np.where(np.isfinite(values), values, -np.inf)

    modes, heights, converged = _find_modes(density, np.atleast_2d(starts))
    covariances = [_inverse_curvature(density, mode) for mode in modes]
    total = n_proposals or 4 * n_draws
    height = heights + [0.5 * np.linalg.slogdet(covariance)[1] for covariance in covariances]
    size = np.maximum(total * normalised_weights(height), 0.1 * total / len(modes)).astype(int)
    proposal = _Proposal(modes, covariances, size.tolist())
    draws = proposal.sample(0, rng)
    values = density(draws)
    log_weight = values - proposal.log_density(draws)
    for _ in range(_MAX_REFINEMENTS):
        if effective_sample_size(log_weight) >= _WANTED_EFFECTIVE_SHARE * total:
            break
        first_new = proposal.refine(draws, log_weight, size=total // 4)
        fresh = proposal.sample(first_new, rng)
        draws = np.concatenate([draws, fresh])
        values = np.concatenate([values, density(fresh)])
        log_weight = values - proposal.log_density(draws)
    ess = effective_sample_size(log_weight)
    chosen = resample(normalised_weights(log_weight), n_draws, rng)
    status = "ok"
    if ess < _LEAST_EFFECTIVE:
        status = f"importance sampling is poor: {ess:.0f} effective of {len(draws)} proposals"
        status += "" if converged else "; the search for the mode did not converge"
    return PosteriorDraws(draws[chosen], modes[0], covariances[0], ess, status)


class _Proposal:
    """Mixture of multivariate t distributions, one about each mode and each added point."""

    def __init__(
        self, means: list[FloatArray], covariances: list[FloatArray], sizes: list[int]
    ) -> None:
        self.means, self.sizes = list(means), list(sizes)
        self.roots = [_root(covariance) for covariance in covariances]

    def sample(self, first: int, rng: np.random.Generator) -> FloatArray:
        """Draws of the components from `first` on, as many as their sizes."""
        parts = []
        for k in range(first, len(self.means)):
            normal = rng.standard_normal((self.sizes[k], len(self.means[k])))
            spread = np.sqrt(_T_DEGREES / rng.chisquare(_T_DEGREES, self.sizes[k]))
            parts.append(self.means[k] + normal @ self.roots[k].T * spread[:, None])
        return np.concatenate(parts)

    def log_density(self, x: FloatArray) -> FloatArray:
        """Log density of the mixture, components weighted by their sizes, shape (len(x),)."""
        parts = [
            np.log(size / sum(self.sizes)) + _log_t(x, mean, root)
            for mean, root, size in zip(self.means, self.roots, self.sizes, strict=True)
        ]
        return np.asarray(np.logaddexp.reduce(np.stack(parts), axis=0))

    def refine(self, draws: FloatArray, log_weight: FloatArray, *, size: int) -> int:
        """Add a component where the weight is largest; returns its index (Raftery & Bao)."""
        weight = normalised_weights(log_weight)
        centre = draws[weight.argmax()]
        near = np.argsort(((draws - centre) ** 2).sum(-1))[:size]
        share = weight[near] + 1.0 / len(weight)
        step = draws[near] - centre
        covariance = (share[:, None] * step).T @ step / share.sum()
        self.means.append(centre)
        self.roots.append(_root(covariance))
        self.sizes.append(size)
        return len(self.means) - 1


def _root(covariance: FloatArray) -> FloatArray:
    """Lower triangular root; directions without spread get a little of the mean spread."""
    n = len(covariance)
    floor = max(1e-8 * float(np.trace(covariance)) / n, 1e-20)
    return np.asarray(np.linalg.cholesky((covariance + covariance.T) / 2 + floor * np.eye(n)))


def _log_t(x: FloatArray, mean: FloatArray, root: FloatArray) -> FloatArray:
    """Log density of the multivariate t with `_T_DEGREES` of freedom, shape (len(x),)."""
    from scipy.linalg import solve_triangular
    from scipy.special import gammaln

    n, nu = len(mean), _T_DEGREES
    distance = (solve_triangular(root, (x - mean).T, lower=True) ** 2).sum(0)
    constant = gammaln((nu + n) / 2) - gammaln(nu / 2) - n / 2 * np.log(nu * np.pi)
    log_scale = np.log(np.diag(root)).sum()
    return np.asarray(constant - log_scale - (nu + n) / 2 * np.log1p(distance / nu))


def _find_modes(
    density: LogDensity, starts: FloatArray
) -> tuple[list[FloatArray], FloatArray, bool]:
    """Distinct local maxima, the highest first, with their log densities."""
    from scipy.optimize import minimize

    starts = starts[np.isfinite(density(starts))]
    if not len(starts):
        raise KineticsError("the density is impossible (zero or not finite) at every start")

    def objective(x: FloatArray) -> float:
        return min(-float(density(x[None])[0]), 1e300)

    found = [
        minimize(objective, start, jac=lambda x: -_gradient(density, x), method="L-BFGS-B")
        for start in starts
    ]
    found.sort(key=lambda result: float(result.fun))
    modes: list[FloatArray] = []
    heights: list[float] = []
    for result in found:
        near = any(np.linalg.norm(result.x - mode) < 0.05 * np.sqrt(len(mode)) for mode in modes)
        if not near and float(result.fun) <= float(found[0].fun) + _MODE_DROP:
            modes.append(np.asarray(result.x))
            heights.append(-float(result.fun))
    return modes, np.array(heights), bool(found[0].success)


def _gradient(density: LogDensity, x: FloatArray, step: float = 1e-4) -> FloatArray:
    """Central differences, all directions in one call."""
    shifts = step * np.eye(len(x))
    values = density(np.concatenate([x + shifts, x - shifts]))
    with np.errstate(invalid="ignore"):  # both sides impossible
        gradient = (values[: len(x)] - values[len(x) :]) / (2 * step)
    return np.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)


def _inverse_curvature(density: LogDensity, mode: FloatArray, step: float = 1e-3) -> FloatArray:
    """Inverse of minus the Hessian at `mode`, made positive definite where it is not."""
    n = len(mode)
    i, j = (index.ravel() for index in np.indices((n, n)))
    unit = step * np.eye(n)
    corners = [
        density(mode + s * unit[i] + r * unit[j]) * (s * r) for s in (1, -1) for r in (1, -1)
    ]
    hessian = np.nan_to_num(sum(corners) / (4 * step**2)).reshape(n, n)
    eigenvalue, vector = np.linalg.eigh(-(hessian + hessian.T) / 2)
    inverse: FloatArray = (vector / np.clip(eigenvalue, *_CURVATURES)) @ vector.T
    return inverse
