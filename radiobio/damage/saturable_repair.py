"""Double-strand breaks whose repair saturates: few are repaired in proportion, many at a limit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.cores import on_all_cores
from kinetics.curves import FloatArray
from radiobio.checks import not_negative, positive, times, together
from radiobio.damage._focus_curves import like_time
from radiobio.errors import RadiobioError


def saturable_foci_per_cell(
    dose_rate: SumOfExponentials,
    time_h: npt.ArrayLike,
    *,
    induction_per_gy: npt.ArrayLike,
    capacity_per_h: npt.ArrayLike,
    half_capacity_per_cell: npt.ArrayLike,
    first_order_rate_per_h: npt.ArrayLike = 0.0,
    initial_per_cell: npt.ArrayLike = 0.0,
    background_per_cell: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Mean number of foci per cell under a dose rate, with repair that saturates.

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape (...)
        Absorbed dose rate to the cells (Gy/h).
    time_h : array_like, shape (n_times,) or scalar
        Time after the administration (h), zero or positive.
    induction_per_gy : array_like, shape (...)
        Foci induced per cell and dose (1/Gy).
    capacity_per_h : array_like, shape (...)
        Most foci V that a cell repairs per hour (1/h).
    half_capacity_per_cell : array_like, shape (...)
        Foci per cell K at which half of it is reached, above zero.
    first_order_rate_per_h : array_like, shape (...)
        Rate k of repair that does not saturate (1/h), beside the other.
    initial_per_cell : array_like, shape (...)
        Foci per cell above background at time zero.
    background_per_cell : array_like, shape (...)
        Foci per cell without irradiation; they take no part in the repair.

    Returns
    -------
    ndarray, shape (..., n_times), or (...) for a scalar time

    Raises
    ------
    RadiobioError
        If a value is not legal, shapes do not broadcast, or repair is so fast that a curve
        needs more than 200,000 steps.

    Notes
    -----
    .. math:: \frac{dN}{dt} = c\dot D(t) - \frac{V N}{K + N} - k N

    above background, by Dormand-Prince steps of order 5 with an error of 1e-7 of N or 1e-11 per
    cell each. For :math:`K \gg N` this is first-order repair with rate :math:`V/K + k`.

    Examples
    --------
    >>> blood = SumOfExponentials([0.012, 0.002], [0.4620981, 0.0231049])
    >>> foci = saturable_foci_per_cell(blood, [1.0, 24.0], induction_per_gy=14.7,
    ...                                capacity_per_h=0.1, half_capacity_per_cell=0.2)
    >>> foci.round(4)
    array([0.1433, 0.0462])
    """
    from radiobio.damage._saturable_kernels import saturable_foci

    time = times(time_h)
    scalars = [
        not_negative(induction_per_gy, "induction_per_gy"),
        not_negative(capacity_per_h, "capacity_per_h"),
        positive(half_capacity_per_cell, "half_capacity_per_cell"),
        not_negative(first_order_rate_per_h, "first_order_rate_per_h"),
        not_negative(initial_per_cell, "initial_per_cell"),
    ]
    background = not_negative(background_per_cell, "background_per_cell")
    try:
        shape = np.broadcast_shapes(dose_rate.shape, *(value.shape for value in scalars))
        np.broadcast_shapes(shape, background.shape)
    except ValueError:
        raise RadiobioError(
            f"leading shapes do not broadcast: dose rate {dose_rate.shape}, parameters "
            f"{[value.shape for value in scalars]}, background {background.shape}"
        ) from None
    n_terms = (dose_rate.n_terms,)
    curves = [
        np.ascontiguousarray(np.broadcast_to(part, shape + n_terms).reshape(-1, *n_terms))
        for part in (dose_rate.amplitude, dose_rate.rate_per_h)
    ]
    rows = [np.ascontiguousarray(np.broadcast_to(part, shape).ravel()) for part in scalars]
    ascending, place = np.unique(time, return_inverse=True)
    out = np.empty((len(rows[0]), len(ascending)))
    stopped: list[int] = []

    def run(start: int, stop: int) -> None:
        failed = saturable_foci(*curves, *rows, ascending, out, start, stop)
        if failed >= 0:
            stopped.append(failed)

    on_all_cores(len(out), run)
    if stopped:
        raise RadiobioError(
            f"curve {min(stopped)} needs too many steps: V/K of {rows[1][min(stopped)]:g}/"
            f"{rows[2][min(stopped)]:g} per hour is too fast for this model; use first-order repair"
        )
    foci = background[..., None] + out[:, place.ravel()].reshape(*shape, -1)
    return like_time(foci, time)


def saturable_repair_left(
    time_h: npt.ArrayLike,
    *,
    initial_per_cell: npt.ArrayLike,
    capacity_per_h: npt.ArrayLike,
    half_capacity_per_cell: npt.ArrayLike,
    background_per_cell: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Foci per cell left by saturable repair after the irradiation has ended (exact).

    Parameters
    ----------
    time_h : array_like, shape (n_times,) or scalar
        Time since the irradiation ended (h), zero or positive.
    initial_per_cell : array_like, shape (...)
        Foci per cell above background at time zero.
    capacity_per_h, half_capacity_per_cell, background_per_cell
        As in `saturable_foci_per_cell`.

    Returns
    -------
    ndarray, shape (..., n_times), or (...) for a scalar time

    Raises
    ------
    RadiobioError
        If a value is not legal.

    Notes
    -----
    :math:`dN/dt = -VN/(K+N)` has the solution
    :math:`N = K\,W\!\big[(N_0/K)\,e^{(N_0-Vt)/K}\big]` with the Lambert function W, here as the
    Wright function of the logarithm, which does not overflow.

    Examples
    --------
    >>> saturable_repair_left([0.0, 4.0], initial_per_cell=0.72, capacity_per_h=0.2,
    ...                       half_capacity_per_cell=0.5).round(4)
    array([0.72  , 0.3221])
    """
    from scipy.special import wrightomega

    time = times(time_h)
    given = together(
        initial_per_cell=not_negative(initial_per_cell, "initial_per_cell"),
        capacity_per_h=not_negative(capacity_per_h, "capacity_per_h"),
        background_per_cell=not_negative(background_per_cell, "background_per_cell"),
        half_capacity_per_cell=positive(half_capacity_per_cell, "half_capacity_per_cell"),
    )
    initial, capacity, background, half = (value[..., None] for value in given)
    with np.errstate(divide="ignore"):
        logarithm = np.log(initial / half) + (initial - capacity * np.atleast_1d(time)) / half
    return like_time(background + half * wrightomega(logarithm), time)
