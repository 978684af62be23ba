"""Bootstrap, sampling importance resampling and profiles."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2

from kinetics.diagnostics import (
    bootstrap_population,
    profile_likelihood,
    simulate_population,
    sir,
    take_subjects,
)
from kinetics.errors import KineticsError
from kinetics.estimation import fit_population, objective_at
from kinetics.population import Parameter, PopulationModel, additive, lognormal
from kinetics.structures.closed_forms import one_compartment
from kinetics.structures.structure import Structure


def test_take_subjects_keeps_each_subject(censored_fit):
    data = censored_fit.problem.data
    taken = take_subjects(data, [3, 3, 0])
    assert taken.subjects == ("s3", "s3 (2)", "s0")
    assert taken.occasion_subject.tolist() == [0, 0, 1, 1, 2, 2]
    whole = take_subjects(data, np.arange(30))
    assert (whole.value == data.value).all()
    assert (whole.doses == data.doses).all()
    # the objective is the sum of the subjects'
    model = censored_fit.model
    by_subject = objective_at(model, data).by_subject
    assert objective_at(model, taken).by_subject == pytest.approx(by_subject[[3, 3, 0]], abs=1e-6)


def test_bootstrap_agrees_with_the_hessian(simulated_fit):
    result = bootstrap_population(simulated_fit, rng=np.random.default_rng(1), n=60, progress=False)
    table, hessian = result.to_frame(), simulated_fit.to_frame()
    assert result.status == "ok"
    assert len(result.estimates) == 60
    for name in ("cl", "v", "proportional_blood"):
        assert table.loc[name, "se"] == pytest.approx(hessian.loc[name, "se"], rel=0.4)
        assert table.loc[name, "lower"] < table.loc[name, "value"] < table.loc[name, "upper"]


def test_bootstrap_by_stratum_and_seed(simulated_fit):
    one, two = (
        bootstrap_population(
            simulated_fit, rng=np.random.default_rng(4), n=3, stratify="SEX", progress=False
        ).estimates
        for _ in range(2)
    )
    assert one.equals(two)


def test_a_long_loop_shows_a_bar(capsys, monkeypatch):
    from kinetics import progress

    monkeypatch.setattr(progress, "_PATIENCE_S", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert list(progress.tracked(range(3), 3, "bootstrap", shown=True)) == [0, 1, 2]
    assert "bootstrap" in capsys.readouterr().err


def test_sir_of_a_likelihood_that_is_normal(simulated_fit):
    result = sir(
        simulated_fit, rng=np.random.default_rng(1), n_proposals=1000, n_samples=250,
        progress=False,
    )  # fmt: skip
    table, hessian = result.to_frame(), simulated_fit.to_frame()
    assert result.status == "ok"
    assert result.effective_size > 450
    assert len(result.draws) == 250 == result.proposals["resampled"].sum()
    for name in ("cl", "v", "proportional_blood"):
        assert table.loc[name, "se"] == pytest.approx(hessian.loc[name, "se"], rel=0.15)
    dofv = result.dofv_frame()
    middle = dofv.set_index("quantile").loc[0.5]
    assert middle["draws"] == pytest.approx(chi2.ppf(0.5, 5), rel=0.15)


def test_sir_corrects_a_proposal_that_is_too_wide(simulated_fit):
    wide = replace(simulated_fit, covariance=2.5 * simulated_fit.covariance)
    result = sir(
        wide, rng=np.random.default_rng(2), n_proposals=1200, n_samples=200, progress=False
    )
    hessian = simulated_fit.to_frame()
    for name in ("cl", "v"):
        assert result.to_frame().loc[name, "se"] == pytest.approx(hessian.loc[name, "se"], rel=0.25)


def test_sir_says_what_is_wrong(simulated_fit):
    narrow = sir(
        simulated_fit, rng=np.random.default_rng(2), n_proposals=200, n_samples=150,
        inflation=12.0, progress=False,
    )  # fmt: skip
    assert "effective number of proposals" in narrow.status
    off = replace(simulated_fit, x=simulated_fit.x + 0.05)
    moved = sir(off, rng=np.random.default_rng(2), n_proposals=200, n_samples=20, progress=False)
    assert "not at its minimum" in moved.status


def test_profile_of_a_normal_mean_is_exact():
    """y = level + eta + e with known variances: dofv = (level - mean)^2 n / variance."""
    data_rows = np.random.default_rng(3).normal(2.0, 1.0, 25)
    fit = _level_fit(data_rows)
    result = profile_likelihood(fit, "level", level=0.95)
    se = np.sqrt((0.6**2 + 0.8**2) / 25)
    assert result.estimate == pytest.approx(data_rows.mean(), abs=1e-6)
    half = np.sqrt(chi2.ppf(0.95, 1)) * se
    assert result.upper - result.estimate == pytest.approx(half, rel=0.005)
    assert result.estimate - result.lower == pytest.approx(half, rel=0.005)
    points = result.points
    exact = (points["value"] - data_rows.mean()) ** 2 / se**2
    assert points["dofv"].to_numpy() == pytest.approx(exact.to_numpy(), abs=1e-6)
    assert result.status == "ok"


def _level_fit(values):
    import pandas as pd
    from numba import njit

    from kinetics.population.build import population_data
    from kinetics.structures._predict_signature import PREDICT

    def predict(parameter, rows, doses, value, jacobian):
        for i in range(rows.shape[0]):
            value[i] = parameter[0]
            jacobian[i, 0] = 1.0

    structure = Structure("level", ("level",), ("blood",), njit([PREDICT])(predict), "", False)
    model = PopulationModel(
        structure, {"level": Parameter(1.0, sd=0.6, transform="identity")},
        {"blood": additive(0.8)}, fixed=frozenset({"sd_level", "additive_blood"}),
    )  # fmt: skip
    table = pd.DataFrame({"subject": range(len(values)), "time_h": 1.0, "value": values})
    return fit_population(model, population_data(table))


def test_profile_ends_lie_on_the_threshold(simulated_fit):
    result = profile_likelihood(simulated_fit, "sd_cl")
    model, data = simulated_fit.model, simulated_fit.problem.data
    for end in (result.lower, result.upper):
        fixed = fit_population(model.with_values({"sd_cl": end}).fixing("sd_cl"), data)
        assert fixed.objective - simulated_fit.objective == pytest.approx(2.7055, abs=0.03)
    assert result.points["value"].is_monotonic_increasing


def test_profile_without_an_end_says_so(make_model, make_design):
    truth = make_model(sd=0.02)
    data = simulate_population(truth, make_design(12), rng=np.random.default_rng(2)).data()
    fit = fit_population(make_model(sd=0.1), data)
    result = profile_likelihood(fit, "sd_cl")
    assert np.isnan(result.lower)
    assert "no end below" in result.status
    assert np.isfinite(result.upper)


def test_bad_input_ends_in_words(simulated_fit, one_subject, everything_censored, make_model):
    rng = np.random.default_rng(1)
    with pytest.raises(KineticsError, match="only one"):
        bootstrap_population(one_subject, rng=rng)
    with pytest.raises(KineticsError, match="nothing was estimated"):
        bootstrap_population(everything_censored, rng=rng)
    with pytest.raises(KineticsError, match="AGE"):
        bootstrap_population(simulated_fit, rng=rng, stratify="AGE")
    with pytest.raises(KineticsError, match="covariance"):
        sir(everything_censored, rng=rng)
    with pytest.raises(KineticsError, match="200 samples of 10"):
        sir(simulated_fit, rng=rng, n_proposals=10)
    with pytest.raises(KineticsError, match="not an estimated"):
        profile_likelihood(everything_censored, "cl")
    with pytest.raises(KineticsError, match="between 0 and 1"):
        profile_likelihood(simulated_fit, "cl", level=95)
    data = simulated_fit.problem.data
    block = fit_population(make_model(correlations={("cl", "v"): 0.1}), data, covariance=None)
    with pytest.raises(KineticsError, match="covariance block"):
        profile_likelihood(block, "corr_cl_v")


def test_few_subjects_are_said(make_model, make_design):
    data = simulate_population(make_model(), make_design(5), rng=np.random.default_rng(2)).data()
    fit = fit_population(make_model().fixing("sd_cl", "sd_v"), data)
    result = bootstrap_population(fit, rng=np.random.default_rng(1), n=5, progress=False)
    assert "only 5 subjects" in result.status


@pytest.mark.slow
def test_coverage_of_profile_bootstrap_and_sir(make_design):
    """90 % intervals hold the truth in 83 to 97 % of 160 simulated populations of 40."""
    truth = PopulationModel(
        one_compartment(), {"cl": Parameter(2.0, sd=0.3), "v": Parameter(20.0)},
        {"blood": lognormal(0.15)}, fixed=frozenset({"v"}),
    )  # fmt: skip
    n, rng = 160, np.random.default_rng(1)
    design = make_design(40, times=(4.0, 24.0, 72.0))
    drawn = simulate_population(truth, design, rng=np.random.default_rng(2024), n=n)
    names = ("cl", "lognormal_blood")
    held = {(kind, name): 0 for kind in ("profile", "bootstrap", "sir") for name in names}
    for k in range(n):
        fit = fit_population(truth, drawn.data(k))
        tables = {
            "bootstrap": bootstrap_population(fit, rng=rng, n=100, progress=False).to_frame(),
            "sir": sir(fit, rng=rng, n_proposals=250, n_samples=80, progress=False).to_frame(),
        }
        for name in names:
            profile = profile_likelihood(fit, name, points=0)
            held["profile", name] += profile.lower < truth.values[name] < profile.upper
            for kind, table in tables.items():
                lower, upper = table.loc[name, ["lower", "upper"]]
                held[kind, name] += lower < truth.values[name] < upper
    share = {key: count / n for key, count in held.items()}
    print(share)
    # a share of 160 has a standard error of 2.4 %
    assert all(0.83 <= value <= 0.97 for value in share.values()), share
