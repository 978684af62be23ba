"""When to sample: the schedule that best determines a patient's time-integrated activity."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.individual.virtual_patients import VirtualPopulation, virtual_population
from kinetics.individual.virtual_posteriors import linearised, proposal_draws, virtual_posteriors
from kinetics.models import KineticModel
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd

_MOST_SCHEDULES = 50_000  # evaluated exhaustively; beyond, exchange
_CONFIRMED = 10  # best schedules of several samples that are simulated
_STEP = 1e-4


@dataclass(frozen=True, eq=False)
class SamplingDesign:
    """Candidate schedules and how well each determines the time-integrated activity.

    Attributes
    ----------
    schedules_h : ndarray, shape (n_schedules, n_samples)
        Sampling times (h).
    variance : ndarray, shape (n_schedules,)
        Expected posterior variance of the log time-integrated activity.
    prior_variance : float
        The same without samples.
    method : str
        ``linearised`` or ``simulated``.
    effective_sample_size : float
        Tenth percentile over patients, of the worst schedule; NaN when linearised.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What is assumed.
    """

    schedules_h: FloatArray
    variance: FloatArray
    prior_variance: float
    method: str
    effective_sample_size: float
    status: str
    assumptions: tuple[str, ...]

    @property
    def cv_pct(self) -> FloatArray:
        """Expected coefficient of variation (%) of a log-normal with the expected variance."""
        return np.asarray(100.0 * np.sqrt(np.expm1(self.variance)))

    @property
    def best_h(self) -> tuple[float, ...]:
        """Times of the best schedule (h)."""
        return tuple(float(t) for t in self.schedules_h[np.argmin(self.variance)])

    def to_frame(self) -> pd.DataFrame:
        """A row a schedule: its times, variance and CV, in the order of the times."""
        import pandas as pd

        n = self.schedules_h.shape[1]
        names = ["time_h"] if n == 1 else [f"time_{k + 1}_h" for k in range(n)]
        table = pd.DataFrame(self.schedules_h, columns=names)
        return table.assign(variance=self.variance, cv_pct=self.cv_pct)


def when_to_sample(
    model: PopulationModel | KineticModel,
    times_h: npt.ArrayLike,
    *,
    decay_corrected: bool,
    decay_per_h: float | None = None,
    n_samples: int = 1,
    region: str | None = None,
    activity_mbq: float = 1.0,
    method: str = "linearised",
    n_patients: int = 200,
    n_draws: int = 64,
    rng: np.random.Generator | None = None,
) -> SamplingDesign:
    r"""Expected uncertainty of a new patient's time-integrated activity by sampling times.

    Linearised at the typical patient, the posterior variance of the log time-integrated activity
    is :math:`g^T (I + \sum_t w_t J_t J_t^T)^{-1} g` with J and g the derivatives of predictions
    and of the log integral by standardised effects, and the weight
    :math:`w = 1/\sigma^2 + 2(\sigma'/\sigma)^2`.
    Simulated, it is the mean over patients of the exact posterior variance; with several samples
    the ten best linearised schedules are simulated.

    Parameters
    ----------
    model : PopulationModel or KineticModel
        The population, known.
    times_h : array_like, shape (n_times,)
        Candidate times (h).
    decay_corrected, decay_per_h, region, activity_mbq
        See `virtual_population`.
    n_samples : int
        Samples of a patient, at different times. All combinations are tried, or, where there are
        more than 50,000, exchange of single times from several starts.
    method : str
        ``linearised`` or ``simulated``.
    n_patients, n_draws : int
        Simulated patients, and draws of the posterior of each (rounded up to a power of 2).
    rng : numpy.random.Generator, optional
        Randomness; needed for simulation and for exchange.

    Returns
    -------
    SamplingDesign

    Raises
    ------
    KineticsError
        If an argument is not legal.

    References
    ----------
    Merle Y, Mentre F. J Pharmacokinet Biopharm 1995;23:101-125, doi:10.1007/BF02353788.

    Examples
    --------
    >>> from kinetics.region_priors import region_model
    >>> kidneys = region_model("DOTATATE", "kidneys", decay_per_h=0.004345, residual_cv=0.05)
    >>> design = when_to_sample(kidneys, [4, 24, 48, 72, 96, 120, 168], decay_corrected=False)
    >>> design.best_h
    (72.0,)
    """
    times = _checked_times(times_h, n_samples)
    if method not in ("linearised", "simulated"):
        raise KineticsError(f"method {method!r}; legal: linearised, simulated")
    if method == "simulated" and rng is None:
        raise KineticsError("simulation needs rng, a numpy.random.Generator")
    population = virtual_population(
        model, decay_corrected=decay_corrected, decay_per_h=decay_per_h, region=region,
        activity_mbq=activity_mbq,
    )  # fmt: skip
    pieces = _pieces(population, times)
    chosen = _schedules(pieces, n_samples, rng)
    variance = _linear_variance(pieces, chosen)
    prior = float(pieces.gradient @ pieces.gradient)
    smallest, status = float("nan"), "ok"
    if method == "simulated" and rng is not None:
        if n_samples > 1:
            best = np.argsort(variance)[:_CONFIRMED]
            chosen = chosen[best]
        variance, smallest, prior = _simulated_variance(
            population, times, chosen, n_patients, n_draws, rng
        )
        if smallest < 0.1 * n_draws:
            status = f"importance sampling is poor: {smallest:.0f} of {n_draws} draws effective"
    return SamplingDesign(
        times[chosen], variance, prior, method, smallest, status, population.assumptions
    )


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Information (t, q, q) of one sample at each time, and the gradient (q,) of the log TIA."""

    information: FloatArray
    gradient: FloatArray


