"""Dose-response lines of foci: fitted from an irradiated series, or taken from a paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foci.counts import check_dispersion
from foci.errors import FociError
from kinetics.curves import FloatArray

_MAX_STEPS = 100
_TOLERANCE = 1e-10  # relative change of the estimates at convergence
_AT_BOUND = "the intercept is at its bound of zero; its uncertainty is not estimated"


@dataclass(frozen=True)
class LinearCalibration:
    """Foci per cell = intercept + slope x dose, after a known time of irradiation.

    Parameters
    ----------
    slope_per_gy, slope_sd : float
        Foci per cell and Gy, and its standard deviation. The slope is apparent: breaks repaired
        during the irradiation are missing from it.
    intercept_per_cell, intercept_sd : float
        Foci per cell at zero dose.
    covariance : float
        Covariance of slope and intercept.
    irradiation_h : float
        Time the cells were irradiated and could repair (h).
    source : str
        Where the line is from.
    dispersion : float
        Variance over mean of the counts it was fitted to.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.

    Notes
    -----
    The slope differs by an order of magnitude between laboratories (markers, microscope, counting
    rule): never use the line of one laboratory for the counts of another.
    """

    slope_per_gy: float
    slope_sd: float
    intercept_per_cell: float = 0.0
    intercept_sd: float = 0.0
    covariance: float = 0.0
    irradiation_h: float = 1.0
    source: str = ""
    dispersion: float = 1.0
    status: str = "ok"
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.slope_per_gy > 0:
            raise FociError(f"slope_per_gy must be positive, got {self.slope_per_gy}")
        if min(self.slope_sd, self.intercept_per_cell, self.intercept_sd) < 0:
            raise FociError("standard deviations and the intercept must be zero or positive")
        if abs(self.covariance) > self.slope_sd * self.intercept_sd * (1 + 1e-9):
            raise FociError("covariance exceeds the product of the standard deviations")
        if self.irradiation_h < 0:
            raise FociError(f"irradiation_h must be zero or positive, got {self.irradiation_h}")


def eberlein_2015(*, slope_cv: float = 0.10) -> LinearCalibration:
    """Line of two-marker foci (gamma-H2AX and 53BP1) in lymphocytes, 131I and 177Lu in vitro.

    Parameters
    ----------
    slope_cv : float
        Relative standard deviation of the slope. ASSUMED 10 %: an independent ex vivo group of
        the same laboratory (0.72 foci per cell at 50.1 mGy, PMC8940852) agrees with the slope
        to 2 %; the rest allows for other counters.

    References
    ----------
    Eberlein U et al. PLoS ONE 2015;10:e0123174, doi:10.1371/journal.pone.0123174:
    0.0147 foci per cell and mGy after 1 h of irradiation.
    """
    if slope_cv < 0:
        raise FociError(f"slope_cv must be zero or positive, got {slope_cv}")
    return LinearCalibration(
        slope_per_gy=14.7,
        slope_sd=14.7 * slope_cv,
        source="Eberlein 2015, PLoS ONE 10:e0123174",
        assumptions=(
            "calibration line of one laboratory (Eberlein 2015); lines of different laboratories "
            "differ by an order of magnitude",
            f"slope CV of {slope_cv:.0%} ASSUMED",
        ),
    )


def fit_linear_calibration(
    dose_gy: npt.ArrayLike,
    cells: npt.ArrayLike,
    foci: npt.ArrayLike,
    *,
    dispersion: float | None = None,
    irradiation_h: float = 1.0,
    source: str = "",
) -> LinearCalibration:
    r"""Fit foci = cells x (intercept + slope x dose) to Poisson or overdispersed counts.

    Parameters
    ----------
    dose_gy, cells, foci : array_like, shape (n_samples,)
        Dose (Gy), nuclei scored and total foci of each irradiated sample.
    dispersion : float, optional
        Variance over mean. By default Pearson's estimate, not below one (quasi-Poisson).
    irradiation_h : float
        Time the cells were irradiated (h).
    source : str
        A name for the line.

    Raises
    ------
    FociError
        If the arrays disagree, fewer than two doses differ, or the slope is not positive.

    Notes
    -----
    Maximum likelihood by iteratively reweighted least squares with the identity link, weights
    :math:`n/\mu`. The intercept cannot be negative; where the fit would make it so it is fixed
    at zero and the status says it. Covariance :math:`\phi(X^TWX)^{-1}`.

    References
    ----------
    Quasi-Poisson identity-link lines for foci: Einbeck J et al. PLoS ONE 2018;13:e0207464,
    doi:10.1371/journal.pone.0207464.

    Examples
    --------
    >>> line = fit_linear_calibration([0, 0.02, 0.05, 0.1], [500] * 4, [110, 255, 470, 842])
    >>> round(line.slope_per_gy, 2), round(line.intercept_per_cell, 3), line.status
    (14.58, 0.219, 'ok')
    """
    dose, n, x = _checked(dose_gy, cells, foci)
    if (x @ dose) * n.sum() <= x.sum() * (n @ dose):
        raise FociError("the foci do not rise with dose: no calibration line can be fitted")
    if _intercept_is_zero(dose, n, x):
        intercept, slope, status = 0.0, float(x.sum() / (n @ dose)), _AT_BOUND
        covariance = np.diag([0.0, slope / float(n @ dose)])
        n_parameters = 1
    else:
        intercept, slope, covariance, status = _fit_line(dose, n, x)
        n_parameters = 2
    phi = dispersion
    if phi is None:
        phi = _pearson_dispersion(intercept + slope * dose, n, x, n_parameters)
    check_dispersion(phi)
    covariance = phi * covariance
    return LinearCalibration(
        slope_per_gy=slope,
        slope_sd=float(np.sqrt(covariance[1, 1])),
        intercept_per_cell=intercept,
        intercept_sd=float(np.sqrt(covariance[0, 0])),
        covariance=float(covariance[0, 1]),
        irradiation_h=irradiation_h,
        source=source,
        dispersion=float(phi),
        status=status,
    )


def _checked(
    dose_gy: npt.ArrayLike, cells: npt.ArrayLike, foci: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Arrays of floats after the checks."""
    dose, n, x = (np.asarray(values, dtype=np.float64) for values in (dose_gy, cells, foci))
    if dose.ndim != 1 or not dose.shape == n.shape == x.shape:
        raise FociError(f"shapes differ: doses {dose.shape}, cells {n.shape}, foci {x.shape}")
    if not all(np.isfinite(values).all() for values in (dose, n, x)):
        raise FociError("doses, cells and foci must be finite")
    if (dose < 0).any() or (n < 1).any() or (x < 0).any():
        raise FociError("doses and foci must be zero or positive, cells 1 or more")
    if len(np.unique(dose)) < 2:
        raise FociError("a line needs at least two different doses")
    return dose, n, x


