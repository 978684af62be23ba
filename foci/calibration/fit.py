"""Dose-response curves fitted to the counts of irradiated samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from foci.calibration._goodness import (
    cell_dispersion,
    pearson_dispersion,
    poisson_deviance,
    poisson_log_likelihood,
    upper_tail,
)
from foci.calibration._maximise import BoolArray, expected_information, maximise
from foci.calibration.curve import NAMES, CalibrationCurve
from foci.checks import numbers
from foci.counting.counts import check_dispersion
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

Model = Literal["linear", "linear_quadratic"]
_ORDER = {"linear": 2, "linear_quadratic": 3}
_NO_RISE = "the foci do not rise with dose: no calibration curve can be fitted"
_POOR_FIT = 0.01  # goodness-of-fit p below which the status says so


@dataclass(frozen=True, eq=False)
class CalibrationFit:
    """A calibration curve with the counts it was fitted to and how well it fits them.

    Attributes
    ----------
    curve : CalibrationCurve
        Coefficients, covariance (times `curve.dispersion`), status and assumptions.
    dose_gy, cells, foci : ndarray, shape (n_samples,)
        Dose (Gy), cells and foci of each sample.
    log_likelihood : float
        Poisson log-likelihood of the total counts at the estimate.
    deviance : float
        Twice the log-likelihood lost against a mean of its own for every sample.
    pearson_dispersion : float
        Pearson's chi-square per degree of freedom, not bounded; nan without any to spare.
    degrees_of_freedom : int
        Samples minus coefficients estimated.
    goodness_of_fit_p : float
        Chance of a larger deviance if the curve were true; nan without degrees of freedom.
    aic : float
        Akaike's criterion of the Poisson model; compare it only between curves fitted to the
        same samples.
    """

    curve: CalibrationCurve
    dose_gy: FloatArray
    cells: FloatArray
    foci: FloatArray
    log_likelihood: float
    deviance: float
    pearson_dispersion: float
    degrees_of_freedom: int
    goodness_of_fit_p: float
    aic: float

    def to_frame(self) -> pd.DataFrame:
        """One row per sample: counts, mean per cell, fitted mean and Pearson residual."""
        import pandas as pd

        mean = self.curve.mean_per_cell(self.dose_gy)
        expected = np.maximum(self.cells * mean, 1e-300)
        residual = (self.foci - self.cells * mean) / np.sqrt(expected * self.curve.dispersion)
        return pd.DataFrame(
            {
                "dose_gy": self.dose_gy,
                "cells": self.cells.astype(np.int64),
                "foci": self.foci.astype(np.int64),
                "per_cell": self.foci / self.cells,
                "fitted_per_cell": mean,
                "pearson_residual": residual,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words: the curve and the measures of its fit."""
        names = ("log_likelihood", "deviance", "pearson_dispersion", "degrees_of_freedom")
        values = {name: getattr(self, name) for name in (*names, "goodness_of_fit_p", "aic")}
        return {"curve": self.curve.to_dict(), **values}


