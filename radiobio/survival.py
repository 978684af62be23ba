"""Linear-quadratic survival: dose protraction, BED and EQD2 of any dose-rate curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.repair import repair_components, with_component_axis


def lea_catcheside_g(
    dose_rate: SumOfExponentials,
    repair_rate_per_h: npt.ArrayLike,
    *,
    fraction: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Lea-Catcheside protraction factor G of a dose rate that decays away.

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape (...)
        Absorbed dose rate (Gy/h); amplitudes of either sign, rates above zero.
    repair_rate_per_h : array_like, scalar or shape (..., n_components)
        Repair rates :math:`\mu` of sublethal damage (1/h). A scalar is one component; the last
        axis of an array is that of parallel components.
    fraction : array_like, scalar or shape (..., n_components)
        Share of each component; G is the mean of their factors with these weights.

    Returns
    -------
    ndarray, shape (...)
        Between 0 and 1. Zero where the dose is zero.

    Raises
    ------
    RadiobioError
        If a term does not decay, or a rate or fraction is not legal.

    Notes
    -----
    .. math::
        G = \frac{2}{D^2}\int_0^\infty \dot D(t)\int_0^t \dot D(s)e^{-\mu(t-s)}\,ds\,dt
          = \frac{2}{D^2}\sum_{ij}\frac{R_i R_j}{(\lambda_i+\lambda_j)(\lambda_i+\mu)}

    for :math:`\dot D = \sum_i R_i e^{-\lambda_i t}`; one exponential gives
    :math:`\lambda/(\lambda+\mu)`.

    References
    ----------
    Lea DE, Catcheside DG. J Genet 1942;44:216-245, doi:10.1007/BF02982830.
    Dale RG. Br J Radiol 1985;58:515-528, doi:10.1259/0007-1285-58-690-515.

    Examples
    --------
    >>> kidney = SumOfExponentials([1.0], [0.01386294])
    >>> float(lea_catcheside_g(kidney, 0.2475526).round(5))
    0.05303
    """
    dose, pairs = _dose_and_pairs(dose_rate, repair_rate_per_h, fraction)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(dose != 0, pairs / dose**2, 0.0))


def lea_catcheside_g_constant_rate(
    irradiation_h: npt.ArrayLike, repair_rate_per_h: npt.ArrayLike
) -> FloatArray:
    r"""Protraction factor of a constant dose rate, :math:`G = 2(x-1+e^{-x})/x^2,\ x=\mu T`.

    Parameters
    ----------
    irradiation_h : array_like, shape (...)
        Duration T of the irradiation (h), zero or positive.
    repair_rate_per_h : array_like, shape (...)
        Repair rate :math:`\mu` (1/h), zero or positive.

    Returns
    -------
    ndarray, shape (...)
        One for an acute irradiation.

    Raises
    ------
    RadiobioError
        If a value is negative or not finite.

    Examples
    --------
    >>> float(lea_catcheside_g_constant_rate(2.0, 0.5).round(6))
    0.735759
    """
    x = np.asarray(irradiation_h, dtype=np.float64) * np.asarray(repair_rate_per_h)
    if not (np.isfinite(x).all() and (x >= 0).all()):
        raise RadiobioError("irradiation_h and repair_rate_per_h must be zero or positive")
    with np.errstate(divide="ignore", invalid="ignore"):
        closed = 2 * (x + np.expm1(-x)) / x**2
    # below 1e-3 the closed form loses digits; the next term of the series is x^3/60
    return np.asarray(np.where(x < 1e-3, 1 - x / 3 + x**2 / 12, closed))


