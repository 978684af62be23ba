"""Checks of arguments that the formulas share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError


def numbers(value: npt.ArrayLike, name: str) -> FloatArray:
    """Values as an array of floats; RadiobioError where they are no numbers."""
    try:
        if np.asarray(value).dtype.kind not in "US":
            return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        pass
    raise RadiobioError(f"{name} must be numbers of one shape, got {value!r}")


def number(value: npt.ArrayLike, name: str) -> float:
    """Value as a float; RadiobioError unless it is a single number."""
    array = numbers(value, name)
    if array.ndim:
        raise RadiobioError(f"{name} must be a single number, got {value!r}")
    return float(array)


def check_whole(value: float, name: str, *, least: int = 1) -> None:
    """Raise unless a number (of draws, of histories) is whole and not below the least."""
    given = number(value, name)
    if not np.isfinite(given) or given < least or given % 1:
        raise RadiobioError(f"{name} must be a whole number of {least} or more, got {value}")


def positive(value: npt.ArrayLike, name: str) -> FloatArray:
    """Values as floats, all finite and above zero."""
    array = numbers(value, name)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise RadiobioError(f"{name} must be finite and above zero")
    return array


def not_negative(value: npt.ArrayLike, name: str, *, finite: bool = True) -> FloatArray:
    """Values as floats, zero or positive, infinite only where `finite` is False."""
    array = numbers(value, name)
    if not (array >= 0).all() or (finite and not np.isfinite(array).all()):
        raise RadiobioError(f"{name} must be {'finite and ' * finite}zero or positive")
    return array


def not_negatives(**values: npt.ArrayLike) -> tuple[FloatArray, ...]:
    """Named values as floats, finite, zero or positive, of shapes that broadcast."""
    return together(**{name: not_negative(value, name) for name, value in values.items()})


def together(**values: FloatArray) -> tuple[FloatArray, ...]:
    """The arrays as they are; RadiobioError unless their shapes broadcast."""
    try:
        np.broadcast_shapes(*(value.shape for value in values.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {value.shape}" for name, value in values.items())
        raise RadiobioError(f"shapes do not broadcast: {shapes}") from None
    return tuple(values.values())


def times(time_h: npt.ArrayLike) -> FloatArray:
    """Times (h), zero or positive: one, or a list of them."""
    time = not_negative(time_h, "time_h")
    if time.ndim > 1:
        raise RadiobioError(f"time_h must be one time or have shape (n_times,), got {time.shape}")
    return time


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


def check_share(value: npt.ArrayLike, name: str) -> float:
    """A number above 0 and below 1."""
    given = number(value, name)
    if not 0 < given < 1:
        raise RadiobioError(f"{name} must be above 0 and below 1, got {value!r}")
    return given
