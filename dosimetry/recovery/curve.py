"""Recovery curves: how much of its activity a small object shows in an image, by its volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.recovery.blurred_sphere import (
    checked_volume,
    sphere_diameter_mm,
    sphere_recovery,
)

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

RECOVERY_FORMS: dict[str, tuple[str, ...]] = {
    "log_logistic": ("half_volume_ml", "exponent"),
    "plateau": ("half_volume_ml", "exponent", "plateau"),
    "gaussian_sphere": ("fwhm_mm",),
}
"""Parameters of the forms of a recovery curve."""

_STEP = 1e-4  # of a logarithm


@dataclass(frozen=True, eq=False)
class RecoveryCoefficient:
    """The recovery of one region.

    Attributes
    ----------
    value : float
        Recovery coefficient at the volume of the region; 1 where no correction was made.
    sd : float
        Its standard uncertainty.
    log_slope : float
        Relative change for a relative change of the volume; zero (the default) leaves it out.

    Raises
    ------
    DosimetryError
        If the value is not positive, the spread is negative, or one is not finite.
    """

    value: float
    sd: float = 0.0
    log_slope: float = 0.0

    def __post_init__(self) -> None:
        if not (0 < self.value < np.inf and 0 <= self.sd < np.inf and np.isfinite(self.log_slope)):
            raise DosimetryError(
                "a recovery coefficient needs finite value > 0, sd >= 0 and log_slope, got "
                f"{self.value!r}, {self.sd!r}, {self.log_slope!r}"
            )

    @property
    def relative_sd(self) -> float:
        """Standard uncertainty over the value."""
        return self.sd / self.value


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
    smallest_ml, largest_ml : float
        Range of the volumes measured (mL).
    residual_sd : float
        Scatter of the phantom data about the curve; 1 means as large as their errors where
        these were given. NaN for a curve that was not fitted here.
    n_samples : int
        Number of objects fitted.
    status : str
        ``"ok"`` or what is wrong, in words.
    """

    form: str
    log_parameter: FloatArray
    log_covariance: FloatArray
    smallest_ml: float
    largest_ml: float
    residual_sd: float = float("nan")
    n_samples: int = 0
    status: str = "ok"

    def __call__(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """Recovery coefficient at volumes (mL), shape of `volume_ml`."""
        return form_value(self.form, checked_volume(volume_ml), self.log_parameter)

    def coefficient(self, volume_ml: float) -> RecoveryCoefficient:
        """Value, standard uncertainty and logarithmic slope at one volume (mL).

        Raises
        ------
        DosimetryError
            If the volume is not positive, or the inserts do not determine the curve.
        """
        self._require_known()
        value = float(self(volume_ml))
        log_slope = float(self.slope_per_ml(volume_ml)) * volume_ml / value
        return RecoveryCoefficient(value, float(self.standard_error(volume_ml)), log_slope)

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
        shift = self.slope_per_ml(volume) * spread
        return np.asarray(np.sqrt(np.maximum(own, 0.0) + shift**2))

    def slope_per_ml(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """Slope of the curve (1/mL); times u2(V) it is the covariance of recovery and volume."""
        volume = checked_volume(volume_ml)
        values = [self(volume * np.exp(h)) for h in (_STEP, -_STEP)]
        return np.asarray((values[0] - values[1]) / (2 * _STEP) / volume)

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
        self._require_known()
        theta = rng.multivariate_normal(self.log_parameter, self.log_covariance, size=n_draws)
        return form_value(self.form, volume, theta.T)

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

    def notes(self, volume_ml: npt.ArrayLike) -> tuple[str, ...]:
        """What to know of the coefficients at these volumes: whether they are extrapolated."""
        volume = checked_volume(volume_ml)
        if not ((volume < self.smallest_ml) | (volume > self.largest_ml)).any():
            return ()
        return (
            f"a volume lies beyond those of the phantom ({self.smallest_ml:g} to "
            f"{self.largest_ml:g} mL): its recovery is extrapolated",
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

    def _require_known(self) -> None:
        if not np.isfinite(self.log_covariance).all():
            raise DosimetryError(f"the spread of this recovery curve is unknown: {self.status}")

    def _gradient(self, volume: FloatArray) -> FloatArray:
        """Slope by each log parameter, shape (..., p)."""
        slopes = []
        for shift in _STEP * np.eye(len(self.log_parameter)):
            up, down = (
                form_value(self.form, volume, self.log_parameter + h * shift) for h in (1, -1)
            )
            slopes.append((up - down) / (2 * _STEP))
        return np.stack(slopes, axis=-1)


def recovery_curve(
    form: str,
    parameters: Mapping[str, float],
    covariance: npt.ArrayLike,
    *,
    smallest_ml: float,
    largest_ml: float,
) -> RecoveryCurve:
    """Recovery curve whose parameters are known, from a publication or another program.

    Parameters
    ----------
    form : {"log_logistic", "plateau", "gaussian_sphere"}
        See `fit_recovery`.
    parameters : mapping of str to float
        By name, see `RECOVERY_FORMS`.
    covariance : array_like, shape (p, p)
        Covariance of the parameters themselves (not of their logarithms), in that order.
    smallest_ml, largest_ml : float
        Range of the volumes it was measured for (mL).

    Returns
    -------
    RecoveryCurve
        The parameters count as log-normal (ASSUMED, to keep them positive).

    Raises
    ------
    DosimetryError
        If a name is missing or unknown, a parameter is not positive, or the matrix is no
        covariance.

    Examples
    --------
    >>> curve = recovery_curve(
    ...     "log_logistic", {"half_volume_ml": 5.0, "exponent": 0.85},
    ...     [[0.09, -0.006], [-0.006, 0.0025]], smallest_ml=0.5, largest_ml=100.0,
    ... )
    >>> found = curve.coefficient(5.0)
    >>> round(found.value, 3), round(found.sd, 4), round(found.log_slope, 3)
    (0.5, 0.0127, 0.425)
    """
    names = checked_form(form)
    if sorted(parameters) != sorted(names):
        raise DosimetryError(f"{form} has the parameters {names}, got {tuple(parameters)}")
    value = np.array([parameters[name] for name in names], dtype=np.float64)
    matrix = np.asarray(covariance, dtype=np.float64)
    if not ((value > 0).all() and 0 < smallest_ml <= largest_ml):
        raise DosimetryError(
            f"parameters and volumes must be positive, got {dict(parameters)} and {smallest_ml!r} "
            f"to {largest_ml!r} mL"
        )
    if matrix.shape != (len(names),) * 2 or not np.allclose(matrix, matrix.T):
        raise DosimetryError(
            f"covariance must be symmetric, one row a parameter of {names}, got {covariance!r}"
        )
    if np.linalg.eigvalsh(matrix)[0] < -1e-9 * np.trace(matrix):
        raise DosimetryError(f"covariance must have no negative variance, got {covariance!r}")
    return RecoveryCurve(
        form, np.log(value), matrix / np.outer(value, value), smallest_ml, largest_ml
    )


def checked_form(form: str) -> tuple[str, ...]:
    """Names of the parameters; DosimetryError if the form is unknown."""
    if form not in RECOVERY_FORMS:
        raise DosimetryError(f"form must be one of {tuple(RECOVERY_FORMS)}, got {form!r}")
    return RECOVERY_FORMS[form]


def form_value(form: str, volume: FloatArray, log_parameter: FloatArray) -> FloatArray:
    """Recovery at checked volumes; parameters of shape (p,) or (p, n) for n volumes."""
    return _FORMS[form](volume, np.exp(log_parameter))


def _log_logistic(volume: FloatArray, p: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + (p[0] / volume) ** p[1]))


def _plateau(volume: FloatArray, p: FloatArray) -> FloatArray:
    return np.asarray(p[2] * _log_logistic(volume, p))


def _gaussian_sphere(volume: FloatArray, p: FloatArray) -> FloatArray:
    return sphere_recovery(sphere_diameter_mm(volume), p[0])


_FORMS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "log_logistic": _log_logistic,
    "plateau": _plateau,
    "gaussian_sphere": _gaussian_sphere,
}
