"""How many cells must be scored to detect a dose, and to know it within a percentage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.calibration.dose_sets import excess_sd
from foci.checks import check_share, number
from foci.detectability.power import Counting, detection_power
from foci.errors import FociError

_MAX_CELLS = 200_000
_AHEAD = np.array([1.0, 1.01, 1.02, 1.03, 1.05])  # where the power must not fall back


@dataclass(frozen=True)
class CellsNeeded:
    """Cells to score for one dose.

    Attributes
    ----------
    dose_gy : float
        The dose.
    detection : int or None
        Cells with which it is found with the power asked for; None if 200,000 are too few.
    precision : int or None
        Cells with which its interval has the relative half-width asked for; None where the
        uncertainty of the curve, or a fixed baseline, alone is wider.
    power, half_width, level : float
        What was asked for.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    dose_gy: float
    detection: int | None
    precision: int | None
    power: float
    half_width: float
    level: float
    status: str

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def cells_needed(
    dose_gy: float,
    curve: CalibrationCurve,
    counting: Counting,
    *,
    power: float = 0.9,
    half_width: float = 0.2,
    level: float = 0.95,
) -> CellsNeeded:
    r"""Cells to score so that a dose is detected, and so that it is known within a percentage.

    Parameters
    ----------
    dose_gy : float
        Dose above zero (Gy).
    curve, counting
        As in `detection_power`.
    power : float
        Probability of detection.
    half_width : float
        Half-width of the interval over the dose.
    level : float
        Coverage of the interval.

    Raises
    ------
    FociError
        If a number is out of its range.

    Notes
    -----
    The power of a test of whole counts rises in a saw-tooth: the number given is one from which
    it does not fall back within the next 5 % of cells. Half-width of the delta interval:
    :math:`z\sqrt{\phi(\mu_1/n_1 + b/n_0) + g^T \Sigma g}/y'(D)` without the intercept in g, whose
    place the patient's baseline takes.

    Examples
    --------
    >>> from foci import eberlein_2015
    >>> need = cells_needed(0.01, eberlein_2015(slope_cv=0.05), Counting(0.2))
    >>> need.detection, need.precision, need.status
    (275, 3200, 'ok')
    """
    for name, value in (("dose_gy", dose_gy), ("half_width", half_width)):
        if not 0 < number(value, name) < np.inf:
            raise FociError(f"{name} must be positive, got {value}")
    check_share(power, "power")
    check_share(level, "level")
    detection = _cells_for_power(dose_gy, curve, counting, power)
    precision = _cells_for_precision(dose_gy, curve, counting, half_width, level)
    words = []
    if detection is None:
        words.append(f"{_MAX_CELLS:,} cells are too few to detect this dose")
    if precision is None:
        words.append(
            "no number of cells gives this half-width: the uncertainty of the curve or the cells "
            "of the baseline alone are wider"
        )
    status = "; ".join(words) or "ok"
    return CellsNeeded(dose_gy, detection, precision, power, half_width, level, status)


def _cells_for_power(
    dose_gy: float, curve: CalibrationCurve, counting: Counting, power: float
) -> int | None:
    """Smallest number of cells from which the power stays above the target."""

    def reached(cells: int) -> bool:
        return bool(detection_power(dose_gy, curve, counting, cells=cells) >= power)

    high = 16
    while not reached(high):
        high *= 2
        if high > _MAX_CELLS:
            return None
    low = high // 2 if high > 16 else 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    while True:
        behind = [n for n in np.ceil(high * _AHEAD).astype(int).tolist() if not reached(n)]
        if not behind:
            return high
        high = max(behind) + 1


def _cells_for_precision(
    dose_gy: float, curve: CalibrationCurve, counting: Counting, half_width: float, level: float
) -> int | None:
    from scipy.stats import norm

    slope = float(curve.slope_at(dose_gy))
    allowed = (half_width * dose_gy * slope / float(norm.ppf((1 + level) / 2))) ** 2
    allowed -= float(excess_sd(curve, dose_gy)) ** 2
    b, phi = counting.baseline_per_cell, counting.dispersion
    mean = b + float(curve.mean_per_cell(dose_gy)) - curve.intercept_per_cell
    if counting.baseline_cells is None:
        mean += b
    else:
        allowed -= phi * b / counting.baseline_cells
    if allowed <= 0 or slope <= 0:
        return None
    return int(np.ceil(phi * mean / allowed))
