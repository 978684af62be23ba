"""Compiled loop behind the geometry of voxel kernels."""

from numba import njit

_SIGNATURE = (
    "void(f8[::1], f8[::1], i8[::1], i8[::1], f8[::1], f8[:,::1],"
    " f8[::1], f8[::1], f8[:,:,::1], f8[:,:,::1], f8[:,:,::1])"
)


# The eight voxels around a place (in voxels) share its weight by the triangle functions of the
# overlap of two boxes.
@njit("void(f8, f8, f8, f8, f8[:,:,::1])", cache=True, nogil=True, error_model="numpy")
def _share(x, y, z, weight, chance):  # type: ignore[no-untyped-def]
    nx, ny, nz = chance.shape
    i, j, k = int(x), int(y), int(z)
    if i >= nx or j >= ny or k >= nz:
        return
    for di in range(min(2, nx - i)):
        wx = weight * (x - i if di else 1 - x + i)
        for dj in range(min(2, ny - j)):
            wy = wx * (y - j if dj else 1 - y + j)
            for dk in range(min(2, nz - k)):
                chance[i + di, j + dj, k + dk] += wy * (z - k if dk else 1 - z + k)


# Shell s: radii nodes[s] ... nodes[s + 1] with shares that sum to one, and the directions (cosines
# over the voxel size) first[2 s] ... first[2 s + 1]. `chance` is scratch space for one shell.
@njit(_SIGNATURE, cache=True, nogil=True, error_model="numpy")
def spread(  # type: ignore[no-untyped-def]
    radius, share, nodes, first, weight, direction, energy, error, chance, mean, variance
):
    nx, ny, nz = mean.shape
    for s in range(energy.size):
        for n in range(nodes[s], nodes[s + 1]):
            for d in range(first[2 * s], first[2 * s + 1]):
                x = radius[n] * direction[d, 0]
                y = radius[n] * direction[d, 1]
                z = radius[n] * direction[d, 2]
                _share(x, y, z, share[n] * weight[d], chance)
        for i in range(nx):
            for j in range(ny):
                for k in range(nz):
                    g = chance[i, j, k]
                    mean[i, j, k] += energy[s] * g
                    variance[i, j, k] += (error[s] * g) ** 2
                    chance[i, j, k] = 0.0
