"""Where the activity is, and when: time-activity curves and their posterior draws."""

from kinetics.curves import SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.posterior import (
    PosteriorDraws,
    effective_sample_size,
    normalised_weights,
    resample,
    sample_posterior,
)

__all__ = [
    "KineticsError",
    "PosteriorDraws",
    "SumOfExponentials",
    "effective_sample_size",
    "normalised_weights",
    "resample",
    "sample_posterior",
]
