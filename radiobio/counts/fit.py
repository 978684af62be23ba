"""Fit of the blood-count model to one patient's counts, joint with the dose draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics import effective_sample_size, normalised_weights, resample, sample_posterior
from kinetics.curves import FloatArray
from radiobio.counts.course import Administration, CountParameters, simulate_counts
from radiobio.counts.laplace import parameters_at
from radiobio.counts.lineage_priors import PARAMETER_NAMES, LineagePrior
from radiobio.errors import RadiobioError

_DOSE = len(PARAMETER_NAMES)  # coordinate of the dose draw; the reserve loss may follow
_KEPT_PER_DRAW, _PROPOSALS_PER_DRAW = 2, 4
_LEAST_EFFECTIVE = 100.0
_FARTHEST = 8.0  # standard deviations of the prior; further out only the prior's density changes


@dataclass(frozen=True, eq=False)
class CountPosterior:
    """Joint posterior draws of the count parameters and the marrow dose rates.

    Attributes
    ----------
    parameters : CountParameters, shape (n_draws,)
        Equally weighted draws.
    dose_index : ndarray of int, shape (n_draws,)
        Draw of the dose rates that belongs to each parameter set: index every dose-rate curve
        with it before predicting.
    effective_sample_size : float
        The smaller of the two effective sample sizes: of the parameters' draws and of the joint
        weights.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        Those of the prior.
    """

    parameters: CountParameters
    dose_index: npt.NDArray[np.intp]
    effective_sample_size: float
    status: str
    assumptions: tuple[str, ...]


def fit_counts(
    prior: LineagePrior,
    dose_rates: Sequence[Administration],
    *,
    day: npt.ArrayLike,
    count: npt.ArrayLike,
    rng: np.random.Generator,
    residual_cv: float | None = None,
    n_draws: int = 1000,
) -> CountPosterior:
    r"""Posterior of the count parameters given a patient's counts.

    Parameters
    ----------
    prior : LineagePrior
        Lineage, dose method and prior.
    dose_rates : sequence of (start_day, SumOfExponentials)
        Administrations so far and their marrow dose rates (Gy/h), of leading shape () or
        (n_dose_draws,), the same draw of the patient at the same place in each.
    day : array_like, shape (n_counts,)
        Days of the counts, on the scale of the start days.
    count : array_like, shape (n_counts,)
        Counts (1e9/L; haemoglobin g/L); ``nan`` is missing. None at all gives the prior.
    rng : numpy.random.Generator
        Source of randomness.
    residual_cv : float, optional
        Coefficient of variation of a count around the model (log-normal); that of the prior by
        default, which is ASSUMED.
    n_draws : int
        Number of draws returned.

    Returns
    -------
    CountPosterior

    Raises
    ------
    RadiobioError
        If a count is not above zero, shapes differ, the dose draws do not agree in number, a
        dose rate does not decay, or the prior is that of several patients.

    Notes
    -----
    The dose draw is a fifth standard-normal coordinate: its normal quantile is the rank of the
    total dose among the draws; a reserve loss that the prior leaves open is a sixth. All are first
    sampled with a smooth stand-in, the draw of
    median dose scaled to the interpolated total dose; each sample then takes the dose draw of its
    rank and is weighted with the exact density over the smooth one, so that the result is the
    joint posterior of parameters and dose.

    Examples
    --------
    >>> from kinetics import SumOfExponentials
    >>> from radiobio.counts.lineage_priors import lineage_prior
    >>> marrow = [(0.0, SumOfExponentials([0.006], [0.01155]))]
    >>> fit = fit_counts(lineage_prior("platelets", "image"), marrow, day=[-7, 28, 42],
    ...                  count=[230.0, 160.0, 150.0], rng=np.random.default_rng(1))
    >>> fit.status
    'ok'
    """
    from scipy.special import ndtr

    if prior.log_mean.ndim > 1:
        raise RadiobioError("fit_counts takes one patient; use laplace_counts for several")
    days, counts = _observations(day, count)
    n_dose = _number_of_dose_draws(dose_rates)
    doses = [(start, curve if curve.shape else curve[None, :]) for start, curve in dose_rates]
    cv = prior.residual_cv if residual_cv is None else residual_cv
    if not cv > 0:
        raise RadiobioError(f"residual_cv must be above zero, got {cv}")
    sigma = float(np.sqrt(np.log1p(cv**2)))

    log_dose = _log_total_dose(doses, n_dose)
    order = np.argsort(log_dose, kind="stable")
    typical = order[(n_dose - 1) // 2]

    def log_density(z: FloatArray, chosen: list[Administration]) -> FloatArray:
        density = -0.5 * (z**2).sum(-1)
        if not len(days):
            return np.asarray(density)
        near = np.clip(z, -_FARTHEST, _FARTHEST)
        course = simulate_counts(parameters_at(prior, near), chosen, days)
        with np.errstate(divide="ignore"):
            residual = (np.log(counts) - np.log(course.count)) / sigma
        return np.asarray(density - 0.5 * (residual**2).sum(-1))

    def smooth(z: FloatArray) -> FloatArray:
        rank = ndtr(z[:, _DOSE]) * n_dose - 0.5
        scale = np.exp(np.interp(rank, np.arange(n_dose), log_dose[order]) - log_dose[typical])
        return log_density(z, [(start, curve[[typical]].scaled(scale)) for start, curve in doses])

    def draw_of(z: FloatArray) -> npt.NDArray[np.intp]:
        rank = np.floor(ndtr(z[:, _DOSE]) * n_dose).astype(np.intp)
        return np.asarray(order[np.minimum(rank, n_dose - 1)])

    first = sample_posterior(
        smooth,
        np.zeros(_DOSE + 1 + (prior.reserve_loss_log_sd > 0)),
        rng=rng,
        n_draws=_KEPT_PER_DRAW * n_draws,
        n_proposals=_PROPOSALS_PER_DRAW * n_draws,
    )
    z, dose_index = first.draws, draw_of(first.draws)
    own = [(start, curve[dose_index % len(curve.amplitude)]) for start, curve in doses]
    log_weight = log_density(z, own) - smooth(z)
    ess = min(first.effective_sample_size, effective_sample_size(log_weight))
    status = first.status
    if status == "ok" and ess < _LEAST_EFFECTIVE:
        status = f"joint weights of dose and counts are poor: {ess:.0f} effective of {len(z)}"
    kept = resample(normalised_weights(log_weight), n_draws, rng)
    return CountPosterior(
        parameters_at(prior, z[kept]), dose_index[kept], ess, status, prior.assumptions
    )


def _observations(day: npt.ArrayLike, count: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Days and counts without the missing ones, sorted by day."""
    days = np.atleast_1d(np.asarray(day, dtype=np.float64))
    counts = np.atleast_1d(np.asarray(count, dtype=np.float64))
    if days.shape != counts.shape or days.ndim != 1:
        raise RadiobioError(f"day {days.shape} and count {counts.shape} must be equally long")
    if (counts <= 0).any() or np.isinf(counts).any():
        raise RadiobioError("counts must be finite and above zero; nan marks a missing one")
    order = np.argsort(days, kind="stable")
    order = order[np.isfinite(counts[order])]
    return days[order], counts[order]


def _number_of_dose_draws(dose_rates: Sequence[Administration]) -> int:
    shapes = {curve.shape for _, curve in dose_rates if curve.shape}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise RadiobioError(f"dose rates must have shape () or one (n_draws,), got {shapes}")
    return shapes.pop()[0] if shapes else 1


def _log_total_dose(doses: list[Administration], n_dose: int) -> FloatArray:
    """Logarithm of the dose of all administrations, shape (n_dose,)."""
    total = sum((curve.integral() for _, curve in doses), np.zeros(n_dose))
    if not np.isfinite(total).all():
        raise RadiobioError("a marrow dose rate with a term that does not decay has no total dose")
    return np.log(np.maximum(total, 1e-12))
