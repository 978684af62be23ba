"""Where energy is scored, in compiled loops: spherical shells or a grid of voxels."""

import numpy as np
from numba import njit

from dosimetry.transport._columns import GEOMETRY, SHELLS


@njit(cache=True, error_model="numpy")
def _shell(r, edges, finder):  # type: ignore[no-untyped-def]
    """Index of the shell around the origin, number of shells outside; finder: first guesses."""
    n = edges.shape[0] - 1
    if r >= edges[n]:
        return n
    k = finder[int(r / edges[n] * finder.shape[0])]
    while edges[k + 1] <= r:
        k += 1
    return k


@njit(cache=True, error_model="numpy")
def cell(x, y, z, settings, edges, finder):  # type: ignore[no-untyped-def]
    """Index of the cell at a place; past the last cell outside.

    Shells: edges (n + 1,). Voxels: edges holds the sizes (3,) and the half width; mirror images
    share a cell.
    """
    if settings[GEOMETRY] == SHELLS:
        return _shell(np.sqrt(x * x + y * y + z * z), edges, finder)
    width = int(edges[3]) + 1
    i = int(abs(x) / edges[0] + 0.5)
    j = int(abs(y) / edges[1] + 0.5)
    k = int(abs(z) / edges[2] + 0.5)
    if i >= width or j >= width or k >= width:
        return width * width * width
    return (i * width + j) * width + k


@njit(cache=True, error_model="numpy")
def room(x, y, z, settings, edges, finder):  # type: ignore[no-untyped-def]
    """Distance to the next border of the tally."""
    if settings[GEOMETRY] == SHELLS:
        r = np.sqrt(x * x + y * y + z * z)
        k = _shell(r, edges, finder)
        if k == edges.shape[0] - 1:
            return r - edges[k]
        return min(r - edges[k], edges[k + 1] - r) if k > 0 else edges[1] - r
    least = np.inf
    for place, size in ((x, edges[0]), (y, edges[1]), (z, edges[2])):
        part = abs(place) / size + 0.5
        part -= np.floor(part)
        least = min(least, min(part, 1.0 - part) * size)
    return least
