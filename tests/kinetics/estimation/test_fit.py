"""Fits against the printed results of NONMEM, nlmixr2 and saemix, and their behaviour."""

import numpy as np
import pandas as pd
import pytest

from kinetics import KineticsError
from kinetics.estimation import fit_population, objective_at
from kinetics.population import (
    Parameter,
    PopulationModel,
    additive,
    combined2,
    lognormal,
    population_data,
    power_effect,
    proportional,
)
from kinetics.structures.closed_forms import one_compartment
from kinetics.structures.formula_structure import formula_structure
from tests.kinetics.population.datasets import phenobarbital, theophylline


def oral(error=None):
    return PopulationModel(
        one_compartment(absorption=True),
        {"ka": Parameter(1.5, sd=0.6), "cl": Parameter(3.0, sd=0.3), "v": Parameter(30.0, sd=0.2)},
        {"blood": error or additive(1.0)},
    )


def neonates():
    return PopulationModel(
        one_compartment(),
        {"cl": Parameter(5e-3, sd=0.3), "v": Parameter(1.4, sd=0.3)},
        {"blood": proportional(0.1)},
    )


def test_theophylline_focei_reaches_nlmixr2s_optimum():
    fit = fit_population(oral(), theophylline())
    assert fit.status == "ok"
    assert fit.objective <= 116.8044  # nlmixr2 116.8038
    assert fit.objective == pytest.approx(116.8034, abs=1e-3)


def test_theophylline_exact_optimum_and_estimates():
    fit = fit_population(oral(), theophylline(), method="AGQ", n_nodes=9)
    assert fit.objective == pytest.approx(118.103, abs=3e-3)
    v = fit.model.values
    logs = [np.log(v[n]) for n in ("ka", "cl", "v")]
    np.testing.assert_allclose(logs, [0.4592, 1.0117, 3.4539], atol=4e-3)
    variances = [v["sd_ka"] ** 2, v["sd_cl"] ** 2, v["sd_v"] ** 2]
    np.testing.assert_allclose(variances, [0.4047, 0.0703, 0.01848], rtol=0.03)
    assert v["additive_blood"] == pytest.approx(0.6959, rel=0.01)


def test_theophylline_laplace_optimum():
    assert fit_population(oral(), theophylline(), method="Laplace").objective == pytest.approx(
        118.5036, abs=2e-3
    )


def test_theophylline_without_the_first_sample():
    fit = fit_population(oral(), theophylline(start=False), method="AGQ", n_nodes=9)
    assert fit.minus_two_log_likelihood == pytest.approx(345.437, abs=5e-3)


def test_phenobarbital_fo_estimates_and_sandwich_errors_of_nonmem():
    fit = fit_population(neonates(), phenobarbital(), method="FO", covariance="sandwich")
    assert fit.objective == pytest.approx(742.05104625, abs=1e-4)
    table = fit.to_frame()
    expected = {"cl": (5.55363e-3, 3.95e-4), "v": (1.33638, 0.0799)}
    for name, (value, se) in expected.items():
        assert table.loc[name, "value"] == pytest.approx(value, rel=1e-3)
        assert table.loc[name, "se"] == pytest.approx(se, rel=5e-3)
    # NONMEM prints variances and their errors
    for name, value, se in (
        ("sd_cl", 0.247074, 0.1555), ("sd_v", 0.141581, 0.0349),
        ("proportional_blood", 1.64153e-2, 3.39e-3),
    ):  # fmt: skip
        sd = table.loc[name, "value"]
        assert sd**2 == pytest.approx(value, rel=2e-3)
        assert 2 * sd * table.loc[name, "se"] == pytest.approx(se, rel=1e-2)


def test_phenobarbital_focei_is_as_low_as_nonmem():
    fit = fit_population(neonates(), phenobarbital())
    assert fit.objective <= 730.89472684 + 1e-5
    v = fit.model.values
    assert v["cl"] == pytest.approx(5.81756e-3, rel=1e-3)
    assert v["sd_cl"] ** 2 == pytest.approx(0.111053, rel=3e-3)


