"""Full Bayes of theophylline: wall time of an effective draw, same priors and chains, one core."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.population import START, theophylline_model
from benchmarks.tasks import Theophylline, theophylline
from benchmarks.timing import announce, optional, require, row
from kinetics.estimation.priors import half_normal_prior, lognormal_prior
from kinetics.inference import fit_bayes

CHAINS, DRAWS, TUNE = 4, 1000, 500
LOG_SD, SD_SCALE, ERROR_SCALE = 1.0, 1.0, 3.0
MOST_SHIFT = 0.2  # posterior standard deviations between the means of both sides
Draws = Mapping[str, np.ndarray]


def bayes_rows() -> None:
    """Smallest bulk effective sample size over the population parameters, by wall time."""
    rivals: dict[str, Callable[[], Draws]] = {}
    if (numpyro := optional("numpyro")) is not None:
        rivals["numpyro NUTS"] = lambda: _numpyro(numpyro)
    if optional("nutpie") is not None and (pymc := optional("pymc")) is not None:
        rivals["PyMC model, nutpie"] = lambda: _pymc(pymc, "nutpie")
    elif (pymc := optional("pymc")) is not None:
        rivals["PyMC"] = lambda: _pymc(pymc, "pymc")
    announce("Bayes, theophylline: ours")
    _ours()
    mine, ours_s = _timed(_ours)
    ours_ess = _smallest_size(mine)
    costs, notes = {}, [f"ours {ours_ess:.0f} effective of {CHAINS * DRAWS}"]
    for name, job in rivals.items():
        announce(f"Bayes, theophylline: {name} (up to a minute)")
        draws, seconds = _timed(job)
        for parameter, values in mine.items():
            shift = abs(draws[parameter].mean() - values.mean()) / values.std()
            require(shift < MOST_SHIFT, f"{name}: {parameter} differs by {shift:.2f} sd")
        size = _smallest_size(draws)
        notes.append(f"{name} {size:.0f}")
        costs[name] = seconds / size
    note = ", ".join(notes) + f"; means agree within {MOST_SHIFT} sd"
    row("theophylline, Bayes, wall time of an effective draw", ours_s / ours_ess, costs, note)


def _timed(job: Callable[[], Draws]) -> tuple[Draws, float]:
    """Draws and wall time of one run, with what it compiles (ours is compiled on disk)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samplers that tune
        start = time.perf_counter()
        draws = job()
        return draws, time.perf_counter() - start


def _smallest_size(draws: Draws) -> float:
    import arviz as az

    return min(float(az.ess(values, method="bulk")) for values in draws.values())


def _ours() -> Draws:
    model, data = theophylline_model("additive")
    priors = {name: lognormal_prior(value, LOG_SD) for name, value in START.items()}
    priors |= {f"sd_{name}": half_normal_prior(SD_SCALE) for name in START}
    priors["additive_blood"] = half_normal_prior(ERROR_SCALE)
    fit = fit_bayes(
        model, data, rng=np.random.default_rng(1), priors=priors, n_draws=DRAWS, n_tune=TUNE,
        n_chains=CHAINS, cores=1, progress=False,
    )  # fmt: skip
    require(fit.status == "ok", f"our posterior: {fit.status}")
    return fit.population


def _curve(np_like: Any, phi: Any, data: Theophylline) -> Any:
    cl, v, ka = phi
    k = cl / v
    t = data.time_h
    return data.amount / v * ka / (ka - k) * (np_like.exp(-k * t) - np_like.exp(-ka * t))


def _numpyro(numpyro: Any) -> Draws:
    """Effects not centred; NUTS of numpyro in double precision, chains after one another."""
    import jax
    import jax.numpy as jnp
    from numpyro import distributions as dist

    numpyro.enable_x64()
    data = theophylline(start=True)
    group = np.unique(data.subject, return_inverse=True)[1]
    n = int(group.max()) + 1

    def model() -> None:
        phi = []
        for name, median in START.items():
            typical = numpyro.sample(name, dist.LogNormal(np.log(median), LOG_SD))
            sd = numpyro.sample(f"sd_{name}", dist.HalfNormal(SD_SCALE))
            z = numpyro.sample(f"z_{name}", dist.Normal(0.0, 1.0).expand([n]))
            phi.append(typical * jnp.exp(sd * z)[group])
        sigma = numpyro.sample("additive_blood", dist.HalfNormal(ERROR_SCALE))
        numpyro.sample("y", dist.Normal(_curve(jnp, phi, data), sigma), obs=data.value)

    sampler = numpyro.infer.MCMC(
        numpyro.infer.NUTS(model, init_strategy=numpyro.infer.init_to_median),
        num_warmup=TUNE, num_samples=DRAWS, num_chains=CHAINS, chain_method="sequential",
        progress_bar=False,
    )  # fmt: skip
    sampler.run(jax.random.PRNGKey(1))
    kept = sampler.get_samples(group_by_chain=True)
    return {name: np.asarray(kept[name]) for name in _names()}


def _pymc(pm: Any, sampler: str) -> Draws:
    """The same model in PyMC, sampled on one core."""
    data = theophylline(start=True)
    group = np.unique(data.subject, return_inverse=True)[1]
    with pm.Model():
        phi = []
        for name, median in START.items():
            typical = pm.LogNormal(name, np.log(median), LOG_SD)
            sd = pm.HalfNormal(f"sd_{name}", SD_SCALE)
            z = pm.Normal(f"z_{name}", shape=int(group.max()) + 1)
            phi.append(typical * pm.math.exp(sd * z)[group])
        sigma = pm.HalfNormal("additive_blood", ERROR_SCALE)
        pm.Normal("y", _curve(pm.math, phi, data), sigma, observed=data.value)
        found = pm.sample(
            DRAWS, tune=TUNE, chains=CHAINS, cores=1, random_seed=1, nuts_sampler=sampler,
            progressbar=False, compute_convergence_checks=False,
        )  # fmt: skip
    return {name: found.posterior[name].to_numpy() for name in _names()}


def _names() -> list[str]:
    return [*START, *(f"sd_{name}" for name in START), "additive_blood"]
