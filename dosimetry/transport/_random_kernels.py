"""Random numbers for compiled loops: one generator a batch (splitmix64, Steele et al. 2014)."""

import numpy as np
from numba import njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@njit(cache=True, error_model="numpy")
def random(state):  # type: ignore[no-untyped-def]
    """Next number between 0 and 1, never either."""
    state[0] += _GOLDEN
    z = state[0]
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    z = z ^ (z >> _S31)
    return (np.float64(z >> _S11) + 0.5) * 2.0**-53


@njit(cache=True, error_model="numpy")
def isotropic(state):  # type: ignore[no-untyped-def]
    """Unit vector in a random direction."""
    cosine = 2.0 * random(state) - 1.0
    sine = np.sqrt(1.0 - cosine * cosine)
    azimuth = 2.0 * np.pi * random(state)
    return sine * np.cos(azimuth), sine * np.sin(azimuth), cosine


@njit(cache=True, error_model="numpy")
def turned(u, v, w, cosine, azimuth):  # type: ignore[no-untyped-def]
    """Unit vector (u, v, w) turned by an angle of this cosine, towards this azimuth."""
    sine = np.sqrt(max(0.0, 1.0 - cosine * cosine))
    a, b = sine * np.cos(azimuth), sine * np.sin(azimuth)
    flat = u * u + v * v
    if flat < 1e-12:
        return a, b * np.sign(w), cosine * np.sign(w)
    root = np.sqrt(flat)
    return (
        u * cosine + (u * w * a - v * b) / root,
        v * cosine + (v * w * a + u * b) / root,
        w * cosine - root * a,
    )
