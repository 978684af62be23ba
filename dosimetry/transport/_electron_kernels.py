"""Compiled transport of one electron in water: soft steps with a hinge, hard events in between."""

import numpy as np
from numba import njit

from dosimetry.transport._columns import (
    COLLISION,
    CUT_ANGLE,
    CUTOFF,
    DELTA_CUT,
    ELASTIC,
    ELECTRON,
    ELECTRON_LOG_MIN,
    ELECTRON_PER_LOG,
    EMITTED,
    HYDROGEN_SCREEN,
    MAJORANT,
    OXYGEN_SCREEN,
    OXYGEN_SHARE,
    PHOTON,
    PHOTON_CUT,
    RADIATIVE,
    REACH,
    SOFT_FIRST,
    SOFT_LOSS,
    SOFT_SECOND,
    SOFT_SLOPE,
    STEP_CAP,
    STRAGGLING,
)
from dosimetry.transport._direction_kernels import isotropic, turned
from dosimetry.transport._tally_kernels import cell, room
from dosimetry.transport.elastic import SPIN_BOUND
from dosimetry.transport.electrons import ELECTRON_MASS_MEV as _MASS
from dosimetry.transport.electrons import FINE_STRUCTURE
from kinetics._random_kernels import uniform

_PI_ALPHA = np.pi * FINE_STRUCTURE


@njit(cache=True, error_model="numpy")
def _read(table, row, part, column):  # type: ignore[no-untyped-def]
    low = table[row, column]
    return low + part * (table[row + 1, column] - low)


