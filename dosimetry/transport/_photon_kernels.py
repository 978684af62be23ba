"""Compiled transport of one photon in water."""

import numpy as np
from numba import njit

from dosimetry.transport._columns import (
    COHERENT,
    CUTOFF,
    ELECTRON,
    INCOHERENT,
    KILL_RADIUS,
    PAIR,
    PHOTON_LOG_MIN,
    PHOTON_PER_LOG,
    POSITRON,
    TOTAL,
)
from dosimetry.transport._direction_kernels import isotropic, turned
from dosimetry.transport._tally_kernels import cell
from dosimetry.transport.electrons import ELECTRON_MASS_MEV as _MASS
from kinetics._random_kernels import uniform

_K_SHELL = 0.000543  # binding energy of oxygen's K electrons (MeV)
_LOWEST = 0.001
_BINDING_REACH, _BINDING_POWER = 0.1771, 0.6876  # 1/angstrom, see _compton
_ANGSTROM_MEV = 0.01239841984  # Planck's constant times the speed of light


@njit(cache=True, error_model="numpy")
def _put(stack, top, energy, x, y, z, u, v, w, kind):  # type: ignore[no-untyped-def]
    stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = energy, x, y, z
    stack[top, 4], stack[top, 5], stack[top, 6], stack[top, 7] = u, v, w, kind
    return top + 1


@njit(cache=True, error_model="numpy")
def _compton(energy, state):  # type: ignore[no-untyped-def]
    """Energy and cosine of a photon scattered by an electron of water.

    Klein and Nishina: the share of energy kept is drawn from 1/e + e, and accepted by the rest of
    the formula. Then by the binding of the electrons, 1 - (1 + (x/0.1771)^2)^-0.6876 with x the
    momentum transfer sin(angle/2)/wavelength (1/angstrom): fitted to XCOM's incoherent cross
    section over that of free electrons, 3 to 400 keV, which it meets within 1.6 %.
    """
    ratio = energy / _MASS
    least = 1.0 / (1.0 + 2.0 * ratio)
    inverse, linear = -np.log(least), 0.5 * (1.0 - least * least)
    while True:
        if uniform(state) * (inverse + linear) < inverse:
            kept = least ** uniform(state)
        else:
            kept = np.sqrt(least * least + (1.0 - least * least) * uniform(state))
        lost = (1.0 - kept) / (ratio * kept)
        sine2 = lost * (2.0 - lost)
        if uniform(state) > 1.0 - kept * sine2 / (1.0 + kept * kept):
            continue
        square = 0.5 * lost * (energy / _ANGSTROM_MEV / _BINDING_REACH) ** 2
        if uniform(state) < 1.0 - (1.0 + square) ** -_BINDING_POWER:
            return kept * energy, 1.0 - lost


@njit(cache=True, error_model="numpy")
def _rayleigh(energy, form, state):  # type: ignore[no-untyped-def]
    """Cosine of coherent scattering: squared form factor times Thomson's formula."""
    largest = (energy / _ANGSTROM_MEV) ** 2
    last = form.shape[1] - 1
    k = min(np.searchsorted(form[0], largest), last)
    k = max(k, 1)
    part = min(1.0, (largest - form[0, k - 1]) / (form[0, k] - form[0, k - 1]))
    top = form[1, k - 1] + part * (form[1, k] - form[1, k - 1])
    while True:
        wanted = uniform(state) * top
        k = max(1, min(np.searchsorted(form[1], wanted), last))
        part = (wanted - form[1, k - 1]) / (form[1, k] - form[1, k - 1])
        square = form[0, k - 1] + part * (form[0, k] - form[0, k - 1])
        cosine = 1.0 - 2.0 * min(1.0, square / largest)
        if 2.0 * uniform(state) < 1.0 + cosine * cosine:
            return cosine


@njit(cache=True, error_model="numpy")
def _interact(energy, row, part, table, state):  # type: ignore[no-untyped-def]
    """Column of the interaction that happens."""
    event = uniform(state) * (
        table[row, TOTAL] + part * (table[row + 1, TOTAL] - table[row, TOTAL])
    )
    for kind in (INCOHERENT, COHERENT, PAIR):
        event -= table[row, kind] + part * (table[row + 1, kind] - table[row, kind])
        if event < 0.0:
            return kind
    return -1


@njit(cache=True, error_model="numpy")
def _free(  # type: ignore[no-untyped-def]
    energy, x, y, z, u, v, w, weight, settings, edges, finder, score, stack, top
):
    """Stack an electron set free, or score it where it is too slow to matter."""
    if energy > settings[CUTOFF]:
        return _put(stack, top, energy, x, y, z, u, v, w, ELECTRON)
    score[cell(x, y, z, settings, edges, finder)] += energy * weight
    return top


@njit(cache=True, error_model="numpy")
def _absorb(  # type: ignore[no-untyped-def]
    energy, x, y, z, weight, settings, edges, finder, score, stack, top, state
):
    """Photoelectric absorption in oxygen's K shell: the electron leaves in a random direction."""
    bound = min(_K_SHELL, energy)
    score[cell(x, y, z, settings, edges, finder)] += bound * weight
    a, b, c = isotropic(state)
    return _free(
        energy - bound, x, y, z, a, b, c, weight, settings, edges, finder, score, stack, top
    )


@njit(cache=True, error_model="numpy")
def follow_photon(  # type: ignore[no-untyped-def]
    energy, x, y, z, u, v, w, weight, table, form, settings, edges, finder, score, stack, top, state
):
    """Follow a photon to its end; stack the electrons it sets free. Returns the top of the stack.

    Far outside the tally the photon is given up and its energy scored as outside.
    """
    while energy > _LOWEST:
        position = (np.log(energy) - settings[PHOTON_LOG_MIN]) * settings[PHOTON_PER_LOG]
        row = min(max(int(position), 0), table.shape[0] - 2)
        part = min(position - row, 1.0)
        total = table[row, TOTAL] + part * (table[row + 1, TOTAL] - table[row, TOTAL])
        path = -np.log(uniform(state)) / total
        x, y, z = x + path * u, y + path * v, z + path * w
        if x * x + y * y + z * z > settings[KILL_RADIUS] ** 2:
            score[score.shape[0] - 1] += energy * weight
            return top
        kind = _interact(energy, row, part, table, state)
        azimuth = 2.0 * np.pi * uniform(state)
        if kind == INCOHERENT:
            left, cosine = _compton(energy, state)
            given = energy - left
            momentum = np.sqrt(given * (given + 2.0 * _MASS))
            a, b, c = turned(u, v, w, (energy - left * cosine) / momentum, azimuth + np.pi)
            top = _free(given, x, y, z, a, b, c, weight, settings, edges, finder, score, stack, top)
            energy = left
            u, v, w = turned(u, v, w, cosine, azimuth)
        elif kind == COHERENT:
            u, v, w = turned(u, v, w, _rayleigh(energy, form, state), azimuth)
        elif kind == PAIR:
            shared = energy - 2.0 * _MASS
            first = shared * uniform(state)
            top = _free(first, x, y, z, u, v, w, weight, settings, edges, finder, score, stack, top)
            return _put(stack, top, shared - first, x, y, z, u, v, w, POSITRON)
        else:
            return _absorb(
                energy, x, y, z, weight, settings, edges, finder, score, stack, top, state
            )
    score[cell(x, y, z, settings, edges, finder)] += energy * weight
    return top
