"""Figures of the decision: risk against activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.planning.recommendation import Recommendation
from hemadose.report.style import (
    BLUE,
    FORBIDDEN,
    GREEN,
    GREY,
    INK,
    LIGHT,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    new_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK, YELLOW)
_MOST_TIMES_TOLERANCE = 2.0


def shown_interval(recommendation: Recommendation) -> int:
    """Index of the recommended interval; of the model's, or the shortest, if none is."""
    for days in (recommendation.interval_days, recommendation.model_interval_days):
        if days is not None:
            return int(np.argmin(np.abs(recommendation.grid_interval_days - days)))
    return 0


def plot_decision(
    recommendation: Recommendation, hard_cap_gbq: float, ax: Axes | None = None
) -> Axes:
    """Every risk as a share of its tolerance against activity, at one interval.

    One is the tolerance of every curve; what lies above it is not tolerated. The band is one
    Monte-Carlo standard error of the risk that comes closest to its tolerance.

    Parameters
    ----------
    recommendation : Recommendation
        The decision.
    hard_cap_gbq : float
        Activity that is never exceeded (GBq).
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    """
    ax = ax or new_axes()
    at = shown_interval(recommendation)
    activity = recommendation.grid_activity_gbq
    top = _MOST_TIMES_TOLERANCE
    ax.axhspan(1, top, color=FORBIDDEN, lw=0)
    ax.axhline(1, color=VERMILLION, lw=1, ls=(0, (4, 2)))
    ends = []
    closest = _closest(recommendation, at)
    for c, name in enumerate(recommendation.constraint_names):
        tolerance, colour = recommendation.tolerances[c], _COLOURS[c % len(_COLOURS)]
        share = recommendation.probability[c, at] / tolerance
        error = recommendation.mc_standard_error[c, at] / tolerance
        if c == closest:
            low, high = np.maximum(share - error, 0), np.minimum(share + error, top)
            ax.fill_between(activity, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(activity, share, color=colour)
        ends.append((float(min(share[-1], top)), f"{name} ({100 * tolerance:g} %)", colour))
    _label_ends(ax, ends, top)
    _mark_activity(ax, recommendation, at)
    end = 1.05 * max(hard_cap_gbq, activity[-1])
    ax.axvspan(hard_cap_gbq, end, color=LIGHT, lw=0)
    ax.text((hard_cap_gbq + end) / 2, 0.97 * top, "hard cap", rotation=90, ha="center", va="top",
            fontsize=8)  # fmt: skip
    ax.set(xlim=(0, end), ylim=(0, top), xlabel="Activity (GBq)",
           ylabel="Risk ÷ tolerance")  # fmt: skip
    ax.text(0.01 * activity[-1], 1.02, "not tolerated", color=VERMILLION, va="bottom", fontsize=8.5)
    return ax


def plot_risk(recommendation: Recommendation, constraint: int, ax: Axes | None = None) -> Axes:
    """Probability of exceeding one limit against activity, one curve for each interval.

    The band is plus and minus one Monte-Carlo standard error at the interval shown in bold.
    """
    ax = ax or new_axes()
    at = shown_interval(recommendation)
    activity, tolerance = recommendation.grid_activity_gbq, recommendation.tolerances[constraint]
    risk = 100 * recommendation.probability[constraint]
    error = 100 * recommendation.mc_standard_error[constraint, at]
    top = min(100.0, max(2.5 * 100 * tolerance, 1.15 * float(risk.max())))
    ax.axhspan(100 * tolerance, 101, color=FORBIDDEN, lw=0)
    ax.axhline(100 * tolerance, color=VERMILLION, lw=1, ls=(0, (4, 2)))
    days = recommendation.grid_interval_days
    for i in range(len(days)):
        if i != at:
            ax.plot(activity, risk[i], color=GREY, lw=0.9, ls=(0, (1, 1 + i)))
    ax.fill_between(
        activity, np.maximum(risk[at] - error, 0), risk[at] + error, color=BLUE, alpha=0.2, lw=0
    )
    ax.plot(activity, risk[at], color=BLUE, lw=1.8)
    _mark_activity(ax, recommendation, at)
    ax.text(
        0.02 * activity[-1],
        100 * tolerance,
        f"tolerance {100 * tolerance:g} %",
        color=VERMILLION,
        va="bottom",
        fontsize=8.5,
    )
    ax.set(xlim=(0, activity[-1]), ylim=(0, top), xlabel="Activity (GBq)", ylabel="Risk (%)",
           title=recommendation.constraint_names[constraint])  # fmt: skip
    return ax


def _closest(recommendation: Recommendation, at: int) -> int:
    """The constraint whose risk is the largest share of its tolerance at the highest activity."""
    share = recommendation.probability[:, at, -1] / recommendation.tolerances
    return int(np.argmax(share))


def _label_ends(ax: Axes, ends: list[tuple[float, str, str]], top: float) -> None:
    """Names beside the ends of the curves, moved apart so that none covers another."""
    gap, y = top / 14, -np.inf
    ordered = sorted(ends)
    for n_above, (end, text, colour) in zip(range(len(ends) - 1, -1, -1), ordered, strict=True):
        y = min(max(end, y + gap), top - n_above * gap)
        ax.plot(1.03, y / top, "s", color=colour, ms=5, transform=ax.transAxes, clip_on=False)
        ax.text(1.05, y / top, text, va="center", fontsize=8.5, transform=ax.transAxes)


def _mark_activity(ax: Axes, recommendation: Recommendation, at: int) -> None:
    """Shade the activities that are not allowed and mark the recommended one."""
    activity = recommendation.grid_activity_gbq
    forbidden = np.flatnonzero(~recommendation.allowed[at])
    if len(forbidden):
        ax.axvspan(activity[forbidden[0]], activity[-1], color=LIGHT, alpha=0.45, lw=0)
    if recommendation.action == "treat":
        ax.axvline(recommendation.activity_gbq, color=INK, lw=1.2)
