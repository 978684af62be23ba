"""Figures of kinetics and doses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosimetry.results import split_contribution
from hemadose.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    new_axes,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_CONTRIBUTIONS = {  # the self dose by radiation, all other origins as a whole
    "self_alpha": (INK, "self, alpha"),
    "self_electrons": (BLUE, "self, electrons"),
    "self_photons": (SKY, "self, photons"),
    "whole_body": (ORANGE, "whole body, photons"),
    "remainder": (ORANGE, "remainder"),
    "kidneys": (PURPLE, "from kidneys"),
    "liver": (VERMILLION, "from liver"),
    "spleen": (GREEN, "from spleen"),
    "marrow": (YELLOW, "from marrow"),
    "clinic": (SKY, "clinic's dosimetry"),
}
_LEAST_SHARE = 0.02  # of the largest dose; smaller contributions are drawn as one


def plot_curve(table: pd.DataFrame, cycle: int, region: str, ax: Axes | None = None) -> Axes:
    """Samples of one region and cycle with the posterior band and the population's.

    Parameters
    ----------
    table : pandas.DataFrame
        `samples_and_fit` of a plan.
    cycle, region
        Which.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    ax = ax or new_axes()
    rows = table[(table["cycle"] == cycle) & (table["region"] == region)]
    fit, prior, data = (rows[rows["kind"] == kind] for kind in ("posterior", "prior", "sample"))
    for column in ("q05", "q95") if len(prior) else ():
        ax.plot(prior["time_h"], prior[column], color=GREY, lw=0.9, ls=(0, (3, 2)))
    ax.fill_between(fit["time_h"], fit["q05"], fit["q95"], color=BLUE, alpha=0.22, lw=0)
    ax.plot(fit["time_h"], fit["q50"], color=BLUE)
    below = data["below_limit"].astype(bool) if len(data) else data.index == -1
    _plot_samples(ax, data[~below], data[below])
    middle = fit.loc[fit["time_h"] > 0, "q50"]
    levels = np.concatenate([middle, data["value"]]).astype(float)
    ax.set_yscale("log")
    _plain_log_ticks(ax)
    ax.set(
        xlim=(0, fit["time_h"].max()),
        ylim=(0.4 * levels[levels > 0].min(), 2.5 * levels.max()),
        xlabel="Time after administration (h)",
        ylabel=f"Activity ({rows['unit'].iloc[0]})",
        title=f"{region_name(region)}, cycle {cycle}",
    )
    ax.set_xticks(np.arange(0, fit["time_h"].max() + 1, 48))
    return ax


def _plain_log_ticks(ax: Axes) -> None:
    """Ticks at 1, 3, 10, 30, ... in plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=8))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())


def _plot_samples(ax: Axes, quantified: pd.DataFrame, below: pd.DataFrame) -> None:
    if len(quantified):
        error = quantified["sd"].fillna(0.0).to_numpy()
        low = np.minimum(error, 0.9 * quantified["value"].to_numpy())
        ax.errorbar(quantified["time_h"], quantified["value"], yerr=[low, error], fmt="o",
                    color=INK, ms=4, lw=1, zorder=3)  # fmt: skip
    for _, sample in below.iterrows():
        ax.annotate("", (sample["time_h"], 0.55 * sample["value"]),
                    (sample["time_h"], sample["value"]),
                    arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1})  # fmt: skip
    ax.plot(below["time_h"], below["value"], ls="none", marker="_", color=INK, ms=8)


def plot_doses(table: pd.DataFrame, region: str, ax: Axes | None = None) -> Axes:
    """Dose of one region by contribution, one bar a cycle, with the 90 % interval of the total.

    Parameters
    ----------
    table : pandas.DataFrame
        `dose_table` of a plan.
    region : str
        Which.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    from matplotlib.ticker import MaxNLocator

    ax = ax or new_axes()
    rows = table[table["region"] == region]
    total = rows[rows["contribution"] == "total"].reset_index(drop=True)
    largest = float(total["q95_gy"].max())
    drawn = rows[rows["contribution"] != "total"].assign(
        part=lambda t: t["contribution"].map(_part)
    )
    parts = drawn.pivot_table(
        index="cycle", columns="part", values="mean_gy", aggfunc="sum", sort=False
    )
    visible = parts.max() > _LEAST_SHARE * largest
    shown = parts.loc[:, visible]
    if not visible.all():
        shown = shown.assign(other=parts.loc[:, ~visible].sum(axis=1))
    left = np.zeros(len(total))
    for name, means in shown.items():
        colour, text = _CONTRIBUTIONS.get(str(name), (GREY, str(name).replace("_", " ")))
        width = np.maximum(means.to_numpy(), 0.0)
        ax.barh(range(len(total)), width, left=left, height=0.55, color=colour, label=text)
        left += width
    error = [total["mean_gy"] - total["q05_gy"], total["q95_gy"] - total["mean_gy"]]
    ax.errorbar(total["mean_gy"], range(len(total)), xerr=np.abs(np.array(error)), fmt="none",
                color=INK, lw=1.2, capsize=3)  # fmt: skip
    for y, row in total.iterrows():
        text = f"{row['mean_gy']:.3g} Gy ({row['q05_gy']:.3g}–{row['q95_gy']:.3g})"
        ax.text(1.03 * row["q95_gy"] + 0.01 * largest, float(str(y)), text, va="center",
                fontsize=8.5)  # fmt: skip
    names = [
        f"{'next' if predicted else f'cycle {cycle}'}\n{gbq:.3g} GBq"
        for cycle, predicted, gbq in zip(
            total["cycle"], total["predicted"], total["activity_gbq"], strict=True
        )
    ]
    ax.set_yticks(range(len(total)), names)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    by = f" ({total['method'].iloc[0]}-based)" if region == "marrow" else ""
    ax.set(xlim=(0, 2.0 * largest), title=f"{region_name(region)}{by}")
    ax.set_xlabel("Absorbed dose (Gy)", x=0.25)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=7))
    ax.set_xticks([tick for tick in ax.get_xticks() if tick <= 1.1 * largest])
    ax.spines["bottom"].set_bounds(0, 1.1 * largest)
    height_in = ax.bbox.height / ax.figure.dpi
    ax.legend(loc="upper left", bbox_to_anchor=(-0.03, -0.38 / height_in), ncol=3,
              handlelength=0.8, columnspacing=0.9, labelspacing=0.2, borderaxespad=0)  # fmt: skip
    return ax


def _part(contribution: str) -> str:
    """What a contribution is drawn as: see `_CONTRIBUTIONS`."""
    origin, _ = split_contribution(contribution)
    return contribution if origin == "self" else origin


def region_name(region: str) -> str:
    """Region as written in a text."""
    return region.replace("_", " ").capitalize()
