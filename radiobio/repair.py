"""Parallel first-order repair components, shared by damage and survival formulas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
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
    rate = np.atleast_1d(np.asarray(repair_rate_per_h, dtype=np.float64))
    share = np.atleast_1d(np.asarray(fraction, dtype=np.float64))
    try:
        rate, share = np.broadcast_arrays(rate, share)
    except ValueError:
        raise RadiobioError(
            f"repair_rate_per_h {rate.shape} and fraction {share.shape} do not broadcast"
        ) from None
    for name, values in (("repair_rate_per_h", rate), ("fraction", share)):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise RadiobioError(f"{name} must be finite and zero or positive")
    total = share.sum(-1)
    if not np.allclose(total, 1.0, rtol=0, atol=1e-9):
        raise RadiobioError(
            f"fraction must sum to 1 over its last axis (one per repair rate), got {total.max():g}"
        )
    return rate, share
