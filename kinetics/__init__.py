"""Where the activity is, and when: time-activity curves and their posterior draws."""

from kinetics.curve_fits.fit import CurveFit, akaike_weights, fit_curve, fit_curves
from kinetics.curve_fits.forms import CURVE_FORMS, CurveForm, curve_form
from kinetics.curves import SumOfExponentials
from kinetics.errors import KineticsError
from kinetics.mammillary import mammillary_curves
from kinetics.models import KineticModel, ResidualError
from kinetics.patient import ActivitySample, PatientKinetics, fit_patient, sample_sd
from kinetics.posterior import (
    PosteriorDraws,
    effective_sample_size,
    normalised_weights,
    resample,
    sample_posterior,
)
from kinetics.published import PUBLISHED_AGENTS, published_model
from kinetics.region_priors import region_model

__all__ = [
    "CURVE_FORMS",
    "PUBLISHED_AGENTS",
    "ActivitySample",
    "CurveFit",
    "CurveForm",
    "KineticModel",
    "KineticsError",
    "PatientKinetics",
    "PosteriorDraws",
    "ResidualError",
    "SumOfExponentials",
    "akaike_weights",
    "curve_form",
    "effective_sample_size",
    "fit_curve",
    "fit_curves",
    "fit_patient",
    "mammillary_curves",
    "normalised_weights",
    "published_model",
    "region_model",
    "resample",
    "sample_posterior",
    "sample_sd",
]
