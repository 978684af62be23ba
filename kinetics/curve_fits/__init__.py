"""One patient's curve: forms, least squares for one or a cohort, averaging, gates, intervals."""

from kinetics.curve_fits.averaging import AveragedTia, average_tia
from kinetics.curve_fits.bootstrap import Bootstrap, bootstrap
from kinetics.curve_fits.cohort_fit import fit_cohort
from kinetics.curve_fits.cohort_result import CohortFit
from kinetics.curve_fits.fit import CurveFit, akaike_weights, fit_curve, fit_curves
from kinetics.curve_fits.forms import CURVE_FORMS, CurveForm, curve_form
from kinetics.curve_fits.goodness import Gate, extrapolated_fraction, goodness_of_fit
from kinetics.curve_fits.plots import plot_fits, plot_profile
from kinetics.curve_fits.profile import ProfileInterval, profile_likelihood

__all__ = [
    "CURVE_FORMS",
    "AveragedTia",
    "Bootstrap",
    "CohortFit",
    "CurveFit",
    "CurveForm",
    "Gate",
    "ProfileInterval",
    "akaike_weights",
    "average_tia",
    "bootstrap",
    "curve_form",
    "extrapolated_fraction",
    "fit_cohort",
    "fit_curve",
    "fit_curves",
    "goodness_of_fit",
    "plot_fits",
    "plot_profile",
    "profile_likelihood",
]
