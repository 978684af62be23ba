"""`hemadose foci estimate`: doses from counts of foci, against each patient's own baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.foci_commands.cell_test import cell_test
from hemadose.foci_commands.estimate_course import CourseDose, course_dose, dose_rate_shape
from hemadose.foci_commands.estimate_input import CycleSamples, read_cycles
from hemadose.foci_commands.estimate_methods import METHODS, MethodDose, MethodOptions, doses_of
from hemadose.foci_commands.estimate_results import CycleResult, Estimate, SampleResult
from hemadose.foci_commands.inputs import (
    check_option_dispersion,
    check_share,
    dose_prior,
    read_calibration,
    told_as,
)

if TYPE_CHECKING:
    from foci import CalibrationCurve, DosePrior, FociSample
    from kinetics import SumOfExponentials

COURSE = "course"  # in place of an estimator, for doses received up to a sample


@dataclass(frozen=True)
class EstimateOptions:
    """Options of `hemadose foci estimate`.

    Attributes
    ----------
    calibration : str
        File of a curve, or eberlein2015.
    method : str
        ``"all"`` or one of delta, fieller, merkle, bayes, partial-body.
    level : float
        Coverage of the intervals.
    prior : str or None
        As uniform,0,1000 (mGy).
    dispersion : float or None
        Variance over mean of the counts; that of the curve if None.
    curve_background : bool
        Whether the curve's background serves where a baseline is missing.
    phases : tuple of str
        Phases of the blood dose rate, as 0.9,1.5: share at the injection and half-life (h).
    seed : int
        Of the random numbers, for phases.
    """

    calibration: str
    method: str = "all"
    level: float = 0.95
    prior: str | None = None
    dispersion: float | None = None
    curve_background: bool = False
    phases: tuple[str, ...] = ()
    seed: int = 1


@dataclass(frozen=True, eq=False)
class EstimateTask:
    """What is to be estimated, read and checked.

    Attributes
    ----------
    options : EstimateOptions
        What is asked for.
    curve : CalibrationCurve
        The calibration.
    prior : DosePrior or None
        Of the dose.
    shape : SumOfExponentials or None
        Of the blood dose rate; None without phases.
    cycles : tuple of CycleSamples
        One a patient and cycle.
    notes : tuple of str
        What a reader of the table should know.
    """

    options: EstimateOptions
    curve: CalibrationCurve
    prior: DosePrior | None
    shape: SumOfExponentials | None
    cycles: tuple[CycleSamples, ...]
    notes: tuple[str, ...]

    @property
    def dispersion(self) -> float:
        """Variance over mean of the counts."""
        given = self.options.dispersion
        return self.curve.dispersion if given is None else given


def read_task(path: Path, options: EstimateOptions) -> EstimateTask:
    """Read the table and the curve.

    Parameters
    ----------
    path : Path
        Columns as for `foci.read_counts`; `time_h` below zero is a baseline.
    options : EstimateOptions
        What is asked for.

    Raises
    ------
    HemadoseError
        If an option or the table is not legal.
    """
    _check(options)
    curve = read_calibration(options.calibration)
    cycles, notes = read_cycles(path, curve, curve_background=options.curve_background)
    return EstimateTask(
        options,
        curve,
        dose_prior(options.prior),
        dose_rate_shape(options.phases) if options.phases else None,
        cycles,
        notes,
    )


def estimate(
    task: EstimateTask, *, progress: Callable[[str], None] = lambda step: None
) -> Estimate:
    """Estimate doses of samples, or with phases blood doses of cycles.

    Parameters
    ----------
    task : EstimateTask
        Result of `read_task`.
    progress : callable
        Told of each patient and cycle.

    Raises
    ------
    HemadoseError
        If the samples do not allow what is asked for.
    """
    rng = np.random.default_rng(task.options.seed)
    results = []
    for cycle in task.cycles:
        progress(cycle.title)
        results.append(_cycle(cycle, task, rng))
    return Estimate(task.curve, task.options.level, task.dispersion, tuple(results), task.notes)


def _cycle(cycle: CycleSamples, task: EstimateTask, rng: np.random.Generator) -> CycleResult:
    options, phi = task.options, task.dispersion
    course = None
    if task.shape is not None:
        course = course_dose(
            cycle,
            task.curve,
            task.shape,
            prior=task.prior,
            dispersion=phi,
            level=options.level,
            rng=rng,
        )
        doses = _received(course)
    else:
        wanted = MethodOptions(options.method, options.level, phi, task.prior)
        with told_as(cycle.title):
            doses = tuple(
                doses_of(sample, cycle.pooled_baseline, task.curve, wanted)
                for sample in cycle.after
            )
    samples = tuple(
        _result(sample, cycle, task, of_sample)
        for sample, of_sample in zip(cycle.after, doses, strict=True)
    )
    return CycleResult(cycle, samples, course)


def _check(options: EstimateOptions) -> None:
    if options.method not in ("all", *METHODS):
        raise HemadoseError(
            f"--method: got {options.method!r}, legal are all, {', '.join(METHODS)}"
        )
    if options.phases and options.method != "all":
        raise HemadoseError(
            f"--method {options.method} is for samples irradiated like the calibration, --phase "
            "for a patient's time course; give one of them"
        )
    check_share(options.level, "--level")
    check_option_dispersion(options.dispersion)


def _received(course: CourseDose) -> tuple[tuple[MethodDose, ...], ...]:
    """Doses received up to each sample, as its doses."""
    pairs = zip(course.received_mgy, course.received_interval_mgy, strict=True)
    return tuple((MethodDose(COURSE, dose, limits, course.status),) for dose, limits in pairs)


def _result(
    sample: FociSample,
    cycle: CycleSamples,
    task: EstimateTask,
    doses: tuple[MethodDose, ...],
) -> SampleResult:
    """A sample against its baseline; without phases the limits become doses, too."""
    from foci import detection_limits, excess_per_cell, limit_doses, p_value_against_baseline

    curve, dispersion = task.curve, task.dispersion
    baseline = cycle.pooled_baseline
    if baseline is None:
        variance = dispersion * sample.foci / sample.cells**2 + curve.intercept_sd**2
        return SampleResult(
            sample,
            sample.per_cell - curve.intercept_per_cell,
            float(np.sqrt(variance)),
            float("nan"),
            None,
            None,
            cell_test(sample),
            doses,
            "no baseline: not tested",
        )
    excess = excess_per_cell(sample, baseline, dispersion=dispersion)
    limits = detection_limits(cycle.baseline, sample.cells, dispersion=dispersion)
    return SampleResult(
        sample,
        excess.per_cell,
        excess.sd,
        p_value_against_baseline(sample, baseline),
        limits,
        limit_doses(limits, curve) if task.shape is None else None,
        cell_test(sample),
        doses,
        excess.status if limits.status == "ok" else limits.status,
    )
