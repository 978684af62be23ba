"""The fitted dose-toxicity regression: draws, summary, predictions, and the next fit's priors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share
from radiobio.dose_toxicity.priors import DoseToxicityPriors
from radiobio.dose_toxicity.regression import Regression
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

    from radiobio.dose_toxicity.prediction import DoseAtRisk, RiskPrediction


@dataclass(frozen=True, eq=False)
class DoseToxicityFit:
    """Posterior of the dose-toxicity regression; made by `fit_dose_toxicity`.

    Attributes
    ----------
    regression : Regression
        Model, priors, and what it knows of the table.
    method : {"mcmc", "laplace"}
        How the draws were made.
    names : tuple of str
        Coefficients as of `DoseToxicityPriors`, ``centre[name]`` (effect of a centre, log odds) and
        ``log_sd_centre`` (log of the standard deviation between centres).
    draws : ndarray, shape (n_chains, n_draws, n_names)
        Posterior draws.
    new_centre : ndarray, shape (n_chains, n_draws)
        Effect of a centre that is not in the table.
    diagnostics : mapping of str to mapping of str to float
        ``r_hat``, ``ess_bulk``, ``ess_tail``, ``mcse_mean``; empty for "laplace".
    status : str
        ``"ok"``, or in words what is wrong.
    log_evidence : float
        Log marginal likelihood (Laplace).
    n_patients, n_events : int
        Patients, and those with the grade.
    assumptions : tuple of str
        What is assumed.
    """

    regression: Regression
    method: str
    names: tuple[str, ...]
    draws: FloatArray
    new_centre: FloatArray
    diagnostics: Mapping[str, Mapping[str, float]]
    status: str
    log_evidence: float
    n_patients: int
    n_events: int
    assumptions: tuple[str, ...]

    @property
    def flat(self) -> FloatArray:
        """Draws of all chains, shape (n_chains * n_draws, n_names)."""
        return self.draws.reshape(-1, len(self.names))

    def coefficient(self, name: str) -> FloatArray:
        """Draws of one coefficient, all chains."""
        if name not in self.names:
            raise RadiobioError(f"there is no coefficient {name!r}; there are {list(self.names)}")
        return self.flat[:, self.names.index(name)]

    def to_frame(self, *, level: float = 0.9) -> pd.DataFrame:
        """One row a coefficient.

        Columns mean, sd, median, lower and upper (equal tails), p_positive (share above zero),
        prior_mean, prior_sd, and r_hat, ess_bulk, ess_tail (``nan`` without chains).
        """
        import pandas as pd

        check_share(level, "level")
        priors, flat = self.regression.priors, self.flat
        low, middle, high = np.quantile(flat, [0.5 - level / 2, 0.5, 0.5 + level / 2], axis=0)
        table = pd.DataFrame(
            {"mean": flat.mean(0), "sd": flat.std(0, ddof=1), "median": middle, "lower": low,
             "upper": high, "p_positive": (flat > 0).mean(0)},
            index=pd.Index(self.names, name="coefficient"),
        )  # fmt: skip
        table["prior_mean"] = pd.Series(priors.mean, list(priors.names))
        table["prior_sd"] = pd.Series(np.sqrt(np.diag(priors.covariance)), list(priors.names))
        for column in ("r_hat", "ess_bulk", "ess_tail"):
            table[column] = pd.Series(
                {name: row[column] for name, row in self.diagnostics.items()}, dtype=np.float64
            )
        return table

    def to_dict(self) -> dict[str, Any]:
        """Status, counts, summary and assumptions as plain values."""
        return {
            "outcome": self.regression.priors.outcome, "grade": self.regression.priors.grade,
            "model": self.regression.model, "method": self.method, "status": self.status,
            "n_patients": self.n_patients, "n_events": self.n_events,
            "coefficients": self.to_frame().to_dict("index"),
            "assumptions": list(self.assumptions),
        }  # fmt: skip

    def predict(
        self,
        covariates: Mapping[str, Any],
        *,
        dose_method: str,
        marrow_dose_gy: npt.ArrayLike | None = None,
        activity_gbq: npt.ArrayLike | None = None,
        centre: str | None = None,
        level: float = 0.9,
    ) -> RiskPrediction:
        """Probability of each grade for patients; see `radiobio.dose_toxicity.predict_risk`."""
        from radiobio.dose_toxicity.prediction import predict_risk

        return predict_risk(
            self, covariates, dose_method=dose_method, marrow_dose_gy=marrow_dose_gy,
            activity_gbq=activity_gbq, centre=centre, level=level,
        )  # fmt: skip

    def dose_at_risk(
        self,
        risk: float,
        covariates: Mapping[str, Any],
        *,
        dose_method: str,
        grade: int | None = None,
        centre: str | None = None,
        level: float = 0.9,
    ) -> DoseAtRisk:
        """Dose at which a risk is reached; see `radiobio.dose_toxicity.dose_at_risk`."""
        from radiobio.dose_toxicity.prediction import dose_at_risk

        return dose_at_risk(
            self, risk, covariates, dose_method=dose_method, grade=grade, centre=centre, level=level
        )

    def as_priors(self) -> DoseToxicityPriors:
        """The posterior as priors of the next fit: its normal approximation.

        Mean and covariance of all coefficients and centres' effects are kept, so that a known
        centre stays known; the log of the standard deviation between centres becomes an
        independent normal (its correlation with the others is lost).
        """
        old, flat = self.regression.priors, self.flat
        names = self.names[:-1]
        names = (*names, *(name for name in old.names if name not in names))
        p, given = len(names), len(self.names) - 1
        mean, covariance = old_block(old, names)
        mean[:given] = flat[:, :-1].mean(0)
        covariance[:given, :given] = np.cov(flat[:, :-1].T)
        note = f"UPDATED by {self.n_patients} patients"
        known = dict(zip(old.names, old.sources, strict=True))
        sources = [f"{note}; {known.get(name, 'effect of a centre')}" for name in names[:given]]
        return replace(
            old, names=names, mean=mean, covariance=covariance,
            sources=(*sources, *(known[name] for name in names[given:p])),
            log_sd_centre=(float(flat[:, -1].mean()), float(flat[:, -1].std(ddof=1))),
            assumptions=(*old.assumptions, f"ASSUMED: the posterior of {self.n_patients} patients "
                         "is normal (priors of this fit)"),
        )  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit as netCDF; see `radiobio.dose_toxicity.save_fit`."""
        from radiobio.dose_toxicity.store import save_fit

        save_fit(self, path)

    def summary(self) -> str:
        """The posterior as text."""
        priors = self.regression.priors
        head = (
            f"{self.regression.model} regression of grade >= {priors.grade}, {priors.outcome}: "
            f"{self.n_events} events in {self.n_patients} patients ({self.method})"
        )
        table = self.to_frame().to_string(float_format=lambda v: f"{v:.3g}")
        notes = (f"note: {text}" for text in self.assumptions)
        return "\n".join([head, f"status: {self.status}", "", table, "", *notes])

    def __str__(self) -> str:
        return self.summary()


def old_block(old: DoseToxicityPriors, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Means and variances of the prior's coefficients that the fit did not have, else zero."""
    mean, covariance = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for k, name in enumerate(names):
        if name in old.names:
            j = old.index(name)
            mean[k], covariance[k, k] = old.mean[j], old.covariance[j, j]
    return mean, covariance
