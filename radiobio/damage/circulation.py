"""Lymphocytes that circulate between blood and lymphoid organs, each with its own dose rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from kinetics.structures import rate_matrix_amounts
from radiobio.checks import not_negative, numbers, positive, times, together
from radiobio.damage._focus_curves import like_time
from radiobio.errors import RadiobioError
from radiobio.repair import repair_components


def blood_exchange_per_h(
    *, blood_share: npt.ArrayLike, residence_time_h: npt.ArrayLike
) -> FloatArray:
    r"""Exchange rates between blood and one lymphoid pool, for `foci_in_pools`.

    Parameters
    ----------
    blood_share : array_like, shape (...)
        Share of all lymphocytes that is in the blood, above 0 and below 1. There is no default:
        about 2 % is often said, but was not found with its source.
    residence_time_h : array_like, shape (...)
        Mean time of a lymphocyte in the blood before it leaves (h). There is no default: half an
        hour to an hour is often said, but was not found with its source.

    Returns
    -------
    ndarray, shape (..., 2, 2)
        Pools blood, lymphoid: entry (p, q) is the share of pool p replaced from pool q per hour.

    Raises
    ------
    RadiobioError
        If a value is not legal.

    Notes
    -----
    The pools keep their size: :math:`e_{in} = 1/\tau`, :math:`e_{out} = e_{in}\,s/(1-s)`.

    Examples
    --------
    >>> blood_exchange_per_h(blood_share=0.02, residence_time_h=1.0).round(4)
    array([[0.    , 1.    ],
           [0.0204, 0.    ]])
    """
    share = positive(blood_share, "blood_share")
    if (share >= 1).any():
        raise RadiobioError(f"blood_share must be below 1, got {share.max():g}")
    residence = positive(residence_time_h, "residence_time_h")
    together(blood_share=share, residence_time_h=residence)
    into_blood = 1 / residence
    into_blood, share = np.broadcast_arrays(into_blood, share)
    exchange = np.zeros((*share.shape, 2, 2))
    exchange[..., 0, 1] = into_blood
    exchange[..., 1, 0] = into_blood * share / (1 - share)
    return exchange


def foci_in_pools(
    dose_rates: Sequence[SumOfExponentials],
    time_h: npt.ArrayLike,
    *,
    exchange_per_h: npt.ArrayLike,
    induction_per_gy: npt.ArrayLike,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    background_per_cell: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Mean foci per cell of each pool of circulating lymphocytes.

    Parameters
    ----------
    dose_rates : sequence of SumOfExponentials, each of leading shape (...)
        Absorbed dose rate to the cells in each pool (Gy/h).
    time_h : array_like, shape (n_times,) or scalar
        Time after the administration (h), zero or positive.
    exchange_per_h : array_like, shape (..., n_pools, n_pools)
        Entry (p, q): share of the cells of pool p that is replaced by cells from pool q per hour
        (1/h); the diagonal is not read. `blood_exchange_per_h` makes it for two pools.
    induction_per_gy, background_per_cell : array_like, shape (...)
        As in `foci_per_cell`.
    repair_rate_per_h, fraction : array_like, scalar or shape (..., n_components)
        As in `foci_per_cell`.

    Returns
    -------
    ndarray, shape (..., n_pools, n_times), or (..., n_pools) for a scalar time

    Raises
    ------
    RadiobioError
        If a value is not legal or shapes do not fit.

    Notes
    -----
    .. math::
        \frac{dN_p}{dt} = c\dot D_p - kN_p + \sum_q e_{pq}(N_q - N_p)

    above background, once a repair component. The terms of the dose rates are further
    compartments of one linear system, :math:`u_i' = -\lambda_i u_i`, which `rate_matrix_amounts`
    solves; equal rates need no care. Weighted with the sizes of pools that keep theirs, the
    exchange cancels; without repair and with fast exchange all pools tend to the pool-weighted
    dose times c.

    Examples
    --------
    >>> blood, organs = (SumOfExponentials([rate], [0.02]) for rate in (0.004, 0.001))
    >>> exchange = blood_exchange_per_h(blood_share=0.02, residence_time_h=1.0)
    >>> foci_in_pools([blood, organs], 24.0, exchange_per_h=exchange, induction_per_gy=14.7,
    ...               repair_rate_per_h=0.25).round(4)
    array([0.0631, 0.0413])
    """
    time = times(time_h)
    exchange = _off_diagonal(exchange_per_h)
    n_pools = exchange.shape[-1]
    if len(dose_rates) != n_pools:
        raise RadiobioError(
            f"{len(dose_rates)} dose rates for {n_pools} pools: give one a pool, in their order"
        )
    rate, share = repair_components(repair_rate_per_h, fraction)
    induction = not_negative(induction_per_gy, "induction_per_gy")
    background = not_negative(background_per_cell, "background_per_cell")
    leading = (*(curve.shape for curve in dose_rates), exchange.shape[:-2], rate.shape[:-1],
               share.shape[:-1], induction.shape, background.shape)  # fmt: skip
    try:
        shape = np.broadcast_shapes(*leading)
    except ValueError:
        raise RadiobioError(f"leading shapes do not broadcast: {leading}") from None
    start = np.concatenate(
        [np.zeros((*shape, n_pools))]
        + [np.broadcast_to(c.amplitude, (*shape, c.n_terms)) for c in dose_rates],
        axis=-1,
    )
    foci = np.zeros((*shape, n_pools, time.size))
    for j in range(rate.shape[-1]):
        system = _system(dose_rates, exchange, rate[..., j], shape)
        pools = rate_matrix_amounts(system, start, np.atleast_1d(time), compartments=range(n_pools))
        foci += share[..., j, None, None] * np.where(time > 0, pools, 0.0)
    foci = background[..., None, None] + induction[..., None, None] * foci
    return like_time(foci, time)