def _intercept_is_zero(dose: FloatArray, n: FloatArray, x: FloatArray) -> bool:
    """Whether the likelihood falls as the intercept leaves zero (it is concave)."""
    if x[dose == 0].any():
        return False
    positive = dose > 0
    slope = x.sum() / (n @ dose)
    return bool((x[positive] / (slope * dose[positive])).sum() <= n.sum())


def _fit_line(
    dose: FloatArray, n: FloatArray, x: FloatArray
) -> tuple[float, float, FloatArray, str]:
    """Intercept, slope, Poisson covariance and status: iteratively reweighted least squares."""
    design = np.column_stack([np.ones_like(dose), dose])

    def objective(beta: FloatArray) -> float:
        mean = design @ beta
        if (beta <= 0).any():
            return -np.inf
        return float(x @ np.log(mean) - n @ mean)

    beta = np.array([x.sum() / n.sum() / 2, x.sum() / (n @ dose) / 2])
    height, status = objective(beta), "the fit did not converge"
    for _ in range(_MAX_STEPS):
        weighted = design * (n / (design @ beta))[:, None]
        step = np.linalg.solve(weighted.T @ design, weighted.T @ (x / n)) - beta
        while objective(beta + step) < height and np.abs(step / beta).max() > _TOLERANCE:
            step = step / 2
        if np.abs(step / beta).max() <= _TOLERANCE:
            status = "ok"
            break
        beta, height = beta + step, objective(beta + step)
    information = (design * (n / (design @ beta))[:, None]).T @ design
    return float(beta[0]), float(beta[1]), np.linalg.inv(information), status


def _pearson_dispersion(mean: FloatArray, n: FloatArray, x: FloatArray, n_parameters: int) -> float:
    """Pearson's chi-square per degree of freedom, at least one; one without any to spare."""
    freedom = len(x) - n_parameters
    used = mean > 0
    chi_square = ((x - n * mean)[used] ** 2 / (n * mean)[used]).sum()
    return max(1.0, float(chi_square / freedom)) if freedom > 0 else 1.0
