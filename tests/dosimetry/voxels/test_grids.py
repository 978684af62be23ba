"""Placing and resampling: coinciding voxels are copied, others are averaged by overlap."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.voxels import VoxelImage, on_grid, region_masks
from dosimetry.voxels.grids import cropped, upright

RNG = np.random.default_rng(5)


def image(shape=(6, 5, 4), size=(2.0, 3.0, 4.0), corner=(10.0, 20.0, 30.0), values=None):
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = corner
    return VoxelImage(RNG.normal(size=shape) if values is None else values, affine, "x")


def test_flipped_and_permuted_axes_are_the_same_grid():
    like = image()
    values = np.asarray(like.values)[::-1].transpose(2, 0, 1)
    turned = np.zeros((4, 4))
    turned[:, 0], turned[:, 2] = like.affine[:, 2], like.affine[:, 1]
    turned[:, 1] = -like.affine[:, 0]
    turned[:, 3] = like.affine @ [5, 0, 0, 1]
    back = on_grid(VoxelImage(values, turned, "x"), like, "a")
    np.testing.assert_array_equal(back.values, like.values)
    np.testing.assert_array_equal(back.affine, like.affine)


def test_a_crop_goes_back_to_its_place():
    like = image()
    part = cropped(like, (slice(2, 5), slice(0, 4), slice(1, 3)))
    back = np.asarray(on_grid(part, like, "a", outside=-1.0).values)
    expected = np.full(like.shape, -1.0)
    expected[2:5, 0:4, 1:3] = np.asarray(like.values)[2:5, 0:4, 1:3]
    np.testing.assert_array_equal(back, expected)


def brute_force(fine, like, outside, n=8):
    """Mean over n^3 points a voxel of the value of the voxel each point lies in."""
    to_fine = np.linalg.inv(fine.affine) @ like.affine
    offsets = (np.arange(n) + 0.5) / n - 0.5
    out = np.zeros(like.shape)
    for index in np.ndindex(*like.shape):
        points = np.array(np.meshgrid(*[i + offsets for i in index], indexing="ij")).reshape(3, -1)
        spots = np.rint(to_fine[:3, :3] @ points + to_fine[:3, 3:]).astype(int)
        inside = ((spots >= 0) & (spots < np.array(fine.shape)[:, None])).all(axis=0)
        total = np.asarray(fine.values)[tuple(spots[:, inside])].sum() + outside * (~inside).sum()
        out[index] = total / n**3
    return out


@pytest.mark.parametrize("outside", [-2.5, 0.0])
def test_resampling_is_the_mean_over_the_volume_of_overlap(outside):
    like = image(shape=(4, 3, 3), size=(4.0, 4.0, 4.0), corner=(10.0, 20.0, 30.0))
    fine = image(shape=(10, 8, 6), size=(1.0, 1.5, 2.0), corner=(10.5, 20.25, 33.0))
    got = on_grid(fine, like, "a", resample=True, outside=outside)
    # sides of 1, 1.5 and 2 mm against points every 0.5 mm: the lattice is exact
    np.testing.assert_allclose(got.values, brute_force(fine, like, outside), atol=1e-12)


def test_resampling_conserves_the_integral_and_flips():
    fine = image(shape=(8, 8, 8), size=(1.0, 1.0, 1.0), corner=(0.0, 0.0, 0.0))
    affine = np.diag([-3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (10.0, -1.0, -1.0)
    like = VoxelImage(np.zeros((5, 5, 5)), affine, "x")
    got = on_grid(fine, like, "a", resample=True)
    assert np.isclose(got.values.sum() * like.voxel_ml, fine.values.sum() * fine.voxel_ml)
    np.testing.assert_allclose(got.values, brute_force(fine, like, 0.0, n=12), atol=1e-12)


def test_other_grids_are_refused_unless_resampling_is_allowed():
    like = image()
    shifted = image(corner=(10.5, 20.0, 30.0))
    with pytest.raises(DosimetryError, match=r"ct lies on another grid.*allow resampling"):
        on_grid(shifted, like, "ct")
    far = image(corner=(500.0, 20.0, 30.0))
    with pytest.raises(DosimetryError, match="ct lies outside the image"):
        on_grid(far, like, "ct", resample=True)
    angle = np.deg2rad(10)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    rotated = VoxelImage(like.values, turn @ like.affine, "x")
    with pytest.raises(DosimetryError, match="ct is rotated"):
        on_grid(rotated, like, "ct", resample=True)


def test_labels_are_placed_but_never_averaged():
    labels = VoxelImage(np.arange(4)[:, None, None] * np.ones((1, 2, 2), int), np.eye(4), "label")
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    flipped[0, 3] = 3.0
    out = on_grid(labels, VoxelImage(np.zeros((4, 2, 2)), flipped, "Gy"), "organs")
    assert np.asarray(out.values)[:, 0, 0].tolist() == [3, 2, 1, 0]
    coarse = VoxelImage(np.zeros((2, 1, 1)), np.diag([2.0, 2.0, 2.0, 1.0]), "Gy")
    with pytest.raises(DosimetryError, match=r"organs holds labels.*region_masks"):
        on_grid(labels, coarse, "organs", resample=True)
    mask = region_masks(labels, {3: "liver"})["liver"]
    share = np.asarray(on_grid(mask, coarse, "liver", resample=True).values)
    # voxels from -1 to 1 and 1 to 3 across, -1 to 1 along the others; the mask from 2.5, -0.5
    np.testing.assert_allclose(share.ravel(), [0.0, 0.25 * 0.75**2])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2, 1)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_upright_images_rise_to_left_front_and_head(order, signs):
    turn = np.zeros((3, 3))
    for axis, along in enumerate(order):
        turn[along, axis] = signs[axis] * (2.0, 3.0, 4.0)[axis]
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn, (7.0, 8.0, 9.0)
    given = VoxelImage(RNG.normal(size=(4, 5, 6)), affine, "x")
    got = upright(given)
    assert got.affine[0, 0] < 0 < got.affine[1, 1]
    assert got.affine[2, 2] > 0
    np.testing.assert_array_equal(on_grid(got, given, "back").values, given.values)
    np.testing.assert_allclose(got.affine[:3, :3], np.diag(np.diag(got.affine)[:3]), atol=1e-12)
