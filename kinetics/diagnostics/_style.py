"""The look of the diagnostic figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito, told apart by colour-blind readers
BLUE, SKY, GREEN = "#0072B2", "#56B4E9", "#009E73"
ORANGE, VERMILLION, PURPLE = "#E69F00", "#D55E00", "#CC79A7"
INK, GREY, LIGHT = "#222222", "#6B6B6B", "#D9D9D9"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
FONT = 9.0
_PANEL_IN = (3.3, 2.6)


def new_figure(n_rows: int, n_columns: int, panel_in: tuple[float, float] = _PANEL_IN) -> Figure:
    """A figure with room for panels."""
    from matplotlib.figure import Figure

    size = (panel_in[0] * n_columns, panel_in[1] * n_rows)
    return Figure(figsize=size, layout="constrained")


def axes_of(ax: Axes | None) -> Axes:
    """The axes given, or those of a new figure, in the common look."""
    if ax is None:
        ax = new_figure(1, 1, (4.6, 3.4)).add_subplot()
    dress(ax)
    return ax


def grid_of(figure: Figure | None, n: int, n_columns: int) -> list[Axes]:
    """Axes of n panels on a figure, new where there is none."""
    n_columns = min(n_columns, n)
    n_rows = -(-n // n_columns)
    if figure is None:
        figure = new_figure(n_rows, n_columns)
    axes = [figure.add_subplot(n_rows, n_columns, k + 1) for k in range(n)]
    for ax in axes:
        dress(ax)
    return axes


def dress(ax: Axes) -> None:
    """Thin grey frame on two sides."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(GREY)
        ax.spines[side].set_linewidth(0.7)
    ax.tick_params(colors=GREY, labelcolor=INK, labelsize=FONT - 0.5, width=0.7)


def label(ax: Axes, x: str, y: str, title: str = "") -> None:
    """Names of the axes, and a title on the left."""
    ax.set_xlabel(x, fontsize=FONT, color=INK)
    ax.set_ylabel(y, fontsize=FONT, color=INK)
    if title:
        ax.set_title(title, loc="left", fontsize=FONT + 0.5, fontweight="bold", color=INK)


def legend(ax: Axes, loc: Any = "best") -> None:
    """Legend without a frame, where there is anything to name."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=FONT - 1.0, loc=loc, handlelength=1.6)


def with_unit(name: str, unit: str) -> str:
    """Name and, where known, its unit."""
    return f"{name} ({unit})" if unit else name


def log_scale(ax: Axes, which: str, values: np.ndarray) -> None:
    """Logarithmic axis with plain numbers at 1, 3, 10, 30 or at decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    positive = values[np.isfinite(values) & (values > 0.0)]
    if not len(positive):
        return
    decades = float(np.log10(positive.max() / positive.min()))
    getattr(ax, f"set_{which}scale")("log")
    axis = ax.xaxis if which == "x" else ax.yaxis
    subs = (1.0, 2.0, 5.0) if decades < 1.2 else (1.0, 3.0) if decades < 3.0 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=10))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    low, high = positive.min(), positive.max()
    pad = (high / low) ** 0.05 if high > low else 1.5
    getattr(ax, f"set_{which}lim")(low / pad, high * pad)
