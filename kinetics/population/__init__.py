"""Population models and their data."""

from kinetics.population.build import population_data
from kinetics.population.covariates import (
    CovariateEffect,
    category_effect,
    exponential_effect,
    linear_effect,
    power_effect,
)
from kinetics.population.data import PopulationData
from kinetics.population.data_warnings import data_warnings
from kinetics.population.describe import (
    covariate_summary,
    data_summary,
    doses_frame,
    observations_frame,
)
from kinetics.population.errors import PopulationDataError, PopulationDataWarning
from kinetics.population.model import Parameter, PopulationModel
from kinetics.population.nonmem import read_nonmem
from kinetics.population.residual import (
    ResidualErrorModel,
    additive,
    combined1,
    combined2,
    known_sd,
    lognormal,
    power,
    proportional,
)
from kinetics.population.tidy import read_tidy

__all__ = [
    "CovariateEffect",
    "Parameter",
    "PopulationData",
    "PopulationDataError",
    "PopulationDataWarning",
    "PopulationModel",
    "ResidualErrorModel",
    "additive",
    "category_effect",
    "combined1",
    "combined2",
    "covariate_summary",
    "data_summary",
    "data_warnings",
    "doses_frame",
    "exponential_effect",
    "known_sd",
    "linear_effect",
    "lognormal",
    "observations_frame",
    "population_data",
    "power",
    "power_effect",
    "proportional",
    "read_nonmem",
    "read_tidy",
]
