"""The chance that a displacement from one voxel ends in another, folded with a point kernel."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_NEAR = 12  # nodes per angle inside one voxel, where the integrand is a smooth polynomial
_PER_VOXEL = 4  # further nodes per angle for each voxel of distance
_STEPS_PER_VOXEL = 4  # radial steps per voxel, two Gauss nodes each


def folded(
    edges: FloatArray,
    absorbed: FloatArray,
    error: FloatArray,
    voxel: tuple[float, float, float],
    half_width: tuple[int, int, int],
) -> tuple[FloatArray, FloatArray]:
    r"""Energy absorbed in each voxel of the first octant, from activity in the central voxel.

    Parameters
    ----------
    edges : ndarray, shape (n + 1,)
        Radii of shells around a point source, in the unit of `voxel`.
    absorbed, error : ndarray, shape (n,)
        Energy absorbed in each shell and its standard error.
    voxel : tuple of three float
        Edges of a voxel.
    half_width : tuple of three int
        Last voxel of the octant along each axis.

    Returns
    -------
    mean, error : ndarray, shape (half_width + 1)
        Energy, and the standard error of independent shells.

    Notes
    -----
    A point in a random direction at the distance r from a random point of voxel (0, 0, 0) lies in
    voxel (i, j, k) with the chance

    .. math:: g_{ijk}(r) = \frac{1}{4\pi} \int \Lambda(r u_x/a - i)\, \Lambda(r u_y/b - j)\,
              \Lambda(r u_z/c - k)\, d\Omega, \qquad \Lambda(x) = \max(0, 1 - |x|).

    Directions are a product of Gauss-Legendre nodes in both angles of one octant, more of them the
    farther the shell: exact for r below the smallest edge, better than 1e-4 of the largest value
    beyond. Energy is spread evenly within a shell.
    """
    from dosimetry.voxels._geometry_kernels import spread

    shape = tuple(n + 1 for n in half_width)
    reach = float(np.linalg.norm((np.array(half_width) + 1) * voxel))
    kept = int(np.searchsorted(edges[:-1], reach))
    edges, absorbed, error = edges[: kept + 1], absorbed[:kept], error[:kept]
    radius, share, nodes = _radial_nodes(edges, min(voxel))
    first, weight, direction = _directions(edges[1:] / min(voxel))
    chance, mean, variance = (np.zeros(shape) for _ in range(3))
    spread(
        radius,
        share,
        nodes,
        first,
        weight,
        np.ascontiguousarray(direction / np.array(voxel)),
        np.ascontiguousarray(absorbed, dtype=np.float64),
        np.ascontiguousarray(error, dtype=np.float64),
        chance,
        mean,
        variance,
    )
    images = _mirror_images(shape)
    return mean / images, np.sqrt(variance) / images


def mirrored(octant: FloatArray) -> FloatArray:
    """The whole symmetric array from its first octant."""
    for axis in range(3):
        beyond = np.take(octant, range(1, octant.shape[axis]), axis=axis)
        octant = np.concatenate([np.flip(beyond, axis), octant], axis=axis)
    return octant


def _mirror_images(shape: tuple[int, ...]) -> FloatArray:
    """How many voxels of the whole grid each voxel of the octant stands for."""
    one = [np.where(np.arange(n) == 0, 1.0, 2.0) for n in shape]
    return one[0][:, None, None] * one[1][:, None] * one[2]


def _radial_nodes(edges: FloatArray, step: float) -> tuple[FloatArray, FloatArray, IntArray]:
    """Gauss nodes within each shell, in steps small beside a voxel, and where each shell starts."""
    width = np.diff(edges)
    pieces = np.maximum(1, np.ceil(width * _STEPS_PER_VOXEL / step)).astype(np.int64)
    start = np.repeat(edges[:-1], pieces)
    size = np.repeat(width / pieces, pieces)
    offset = np.arange(len(start)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    middle = start + size * (offset + 0.5)
    half = size / np.sqrt(12)
    radius = np.column_stack([middle - half, middle + half]).ravel()
    nodes = np.concatenate([[0], 2 * np.cumsum(pieces)])
    return radius, np.repeat(0.5 / pieces, 2 * pieces), nodes


def _directions(distance: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Directions of one octant for shells that end `distance` voxels away.

    Returns first and last row of each shell (flat), the weights and the directions.
    """
    counts = np.where(distance <= 1, _NEAR, 2 * _NEAR + _PER_VOXEL * np.ceil(distance)).astype(int)
    used = np.unique(counts)
    sets = [_octant(int(n)) for n in used]
    starts = np.concatenate([[0], np.cumsum([len(w) for w, _ in sets])])
    which = np.searchsorted(used, counts)
    first = np.column_stack([starts[which], starts[which + 1]]).ravel().astype(np.int64)
    return first, np.concatenate([w for w, _ in sets]), np.concatenate([d for _, d in sets])


@cache
def _octant(n: int) -> tuple[FloatArray, FloatArray]:
    """Weights and unit vectors, n^2 of them, that average over the directions of one octant."""
    node, weight = np.polynomial.legendre.leggauss(n)
    angle, weight = np.pi / 4 * (node + 1), np.pi / 4 * weight
    sine, cosine = np.sin(angle), np.cos(angle)
    vector = np.stack(
        np.broadcast_arrays(sine[:, None] * cosine, sine[:, None] * sine, cosine[:, None]), axis=-1
    )
    share = (sine * weight)[:, None] * weight / (np.pi / 2)
    return share.ravel(), vector.reshape(-1, 3)
