"""Plots of maps and histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.plot_style import COLOURS, axes_or_new, plain
from dosimetry.voxels.dvh import DoseVolumeHistogram
from dosimetry.voxels.grids import cropped, upright
from dosimetry.voxels.image import FloatArray, VoxelImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ACROSS = {0: "R ← x (mm) → L", 1: "A ← y (mm) → P"}
_UP = {1: "P ← y (mm) → A", 2: "I ← z (mm) → S"}
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
    highest: float | None = None,
    square_root: bool = False,
) -> Axes:
    """One slice of a map as radiologists look at it, with outlines of regions.

    Axial slices show the patient's right on the left and the front on top, coronal ones the right
    on the left and the head on top, sagittal ones the front on the left and the head on top. Axes
    are the millimetres of the image's affine (x to the right, y to the front, z to the head).

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
    highest : float, optional
        Value at the upper end of the colours, in the unit of the map; higher ones share its
        colour.
    square_root : bool
        Colours by the square root of the value, so that low values show beside high ones;
        negative values are shown as 0.

    Raises
    ------
    DosimetryError
        If the axis or slice is not in the map, or the grid is turned by 45 degrees or more.
    """
    if axis not in (0, 1, 2):
        raise DosimetryError(f"axis must be 0, 1 or 2, got {axis!r}")
    place = image.shape[axis] // 2 if index is None else index
    if not 0 <= place < image.shape[axis]:
        raise DosimetryError(f"slice {place} is not among the {image.shape[axis]} of axis {axis}")
    ax = axes_or_new(ax)
    values, x, y, labels = _seen(image, axis, place)
    _draw_map(ax, values, (x, y), image.unit, highest, square_root=square_root)
    for rank, (name, mask) in enumerate(outlines):
        cut = _seen(image.with_values(np.asarray(mask), ""), axis, place)[0]
        if cut.any():
            colour = _OUTLINES[rank % len(_OUTLINES)]
            ax.contour(x, y, cut, levels=[0.5], colors=[colour], linewidths=1.4)
            ax.plot([], [], color=colour, label=name)
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
    if ax.get_legend_handles_labels()[0]:
        _legend_below(ax)
    return plain(ax)


def _seen(
    image: VoxelImage, axis: int, place: int
) -> tuple[FloatArray, FloatArray, FloatArray, tuple[str, str]]:
    """Values of a slice, rows from bottom to top, where columns and rows lie, and axis labels."""
    box = [slice(None)] * 3
    box[axis] = slice(place, place + 1)
    part = upright(cropped(image, tuple(box)))
    through = int(np.abs(image.affine[:3, axis]).argmax())
    across, up = (a for a in range(3) if a != through)
    x, y = (
        part.affine[a, 3] + np.sign(part.affine[a, a]) * part.voxel_mm[a] * np.arange(part.shape[a])
        for a in (across, up)
    )
    values = np.take(part.values, 0, axis=through).T.astype(np.float64)
    if through == 0:  # from the patient's left side, the front on the left
        values, x = values[:, ::-1], x[::-1]
    return values, x, y, (_ACROSS[across], _UP[up])


def _draw_map(
    ax: Axes,
    values: FloatArray,
    places_mm: tuple[FloatArray, FloatArray],
    unit: str,
    highest: float | None,
    *,
    square_root: bool,
) -> None:
    from matplotlib.colors import Normalize, PowerNorm

    low = 0.0 if square_root else min(0.0, float(values.min()))
    high = max(float(values.max()) if highest is None else highest, low + 1e-300)
    norm = PowerNorm(0.5, low, high) if square_root else Normalize(low, high)
    edges = [
        edge
        for at, step in ((p, p[1] - p[0] if len(p) > 1 else 1.0) for p in places_mm)
        for edge in (at[0] - step / 2, at[-1] + step / 2)
    ]
    shown = ax.imshow(values, norm=norm, origin="lower", extent=tuple(edges), cmap="inferno")
    above = "max" if values.max() > high else "neither"
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.85, extend=above)
    bar.set_label(f"{unit}, square-root scale" if square_root else unit)
    bar.outline.set_visible(False)


def _legend_below(ax: Axes) -> None:
    """Names of outlines under the map, on its dark ground."""
    from matplotlib.transforms import ScaledTranslation

    lower = ScaledTranslation(0, -0.5, ax.figure.dpi_scale_trans)  # below ticks and label, inches
    ax.legend(
        fontsize="small", labelcolor="white", ncols=2, loc="upper center", borderaxespad=0.0,
        frameon=True, facecolor="black", edgecolor="none", framealpha=1.0,
        bbox_to_anchor=(0.5, 0.0), bbox_transform=ax.transAxes + lower,
    )  # fmt: skip
