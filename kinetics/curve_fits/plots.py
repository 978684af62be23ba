"""Plots of curve fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curve_fits.cohort_result import CohortFit
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito, told apart by colour-blind readers
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_INK, _GREY = "#222222", "#6B6B6B"


def curve_band(fit: CohortFit, time_h: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Fitted curve of one patient and its standard error by the delta method.

    Parameters
    ----------
    fit : CohortFit
        Fit of one patient (``fit[i]``).
    time_h : array_like, shape (n_times,)
        Times (h).

    Returns
    -------
    tuple of ndarray, shape (n_times,)
        Value, and standard error; NaN where the samples do not determine a parameter.
    """
    from kinetics.curve_fits._form_kernels import SHAPE_CODES, values_and_slopes

    form, time = fit.form, np.asarray(time_h, dtype=np.float64)
    value, slope = np.zeros(len(time)), np.zeros((len(time), form.n_parameters))
    template = np.array([1.0 if x is None else x for x in form.template])
    values_and_slopes(
        SHAPE_CODES[form.shape], np.array(form.free), fit.decay_per_h, template,
        np.ascontiguousarray(fit.log_parameter[0]), time, value, slope,
    )  # fmt: skip
    covariance = fit.log_covariance[0]
    if not np.isfinite(covariance).all():
        return value, np.full(len(time), np.nan)
    variance = np.einsum("ti,ij,tj->t", slope, covariance, slope)
    return value, np.sqrt(np.maximum(variance, 0.0))


def plot_fits(
    fits: list[CohortFit], ax: Axes | None = None, *, unit: str = "MBq", end_h: float | None = None
) -> Axes:
    """Samples of one patient and the curves fitted to them, the first with its 90 % band.

    Parameters
    ----------
    fits : list of CohortFit
        Fits of one patient (``fit[i]``) by several forms, the chosen one first.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    unit : str
        Unit of the samples.
    end_h : float, optional
        Right end of the time axis (h); 1.25 times the last sample if missing.
    """
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure().add_subplot()
    first = fits[0]
    given = np.isfinite(first.value[0])
    times, values, sd = (x[0][given] for x in (first.time_h, first.value, first.sd))
    below = first.below_limit[0][given]
    end = 1.25 * float(times.max()) if end_h is None else end_h
    low, high = 0.3 * values[values > 0].min(), 2.2 * values.max()
    grid = np.unique(np.concatenate([np.geomspace(1e-3 * end, end, 120), np.linspace(0, end, 120)]))
    for rank, fit in enumerate(fits):
        value, error = curve_band(fit, grid)
        colour = _COLOURS[rank % len(_COLOURS)]
        if rank == 0 and np.isfinite(error).all():
            half = np.exp(1.645 * error / np.maximum(value, 1e-300))
            shown = value > 0.01 * low
            ax.fill_between(
                grid[shown], (value / half)[shown], (value * half)[shown], color=colour,
                alpha=0.18, lw=0,
            )  # fmt: skip
        ax.plot(
            grid, np.where(value > 0, value, np.nan), color=colour, label=fit.form.name,
            lw=1.8 if rank == 0 else 1.0, ls="-" if rank == 0 else (0, (4, 2)),
            zorder=2.5 - 0.1 * rank,
        )  # fmt: skip
    _draw_samples(ax, times, values, sd, below)
    _dress(ax, end, low, high, unit)
    return ax


def _draw_samples(
    ax: Axes, times: FloatArray, values: FloatArray, sd: FloatArray, below: npt.NDArray[np.bool_]
) -> None:
    seen = ~below
    lower = np.minimum(sd[seen], 0.9 * np.abs(values[seen]))
    ax.errorbar(times[seen], values[seen], yerr=[lower, sd[seen]], fmt="o", ms=4.5, lw=1,
                capsize=2, color=_INK, zorder=4)  # fmt: skip
    if below.any():
        ax.errorbar(times[below], values[below], yerr=0.45 * values[below], uplims=True, fmt="_",
                    ms=8, lw=1, color=_INK, zorder=4)  # fmt: skip


def _dress(ax: Axes, end: float, low: float, high: float, unit: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.set_yscale("log")
    ax.set(xlim=(-0.02 * end, end), ylim=(low, high))
    ax.set_xlabel("Time after administration (h)")
    ax.set_ylabel(f"Activity ({unit})")
    decades = np.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 2 else ((1.0, 3.0) if decades < 4 else (1.0,))
    ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8, handlelength=1.8)


def plot_profile(
    values: npt.ArrayLike,
    rise: npt.ArrayLike,
    ax: Axes | None = None,
    *,
    label: str,
    level: float = 0.9,
) -> Axes:
    """Rise of the deviance along a profile (`profile_points`), with the limit of an interval.

    Parameters
    ----------
    values, rise : array_like, shape (n_points,)
        Values of the quantity and the rise there.
    ax : matplotlib Axes, optional
        Where to draw; new axes if missing.
    label : str
        Name and unit of the quantity.
    level : float
        Confidence level of the limit.
    """
    from scipy.special import chdtri

    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure().add_subplot()
    ax.plot(values, rise, color=_COLOURS[0])
    ax.axhline(float(chdtri(1, 1 - level)), color=_GREY, lw=0.9, ls=(0, (3, 2)))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(label)
    ax.set_ylabel("Rise of the deviance")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
