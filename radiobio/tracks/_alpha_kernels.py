"""Compiled tracks of alpha particles: straight lines on which they slow down continuously."""

import numpy as np
from numba import njit, types

from dosimetry.transport._direction_kernels import isotropic
from kinetics._random_kernels import uniform
from radiobio.tracks._columns import (
    ALLOWED,
    CUMULATIVE,
    EMPTY,
    ENERGY,
    EXPECTED,
    IMPARTED,
    INNER,
    LOG_ENERGY,
    LOG_RANGE,
    LOWER,
    OUTER,
    RADIUS,
    REACH,
    SHELL,
    STARTED,
    UPPER,
)

_matrix, _vector = types.float64[:, ::1], types.float64[::1]


@njit(cache=True, error_model="numpy")
def energy_left(range_left, table):  # type: ignore[no-untyped-def]
    """Energy (keV) of a particle with this residual range (um); linear below the table."""
    if range_left <= 0.0:
        return 0.0
    start = table[0, LOG_RANGE]
    position = (np.log(range_left) - start) / (table[1, LOG_RANGE] - start)
    if position < 0.0:
        return table[0, ENERGY] * range_left / np.exp(start)
    row = min(int(position), table.shape[0] - 2)
    low = table[row, ENERGY]
    return low + (position - row) * (table[row + 1, ENERGY] - low)


@njit(cache=True, error_model="numpy")
def range_of(energy, reach):  # type: ignore[no-untyped-def]
    """Range (um) of a particle of this energy (keV); in proportion below the table."""
    start = reach[0, LOG_ENERGY]
    position = (np.log(energy) - start) / (reach[1, LOG_ENERGY] - start)
    if position < 0.0:
        return reach[0, REACH] * energy / np.exp(start)
    row = min(int(position), reach.shape[0] - 2)
    low = reach[row, REACH]
    return low + (position - row) * (reach[row + 1, REACH] - low)


@njit(cache=True, error_model="numpy")
def energy_drawn(source, state):  # type: ignore[no-untyped-def]
    """Energy (keV) of a particle, drawn in proportion to the energy emitted."""
    level = uniform(state)
    low, high = -1, source.shape[0] - 1
    while high - low > 1:
        middle = (low + high) // 2
        if source[middle, CUMULATIVE] < level:
            low = middle
        else:
            high = middle
    lowest = source[high, LOWER]
    return lowest + (source[high, UPPER] - lowest) * uniform(state)


@njit(cache=True, error_model="numpy")
def place(inner, outer, state):  # type: ignore[no-untyped-def]
    """Point drawn evenly from the shell between two radii."""
    low, high = inner**3, outer**3
    radius = np.cbrt(low + (high - low) * uniform(state))
    a, b, c = isotropic(state)
    return radius * a, radius * b, radius * c


@njit(cache=True, error_model="numpy")
def crossed(x, y, z, u, v, w, radius):  # type: ignore[no-untyped-def]
    """Where a line enters and leaves the sphere, as paths (um) from (x, y, z); equal if never."""
    along = x * u + y * v + z * w
    inside = along * along - (x * x + y * y + z * z - radius * radius)
    if inside <= 0.0:
        return 0.0, 0.0
    half = np.sqrt(inside)
    return -along - half, -along + half


@njit(
    [types.void(_matrix, _matrix, _matrix, _vector, types.uint64[::1], _matrix, types.int64,
                types.int64)],
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def follow_alphas(table, reach, source, settings, seeds, out, first, last):  # type: ignore[no-untyped-def]
    """Histories first to last - 1, each with its own seed.

    Sources in a shell: from there on. Sources all around: a point of the track, drawn evenly in
    the energy lost, lies evenly in the nucleus, which draws events in proportion to their energy.
    """
    state = np.zeros(1, np.uint64)
    radius = settings[RADIUS]
    for k in range(first, last):
        state[0] = seeds[k]
        energy = energy_drawn(source, state)
        whole = range_of(energy, reach)
        left = whole
        if settings[SHELL] > 0.0:
            x, y, z = place(settings[INNER], settings[OUTER], state)
        else:
            left = range_of(energy * uniform(state), reach)
            x, y, z = place(0.0, radius, state)
        u, v, w = isotropic(state)
        enter, leave = crossed(x, y, z, u, v, w, radius)
        enter, leave = max(enter, left - whole), min(leave, left)
        out[k, STARTED] = energy
        if leave > enter:
            given = energy_left(left - enter, table) - energy_left(left - leave, table)
            out[k, EXPECTED] = out[k, IMPARTED] = given
        back = whole - left
        x, y, z = x - back * u, y - back * v, z - back * w
        out[k, ALLOWED] = x * x + y * y + z * z >= settings[EMPTY] ** 2
