"""Parallel first-order repair components, shared by damage and survival formulas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import not_negative
from radiobio.errors import RadiobioError


def repair_components(
    repair_rate_per_h: npt.ArrayLike, fraction: npt.ArrayLike = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Check repair rates and their fractions, and give both a last axis of components.

    Parameters
    ----------
    repair_rate_per_h : array_like, scalar or shape (..., n_components)
        Repair rates (1/h), zero (never repaired) or positive. A scalar is a single pool; the
        last axis of an array is always that of the components, so draws of a single pool have
        shape (n_draws, 1).
    fraction : array_like, scalar or shape (..., n_components)
        Share of the damage that each component repairs; sums to one over the last axis.

    Returns
    -------
    rate_per_h, fraction : ndarray, shape (..., n_components)

    Raises
    ------
    RadiobioError
        If a rate or fraction is negative or not finite, or the fractions do not sum to one.
    """
    rate = np.atleast_1d(not_negative(repair_rate_per_h, "repair_rate_per_h"))
    share = np.atleast_1d(not_negative(fraction, "fraction"))
    try:
        rate, share = np.broadcast_arrays(rate, share)
    except ValueError:
        raise RadiobioError(
            f"repair_rate_per_h {rate.shape} and fraction {share.shape} do not broadcast"
        ) from None
    total = share.sum(-1)
    if not np.allclose(total, 1.0, rtol=0, atol=1e-9):
        raise RadiobioError(
            f"fraction must sum to 1 over its last axis (one per repair rate), got {total.max():g}"
        )
    return rate, share
