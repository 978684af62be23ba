"""`hemadose foci calibrate`: calibration curves from counts of irradiated samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args

from foci.errors import FociError
from hemadose.errors import HemadoseError
from hemadose.foci_commands.calibrate_input import DoseSeries, read_series
from hemadose.foci_commands.cell_test import cell_test
from hemadose.foci_commands.inputs import told_as

if TYPE_CHECKING:
    from foci import CalibrationCurve, CalibrationFit, IndexTest, LaboratoryCurves

Model = Literal["linear", "linear_quadratic"]


@dataclass(frozen=True, eq=False)
class LaboratoryFit:
    """Curve of one laboratory.

    Attributes
    ----------
    series : DoseSeries
        Its samples.
    fit : CalibrationFit
        Curve with full covariance and goodness of fit.
    tests : tuple of IndexTest or None
        Dispersion of the cells of each sample; None without a closed distribution.
    """

    series: DoseSeries
    fit: CalibrationFit
    tests: tuple[IndexTest | None, ...]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Curves of all laboratories of a table.

    Attributes
    ----------
    laboratories : tuple of LaboratoryFit
        One a laboratory.
    combined : LaboratoryCurves or None
        Their mean and spread; None for one laboratory, or where they cannot be combined.
    model : str
        Shape of the curves.
    notes : tuple of str
        In words.
    """

    laboratories: tuple[LaboratoryFit, ...]
    combined: LaboratoryCurves | None
    model: str
    notes: tuple[str, ...]

    @property
    def curves(self) -> dict[str, CalibrationCurve]:
        """Curves to be stored, by the name of their file without its ending."""
        if len(self.laboratories) == 1:
            return {"curve": self.laboratories[0].fit.curve}
        found = {f"curve_{file_stem(n)}": curve for n, curve in self._by_name().items()}
        if self.combined is not None:
            found["combined_mean"] = self.combined.mean
            found["combined_new_laboratory"] = self.combined.new_laboratory
        return found

    def _by_name(self) -> Mapping[str, CalibrationCurve]:
        return {one.series.laboratory: one.fit.curve for one in self.laboratories}


def file_stem(name: str) -> str:
    """A name as part of a file name: letters, digits, - and _."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)[:64]


def calibrate(
    path: Path,
    *,
    model: str = "linear",
    laboratory: str | None = None,
    irradiation_h: float = 1.0,
    repair_h: float = 0.0,
    progress: Callable[[str], None] = lambda step: None,
) -> Calibration:
    """Fit a calibration curve to the samples of each laboratory of a table.

    Parameters
    ----------
    path : Path
        The table, see `read_series`.
    model : {"linear", "linear_quadratic"}
        Shape of the curves.
    laboratory : str, optional
        Only this one; its name, if the table names none.
    irradiation_h, repair_h : float
        Time the cells were irradiated, and time from its end until they were fixed (h).
    progress : callable
        Told of each step.

    Raises
    ------
    HemadoseError
        If an option or the table is not legal, or a laboratory's foci give no curve.
    """
    if model not in get_args(Model):
        raise HemadoseError(f"--model: got {model!r}, legal are {', '.join(get_args(Model))}")
    for option, value in (("--irradiation-h", irradiation_h), ("--repair-h", repair_h)):
        if not 0 <= value < float("inf"):
            raise HemadoseError(f"{option}: got {value:g}, legal is a number of hours from 0")
    progress("reading")
    every, notices = read_series(path, laboratory)
    stems = [file_stem(series.laboratory) for series in every]
    if len({stem.lower() for stem in stems}) < len(stems):
        raise HemadoseError(
            f"{path.name}, column laboratory: two names become the same file name; legal are names "
            "that differ in letters and digits"
        )
    progress("fitting")
    fits = [_fit(series, path, model, irradiation_h, repair_h) for series in every]
    progress("combining")
    combined, why = _combine(fits)
    return Calibration(tuple(fits), combined, model, (*notices, *why))


def _fit(
    series: DoseSeries, path: Path, model: str, irradiation_h: float, repair_h: float
) -> LaboratoryFit:
    from foci import fit_calibration

    known = [row.distribution for row in series.rows if not row.open_last_class]
    closed = [distribution for distribution in known if distribution is not None]
    complete = len(closed) == len(series.rows)
    source = f"{series.laboratory}, {path.name}" if series.laboratory else path.name
    with told_as(source):
        fit = fit_calibration(
            series.dose_gy,
            [row.cells for row in series.rows],
            [row.foci for row in series.rows],
            model=cast("Model", model),
            distributions=closed if complete else None,
            irradiation_h=irradiation_h,
            repair_h=repair_h,
            source=source,
        )
    return LaboratoryFit(series, fit, tuple(cell_test(row) for row in series.rows))


def _combine(fits: Sequence[LaboratoryFit]) -> tuple[LaboratoryCurves | None, tuple[str, ...]]:
    """Mean and spread of the laboratories, or why there is none."""
    from foci import combine_laboratories

    if len(fits) == 1:
        return None, ()
    try:
        return combine_laboratories({one.series.laboratory: one.fit.curve for one in fits}), ()
    except FociError as error:
        return None, (f"the laboratories were not combined: {error}",)
