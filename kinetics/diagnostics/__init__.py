"""Diagnostics of population fits: tables first, figures from them."""

from kinetics.diagnostics.bootstrap import BootstrapResult, bootstrap_population, take_subjects
from kinetics.diagnostics.individual import individual_curves, random_effect_table
from kinetics.diagnostics.npde import npde, npde_tests
from kinetics.diagnostics.plots import (
    plot_effects_covariates,
    plot_goodness_of_fit,
    plot_individual_fits,
    plot_observed_predicted,
    plot_random_effects,
    plot_residuals,
)
from kinetics.diagnostics.predictive_check import VpcResult, visual_predictive_check
from kinetics.diagnostics.predictive_plots import (
    plot_npde,
    plot_profile,
    plot_vpc,
    plot_vpc_below_limit,
)
from kinetics.diagnostics.profile import ProfileResult, profile_likelihood
from kinetics.diagnostics.residuals import binned_median, residual_table
from kinetics.diagnostics.simulate import SimulatedPopulation, simulate_population
from kinetics.diagnostics.sir import SirResult, sir

__all__ = [
    "BootstrapResult",
    "ProfileResult",
    "SimulatedPopulation",
    "SirResult",
    "VpcResult",
    "binned_median",
    "bootstrap_population",
    "individual_curves",
    "npde",
    "npde_tests",
    "plot_effects_covariates",
    "plot_goodness_of_fit",
    "plot_individual_fits",
    "plot_npde",
    "plot_observed_predicted",
    "plot_profile",
    "plot_random_effects",
    "plot_residuals",
    "plot_vpc",
    "plot_vpc_below_limit",
    "profile_likelihood",
    "random_effect_table",
    "residual_table",
    "simulate_population",
    "sir",
    "take_subjects",
    "visual_predictive_check",
]
