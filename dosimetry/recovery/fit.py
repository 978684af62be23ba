"""Fit of a recovery curve to a phantom."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.recovery.blurred_sphere import checked_volume, sphere_diameter_mm
from dosimetry.recovery.curve import RecoveryCurve, checked_form, form_value

FloatArray = npt.NDArray[np.float64]


def fit_recovery(
    volume_ml: npt.ArrayLike,
    recovery: npt.ArrayLike,
    *,
    sd: npt.ArrayLike | None = None,
    form: str = "log_logistic",
) -> RecoveryCurve:
    r"""Fit a recovery curve to a phantom with inserts of several sizes.

    Parameters
    ----------
    volume_ml : array_like, shape (n,)
        Volumes of the inserts (mL); `sphere_volume_ml` turns diameters into volumes.
    recovery : array_like, shape (n,)
        Measured over true activity in the outline of each.
    sd : array_like, optional
        Standard deviations; without them the scatter about the curve is used.
    form : {"log_logistic", "plateau", "gaussian_sphere"}
        See Notes.

    Raises
    ------
    DosimetryError
        If values are not positive, there are too few inserts, or the form is unknown.

    Notes
    -----
    ``log_logistic``: :math:`R = 1/(1 + (V_{1/2}/V)^\beta)`, that ends at 1. ``plateau``: the same
    times a height, where the calibration leaves large objects off 1 (at least four inserts).
    ``gaussian_sphere``: the share a sphere keeps within its outline when blurred by a Gaussian,
    in closed form (`sphere_recovery`); one parameter, its full width at half maximum. The first
    two are empirical: ASSUMED to hold for objects shaped like the inserts, and without activity
    around them.

    Examples
    --------
    >>> import numpy as np
    >>> volume = np.array([0.5, 1.0, 2.0, 8.0, 32.0])
    >>> curve = fit_recovery(volume, 1 / (1 + (1.5 / volume) ** 0.9))
    >>> np.round(np.exp(curve.log_parameter), 3).tolist()
    [1.5, 0.9]
    """
    from scipy.optimize import least_squares

    volume, measured, error = _checked_data(volume_ml, recovery, sd, len(checked_form(form)))
    scale = np.ones_like(volume) if error is None else error

    def residual(log_parameter: FloatArray) -> FloatArray:
        return (form_value(form, volume, np.clip(log_parameter, -20, 20)) - measured) / scale

    half = float(volume[np.argmin(np.abs(measured - 0.5))])
    start = {
        "log_logistic": [np.log(half), 0.0],
        "plateau": [np.log(half), 0.0, float(np.log(measured.max()))],
        "gaussian_sphere": [np.log(0.7 * float(sphere_diameter_mm(half)))],
    }[form]
    best = least_squares(residual, start, xtol=1e-13, ftol=1e-13, gtol=1e-13)
    free = len(volume) - len(start)
    spread = float(np.sqrt(2 * best.cost / free)) if free else float("nan")
    information = best.jac.T @ best.jac
    known = np.linalg.cond(information) < 1e12
    covariance = np.linalg.inv(information) if known else np.full((len(start),) * 2, np.inf)
    if error is None:
        covariance = covariance * spread**2
    status = "ok" if best.success else f"not converged: {best.message}"
    if not known:
        status = "the inserts do not determine every parameter"
    return RecoveryCurve(
        form, best.x, covariance, float(volume.min()), float(volume.max()), spread, len(volume),
        status,
    )  # fmt: skip


def _checked_data(
    volume_ml: npt.ArrayLike, recovery: npt.ArrayLike, sd: npt.ArrayLike | None, n_parameters: int
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    volume = np.atleast_1d(checked_volume(volume_ml))
    measured = np.atleast_1d(np.asarray(recovery, dtype=np.float64))
    if volume.ndim != 1 or measured.shape != volume.shape:
        raise DosimetryError(
            f"give one recovery a volume, got shapes {measured.shape} and {volume.shape}"
        )
    least = n_parameters if sd is not None else n_parameters + 1
    if len(np.unique(volume)) < least:
        raise DosimetryError(
            f"{n_parameters} parameters need {least} volumes or more, got {len(np.unique(volume))}"
        )
    if not (np.isfinite(measured).all() and (measured > 0).all()):
        raise DosimetryError("recovery coefficients must be finite and above 0")
    if sd is None:
        return volume, measured, None
    error = np.broadcast_to(np.asarray(sd, dtype=np.float64), volume.shape)
    if not (np.isfinite(error).all() and (error > 0).all()):
        raise DosimetryError("standard deviations must be finite and above 0")
    return volume, measured, error
