"""Tables of subjects: their curves, and their random effects beside covariates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import usable
from kinetics.errors import KineticsError
from kinetics.estimation.problem import Problem
from kinetics.estimation.shrinkage import individual_parameters

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit


def individual_curves(fit: PopulationFit, *, n_points: int = 100) -> pd.DataFrame:
    """Dense predictions of every subject, occasion and observed region.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    n_points : int
        Points of a curve, half of them spaced evenly and half geometrically, to which the times
        of observations and doses are added.

    Returns
    -------
    DataFrame
        Columns subject, occasion, region, time_h, pred (random effects of zero) and ipred.
    """
    import pandas as pd

    problem, x = usable(fit).problem, fit.x
    data, design = problem.data, problem.design
    typical = individual_parameters(problem, x, problem.empty_effects())
    own = individual_parameters(problem, x, fit.evaluation.effects)
    codes = design.rows[:, 1]
    parts = []
    for o, subject in enumerate(data.occasion_subject):
        a, b = data.observation_start[o : o + 2]
        doses = design.doses[design.dose_start[o] : design.dose_start[o + 1]]
        for r in np.unique(data.region[a:b]):
            chosen = np.arange(a, b)[data.region[a:b] == r]
            times = _grid(data.time_h[chosen], doses[:, 0], n_points)
            rows = np.column_stack([times, np.full(len(times), codes[chosen[0]])])
            part = pd.DataFrame({"time_h": times})
            for name, parameter in (("pred", typical[o]), ("ipred", own[o])):
                part[name] = _predicted(problem, parameter, rows, doses)
            part.insert(0, "region", data.regions[r])
            part.insert(0, "occasion", data.occasion_label[o])
            part.insert(0, "subject", data.subjects[subject])
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _grid(time_h: FloatArray, dose_time_h: FloatArray, n_points: int) -> FloatArray:
    last = float(time_h.max())
    first = min(0.0, float(time_h.min()))
    if last <= first:
        last = first + 1.0
    last += 0.03 * (last - first)
    later = dose_time_h[(dose_time_h > first) & (dose_time_h < last)]
    half = max(n_points // 2, 2)
    after = time_h[time_h > 0.0].min(initial=last) / 4.0
    parts = [np.linspace(first, last, half), time_h, later, later - 1e-6]
    if last > after > 0.0:
        parts.append(np.geomspace(after, last, half))
    return np.unique(np.concatenate(parts))


def _predicted(
    problem: Problem, parameter: FloatArray, rows: FloatArray, doses: FloatArray
) -> FloatArray:
    value, jacobian = np.empty(len(rows)), np.empty((len(rows), len(parameter)))
    problem.predict(parameter, np.ascontiguousarray(rows), doses, value, jacobian)
    return value


def random_effect_table(fit: PopulationFit) -> pd.DataFrame:
    """Empirical-Bayes estimates of the random effects beside the covariates.

    Parameters
    ----------
    fit : PopulationFit
        The fit.

    Returns
    -------
    DataFrame
        A row a subject and effect (``eta_cl``), and a row an occasion and effect of the occasion
        (``kappa_cl``): subject, occasion (empty for effects of the subject), effect, parameter,
        estimate, population_sd, and the covariates (those of the subject's first occasion for its
        own effects).

    Raises
    ------
    KineticsError
        If the model has no random effects.
    """
    import pandas as pd

    problem, model, effects = usable(fit).problem, fit.model, fit.evaluation.effects
    data, start = problem.data, problem.design.occasion_start
    n_random = len(model.random)
    if not (n_random or model.varying):
        raise KineticsError("the model has no random effects")
    parts = []
    for e, name in enumerate(model.random):
        sd = model.parameters[name].sd
        head = {"subject": list(data.subjects), "occasion": "", "effect": f"eta_{name}"}
        values = {"parameter": name, "estimate": effects[:, e], "population_sd": sd}
        covariates = {key: value[start[:-1]] for key, value in data.covariates.items()}
        parts.append(pd.DataFrame(head | values | covariates))
    occasion = np.arange(len(data.occasion_subject))
    within = occasion - start[data.occasion_subject]
    subjects = np.array(data.subjects, dtype=object)[data.occasion_subject]
    for k, name in enumerate(model.varying):
        column = n_random + within * len(model.varying) + k
        values = {
            "subject": subjects,
            "occasion": list(data.occasion_label),
            "effect": f"kappa_{name}",
            "parameter": name,
            "estimate": effects[data.occasion_subject, column],
            "population_sd": model.parameters[name].cycle_sd,
        }
        parts.append(pd.DataFrame(values | dict(data.covariates)))
    return pd.concat(parts, ignore_index=True)
