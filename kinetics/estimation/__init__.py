"""Fit population models: likelihood approximations, stochastic approximation, importance sampling.

Full Bayes is in `kinetics.inference`.
"""

from kinetics.estimation.fit import fit_population, objective_at
from kinetics.estimation.importance import importance_likelihood
from kinetics.estimation.objective import Evaluation
from kinetics.estimation.priors import (
    Prior,
    default_priors,
    half_normal_prior,
    half_student_prior,
    lkj_prior,
    logit_normal_prior,
    lognormal_prior,
    normal_prior,
    uniform_prior,
)
from kinetics.estimation.result import PopulationFit
from kinetics.estimation.saem import SaemFit, fit_saem

__all__ = [
    "Evaluation",
    "PopulationFit",
    "Prior",
    "SaemFit",
    "default_priors",
    "fit_population",
    "fit_saem",
    "half_normal_prior",
    "half_student_prior",
    "importance_likelihood",
    "lkj_prior",
    "logit_normal_prior",
    "lognormal_prior",
    "normal_prior",
    "objective_at",
    "uniform_prior",
]
