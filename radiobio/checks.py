"""Checks of arguments that the formulas share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError


def positive(value: npt.ArrayLike, name: str) -> FloatArray:
    """Values as floats, all finite and above zero."""
    array = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise RadiobioError(f"{name} must be finite and above zero")
    return array


def not_negative(value: npt.ArrayLike, name: str, *, finite: bool = True) -> FloatArray:
    """Values as floats, zero or positive, infinite only where `finite` is False."""
    array = np.asarray(value, dtype=np.float64)
    if not (array >= 0).all() or (finite and not np.isfinite(array).all()):
        raise RadiobioError(f"{name} must be {'finite and ' * finite}zero or positive")
    return array


def shares(weight: npt.ArrayLike | None, values: FloatArray) -> FloatArray:
    """Weights of the last axis of `values`, broadcast to it and summing to one."""
    if values.ndim == 0 or values.shape[-1] == 0:
        raise RadiobioError("a last axis of voxels (or dose bins) is needed, with at least one")
    given = np.ones(values.shape[-1]) if weight is None else not_negative(weight, "weight")
    try:
        given = np.broadcast_to(given, np.broadcast_shapes(given.shape, values.shape))
    except ValueError:
        raise RadiobioError(
            f"weight {given.shape} and the doses {values.shape} do not broadcast"
        ) from None
    total = given.sum(-1, keepdims=True)
    if not (total > 0).all():
        raise RadiobioError("weight must be positive somewhere along the last axis")
    return np.asarray(given / total)
