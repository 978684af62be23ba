"""Visual predictive checks: quantiles, bins, corrections and the limit of quantification."""

import numpy as np
import pytest

from kinetics.diagnostics import simulate_population, visual_predictive_check
from kinetics.diagnostics._bins import bin_edges, quantiles_of
from kinetics.errors import KineticsError
from kinetics.estimation import fit_population


def check(fit, seed=1, **arguments):
    arguments = {"n_simulations": 200} | arguments
    return visual_predictive_check(fit, rng=np.random.default_rng(seed), **arguments)


def test_observed_quantiles_are_numpys(simulated_fit):
    table = check(simulated_fit, bins=4).quantiles
    data = simulated_fit.problem.data
    for time in (1.0, 4.0, 12.0, 24.0):
        rows = table[table["time_h"] == time]
        expected = np.quantile(data.value[data.time_h == time], [0.1, 0.5, 0.9])
        assert rows["observed"].to_numpy() == pytest.approx(expected)
        assert rows["n"].tolist() == [30, 30, 30]
    assert (table["status"] == "ok").all()


def test_simulated_median_is_that_of_the_model(make_model, make_design):
    from kinetics.population import lognormal

    truth = make_model(lognormal(0.2))
    fit = fit_population(truth.fixing(), make_design(200, times=(0.0,)))
    table = check(fit).quantiles.set_index("quantile")
    exact = 5.0 * np.exp(np.hypot(0.15, 0.2) * np.array([-1.2815516, 0.0, 1.2815516]))
    assert table["median"].to_numpy() == pytest.approx(exact, rel=0.02)
    # interval of the median: 5 exp(+-1.645 sd sqrt(pi / 2n))
    half = np.log(table.loc[0.5, "upper"] / table.loc[0.5, "lower"]) / 2
    assert half == pytest.approx(1.645 * 0.25 * np.sqrt(np.pi / 400), rel=0.2)


def test_quantiles_below_the_limit():
    value = np.array([-np.inf, -np.inf, 3.0, 4.0, 5.0])
    got = quantiles_of(value, np.array([0.0, 0.25, 0.3, 0.5, 0.75]))
    assert np.isneginf(got[:3]).all()
    assert got[3:] == pytest.approx([3.0, 4.0])
    draws = np.random.default_rng(1).normal(size=(7, 40))
    levels = np.array([0.05, 0.5, 0.77])
    assert quantiles_of(draws, levels) == pytest.approx(np.quantile(draws, levels, axis=1).T)
    assert quantiles_of(draws, levels, axis=0) == pytest.approx(np.quantile(draws, levels, axis=0))


def test_limit_of_quantification(censored_fit):
    result = check(censored_fit, bins=4)
    last = result.quantiles[result.quantiles["bin"] == 3].set_index("quantile")
    assert np.isnan(last.loc[0.1, "observed"])
    assert "observed" in last.loc[0.1, "status"]
    assert (last["limit"] == 0.8).all()
    shares = result.below_limit
    data = censored_fit.problem.data
    assert shares["observed"].iloc[-1] == pytest.approx(data.below_limit[data.time_h == 24].mean())
    inside = (shares["lower"] <= shares["observed"]) & (shares["observed"] <= shares["upper"])
    assert inside.sum() >= 3


def test_without_a_limit_there_are_no_shares(simulated_fit):
    assert check(simulated_fit).below_limit.empty


def test_prediction_correction_removes_the_dose(make_model, make_design):
    """Ten-fold different doses in one bin: corrected, they are as if all had the same dose."""
    from dataclasses import replace

    truth, data = make_model(), make_design(40)
    doses = data.doses.copy()
    doses[::2, 1] *= 10.0
    mixed = simulate_population(truth, replace(data, doses=doses), rng=np.random.default_rng(2))
    plain = simulate_population(truth, data, rng=np.random.default_rng(2))
    fits = [fit_population(truth.fixing(), d.data()) for d in (mixed, plain)]
    corrected = check(fits[0], prediction_corrected=True).quantiles
    reference = check(fits[1]).quantiles
    assert check(fits[0], prediction_corrected=True).corrected == "prediction"
    names = ["observed", "lower", "median", "upper"]
    # the bin's median prediction is midway between the two doses: a factor of 5.5
    assert corrected[names].to_numpy() == pytest.approx(5.5 * reference[names].to_numpy())


