import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dosimetry import DosimetryError, nuclide
from dosimetry.nuclides import GY_KG_PER_MBQ_H_PER_MEV
from dosimetry.transport.nuclide_kernels import voxel_kernel_monte_carlo
from dosimetry.transport.point_kernel import PointKernel
from dosimetry.transport.voxel_kernel import VoxelKernel
from dosimetry.voxels.kernel import voxel_kernel


def _exponential(mu_per_cm, error=0.0):
    edges = np.concatenate([[0.0], np.geomspace(1e-4, 40, 600)])
    absorbed = -np.diff(np.exp(-mu_per_cm * edges))
    return PointKernel("exponential", 1.0, edges, absorbed, error * absorbed, 0.0)


def test_all_energy_of_a_short_kernel_stays_in_the_grid():
    kernel = voxel_kernel(_exponential(20.0), voxel_mm=(4.0, 5.0, 3.0), half_width=(4, 3, 5))
    assert kernel.gy_per_mbq_h.shape == (9, 7, 11)
    assert kernel.absorbed_mev == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("density", [0.3, 1.0, 1.9])
def test_an_exponential_in_a_slab_of_voxels(density):
    """One axis: planes of voxels see the kernel of a plane source, an exponential integral."""
    from scipy.integrate import quad
    from scipy.special import expn

    mu, size = 8.0, 3.0  # 1/cm in water, mm
    kernel = voxel_kernel(
        _exponential(mu), voxel_mm=size, half_width=(14, 14, 2), density_g_per_ml=density
    )
    planes = kernel.gy_per_mbq_h.sum(axis=(0, 1)) * kernel.voxel_mass_g / 1000
    scaled = mu * density * size / 10
    for k in range(3):
        # |x| has the density mu E1(mu x) / 2 on either side of a plane source
        expected, _ = quad(
            lambda x, k=k: scaled * expn(1, scaled * abs(x)) / 2 * max(0, 1 - abs(x - k)),
            k - 1,
            k + 1,
            points=[k],
            limit=200,
        )
        found = planes[2 + k] / GY_KG_PER_MBQ_H_PER_MEV
        assert found == pytest.approx(expected, rel=2e-3)


def test_a_kernel_is_symmetric():
    values = voxel_kernel(_exponential(1.0), voxel_mm=3.0, half_width=3).gy_per_mbq_h
    for turned in (values[::-1], values[:, ::-1], values[:, :, ::-1], values.transpose(2, 0, 1)):
        np.testing.assert_allclose(values, turned, rtol=1e-3)


def test_density_and_voxel_size_trade_against_each_other():
    """The same pattern at half the size in twice the density; the mass is four times less."""
    one = voxel_kernel(_exponential(2.0), voxel_mm=4.0, half_width=2, density_g_per_ml=1.0)
    other = voxel_kernel(_exponential(2.0), voxel_mm=2.0, half_width=2, density_g_per_ml=2.0)
    np.testing.assert_allclose(other.gy_per_mbq_h, 4 * one.gy_per_mbq_h, rtol=1e-9)


def test_small_voxels_join_to_a_large_one():
    """S of a double voxel is the mean over its eight parts, as source and as target."""
    small = voxel_kernel(_exponential(3.0), voxel_mm=2.0, half_width=3).gy_per_mbq_h
    large = voxel_kernel(_exponential(3.0), voxel_mm=4.0, half_width=1).gy_per_mbq_h
    pair = {0: {0: 2, 1: 1, -1: 1}, 1: {1: 1, 2: 2, 3: 1}}  # offsets between two pairs of voxels
    for i, j, k in [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)]:
        joined = sum(
            wi * wj * wk * small[3 + a, 3 + b, 3 + c]
            for a, wi in pair[i].items()
            for b, wj in pair[j].items()
            for c, wk in pair[k].items()
        )
        # eight sources of an eighth of the activity each, eight targets to average over
        assert large[1 + i, 1 + j, 1 + k] == pytest.approx(joined / 64, rel=1e-3)


def test_standard_errors_scale_with_those_of_the_point_kernel():
    one = voxel_kernel(_exponential(3.0, 0.01), voxel_mm=2.0, half_width=1)
    other = voxel_kernel(_exponential(3.0, 0.02), voxel_mm=2.0, half_width=1)
    np.testing.assert_allclose(other.standard_error, 2 * one.standard_error)
    assert (one.standard_error < 0.01 * one.gy_per_mbq_h).all()
    assert voxel_kernel(_exponential(3.0), voxel_mm=2.0).standard_error is None


