"""Plots draw what they are given, on the axes they are given."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from dosimetry.errors import DosimetryError
from dosimetry.voxels import (
    DoseVolumeHistogram,
    VoxelImage,
    plot_dvh,
    plot_slice,
)


def histogram():
    return DoseVolumeHistogram("kidneys", np.linspace(2.0, 8.0, 50), np.full(50, 2.0), 1)


@pytest.mark.parametrize(("relative", "top"), [(True, 100.0), (False, 100.0)])
def test_cumulative_histograms(relative, top):
    ax = Figure().add_subplot()
    assert plot_dvh([histogram(), histogram()], ax, relative=relative) is ax
    assert len(ax.lines) == 2
    x, y = ax.lines[0].get_data()
    assert (x[0], y[0], x[-1], y[-1]) == (0.0, pytest.approx(top), 8.0, 0.0)
    assert ("%" in ax.get_ylabel()) == relative
    assert "100 mL, 5 Gy" in ax.get_legend().get_texts()[0].get_text()


VALUES = np.arange(6 * 5 * 4, dtype=float).reshape(6, 5, 4)


def test_slices():
    """Axes to the right, front and head: seen from the front, columns run from right to left."""
    affine = np.diag([2.0, 3.0, 5.0, 1.0])
    affine[:3, 3] = (10.0, 20.0, 30.0)
    image = VoxelImage(VALUES, affine, "Gy")
    ax = plot_slice(image, axis=1, index=2, outlines=[("liver", VALUES > 60)])
    np.testing.assert_array_equal(ax.images[0].get_array(), VALUES[::-1, 2].T)
    assert list(ax.images[0].get_extent()) == [21.0, 9.0, 27.5, 47.5]
    assert ax.images[0].origin == "lower"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("R ← x (mm) → L", "I ← z (mm) → S")
    assert ax.get_legend().get_texts()[0].get_text() == "liver"
    with pytest.raises(DosimetryError, match="slice 9"):
        plot_slice(image, index=9)
    with pytest.raises(DosimetryError, match="axis"):
        plot_slice(image, axis=3)


@pytest.mark.parametrize(
    ("seen", "corner", "labels"),
    [  # what lies in the upper left corner, as right, anterior, superior
        ("axial", (1, 1, None), ("R ← x (mm) → L", "P ← y (mm) → A")),
        ("coronal", (1, None, 1), ("R ← x (mm) → L", "I ← z (mm) → S")),
        ("sagittal", (None, 1, 1), ("A ← y (mm) → P", "I ← z (mm) → S")),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1), (-1, -1, 1)])
def test_slices_are_seen_as_in_radiology(seen, corner, labels, order, signs):
    """Whatever the order and direction of the grid's axes; the values tell where they lie."""
    affine = np.eye(4)
    affine[:3, :3] = 0.0
    for axis, along in enumerate(order):
        affine[along, axis] = signs[axis] * 2.0
    shape = (3, 3, 3)
    place = np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(shape))
    code = (
        np.array([1, 10, 100])[:, None, None, None]
        * (place - place.min((1, 2, 3), keepdims=True))
        / 2
    ).sum(0)
    through = corner.index(None)
    axis = order.index(through)
    ax = plot_slice(VoxelImage(code, affine, "Gy"), axis=axis, index=1)
    shown = np.asarray(ax.images[0].get_array())
    want = sum(10**k * (1 if c is None else 2 * c) for k, c in enumerate(corner))
    assert shown[-1, 0] == want
    assert (ax.get_xlabel(), ax.get_ylabel()) == labels
    left, right, bottom, top = ax.images[0].get_extent()
    assert (left > right, top > bottom) == (True, True)


def test_colours_end_where_told_and_follow_the_square_root():
    image = VoxelImage(VALUES - 1, np.eye(4), "Gy")
    norm = plot_slice(image).images[0].norm
    assert (norm.vmin, norm.vmax) == (0.0, VALUES[:, :, 2].max() - 1)
    assert plot_slice(image, index=0).images[0].norm.vmin == -1.0
    ax = plot_slice(image, highest=40.0, square_root=True)
    assert ax.images[0].norm(10.0) == pytest.approx(0.5)
    assert ax.images[0].norm(-5.0) <= 0.0
    assert "square-root" in ax.figure.axes[1].get_ylabel()


def test_the_legend_lies_under_the_map():
    figure = Figure(layout="constrained")
    ax = plot_slice(
        VoxelImage(VALUES, np.eye(4), "Gy"), figure.add_subplot(), outlines=[("a", VALUES > 60)]
    )
    figure.savefig(io.BytesIO())
    assert ax.get_legend().get_window_extent().y1 < ax.get_window_extent().y0
    assert ax.get_legend().get_window_extent().y0 >= 0
