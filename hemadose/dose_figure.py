"""Figure of `hemadose dose`: doses by region as stacked contributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hemadose.report.kinetics_figures import region_name
from hemadose.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    figure_style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hemadose.dose_command import DoseReport

_LEAST_SHARE = 0.02  # of a dose; what never reaches it is drawn as one
_OTHER = "others, each below 2 %"
_PARTS = {  # in the order of the stack
    "self, alpha": INK,
    "self, electrons": BLUE,
    "self, photons": SKY,
    "from the whole body": ORANGE,
    "from the remainder": YELLOW,
    "from kidneys": PURPLE,
    "from liver": VERMILLION,
    "from spleen": GREEN,
    "from other regions": GREY,
    "clinic's dosimetry": "#8C96A0",
    _OTHER: LIGHT,
}
_NAMES = {
    "whole_body": "from the whole body",
    "remainder": "from the remainder",
    "clinic": "clinic's dosimetry",
}
_GROUPS = {"Blood and marrow": ("blood", "marrow"), "Organs": (), "Tumours": ("tumour",)}
_BAR_IN, _PANEL_IN, _LEGEND_IN = 0.36, 3.4, 0.25
_LEGEND_COLUMNS = {1: 2, 2: 3, 3: 4}


def draw_doses(report: DoseReport) -> Figure:
    """One row a cycle; blood and marrow, organs and tumours each on a scale of their own.

    Bars are means by contribution, lines the 5 % to 95 % interval of the whole dose.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    table = _drawn(report.table)
    cycles = list(dict.fromkeys(table["cycle"]))
    groups = [name for name in _GROUPS if (table["group"] == name).any()]
    used = [text for text in _PARTS if (table["part"] == text).any()]
    n_bars = max(len(_bars(rows)) for _, rows in table.groupby(["cycle", "group"]))
    legend_rows = -(-len(used) // _LEGEND_COLUMNS[len(groups)])
    height = len(cycles) * (0.45 + _BAR_IN * n_bars) + 0.45 + _LEGEND_IN * legend_rows
    with figure_style():
        figure = Figure(figsize=(_PANEL_IN * len(groups) + 0.4, height), layout="constrained")
        panels = figure.subplots(len(cycles), len(groups), squeeze=False, sharex="col")
        for column, name in zip(panels.T, groups, strict=True):
            inside = table[table["group"] == name]
            column[0].set_title(name)
            column[0].set_xlim(0.0, 1.28 * inside["q95_gy"].max())
            column[-1].set_xlabel("Absorbed dose (Gy)")
            for ax, cycle in zip(column, cycles, strict=True):
                _draw_panel(ax, inside[inside["cycle"] == cycle])
                ax.set_ylim(n_bars - 0.4, -0.6)
        for ax, cycle in zip(panels[:, 0], cycles, strict=True):
            when = "\npredicted" if cycle == report.predicted_cycle else ""
            ax.set_ylabel(f"Cycle {cycle}{when}", fontweight="bold")
        figure.legend(
            handles=[Patch(color=_PARTS[text], label=text) for text in used],
            loc="outside lower center",
            ncols=min(len(used), _LEGEND_COLUMNS[len(groups)]),
        )
    return figure


def _drawn(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with their panel and what each is drawn as; small parts become one."""
    keys = ["cycle", "region", "method", "marrow_model"]
    whole = table.groupby(keys)["mean_gy"].transform("last")  # the total ends each dose
    share = table["mean_gy"].abs() / whole.where(whole > 0, 1.0)
    part = table.apply(_part, axis=1)
    small = share.groupby(part).transform("max") < _LEAST_SHARE
    return table.assign(part=part.mask(small, _OTHER), group=table["region"].map(_group))


def _part(row: pd.Series[str]) -> str:
    origin = row["contribution"]
    if origin == "total":
        return "total"
    if origin == "self":
        return f"self, {row['radiation']}"
    text = _NAMES.get(origin, f"from {origin}")
    return text if text in _PARTS else "from other regions"


def _group(region: str) -> str:
    return next(
        (name for name, starts in _GROUPS.items() if starts and region.startswith(starts)), "Organs"
    )


def _bars(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each dose, in their order."""
    keys = ["region", "method", "marrow_model"]
    return [dose for _, dose in rows.groupby(keys, sort=False)]


def _draw_panel(ax: Axes, rows: pd.DataFrame) -> None:
    bars = _bars(rows)
    for y, dose in enumerate(bars):
        total = dose.iloc[-1]
        means = dose.iloc[:-1].groupby("part")["mean_gy"].sum().clip(lower=0.0)
        left = 0.0
        for text, colour in _PARTS.items():
            if text in means:
                ax.barh(y, means[text], left=left, height=0.6, color=colour)
                left += means[text]
        ax.plot([total["q05_gy"], total["q95_gy"]], [y, y], color=INK, lw=1.2)
        ax.annotate(
            f"{total['mean_gy']:.3g}",
            (max(total["q95_gy"], left), y),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    ax.set_yticks(range(len(bars)), [_label(dose.iloc[0]) for dose in bars])
    ax.tick_params(axis="y", length=0)


def _label(row: pd.Series[str]) -> str:
    if row["region"] != "marrow":
        return region_name(row["region"])
    model = row["marrow_model"]
    return f"Marrow, {row['method']}" + (f"\n{model}" if model else "")
