"""Simulated accuracy of single-time-point dosimetry: population model against the two formulas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.individual.virtual_patients import VirtualPopulation, virtual_population
from kinetics.individual.virtual_posteriors import proposal_draws, virtual_posteriors
from kinetics.models import KineticModel
from kinetics.population.model import Parameter, PopulationModel
from kinetics.population.residual import proportional

if TYPE_CHECKING:
    import pandas as pd

_POPULATION_DRAWS = 20_000
_OFF = 0.10


@dataclass(frozen=True, eq=False)
class SingleTimePointStudy:
    """Relative errors of the time-integrated activity in simulated patients.

    Attributes
    ----------
    time_h : float
        Time of the sample (h).
    relative_error : mapping of str to ndarray, shape (n_patients,)
        Estimate over truth minus 1, by method: ``population``, ``haenscheid``, ``madsen``.
    effective_rate_per_h : float
        Population-mean effective rate that Madsen's method used (1/h).
    covered : float
        Share of true values inside the population method's interval.
    level : float
        Probability of that interval.
    assumptions : tuple of str
        What is assumed.
    """

    time_h: float
    relative_error: dict[str, FloatArray]
    effective_rate_per_h: float
    covered: float
    level: float
    assumptions: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """A row a method: bias, standard deviation, RMSE and share off by more than 10 %, in %."""
        import pandas as pd

        rows = {
            name: {
                "bias_pct": 100.0 * error.mean(),
                "sd_pct": 100.0 * error.std(ddof=1),
                "rmse_pct": 100.0 * np.sqrt((error**2).mean()),
                "off_by_10_pct": 100.0 * (np.abs(error) > _OFF).mean(),
            }
            for name, error in self.relative_error.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def assumed_dotatate_kidneys(
    *, decay_per_h: float, measurement_cv: float = 0.02
) -> PopulationModel:
    """ASSUMED population of 177Lu-DOTATATE in kidneys, for simulation.

    One uptake phase and one clearance per unit of administered activity, not decay-corrected.
    Medians and spreads are this package's assumed region prior (`region_model`); no published
    population estimates are behind them.

    Parameters
    ----------
    decay_per_h : float
        Physical decay constant (1/h).
    measurement_cv : float
        Coefficient of variation of a measurement (fraction).
    """
    from kinetics.structures.closed_forms import sum_of_exponentials

    return PopulationModel(
        sum_of_exponentials(1, uptake=True, decay=True, region="kidneys"),
        {
            "a1": Parameter(0.0215, sd=0.45),
            "l1": Parameter(float(np.log(2.0)) / 75.0, sd=0.3),
            "l_uptake": Parameter(float(np.log(2.0)) / 1.0, sd=0.5),
            "decay_per_h": Parameter(decay_per_h),
        },
        {"kidneys": proportional(measurement_cv)},
        fixed=frozenset({"decay_per_h"}),
    )


def single_time_point_study(
    model: PopulationModel | KineticModel,
    *,
    time_h: float,
    decay_corrected: bool,
    rng: np.random.Generator,
    decay_per_h: float | None = None,
    region: str | None = None,
    activity_mbq: float = 7400.0,
    n_patients: int = 500,
    n_draws: int = 512,
    level: float = 0.9,
) -> SingleTimePointStudy:
    """Simulate patients, measure each once, and estimate the integral by three methods.

    The population method knows the generating population, which is its best case; Madsen's method
    knows its mean effective rate (slowest term, physical decay included). Haenscheid's formula
    knows nothing.

    Parameters
    ----------
    model : PopulationModel or KineticModel
        The generating population.
    time_h : float
        Time of the sample (h).
    decay_corrected, decay_per_h, region, activity_mbq
        See `virtual_population`.
    rng : numpy.random.Generator
        Source of randomness.
    n_patients, n_draws : int
        Patients, and posterior draws of each (rounded up to a power of 2).
    level : float
        Probability of the population method's interval.

    Raises
    ------
    KineticsError
        If the time is not positive or the model cannot be simulated.
    """
    if not 0.0 < time_h < np.inf:
        raise KineticsError(f"time_h must be positive and finite, not {time_h!r}")
    population = virtual_population(
        model, decay_corrected=decay_corrected, decay_per_h=decay_per_h, region=region,
        activity_mbq=activity_mbq,
    )  # fmt: skip
    q, times = population.n_effects, np.array([time_h])
    truth = rng.standard_normal((n_patients, q))
    log_tia = population.log_tia(truth)
    f = population.recorded(truth, times)
    y = population.measured(f, times, rng.standard_normal(f.shape))
    posterior = virtual_posteriors(
        population, y, times, *proposal_draws(n_patients, n_draws, q, rng)
    )
    rate = _mean_effective_rate(population, rng)
    tail = (1.0 - level) / 2.0
    low, high = posterior.quantile(tail), posterior.quantile(1.0 - tail)
    activity = y[:, 0] * np.exp(-population.recorded_decay_per_h * time_h)
    estimate = {
        "population": np.exp(posterior.quantile(0.5)),
        "haenscheid": activity * 2.0 * time_h / np.log(2.0),
        "madsen": activity * np.exp(rate * time_h) / rate,
    }
    return SingleTimePointStudy(
        time_h=time_h,
        relative_error={name: v / np.exp(log_tia) - 1.0 for name, v in estimate.items()},
        effective_rate_per_h=rate,
        covered=float(((low <= log_tia) & (log_tia <= high)).mean()),
        level=level,
        assumptions=(*population.assumptions, "ASSUMED: patients come from the model itself"),
    )


def _mean_effective_rate(population: VirtualPopulation, rng: np.random.Generator) -> float:
    """Mean over the population of the slowest rate that has an amplitude (1/h)."""
    curves = population.curves(rng.standard_normal((_POPULATION_DRAWS, population.n_effects)))
    rate = np.where(curves.amplitude != 0.0, curves.rate_per_h, np.inf)
    return float(rate.min(-1).mean())