def irradiated_share(
    time_h: npt.ArrayLike,
    *,
    exchange_per_h: npt.ArrayLike,
    irradiated: Sequence[bool],
) -> FloatArray:
    r"""Share of the cells of each pool that were in an irradiated pool at time zero.

    After a short irradiation of some pools, a sample is a mixture of irradiated and other cells,
    and its foci one of two Poisson distributions with these shares.

    Parameters
    ----------
    time_h : array_like, shape (n_times,) or scalar
        Time since the irradiation (h), zero or positive.
    exchange_per_h : array_like, shape (..., n_pools, n_pools)
        As in `foci_in_pools`.
    irradiated : sequence of bool, shape (n_pools,)
        Pools that were irradiated.

    Returns
    -------
    ndarray, shape (..., n_pools, n_times), or (..., n_pools) for a scalar time

    Raises
    ------
    RadiobioError
        If a value is not legal or shapes do not fit.

    Notes
    -----
    :math:`p(t) = e^{Et} p(0)` with the rates of `foci_in_pools`. For blood (share s, residence
    :math:`\tau`) and one lymphoid pool, :math:`p_b = s + (1-s)e^{-t/[\tau(1-s)]}`.

    Examples
    --------
    >>> exchange = blood_exchange_per_h(blood_share=0.02, residence_time_h=1.0)
    >>> blood, lymphoid = irradiated_share([0.0, 1.0, 24.0], exchange_per_h=exchange,
    ...                                    irradiated=[True, False])
    >>> blood.round(3)
    array([1.   , 0.373, 0.02 ])
    """
    time = times(time_h)
    exchange = _off_diagonal(exchange_per_h)
    start = np.asarray(irradiated, dtype=bool)
    if start.shape != exchange.shape[-1:]:
        raise RadiobioError(f"irradiated needs one value for each of {exchange.shape[-1]} pools")
    system = exchange - _diagonal(exchange.sum(-1))
    shares = rate_matrix_amounts(system, start.astype(float), np.atleast_1d(time))
    return like_time(shares, time)


def _off_diagonal(exchange_per_h: npt.ArrayLike) -> FloatArray:
    exchange = numbers(exchange_per_h, "exchange_per_h").copy()
    if exchange.ndim < 2 or exchange.shape[-1] != exchange.shape[-2] or not exchange.size:
        raise RadiobioError(
            f"exchange_per_h must have the shape (..., n_pools, n_pools), got {exchange.shape}"
        )
    own = np.arange(exchange.shape[-1])
    exchange[..., own, own] = 0.0
    return not_negative(exchange, "exchange_per_h")


def _diagonal(values: FloatArray) -> FloatArray:
    """Diagonal matrices with these values, shape (..., n, n)."""
    return np.asarray(values[..., None] * np.eye(values.shape[-1]))


def _system(
    dose_rates: Sequence[SumOfExponentials],
    exchange: FloatArray,
    repair_rate: FloatArray,
    shape: tuple[int, ...],
) -> FloatArray:
    """Rate matrix of the pools, followed by one compartment a term of their dose rates."""
    n_pools = len(dose_rates)
    n = n_pools + sum(curve.n_terms for curve in dose_rates)
    system = np.zeros((*shape, n, n))
    loss = exchange.sum(-1) + repair_rate[..., None]
    system[..., :n_pools, :n_pools] = exchange - _diagonal(loss)
    first = n_pools
    for pool, curve in enumerate(dose_rates):
        terms = np.arange(first, first + curve.n_terms)
        system[..., terms, terms] = -curve.rate_per_h
        system[..., pool, terms] = 1.0
        first += curve.n_terms
    return system