def test_phenobarbital_with_weights_and_apgar_reaches_the_published_covariate_model():
    """NONMEM's pheno_real (Pharmpy test data): FOCEI objective 586.2760562818805."""
    from kinetics.population import category_effect

    data = phenobarbital()
    low = pd.Series((data.covariates["APGR"] < 5).astype(float))
    covariates = {**data.covariates, "low_apgar": low.to_numpy()}
    from dataclasses import replace

    model = PopulationModel(
        one_compartment(),
        {"cl": Parameter(0.005, sd=0.2, covariates=(power_effect("WT", 1.0, 1.0),)),
         "v": Parameter(1.0, sd=0.2, covariates=(power_effect("WT", 1.0, 1.0),
                                                 category_effect("low_apgar", 1.0, 0.1)))},
        {"blood": proportional(0.1)}, fixed={"cl_WT", "v_WT"},
    )  # fmt: skip
    fit = fit_population(model, replace(data, covariates=covariates))
    assert fit.objective == pytest.approx(586.27605628188, abs=1e-3)
    v = fit.model.values
    assert v["cl"] == pytest.approx(4.6955e-3, rel=2e-3)
    assert v["v"] == pytest.approx(9.8425e-1, rel=2e-3)
    assert v["v_low_apgar_1"] == pytest.approx(1.5892e-1, rel=5e-3)
    assert v["sd_cl"] ** 2 == pytest.approx(2.93508e-2, rel=5e-3)
    assert v["sd_v"] ** 2 == pytest.approx(2.79060e-2, rel=5e-3)
    assert v["proportional_blood"] ** 2 == pytest.approx(1.32408e-2, rel=5e-3)


def bi_exponential(n=30, seed=3, *, block=False):
    rng = np.random.default_rng(seed)
    structure = formula_structure("a * exp(-k * t)", ["a", "k"])
    a, k = 8 * rng.lognormal(0, 0.3, n), 0.05 * rng.lognormal(0, 0.25, n)
    t = np.array([2.0, 20.0, 60.0])
    y = a[:, None] * np.exp(-k[:, None] * t) * rng.lognormal(0, 0.1, (n, 3))
    data = population_data(
        pd.DataFrame({"subject": np.repeat(np.arange(n), 3), "time_h": np.tile(t, n),
                      "value": y.ravel()})
    )  # fmt: skip
    model = PopulationModel(
        structure, {"a": Parameter(5.0, sd=0.5), "k": Parameter(0.1, sd=0.5)},
        {"blood": lognormal(0.2)}, correlations={("a", "k"): 0.0} if block else {},
    )  # fmt: skip
    return model, data


def test_log_normal_model_linear_in_its_logarithms_has_an_exact_twin():
    """log y = log a - exp(log k) t is not linear, but at a known k it is: compare with scipy."""
    from scipy.optimize import minimize
    from scipy.stats import multivariate_normal

    model, data = bi_exponential()
    known = model.with_values({"k": 0.05})
    known = PopulationModel(
        model.structure, {"a": known.parameters["a"], "k": Parameter(0.05)}, model.residual,
        fixed={"k"},
    )  # fmt: skip
    y = np.log(data.value.reshape(-1, 3)) + 0.05 * data.time_h.reshape(-1, 3)

    def objective(x):
        covariance = np.exp(2 * x[1]) * np.ones((3, 3)) + np.exp(2 * x[2]) * np.eye(3)
        return -2 * multivariate_normal(np.full(3, x[0]), covariance).logpdf(y).sum()

    best = minimize(objective, [1.0, -1.0, -1.0], method="BFGS", options={"gtol": 1e-8})
    fit = fit_population(known, data)
    jacobian = 2 * np.log(data.value).sum()
    assert fit.minus_two_log_likelihood == pytest.approx(best.fun + jacobian, abs=1e-5)
    assert np.log(fit.model.values["a"]) == pytest.approx(best.x[0], abs=1e-4)


@pytest.mark.parametrize("method", ["FO", "FOCE", "FOCEI", "Laplace", "AGQ"])
def test_every_method_fits_a_block(method):
    model, data = bi_exponential(block=True)
    fit = fit_population(model, data, method=method)
    assert fit.status == "ok"
    assert set(fit.to_frame().query("not fixed").index) == set(model.values)
    assert (fit.to_frame()["se"] > 0).all()


def test_everything_fixed_gives_empirical_bayes_estimates():
    model, data = bi_exponential()
    fitted = fit_population(model, data)
    frozen = fit_population(fitted.model.fixing(), data)
    assert frozen.status == "ok"
    np.testing.assert_allclose(frozen.random_effects(), fitted.random_effects(), atol=1e-6)
    assert frozen.objective == pytest.approx(fitted.objective, abs=1e-8)


def test_one_subject_without_random_effects_is_least_squares():
    from scipy.optimize import curve_fit

    t = np.array([1.0, 5.0, 20.0, 50.0, 90.0])
    y = np.array([7.9, 6.1, 3.4, 0.8, 0.1])
    data = population_data(pd.DataFrame({"subject": 1, "time_h": t, "value": y}))
    model = PopulationModel(
        formula_structure("a * exp(-k * t)", ["a", "k"]),
        {"a": Parameter(5.0), "k": Parameter(0.1)}, {"blood": additive(1.0)},
    )  # fmt: skip
    fit = fit_population(model, data)
    best, _ = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, y, [5, 0.1])
    assert fit.status == "ok"
    np.testing.assert_allclose([fit.model.values["a"], fit.model.values["k"]], best, rtol=1e-4)


