"""Figure of `hemadose foci estimate`: doses with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.foci_commands.estimate_methods import MethodDose
from hemadose.foci_commands.estimate_results import CycleResult, Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS = 40
_WHOLE = "whole cycle"
_NAMES = {"course": "received up to the sample", _WHOLE: "whole cycle, to infinity"}
Row = tuple[str, tuple[MethodDose, ...], float]


def draw_estimate(found: Estimate) -> Figure:
    """Dose of each sample, or with phases of each cycle, the intervals as bars."""
    from matplotlib.figure import Figure

    from hemadose.report.style import figure_style

    every = [row for result in found.cycles for row in _rows(result)]
    rows = every[:_MOST_ROWS]
    most = max(len(doses) for _, doses, _ in rows)
    with figure_style():
        height = max(2.6, 1.3 + len(rows) * (0.22 + 0.12 * most))
        figure = Figure(figsize=(6.4, height), layout="constrained")
        ax = figure.add_subplot()
        _draw_rows(ax, rows)
        ax.set_xlabel(_dose_label(found))
        if len(rows) < len(every):
            ax.set_title(f"the first {len(rows)} of {len(every)} samples")
        handles, labels = ax.get_legend_handles_labels()
        unique = dict(zip(labels, handles, strict=True))
        figure.legend(
            list(unique.values()),
            [_NAMES.get(str(label), str(label)) for label in unique],
            loc="outside upper center",
            ncols=3,
        )
    return figure


def _rows(result: CycleResult) -> list[Row]:
    """Label, doses and detection limit of each bar of a cycle."""
    title = result.cycle.title
    rows: list[Row] = []
    for one in result.samples:
        limit = 1000 * one.limit_doses.detection_limit_dose_gy if one.limit_doses else np.nan
        up_to = "up to " if result.course else ""
        rows.append((f"{title}, {up_to}{one.sample.time_h:g} h", one.doses, limit))
    if result.course:
        course = result.course
        total = MethodDose(_WHOLE, course.total_mgy, course.interval_mgy, course.status)
        rows.append((f"{title}, whole", (total,), np.nan))
    return rows


def _draw_rows(ax: Axes, rows: list[Row]) -> None:
    from dosimetry.plot_style import COLOURS, GREY

    methods = list(dict.fromkeys(dose.method for _, doses, _ in rows for dose in doses))
    colour = dict(zip(methods, COLOURS, strict=False))
    left, right = _dose_range(rows)
    for place, (_, doses, limit) in enumerate(rows):
        step = 0.8 / len(doses)
        for index, dose in enumerate(doses):
            y = place + (index - (len(doses) - 1) / 2) * step
            low, high = dose.interval_mgy
            ax.plot([low, high], [y, y], color=colour[dose.method], lw=1.8)
            ax.plot(dose.dose_mgy, y, "o", color=colour[dose.method], ms=4, label=dose.method)
            if high > right:
                ax.plot(right, y, ">", color=colour[dose.method], ms=5, clip_on=False)
        if np.isfinite(limit):
            ends = [place - 0.45, place + 0.45]
            ax.plot([limit, limit], ends, color=GREY, lw=1, ls=":", label="detection limit")
    ax.axvline(0, color=GREY, lw=0.7)
    ax.set_xlim(left, right)
    ax.set_yticks(range(len(rows)), [label for label, _, _ in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)


def _dose_range(rows: list[Row]) -> tuple[float, float]:
    """Doses drawn: all but the far ends of partial-body intervals, which may be anywhere."""
    every = [dose for _, doses, _ in rows for dose in doses]
    whole = [dose for dose in every if dose.method != "partial-body"] or every
    ends = [end for dose in whole for end in dose.interval_mgy]
    shown = np.array([0.0, *ends, *(dose.dose_mgy for dose in every), *(x for *_, x in rows)])
    shown = shown[np.isfinite(shown)]
    margin = 0.05 * max(float(np.ptp(shown)), 1e-3)
    return float(shown.min()) - margin, float(shown.max()) + margin


def _dose_label(found: Estimate) -> str:
    if found.with_phases:
        return f"blood dose (mGy), {found.level:.0%} interval"
    return f"dose (mGy) if irradiated like the calibration, {found.level:.0%} interval"
