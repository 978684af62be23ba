"""Power over doses and numbers of cells: a table and a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foci.calibration.curve import CalibrationCurve
from foci.checks import check_share, check_whole, numbers
from foci.detectability.power import Counting, detection_power
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class PowerStudy:
    """Power over doses and numbers of cells.

    Attributes
    ----------
    dose_gy : ndarray, shape (n_doses,)
        Doses (Gy).
    cells : ndarray of int, shape (n_cells,)
        Cells scored in the sample.
    power : ndarray, shape (n_cells, n_doses)
        Probability of detection.
    detectable_dose_gy : ndarray, shape (n_cells,)
        Smallest dose found with probability `target` (Gy); NaN above the highest dose.
    target : float
        That probability.
    counting : Counting
        Baseline, test and dispersion.
    """

    dose_gy: FloatArray
    cells: npt.NDArray[np.int64]
    power: FloatArray
    detectable_dose_gy: FloatArray
    target: float
    counting: Counting

    def to_frame(self) -> pd.DataFrame:
        """One row for each number of cells and dose."""
        import pandas as pd

        cells, dose = np.meshgrid(self.cells, self.dose_gy, indexing="ij")
        return pd.DataFrame(
            {"cells": cells.ravel(), "dose_gy": dose.ravel(), "power": self.power.ravel()}
        )


def power_study(
    dose_gy: npt.ArrayLike,
    curve: CalibrationCurve,
    counting: Counting,
    *,
    cells: npt.ArrayLike = (50, 100, 200, 500, 1000, 2000),
    target: float = 0.9,
) -> PowerStudy:
    """Power of the test over doses and numbers of cells, and the smallest dose each can find.

    Parameters
    ----------
    dose_gy : array_like, shape (n_doses,)
        Rising doses (Gy).
    curve, counting
        As in `detection_power`.
    cells : array_like of int, shape (n_cells,)
        Cells scored in the sample.
    target : float
        Power at the smallest detectable dose.

    Raises
    ------
    FociError
        If the doses do not rise or a number is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import eberlein_2015
    >>> study = power_study(np.linspace(0, 0.05, 6), eberlein_2015(), Counting(0.2))
    >>> (1e3 * study.detectable_dose_gy).round(1)
    array([28.7, 18.3, 12.1,  7.1,  4.8,  3.3])
    """
    from scipy.optimize import brentq

    dose = numbers(dose_gy, "dose_gy")
    if dose.ndim != 1 or len(dose) < 2 or not (np.diff(dose) > 0).all():
        raise FociError("dose_gy must be at least two rising doses")
    check_share(target, "target")
    given = np.atleast_1d(numbers(cells, "cells")).tolist()
    for n in given:
        check_whole(n, "cells")
    power = np.array([detection_power(dose, curve, counting, cells=int(n)) for n in given])
    smallest = np.full(len(given), np.nan)
    for i, n in enumerate(given):
        if power[i, 0] < target <= power[i, -1]:
            smallest[i] = brentq(
                lambda d, n=int(n): float(detection_power(d, curve, counting, cells=n)) - target,
                dose[0], dose[-1], xtol=1e-9,
            )  # fmt: skip
    return PowerStudy(dose, np.array(given, dtype=np.int64), power, smallest, target, counting)


def plot_power(study: PowerStudy, *, ax: Axes | None = None) -> Axes:
    """Draw power against dose, one line for each number of cells.

    Parameters
    ----------
    study : PowerStudy
        Result of `power_study`.
    ax : matplotlib Axes, optional
        Where to draw.
    """
    import matplotlib.pyplot as plt

    if ax is None:
        ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")[1]
    colours = plt.colormaps["viridis_r"](np.linspace(0.15, 1.0, len(study.cells)))
    for n, line, dose, colour in zip(
        study.cells, study.power, study.detectable_dose_gy, colours, strict=True
    ):
        found = f"{1e3 * dose:.1f} mGy" if np.isfinite(dose) else "not reached"
        ax.plot(1e3 * study.dose_gy, line, color=colour, label=f"{n} cells: {found}")
    ax.axhline(study.target, color="0.5", lw=0.8, ls="--")
    ax.axhline(study.counting.alpha, color="0.5", lw=0.8, ls=":")
    ax.set(
        xlabel="dose (mGy)",
        ylabel="probability of detection",
        ylim=(0, 1.02),
        xlim=(1e3 * study.dose_gy[0], 1e3 * study.dose_gy[-1]),
    )
    ax.legend(title=f"smallest dose found with {study.target:.0%}", frameon=False)
    return ax
