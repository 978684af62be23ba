"""One patient with the population known: posterior, single time points, when to sample."""

from kinetics.individual.chains import ChainDraws, sample_chains
from kinetics.individual.design import SamplingDesign, when_to_sample
from kinetics.individual.model_selection import (
    ModelSelection,
    patient_with_population,
    select_population_model,
)
from kinetics.individual.population_design import (
    PopulationInformation,
    best_population_schedule,
    population_information,
    relative_efficiency,
)
from kinetics.individual.posterior import individual_posterior, patient_data
from kinetics.individual.result import IndividualPosterior
from kinetics.individual.single_time_point import (
    SingleTimePointTia,
    haenscheid_ratio,
    haenscheid_tia,
    madsen_ratio,
    madsen_tia,
    population_tia,
)
from kinetics.individual.single_time_point_study import (
    SingleTimePointStudy,
    assumed_dotatate_kidneys,
    single_time_point_study,
)

__all__ = [
    "ChainDraws",
    "IndividualPosterior",
    "ModelSelection",
    "PopulationInformation",
    "SamplingDesign",
    "SingleTimePointStudy",
    "SingleTimePointTia",
    "assumed_dotatate_kidneys",
    "best_population_schedule",
    "haenscheid_ratio",
    "haenscheid_tia",
    "individual_posterior",
    "madsen_ratio",
    "madsen_tia",
    "patient_data",
    "patient_with_population",
    "population_information",
    "population_tia",
    "relative_efficiency",
    "sample_chains",
    "select_population_model",
    "single_time_point_study",
    "when_to_sample",
]
