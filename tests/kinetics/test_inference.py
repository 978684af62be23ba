"""Full Bayes: closed forms, maximum likelihood, calibration, and what is wrong in words."""

import importlib.util
import re

import numpy as np
import pandas as pd
import pytest
from numba import njit
from scipy import stats

from kinetics.errors import KineticsError
from kinetics.estimation.chain_checks import (
    Chains,
    chain_problems,
    chains_apart,
    flip_flop_twin,
    other_mode,
)
from kinetics.estimation.log_posterior import bind_target
from kinetics.estimation.priors import (
    half_normal_prior,
    half_student_prior,
    lognormal_prior,
    normal_prior,
)
from kinetics.estimation.whitening import approximate
from kinetics.inference import fit_bayes
from kinetics.population import (
    Parameter,
    PopulationModel,
    additive,
    population_data,
    proportional,
)
from kinetics.structures._predict_signature import PREDICT
from kinetics.structures.closed_forms import one_compartment
from kinetics.structures.structure import Structure
from tests.kinetics.population.datasets import theophylline


@njit([PREDICT], cache=False)
def _line(parameter, rows, doses, value, jacobian):
    for i in range(rows.shape[0]):
        value[i] = parameter[0] + parameter[1] * rows[i, 0]
        jacobian[i, 0] = 1.0
        jacobian[i, 1] = rows[i, 0]


LINE = Structure("line", ("level", "slope"), ("blood",), _line, needs_dose=False)
ORAL = one_compartment(absorption=True)


def oral_model(**changes):
    values = {
        "ka": Parameter(1.5, sd=0.6),
        "cl": Parameter(2.8, sd=0.3),
        "v": Parameter(32, sd=0.2),
    }
    return PopulationModel(ORAL, {**values, **changes}, {"blood": additive(0.7)})


def line_data(rng, n_subjects=8):
    subject = np.repeat(np.arange(n_subjects), 3)
    time_h = np.tile([0.0, 1.0, 2.0], n_subjects)
    level = 5.0 + 1.5 * rng.standard_normal(n_subjects)
    value = level[subject] + 0.8 * time_h + 0.5 * rng.standard_normal(len(subject))
    return population_data(pd.DataFrame({"subject": subject, "time_h": time_h, "value": value}))


@pytest.fixture(params=["pymc", "nutpie"])
def sampler(request):
    pytest.importorskip(request.param)
    return request.param


def test_linear_model_has_its_closed_form(sampler):
    """Normal prior, known variances: the posterior of level and slope is normal."""
    data = line_data(np.random.default_rng(6))
    model = PopulationModel(
        LINE,
        {"level": Parameter(4.0, sd=1.5, transform="identity"),
         "slope": Parameter(0.0, transform="identity")},
        {"blood": additive(0.5)}, fixed={"sd_level", "additive_blood"},
    )  # fmt: skip
    priors = {"level": normal_prior(3.0, 2.0), "slope": normal_prior(0.0, 1.0)}
    fit = fit_bayes(
        model, data, priors=priors, rng=np.random.default_rng(1), sampler=sampler, progress=False,
        n_tune=200, n_draws=500, cores=1,
    )  # fmt: skip
    assert fit.status == "ok"
    design = np.column_stack([np.ones(24), data.time_h])
    member = np.repeat(np.eye(8), 3, axis=0)
    weight = np.linalg.inv(0.25 * np.eye(24) + 2.25 * member @ member.T)
    precision = design.T @ weight @ design + np.diag([0.25, 1.0])
    exact = np.linalg.solve(precision, design.T @ weight @ data.value + [0.75, 0.0])
    covariance, table = np.linalg.inv(precision), fit.to_frame()
    for k, name in enumerate(("level", "slope")):
        row, sd = table.loc[name], np.sqrt(covariance[k, k])
        assert abs(row["mean"] - exact[k]) < 4.0 * row["mcse_mean"]
        assert abs(row["sd"] / sd - 1.0) < 4.0 / np.sqrt(row["ess_tail"])
        assert abs(row["upper"] - (exact[k] + 1.645 * sd)) < 0.15 * sd
    # a level's posterior given the data, population integrated out
    own = fit.individual[:, :, 0, 0]  # the mean time is 1 h
    share = 2.25 / (2.25 + 0.25 / 3.0)
    mean = share * (data.value[:3].mean() - exact[1]) + (1 - share) * exact[0]
    assert abs(own.mean() - mean) < 0.05


