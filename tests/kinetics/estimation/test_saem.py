"""SAEM against exact maximum likelihood (adaptive quadrature) and published estimates."""

import numpy as np
import pandas as pd
import pytest

from kinetics import cores
from kinetics.errors import KineticsError
from kinetics.estimation.fit import fit_population, objective_at
from kinetics.estimation.importance import importance_likelihood, t_nodes
from kinetics.estimation.objective import evaluate
from kinetics.estimation.problem import bind
from kinetics.estimation.saem import fit_saem
from kinetics.population import (
    Parameter,
    PopulationModel,
    additive,
    combined1,
    linear_effect,
    lognormal,
    power_effect,
    proportional,
)
from kinetics.population.build import population_data
from kinetics.structures.closed_forms import one_compartment
from tests.kinetics.population.datasets import phenobarbital, theophylline

TIMES = np.array([1.0, 4.0, 12.0, 24.0])


def rng(seed=1):
    return np.random.default_rng(seed)


def bolus_model(error=None, cl=None, v=None, **keywords):
    return PopulationModel(
        one_compartment(),
        {"cl": cl or Parameter(1.0, sd=0.5), "v": v or Parameter(15.0, sd=0.3)},
        {"blood": error or proportional(0.2)},
        **keywords,
    )


def simulate(seed, *, n=40, cycles=1, sd_cl=0.3, sd_v=0.2, cycle_sd=0.0, noise=0.1, times=TIMES):
    """One-compartment boluses of 100; cl 2 (weight/70)^0.75, v 20; weight differs by cycle."""
    draw = rng(seed)
    subject = np.repeat(np.arange(n), cycles * len(times))
    cycle = np.tile(np.repeat(np.arange(cycles), len(times)), n)
    occasion = subject * cycles + cycle
    weight = np.exp(draw.normal(np.log(70.0), 0.2, n * cycles))[occasion]
    eta = np.stack([sd_cl, sd_v])[:, None] * draw.standard_normal((2, n))
    kappa = cycle_sd * draw.standard_normal(n * cycles)[occasion]
    cl = 2.0 * (weight / 70.0) ** 0.75 * np.exp(eta[0][subject] + kappa)
    v, time_h = 20.0 * np.exp(eta[1])[subject], np.tile(times, n * cycles)
    value = 100.0 / v * np.exp(-cl / v * time_h) * (1.0 + noise * draw.standard_normal(len(v)))
    return pd.DataFrame(
        {"subject": subject, "cycle": cycle + 1, "time_h": time_h, "value": value,
         "amount": 100.0, "weight": weight}
    )  # fmt: skip


def excess(fit, n_nodes=7):
    """Exact objective at the estimates over the exact minimum."""
    exact = fit_population(
        fit.model.releasing(), fit.problem.data, method="AGQ", n_nodes=n_nodes, covariance=None
    )
    return evaluate(fit.problem, fit.x, "AGQ", n_nodes=n_nodes).objective - exact.objective


def oral_model():
    parameters = {
        "ka": Parameter(1.5, sd=0.6), "cl": Parameter(3.0, sd=0.3), "v": Parameter(30.0, sd=0.2)
    }  # fmt: skip
    return PopulationModel(one_compartment(absorption=True), parameters, {"blood": additive(1.0)})


def test_theophylline_exact_maximum():
    # exact maximum likelihood by quadrature, from first principles
    exact = {
        "ka": np.exp(0.4592), "cl": np.exp(1.0117), "v": np.exp(3.4539),
        "sd_ka": 0.4047**0.5, "sd_cl": 0.0703**0.5, "sd_v": 0.01848**0.5, "additive_blood": 0.6959,
    }  # fmt: skip
    fit = fit_saem(oral_model(), theophylline(), rng=rng())
    table = fit.to_frame()
    assert fit.status == "ok"
    assert fit.converged
    assert evaluate(fit.problem, fit.x, "AGQ", n_nodes=15).objective == pytest.approx(
        118.103, abs=0.05
    )
    assert fit.objective == pytest.approx(118.103, abs=0.05 + 4 * fit.objective_se)
    for name, value in exact.items():
        assert abs(table.loc[name, "value"] - value) < 0.25 * table.loc[name, "se"]
    reference = fit_population(oral_model(), theophylline(), method="Laplace").to_frame()
    np.testing.assert_allclose(table["se"], reference["se"], rtol=0.1)


def test_phenobarbital_published_estimates():
    model = bolus_model(
        cl=Parameter(0.005, sd=0.4), v=Parameter(1.3, sd=0.4), error=proportional(0.15)
    )
    fit = fit_saem(model, phenobarbital(), rng=rng())
    nonmem = {
        "cl": 5.61554e-3, "v": 1.39713, "sd_cl": 0.132337**0.5, "sd_v": 0.199377**0.5,
        "proportional_blood": 1.52465e-2**0.5,
    }  # fmt: skip
    assert fit.status == "ok"
    table = fit.to_frame()
    for name, value in nonmem.items():
        assert abs(table.loc[name, "value"] - value) < table.loc[name, "se"]
    # exact objective 729.1230 at NONMEM's SAEM estimates
    assert evaluate(fit.problem, fit.x, "AGQ", n_nodes=15).objective < 729.1230 + 0.2


