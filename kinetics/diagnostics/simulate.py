"""Simulate a population model on a design."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import effect_covariance, observation_frame, usable
from kinetics.errors import KineticsError
from kinetics.estimation.objective import _over
from kinetics.estimation.problem import Problem, bind
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit

Limit = float | Mapping[str, float] | npt.ArrayLike


@dataclass(frozen=True, eq=False)
class SimulatedPopulation:
    """Simulated observations of a population.

    Attributes
    ----------
    design : PopulationData
        The data whose subjects, times, doses and covariates were taken.
    value : ndarray, shape (n_simulations, n)
        Simulated observations; below the limit, the limit.
    below_limit : ndarray of bool, shape (n_simulations, n)
        Whether they were below the limit of quantification.
    parameters : ndarray, shape (n_simulations, n_vector), or None
        Free parameters of each simulation on the estimator's scale, where they were drawn.
    """

    design: PopulationData
    value: FloatArray
    below_limit: npt.NDArray[np.bool_]
    parameters: FloatArray | None = None

    def data(self, simulation: int = 0) -> PopulationData:
        """One simulation as data that can be fitted."""
        return replace(
            self.design, value=self.value[simulation], below_limit=self.below_limit[simulation]
        )

    def to_frame(self) -> pd.DataFrame:
        """All simulations, a row an observation; `simulation` counts from 0."""
        import pandas as pd

        n, rows = self.value.shape
        table = pd.concat([observation_frame(self.design)] * n, ignore_index=True)
        table["value"], table["below_limit"] = self.value.ravel(), self.below_limit.ravel()
        table.insert(0, "simulation", np.repeat(np.arange(n), rows))
        return table


def simulate_population(
    model: PopulationModel | PopulationFit,
    data: PopulationData | None = None,
    *,
    rng: np.random.Generator,
    n: int = 1,
    parameter_uncertainty: bool = False,
    lloq: Limit | None = None,
) -> SimulatedPopulation:
    """Simulate new subjects on the design of some data: times, doses, covariates, occasions.

    Every simulation draws new random effects of subjects and occasions, and new residual errors.

    Parameters
    ----------
    model : PopulationModel or PopulationFit
        The model at its values; a fit stands for its model at the estimates.
    data : PopulationData, optional
        The design; the values do not matter (give ones for a planned study). Missing: the data of
        the fit.
    rng : numpy.random.Generator
        Randomness.
    n : int
        Number of simulations.
    parameter_uncertainty : bool
        Whether each simulation draws its population parameters, too, from the normal distribution
        of the fit's estimates (on the estimator's scale). Needs a fit with a covariance.
    lloq : float, mapping of str to float, or array_like, shape (n,), optional
        Lower limit of quantification: of all regions, by region, or of each observation. Values
        below are set to it and marked. Missing: no limit.

    Returns
    -------
    SimulatedPopulation

    Raises
    ------
    KineticsError
        If model and data do not go together, or there is no covariance to draw from.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from kinetics.structures.closed_forms import one_compartment
    >>> from kinetics.population import Parameter, PopulationModel, proportional
    >>> from kinetics.population.build import population_data
    >>> table = pd.DataFrame({"subject": [1, 1, 2], "time_h": [1.0, 9.0, 5.0], "value": 1.0})
    >>> model = PopulationModel(
    ...     one_compartment(), {"cl": Parameter(1.0, sd=0.3), "v": Parameter(9.0)},
    ...     {"blood": proportional(0.1)})
    >>> drawn = simulate_population(
    ...     model, population_data(table), rng=np.random.default_rng(1), n=100)
    >>> drawn.value.shape
    (100, 3)
    """
    if n < 1:
        raise KineticsError(f"n = {n} simulations; at least 1 is legal")
    problem, vector, covariance = _bound(model, data)
    drawn = None
    if parameter_uncertainty:
        if covariance is None:
            raise KineticsError(
                "drawing population parameters needs a fit with a covariance of its estimates"
            )
        drawn = vector + rng.standard_normal((n, len(vector))) @ root(covariance).T
    value = simulated_values(problem, vector if drawn is None else drawn, n, rng)
    limit = row_limits(problem.data, lloq)
    with np.errstate(invalid="ignore"):
        below = value < limit
    return SimulatedPopulation(problem.data, np.where(below, limit, value), below, drawn)


def _bound(
    model: PopulationModel | PopulationFit, data: PopulationData | None
) -> tuple[Problem, FloatArray, FloatArray | None]:
    """Problem, free parameters and their covariance."""
    if isinstance(model, PopulationModel):
        if data is None:
            raise KineticsError("give the data whose design is simulated")
        problem = bind(model, data)
        return problem, problem.vector.start(), None
    fit = usable(model)
    return fit.problem if data is None else bind(fit.model, data), fit.x, fit.covariance


def simulated_values(
    problem: Problem, x: FloatArray, n: int, rng: np.random.Generator
) -> FloatArray:
    """Observations (n, n_observations) at free parameters x, shape (n_vector,) or (n, n_vector)."""
    from kinetics.diagnostics._simulate_kernels import simulate

    vectors = np.atleast_2d(x)
    populations = [problem.vector.population(v) for v in vectors]
    typical = np.ascontiguousarray([p.typical for p in populations])
    sigma = np.ascontiguousarray([p.sigma for p in populations])
    effects = rng.standard_normal((n, *problem.empty_effects().shape))
    factors = np.array([root(effect_covariance(problem, v)) for v in vectors])
    effects = np.ascontiguousarray(effects @ factors.transpose(0, 2, 1))
    noise = rng.standard_normal((n, len(problem.data.value)))
    out = np.empty_like(noise)
    _over(
        problem.n_subjects,
        out.size,
        lambda a, b: simulate(
            problem.predict, problem.design, typical, sigma, effects, noise, out, a, b
        ),
    )
    return out


def root(covariance: FloatArray) -> FloatArray:
    """A matrix whose product with its transpose is the covariance, which may be singular."""
    value, vector = np.linalg.eigh(covariance)
    return np.asarray(vector * np.sqrt(np.maximum(value, 0.0)))


def row_limits(data: PopulationData, lloq: Limit | None) -> FloatArray:
    """Limit of quantification of each observation (n,); minus infinity where there is none."""
    n = len(data.value)
    if lloq is None:
        return np.full(n, -np.inf)
    if isinstance(lloq, Mapping):
        unknown = set(lloq) - set(data.regions)
        if unknown:
            raise KineticsError(
                f"limits for {', '.join(sorted(unknown))}; "
                f"the regions are {', '.join(data.regions)}"
            )
        by_region = np.array([lloq.get(region, -np.inf) for region in data.regions], dtype=float)
        return by_region[data.region]
    limit = np.asarray(lloq, dtype=np.float64)
    if limit.shape not in ((), (n,)):
        raise KineticsError(f"lloq has the shape {limit.shape}; legal are one number or {n}")
    return np.asarray(np.broadcast_to(limit, (n,)), dtype=np.float64)


def data_limits(data: PopulationData, lloq: Limit | None) -> FloatArray:
    """Limit of each observation (n,): as given, or as the censored observations tell.

    Raises
    ------
    KineticsError
        If the censored observations of a region have several limits and none was given.
    """
    if lloq is not None:
        return np.where(data.below_limit, data.value, row_limits(data, lloq))
    out = np.full(len(data.value), -np.inf)
    for r, region in enumerate(data.regions):
        limits = np.unique(data.value[data.below_limit & (data.region == r)])
        if len(limits) > 1:
            raise KineticsError(
                f"{region} has {len(limits)} limits of quantification, from {limits[0]:g} to "
                f"{limits[-1]:g}: give lloq, one limit for each observation"
            )
        if len(limits):
            out[data.region == r] = limits[0]
    return out