def test_everything_fixed_gives_the_individuals():
    data = line_data(np.random.default_rng(7))
    model = PopulationModel(
        LINE,
        {"level": Parameter(5.0, sd=1.5, transform="identity"),
         "slope": Parameter(0.8, transform="identity")},
        {"blood": additive(0.5)},
    ).fixing()  # fmt: skip
    fit = fit_bayes(
        model, data, rng=np.random.default_rng(1), sampler="pymc", progress=False, n_tune=150,
        n_draws=400, cores=1,
    )  # fmt: skip
    assert fit.status == "ok"
    assert not fit.population
    share = 2.25 / (2.25 + 0.25 / 3.0)
    residual = (data.value - 0.8 * data.time_h).reshape(8, 3).mean(1)
    exact = share * residual + (1 - share) * 5.0
    sd = np.sqrt(share * 0.25 / 3.0)
    np.testing.assert_allclose(fit.individual[..., 0].mean((0, 1)), exact, atol=0.15 * sd)
    np.testing.assert_allclose(fit.individual[..., 0].std((0, 1)), sd, rtol=0.1)
    with pytest.raises(KineticsError, match="nothing to sample"):
        bind_target(PopulationModel(
            LINE, {n: Parameter(1.0) for n in ("level", "slope")}, {"blood": additive(0.5)}
        ).fixing(), data)  # fmt: skip


# Exact maximum likelihood by adaptive quadrature (see tests/kinetics/estimation)
THEOPHYLLINE = {
    "ka": np.exp(0.4592), "cl": np.exp(1.0117), "v": np.exp(3.4539), "additive_blood": 0.6959,
    "sd_ka": 0.4047**0.5, "sd_cl": 0.0703**0.5, "sd_v": 0.01848**0.5,
}  # fmt: skip


def test_theophylline_agrees_with_maximum_likelihood(sampler, tmp_path):
    # wide, but for ka and v: their flip-flop mode has its share of a flat posterior
    flat = {name: lognormal_prior(value, 1.0 if name in ("ka", "v") else 3.0)
            for name, value in THEOPHYLLINE.items() if not name.startswith("sd_")}  # fmt: skip
    flat |= {name: half_student_prior(5.0) for name in THEOPHYLLINE if name.startswith("sd_")}
    fit = fit_bayes(
        oral_model(), theophylline(), priors=flat, rng=np.random.default_rng(2), sampler=sampler,
        progress=False, n_tune=300, n_draws=500,
    )  # fmt: skip
    assert fit.status == "ok"
    table = fit.to_frame()
    for name, value in THEOPHYLLINE.items():
        assert abs(table.loc[name, "median"] - value) < table.loc[name, "sd"], name
    assert fit.individual.shape == (4, 500, 12, 3)
    assert fit.log_likelihood.shape == (4, 500, 132)
    names = list(fit.target.problem.model.structure.parameters)
    cl, v, ka = (fit.individual[:, :, 0, names.index(n)] for n in ("cl", "v", "ka"))
    k, data = cl / v, fit.target.problem.data
    f = (
        data.doses[0, 1]
        * ka
        / v
        / (ka - k)
        * (np.exp(-k * data.time_h[4]) - np.exp(-ka * data.time_h[4]))
    )
    exact = stats.norm.logpdf(data.value[4], f, fit.population["additive_blood"])
    np.testing.assert_allclose(fit.log_likelihood[..., 4], exact, rtol=1e-9)
    if importlib.util.find_spec("h5py"):
        fit.save(tmp_path / "fit.nc")
        assert (tmp_path / "fit.nc").stat().st_size > 0
    posterior = fit.idata["posterior"]
    np.testing.assert_array_equal(posterior["cl"].values, fit.population["cl"])
    assert posterior["individual_cl"].shape == (4, 500, 12)
    assert fit.idata.attrs["status"] == "ok"
    assert "status: ok" in str(fit)
    assert fit.individual_frame().shape == (36, 8)
    assert fit.model.values["cl"] == pytest.approx(table.loc["cl", "median"])


def test_a_seed_gives_the_same_numbers_on_any_number_of_cores(sampler):
    def draws(cores):
        fit = fit_bayes(
            oral_model(), theophylline(), rng=np.random.default_rng(3), sampler=sampler,
            progress=False, n_tune=30, n_draws=20, n_chains=2, cores=cores,
        )  # fmt: skip
        return fit.population["ka"]

    np.testing.assert_array_equal(draws(1), draws(2))


