"""Compiled batches of showers: start a particle, follow it and all it sets free."""

import numpy as np
from numba import njit, types

from dosimetry.transport._columns import (
    CUMULATIVE,
    DELTA_CUT,
    FOLLOW_PHOTONS,
    GEOMETRY,
    KIND,
    LOWER,
    PHOTON,
    PHOTON_CUT,
    POSITRON,
    SHELLS,
    SOURCE_X,
    SOURCE_Y,
    SOURCE_Z,
    UPPER,
)
from dosimetry.transport._direction_kernels import isotropic
from dosimetry.transport._electron_kernels import follow_electron
from dosimetry.transport._photon_kernels import follow_photon
from dosimetry.transport.electrons import ELECTRON_MASS_MEV as _MASS
from kinetics._random_kernels import uniform

_matrix, _vector = types.float64[:, ::1], types.float64[::1]


@njit(cache=True, error_model="numpy")
def _start(source, row, settings, state):  # type: ignore[no-untyped-def]
    """Energy, kind and place of a particle from a bin of the source."""
    energy = source[row, LOWER]
    energy += (source[row, UPPER] - energy) * uniform(state)
    if settings[GEOMETRY] == SHELLS:
        r = 0.0
        if settings[SOURCE_X] > 0.0:
            r = settings[SOURCE_X] * uniform(state) ** (1.0 / 3.0)
        a, b, c = isotropic(state)
        return energy, source[row, KIND], r * a, r * b, r * c
    x = settings[SOURCE_X] * (2.0 * uniform(state) - 1.0)
    y = settings[SOURCE_Y] * (2.0 * uniform(state) - 1.0)
    z = settings[SOURCE_Z] * (2.0 * uniform(state) - 1.0)
    return energy, source[row, KIND], x, y, z


@njit(cache=True, error_model="numpy")
def _annihilate(x, y, z, stack, top, state):  # type: ignore[no-untyped-def]
    u, v, w = isotropic(state)
    for sign in (1.0, -1.0):
        stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3] = _MASS, x, y, z
        stack[top, 4], stack[top, 5], stack[top, 6] = sign * u, sign * v, sign * w
        stack[top, 7] = PHOTON
        top += 1
    return top


@njit(
    [
        types.void(
            _matrix, _matrix, _matrix, _vector, _matrix, _vector, types.int64[::1],
            types.int64, types.uint64[::1], _matrix, types.int64, types.int64,
        )
    ],
    cache=True, nogil=True, error_model="numpy",
)  # fmt: skip
def run_batches(  # type: ignore[no-untyped-def]
    electrons, photons, form, settings, source, edges, finder, n, states, scores, start, stop
):
    """Batches start to stop, n histories each, into scores (n_batches, n_cells + 1).

    electrons, photons: tables of the columns in _columns; form: integrated form factors; source
    (n_bins, 4): cumulative share of the energy emitted, lowest and highest energy, kind. Every
    history stands for the emission of energy 1; states (n_batches,): the seeds.
    """
    highest = source[:, UPPER].max() + 2.0 * _MASS
    stack = np.empty((64 + int(highest / settings[DELTA_CUT] + highest / settings[PHOTON_CUT]), 8))
    state = np.empty(1, np.uint64)
    for batch in range(start, stop):
        state[0] = states[batch]
        score = scores[batch]
        row = 0
        for history in range(n):
            level = (history + uniform(state)) / n
            while source[row, CUMULATIVE] < level and row < source.shape[0] - 1:
                row += 1
            energy, kind, x, y, z = _start(source, row, settings, state)
            u, v, w = isotropic(state)
            weight = 1.0 / energy
            stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = energy, x, y, z
            stack[0, 4], stack[0, 5], stack[0, 6], stack[0, 7] = u, v, w, kind
            top = 1
            while top > 0:
                top -= 1
                energy, x, y, z = stack[top, 0], stack[top, 1], stack[top, 2], stack[top, 3]
                u, v, w, kind = stack[top, 4], stack[top, 5], stack[top, 6], stack[top, 7]
                if kind == PHOTON:
                    if settings[FOLLOW_PHOTONS] == 0.0:
                        score[score.shape[0] - 1] += energy * weight
                        continue
                    top = follow_photon(
                        energy, x, y, z, u, v, w, weight, photons, form, settings, edges, finder,
                        score, stack, top, state,
                    )  # fmt: skip
                    continue
                top, x, y, z = follow_electron(
                    energy, x, y, z, u, v, w, weight, electrons, settings, edges, finder, score,
                    stack, top, state,
                )  # fmt: skip
                if kind == POSITRON:
                    top = _annihilate(x, y, z, stack, top, state)
