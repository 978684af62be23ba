"""`hemadose foci power`: which doses a number of cells can show, and how many cells it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.foci_commands.inputs import (
    check_option_dispersion,
    check_share,
    read_calibration,
    told_as,
    whole_numbers,
)

if TYPE_CHECKING:
    from foci import CalibrationCurve, CellsNeeded, Counting, PowerStudy

DEFAULT_CELLS = "50,100,200,500,1000,2000"
_POINTS = 121  # doses of the figure
_HIGHEST_GY = 10.0
_WIDEST = 1.3  # the figure ends at the highest dose asked for, times it, or further


@dataclass(frozen=True)
class PowerOptions:
    """Options of `hemadose foci power`.

    Attributes
    ----------
    calibration : str
        File of a curve, or eberlein2015.
    baseline_per_cell : float
        Mean of the patient's baseline.
    dose_mgy : tuple of float
        Doses asked for.
    baseline_cells : int or None
        Cells of the baseline; as many as of the sample if None.
    cells : str
        Numbers of cells, as 50,100.
    power, half_width, level : float
        Probability of detection, half-width of the interval over the dose, and its coverage.
    dispersion : float or None
        Variance over mean of the counts; that of the curve if None.
    """

    calibration: str
    baseline_per_cell: float
    dose_mgy: tuple[float, ...]
    baseline_cells: int | None = None
    cells: str = DEFAULT_CELLS
    power: float = 0.9
    half_width: float = 0.2
    level: float = 0.95
    dispersion: float | None = None


@dataclass(frozen=True, eq=False)
class PowerResult:
    """Power and cells needed.

    Attributes
    ----------
    curve : CalibrationCurve
        The calibration.
    dose_gy : ndarray, shape (n_doses,)
        Doses asked for, rising.
    study : PowerStudy
        Power over these doses and those between, for each number of cells.
    needed : tuple of CellsNeeded
        One a dose asked for.
    options : PowerOptions
        What was asked for.
    """

    curve: CalibrationCurve
    dose_gy: np.ndarray
    study: PowerStudy
    needed: tuple[CellsNeeded, ...]
    options: PowerOptions

    @property
    def power(self) -> np.ndarray:
        """Power at the doses asked for, shape (n_cells, n_doses)."""
        return self.study.power[:, np.searchsorted(self.study.dose_gy, self.dose_gy)]


def power(
    options: PowerOptions, *, progress: Callable[[str], None] = lambda step: None
) -> PowerResult:
    """Power of counting, and the cells it takes.

    Parameters
    ----------
    options : PowerOptions
        What is asked for.
    progress : callable
        Told of each step.

    Raises
    ------
    HemadoseError
        If an option is not legal.
    """
    from foci import Counting, cells_needed, power_study

    dose_gy = _doses(options.dose_mgy)
    cells = whole_numbers(options.cells, "--cells")
    check_share(options.power, "--power")
    check_share(options.level, "--level")
    check_option_dispersion(options.dispersion)
    if not 0 < options.half_width < np.inf:
        raise HemadoseError(f"--half-width: got {options.half_width:g}, legal is a number above 0")
    curve = read_calibration(options.calibration)
    _check_range(dose_gy, curve)
    with told_as("--baseline-per-cell"):
        counting = Counting(
            options.baseline_per_cell,
            options.baseline_cells,
            alpha=round(1 - options.level, 12),
            dispersion=curve.dispersion if options.dispersion is None else options.dispersion,
        )
    progress("power")
    top = _top(dose_gy, curve, counting, cells[0], options.power)
    grid = np.union1d(np.linspace(0.0, top, _POINTS), dose_gy)
    study = power_study(grid, curve, counting, cells=cells, target=options.power)
    needed = []
    for dose in dose_gy.tolist():
        progress("cells")
        needed.append(
            cells_needed(
                dose,
                curve,
                counting,
                power=options.power,
                half_width=options.half_width,
                level=options.level,
            )
        )
    return PowerResult(curve, dose_gy, study, tuple(needed), options)


def _doses(dose_mgy: Sequence[float]) -> np.ndarray:
    """Doses asked for in Gy, rising."""
    for dose in dose_mgy:
        if not 0 < dose <= 1000 * _HIGHEST_GY:
            raise HemadoseError(
                f"--dose-mgy: got {dose:g}, legal is a number above 0 up to {1000 * _HIGHEST_GY:g}"
            )
    return np.unique(np.asarray(dose_mgy, dtype=np.float64)) / 1000


def _check_range(dose_gy: np.ndarray, curve: CalibrationCurve) -> None:
    if dose_gy[-1] > curve.turning_dose_gy:
        raise HemadoseError(
            f"--dose-mgy: the curve falls above {1000 * curve.turning_dose_gy:.4g} mGy; legal are "
            "doses below it"
        )


def _top(
    dose_gy: np.ndarray,
    curve: CalibrationCurve,
    counting: Counting,
    fewest_cells: int,
    target: float,
) -> float:
    """Highest dose of the figure: where even the fewest cells show it, if they ever do."""
    from foci import detection_power

    highest = min(_HIGHEST_GY, curve.turning_dose_gy)
    top = min(_WIDEST * float(dose_gy[-1]), highest)
    while top < highest:
        if detection_power(top, curve, counting, cells=fewest_cells) >= target:
            break
        top = min(_WIDEST * top, highest)
    return top
