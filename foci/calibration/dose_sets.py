"""Doses at which a calibration curve, or its confidence band, agrees with a mean per cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from numpy.polynomial import polynomial

from foci.calibration.curve import CalibrationCurve
from kinetics.curves import FloatArray

Intervals = tuple[tuple[float, float], ...]

_REAL = 1e-6  # relative imaginary part up to which a root counts as real (touching a level)


def without_intercept(curve: CalibrationCurve) -> tuple[FloatArray, FloatArray]:
    """Coefficients and covariance of the excess over a baseline measured for itself."""
    coefficients, covariance = curve.coefficients.copy(), curve.covariance.copy()
    coefficients[0] = 0.0
    covariance[0, :] = covariance[:, 0] = 0.0
    return coefficients, covariance


def variance_polynomial(covariance: FloatArray) -> FloatArray:
    """Variance of the mean at dose D, as ascending coefficients of a polynomial in D."""
    n = len(covariance)
    order = np.add.outer(np.arange(n), np.arange(n))
    summed = np.bincount(order.ravel(), weights=covariance.ravel(), minlength=2 * n - 1)
    return np.asarray(summed, dtype=np.float64)


def band_edge(
    coefficients: FloatArray,
    covariance: FloatArray,
    mean_per_cell: float,
    *,
    width: float,
    variance_per_cell: float = 0.0,
) -> FloatArray:
    r"""Polynomial :math:`(y-\mu(D))^2 - w^2(V_y + g^T\Sigma g)`, ascending coefficients.

    Its roots are where the band of `width` standard deviations meets the mean y.
    """
    gap = polynomial.polysub([mean_per_cell], coefficients)
    variance = polynomial.polyadd([variance_per_cell], variance_polynomial(covariance))
    edge = polynomial.polysub(polynomial.polymul(gap, gap), width**2 * variance)
    return np.asarray(edge, dtype=np.float64)


def rising_dose(coefficients: FloatArray, mean_per_cell: float) -> float:
    """Dose on the branch that rises from zero; negative along the tangent at zero.

    It is nan if the curve never gets so high.
    """
    quadratic = coefficients[2] if len(coefficients) == 3 else 0.0
    slope, above = float(coefficients[1]), float(mean_per_cell - coefficients[0])
    if above <= 0 or quadratic == 0:
        return above / slope if slope > 0 else 0.0
    root = slope**2 + 4 * quadratic * above
    return float(2 * above / (slope + np.sqrt(root))) if root >= 0 else float("nan")


def excess_dose(curve: CalibrationCurve, excess: float) -> float:
    """Dose (Gy) at which the rising part of a curve is above its intercept by an excess.

    Where the curve never gets so high it is the dose of its top.
    """
    dose = rising_dose(curve.coefficients, curve.intercept_per_cell + excess)
    return dose if np.isfinite(dose) else curve.turning_dose_gy


def excess_sd(curve: CalibrationCurve, dose_gy: npt.ArrayLike) -> FloatArray:
    """Standard deviation of the curve above its intercept at doses (Gy), per cell."""
    g = curve.gradient(dose_gy)[..., 1:]
    variance = ((g @ curve.covariance[1:, 1:]) * g).sum(-1)
    return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def falling_dose(coefficients: FloatArray, mean_per_cell: float) -> float:
    """Second dose with the same mean where the curve turns down; nan if there is none."""
    rising = rising_dose(coefficients, mean_per_cell)
    if len(coefficients) == 2 or coefficients[2] >= 0 or not np.isfinite(rising):
        return float("nan")
    return float(-coefficients[1] / coefficients[2] - max(rising, 0.0))


def dose_set(
    inside: Callable[[FloatArray], FloatArray],
    edges: Sequence[FloatArray],
    *,
    lowest_gy: float,
    scale_gy: float,
) -> Intervals:
    """Intervals of dose where `inside` is at or below zero.

    Parameters
    ----------
    inside : callable
        Function of dose (Gy); it changes sign only at roots of `edges`.
    edges : sequence of ndarray
        Polynomials in D, ascending coefficients.
    lowest_gy : float
        Where the doses begin (Gy), or minus infinity.
    scale_gy : float
        A typical dose (Gy), for the scaling of the polynomials.
    """
    roots = np.concatenate([_real_roots(edge, scale_gy) for edge in edges])
    roots = np.unique(roots[roots > lowest_gy])
    far = scale_gy + (np.abs(roots).max() if len(roots) else 0.0)
    bounds = np.concatenate([[lowest_gy], roots, [np.inf]])
    probes = np.concatenate([[max(lowest_gy, -2 * far)], roots, [2 * far]])
    hit = inside((probes[1:] + probes[:-1]) / 2) <= 0
    merged: list[tuple[float, float]] = []
    for low, high, is_inside in zip(bounds[:-1], bounds[1:], hit, strict=True):
        if is_inside and merged and merged[-1][1] == low:
            merged[-1] = (merged[-1][0], float(high))
        elif is_inside:
            merged.append((float(low), float(high)))
    return tuple(merged)


def _real_roots(coefficients: FloatArray, scale: float) -> FloatArray:
    """Real roots of a polynomial in D, found for D / scale."""
    scaled = coefficients * scale ** np.arange(len(coefficients))
    keep = np.abs(scaled) > 1e-14 * np.abs(scaled).max()
    if not keep.any():
        return np.zeros(0)
    roots = polynomial.polyroots(scaled[: int(np.flatnonzero(keep)[-1]) + 1])
    real = np.abs(roots.imag) <= _REAL * (1 + np.abs(roots.real))
    return np.asarray(roots.real[real] * scale)


def band_turning_dose(coefficients: FloatArray, covariance: FloatArray, width: float) -> float:
    r"""Lowest dose (Gy) from which mean - width x SD falls; infinite if it never does.

    Notes
    -----
    :math:`\mu' = w V'/(2\sqrt V)`: roots of :math:`4V\mu'^2 = w^2 V'^2` after which it falls.
    """
    variance = variance_polynomial(covariance)
    slope, change = polynomial.polyder(coefficients), polynomial.polyder(variance)
    squares = polynomial.polymul(slope, slope), polynomial.polymul(change, change)
    edge = polynomial.polysub(4 * polynomial.polymul(variance, squares[0]), width**2 * squares[1])
    scale = typical_dose(coefficients)
    roots = _real_roots(np.asarray(edge, dtype=np.float64), scale)
    roots = np.concatenate([[0.0], np.unique(roots[roots > 0])])
    probes = np.append((roots[1:] + roots[:-1]) / 2, 2 * roots[-1] + scale)
    sd = np.sqrt(np.maximum(polynomial.polyval(probes, variance), 0.0))
    rise = 2 * sd * polynomial.polyval(probes, slope)
    falls = rise < width * polynomial.polyval(probes, change)
    return float(roots[int(np.argmax(falls))]) if falls.any() else float("inf")


def typical_dose(coefficients: FloatArray) -> float:
    """Dose (Gy) that adds one focus per cell, or where the curve turns down before that."""
    dose = rising_dose(coefficients, float(coefficients[0]) + 1.0)
    return dose if np.isfinite(dose) else float(-coefficients[1] / (2 * coefficients[2]))
