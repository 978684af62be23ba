"""Tables of patients' samples, and the baseline that belongs to each sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hemadose.errors import HemadoseError
from hemadose.foci_commands.inputs import told_as

if TYPE_CHECKING:
    from foci import CalibrationCurve, FociSample


@dataclass(frozen=True)
class CycleSamples:
    """Samples of one patient and cycle.

    Attributes
    ----------
    patient : str
        Name; empty if the table has none.
    cycle : int
        Treatment cycle.
    baseline : tuple of FociSample
        Drawn before the administration; empty where the curve stands in for them.
    after : tuple of FociSample
        Drawn after it, in order of time.
    note : str
        Where the baseline is from, if not from this cycle.
    """

    patient: str
    cycle: int
    baseline: tuple[FociSample, ...]
    after: tuple[FociSample, ...]
    note: str

    @property
    def title(self) -> str:
        """As ``P1, cycle 1``."""
        return f"{self.patient}, cycle {self.cycle}" if self.patient else f"cycle {self.cycle}"

    @property
    def pooled_baseline(self) -> FociSample | None:
        """The baselines as one sample."""
        if len(self.baseline) < 2:
            return self.baseline[0] if self.baseline else None
        cells, foci = (sum(getattr(s, k) for s in self.baseline) for k in ("cells", "foci"))
        return replace(
            self.baseline[-1], cells=cells, foci=foci, distribution=None, open_last_class=False
        )


def read_cycles(
    path: Path, curve: CalibrationCurve, *, curve_background: bool
) -> tuple[tuple[CycleSamples, ...], tuple[str, ...]]:
    """Samples of every patient and cycle, and what a reader of the table should know.

    Parameters
    ----------
    path : Path
        Columns as for `foci.read_counts`; `time_h` below zero is a baseline.
    curve : CalibrationCurve
        Its background serves where a patient has no baseline.
    curve_background : bool
        Whether that is allowed.

    Raises
    ------
    HemadoseError
        If the table is not legal, or a baseline is missing.
    """
    from foci import read_counts

    with told_as():
        table = read_counts(path)
    found: list[CycleSamples] = []
    for patient in dict.fromkeys(row.patient for row in table.rows):
        with told_as(path.name):
            samples = table.samples(patient)
        before = [sample for sample in samples if sample.is_baseline]
        if not before:
            _check_background(path, patient, curve, allowed=curve_background)
        for cycle in sorted({s.cycle for s in samples if not s.is_baseline}):
            own = [sample for sample in before if sample.cycle == cycle]
            found.append(
                CycleSamples(
                    patient,
                    cycle,
                    tuple(replace(sample, cycle=cycle) for sample in own or before),
                    tuple(s for s in samples if s.cycle == cycle and not s.is_baseline),
                    _note(own, before),
                )
            )
    if not found:
        raise HemadoseError(
            f"{path.name}, column time_h: all samples are baselines (below 0); legal is at least "
            "one sample after the administration"
        )
    return tuple(found), table.notices


def _note(own: list[FociSample], before: list[FociSample]) -> str:
    if own:
        return ""
    if before:
        cycles = ", ".join(str(cycle) for cycle in sorted({s.cycle for s in before}))
        return f"no baseline of this cycle: that of cycle {cycles} ASSUMED"
    return "no baseline: the background of the calibration curve ASSUMED"


def _check_background(path: Path, patient: str, curve: CalibrationCurve, *, allowed: bool) -> None:
    name = f" of patient {patient}" if patient else ""
    if not allowed:
        raise HemadoseError(
            f"{path.name}, column time_h: the baseline{name} is missing; legal is a sample with "
            "time_h below 0, or --curve-background for the background of the calibration curve"
        )
    if curve.intercept_per_cell <= 0:
        raise HemadoseError(
            f"--curve-background: {path.name} has no baseline{name}, and the curve "
            f"({curve.source}) has no background either: its intercept is 0; count a baseline"
        )
