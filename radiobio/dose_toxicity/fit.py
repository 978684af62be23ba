"""Fit of the dose-toxicity regression: by Markov chains, or fast by Laplace's approximation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kinetics.curves import FloatArray
from kinetics.density_sampling import sample_density
from kinetics.errors import KineticsError
from radiobio.checks import check_whole
from radiobio.dose_toxicity.cohort_table import CohortTable
from radiobio.dose_toxicity.laplace import Mixture, approximate, proposals, sample
from radiobio.dose_toxicity.posterior import Posterior, Whitened
from radiobio.dose_toxicity.priors import DoseToxicityPriors
from radiobio.dose_toxicity.published_priors import published_priors
from radiobio.dose_toxicity.regression import Regression, set_up
from radiobio.dose_toxicity.result import DoseToxicityFit
from radiobio.errors import RadiobioError

_LEAST_EFFICIENCY = 0.2  # of the importance weights
_WHITENING_DRAWS = 4000
METHODS = ("mcmc", "laplace")


def fit_dose_toxicity(
    table: CohortTable,
    *,
    outcome: str,
    rng: np.random.Generator,
    model: str = "logistic",
    grade: int = 3,
    dose_method: str | None = None,
    priors: DoseToxicityPriors | None = None,
    method: str = "mcmc",
    n_draws: int = 1000,
    n_tune: int = 500,
    n_chains: int = 4,
    sampler: str = "auto",
    cores: int | None = None,
    target_accept: float = 0.95,
    progress: bool = False,
) -> DoseToxicityFit:
    r"""Posterior of how the risk of haematological toxicity depends on dose and covariates.

    Parameters
    ----------
    table : CohortTable
        Cohort, see `read_cohort_csv`.
    outcome : str
        Lineage whose worst grade is the outcome; each patient may stand in it once.
    rng : numpy.random.Generator
        Randomness; a seed gives the same numbers.
    model : {"logistic", "ordinal"}
        Whether the grade is reached, or all grades by a cumulative logit.
    grade : int
        Grade of the logistic model; of the ordinal model that of the intercept.
    dose_method : str, optional
        Use only the rows of this method; missing: all, each method with its own intercept and
        slope.
    priors : DoseToxicityPriors, optional
        By default those of `published_priors` (177Lu-PSMA); after a fit, its ``as_priors()``.
    method : {"mcmc", "laplace"}
        Markov chains (PyMC or nutpie), or the deterministic approximation with importance
        resampling, for planners.
    n_draws, n_tune, n_chains, sampler, cores, target_accept, progress
        As of `kinetics.inference.fit_bayes`. Of "laplace" n_draws x n_chains draws are kept.

    Returns
    -------
    DoseToxicityFit
        Draws, diagnostics and a status in words.

    Raises
    ------
    RadiobioError
        If table, outcome, model and priors do not go together.

    Notes
    -----
    .. math:: \operatorname{logit} P(Y_i \ge g) = \alpha_m + \beta_m (D_i / D_m - 1)
              + \gamma'(x_i - \bar x) + u_c - c_g, \quad u_c \sim N(0, \tau^2)

    for dose D by method m, whose reference dose is D_m, covariates x about the mix of the priors,
    and centre c. The cut of the grade of the intercept is zero; of the ordinal model the others
    follow by positive gaps. A missing covariate is summed over its distribution among the other
    patients (independent of outcome and of other covariates: ASSUMED); one that no patient of the
    table has is left out, which is the mix of the priors.

    References
    ----------
    McCullagh P. J R Stat Soc B 1980;42:109-142 (cumulative logit).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from radiobio.dose_toxicity import cohort_of_frame, fit_dose_toxicity
    >>> rng = np.random.default_rng(1)
    >>> dose = rng.uniform(2.0, 14.0, 80)
    >>> grade = np.where(rng.random(80) < 1 / (1 + np.exp(5.0 - 0.4 * dose)), 3, 1)
    >>> table = cohort_of_frame(pd.DataFrame({
    ...     "patient": [f"p{k}" for k in range(80)], "dose_method": "image",
    ...     "marrow_dose_gy": dose, "lineage": "platelets", "worst_grade": grade}))
    >>> fit = fit_dose_toxicity(table, outcome="platelets", method="laplace", rng=rng)
    >>> risk = fit.predict({}, dose_method="image", marrow_dose_gy=[4.0, 12.0])
    >>> fit.status, bool(risk.mean[1, 0] > risk.mean[0, 0])
    ('ok', True)
    """
    chosen = _priors(outcome, grade, priors)
    rows = table.of(outcome, dose_method=dose_method)
    regression = set_up(rows, model, chosen)
    if method not in METHODS:
        raise RadiobioError(f"method {method!r}; legal: {', '.join(METHODS)}")
    check_whole(n_draws, "n_draws")
    check_whole(n_chains, "n_chains")
    posterior = regression.posterior(rows)
    mixture = approximate(posterior)
    diagnostics: Mapping[str, Mapping[str, float]] = {}
    if method == "laplace":
        theta, s, efficiency = sample(posterior, mixture, n_draws * n_chains, rng)
        status = _laplace_status(efficiency)
        draws = _parameters(posterior, np.concatenate([theta, s[:, None]], axis=1))
        draws = draws.reshape(n_chains, n_draws, -1)
    else:
        density = _whitened(posterior, mixture)
        try:
            draws, diagnostics, status = sample_density(
                density, _names(regression),
                lambda v: _parameters(posterior, density.centre + v @ density.root.T),
                rng=rng, n_draws=n_draws,
                n_tune=n_tune, n_chains=n_chains, sampler=sampler, cores=cores,
                target_accept=target_accept, progress=progress,
            )  # fmt: skip
        except KineticsError as error:
            raise RadiobioError(str(error)) from None
    new = np.exp(draws[..., -1]) * rng.standard_normal(draws.shape[:2])
    return DoseToxicityFit(
        regression=regression, method=method, names=_names(regression), draws=draws,
        new_centre=new, diagnostics=diagnostics, status=status,
        log_evidence=mixture.log_evidence, n_patients=len(rows),
        n_events=int((rows.worst_grade >= chosen.grade).sum()),
        assumptions=_assumptions(regression, rows, chosen),
    )  # fmt: skip


def _priors(outcome: str, grade: int, priors: DoseToxicityPriors | None) -> DoseToxicityPriors:
    if priors is None:
        return published_priors(outcome, grade=grade)
    if priors.outcome != outcome or priors.grade != grade:
        raise RadiobioError(
            f"the priors are for {priors.outcome} of grade {priors.grade}, the fit is of {outcome} "
            f"of grade {grade}; give published_priors({outcome!r}, grade={grade}) or fit the other"
        )
    return priors


def _names(regression: Regression) -> tuple[str, ...]:
    centres = (f"centre[{name}]" for name in regression.new_centres)
    return (*regression.coefficients, *regression.gaps, *centres, "log_sd_centre")


def _parameters(posterior: Posterior, x: FloatArray) -> FloatArray:
    """(theta, s) with the effects of centres in log odds instead of standardised."""
    out = np.array(x)
    q = posterior.design.n_fixed
    out[..., q:-1] *= np.exp(x[..., -1:])
    return out


def _whitened(posterior: Posterior, mixture: Mixture) -> Whitened:
    """Variables standardised by the mean and covariance of the mixture."""
    theta, s, _ = proposals(mixture, _WHITENING_DRAWS, np.random.default_rng(0))
    x = np.concatenate([theta, s[:, None]], axis=1)
    return Whitened(posterior, x.mean(0), np.linalg.cholesky(np.cov(x.T)))


def _laplace_status(efficiency: float) -> str:
    if efficiency >= _LEAST_EFFICIENCY:
        return "ok"
    return (
        f"the normal approximation fits badly: importance weights keep {efficiency:.0%} of the "
        "proposals; take method='mcmc'"
    )


def _assumptions(
    regression: Regression, rows: CohortTable, priors: DoseToxicityPriors
) -> tuple[str, ...]:
    out = list(priors.assumptions)
    for name in regression.covariates:
        missing = int(np.isnan(rows.covariates[name]).sum())
        if missing:
            out.append(
                f"ASSUMED: {name} is missing at random in {missing} of {len(rows)} patients; "
                "summed over its distribution among the others"
            )
    absent = [name for name in rows.covariates if name not in regression.covariates]
    if absent:
        out.append(
            f"ASSUMED: the patients have the mix of the priors in {', '.join(absent)}, which the "
            "table does not know of anyone"
        )
    return tuple(out)