@njit(cache=True, error_model="numpy")
def _place(energy, table, settings):  # type: ignore[no-untyped-def]
    """Row of the table below an energy, and the part of the way to the next."""
    position = (np.log(energy) - settings[ELECTRON_LOG_MIN]) * settings[ELECTRON_PER_LOG]
    row = min(max(int(position), 0), table.shape[0] - 2)
    return row, min(max(position - row, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def _soft_loss(mean, variance, state):  # type: ignore[no-untyped-def]
    """Energy lost gradually, with this mean and variance and never negative.

    Gaussian, uniform, or nothing with some chance and uniform otherwise (Salvat, PENELOPE 2018,
    NEA/MBDAV/R(2019)1, section 4.2).
    """
    if variance * 9.0 < mean * mean:
        while True:
            z = np.sqrt(-2.0 * np.log(uniform(state))) * np.cos(2.0 * np.pi * uniform(state))
            if abs(z) < 3.0:
                return mean + 1.015387 * z * np.sqrt(variance)
    if variance * 3.0 < mean * mean:
        return mean + np.sqrt(3.0 * variance) * (2.0 * uniform(state) - 1.0)
    nothing = (3.0 * variance - mean * mean) / (3.0 * variance + 3.0 * mean * mean)
    if uniform(state) < nothing:
        return 0.0
    return uniform(state) * (3.0 * variance + 3.0 * mean * mean) / (2.0 * mean)


@njit(cache=True, error_model="numpy")
def _soft_cosine(first, second, state):  # type: ignore[no-untyped-def]
    """Cosine of the deflection by many small ones, exact in its first two moments.

    first, second: path times the transport coefficients. Two uniform pieces of (1 - cos) / 2.
    """
    mean = -0.5 * np.expm1(-first)
    square = mean + np.expm1(-second) / 6.0
    border = (2.0 * mean - 3.0 * square) / (1.0 - 2.0 * mean)
    share = 1.0 - 2.0 * mean + border
    if uniform(state) < share:
        return 1.0 - 2.0 * border * uniform(state)
    return 1.0 - 2.0 * (border + (1.0 - border) * uniform(state))


@njit(cache=True, error_model="numpy")
def _hard_cosine(energy, table, row, part, state):  # type: ignore[no-untyped-def]
    """Cosine of a single deflection beyond the cut; 1 where the spin factor rejects it."""
    cut = _read(table, row, part, CUT_ANGLE)
    if uniform(state) < _read(table, row, part, OXYGEN_SHARE):
        screen, z = _read(table, row, part, OXYGEN_SCREEN), 8.0
    else:
        screen, z = _read(table, row, part, HYDROGEN_SCREEN), 1.0
    near, far = 1.0 / (cut + screen), 1.0 / (1.0 + screen)
    mu = 1.0 / (near - uniform(state) * (near - far)) - screen
    beta2 = energy * (energy + 2.0 * _MASS) / (energy + _MASS) ** 2
    sine = np.sqrt(max(mu, 0.0))
    spin = 1.0 - beta2 * mu + _PI_ALPHA * z * np.sqrt(beta2) * sine * (1.0 - sine)
    return 1.0 - 2.0 * mu if uniform(state) * SPIN_BOUND < spin else 1.0


@njit(cache=True, error_model="numpy")
def _energy_given(energy, cut, state):  # type: ignore[no-untyped-def]
    """Energy an electron gives to another at rest, above the cut (Moller)."""
    total2 = (energy + _MASS) ** 2
    c = 1.0 - energy * energy / total2
    bound = 1.0 + 1.25 * (1.0 - c)
    near, far = 1.0 / cut, 2.0 / energy
    while True:
        given = 1.0 / (near - uniform(state) * (near - far))
        ratio = given / (energy - given)
        if uniform(state) * bound < 1.0 + ratio * ratio + given * given / total2 - c * ratio:
            return given


@njit(cache=True, error_model="numpy")
def _photon_emitted(energy, cut, state):  # type: ignore[no-untyped-def]
    """Energy of a bremsstrahlung photon above the cut, and the cosine to its electron."""
    while True:
        photon = cut * (energy / cut) ** uniform(state)
        if uniform(state) < 1.0 - photon / energy:
            break
    while True:
        cosine = 2.0 * uniform(state) - 1.0
        if 2.0 * uniform(state) < 1.0 + cosine * cosine:
            break
    beta = np.sqrt(energy * (energy + 2.0 * _MASS)) / (energy + _MASS)
    return photon, (cosine + beta) / (1.0 + beta * cosine)


@njit(cache=True, error_model="numpy")
def _push(stack, top, energy, x, y, z, u, v, w, kind):  # type: ignore[no-untyped-def]
    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = energy, x, y, z
    stack[top, 4], stack[top, 5], stack[top, 6], stack[top, 7] = u, v, w, kind
    return top + 1


@njit(cache=True, error_model="numpy")
def _collide(energy, x, y, z, u, v, w, stack, top, settings, state):  # type: ignore[no-untyped-def]
    """Knock an electron out: the energy left, the new direction, the top of the stack."""
    given = _energy_given(energy, settings[DELTA_CUT], state)
    left = energy - given
    mass = 2.0 * _MASS
    azimuth = 2.0 * np.pi * uniform(state)
    knocked = np.sqrt(given * (energy + mass) / (energy * (given + mass)))
    a, b, c = turned(u, v, w, knocked, azimuth + np.pi)
    top = _push(stack, top, given, x, y, z, a, b, c, ELECTRON)
    kept = np.sqrt(left * (energy + mass) / (energy * (left + mass)))
    u, v, w = turned(u, v, w, kept, azimuth)
    return left, u, v, w, top


@njit(cache=True, error_model="numpy")
def _radiate(energy, x, y, z, u, v, w, stack, top, settings, state):  # type: ignore[no-untyped-def]
    """Emit a photon: the energy left and the top of the stack."""
    photon, cosine = _photon_emitted(energy, settings[PHOTON_CUT], state)
    a, b, c = turned(u, v, w, cosine, 2.0 * np.pi * uniform(state))
    return energy - photon, _push(stack, top, photon, x, y, z, a, b, c, PHOTON)


@njit(cache=True, error_model="numpy")
def _stop(energy, x, y, z, table, row, part, settings, stack, top, state):  # type: ignore[no-untyped-def]
    """Stop an electron that cannot leave its cell; sometimes it emits a photon on its way.

    The chance is the mean number of photons up to rest, and its energy at the emission is drawn
    from where they arise. Returns the energy that stays and the top of the stack.
    """
    level = uniform(state)
    if level > _read(table, row, part, EMITTED):
        return energy, top
    low, high = 0, row + 1
    while high - low > 1:
        middle = (low + high) // 2
        if table[middle, EMITTED] < level:
            low = middle
        else:
            high = middle
    span = table[high, EMITTED] - table[low, EMITTED]
    there = settings[ELECTRON_LOG_MIN]
    there += (low + (level - table[low, EMITTED]) / span) / settings[ELECTRON_PER_LOG]
    emitter = min(np.exp(there), energy)
    if emitter <= settings[PHOTON_CUT]:
        return energy, top
    photon, _ = _photon_emitted(emitter, settings[PHOTON_CUT], state)
    u, v, w = isotropic(state)
    return energy - photon, _push(stack, top, photon, x, y, z, u, v, w, PHOTON)


@njit(cache=True, error_model="numpy")
def follow_electron(  # type: ignore[no-untyped-def]
    energy, x, y, z, u, v, w, weight, table, settings, edges, finder, score, stack, top, state
):
    """Follow an electron to its end; score its energy, stack what it sets free.

    Returns the top of the stack and the place where it stopped.
    """
    row, part = _place(energy, table, settings)
    while energy > settings[CUTOFF]:
        if _read(table, row, part, REACH) < room(x, y, z, settings, edges, finder):
            energy, top = _stop(energy, x, y, z, table, row, part, settings, stack, top, state)
            break
        majorant = _read(table, row, part, MAJORANT)
        cap = _read(table, row, part, STEP_CAP)
        path = -np.log(uniform(state)) / majorant
        happens = path < cap
        path = min(path, cap)
        first, second = _read(table, row, part, SOFT_FIRST), _read(table, row, part, SOFT_SECOND)
        loss = _read(table, row, part, SOFT_LOSS) * path
        mean = loss * (1.0 - 0.5 * path * _read(table, row, part, SOFT_SLOPE))
        loss = _soft_loss(mean, _read(table, row, part, STRAGGLING) * path, state)
        before = path * uniform(state)
        x, y, z = x + before * u, y + before * v, z + before * w
        if loss >= energy - settings[CUTOFF]:
            break
        score[cell(x, y, z, settings, edges, finder)] += loss * weight
        energy -= loss
        row, part = _place(energy, table, settings)
        first = 0.5 * (first + _read(table, row, part, SOFT_FIRST))
        second = 0.5 * (second + _read(table, row, part, SOFT_SECOND))
        cosine = _soft_cosine(first * path, second * path, state)
        u, v, w = turned(u, v, w, cosine, 2.0 * np.pi * uniform(state))
        after = path - before
        x, y, z = x + after * u, y + after * v, z + after * w
        if not happens:
            continue
        event = uniform(state) * majorant - _read(table, row, part, ELASTIC)
        if event < 0.0:
            cosine = _hard_cosine(energy, table, row, part, state)
            u, v, w = turned(u, v, w, cosine, 2.0 * np.pi * uniform(state))
            continue
        event -= _read(table, row, part, COLLISION)
        if event < 0.0:
            energy, u, v, w, top = _collide(energy, x, y, z, u, v, w, stack, top, settings, state)
        elif event < _read(table, row, part, RADIATIVE):
            energy, top = _radiate(energy, x, y, z, u, v, w, stack, top, settings, state)
        else:
            continue
        row, part = _place(energy, table, settings)
    score[cell(x, y, z, settings, edges, finder)] += energy * weight
    return top, x, y, z
