"""NPDE: standard normal under the true model, and the tests that say so."""

import numpy as np
import pytest
from scipy import stats

from kinetics.diagnostics import npde, npde_tests, simulate_population
from kinetics.errors import KineticsError
from kinetics.estimation import fit_population
from kinetics.population import lognormal


def at_truth(truth, data):
    return fit_population(truth.fixing(), data)


@pytest.mark.parametrize("decorrelation", ["cholesky", "symmetric"])
def test_standard_normal_under_the_true_model(make_model, make_design, decorrelation):
    truth = make_model(lognormal(0.2))
    data = simulate_population(truth, make_design(250), rng=np.random.default_rng(1)).data()
    table = npde(at_truth(truth, data), rng=np.random.default_rng(2), decorrelation=decorrelation)
    tests = npde_tests(table)
    assert tests.loc["global", "p_value"] > 0.01
    assert tests.loc["variance", "estimate"] == pytest.approx(1.0, abs=0.15)
    wide = table["npde"].to_numpy().reshape(250, 4)
    assert np.abs(np.corrcoef(wide.T) - np.eye(4)).max() < 4.0 / np.sqrt(250)
    # undecorrelated, a subject's errors go together
    assert np.corrcoef(table["npd"].to_numpy().reshape(250, 4).T)[2, 3] > 0.4


def test_skewed_observations_keep_the_marginal_distribution(make_model, make_design):
    """With a proportional error, rank dependence stays, but each NPDE is standard normal."""
    truth = make_model()
    data = simulate_population(truth, make_design(250), rng=np.random.default_rng(1)).data()
    table = npde(at_truth(truth, data), rng=np.random.default_rng(2))
    assert npde_tests(table).loc["global", "p_value"] > 0.01


def test_prediction_discrepancies_are_the_distribution_function(make_model, make_design):
    # bolus at time 0 with log-normal volume and error: y is log-normal
    truth = make_model(lognormal(0.2))
    data = simulate_population(
        truth, make_design(40, times=(0.0,)), rng=np.random.default_rng(3)
    ).data()
    table = npde(at_truth(truth, data), rng=np.random.default_rng(4), n_simulations=20000)
    exact = stats.norm.cdf(np.log(data.value / 5.0) / np.hypot(0.15, 0.2))
    assert table["pd"].to_numpy() == pytest.approx(exact, abs=0.015)


def test_a_wrong_model_is_found(make_model, make_design):
    data = simulate_population(make_model(), make_design(100), rng=np.random.default_rng(5)).data()
    wrong = make_model().with_values({"cl": 2.6})
    tests = npde_tests(npde(at_truth(wrong, data), rng=np.random.default_rng(6)))
    assert tests.loc["mean", "p_value"] < 1e-3
    assert tests.loc["global_fisher", "p_value"] < 1e-3


def test_censored_observations_keep_the_distribution(make_model, make_design):
    truth = make_model(lognormal(0.2))
    drawn = simulate_population(truth, make_design(250), rng=np.random.default_rng(7), lloq=0.8)
    data = drawn.data()
    assert 0.1 < data.below_limit.mean() < 0.6
    table = npde(at_truth(truth, data), rng=np.random.default_rng(8))
    assert npde_tests(table).loc["global", "p_value"] > 0.01
    assert npde_tests(table, column="npd").loc["variance", "estimate"] == pytest.approx(1, abs=0.2)


def test_tests_against_scipy(simulated_fit):
    table = npde(simulated_fit, rng=np.random.default_rng(1), n_simulations=200)
    value, tests = table["npde"], npde_tests(table)
    p = [
        stats.ttest_1samp(value, 0).pvalue,
        2 * min(f := stats.chi2.cdf(119 * value.var(), 119), 1 - f),
        stats.shapiro(value).pvalue,
    ]
    assert tests["p_value"].to_numpy()[:3] == pytest.approx(p)
    assert tests.loc["global", "p_value"] == pytest.approx(min(1, 3 * min(p)))
    assert tests.loc["global_fisher", "p_value"] == pytest.approx(
        stats.combine_pvalues(p, method="fisher").pvalue
    )


def test_all_below_the_limit_and_one_subject(everything_censored, one_subject):
    table = npde(everything_censored, rng=np.random.default_rng(1), n_simulations=200)
    assert table["npde"].notna().all()
    table = npde(one_subject, rng=np.random.default_rng(1))
    assert table["npde"].notna().all()


def test_too_few_values_say_so(simulated_fit):
    table = npde(simulated_fit, rng=np.random.default_rng(1), n_simulations=100).head(2)
    tests = npde_tests(table)
    assert tests["p_value"].isna().all()
    assert "too few" in tests["status"].iloc[0]


def test_more_observations_than_simulations_say_so(make_model, make_design):
    data = simulate_population(
        make_model(), make_design(1, times=tuple(np.linspace(1, 24, 120))),
        rng=np.random.default_rng(1),
    ).data()  # fmt: skip
    table = npde(at_truth(make_model(), data), rng=np.random.default_rng(1), n_simulations=100)
    assert table["npde"].isna().all()
    assert "no regular covariance" in table["status"].iloc[0]
    assert table["npd"].notna().all()


def test_wrong_arguments_end_in_words(simulated_fit, censored_fit):
    from dataclasses import replace

    with pytest.raises(KineticsError, match="too few"):
        npde(simulated_fit, rng=np.random.default_rng(1), n_simulations=10)
    with pytest.raises(KineticsError, match="cholesky"):
        npde(simulated_fit, rng=np.random.default_rng(1), decorrelation="qr")
    data = censored_fit.problem.data
    value = np.where(data.below_limit, data.value * (1 + 0.1 * (data.time_h > 20)), data.value)
    value[np.flatnonzero(data.below_limit)[0]] = 0.5
    fit = fit_population(censored_fit.model.fixing(), replace(data, value=value))
    with pytest.raises(KineticsError, match="give lloq"):
        npde(fit, rng=np.random.default_rng(1))
    assert npde(fit, rng=np.random.default_rng(1), lloq=0.8)["npd"].notna().all()
