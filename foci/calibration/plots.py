"""Plot of a calibration curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosimetry.plot_style import COLOURS, GREY, INK, axes_or_new, plain
from foci.calibration.curve import CalibrationCurve
from foci.calibration.dose_sets import typical_dose
from foci.calibration.fit import CalibrationFit
from foci.counting.poisson_limits import garwood_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 200


def plot_calibration(
    calibration: CalibrationCurve | CalibrationFit,
    ax: Axes | None = None,
    *,
    level: float = 0.95,
    in_mgy: bool = False,
) -> Axes:
    """Calibration curve with its band, and the samples with exact Poisson bars.

    Parameters
    ----------
    calibration : CalibrationCurve or CalibrationFit
        A curve, or a fit with its samples. Bars of overdispersed counts are widened: limits of
        X/dispersion times dispersion.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    level : float
        Pointwise confidence of band and bars.
    in_mgy : bool
        Draw the dose in mGy rather than Gy.
    """
    from scipy.special import ndtri

    fit = calibration if isinstance(calibration, CalibrationFit) else None
    curve = fit.curve if fit else calibration
    assert isinstance(curve, CalibrationCurve)
    ax = axes_or_new(ax)
    unit = 1000.0 if in_mgy else 1.0
    highest = curve.max_dose_gy or typical_dose(curve.coefficients)
    dose = np.linspace(0.0, 1.05 * highest, _POINTS)
    mean = curve.mean_per_cell(dose)
    half = float(ndtri((1 + level) / 2)) * curve.sd_per_cell(dose)
    ax.fill_between(
        unit * dose, np.maximum(mean - half, 0.0), mean + half, color=COLOURS[0], alpha=0.18, lw=0,
        label=f"{level:.0%} band of the curve",
    )  # fmt: skip
    ax.plot(unit * dose, mean, color=COLOURS[0], lw=1.8, label=curve.source or "calibration")
    if fit:
        _draw_samples(ax, fit, level, unit)
    ax.set_xlim(left=-0.02 * unit * highest)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"absorbed dose ({'mGy' if in_mgy else 'Gy'})")
    ax.set_ylabel("mean per cell")
    if curve.status != "ok":
        ax.set_title(curve.status, loc="left", fontsize="small", color=GREY)
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    return plain(ax)


def _draw_samples(ax: Axes, fit: CalibrationFit, level: float, unit: float) -> None:
    """Mean per cell of each sample with its exact limits."""
    phi = fit.curve.dispersion
    limits = np.array([garwood_limits(x / phi, level) for x in fit.foci]).T * phi
    mean = fit.foci / fit.cells
    bars = np.abs(limits / fit.cells - mean)
    words = f"samples, exact {level:.0%} limits"
    if phi > 1:
        words += f" (dispersion {phi:.2f})"
    ax.errorbar(
        unit * fit.dose_gy, mean, yerr=bars, fmt="o", ms=4, color=INK, lw=1, capsize=0, label=words
    )