def test_coefficients_of_the_mean_chord():
    """Small voxels of a long-ranged kernel keep what the mean of r over a cube tells."""
    size, mu = 0.01, 0.5  # cm
    kernel = voxel_kernel(_exponential(mu), voxel_mm=size * 10, half_width=0, density_g_per_ml=1.0)
    # the mean of 1/(4 pi r^2) over pairs of points in a cube, by nested quadrature of overlaps
    node, weight = np.polynomial.legendre.leggauss(60)
    u, w = (node + 1) / 2, weight / 2
    # pyramids (Duffy): x = t, y = t v, z = t s; three of them fill the octant
    t, v, s = u[:, None, None], u[:, None], u
    overlap = (1 - t) * (1 - t * v) * (1 - t * s)
    inner = overlap / (1 + v**2 + s**2)
    mean = 3 * 8 * np.einsum("i,j,k,ijk", w, w, w, inner) / (4 * np.pi)
    kept = kernel.gy_per_mbq_h[0, 0, 0] * kernel.voxel_mass_g / 1000 / GY_KG_PER_MBQ_H_PER_MEV
    assert kept == pytest.approx(mu * size * mean, rel=4e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"voxel_mm": 0.0}, "voxel_mm"),
        ({"voxel_mm": (1.0, 2.0)}, "voxel_mm"),
        ({"voxel_mm": np.nan}, "voxel_mm"),
        ({"voxel_mm": 2.0, "half_width": -1}, "half_width"),
        ({"voxel_mm": 2.0, "half_width": 1.5}, "half_width"),
        ({"voxel_mm": 2.0, "density_g_per_ml": 0.0}, "density"),
    ],
)
def test_illegal_input_is_refused(arguments, message):
    with pytest.raises(DosimetryError, match=message):
        voxel_kernel(_exponential(1.0), **arguments)


def test_a_kernel_of_even_size_is_refused():
    with pytest.raises(DosimetryError, match="odd"):
        VoxelKernel("Lu-177", (1.0, 1.0, 1.0), np.zeros((2, 3, 3)), None, 1.0, "test")
    with pytest.raises(DosimetryError, match="positive"):
        VoxelKernel("Lu-177", (1.0, 0.0, 1.0), np.zeros((3, 3, 3)), None, 1.0, "test")


PUBLISHED = Path(__file__).parents[2] / "reference" / "dosimetry_voxel_s_lanconelli.csv"
with PUBLISHED.open() as lines:
    ROWS = sorted(tuple(row) for row in list(csv.reader(lines))[1:])


def _published_ratio(source, row):
    _, voxel_mm, *offset, s_value = row
    kernel = voxel_kernel(source, voxel_mm=float(voxel_mm), half_width=3, density_g_per_ml=1.04)
    i, j, k = (3 + int(n) for n in offset)
    return kernel.gy_per_mbq_h[i, j, k] / (3.6 * float(s_value))


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] == "Y-90"], ids="-".join)
def test_published_voxel_kernels_of_yttrium(row):
    # the corner and two voxels away are the end of the range, where S falls fortyfold from one
    # voxel to the next; three away there is bremsstrahlung only, whose yield is known to 10-15 %
    limits = {("1", "1", "1"): 0.03, ("2", "0", "0"): 0.06, ("3", "0", "0"): 0.15}
    limit = limits.get(row[2:5], 0.02)
    assert _published_ratio("Y-90", row) == pytest.approx(1, abs=limit)


@pytest.mark.parametrize("row", [row for row in ROWS if row[0] == "Lu-177"], ids="-".join)
def test_published_voxel_kernels_of_lutetium(row):
    """The published kernel falls short in the central voxel only, by conversion electrons."""
    ratio = _published_ratio("Lu-177", row)
    if row[2:5] == ("0", "0", "0"):
        lutetium = nuclide("Lu-177")
        kept = replace(lutetium, lines={**lutetium.lines, "conversion_electron": np.empty((0, 2))})
        assert _published_ratio(kept, row) == pytest.approx(1, abs=0.03)
        assert 1.06 < ratio < 1.09
    else:
        assert ratio == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("name", ["I-131", "Tb-161"])
def test_nuclides_against_monte_carlo_in_voxels(name):
    truth = voxel_kernel_monte_carlo(
        name, voxel_mm=(3.0, 3.0, 5.0), half_width=2, density_g_per_ml=1.04, n_histories=40_000
    )
    kernel = voxel_kernel(name, voxel_mm=(3.0, 3.0, 5.0), half_width=2)
    difference = kernel.gy_per_mbq_h - truth.gy_per_mbq_h
    allowed = 4.5 * truth.standard_error + 0.01 * truth.gy_per_mbq_h
    assert (np.abs(difference) < allowed).all()


def test_all_electrons_are_found_in_a_large_grid():
    emitter = nuclide("Lu-177")
    kernel = voxel_kernel("Lu-177", voxel_mm=5.0, half_width=4, radiations=["electrons"])
    assert kernel.absorbed_mev == pytest.approx(emitter.electron_energy_mev, rel=2e-3)
    assert kernel.assumptions
