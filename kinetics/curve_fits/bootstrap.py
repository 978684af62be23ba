"""Bootstrap of fitted curves: all replicates of all patients are one cohort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.cohort_fit import fit_cohort
from kinetics.curve_fits.cohort_result import CohortFit
from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

_KINDS = ("parametric", "residual")


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Replicates of the fits of n patients.

    Attributes
    ----------
    log_parameter : ndarray, shape (n_draws, n, p)
        Refitted log parameters; NaN where a replicate could not be fitted.
    tia : ndarray, shape (n_draws, n)
        Refitted time-integrated activity.
    n_failed : ndarray of int, shape (n,)
        Replicates without fit.
    status : ndarray of str, shape (n,)
        ``"ok"`` or what is wrong, in words.
    """

    log_parameter: FloatArray
    tia: FloatArray
    n_failed: npt.NDArray[np.int64]
    status: npt.NDArray[np.str_]

    def tia_interval(self, level: float = 0.9) -> FloatArray:
        """Percentile interval of the time-integrated activity, shape (n, 2)."""
        tails = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
        interval = np.full((self.tia.shape[1], 2), np.nan)
        some = np.isfinite(self.tia).any(0)
        interval[some] = np.nanquantile(self.tia[:, some], tails, axis=0).T
        return interval


def bootstrap(
    fit: CohortFit, *, rng: np.random.Generator, n_draws: int = 1000, kind: str = "parametric"
) -> Bootstrap:
    r"""Refit simulated samples.

    Parameters
    ----------
    fit : CohortFit
        The fits.
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of replicates.
    kind : str
        ``"parametric"``: normal errors about the fitted curve; ``"residual"``: standardised
        residuals drawn with replacement, enlarged by :math:`\sqrt{N/(N-K)}`. A censored sample
        is drawn about the curve and censored again where it falls below its limit.

    Raises
    ------
    KineticsError
        If `kind` is unknown, or a patient has no fit.

    References
    ----------
    Efron B, Tibshirani RJ. An Introduction to the Bootstrap. Chapman & Hall 1993.
    """
    if kind not in _KINDS:
        raise KineticsError(f"unknown kind {kind!r}; legal are {', '.join(_KINDS)}")
    if not fit.fitted.all():
        raise KineticsError("every patient needs a fit; take fit[fit.fitted]")
    n, n_times = fit.value.shape
    predicted = fit.prediction
    if kind == "parametric":
        error = rng.standard_normal((n_draws, n, n_times))
    else:
        error = _drawn_residuals(fit, n_draws, rng)
    value = predicted + fit.sd * error
    below = fit.below_limit & (value < fit.value)
    value = np.where(below, fit.value, np.where(np.isfinite(fit.value), value, np.nan))
    relative, constant = fit.error_model or (0.0, 0.0)
    again = fit_cohort(
        np.broadcast_to(fit.time_h, value.shape).reshape(-1, n_times),
        value.reshape(-1, n_times),
        None if fit.error_model else np.broadcast_to(fit.sd, value.shape).reshape(-1, n_times),
        form=fit.form,
        decay_per_h=fit.decay_per_h,
        below_limit=below.reshape(-1, n_times),
        relative_sd=relative,
        constant_sd=constant,
    )
    failed = (~again.fitted).reshape(n_draws, n).sum(0)
    status = np.where(failed == 0, "ok", "some replicates could not be fitted")
    return Bootstrap(
        again.log_parameter.reshape(n_draws, n, -1), again.tia.reshape(n_draws, n), failed, status
    )


def _drawn_residuals(fit: CohortFit, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Residuals of each patient with replacement, shape (n_draws, n, n_times)."""
    n, n_times = fit.value.shape
    drawn = np.empty((n_draws, n, n_times))
    residual = fit.residual
    for i in range(n):
        own = residual[i][np.isfinite(residual[i])]
        if len(own) <= fit.form.n_parameters:
            raise KineticsError(
                f"patient {i} has {len(own)} quantified samples; the residual bootstrap needs "
                f"more than the {fit.form.n_parameters} parameters"
            )
        enlarged = own * np.sqrt(len(own) / (len(own) - fit.form.n_parameters))
        drawn[:, i] = rng.choice(enlarged - enlarged.mean(), (n_draws, n_times))
    return drawn