def fit_calibration(
    dose_gy: npt.ArrayLike,
    cells: npt.ArrayLike,
    foci: npt.ArrayLike,
    *,
    model: Model = "linear",
    saturating: bool = False,
    intercept_per_cell: float | None = None,
    intercept_sd: float = 0.0,
    dispersion: float | None = None,
    distributions: Sequence[Sequence[int]] | None = None,
    irradiation_h: float = 1.0,
    repair_h: float = 0.0,
    source: str = "",
) -> CalibrationFit:
    r"""Fit foci = cells x (intercept + slope x dose + ...) to Poisson or overdispersed counts.

    Parameters
    ----------
    dose_gy, cells, foci : array_like, shape (n_samples,)
        Dose (Gy), nuclei scored and total foci of each irradiated sample.
    model : {"linear", "linear_quadratic"}
        Shape of the curve.
    saturating : bool
        Let the quadratic coefficient be negative. Otherwise no coefficient is below zero.
    intercept_per_cell : float, optional
        Background known from elsewhere, through which the curve is forced.
    intercept_sd : float
        Its standard deviation; it widens the covariance of the other coefficients.
    dispersion : float, optional
        Variance over mean. By default that of the cells if `distributions` are given, else
        Pearson's estimate from the samples (quasi-Poisson); neither counts below one.
    distributions : sequence of sequence of int, optional
        Cells with 0, 1, 2, ... foci of each sample; must agree with `cells` and `foci`.
    irradiation_h, repair_h : float
        Time the cells were irradiated, and time from its end until they were fixed (h).
    source : str
        A name for the curve.

    Raises
    ------
    FociError
        If the arrays disagree, too few doses differ, or the mean does not rise with dose.

    Notes
    -----
    Identity link: maximum of the Poisson likelihood, coefficients not below zero (active set).
    A coefficient at its bound has no variance, and the status says it. Covariance
    :math:`\phi(X^TWX)^{-1}` with :math:`W = n/\mu`, as iteratively reweighted least squares gives.

    The log-likelihood and `aic` are those of the integer totals. Programs that hand the yield
    per cell to a Poisson density (biodosetools 3.7.1 does) print numbers that mean nothing.
    The goodness of fit divides the deviance by `dispersion` only where that did not itself come
    from the residuals.

    References
    ----------
    Quasi-Poisson identity-link lines for foci: Einbeck J et al. PLoS ONE 2018;13:e0207464,
    doi:10.1371/journal.pone.0207464.

    Examples
    --------
    >>> fit = fit_calibration([0, 0.02, 0.05, 0.1], [500] * 4, [110, 255, 470, 842])
    >>> round(fit.curve.slope_per_gy, 2), round(fit.curve.intercept_per_cell, 3)
    (14.58, 0.219)
    >>> fit.curve.status, round(fit.goodness_of_fit_p, 2)
    ('ok', 0.97)
    """
    if model not in _ORDER:
        raise FociError(f"model must be 'linear' or 'linear_quadratic', got {model!r}")
    dose, n, x = checked_counts(dose_gy, cells, foci)
    fixed = _fixed_intercept(intercept_per_cell, intercept_sd)
    beta, free, status = _estimate(dose, n, x, model, fixed, saturating)
    freedom = len(x) - int(free.sum())
    mean = dose[:, None] ** np.arange(len(beta)) @ beta
    pearson = pearson_dispersion(mean, n, x, freedom)
    deviance = poisson_deviance(n * mean, x)
    phi, phi_known = _dispersion(dispersion, distributions, n, x, pearson)
    p_value = upper_tail(deviance / (phi if phi_known else 1.0), freedom)
    log_likelihood = poisson_log_likelihood(n * mean, x)
    if p_value < _POOR_FIT:
        words = f"the samples scatter about the curve more than their counts do (p = {p_value:.2g})"
        widened = f": the covariance is widened {phi:.3g}-fold, see whether the shape is right"
        status = _joined(status, words + ("" if phi_known else widened))
    curve = CalibrationCurve(
        beta,
        _covariance(dose, n, mean, free, phi, intercept_sd if fixed is not None else None),
        irradiation_h=irradiation_h,
        repair_h=repair_h,
        source=source,
        dispersion=phi,
        status=status,
        max_dose_gy=float(dose.max()),
    )
    return CalibrationFit(
        curve,
        dose,
        n,
        x,
        log_likelihood,
        deviance,
        pearson,
        freedom,
        p_value,
        2 * float(free.sum()) - 2 * log_likelihood,
    )


