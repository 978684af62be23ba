"""Directions for compiled loops."""

import numpy as np
from numba import njit

from kinetics._random_kernels import uniform


@njit(cache=True, error_model="numpy")
def isotropic(state):  # type: ignore[no-untyped-def]
    """Unit vector in a random direction."""
    cosine = 2.0 * uniform(state) - 1.0
    sine = np.sqrt(1.0 - cosine * cosine)
    azimuth = 2.0 * np.pi * uniform(state)
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
