"""Plots of maps, histograms and recovery curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.dvh import DoseVolumeHistogram
from dosimetry.voxels.image import VoxelImage
from dosimetry.voxels.recovery import RecoveryCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito, told apart by colour-blind readers
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_OUTLINES = ("#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#FFFFFF")  # on dark maps
_INK, _GREY = "#222222", "#6B6B6B"


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
    ax = _axes(ax)
    column = "volume_pct" if relative else "volume_ml"
    for rank, histogram in enumerate(histograms):
        frame = histogram.to_frame(400)
        label = f"{histogram.region} ({histogram.volume_ml:.3g} mL, {histogram.mean_gy:.3g} Gy)"
        ax.plot(
            np.append(frame["dose_gy"], histogram.max_gy), np.append(frame[column], 0.0),
            color=_COLOURS[rank % len(_COLOURS)], lw=1.8, label=label,
        )  # fmt: skip
    ax.set_xlabel("absorbed dose (Gy)")
    ax.set_ylabel("volume (%)" if relative else "volume (mL)")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.legend(
        frameon=False, fontsize="small", title="region (volume, mean dose)", alignment="left",
        title_fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0),
    )  # fmt: skip
    return _plain(ax)


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
    ax = _axes(ax)
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
    return _plain(ax)


def plot_recovery(
    curve: RecoveryCurve,
    ax: Axes | None = None,
    *,
    volume_ml: npt.ArrayLike | None = None,
    recovery: npt.ArrayLike | None = None,
    sd: npt.ArrayLike | None = None,
) -> Axes:
    """Recovery curve with its 90 % band, and the phantom's inserts.

    Parameters
    ----------
    curve : RecoveryCurve
        From `fit_recovery`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    volume_ml, recovery, sd : array_like, optional
        The inserts and their standard deviations.
    """
    ax = _axes(ax)
    grid = np.geomspace(0.5 * curve.smallest_ml, 2 * curve.largest_ml, 200)
    value, error = curve(grid), curve.standard_error(grid)
    if np.isfinite(error).all():
        ax.fill_between(
            grid, value - 1.645 * error, value + 1.645 * error, color=_COLOURS[0], alpha=0.18, lw=0,
            label="90 % band of the curve",
        )  # fmt: skip
    ax.plot(grid, value, color=_COLOURS[0], lw=1.8, label=curve.form.replace("_", " "))
    if volume_ml is not None and recovery is not None:
        ax.errorbar(
            volume_ml, recovery, yerr=sd, fmt="o", ms=5, color=_INK, capsize=0, label="inserts"
        )
    ax.axhline(1.0, color=_GREY, lw=0.8, ls=":")
    ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("volume (mL)")
    ax.set_ylabel("recovery coefficient")
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    return _plain(ax)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(layout="constrained").add_subplot()


def _plain(ax: Axes) -> Axes:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.tick_params(colors=_INK)
    return ax
