"""Checks of arguments that all of `foci` shares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from kinetics.curves import FloatArray


def numbers(values: npt.ArrayLike, name: str) -> FloatArray:
    """Values as an array of floats; FociError where they are no numbers."""
    try:
        if np.asarray(values).dtype.kind not in "US":
            return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        pass
    raise FociError(f"{name} must be numbers of one shape, got {values!r}")


def number(value: npt.ArrayLike, name: str) -> float:
    """Value as a float; FociError unless it is a single number."""
    array = numbers(value, name)
    if array.ndim:
        raise FociError(f"{name} must be a single number, got {value!r}")
    return float(array)


def check_share(value: float, name: str) -> None:
    """Raise unless a probability (a level, an alpha) lies between 0 and 1, ends excluded."""
    if not 0 < number(value, name) < 1:
        raise FociError(f"{name} must lie between 0 and 1, got {value}")


def check_whole(value: float, name: str) -> None:
    """Raise unless a number (of cells, of draws) is whole and 1 or more."""
    given = number(value, name)
    if not np.isfinite(given) or given < 1 or given % 1:
        raise FociError(f"{name} must be a whole number of 1 or more, got {value}")
