"""The posterior of a population model: draws, diagnostics and a status in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.priors import Prior
from kinetics.population.data_warnings import data_warnings
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.chain_checks import Chains
    from kinetics.estimation.log_posterior import Target
    from kinetics.estimation.whitening import Approximation

_DIAGNOSTICS = ("r_hat", "ess_bulk", "ess_tail", "mcse_mean")


@dataclass(frozen=True, eq=False)
class BayesFit:
    """Posterior draws of a population model; made by `kinetics.inference.fit_bayes`.

    Attributes
    ----------
    target : Target
        Model, data and priors as they were bound.
    sampler : str
        ``pymc`` or ``nutpie``.
    population : mapping of str to ndarray, shape (n_chains, n_draws)
        Draws of every population parameter that is not fixed.
    individual : ndarray, shape (n_chains, n_draws, n_occasions, n_parameters)
        Structural parameters of each occasion; the last axis is ``model.structure.parameters``.
    log_likelihood : ndarray, shape (n_chains, n_draws, n)
        Log density of each observation given the individual parameters (log probability below the
        limit), for LOO and WAIC. No rows where it would be too large to keep.
    chains : Chains, or None
        What the sampler returned; None where it could not start.
    diagnostics : mapping of str to mapping of str to float
        ``r_hat`` (rank-normalised), ``ess_bulk``, ``ess_tail``, ``mcse_mean`` by parameter.
    status : str
        ``"ok"``, or in words what is wrong; such draws are no sample of the posterior.
    warnings : tuple of str
        What a reader should know of the data.
    assumptions : tuple of str
        Default priors.
    given : frozenset of str
        Parameters whose prior the user gave.
    """

    target: Target
    sampler: str
    population: Mapping[str, FloatArray]
    individual: FloatArray
    log_likelihood: FloatArray
    chains: Chains | None
    diagnostics: Mapping[str, Mapping[str, float]]
    status: str
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]
    given: frozenset[str]

    @property
    def priors(self) -> Mapping[str, Prior]:
        """Priors by population parameter."""
        return self.target.priors

    @property
    def model(self) -> PopulationModel:
        """The model at the posterior medians; as it was given where there are no draws."""
        model = self.target.problem.model
        if not self.population or not next(iter(self.population.values())).size:
            return model
        median = {name: float(np.median(v)) for name, v in self.population.items()}
        return model.with_values(median)

    def to_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """Population parameters, one row each.

        Columns mean, sd, median, lower and upper (equal-tailed interval of this level), r_hat,
        ess_bulk, ess_tail, mcse_mean.
        """
        import pandas as pd

        rows = {}
        for name, draws in self.population.items():
            low, middle, high = _quantiles(draws, level)
            rows[name] = {
                "mean": _or_nan(np.mean, draws), "sd": _or_nan(np.std, draws), "median": middle,
                "lower": low, "upper": high,
                **self.diagnostics.get(name, dict.fromkeys(_DIAGNOSTICS, np.nan)),
            }  # fmt: skip
        columns = ["mean", "sd", "median", "lower", "upper", *_DIAGNOSTICS]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.rename_axis("parameter")

    def individual_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """Individual parameters: mean, sd, median and interval, a row an occasion and parameter."""
        import pandas as pd

        data, rows = self.target.problem.data, []
        for o, subject in enumerate(data.occasion_subject):
            for j, name in enumerate(self.target.problem.model.structure.parameters):
                draws = self.individual[:, :, o, j]
                low, middle, high = _quantiles(draws, level)
                rows.append(
                    (data.subjects[subject], data.occasion_label[o], name,
                     _or_nan(np.mean, draws), _or_nan(np.std, draws), middle, low, high)
                )  # fmt: skip
        columns = ["subject", "occasion", "parameter", "mean", "sd", "median", "lower", "upper"]
        return pd.DataFrame(rows, columns=columns)

    def priors_frame(self) -> pd.DataFrame:
        """Prior of each population parameter and where it comes from."""
        import pandas as pd

        free, rows = self.target.problem.vector.names, {}
        for name, value in self.target.problem.model.values.items():
            fixed = name not in free
            origin = "given" if name in self.given else "default (ASSUMED)"
            rows[name] = {
                "prior": f"fixed at {value:g}" if fixed else str(self.priors[name]),
                "origin": "fixed" if fixed else origin,
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")

    @cached_property
    def idata(self) -> Any:
        """The draws as ArviZ keeps them (InferenceData, from ArviZ 1 on a DataTree)."""
        from kinetics.inference import inference_data

        return inference_data(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the draws as netCDF, with status, sampler and priors as attributes.

        Needs h5netcdf with h5py, or netCDF4.
        """
        if self.chains is None:
            raise KineticsError(f"there are no draws to save: {self.status}")
        try:
            self.idata.to_netcdf(os.fspath(path))
        except ImportError as error:
            raise KineticsError(f"netCDF needs h5netcdf with h5py, or netCDF4: {error}") from error

    def summary(self) -> str:
        """The posterior as text."""
        n_chains, n_draws = self.individual.shape[:2]
        table = self.to_frame().to_string(float_format=lambda v: f"{v:.4g}")
        head = f"{self.sampler}: {n_chains} chains of {n_draws} draws of "
        return "\n".join(
            [head + self.target.problem.model.structure.name, f"status: {self.status}", "", table,
             "", *(f"note: {text}" for text in (*self.warnings, *self.assumptions))]
        )  # fmt: skip

    def __str__(self) -> str:
        return self.summary()


