"""What is wrong with Markov chains, in words, and which mode of the posterior they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation.log_posterior import Target, bind_target
from kinetics.estimation.whitening import Approximation, approximate
from kinetics.population.model import PopulationModel

HIGHEST_R_HAT = 1.01
LEAST_ESS = 100.0  # a chain
LEAST_BFMI = 0.2
_APART = 3.0  # standard deviations between the means of chains
_STUCK = 1e-3  # of the other chains' standard deviation
_LEAST_SHARE = 0.01  # of the posterior in another mode that is worth a word
_SAME = 1e-6  # relative difference of predictions of a flip-flop twin


@dataclass(frozen=True, eq=False)
class Chains:
    """What a sampler returns, warm-up left out.

    Attributes
    ----------
    draws : ndarray, shape (n_chains, n_draws, d)
        Whitened variables.
    diverging : ndarray of bool, shape (n_chains, n_draws)
        Whether the trajectory diverged.
    energy : ndarray, shape (n_chains, n_draws)
        Energy.
    n_steps : ndarray of int, shape (n_chains, n_draws)
        Leapfrog steps.
    """

    draws: FloatArray
    diverging: np.ndarray
    energy: FloatArray
    n_steps: np.ndarray


def chain_problems(
    chains: Chains,
    population: Mapping[str, FloatArray],
    r_hat: Mapping[str, float],
    ess: Mapping[str, float],
) -> list[str]:
    """Say what keeps chains from being a sample of the posterior; empty if nothing does.

    Parameters
    ----------
    chains : Chains
        Chains and their statistics.
    population : mapping of str to ndarray, shape (n_chains, n_draws)
        Draws of the population parameters, and of any others to be checked.
    r_hat, ess : mapping of str to float
        Rank-normalised R-hat and the smaller of bulk and tail effective sample size.
    """
    found = []
    count = chains.diverging.sum(1)
    if count.any():
        found.append(
            f"{count.sum()} divergent transitions (by chain {', '.join(map(str, count))}): the "
            "posterior has a region that the sampler cannot enter; raise target_accept, or fix or "
            "give a stronger prior to what the data do not determine"
        )
    apart = chains_apart(population)
    for chain, parameters in apart.items():
        found.append(
            f"chain {chain} is in another mode than the others or stuck ({', '.join(parameters)})"
        )
    bad = {name: value for name, value in r_hat.items() if not value <= HIGHEST_R_HAT}
    if len(chains.draws) == 1:
        found.append("a single chain: whether it mixed (R-hat) cannot be checked")
    elif bad:
        found.append(f"chains have not mixed, R-hat above {HIGHEST_R_HAT}: {_worst(bad, True)}")
    least = LEAST_ESS * len(chains.draws)
    low = {name: value for name, value in ess.items() if not value >= least}
    if low:
        found.append(f"effective sample size below {least:g}: {_worst(low, False)}; draw more")
    bfmi = np.mean(np.diff(chains.energy, axis=1) ** 2, axis=1) / np.var(chains.energy, axis=1)
    if (bfmi < LEAST_BFMI).any():
        names = ", ".join(str(c) for c in np.flatnonzero(bfmi < LEAST_BFMI))
        found.append(f"the energy of chain {names} is explored slowly (BFMI below {LEAST_BFMI})")
    return found


def _worst(values: Mapping[str, float], highest: bool) -> str:
    ordered = sorted(values.items(), key=lambda item: item[1], reverse=highest)
    text = ", ".join(f"{name} {value:.4g}" for name, value in ordered[:5])
    return text + (f" and {len(ordered) - 5} more" if len(ordered) > 5 else "")


def chains_apart(population: Mapping[str, FloatArray]) -> dict[int, list[str]]:
    """Chains that lie elsewhere than most, with the parameters that tell them apart."""
    if not population:
        return {}
    draws = np.array(list(population.values()))
    mean, sd = draws.mean(2), draws.std(2)
    unit = np.median(sd, axis=1)[:, None]
    unit[unit == 0.0] = 1.0
    near = (np.abs(mean[:, :, None] - mean[:, None, :]) < _APART * unit[..., None]).all(0)
    main = int(near.sum(1).argmax())
    stuck = sd < _STUCK * unit
    names = np.array(list(population), dtype=object)
    out = {}
    for chain in range(draws.shape[1]):
        wrong = stuck[:, chain]
        if not near[main, chain]:
            wrong = wrong | (np.abs(mean[:, chain] - mean[:, main]) >= _APART * unit[:, 0])
        if wrong.any():
            out[chain] = list(names[wrong])
    return out


def flip_flop_twin(model: PopulationModel) -> PopulationModel | None:
    r"""The model with absorption and elimination exchanged, if its predictions are the same.

    One compartment with first-order absorption predicts the same with
    :math:`k_a' = k,\ k' = k_a,\ V' = V k/k_a`. None for other structures, and where one of these
    parameters is fixed.
    """
    names, value = set(model.parameters), {n: p.value for n, p in model.parameters.items()}
    if not {"ka", "v"} <= names or len({"cl", "k"} & names) != 1:
        return None
    rate = value["k"] if "k" in names else value["cl"] / value["v"]
    new = {"ka": rate, "v": value["v"] * rate / value["ka"]}
    if "k" in names:
        new["k"] = value["ka"]
    if model.fixed & set(new) or any(model.parameters[n].transform != "log" for n in new):
        return None
    time_h = np.linspace(0.1, 5.0, 7) / min(rate, value["ka"])
    here = model.structure(value, time_h)
    there = model.structure({**value, **new}, time_h)
    same = np.abs(here - there).max() <= _SAME * np.abs(here).max()
    return model.with_values(new) if same and np.isfinite(here).all() else None


def other_mode(target: Target, here: Approximation) -> str:
    """Say whether the flip-flop mode holds a share of the posterior; empty if not.

    The share is by Laplace's approximation of both modes.
    """
    values = target.values(target.full_at(here.w))
    model = target.problem.model
    model = model.with_values({name: float(v) for name, v in values.items()})
    twin = flip_flop_twin(model)
    if twin is None:
        return ""
    there = approximate(bind_target(twin, target.problem.data, target.priors))
    sd = np.sqrt(np.diag(here.covariance))
    if there.trouble or (np.abs(there.w - here.w) < sd).all():
        return ""
    weight = [a.log_density + 0.5 * np.linalg.slogdet(a.covariance)[1] for a in (here, there)]
    share = 1.0 / (1.0 + np.exp(np.clip(weight[0] - weight[1], -700.0, 700.0)))
    if share < _LEAST_SHARE:
        return ""
    at = target.values(target.full_at(there.w))
    text = ", ".join(f"{name} {at[name]:.3g}" for name in model.parameters if name in at)
    return (
        f"absorption and elimination can be exchanged (flip-flop): the mode at {text} holds about "
        f"{100 * share:.0f} % of the posterior, and these chains do not describe it; tell the "
        "modes apart by priors of ka and v, or start from the other one"
    )
