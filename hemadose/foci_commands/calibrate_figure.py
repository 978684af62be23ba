"""Figure of `hemadose foci calibrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hemadose.foci_commands.calibrate import Calibration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from foci import CalibrationCurve, CalibrationFit

_IN_MGY_BELOW_GY = 1.0


def draw_calibration(found: Calibration) -> Figure:
    """One panel a laboratory with its samples, and one for a laboratory without a curve."""
    from matplotlib.figure import Figure

    from foci.calibration.plots import plot_calibration
    from hemadose.report.style import figure_style

    shown: list[tuple[str, CalibrationCurve | CalibrationFit]]
    shown = [(one.series.laboratory, one.fit) for one in found.laboratories]
    if found.combined is not None:
        shown.append(("a laboratory without its own", found.combined.new_laboratory))
    highest = max(one.fit.dose_gy.max() for one in found.laboratories)
    n_columns = min(3, len(shown))
    n_rows = -(-len(shown) // n_columns)
    with figure_style():
        figure = Figure(figsize=(max(5.2, 3.9 * n_columns), 3.4 * n_rows), layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
        for ax, (name, fit) in zip(axes, shown, strict=False):
            plot_calibration(fit, ax, in_mgy=bool(highest < _IN_MGY_BELOW_GY))
            ax.set_ylabel("foci per cell")
            if len(shown) > 1:
                ax.set_title(name)
        for ax in axes[len(shown) :]:
            ax.remove()
    return figure
