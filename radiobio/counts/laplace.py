"""Count parameters of many patients at once: Gaussian posteriors, draws and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.cores import on_all_cores
from kinetics.curves import FloatArray
from radiobio.counts.course import CountParameters
from radiobio.counts.lineage_priors import LineagePrior
from radiobio.errors import RadiobioError

_N_OWN = 4  # coordinates of the prior; the fifth is the dose scale, the sixth the reserve loss
_TEMPER = 0.5  # power of the likelihood that the draws are made with
_LEAST_EFFECTIVE_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class CountLaplace:
    """Gaussian posteriors of n patients' count parameters.

    Attributes
    ----------
    prior : LineagePrior
        What it started from.
    mode : ndarray, shape (n, n_z)
        Posterior mode in coordinates that are standard normal under the prior: baseline, mean
        transit time, feedback, kill, scale of the dose and, if the prior leaves it open, reserve
        loss.
    covariance : ndarray, shape (n, n_z, n_z)
        Inverse of the Gauss-Newton precision at the mode.
    state : ndarray, shape (n, 6)
        Pools on the day asked for at the mode, as `CountCourse.state`.
    log_density : ndarray, shape (n,)
        Log posterior density at the mode, up to a constant.
    converged : ndarray of bool, shape (n,)
        Whether the mode was found.
    status : tuple of str
        One a patient: ``"ok"`` or what is wrong.
    assumptions : tuple of str
        Those of the prior, and that the marrow doses of all cycles share one scale.
    """

    prior: LineagePrior
    mode: FloatArray
    covariance: FloatArray
    state: FloatArray
    log_density: FloatArray
    converged: npt.NDArray[np.bool_]
    status: tuple[str, ...]
    assumptions: tuple[str, ...]
    _inputs: tuple[Any, ...]
    _lower: FloatArray


@dataclass(frozen=True, eq=False)
class CountDraws:
    """Draws of the count parameters of n patients.

    Attributes
    ----------
    parameters : CountParameters, shape (n, n_draws)
    dose_scale : ndarray, shape (n, n_draws)
        Factor on the marrow dose rate of every administration so far.
    state : ndarray, shape (n, n_draws, 6)
        Pools on the day asked for, as `CountCourse.state`.
    z : ndarray, shape (n, n_draws, n_z)
        Standardised coordinates, as `CountLaplace.mode`.
    log_weight : ndarray, shape (n, n_draws)
        Logarithm of the normalised weights; all the same if resampled.
    index : ndarray of int, shape (n, n_draws)
        Row of the normals that each draw came from.
    effective_sample_size : ndarray, shape (n,)
        Of the weights before resampling.
    status : tuple of str
        One a patient: ``"ok"`` or what is wrong.
    """

    parameters: CountParameters
    dose_scale: FloatArray
    state: FloatArray
    z: FloatArray
    log_weight: FloatArray
    index: npt.NDArray[np.intp]
    effective_sample_size: FloatArray
    status: tuple[str, ...]


def laplace_counts(
    prior: LineagePrior,
    *,
    start_day: npt.ArrayLike,
    dose_rate: SumOfExponentials,
    dose_log_sd: npt.ArrayLike,
    day: npt.ArrayLike,
    count: npt.ArrayLike,
    until_day: npt.ArrayLike,
    start: npt.ArrayLike | None = None,
    residual_cv: float | None = None,
) -> CountLaplace:
    r"""Posterior modes and covariances of n patients of one lineage.

    Parameters
    ----------
    prior : LineagePrior
        Shared, or with medians of shape (n, 4).
    start_day : array_like, shape (n, n_cycles)
        Days of the administrations; ``nan`` is none.
    dose_rate : SumOfExponentials, shape (n, n_cycles)
        Median marrow dose rate of each (Gy/h); zero amplitudes where there is none.
    dose_log_sd : array_like, shape (n,) or ()
        SD of the logarithm of a factor that scales all of a patient's dose rates.
    day, count : array_like, shape (n, n_obs)
        Days and counts (1e9/L; haemoglobin g/L); a ``nan`` in either is a missing count.
    until_day : array_like, shape (n,) or ()
        Day on which the state is wanted, not before the last count; administrations on or after
        it are left out.
    start : array_like, shape (n, n_z), optional
        Where to start from, such as the modes of the last update.
    residual_cv : float, optional
        Coefficient of variation of a count around the model; that of the prior by default.

    Returns
    -------
    CountLaplace

    Raises
    ------
    RadiobioError
        If shapes do not fit, a count is not above zero or lies after `until_day`, or a spread is
        not legal.

    Notes
    -----
    The mode maximises :math:`-\tfrac12 |z|^2 - \tfrac12\sum_j (\ln y_j - \ln C(t_j; z))^2 /
    \sigma^2` by damped Gauss-Newton steps. The baseline shifts every log count and the dose scale
    acts as kill and reserve loss do, so that neither needs a course of its own; dose increments
    are integrated in closed form once a patient. Use `laplace_draws` to correct for what is not
    Gaussian.

    Examples
    --------
    >>> from radiobio.counts.lineage_priors import lineage_prior
    >>> curve = SumOfExponentials(np.full((2, 1, 1), 0.006), [0.01155])
    >>> fit = laplace_counts(lineage_prior("platelets", "image"), start_day=[[0.0], [0.0]],
    ...                      dose_rate=curve, dose_log_sd=0.3, day=[[-3.0, 28.0, 42.0]] * 2,
    ...                      count=[[230, 160, 150], [230, 90, np.nan]], until_day=56.0)
    >>> fit.status
    ('ok', 'ok')
    """
    from radiobio.counts._laplace_kernels import laplace

    inputs = _inputs(prior, start_day, dose_rate, dose_log_sd, day, count, until_day, residual_cv)
    n, n_z = inputs[1].shape
    if start is None:
        mode = np.zeros((n, n_z))
    else:
        mode = _full(start, (n, n_z))
        if not np.isfinite(mode).all():
            raise RadiobioError("start must be finite")
    lower, state = np.zeros((n, n_z, n_z)), np.empty((n, 6))
    density, found = np.empty(n), np.zeros(n, np.int64)
    on_all_cores(n, lambda a, b: laplace(mode, *inputs, lower, state, density, found, a, b))
    inverse = np.linalg.inv(lower)
    converged = found > 0
    status = tuple("ok" if ok else "the mode was not found" for ok in converged.tolist())
    assumptions = (*prior.assumptions, "ASSUMED: the marrow doses of all cycles share one scale")
    covariance = np.swapaxes(inverse, 1, 2) @ inverse
    return CountLaplace(
        prior, mode, covariance, state, density, converged, status, assumptions, inputs, lower
    )


def laplace_draws(
    fit: CountLaplace, normals: npt.ArrayLike, *, resampled: bool = True
) -> CountDraws:
    """Draws from wider Gaussians, weighted to the exact posterior.

    Parameters
    ----------
    fit : CountLaplace
        From `laplace_counts`.
    normals : array_like, shape (n_draws, >= n_z) or (n, n_draws, >= n_z)
        Standard normals; columns beyond n_z are not read. Quasi-random ones give less noise, a
        scramble or shift of its own for each patient keeps errors from being common to all.
    resampled : bool
        Draws of equal weight by systematic resampling with the offset one half, some of them
        repeated; otherwise every draw once, with its weight.

    Returns
    -------
    CountDraws

    Raises
    ------
    RadiobioError
        If the normals' shape does not fit.

    Notes
    -----
    They are drawn from the Gaussian posterior with the likelihood to the power of one half, which
    is wider where counts inform and the prior elsewhere, so that a long tail is not missed, and
    weighted with the exact over the Gaussian density. An interval from few draws is too narrow
    unless it allows for their number: see `predict_counts`.
    """
    from radiobio.counts._laplace_kernels import draws

    n, n_z = fit.mode.shape
    given = np.asarray(normals, dtype=np.float64)
    if given.ndim not in (2, 3) or given.shape[-1] < n_z or given.shape[-2] < 1:
        raise RadiobioError(f"normals must be (n_draws, {n_z}) or with n first, got {given.shape}")
    if given.ndim == 3 and len(given) != n:
        raise RadiobioError(f"normals of {len(given)} patients do not fit {n}")
    n_draws = given.shape[-2]
    told = _TEMPER * fit._lower @ np.swapaxes(fit._lower, 1, 2)
    wide = told + (1.0 - _TEMPER) * np.eye(n_z)
    centre = np.linalg.solve(wide, told @ fit.mode[..., None])[..., 0]
    lower = np.linalg.cholesky(wide)
    z = _full(given[..., :n_z], (n, n_draws, n_z))
    state, log_weight = np.empty((n, n_draws, 6)), np.empty((n, n_draws))

    def run(first: int, last: int) -> None:
        draws(z, *fit._inputs, centre, lower, state, log_weight, first, last)

    on_all_cores(n, run)
    weight = np.exp(log_weight - log_weight.max(-1, keepdims=True, initial=-np.inf))
    weight /= weight.sum(-1, keepdims=True)
    effective = 1.0 / (weight**2).sum(-1)
    index = np.broadcast_to(np.arange(n_draws), (n, n_draws))
    if resampled:
        index = _systematic(weight)
        z = np.take_along_axis(z, index[..., None], 1)
        state = np.take_along_axis(state, index[..., None], 1)
        weight = np.full((n, n_draws), 1.0 / n_draws)
    log_sd = fit._inputs[1]
    with np.errstate(divide="ignore"):
        log_weight = np.log(weight)
    return CountDraws(
        parameters_at(fit.prior, z),
        np.exp(log_sd[:, None, _N_OWN] * z[..., _N_OWN]),
        state,
        z,
        log_weight,
        index,
        effective,
        _draws_status(fit, effective / n_draws),
    )


def parameters_at(prior: LineagePrior, z: FloatArray) -> CountParameters:
    """Parameters at coordinates (..., n_z), ordered as `CountLaplace.mode`."""
    open_loss = z.shape[-1] > _N_OWN + 1
    return prior.parameters(z[..., :_N_OWN], z[..., _N_OWN + 1] if open_loss else None)


def _draws_status(fit: CountLaplace, share: FloatArray) -> tuple[str, ...]:
    status = list(fit.status)
    for i in np.flatnonzero((share < _LEAST_EFFECTIVE_SHARE) & fit.converged):
        status[i] = f"far from Gaussian: {share[i]:.0%} of the draws are effective"
    return tuple(status)


def _systematic(weight: FloatArray) -> npt.NDArray[np.intp]:
    """Indices by systematic resampling at (g + 1/2) / n_draws, shape of the weights."""
    n_draws = weight.shape[-1]
    below = np.cumsum(weight, axis=-1)[..., :-1]
    times = np.rint(np.diff(np.ceil(n_draws * below - 0.5), axis=-1, prepend=0.0, append=n_draws))
    flat = np.repeat(np.tile(np.arange(n_draws), len(weight)), times.astype(np.intp).ravel())
    return np.asarray(flat.reshape(weight.shape))


def _inputs(
    prior: LineagePrior,
    start_day: npt.ArrayLike,
    dose_rate: SumOfExponentials,
    dose_log_sd: npt.ArrayLike,
    day: npt.ArrayLike,
    count: npt.ArrayLike,
    until_day: npt.ArrayLike,
    residual_cv: float | None,
) -> tuple[Any, ...]:
    """What the kernels read: see `_laplace_kernels.laplace`."""
    starts = np.asarray(start_day, dtype=np.float64)
    if starts.ndim != 2:
        raise RadiobioError(f"start_day must have shape (n, n_cycles), got {starts.shape}")
    n, n_cycles = starts.shape
    full = (n, n_cycles, dose_rate.n_terms)
    try:
        amplitude, rate = _full(dose_rate.amplitude, full), _full(dose_rate.rate_per_h, full)
        end, dose_sd = _full(until_day, (n,)), _full(dose_log_sd, (n,))
        log_mean, own_sd = _full(prior.log_mean, (n, _N_OWN)), _full(prior.log_sd, (n, _N_OWN))
    except ValueError:
        raise RadiobioError(
            f"prior, dose_rate {dose_rate.shape}, dose_log_sd, until_day must fit {n} patients "
            f"of {n_cycles} administrations"
        ) from None
    cv = prior.residual_cv if residual_cv is None else residual_cv
    if not cv > 0:
        raise RadiobioError(f"residual_cv must be above zero, got {cv}")
    if not ((dose_sd >= 0).all() and np.isfinite(dose_sd).all()):
        raise RadiobioError("dose_log_sd must be finite and zero or positive")
    obs_h, log_obs, n_obs = _sorted_counts(day, count, end)
    open_loss = prior.reserve_loss_log_sd > 0
    spreads = [own_sd, dose_sd[:, None]]
    spreads += [np.full((n, 1), prior.reserve_loss_log_sd)] if open_loss else []
    return (
        log_mean,
        np.ascontiguousarray(np.concatenate(spreads, 1)),
        prior.circulating_loss_per_h or -1.0,
        np.full(n, float(prior.reserve_loss_per_gy)),
        np.ascontiguousarray(24.0 * starts),
        amplitude,
        rate,
        obs_h,
        log_obs,
        n_obs,
        24.0 * end,
        float(np.sqrt(np.log1p(cv**2))),
    )


def _full(values: npt.ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """A copy of its own that the kernels can read."""
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), shape), order="C")


def _sorted_counts(
    day: npt.ArrayLike, count: npt.ArrayLike, end: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Hours and log counts (n, n_obs), the missing ones last, and how many there are (n,)."""
    days, counts = np.asarray(day, dtype=np.float64), np.asarray(count, dtype=np.float64)
    if days.shape != counts.shape or days.ndim != 2 or len(days) != len(end):
        raise RadiobioError(
            f"day {days.shape} and count {counts.shape} must both have shape ({len(end)}, n_obs)"
        )
    if not np.isfinite(end).all():
        raise RadiobioError("until_day must be finite")
    if (counts <= 0).any() or np.isinf(counts).any() or np.isinf(days).any():
        raise RadiobioError("counts must be finite and above zero; nan marks a missing one")
    missing = np.isnan(days) | np.isnan(counts)
    if (days > end[:, None])[~missing].any():
        raise RadiobioError("a count lies after until_day; leave it out or ask for a later day")
    days = np.where(missing, np.nan, days)
    order = np.argsort(days, axis=1, kind="stable")
    log_counts = np.log(np.where(missing, 1.0, counts))
    return (
        np.ascontiguousarray(24.0 * np.take_along_axis(days, order, 1)),
        np.ascontiguousarray(np.take_along_axis(log_counts, order, 1)),
        (~missing).sum(1),
    )