def bed_gy(
    dose_rate: SumOfExponentials | Sequence[SumOfExponentials],
    *,
    alpha_beta_gy: npt.ArrayLike,
    repair_half_life_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    rbe_max: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Biologically effective dose of one dose-rate curve, or of several cycles.

    Parameters
    ----------
    dose_rate : SumOfExponentials or sequence of them, leading shape (...)
        Absorbed dose rate (Gy/h). A sequence is taken as cycles so far apart that damage of one
        is repaired before the next: their doses add as BED.
    alpha_beta_gy : array_like, shape (...)
        Ratio of the linear to the quadratic coefficient (Gy), above zero.
    repair_half_life_h : array_like, scalar or shape (..., n_components)
        Half-lives of sublethal-damage repair (h), above zero; components as in
        `lea_catcheside_g`.
    fraction : array_like, scalar or shape (..., n_components)
        Share of each repair component.
    rbe_max : array_like, shape (...)
        RBE in the limit of low dose; one for beta and photon emitters.

    Returns
    -------
    ndarray, shape (...)
        BED (Gy).

    Raises
    ------
    RadiobioError
        If alpha/beta or a half-life is not above zero, or there is no cycle.

    Notes
    -----
    :math:`\mathrm{BED} = \sum_{cycles} D\,(\mathrm{RBE_{max}} + G D/(\alpha/\beta))`.

    References
    ----------
    Dale RG. Br J Radiol 1985;58:515-528, doi:10.1259/0007-1285-58-690-515.

    Examples
    --------
    >>> rate = 0.01386294
    >>> kidney = SumOfExponentials([20.0 * rate], [rate])
    >>> float(bed_gy(kidney, alpha_beta_gy=2.6, repair_half_life_h=2.8).round(4))
    28.1585
    """
    cycles = [dose_rate] if isinstance(dose_rate, SumOfExponentials) else list(dose_rate)
    if not cycles:
        raise RadiobioError("bed_gy needs at least one dose-rate curve")
    ratio = _positive(alpha_beta_gy, "alpha_beta_gy")
    repair_rate = np.log(2) / _positive(repair_half_life_h, "repair_half_life_h")
    relative = _positive(rbe_max, "rbe_max")
    parts = [_dose_and_pairs(cycle, repair_rate, fraction) for cycle in cycles]
    return np.asarray(sum(relative * dose + pairs / ratio for dose, pairs in parts))


def eqd2_gy(bed_gy: npt.ArrayLike, *, alpha_beta_gy: npt.ArrayLike) -> FloatArray:
    r"""Dose in fractions of 2 Gy with the same BED, :math:`\mathrm{BED}/(1+2/(\alpha/\beta))`.

    Parameters
    ----------
    bed_gy : array_like, shape (...)
        Biologically effective dose (Gy).
    alpha_beta_gy : array_like, shape (...)
        Ratio of the linear to the quadratic coefficient (Gy), above zero.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    RadiobioError
        If alpha/beta is not above zero.

    Examples
    --------
    >>> float(eqd2_gy(28.1585, alpha_beta_gy=2.6).round(4))
    15.9157
    """
    ratio = _positive(alpha_beta_gy, "alpha_beta_gy")
    return np.asarray(np.asarray(bed_gy, dtype=np.float64) / (1 + 2 / ratio))


def _dose_and_pairs(
    dose_rate: SumOfExponentials, repair_rate_per_h: npt.ArrayLike, fraction: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Dose D (Gy) and G D^2 (Gy^2), without dividing by the dose."""
    repair, share = repair_components(repair_rate_per_h, fraction)
    if ((dose_rate.rate_per_h == 0) & (dose_rate.amplitude != 0)).any():
        raise RadiobioError("a dose rate with a term that does not decay has no total dose")
    curve = with_component_axis(dose_rate)
    # int f(t) (f * e^{-mu t})(t) dt = sum_i R_i/(lambda_i + mu) sum_j R_j/(lambda_i + lambda_j)
    rate = np.where(curve.amplitude == 0, 1.0, curve.rate_per_h)
    partner = (curve.amplitude[..., None, :] / (rate[..., :, None] + rate[..., None, :])).sum(-1)
    pairs = 2 * (curve.amplitude * partner / (rate + repair[..., None])).sum(-1)
    return dose_rate.integral(), (share * pairs).sum(-1)


def _positive(value: npt.ArrayLike, name: str) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise RadiobioError(f"{name} must be finite and above zero")
    return array
