"""Markov chains that need no tuning: differential evolution Monte Carlo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.posterior import LogDensity

_JUMP_SHARE = 0.1  # of the proposals are whole differences, which jump between modes
_NOISE = 1e-5  # sd of the small noise that makes every point reachable
_LARGEST_R_HAT = 1.05


@dataclass(frozen=True, eq=False)
class ChainDraws:
    """Draws of parallel chains.

    Attributes
    ----------
    draws : ndarray, shape (n_draws, n_parameters)
        Kept states of all chains.
    effective_sample_size : float
        Of the worst parameter, from the spread of the chains' means.
    r_hat : float
        Gelman and Rubin's ratio of the worst parameter; near 1 where the chains agree.
    acceptance : float
        Share of accepted proposals.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    draws: FloatArray
    effective_sample_size: float
    r_hat: float
    acceptance: float
    status: str


def sample_chains(
    log_density: LogDensity,
    starts: FloatArray,
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
    n_warmup: int = 1000,
    thin: int = 20,
) -> ChainDraws:
    r"""Draw from a density by differential evolution Markov chains.

    Half of the chains move at a time, by :math:`\gamma (x_a - x_b)` plus a little noise, with two
    chains a, b of the other half and :math:`\gamma = 2.38/\sqrt{2d}` (1 in a tenth of the steps):
    a symmetric proposal that adapts to scale and correlation and leaves the density invariant.

    Parameters
    ----------
    log_density : callable
        Maps parameters (m, n_parameters) to log densities (m,), up to a constant.
    starts : ndarray, shape (n_chains, n_parameters)
        Spread-out starts; an even number of at least 8 chains.
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of states returned.
    n_warmup : int
        Steps that are thrown away.
    thin : int
        Steps between kept states.

    Raises
    ------
    KineticsError
        If there are too few chains, or the density is impossible at every start.

    References
    ----------
    ter Braak CJF. Stat Comput 2006;16:239-249, doi:10.1007/s11222-006-8769-1.
    """
    n_chains, d = starts.shape
    if n_chains < 8 or n_chains % 2:
        raise KineticsError(f"an even number of at least 8 chains is needed, not {n_chains}")
    x, value = starts.copy(), _finite(log_density(starts))
    if not np.isfinite(value).any():
        raise KineticsError("the density is impossible (zero or not finite) at every start")
    n_kept = -(-n_draws // n_chains)
    kept = np.empty((n_kept, n_chains, d))
    accepted = 0
    halves = np.arange(n_chains).reshape(2, -1)
    for step in range(n_warmup + n_kept * thin):
        for moving, resting in (halves, halves[::-1]):
            a, b = _pairs(len(resting), len(moving), rng)
            jump = rng.random((len(moving), 1)) < _JUMP_SHARE
            scale = np.where(jump, 1.0, 2.38 / np.sqrt(2.0 * d))
            noise = _NOISE * rng.standard_normal((len(moving), d))
            trial = x[moving] + scale * (x[resting[a]] - x[resting[b]]) + noise
            new = _finite(log_density(trial))
            with np.errstate(invalid="ignore"):
                take = np.log(rng.random(len(moving))) < new - value[moving]
            x[moving[take]], value[moving[take]] = trial[take], new[take]
            accepted += int(take.sum()) if step >= n_warmup else 0
        late = step - n_warmup
        if late >= 0 and (late + 1) % thin == 0:
            kept[late // thin] = x
    return _summary(kept, accepted / (n_kept * thin * n_chains), n_draws, rng)


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, -np.inf)


def _pairs(n: int, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Ordered pairs of different indices below n."""
    a = rng.integers(n, size=size)
    return a, (a + rng.integers(1, n, size=size)) % n


def _summary(
    kept: FloatArray, acceptance: float, n_draws: int, rng: np.random.Generator
) -> ChainDraws:
    n_kept, n_chains, d = kept.shape
    flat = kept.reshape(-1, d)
    total = flat.var(axis=0)
    between = kept.mean(axis=0).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ess = float(np.nanmin(np.minimum(n_chains * total / between, float(len(flat)))))
    r_hat = float("nan")
    if n_kept > 1:
        within = kept.var(axis=0, ddof=1).mean(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            r_hat = float(np.sqrt(np.nanmax((n_kept - 1) / n_kept + between / within)))
    status = "ok"
    if r_hat > _LARGEST_R_HAT + 2.0 / n_kept:  # independent draws have 1 + 1/(2 n_kept)
        status = f"the Markov chains have not mixed: R-hat {r_hat:.2f}"
    return ChainDraws(rng.permutation(flat)[:n_draws], ess, r_hat, acceptance, status)
