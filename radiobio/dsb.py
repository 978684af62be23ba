"""Double-strand breaks and their foci: induction by dose rate, first-order repair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.repair import repair_components, with_component_axis


def foci_per_cell(
    dose_rate: SumOfExponentials,
    time_h: npt.ArrayLike,
    *,
    induction_per_gy: npt.ArrayLike,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    background_per_cell: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Mean number of foci per cell while the dose rate goes on (one linear compartment).

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape (...)
        Absorbed dose rate to the cells (Gy/h), time zero at the administration.
    time_h : array_like, shape (n_times,) or scalar
        Time after the administration (h), zero or positive.
    induction_per_gy : array_like, shape (...)
        Foci induced per cell and dose (1/Gy). Cells counted by different laboratories differ
        by an order of magnitude: use the laboratory's own calibration.
    repair_rate_per_h : array_like, scalar or shape (..., n_components)
        Repair rates (1/h). A scalar is a single pool; the last axis of an array is that of
        parallel repair components. Zero is damage that stays.
    fraction : array_like, scalar or shape (..., n_components)
        Share of the breaks that each component repairs; sums to one.
    background_per_cell : array_like, shape (...)
        Foci per cell without irradiation.

    Returns
    -------
    ndarray, shape (..., n_times), or (...) for a scalar time

    Raises
    ------
    RadiobioError
        If a time, an induction or a rate is negative, or the fractions do not sum to one.

    Notes
    -----
    .. math:: N(t) = N_b + c \int_0^t \dot D(s) \sum_j f_j e^{-k_j (t-s)}\,ds

    With one component this is :math:`dN/dt = c\dot D - kN`. Late, :math:`N - N_b` tends to
    :math:`c\dot D(t)/(k-\lambda)`: foci follow the dose early and the dose rate late, as was
    seen in patients by Schumann et al. 2019.

    References
    ----------
    Schumann S et al. Eur J Nucl Med Mol Imaging 2019;46:1723-1732,
    doi:10.1007/s00259-019-04317-4.

    Examples
    --------
    >>> blood = SumOfExponentials([0.012, 0.002], [0.4620981, 0.0231049])
    >>> foci = foci_per_cell(blood, [0.5, 24.0], induction_per_gy=14.7,
    ...                      repair_rate_per_h=[0.58, 0.02], fraction=[0.96, 0.04])
    >>> foci.round(4)
    array([0.0812, 0.0558])
    """
    rate, share = repair_components(repair_rate_per_h, fraction)
    time, induction = _not_negative(time_h, "time_h"), _not_negative(induction_per_gy, "induction")
    background = _not_negative(background_per_cell, "background_per_cell")
    unrepaired = with_component_axis(dose_rate).convolved(rate, np.atleast_1d(time))
    induced = induction[..., None] * (share[..., None] * unrepaired).sum(-2)
    return _like_time(background[..., None] + induced, time)


def foci_after_irradiation(
    time_h: npt.ArrayLike,
    *,
    dose_gy: npt.ArrayLike,
    irradiation_h: npt.ArrayLike,
    induction_per_gy: npt.ArrayLike,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    initial_per_cell: npt.ArrayLike = 0.0,
    background_per_cell: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Mean foci per cell in a sample irradiated at constant rate, then left to repair.

    Parameters
    ----------
    time_h : array_like, shape (n_times,) or scalar
        Time after the START of the irradiation (h), zero or positive.
    dose_gy : array_like, shape (...)
        Absorbed dose given over the whole irradiation (Gy).
    irradiation_h : array_like, shape (...)
        Duration T of the irradiation (h); zero is an acute dose.
    induction_per_gy, repair_rate_per_h, fraction, background_per_cell
        As in `foci_per_cell`.
    initial_per_cell : array_like, shape (...)
        Foci per cell above background at the start; they are repaired too.

    Returns
    -------
    ndarray, shape (..., n_times), or (...) for a scalar time

    Raises
    ------
    RadiobioError
        As `foci_per_cell`.

    Notes
    -----
    .. math::
        N(t) = N_b + \sum_j f_j \Big[ N_0 e^{-k_j t} + c D\, e^{-k_j (t-T)_+}
               \frac{1-e^{-k_j \min(t,T)}}{k_j T} \Big]

    The components (R, 0) with fractions (1 - Q, Q) give the law of alpha tracks,
    :math:`N_0[(1-Q)e^{-Rt}+Q]`.

    Examples
    --------
    >>> at = foci_after_irradiation([1.0, 5.0, 25.0], dose_gy=0.0501, irradiation_h=1.0,
    ...                             induction_per_gy=16.24, repair_rate_per_h=0.25)
    >>> at.round(2)
    array([0.72, 0.26, 0.  ])
    """
    rate, share = (part[..., None] for part in repair_components(repair_rate_per_h, fraction))
    time = _not_negative(time_h, "time_h")
    t = np.atleast_1d(time)
    duration, dose, induction, initial, background = (
        _not_negative(value, name)[..., None, None]
        for value, name in (
            (irradiation_h, "irradiation_h"),
            (dose_gy, "dose_gy"),
            (induction_per_gy, "induction_per_gy"),
            (initial_per_cell, "initial_per_cell"),
            (background_per_cell, "background_per_cell"),
        )
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.where(duration > 0, np.minimum(t / duration, 1.0), 1.0)
    during = given * _mean_survival(rate * np.minimum(t, duration))
    induced = induction * dose * during * np.exp(-rate * np.maximum(t - duration, 0.0))
    above = (share * (initial * np.exp(-rate * t) + induced)).sum(-2)
    return _like_time(background[..., 0, :] + above, time)


def induction_from_apparent_slope(
    slope_per_gy: npt.ArrayLike, repair_rate_per_h: npt.ArrayLike, irradiation_h: npt.ArrayLike
) -> FloatArray:
    r"""Induction per gray behind a calibration slope measured at the end of an irradiation.

    A sample irradiated for T hours has already repaired part of its breaks when it is fixed, so
    the calibration slope is an apparent one: :math:`c = \mathrm{slope}\cdot kT/(1-e^{-kT})`.
    A dose estimated with the apparent slope from a sample of equal age must not be corrected
    again.

    Parameters
    ----------
    slope_per_gy : array_like, shape (...)
        Foci per cell and dose at the end of the irradiation (1/Gy).
    repair_rate_per_h : array_like, shape (...)
        Rate k of the single repair pool (1/h).
    irradiation_h : array_like, shape (...)
        Duration T of the calibration irradiation (h).

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    RadiobioError
        If a value is negative or not finite.

    References
    ----------
    Numbers of the example: means of 32 patients' ex vivo samples (1 h, 50.1 mGy, 131I),
    PMC8940852.

    Examples
    --------
    >>> float(induction_from_apparent_slope(14.37, 0.25, 1.0).round(2))
    16.24
    """
    slope = _not_negative(slope_per_gy, "slope_per_gy")
    exponent = _not_negative(repair_rate_per_h, "repair_rate_per_h") * _not_negative(
        irradiation_h, "irradiation_h"
    )
    return np.asarray(slope / _mean_survival(exponent))


def _mean_survival(exponent: FloatArray) -> FloatArray:
    """(1 - e^{-x}) / x, one at zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(exponent > 0, -np.expm1(-exponent) / exponent, 1.0))


def _not_negative(value: npt.ArrayLike, name: str) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise RadiobioError(f"{name} must be finite and zero or positive")
    return array


def _like_time(values: FloatArray, time: FloatArray) -> FloatArray:
    """Drop the time axis again where a scalar time was asked for."""
    result: FloatArray = values[..., 0] if time.ndim == 0 else values
    return result
