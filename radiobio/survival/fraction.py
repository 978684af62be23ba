"""Surviving fractions of the linear-quadratic model, alone and in mixed fields."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import not_negative, not_negatives, numbers, together
from radiobio.errors import RadiobioError


def log_survival(
    dose_gy: npt.ArrayLike,
    *,
    alpha_per_gy: npt.ArrayLike,
    beta_per_gy2: npt.ArrayLike = 0.0,
    protraction: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Logarithm of the surviving fraction, :math:`\ln S = -\alpha D - G\beta D^2`.

    Parameters
    ----------
    dose_gy : array_like, shape (...)
        Absorbed dose (Gy), zero or positive.
    alpha_per_gy, beta_per_gy2 : array_like, shape (...)
        Coefficients (1/Gy, 1/Gy^2), zero or positive.
    protraction : array_like, shape (...)
        Lea-Catcheside factor G; 1 is an acute dose.

    Returns
    -------
    ndarray, shape (...)
        Zero or negative; the surviving fraction is its exponential.

    Raises
    ------
    RadiobioError
        If a value is negative or not finite.

    Examples
    --------
    PC-3 cells, acute photons (coefficients of Guerra Liberal FDC et al. 2023):

    >>> float(np.exp(log_survival(2.0, alpha_per_gy=0.55, beta_per_gy2=0.04)).round(4))
    0.2837
    """
    dose, alpha, beta, g = not_negatives(
        dose_gy=dose_gy,
        alpha_per_gy=alpha_per_gy,
        beta_per_gy2=beta_per_gy2,
        protraction=protraction,
    )
    return np.asarray(-alpha * dose - g * beta * dose**2)


