"""Residuals of a population fit, a row an observation."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import (
    effect_covariance,
    linearised,
    logarithmic,
    observation_frame,
    usable,
)
from kinetics.estimation.problem import Problem
from kinetics.estimation.shrinkage import residual_sd

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit


def residual_table(fit: PopulationFit) -> pd.DataFrame:
    r"""Predictions and residuals of every observation (goodness of fit).

    Parameters
    ----------
    fit : PopulationFit
        The fit; it need not have converged.

    Returns
    -------
    DataFrame
        A row an observation: subject, occasion, region, time_h, value, below_limit, row (of the
        file); and

        pred, ipred
            Prediction at random effects of zero, and at their empirical-Bayes estimates.
        res, ires
            Value minus pred, and minus ipred.
        wres
            Residuals of the population, decorrelated by the covariance of the model made linear
            at random effects of zero.
        iwres
            ires over the residual standard deviation at ipred.
        cwres, cwresi
            Conditional weighted residuals: the model is made linear about the subject's mode. The
            residual variance is that at pred (cwres, as FOCE takes it) or at ipred (cwresi,
            FOCEI).

        Below the limit of quantification all residuals are NaN, and the row does not enter the
        covariance of the others. With log-normal errors every residual is one of logarithms.

    Notes
    -----
    .. math:: CWRES_i = C_i^{-1/2}\,[y_i - f_i(\hat\eta_i) + J_i\hat\eta_i], \qquad
        C_i = J_i \Omega J_i^T + \mathrm{diag}(g^2)

    with :math:`J_i = \partial f_i/\partial\eta` at the mode and the symmetric square root.

    References
    ----------
    Hooker AC, Staatz CE, Karlsson MO. Pharm Res 2007;24:2187-2197,
    doi:10.1007/s11095-007-9361-x.

    Raises
    ------
    KineticsError
        If the objective of the fit is not finite.
    """
    problem, x = usable(fit).problem, fit.x
    effects = fit.evaluation.effects
    table = observation_frame(problem.data)
    omega = effect_covariance(problem, x)
    pred, at_zero = linearised(problem, x, np.zeros_like(effects))
    ipred, at_mode = linearised(problem, x, effects)
    subject = problem.subject_of_row()
    y, f0, f1 = problem.data.value, pred, ipred
    log = logarithmic(problem)
    if log.any():
        y, f0, f1 = (np.where(log, np.log(np.where(log, v, 1.0)), v) for v in (y, f0, f1))
        at_zero = np.where(log[:, None], at_zero / pred[:, None], at_zero)
        at_mode = np.where(log[:, None], at_mode / ipred[:, None], at_mode)
    sd0, sd1 = residual_sd(problem, x, pred), residual_sd(problem, x, ipred)
    expected = f1 - np.einsum("ij,ij->i", at_mode, effects[subject])
    table["pred"], table["ipred"] = pred, ipred
    table["res"] = y - f0
    table["wres"] = _decorrelated(problem, y - f0, at_zero, omega, sd0)
    table["ires"] = y - f1
    table["iwres"] = (y - f1) / sd1
    table["cwres"] = _decorrelated(problem, y - expected, at_mode, omega, sd0)
    table["cwresi"] = _decorrelated(problem, y - expected, at_mode, omega, sd1)
    table.loc[problem.data.below_limit, ["res", "wres", "ires", "iwres", "cwres", "cwresi"]] = (
        np.nan
    )
    return table


def binned_median(x: FloatArray, y: FloatArray, *, bins: int = 8) -> pd.DataFrame:
    """Median of y in bins of x that hold about the same number; NaN are left out.

    Returns
    -------
    DataFrame
        Columns x (median of the bin), y (median) and n.
    """
    import pandas as pd

    known = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[known], kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(order) // 5)))
    rows = [
        (float(np.median(x[known][p])), float(np.median(y[known][p])), len(p))
        for p in parts
        if len(p)
    ]
    return pd.DataFrame(rows, columns=["x", "y", "n"]).groupby("x", as_index=False).agg(
        {"y": "mean", "n": "sum"}
    )  # fmt: skip


def _decorrelated(
    problem: Problem, residual: FloatArray, by_effect: FloatArray, omega: FloatArray, sd: FloatArray
) -> FloatArray:
    """Residuals (n,) times the symmetric inverse root of each subject's covariance."""
    out = np.full(len(residual), np.nan)
    subject, known = problem.subject_of_row(), ~problem.data.below_limit
    edges = np.searchsorted(subject, np.arange(problem.n_subjects + 1))
    for a, b in pairwise(edges):
        rows = np.arange(a, b)[known[a:b]]
        j = by_effect[rows]
        covariance = j @ omega @ j.T + np.diag(sd[rows] ** 2)
        if len(rows) and np.isfinite(covariance).all():
            value, vector = np.linalg.eigh(covariance)
            if value[0] > 0.0:
                out[rows] = vector @ ((vector.T @ residual[rows]) / np.sqrt(value))
    return out
