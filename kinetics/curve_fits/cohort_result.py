"""Fits of one curve form to many patients: estimates, uncertainty and a status for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.forms import CurveForm
from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]

FIT_STATUS = (
    "ok",
    "the samples do not determine every parameter",
    "not converged",
    "no curve of this form with positive amplitudes fits",
    "fewer samples than parameters",
    "no sample above the limit of quantification",
    "the iterated weights did not settle",
)
"""What can be said of a fit; the index is its `status_code`."""
OK, OPEN, NOT_CONVERGED, NOT_POSITIVE, TOO_FEW, NONE_QUANTIFIED, UNSETTLED = range(7)
_FITTED = (OK, OPEN, NOT_CONVERGED, UNSETTLED)


@dataclass(frozen=True, eq=False)
class CohortFit:
    r"""Fits of one curve form to n patients.

    Attributes
    ----------
    form : CurveForm
        The fitted form.
    decay_per_h : float
        Physical decay constant (1/h).
    time_h : ndarray, shape (n, n_times)
        Sampling times (h).
    value, sd : ndarray, shape (n, n_times)
        Samples and the standard deviations that weighted them; NaN where there is no sample.
    below_limit : ndarray of bool, shape (n, n_times)
        Samples below the limit of quantification, which is their value.
    log_parameter, log_covariance : ndarray, shapes (n, p) and (n, p, p)
        Estimates and covariance of the logarithms of the parameters. An infinite diagonal
        element marks a parameter that the samples do not determine; NaN where there is no fit.
    deviance : ndarray, shape (n,)
        Minimum of :math:`\sum r^2 - 2\sum\log\Phi` over quantified and censored samples.
    tia, tia_sd : ndarray, shape (n,)
        Time-integrated activity (unit of the data times h), and its standard error by the delta
        method.
    status_code : ndarray of int, shape (n,)
        Index into `FIT_STATUS`.
    error_model : tuple of float, optional
        Relative and constant standard deviation where they were iterated.
    """

    form: CurveForm
    decay_per_h: float
    time_h: FloatArray
    value: FloatArray
    sd: FloatArray
    below_limit: npt.NDArray[np.bool_]
    log_parameter: FloatArray
    log_covariance: FloatArray
    deviance: FloatArray
    tia: FloatArray
    tia_sd: FloatArray
    status_code: IntArray
    error_model: tuple[float, float] | None = None

    def __len__(self) -> int:
        """Number of patients."""
        return len(self.value)

    def __getitem__(self, index: Any) -> CohortFit:
        """The fits of some patients (an index, a slice or a mask)."""
        rows = np.atleast_1d(np.arange(len(self))[index])
        arrays = {n: v[rows] for n, v in vars(self).items() if isinstance(v, np.ndarray)}
        return replace(self, **arrays)

    @property
    def status(self) -> npt.NDArray[np.str_]:
        """``"ok"`` or what is wrong, in words, shape (n,)."""
        return np.array(FIT_STATUS)[self.status_code]

    @property
    def fitted(self) -> npt.NDArray[np.bool_]:
        """Whether there are estimates at all, shape (n,)."""
        return np.isin(self.status_code, _FITTED)

    @property
    def n_samples(self) -> IntArray:
        """Number of samples, censored ones included, shape (n,)."""
        return np.asarray(np.isfinite(self.value).sum(1))

    @property
    def parameter(self) -> FloatArray:
        """Estimates (amplitudes, odds, half-lives in h), shape (n, p)."""
        return np.exp(self.log_parameter)

    @property
    def curve(self) -> SumOfExponentials:
        """Fitted curves, leading axis patients, physical decay included.

        Raises
        ------
        KineticsError
            If a patient has no fit; take the others by ``fit[fit.fitted]``.
        """
        if not self.fitted.all():
            first = int(np.flatnonzero(~self.fitted)[0])
            raise KineticsError(
                f"patient {first} has no curve ({self.status[first]}); take fit[fit.fitted]"
            )
        return self.form.curve(self.log_parameter, decay_per_h=self.decay_per_h)

    @property
    def prediction(self) -> FloatArray:
        """Fitted values at the sampling times, shape (n, n_times); NaN where there is no fit."""
        fitted = self.fitted
        predicted = np.full(self.value.shape, np.nan)
        curve = self[fitted].curve
        exponent = -curve.rate_per_h[:, None, :] * self.time_h[fitted][:, :, None]
        predicted[fitted] = (curve.amplitude[:, None, :] * np.exp(exponent)).sum(-1)
        return predicted

    @property
    def residual(self) -> FloatArray:
        """Standardised residuals, shape (n, n_times); NaN for censored and missing samples."""
        standardised = (self.value - self.prediction) / self.sd
        return np.where(self.below_limit, np.nan, standardised)

    @property
    def chi_square(self) -> FloatArray:
        """Weighted sum of squared residuals of the quantified samples, shape (n,)."""
        if not self.below_limit.any():
            return self.deviance
        return np.where(self.fitted, np.nansum(self.residual**2, axis=1), np.nan)

    @property
    def minus_two_log_likelihood(self) -> FloatArray:
        """Deviance with its constants, so that different weights compare, shape (n,)."""
        quantified = np.isfinite(self.value) & ~self.below_limit
        sd = np.where(quantified, self.sd, 1.0)
        constant = np.where(quantified, np.log(2 * np.pi * sd**2), 0.0).sum(1)
        return np.asarray(self.deviance + constant)

    @property
    def aicc(self) -> FloatArray:
        r""":math:`-2\ln L + 2K + 2K(K+1)/(N-K-1)`, infinite where N <= K + 1, shape (n,)."""
        n, k = self.n_samples, self.form.n_parameters
        room = np.maximum(n - k - 1, 1)
        aicc = self.minus_two_log_likelihood + 2 * k + 2 * k * (k + 1) / room
        return np.where(self.fitted & (n > k + 1), aicc, np.inf)

    def tia_interval(self, level: float = 0.9) -> FloatArray:
        """Interval of the time-integrated activity, log-normal, delta method; shape (n, 2)."""
        from scipy.special import ndtri

        half = ndtri(0.5 + 0.5 * level) * self.tia_sd / self.tia
        ends = np.log(self.tia)[:, None] + half[:, None] * np.array([-1.0, 1.0])
        return np.asarray(np.exp(ends))

    def to_frame(self) -> pd.DataFrame:
        """One row a patient and parameter: estimate, relative standard error (%), status."""
        import pandas as pd

        n, p = self.log_parameter.shape
        with np.errstate(invalid="ignore"):
            error = 100 * np.sqrt(np.diagonal(self.log_covariance, axis1=1, axis2=2))
        return pd.DataFrame(
            {
                "patient": np.repeat(np.arange(n), p),
                "form": self.form.name,
                "parameter": np.tile(self.form.parameters, n),
                "estimate": self.parameter.ravel(),
                "relative_standard_error_pct": error.ravel(),
                "status": np.repeat(self.status, p),
            }
        )
