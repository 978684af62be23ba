"""Plot of a recovery curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.plot_style import COLOURS, GREY, INK, axes_or_new, plain
from dosimetry.recovery.curve import RecoveryCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_recovery(
    curve: RecoveryCurve,
    ax: Axes | None = None,
    *,
    volume_ml: npt.ArrayLike | None = None,
    recovery: npt.ArrayLike | None = None,
    sd: npt.ArrayLike | None = None,
) -> Axes:
    """Recovery curve with its 90 % band, and the phantom's inserts.

    Parameters
    ----------
    curve : RecoveryCurve
        From `fit_recovery`.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    volume_ml, recovery, sd : array_like, optional
        The inserts and their standard deviations.
    """
    ax = axes_or_new(ax)
    grid = np.geomspace(0.5 * curve.smallest_ml, 2 * curve.largest_ml, 200)
    value, error = curve(grid), curve.standard_error(grid)
    if np.isfinite(error).all():
        ax.fill_between(
            grid, value - 1.645 * error, value + 1.645 * error, color=COLOURS[0], alpha=0.18, lw=0,
            label="90 % band of the curve",
        )  # fmt: skip
    ax.plot(grid, value, color=COLOURS[0], lw=1.8, label=curve.form.replace("_", " "))
    if volume_ml is not None and recovery is not None:
        ax.errorbar(
            volume_ml, recovery, yerr=sd, fmt="o", ms=5, color=INK, capsize=0, label="inserts"
        )
    ax.axhline(1.0, color=GREY, lw=0.8, ls=":")
    ax.set_xscale("log")
    ax.set_ylim(bottom=0)
    ax.set_xlabel("volume (mL)")
    ax.set_ylabel("recovery coefficient")
    ax.legend(frameon=False, fontsize="small", loc="lower right")
    return plain(ax)
