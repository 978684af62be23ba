"""Dose protraction: how much sublethal damage is repaired while the dose is given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.checks import not_negative, not_negatives, numbers, together
from radiobio.errors import RadiobioError
from radiobio.repair import repair_components
from radiobio.survival.pair_integrals import pair_dose


def lea_catcheside_g(
    dose_rate: SumOfExponentials,
    repair_rate_per_h: npt.ArrayLike,
    *,
    fraction: npt.ArrayLike = 1.0,
    until_h: npt.ArrayLike = np.inf,
) -> FloatArray:
    r"""Lea-Catcheside protraction factor G of a dose rate.

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape (...)
        Absorbed dose rate (Gy/h); amplitudes of either sign.
    repair_rate_per_h : array_like, scalar or shape (..., n_components)
        Repair rates :math:`\mu` of sublethal damage (1/h). A scalar is one component; the last
        axis of an array is that of parallel components.
    fraction : array_like, scalar or shape (..., n_components)
        Share of each component; G is the mean of their factors with these weights.
    until_h : array_like, shape (...)
        Time T at which the irradiation stops (h); infinite by default.

    Returns
    -------
    ndarray, shape (...)
        Between 0 and 1. Zero where the dose is zero.

    Raises
    ------
    RadiobioError
        If a term does not decay and the irradiation does not stop, or a value is not legal.

    Notes
    -----
    .. math::
        G = \frac{2}{D^2}\int_0^T \dot D(t)\int_0^t \dot D(s)e^{-\mu(t-s)}\,ds\,dt
          \;\xrightarrow{T\to\infty}\;
          \frac{2}{D^2}\sum_{ij}\frac{R_i R_j}{(\lambda_i+\lambda_j)(\lambda_i+\mu)}

    for :math:`\dot D = \sum_i R_i e^{-\lambda_i t}`; one exponential gives
    :math:`\lambda/(\lambda+\mu)`. Rates that meet (:math:`\mu=\lambda`) are no special case.

    References
    ----------
    Lea DE, Catcheside DG. J Genet 1942;44:216-245, doi:10.1007/BF02982830.
    Dale RG. Br J Radiol 1985;58:515-528, doi:10.1259/0007-1285-58-690-515.

    Examples
    --------
    >>> kidney = SumOfExponentials([1.0], [0.01386294])
    >>> float(lea_catcheside_g(kidney, 0.2475526).round(5))
    0.05303
    >>> float(lea_catcheside_g(kidney, 0.2475526, until_h=24.0).round(7))
    0.281483
    """
    return protraction_matrix(
        [dose_rate], repair_rate_per_h, fraction=fraction, until_h=until_h
    )[..., 0, 0]  # fmt: skip


def protraction_matrix(
    dose_rates: Sequence[SumOfExponentials],
    repair_rate_per_h: npt.ArrayLike,
    *,
    fraction: npt.ArrayLike = 1.0,
    start_h: npt.ArrayLike = 0.0,
    until_h: npt.ArrayLike = np.inf,
) -> FloatArray:
    r"""Protraction factors of several dose rates and of each pair of them.

    The dose rates may be radiations of a mixed field, or treatment cycles that start at
    different times: off the diagonal stands how much of the sublethal damage of one is still
    there to meet that of the other.

    Parameters
    ----------
    dose_rates : sequence of SumOfExponentials, leading shape (...)
        Absorbed dose rates (Gy/h), each with its own time zero.
    repair_rate_per_h, fraction
        As in `lea_catcheside_g`; one repair for all of them.
    start_h : array_like, scalar or shape (n,)
        Start of each dose rate on a common clock (h).
    until_h : array_like, shape (...)
        Time on the common clock at which all irradiation stops (h).

    Returns
    -------
    ndarray, shape (..., n, n)
        Symmetric; the diagonal holds the Lea-Catcheside factors. Zero where a dose is zero.

    Raises
    ------
    RadiobioError
        If there is no dose rate, a term does not decay and the irradiation does not stop, or a
        value is not legal.

    Notes
    -----
    .. math::
        G_{mn} = \frac{1}{D_m D_n}\int\!\!\int \dot D_m(t)\,\dot D_n(s)\,e^{-\mu|t-s|}\,ds\,dt

    so that the total :math:`\dot D=\sum_m\dot D_m` has :math:`G D^2 = \sum_{mn} G_{mn} D_m D_n`.

    References
    ----------
    Lea DE, Catcheside DG. J Genet 1942;44:216-245, doi:10.1007/BF02982830.

    Examples
    --------
    Two equal cycles 24 h apart, repair half-life 2.8 h:

    >>> cycle = SumOfExponentials([0.277], [0.01386294])
    >>> protraction_matrix([cycle, cycle], 0.2475526, start_h=[0.0, 24.0]).round(4)
    array([[0.053 , 0.0403],
           [0.0403, 0.053 ]])
    """
    dose, pairs = dose_pairs(
        dose_rates, repair_rate_per_h, fraction=fraction, start_h=start_h, until_h=until_h
    )
    product = dose[..., :, None] * dose[..., None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(product != 0, pairs / product, 0.0))


def dose_pairs(
    dose_rates: Sequence[SumOfExponentials],
    repair_rate_per_h: npt.ArrayLike,
    *,
    fraction: npt.ArrayLike = 1.0,
    start_h: npt.ArrayLike = 0.0,
    until_h: npt.ArrayLike = np.inf,
) -> tuple[FloatArray, FloatArray]:
    """Doses (..., n) in Gy and :math:`G_{mn} D_m D_n` (..., n, n) in Gy^2, not divided."""
    curves = list(dose_rates)
    if not curves:
        raise RadiobioError("at least one dose-rate curve is needed, got none")
    rate, share = repair_components(repair_rate_per_h, fraction)
    until = not_negative(until_h, "until_h", finite=False)
    start = numbers(start_h, "start_h")
    try:
        start = np.broadcast_to(start, (len(curves),))
    except ValueError:
        raise RadiobioError(
            f"start_h needs one time for each of the {len(curves)} dose rates, got shape "
            f"{start.shape}"
        ) from None
    if not np.isfinite(start).all():
        raise RadiobioError("start_h must be finite")
    together(
        **{f"dose rate {i + 1}": np.empty(c.shape) for i, c in enumerate(curves)},
        repair_rate_per_h=rate[..., 0],
        until_h=until,
    )
    for curve in curves:
        endless = (curve.rate_per_h == 0) & (curve.amplitude != 0)
        if (endless & np.isinf(until)[..., None]).any():
            raise RadiobioError(
                "a dose rate with a term that does not decay has no total dose; give until_h"
            )
    own = [np.maximum(until - s, 0.0) for s in start]
    doses = [_dose(curve, left) for curve, left in zip(curves, own, strict=True)]
    order = np.argsort(start, kind="stable")
    cells: dict[tuple[int, int], FloatArray] = {}
    for rank, m in enumerate(order):
        for n in order[rank:]:
            both = pair_dose(
                curves[m], curves[n], rate, share, delay_h=float(start[n] - start[m]),
                left_h=own[n],
            )  # fmt: skip
            cells[m, n] = cells[n, m] = both
    shape = np.broadcast_shapes(*(x.shape for x in (*doses, *cells.values())))
    pairs = np.empty((*shape, len(curves), len(curves)))
    for (m, n), value in cells.items():
        pairs[..., m, n] = value
    return np.stack([np.broadcast_to(d, shape) for d in doses], axis=-1), pairs


def _dose(curve: SumOfExponentials, left_h: FloatArray) -> FloatArray:
    """Dose within `left_h` (shape (...)) of the start of a curve."""
    product = curve.rate_per_h * np.where(np.isinf(left_h), 0.0, left_h)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(product > 0, -np.expm1(-product) / product, 1.0) * left_h[..., None]
        whole = np.where(curve.amplitude == 0, 0.0, 1.0 / curve.rate_per_h)
        term = np.where(np.isinf(left_h)[..., None], whole, mean)
    return np.asarray((np.where(curve.amplitude == 0, 0.0, curve.amplitude * term)).sum(-1))


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
    duration, rate = not_negatives(irradiation_h=irradiation_h, repair_rate_per_h=repair_rate_per_h)
    x = np.minimum(duration, 1e150) * np.minimum(rate, 1e150)
    with np.errstate(divide="ignore", invalid="ignore"):
        closed = 2 * ((1 + np.expm1(-x) / x) / x)
    # below 1e-3 the closed form loses digits; the next term of the series is x^3/60
    small = np.minimum(x, 1e-3)
    return np.asarray(np.where(x < 1e-3, 1 - small / 3 + small**2 / 12, closed))
