"""Least-squares fits of one curve form to many patients at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kinetics.cores import on_all_cores
from kinetics.curve_fits.cohort_result import (
    NONE_QUANTIFIED,
    NOT_POSITIVE,
    OK,
    TOO_FEW,
    UNSETTLED,
    CohortFit,
)
from kinetics.curve_fits.forms import CurveForm, curve_form
from kinetics.curve_fits.starts import grid_of_starts, log_bounds
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

_N_BEST = 4  # starts refined where the search has more than two dimensions
_MANY = 2000  # patients from which threads pay
_WEIGHT_ROUNDS = 60
_FREE_ROUNDS = 10  # after which the weights move half as far, lest they swing
_LEAST_INFORMATION = 1e-8  # on a combination of log parameters; one with less is open
_OPEN_SLOPE = 1e-2  # relative change of the TIA per unit of an open one that leaves the TIA open
_LEAST_SD = 0.01  # of the sd of the largest sample, where the prediction is near zero
IntArray = npt.NDArray[np.int64]


def fit_cohort(
    time_h: npt.ArrayLike,
    value: npt.ArrayLike,
    sd: npt.ArrayLike | None = None,
    *,
    form: str | CurveForm,
    decay_per_h: float,
    below_limit: npt.ArrayLike | None = None,
    relative_sd: float = 0.0,
    constant_sd: float = 0.0,
    start: npt.ArrayLike | None = None,
) -> CohortFit:
    r"""Fit one curve form to every patient by weighted least squares.

    Amplitudes are linear once the half-lives are given, so a grid of half-lives with the best
    amplitudes of each yields the starts (variable projection, Golub & Pereyra 1973), and
    Levenberg-Marquardt with analytic derivatives refines the best in log parameters. A sample
    below the limit of quantification contributes :math:`-2\log\Phi((L-f)/s)` (M3, Beal 2001).
    Without `sd` the standard deviation is :math:`\sqrt{(c_r f)^2 + s_0^2}` at the prediction f,
    iterated until it no longer changes.

    Parameters
    ----------
    time_h : array_like, shape (n_times,) or (n_patients, n_times)
        Sampling times (h).
    value : array_like, shape (n_times,) or (n_patients, n_times)
        Measured values, NOT decay-corrected; NaN where a patient has no sample. One patient
        may be given as one row.
    sd : array_like, optional
        Standard deviations, broadcast against `value`; also needed of censored samples.
    form : str or CurveForm
        Name of a form, or a form with its constants from `curve_form`.
    decay_per_h : float
        Physical decay constant (1/h).
    below_limit : array_like of bool, optional
        Samples below the limit of quantification; their `value` is the limit.
    relative_sd, constant_sd : float
        Error model where `sd` is missing: fraction of the prediction, and unit of the data.
    start : array_like, shape (n_patients, p), optional
        Log parameters to start from instead of the grid.

    Returns
    -------
    CohortFit
        A patient that cannot be fitted has NaN estimates and a status that says why.

    Raises
    ------
    KineticsError
        If shapes do not fit, a time is negative, a standard deviation is not above zero, or a
        tail that only decays meets a decay constant of zero.

    References
    ----------
    Golub GH, Pereyra V. SIAM J Numer Anal 1973;10:413-432, doi:10.1137/0710036.
    Beal SL. J Pharmacokinet Pharmacodyn 2001;28:481-504, doi:10.1023/A:1012299115260.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.array([4.0, 24.0, 72.0, 168.0])
    >>> y = np.array([[50.0], [80.0]]) * np.exp(-0.02 * t)
    >>> fit_cohort(t, y, 0.05 * y, form="mono", decay_per_h=0.004).tia.round(3)
    array([2500., 4000.])
    """
    chosen = curve_form(form) if isinstance(form, str) else form
    if not decay_per_h >= 0 or (decay_per_h == 0 and np.inf in chosen.template):
        raise KineticsError(f"decay_per_h must be above 0 for {chosen.name!r}, got {decay_per_h:g}")
    t, y, below = _checked(time_h, value, below_limit)
    begin = None if start is None else _checked_start(start, (len(y), chosen.n_parameters))
    if sd is not None:
        if relative_sd or constant_sd:
            raise KineticsError("give sd, or relative_sd and constant_sd, not both")
        return _run(chosen, decay_per_h, t, y, _checked_sd(sd, y), below, begin)
    if min(relative_sd, constant_sd) < 0 or max(relative_sd, constant_sd) == 0:
        raise KineticsError("without sd, relative_sd or constant_sd must be above 0")
    return _iterated(chosen, decay_per_h, t, y, below, begin, (relative_sd, constant_sd))


def refit(fit: CohortFit, **given: Any) -> CohortFit:
    """Fit again from the estimates, for example with an anchor: rows (index, target, sd).

    An anchor draws log parameter `index`, or the log of TIA where the index is p, to a target.
    """
    begin = np.where(np.isfinite(fit.log_parameter), fit.log_parameter, 0.0)
    begin = given.pop("start", begin)
    return _run(
        fit.form, fit.decay_per_h, fit.time_h, fit.value, fit.sd, fit.below_limit, begin, **given
    )


def _iterated(
    form: CurveForm,
    decay_per_h: float,
    t: FloatArray,
    y: FloatArray,
    below: npt.NDArray[np.bool_],
    start: FloatArray | None,
    model: tuple[float, float],
) -> CohortFit:
    relative, constant = model
    largest = np.nanmax(np.where(np.isfinite(y), np.abs(y), 0.0), axis=1, keepdims=True)
    least = np.maximum(np.hypot(relative * largest, constant) * _LEAST_SD, 1e-300)

    def sd(level: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(np.hypot(relative * level, constant), least))

    fit = _run(form, decay_per_h, t, y, sd(y), below, start)
    unsettled = fit.fitted
    for round_ in range(_WEIGHT_ROUNDS):
        level = np.where(fit.fitted[:, None], fit.prediction, y)
        aim = np.where(np.isfinite(y), sd(level), np.nan)
        aim = aim if round_ < _FREE_ROUNDS else np.sqrt(aim * fit.sd)
        fresh = refit(replace(fit, sd=aim))
        change = np.abs(np.log(fresh.sd / fit.sd))
        unsettled = fresh.fitted & (np.nanmax(np.where(np.isfinite(y), change, 0.0), 1) > 1e-7)
        fit = fresh
        if not unsettled.any():
            break
    code = np.where(unsettled & (fit.status_code == OK), UNSETTLED, fit.status_code)
    return replace(fit, error_model=model, status_code=code)


def _checked(
    time_h: npt.ArrayLike, value: npt.ArrayLike, below_limit: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    y = np.atleast_2d(np.asarray(value, dtype=np.float64))
    t = np.atleast_2d(np.asarray(time_h, dtype=np.float64))
    below = np.zeros((1, 1), dtype=bool) if below_limit is None else np.atleast_2d(below_limit)
    if y.ndim != 2 or y.shape[1] == 0:
        raise KineticsError(f"value must have shape (n_patients, n_times), got {y.shape}")
    try:
        t = np.broadcast_to(t, y.shape)
        below = np.broadcast_to(below, y.shape).astype(bool)
    except ValueError:
        raise KineticsError(
            f"time_h {t.shape} and below_limit {below.shape} do not match value {y.shape}"
        ) from None
    missing = np.isnan(y)
    if np.isinf(y).any():
        raise KineticsError("values must be finite; write NaN where there is no sample")
    if not ((np.isfinite(t) & (t >= 0)) | missing).all():
        raise KineticsError("times must be finite and >= 0 h")
    if (below & (y <= 0)).any():
        raise KineticsError("a limit of quantification must be above 0")
    return t, y, below & ~missing


def _checked_sd(sd: npt.ArrayLike, y: FloatArray) -> FloatArray:
    try:
        s = np.broadcast_to(np.asarray(sd, dtype=np.float64), y.shape)
    except ValueError:
        raise KineticsError(f"sd {np.shape(sd)} does not match value {y.shape}") from None
    if not ((np.isfinite(s) & (s > 0)) | np.isnan(y)).all():
        raise KineticsError("standard deviations must be finite and > 0")
    return s


def _checked_start(start: npt.ArrayLike, shape: tuple[int, int]) -> FloatArray:
    begin = np.broadcast_to(np.asarray(start, dtype=np.float64), shape)
    if not np.isfinite(begin).all():
        raise KineticsError("the log parameters to start from must be finite")
    return begin


def _run(
    form: CurveForm,
    decay_per_h: float,
    t: FloatArray,
    y: FloatArray,
    s: FloatArray,
    below: npt.NDArray[np.bool_],
    start: FloatArray | None,
    anchor: FloatArray | None = None,
) -> CohortFit:
    """Call the kernel, on several threads where that pays, and tidy up what it returns."""
    from kinetics.curve_fits._fit_kernels import fit_range
    from kinetics.curve_fits._form_kernels import SHAPE_CODES
    from kinetics.curve_fits._start_kernels import tabulate

    n, p = len(y), form.n_parameters
    given = np.isfinite(y)
    kind = np.where(below, 2, 1).astype(np.int8) * given
    quantified, counted = (given & ~below).sum(1), given.sum(1)
    status = np.where(counted < p, TOO_FEW, np.where(quantified == 0, NONE_QUANTIFIED, OK))
    shared = t.strides[0] == 0 or bool((t == t[:1]).all())
    times = np.ascontiguousarray(np.where(given, t, 0.0) if not shared else np.nan_to_num(t[:1]))
    free, linear = np.array(form.free), np.array(form.linear, dtype=np.int64)
    template = np.array([1.0 if x is None else x for x in form.template])
    code = SHAPE_CODES[form.shape]
    starts = grid_of_starts(form, t[given & (t > 0)])
    table = np.zeros((len(linear) + 1, y.shape[1], len(starts)))
    if shared and start is None:
        tabulate(code, free, linear, decay_per_h, template, starts, times[0], table)
    theta = np.array(start) if start is not None else np.zeros((n, p))
    covariance, log_tia, variance = np.empty((n, p, p)), np.empty(n), np.empty(n)
    deviance = np.empty(n)
    held = np.full((n, 3), -1.0) if anchor is None else np.ascontiguousarray(anchor)
    samples = (np.where(given, y, 0.0), np.where(given, s, 1.0), kind)
    results = (theta, covariance, deviance, log_tia, variance, status)
    many = 1 if p - len(linear) + (len(linear) > 1) <= 2 else _N_BEST

    def fit(first: int, stop: int) -> None:
        fit_range(first, stop, code, free, linear, decay_per_h, template, log_bounds(form), starts,
                  table, times, *samples, held, start is not None, many, *results)  # fmt: skip

    if n < _MANY:
        fit(0, n)
    else:
        on_all_cores(n, fit)
    _without_fit(status, theta, covariance, deviance, log_tia, variance)
    tia = np.exp(log_tia)
    _leave_open(form, decay_per_h, status, theta, covariance, variance)
    _sort_phases(form, theta, covariance)
    return CohortFit(
        form, decay_per_h, t, y, s, below, theta, covariance, deviance, tia,
        tia * np.sqrt(variance), status,
    )  # fmt: skip


def _without_fit(status: IntArray, *arrays: FloatArray) -> None:
    failed = status >= NOT_POSITIVE
    if failed.any():
        for array in arrays:
            array[failed] = np.nan


def _leave_open(
    form: CurveForm,
    decay_per_h: float,
    status: IntArray,
    theta: FloatArray,
    covariance: FloatArray,
    variance: FloatArray,
) -> None:
    """Covariance within what the samples determine, infinite for the rest; in place."""
    for i in np.flatnonzero(variance < 0):
        eigenvalue, vector = np.linalg.eigh(covariance[i])
        known = eigenvalue > max(1e-10 * float(eigenvalue.max()), _LEAST_INFORMATION)
        step = 1e-5 * np.eye(form.n_parameters)
        around = [form.curve(theta[i] + h * step, decay_per_h=decay_per_h) for h in (1, -1)]
        slope = np.log(around[0].integral() / around[1].integral()) / 2e-5
        own = vector[:, known] / np.sqrt(eigenvalue[known])
        covariance[i] = own @ own.T
        unknown = (vector[:, ~known] ** 2).sum(1) > 1e-6
        covariance[i, unknown, unknown] = np.inf
        moved = np.abs(vector[:, ~known].T @ slope) > _OPEN_SLOPE
        variance[i] = np.inf if moved.any() else ((own.T @ slope) ** 2).sum()


def _sort_phases(form: CurveForm, theta: FloatArray, covariance: FloatArray) -> None:
    """Put the phases of a wash-out in order of their half-lives, the fastest first; in place."""
    lives = [i for i, name in enumerate(form.parameters) if name.startswith("half_life")]
    if form.shape != "washout" or len(lives) < 2:
        return
    rank = np.argsort(theta[:, lives], axis=1)
    order = np.tile(np.arange(form.n_parameters), (len(theta), 1))
    order[:, : len(lives)] = rank
    order[:, lives] = rank + lives[0]
    theta[:] = np.take_along_axis(theta, order, axis=1)
    rows = np.take_along_axis(covariance, order[:, :, None], axis=1)
    covariance[:] = np.take_along_axis(rows, order[:, None, :], axis=2)
