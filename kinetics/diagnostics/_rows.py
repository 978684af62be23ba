"""What diagnostics share: who was observed, and the model made linear about random effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError
from kinetics.estimation.problem import Problem
from kinetics.estimation.shrinkage import individual_parameters
from kinetics.population.data import IntArray, PopulationData

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit

LOGNORMAL = 5  # code of the log-normal residual error in the kernels


def usable(fit: PopulationFit) -> PopulationFit:
    """The fit, or a KineticsError where its objective is not finite."""
    if not np.isfinite(fit.objective):
        raise KineticsError(f"the fit cannot be diagnosed: {fit.status}")
    return fit


def occasion_of_rows(data: PopulationData) -> IntArray:
    """Occasion of each observation, shape (n,)."""
    return np.repeat(np.arange(len(data.occasion_subject)), np.diff(data.observation_start))


def observation_frame(data: PopulationData) -> pd.DataFrame:
    """Who, where and when of each observation, a row each."""
    import pandas as pd

    occasion = occasion_of_rows(data)
    return pd.DataFrame(
        {
            "subject": np.array(data.subjects, dtype=object)[data.occasion_subject[occasion]],
            "occasion": np.array(data.occasion_label, dtype=object)[occasion],
            "region": np.array(data.regions, dtype=object)[data.region],
            "time_h": data.time_h,
            "value": data.value,
            "below_limit": data.below_limit,
            "row": data.row,
        }
    )


def logarithmic(problem: Problem) -> np.ndarray:
    """Which observations (n,) have a log-normal error."""
    code: IntArray = problem.design.error[problem.design.rows[:, 1].astype(int)]
    return np.asarray(code == LOGNORMAL)


def linearised(
    problem: Problem, x: FloatArray, effects: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Predictions (n,) at random effects (n_subjects, m), and their derivatives (n, m) by these."""
    design, data, model = problem.design, problem.data, problem.model
    parameter = individual_parameters(problem, x, effects)
    slope = np.where(design.transform == 1, parameter, np.ones_like(parameter))
    slope = np.where(design.transform == 2, parameter * (1.0 - parameter), slope)
    value = np.full(len(data.value), np.nan)
    by_effect = np.zeros((len(data.value), effects.shape[1]))
    n_random, n_varying = len(model.random), len(model.varying)
    for o, subject in enumerate(data.occasion_subject):
        a, b = design.row_start[o : o + 2]
        c, d = design.dose_start[o : o + 2]
        if a == b:
            continue
        jacobian = np.empty((b - a, parameter.shape[1]))
        problem.predict(parameter[o], design.rows[a:b], design.doses[c:d], value[a:b], jacobian)
        jacobian *= slope[o]
        by_effect[a:b, :n_random] = jacobian[:, design.eta]
        first = n_random + (o - design.occasion_start[subject]) * n_varying
        by_effect[a:b, first : first + n_varying] = jacobian[:, design.kappa]
    return value, by_effect


def effect_covariance(problem: Problem, x: FloatArray) -> FloatArray:
    """Covariance (m, m) of the random effects of a subject with the most occasions."""
    population = problem.vector.population(x)
    n_random, n_varying = len(problem.model.random), len(problem.model.varying)
    out = np.zeros((problem.empty_effects().shape[1],) * 2)
    if n_random:
        out[:n_random, :n_random] = np.linalg.inv(population.precision)
    if n_varying:
        occasions = (len(out) - n_random) // n_varying
        place = np.arange(n_random, len(out))
        out[place, place] = np.tile(1.0 / population.kappa_precision, occasions)
    return out
