"""Figures of goodness of fit, individual fits and random effects, drawn from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kinetics.diagnostics._style import (
    BLUE,
    CYCLE,
    GREY,
    INK,
    LIGHT,
    VERMILLION,
    axes_of,
    grid_of,
    label,
    legend,
    log_scale,
    new_figure,
    with_unit,
)
from kinetics.diagnostics.residuals import binned_median
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMES = {
    "pred": "Population prediction",
    "ipred": "Individual prediction",
    "time_h": "Time (h)",
    "wres": "WRES",
    "iwres": "IWRES",
    "cwres": "CWRES",
    "cwresi": "CWRES",
    "npde": "NPDE",
    "npd": "NPD",
}


def plot_observed_predicted(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    prediction: str = "ipred",
    unit: str = "",
    log: bool = False,
) -> Axes:
    """Observations against predictions with the line of identity and a binned median.

    Parameters
    ----------
    table : DataFrame
        Result of `residual_table`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    prediction : str
        ``pred`` or ``ipred``.
    unit : str
        Unit of the observations.
    log : bool
        Whether both axes are logarithmic.
    """
    ax = axes_of(ax)
    known = table[~table["below_limit"]]
    _points_by_region(ax, known, prediction, "value")
    x, y = known[prediction].to_numpy(float), known["value"].to_numpy(float)
    both = np.concatenate([x, y])
    both = both[np.isfinite(both) & ((both > 0.0) | (not log))]
    if len(both):
        ends = [both.min(), both.max()]
        ax.plot(ends, ends, color=INK, lw=0.8, label="identity", zorder=1)
        _smooth(ax, x, y, positive=("x", "y") if log else ())
        if log:
            log_scale(ax, "x", both)
            log_scale(ax, "y", both)
    label(ax, with_unit(_NAMES[prediction], unit), with_unit("Observation", unit))
    return ax


def plot_residuals(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    residual: str = "cwresi",
    against: str = "time_h",
    unit: str = "",
    log: bool = False,
) -> Axes:
    """Weighted residuals against time or a prediction, with a binned median and lines at 0, ±2.

    Parameters
    ----------
    table : DataFrame
        Result of `residual_table` or `npde`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    residual : str
        Column of the residuals.
    against : str
        Column of the other axis: ``time_h``, ``pred``, ``ipred``.
    unit : str
        Unit of the observations.
    log : bool
        Whether the axis of `against` is logarithmic.
    """
    ax = axes_of(ax)
    for level, style in ((0.0, "-"), (-1.96, (0, (4, 3))), (1.96, (0, (4, 3)))):
        ax.axhline(level, color=INK if level == 0.0 else GREY, lw=0.8, ls=style, zorder=1)
    known = table[np.isfinite(table[residual].to_numpy(float))]
    _points_by_region(ax, known, against, residual)
    x, y = known[against].to_numpy(float), known[residual].to_numpy(float)
    _smooth(ax, x, y, positive=("x",) if log else ())
    if log:
        log_scale(ax, "x", x)
    reach = max(3.2, 1.08 * float(np.abs(y).max(initial=0.0)))
    ax.set_ylim(-reach, reach)
    name = _NAMES.get(against, against)
    label(
        ax, name if against == "time_h" else with_unit(name, unit), _NAMES.get(residual, residual)
    )
    return ax


def plot_goodness_of_fit(
    table: pd.DataFrame,
    figure: Figure | None = None,
    *,
    unit: str = "",
    log: bool = False,
    log_hours: bool = False,
) -> list[Axes]:
    """Four panels: observations against both predictions, CWRES against time and prediction.

    Parameters
    ----------
    table : DataFrame
        Result of `residual_table`.
    figure : matplotlib Figure, optional
        Where to draw; a new figure if missing.
    unit : str
        Unit of the observations.
    log : bool
        Whether axes of observations and predictions are logarithmic.
    log_hours : bool
        Whether the axis of time is logarithmic.
    """
    axes = grid_of(figure or new_figure(2, 2, (3.6, 3.0)), 4, 2)
    plot_observed_predicted(table, axes[0], prediction="pred", unit=unit, log=log)
    plot_observed_predicted(table, axes[1], prediction="ipred", unit=unit, log=log)
    plot_residuals(table, axes[2], against="time_h", log=log_hours)
    plot_residuals(table, axes[3], against="pred", unit=unit, log=log)
    if len(table):
        legend(axes[0], "upper left")
    return axes


def plot_individual_fits(
    curves: pd.DataFrame,
    table: pd.DataFrame,
    figure: Figure | None = None,
    *,
    subjects: Sequence[str] | None = None,
    n_columns: int = 4,
    unit: str = "",
    log: bool = False,
) -> list[Axes]:
    """Observations with individual (full) and population (dashed) curves, a panel each occasion.

    Parameters
    ----------
    curves : DataFrame
        Result of `individual_curves`.
    table : DataFrame
        Result of `residual_table`.
    figure : matplotlib Figure, optional
        Where to draw; a new figure if missing.
    subjects : sequence of str, optional
        Which subjects; the first sixteen panels when missing.
    n_columns : int
        Panels in a row.
    unit : str
        Unit of the observations.
    log : bool
        Whether the axis of the observations is logarithmic.
    """
    panels = list(dict.fromkeys(zip(table["subject"], table["occasion"], strict=True)))
    if subjects is not None:
        panels = [p for p in panels if p[0] in set(subjects)]
    elif len(panels) > 16:
        panels = panels[:16]
    if not panels:
        raise KineticsError("none of these subjects is in the table")
    several = table.groupby("subject")["occasion"].nunique().max() > 1
    regions = list(dict.fromkeys(table["region"]))
    n_columns = min(n_columns, len(panels))
    n_rows = -(-len(panels) // n_columns)
    axes = grid_of(figure or new_figure(n_rows, n_columns, (2.3, 1.9)), len(panels), n_columns)
    for k, (ax, (subject, occasion)) in enumerate(zip(axes, panels, strict=True)):
        title = f"{subject}, cycle {occasion}" if several else str(subject)
        _individual(ax, _of(curves, subject, occasion), _of(table, subject, occasion), regions, log)
        label(
            ax,
            "Time (h)" if k >= len(panels) - n_columns else "",
            with_unit("Observation", unit) if k % n_columns == 0 else "",
            title,
        )
    if len(regions) > 1:
        legend(axes[0])
    return axes


def _of(table: pd.DataFrame, subject: str, occasion: str) -> pd.DataFrame:
    return table[(table["subject"] == subject) & (table["occasion"] == occasion)]


def _individual(
    ax: Axes, curves: pd.DataFrame, table: pd.DataFrame, regions: list[str], log: bool
) -> None:
    for k, region in enumerate(regions):
        colour = CYCLE[k % len(CYCLE)]
        curve, seen = (part[part["region"] == region] for part in (curves, table))
        below = seen["below_limit"].astype(bool)
        ax.plot(curve["time_h"], curve["pred"], color=GREY, lw=0.9, ls=(0, (4, 2)))
        ax.plot(curve["time_h"], curve["ipred"], color=colour, lw=1.3)
        known, censored = seen[~below], seen[below]
        ax.plot(
            known["time_h"], known["value"], "o", ms=3.6, mfc="white", mec=colour, mew=1.1,
            label=_region(region),
        )  # fmt: skip
        ax.plot(censored["time_h"], censored["value"], "v", ms=4.0, color=colour)
    if log:
        values = np.concatenate([table["value"].to_numpy(float), table["ipred"].to_numpy(float)])
        log_scale(ax, "y", values)
    else:
        ax.set_ylim(bottom=min(0.0, float(table["value"].min())))


def plot_random_effects(
    table: pd.DataFrame, figure: Figure | None = None, *, n_columns: int = 3
) -> list[Axes]:
    """Distribution of each random effect's estimates, with the population's normal density.

    Parameters
    ----------
    table : DataFrame
        Result of `random_effect_table`.
    figure : matplotlib Figure, optional
        Where to draw; a new figure if missing.
    n_columns : int
        Panels in a row.
    """
    effects = list(dict.fromkeys(table["effect"]))
    axes = grid_of(figure, len(effects), n_columns)
    for ax, effect in zip(axes, effects, strict=True):
        rows = table[table["effect"] == effect]
        value = rows["estimate"].to_numpy(float)
        sd = float(rows["population_sd"].iloc[0])
        reach = max(3.2 * sd, 1.1 * float(np.abs(value).max(initial=0.0)))
        count = int(np.clip(np.sqrt(len(value)) * 1.6, 7, 30))
        edges = np.linspace(-reach, reach, count).tolist()
        ax.hist(
            value, bins=edges, density=True, color=BLUE, alpha=0.35, label="estimates",
        )  # fmt: skip
        x = np.linspace(-reach, reach, 200)
        density = np.exp(-0.5 * (x / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi))
        ax.plot(x, density, color=VERMILLION, lw=1.4, label="population")
        ax.plot(value, np.zeros(len(value)), "|", color=INK, ms=7, mew=0.8, clip_on=False)
        label(ax, _effect_name(effect), "Density")
    legend(axes[0], "upper right")
    return axes


def plot_effects_covariates(
    table: pd.DataFrame,
    figure: Figure | None = None,
    *,
    covariates: Sequence[str] | None = None,
    effects: Sequence[str] | None = None,
) -> list[Axes]:
    """Estimates of the random effects against covariates, a row an effect, a column a covariate.

    Parameters
    ----------
    table : DataFrame
        Result of `random_effect_table`.
    figure : matplotlib Figure, optional
        Where to draw; a new figure if missing.
    covariates, effects : sequence of str, optional
        Which; all when missing.
    """
    head = list(table.columns).index("population_sd") + 1
    columns = list(table.columns[head:]) if covariates is None else list(covariates)
    rows = list(dict.fromkeys(table["effect"])) if effects is None else list(effects)
    unknown = [name for name in columns if name not in table.columns]
    if unknown or not columns or not rows:
        raise KineticsError(
            f"no covariate {', '.join(unknown)}" if unknown else "the data have no covariates"
        )
    axes = grid_of(figure, len(rows) * len(columns), len(columns))
    for k, ax in enumerate(axes):
        effect, covariate = rows[k // len(columns)], columns[k % len(columns)]
        part = table[table["effect"] == effect]
        x, y = part[covariate].to_numpy(float), part["estimate"].to_numpy(float)
        ax.axhline(0.0, color=INK, lw=0.8, zorder=1)
        levels = np.unique(x[np.isfinite(x)])
        if len(levels) <= 5:
            ax.boxplot(
                [y[x == level] for level in levels], positions=range(len(levels)), widths=0.5,
                tick_labels=[f"{level:g} (n={int((x == level).sum())})" for level in levels],
                medianprops={"color": VERMILLION}, boxprops={"color": BLUE},
                whiskerprops={"color": BLUE}, capprops={"color": BLUE}, showfliers=False,
            )  # fmt: skip
            x = np.searchsorted(levels, x) + np.linspace(-0.12, 0.12, len(x))
        else:
            _smooth(ax, x, y)
        ax.plot(x, y, "o", ms=3.2, color=BLUE, alpha=0.6, mew=0)
        label(ax, covariate, _effect_name(effect))
    return axes


def _points_by_region(ax: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    regions = list(dict.fromkeys(table["region"]))
    for k, region in enumerate(regions):
        part = table[table["region"] == region]
        ax.plot(
            part[x], part[y], "o", ms=3.2, mew=0, alpha=0.6, color=CYCLE[k % len(CYCLE)],
            label=_region(region), zorder=2,
        )  # fmt: skip


def _smooth(ax: Axes, x: np.ndarray, y: np.ndarray, positive: tuple[str, ...] = ()) -> None:
    """Median in bins; of what a logarithmic axis can show."""
    kept = ((x > 0.0) | ("x" not in positive)) & ((y > 0.0) | ("y" not in positive))
    line = binned_median(x[kept], y[kept])
    if len(line) > 2:
        ax.plot(line["x"], line["y"], color=LIGHT, lw=3.2, zorder=3)
        ax.plot(line["x"], line["y"], color=VERMILLION, lw=1.5, label="median in bins", zorder=4)


def _region(name: str) -> str:
    return name.replace("_", " ")


def _effect_name(effect: str) -> str:
    kind, name = effect.split("_", 1)
    return f"{'η' if kind == 'eta' else 'κ'} of {name}"
