"""One patient's curves: the posterior of a kinetic model given samples of one or more cycles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.models import Curves, KineticModel
from kinetics.posterior import sample_posterior

_LEAST_SD = 0.01  # of a measured value
_Z_LIMIT = 12.0  # standard deviations from the population median at which parameters stop growing


@dataclass(frozen=True)
class ActivitySample:
    """One measured activity.

    Attributes
    ----------
    cycle : int
        Cycle in which it was measured, from 1.
    time_h : float
        Time after that cycle's administration (h).
    region : str
        Region.
    value : float
        Activity at that time, NOT decay-corrected (MBq; blood and marrow MBq/mL). The limit of
        quantification if `below_limit`.
    sd : float, optional
        Standard deviation of the measurement, same unit; the model's residual error if missing.
    below_limit : bool
        True if the value was below the limit of quantification.
    """

    cycle: int
    time_h: float
    region: str
    value: float
    sd: float | None = None
    below_limit: bool = False


@dataclass(frozen=True, eq=False)
class PatientKinetics:
    """Posterior curves of the regions of one model.

    Attributes
    ----------
    model : KineticModel
        The model and its prior.
    samples : tuple of ActivitySample
        The samples used.
    curves : mapping of int to mapping of str to SumOfExponentials
        Curves by cycle and region, leading axis draws (MBq; blood and marrow MBq/mL). The cycle
        after the last holds the prediction for `next_activity_mbq`.
    log_parameter : mapping of int to ndarray, shape (n_draws, n_parameters)
        Draws of the log parameters by cycle.
    effective_sample_size : float
        Of the importance weights.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    model: KineticModel
    samples: tuple[ActivitySample, ...]
    curves: Mapping[int, Curves]
    log_parameter: Mapping[int, FloatArray]
    effective_sample_size: float
    status: str


def fit_patient(
    model: KineticModel,
    samples: Iterable[ActivitySample],
    *,
    activity_mbq: Mapping[int, float],
    next_activity_mbq: float,
    rng: np.random.Generator,
    n_draws: int = 1000,
) -> PatientKinetics:
    r"""Posterior of a patient's curves in every cycle, and the prediction for the next.

    All cycles are fitted together: the parameters of cycle c are
    :math:`\log\tilde\phi + \omega z + \pi z_c` with standard-normal z, so each cycle informs the
    others and the next as strongly as the variability between cycles allows. Values below the
    limit of quantification enter by the probability of being below it (M3, Beal 2001).
    Maximum a posteriori, Laplace approximation, importance sampling: see `sample_posterior`.

    Parameters
    ----------
    model : KineticModel
        Prior knowledge.
    samples : iterable of ActivitySample
        Samples of the model's regions; other regions are an error. None at all is legal: the
        curves then rest on the population alone.
    activity_mbq : mapping of int to float
        Administered activity of each cycle so far (MBq).
    next_activity_mbq : float
        Activity for which the next cycle is predicted (MBq).
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of posterior draws.

    Raises
    ------
    KineticsError
        If a sample is of an unknown region or cycle.

    References
    ----------
    Beal SL. J Pharmacokinet Pharmacodyn 2001;28:481-504, doi:10.1023/A:1012299115260.
    """
    data = tuple(samples)
    for sample in data:
        if sample.region not in model.regions:
            raise KineticsError(
                f"{model.name} has no region {sample.region!r}; it has {', '.join(model.regions)}"
            )
        if sample.cycle not in activity_mbq:
            raise KineticsError(f"cycle {sample.cycle} has samples but no administered activity")
    sampled_cycles = sorted({sample.cycle for sample in data})
    varying = np.flatnonzero(model.log_sd_cycle > 0)
    p, q = len(model.parameters), len(varying)

    def log_parameter(z: FloatArray, cycle_z: FloatArray) -> FloatArray:
        log_value = model.log_median + model.log_sd_patient * z[..., :p]
        log_value[..., varying] += model.log_sd_cycle[varying] * cycle_z
        return log_value

    def cycle_part(z: FloatArray, cycle: int) -> FloatArray:
        start = p + q * sampled_cycles.index(cycle)
        return z[..., start : start + q]

    def log_density(z: FloatArray) -> FloatArray:
        total: FloatArray = -0.5 * (z**2).sum(-1)
        z = np.clip(z, -_Z_LIMIT, _Z_LIMIT)
        for cycle in sampled_cycles:
            curves = model.curves(
                log_parameter(z, cycle_part(z, cycle)), activity_mbq[cycle], cycle
            )
            total += _log_likelihood(model, curves, [s for s in data if s.cycle == cycle])
        return total

    n_z = p + q * len(sampled_cycles)
    if data:
        starts = np.concatenate([np.zeros((1, n_z)), rng.standard_normal((2, n_z))])
        posterior = sample_posterior(log_density, starts, rng=rng, n_draws=n_draws)
        z, ess, status = posterior.draws, posterior.effective_sample_size, posterior.status
    else:
        z, ess, status = rng.standard_normal((n_draws, n_z)), float(n_draws), "ok"

    parameters: dict[int, FloatArray] = {}
    curves: dict[int, Curves] = {}
    next_cycle = max(activity_mbq, default=0) + 1
    for cycle, activity in {**activity_mbq, next_cycle: next_activity_mbq}.items():
        seen = cycle in sampled_cycles
        cycle_z = cycle_part(z, cycle) if seen else rng.standard_normal((n_draws, q))
        parameters[cycle] = log_parameter(z, cycle_z)
        curves[cycle] = model.curves(parameters[cycle], activity, cycle)
    return PatientKinetics(model, data, curves, parameters, ess, status)


def _log_likelihood(
    model: KineticModel, curves: Curves, samples: Sequence[ActivitySample]
) -> FloatArray:
    """Log likelihood of one cycle's samples, shape (n_draws,)."""
    parts = [
        _region_log_likelihood(model, curves[region], [s for s in samples if s.region == region])
        for region in sorted({s.region for s in samples})
    ]
    total: FloatArray = np.sum(parts, axis=0)
    return total


def sample_sd(
    model: KineticModel, samples: Sequence[ActivitySample], prediction: FloatArray
) -> FloatArray:
    """Standard deviation of samples of one region about a prediction.

    The sd of the measurement where it was given, the model's residual error elsewhere; the latter
    is at least 1 % of the measured value, because a proportional error alone would make a
    prediction near zero arbitrarily precise.

    Parameters
    ----------
    model : KineticModel
        Model with the residual error of the region.
    samples : sequence of ActivitySample
        Samples of one region.
    prediction : ndarray, shape (..., n_samples)
        Predicted activity at each sample.
    """
    decay = np.exp(-model.decay_per_h * np.array([s.time_h for s in samples]))
    given = np.array([np.nan if s.sd is None else s.sd for s in samples])
    least = _LEAST_SD * np.array([s.value for s in samples])
    by_model = model.residual[samples[0].region].sd(prediction, decay)
    return np.where(np.isnan(given), np.maximum(by_model, least), given)


def _region_log_likelihood(
    model: KineticModel, curve: SumOfExponentials, samples: Sequence[ActivitySample]
) -> FloatArray:
    from scipy.special import log_ndtr

    value = np.array([s.value for s in samples])
    censored = np.array([s.below_limit for s in samples])
    prediction = np.maximum(curve(np.array([s.time_h for s in samples])), 0.0)
    sd = sample_sd(model, samples, prediction)
    distance = (value - prediction) / sd
    density = -0.5 * distance**2 - np.log(sd)
    total: FloatArray = np.where(censored, log_ndtr(distance), density).sum(-1)
    return total
