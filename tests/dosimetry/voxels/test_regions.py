"""Regions: masks, labels, statistics, resampling."""

import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.voxels import (
    VoxelImage,
    region_masks,
    region_statistics,
    region_weights,
)

GRID = np.diag([5.0, 4.0, 10.0, 1.0])  # 0.2 mL


def image(values, unit="MBq/mL", affine=GRID):
    return VoxelImage(np.asarray(values), affine, unit)


def test_labels_become_masks():
    labels = image(np.array([[[0, 1, 2, 2, 3]]]), "label")
    masks = region_masks(labels, {2: "liver", 1: "kidneys", 3: "kidneys"})
    assert sorted(masks) == ["kidneys", "liver"]
    assert masks["kidneys"].values.tolist() == [[[False, True, False, False, True]]]
    assert masks["liver"].unit == "label"


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [([[[0, 1, 2]]], {7: "spleen"}, r"label 7 \(spleen\)"), ([[[0.0, 0.4]]], {1: "x"}, "whole")],
)
def test_labels_that_are_refused(values, names, message):
    with pytest.raises(DosimetryError, match=message):
        region_masks(image(values, "label"), names)


def test_statistics_against_numpy():
    rng = np.random.default_rng(0)
    values = rng.normal(3.0, 1.0, (7, 6, 5)).astype(np.float32)
    mask = rng.random((7, 6, 5)) > 0.6
    row = region_statistics(image(values), {"liver": mask})["liver"]
    own = values[mask].astype(float)
    assert (row.n_voxels, row.total_unit) == (mask.sum(), "MBq")
    assert row.volume_ml == pytest.approx(0.2 * mask.sum())
    assert row.mean == pytest.approx(own.mean())
    assert row.sd == pytest.approx(own.std())
    assert (row.minimum, row.maximum) == (own.min(), own.max())
    assert row.total == pytest.approx(0.2 * own.sum())
    assert row.region == "liver"


def test_parts_of_voxels_count_by_their_share():
    values = np.array([[[1.0, 3.0]]])
    row = region_statistics(image(values, "Gy"), {"x": np.array([[[1.0, 0.5]]])})["x"]
    assert row.mean == pytest.approx(2.5 / 1.5)
    assert row.volume_ml == pytest.approx(0.3)
    assert row.total is None


@pytest.mark.parametrize(
    ("unit", "total"), [("MBq/mL", "MBq"), ("MBq h/mL", "MBq h"), ("g/mL", "g"), ("Gy", None)]
)
def test_totals_have_units(unit, total):
    mask = np.ones((2, 2, 2), dtype=bool)
    assert region_statistics(image(np.ones((2, 2, 2)), unit), {"x": mask})["x"].total_unit == total


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((2, 2, 2), dtype=bool), "'spleen' is empty"),
        (np.ones((2, 2, 3), dtype=bool), r"shape \(2, 2, 3\)"),
        (np.full((2, 2, 2), 3), "split label images"),
        (np.full((2, 2, 2), np.nan), "shares"),
        (image(np.ones((2, 2, 2)), "label", np.diag([5.0, 4.0, 9.0, 1.0])), "different grids"),
    ],
)
def test_masks_that_are_refused(mask, message):
    with pytest.raises(DosimetryError, match=message):
        region_weights(mask, image(np.ones((2, 2, 2))), "spleen")


def test_nan_matters_only_within_the_region():
    values = np.ones((2, 2, 2))
    values[0, 0, 0] = np.nan
    mask = np.ones((2, 2, 2), dtype=bool)
    with pytest.raises(DosimetryError, match="not finite in 1 voxels of 'x'"):
        region_statistics(image(values), {"x": mask})
    mask[0, 0, 0] = False
    assert region_statistics(image(values), {"x": mask})["x"].mean == 1.0
