"""Biologically effective dose and the dose in fractions of 2 Gy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.checks import not_negative, numbers, positive, together
from radiobio.errors import RadiobioError
from radiobio.survival.protraction import dose_pairs


def bed_gy(
    dose_rate: SumOfExponentials | Sequence[SumOfExponentials],
    *,
    alpha_beta_gy: npt.ArrayLike,
    repair_half_life_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
    rbe_max: npt.ArrayLike = 1.0,
    start_h: npt.ArrayLike | None = None,
    until_h: npt.ArrayLike = np.inf,
) -> FloatArray:
    r"""Biologically effective dose of one dose-rate curve, or of several cycles.

    Parameters
    ----------
    dose_rate : SumOfExponentials or sequence of them, leading shape (...)
        Absorbed dose rate (Gy/h) of each cycle, time zero at its administration.
    alpha_beta_gy : array_like, shape (...)
        Ratio of the linear to the quadratic coefficient of the reference radiation (Gy), above
        zero.
    repair_half_life_h : array_like, scalar or shape (..., n_components)
        Half-lives of sublethal-damage repair (h), above zero; components as in
        `lea_catcheside_g`.
    fraction : array_like, scalar or shape (..., n_components)
        Share of each repair component.
    rbe_max : array_like, shape (...)
        RBE in the limit of low dose; one for beta and photon emitters.
    start_h : array_like, shape (n_cycles,), optional
        Start of each cycle (h). With it damage of a cycle that is not yet repaired when the next
        one begins is counted; without it the cycles are so far apart that their BED add.
    until_h : array_like, shape (...)
        Time at which the dose stops (h): after the start of each cycle, or, with `start_h`, on
        the clock of the starts.

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
    :math:`\mathrm{BED} = \sum_m D_m\mathrm{RBE_{max}} + \sum_{mn} G_{mn}D_mD_n/(\alpha/\beta)`,
    with :math:`m=n` only where no `start_h` is given. What is lost by repopulation is
    `repopulation_gy`.

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
    if not cycles or not all(isinstance(cycle, SumOfExponentials) for cycle in cycles):
        raise RadiobioError("bed_gy needs at least one dose-rate curve, each a SumOfExponentials")
    ratio = positive(alpha_beta_gy, "alpha_beta_gy")
    repair_rate = np.log(2) / positive(repair_half_life_h, "repair_half_life_h")
    relative = positive(rbe_max, "rbe_max")
    if start_h is None:
        groups, start = [[cycle] for cycle in cycles], np.zeros(1)
    else:
        groups, start = [cycles], numbers(start_h, "start_h")
    parts = [
        dose_pairs(group, repair_rate, fraction=fraction, start_h=start, until_h=until_h)
        for group in groups
    ]
    for dose, _ in parts:
        together(dose_rate=dose[..., 0], alpha_beta_gy=ratio, rbe_max=relative)
    return np.asarray(
        sum(relative * dose.sum(-1) + pairs.sum((-1, -2)) / ratio for dose, pairs in parts)
    )


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
        If alpha/beta is not above zero or the BED not finite.

    Examples
    --------
    >>> float(eqd2_gy(28.1585, alpha_beta_gy=2.6).round(4))
    15.9157
    """
    bed, ratio = together(
        bed_gy=numbers(bed_gy, "bed_gy"), alpha_beta_gy=positive(alpha_beta_gy, "alpha_beta_gy")
    )
    if not np.isfinite(bed).all():
        raise RadiobioError("bed_gy must be finite")
    return np.asarray(bed / (1 + 2 / ratio))


def repopulation_gy(
    treatment_time_h: npt.ArrayLike,
    *,
    alpha_per_gy: npt.ArrayLike,
    doubling_time_h: npt.ArrayLike,
    kick_off_h: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""BED that cells growing during the treatment make up for; subtract it from `bed_gy`.

    Parameters
    ----------
    treatment_time_h : array_like, shape (...)
        Time T after the start of the treatment (h). The BED that it is subtracted from should
        stop there, too (`until_h`).
    alpha_per_gy : array_like, shape (...)
        Linear coefficient (1/Gy).
    doubling_time_h : array_like, shape (...)
        Potential doubling time of the clonogenic cells (h); infinite is no growth.
    kick_off_h : array_like, shape (...)
        Time before repopulation begins (h).

    Returns
    -------
    ndarray, shape (...)
        :math:`\ln 2\,(T-T_k)_+/(\alpha T_{pot})` (Gy).

    Raises
    ------
    RadiobioError
        If alpha or the doubling time is not above zero, or a time is negative.

    References
    ----------
    Dale RG. Phys Med Biol 1996;41:1871-1884, doi:10.1088/0031-9155/41/10/002.

    Examples
    --------
    >>> round(float(repopulation_gy(1000.0, alpha_per_gy=0.3, doubling_time_h=240.0,
    ...                             kick_off_h=500.0)), 3)
    4.814
    """
    alpha = positive(alpha_per_gy, "alpha_per_gy")
    doubling = not_negative(doubling_time_h, "doubling_time_h", finite=False)
    if not (doubling > 0).all():
        raise RadiobioError("doubling_time_h must be above zero")
    time, kick_off, _, _ = together(
        treatment_time_h=not_negative(treatment_time_h, "treatment_time_h"),
        kick_off_h=not_negative(kick_off_h, "kick_off_h"),
        alpha_per_gy=alpha,
        doubling_time_h=doubling,
    )
    grown = np.maximum(time - kick_off, 0.0)
    return np.asarray(np.log(2) * grown / (alpha * doubling))
