"""Figures of kinetics and doses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.report.style import new_axes, BLUE, GREEN, GREY, INK, LIGHT, ORANGE, PURPLE, SKY, VERMILLION
from hemadose.report.style import YELLOW

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_CONTRIBUTIONS = {
    "self_electrons": (BLUE, "self, electrons"),
    "self_photons": (SKY, "self, photons"),
    "whole_body_photons": (ORANGE, "whole body, photons"),
    "remainder": (ORANGE, "remainder of body"),
    "kidneys": (PURPLE, "from kidneys"),
    "liver": (VERMILLION, "from liver"),
    "spleen": (GREEN, "from spleen"),
    "marrow": (YELLOW, "from marrow"),
    "clinic": (GREY, "clinic's dosimetry"),
}


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
    ax.set(
        xlim=(0, fit["time_h"].max()),
        ylim=(0.4 * levels[levels > 0].min(), 2.5 * levels.max()),
        xlabel="Time after administration (h)",
        ylabel=f"Activity ({rows['unit'].iloc[0]})",
        title=f"{region_name(region)}, cycle {cycle}",
    )
    ax.set_xticks(np.arange(0, fit["time_h"].max() + 1, 48))
    return ax


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
    ax = ax or new_axes()
    rows = table[table["region"] == region]
    total = rows[rows["contribution"] == "total"].reset_index(drop=True)
    largest = float(total["q95_gy"].max())
    labelled: set[str] = set()
    for y, cycle in enumerate(total["cycle"]):
        parts = rows[(rows["cycle"] == cycle) & (rows["contribution"] != "total")]
        left = 0.0
        for name, mean in zip(parts["contribution"], parts["mean_gy"], strict=True):
            colour, text = _CONTRIBUTIONS.get(name, (GREY, name.replace("_", " ")))
            visible = mean > 0.01 * largest and text not in labelled
            ax.barh(y, max(mean, 0.0), left=left, height=0.55, color=colour, edgecolor="white",
                    linewidth=0.5, label=text if visible else None)  # fmt: skip
            labelled |= {text} if visible else set()
            left += max(mean, 0.0)
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
    ax.set(xlim=(0, 1.75 * largest), xlabel="Absorbed dose (Gy)",
           title=f"{region_name(region)}{by}")  # fmt: skip
    ax.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.30 * 3 / (len(total) + 1)),
              ncol=2, handlelength=0.9, columnspacing=1.0, labelspacing=0.25)  # fmt: skip
    ax.axvline(0, color=LIGHT, lw=0.7)
    return ax


def region_name(region: str) -> str:
    """Region as written in a text."""
    return region.replace("_", " ").capitalize()
