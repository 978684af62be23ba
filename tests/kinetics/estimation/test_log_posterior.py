"""The log posterior of a population model, its gradient and its priors."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from kinetics.errors import KineticsError
from kinetics.estimation.log_posterior import bind_target
from kinetics.estimation.priors import (
    Prior,
    default_priors,
    half_student_prior,
    lkj_prior,
    logit_normal_prior,
    lognormal_prior,
    normal_prior,
    uniform_prior,
)
from kinetics.estimation.whitening import approximate, log_density, no_whitening
from kinetics.inference import fit_bayes
from kinetics.population import (
    Parameter,
    PopulationModel,
    additive,
    category_effect,
    combined1,
    combined2,
    exponential_effect,
    known_sd,
    linear_effect,
    lognormal,
    population_data,
    power,
    power_effect,
    proportional,
)
from kinetics.structures.closed_forms import one_compartment
from tests.kinetics.population.datasets import theophylline

ORAL = one_compartment(absorption=True)


def oral_model(**changes):
    values = {
        "ka": Parameter(1.5, sd=0.6),
        "cl": Parameter(2.8, sd=0.3),
        "v": Parameter(32, sd=0.2),
    }
    return PopulationModel(ORAL, {**values, **changes}, {"blood": additive(0.7)})


def cycles(rng, *, n_subjects=5, limit=False, sd=False):
    """A small population of two cycles with covariates; concentrations about 1 to 4."""
    subject = np.repeat(np.arange(n_subjects), 8)
    cycle = np.tile(np.repeat([1, 2], 4), n_subjects)
    time_h = np.tile([0.5, 2.0, 8.0, 20.0], 2 * n_subjects)
    level = 3.0 * np.exp(0.2 * rng.standard_normal(n_subjects))[subject]
    value = level * np.exp(-0.08 * time_h) * np.exp(0.1 * rng.standard_normal(len(subject)))
    table = pd.DataFrame({"subject": subject, "cycle": cycle, "time_h": time_h, "value": value})
    table["weight"] = 60.0 + 5.0 * subject + 2.0 * cycle
    table["female"] = subject % 2
    table["amount"] = 100.0
    if limit:
        table["limit"] = 1.0
        table["below_limit"] = table["value"] < 1.0
        table.loc[table["below_limit"], "value"] = 1.0
    if sd:
        table["sd"] = 0.1 * table["value"]
    return population_data(table.drop(columns="limit", errors="ignore"))


def gradient_error(target, whitening, v):
    """Largest difference of the gradient from central differences, relative to its size."""
    _, gradient = log_density(target, whitening, v)
    steps = 1e-5 * np.eye(len(v))
    numeric = [
        (log_density(target, whitening, v + h)[0] - log_density(target, whitening, v - h)[0]) / 2e-5
        for h in steps
    ]
    return np.abs(gradient - numeric).max() / np.abs(gradient).max()


FEATURES = {
    "cycles and a block": (
        {"cl": Parameter(2.5, sd=0.3, cycle_sd=0.15), "v": Parameter(32.0, sd=0.2)},
        {"correlations": {("cl", "v"): 0.4}},
    ),
    "covariates": (
        {
            "cl": Parameter(
                2.5, sd=0.3,
                covariates=(power_effect("weight", 70.0, 0.7), category_effect("female", 1, 0.1)),
            ),
            "v": Parameter(
                32.0,
                covariates=(
                    linear_effect("weight", 70.0, 0.01), exponential_effect("female", 0.0, 0.1),
                ),
            ),
        },
        {},
    ),
    "identity and bounds": (
        {
            "cl": Parameter(2.5, sd=0.5, transform="identity",
                            covariates=(power_effect("weight", 70.0, 0.5),)),
            "v": Parameter(32.0, sd=0.2, cycle_sd=0.1),
        },
        {"bounds": {"v": (10.0, 100.0), "sd_cl": (0.05, np.inf)}},
    ),
    "fixed": (
        {"cl": Parameter(2.5, sd=0.3), "v": Parameter(32.0, sd=0.2)},
        {"fixed": {"v", "sd_cl", "additive_blood"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("feature", FEATURES)
def test_gradient_of_every_feature_of_the_model(feature):
    rng = np.random.default_rng(2)
    parameters, options = FEATURES[feature]
    model = PopulationModel(one_compartment(), parameters, {"blood": additive(0.3)}, **options)
    target = bind_target(model, cycles(rng))
    here = approximate(target)
    assert not here.trouble
    for whitening, start in ((here.whitening, 0.0), (no_whitening(target), None)):
        centre = np.zeros(target.size)
        if start is None:
            centre[: target.n_population] = target.start()
        v = centre + 0.4 * rng.standard_normal(target.size)
        assert gradient_error(target, whitening, v) < 1e-6


ERRORS = {
    "proportional": proportional(0.1), "combined1": combined1(0.1, 0.1),
    "combined2": combined2(0.1, 0.1), "power": power(0.1, 0.8), "lognormal": lognormal(0.1),
    "known": known_sd(),
}  # fmt: skip


@pytest.mark.parametrize("limit", [False, True], ids=["all seen", "M3"])
@pytest.mark.parametrize("kind", ERRORS)
def test_gradient_of_every_residual_error(kind, limit):
    rng = np.random.default_rng(3)
    parameters = {"cl": Parameter(2.5, sd=0.3), "v": Parameter(32.0, sd=0.2)}
    model = PopulationModel(one_compartment(), parameters, {"blood": ERRORS[kind]})
    data = cycles(rng, limit=limit, sd=kind == "known")
    assert data.below_limit.any() == limit
    target = bind_target(model, data)
    v = 0.3 * rng.standard_normal(target.size)
    assert gradient_error(target, approximate(target).whitening, v) < 1e-6


def test_gradient_of_every_prior():
    rng = np.random.default_rng(4)
    parameters = {"cl": Parameter(2.5, sd=0.3), "v": Parameter(32.0, sd=0.2),
                  "bioavailability": Parameter(0.6, transform="logit")}  # fmt: skip
    model = PopulationModel(
        one_compartment(bioavailability=True), parameters, {"blood": combined2(0.1, 0.1)}
    )
    priors = {
        "cl": normal_prior(2.0, 1.0), "v": uniform_prior(5.0, 80.0),
        "bioavailability": logit_normal_prior(0.6, 0.3), "sd_cl": half_student_prior(0.5),
        "sd_v": lognormal_prior(0.2, 0.5), "additive_blood": uniform_prior(0.0, 1.0),
    }  # fmt: skip
    target = bind_target(model, cycles(rng), priors)
    v = 0.3 * rng.standard_normal(target.size)
    assert gradient_error(target, approximate(target).whitening, v) < 1e-6


def test_density_is_that_of_scipy():
    """Differences of the log posterior between two points against densities of scipy."""
    rng = np.random.default_rng(5)
    parameters = {"cl": Parameter(2.5, sd=0.3, cycle_sd=0.2), "v": Parameter(32.0, sd=0.2)}
    model = PopulationModel(
        one_compartment(), parameters, {"blood": proportional(0.1)},
        correlations={("cl", "v"): 0.3},
    )  # fmt: skip
    data = cycles(rng, n_subjects=3, limit=True)
    priors = {"cl": lognormal_prior(2.0, 0.7), "v": normal_prior(30.0, 9.0),
              "sd_cl": half_student_prior(0.4, 4.0), "corr_cl_v": lkj_prior(3.0)}  # fmt: skip
    target = bind_target(model, data, priors)
    vector = target.problem.vector

    def log_scipy(t):
        x, z = t[: target.n_population], t[target.n_population :].reshape(3, 4)
        at = vector.values(x)
        total = stats.lognorm(0.7, scale=2.0).logpdf(at["cl"]) + stats.norm(30, 9).logpdf(at["v"])
        total += stats.t(4.0, scale=0.4).logpdf(at["sd_cl"]) + 2.0 * np.log1p(
            -(at["corr_cl_v"] ** 2)
        )
        for name in ("sd_v", "cycle_sd_cl", "proportional_blood"):
            total += stats.norm(0, 1).logpdf(at[name])
        total += np.linalg.slogdet(vector.jacobian(x))[1] + stats.norm.logpdf(z).sum()
        covariance = model.with_values(at).covariance
        eta = z[:, :2] @ np.linalg.cholesky(covariance).T
        for o, i in enumerate(data.occasion_subject):
            kappa = at["cycle_sd_cl"] * z[i, 2 + o % 2]
            cl, v = at["cl"] * np.exp(eta[i, 0] + kappa), at["v"] * np.exp(eta[i, 1])
            rows = slice(*data.observation_start[o : o + 2])
            f = 100.0 / v * np.exp(-cl / v * data.time_h[rows])
            seen = stats.norm(f, at["proportional_blood"] * f)
            y, below = data.value[rows], data.below_limit[rows]
            total += np.where(below, seen.logcdf(y), seen.logpdf(y)).sum()
        return total

    whitening = no_whitening(target)
    points = rng.standard_normal((4, target.size)) * 0.3
    points[:, : target.n_population] += target.start()
    ours = np.array([log_density(target, whitening, t)[0] for t in points])
    theirs = np.array([log_scipy(t) for t in points])
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), rtol=1e-7, atol=1e-6)


def test_default_priors_are_labelled():
    data = cycles(np.random.default_rng(8))
    model = oral_model(cl=Parameter(2.5, sd=0.3, covariates=(linear_effect("weight", 70.0),)))
    assumed = default_priors(model, data)
    assert set(assumed) == set(model.values)
    assert assumed["cl"] == lognormal_prior(2.5, 1.0)
    assert assumed["additive_blood"].values[0] == pytest.approx(data.value.std())
    bad = oral_model(v=Parameter(-1e4, sd=1.0, transform="identity"))
    fit = fit_bayes(bad, theophylline(), rng=np.random.default_rng(1), progress=False,
                    priors={"ka": lognormal_prior(1.0, 0.5)}, n_draws=10, n_tune=10)  # fmt: skip
    table = fit.priors_frame()
    assert table.loc["ka", "origin"] == "given"
    assert table.loc["cl", "origin"] == "default (ASSUMED)"
    assert any("ASSUMED prior: cl" in text for text in fit.assumptions)


def test_illegal_priors_are_refused():
    data = theophylline()
    for wrong, message in (
        ({"kaa": normal_prior(0, 1)}, "no population parameter"),
        ({"ka": lkj_prior(2)}, "lkj is for correlations"),
        ({"ka": uniform_prior(-2, -1)}, "exclude each other"),
    ):
        with pytest.raises(KineticsError, match=message):
            bind_target(oral_model(), data, wrong)
    for values in (("cauchy", (1.0,)), ("normal", (0.0, -1.0)), ("uniform", (1.0, 1.0)),
                   ("logit_normal", (2.0, 1.0)), ("half_normal", (np.nan,))):  # fmt: skip
        with pytest.raises(KineticsError):
            Prior(*values)
    with pytest.raises(KineticsError, match="sampler"):
        fit_bayes(oral_model(), data, rng=np.random.default_rng(1), sampler="stan")
    with pytest.raises(KineticsError, match="at least 4 draws"):
        fit_bayes(oral_model(), data, rng=np.random.default_rng(1), n_draws=1)
