"""Figure of a trial: what each arm gains, at what toxicity, and how it doses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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
    figure_style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hemadose.trials.settings import TrialSettings

_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, GREY)
_MARKERS = "sD^vP*X"  # the reference arm is a circle
_LEGEND_LETTERS = 150  # of a row
_MARK_LETTERS = 18  # of a mark with its gaps and "(reference)"


class Look(NamedTuple):
    """How an arm is drawn."""

    colour: str
    marker: str


def draw_trial(table: pd.DataFrame, trial: TrialSettings) -> Figure:
    """Tumour dose against toxicity, over- and underdosing, and activity by cycle.

    Lines at the marks are 95 % Monte Carlo intervals, those of the tumour dose of the paired
    ratio to the reference arm.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    looks = _looks(trial)
    with figure_style():
        columns = _legend_columns(list(looks))
        rows = -(-len(trial.arms) // columns)
        figure = Figure(figsize=(10.6, 3.7 + 0.22 * rows), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        _draw_gain(left, table, trial, looks)
        _draw_tolerance(middle, table, looks)
        _draw_activity(right, table, looks)
        handles = [
            Line2D(
                [],
                [],
                lw=0,
                ms=6,
                label=_legend_name(name, trial),
                color=look.colour,
                marker=look.marker,
            )
            for name, look in looks.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        figure.suptitle(
            f"{trial.name}: {trial.patients:,} virtual patients of the cohort "
            f"{trial.cohort.name}, the same in every arm; lines are 95 % Monte Carlo intervals",
            x=0.01,
            ha="left",
            fontsize=9.5,
            color=GREY,
        )
    return figure


def _legend_columns(names: list[str]) -> int:
    """As many columns as the longest name leaves room for."""
    room = _LEGEND_LETTERS // (max(map(len, names)) + _MARK_LETTERS)
    return max(1, min(len(names), 4, room))


def _legend_name(name: str, trial: TrialSettings) -> str:
    alone = len(trial.arms) == 1 or name != trial.reference_arm
    return name if alone else f"{name} (reference)"


def _looks(trial: TrialSettings) -> dict[str, Look]:
    looks: dict[str, Look] = {}
    k = 0
    for arm in trial.arms:
        if arm.name == trial.reference_arm:
            looks[arm.name] = Look(INK, "o")
            continue
        looks[arm.name] = Look(
            _COLOURS[k % len(_COLOURS)],
            _MARKERS[(k + 2 * (k // len(_COLOURS))) % len(_MARKERS)],
        )
        k += 1
    return looks


def _metric(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["metric"] == name].set_index("arm")


def _draw_gain(ax: Axes, table: pd.DataFrame, trial: TrialSettings, looks: dict[str, Look]) -> None:
    risk, dose = _metric(table, "grade3_any"), _metric(table, "tumour_dose_gy")
    ax.axhline(0.0, color=LIGHT, lw=0.9, zorder=0)
    reference = 100 * risk["value"].get(trial.reference_arm, np.nan)
    ax.axvline(reference, color=LIGHT, lw=0.9, zorder=0)
    for arm, look in looks.items():
        if arm not in risk.index or arm not in dose.index:
            continue
        gain = 100 * (dose.loc[arm, ["ratio", "ratio_lower", "ratio_upper"]].astype(float) - 1)
        if arm == trial.reference_arm:
            gain[:] = 0.0
        x = 100 * risk.loc[arm, ["value", "lower", "upper"]].astype(float)
        _cross(ax, x.to_numpy(), gain.to_numpy(), look)
    ax.set_title("Gain and toxicity")
    ax.set_xlabel("Patients with grade ≥ 3 in any lineage (%)")
    ax.set_ylabel("Mean tumour dose above\nthe reference arm (%)")
    ax.margins(0.12)


def _draw_tolerance(ax: Axes, table: pd.DataFrame, looks: dict[str, Look]) -> None:
    over, short = _metric(table, "overdosed_per_cycle"), _metric(table, "shortfall_gbq")
    for arm, look in looks.items():
        if arm in over.index and arm in short.index:
            x = 100 * over.loc[arm, ["value", "lower", "upper"]].astype(float)
            y = short.loc[arm, ["value", "lower", "upper"]].astype(float)
            _cross(ax, x.to_numpy(), y.to_numpy(), look)
    ax.set_title("Against the true tolerance")
    ax.set_xlabel("Patients with a mean cycle above tolerance (%)")
    ax.set_ylabel("Mean activity tolerated\nand admissible, not given (GBq)")
    ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    ax.margins(0.12)


def _draw_activity(ax: Axes, table: pd.DataFrame, looks: dict[str, Look]) -> None:
    cycles = table[table["metric"].str.fullmatch(r"activity_cycle_\d+_gbq")]
    number = cycles["metric"].str.extract(r"(\d+)", expand=False).astype(int)
    step = 0.36 / max(len(looks) - 1, 1)
    for place, (arm, look) in enumerate(looks.items()):
        rows = cycles[cycles["arm"] == arm]
        x = number[rows.index] + (place - (len(looks) - 1) / 2) * step
        error = [rows["value"] - rows["lower"], rows["upper"] - rows["value"]]
        ax.errorbar(
            x, rows["value"], error, color=look.colour, lw=0.8, elinewidth=1.0,
            marker=look.marker, ms=4, mec="white", mew=0.4,
        )  # fmt: skip
    ax.set_title("Activity by cycle")
    ax.set_xlabel("Cycle")
    ax.set_ylabel("Mean over all patients,\n0 once ended (GBq)")
    ax.set_xticks(sorted(set(number)))
    ax.set_ylim(bottom=0.0)


def _cross(ax: Axes, x: np.ndarray, y: np.ndarray, look: Look) -> None:
    """A mark with its interval along both axes; each is value, lower, upper."""
    ax.plot(x[1:], y[[0, 0]], color=look.colour, lw=1.0)
    ax.plot(x[[0, 0]], y[1:], color=look.colour, lw=1.0)
    ax.plot(
        x[0],
        y[0],
        ms=6.5,
        mec="white",
        mew=0.5,
        lw=0,
        color=look.colour,
        marker=look.marker,
    )