def mixed_log_survival(
    dose_gy: npt.ArrayLike,
    *,
    alpha_per_gy: npt.ArrayLike,
    beta_per_gy2: npt.ArrayLike,
    protraction: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Logarithm of the surviving fraction after several radiations together.

    Parameters
    ----------
    dose_gy : array_like, shape (..., n_fields)
        Absorbed dose of each radiation (Gy), zero or positive.
    alpha_per_gy, beta_per_gy2 : array_like, shape (..., n_fields)
        Coefficients of each radiation alone (1/Gy, 1/Gy^2).
    protraction : array_like, scalar or shape (..., n_fields, n_fields)
        Factors :math:`G_{ij}` of `protraction_matrix`; 1 where all doses are acute and at once.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    RadiobioError
        If a value is negative, or the protraction is no square matrix of the fields.

    Notes
    -----
    .. math::
        \ln S = -\sum_i\alpha_iD_i - \sum_{ij}G_{ij}\sqrt{\beta_i\beta_j}\,D_iD_j

    which for acute doses is :math:`-\sum\alpha_iD_i-(\sum\sqrt{\beta_i}D_i)^2` (Zaider and
    Rossi). The factor for two different dose rates follows from the same assumption: sublethal
    lesions of both fields are alike, repaired alike, and meet in pairs.

    References
    ----------
    Zaider M, Rossi HH. Radiat Res 1980;83:732-739, doi:10.2307/3575352.

    Examples
    --------
    U2OS cells, 1 Gy of photons and 0.2 Gy of alpha particles (coefficients of Guerra Liberal FDC
    et al. 2023, no quadratic term for alpha particles):

    >>> both = mixed_log_survival([1.0, 0.2], alpha_per_gy=[0.28, 2.6], beta_per_gy2=[0.052, 0.0])
    >>> float(both.round(3))
    -0.852
    """
    dose, alpha, beta = not_negatives(
        dose_gy=dose_gy, alpha_per_gy=alpha_per_gy, beta_per_gy2=beta_per_gy2
    )
    g = not_negative(protraction, "protraction")
    if dose.ndim == 0:
        raise RadiobioError("dose_gy needs a last axis of fields, got a scalar")
    n = dose.shape[-1]
    if g.ndim and g.shape[-2:] != (n, n):
        raise RadiobioError(f"protraction must end in shape ({n}, {n}), got {g.shape}")
    lesions = np.sqrt(beta) * dose
    if g.ndim:
        together(fields=lesions[..., 0], protraction=g[..., 0, 0])
    pairs = g * lesions[..., :, None] * lesions[..., None, :]
    return np.asarray(-(alpha * dose).sum(-1) - pairs.sum((-1, -2)))


def rbe_weighted_dose_gy(dose_gy: npt.ArrayLike, rbe: npt.ArrayLike) -> FloatArray:
    r"""Doses of several radiations times their RBE, :math:`\sum_i \mathrm{RBE}_i D_i`.

    A fixed RBE belongs to one dose, dose rate and endpoint; where the coefficients of both
    radiations are known, `isoeffective_dose_gy` needs no such number.

    Parameters
    ----------
    dose_gy, rbe : array_like, shape (..., n_fields)
        Absorbed doses (Gy) and relative biological effectiveness, zero or positive.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    RadiobioError
        If a value is negative, or there is no axis of fields.

    Examples
    --------
    >>> float(rbe_weighted_dose_gy([1.0, 0.1], [1.0, 5.0]))
    1.5
    """
    dose, relative = not_negatives(dose_gy=dose_gy, rbe=rbe)
    weighted = dose * relative
    if weighted.ndim == 0:
        raise RadiobioError("a last axis of fields is needed, got scalars")
    return np.asarray(weighted.sum(-1))


def isoeffective_dose_gy(
    log_survival: npt.ArrayLike,
    *,
    alpha_per_gy: npt.ArrayLike,
    beta_per_gy2: npt.ArrayLike = 0.0,
    protraction: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Dose of a reference radiation that leaves a given surviving fraction.

    Parameters
    ----------
    log_survival : array_like, shape (...)
        Logarithm of the surviving fraction, zero or negative.
    alpha_per_gy, beta_per_gy2 : array_like, shape (...)
        Coefficients of the reference radiation (1/Gy, 1/Gy^2), not both zero.
    protraction : array_like, shape (...)
        Lea-Catcheside factor of the reference radiation.

    Returns
    -------
    ndarray, shape (...)
        :math:`D = 2E/(\alpha+\sqrt{\alpha^2+4G\beta E})`, :math:`E=-\ln S` (Gy).

    Raises
    ------
    RadiobioError
        If the surviving fraction is above one, or the reference radiation does not kill.

    Examples
    --------
    >>> float(isoeffective_dose_gy(-0.852, alpha_per_gy=0.28, beta_per_gy2=0.052).round(3))
    2.169
    """
    effect, alpha, beta, g = not_negatives(
        minus_log_survival=-numbers(log_survival, "log_survival"),
        alpha_per_gy=alpha_per_gy,
        beta_per_gy2=beta_per_gy2,
        protraction=protraction,
    )
    quadratic = g * beta
    if ((alpha == 0) & (quadratic == 0)).any():
        raise RadiobioError("alpha_per_gy and beta_per_gy2 must not both be zero")
    root = alpha + np.sqrt(alpha**2 + 4 * quadratic * effect)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(effect == 0, 0.0, 2 * effect / root))


def tumour_control_probability(log_survival: npt.ArrayLike, clonogens: npt.ArrayLike) -> FloatArray:
    r"""Probability that no clonogenic cell survives, :math:`\exp(-\sum_v N_v S_v)`.

    Parameters
    ----------
    log_survival : array_like, shape (..., n_voxels)
        Logarithm of the surviving fraction in each voxel (:math:`-\alpha\,\mathrm{BED}`); a
        uniform tumour has a last axis of one.
    clonogens : array_like, shape (..., n_voxels)
        Clonogenic cells in each voxel, zero or positive.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    RadiobioError
        If a survival is above one, a number of cells is negative, or there is no axis of voxels.

    Notes
    -----
    Survivors are Poisson: cells die independently of each other.

    Examples
    --------
    Prostate metastasis of 1.79e8 cells, alpha 0.147 /Gy (PMC9608466, fig. 1), BED 150 Gy:

    >>> round(float(tumour_control_probability([-0.147 * 150.0], [1.79e8])), 3)
    0.954
    """
    effect, cells = not_negatives(
        minus_log_survival=-numbers(log_survival, "log_survival"), clonogens=clonogens
    )
    survivors = cells * np.exp(-effect)
    if survivors.ndim == 0:
        raise RadiobioError("a last axis of voxels is needed, got scalars")
    return np.asarray(np.exp(-survivors.sum(-1)))
