"""Compiled tracks of electrons near a sphere, followed to both sides of a point of the track."""

import numpy as np
from numba import njit, types

from dosimetry.transport._direction_kernels import isotropic, turned
from dosimetry.transport.electrons import ELECTRON_MASS_MEV
from kinetics._random_kernels import uniform
from radiobio.tracks._alpha_kernels import crossed, energy_drawn, energy_left, place, range_of
from radiobio.tracks._columns import (
    ALLOWED,
    COLLISION,
    DEFLECTION,
    EMPTY,
    ENERGY,
    EXPECTED,
    FAR,
    IMPARTED,
    INNER,
    LOG_RANGE,
    OUTER,
    RADIUS,
    SCREEN,
    SHELL,
    SOFT,
    SPREAD,
    STARTED,
)

_MASS = 1e3 * ELECTRON_MASS_MEV  # keV
_CUT = 1.0  # keV: electrons set free with more are followed, with less they stop in place
_STEP = 0.05  # of the residual range: longest step
_GENERATIONS = 6
_STACK = 200

_matrix, _vector = types.float64[:, ::1], types.float64[::1]


@njit(cache=True, error_model="numpy")
def _row(range_left, table):  # type: ignore[no-untyped-def]
    """Row of the table nearest to a residual range (um)."""
    start = table[0, LOG_RANGE]
    position = (np.log(range_left) - start) / (table[1, LOG_RANGE] - start)
    return min(max(int(position + 0.5), 0), table.shape[0] - 1)


@njit(cache=True, error_model="numpy")
def _deflected(u, v, w, screen, state):  # type: ignore[no-untyped-def]
    """Direction after a deflection with the density (mu + A)^-2 of mu = (1 - cos) / 2."""
    level = uniform(state)
    mu = screen * level / (1.0 + screen - level)
    return turned(u, v, w, 1.0 - 2.0 * mu, 2.0 * np.pi * uniform(state))


@njit(cache=True, error_model="numpy")
def _moller(energy, given):  # type: ignore[no-untyped-def]
    """Moller's cross section for a loss, over that of Rutherford, and its bound."""
    total2 = (energy + _MASS) ** 2
    c = 1.0 - energy * energy / total2
    ratio = given / (energy - given)
    return 1.0 + ratio * ratio + given * given / total2 - c * ratio, 1.0 + 1.25 * (1.0 - c)


@njit(cache=True, error_model="numpy")
def _energy_given(energy, weighted, state):  # type: ignore[no-untyped-def]
    """Energy (keV) of an electron set free; weighted: in proportion to it."""
    near, far = 1.0 / _CUT, 2.0 / energy
    while True:
        level = uniform(state)
        if weighted:
            given = _CUT * (0.5 * energy / _CUT) ** level
        else:
            given = 1.0 / (near - level * (near - far))
        value, bound = _moller(energy, given)
        if uniform(state) * bound < value:
            return given


@njit(cache=True, error_model="numpy")
def _between(energy, given):  # type: ignore[no-untyped-def]
    """Cosine between an electron and the one it sets free."""
    return np.sqrt(given * (energy + 2.0 * _MASS) / (energy * (given + 2.0 * _MASS)))


@njit(cache=True, error_model="numpy")
def _set_free(x, y, z, u, v, w, energy, radius, reach, stack, top, state):  # type: ignore[no-untyped-def]
    """Put an electron set free on the stack, unless it cannot reach the sphere."""
    given = _energy_given(energy, False, state)
    if np.sqrt(x * x + y * y + z * z) - radius > range_of(given, reach) or top == stack.shape[0]:
        return top
    u, v, w = turned(u, v, w, _between(energy, given), 2.0 * np.pi * uniform(state))
    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = x, y, z, u
    stack[top, 4], stack[top, 5], stack[top, 6] = v, w, given
    return top + 1


@njit(cache=True, error_model="numpy")
def _walk(x, y, z, u, v, w, left, end, sign, rim, table, reach, settings, tally, stack, top, state):  # type: ignore[no-untyped-def]
    """Walk from a residual range to another; tally the mean and variance of the energy imparted.

    sign: 1 onwards, -1 back towards the source, in the direction (u, v, w) all the same. Ends
    early when the rest cannot reach the radius `rim`, or where tracks are let go.
    Returns place, direction, whether the end was reached, and the top of the stack.
    """
    radius, far2 = settings[RADIUS], settings[FAR] ** 2
    while True:
        rest = (left - end) * sign
        if rest <= 1e-9:
            return x, y, z, u, v, w, True, top
        distance2 = x * x + y * y + z * z
        if distance2 > far2 or (distance2 > rim * rim and np.sqrt(distance2) - rim > rest):
            return x, y, z, u, v, w, False, top
        row = _row(left, table)
        events = table[row, DEFLECTION] + table[row, COLLISION]
        path = -np.log(uniform(state)) / events
        happens = path < min(_STEP * left, rest)
        path = min(path, _STEP * left, rest)
        enter, leave = crossed(x, y, z, u, v, w, radius)
        enter, leave = max(enter, 0.0), min(leave, path)
        if leave > enter:
            lost = energy_left(left - sign * enter, table) - energy_left(left - sign * leave, table)
            tally[0] += abs(lost) * table[row, SOFT]
            tally[1] += (leave - enter) * table[row, SPREAD]
        x, y, z = x + path * u, y + path * v, z + path * w
        left -= sign * path
        if not happens:
            continue
        if uniform(state) * events < table[row, DEFLECTION]:
            u, v, w = _deflected(u, v, w, table[row, SCREEN], state)
        else:
            top = _set_free(
                x, y, z, sign * u, sign * v, sign * w, table[row, ENERGY], radius, reach, stack,
                top, state,
            )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _onwards(x, y, z, u, v, w, energy, left, table, reach, settings, tally, stack, top, state):  # type: ignore[no-untyped-def]
    """Walk an electron that started with `energy` to its end, and stop it there."""
    lowest = np.exp(table[0, LOG_RANGE])
    zone = settings[RADIUS]
    x, y, z, _, _, _, done, top = _walk(
        x, y, z, u, v, w, max(left, lowest), lowest, 1.0, zone, table, reach, settings, tally,
        stack, top, state,
    )  # fmt: skip
    if done and x * x + y * y + z * z < zone * zone:
        tally[0] += min(energy, table[0, ENERGY])
    return top


