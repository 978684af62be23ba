"""Dose finding: one posterior of the Bayesian logistic model, quadrature against sampling."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from benchmarks.timing import announce, optional, process_seconds, require, row
from radiobio.dose_finding import BlrmPosterior, LogisticPrior, blrm_posterior

LEVELS = (1, 2.5, 5, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 250)
TREATED = (3, 4, 5, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)
TOXIC = (0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0)
PRIOR = LogisticPrior(np.array([2.15, 0.52]), np.array([[0.84**2, 0.134], [0.134, 0.80**2]]), 250.0)
CHAINS, DRAWS = 4, 1000
OVERDOSE = 0.35
MOST_ERRORS = 4  # Monte Carlo standard errors between both sides


def blrm_rows() -> None:
    """The case of Neuenschwander 2008: P(risk >= 0.35) at 15 levels; the same priors and data."""
    posterior = _ours()
    ours_s = process_seconds(_ours)
    rivals: dict[str, float] = {}
    note = f"ours good to {posterior.numerical_error:.0e}"
    if (pymc := optional("pymc")) is not None and (arviz := optional("arviz")) is not None:
        announce("BLRM: PyMC (half a minute)")
        _pymc(pymc, 10)  # compiles
        risk, rivals["PyMC NUTS, 4 x 1000 draws"] = _pymc(pymc, DRAWS)
        error = _worst_error(arviz, risk, posterior)
        require(error < MOST_ERRORS, f"probabilities differ by {error:.1f} Monte Carlo errors")
        worst = np.abs((risk >= OVERDOSE).mean((0, 1)) - posterior.over).max()
        note += f", the draws to {worst:.3f} ({error:.1f} of their standard errors at most)"
    row("BLRM posterior, 15 levels, 18 patients", ours_s, rivals, note)


def _ours() -> BlrmPosterior:
    return blrm_posterior(LEVELS, TREATED, TOXIC, prior=PRIOR)


def _worst_error(az: Any, risk: np.ndarray, posterior: BlrmPosterior) -> float:
    """Largest deviation of mean risks and overdose probabilities in Monte Carlo errors."""
    worst = 0.0
    for draws, exact in (
        (risk, posterior.mean),
        ((risk >= OVERDOSE).astype(np.float64), posterior.over),
    ):
        for i in np.flatnonzero((exact > 0.005) & (exact < 0.995)):
            sd = draws[..., i].std()
            size = float(az.ess(draws[..., i], method="mean"))
            worst = max(worst, abs(draws[..., i].mean() - exact[i]) / (sd / np.sqrt(size)))
    return float(worst)


def _pymc(pm: Any, n_draws: int) -> tuple[np.ndarray, float]:
    """Risks of shape (chains, draws, levels), and the wall time."""
    seen = np.array(TREATED) > 0
    log_level = np.log(np.array(LEVELS) / PRIOR.reference_level)
    start = time.perf_counter()
    with warnings.catch_warnings(), pm.Model():
        warnings.simplefilter("ignore")  # of samplers that tune
        z = pm.MvNormal("z", PRIOR.mean, cov=PRIOR.covariance)
        logit = z[0] + pm.math.exp(z[1]) * log_level[seen]
        pm.Binomial("y", n=np.array(TREATED)[seen], logit_p=logit, observed=np.array(TOXIC)[seen])
        found = pm.sample(
            n_draws, tune=n_draws, chains=CHAINS, cores=1, random_seed=1, progressbar=False,
            compute_convergence_checks=False, target_accept=0.95,
        )  # fmt: skip
    seconds = time.perf_counter() - start
    draws = found.posterior["z"].to_numpy()
    slope = np.exp(draws[..., 1:])
    return 1 / (1 + np.exp(-(draws[..., :1] + slope * log_level))), seconds