def sampled(draws, **changes):
    shape = draws.shape[:2]
    fields = {
        "draws": draws, "diverging": np.zeros(shape, dtype=bool),
        "energy": np.random.default_rng(1).standard_normal(shape),
        "n_steps": np.full(shape, 7),
    }  # fmt: skip
    return Chains(**{**fields, **changes})


def test_status_names_what_is_wrong():
    rng = np.random.default_rng(9)
    good = rng.standard_normal((4, 400))
    none, fine = {"ka": 1.0}, {"ka": 900.0}
    chains = sampled(good[..., None])
    assert chain_problems(chains, {"ka": good}, none, fine) == []
    split = good + 10.0 * (np.arange(4) == 2)[:, None]
    assert chains_apart({"ka": split, "cl": good}) == {2: ["ka"]}
    (text,) = chain_problems(chains, {"ka": split}, none, fine)
    assert text.startswith("chain 2 is in another mode")
    stuck = np.where((np.arange(4) == 1)[:, None], 0.1, good)
    assert chains_apart({"ka": stuck}) == {1: ["ka"]}
    diverging = np.zeros((4, 400), dtype=bool)
    diverging[3, :2] = True
    (text,) = chain_problems(sampled(good[..., None], diverging=diverging), {}, none, fine)
    assert "2 divergent transitions (by chain 0, 0, 0, 2)" in text
    (text,) = chain_problems(chains, {}, {"ka": 1.3, "cl": 1.0}, fine)
    assert "R-hat above 1.01: ka 1.3" in text
    (text,) = chain_problems(chains, {}, none, {"ka": 12.0})
    assert "below 400: ka 12" in text
    slow = np.cumsum(rng.standard_normal((4, 400)), axis=1)
    (text,) = chain_problems(sampled(good[..., None], energy=slow), {}, none, fine)
    assert "explored slowly" in text
    (text,) = chain_problems(sampled(good[:1, :, None]), {}, {"ka": np.nan}, fine)
    assert "single chain" in text


def test_flip_flop_twin_predicts_the_same():
    model = oral_model()
    twin = flip_flop_twin(model)
    data = theophylline()
    a = {name: p.value for name, p in model.parameters.items()}
    b = {name: p.value for name, p in twin.parameters.items()}
    assert b["ka"] == pytest.approx(a["cl"] / a["v"])
    np.testing.assert_allclose(ORAL(a, data.time_h[:11]), ORAL(b, data.time_h[:11]), rtol=1e-9)
    assert flip_flop_twin(model.fixing("v")) is None
    rates = one_compartment(absorption=True, parametrisation="rates")
    values = {"ka": Parameter(1.5), "k": Parameter(0.1), "v": Parameter(30.0)}
    twin = flip_flop_twin(PopulationModel(rates, values, {"blood": additive(1.0)}))
    assert twin.parameters["k"].value == 1.5
    values = {"cl": Parameter(1.5), "v": Parameter(30.0)}
    assert (
        flip_flop_twin(PopulationModel(one_compartment(), values, {"blood": additive(1.0)})) is None
    )


def test_the_flip_flop_mode_is_reported():
    """One subject-free curve: both modes are exactly as good, but for their priors."""
    time_h = np.array([0.25, 0.5, 1, 2, 4, 8, 12, 24.0])
    value = ORAL({"ka": 1.0, "cl": 3.0, "v": 30.0}, time_h) * 300.0
    noise = np.random.default_rng(1).standard_normal(8)
    table = pd.DataFrame({"subject": 1, "time_h": time_h, "value": value + 0.1 * noise})
    data = population_data(table.assign(amount=300.0))
    parameters = {"ka": Parameter(1.0), "cl": Parameter(3.0), "v": Parameter(30.0)}
    model = PopulationModel(ORAL, parameters, {"blood": additive(0.1)})
    wide = {name: lognormal_prior(p.value, 3.0) for name, p in parameters.items()}
    fit = fit_bayes(model, data, priors=wide, rng=np.random.default_rng(1), progress=False,
                    n_tune=200, n_draws=200, cores=1)  # fmt: skip
    assert "flip-flop" in fit.status
    assert re.search(r"ka 0\.(09|10)", fit.status)
    target = bind_target(model, data, {"v": lognormal_prior(30.0, 0.1)})
    assert other_mode(target, approximate(target)) == ""