def checked_counts(
    dose_gy: npt.ArrayLike, cells: npt.ArrayLike, foci: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Doses, cells and foci as arrays of floats, after the checks."""
    dose, n, x = (
        numbers(values, name)
        for values, name in ((dose_gy, "dose_gy"), (cells, "cells"), (foci, "foci"))
    )
    if dose.ndim != 1 or not dose.shape == n.shape == x.shape:
        raise FociError(f"shapes differ: doses {dose.shape}, cells {n.shape}, foci {x.shape}")
    if not all(np.isfinite(values).all() for values in (dose, n, x)):
        raise FociError("doses, cells and foci must be finite")
    if (dose < 0).any() or (n < 1).any() or (x < 0).any():
        raise FociError("doses and foci must be zero or positive, cells 1 or more")
    if (n % 1).any() or (x % 1).any():
        raise FociError("cells and foci are counts: give whole numbers, not means per cell")
    return dose, n, x


def _fixed_intercept(intercept_per_cell: float | None, intercept_sd: float) -> float | None:
    """The known background after its checks; None if it is to be fitted."""
    if intercept_per_cell is None:
        if intercept_sd:
            raise FociError("intercept_sd is that of a known intercept_per_cell: give both")
        return None
    if not (np.isfinite(intercept_per_cell) and intercept_per_cell >= 0 and intercept_sd >= 0):
        raise FociError(
            "intercept_per_cell and intercept_sd must be zero or positive, got "
            f"{intercept_per_cell} and {intercept_sd}"
        )
    return float(intercept_per_cell)


def _estimate(
    dose: FloatArray,
    n: FloatArray,
    x: FloatArray,
    model: Model,
    fixed: float | None,
    saturating: bool,
) -> tuple[FloatArray, BoolArray, str]:
    """Coefficients, which of them were estimated inside their bounds, and the status."""
    order = _ORDER[model]
    columns = np.arange(order) if fixed is None else np.arange(1, order)
    n_doses = len(np.unique(dose if fixed is None else dose[dose > 0]))
    if n_doses < len(columns):
        kind = "different" if fixed is None else "different positive"
        word = {1: "one", 2: "two", 3: "three"}[len(columns)]
        line = "line" if order == 2 else "linear-quadratic curve"
        raise FociError(f"a {line} needs at least {word} {kind} doses")
    if not x[dose > 0].any():
        raise FociError(_NO_RISE)
    scale = dose.max() ** np.arange(order)
    design = (dose[:, None] ** columns) / scale[columns]
    offset = np.full(len(dose), 0.0 if fixed is None else fixed)
    bounded = np.ones(len(columns), dtype=bool)
    bounded[columns == 2] = not saturating
    scaled, inside, converged = maximise(design, offset, n, x, bounded)
    beta, free = np.zeros(order), np.zeros(order, dtype=bool)
    beta[columns], free[columns] = scaled / scale[columns], inside
    beta[0] = beta[0] if fixed is None else fixed
    if beta[1] < 0 or not (beta[1:] > 0).any():
        raise FociError(_NO_RISE)
    status = "ok" if converged else "the fit did not converge"
    for column in columns[~inside]:
        name = NAMES[column] if column == 0 else f"{NAMES[column]} coefficient"
        words = f"the {name} is at its bound of zero; its uncertainty is not estimated"
        status = _joined(status, words)
    return beta, free, status


def _covariance(
    dose: FloatArray,
    n: FloatArray,
    mean: FloatArray,
    free: BoolArray,
    phi: float,
    intercept_sd: float | None,
) -> FloatArray:
    """Covariance of all coefficients; a known intercept carries its own into the others."""
    order = len(free)
    scale = dose.max() ** np.arange(order)
    design = dose[:, None] ** np.arange(order) / scale
    information = expected_information(design, mean, n)
    inverse = np.linalg.inv(information[np.ix_(free, free)])
    covariance = np.zeros((order, order))
    covariance[np.ix_(free, free)] = phi * inverse
    if intercept_sd:
        response = np.zeros(order)
        response[0] = 1.0
        response[free] = -inverse @ information[free, 0]
        covariance += intercept_sd**2 * np.outer(response, response)
    covariance = covariance / np.outer(scale, scale)
    return np.asarray((covariance + covariance.T) / 2)


def _dispersion(
    dispersion: float | None,
    distributions: Sequence[Sequence[int]] | None,
    n: FloatArray,
    x: FloatArray,
    pearson: float,
) -> tuple[float, bool]:
    """Variance over mean, and whether it is known apart from the residuals of the fit."""
    if dispersion is not None:
        check_dispersion(dispersion)
        return float(dispersion), True
    if distributions is not None:
        return max(1.0, cell_dispersion(distributions, n, x)), True
    return (max(1.0, pearson) if np.isfinite(pearson) else 1.0), False


def _joined(status: str, words: str) -> str:
    """Status with another remark."""
    return words if status == "ok" else f"{status}; {words}"
