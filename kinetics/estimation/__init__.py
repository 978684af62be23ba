"""Fit population models: likelihood approximations, stochastic approximation, full Bayes."""

from kinetics.estimation.fit import fit_population, objective_at
from kinetics.estimation.objective import Evaluation
from kinetics.estimation.result import PopulationFit

__all__ = ["Evaluation", "PopulationFit", "fit_population", "objective_at"]