def test_correction_of_logarithms_is_that_of_values(simulated_fit, make_design):
    from dataclasses import replace

    from kinetics.diagnostics._bins import Stratum
    from kinetics.diagnostics.predictive_check import _correct

    rng = np.random.default_rng(1)
    y, f = rng.lognormal(size=12), rng.lognormal(size=11)
    f = np.append(f, 1.0)
    groups = [Stratum("blood", [np.arange(6), np.arange(6, 12)], [])]
    plain, logs = y.copy(), np.log(y)
    sims = rng.lognormal(size=(5, 12))
    log_sims = np.log(sims)
    _correct(plain, sims, f, groups, False, False)
    _correct(logs, log_sims, np.log(f), groups, True, False)
    # medians of six values: the median of logarithms is a geometric mean of the middle two
    for rows in groups[0].rows:
        ratio = np.median(f[rows]) / np.exp(np.median(np.log(f[rows])))
        assert plain[rows] == pytest.approx(np.exp(logs[rows]) * ratio)
        assert sims[:, rows] == pytest.approx(np.exp(log_sims[:, rows]) * ratio)
    assert replace(make_design(1)).subjects == ("s0",)


def test_variability_correction_evens_the_spread(theophylline_fit):
    plain = check(theophylline_fit, prediction_corrected=True, bins=3)
    even = check(theophylline_fit, prediction_corrected=True, variability_corrected=True, bins=3)
    assert even.corrected == "prediction and variability"
    assert not np.allclose(plain.quantiles["observed"], even.quantiles["observed"])
    assert any("not corrected" in note for note in plain.notes)  # zero at time 0


def test_strata(simulated_fit):
    table = check(simulated_fit, bins=2, stratify="SEX").quantiles
    assert set(table["stratum"]) == {"blood, SEX = 0", "blood, SEX = 1"}
    assert set(table["n"]) == {30}
    halves = check(simulated_fit, bins=2, stratify="WT").quantiles
    assert set(halves["stratum"]) == {"blood, WT ≤ 64.5", "blood, WT > 64.5"}


def test_bins():
    times = np.repeat([0.0, 1.0, 2.0, 8.0], 10)
    assert bin_edges(times, 8) == pytest.approx([0.0, 0.5, 1.5, 5.0, 8.0])
    assert bin_edges(np.linspace(0, 10, 101), 4) == pytest.approx(
        [0, 2.55, 5.05, 7.55, 10], abs=0.06
    )
    assert bin_edges(np.full(5, 3.0), 4) == pytest.approx([2.5, 3.5])
    counts = np.histogram(np.linspace(0, 10, 101) ** 2, bin_edges(np.linspace(0, 10, 101) ** 2, 5))
    assert counts[0].min() >= 19


def test_every_observation_is_in_one_bin(theophylline_fit):
    result = check(theophylline_fit, bins=7)
    per_bin = result.quantiles.groupby("bin")["n"].first()
    assert per_bin.sum() == 132 == len(result.observations)
    assert (result.observations.groupby("bin").size() == per_bin).all()
    outside = check(theophylline_fit, bins=[1.0, 5.0, 10.0])
    assert any("outside" in note for note in outside.notes)


def test_everything_below_the_limit(everything_censored):
    result = check(everything_censored)
    assert result.quantiles["observed"].isna().all()
    assert result.quantiles["status"].str.contains("below the limit").all()
    assert (result.below_limit["observed"] == 1.0).all()


def test_one_subject_without_random_effects(one_subject):
    assert check(one_subject).quantiles["observed"].notna().all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_simulations": 5}, "too few"),
        ({"bins": 0}, "at least 1"),
        ({"bins": [3.0, 2.0]}, "ascending"),
        ({"bins": [300.0, 400.0]}, "no observation"),
        ({"quantiles": (0.0, 1.0)}, "between 0 and 1"),
        ({"level": 90.0}, "between 0 and 1"),
        ({"stratify": "AGE"}, "AGE"),
        ({"variability_corrected": True}, "prediction_corrected"),
    ],
)
def test_wrong_arguments_end_in_words(simulated_fit, arguments, words):
    with pytest.raises(KineticsError, match=words):
        check(simulated_fit, **arguments)


def test_a_seed_gives_the_same_numbers(simulated_fit):
    one, two = check(simulated_fit, seed=3), check(simulated_fit, seed=3)
    assert one.quantiles.equals(two.quantiles)
