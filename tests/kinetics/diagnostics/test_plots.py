"""Figures are drawn from tables, on given axes, without warnings."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from kinetics.diagnostics import (
    individual_curves,
    npde,
    plot_effects_covariates,
    plot_goodness_of_fit,
    plot_individual_fits,
    plot_npde,
    plot_observed_predicted,
    plot_profile,
    plot_random_effects,
    plot_residuals,
    plot_vpc,
    plot_vpc_below_limit,
    profile_likelihood,
    random_effect_table,
    residual_table,
    visual_predictive_check,
)
from kinetics.errors import KineticsError


def drawn(axes):
    axes = axes if isinstance(axes, list) else [axes]
    axes[0].figure.canvas.draw()
    return axes


@pytest.mark.parametrize("log", [False, True])
def test_goodness_of_fit(theophylline_fit, log):
    axes = drawn(
        plot_goodness_of_fit(residual_table(theophylline_fit), unit="mg/L", log=log, log_hours=log)
    )
    assert len(axes) == 4
    assert axes[1].get_xlabel() == "Individual prediction (mg/L)"
    assert axes[2].get_xlabel() == "Time (h)"
    assert axes[0].get_xscale() == ("log" if log else "linear")


def test_single_panels_take_axes(simulated_fit):
    table = residual_table(simulated_fit)
    ax = Figure().add_subplot()
    assert plot_observed_predicted(table, ax, prediction="pred") is ax
    assert (
        drawn(plot_residuals(table, residual="iwres", against="ipred"))[0].get_ylabel() == "IWRES"
    )


def test_individual_curves_pass_through_the_predictions(censored_fit):
    curves, table = individual_curves(censored_fit), residual_table(censored_fit)
    keys = ["subject", "occasion", "region", "time_h"]
    both = table.merge(curves, on=keys, suffixes=("", "_curve"))
    assert len(both) == len(table)
    for name in ("pred", "ipred"):
        assert both[name].to_numpy() == pytest.approx(both[f"{name}_curve"].to_numpy())
    axes = drawn(plot_individual_fits(curves, table, subjects=["s0", "s1"], log=True))
    assert [ax.get_title(loc="left") for ax in axes] == [
        "s0, cycle 1", "s0, cycle 2", "s1, cycle 1", "s1, cycle 2",
    ]  # fmt: skip
    with pytest.raises(KineticsError, match="none of these"):
        plot_individual_fits(curves, table, subjects=["x"])


def test_individual_fits_show_sixteen_panels_at_most(simulated_fit):
    curves, table = individual_curves(simulated_fit), residual_table(simulated_fit)
    assert len(drawn(plot_individual_fits(curves, table))) == 16


def test_random_effects(censored_fit):
    table = random_effect_table(censored_fit)
    assert set(table["effect"]) == {"eta_cl", "eta_v", "kappa_cl"}
    frame = censored_fit.random_effects()
    eta = table[table["effect"] == "eta_cl"]
    assert eta["estimate"].to_numpy() == pytest.approx(frame["eta_cl"].to_numpy())
    kappa = table[(table["effect"] == "kappa_cl") & (table["occasion"] == "2")]
    assert kappa["estimate"].to_numpy() == pytest.approx(frame["kappa_cl_2"].to_numpy())
    assert len(drawn(plot_random_effects(table))) == 3
    assert len(drawn(plot_effects_covariates(table))) == 6
    assert len(drawn(plot_effects_covariates(table, covariates=["SEX"], effects=["eta_v"]))) == 1
    with pytest.raises(KineticsError, match="AGE"):
        plot_effects_covariates(table, covariates=["AGE"])


def test_no_random_effects_end_in_words(one_subject):
    with pytest.raises(KineticsError, match="no random effects"):
        random_effect_table(one_subject)


@pytest.mark.parametrize("corrected", [False, True])
def test_vpc(censored_fit, corrected):
    check = visual_predictive_check(
        censored_fit, rng=np.random.default_rng(1), n_simulations=50,
        prediction_corrected=corrected,
    )  # fmt: skip
    (ax,) = drawn(plot_vpc(check, unit="MBq/mL", log=True, log_hours=True))
    start = "Prediction-corrected observation" if corrected else "Observation"
    assert ax.get_ylabel() == f"{start} (MBq/mL)"
    (ax,) = drawn(plot_vpc_below_limit(check))
    assert ax.get_ylabel() == "Below the limit (%)"


def test_vpc_of_a_stratum(simulated_fit):
    check = visual_predictive_check(
        simulated_fit, rng=np.random.default_rng(1), n_simulations=50, stratify="SEX"
    )
    (ax,) = drawn(plot_vpc(check, stratum="blood, SEX = 1"))
    assert ax.get_title(loc="left") == "blood, SEX = 1"
    with pytest.raises(KineticsError, match="SEX = 0"):
        plot_vpc(check)
    with pytest.raises(KineticsError, match="no limit"):
        plot_vpc_below_limit(check)


def test_npde_and_profile(simulated_fit):
    table = npde(simulated_fit, rng=np.random.default_rng(1), n_simulations=100)
    axes = drawn(plot_npde(table, Figure()))
    assert len(axes) == 4
    with pytest.raises(KineticsError, match="no NPDE"):
        plot_npde(table.assign(npde=np.nan))
    (ax,) = drawn(plot_profile(profile_likelihood(simulated_fit, "cl"), unit="L/h"))
    assert ax.get_xlabel() == "cl (L/h)"


def test_everything_censored_is_drawn(everything_censored):
    table = residual_table(everything_censored)
    drawn(plot_goodness_of_fit(table, log=True))
    drawn(plot_individual_fits(individual_curves(everything_censored), table))
    check = visual_predictive_check(
        everything_censored, rng=np.random.default_rng(1), n_simulations=50
    )
    drawn(plot_vpc(check, log=True))
