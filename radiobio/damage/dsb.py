"""Double-strand breaks and their foci: induction by dose rate, first-order repair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.checks import not_negative, not_negatives, times
from radiobio.damage._focus_curves import focus_curves, focus_response, like_time
from radiobio.errors import RadiobioError
from radiobio.repair import repair_components


def foci_per_cell(
    dose_rate: SumOfExponentials,
    time_h: npt.ArrayLike,
    *,
    induction_per_gy: npt.ArrayLike,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    background_per_cell: npt.ArrayLike = 0.0,
    maturation_rate_per_h: npt.ArrayLike | None = None,
    clearance_rate_per_h: npt.ArrayLike | None = None,
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
    maturation_rate_per_h : array_like, shape (...), optional
        Rate B at which an unrepaired break becomes a visible focus (1/h); at once by default.
    clearance_rate_per_h : array_like, scalar or shape (..., n_components), optional
        Rate m at which the focus of a repaired break disappears (1/h); at once by default.

    Returns
    -------
    ndarray, shape (..., n_times), or (...) for a scalar time

    Raises
    ------
    RadiobioError
        If a time, an induction or a rate is not legal, or the fractions do not sum to one.

    Notes
    -----
    .. math::
        N(t) = N_b + c \int_0^t \dot D(s)\, h(t-s)\,ds, \qquad
        h(t) = (1-e^{-Bt}) \sum_j f_j \frac{m_j e^{-k_j t} - k_j e^{-m_j t}}{m_j-k_j}

    Without B and m, :math:`h = \sum_j f_j e^{-k_j t}`; with one component besides, this is
    :math:`dN/dt = c\dot D - kN`. Late, :math:`N - N_b` tends to
    :math:`c\dot D(t)/(k-\lambda)`: foci follow the dose early and the dose rate late, as was
    seen in patients by Schumann et al. 2019. Equal rates are met by their limits (k and m are
    parted by 1e-5). ASSUMED where both are given: maturation and clearance go on independently.

    References
    ----------
    Maturation, :math:`1-e^{-Bt}` with B of about 8 per hour: Mariotti LG et al. PLoS ONE
    2013;8:e79541, doi:10.1371/journal.pone.0079541. Clearance after repair: the focus delay of
    Medras, github.com/sjmcmahon/Medras-MC, `misrepaircalculator.py`.
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
    time = times(time_h)
    curves = focus_curves(
        dose_rate,
        time,
        focus_response(
            *repair_components(repair_rate_per_h, fraction),
            maturation_rate_per_h=maturation_rate_per_h,
            clearance_rate_per_h=clearance_rate_per_h,
        ),
        not_negative(induction_per_gy, "induction_per_gy"),
        not_negative(background_per_cell, "background_per_cell"),
    )
    return like_time(curves.on_all_cores(), time)


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
    maturation_rate_per_h: npt.ArrayLike | None = None,
    clearance_rate_per_h: npt.ArrayLike | None = None,
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
        Foci per cell above background at the start, all visible and unrepaired; they are
        repaired too.
    maturation_rate_per_h, clearance_rate_per_h
        As in `foci_per_cell`.

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
        N(t) = N_b + N_0 \sum_j f_j e^{-k_j t} + c D \sum_r w_r\, e^{-\kappa_r (t-T)_+}
               \frac{1-e^{-\kappa_r \min(t,T)}}{\kappa_r T}

    with the exponentials :math:`h(t) = \sum_r w_r e^{-\kappa_r t}` of `foci_per_cell`; foci
    there at the start take the same with B left out.

    The components (R, 0) with fractions (1 - Q, Q) give the law of alpha tracks,
    :math:`N_0[(1-Q)e^{-Rt}+Q]`.

    Examples
    --------
    >>> at = foci_after_irradiation([1.0, 5.0, 25.0], dose_gy=0.0501, irradiation_h=1.0,
    ...                             induction_per_gy=16.24, repair_rate_per_h=0.25)
    >>> at.round(2)
    array([0.72, 0.26, 0.  ])
    """
    time = times(time_h)
    t = np.atleast_1d(time)
    components = repair_components(repair_rate_per_h, fraction)
    given = not_negatives(
        irradiation_h=irradiation_h,
        dose_gy=dose_gy,
        induction_per_gy=induction_per_gy,
        initial_per_cell=initial_per_cell,
        background_per_cell=background_per_cell,
        repair=np.zeros(components[0].shape[:-1]),
    )
    duration, dose, induction, initial, background = (value[..., None] for value in given[:-1])
    visible = focus_response(*components, clearance_rate_per_h=clearance_rate_per_h)
    induced = focus_response(
        *components,
        maturation_rate_per_h=maturation_rate_per_h,
        clearance_rate_per_h=clearance_rate_per_h,
    )
    above = initial * _mean_response(*visible, t, np.zeros_like(duration))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(duration > 0, np.minimum(t / duration, 1.0), 1.0)
    above = above + induction * dose * share * _mean_response(*induced, t, duration)
    return like_time(background + above, time)


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
    slope, rate, duration = not_negatives(
        slope_per_gy=slope_per_gy, repair_rate_per_h=repair_rate_per_h, irradiation_h=irradiation_h
    )
    return np.asarray(slope / _mean_survival(rate * duration))


def _mean_response(
    rate: FloatArray, weight: FloatArray, time: FloatArray, duration: FloatArray
) -> FloatArray:
    """Visible share of breaks made evenly from time 0 to min(time, duration), (..., n_times)."""
    k, w = rate[..., None], weight[..., None]
    during = np.minimum(time, duration)[..., None, :]
    after = np.maximum(time - duration, 0.0)[..., None, :]
    return np.asarray((w * _mean_survival(k * during) * np.exp(-k * after)).sum(-2))


def visible_clusters_per_cell(
    unrepaired: npt.ArrayLike,
    *,
    clusters_per_cell: npt.ArrayLike,
    breaks_per_cluster: npt.ArrayLike,
) -> FloatArray:
    r"""Foci where breaks lie so close that a cluster of them is seen as one focus.

    Parameters
    ----------
    unrepaired : array_like, shape (...)
        Share u of the breaks that is still a visible focus, as `foci_after_irradiation` gives
        it for an induction of one.
    clusters_per_cell : array_like, shape (...)
        Clusters made per cell.
    breaks_per_cluster : array_like, shape (...)
        Mean number F of breaks of a cluster, Poisson distributed.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    RadiobioError
        If a value is negative or not finite, or a share is above one.

    Notes
    -----
    A cluster is seen while one break of it is left:
    :math:`N_f(t) = N_{cl}\,(1-e^{-F u(t)})`. For small F this is :math:`N_{cl} F u`.

    Examples
    --------
    >>> visible_clusters_per_cell([1.0, 0.1], clusters_per_cell=10.0,
    ...                           breaks_per_cluster=3.0).round(4)
    array([9.5021, 2.5918])
    """
    share, clusters, mean = not_negatives(
        unrepaired=unrepaired,
        clusters_per_cell=clusters_per_cell,
        breaks_per_cluster=breaks_per_cluster,
    )
    if (share > 1).any():
        raise RadiobioError(f"unrepaired is a share between 0 and 1, got {share.max():g}")
    return np.asarray(-clusters * np.expm1(-mean * share))


def _mean_survival(exponent: FloatArray) -> FloatArray:
    """(1 - e^{-x}) / x, one at zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(exponent > 0, -np.expm1(-exponent) / exponent, 1.0))
