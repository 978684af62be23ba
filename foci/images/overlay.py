"""Pictures to check a count by eye: outlines, numbers, reasons of exclusion, circles at foci."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.image import DNA, NucleusImage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from foci.images.detect import ImageCounts

USED, LEFT_OUT = "#35c4f0", "#ff8c1a"
LEAST_PROBABILITY = 0.05
_TITLES = {DNA: "DNA", "gamma_h2ax": "gamma-H2AX", "53bp1": "53BP1"}
_BARS_UM = (1, 2, 5, 10, 20, 50, 100)
_CIRCLE_UM = 0.6
_PANEL_IN = 6.0
_DPI = (80, 300)
_MANY = 100  # nuclei, whose numbers are then written smaller


def plot_overlay(
    image: NucleusImage, counts: ImageCounts, *, figure: Figure | None = None
) -> Figure:
    """Draw what was counted over each channel of an image.

    Nuclei that were used have blue outlines and their number; those left out have orange ones and
    the reason. On the marker channels, objects of probability 0.05 or more are circled, coloured
    by probability. Stacks are shown as their brightest plane at each pixel.

    Parameters
    ----------
    image : NucleusImage
        The image.
    counts : ImageCounts
        What `count_foci` found in it.
    figure : matplotlib Figure, optional
        Drawn into; otherwise a new one.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FociError
        If the counts are of an image of another size.
    """
    names = [DNA, *image.markers]
    planes = {name: _flat(image.channels[name]) for name in names}
    shape = planes[DNA].shape
    if counts.labels.shape != shape:
        raise FociError(
            f"{image.source or 'image'} has {shape} pixels, the counts are of an image of "
            f"{counts.labels.shape}"
        )
    if figure is None:
        from matplotlib.figure import Figure as NewFigure

        height = _PANEL_IN * min(max(shape[0] / shape[1], 0.3), 3.0)
        size = (_PANEL_IN * len(names) + 0.6, height + 0.6)
        figure = NewFigure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    outlines = _outlines(counts)
    for axes, name in zip(panels, names, strict=True):
        _show(axes, planes[name], outlines)
        axes.set_title(_TITLES[name])
    _number(panels[0], counts)
    circles = [_circle(axes, counts, image.pixel_um) for axes in panels[1:]]
    bar = figure.colorbar(circles[-1], ax=list(panels[1:]), fraction=0.03, pad=0.01)
    bar.set_label("probability of a focus")
    _scale_bar(panels[0], shape, image.pixel_um)
    used = sum(nucleus.used for nucleus in counts.nuclei)
    foci = sum(nucleus.foci for nucleus in counts.nuclei if nucleus.used)
    title = f"{image.source}: {foci} foci in {used} of {len(counts.nuclei)} nuclei"
    figure.suptitle(_printable(title), parse_math=False)
    return figure


def write_overlay(image: NucleusImage, counts: ImageCounts, path: str | Path) -> Path:
    """Write the picture of `plot_overlay` as PNG, about one dot a pixel of the image.

    Parameters
    ----------
    image, counts : NucleusImage, ImageCounts
        As for `plot_overlay`.
    path : str or Path
        Where to; ends in ``.png``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FociError
        If the counts are of an image of another size.
    """
    path = Path(path)
    figure = plot_overlay(image, counts)
    dpi = np.clip(image.channels[DNA].shape[-1] / _PANEL_IN, *_DPI)
    figure.savefig(path, format="png", dpi=float(dpi))
    return path


def _flat(channel: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return channel.max(axis=0) if channel.ndim == 3 else channel


def _outlines(counts: ImageCounts) -> npt.NDArray[np.uint8]:
    """Colours (y, x, RGBA) of the rims of nuclei, transparent elsewhere."""
    from matplotlib.colors import to_rgba

    labels = counts.labels
    inner = np.ones(labels.shape, bool)
    for axis in (0, 1):
        for step in (-1, 1):
            same = np.roll(labels, step, axis) == labels
            edge = [slice(None)] * 2
            edge[axis] = slice(-1, None) if step < 0 else slice(0, 1)
            same[tuple(edge)] = False
            inner &= same
    colours = np.zeros((int(labels.max(initial=0)) + 1, 4))
    for nucleus in counts.nuclei:
        colours[nucleus.label] = to_rgba(USED if nucleus.used else LEFT_OUT, 0.9)
    colours[0] = 0.0
    rims = np.where(inner, 0, labels)
    return np.asarray(np.rint(255 * colours[rims]), np.uint8)


def _show(axes: Axes, plane: npt.NDArray[Any], outlines: npt.NDArray[np.uint8]) -> None:
    low, high = np.percentile(plane, (1, 99.9))
    axes.imshow(plane, cmap="gray", vmin=low, vmax=max(high, low + 1e-9), interpolation="nearest")
    axes.imshow(outlines, interpolation="nearest")
    axes.set_axis_off()


def _number(axes: Axes, counts: ImageCounts) -> None:
    from matplotlib.patheffects import withStroke

    size = 8.0 if len(counts.nuclei) < _MANY else 5.0
    for nucleus in counts.nuclei:
        y, x = nucleus.centre_px
        words = [f"{nucleus.label}", *(() if nucleus.used else nucleus.flags)]
        axes.text(
            x,
            y,
            _printable("\n".join(words)),
            color=USED if nucleus.used else LEFT_OUT,
            fontsize=size,
            ha="center",
            va="center",
            clip_on=True,
            path_effects=[withStroke(linewidth=1.5, foreground="black")],
            parse_math=False,
        )


def _circle(axes: Axes, counts: ImageCounts, pixel_um: float) -> Any:
    """Circle the objects; what a colour bar needs."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import Normalize

    objects = counts.objects_frame()
    objects = objects[objects["probability"] >= LEAST_PROBABILITY]
    scale = ScalarMappable(Normalize(0.0, 1.0), cmap="autumn")
    side = np.full(len(objects), max(2 * _CIRCLE_UM / pixel_um, 5.0))
    axes.add_collection(
        EllipseCollection(
            side,
            side,
            np.zeros(len(objects)),
            units="xy",
            offsets=objects[["x_px", "y_px"]].to_numpy(),
            offset_transform=axes.transData,
            facecolors="none",
            edgecolors=scale.to_rgba(objects["probability"].to_numpy()),
            linewidths=0.8,
        )
    )
    return scale


def _scale_bar(axes: Axes, shape: tuple[int, ...], pixel_um: float) -> None:
    room = 0.25 * shape[1] * pixel_um
    length_um = max([bar for bar in _BARS_UM if bar <= room] or [_BARS_UM[0]])
    left, low = 0.04 * shape[1], 0.96 * shape[0]
    right = left + length_um / pixel_um
    axes.plot([left, right], [low, low], color="white", linewidth=3, solid_capstyle="butt")
    axes.text(left, low - 0.015 * shape[0], f"{length_um} um", color="white", fontsize=8)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
