"""Dose maps of 128 x 128 x 128 voxels, and the kernels they need."""

from __future__ import annotations

import numpy as np
from scipy import signal

from benchmarks.timing import announce, process_seconds, require, row
from dosimetry.transport import surrogate, voxel_kernel_monte_carlo
from dosimetry.voxels import convolve, voxel_kernel

N_VOXELS = 128
VOXEL_MM = (4.8, 4.8, 4.8)
HISTORIES = 200_000


def convolution_rows() -> None:
    """A map with hot spots and the Lu-177 kernel of 4.8 mm, 11 voxels wide."""
    rng = np.random.default_rng(9)
    activity = rng.gamma(0.3, 1.0, (N_VOXELS,) * 3)
    kernel = voxel_kernel("Lu-177", voxel_mm=VOXEL_MM, half_width=5)

    def ours() -> np.ndarray:
        return convolve(activity, kernel.gy_per_mbq_h)

    def by(function) -> np.ndarray:  # type: ignore[no-untyped-def]
        return function(activity, kernel.gy_per_mbq_h, mode="same")

    announce("convolution: scipy.signal")
    rivals = {"scipy fftconvolve": signal.fftconvolve, "scipy oaconvolve": signal.oaconvolve}
    for function in rivals.values():
        np.testing.assert_allclose(ours(), by(function), rtol=1e-9, atol=1e-12)
    row(
        "convolution of 128^3 voxels, kernel 11^3",
        process_seconds(ours),
        {name: process_seconds(lambda f=f: by(f)) for name, f in rivals.items()},
        "within 1e-9",
    )


def kernel_rows() -> None:
    """Kernel of a nuclide by the learned point kernel and by Monte Carlo; histories per second."""

    def learned() -> np.ndarray:
        surrogate._kernel.cache_clear()  # as for a nuclide not met before
        return voxel_kernel("Lu-177", voxel_mm=VOXEL_MM, density_g_per_ml=1.0).gy_per_mbq_h

    def monte_carlo(n_histories: int, seed: int = 1):  # type: ignore[no-untyped-def]
        return voxel_kernel_monte_carlo(
            "Lu-177", voxel_mm=VOXEL_MM, n_histories=n_histories, seed=seed
        )

    announce("voxel kernel of Lu-177: Monte Carlo")
    reference = monte_carlo(10 * HISTORIES)
    error = reference.standard_error
    difference = np.abs(learned() - reference.gy_per_mbq_h)[4:7, 4:7, 4:7]
    allowed = 4 * error[4:7, 4:7, 4:7] + 0.005 * reference.gy_per_mbq_h[4:7, 4:7, 4:7]
    require(bool((difference <= allowed).all()), "the learned kernel differs from Monte Carlo")
    seconds = process_seconds(lambda: monte_carlo(HISTORIES))
    for name, voxel in (("centre", (5, 5, 5)), ("face", (5, 5, 6)), ("corner", (6, 6, 6))):
        relative = error[voxel] / reference.gy_per_mbq_h[voxel]
        needed = 10 * HISTORIES * (relative / 0.01) ** 2
        row(
            f"Lu-177 kernel of 4.8 mm to 1 % at the {name}",
            process_seconds(learned),
            {"our Monte Carlo": needed / HISTORIES * seconds},
            f"{needed:.3g} histories; {HISTORIES / seconds:,.0f} a second",
        )
