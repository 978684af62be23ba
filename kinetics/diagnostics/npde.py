"""Normalised prediction distribution errors: each observation's place among its simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import linearised, logarithmic, observation_frame, usable
from kinetics.diagnostics.simulate import Limit, data_limits, simulated_values
from kinetics.errors import KineticsError

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit

_SHAPIRO_MOST = 5000
DECORRELATIONS = ("cholesky", "symmetric")


def npde(
    fit: PopulationFit,
    *,
    rng: np.random.Generator,
    n_simulations: int = 1000,
    decorrelation: str = "cholesky",
    lloq: Limit | None = None,
) -> pd.DataFrame:
    r"""Normalised prediction distribution errors of every observation.

    Under the true model they are standard normal. Those of a subject are independent where the
    observations are jointly normal, and nearly so elsewhere: decorrelation removes the linear
    dependence only.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    rng : numpy.random.Generator
        Randomness.
    n_simulations : int
        Simulations of the whole data set (100 at least; 1000 or more for figures).
    decorrelation : str
        ``cholesky`` (depends on the order of a subject's observations) or ``symmetric`` (the
        inverse symmetric root of the covariance).
    lloq : float, mapping of str to float, or array_like, shape (n,), optional
        Limit of quantification of every observation; needed only where the censored observations
        of a region have several.

    Returns
    -------
    DataFrame
        A row an observation: subject, occasion, region, time_h, value, below_limit, row, pred (at
        random effects of zero), pd (prediction discrepancy: rank among the simulations, between
        0 and 1), npd (its normal quantile), npde (after decorrelation) and status.

    Notes
    -----
    With K simulations of which r lie below the observation, pd is (r + u)/(K + 1), u uniform,
    which is exactly uniform under the model. An observation below the limit, and each simulation
    below it, is replaced by the quantile of the simulations at a uniform draw below the share
    under the limit (the "cdf" method). With log-normal errors the observations are decorrelated
    as logarithms.

    References
    ----------
    Brendel K et al. Pharm Res 2006;23:2036-2049, doi:10.1007/s11095-006-9067-5.
    Nguyen THT, Comets E, Mentré F. J Pharmacokinet Pharmacodyn 2012;39:499-518,
    doi:10.1007/s10928-012-9264-2.

    Raises
    ------
    KineticsError
        If there are too few simulations, or limits of quantification are ambiguous.
    """
    from scipy.stats import norm

    if n_simulations < 100:
        raise KineticsError(f"{n_simulations} simulations are too few for NPDE; at least 100")
    if decorrelation not in DECORRELATIONS:
        raise KineticsError(f"decorrelation {decorrelation!r}; legal: {', '.join(DECORRELATIONS)}")
    problem = usable(fit).problem
    data = problem.data
    limit = data_limits(data, lloq)
    simulated = simulated_values(problem, fit.x, n_simulations, rng)
    log = logarithmic(problem)
    observed = np.where(log, np.log(np.where(log, data.value, 1.0)), data.value)
    with np.errstate(divide="ignore", invalid="ignore"):
        simulated[:, log] = np.log(simulated[:, log])
        limit = np.where(log, np.log(np.where(log, np.maximum(limit, 0.0), 1.0)), limit)
    known = np.isfinite(simulated).all(0)
    pd_value, filled = _discrepancies(observed, simulated, limit, data.below_limit, rng)
    table = observation_frame(data)
    table["pred"] = linearised(problem, fit.x, problem.empty_effects())[0]
    table["pd"] = np.where(known, pd_value, np.nan)
    table["npd"] = norm.ppf(table["pd"])
    table["npde"], table["status"] = np.nan, "ok"
    table.loc[~known, "status"] = "a simulation is not finite"
    subject = problem.subject_of_row()
    for i in range(problem.n_subjects):
        rows = np.flatnonzero((subject == i) & known)
        if not len(rows):
            continue
        error = _decorrelated(filled[rows], simulated[:, rows], decorrelation, rng)
        if error is None:
            table.loc[rows, "status"] = "the simulations of the subject have no regular covariance"
        else:
            table.loc[rows, "npde"] = norm.ppf(error)
    return table


def _discrepancies(
    observed: FloatArray,
    simulated: FloatArray,
    limit: FloatArray,
    below: np.ndarray,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Prediction discrepancies (n,); observations with the censored ones drawn.

    The simulations below the limit are replaced in place.
    """
    n_simulations, n = simulated.shape
    rank = (simulated < observed).sum(0)
    out = (rank + rng.random(n)) / (n_simulations + 1)
    share = (simulated < limit).mean(0)
    out = np.where(below, rng.random(n) * np.maximum(share, 1.0 / (n_simulations + 1)), out)
    filled = observed.copy()
    for i in np.flatnonzero(np.isfinite(limit)):
        column = np.sort(simulated[:, i])
        if below[i]:
            filled[i] = np.quantile(column, out[i])
        under = simulated[:, i] < limit[i]
        simulated[under, i] = np.quantile(column, rng.random(int(under.sum())) * share[i])
    return out, filled


