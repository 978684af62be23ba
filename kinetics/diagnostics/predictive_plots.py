"""Figures of predictive checks, prediction distribution errors and profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinetics.diagnostics._style import (
    BLUE,
    FONT,
    GREY,
    INK,
    SKY,
    VERMILLION,
    axes_of,
    grid_of,
    label,
    legend,
    log_scale,
    new_figure,
    with_unit,
)
from kinetics.diagnostics.plots import plot_residuals
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kinetics.diagnostics.predictive_check import VpcResult
    from kinetics.diagnostics.profile import ProfileResult


def plot_vpc(
    check: VpcResult,
    ax: Axes | None = None,
    *,
    stratum: str | None = None,
    unit: str = "",
    log: bool = False,
    log_hours: bool = False,
) -> Axes:
    """Visual predictive check: simulated intervals of the quantiles, observed quantiles, points.

    Parameters
    ----------
    check : VpcResult
        Result of `visual_predictive_check`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    stratum : str, optional
        Which stratum; may be missing where there is one only.
    unit : str
        Unit of the observations.
    log, log_hours : bool
        Whether the axes of observations and of time are logarithmic.
    """
    ax = axes_of(ax)
    name = _stratum(check.quantiles, stratum)
    table = check.quantiles[check.quantiles["stratum"] == name]
    points = check.observations[check.observations["stratum"] == name]
    seen = points[~points["below_limit"]]
    ax.plot(seen["time_h"], seen["value"], "o", ms=2.6, mew=0, color=GREY, alpha=0.55, zorder=2)
    levels = sorted(table["quantile"].unique())
    middle = min(levels, key=lambda q: abs(q - 0.5))
    for q in levels:
        part = table[table["quantile"] == q].sort_values("time_h")
        central = q == middle
        _interval(ax, part, VERMILLION if central else BLUE, _band_label(check, q, middle, levels))
        ax.plot(
            part["time_h"], part["observed"], color=INK, lw=1.5 if central else 1.1, zorder=4,
            ls="-" if central else (0, (4, 2)), marker="o", ms=2.8,
            label=_line_label(q, middle, levels),
        )  # fmt: skip
    limit = table["limit"].max()
    if np.isfinite(limit):
        ax.axhline(limit, color=GREY, lw=0.9, ls=(0, (1, 2)), zorder=1)
        ax.annotate(
            "limit of quantification", (1.0, limit), xycoords=("axes fraction", "data"),
            ha="right", va="bottom", fontsize=FONT - 2.0, color=GREY, xytext=(0, 2),
            textcoords="offset points",
        )  # fmt: skip
    _edges(ax, table, log_hours)
    if log_hours:
        log_scale(ax, "x", points["time_h"].to_numpy(float))
    if log:
        parts = [seen["value"], table["lower"], table["upper"]]
        log_scale(ax, "y", np.concatenate([np.asarray(p, dtype=float) for p in parts]))
    what = "Observation" if check.corrected == "none" else "Prediction-corrected observation"
    label(ax, "Time (h)", with_unit(what, unit), name.replace("_", " "))
    legend(ax)
    return ax


def plot_vpc_below_limit(
    check: VpcResult, ax: Axes | None = None, *, stratum: str | None = None, log_hours: bool = False
) -> Axes:
    """Share of observations below the limit of quantification, against that of simulations.

    Parameters
    ----------
    check : VpcResult
        Result of `visual_predictive_check` of data with a limit.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    stratum : str, optional
        Which stratum; may be missing where there is one only.
    log_hours : bool
        Whether the axis of time is logarithmic.
    """
    ax = axes_of(ax)
    if not len(check.below_limit):
        raise KineticsError("the data have no limit of quantification")
    name = _stratum(check.below_limit, stratum)
    table = check.below_limit[check.below_limit["stratum"] == name].sort_values("time_h")
    scaled = table.assign(**{c: 100.0 * table[c] for c in ("observed", "lower", "median", "upper")})
    _interval(ax, scaled.assign(limit=np.nan), SKY, f"simulated, {100 * check.level:g} % interval")
    ax.plot(
        scaled["time_h"], scaled["observed"], color=INK, lw=1.3, marker="o", ms=3.2,
        label="observed",
    )  # fmt: skip
    if log_hours:
        log_scale(ax, "x", scaled["time_h"].to_numpy(float))
    ax.set_ylim(0.0, max(5.0, 1.15 * float(scaled[["observed", "upper"]].to_numpy().max())))
    label(ax, "Time (h)", "Below the limit (%)", name.replace("_", " "))
    legend(ax)
    return ax


def plot_npde(
    table: pd.DataFrame,
    figure: Figure | None = None,
    *,
    column: str = "npde",
    unit: str = "",
    log: bool = False,
    log_hours: bool = False,
) -> list[Axes]:
    """Four panels of NPDE: quantiles, histogram, against time, against the prediction.

    Parameters
    ----------
    table : DataFrame
        Result of `npde`.
    figure : matplotlib Figure, optional
        Where to draw; a new figure if missing.
    column : str
        ``npde`` or ``npd``.
    unit : str
        Unit of the observations.
    log, log_hours : bool
        Whether the axes of predictions and of time are logarithmic.
    """
    from scipy.stats import norm

    axes = grid_of(figure or new_figure(2, 2, (3.6, 3.0)), 4, 2)
    value = np.sort(table[column].to_numpy(float))
    value = value[np.isfinite(value)]
    if not len(value):
        raise KineticsError(f"no {column.upper()} is finite")
    name = column.upper()
    n = len(value)
    expected = norm.ppf((np.arange(1, n + 1) - 0.5) / n)
    spread = np.sqrt((np.arange(1, n + 1) - 0.5) * (n - np.arange(1, n + 1) + 0.5) / n) / n
    band = 1.96 * spread / norm.pdf(expected)
    axes[0].fill_between(
        expected, expected - band, expected + band, color=BLUE, alpha=0.18, lw=0,
        label="95 % of each quantile",
    )  # fmt: skip
    axes[0].plot(expected, expected, color=INK, lw=0.8)
    axes[0].plot(expected, value, "o", ms=3.0, mew=0, color=BLUE)
    label(axes[0], "Standard normal quantile", f"Quantile of {name}")
    legend(axes[0], "upper left")
    edges = np.linspace(-4.0, 4.0, int(np.clip(np.sqrt(n), 9, 33)))
    axes[1].hist(
        np.clip(value, -4.0, 4.0), bins=edges.tolist(), density=True, color=BLUE, alpha=0.35
    )
    x = np.linspace(-4.0, 4.0, 200)
    axes[1].plot(x, norm.pdf(x), color=VERMILLION, lw=1.4, label="standard normal")
    label(axes[1], name, "Density")
    legend(axes[1], "upper right")
    plot_residuals(table, axes[2], residual=column, against="time_h", log=log_hours)
    plot_residuals(table, axes[3], residual=column, against="pred", unit=unit, log=log)
    return axes


def plot_profile(profile: ProfileResult, ax: Axes | None = None, *, unit: str = "") -> Axes:
    """Profile likelihood: rise of the objective with the interval and its threshold.

    Parameters
    ----------
    profile : ProfileResult
        Result of `profile_likelihood`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    unit : str
        Unit of the parameter.
    """
    ax = axes_of(ax)
    points = profile.points
    ax.plot(points["value"], points["dofv"], color=BLUE, lw=1.4, marker="o", ms=3.4)
    ax.axhline(profile.threshold, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.annotate(
        f"{100 * profile.level:g} %: {profile.threshold:.2f}",
        (profile.estimate, profile.threshold), ha="left", va="bottom", fontsize=FONT - 1.0,
        color=GREY, xytext=(4, 2), textcoords="offset points",
    )  # fmt: skip
    for end in (profile.lower, profile.upper):
        if np.isfinite(end):
            ax.plot([end, end], [0.0, profile.threshold], color=VERMILLION, lw=1.0)
    ax.axvline(profile.estimate, color=INK, lw=0.8)
    top = 1.6 * profile.threshold
    ax.set_ylim(min(0.0, float(points["dofv"].min())) - 0.02 * top, top)
    label(ax, with_unit(profile.name, unit), "Rise of the objective")
    return ax


def _stratum(table: pd.DataFrame, stratum: str | None) -> str:
    names = list(dict.fromkeys(table["stratum"]))
    if stratum is None and len(names) == 1:
        return str(names[0])
    if stratum is None or stratum not in names:
        raise KineticsError(f"stratum {stratum!r}; there are {', '.join(names)}")
    return stratum


def _interval(ax: Axes, part: pd.DataFrame, colour: str, name: str | None) -> None:
    """Band and median of a simulated quantile; to the limit where its lower end is missing."""
    lower = part["lower"].fillna(part["limit"])
    ax.fill_between(
        part["time_h"], lower, part["upper"], color=colour, alpha=0.22, lw=0, label=name
    )
    ax.plot(part["time_h"], part["median"], color=colour, lw=0.9, zorder=3)


def _band_label(check: VpcResult, q: float, middle: float, levels: list[float]) -> str | None:
    if q == middle:
        return f"simulated median, {100 * check.level:g} % interval"
    return "simulated outer quantiles" if q == levels[0] else None


def _line_label(q: float, middle: float, levels: list[float]) -> str | None:
    if q == middle:
        return "observed median" if middle == 0.5 else f"observed {100 * q:g} %"
    if q != levels[0]:
        return None
    outer = [f"{100 * level:g}" for level in levels if level != middle]
    return f"observed {' and '.join(outer)} %"


def _edges(ax: Axes, table: pd.DataFrame, log_hours: bool) -> None:
    """Short ticks at the edges of the bins."""
    edges = np.unique(np.concatenate([table["start_h"], table["stop_h"]]).astype(float))
    if log_hours:
        edges = edges[edges > 0.0]
    low, high = ax.get_ylim()
    ax.plot(
        edges, np.full(len(edges), 0.985), "|", color=GREY, ms=5, mew=0.8,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
    ax.set_ylim(low, high)
