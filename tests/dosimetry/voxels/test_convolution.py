"""Convolution of maps with kernels: both methods against brute force and scipy."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from dosimetry.errors import DosimetryError
from dosimetry.voxels import convolution, convolve

SHAPES = [((1, 1, 1), (3, 3, 3)), ((4, 9, 6), (3, 5, 1)), ((12, 7, 10), (7, 5, 3)),
          ((5, 6, 4), (13, 15, 11)), ((17, 16, 15), (5, 5, 5))]  # fmt: skip


def brute_force(values, kernel):
    """Every voxel sends its dose to every other, one by one."""
    out = np.zeros(values.shape)
    half = [n // 2 for n in kernel.shape]
    for source in np.ndindex(values.shape):
        for place in np.ndindex(kernel.shape):
            target = tuple(s + p - h for s, p, h in zip(source, place, half, strict=True))
            if all(0 <= t < n for t, n in zip(target, values.shape, strict=True)):
                out[target] += values[source] * kernel[place]
    return out


@pytest.mark.parametrize("method", ["direct", "fft"])
@pytest.mark.parametrize(("shape", "width"), SHAPES[:4])
def test_agrees_with_brute_force(shape, width, method):
    rng = np.random.default_rng(3)
    values, kernel = rng.normal(size=shape), rng.random(width)  # no symmetry at all
    expected = brute_force(values, kernel)
    np.testing.assert_allclose(convolve(values, kernel, method=method), expected, atol=1e-12)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("shape", "width"), SHAPES)
def test_methods_and_scipy_agree(shape, width, symmetric):
    rng = np.random.default_rng(5)
    values, kernel = rng.random(shape), rng.random(width)
    if symmetric:
        for axis in range(3):
            kernel = kernel + np.flip(kernel, axis)
    expected = fftconvolve(values, kernel, mode="full")
    inner = tuple(slice(w // 2, w // 2 + n) for w, n in zip(width, shape, strict=True))
    scale = 1e-13 * kernel.sum()
    direct, fft = (convolve(values, kernel, method=m) for m in ("direct", "fft"))
    np.testing.assert_allclose(direct, expected[inner], atol=scale)
    np.testing.assert_allclose(fft, direct, atol=scale)


def test_nothing_wraps_around():
    values = np.zeros((20, 20, 20))
    values[0, 0, 0] = values[-1, 10, 3] = 1.0
    kernel = np.ones((9, 9, 9))
    out = convolve(values, kernel, method="fft")
    assert np.abs(out[5:-5]).max() < 1e-12
    assert out[0, 0, 0] == pytest.approx(1.0, abs=1e-12)
    assert abs(out[0, 10, 3]) < 1e-12


def test_slabs_are_the_whole(monkeypatch):
    rng = np.random.default_rng(8)
    values, kernel = rng.random((70, 9, 8)), rng.random((7, 5, 3))
    whole = convolve(values, kernel, method="fft")
    monkeypatch.setattr(convolution, "_SLAB_POINTS", 12 * 9 * 20)
    np.testing.assert_allclose(convolve(values, kernel, method="fft"), whole, atol=1e-12)


@pytest.mark.parametrize("method", ["direct", "fft"])
def test_single_precision(method):
    rng = np.random.default_rng(1)
    values, kernel = rng.random((32, 30, 28)), rng.random((5, 5, 5))
    exact = convolve(values, kernel, method=method)
    rough = convolve(values, kernel, method=method, precision="single")
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, atol=3e-6 * exact.max())


def test_leading_axes_are_maps_of_their_own():
    rng = np.random.default_rng(2)
    values, kernel = rng.random((2, 3, 8, 7, 6)), rng.random((3, 3, 3))
    together = convolve(values, kernel)
    assert together.shape == values.shape
    np.testing.assert_allclose(together[1, 2], convolve(values[1, 2], kernel), atol=1e-13)


def test_energy_is_conserved_away_from_the_edges():
    rng = np.random.default_rng(4)
    values, kernel = np.zeros((24, 24, 24)), rng.random((5, 7, 9))
    values[6:18, 6:18, 6:18] = rng.random((12, 12, 12))
    assert convolve(values, kernel, method="fft").sum() == pytest.approx(
        values.sum() * kernel.sum(), rel=1e-12
    )


def test_the_choice_follows_the_size_of_the_kernel():
    assert convolution._faster((128, 128, 128), (3, 3, 3)) == "direct"
    assert convolution._faster((128, 128, 128), (11, 11, 11)) == "fft"


@pytest.mark.parametrize(
    ("values", "kernel", "options", "message"),
    [
        (np.ones((3, 3)), np.ones((3, 3, 3)), {}, "three dimensions"),
        (np.ones((3, 3, 3)), np.ones((2, 3, 3)), {}, "odd"),
        (np.full((3, 3, 3), np.nan), np.ones((3, 3, 3)), {}, "map holds 27 values"),
        (np.ones((3, 3, 3)), np.full((3, 3, 3), np.inf), {}, "kernel holds 27 values"),
        (np.ones((3, 3, 3)), np.ones((3, 3, 3)), {"method": "fast"}, "'fast'"),
        (np.ones((3, 3, 3)), np.ones((3, 3, 3)), {"precision": "half"}, "'half'"),
    ],
)
def test_what_is_refused(values, kernel, options, message):
    with pytest.raises(DosimetryError, match=message):
        convolve(values, kernel, **options)
