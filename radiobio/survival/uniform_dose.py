"""One dose for many: the uniform dose with the same effect as a distribution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import not_negative, numbers, positive, shares, together
from radiobio.errors import RadiobioError


def eud_gy(
    bed_gy: npt.ArrayLike, *, alpha_per_gy: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> FloatArray:
    r"""Equivalent uniform BED: the uniform one that leaves as many survivors.

    Parameters
    ----------
    bed_gy : array_like, shape (..., n_voxels)
        BED of each voxel or dose bin (Gy). With plain doses it is Niemierko's EUD of a purely
        exponential survival.
    alpha_per_gy : array_like, shape (...)
        Linear coefficient (1/Gy), above zero.
    weight : array_like, shape (..., n_voxels), optional
        Volumes, masses or numbers of cells in any unit; equal by default.

    Returns
    -------
    ndarray, shape (...)
        Never above the mean.

    Raises
    ------
    RadiobioError
        If alpha is not above zero, or weights are negative, all zero or of another shape.

    Notes
    -----
    :math:`\mathrm{EUD} = -\ln\big(\sum_v w_v e^{-\alpha\,\mathrm{BED}_v}\big)/\alpha`, with the
    least dose taken out of the sum so that nothing underflows.

    References
    ----------
    Niemierko A. Med Phys 1997;24:103-110, doi:10.1118/1.598063.

    Examples
    --------
    >>> float(eud_gy([10.0, 20.0], alpha_per_gy=0.3).round(4))
    12.1485
    """
    bed = numbers(bed_gy, "bed_gy")
    if not np.isfinite(bed).all():
        raise RadiobioError("bed_gy must be finite")
    share = shares(weight, bed)
    alpha = positive(alpha_per_gy, "alpha_per_gy")
    together(bed_gy=bed[..., 0], alpha_per_gy=alpha)
    with np.errstate(divide="ignore"):
        log_term = np.log(share) - alpha[..., None] * bed
    return np.asarray(-_log_sum(log_term) / alpha)


def geud_gy(
    dose_gy: npt.ArrayLike, *, exponent: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> FloatArray:
    r"""Generalised equivalent uniform dose, a power mean.

    Parameters
    ----------
    dose_gy : array_like, shape (..., n_voxels)
        Dose of each voxel or dose bin (Gy), zero or positive.
    exponent : array_like, shape (...)
        The tissue's a: 1 is the mean, large ones approach the maximum (serial organs), negative
        ones the minimum (tumours). Plus and minus infinity are legal, zero is not.
    weight : array_like, shape (..., n_voxels), optional
        Volumes in any unit; equal by default.

    Returns
    -------
    ndarray, shape (...)
        :math:`\big(\sum_v w_v D_v^a\big)^{1/a}`. Zero for a negative exponent and a voxel
        without dose.

    Raises
    ------
    RadiobioError
        If a dose is negative, the exponent zero, or the weights are not legal.

    References
    ----------
    Niemierko A. Med Phys 1999;26:1100 (abstract). Wu Q et al. Int J Radiat Oncol Biol Phys
    2002;52:224-235, doi:10.1016/S0360-3016(01)02585-8.

    Examples
    --------
    >>> float(geud_gy([10.0, 20.0], exponent=2.0).round(4))
    15.8114
    """
    dose = not_negative(dose_gy, "dose_gy")
    share = shares(weight, dose)
    a = numbers(exponent, "exponent")
    together(dose_gy=share[..., 0], exponent=a)
    if np.isnan(a).any() or (a == 0).any():
        raise RadiobioError("exponent must be a number other than zero")
    used = np.where(share > 0, dose, np.nan)
    finite = np.where(np.isinf(a), 1.0, a)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        log_term = np.where(share > 0, np.log(share) + finite[..., None] * np.log(dose), -np.inf)
        power = np.exp(_log_sum(log_term) / finite)
    extreme = np.where(a > 0, np.nanmax(used, axis=-1), np.nanmin(used, axis=-1))
    return np.asarray(np.where(np.isinf(a), extreme, power))


def _log_sum(log_term: FloatArray) -> FloatArray:
    """Logarithm of the sum of exponentials over the last axis, without overflow."""
    top = log_term.max(-1, keepdims=True)
    level = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        total = np.log(np.exp(log_term - level).sum(-1))
    return np.asarray(level[..., 0] + total)