def _decorrelated(
    observed: FloatArray, simulated: FloatArray, method: str, rng: np.random.Generator
) -> FloatArray | None:
    """Prediction distribution errors (n,) of one subject; None without a regular covariance."""
    n_simulations, n = simulated.shape
    centre = simulated.mean(0)
    covariance = np.cov(simulated, rowvar=False).reshape(n, n)
    value, vector = np.linalg.eigh(covariance)
    if not value[0] > 1e-12 * value[-1]:
        return None
    if method == "cholesky":
        whiten = np.linalg.inv(np.linalg.cholesky(covariance))
    else:
        whiten = (vector / np.sqrt(value)) @ vector.T
    rank = ((simulated - centre) @ whiten.T < whiten @ (observed - centre)).sum(0)
    return np.asarray((rank + rng.random(n)) / (n_simulations + 1))


def npde_tests(table: pd.DataFrame, *, column: str = "npde") -> pd.DataFrame:
    """Tests whether NPDE are standard normal.

    Parameters
    ----------
    table : DataFrame
        Result of `npde`.
    column : str
        ``npde``, or ``npd`` (which are correlated within a subject: the tests then reject too
        often), or weighted residuals of `residual_table`.

    Returns
    -------
    DataFrame
        Index: mean (t test of 0), variance (chi-square test of 1), normality (Shapiro-Wilk;
        D'Agostino-Pearson above 5000 observations), global (the least p-value times three,
        Bonferroni) and global_fisher (Fisher's combination, as if the tests were independent).
        Columns: estimate, statistic, p_value, n and status.
    """
    import pandas as pd
    from scipy import stats

    value = table[column].to_numpy(dtype=np.float64)
    value = value[np.isfinite(value)]
    n = len(value)
    names = ["mean", "variance", "normality", "global", "global_fisher"]
    out = pd.DataFrame(np.nan, index=names, columns=["estimate", "statistic", "p_value"])
    out["n"], out["status"] = n, "ok"
    out = out.rename_axis("test")
    if n < 3 or np.ptp(value) == 0.0:
        out["status"] = f"{n} usable values: too few, or all equal"
        return out
    t = stats.ttest_1samp(value, 0.0)
    variance = float(value.var(ddof=1))
    lower = float(stats.chi2.cdf((n - 1) * variance, n - 1))
    normal = stats.shapiro(value) if n <= _SHAPIRO_MOST else stats.normaltest(value)
    p = [float(t.pvalue), 2.0 * min(lower, 1.0 - lower), float(normal.pvalue)]
    fisher = -2.0 * float(np.sum(np.log(np.maximum(p, 1e-300))))
    out["estimate"] = [float(value.mean()), variance, np.nan, np.nan, np.nan]
    out["statistic"] = [
        float(t.statistic), (n - 1) * variance, float(normal.statistic), np.nan, fisher,
    ]  # fmt: skip
    out["p_value"] = [*p, min(1.0, 3.0 * min(p)), float(stats.chi2.sf(fisher, 6))]
    return out
