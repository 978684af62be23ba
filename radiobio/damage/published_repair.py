"""Repair that depends on the dose: published values, and draws between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_whole, not_negative
from radiobio.errors import RadiobioError

_ALPHA_DOSE_GY = (0.025, 0.05, 0.1)
_ALPHA_RATE_PER_H = (0.24, 0.16, 0.13)
_ALPHA_RATE_SD_PER_H = (0.05, 0.04, 0.02)

_X_RAY_DOSE_GY = (0.012, 0.025, 0.05, 0.1, 1.0)
# share of the induced foci left after 24 h, and its standard error, by who counted
_PERSISTING: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = MappingProxyType(
    {
        "automatic": (
            (0.1812, 0.1122, 0.0639, 0.0462, 0.0523),
            (0.055, 0.0240, 0.0123, 0.0050, 0.0035),
        ),
        "manual": (
            (0.2629, 0.1050, 0.0671, 0.0360, 0.0441),
            (0.069, 0.0167, 0.0057, 0.0045, 0.0038),
        ),
    }
)


@dataclass(frozen=True, eq=False)
class DrawsByDose:
    """Draws of a published quantity at given doses.

    Attributes
    ----------
    dose_gy : ndarray, shape (...)
    draws : ndarray, shape (n_draws, ...)
    published : ndarray, shape (...)
        The value without its uncertainty.
    status : str
        ``"ok"``, or how many doses lie outside the published ones.
    assumptions : tuple of str
    """

    dose_gy: FloatArray
    draws: FloatArray
    published: FloatArray
    status: str
    assumptions: tuple[str, ...]


def alpha_track_repair_rate(
    dose_gy: npt.ArrayLike, *, rng: np.random.Generator, n_draws: int = 1000
) -> DrawsByDose:
    """Repair rate of alpha tracks in lymphocytes after 223Ra, by blood dose (1/h).

    Parameters
    ----------
    dose_gy : array_like, shape (...)
        Absorbed dose to the blood (Gy).
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of draws, one or more.

    Returns
    -------
    DrawsByDose
        Rates R of `track_components`.

    Raises
    ------
    RadiobioError
        If a dose is negative or there is no draw.

    Notes
    -----
    0.24 +- 0.05, 0.16 +- 0.04 and 0.13 +- 0.02 /h at 25, 50 and 100 mGy, ten volunteers, blood
    irradiated ex vivo. Between them the rate is linear in the logarithm of the dose.

    References
    ----------
    Schumann S et al. Eur J Nucl Med Mol Imaging 2022;49:3981 (abstract).

    Examples
    --------
    >>> rate = alpha_track_repair_rate([0.025, 0.05], rng=np.random.default_rng(1))
    >>> rate.published.round(2)
    array([0.24, 0.16])
    """
    return _drawn(dose_gy, (_ALPHA_DOSE_GY, _ALPHA_RATE_PER_H, _ALPHA_RATE_SD_PER_H), rng, n_draws)


def persisting_share(
    dose_gy: npt.ArrayLike,
    *,
    rng: np.random.Generator,
    n_draws: int = 1000,
    counted: str = "automatic",
) -> DrawsByDose:
    """Share of the induced foci that is left 24 h after X-rays, by dose.

    It rises towards low doses, opposite to what the rates of alpha tracks suggest: cells repair
    few breaks worse.

    Parameters
    ----------
    dose_gy : array_like, shape (...)
        Absorbed dose (Gy).
    rng, n_draws
        As in `alpha_track_repair_rate`.
    counted : {"automatic", "manual"}
        Who counted the foci.

    Returns
    -------
    DrawsByDose

    Raises
    ------
    RadiobioError
        If a dose is negative, there is no draw, or `counted` is not known.

    Notes
    -----
    Resting human fibroblasts, not lymphocytes. 18, 11, 6.4, 4.6 and 5.2 % of the foci of the
    first 15 min at 12, 25, 50, 100 and 1000 mGy (automatic).

    References
    ----------
    Lengert N et al. Sci Rep 2018;8:17282.

    Examples
    --------
    >>> share = persisting_share([0.012, 1.0], rng=np.random.default_rng(1))
    >>> share.published.round(3)
    array([0.181, 0.052])
    """
    if counted not in _PERSISTING:
        raise RadiobioError(f"counted must be one of {list(_PERSISTING)}, got {counted!r}")
    return _drawn(dose_gy, (_X_RAY_DOSE_GY, *_PERSISTING[counted]), rng, n_draws)


def _drawn(
    dose_gy: npt.ArrayLike,
    table: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]],
    rng: np.random.Generator,
    n_draws: int,
) -> DrawsByDose:
    """Values drawn at the doses of the table, and between them by the logarithm of the dose."""
    dose = not_negative(dose_gy, "dose_gy")
    check_whole(n_draws, "n_draws")
    at, value, sd = (np.array(column) for column in table)
    drawn = np.maximum(rng.normal(value, sd, (n_draws, len(at))), 0.0)
    place = np.interp(np.log(np.clip(dose, at[0], at[-1])), np.log(at), np.arange(len(at)))
    below = np.minimum(place.astype(int), len(at) - 2)
    share = place - below
    outside = int(((dose < at[0]) | (dose > at[-1])).sum())
    status = "ok"
    if outside:
        status = f"{outside} doses outside {at[0]:g} to {at[-1]:g} Gy: the outermost value is held"
    return DrawsByDose(
        dose,
        drawn[:, below] * (1 - share) + drawn[:, below + 1] * share,
        value[below] * (1 - share) + value[below + 1] * share,
        status,
        (
            "published uncertainties are standard deviations of independent errors (ASSUMED)",
            "linear in the logarithm of the dose between published doses, held outside (ASSUMED)",
        ),
    )
