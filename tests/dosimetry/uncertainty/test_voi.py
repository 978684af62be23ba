import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.recovery import sphere_diameter_mm
from dosimetry.uncertainty import voi_relative_sd


def test_voxels_alone_by_rounding_both_ends_of_a_diameter():
    """Twin: edges fall uniformly within a voxel, counted to its middle."""
    rng = np.random.default_rng(3)
    side, diameter = 2.0, float(sphere_diameter_mm(200.0))
    ends = rng.uniform(-side / 2, side / 2, (2, 400_000))
    spread = 3 * (ends[0] - ends[1]).std() / diameter
    assert float(voi_relative_sd(200.0, voxel_mm=side, fwhm_mm=0.0)) == pytest.approx(
        spread, rel=0.005
    )


def test_resolution_alone_by_blurring_both_ends():
    rng = np.random.default_rng(4)
    sigma = 8.0 / 2.354820045
    ends = rng.normal(0, sigma, (2, 400_000))
    spread = 3 * (ends[0] - ends[1]).std() / float(sphere_diameter_mm(30.0))
    found = float(voi_relative_sd(30.0, voxel_mm=1e-6, fwhm_mm=8.0))
    assert found == pytest.approx(spread, rel=0.005)


def test_parts_add_in_quadrature():
    voxel = voi_relative_sd(50.0, voxel_mm=4.8, fwhm_mm=0.0)
    blur = voi_relative_sd(50.0, voxel_mm=1e-9, fwhm_mm=6.0)
    all_three = voi_relative_sd(50.0, voxel_mm=4.8, fwhm_mm=6.0, delineation_relative_sd=0.1)
    assert all_three == pytest.approx(np.sqrt(voxel**2 + blur**2 + 0.01))


def test_falls_with_the_diameter_of_the_region():
    volumes = np.array([1.0, 8.0, 64.0])
    found = voi_relative_sd(volumes, voxel_mm=(4.8, 4.8, 4.8), fwhm_mm=10.0)
    assert found[0] / found == pytest.approx([1, 2, 4])


def test_sides_enter_by_their_root_mean_square():
    mixed = voi_relative_sd(50.0, voxel_mm=(1.0, 1.0, 5.0), fwhm_mm=0.0)
    assert mixed == pytest.approx(voi_relative_sd(50.0, voxel_mm=3.0, fwhm_mm=0.0))


@pytest.mark.parametrize(
    "arguments",
    [
        {"volume_ml": 0.0, "voxel_mm": 4.0, "fwhm_mm": 6.0},
        {"volume_ml": 10.0, "voxel_mm": -4.0, "fwhm_mm": 6.0},
        {"volume_ml": 10.0, "voxel_mm": (4.0, 4.0), "fwhm_mm": 6.0},
        {"volume_ml": 10.0, "voxel_mm": np.inf, "fwhm_mm": 6.0},
        {"volume_ml": 10.0, "voxel_mm": (4.0, 4.0, np.nan), "fwhm_mm": 6.0},
        {"volume_ml": 10.0, "voxel_mm": 4.0, "fwhm_mm": np.inf},
        {"volume_ml": 10.0, "voxel_mm": 4.0, "fwhm_mm": -6.0},
        {"volume_ml": 10.0, "voxel_mm": 4.0, "fwhm_mm": 6.0, "delineation_relative_sd": -0.1},
    ],
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(DosimetryError, match=r"positive|above 0"):
        voi_relative_sd(**arguments)
