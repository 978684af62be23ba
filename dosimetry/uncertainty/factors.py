"""Uncertainty of S values, masses and calibration as factors on the dose."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]

_MOST_CV = 10.0  # ASSUMED: who knows less than 1000 % knows nothing; more is per cent or a slip

RELATIVE_UNCERTAINTY: Mapping[str, float] = MappingProxyType(
    {"kidney_s_value": 0.167, "voi": 0.054, "calibration": 0.05}
)
"""Relative standard uncertainties (1 = 100 %).

S value of the kidneys, volume of interest and activity meter: Ann Nucl Med 2019;33:521-531,
doi:10.1007/s12149-019-01365-6 (177Lu). The uncertainty of the marrow model is that of the nuclide,
`marrow_model_spread`.
"""


def lognormal_factor(
    mean: npt.ArrayLike, cv: float, *, n_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Log-normal draws with a given mean and relative standard deviation, shape (n_draws,).

    Raises
    ------
    DosimetryError
        If the mean is not positive and finite, `cv` not from 0 to 10, or `n_draws` below one.
    """
    check_n_draws(n_draws)
    centre = np.asarray(mean, dtype=np.float64)
    if not (np.isfinite(centre).all() and (centre > 0).all() and 0 <= cv <= _MOST_CV):
        raise DosimetryError(
            f"need a positive mean, finite, and cv from 0 to {_MOST_CV:g} (0.1 = 10 %), got "
            f"mean={mean!r}, cv={cv!r}"
        )
    sigma2 = np.log1p(cv**2)
    normal = rng.standard_normal(n_draws)
    return np.asarray(centre * np.exp(np.sqrt(sigma2) * normal - sigma2 / 2))


def check_n_draws(n_draws: int, *, least: int = 1) -> None:
    """Raise DosimetryError if there are fewer draws than the least."""
    if n_draws < least:
        words = {1: "one", 2: "two"}[least]
        raise DosimetryError(f"n_draws must be at least {words}, got {n_draws!r}")


def s_value_factor(*sources: str | float, n_draws: int, rng: np.random.Generator) -> FloatArray:
    r"""Draw a factor with mean one for the uncertainty of a dose model.

    Parameters
    ----------
    *sources : str or float
        Independent sources of uncertainty: names in `RELATIVE_UNCERTAINTY` or relative standard
        deviations (0.1 = 10 %).
    n_draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (n_draws,)
        Log-normal, with a squared relative deviation of :math:`\prod (1 + cv_i^2) - 1`, which is
        addition in quadrature for small ones.

    Raises
    ------
    DosimetryError
        If a name is unknown, a relative deviation is not from 0 to 10, or `n_draws` below one.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> factor = s_value_factor("kidney_s_value", "voi", "calibration", n_draws=100_000, rng=rng)
    >>> round(float(factor.std()), 2)
    0.18
    """
    unknown = [s for s in sources if isinstance(s, str) and s not in RELATIVE_UNCERTAINTY]
    if unknown:
        raise DosimetryError(f"unknown {unknown}; known: {', '.join(RELATIVE_UNCERTAINTY)}")
    check_n_draws(n_draws)
    cvs = [RELATIVE_UNCERTAINTY[s] if isinstance(s, str) else float(s) for s in sources]
    factor = np.ones(n_draws)
    for cv in cvs:
        factor = factor * lognormal_factor(1.0, cv, n_draws=n_draws, rng=rng)
    return factor
