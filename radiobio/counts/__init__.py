"""Blood counts over time: the model, what is assumed of each lineage, and a patient's own fit."""

from radiobio.counts.course import CountCourse, CountParameters, reaches_grade, simulate_counts
from radiobio.counts.fit import CountPosterior, fit_counts
from radiobio.counts.lineage_priors import LineagePrior, lineage_prior

__all__ = [
    "CountCourse",
    "CountParameters",
    "CountPosterior",
    "LineagePrior",
    "fit_counts",
    "lineage_prior",
    "reaches_grade",
    "simulate_counts",
]
