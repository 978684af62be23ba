"""Figures of foci and blood counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.report.style import BLUE, FORBIDDEN, GREY, INK, LIGHT, ORANGE, VERMILLION, new_axes
from radiobio import ctcae_limits

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def plot_foci(
    samples: pd.DataFrame, course: pd.DataFrame, cycle: int, ax: Axes | None = None
) -> Axes:
    """Foci per cell measured and predicted in one cycle.

    Parameters
    ----------
    samples, course : pandas.DataFrame
        `foci_table` and `foci_course` of a plan.
    cycle : int
        Which cycle.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    ax = ax or new_axes()
    line, points = (table[table["cycle"] == cycle] for table in (course, samples))
    ax.fill_between(line["time_h"], line["q05"], line["q95"], color=BLUE, alpha=0.22, lw=0)
    ax.plot(line["time_h"], line["q50"], color=BLUE)
    shown_h = np.maximum(points["time_h"].to_numpy(dtype=float), -1.2)
    ax.errorbar(shown_h, points["per_cell"], yerr=points["per_cell_sd"], fmt="o", color=INK,
                ms=4.5, lw=1, capsize=2, zorder=3)  # fmt: skip
    end_h = float(line["time_h"].max())
    ticks = [t for t in (0, 1, 2, 4, 12, 24, 48, 96, 168, 336) if t <= end_h]
    ax.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    ax.set_xticks([-1.0, *ticks], ["before", *map(str, ticks)])
    ax.minorticks_off()
    top = max(float(line["q95"].max()), float((points["per_cell"] + points["per_cell_sd"]).max()))
    ax.set(xlim=(-1.5, end_h), ylim=(0, 1.08 * top), xlabel="Time after administration (h)",
           ylabel="Foci per cell", title=f"Cycle {cycle}")  # fmt: skip
    return ax


def plot_foci_dose(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Blood dose of each cycle from foci, from activity and from both, 90 % intervals.

    Parameters
    ----------
    table : pandas.DataFrame
        `foci_dose` of a plan.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    ax = ax or new_axes()
    names = [f"cycle {c}\n{e}" for c, e in zip(table["cycle"], table["estimate"], strict=True)]
    for y, (estimate, low, middle, high) in enumerate(
        zip(table["estimate"], table["q05_gy"], table["q50_gy"], table["q95_gy"], strict=True)
    ):
        colour = {"foci alone": ORANGE, "activity alone": GREY}.get(estimate, BLUE)
        ax.plot([low, high], [y, y], color=colour, lw=2.5)
        ax.plot(middle, y, "o", color=colour, ms=7)
        ax.text(middle, y - 0.18, f"{middle:.3g} Gy ({low:.3g}–{high:.3g})", ha="center",
                va="bottom", fontsize=8.5)  # fmt: skip
    low, high = float(table["q05_gy"].min()), float(table["q95_gy"].max())
    ax.set_xscale("log")
    steps = (1,) if high > 30 * low else (1, 3)
    ticks = [m * 10.0**k for k in range(-4, 3) for m in steps]
    ticks = [tick for tick in ticks if low / 5 < tick < 5 * high]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_yticks(range(len(table)), names)
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(low / 5, high * 5), ylim=(len(table) - 0.5, -0.7), xlabel="Blood dose (Gy)",
           title="Blood dose, 90 % interval")  # fmt: skip
    return ax


def plot_counts(
    table: pd.DataFrame,
    lineage: str,
    cycle_days: list[float],
    next_day: float | None,
    ax: Axes | None = None,
) -> Axes:
    """Counts of one lineage: measured, posterior band, prediction, and grades of CTCAE.

    Parameters
    ----------
    table : pandas.DataFrame
        `counts_table` of a plan.
    lineage : str
        Which cells.
    cycle_days : list of float
        Days of the administrations so far.
    next_day : float or None
        Day of the recommended administration.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    ax = ax or new_axes()
    rows = table[table["lineage"] == lineage]
    points = rows[rows["kind"] == "measured"]
    curve = rows[rows["kind"] != "measured"]
    past, future = curve[curve["kind"] == "posterior"], curve[curve["kind"] == "predicted"]
    top = 1.1 * max(float(curve["q95"].max()), float(points["value"].max()) if len(points) else 0.0)
    first = float(min(curve["day"].min(), points["day"].min() if len(points) else np.inf))
    last = float(curve["day"].max())
    limits = ctcae_limits(lineage)
    ax.axhspan(0, limits[1], color=FORBIDDEN, lw=0)
    for grade, limit in enumerate(limits, start=2):
        ax.axhline(limit, color=VERMILLION, lw=0.7, ls=(0, (4, 2)))
        ax.text(1.01, limit, f"G{grade}", color=VERMILLION, va="center", fontsize=8,
                transform=ax.get_yaxis_transform())  # fmt: skip
    for rows_, alpha in ((past, 0.35), (future, 0.18)):
        ax.fill_between(rows_["day"], rows_["q05"], rows_["q95"], color=BLUE, alpha=alpha, lw=0)
    ax.plot(past["day"], past["q50"], color=BLUE)
    ax.plot(future["day"], future["q50"], color=BLUE, ls=(0, (5, 1.5)))
    ax.plot(points["day"], points["value"], "o", color=INK, ms=4.5, zorder=3)
    for day in cycle_days:
        ax.plot(day, 0.985 * top, marker="v", color=GREY, ms=6)
    if next_day is not None:
        ax.axvline(next_day, color=LIGHT, lw=1, zorder=0)
        ax.plot(next_day, 0.985 * top, marker="v", color=BLUE, ms=7)
    unit = "g/L" if lineage == "haemoglobin" else "10⁹/L"
    ax.set(xlim=(first - 2, last), ylim=(0, top), xlabel="Day since cycle 1",
           ylabel=unit, title=lineage.capitalize())  # fmt: skip
    return ax
