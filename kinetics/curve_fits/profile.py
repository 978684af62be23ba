"""Profile-likelihood intervals of parameters and of the time-integrated activity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.cohort_fit import refit
from kinetics.curve_fits.cohort_result import CohortFit
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

_REACH = 6.0  # in log units; an end farther away is called open
_N_DOUBLINGS, _N_HALVINGS = 12, 26


@dataclass(frozen=True, eq=False)
class ProfileInterval:
    """Profile-likelihood interval of one quantity for n patients.

    Attributes
    ----------
    quantity : str
        ``"tia"`` or the name of a parameter.
    estimate : ndarray, shape (n,)
        Value at the best fit.
    interval : ndarray, shape (n, 2)
        Ends; 0 or infinity where the samples do not bound the quantity.
    status : ndarray of str, shape (n,)
        ``"ok"`` or what is wrong, in words.
    """

    quantity: str
    estimate: FloatArray
    interval: FloatArray
    status: npt.NDArray[np.str_]


def profile_likelihood(
    fit: CohortFit, quantity: str = "tia", *, level: float = 0.9
) -> ProfileInterval:
    r"""Values that the samples do not reject when all other parameters are fitted again.

    Where the deviance, minimised with the quantity held, exceeds its minimum by less than the
    quantile of :math:`\chi^2_1`. A penalty draws the log of the quantity to a target; each
    penalised optimum lies exactly on the profile at the value it attains, whatever the
    strength of the penalty, and the ends are found by bisection. Iterated weights stay as at the
    best fit.

    Parameters
    ----------
    fit : CohortFit
        The fits; all patients are profiled at once.
    quantity : str
        ``"tia"`` or the name of a parameter.
    level : float
        Confidence level.

    Raises
    ------
    KineticsError
        If the quantity is unknown or a patient has no fit.

    References
    ----------
    Raue A, et al. Bioinformatics 2009;25:1923-1929, doi:10.1093/bioinformatics/btp358.

    Examples
    --------
    >>> import numpy as np
    >>> from kinetics.curve_fits.cohort_fit import fit_cohort
    >>> t = np.array([4.0, 24.0, 72.0, 168.0])
    >>> y = 50 * np.exp(-0.02 * t)
    >>> fit = fit_cohort(t, y, 0.1 * y, form="mono", decay_per_h=0.004)
    >>> profile_likelihood(fit).interval.round(0)
    array([[2287., 2713.]])
    """
    from scipy.special import chdtri

    p = fit.form.n_parameters
    if quantity != "tia" and quantity not in fit.form.parameters:
        legal = ", ".join(dict.fromkeys(["tia", *fit.form.parameters]))
        raise KineticsError(f"{quantity!r} is not profiled; legal are {legal}")
    if not fit.fitted.all():
        raise KineticsError("every patient needs a fit; take fit[fit.fitted]")
    index = p if quantity == "tia" else fit.form.parameters.index(quantity)
    rise = float(chdtri(1, 1 - level))
    ends = [_end(fit, index, rise, side) for side in (-1.0, 1.0)]
    interval = np.exp(np.stack(ends, axis=-1))
    bounded = np.isfinite(np.stack(ends, axis=-1)).all(1)
    status = np.where(bounded, fit.status, "the samples do not bound it on both sides")
    return ProfileInterval(quantity, np.exp(_log_of(fit, index)), interval, status)


def _log_of(fit: CohortFit, index: int) -> FloatArray:
    if index == fit.form.n_parameters:
        return np.log(fit.tia)
    return fit.log_parameter[:, index]


def _end(fit: CohortFit, index: int, rise: float, side: float) -> FloatArray:
    """Log of one end of every patient's interval; infinite where it is beyond reach."""
    best = _log_of(fit, index)
    at_tia = index == fit.form.n_parameters
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = fit.tia_sd / fit.tia if at_tia else np.sqrt(fit.log_covariance[:, index, index])
    spread = np.where(np.isfinite(spread), np.clip(spread, 1e-6, 1.0), 0.3)
    strength = 0.05 * spread

    def held(distance: FloatArray, start: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        anchor = np.stack([np.full(len(best), float(index)), best + side * distance, strength], -1)
        moved = refit(fit, start=start, anchor=anchor)
        attained = side * (_log_of(moved, index) - best)
        start = np.where(np.isfinite(moved.log_parameter), moved.log_parameter, start)
        return moved.deviance - fit.deviance, attained, start

    inner, inner_start = np.zeros(len(best)), fit.log_parameter
    outer = np.sqrt(rise) * spread
    end = np.full(len(best), np.inf)
    for _ in range(_N_DOUBLINGS):
        above, attained, start = held(outer, inner_start)
        crossed = above >= rise
        if (crossed | (outer >= _REACH)).all():
            break
        inner = np.where(crossed, inner, outer)
        inner_start = np.where(crossed[:, None], inner_start, start)
        outer = np.where(crossed, outer, np.minimum(2.0 * outer, _REACH))
    for _ in range(_N_HALVINGS):
        middle = 0.5 * (inner + outer)
        above, attained, start = held(middle, inner_start)
        end = np.where(crossed, attained, end)
        inside = above < rise
        inner = np.where(inside, middle, inner)
        inner_start = np.where(inside[:, None], start, inner_start)
        outer = np.where(inside, outer, middle)
    return best + side * end


def profile_points(
    fit: CohortFit, quantity: str, reach: float = 3.0, n_points: int = 41
) -> tuple[FloatArray, FloatArray]:
    """Profile of one patient: values of the quantity and rise of the deviance, for a plot.

    Parameters
    ----------
    fit : CohortFit
        Fit of one patient (``fit[i]``).
    quantity : str
        ``"tia"`` or the name of a parameter.
    reach : float
        Standard errors to either side.
    n_points : int
        Number of points.
    """
    p = fit.form.n_parameters
    index = p if quantity == "tia" else fit.form.parameters.index(quantity)
    variance = (fit.tia_sd / fit.tia) ** 2 if index == p else fit.log_covariance[:, index, index]
    spread = float(np.sqrt(np.where(np.isfinite(variance), np.minimum(variance, 1.0), 0.1))[0])
    best = float(_log_of(fit, index)[0])
    many = fit[np.zeros(n_points, dtype=int)]
    target = best + spread * np.linspace(-reach, reach, n_points)
    anchor = np.stack(
        [np.full(n_points, float(index)), target, np.full(n_points, 0.05 * spread)], -1
    )
    moved = refit(replace(many), anchor=anchor)
    return np.exp(_log_of(moved, index)), moved.deviance - fit.deviance[0]
