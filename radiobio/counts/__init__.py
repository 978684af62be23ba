"""Blood counts over time: the model, what is assumed of each lineage, and a patient's own fit."""

from radiobio.counts.chemotherapy import simulate_chemotherapy_counts
from radiobio.counts.cohort import CountAdvance, activity_reaching, advance_counts
from radiobio.counts.course import (
    CountCourse,
    CountParameters,
    simulate_counts,
    steady_state,
)
from radiobio.counts.fit import CountPosterior, fit_counts
from radiobio.counts.grades import reaches_grade
from radiobio.counts.laplace import CountDraws, CountLaplace, laplace_counts, laplace_draws
from radiobio.counts.lineage_priors import LineagePrior, lineage_prior
from radiobio.counts.prediction import CountPrediction, predict_counts

__all__ = [
    "CountAdvance",
    "CountCourse",
    "CountDraws",
    "CountLaplace",
    "CountParameters",
    "CountPosterior",
    "CountPrediction",
    "LineagePrior",
    "activity_reaching",
    "advance_counts",
    "fit_counts",
    "laplace_counts",
    "laplace_draws",
    "lineage_prior",
    "predict_counts",
    "reaches_grade",
    "simulate_chemotherapy_counts",
    "simulate_counts",
    "steady_state",
]