def posterior_of(
    target: Target,
    here: Approximation,
    given: frozenset[str],
    sampler: str,
    chains: Chains,
    most_numbers: int,
) -> dict[str, Any]:
    """Fields of a `BayesFit` that follow from the chains, but for diagnostics and status."""
    from kinetics.estimation._bayes_kernels import unpack
    from kinetics.estimation.objective import _over

    problem = target.problem
    n_chains, n_draws, size = chains.draws.shape
    n_rows, total = len(problem.data.value), n_chains * n_draws
    full = np.empty((total, len(target.layout.base)))
    shape = (total, len(problem.data.occasion_subject), len(problem.model.parameters))
    parameter = np.empty(shape)
    log_likelihood = np.empty((total, n_rows if total * n_rows <= most_numbers else 0))
    draws = chains.draws.reshape(total, size)
    _over(
        total,
        total * n_rows,
        lambda a, b: unpack(
            problem.predict, problem.design, target.layout, here.whitening, draws, full,
            parameter, log_likelihood, a, b,
        ),
    )  # fmt: skip
    return {
        "population": {
            name: values.reshape(n_chains, n_draws) for name, values in target.values(full).items()
        },
        "individual": parameter.reshape(n_chains, n_draws, *shape[1:]),
        "log_likelihood": log_likelihood.reshape(n_chains, n_draws, -1),
        "chains": chains,
        **_common(target, given, sampler),
    }


def without_draws(
    target: Target, given: frozenset[str], sampler: str, n_chains: int, trouble: str
) -> BayesFit:
    """A result that says why there are no draws."""
    problem = target.problem
    empty = np.empty((n_chains, 0))
    return BayesFit(
        population=dict.fromkeys(problem.vector.names, empty),
        individual=np.empty(
            (n_chains, 0, len(problem.data.occasion_subject), len(problem.model.parameters))
        ),
        log_likelihood=np.empty((n_chains, 0, 0)),
        chains=None,
        diagnostics={},
        status=f"not sampled: {trouble}",
        **_common(target, given, sampler),
    )


def _common(target: Target, given: frozenset[str], sampler: str) -> dict[str, Any]:
    names = [name for name in target.problem.vector.names if name not in given]
    assumed = [f"ASSUMED prior: {name} ~ {target.priors[name]}" for name in names]
    return {
        "target": target, "sampler": sampler, "given": given, "assumptions": tuple(assumed),
        "warnings": tuple(data_warnings(target.problem.data)),
    }  # fmt: skip


def _quantiles(draws: FloatArray, level: float) -> FloatArray:
    if not draws.size:
        return np.full(3, np.nan)
    return np.asarray(np.quantile(draws, [0.5 - level / 2, 0.5, 0.5 + level / 2]))


def _or_nan(function: Any, draws: FloatArray) -> float:
    return float(function(draws)) if draws.size else float("nan")