def test_bounds_hold_and_are_told():
    model, data = bi_exponential()
    bounded = PopulationModel(
        model.structure, model.parameters, model.residual, bounds={"k": (0.06, 0.5)}
    )
    fit = fit_population(bounded, data)
    assert fit.model.values["k"] == pytest.approx(0.06)
    assert any("k ended at its lower limit" in note for note in fit.warnings)
    assert np.isnan(fit.to_frame().loc["k", "se"])
    assert fit.to_frame().loc["a", "se"] > 0


def test_several_starts_find_the_lower_optimum():
    model, data = bi_exponential()
    far = model.with_values({"a": 300.0, "k": 2.0, "sd_a": 0.05, "sd_k": 0.05})
    best = fit_population(model, data, covariance=None).objective
    fit = fit_population(far, data, starts=8, rng=np.random.default_rng(2), covariance=None)
    assert fit.objective == pytest.approx(best, abs=1e-3)


def test_likelihood_invariant_under_the_unit_of_the_data():
    model, data = bi_exponential()
    from dataclasses import replace

    scaled = replace(data, value=1000 * data.value)
    a, b = fit_population(model, data), fit_population(model.with_values({"a": 5000.0}), scaled)
    shift = 2 * np.log(1000) * len(data.value)
    assert b.objective == pytest.approx(a.objective + shift, abs=1e-4)
    assert b.model.values["k"] == pytest.approx(a.model.values["k"], rel=1e-3)


def test_between_cycle_variability_is_recovered():
    rng = np.random.default_rng(8)
    rows = []
    for subject in range(60):
        eta = rng.normal(0, 0.3)
        for cycle in (1, 2, 3):
            k = 0.05 * np.exp(eta + rng.normal(0, 0.2))
            for t in (4.0, 24.0, 72.0):
                y = 8 * np.exp(-k * t) * rng.lognormal(0, 0.05)
                rows.append((subject, cycle, t, y))
    data = population_data(pd.DataFrame(rows, columns=["subject", "occasion", "time_h", "value"]))
    model = PopulationModel(
        formula_structure("a * exp(-k * t)", ["a", "k"]),
        {"a": Parameter(7.0), "k": Parameter(0.04, sd=0.2, cycle_sd=0.1)},
        {"blood": lognormal(0.1)},
    )
    for method in ("FO", "FOCEI", "Laplace", "AGQ"):
        fit = fit_population(model, data, method=method, n_nodes=4)
        table = fit.to_frame(level=0.999)
        truth = {"a": 8.0, "k": 0.05, "sd_k": 0.3, "cycle_sd_k": 0.2, "lognormal_blood": 0.05}
        for name, value in truth.items():
            assert table.loc[name, "lower"] < value < table.loc[name, "upper"], (method, name)


def test_results_print_and_tabulate():
    fit = fit_population(oral(combined2(0.5, 0.1)), theophylline())
    text = fit.summary()
    for word in ("FOCEI", "objective", "shrinkage", "proportional_blood", "condition number"):
        assert word in text
    assert fit.correlation().shape == (8, 8)
    assert fit.condition_number > 1
    assert set(fit.random_effects().columns) == {"eta_cl", "eta_v", "eta_ka"}
    assert fit.shrinkage()["eta_ka"] < 30
    assert fit.aic == pytest.approx(fit.minus_two_log_likelihood + 16)


def test_hessian_sandwich_and_score_errors_agree_on_a_large_sample():
    model, data = bi_exponential(n=400)
    errors = [
        fit_population(model, data, covariance=kind).to_frame()["se"]
        for kind in ("hessian", "sandwich", "score")
    ]
    np.testing.assert_allclose(errors[1], errors[0], rtol=0.25)
    np.testing.assert_allclose(errors[2], errors[0], rtol=0.25)


def test_unknown_methods_are_refused():
    model, data = bi_exponential(n=3)
    with pytest.raises(KineticsError, match="FOCEI"):
        fit_population(model, data, method="focei+")
    with pytest.raises(KineticsError, match="sandwich"):
        fit_population(model, data, covariance="bread")
    with pytest.raises(KineticsError, match="rng"):
        fit_population(model, data, starts=2)


def test_values_are_immutable_and_objective_at_uses_them():
    model, data = bi_exponential(n=5)
    with pytest.raises(TypeError):
        model.values["a"] = 3.0
    assert objective_at(model, data).objective != objective_at(
        model.with_values({"a": 8.0}), data
    ).objective  # fmt: skip
