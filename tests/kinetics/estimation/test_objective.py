"""Objectives against published and independently computed values, gradients against differences."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from kinetics import KineticsError
from kinetics.estimation import objective_at
from kinetics.estimation.objective import METHODS, evaluate, gauss_hermite
from kinetics.estimation.problem import bind
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
from kinetics.structures.formula_structure import formula_structure
from tests.kinetics.population.datasets import phenobarbital, theophylline, wang2007

S = np.sqrt(0.1)
# Wang 2007, ke 0.5, omega^2 0.04, sigma^2 0.1: FO, FOCE, FOCEI, Laplace, exact; computed from first
# principles; FOCEI with proportional error is NONMEM's 39.458 (Wang 2007, Table 2).
WANG = {
    "proportional": (proportional(S), (39.2132, 39.2067, 39.4576, 39.2268, 39.3548)),
    "additive": (additive(S), (0.0258, -2.0588, -2.0588, -1.9361, -1.9896)),
    "combined2": (combined2(S, S), (39.5054, 39.4993, 39.7352, 39.5157, 39.6354)),
    "combined1": (combined1(S, S), (43.3976, 43.3945, 43.5542, 43.3587, 43.4425)),
    "power": (power(S, 0.5), (9.6513, 9.3315, 9.9662, 9.9554, 9.9914)),
    "lognormal": (lognormal(S), (40.0555, 40.0387, 40.0387, 40.0302, 40.0769)),
}


def washout():
    return formula_structure("dose * exp(-ke * t)", ["ke"], name="wash-out")


def wang(error):
    return PopulationModel(washout(), {"ke": Parameter(0.5, sd=0.2)}, {"blood": error})


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", WANG)
def test_wang_2007(error, method):
    residual, expected = WANG[error]
    got = objective_at(wang(residual), wang2007(), method=method, n_nodes=40).objective
    assert got == pytest.approx(expected[METHODS.index(method)], abs=5e-4)


def pheno(cl, v, sigma2, omega2_cl, omega2_v):
    return PopulationModel(
        one_compartment(),
        {"cl": Parameter(cl, sd=omega2_cl**0.5), "v": Parameter(v, sd=omega2_v**0.5)},
        {"blood": proportional(sigma2**0.5)},
    )


# NONMEM's FOCEI, FO and SAEM estimates (Pharmpy test data); values by FO, FOCE, FOCEI, Laplace and
# exact, those of FO and FOCEI printed by NONMEM
PHENO_FOCEI = pheno(5.81756e-3, 1.44555, 1.64177e-2, 0.111053, 0.201526)
PHENO_FO = pheno(5.55363e-3, 1.33638, 1.64153e-2, 0.247074, 0.141581)
PHENO_SAEM = pheno(5.61554e-3, 1.39713, 1.52465e-2, 0.132337, 0.199377)


@pytest.mark.parametrize(
    ("model", "method", "expected", "tolerance"),
    [
        (PHENO_FO, "FO", 742.05104625, 1e-4),
        (PHENO_FO, "FOCEI", 738.5727, 2e-3),
        (PHENO_FO, "AGQ", 734.1852, 3e-3),  # the reference took 20 nodes
        (PHENO_FOCEI, "FOCEI", 730.89472684, 1e-3),
        (PHENO_FOCEI, "FOCE", 743.7810, 2e-3),
        (PHENO_FOCEI, "Laplace", 730.4512, 2e-3),
        (PHENO_FOCEI, "AGQ", 729.5700, 2e-3),
        (PHENO_SAEM, "FOCEI", 731.6428, 2e-3),
        (PHENO_SAEM, "Laplace", 730.0485, 2e-3),
        (PHENO_SAEM, "AGQ", 729.1230, 2e-3),
    ],
)
def test_phenobarbital(model, method, expected, tolerance):
    got = objective_at(model, phenobarbital(), method=method, n_nodes=40).objective
    assert got == pytest.approx(expected, abs=tolerance)


def test_exact_value_of_one_subject_by_scipy_quad():
    model, data = wang(proportional(S)), wang2007()
    rows = slice(data.observation_start[3], data.observation_start[4])
    t, y = data.time_h[rows], data.value[rows]

    def density(eta):
        f = 10 * np.exp(-0.5 * np.exp(eta) * t)
        variance = 0.1 * f**2
        return np.exp(
            -0.5 * ((y - f) ** 2 / variance + np.log(variance)).sum() - 0.5 * (eta / 0.2) ** 2
        ) / (0.2 * np.sqrt(2 * np.pi))

    exact = -2 * np.log(quad(density, -2, 2, epsabs=0, epsrel=1e-11)[0])
    got = objective_at(model, data, method="AGQ", n_nodes=40).by_subject[3]
    assert got == pytest.approx(exact, abs=1e-6)


def rich_model():
    """Everything at once: block, IOV, every covariate effect, two regions, every transform."""
    structure = formula_structure(
        {"blood": "dose * exp(-k * t) / v", "organ": "dose * frac * (exp(-r * t) - exp(-k * t))"},
        ["k", "v", "frac", "r"],
    )
    return PopulationModel(
        structure,
        {
            "k": Parameter(0.3, sd=0.2, cycle_sd=0.15, covariates=(power_effect("wt", 70, -0.25),)),
            "v": Parameter(5.0, sd=0.3, covariates=(linear_effect("age", 60, 0.004),)),
            "frac": Parameter(0.3, sd=0.4, transform="logit",
                              covariates=(exponential_effect("age", 60, 0.01),)),
            "r": Parameter(0.03, sd=0.004, transform="identity", cycle_sd=0.003,
                           covariates=(category_effect("sex", 1, 0.2),)),
        },
        {"blood": combined2(0.3, 0.1), "organ": lognormal(0.15)},
        correlations={("k", "r"): 0.4},
    )  # fmt: skip


def rich_data(*, below=True):
    rng = np.random.default_rng(5)
    rows = []
    for subject in range(6):
        wt, age, sex = rng.uniform(50, 100), rng.uniform(40, 80), subject % 2
        for cycle in range(1, 2 + subject % 3):
            for region, times in (("blood", (1.0, 4.0, 20.0)), ("organ", (4.0, 24.0, 72.0))):
                for t in times:
                    value = 20 * np.exp(-0.3 * t) if region == "blood" else 30 * np.exp(-0.03 * t)
                    low = below and region == "blood" and t == 20.0
                    rows.append(
                        {"subject": subject, "occasion": cycle, "time_h": t, "region": region,
                         "value": 0.4 if low else value * rng.lognormal(0, 0.2),
                         "below_limit": low, "wt": wt, "age": age, "sex": sex, "amount": 100.0}
                    )  # fmt: skip
    return population_data(pd.DataFrame(rows))


@pytest.mark.parametrize("method", METHODS)
def test_gradient_equals_differences_of_the_objective(method):
    data = rich_data(below=method != "FO")
    problem = bind(rich_model(), data)
    x = problem.vector.start()
    nodes = 6
    if method == "AGQ":  # its gradient is that of the exact likelihood: use few, quiet effects
        quiet = rich_model().with_values({"cycle_sd_k": 1e-3, "cycle_sd_r": 1e-5})
        problem = bind(quiet.fixing("cycle_sd_k", "cycle_sd_r"), few_occasions(data))
        x, nodes = problem.vector.start(), 9
    got = evaluate(problem, x, method, want_gradient=True, n_nodes=nodes)
    numeric = []
    for k in range(len(x)):
        step = 1e-4 * min(1.0, max(abs(x[k]), 1e-3))
        h = step * np.eye(len(x))[k]
        up, down = (evaluate(problem, x + s * h, method, n_nodes=nodes).objective for s in (1, -1))
        numeric.append((up - down) / (2 * step))
    tolerance = {"Laplace": 2e-4, "AGQ": 2e-3}.get(method, 2e-5)
    np.testing.assert_allclose(
        got.gradient, numeric, rtol=tolerance, atol=tolerance * np.abs(numeric).max()
    )


def few_occasions(data):
    frame = pd.DataFrame(
        {"subject": np.array(data.subjects)[data.occasion_subject][of_row(data)],
         "occasion": np.array(data.occasion_label)[of_row(data)], "time_h": data.time_h,
         "value": data.value, "region": np.array(data.regions)[data.region],
         "below_limit": data.below_limit, "amount": 100.0,
         **{name: x[of_row(data)] for name, x in data.covariates.items()}}
    )  # fmt: skip
    return population_data(frame[frame["occasion"] == "1"])


def of_row(data):
    return np.repeat(np.arange(len(data.occasion_label)), np.diff(data.observation_start))


def test_fo_is_the_density_of_a_normal_vector():
    from scipy.stats import multivariate_normal

    model, data = wang(proportional(S)), wang2007()
    got = objective_at(model, data, method="FO")
    t, y = data.time_h.reshape(-1, 2), data.value.reshape(-1, 2)
    expected = 0.0
    for times, values in zip(t, y, strict=True):
        f = 10 * np.exp(-0.5 * times)
        slope = -0.5 * times * f
        covariance = 0.04 * np.outer(slope, slope) + np.diag(0.1 * f**2)
        expected -= 2 * multivariate_normal(f, covariance).logpdf(values) + 2 * np.log(2 * np.pi)
    assert got.objective == pytest.approx(expected, abs=1e-8)


def test_known_standard_deviations_equal_additive_errors_of_that_size():
    data = wang2007()
    table = pd.DataFrame(
        {"subject": np.repeat(data.subjects, 2), "time_h": data.time_h, "value": data.value,
         "sd": 0.7, "amount": 10.0}
    )  # fmt: skip
    known = objective_at(wang(known_sd()), population_data(table)).objective
    assert known == pytest.approx(objective_at(wang(additive(0.7)), data).objective, abs=1e-9)


def test_a_censored_row_contributes_its_probability():
    table = pd.DataFrame(
        {"subject": [1, 1], "time_h": [1.0, 9.0], "value": [6.0, 0.5], "below_limit": [0, 1],
         "amount": 10.0}
    )  # fmt: skip
    model = wang(additive(0.4))
    got = objective_at(model, population_data(table), method="AGQ", n_nodes=40).objective

    def density(eta):
        from scipy.stats import norm

        f = 10 * np.exp(-0.5 * np.exp(eta) * np.array([1.0, 9.0]))
        seen = np.exp(-0.5 * ((6.0 - f[0]) / 0.4) ** 2) / 0.4
        return seen * norm.cdf((0.5 - f[1]) / 0.4) * norm.pdf(eta, 0, 0.2)

    assert got == pytest.approx(-2 * np.log(quad(density, -2, 2, epsrel=1e-11)[0]), abs=1e-6)


def test_fo_refuses_censored_rows():
    with pytest.raises(KineticsError, match="below the limit"):
        objective_at(rich_model(), rich_data(), method="FO")


def test_objective_does_not_depend_on_the_number_of_threads(monkeypatch):
    model, data = rich_model(), rich_data()
    alone = objective_at(model, data).by_subject
    monkeypatch.setattr("kinetics.estimation.objective._MANY_ROWS", 1)
    np.testing.assert_array_equal(objective_at(model, data).by_subject, alone)


def test_nodes_integrate_polynomials_exactly():
    nodes, log_weight = gauss_hermite(2, 5)
    normal = np.exp(-0.5 * (nodes**2).sum(1)) / (2 * np.pi)
    weight = np.exp(log_weight) * normal
    assert weight.sum() == pytest.approx(1, abs=1e-12)
    assert (weight * nodes[:, 0] ** 4 * nodes[:, 1] ** 2).sum() == pytest.approx(3, abs=1e-10)


def test_theophylline_exact_value_converges_with_the_nodes():
    model = PopulationModel(
        one_compartment(absorption=True),
        {"cl": Parameter(np.exp(1.0117), sd=0.0703**0.5),
         "v": Parameter(np.exp(3.4539), sd=0.01848**0.5),
         "ka": Parameter(np.exp(0.4592), sd=0.4047**0.5)},
        {"blood": additive(0.6959)},
    )  # fmt: skip
    data = theophylline()
    values = [objective_at(model, data, method="AGQ", n_nodes=n).objective for n in (5, 9, 17)]
    assert values[-1] == pytest.approx(118.103, abs=3e-3)
    assert abs(values[1] - values[2]) < abs(values[0] - values[2])
