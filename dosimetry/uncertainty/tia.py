"""Time-integrated activity of a fitted curve, and its standard uncertainty."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from kinetics import CurveFit, SumOfExponentials

FloatArray = npt.NDArray[np.float64]

_STEP = 1e-5  # of the logarithm of a parameter


def tia_from_parameters(
    amplitude: npt.ArrayLike, rate_per_h: npt.ArrayLike, covariance: npt.ArrayLike
) -> tuple[float, float]:
    r"""Integral of a sum of exponentials and its uncertainty, to first order.

    :math:`\tilde A = \sum a_i/\lambda_i`, with the gradient :math:`(1/\lambda_i,
    -a_i/\lambda_i^2)` and :math:`u^2(\tilde A) = g^T V g`.

    Parameters
    ----------
    amplitude, rate_per_h : array_like, shape (n,)
        Amplitudes (MBq) and rates (1/h).
    covariance : array_like, shape (2n, 2n)
        Covariance of the amplitudes, then the rates.

    Returns
    -------
    tia_mbq_h, sd_mbq_h : float
        Time-integrated activity and its standard uncertainty (MBq h).

    Raises
    ------
    DosimetryError
        If shapes do not fit, a number is not finite, a rate is not positive, or a variance is
        negative.

    Examples
    --------
    >>> tia, sd = tia_from_parameters([50.0], [0.01], [[4.0, 0.0], [0.0, 2.5e-7]])
    >>> round(tia, 3), round(sd, 3)
    (5000.0, 320.156)
    """
    a = np.asarray(amplitude, dtype=np.float64)
    rate = np.asarray(rate_per_h, dtype=np.float64)
    matrix = np.asarray(covariance, dtype=np.float64)
    if a.ndim != 1 or a.shape != rate.shape or matrix.shape != (2 * len(a), 2 * len(a)):
        raise DosimetryError(
            f"need n amplitudes, n rates and a 2n by 2n covariance, got {a.shape}, {rate.shape} "
            f"and {matrix.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(rate).all() and (rate > 0).all()):
        raise DosimetryError(
            "amplitudes must be finite, and rates must be positive for a finite integral, got "
            f"{amplitude!r} and {rate_per_h!r}"
        )
    gradient = np.concatenate([1 / rate, -a / rate**2])
    return float((a / rate).sum()), _sd(gradient, matrix)


def tia_from_fit(fit: CurveFit) -> tuple[float, float]:
    """Integral of a fitted curve and its uncertainty from the covariance of the fit.

    `kinetics.curve_fits.fit_cohort` states both itself, as ``tia`` and ``tia_sd``.

    Parameters
    ----------
    fit : kinetics.CurveFit
        From `kinetics.fit_curve`.

    Returns
    -------
    tia, sd : float
        In the unit of the fitted values times h.

    Raises
    ------
    DosimetryError
        If the samples do not determine every parameter (the uncertainty is then unknown).
    """
    if not np.isfinite(np.diag(fit.log_covariance)).all():
        raise DosimetryError(
            "the fit does not determine every parameter, so the uncertainty of its integral is "
            "unknown; fit a form with fewer parameters or use posterior draws (tia_from_draws)"
        )

    def integral(log_parameter: FloatArray) -> float:
        return float(fit.form.curve(log_parameter, decay_per_h=fit.decay_per_h).integral())

    steps = _STEP * np.eye(len(fit.log_parameter))
    gradient = np.array(
        [
            (integral(fit.log_parameter + step) - integral(fit.log_parameter - step)) / (2 * _STEP)
            for step in steps
        ]
    )
    return integral(fit.log_parameter), _sd(gradient, fit.log_covariance)


def tia_from_draws(curve: SumOfExponentials) -> tuple[float, float]:
    """Mean and standard deviation of the integrals of posterior draws.

    Raises
    ------
    DosimetryError
        If there are fewer than two draws, or an integral is infinite.
    """
    integral = curve.integral()
    if integral.size < 2:
        raise DosimetryError(
            f"need two or more draws for a spread, got shape {curve.shape}; for a single curve use "
            "tia_from_fit or tia_from_parameters"
        )
    if not np.isfinite(integral).all():
        raise DosimetryError("a draw does not decay (rate zero), so its integral is infinite")
    return float(integral.mean()), float(integral.std(ddof=1))


def _sd(gradient: FloatArray, covariance: FloatArray) -> float:
    if not np.isfinite(covariance).all():
        raise DosimetryError("the covariance must be finite; leave out what is not determined")
    variance = float(gradient @ covariance @ gradient)
    if not variance >= 0:
        raise DosimetryError(
            "the covariance gives a negative variance; it must be symmetric, with no negative "
            "eigenvalue"
        )
    return float(np.sqrt(variance))
