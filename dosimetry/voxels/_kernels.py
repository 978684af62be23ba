"""Loops over voxels."""

from __future__ import annotations

from numba import float32, float64, int64, njit, void

_SIGNATURES = [
    void(int64, int64, image, image, image) for image in (float64[:, :, ::1], float32[:, :, ::1])
]


@njit(
    _SIGNATURES, cache=True, nogil=True, error_model="numpy",
    fastmath={"contract", "nsz"},
)  # fmt: skip
def convolve_range(first, last, values, kernel, out):  # type: ignore[no-untyped-def]
    """Planes first to last of the convolution, with zeros outside the map."""
    nx, ny, nz = values.shape
    mx, my, mz = kernel.shape
    hx, hy, hz = mx // 2, my // 2, mz // 2
    for x in range(first, last):
        for y in range(ny):
            for z in range(nz):
                out[x, y, z] = 0.0
            for i in range(max(0, x + hx - nx + 1), min(mx, x + hx + 1)):
                for j in range(max(0, y + hy - ny + 1), min(my, y + hy + 1)):
                    for k in range(mz):
                        weight = kernel[i, j, k]
                        shift = hz - k
                        for z in range(max(0, -shift), min(nz, nz - shift)):
                            out[x, y, z] += weight * values[x + hx - i, y + hy - j, z + shift]
