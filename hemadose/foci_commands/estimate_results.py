"""What `hemadose foci estimate` finds, by sample, cycle and table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hemadose.foci_commands.estimate_course import CourseDose
from hemadose.foci_commands.estimate_input import CycleSamples
from hemadose.foci_commands.estimate_methods import MethodDose

if TYPE_CHECKING:
    from foci import CalibrationCurve, DetectionLimits, FociSample, IndexTest, LimitDoses


@dataclass(frozen=True, eq=False)
class SampleResult:
    """What one sample says.

    Attributes
    ----------
    sample : FociSample
        The counts.
    excess_per_cell, excess_sd : float
        Foci per cell above the background, and their SD.
    p_value : float
        Exact test against the baseline; nan without one.
    limits : DetectionLimits or None
        Decision threshold and detection limit; None without a baseline.
    limit_doses : LimitDoses or None
        Doses there; None without a baseline, or with phases.
    test : IndexTest or None
        Dispersion of the cells; None without a closed distribution.
    doses : tuple of MethodDose
        By each estimator; with phases, the dose received up to the sample.
    status : str
        Of the comparison with the baseline.
    """

    sample: FociSample
    excess_per_cell: float
    excess_sd: float
    p_value: float
    limits: DetectionLimits | None
    limit_doses: LimitDoses | None
    test: IndexTest | None
    doses: tuple[MethodDose, ...]
    status: str


@dataclass(frozen=True, eq=False)
class CycleResult:
    """Samples of one patient and cycle, and with phases the blood dose of the cycle."""

    cycle: CycleSamples
    samples: tuple[SampleResult, ...]
    course: CourseDose | None


@dataclass(frozen=True, eq=False)
class Estimate:
    """Everything that was estimated.

    Attributes
    ----------
    curve : CalibrationCurve
        The calibration.
    level, dispersion : float
        Coverage of the intervals, and variance over mean of the counts.
    cycles : tuple of CycleResult
        One a patient and cycle.
    notes : tuple of str
        What a reader of the table should know.
    """

    curve: CalibrationCurve
    level: float
    dispersion: float
    cycles: tuple[CycleResult, ...]
    notes: tuple[str, ...]

    @property
    def with_phases(self) -> bool:
        """Whether repair and the shape of the dose rate were allowed for."""
        return any(result.course for result in self.cycles)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """All that was assumed, each once."""
        found = list(self.curve.assumptions)
        for result in self.cycles:
            found += [result.cycle.note] if result.cycle.note else []
            found += result.course.assumptions if result.course else ()
            found += [a for s in result.samples for dose in s.doses for a in dose.assumptions]
        return tuple(dict.fromkeys(found))
