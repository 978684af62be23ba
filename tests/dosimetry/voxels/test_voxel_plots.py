"""Plots draw what they are given, on the axes they are given."""

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


def test_slices():
    values = np.arange(6 * 5 * 4, dtype=float).reshape(6, 5, 4)
    image = VoxelImage(values, np.diag([2.0, 3.0, 5.0, 1.0]), "Gy")
    mask = values > 60
    ax = plot_slice(image, axis=1, index=2, outlines=[("liver", mask)])
    np.testing.assert_array_equal(ax.images[0].get_array(), values[:, 2].T)
    assert ax.images[0].get_extent() == [0.0, 12.0, 0.0, 20.0]
    assert ax.get_legend().get_texts()[0].get_text() == "liver"
    with pytest.raises(DosimetryError, match="slice 9"):
        plot_slice(image, index=9)
    with pytest.raises(DosimetryError, match="axis"):
        plot_slice(image, axis=3)
