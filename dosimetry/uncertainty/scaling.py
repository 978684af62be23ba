"""How an S value falls with the mass of its region: S = c1 m^(-c2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.s_values import SValue

FloatArray = npt.NDArray[np.float64]

_LEAST_RATIO = 1.01  # of the largest to the smallest mass


def s_value_exponent(s_value: SValue) -> float:
    r"""Exponent :math:`c_2` of a self S value from its parts.

    Electrons and alpha particles scale with 1/m, photons with :math:`m^{-2/3}` (the rule of
    `scaled_self_s_value`), so :math:`c_2 = (S_e + S_\alpha + \tfrac23 S_{ph})/S` at the mass given.

    Parameters
    ----------
    s_value : SValue
        Self S value with scalar parts.

    Returns
    -------
    float
        From 2/3 to 1.

    Raises
    ------
    DosimetryError
        If a part is negative or not finite, or all are zero.

    Examples
    --------
    >>> round(s_value_exponent(SValue(electron=0.95, photon=0.05)), 4)
    0.9833
    """
    parts = (s_value.electron, s_value.photon, s_value.alpha)
    if not (min(parts) >= 0 and 0 < sum(parts) < np.inf):
        raise DosimetryError(
            f"parts of an S value must be finite, zero or positive, and not all zero, got {parts}"
        )
    return float((s_value.total - s_value.photon / 3) / s_value.total)


def fit_s_value_exponent(
    mass_g: npt.ArrayLike, s_value_gy_per_mbq_h: npt.ArrayLike
) -> tuple[float, float, FloatArray]:
    r"""Fit :math:`S = c_1 m^{-c_2}` to S values by mass, a straight line in logarithms.

    Parameters
    ----------
    mass_g, s_value_gy_per_mbq_h : array_like, shape (n,)
        Masses (g) and S values (Gy/(MBq h)), such as those of spheres.

    Returns
    -------
    c1, c2 : float
        S value at 1 g (Gy/(MBq h)) and exponent.
    covariance : ndarray, shape (2, 2)
        Covariance of :math:`(\ln c_1, c_2)` from the scatter about the line.

    Raises
    ------
    DosimetryError
        If fewer than three pairs are given, one is not finite and positive, or all masses are
        equal.

    Examples
    --------
    >>> c1, c2, _ = fit_s_value_exponent([1, 10, 100], [8e-2, 8e-3, 8e-4])
    >>> round(c1, 4), round(c2, 4)
    (0.08, 1.0)
    """
    mass = np.asarray(mass_g, dtype=np.float64)
    s_value = np.asarray(s_value_gy_per_mbq_h, dtype=np.float64)
    if mass.ndim != 1 or mass.shape != s_value.shape or len(mass) < 3:
        raise DosimetryError(
            f"need at least three pairs of mass and S value, got {mass.shape} and {s_value.shape}"
        )
    if not all(np.isfinite(x).all() and (x > 0).all() for x in (mass, s_value)):
        raise DosimetryError(
            f"masses and S values must be finite and positive, got {mass_g!r} and "
            f"{s_value_gy_per_mbq_h!r}"
        )
    if mass.max() < _LEAST_RATIO * mass.min():
        raise DosimetryError(
            f"masses must differ by {_LEAST_RATIO - 1:.0%} or more for a slope, got {mass_g!r}"
        )
    design = np.column_stack([np.ones(len(mass)), -np.log(mass)])
    inverse = np.linalg.inv(design.T @ design)
    line = inverse @ design.T @ np.log(s_value)
    residual = np.log(s_value) - design @ line
    covariance = inverse * (residual @ residual) / (len(mass) - 2)
    return float(np.exp(line[0])), float(line[1]), covariance