def bad_data(kind):
    subject, time_h = np.repeat(np.arange(6), 4), np.tile([1.0, 4.0, 12.0, 24.0], 6)
    value = 3.0 * np.exp(-0.1 * time_h)
    table = pd.DataFrame({"subject": subject, "time_h": time_h, "value": value, "amount": 100.0})
    if kind == "all below the limit":
        return table.assign(value=0.01, below_limit=True)
    if kind == "one sample":
        return table[::4]
    if kind == "constant":
        return table.assign(value=3.0)
    if kind == "exact":
        return table.assign(value=100.0 / 30.0 * np.exp(-0.1 * time_h))
    return table.assign(time_h=0.0).iloc[::4]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("all below the limit", "below the limit"), ("one sample", "single observation"),
     ("constant", "same value"), ("exact", "goes to zero"), ("zero times", "same time")],
)  # fmt: skip
def test_bad_data_end_in_words(kind, words):
    data = population_data(bad_data(kind))
    parameters = {"cl": Parameter(2.5, sd=0.3), "v": Parameter(32.0, sd=0.2)}
    model = PopulationModel(one_compartment(), parameters, {"blood": additive(0.3)})
    fit = fit_bayes(model, data, rng=np.random.default_rng(1), progress=False, n_tune=100,
                    n_draws=50, n_chains=2, cores=1)  # fmt: skip
    assert words in " ".join((fit.status, *fit.warnings))
    assert fit.status != "ok"
    assert len(fit.to_frame()) == 5


def test_a_start_that_overflows_ends_in_words():
    model = PopulationModel(
        one_compartment(), {"cl": Parameter(1e308, sd=0.3), "v": Parameter(1e-300)},
        {"blood": proportional(0.3)},
    )  # fmt: skip
    data = population_data(bad_data("constant"))
    fit = fit_bayes(model, data, rng=np.random.default_rng(1), progress=False)
    assert fit.status.startswith("not sampled: the likelihood is not finite")
    assert fit.to_frame()["mean"].isna().all()
    with pytest.raises(KineticsError, match="no draws"):
        fit.save("nowhere.nc")
    with pytest.raises(KineticsError, match="not sampled"):
        fit_bayes(model, data, rng=np.random.default_rng(1), progress=False, strict=True)


@pytest.mark.slow
def test_simulation_based_calibration():
    """Ranks of the truth among posterior draws are uniform (Talts et al. 2018)."""
    sampler = "auto"
    priors = {
        "cl": lognormal_prior(2.5, 0.4), "v": lognormal_prior(30.0, 0.4),
        "sd_cl": half_normal_prior(0.5), "proportional_blood": half_normal_prior(0.3),
    }  # fmt: skip
    time_h, n_subjects, n_runs, n_kept = np.array([1.0, 6.0, 20.0]), 6, 120, 39
    subject = np.repeat(np.arange(n_subjects), 3)
    rank = {name: [] for name in priors}
    rng = np.random.default_rng(10)
    model = PopulationModel(
        one_compartment(), {"cl": Parameter(2.5, sd=0.3), "v": Parameter(30.0)},
        {"blood": proportional(0.2)},
    )  # fmt: skip
    for _ in range(n_runs):
        truth = {
            "cl": 2.5 * np.exp(0.4 * rng.standard_normal()),
            "v": 30.0 * np.exp(0.4 * rng.standard_normal()),
            "sd_cl": abs(0.5 * rng.standard_normal()),
            "proportional_blood": abs(0.3 * rng.standard_normal()),
        }
        cl = truth["cl"] * np.exp(truth["sd_cl"] * rng.standard_normal(n_subjects))[subject]
        f = 100.0 / truth["v"] * np.exp(-cl / truth["v"] * np.tile(time_h, n_subjects))
        value = f * (1.0 + truth["proportional_blood"] * rng.standard_normal(len(f)))
        table = pd.DataFrame(
            {"subject": subject, "time_h": np.tile(time_h, n_subjects), "value": value}
        )
        fit = fit_bayes(
            model, population_data(table.assign(amount=100.0)), priors=priors, rng=rng,
            sampler=sampler, n_chains=1, n_tune=200, n_draws=10 * n_kept, cores=1, progress=False,
        )  # fmt: skip
        assert not fit.status.startswith("not sampled")
        for name in priors:
            rank[name].append(int((fit.population[name][0, ::10] < truth[name]).sum()))
    for name, values in rank.items():
        count = np.bincount(np.array(values) * 8 // (n_kept + 1), minlength=8)
        assert stats.chisquare(count).pvalue > 1e-3, (name, count)
