"""Calibration curves seen through protraction, painting and the background of a person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.errors import FociError


def protracted_curve(curve: CalibrationCurve, g_factor: float) -> CalibrationCurve:
    r"""Curve of a protracted irradiation: its quadratic coefficient times G.

    Parameters
    ----------
    curve : CalibrationCurve
        Curve of acute irradiations.
    g_factor : float
        Lea-Catcheside factor, above 0 and up to 1 (`radiobio.lea_catcheside_g_constant_rate`
        with a repair rate of 1/(2 h) is the custom for dicentrics).

    Raises
    ------
    FociError
        If the factor is outside these bounds.

    Notes
    -----
    :math:`y = C + \alpha D + G\beta D^2`; the covariance is scaled with it.

    References
    ----------
    Lea DE, Catcheside DG. J Genet 1942;44:216-245, doi:10.1007/BF02982830. IAEA, Cytogenetic
    Dosimetry, EPR-Biodosimetry 2011 (Vienna: IAEA).

    Examples
    --------
    >>> acute = CalibrationCurve(np.array([0.001, 0.02, 0.06]), np.diag([1e-7, 1e-5, 1e-5]))
    >>> protracted_curve(acute, 0.5).coefficients.round(3)
    array([0.001, 0.02 , 0.03 ])
    """
    if not 0 < g_factor <= 1:
        raise FociError(f"g_factor must be above 0 and up to 1, got {g_factor}")
    if curve.is_linear or g_factor == 1:
        return curve
    words = f"quadratic term times G = {g_factor:.4g} (protraction)"
    return _scaled(curve, np.array([1.0, 1.0, g_factor]), words)


def painted_curve(curve: CalibrationCurve, genome_factor: float) -> CalibrationCurve:
    """Curve of what painting shows: a curve per genome equivalent times the genome factor.

    Parameters
    ----------
    curve : CalibrationCurve
        Translocations per genome equivalent.
    genome_factor : float
        Share of all exchanges that the painting shows, above 0 and up to 1 (`genome_factor`).

    Raises
    ------
    FociError
        If the factor is outside these bounds.

    Examples
    --------
    >>> full = CalibrationCurve(np.array([0.002, 0.009, 0.018]), np.diag([1e-7, 1e-5, 1e-6]))
    >>> painted_curve(full, 0.5).coefficients
    array([0.001 , 0.0045, 0.009 ])
    """
    if not 0 < genome_factor <= 1:
        raise FociError(f"genome_factor must be above 0 and up to 1, got {genome_factor}")
    words = f"painting shows {genome_factor:.4g} of all exchanges"
    return _scaled(curve, np.full(len(curve.coefficients), genome_factor), words)


def curve_with_background(
    curve: CalibrationCurve, background_per_cell: float, background_sd: float
) -> CalibrationCurve:
    """Curve whose intercept is the background of this person, not of the blood donors.

    Parameters
    ----------
    curve : CalibrationCurve
        Curve of the laboratory.
    background_per_cell, background_sd : float
        Aberrations per cell before the exposure, and their standard deviation, on the scale of
        the curve (per genome equivalent for a full-genome curve).

    Raises
    ------
    FociError
        If a number is negative or not finite.

    Examples
    --------
    >>> full = CalibrationCurve(np.array([0.002, 0.009, 0.018]), np.diag([1e-7, 1e-5, 1e-6]))
    >>> curve_with_background(full, 0.006, 0.001).intercept_per_cell
    0.006
    """
    values = np.array([background_per_cell, background_sd])
    if not np.isfinite(values).all() or (values < 0).any():
        raise FociError(f"background and its SD must be zero or positive, got {values.tolist()}")
    coefficients, covariance = curve.coefficients.copy(), curve.covariance.copy()
    coefficients[0] = background_per_cell
    covariance[0, :] = covariance[:, 0] = 0.0
    covariance[0, 0] = background_sd**2
    words = f"background of {background_per_cell:.4g} per cell in place of the curve's intercept"
    return replace(
        curve,
        coefficients=coefficients,
        covariance=covariance,
        assumptions=(*curve.assumptions, words),
    )


def _scaled(curve: CalibrationCurve, scale: np.ndarray, words: str) -> CalibrationCurve:
    return replace(
        curve,
        coefficients=curve.coefficients * scale,
        covariance=curve.covariance * np.outer(scale, scale),
        assumptions=(*curve.assumptions, words),
    )