def _checked_times(times_h: npt.ArrayLike, n_samples: int) -> FloatArray:
    times = np.unique(np.asarray(times_h, dtype=np.float64))
    if not (np.isfinite(times).all() and (times > 0).all()):
        raise KineticsError("candidate times must be positive and finite (h)")
    if not 1 <= n_samples <= len(times):
        raise KineticsError(f"n_samples must be from 1 to the {len(times)} times, not {n_samples}")
    return times


def _pieces(population: VirtualPopulation, times: FloatArray) -> _Pieces:
    q = population.n_effects
    _, jacobian, weight = linearised(population, np.zeros(q), times, np.eye(q))
    shift = _STEP * np.eye(q)
    gradient = (population.log_tia(shift) - population.log_tia(-shift)) / (2.0 * _STEP)
    return _Pieces(np.einsum("ti,t,tj->tij", jacobian, weight, jacobian), gradient)


def _linear_variance(pieces: _Pieces, chosen: npt.NDArray[np.intp]) -> FloatArray:
    """Linearised posterior variance of each schedule (n, n_samples) of indices."""
    g = pieces.gradient
    total = np.eye(len(g)) + pieces.information[chosen].sum(1)
    right = np.broadcast_to(g[:, None], (len(total), len(g), 1))
    return np.asarray(np.linalg.solve(total, right)[..., 0] @ g)


def _schedules(
    pieces: _Pieces, n_samples: int, rng: np.random.Generator | None
) -> npt.NDArray[np.intp]:
    n = len(pieces.information)
    if comb(n, n_samples) <= _MOST_SCHEDULES:
        return np.array(list(combinations(range(n), n_samples)), dtype=np.intp)
    if rng is None:
        raise KineticsError(
            f"{comb(n, n_samples)} schedules are too many to try all: give rng for exchange"
        )
    found = [
        _exchanged(pieces, np.sort(rng.choice(n, n_samples, replace=False))) for _ in range(10)
    ]
    return np.unique(np.array(found, dtype=np.intp), axis=0)


def _exchanged(pieces: _Pieces, schedule: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Exchange single times for better ones until none is left."""
    n = len(pieces.information)
    best = float(_linear_variance(pieces, schedule[None])[0])
    while True:
        trials = np.array(
            [
                np.sort(np.append(np.delete(schedule, k), t))
                for k in range(len(schedule))
                for t in range(n)
                if t not in schedule
            ]
        )
        variance = _linear_variance(pieces, trials)
        if variance.min() >= best * (1.0 - 1e-12):
            return schedule
        schedule, best = trials[variance.argmin()], float(variance.min())


def _simulated_variance(
    population: VirtualPopulation,
    times: FloatArray,
    chosen: npt.NDArray[np.intp],
    n_patients: int,
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, float, float]:
    """Mean posterior variance of each schedule, effective sample size, prior variance."""
    q = population.n_effects
    truth = rng.standard_normal((n_patients, q))
    f = population.recorded(truth, times)
    y = population.measured(f, times, rng.standard_normal(f.shape))
    normal, chi2 = proposal_draws(n_patients, n_draws, q, rng)
    variance, smallest = np.empty(len(chosen)), np.inf
    for k, index in enumerate(chosen):
        posterior = virtual_posteriors(population, y[:, index], times[index], normal, chi2)
        variance[k] = posterior.variance.mean()
        smallest = min(smallest, float(np.quantile(posterior.effective_sample_size, 0.1)))
    prior = float(np.nanvar(population.log_tia(rng.standard_normal((20_000, q)))))
    return variance, smallest, prior
