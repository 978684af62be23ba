"""Tracks of alpha particles in cells: how many a dose makes, and how they are repaired."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics import SumOfExponentials
from kinetics.curves import FloatArray
from radiobio.checks import not_negative, not_negatives, positive, together
from radiobio.damage.dsb import foci_per_cell
from radiobio.errors import RadiobioError

BETA_SHARE_RA223 = 0.037
"""Share of the beta particles in the blood dose of 223Ra with its daughters (Schumann S et al. Sci
Rep 2018;8:2286)."""

GY_PER_KEV_UM3 = 0.1602176634
"""1 keV in 1 um3 of water of 1 g/ml (Gy), from the charge of the electron (SI 2019)."""


def specific_energy_per_track_gy(
    let_kev_per_um: npt.ArrayLike, nucleus_diameter_um: npt.ArrayLike
) -> FloatArray:
    r"""Mean specific energy that one crossing particle imparts to a spherical nucleus.

    Parameters
    ----------
    let_kev_per_um : array_like, shape (...)
        Linear energy transfer L in water (keV/um), taken as constant along the chord.
    nucleus_diameter_um : array_like, shape (...)
        Diameter d of the nucleus (um).

    Returns
    -------
    ndarray, shape (...)
        Frequency mean of the specific energy of single events (Gy).

    Raises
    ------
    RadiobioError
        If a value is not above zero.

    Notes
    -----
    The mean chord of a sphere is :math:`2d/3`, its mass :math:`\rho\pi d^3/6`:
    :math:`\bar z_1 = 4L/(\pi\rho d^2) = 0.204\,L/d^2`. Particles that stop or start inside, and
    the rise of L along the track, are left out: a Monte Carlo of tracks counts them.

    Examples
    --------
    >>> float(specific_energy_per_track_gy(100.0, 6.2).round(3))
    0.531
    """
    let, diameter = together(
        let_kev_per_um=positive(let_kev_per_um, "let_kev_per_um"),
        nucleus_diameter_um=positive(nucleus_diameter_um, "nucleus_diameter_um"),
    )
    return np.asarray(GY_PER_KEV_UM3 * let * 4 / (np.pi * diameter**2))


def alpha_tracks_per_gy(
    let_kev_per_um: npt.ArrayLike,
    nucleus_diameter_um: npt.ArrayLike,
    *,
    beta_share: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Alpha tracks per nucleus and absorbed dose, from geometry.

    Parameters
    ----------
    let_kev_per_um, nucleus_diameter_um : array_like, shape (...)
        As in `specific_energy_per_track_gy`.
    beta_share : array_like, shape (...)
        Share of the dose given by other particles, which make no alpha track; for blood with
        223Ra ``BETA_SHARE_RA223``.

    Returns
    -------
    ndarray, shape (...)
        Slope of the track frequency against the whole dose (1/Gy). A slope measured against the
        whole dose contains the share already.

    Raises
    ------
    RadiobioError
        If a value is not legal.

    Notes
    -----
    :math:`(1-\beta)/\bar z_1`. Tracks are Poisson distributed over nuclei, linear in dose, as was
    found for 223Ra to 142 mGy and 224Ra to 127 mGy.

    References
    ----------
    Schumann S et al. Sci Rep 2018;8:2286 (223Ra). Schumann S et al. EJNMMI Res 2018;8:77,
    doi:10.1186/s13550-018-0422-4 (224Ra).

    Examples
    --------
    >>> slope = alpha_tracks_per_gy(100.0, 6.2, beta_share=BETA_SHARE_RA223)
    >>> float((slope * 0.1).round(3))
    0.181
    """
    share = not_negative(beta_share, "beta_share")
    if (share > 1).any():
        raise RadiobioError(f"beta_share must be between 0 and 1, got {share.max():g}")
    energy = specific_energy_per_track_gy(let_kev_per_um, nucleus_diameter_um)
    together(beta_share=share, specific_energy=energy)
    return np.asarray((1 - share) / energy)


