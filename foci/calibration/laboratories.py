"""Calibration curves of several laboratories: their mean and the spread between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from foci.calibration.curve import NAMES, CalibrationCurve
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

Scale = Literal["identity", "log"]
_FEW = 6  # laboratories below which the status warns


@dataclass(frozen=True, eq=False)
class LaboratoryCurves:
    """Random-effects model of the curves of several laboratories.

    Attributes
    ----------
    mean : CalibrationCurve
        Of the typical laboratory (the median one if `scale` is ``"log"``), with the covariance of
        that estimate.
    new_laboratory : CalibrationCurve
        For a laboratory without a curve of its own: mean and covariance of what its coefficients
        may be, the spread between laboratories included.
    shrunken : mapping of str to CalibrationCurve
        Each laboratory's curve, drawn towards the mean as far as its own is uncertain.
    between : ndarray, shape (n_coefficients, n_coefficients)
        Covariance between laboratories, of the logarithms if `scale` is ``"log"``.
    scale : str
        ``"identity"`` or ``"log"``.
    cochran_q, p_value : float
        Test that all laboratories share one curve.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    mean: CalibrationCurve
    new_laboratory: CalibrationCurve
    shrunken: Mapping[str, CalibrationCurve]
    between: FloatArray
    scale: Scale
    cochran_q: float
    p_value: float
    status: str

    def to_frame(self) -> pd.DataFrame:
        """Coefficients and their SD of the mean, a new laboratory and each laboratory."""
        import pandas as pd

        curves = {"mean": self.mean, "new laboratory": self.new_laboratory, **self.shrunken}
        rows: list[dict[str, Any]] = []
        for name, curve in curves.items():
            row: dict[str, Any] = {"laboratory": name}
            for index, coefficient in enumerate(NAMES[: len(curve.coefficients)]):
                row[coefficient] = float(curve.coefficients[index])
                row[f"{coefficient}_sd"] = float(np.sqrt(curve.covariance[index, index]))
            rows.append(row)
        return pd.DataFrame(rows)


def combine_laboratories(
    curves: Mapping[str, CalibrationCurve], *, scale: Scale = "log"
) -> LaboratoryCurves:
    r"""Mean and spread of the curves of several laboratories, by restricted maximum likelihood.

    Parameters
    ----------
    curves : mapping of str to CalibrationCurve
        Curve of each laboratory, all of the same shape and protocol.
    scale : {"log", "identity"}
        Whether logarithms of the coefficients or the coefficients vary normally between
        laboratories. Scales of laboratories differ tenfold, so logarithms keep the curve of a
        new laboratory positive; they need coefficients above zero.

    Raises
    ------
    FociError
        If there are too few curves, or their protocols or shapes differ.

    Notes
    -----
    :math:`\hat\theta_i \sim N(\theta, S_i + T)` with the full covariance :math:`S_i` of each
    curve (by the delta method for logarithms). T maximises the restricted likelihood; given T
    the mean is the weighted one, and the shrunken curves are the conditional means
    :math:`\theta + T(T+S_i)^{-1}(\hat\theta_i-\theta)`, their covariance with that of
    :math:`\theta` included. Cochran's Q is the weighted sum of squares at T = 0.

    n laboratories know T badly. For the shrunken curves and the new laboratory the total spread
    :math:`T+\bar S` is therefore widened by (n-1)/(n-3), the variance of Student's t. Simulated
    with 5, 8 and 20 laboratories, 95 % intervals of their slopes and intercepts then held 91 to
    97 %; with T as estimated they held as little as 81 %.

    References
    ----------
    Jackson D, Riley R, White IR. Stat Med 2011;30:2481-2498, doi:10.1002/sim.4172.

    Examples
    --------
    >>> from foci.calibration import calibration_line
    >>> slopes = {"A": 14.7, "B": 6.0, "C": 31.0, "D": 9.5, "E": 4.2, "F": 22.0}
    >>> curves = {lab: calibration_line(slope, 0.05 * slope, intercept_per_cell=0.2,
    ...                                 intercept_sd=0.02) for lab, slope in slopes.items()}
    >>> together = combine_laboratories(curves)
    >>> bool(together.new_laboratory.slope_sd > 5 * curves["A"].slope_sd), together.status
    (True, 'ok')
    """
    theta, within, protocol = _collected(curves, scale)
    between, converged = _between(theta, within)
    mean, mean_covariance = _weighted_mean(theta, within + between)
    pooled, _ = _weighted_mean(theta, within)
    gap = theta - pooled
    q = float(np.einsum("ni,nij,nj->", gap, np.linalg.inv(within), gap))
    status = "ok" if converged else "the spread between laboratories did not converge"
    if len(theta) < _FEW:
        status = f"{len(theta)} laboratories say little of the spread between them"

    def curve(value: FloatArray, covariance: FloatArray, source: str) -> CalibrationCurve:
        coefficients, covariance = _natural(value, covariance, scale)
        if coefficients[1] <= 0:
            raise FociError(f"the slope of the {source} would not be positive; use scale='log'")
        return replace(protocol, coefficients=coefficients, covariance=covariance, source=source)

    wide = between + 2 / (len(theta) - 3) * (between + within.mean(0))
    shrunken = {}
    for index, name in enumerate(curves):
        weight = wide @ np.linalg.inv(wide + within[index])
        rest = np.eye(len(mean)) - weight
        covariance = weight @ within[index] + rest @ mean_covariance @ rest.T
        value = mean + weight @ (theta[index] - mean)
        own = curve(value, covariance, f"{curves[name].source or name}, shrunken")
        shrunken[name] = replace(own, dispersion=curves[name].dispersion)
    return LaboratoryCurves(
        curve(mean, mean_covariance, f"mean of {len(theta)} laboratories"),
        curve(mean, mean_covariance + wide, f"new laboratory, from {len(theta)} others"),
        shrunken,
        between,
        scale,
        q,
        _chi_square_p(q, theta.size - theta.shape[1]),
        status,
    )


