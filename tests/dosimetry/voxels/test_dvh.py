"""Dose-volume histograms of shapes and fields with a closed form, and of very small regions."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.voxels import (
    DoseVolumeHistogram,
    VoxelImage,
    contour_fractions,
    dose_volume_histogram,
    region_statistics,
)


def field(function, voxel_mm, reach_mm):
    """A dose map of function(x, y, z in mm), the origin in its middle."""
    n = [2 * int(np.ceil(reach_mm / v)) + 1 for v in voxel_mm]
    affine = np.diag([*voxel_mm, 1.0])
    affine[:3, 3] = [-(k // 2) * v for k, v in zip(n, voxel_mm, strict=True)]
    axes = [o + v * np.arange(k) for o, v, k in zip(affine[:3, 3], voxel_mm, n, strict=True)]
    return VoxelImage(function(*np.meshgrid(*axes, indexing="ij")), affine, "Gy")


def circle(radius, z, centre=(0.0, 0.0), n=180):
    """Polygon of the area of a circle."""
    angle = 2 * np.pi * (np.arange(n) + 0.5) / n
    radius = radius * np.sqrt((2 * np.pi / n) / np.sin(2 * np.pi / n))
    return np.column_stack(
        [centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle), np.full(n, z)]
    )


def sphere(radius, spacing, centre=(0.0, 0.0, 0.0)):
    levels = np.arange(-radius + spacing / 2, radius, spacing)
    return [circle(np.sqrt(radius**2 - z**2), z + centre[2], centre[:2]) for z in levels]


def ramp(slope, axis, offset=50.0):
    return lambda *xyz: offset + slope * xyz[axis]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxel_mm", [(2.0, 2.0, 2.0), (4.8, 4.8, 3.0)])
def test_sphere_in_a_linear_gradient(axis, voxel_mm):
    """The volume above a dose is a spherical cap."""
    radius, slope = 15.0, 2.0
    dose = field(ramp(slope, axis), voxel_mm, 24.0)
    histogram = dose_volume_histogram(dose, sphere(radius, 1.0))
    volume = 4 / 3 * np.pi * radius**3 / 1000
    assert histogram.volume_ml == pytest.approx(volume, rel=2e-3)
    assert histogram.mean_gy == pytest.approx(50.0, abs=0.02)
    level = np.linspace(22.0, 78.0, 29)
    height = radius - (level - 50.0) / slope
    cap = np.pi * height**2 * (3 * radius - height) / 3000
    np.testing.assert_allclose(histogram.volume_above(level), cap, atol=0.003 * volume)
    heights = np.linspace(0.1, radius, 2000)
    caps = np.pi * heights**2 * (3 * radius - heights) / 3000
    hottest = 50 + slope * (radius - np.interp(0.02 * volume, caps, heights))
    assert histogram.near_max_gy == pytest.approx(hottest, abs=0.15)
    assert histogram.near_min_gy == pytest.approx(100 - hottest, abs=0.15)


def test_sphere_as_a_mask_in_a_linear_gradient():
    radius, slope = 15.0, 2.0
    dose = field(ramp(slope, 2), (1.0, 1.0, 1.0), 18.0)
    axes = np.arange(-18.0, 18.5)
    x, y, z = np.meshgrid(axes, axes, axes, indexing="ij")
    histogram = dose_volume_histogram(dose, x**2 + y**2 + z**2 <= radius**2, supersample=4)
    volume = 4 / 3 * np.pi * radius**3 / 1000
    level = np.linspace(22.0, 78.0, 15)
    height = radius - (level - 50.0) / slope
    cap = np.pi * height**2 * (3 * radius - height) / 3000
    assert histogram.volume_ml == pytest.approx(volume, rel=0.01)
    np.testing.assert_allclose(histogram.volume_above(level), cap, atol=0.015 * volume)


@pytest.mark.parametrize("spacing", [1.0, 2.0, 4.0])
def test_cylinder_along_the_gradient_has_end_caps(spacing):
    """Dose is spread evenly from one end to the other: half a slice beyond the outermost ones."""
    length, slope = 20.0, 3.0
    dose = field(ramp(slope, 2), (3.0, 3.0, 2.5), 20.0)
    levels = np.arange(-length / 2 + spacing / 2, length / 2, spacing)
    histogram = dose_volume_histogram(dose, [circle(8.0, z) for z in levels], supersample=16)
    assert histogram.volume_ml == pytest.approx(np.pi * 64 * length / 1000, rel=0.01)
    assert histogram.max_gy == pytest.approx(50 + slope * length / 2, abs=0.3)
    assert histogram.min_gy == pytest.approx(50 - slope * length / 2, abs=0.3)
    for pct in (1, 5, 25, 50, 75, 95, 99):
        exact = 50 + slope * length * (0.5 - pct / 100)
        assert histogram.dose_to_hottest(pct=pct) == pytest.approx(exact, abs=0.3)


def test_cylinder_across_the_gradient():
    """The volume above a dose is a circular segment."""
    radius, slope = 12.0, 1.5
    dose = field(ramp(slope, 0), (2.0, 2.0, 2.0), 20.0)
    histogram = dose_volume_histogram(dose, [circle(radius, z) for z in np.arange(-8.0, 9.0, 2.0)])
    level = np.linspace(34.0, 66.0, 17)
    d = (level - 50) / slope
    segment = radius**2 * np.arccos(d / radius) - d * np.sqrt(radius**2 - d**2)
    whole = np.pi * radius**2
    np.testing.assert_allclose(
        histogram.volume_above(level) / histogram.volume_ml, segment / whole, atol=0.003
    )


def test_shell_around_a_point_source():
    """Dose c/r^2 in a shell, drawn with holes: volume above d is 4/3 pi ((c/d)^1.5 - inner^3)."""
    inner, outer, c = 10.0, 20.0, 5000.0
    dose = field(lambda x, y, z: c / np.maximum(x**2 + y**2 + z**2, 25.0), (1.0, 1.0, 1.0), 22.0)
    polygons = []
    for z in np.arange(-19.5, 20.0, 1.0):
        polygons.append(circle(np.sqrt(outer**2 - z**2), z))
        if abs(z) < inner:
            polygons.append(circle(np.sqrt(inner**2 - z**2), z))
    histogram = dose_volume_histogram(dose, polygons, supersample=4)
    whole = 4 / 3 * np.pi * (outer**3 - inner**3) / 1000
    assert histogram.volume_ml == pytest.approx(whole, rel=5e-3)
    level = np.linspace(c / outer**2 * 1.02, c / inner**2 * 0.98, 20)
    exact = 4 / 3 * np.pi * ((c / level) ** 1.5 - inner**3) / 1000
    np.testing.assert_allclose(histogram.volume_above(level), exact, atol=0.008 * whole)
    mean = c * 4 * np.pi * (outer - inner) / (whole * 1000)
    assert histogram.mean_gy == pytest.approx(mean, rel=0.01)


SMALL = (1.3, -0.7, 2.1)  # off the grid


@pytest.mark.parametrize("radius", [2.5, 4.0, 6.0])
def test_regions_of_few_voxels_keep_their_volume(radius):
    """The volume is that of the contours, not of the voxels whose centre they hold."""
    dose = field(ramp(1.0, 0), (5.0, 5.0, 5.0), 20.0)
    polygons = sphere(radius, 1.0, SMALL)
    histogram = dose_volume_histogram(dose, polygons)
    drawn = sum(np.pi * np.ptp(p[:, :2], axis=0).prod() / 4 for p in polygons) / 1000
    assert histogram.volume_ml == pytest.approx(drawn, rel=0.015)
    assert histogram.mean_gy == pytest.approx(50.0 + SMALL[0], abs=0.1)
    share = contour_fractions(polygons, dose)
    assert share.sum() * dose.voxel_ml == pytest.approx(drawn, rel=0.02)
    assert share.max() <= 1.0


def test_doses_to_small_parts_are_never_zero_nor_out_of_order():
    dose = field(ramp(1.0, 1, offset=7620.0), (2.0, 2.0, 2.0), 8.0)
    mask = np.zeros(dose.shape, dtype=bool)
    mask[4:6, 3:5, 4] = True  # 4 voxels
    for supersample in (1, 6):
        histogram = dose_volume_histogram(dose, mask, supersample=supersample)
        parts = [histogram.dose_to_hottest(pct=p) for p in range(101)]
        assert min(parts) >= 7600
        assert (np.diff(parts) <= 0).all()
        assert (parts[0], parts[-1]) == (histogram.max_gy, histogram.min_gy)


def test_dose_to_a_tenth_of_a_millilitre():
    radius, slope = 6.0, 4.0  # 0.9 mL
    dose = field(ramp(slope, 0), (3.0, 3.0, 3.0), 15.0)
    histogram = dose_volume_histogram(dose, sphere(radius, 0.5))
    height = np.linspace(0.01, radius, 5000)
    cap_ml = np.pi * height**2 * (3 * radius - height) / 3000
    exact = 50 + slope * (radius - np.interp(0.1, cap_ml, height))
    assert histogram.dose_to_hottest(ml=0.1) == pytest.approx(exact, abs=0.3)
    tiny = dose_volume_histogram(dose, sphere(2.5, 0.5))  # 0.065 mL
    with pytest.raises(DosimetryError, match=r"0.1 mL is not a part of the region 'region'"):
        tiny.dose_to_hottest(ml=0.1)


def even(low, high, n=20_000):
    dose = low + (high - low) * (np.arange(n) + 0.5) / n
    return DoseVolumeHistogram("even", dose, np.full(n, 5.0 / n), 1)


@pytest.mark.parametrize("a", [-10.0, -1.5, 1.0, 2.0, 12.0])
def test_equivalent_uniform_dose_of_evenly_spread_doses(a):
    low, high = 4.0, 30.0
    exact = ((high ** (a + 1) - low ** (a + 1)) / ((a + 1) * (high - low))) ** (1 / a)
    assert even(low, high).geud_gy(a) == pytest.approx(exact, rel=1e-4)


def test_limits_of_the_equivalent_uniform_dose():
    histogram = even(4.0, 30.0)
    assert histogram.geud_gy(1.0) == pytest.approx(histogram.mean_gy)
    assert histogram.geud_gy(2000.0) == pytest.approx(30.0, rel=0.01)
    assert histogram.geud_gy(-2000.0) == pytest.approx(4.0, rel=0.01)
    cold = DoseVolumeHistogram("cold", np.array([0.0, 5.0]), np.array([1.0, 9.0]), 1)
    assert cold.geud_gy(-5.0) == 0.0
    with pytest.raises(DosimetryError, match="not zero"):
        histogram.geud_gy(0.0)
    with pytest.raises(DosimetryError, match="negative"):
        even(-1.0, 30.0).geud_gy(2.0)


def test_figures_agree_with_each_other_and_with_the_map():
    rng = np.random.default_rng(0)
    dose = field(lambda x, y, z: rng.gamma(4.0, 3.0, x.shape), (4.0, 4.0, 4.0), 20.0)
    mask = rng.random(dose.shape) > 0.5
    histogram = dose_volume_histogram(dose, mask)
    row = region_statistics(dose, {"x": mask})["x"]
    assert histogram.mean_gy == pytest.approx(row.mean)
    assert histogram.volume_ml == pytest.approx(row.volume_ml)
    assert (histogram.min_gy, histogram.max_gy) == (row.minimum, row.maximum)
    for pct in (2.0, 50.0, 98.0):
        exact = np.quantile(np.asarray(dose.values)[mask], 1 - pct / 100, method="hazen")
        assert histogram.dose_to_hottest(pct=pct) == pytest.approx(exact)
        above = float(histogram.volume_above(histogram.dose_to_hottest(pct=pct)))
        assert above / histogram.volume_ml == pytest.approx(pct / 100, abs=2e-3)
    frame = histogram.to_frame(500)
    width = frame["dose_gy"].diff().iloc[1]
    assert frame["volume_pct"].iloc[0] == pytest.approx(100)
    assert (frame["ml_per_gy"] * width).sum() == pytest.approx(histogram.volume_ml)
    # the area under the cumulative curve is the mean
    area = (frame["volume_pct"].to_numpy() / 100).sum() * width
    assert area == pytest.approx(histogram.mean_gy, abs=width)


def test_shares_of_voxels_are_weights():
    dose = field(ramp(1.0, 0), (2.0, 2.0, 2.0), 6.0)
    polygons = sphere(4.0, 1.0, SMALL)
    share = contour_fractions(polygons, dose)
    histogram = dose_volume_histogram(dose, share, supersample=1)
    drawn = dose_volume_histogram(dose, polygons)
    assert histogram.volume_ml == pytest.approx(drawn.volume_ml, rel=0.02)
    assert histogram.mean_gy == pytest.approx(drawn.mean_gy, abs=0.1)


def test_a_missing_slice_is_a_gap_and_a_flipped_axis_is_no_matter():
    dose = field(ramp(1.0, 2), (2.0, 2.0, 2.0), 20.0)
    levels = [-8.0, -6.0, -4.0, 4.0, 6.0, 8.0]
    histogram = dose_volume_histogram(dose, [circle(5.0, z) for z in levels])
    assert histogram.volume_ml == pytest.approx(np.pi * 25 * 12 / 1000, rel=0.01)
    assert not ((histogram.dose_gy > 47.2) & (histogram.dose_gy < 52.8)).any()
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    turned = VoxelImage(np.asarray(dose.values)[::-1, ::-1], flip @ dose.affine, "Gy")
    same = dose_volume_histogram(turned, [circle(5.0, z) for z in levels])
    assert same.mean_gy == pytest.approx(histogram.mean_gy, abs=0.01)


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0), (0, 2, 1)])
def test_planes_across_any_axis_of_the_grid_give_the_same(order):
    dose = field(ramp(1.0, 2), (2.0, 3.0, 2.5), 20.0)
    polygons = sphere(9.0, 1.5, SMALL)
    affine = np.column_stack([dose.affine[:, list(order)], dose.affine[:, 3]])
    turned = VoxelImage(np.transpose(dose.values, order), affine, "Gy")
    straight = contour_fractions(polygons, dose)
    np.testing.assert_allclose(
        contour_fractions(polygons, turned), straight.transpose(order), atol=0.05
    )
    one, other = (dose_volume_histogram(image, polygons) for image in (dose, turned))
    assert other.volume_ml == pytest.approx(one.volume_ml, rel=2e-3)
    assert other.mean_gy == pytest.approx(one.mean_gy, abs=0.02)
    assert other.near_max_gy == pytest.approx(one.near_max_gy, abs=0.1)


def test_shares_of_a_polygon_against_random_points():
    """A star with a hole: the share of each voxel is that of points inside."""
    from matplotlib.path import Path

    angle = 2 * np.pi * np.arange(10) / 10
    star = np.where(np.arange(10) % 2, 5.0, 14.0)[:, None] * np.c_[np.cos(angle), np.sin(angle)]
    hole = circle(3.0, 0.0)[:, :2]
    polygons = [np.pad(p, [(0, 0), (0, 1)]) for p in (star, hole)]
    affine = np.diag([4.0, 4.0, 2.0, 1.0])
    affine[:2, 3] = -16.0
    image = VoxelImage(np.zeros((9, 9, 1)), affine, "Gy")
    share = contour_fractions(polygons, image, slice_mm=2.0)[:, :, 0]
    rng = np.random.default_rng(0)
    n = 3000
    for i, j in np.ndindex(9, 9):
        points = 4.0 * np.array([i, j]) - 16 + rng.uniform(-2, 2, (n, 2))
        inside = Path(star).contains_points(points) & ~Path(hole).contains_points(points)
        error = 4 * np.sqrt(max(inside.mean() * (1 - inside.mean()), 1 / n) / n) + 0.01
        assert abs(share[i, j] - inside.mean()) < error


def test_the_table_has_no_negative_zero():
    histogram = DoseVolumeHistogram("x", np.array([1.0, 9.0]), np.array([1.0, 1.0]), 1)
    column = histogram.to_frame(20)["ml_per_gy"].to_numpy()
    assert (column == 0).any()
    assert not np.signbit(column).any()


def test_one_slice_needs_a_thickness():
    dose = field(ramp(1.0, 2), (2.0, 2.0, 2.0), 20.0)
    with pytest.raises(DosimetryError, match="slice_mm"):
        dose_volume_histogram(dose, [circle(5.0, 0.0)])
    histogram = dose_volume_histogram(dose, [circle(5.0, 0.0)], slice_mm=3.0)
    assert histogram.volume_ml == pytest.approx(np.pi * 25 * 3 / 1000, rel=0.01)


def tilted():
    points = circle(5.0, 0.0)
    points[:, 2] = points[:, 0]
    return points


@pytest.mark.parametrize(
    ("region", "options", "message"),
    [
        (sphere(30.0, 2.0), {}, "% of the region lies outside"),
        (sphere(5.0, 1.0, (200.0, 0.0, 0.0)), {}, "100 % of the region"),
        ([circle(5.0, 0.0)[:2]], {}, "three points"),
        ([circle(5.0, 0.0)[:, :2]], {}, "three coordinates"),
        ([np.full((4, 3), np.nan)], {}, "not finite"),
        ([tilted()], {}, "plane"),
        ([], {}, "at least one contour"),
        ([circle(5.0, 0.0)], {"slice_mm": -1.0}, "above 0"),
        (sphere(5.0, 1.0), {"supersample": 0}, "supersample"),
        (np.zeros((21, 21, 21), dtype=bool), {}, "empty"),
        (np.ones((21, 21, 21), dtype=bool), {"supersample": 2.5}, "supersample"),
        (np.ones((3, 3, 3), dtype=bool), {}, "shape"),
    ],
)
def test_regions_that_are_refused(region, options, message):
    dose = field(ramp(1.0, 0), (2.0, 2.0, 2.0), 20.0)
    with pytest.raises(DosimetryError, match=message):
        dose_volume_histogram(dose, region, **options)


def test_maps_that_are_refused():
    dose = field(lambda x, y, z: np.where(x > 0, np.nan, 1.0), (2.0, 2.0, 2.0), 20.0)
    with pytest.raises(DosimetryError, match="not finite in part of the region 'liver'"):
        dose_volume_histogram(dose, np.ones(dose.shape, dtype=bool), name="liver")
    with pytest.raises(DosimetryError, match="'Gy/h'"):
        dose_volume_histogram(VoxelImage(np.ones((3, 3, 3)), np.eye(4), "Gy/h"), np.ones((3, 3, 3)))


@pytest.mark.parametrize("part", [{}, {"pct": 1.0, "ml": 1.0}, {"pct": 101.0}, {"ml": -1.0}])
def test_parts_that_are_refused(part):
    with pytest.raises(DosimetryError):
        even(1.0, 2.0).dose_to_hottest(**part)
