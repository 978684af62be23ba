"""What samples not yet drawn can be expected to be worth for the blood dose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foci.checks import check_whole, number
from foci.counting.counts import FociSample, check_dispersion, log_likelihood
from foci.errors import FociError
from foci.patient_dose.estimate import split_baseline
from foci.patient_dose.sample_model import Curves, expected_foci, rows_of
from foci.patient_dose.update import FociUpdate
from foci.patient_dose.worth import Worth, log_total_dose, repair_of, variances, worth_row
from kinetics.curves import FloatArray


@dataclass(frozen=True)
class PlannedSample:
    """A sample not yet drawn: its cycle, its time after the administration (h) and its cells."""

    cycle: int
    time_h: float
    cells: int

    def __post_init__(self) -> None:
        check_whole(self.cycle, "cycle")
        check_whole(self.cells, "cells")
        if not 0 <= number(self.time_h, "time_h") < np.inf:
            raise FociError(f"a planned sample needs time_h of zero or more, got {self.time_h}")


def planned_worth(
    update: FociUpdate,
    dose_rate: Curves,
    planned: Sequence[PlannedSample],
    *,
    rng: np.random.Generator,
    dispersion: float = 1.0,
    n_outcomes: int = 200,
) -> tuple[Worth, ...]:
    r"""What samples not yet drawn can be expected to be worth, each alone and all together.

    Parameters
    ----------
    update : FociUpdate
        What is known so far; an update without samples after the administration, whose cycles are
        listed with their baselines or empty, gives the worth before any focus is counted.
    dose_rate : mapping of int to SumOfExponentials
        As given to `update_draws`.
    planned : sequence of PlannedSample
        Samples considered.
    rng : numpy.random.Generator
        Source of randomness.
    dispersion : float
        Variance over mean of the counts.
    n_outcomes : int
        Number of counts simulated of each sample.

    Returns
    -------
    tuple of Worth
        One for each, and one for all together if they are several. The error is that of the number
        of outcomes.

    Raises
    ------
    FociError
        If a cycle has no background in the update.

    Notes
    -----
    Preposterior analysis: counts are simulated from the draws; for each, the other draws are
    weighted by its likelihood, and the variances of the log dose averaged.

    References
    ----------
    Raiffa H, Schlaifer R. Applied Statistical Decision Theory (1961), ch. 4.

    Examples
    --------
    >>> import numpy as np
    >>> from foci import RepairModel, eberlein_2015, update_draws
    >>> from kinetics import SumOfExponentials
    >>> rng = np.random.default_rng(1)
    >>> rate = {1: SumOfExponentials(0.05 * rng.lognormal(0, 0.4, (500, 1)), [[0.5]])}
    >>> known = {1: [FociSample(1, -1.0, 200, 40)]}
    >>> before = update_draws(rate, known, RepairModel(eberlein_2015()), rng=rng)
    >>> few, many = (
    ...     planned_worth(before, rate, [PlannedSample(1, 2.0, n)], rng=rng)[0] for n in (20, 2000)
    ... )
    >>> few.variance_reduction < many.variance_reduction
    True
    """
    if not planned:
        raise FociError("no planned sample was given")
    if n_outcomes < 2:
        raise FociError(f"n_outcomes must be 2 or more, got {n_outcomes}")
    check_dispersion(dispersion)
    missing = sorted({s.cycle for s in planned} - update.background_per_cell.keys())
    if missing:
        raise FociError(f"cycle {missing[0]} has no background in the update: list it there")
    value = log_total_dose(dose_rate)[update.indices]
    repair = repair_of(update)
    curves = rows_of(dose_rate, update.indices)
    mean = np.stack(
        [
            s.cells
            * expected_foci(
                {s.cycle: curves[s.cycle]},
                {s.cycle: split_baseline([FociSample(s.cycle, s.time_h, s.cells, 0)])},
                repair,
            )[:, 0]
            for s in planned
        ]
    )
    truth = rng.permutation(np.arange(n_outcomes) * len(value) // n_outcomes)
    counts = _simulated(mean[:, truth], dispersion, rng)
    log_likelihoods = log_likelihood(counts[:, :, None], 1, mean[:, None, :], dispersion=dispersion)
    log_likelihoods[:, np.arange(n_outcomes), truth] = -np.inf  # no draw judges itself
    names = [f"cycle {s.cycle}, {s.time_h:g} h, {s.cells} cells" for s in planned]
    rows = [
        _expected_worth(name, given, value)
        for name, given in zip(names, log_likelihoods, strict=True)
    ]
    if len(planned) > 1:
        rows.append(_expected_worth("all", log_likelihoods.sum(0), value))
    return tuple(rows)


def _expected_worth(name: str, log_likelihoods: FloatArray, value: FloatArray) -> Worth:
    """Worth from likelihoods of outcomes (rows) at the draws (columns)."""
    centred = value - value.mean()
    top = log_likelihoods.max(-1, keepdims=True)
    weight = np.exp(log_likelihoods - top)
    before, after = float(centred.var()), variances(weight, centred)
    ess = float(np.median(weight.sum(-1) ** 2 / (weight**2).sum(-1)))
    error = float(after.std(ddof=1)) / np.sqrt(len(after)) / max(before, 1e-300)
    return worth_row(name, before, float(after.mean()), error, ess)


def _simulated(mean: FloatArray, dispersion: float, rng: np.random.Generator) -> FloatArray:
    """Counts of a mean and a dispersion."""
    if dispersion == 1:
        return np.asarray(rng.poisson(mean), dtype=np.float64)
    size = np.maximum(mean, 1e-12) / (dispersion - 1)
    return np.asarray(rng.negative_binomial(size, 1 / dispersion), dtype=np.float64)
