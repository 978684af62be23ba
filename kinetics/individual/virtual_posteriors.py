"""Posteriors of many virtual patients at once, by importance sampling on arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.individual.virtual_patients import VirtualPopulation

_T_DEGREES = 5
_WIDE, _WIDE_SHARE = 2.0, 0.25  # a quarter of the proposals is wider than the normal approximation
_STEP = 1e-4
_N_ITERATIONS, _N_INNER = 25, 3
_LONGEST_STEP = 1.0  # standard deviations of the population
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class VirtualPosteriors:
    """Posteriors of many patients by importance sampling.

    Attributes
    ----------
    log_tia : ndarray, shape (n_patients, n_draws)
        Draws of the logarithm of the time-integrated activity.
    weight : ndarray, shape (n_patients, n_draws)
        Their weights, which sum to 1.
    effective_sample_size : ndarray, shape (n_patients,)
        Kish's, of the weights.
    """

    log_tia: FloatArray
    weight: FloatArray
    effective_sample_size: FloatArray

    @property
    def mean(self) -> FloatArray:
        """Posterior mean of the log time-integrated activity, shape (n_patients,)."""
        return np.asarray((self.weight * self.log_tia).sum(-1))

    @property
    def variance(self) -> FloatArray:
        """Posterior variance of the log time-integrated activity, shape (n_patients,)."""
        return np.asarray((self.weight * (self.log_tia - self.mean[:, None]) ** 2).sum(-1))

    def quantile(self, level: float) -> FloatArray:
        """Posterior quantile of the log time-integrated activity, shape (n_patients,)."""
        order = np.argsort(self.log_tia, axis=-1)
        reached = np.cumsum(np.take_along_axis(self.weight, order, -1), axis=-1)
        index = (reached < level).sum(-1).clip(max=order.shape[-1] - 1)
        at = np.take_along_axis(order, index[:, None], -1)
        return np.asarray(np.take_along_axis(self.log_tia, at, -1)[:, 0])


def linearised(
    population: VirtualPopulation, z: FloatArray, times_h: FloatArray, directions: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Predictions (..., t), derivatives (..., t, r) along directions, and weights (..., t).

    The weight of a measurement is its expected information on the prediction,
    1/g^2 + 2 (g'/g)^2 for the residual standard deviation g(f).

    Parameters
    ----------
    population : VirtualPopulation
        The population.
    z : ndarray, shape (..., q)
        Standardised effects.
    times_h : ndarray, shape (t,)
        Times (h).
    directions : ndarray, shape (..., q, r)
        Directions in z.
    """
    f = population.recorded(z, times_h)
    steps = [_STEP * directions[..., k] for k in range(directions.shape[-1])]
    jacobian = np.stack(
        [population.recorded(z + h, times_h) - population.recorded(z - h, times_h) for h in steps],
        axis=-1,
    ) / (2.0 * _STEP)
    with np.errstate(all="ignore"):
        g = population.sd(f, times_h)
        if population.logarithmic:
            weight = 1.0 / (g * f) ** 2
        else:
            step = 1e-5 * np.maximum(np.abs(f), _TINY)
            rise = (population.sd(f + step, times_h) - population.sd(f - step, times_h)) / (
                2 * step
            )
            weight = (1.0 + 2.0 * rise**2) / g**2
    return f, jacobian, np.nan_to_num(weight, nan=0.0, posinf=0.0)


