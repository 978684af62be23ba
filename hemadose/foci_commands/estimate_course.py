"""The blood dose of a cycle from a time course of foci, with repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError
from hemadose.foci_commands.estimate_input import CycleSamples
from hemadose.foci_commands.inputs import told_as

if TYPE_CHECKING:
    from foci import CalibrationCurve, DosePrior, FociDoseEstimate, RepairModel, Worth
    from kinetics import SumOfExponentials

_N_DRAWS, _N_WORTH = 10_000, 5_000
_GRID = 4000  # doses of the prior from which draws are taken
_SURE = 1e6  # shape of the gamma prior of a background without uncertainty


@dataclass(frozen=True, eq=False)
class CourseDose:
    """Blood dose of one cycle.

    Attributes
    ----------
    total_mgy : float
        Median of the dose to infinity.
    interval_mgy : tuple of float
        Its central interval.
    received_mgy : tuple of float
        Median of the dose received up to each sample after the administration.
    received_interval_mgy : tuple of tuple of float
        Their intervals.
    worth : tuple of Worth
        What each sample was worth; the first row is all of them.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        In words.
    """

    total_mgy: float
    interval_mgy: tuple[float, float]
    received_mgy: tuple[float, ...]
    received_interval_mgy: tuple[tuple[float, float], ...]
    worth: tuple[Worth, ...]
    status: str
    assumptions: tuple[str, ...]


def dose_rate_shape(phases: Sequence[str]) -> SumOfExponentials:
    """Shape of the blood dose rate from phases ``share,half-life``; its integral is one.

    Raises
    ------
    HemadoseError
        If one is not two positive numbers.
    """
    from kinetics import SumOfExponentials

    pairs = []
    for text in phases:
        try:
            share, half_life_h = (float(part) for part in text.split(","))
        except ValueError:
            share = half_life_h = float("nan")
        if not (0 < share < np.inf and 0 < half_life_h < np.inf):
            raise HemadoseError(
                f"--phase: got {text!r}, legal is as 0.9,1.5: the share of the dose rate at the "
                "injection and the effective half-life in h, both above 0"
            )
        pairs.append((share, np.log(2) / half_life_h))
    amplitude, rate = np.array(pairs).T
    return SumOfExponentials(amplitude / (amplitude / rate).sum(), rate)


def course_dose(
    cycle: CycleSamples,
    curve: CalibrationCurve,
    shape: SumOfExponentials,
    *,
    prior: DosePrior | None,
    dispersion: float,
    level: float,
    rng: np.random.Generator,
) -> CourseDose:
    """Blood dose of a cycle, and what each of its samples was worth.

    Parameters
    ----------
    cycle : CycleSamples
        Samples before and after the administration.
    curve : CalibrationCurve
        Straight line of the laboratory; its slope is corrected for repair here, once.
    shape : SumOfExponentials
        Blood dose rate of a dose of 1 Gy.
    prior : DosePrior or None
        Of the dose; log-uniform from 1 mGy to 10 Gy if None.
    dispersion : float
        Variance over mean of the counts.
    level : float
        Coverage of the intervals.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    HemadoseError
        If the curve is no straight line, or the counts are impossible.
    """
    from foci import DosePrior, blood_dose_from_foci, draw_repair

    with told_as("--phase"):
        model = _repair_model(curve, own_baseline=bool(cycle.baseline))
    prior = prior or DosePrior()
    samples = [*cycle.baseline, *cycle.after]
    with told_as(cycle.title):
        draws = draw_repair(model, _N_DRAWS, rng)
        if not cycle.baseline:
            draws = replace(draws, background_assumptions=(cycle.note,))
        found = blood_dose_from_foci(
            samples,
            shape,
            repair_draws=draws,
            rng=rng,
            prior=prior,
            dispersion=dispersion,
            level=level,
        )
        worth = _worth(cycle, shape, model, prior, dispersion, rng)
    return _course(found, worth, level)


def _course(found: FociDoseEstimate, worth: tuple[Worth, ...], level: float) -> CourseDose:
    from foci import central_interval

    size = min(found.effective_sample_size, len(found.dose_gy))
    intervals = [
        central_interval(column, level, n_effective=size) for column in found.dose_at_sample_gy.T
    ]
    return CourseDose(
        1000 * float(np.median(found.dose_gy)),
        (1000 * found.interval_gy[0], 1000 * found.interval_gy[1]),
        tuple((1000 * np.median(found.dose_at_sample_gy, axis=0)).tolist()),
        tuple((1000 * low, 1000 * high) for low, high in intervals),
        worth,
        found.status,
        found.assumptions,
    )


def _repair_model(curve: CalibrationCurve, *, own_baseline: bool) -> RepairModel:
    """What is known of induction and repair; the curve's background where there is no baseline."""
    from foci import RepairModel

    if own_baseline:
        return RepairModel(curve)
    mean, sd = curve.intercept_per_cell, curve.intercept_sd
    shape = min(_SURE, (mean / sd) ** 2) if sd > 0 else _SURE
    return RepairModel(curve, background_shape=shape, background_mean_per_cell=mean)


def _worth(
    cycle: CycleSamples,
    shape: SumOfExponentials,
    model: RepairModel,
    prior: DosePrior,
    dispersion: float,
    rng: np.random.Generator,
) -> tuple[Worth, ...]:
    """Worth of each sample, against doses drawn from the prior."""
    from foci import sample_worth, update_draws
    from kinetics import SumOfExponentials

    log_dose, log_density = prior.log_dose_grid(_GRID)
    density = np.exp(log_density - log_density.max())
    place = rng.choice(_GRID, _N_WORTH, p=density / density.sum())
    step = log_dose[1] - log_dose[0]
    dose = np.exp(log_dose[place] + step * (rng.random(_N_WORTH) - 0.5))
    rate = {cycle.cycle: SumOfExponentials(dose[:, None] * shape.amplitude, shape.rate_per_h)}
    samples = {cycle.cycle: [*cycle.baseline, *cycle.after]}
    update = update_draws(rate, samples, model, rng=rng, dispersion=dispersion)
    return sample_worth(update, rate, samples, model, rng=rng, dispersion=dispersion)
