"""Partial-volume recovery: how much of its activity a small object shows in an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.gaussian_sphere import sphere_recovery

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

RECOVERY_FORMS: dict[str, tuple[str, ...]] = {
    "log_logistic": ("half_volume_ml", "exponent"),
    "plateau": ("half_volume_ml", "exponent", "plateau"),
    "gaussian_sphere": ("fwhm_mm",),
}
"""Parameters of the forms of a recovery curve."""


@dataclass(frozen=True, eq=False)
class RecoveryCurve:
    r"""Recovery coefficient as a function of the volume of an object.

    Attributes
    ----------
    form : str
        ``"log_logistic"``, ``"plateau"`` or ``"gaussian_sphere"``, see `fit_recovery`.
    log_parameter : ndarray, shape (p,)
        Logarithms of the parameters, in the order of `RECOVERY_FORMS`.
    log_covariance : ndarray, shape (p, p)
        Their covariance.
    residual_sd : float
        Scatter of the phantom data about the curve; 1 means as large as their errors where
        these were given.
    n_samples : int
        Number of objects fitted.
    smallest_ml, largest_ml : float
        Range of the volumes fitted (mL).
    status : str
        ``"ok"`` or what is wrong, in words.
    """

    form: str
    log_parameter: FloatArray
    log_covariance: FloatArray
    residual_sd: float
    n_samples: int
    smallest_ml: float
    largest_ml: float
    status: str

    def __call__(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """Recovery coefficient at volumes (mL), shape of `volume_ml`."""
        volume = checked_volume(volume_ml)
        return _FORMS[self.form](volume, np.exp(self.log_parameter))

    def standard_error(
        self, volume_ml: npt.ArrayLike, *, volume_sd_ml: npt.ArrayLike = 0.0
    ) -> FloatArray:
        r"""First-order standard error of the coefficient, shape of `volume_ml`.

        Notes
        -----
        :math:`u^2(R) = g^T C g + (\partial R/\partial V)^2 u^2(V)`.
        """
        volume, spread = checked_volume(volume_ml), np.asarray(volume_sd_ml, dtype=np.float64)
        gradient = self._gradient(volume)
        own = np.einsum("...i,ij,...j->...", gradient, self.log_covariance, gradient)
        return np.asarray(np.sqrt(own + (self.slope_per_ml(volume) * spread) ** 2))

    def slope_per_ml(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """Slope of the curve (1/mL); times u2(V) it is the covariance of recovery and volume."""
        volume, step = checked_volume(volume_ml), 1e-4
        values = [self(volume * np.exp(h)) for h in (step, -step)]
        return np.asarray((values[0] - values[1]) / (2 * step) / volume)

    def draws(
        self, volume_ml: npt.ArrayLike, *, n_draws: int, rng: np.random.Generator
    ) -> FloatArray:
        """Coefficients at draws of the parameters, shape (n_draws,).

        Parameters
        ----------
        volume_ml : array_like, scalar or shape (n_draws,)
            Volume (mL), or one draw of it each.
        n_draws : int
            Number of draws.
        rng : numpy.random.Generator
            Source of randomness.
        """
        volume = np.broadcast_to(checked_volume(volume_ml), (n_draws,))
        if not np.isfinite(self.log_covariance).all():
            raise DosimetryError(f"no draws of this recovery curve: {self.status}")
        theta = rng.multivariate_normal(self.log_parameter, self.log_covariance, size=n_draws)
        return _FORMS[self.form](volume, np.exp(theta.T))

    def volume_for(self, recovery: float) -> float:
        """Volume (mL) from which an object shows at least this share of its activity.

        Raises
        ------
        DosimetryError
            If the curve does not reach it between 1e-6 and 1e6 mL.
        """
        from scipy.optimize import brentq

        low, high = float(self(1e-6)), float(self(1e6))
        if not low < recovery < high:
            raise DosimetryError(
                f"the curve runs from {low:.3g} to {high:.3g}; it does not reach {recovery!r}"
            )
        return float(
            np.exp(brentq(lambda u: float(self(np.exp(u))) - recovery, *np.log([1e-6, 1e6])))
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter: estimate and relative standard error (%)."""
        import pandas as pd

        return pd.DataFrame(
            {
                "parameter": RECOVERY_FORMS[self.form],
                "estimate": np.exp(self.log_parameter),
                "relative_standard_error_pct": 100 * np.sqrt(np.diag(self.log_covariance)),
            }
        )

    def _gradient(self, volume: FloatArray) -> FloatArray:
        """Slope by each log parameter, shape (..., p)."""
        step = 1e-4
        slopes = []
        for place in range(len(self.log_parameter)):
            shift = np.zeros(len(self.log_parameter))
            shift[place] = step
            up, down = (
                _FORMS[self.form](volume, np.exp(self.log_parameter + h * shift)) for h in (1, -1)
            )
            slopes.append((up - down) / (2 * step))
        return np.stack(slopes, axis=-1)


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

    if form not in RECOVERY_FORMS:
        raise DosimetryError(f"form must be one of {tuple(RECOVERY_FORMS)}, got {form!r}")
    volume, measured, error = _checked_data(volume_ml, recovery, sd, len(RECOVERY_FORMS[form]))
    scale = np.ones_like(volume) if error is None else error

    def residual(log_parameter: FloatArray) -> FloatArray:
        curve = _FORMS[form](volume, np.exp(np.clip(log_parameter, -20, 20)))
        return (curve - measured) / scale

    half = float(volume[np.argmin(np.abs(measured - 0.5))])
    diameter = float(np.cbrt(6000 * half / np.pi))
    start = {
        "log_logistic": [np.log(half), 0.0],
        "plateau": [np.log(half), 0.0, float(np.log(measured.max()))],
        "gaussian_sphere": [np.log(0.7 * diameter)],
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
        form, best.x, covariance, spread, len(volume), float(volume.min()), float(volume.max()),
        status,
    )  # fmt: skip


def sphere_volume_ml(diameter_mm: npt.ArrayLike) -> FloatArray:
    """Volume (mL) of spheres of a diameter (mm)."""
    return np.asarray(np.pi / 6000 * np.asarray(diameter_mm, dtype=np.float64) ** 3)


def _log_logistic(volume: FloatArray, p: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + (p[0] / volume) ** p[1]))


def _plateau(volume: FloatArray, p: FloatArray) -> FloatArray:
    return np.asarray(p[2] / (1 + (p[0] / volume) ** p[1]))


def _gaussian_sphere(volume: FloatArray, p: FloatArray) -> FloatArray:
    return sphere_recovery(np.cbrt(6000 / np.pi * volume), p[0])


_FORMS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "log_logistic": _log_logistic,
    "plateau": _plateau,
    "gaussian_sphere": _gaussian_sphere,
}


def checked_volume(volume_ml: npt.ArrayLike) -> FloatArray:
    """Volumes (mL) that are finite and above zero."""
    volume = np.asarray(volume_ml, dtype=np.float64)
    if not (np.isfinite(volume).all() and (volume > 0).all()):
        raise DosimetryError(f"volumes must be finite and above 0 mL, got {volume_ml!r}")
    return volume


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