def test_importance_likelihood_phenobarbital():
    at = {
        "cl": 5.81756e-3, "v": 1.44555, "sd_cl": 0.111053**0.5, "sd_v": 0.201526**0.5,
        "proportional_blood": 1.64177e-2**0.5,
    }  # fmt: skip
    problem = bind(bolus_model().with_values(at), phenobarbital())
    by_subject, se = importance_likelihood(problem, problem.vector.start(), n_draws=4000, rng=rng())
    assert by_subject.sum() == pytest.approx(729.570, abs=max(4 * se, 2e-3))
    assert se < 0.05
    exact = evaluate(problem, problem.vector.start(), "AGQ", n_nodes=20).by_subject
    np.testing.assert_allclose(by_subject, exact, atol=0.05)
    with pytest.raises(KineticsError, match="at least 4 draws"):
        importance_likelihood(problem, problem.vector.start(), n_draws=2, rng=rng())


def test_nodes_integrate_normal_moments():
    nodes, log_weight = t_nodes(3, 4096, 2, rng())
    density = np.exp(log_weight - 0.5 * (nodes**2).sum(-1)) / (2 * np.pi) ** 1.5
    np.testing.assert_allclose(density.sum(-1), 1.0, rtol=1e-12)
    second = np.einsum("sq,sqa,sqb->sab", density, nodes, nodes)
    np.testing.assert_allclose(second, np.tile(np.eye(3), (2, 1, 1)), atol=0.05)


@pytest.mark.parametrize("error", [lognormal(0.3), combined1(0.05, 0.2)], ids=["one", "two"])
def test_converges_to_quadrature(error):
    fit = fit_saem(bolus_model(error), population_data(simulate(2)), rng=rng())
    assert fit.status == "ok"
    assert excess(fit) < 0.3


def test_covariance_block_and_parameter_without_effect():
    table = simulate(3, n=60, sd_v=0.0)
    cl = Parameter(1.0, sd=0.5, covariates=(linear_effect("weight", 70.0),))
    fit = fit_saem(bolus_model(cl=cl, v=Parameter(15.0)), population_data(table), rng=rng())
    assert excess(fit) < 0.3
    assert fit.model.values["v"] == pytest.approx(20.0, rel=0.05)
    block = bolus_model(correlations={("cl", "v"): 0.1})
    assert excess(fit_saem(block, population_data(simulate(4, n=60)), rng=rng())) < 0.5


def test_cycles_and_covariate_that_changes_between_them():
    data = population_data(simulate(5, n=40, cycles=3, cycle_sd=0.2), covariates=["weight"])
    weight = (power_effect("weight", 70.0),)
    both = bolus_model(cl=Parameter(1.0, sd=0.5, cycle_sd=0.3, covariates=weight))
    fit = fit_saem(both, data, rng=rng())
    table = fit.to_frame()
    assert fit.status == "ok"
    truth = {"cl": 2.0, "cl_weight": 0.75, "sd_cl": 0.3, "cycle_sd_cl": 0.2, "v": 20.0}
    for name, value in truth.items():
        assert abs(table.loc[name, "value"] - value) < 3 * table.loc[name, "se"]
    quadrature = evaluate(fit.problem, fit.x, "AGQ", n_nodes=5).objective
    assert fit.objective == pytest.approx(quadrature, abs=0.5)
    laplace = fit_population(both, data, method="Laplace").to_frame()
    assert (abs(table["value"] - laplace["value"]) < 0.25 * laplace["se"]).all()
    subject_only = bolus_model(cl=Parameter(1.0, sd=0.5, covariates=weight))
    assert excess(fit_saem(subject_only, data, rng=rng())) < 0.3


def test_values_below_the_limit():
    table = simulate(6, n=80)
    low = table["value"] < 1.0
    assert 0.2 < low.mean() < 0.6
    table["below_limit"] = low.astype(int)
    table.loc[low, "value"] = 1.0
    cl = Parameter(1.0, sd=0.5, covariates=(power_effect("weight", 70.0),))
    fit = fit_saem(bolus_model(cl=cl), population_data(table), rng=rng())
    assert excess(fit) < 0.5
    frame = fit.to_frame()
    truth = {"cl": 2.0, "v": 20.0, "sd_cl": 0.3, "sd_v": 0.2, "proportional_blood": 0.1}
    for name, value in truth.items():
        assert abs(frame.loc[name, "value"] - value) < 3 * frame.loc[name, "se"]


