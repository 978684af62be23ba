"""Priors of the dose-toxicity regression: one joint normal, and the spread between centres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curves import FloatArray
from radiobio.checks import number
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class DoseToxicityPriors:
    """What is believed of the coefficients before a cohort is seen.

    Attributes
    ----------
    outcome, therapy : str
        What they are for.
    names : tuple of str
        ``intercept[method]`` (log odds of the grade at the method's reference dose and the assumed
        mix of covariates), ``slope[method]`` (log odds ratio of one reference dose more), one name
        for each coefficient of a covariate, ``log_gap[k]`` (log of the distance between the cuts
        of grades k and k + 1; ordinal model), and after an update ``centre[name]``.
    mean, covariance : ndarray, shape (p,), (p, p)
        Of the joint normal density.
    sources : tuple of str
        Where each comes from, beginning with SOURCED, DERIVED, ASSUMED or UPDATED.
    log_sd_centre : tuple of float or None
        Mean and standard deviation of the log of the standard deviation between centres; None
        where `sd_centre_scale` holds.
    sd_centre_scale : float
        Scale of the half-normal prior of the standard deviation between centres (log odds).
    reference : mapping of str to float
        Reference dose of each method (Gy; GBq of the method "activity").
    mix : mapping of str to float
        Mean of each covariate's column at which the intercepts hold.
    baseline : tuple of float
        Median and log standard deviation that standardise a baseline count.
    grade : int
        Grade whose log odds the intercepts are.
    assumptions : tuple of str
        In words.
    """

    outcome: str
    therapy: str
    names: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray
    sources: tuple[str, ...]
    reference: Mapping[str, float]
    mix: Mapping[str, float]
    baseline: tuple[float, float]
    grade: int = 3
    log_sd_centre: tuple[float, float] | None = None
    sd_centre_scale: float = 0.5
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        p = len(self.names)
        if self.mean.shape != (p,) or self.covariance.shape != (p, p) or len(self.sources) != p:
            raise RadiobioError(f"{p} names need {p} means and sources and a {p} x {p} covariance")
        if not np.isfinite(self.mean).all() or not np.isfinite(self.covariance).all():
            raise RadiobioError("the means and covariances of priors must be finite")
        if np.linalg.eigvalsh(self.covariance).min() <= 0:
            raise RadiobioError("the covariance of the priors must be positive definite")
        if not self.sd_centre_scale > 0:
            raise RadiobioError(f"sd_centre_scale must be above zero, got {self.sd_centre_scale}")

    @property
    def methods(self) -> tuple[str, ...]:
        """Dosimetry methods that have parameters."""
        return tuple(self.reference)

    def index(self, name: str) -> int:
        """Position of a coefficient."""
        if name not in self.names:
            raise RadiobioError(f"there is no prior of {name!r}; there are {list(self.names)}")
        return self.names.index(name)

    def with_prior(self, name: str, *, mean: float, sd: float, source: str) -> DoseToxicityPriors:
        """Priors with another, independent normal prior of one coefficient."""
        k = self.index(name)
        if not (np.isfinite(number(mean, "mean")) and 0 < number(sd, "sd") < np.inf):
            raise RadiobioError(f"{name}: a prior needs a finite mean and an sd above zero")
        means, covariance = self.mean.copy(), self.covariance.copy()
        covariance[k], covariance[:, k] = 0.0, 0.0
        means[k], covariance[k, k] = mean, sd**2
        sources = (*self.sources[:k], source, *self.sources[k + 1 :])
        return replace(self, mean=means, covariance=covariance, sources=sources)

    def with_method(self, name: str, *, reference_dose_gy: float) -> DoseToxicityPriors:
        """Priors with one more dosimetry method, whose intercept and slope are as weak as theirs.

        Parameters
        ----------
        name : str
            How the cohort table calls it.
        reference_dose_gy : float
            A typical dose of a whole treatment by this method (Gy).
        """
        if not isinstance(name, str) or not name:
            raise RadiobioError(f"the name of a method must be text, got {name!r}")
        if not 0 < number(reference_dose_gy, "reference_dose_gy") < np.inf:
            raise RadiobioError(f"reference_dose_gy must be above zero, got {reference_dose_gy}")
        if name in self.reference:
            raise RadiobioError(f"the method {name!r} has priors already")
        like = next(iter(self.reference))
        old = [self.index(f"intercept[{like}]"), self.index(f"slope[{like}]")]
        p = len(self.names)
        covariance = np.zeros((p + 2, p + 2))
        covariance[:p, :p] = self.covariance
        covariance[[p, p + 1], [p, p + 1]] = self.covariance[old, old]
        return replace(
            self,
            names=(*self.names, f"intercept[{name}]", f"slope[{name}]"),
            mean=np.concatenate([self.mean, self.mean[old]]),
            covariance=covariance,
            sources=(*self.sources, *(f"ASSUMED: as that of {like}" for _ in old)),
            reference={**self.reference, name: float(reference_dose_gy)},
        )

    def widened(self, factor: float) -> DoseToxicityPriors:
        """Priors with all standard deviations multiplied, for a sensitivity analysis."""
        if not 0 < number(factor, "factor") < np.inf:
            raise RadiobioError(f"factor must be finite and above zero, got {factor}")
        note = f"ASSUMED: standard deviations of the priors multiplied by {factor:g}"
        covariance = self.covariance * factor**2
        return replace(self, covariance=covariance, assumptions=(*self.assumptions, note))

    def subset(self, names: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of some coefficients."""
        k = [self.index(name) for name in names]
        return self.mean[k], self.covariance[np.ix_(k, k)]

    def to_frame(self) -> pd.DataFrame:
        """One row a coefficient: mean, sd, source."""
        import pandas as pd

        columns = {"mean": self.mean, "sd": np.sqrt(np.diag(self.covariance)),
                   "source": self.sources}  # fmt: skip
        return pd.DataFrame(columns, index=pd.Index(self.names, name="coefficient"))
