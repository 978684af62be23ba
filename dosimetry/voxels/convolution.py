"""Linear convolution of a map with a small kernel: by transform, or term by term."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from kinetics.cores import on_all_cores

METHODS = ("auto", "fft", "direct")
PRECISIONS = {"double": np.float64, "single": np.float32}

# Time of one multiplication-addition of the sum over that of one point and doubling of the
# transform, measured for 64^3 to 160^3 voxels: it only decides which method is faster.
_DIRECT_PER_FFT = 0.42
_PIECE = 12  # planes or rows of lines transformed at once: they stay in the cache
_SLAB_POINTS = 2**26  # points of a transform (1 GB in double precision) beyond which maps are cut

Array = npt.NDArray[Any]


def convolve(
    values: npt.ArrayLike,
    kernel: npt.ArrayLike,
    *,
    method: str = "auto",
    precision: str = "double",
) -> Array:
    r"""Convolution with zeros outside the map, on the grid of the map.

    Parameters
    ----------
    values : array_like, shape (..., nx, ny, nz)
        Maps; leading axes (draws, times) are convolved one by one.
    kernel : array_like, shape (2 kx + 1, 2 ky + 1, 2 kz + 1)
        The kernel, its centre in the middle.
    method : {"auto", "fft", "direct"}
        ``direct`` sums term by term, ``fft`` multiplies transforms; both agree to rounding.
        ``auto`` takes the one expected to be faster.
    precision : {"double", "single"}
        Single precision halves time and memory of the transform; errors are about 1e-6 of the
        largest value.

    Returns
    -------
    ndarray, shape (..., nx, ny, nz)

    Raises
    ------
    DosimetryError
        If the shapes are not legal, a value is not finite, or a name is unknown.

    Notes
    -----
    :math:`d_{ijk} = \sum_{abc} s_{abc}\,a_{i-a,j-b,k-c}`. Points that wrap around need to stay out
    of the n points wanted only, so n + k points an axis are enough (n + 2k for all of the
    convolution). Lines that hold nothing but padding are not transformed, neither on the way
    there nor back, and the transform of a kernel that is symmetric along each axis is real.

    Examples
    --------
    >>> import numpy as np
    >>> point = np.zeros((5, 5, 5))
    >>> point[2, 2, 2] = 2.0
    >>> float(convolve(point, np.full((3, 3, 3), 0.5)).sum())
    27.0
    """
    source, weights = _checked(values, kernel, method, precision)
    shape = source.shape[-3:]
    weights = _within_reach(weights, shape)
    maps = source.reshape(-1, *shape)
    out = np.empty_like(maps)
    chosen = _faster(shape, weights.shape) if method == "auto" else method
    for one, result in zip(maps, out, strict=True):
        if chosen == "direct":
            _direct(one, weights, result)
        else:
            _by_slabs(one, weights, result)
    return out.reshape(source.shape)


def in_pieces(work: Callable[[int, int], object], n: int, *, size: int) -> None:
    """Call ``work(first, last)`` over the range 0 to n on all cores, `size` or fewer at a time."""
    edges = np.linspace(0, n, -(-n // size) + 1).astype(int).tolist()

    def run(first: int, last: int) -> None:
        for span in pairwise(edges[first : last + 1]):
            work(*span)

    on_all_cores(len(edges) - 1, run)


def _checked(
    values: npt.ArrayLike, kernel: npt.ArrayLike, method: str, precision: str
) -> tuple[Array, Array]:
    if method not in METHODS:
        raise DosimetryError(f"method must be one of {METHODS}, got {method!r}")
    if precision not in PRECISIONS:
        raise DosimetryError(f"precision must be one of {tuple(PRECISIONS)}, got {precision!r}")
    dtype = PRECISIONS[precision]
    source = np.ascontiguousarray(values, dtype=dtype)
    weights = np.ascontiguousarray(kernel, dtype=dtype)
    if source.ndim < 3 or 0 in source.shape:
        raise DosimetryError(f"a map has three dimensions, got shape {source.shape}")
    if weights.ndim != 3 or any(n % 2 == 0 for n in weights.shape):
        raise DosimetryError(f"a kernel has three odd dimensions, got shape {weights.shape}")
    for name, array in (("map", source), ("kernel", weights)):
        bad = int(array.size - np.isfinite(array).sum())
        if bad:
            raise DosimetryError(f"the {name} holds {bad} values that are not finite")
    return source, weights


def _within_reach(kernel: Array, shape: tuple[int, ...]) -> Array:
    """The part of the kernel that can join two voxels of the map."""
    spare = [max(k // 2 - (n - 1), 0) for k, n in zip(kernel.shape, shape, strict=True)]
    return np.ascontiguousarray(kernel[tuple(slice(s, n - s) for s, n in
                                             zip(spare, kernel.shape, strict=True))])  # fmt: skip


def _padded(shape: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    from scipy.fft import next_fast_len

    halves = [k // 2 for k in kernel]
    return tuple(
        int(next_fast_len(n + h, real=axis == 2))
        for axis, (n, h) in enumerate(zip(shape, halves, strict=True))
    )


def _faster(shape: tuple[int, ...], kernel: tuple[int, ...]) -> str:
    points = float(np.prod(_padded(shape, kernel)))
    direct = float(np.prod(shape)) * float(np.prod(kernel))
    return "direct" if _DIRECT_PER_FFT * direct < points * np.log2(points) else "fft"


def _direct(values: Array, kernel: Array, out: Array) -> None:
    from dosimetry.voxels._kernels import convolve_range

    on_all_cores(len(values), lambda a, b: convolve_range(a, b, values, kernel, out))


def _by_slabs(values: Array, kernel: Array, out: Array) -> None:
    """Transform the map at once, or in slabs that overlap by the reach of the kernel."""
    nx, reach = len(values), len(kernel) // 2
    plane = int(np.prod(_padded(values.shape, kernel.shape)[1:]))
    step = max(_SLAB_POINTS // plane - 2 * reach, reach + 1, 16)
    step = nx if step >= nx else step
    padded: tuple[int, ...] = ()
    spectrum: Array | None = None
    for first in range(0, nx, step):
        last = min(first + step, nx)
        low, high = max(first - reach, 0), min(last + reach, nx)
        part = values[low:high]
        if spectrum is None or _padded(part.shape, kernel.shape) != padded:
            padded = _padded(part.shape, kernel.shape)
            spectrum = _kernel_spectrum(kernel, padded)
        _transform(part, spectrum, padded, first - low, out[first:last])


def _transform(
    values: Array, spectrum: Array, padded: tuple[int, ...], skip: int, out: Array
) -> None:
    """Fill `out` with the planes from `skip` on, in pieces that fit the cache.

    Lines that are all padding are transformed neither forward nor back.
    """
    from scipy.fft import fft, ifft, irfft, rfft

    nx, ny, nz = values.shape
    px, py, pz = padded
    kind = np.complex64 if values.dtype == np.float32 else np.complex128
    f = np.empty((nx, py, pz // 2 + 1), dtype=kind)

    def forward(a: int, b: int) -> None:
        f[a:b] = fft(rfft(values[a:b], pz, axis=2), py, axis=1, overwrite_x=True)

    def multiply(a: int, b: int) -> None:
        lines = fft(f[:, a:b], px, axis=0)
        lines *= spectrum[:, a:b]
        f[:, a:b] = ifft(lines, axis=0, overwrite_x=True)[:nx]

    def back(a: int, b: int) -> None:
        planes = ifft(f[skip + a : skip + b], axis=1, overwrite_x=True)[:, :ny]
        out[a:b] = irfft(planes, pz, axis=2)[..., :nz]

    in_pieces(forward, nx, size=_PIECE)
    in_pieces(multiply, py, size=_PIECE)
    in_pieces(back, len(out), size=_PIECE)


def _kernel_spectrum(kernel: Array, padded: tuple[int, ...]) -> Array:
    """Transform of the kernel with its centre at the origin; real if it is symmetric."""
    px, py, pz = padded
    symmetric = all(np.array_equal(kernel, np.flip(kernel, axis)) for axis in range(3))
    f: Array = kernel
    for axis, points, count in ((2, pz, pz // 2 + 1), (1, py, py), (0, px, px)):
        place = np.arange(kernel.shape[axis]) - kernel.shape[axis] // 2
        angle = 2 * np.pi / points * (np.outer(np.arange(count), place) % points)
        wave = np.cos(angle) if symmetric else np.exp(-1j * angle)
        wave = wave.astype(np.result_type(kernel.dtype, np.complex64) if not symmetric
                           else kernel.dtype)  # fmt: skip
        f = np.moveaxis(np.tensordot(wave, f, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(f)
