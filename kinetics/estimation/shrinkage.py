"""Empirical-Bayes estimates as tables, and how far they shrink towards the population."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation.problem import Problem

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit


def eta_frame(fit: PopulationFit) -> pd.DataFrame:
    """Random effects of each subject: ``eta_cl``; of its occasions: ``kappa_cl_<occasion>``."""
    import pandas as pd

    problem, effects = fit.problem, fit.evaluation.effects
    data, model = problem.data, problem.model
    table = pd.DataFrame(index=pd.Index(data.subjects, name="subject"))
    for e, name in enumerate(model.random):
        table[f"eta_{name}"] = effects[:, e]
    start = problem.design.occasion_start
    n_random, n_varying = len(model.random), len(model.varying)
    for o, subject in enumerate(data.occasion_subject):
        for k, name in enumerate(model.varying):
            column = n_random + (o - start[subject]) * n_varying + k
            label = f"kappa_{name}_{data.occasion_label[o]}"
            table.loc[data.subjects[subject], label] = effects[subject, column]
    return table


def individual_predictions(problem: Problem, x: FloatArray, effects: FloatArray) -> FloatArray:
    """Predictions (n,) of every observation with given random effects."""
    design, data = problem.design, problem.data
    parameter = individual_parameters(problem, x, effects)
    value = np.full(len(data.value), np.nan)
    jacobian = np.empty((len(data.value), parameter.shape[1]))
    for o in range(len(parameter)):
        a, b = design.row_start[o : o + 2]
        c, d = design.dose_start[o : o + 2]
        if b > a:
            problem.predict(
                parameter[o], design.rows[a:b], design.doses[c:d], value[a:b], jacobian[a:b]
            )
    return value


def individual_parameters(problem: Problem, x: FloatArray, effects: FloatArray) -> FloatArray:
    """Structural parameters (n_occasions, p) with given random effects (n_subjects, m)."""
    design, model = problem.design, problem.model
    psi = problem.vector.population(x).typical.copy()
    n_random, n_varying = len(model.random), len(model.varying)
    subject = problem.data.occasion_subject
    psi[:, design.eta] += effects[subject, :n_random]
    if n_varying:
        within = np.arange(len(subject)) - design.occasion_start[subject]
        columns = n_random + within[:, None] * n_varying + np.arange(n_varying)
        psi[:, design.kappa] += effects[subject[:, None], columns]
    log, logit = design.transform == 1, design.transform == 2
    with np.errstate(over="ignore"):
        psi[:, log] = np.exp(psi[:, log])
        psi[:, logit] = 1.0 / (1.0 + np.exp(-psi[:, logit]))
    return np.asarray(psi)


def residual_sd(problem: Problem, x: FloatArray, prediction: FloatArray) -> FloatArray:
    """Residual standard deviation (n,) at predictions; of the logarithm for log-normal errors."""
    from kinetics.estimation._rows import spread

    sigma, design = problem.vector.population(x).sigma, problem.design
    region = design.rows[:, 1].astype(int)
    return np.array(
        [
            spread(design.error[r], sigma[r], f, known)[0]
            for r, f, known in zip(region, prediction, design.known_sd, strict=True)
        ]
    )


def weighted_residuals(problem: Problem, x: FloatArray, prediction: FloatArray) -> FloatArray:
    """Residuals over their standard deviation (n,).

    NaN below the limit of quantification and where a prediction leaves none.
    """
    design, data = problem.design, problem.data
    difference = data.value - prediction
    logarithmic = design.error[design.rows[:, 1].astype(int)] == 5
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        difference[logarithmic] = np.log(data.value[logarithmic] / prediction[logarithmic])
        weighted = difference / residual_sd(problem, x, prediction)
    return np.where(data.below_limit | ~np.isfinite(weighted), np.nan, weighted)


def shrinkage(fit: PopulationFit) -> pd.Series:
    """100 (1 - sd(estimates) / population sd) of random effects, and of weighted residuals."""
    import pandas as pd

    model, table = fit.model, eta_frame(fit)
    out: dict[str, float] = {}
    for name in model.random:
        out[f"eta_{name}"] = _shrunk(table[f"eta_{name}"].to_numpy(), model.parameters[name].sd)
    for name in model.varying:
        columns = [c for c in table.columns if c.startswith(f"kappa_{name}_")]
        out[f"kappa_{name}"] = _shrunk(
            table[columns].to_numpy().ravel(), model.parameters[name].cycle_sd
        )
    prediction = individual_predictions(fit.problem, fit.x, fit.evaluation.effects)
    residual = weighted_residuals(fit.problem, fit.x, prediction)
    region = fit.problem.design.rows[:, 1].astype(int)
    for r in np.unique(region):
        name = model.structure.regions[r]
        out[f"epsilon_{name}"] = _shrunk(residual[region == r], 1.0)
    return pd.Series(out, name="shrinkage_pct")


def _shrunk(estimates: FloatArray, population_sd: float) -> float:
    known = estimates[np.isfinite(estimates)]
    if len(known) < 2:
        return float("nan")
    return float(100.0 * (1.0 - known.std(ddof=1) / population_sd))