def track_components(
    repair_rate_per_h: npt.ArrayLike, persistent_fraction: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    r"""Repair components of alpha tracks, of which a share stays.

    Parameters
    ----------
    repair_rate_per_h : array_like, shape (...)
        Rate R (1/h).
    persistent_fraction : array_like, shape (...)
        Share Q of the tracks that is never repaired, between 0 and 1. There is no default: the
        published fits say only that it hardly depends on the dose.

    Returns
    -------
    repair_rate_per_h, fraction : ndarray, shape (..., 2)
        (R, 0) and (1 - Q, Q), as `foci_per_cell` and `foci_after_irradiation` take them.

    Raises
    ------
    RadiobioError
        If a value is not legal.

    Notes
    -----
    :math:`N = N_0[(1-Q)e^{-Rt}+Q]` after an irradiation. Rates by dose after 223Ra:
    `alpha_track_repair_rate`.

    References
    ----------
    Schumann S et al. Eur J Nucl Med Mol Imaging 2022;49:3981.

    Examples
    --------
    >>> from radiobio import foci_after_irradiation
    >>> rate, fraction = track_components(0.24, 0.15)
    >>> foci_after_irradiation([0.0, 4.0, 24.0], dose_gy=0.0, irradiation_h=0.0,
    ...                        induction_per_gy=0.0, initial_per_cell=1.0,
    ...                        repair_rate_per_h=rate, fraction=fraction).round(3)
    array([1.   , 0.475, 0.153])
    """
    rate, stays = not_negatives(
        repair_rate_per_h=repair_rate_per_h, persistent_fraction=persistent_fraction
    )
    if (stays > 1).any():
        raise RadiobioError(f"persistent_fraction must be between 0 and 1, got {stays.max():g}")
    rate, stays = np.broadcast_arrays(rate, stays)
    return np.stack([rate, np.zeros_like(rate)], -1), np.stack([1 - stays, stays], -1)


def alpha_tracks_per_cell(
    dose_rate: SumOfExponentials,
    time_h: npt.ArrayLike,
    *,
    tracks_per_gy: npt.ArrayLike,
    repair_rate_per_h: npt.ArrayLike,
    persistent_fraction: npt.ArrayLike,
    background_per_cell: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Mean alpha tracks per cell while the dose rate goes on.

    Parameters
    ----------
    dose_rate : SumOfExponentials, leading shape (...)
        Absorbed dose rate to the cells (Gy/h).
    time_h : array_like, shape (n_times,) or scalar
        Time after the administration (h), zero or positive.
    tracks_per_gy : array_like, shape (...)
        Tracks per cell and dose (1/Gy): a laboratory's slope, or `alpha_tracks_per_gy`.
    repair_rate_per_h, persistent_fraction : array_like, shape (...)
        As in `track_components`.
    background_per_cell : array_like, shape (...)
        Tracks counted per cell without irradiation.

    Returns
    -------
    ndarray, shape (..., n_times), or (...) for a scalar time

    Raises
    ------
    RadiobioError
        If a value is not legal.

    Notes
    -----
    :math:`N_b + a\int_0^t \dot D(s)\,[(1-Q)e^{-R(t-s)}+Q]\,ds` with a tracks per dose.

    Examples
    --------
    >>> blood = SumOfExponentials([0.01], [0.1])
    >>> alpha_tracks_per_cell(blood, [1.0, 24.0], tracks_per_gy=1.9, repair_rate_per_h=0.24,
    ...                       persistent_fraction=0.15).round(4)
    array([0.0163, 0.036 ])
    """
    rate, fraction = track_components(repair_rate_per_h, persistent_fraction)
    return foci_per_cell(
        dose_rate,
        time_h,
        induction_per_gy=not_negative(tracks_per_gy, "tracks_per_gy"),
        repair_rate_per_h=rate,
        fraction=fraction,
        background_per_cell=background_per_cell,
    )
