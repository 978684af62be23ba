"""Dose of one sample irradiated like the calibration: its curve read backwards."""

from foci.sample_dose.dose_posterior import DosePosterior, dose_posterior
from foci.sample_dose.dose_prior import DosePrior
from foci.sample_dose.intervals import central_interval, effective_number
from foci.sample_dose.inverse import InverseDose, dose_from_curve
from foci.sample_dose.merkle import MerkleDose, merkle_dose
from foci.sample_dose.partial_body import PartialBodyEstimate, partial_body
from foci.sample_dose.partial_body_bayes import PartialBodyPosterior, partial_body_posterior

__all__ = [
    "DosePosterior",
    "DosePrior",
    "InverseDose",
    "MerkleDose",
    "PartialBodyEstimate",
    "PartialBodyPosterior",
    "central_interval",
    "dose_from_curve",
    "dose_posterior",
    "effective_number",
    "merkle_dose",
    "partial_body",
    "partial_body_posterior",
]
