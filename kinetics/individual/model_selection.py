"""Population-based model selection: the function is chosen by a population, not by one sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kinetics.curve_fits.fit import akaike_weights
from kinetics.errors import KineticsError
from kinetics.estimation.fit import fit_population
from kinetics.estimation.result import PopulationFit
from kinetics.individual.posterior import individual_posterior
from kinetics.individual.result import IndividualPosterior
from kinetics.population.data import PopulationData
from kinetics.population.model import PopulationModel

if TYPE_CHECKING:
    import pandas as pd

VARIANTS = ("fixed", "joint")


@dataclass(frozen=True, eq=False)
class Candidate:
    """One candidate function fitted to the population.

    Attributes
    ----------
    fit : PopulationFit
        The fit.
    aicc : float
        Corrected Akaike criterion; N is the number of observations.
    largest_cv_pct : float
        Largest coefficient of variation of a typical parameter (%); NaN without standard errors.
    largest_correlation : float
        Largest absolute correlation of two typical parameters' estimates.
    weight : float
        Akaike weight among the candidates that pass; 0 for the others.
    status : str
        ``"passed"``, or why not.
    """

    fit: PopulationFit
    aicc: float
    largest_cv_pct: float
    largest_correlation: float
    weight: float
    status: str


@dataclass(frozen=True, eq=False)
class ModelSelection:
    """Candidates and the one that the population supports most.

    Attributes
    ----------
    candidates : mapping of str to Candidate
        In the order given.
    best : str
        Name of the candidate with the largest Akaike weight.
    """

    candidates: Mapping[str, Candidate]
    best: str

    @property
    def fit(self) -> PopulationFit:
        """Fit of the best candidate."""
        return self.candidates[self.best].fit

    def to_frame(self) -> pd.DataFrame:
        """A row a candidate, the largest weight first."""
        import pandas as pd

        rows = {
            name: {
                "n_parameters": c.fit.n_parameters,
                "minus_two_log_likelihood": c.fit.minus_two_log_likelihood,
                "aicc": c.aicc,
                "weight": c.weight,
                "largest_cv_pct": c.largest_cv_pct,
                "largest_correlation": c.largest_correlation,
                "status": c.status,
            }
            for name, c in self.candidates.items()
        }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("candidate")
        return table.sort_values(["weight", "aicc"], ascending=[False, True])


def select_population_model(
    candidates: Mapping[str, PopulationModel],
    data: PopulationData,
    *,
    method: str = "FOCEI",
    starts: int = 1,
    rng: np.random.Generator | None = None,
    largest_cv_pct: float = 50.0,
    largest_correlation: float = 0.8,
) -> ModelSelection:
    r"""Fit candidate functions to a population and choose one by Akaike weights.

    A candidate passes if its fit is in order, every typical parameter is known to better than
    `largest_cv_pct` and no two of them are correlated by `largest_correlation` or more. Among
    those, :math:`w_i \propto e^{-\Delta_i/2}` of
    :math:`\mathrm{AICc} = -2\ln L + 2K + 2K(K+1)/(N-K-1)`.

    Parameters
    ----------
    candidates : mapping of str to PopulationModel
        Candidates with start values.
    data : PopulationData
        The population, all time points.
    method, starts, rng
        As in `fit_population`; sums of exponentials have local optima.
    largest_cv_pct, largest_correlation : float
        Limits of the goodness-of-fit test.

    Raises
    ------
    KineticsError
        If there are no candidates or none passes.

    References
    ----------
    Hardiansyah D et al. J Nucl Med 2024;65:566.
    Hardiansyah D et al. EJNMMI Phys 2023;10, doi:10.1186/s40658-023-00530-1.
    """
    if not candidates:
        raise KineticsError("there are no candidates")
    tested = {
        name: _tested(
            fit_population(model, data, method=method, starts=starts, rng=rng),
            largest_cv_pct,
            largest_correlation,
        )
        for name, model in candidates.items()
    }
    passed = [name for name, c in tested.items() if c.status == "passed"]
    if not passed:
        reasons = "; ".join(f"{name}: {c.status}" for name, c in tested.items())
        raise KineticsError(f"no candidate passes the goodness-of-fit test: {reasons}")
    weight = akaike_weights([tested[name].aicc for name in passed])
    for name, w in zip(passed, weight, strict=True):
        c = tested[name]
        tested[name] = Candidate(
            c.fit, c.aicc, c.largest_cv_pct, c.largest_correlation, float(w), c.status
        )
    return ModelSelection(tested, passed[int(np.argmax(weight))])


def patient_with_population(
    fit: PopulationFit,
    patient: PopulationData,
    *,
    decay_corrected: bool,
    rng: np.random.Generator,
    decay_per_h: float | None = None,
    variant: str = "fixed",
    n_draws: int = 1000,
    posterior_method: str = "importance",
) -> IndividualPosterior:
    """Posterior of a new patient's kinetics from few samples and a population's fit.

    Parameters
    ----------
    fit : PopulationFit
        Fit of the chosen function to the population.
    patient : PopulationData
        Data of the patient, one sample or more.
    variant : str
        ``fixed``: the population's estimates are known. ``joint``: as published, the population
        and the patient's samples are fitted together first, from the estimates, by the fit's
        method.
    decay_corrected, decay_per_h, n_draws, rng
        As in `individual_posterior`.
    posterior_method : str
        Method of `individual_posterior`.

    Raises
    ------
    KineticsError
        If the variant is unknown or the joint fit fails.
    """
    if variant not in VARIANTS:
        raise KineticsError(f"variant {variant!r}; legal: {', '.join(VARIANTS)}")
    model = fit.model
    if variant == "joint":
        together = joined(fit.problem.data, patient)
        refit = fit_population(model, together, method=fit.method, covariance=None)
        if not refit.converged:
            raise KineticsError(f"the joint fit failed: {refit.status}")
        model = refit.model
    return individual_posterior(
        model, patient, decay_corrected=decay_corrected, decay_per_h=decay_per_h,
        method=posterior_method, n_draws=n_draws, rng=rng,
    )  # fmt: skip


def joined(population: PopulationData, patient: PopulationData) -> PopulationData:
    """One data set of a population and further subjects.

    Parameters
    ----------
    population, patient : PopulationData
        Data; the patient's regions must be among the population's, and its covariates must
        include the population's.

    Raises
    ------
    KineticsError
        If a region or covariate does not match.
    """
    if not set(patient.regions) <= set(population.regions):
        raise KineticsError(
            f"the patient has region(s) {', '.join(patient.regions)}; the population has "
            f"{', '.join(population.regions)}"
        )
    missing = set(population.covariates) - set(patient.covariates)
    if missing:
        raise KineticsError(f"the patient lacks covariate {', '.join(sorted(missing))}")
    region = np.array([population.regions.index(r) for r in patient.regions], dtype=np.int64)

    def both(name: str) -> np.ndarray:
        return np.concatenate([getattr(population, name), getattr(patient, name)])

    def starts(name: str) -> np.ndarray:
        first, second = getattr(population, name), getattr(patient, name)
        return np.concatenate([first, first[-1] + second[1:]])

    return PopulationData(
        subjects=(*population.subjects, *patient.subjects),
        occasion_subject=np.concatenate(
            [population.occasion_subject, len(population.subjects) + patient.occasion_subject]
        ),
        occasion_label=(*population.occasion_label, *patient.occasion_label),
        covariates={
            name: np.concatenate([value, patient.covariates[name]])
            for name, value in population.covariates.items()
        },
        regions=population.regions,
        observation_start=starts("observation_start"),
        time_h=both("time_h"),
        value=both("value"),
        region=np.concatenate([population.region, region[patient.region]]),
        below_limit=both("below_limit"),
        sd=both("sd"),
        row=both("row"),
        dose_start=starts("dose_start"),
        doses=np.concatenate([population.doses.reshape(-1, 8), patient.doses.reshape(-1, 8)]),
    )


def _tested(fit: PopulationFit, cv_limit: float, correlation_limit: float) -> Candidate:
    n, k = len(fit.problem.data.value), fit.n_parameters
    if n <= k + 1:
        raise KineticsError(f"{n} observations are too few for {k} parameters")
    aicc = fit.aic + 2.0 * k * (k + 1) / (n - k - 1)
    typical = [name for name in fit.model.parameters if name in fit.problem.vector.names]
    cv, correlation = float("nan"), float("nan")
    if fit.covariance is not None:
        cv = float(fit.to_frame()["rse_pct"].loc[typical].max()) if typical else 0.0
        table = fit.correlation().loc[typical, typical].abs().to_numpy()
        off = table[~np.eye(len(typical), dtype=bool)]
        correlation = float(off.max()) if len(off) else 0.0
    problems = [] if fit.status == "ok" else [fit.status]
    if fit.covariance is not None and not cv < cv_limit:
        problems.append(f"a typical parameter has a CV of {cv:.0f} %")
    if fit.covariance is not None and not correlation < correlation_limit:
        problems.append(f"two typical parameters are correlated by {correlation:.2f}")
    return Candidate(fit, aicc, cv, correlation, 0.0, "; ".join(problems) or "passed")
