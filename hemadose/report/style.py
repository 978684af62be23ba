"""One look for all figures, and their way into the page as SVG."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito, told apart by colour-blind readers
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILLION, PURPLE, YELLOW = "#E69F00", "#D55E00", "#CC79A7", "#F0E442"
INK, GREY, LIGHT = "#222222", "#6B6B6B", "#D9D9D9"
FORBIDDEN = "#FBE9E0"

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titley": 1.0,  # a fixed place; searching for a free one costs a third of the time
    "axes.labelsize": 9.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.dpi": 72.0,
}
_MARGIN_IN = {"left": 0.62, "right": 0.14, "bottom": 0.46, "top": 0.30}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw in the style of the report, and leave matplotlib's settings as they were."""
    import matplotlib as mpl

    with mpl.rc_context(_SETTINGS):
        yield


def new_axes() -> Axes:
    """Axes of a new figure, for a plot that is not part of another."""
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def axes_as_svg(
    draw: Callable[[Axes], object],
    name: str,
    description: str,
    *,
    size_in: tuple[float, float],
    margin_in: dict[str, float] | None = None,
) -> str:
    """Draw on new axes and return an SVG element whose bytes depend on the drawing alone.

    Parameters
    ----------
    draw : callable
        Called with the axes.
    name : str
        Unique in the page; keeps the ids of its figures apart.
    description : str
        Text that stands for the picture where it cannot be seen.
    size_in, margin_in
        Width and height, and margins that differ from the common ones (inches).
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    width, height = size_in
    margin = _MARGIN_IN | (margin_in or {})
    figure = Figure(figsize=size_in)
    axes = figure.add_axes(
        (
            margin["left"] / width,
            margin["bottom"] / height,
            1 - (margin["left"] + margin["right"]) / width,
            1 - (margin["bottom"] + margin["top"]) / height,
        )
    )
    draw(axes)
    stream = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    return _inline(stream.getvalue(), name, description)


def _inline(svg: str, name: str, description: str) -> str:
    """The element alone: no prologue, no metadata, no ids but those it refers to."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<g id=\"[^\"]*\"", "<g", svg)
    svg = re.sub(r"\s*xmlns(:\w+)?=\"[^\"]*\"", "", svg)
    svg = svg.replace("xlink:href", "href").replace("\n", "")
    width, height = re.findall(r"viewBox=\"0 0 ([\d.]+) ([\d.]+)\"", svg)[0]
    head = (
        f'<svg viewBox="0 0 {width} {height}" width="{width}pt" height="{height}pt" '
        f'role="img" aria-labelledby="{name}-title"><title id="{name}-title">'
        f"{html.escape(description)}</title>"
    )
    return re.sub(r"^<svg[^>]*>", lambda _: head, svg).strip()