def proposal_draws(
    n_patients: int, n_draws: int, n_effects: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Evenly spread standard-normal (n_patients, n_draws, n_effects) and chi-squared draws.

    A Sobol sequence, shifted at random for each patient; `n_draws` is rounded up to a power of 2.
    """
    from scipy.special import gammaincinv, ndtri
    from scipy.stats.qmc import Sobol

    exponent = max(int(np.ceil(np.log2(n_draws))), 5)
    points = Sobol(n_effects + 1, scramble=False).random_base2(exponent)
    shifted = (points + rng.random((n_patients, 1, n_effects + 1))) % 1.0
    uniform = np.clip(shifted, 1e-12, 1.0 - 1e-12)
    chi2 = 2.0 * gammaincinv(_T_DEGREES / 2.0, uniform[..., -1])
    return np.asarray(ndtri(uniform[..., :-1])), np.asarray(chi2)


def virtual_posteriors(
    population: VirtualPopulation,
    y: FloatArray,
    times_h: FloatArray,
    normal: FloatArray,
    chi2: FloatArray,
) -> VirtualPosteriors:
    r"""Posterior of every patient given the measurements of a schedule.

    At the mode the data inform as many directions of z as there are samples; the others keep
    their prior, from which they are drawn. For each such draw the informed directions are found
    by Gauss-Newton steps and drawn from a mixture of two t distributions about them, and the
    draws are weighted by the exact posterior density over that of the proposal. This follows the
    curved ridge that one precise sample leaves.

    Parameters
    ----------
    population : VirtualPopulation
        The population, known.
    y : ndarray, shape (n_patients, n_times)
        Measurements.
    times_h : ndarray, shape (n_times,)
        Times (h).
    normal, chi2 : ndarray, shape (n_patients, n_draws, n_effects) and (n_patients, n_draws)
        Draws of `proposal_draws`, the same for all schedules.
    """
    q, r = population.n_effects, min(len(times_h), population.n_effects)
    z = _modes(population, y, times_h)
    _, jacobian, weight = linearised(population, z, times_h, np.eye(q))
    basis = np.swapaxes(np.linalg.svd(np.sqrt(weight)[..., None] * jacobian)[2], -1, -2)
    informed, free = basis[:, None, :, :r], basis[:, :, r:]
    rest = np.einsum("nqk,ndk->ndq", free, normal[..., r:])
    alpha = np.broadcast_to(
        np.einsum("nqr,nq->nr", basis[:, :, :r], z)[:, None], (*rest.shape[:2], r)
    )
    alpha, information = _ridge(population, y[:, None], times_h, rest, informed, alpha)
    wide = np.arange(chi2.shape[-1]) < _WIDE_SHARE * chi2.shape[-1]
    unit = normal[..., :r] * (np.where(wide, _WIDE, 1.0) * np.sqrt(_T_DEGREES / chi2))[..., None]
    share = float(wide.mean())
    log_proposal = np.logaddexp(
        np.log1p(-share) + _log_t(unit), np.log(share) + _log_t(unit / _WIDE) - r * np.log(_WIDE)
    )
    root = np.linalg.cholesky(information)
    upper = np.swapaxes(root, -1, -2)
    alpha = alpha + np.linalg.solve(upper, unit[..., None])[..., 0]
    draws = rest + (informed @ alpha[..., None])[..., 0]
    f, log_tia = population.recorded(draws, times_h), population.log_tia(draws)
    log_weight = population.log_likelihood(y[:, None], f, times_h) - 0.5 * (alpha**2).sum(-1)
    log_weight -= log_proposal + np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(-1)
    usable = np.isfinite(log_weight) & np.isfinite(log_tia)
    log_weight = np.where(usable, log_weight, -np.inf)
    share_of = np.exp(log_weight - log_weight.max(-1, keepdims=True))
    share_of /= share_of.sum(-1, keepdims=True)
    return VirtualPosteriors(
        np.where(usable, log_tia, 0.0), share_of, np.asarray(1.0 / (share_of**2).sum(-1))
    )


def _log_t(unit: FloatArray) -> FloatArray:
    """Log density of a standard t distribution up to a constant, shape (...)."""
    q = unit.shape[-1]
    return np.asarray(-0.5 * (_T_DEGREES + q) * np.log1p((unit**2).sum(-1) / _T_DEGREES))


def _ridge(
    population: VirtualPopulation,
    y: FloatArray,
    times_h: FloatArray,
    rest: FloatArray,
    informed: FloatArray,
    alpha: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Most probable informed coordinates (n, d, r) given the rest, and their information."""
    information = np.eye(alpha.shape[-1])
    for k in range(_N_INNER + 1):
        z = rest + (informed @ alpha[..., None])[..., 0]
        directions = np.broadcast_to(informed, (*z.shape, alpha.shape[-1]))
        f, jacobian, weight = linearised(population, z, times_h, directions)
        information, step = _newton(population, y, times_h, f, jacobian, weight, alpha)
        if k == _N_INNER or (k and np.abs(step).max() < 1e-3):
            break
        alpha = alpha + step
    return alpha, information


def _newton(
    population: VirtualPopulation,
    y: FloatArray,
    times_h: FloatArray,
    f: FloatArray,
    jacobian: FloatArray,
    weight: FloatArray,
    position: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Gauss-Newton information and the step, limited in length, with the standard-normal prior."""
    scaled = np.sqrt(weight)[..., None] * jacobian
    information = np.eye(jacobian.shape[-1]) + np.swapaxes(scaled, -1, -2) @ scaled
    slope = _row_slopes(population, y, f, times_h)
    gradient = (slope[..., None] * jacobian).sum(-2) - position
    step = np.linalg.solve(information, gradient[..., None])[..., 0]
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    return information, step * np.minimum(1.0, _LONGEST_STEP / np.maximum(length, _TINY))


def _modes(population: VirtualPopulation, y: FloatArray, times_h: FloatArray) -> FloatArray:
    """Mode (n, q) of every patient by damped Gauss-Newton steps, all patients at once."""
    q = population.n_effects
    z = np.zeros((len(y), q))

    def height(z: FloatArray) -> FloatArray:
        f = population.recorded(z, times_h)
        return np.asarray(population.log_likelihood(y, f, times_h) - 0.5 * (z**2).sum(-1))

    best = height(z)
    for _ in range(_N_ITERATIONS):
        f, jacobian, weight = linearised(population, z, times_h, np.eye(q))
        _, step = _newton(population, y, times_h, f, jacobian, weight, z)
        if np.abs(step).max() < 1e-4:
            break
        for _halving in range(6):
            new = height(z + step)
            worse = new < best
            if not worse.any():
                break
            step[worse] *= 0.25
        new = height(z + step)
        better = new >= best
        z, best = np.where(better[:, None], z + step, z), np.where(better, new, best)
    return z


def _row_slopes(
    population: VirtualPopulation, y: FloatArray, f: FloatArray, times_h: FloatArray
) -> FloatArray:
    """Derivative of each measurement's log likelihood by the prediction."""
    step = 1e-5 * np.maximum(np.abs(f), _TINY)
    up = population.log_likelihood(y[..., None], (f + step)[..., None], times_h[:, None])
    down = population.log_likelihood(y[..., None], (f - step)[..., None], times_h[:, None])
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num((up - down) / (2.0 * step)))