@njit(cache=True, error_model="numpy")
def _descend(energy, table, reach, started, at, state):  # type: ignore[no-untyped-def]
    """Draw a point of the shower in proportion to the energy lost there.

    started, at: energies of an electron and of those it leads to, at their start and at the
    point. Returns the number of generations.
    """
    level = 0
    started[0] = energy
    while True:
        at[level] = started[level] * uniform(state)
        if at[level] <= 2.0 * _CUT or level == _GENERATIONS - 1:
            return level
        soft = table[_row(range_of(at[level], reach), table), SOFT]
        if uniform(state) < soft:
            return level
        started[level + 1] = _energy_given(at[level], True, state)
        level += 1


@njit(cache=True, error_model="numpy")
def _around(energy, table, reach, settings, tally, stack, started, at, state):  # type: ignore[no-untyped-def]
    """Follow a shower to both sides of a point in the nucleus, and see where its source lies.

    Returns whether sources lie there, and the top of the stack.
    """
    level = _descend(energy, table, reach, started, at, state)
    x, y, z = place(0.0, settings[RADIUS], state)
    u, v, w = isotropic(state)
    lowest, top = np.exp(table[0, LOG_RANGE]), 0
    while True:
        left = max(range_of(at[level], reach), lowest)
        top = _onwards(
            x, y, z, u, v, w, started[level], left, table, reach, settings, tally, stack, top,
            state,
        )  # fmt: skip
        start = max(range_of(started[level], reach), left)
        zone = max(settings[RADIUS], settings[EMPTY])
        x, y, z, u, v, w, done, top = _walk(
            x, y, z, -u, -v, -w, left, start, -1.0, zone, table, reach, settings, tally,
            stack, top, state,
        )  # fmt: skip
        if not done:
            return True, top
        if level == 0:
            return x * x + y * y + z * z >= settings[EMPTY] ** 2, top
        cosine = _between(at[level - 1], started[level])
        u, v, w = turned(-u, -v, -w, cosine, 2.0 * np.pi * uniform(state))
        level -= 1


@njit(
    [types.void(_matrix, _matrix, _matrix, _vector, types.uint64[::1], _matrix, types.int64,
                types.int64)],
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def follow_electrons(table, reach, source, settings, seeds, out, first, last):  # type: ignore[no-untyped-def]
    """Histories first to last - 1, each with its own seed, as `follow_alphas`."""
    state = np.zeros(1, np.uint64)
    tally, stack = np.zeros(2), np.zeros((_STACK, 7))
    started, at = np.zeros(_GENERATIONS), np.zeros(_GENERATIONS)
    for k in range(first, last):
        state[0] = seeds[k]
        tally[0] = tally[1] = 0.0
        energy = energy_drawn(source, state)
        allowed = True
        if settings[SHELL] > 0.0:
            x, y, z = place(settings[INNER], settings[OUTER], state)
            u, v, w = isotropic(state)
            left = range_of(energy, reach)
            top = _onwards(
                x, y, z, u, v, w, energy, left, table, reach, settings, tally, stack, 0, state
            )
        else:
            allowed, top = _around(energy, table, reach, settings, tally, stack, started, at, state)
        while top > 0:
            top -= 1
            x, y, z, u = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
            v, w, given = stack[top, 4], stack[top, 5], stack[top, 6]
            left = range_of(given, reach)
            top = _onwards(
                x, y, z, u, v, w, given, left, table, reach, settings, tally, stack, top, state
            )
        out[k, STARTED], out[k, EXPECTED] = energy, tally[0]
        out[k, IMPARTED], out[k, ALLOWED] = tally[0], allowed
        if tally[1] > 0.0:
            spread2 = np.log1p(tally[1] / tally[0] ** 2)
            normal = np.sqrt(-2.0 * np.log(uniform(state))) * np.cos(2.0 * np.pi * uniform(state))
            out[k, IMPARTED] *= np.exp(np.sqrt(spread2) * normal - 0.5 * spread2)
