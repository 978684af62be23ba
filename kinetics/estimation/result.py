"""The result of a population fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from kinetics.estimation.objective import Evaluation
from kinetics.estimation.problem import Problem
from kinetics.estimation.shrinkage import eta_frame, shrinkage
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PopulationFit:
    """A fitted population model.

    Attributes
    ----------
    model : PopulationModel
        The model at the estimates.
    problem : Problem
        Model and data as they were bound.
    method : str
        Estimation method.
    objective : float
        Objective value: minus two log likelihood by the method, n log(2 pi) dropped (as NONMEM
        and nlmixr2 print it).
    x : ndarray, shape (n_free,)
        The free parameters as the estimator sees them (logarithms, Cholesky factors).
    covariance : ndarray, shape (n_free, n_free), or None
        Covariance of x; None where `covariance_status` says why.
    covariance_status : str
        ``"ok"`` or the reason.
    evaluation : Evaluation
        Objective by subject, random effects and their curvature at the estimates.
    converged : bool
        Whether the optimiser reached its tolerance.
    status : str
        ``"ok"``, or in words what is wrong.
    warnings : tuple of str
        What a reader should know of the data and the fit.
    n_evaluations : int
        Objective evaluations.
    """

    model: PopulationModel
    problem: Problem
    method: str
    objective: float
    x: FloatArray
    covariance: FloatArray | None
    covariance_status: str
    evaluation: Evaluation
    converged: bool
    status: str
    warnings: tuple[str, ...]
    n_evaluations: int

    @property
    def minus_two_log_likelihood(self) -> float:
        """With the constant n log(2 pi) of the quantified observations (Monolix, saemix, nlme)."""
        n = int((~self.problem.data.below_limit).sum())
        return self.objective + n * float(np.log(2.0 * np.pi))

    @property
    def n_parameters(self) -> int:
        """Number of estimated population parameters."""
        return len(self.x)

    @property
    def aic(self) -> float:
        """Akaike information criterion of the likelihood with its constant."""
        return self.minus_two_log_likelihood + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Bayesian information criterion, N the number of observations."""
        n = len(self.problem.data.value)
        return self.minus_two_log_likelihood + float(np.log(n)) * self.n_parameters

    def to_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """Population parameters: value, standard error, RSE, interval; one row each.

        Intervals are normal on the estimator's scale (logarithms of positive parameters) and
        carried back, so they stay in the parameter's range. Fixed parameters have no error.
        """
        import pandas as pd
        from scipy.stats import norm

        vector, values = self.problem.vector, self.model.values
        table = pd.DataFrame({"value": dict(values), "fixed": False}).rename_axis("parameter")
        table["fixed"] = [name not in vector.names for name in table.index]
        for column in ("se", "rse_pct", "lower", "upper"):
            table[column] = np.nan
        if self.covariance is None:
            return table
        jacobian = vector.jacobian(self.x)
        spread = np.sqrt(np.einsum("ij,jk,ik->i", jacobian, self.covariance, jacobian))
        z = float(norm.ppf(0.5 + level / 2.0))
        for name, se in zip(vector.names, spread, strict=True):
            value = values[name]
            if se == 0.0:  # ended at a limit
                continue
            with np.errstate(over="ignore"):  # an interval may be without end
                low, high = _interval(name, value, z * se, self.model)
            table.loc[name, ["se", "rse_pct", "lower", "upper"]] = [
                se, 100.0 * se / abs(value) if value else np.nan, low, high,
            ]  # fmt: skip
        return table

    def correlation(self) -> pd.DataFrame:
        """Correlation of the estimates (on the estimator's scale)."""
        import pandas as pd

        labels = list(self.problem.vector.shown)
        if self.covariance is None:
            return pd.DataFrame(np.nan, index=labels, columns=labels)
        sd = np.sqrt(np.diag(self.covariance))
        sd[sd == 0.0] = np.nan  # ended at a limit
        return pd.DataFrame(self.covariance / np.outer(sd, sd), index=labels, columns=labels)

    @property
    def condition_number(self) -> float:
        """Ratio of the extreme eigenvalues of the correlation of the estimates; NaN without one."""
        if self.covariance is None:
            return float("nan")
        correlation = self.correlation().dropna(how="all").dropna(how="all", axis=1)
        eigenvalue = np.linalg.eigvalsh(correlation.to_numpy())
        return float(eigenvalue[-1] / max(eigenvalue[0], 1e-300))

    def random_effects(self) -> pd.DataFrame:
        """Empirical-Bayes estimates of the random effects, one row a subject."""
        return eta_frame(self)

    def shrinkage(self) -> pd.Series:
        """Shrinkage of random effects and residuals in per cent (standard deviations)."""
        return shrinkage(self)

    def summary(self) -> str:
        """The fit as text, in the order that the field expects."""
        data = self.problem.data
        head = [
            f"{self.method} fit of {self.model.structure.name}: {len(data.subjects)} subjects, "
            f"{len(data.value)} observations ({int(data.below_limit.sum())} below the limit)",
            f"status: {self.status}",
            f"objective {self.objective:.4f}   -2LL {self.minus_two_log_likelihood:.4f}   "
            f"AIC {self.aic:.2f}   BIC {self.bic:.2f}   evaluations {self.n_evaluations}",
            f"standard errors: {self.covariance_status}; condition number "
            f"{self.condition_number:.3g}",
        ]
        table = self.to_frame().to_string(float_format=lambda v: f"{v:.5g}", na_rep="")
        shrunk = self.shrinkage().to_string(float_format=lambda v: f"{v:.1f}")
        notes = [f"note: {text}" for text in self.warnings]
        return "\n".join([*head, "", table, "", "shrinkage (%)", shrunk, *notes])

    def __str__(self) -> str:
        return self.summary()


def _interval(name: str, value: float, reach: float, model: PopulationModel) -> tuple[float, float]:
    """Normal interval on the scale on which the parameter is unconstrained."""
    positive = name.startswith(("sd_", "cycle_sd_")) or (
        name not in model.parameters and name.rsplit("_", 1)[0] in _POSITIVE_ERRORS
    )
    transform = model.parameters[name].transform if name in model.parameters else "identity"
    if (positive or transform == "log") and value > 0:
        return value * float(np.exp(-reach / value)), value * float(np.exp(reach / value))
    if transform == "logit":
        centre, scaled = np.log(value / (1 - value)), reach / (value * (1 - value))
        low, high = 1 / (1 + np.exp(-(centre + np.array([-scaled, scaled]))))
        return float(low), float(high)
    if name.startswith("corr_") and abs(value) < 1:
        low, high = np.tanh(np.arctanh(value) + np.array([-1, 1]) * reach / (1 - value**2))
        return float(low), float(high)
    return value - reach, value + reach


_POSITIVE_ERRORS = ("additive", "proportional", "lognormal", "scale")
