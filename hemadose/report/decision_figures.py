"""Figures of the decision: risk against activity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.planning.recommendation import Recommendation
from hemadose.report.style import new_axes, BLUE, FORBIDDEN, GREEN, GREY, INK, LIGHT, ORANGE, PURPLE, SKY
from hemadose.report.style import VERMILLION, YELLOW

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


def plot_decision(recommendation: Recommendation, ax: Axes | None = None) -> Axes:
    """Every risk as a share of its tolerance against activity, at one interval.

    One is the tolerance of every curve; what lies above it is not tolerated.

    Parameters
    ----------
    recommendation : Recommendation
        The decision.
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
    for c, name in enumerate(recommendation.constraint_names):
        tolerance, colour = recommendation.tolerances[c], _COLOURS[c % len(_COLOURS)]
        share = recommendation.probability[c, at] / tolerance
        error = recommendation.mc_standard_error[c, at] / tolerance
        ax.fill_between(
            activity, np.maximum(share - error, 0), np.minimum(share + error, top),
            color=colour, alpha=0.15, lw=0,
        )  # fmt: skip
        ax.plot(activity, share, color=colour)
        inside = np.flatnonzero(share <= top)
        last = int(inside[-1]) if len(inside) else 0
        text = f"{name} ({tolerance:.0%})"
        ends.append((float(min(share[last], top)), text, colour))
    _label_ends(ax, ends, activity[-1], top)
    _mark_activity(ax, recommendation, at)
    ax.set(xlim=(0, activity[-1]), ylim=(0, top), xlabel="Activity (GBq)",
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
    ax.text(0.02 * activity[-1], 100 * tolerance, f"tolerance {tolerance:.0%}", color=VERMILLION,
            va="bottom", fontsize=8.5)  # fmt: skip
    ax.set(xlim=(0, activity[-1]), ylim=(0, top), xlabel="Activity (GBq)", ylabel="Risk (%)",
           title=recommendation.constraint_names[constraint])  # fmt: skip
    return ax


def _label_ends(
    ax: Axes, ends: list[tuple[float, str, str]], x_gbq: float, top: float
) -> None:
    """Names beside the ends of the curves, moved apart so that none covers another."""
    gap = top / 14
    placed: list[float] = []
    for y, text, colour in sorted(ends, key=lambda item: item[0]):
        placed.append(max(y, placed[-1] + gap) if placed else y)
        shift = max(0.0, placed[-1] - top)
        placed[-1] -= shift
        ax.annotate(
            text, (x_gbq, y), (1.02, placed[-1] / top), textcoords="axes fraction", color=colour,
            va="center", fontsize=8.5, annotation_clip=False,
        )  # fmt: skip


def _mark_activity(ax: Axes, recommendation: Recommendation, at: int) -> None:
    """Shade the activities that are not allowed and mark the recommended one."""
    activity = recommendation.grid_activity_gbq
    forbidden = np.flatnonzero(~recommendation.allowed[at])
    if len(forbidden):
        ax.axvspan(activity[forbidden[0]], activity[-1], color=LIGHT, alpha=0.45, lw=0)
    if recommendation.action == "treat":
        ax.axvline(recommendation.activity_gbq, color=INK, lw=1.2)
