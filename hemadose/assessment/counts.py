"""Blood counts: the patient's own update the count model, and the future is simulated from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hemadose.assessment.doses import StudyDoses
from hemadose.study import Study
from kinetics import SumOfExponentials
from radiobio import (
    CountCourse,
    CountPosterior,
    LineagePrior,
    fit_counts,
    lineage_prior,
    simulate_counts,
)

LINEAGES = ("platelets", "haemoglobin", "neutrophils", "leukocytes", "lymphocytes")
CONSTRAINED_LINEAGES = LINEAGES[:4]  # isolated lymphopenia changes nothing under either label
HORIZON_D = 84.0  # days after the next administration in which the nadir is sought

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LineageCounts:
    """One lineage: measured counts, posterior, and what it was driven by.

    Attributes
    ----------
    lineage : str
        Which cells.
    day, count : ndarray, shape (n_counts,)
        Measured counts up to the decision (days since cycle 1; 1e9/L, haemoglobin g/L).
    prior : LineagePrior
        Assumed beforehand.
    posterior : CountPosterior
        Joint with the marrow dose draws.
    given : tuple of (start_day, SumOfExponentials)
        Marrow dose rate of each administration so far, draws in the order of the posterior.
    next_per_gbq : SumOfExponentials
        Marrow dose rate of the next cycle per activity (Gy/h per GBq), same draws.
    """

    lineage: str
    day: FloatArray
    count: FloatArray
    prior: LineagePrior
    posterior: CountPosterior
    given: tuple[tuple[float, SumOfExponentials], ...]
    next_per_gbq: SumOfExponentials

    def course(self, day: npt.ArrayLike) -> CountCourse:
        """Counts without a further administration, shape (n_draws, n_days)."""
        return simulate_counts(self.posterior.parameters, self.given, day)

    def course_after_next(
        self, day: npt.ArrayLike, *, next_day: float, activity_gbq: float
    ) -> CountCourse:
        """Counts if `activity_gbq` is given on `next_day`, shape (n_draws, n_days)."""
        ahead = (next_day, self.next_per_gbq.scaled(activity_gbq))
        return simulate_counts(self.posterior.parameters, [*self.given, ahead], day)


def fit_study_counts(
    study: Study,
    doses: StudyDoses,
    *,
    next_activity_gbq: float,
    rng: np.random.Generator,
    n_draws: int,
    lineages: Sequence[str] = LINEAGES,
) -> dict[str, LineageCounts]:
    """Update the count model of every lineage by the patient's own counts.

    Parameters
    ----------
    study : Study
        The study; lineages without counts rest on the population.
    doses : StudyDoses
        Doses; the marrow's drive the counts.
    next_activity_gbq : float
        Activity for which the next cycle's dose was predicted (GBq).
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of draws.
    lineages : sequence of str
        Which lineages.
    """
    next_cycle = max(doses.doses)
    marrow = {cycle: regions["marrow"].dose_rate for cycle, regions in doses.doses.items()}
    given = [(study.cycle_day(c.number), marrow[c.number]) for c in study.cycles]
    iodide = study.therapy.agent == "iodide" and doses.marrow_method == "blood"
    method = "blood_iodide" if iodide else doses.marrow_method
    fitted = {}
    for lineage in lineages:
        rows = [
            (row.day, row.values[lineage])
            for row in study.counts
            if lineage in row.values and row.day <= study.decision_day
        ]
        day, count = np.array(rows, dtype=np.float64).reshape(-1, 2).T
        prior = lineage_prior(lineage, method)
        if given:
            posterior = fit_counts(prior, given, day=day, count=count, rng=rng, n_draws=n_draws)
        else:
            still = [(0.0, SumOfExponentials(np.zeros((n_draws, 1)), np.ones((n_draws, 1))))]
            posterior = fit_counts(prior, still, day=day, count=count, rng=rng, n_draws=n_draws)
        index = posterior.dose_index
        fitted[lineage] = LineageCounts(
            lineage=lineage,
            day=day,
            count=count,
            prior=prior,
            posterior=posterior,
            given=tuple((start, curve[index]) for start, curve in given),
            next_per_gbq=marrow[next_cycle][index].scaled(1.0 / next_activity_gbq),
        )
    return fitted
