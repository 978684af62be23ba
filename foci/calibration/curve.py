"""Dose-response curves of foci and other counted damage: coefficients with their covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foci.checks import number, numbers
from foci.counting.counts import check_dispersion
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("intercept", "linear", "quadratic")
UNITS = ("per cell", "per cell and Gy", "per cell and Gy^2")
_SLACK = 1e-6  # of correlations, for covariances that were printed with few digits


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    r"""Mean per cell = intercept + slope x dose (+ quadratic x dose^2), after a known protocol.

    Parameters
    ----------
    coefficients : ndarray, shape (2,) or (3,)
        Intercept per cell, per Gy and, for a linear-quadratic curve, per Gy^2. The slope is
        apparent: what was repaired before the cells were fixed is missing from it.
    covariance : ndarray, shape (n_coefficients, n_coefficients)
        Their covariance, `dispersion` included.
    irradiation_h : float
        Time the cells were irradiated and could repair (h).
    repair_h : float
        Time from the end of the irradiation until the cells were fixed (h).
    source : str
        Where the curve is from.
    dispersion : float
        Variance over mean of the counts it was fitted to.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    max_dose_gy : float, optional
        Highest dose calibrated (Gy); doses read beyond it are extrapolated.

    Raises
    ------
    FociError
        If a number is impossible, no coefficient lets the mean rise, or the covariance is not one.

    Notes
    -----
    :math:`\mu(D) = c_0 + c_1 D + c_2 D^2`, :math:`\mathrm{Var}\,\mu = g^T\Sigma g` with
    :math:`g = (1, D, D^2)`.

    The slope differs by an order of magnitude between laboratories (markers, microscope, counting
    rule): never use the curve of one laboratory for the counts of another.

    Examples
    --------
    >>> import numpy as np
    >>> curve = CalibrationCurve(np.array([0.2, 14.7]), np.diag([0.02**2, 0.7**2]))
    >>> np.round(curve.mean_per_cell([0.0, 0.05]), 3), np.round(curve.sd_per_cell(0.05), 4)
    (array([0.2  , 0.935]), np.float64(0.0403))
    """

    coefficients: FloatArray
    covariance: FloatArray
    irradiation_h: float = 1.0
    repair_h: float = 0.0
    source: str = ""
    dispersion: float = 1.0
    status: str = "ok"
    assumptions: tuple[str, ...] = ()
    max_dose_gy: float | None = None

    def __post_init__(self) -> None:
        values = numbers(self.coefficients, "coefficients")
        covariance = numbers(self.covariance, "covariance")
        object.__setattr__(self, "coefficients", values)
        object.__setattr__(self, "covariance", covariance)
        _check_coefficients(values)
        _check_covariance(values, covariance)
        for name in ("irradiation_h", "repair_h"):
            value = getattr(self, name)
            if not 0 <= number(value, name) < np.inf:
                raise FociError(f"{name} must be zero or positive, got {value}")
        check_dispersion(self.dispersion)
        if self.max_dose_gy is not None and not self.max_dose_gy > 0:
            raise FociError(f"max_dose_gy must be positive or None, got {self.max_dose_gy}")

    @property
    def is_linear(self) -> bool:
        """Whether the curve is a line."""
        return len(self.coefficients) == 2

    @property
    def intercept_per_cell(self) -> float:
        """Mean per cell at zero dose."""
        return float(self.coefficients[0])

    @property
    def intercept_sd(self) -> float:
        """Standard deviation of the intercept (per cell)."""
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def slope_per_gy(self) -> float:
        """Linear coefficient (per cell and Gy): the slope at zero dose."""
        return float(self.coefficients[1])

    @property
    def slope_sd(self) -> float:
        """Standard deviation of the linear coefficient (per cell and Gy)."""
        return float(np.sqrt(self.covariance[1, 1]))

    @property
    def turning_dose_gy(self) -> float:
        """Dose from which the mean falls (Gy); infinite for a line or an upward curve."""
        if self.is_linear or self.coefficients[2] >= 0:
            return float(np.inf)
        return float(-self.coefficients[1] / (2 * self.coefficients[2]))

    def gradient(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Derivatives of the mean with respect to the coefficients, shape (..., n)."""
        dose = np.asarray(dose_gy, dtype=np.float64)
        return dose[..., None] ** np.arange(len(self.coefficients))

    def mean_per_cell(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Mean per cell at a dose (Gy), of its shape."""
        return np.asarray(self.gradient(dose_gy) @ self.coefficients)

    def slope_at(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Slope of the curve at a dose (per cell and Gy), of the dose's shape."""
        dose = np.asarray(dose_gy, dtype=np.float64)
        quadratic = 0.0 if self.is_linear else self.coefficients[2]
        return np.asarray(self.coefficients[1] + 2 * quadratic * dose)

    def sd_per_cell(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Standard deviation of the mean at a dose, from the covariance of the coefficients."""
        g = self.gradient(dose_gy)
        variance = np.einsum("...i,ij,...j->...", g, self.covariance, g)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def to_frame(self) -> pd.DataFrame:
        """One row per coefficient: value, standard deviation, unit and correlations."""
        import pandas as pd

        sd = np.sqrt(np.diag(self.covariance))
        known = np.where(sd > 0, sd, np.inf)
        correlation = self.covariance / known[:, None] / known[None, :]
        n = len(self.coefficients)
        frame = pd.DataFrame(
            {"coefficient": NAMES[:n], "value": self.coefficients, "sd": sd, "unit": UNITS[:n]}
        )
        for column, name in enumerate(NAMES[:n]):
            frame[f"correlation_{name}"] = correlation[:, column]
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words, as `write_curve` stores them."""
        return {
            "coefficients": self.coefficients.tolist(),
            "covariance": self.covariance.tolist(),
            "irradiation_h": self.irradiation_h,
            "repair_h": self.repair_h,
            "source": self.source,
            "dispersion": self.dispersion,
            "status": self.status,
            "assumptions": list(self.assumptions),
            "max_dose_gy": self.max_dose_gy,
        }


def calibration_line(
    slope_per_gy: float,
    slope_sd: float,
    *,
    intercept_per_cell: float = 0.0,
    intercept_sd: float = 0.0,
    covariance: float = 0.0,
    irradiation_h: float = 1.0,
    repair_h: float = 0.0,
    source: str = "",
    dispersion: float = 1.0,
    status: str = "ok",
    assumptions: tuple[str, ...] = (),
    max_dose_gy: float | None = None,
) -> CalibrationCurve:
    """Straight calibration curve from its slope and intercept.

    Parameters
    ----------
    slope_per_gy, slope_sd : float
        Foci per cell and Gy, and its standard deviation.
    intercept_per_cell, intercept_sd : float
        Foci per cell at zero dose.
    covariance : float
        Covariance of slope and intercept.
    irradiation_h, repair_h, source, dispersion, status, assumptions, max_dose_gy
        As in `CalibrationCurve`.

    Raises
    ------
    FociError
        If a number is impossible.

    Examples
    --------
    >>> line = calibration_line(14.7, 0.7, intercept_per_cell=0.2, intercept_sd=0.02)
    >>> line.is_linear, line.slope_per_gy, float(line.mean_per_cell(0.1).round(2))
    (True, 14.7, 1.67)
    """
    if not number(slope_per_gy, "slope_per_gy") > 0:
        raise FociError(f"slope_per_gy must be positive, got {slope_per_gy}")
    given = numbers([slope_sd, intercept_per_cell, intercept_sd], "standard deviations, intercept")
    if not (given >= 0).all():
        raise FociError("standard deviations and the intercept must be zero or positive")
    return CalibrationCurve(
        np.array([intercept_per_cell, slope_per_gy]),
        np.array([[intercept_sd**2, covariance], [covariance, slope_sd**2]]),
        irradiation_h=irradiation_h,
        repair_h=repair_h,
        source=source,
        dispersion=dispersion,
        status=status,
        assumptions=assumptions,
        max_dose_gy=max_dose_gy,
    )


def _check_coefficients(values: FloatArray) -> None:
    """Raise unless they are those of a curve that rises from zero dose."""
    if values.shape not in ((2,), (3,)) or not np.isfinite(values).all():
        raise FociError(
            "a curve needs 2 (line) or 3 (linear-quadratic) finite coefficients, "
            f"got {values.tolist()}"
        )
    if values[0] < 0:
        raise FociError(f"the intercept must be zero or positive, got {values[0]}")
    if values[1] < 0 or not (values[1:] > 0).any():
        raise FociError(
            "the mean must rise from zero dose: the linear coefficient must be positive (zero if "
            f"the quadratic one is positive), got {values[1:].tolist()}"
        )


def _check_covariance(values: FloatArray, covariance: FloatArray) -> None:
    """Raise unless it is a covariance of these coefficients."""
    n = len(values)
    if covariance.shape != (n, n) or not np.isfinite(covariance).all():
        raise FociError(f"the covariance needs shape {(n, n)} and finite values, got {covariance}")
    variance = np.diag(covariance)
    if (variance < 0).any() or not np.allclose(covariance, covariance.T, rtol=1e-9, atol=0):
        raise FociError("the covariance must be symmetric with variances of zero or more")
    sd = np.sqrt(variance)
    limit = (1 + _SLACK) * np.outer(sd, sd)
    if (np.abs(covariance) > limit).any():
        raise FociError("a covariance exceeds the product of its two standard deviations")
    known = sd > 0
    correlation = (covariance / np.outer(np.where(known, sd, 1.0), np.where(known, sd, 1.0)))[
        np.ix_(known, known)
    ]
    if known.any() and np.linalg.eigvalsh(correlation).min() < -_SLACK:
        raise FociError("the covariance is not positive semi-definite")
