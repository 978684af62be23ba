"""Checks of the arguments of dose finding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share, check_whole, number, numbers, positive
from radiobio.errors import RadiobioError

IntArray = npt.NDArray[np.int64]


def check_patients(
    level_index: npt.ArrayLike, toxic: npt.ArrayLike, n_levels: int
) -> tuple[IntArray, IntArray]:
    """Levels and outcomes as arrays; RadiobioError where they are not legal."""
    check_whole(n_levels, "n_levels")
    index, outcome = numbers(level_index, "level_index"), numbers(toxic, "toxic")
    if index.ndim != 1 or index.shape != outcome.shape:
        raise RadiobioError(
            "level_index and toxic need one entry for each patient, "
            f"got shapes {index.shape} and {outcome.shape}"
        )
    if ((index % 1 != 0) | (index < 0) | (index >= n_levels)).any():
        raise RadiobioError(f"level_index must be whole numbers of 0 to {n_levels - 1}")
    if not np.isin(outcome, (0, 1)).all():
        raise RadiobioError("toxic must be 0 or 1 for each patient")
    return index.astype(np.int64), outcome.astype(np.int64)


def check_counts(
    treated: npt.ArrayLike, toxic: npt.ArrayLike, n_levels: int
) -> tuple[IntArray, IntArray]:
    """Counts of each level as arrays; RadiobioError where they are not legal."""
    n, y = numbers(treated, "treated"), numbers(toxic, "toxic")
    if n.shape != (n_levels,) or y.shape != (n_levels,):
        raise RadiobioError(
            f"treated and toxic need one count for each of the {n_levels} levels, "
            f"got shapes {n.shape} and {y.shape}"
        )
    if not ((n % 1 == 0) & (y % 1 == 0) & (y >= 0) & (y <= n)).all():
        raise RadiobioError("treated and toxic must be whole numbers with 0 <= toxic <= treated")
    return n.astype(np.int64), y.astype(np.int64)


def check_levels(levels: npt.ArrayLike) -> FloatArray:
    """Levels as an array; RadiobioError unless they are positive and rise."""
    level = positive(levels, "levels")
    if level.ndim != 1 or level.size == 0 or (np.diff(level) <= 0).any():
        raise RadiobioError("levels must be a list of rising positive numbers")
    return level


def check_interval(interval: tuple[float, float]) -> tuple[float, float]:
    """Two rising shares; RadiobioError otherwise."""
    if numbers(interval, "interval").shape != (2,):
        raise RadiobioError(f"interval must be two numbers, got {interval}")
    low, high = (check_share(limit, "interval") for limit in interval)
    if low >= high:
        raise RadiobioError(f"interval must rise, got {interval}")
    return low, high


def check_index(index: float, name: str, n_levels: int) -> int:
    """Index of a level; RadiobioError unless it is a whole number of 0 to n_levels - 1."""
    given = number(index, name)
    if given % 1 or not 0 <= given < n_levels:
        raise RadiobioError(f"{name} must be a whole number of 0 to {n_levels - 1}, got {index}")
    return int(given)
