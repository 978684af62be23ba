"""Fit population models: likelihood approximations, stochastic approximation, importance sampling.

Full Bayes is in `kinetics.inference`.
"""

from kinetics.estimation.fit import fit_population, objective_at
from kinetics.estimation.importance import importance_likelihood
from kinetics.estimation.objective import Evaluation
from kinetics.estimation.result import PopulationFit
from kinetics.estimation.saem import SaemFit, fit_saem

__all__ = [
    "Evaluation",
    "PopulationFit",
    "SaemFit",
    "fit_population",
    "fit_saem",
    "importance_likelihood",
    "objective_at",
]
