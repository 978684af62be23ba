"""Dose maps: units, voxel sizes, density, conservation of energy."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.voxels import VoxelImage, VoxelKernel, density_scaled, dose_map, map_notes

GRID = np.diag([4.0, 4.0, 6.0, 1.0])


def image(values, unit="MBq h/mL", affine=GRID):
    return VoxelImage(np.asarray(values), affine, unit)


def gaussian_kernel(size=(4.0, 4.0, 6.0), density=1.04):
    """A made-up kernel that absorbs 1 mJ per MBq h (1 Gy kg / 1000)."""
    axes = np.meshgrid(*(np.arange(-3, 4) * s for s in size), indexing="ij")
    shape = np.exp(-sum(a**2 for a in axes) / 50.0)
    mass_g = np.prod(size) / 1000 * density
    return VoxelKernel("X-1", size, shape / shape.sum() / mass_g, None, density, "made up")


def test_uniform_activity_far_from_edges_gives_the_equilibrium_dose():
    tia = image(np.full((21, 21, 21), 3.0))
    kernel = gaussian_kernel()
    dose = dose_map(tia, kernel)
    assert dose.unit == "Gy"
    # 3 MBq h/mL over 1.04 g/mL times 1 Gy g/(MBq h)
    assert dose.values[10, 10, 10] == pytest.approx(3.0 / 1.04, rel=1e-12)


@pytest.mark.parametrize(("unit", "result"), [("MBq h/mL", "Gy"), ("MBq/mL", "Gy/h")])
def test_units(unit, result):
    assert dose_map(image(np.ones((8, 8, 8)), unit), gaussian_kernel()).unit == result


@pytest.mark.parametrize("unit", ["Bq/mL", "Gy", "label"])
def test_other_units_are_refused(unit):
    with pytest.raises(DosimetryError, match=unit):
        dose_map(image(np.ones((8, 8, 8)), unit), gaussian_kernel())


@pytest.mark.parametrize("size", [(4.0, 4.0, 4.0), (6.0, 4.0, 4.0), (4.42, 4.42, 6.0)])
def test_kernel_of_another_voxel_size_is_refused(size):
    with pytest.raises(DosimetryError, match="voxels of 4 x 4 x 6 mm"):
        dose_map(image(np.ones((8, 8, 8))), gaussian_kernel(size))


def test_rounded_voxel_sizes_pass():
    dose_map(image(np.ones((8, 8, 8))), gaussian_kernel((4.0004, 3.9996, 6.0)))


def test_linear_in_activity_and_negative_voxels_are_kept():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(10, 10, 10))
    kernel = gaussian_kernel()
    dose = np.asarray(dose_map(image(values), kernel).values)
    np.testing.assert_allclose(dose_map(image(-2 * values), kernel).values, -2 * dose, atol=1e-13)
    (note,) = map_notes(image(values), "TIA map")
    assert note.startswith(f"{(values < 0).sum()} of 1000 voxels of the TIA map are negative")
    assert map_notes(image(np.ones((2, 2, 2)))) == ()


def test_nan_is_refused():
    values = np.ones((8, 8, 8))
    values[1, 2, 3] = np.nan
    with pytest.raises(DosimetryError, match="1 values that are not finite"):
        dose_map(image(values), gaussian_kernel())
    with pytest.raises(DosimetryError, match="not finite"):
        map_notes(image(values))


@pytest.mark.parametrize("density", [0.3, 1.04, 1.6])
def test_dose_goes_with_the_inverse_of_density(density):
    tia, kernel = image(np.random.default_rng(2).random((9, 9, 9))), gaussian_kernel()
    plain = np.asarray(dose_map(tia, kernel).values)
    given = image(np.full(tia.shape, density), "g/mL")
    scaled = dose_map(tia, kernel, density_g_per_ml=given)
    np.testing.assert_allclose(scaled.values, plain * 1.04 / density, rtol=1e-12)


def test_density_scaling_conserves_energy():
    rng = np.random.default_rng(6)
    values = np.zeros((20, 20, 20))
    values[6:14, 6:14, 6:14] = rng.random((8, 8, 8))
    density = rng.uniform(0.26, 1.9, size=values.shape)
    tia, kernel = image(values), gaussian_kernel()
    dose = dose_map(tia, kernel, density_g_per_ml=image(density, "g/mL"))
    mass_g = density * tia.voxel_ml
    total = values.sum() * tia.voxel_ml  # MBq h, each leaves 1 Gy g
    assert (np.asarray(dose.values) * mass_g).sum() == pytest.approx(total, rel=1e-12)


def test_air_holds_no_dose_and_no_huge_one():
    density = np.full((9, 9, 9), 1.0)
    density[:4] = 0.0012
    density[4] = 0.0
    tia = image(np.ones(density.shape))
    dose = dose_map(tia, gaussian_kernel(), density_g_per_ml=image(density, "g/mL"))
    assert not np.asarray(dose.values)[:5].any()
    assert np.isfinite(dose.values).all()
    assert (np.asarray(dose.values)[5:] > 0).all()


@pytest.mark.parametrize(
    ("values", "unit", "least", "message"),
    [
        (np.full((9, 9, 9), 1.0), "HU", 0.1, "g/mL"),
        (np.full((9, 9, 9), -0.1), "g/mL", 0.1, "not negative"),
        (np.full((9, 9, 9), np.nan), "g/mL", 0.1, "finite"),
        (np.full((9, 9, 9), 1.0), "g/mL", 0.0, "least_density_g_per_ml"),
        (np.full((9, 9, 8), 1.0), "g/mL", 0.1, "one grid"),
    ],
)
def test_density_maps_that_are_refused(values, unit, least, message):
    with pytest.raises(DosimetryError, match=message):
        density_scaled(
            image(np.ones((9, 9, 9)), "Gy"), image(values, unit), kernel_density_g_per_ml=1.0,
            least_density_g_per_ml=least,
        )  # fmt: skip


def test_single_precision_stays_single():
    tia = image(np.ones((9, 9, 9), dtype=np.float32))
    density = image(np.full((9, 9, 9), 1.1, dtype=np.float32), "g/mL")
    dose = dose_map(tia, gaussian_kernel(), density_g_per_ml=density, precision="single")
    assert dose.values.dtype == np.float32
