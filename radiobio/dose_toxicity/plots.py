"""Plots of the dose-toxicity regression; nothing is computed here but what the results give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radiobio.dose_toxicity.predictive_check import PredictiveCheck
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_predictive_check(
    check: PredictiveCheck, *, grade: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the observed number of events of each group on its predictive interval.

    Parameters
    ----------
    check : PredictiveCheck
        Numbers.
    grade : int, optional
        Which grade; missing: 3, or the only one.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    import matplotlib.pyplot as plt

    grades = sorted({int(g) for g in check.grade})
    chosen = grade if grade is not None else (3 if 3 in grades else grades[0])
    if chosen not in grades:
        raise RadiobioError(f"grade {chosen} was not checked; there are {grades}")
    if ax is None:
        _, ax = plt.subplots(layout="constrained")
    rows = np.flatnonzero(check.grade == chosen)
    at = np.arange(len(rows))[::-1]
    ax.hlines(at, check.lower[rows], check.upper[rows], color="0.6", linewidth=4,
              label=f"predicted, {check.level:.0%}")  # fmt: skip
    ax.plot(check.predicted[rows], at, "|", color="0.2", markersize=12, label="predicted, mean")
    ax.plot(check.observed[rows], at, "o", color="C3", label="observed")
    names = [f"{check.group[k]} (n = {check.n[k]})" for k in rows]
    ax.set_yticks(at, names)
    ax.set_xlabel(f"patients with grade ≥ {chosen}")
    ax.legend(loc="best", frameon=False)
    return ax
