"""Plots of maps and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.plot_style import COLOURS, axes_or_new, plain
from dosimetry.voxels.dvh import DoseVolumeHistogram
from dosimetry.voxels.image import VoxelImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OUTLINES = ("#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#FFFFFF")  # on dark maps


def plot_dvh(
    histograms: Sequence[DoseVolumeHistogram], ax: Axes | None = None, *, relative: bool = True
) -> Axes:
    """Cumulative dose-volume histograms, one curve a region.

    Parameters
    ----------
    histograms : sequence of DoseVolumeHistogram
        Regions to compare.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    relative : bool
        Volume in per cent of the region, or else in mL.
    """
    ax = axes_or_new(ax)
    column = "volume_pct" if relative else "volume_ml"
    for rank, histogram in enumerate(histograms):
        frame = histogram.to_frame(400)
        label = f"{histogram.region} ({histogram.volume_ml:.3g} mL, {histogram.mean_gy:.3g} Gy)"
        ax.plot(
            np.append(frame["dose_gy"], histogram.max_gy), np.append(frame[column], 0.0),
            color=COLOURS[rank % len(COLOURS)], lw=1.8, label=label,
        )  # fmt: skip
    ax.set_xlabel("absorbed dose (Gy)")
    ax.set_ylabel("volume (%)" if relative else "volume (mL)")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.legend(
        frameon=False, fontsize="small", title="region (volume, mean dose)", alignment="left",
        title_fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0),
    )  # fmt: skip
    return plain(ax)


def plot_slice(
    image: VoxelImage,
    ax: Axes | None = None,
    *,
    axis: int = 2,
    index: int | None = None,
    outlines: Sequence[tuple[str, npt.NDArray[Any]]] = (),
) -> Axes:
    """One slice of a map, with outlines of regions.

    Parameters
    ----------
    image : VoxelImage
        The map.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    axis : int
        Axis of the grid the slice is perpendicular to.
    index : int, optional
        Which slice; the middle one if missing.
    outlines : sequence of (str, ndarray)
        Names and masks of regions, drawn where they cross the slice.

    Raises
    ------
    DosimetryError
        If the axis or slice is not in the map.
    """
    if axis not in (0, 1, 2):
        raise DosimetryError(f"axis must be 0, 1 or 2, got {axis!r}")
    place = image.shape[axis] // 2 if index is None else index
    if not 0 <= place < image.shape[axis]:
        raise DosimetryError(f"slice {place} is not among the {image.shape[axis]} of axis {axis}")
    ax = axes_or_new(ax)
    across, up = (a for a in range(3) if a != axis)
    sizes = image.voxel_mm
    extent = (0.0, sizes[across] * image.shape[across], 0.0, sizes[up] * image.shape[up])
    values = np.asarray(np.take(image.values, place, axis=axis)).T
    shown = ax.imshow(values, origin="lower", extent=extent, cmap="inferno")
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.85)
    bar.set_label(image.unit)
    bar.outline.set_visible(False)
    grid = [(np.arange(image.shape[a]) + 0.5) * sizes[a] for a in (across, up)]
    for rank, (name, mask) in enumerate(outlines):
        cut = np.take(mask, place, axis=axis).T
        if cut.any():
            colour = _OUTLINES[rank % len(_OUTLINES)]
            ax.contour(*grid, cut, levels=[0.5], colors=[colour], linewidths=1.4)
            ax.plot([], [], color=colour, label=name)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", labelcolor="white", loc="upper right")
    ax.set_xlabel(f"axis {across} (mm)")
    ax.set_ylabel(f"axis {up} (mm)")
    return plain(ax)
