"""Sampling importance resampling: the uncertainty of population parameters without normality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.diagnostics._rows import usable
from kinetics.diagnostics.bootstrap import interval_table
from kinetics.errors import KineticsError
from kinetics.estimation.objective import evaluate
from kinetics.posterior import effective_sample_size, normalised_weights
from kinetics.progress import tracked

if TYPE_CHECKING:
    import pandas as pd

    from kinetics.estimation.result import PopulationFit

_LEAST_RATIO = 0.1  # effective size over the number of proposals
_LOWER_OBJECTIVE = -0.01  # below the estimates': these are no minimum
DOFV_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class SirResult:
    """Population parameters drawn by sampling importance resampling.

    Attributes
    ----------
    draws : DataFrame
        A row a draw: every estimated population parameter.
    x : ndarray, shape (n_samples, n_vector)
        The draws on the estimator's scale.
    proposals : DataFrame
        A row a proposal: dofv (objective minus that of the estimates), log_ratio (importance
        ratio) and resampled.
    effective_size : float
        Kish's effective number of proposals.
    fit : PopulationFit
        The fit.
    status : str
        ``"ok"``, or in words what is wrong.
    """

    draws: pd.DataFrame
    x: FloatArray
    proposals: pd.DataFrame
    effective_size: float
    fit: PopulationFit
    status: str

    def to_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """Estimate, mean, bias, standard error and percentile interval of each parameter."""
        return interval_table(self.draws, self.fit, level)

    def dofv_frame(self) -> pd.DataFrame:
        """Quantiles of the change of the objective: proposals, draws, and chi-square.

        With a good proposal, its quantiles lie at or above those of the chi-square distribution
        with as many degrees of freedom as parameters, and those of the draws at or below.
        """
        import pandas as pd
        from scipy.stats import chi2

        level = np.array(DOFV_LEVELS)
        finite = self.proposals[np.isfinite(self.proposals["dofv"])]
        drawn = finite.loc[finite["resampled"], "dofv"]
        return pd.DataFrame(
            {
                "quantile": level,
                "proposals": finite["dofv"].quantile(level).to_numpy(),
                "draws": drawn.quantile(level).to_numpy(),
                "chi_square": chi2.ppf(level, self.fit.n_parameters),
            }
        )


def sir(
    fit: PopulationFit,
    *,
    rng: np.random.Generator,
    n_proposals: int = 1000,
    n_samples: int = 200,
    inflation: float = 1.0,
    n_nodes: int = 5,
    progress: bool = True,
) -> SirResult:
    r"""Draw population parameters in proportion to their likelihood.

    Proposals come from the normal distribution of the estimates (estimator's scale: logarithms
    of positive parameters), and are resampled without replacement by their importance ratio.

    Parameters
    ----------
    fit : PopulationFit
        A fit with a covariance.
    rng : numpy.random.Generator
        Randomness.
    n_proposals, n_samples : int
        Number of proposals, and of draws taken from them (a fifth or fewer).
    inflation : float
        Factor of the proposals' covariance; above 1 where the normal is too narrow.
    n_nodes : int
        Nodes for each random effect of AGQ.
    progress : bool
        Whether a run of more than two seconds shows a progress bar.

    Returns
    -------
    SirResult

    Notes
    -----
    .. math:: \log w = -\tfrac12\,(OFV(x) - OFV(\hat x))
        + \tfrac12\,(x - \hat x)^T (a C)^{-1} (x - \hat x)

    A parameter that ended at a limit keeps its value.

    References
    ----------
    Dosne AG, Bergstrand M, Harling K, Karlsson MO. J Pharmacokinet Pharmacodyn 2016;43:583-596,
    doi:10.1007/s10928-016-9487-8.

    Raises
    ------
    KineticsError
        If the fit has no covariance, or the numbers are not legal.
    """
    import pandas as pd

    problem = usable(fit).problem
    if fit.covariance is None or not len(fit.x):
        raise KineticsError(f"SIR needs the covariance of the estimates: {fit.covariance_status}")
    if not 1 <= n_samples <= n_proposals:
        raise KineticsError(
            f"{n_samples} samples of {n_proposals} proposals; legal are 1 to {n_proposals}"
        )
    if not inflation > 0.0:
        raise KineticsError(f"inflation must be positive, not {inflation}")
    free = np.diag(fit.covariance) > 0.0
    factor = np.linalg.cholesky(inflation * fit.covariance[np.ix_(free, free)])
    normal = rng.standard_normal((n_proposals, int(free.sum())))
    x = np.tile(fit.x, (n_proposals, 1))
    x[:, free] += normal @ factor.T
    start = fit.evaluation.effects
    reference = evaluate(problem, fit.x, fit.method, start=_start(fit, start), n_nodes=n_nodes)
    dofv = np.array(
        [
            evaluate(problem, x[k], fit.method, start=_start(fit, start), n_nodes=n_nodes).objective
            for k in tracked(range(n_proposals), n_proposals, "SIR", shown=progress)
        ]
    )
    dofv = np.where(np.isfinite(dofv), dofv - reference.objective, np.inf)
    log_ratio = -0.5 * dofv + 0.5 * (normal**2).sum(1)
    size = effective_sample_size(log_ratio)
    # the largest of log weight + Gumbel noise are a sample without replacement
    legal = int(np.isfinite(log_ratio).sum())
    order = np.argsort(-(log_ratio + rng.gumbel(size=n_proposals)), kind="stable")
    chosen = np.sort(order[: min(n_samples, legal)])
    drawn = pd.DataFrame(
        [problem.vector.free_values(x[k]) for k in chosen], columns=list(problem.vector.names)
    ).rename_axis("draw")
    proposals = pd.DataFrame({"dofv": dofv, "log_ratio": log_ratio, "resampled": False})
    proposals.loc[chosen, "resampled"] = True
    status = _status(dofv, log_ratio, size, n_samples)
    return SirResult(drawn, x[chosen], proposals.rename_axis("proposal"), size, fit, status)


def _start(fit: PopulationFit, effects: FloatArray) -> FloatArray | None:
    """Where the search for the modes begins."""
    return None if fit.method == "FO" else effects


def _status(dofv: FloatArray, log_ratio: FloatArray, size: float, n_samples: int) -> str:
    n = len(dofv)
    words = []
    lost = int((~np.isfinite(dofv)).sum())
    if lost > 0.1 * n:
        words.append(f"the objective is not finite for {lost} of {n} proposals")
    if n - lost < n_samples:
        words.append(f"only {n - lost} draws instead of {n_samples}")
    if dofv.min() < _LOWER_OBJECTIVE:
        words.append(
            f"a proposal lowers the objective by {-dofv.min():.3g}: the fit is not at its minimum"
        )
    if size < max(n_samples, _LEAST_RATIO * n):
        top = float(normalised_weights(log_ratio).max())
        words.append(
            f"the effective number of proposals is {size:.0f} of {n} (the largest weight is "
            f"{100 * top:.0f} %): take more proposals or another inflation"
        )
    return "; ".join(words) or "ok"