def test_fixed_parameters_bounds_and_logit():
    data = population_data(simulate(7))
    fixed = fit_saem(bolus_model(fixed={"v", "sd_v"}), data, rng=rng())
    assert fixed.model.values["v"] == 15.0
    assert fixed.model.values["sd_v"] == 0.3
    assert excess_of_fixed(fixed) < 0.3
    bounded = fit_saem(bolus_model(bounds={"v": (10.0, 18.0)}), data, rng=rng())
    assert bounded.model.values["v"] == pytest.approx(18.0)
    logit = bolus_model(
        cl=Parameter(0.5, sd=0.5, transform="logit"),
        v=Parameter(15.0, sd=3.0, transform="identity"),
    )
    table = simulate(7)
    table["time_h"] *= 4.0  # cl 0.5
    assert excess(fit_saem(logit, population_data(table), rng=rng())) < 0.5
    everything = fit_saem(bolus_model().fixing(), data, rng=rng(), n_draws=4000)
    assert everything.objective == pytest.approx(
        objective_at(bolus_model(), data, method="AGQ", n_nodes=15).objective,
        abs=max(0.05, 4 * everything.objective_se),
    )


def excess_of_fixed(fit):
    exact = fit_population(fit.model, fit.problem.data, method="AGQ", covariance=None)
    return evaluate(fit.problem, fit.x, "AGQ", n_nodes=7).objective - exact.objective


def test_same_numbers_on_one_core_and_two(monkeypatch):
    data = population_data(simulate(8, n=400))
    found = []
    for n_cores in (1, 2):
        monkeypatch.setattr(cores, "n_cores", lambda n=n_cores: n)
        fit = fit_saem(bolus_model(), data, rng=rng(), n_burn=5, n_smooth=5, covariance=None)
        found.append([fit.objective, *fit.x])
    assert found[0] == found[1]


def test_polish_reaches_the_optimum():
    data = population_data(simulate(9))
    fit = fit_saem(bolus_model(), data, rng=rng(), n_polish=2)
    assert excess(fit) < 0.05


def bad_tables():
    table = simulate(10, n=20)
    below = table.assign(value=100.0, below_limit=1)
    yield "below", below, additive(0.2)
    yield "single", table[table["time_h"] == 4.0], proportional(0.2)
    yield "constant", table.assign(value=3.0), additive(0.2)
    yield "at zero", table.assign(time_h=0.0), proportional(0.2)
    yield "zeros", table.assign(value=0.0), proportional(0.2)


@pytest.mark.parametrize(("name", "table", "error"), list(bad_tables()), ids=lambda v: str(v)[:8])
def test_bad_data_end_in_words(name, table, error):
    fit = fit_saem(bolus_model(error), population_data(table), rng=rng(), n_burn=30, n_smooth=30)
    assert fit.status != "ok" or any("cannot be told apart" in note for note in fit.warnings)
    assert all(np.isfinite(value) for value in fit.model.values.values())
    assert fit.covariance_status
    assert "SAEM" in fit.summary()


def test_collinear_covariates_overflow_and_no_random_effects():
    table = simulate(11).assign(twice=lambda t: 2.0 * t["weight"])
    data = population_data(table)
    cl = Parameter(
        1.0, sd=0.5, covariates=(power_effect("weight", 70.0), power_effect("twice", 1.0))
    )
    assert "do not determine" in fit_saem(bolus_model(cl=cl), data, rng=rng()).status
    far = bolus_model(cl=Parameter(1e300, sd=0.5), v=Parameter(1e-300, sd=0.5))
    fit = fit_saem(far, data, rng=rng())
    assert "not finite" in fit.status
    with pytest.raises(KineticsError, match="not finite"):
        fit_saem(far, data, rng=rng(), strict=True)
    pooled = bolus_model(cl=Parameter(1.5), v=Parameter(18.0))
    exact = fit_population(pooled, data, method="FOCEI")
    assert fit_saem(pooled, data, rng=rng()).objective == pytest.approx(exact.objective, abs=1e-3)


def test_wrong_arguments():
    data = population_data(simulate(12, n=5))
    for keywords, message in (
        ({"covariance": "guess"}, "legal"),
        ({"n_burn": 0}, "at least one"),
        ({"transitions": (0, 0, 0, 0)}, "four counts"),
    ):
        with pytest.raises(KineticsError, match=message):
            fit_saem(bolus_model(), data, rng=rng(), **keywords)


@pytest.mark.slow
def test_coverage_of_intervals():
    """90 % intervals hold the truth as often as they say, in 100 populations of 120 subjects.

    A share of 100 has a standard error of 3 %: each parameter must be within the 99 % binomial
    limits of 90 %, and all of them together within 86 and 94 %.
    """
    cl = Parameter(2.0, sd=0.3, covariates=(power_effect("weight", 70.0, 0.75),))
    model = bolus_model(proportional(0.1), cl=cl, v=Parameter(20.0, sd=0.2))
    n, held = 100, dict.fromkeys(model.values, 0)
    for seed in range(n):
        data = population_data(simulate(1000 + seed, n=120))
        table = fit_saem(model, data, rng=rng(seed), n_burn=30, n_smooth=60).to_frame(level=0.9)
        for name, value in model.values.items():
            held[name] += table.loc[name, "lower"] <= value <= table.loc[name, "upper"]
    share = {name: count / n for name, count in held.items()}
    assert all(0.81 <= value <= 0.97 for value in share.values()), share
    assert 0.86 <= np.mean(list(share.values())) <= 0.94, share
