"""Draws from any smooth log density, by the samplers and diagnostics of `kinetics.inference`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from kinetics.cores import n_cores
from kinetics.curves import FloatArray

__all__ = ["LogDensity", "sample_density"]


class LogDensity(Protocol):
    """A log density of about standard-normal variables, with its gradient."""

    @property
    def size(self) -> int:
        """Number of variables."""

    def __call__(self, v: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient at v, shape (size,)."""

    def start(self, seed: int) -> FloatArray:
        """Where a chain begins, shape (size,)."""


def sample_density(
    density: LogDensity,
    names: Sequence[str],
    transform: Callable[[FloatArray], FloatArray],
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
    n_tune: int = 500,
    n_chains: int = 4,
    sampler: str = "auto",
    cores: int | None = None,
    target_accept: float = 0.8,
    progress: bool = False,
) -> tuple[FloatArray, dict[str, dict[str, float]], str]:
    """Draws from a log density by the no-U-turn sampler.

    Parameters
    ----------
    density : LogDensity
        Value and gradient; it must be picklable if chains run at once.
    names : sequence of str
        Names of the parameters.
    transform : callable
        Variables (n_chains, n_draws, size) to parameters (n_chains, n_draws, n_names).
    rng, n_draws, n_tune, n_chains, sampler, cores, target_accept, progress
        As of `kinetics.inference.fit_bayes`.

    Returns
    -------
    draws : ndarray, shape (n_chains, n_draws, n_names)
        Parameters.
    diagnostics : dict
        ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_mean`` by parameter.
    status : str
        ``"ok"``, or in words what is wrong.

    Raises
    ------
    KineticsError
        If the sampler is not known or its settings are not legal.
    """
    from kinetics.estimation.chain_checks import chain_problems
    from kinetics.inference import _check, _diagnostics, _run_nutpie, _run_pymc

    chosen = _check(sampler, n_draws, n_tune, n_chains, target_accept)
    run = _run_nutpie if chosen == "nutpie" else _run_pymc
    at_once = min(cores or n_cores(), n_chains)
    target: Any = density
    chains = run(target, rng, n_draws, n_tune, n_chains, at_once, target_accept, progress)
    draws = transform(chains.draws)
    parameters = {name: draws[..., k] for k, name in enumerate(names)}
    diagnostics = _diagnostics(parameters)
    problems = chain_problems(
        chains, parameters,
        {name: row["r_hat"] for name, row in diagnostics.items()},
        {name: min(row["ess_bulk"], row["ess_tail"]) for name, row in diagnostics.items()},
    )  # fmt: skip
    return draws, diagnostics, "; ".join(problems) or "ok"
