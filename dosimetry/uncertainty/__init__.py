"""How sure a dose is: propagation of the measurement chain, its Monte Carlo twin, factors."""

from dosimetry.uncertainty.factors import RELATIVE_UNCERTAINTY, lognormal_factor, s_value_factor
from dosimetry.uncertainty.gear2018 import DoseMeasurement, DoseUncertainty, dose_uncertainty
from dosimetry.uncertainty.monte_carlo import (
    MonteCarloCheck,
    dose_draws,
    measurement_factor,
    monte_carlo_check,
)
from dosimetry.uncertainty.plots import plot_budget
from dosimetry.uncertainty.scaling import fit_s_value_exponent, s_value_exponent
from dosimetry.uncertainty.tia import tia_from_draws, tia_from_fit, tia_from_parameters
from dosimetry.uncertainty.voi import voi_relative_sd

__all__ = [
    "RELATIVE_UNCERTAINTY",
    "DoseMeasurement",
    "DoseUncertainty",
    "MonteCarloCheck",
    "dose_draws",
    "dose_uncertainty",
    "fit_s_value_exponent",
    "lognormal_factor",
    "measurement_factor",
    "monte_carlo_check",
    "plot_budget",
    "s_value_exponent",
    "s_value_factor",
    "tia_from_draws",
    "tia_from_fit",
    "tia_from_parameters",
    "voi_relative_sd",
]