def _collected(
    curves: Mapping[str, CalibrationCurve], scale: Scale
) -> tuple[FloatArray, FloatArray, CalibrationCurve]:
    """Coefficients and covariances on the scale, and one curve that carries the protocol."""
    if scale not in ("identity", "log"):
        raise FociError(f"scale must be 'identity' or 'log', got {scale!r}")
    given = list(curves.values())
    if len(given) < 4:
        raise FociError(f"a spread between laboratories needs 4 curves or more, got {len(given)}")
    if len({len(curve.coefficients) for curve in given}) > 1:
        raise FociError("lines and linear-quadratic curves cannot be combined")
    if len({(curve.irradiation_h, curve.repair_h) for curve in given}) > 1:
        raise FociError(
            "the curves differ in irradiation_h or repair_h: bring them to one protocol with "
            "convert_curve first"
        )
    theta = np.array([curve.coefficients for curve in given])
    within = np.array([curve.covariance for curve in given])
    singular = [name for name, s in zip(curves, within, strict=True) if not _regular(s)]
    if singular:
        raise FociError(f"the covariance of {', '.join(singular)} has a variance of zero")
    if scale == "log":
        if (theta <= 0).any():
            raise FociError("scale 'log' needs coefficients above zero; use 'identity'")
        within = within / (theta[:, :, None] * theta[:, None, :])
        theta = np.log(theta)
    words = f"coefficients between laboratories {'log-' if scale == 'log' else ''}normal ASSUMED"
    assumptions = dict.fromkeys(words for curve in given for words in curve.assumptions)
    doses = [curve.max_dose_gy for curve in given if curve.max_dose_gy is not None]
    protocol = replace(
        given[0],
        assumptions=(*assumptions, words),
        dispersion=float(np.mean([curve.dispersion for curve in given])),
        status="ok",
        max_dose_gy=max(doses) if doses else None,
    )
    return theta, within, protocol


def _regular(covariance: FloatArray) -> bool:
    """Whether a covariance can be inverted."""
    variance = np.diag(covariance)
    if (variance <= 0).any():
        return False
    correlation = covariance / np.sqrt(np.outer(variance, variance))
    return bool(np.linalg.eigvalsh(correlation)[0] > 1e-10)


def _weighted_mean(theta: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Generalised least-squares mean and its covariance."""
    weight = np.linalg.inv(total)
    covariance = np.linalg.inv(weight.sum(0))
    return covariance @ np.einsum("nij,nj->i", weight, theta), covariance


def _between(theta: FloatArray, within: FloatArray) -> tuple[FloatArray, bool]:
    """Covariance between laboratories by restricted maximum likelihood (Cholesky factor)."""
    from scipy.optimize import minimize

    n = theta.shape[1]
    rows, columns = np.tril_indices(n)
    unit = theta.std(0, ddof=1)

    def factor(parameters: FloatArray) -> FloatArray:
        lower = np.zeros((n, n))
        lower[rows, columns] = parameters
        return np.asarray(unit[:, None] * lower)

    def objective(parameters: FloatArray) -> float:
        lower = factor(parameters)
        total = within + lower @ lower.T
        mean, covariance = _weighted_mean(theta, total)
        gap = theta - mean
        misfit = np.einsum("ni,nij,nj->", gap, np.linalg.inv(total), gap)
        logs = np.linalg.slogdet(total)[1].sum() - np.linalg.slogdet(covariance)[1]
        return float(misfit + logs) / 2

    starts = [np.where(rows == columns, size, 0.0) for size in (0.9, 0.1)]
    fits = [minimize(objective, start, method="BFGS", options={"gtol": 1e-7}) for start in starts]
    best = min(fits, key=lambda fit: float(fit.fun))
    lower = factor(best.x)
    gradient = float(np.abs(best.jac).max())
    return np.asarray(lower @ lower.T), bool(best.success or gradient < 1e-3)


def _natural(
    value: FloatArray, covariance: FloatArray, scale: Scale
) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of the coefficients themselves (moments of the log-normal)."""
    if scale == "identity":
        return np.maximum(value, 0.0), (covariance + covariance.T) / 2
    mean = np.exp(value + np.diag(covariance) / 2)
    natural = np.outer(mean, mean) * np.expm1(covariance)
    return mean, (natural + natural.T) / 2


def _chi_square_p(chi_square: float, freedom: int) -> float:
    from scipy.special import chdtrc

    return float(chdtrc(freedom, chi_square))
