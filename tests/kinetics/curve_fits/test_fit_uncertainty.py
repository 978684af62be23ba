import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from kinetics import KineticsError, curve_form
from kinetics.curve_fits.averaging import average_tia
from kinetics.curve_fits.bootstrap import bootstrap
from kinetics.curve_fits.cohort_fit import fit_cohort
from kinetics.curve_fits.goodness import extrapolated_fraction, goodness_of_fit
from kinetics.curve_fits.plots import curve_band, plot_fits, plot_profile
from kinetics.curve_fits.profile import profile_likelihood, profile_points

DECAY = np.log(2) / (6.647 * 24)
TIME = np.array([1.0, 4.0, 24.0, 48.0, 72.0, 168.0])


def cohort(name, median, n, cv=0.08, seed=3):
    clean = curve_form(name).curve(np.log(median), decay_per_h=DECAY)
    value = clean(TIME)
    noisy = value * (1 + cv * np.random.default_rng(seed).standard_normal((n, len(TIME))))
    return fit_cohort(TIME, noisy, cv * value, form=name, decay_per_h=DECAY), clean.integral()


def test_profile_ends_lie_where_a_direct_profile_says():
    fit, _ = cohort("mono", [50, 40], 1)
    low, high = profile_likelihood(fit, "half_life_1_h").interval[0]
    y, s = fit.value[0], fit.sd[0]
    for end in (low, high):
        shape = np.exp(-(np.log(2) / end + DECAY) * TIME)
        best = minimize_scalar(lambda a, f=shape: (((y - a * f) / s) ** 2).sum(), (1, 50))
        assert best.fun - fit.deviance[0] == pytest.approx(2.705543, abs=1e-4)


def test_profile_of_what_is_not_bounded():
    t = np.array([24.0, 48.0, 72.0, 168.0])
    y = 5 * np.exp(-0.02 * t)
    fit = fit_cohort(t, y, 0.05 * y, form="uptake", decay_per_h=DECAY)
    profile = profile_likelihood(fit, "uptake_half_life_h")
    assert profile.interval[0, 0] == 0
    assert "do not bound" in profile.status[0]
    assert np.isfinite(profile_likelihood(fit).interval).all()


def test_bootstrap_spreads_as_the_covariance_says():
    fit, _ = cohort("mono", [50, 40], 2)
    for kind in ("parametric", "residual"):
        draws = bootstrap(fit, rng=np.random.default_rng(1), n_draws=2000, kind=kind)
        assert (draws.status == "ok").all()
        ratio = draws.tia.std(0) / fit.tia_sd
        assert ((ratio > 0.93) & (ratio < 1.07)).all() or kind == "residual"
        assert draws.tia_interval().shape == (2, 2)
    again = bootstrap(fit, rng=np.random.default_rng(1), n_draws=5)
    other = bootstrap(fit, rng=np.random.default_rng(1), n_draws=5)
    np.testing.assert_array_equal(again.tia, other.tia)


def test_bootstrap_keeps_the_limit_and_the_error_model():
    below = [False] * 5 + [True]
    y = np.array([60.0, 52, 30, 21, 12, 4])
    fit = fit_cohort(TIME, y, form="mono", decay_per_h=DECAY, below_limit=below, relative_sd=0.1)
    draws = bootstrap(fit, rng=np.random.default_rng(1), n_draws=50)
    assert draws.n_failed[0] == 0


def test_average_by_hand():
    fits = [cohort(name, [50, 40], 3)[0] for name in ("mono",)]
    other = fit_cohort(TIME, fits[0].value, fits[0].sd, form="f3a", decay_per_h=DECAY)
    average = average_tia([*fits, other])
    delta = other.aicc - fits[0].aicc
    w = 1 / (1 + np.exp(-0.5 * delta))
    np.testing.assert_allclose(average.weight[:, 0], w, rtol=1e-12)
    mean = w * fits[0].tia + (1 - w) * other.tia
    sd = w * np.hypot(fits[0].tia_sd, fits[0].tia - mean)
    sd += (1 - w) * np.hypot(other.tia_sd, other.tia - mean)
    np.testing.assert_allclose(average.tia, mean)
    np.testing.assert_allclose(average.tia_sd, sd)


def test_aicc_counts_the_constants():
    fit, _ = cohort("mono", [50, 40], 1)
    constant = np.log(2 * np.pi * fit.sd**2).sum()
    assert fit.aicc[0] == pytest.approx(fit.chi_square[0] + constant + 4 + 12 / 3)


def test_too_few_samples_to_average():
    fit = fit_cohort([4.0, 24.0], [5.0, 4.0], 0.1, form="mono", decay_per_h=DECAY)
    average = average_tia([fit])
    assert np.isnan(average.tia[0])
    assert "too few" in average.status[0]
    with pytest.raises(KineticsError, match="no fit"):
        average_tia([])
    with pytest.raises(KineticsError, match="same samples"):
        average_tia([fit, cohort("mono", [50, 40], 1)[0]])


def test_extrapolated_fraction_of_one_phase():
    fit, _ = cohort("mono", [50, 40], 4)
    rate = np.log(2) / fit.parameter[:, 1] + DECAY
    np.testing.assert_allclose(extrapolated_fraction(fit), np.exp(-rate * 168), rtol=1e-9)


def test_gates_pass_and_fail():
    t = np.array([1.0, 2, 4, 8, 16, 24, 48, 72, 120, 168])
    clean = 50 * np.exp(-(np.log(2) / 40 + DECAY) * t)
    wave = clean * (1 + 0.05 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1]))
    gates = goodness_of_fit(fit_cohort(t, wave, 0.05 * clean, form="mono", decay_per_h=DECAY))
    assert {g.name: g.passed for g in gates}["pattern of residuals"] is True
    assert all(g.source for g in gates)
    bi = 20 * np.exp(-(np.log(2) / 1 + DECAY) * t) + 5 * np.exp(-(np.log(2) / 60 + DECAY) * t)
    gates = goodness_of_fit(fit_cohort(t, bi, 0.05 * bi, form="mono", decay_per_h=DECAY))
    found = {g.name: g for g in gates}
    assert found["pattern of residuals"].passed is False
    assert "systematic" in found["pattern of residuals"].words
    assert found["size of residuals"].passed is False
    short = fit_cohort([1.0, 4, 24], [5.0, 4.9, 4.0], 0.2, form="bi_tail", decay_per_h=DECAY)
    with pytest.raises(KineticsError, match="has no fit"):
        goodness_of_fit(short)


def test_figures_show_what_was_fitted():
    fit, _ = cohort("bi", [40, 10, 3, 60], 1)
    value, error = curve_band(fit, TIME)
    np.testing.assert_allclose(value, fit.prediction[0])
    assert (error > 0).all()
    ax = plot_fits([fit])
    assert ax.get_yscale() == "log"
    points = profile_points(fit, "tia", n_points=9)
    assert (points[1] >= -1e-6).all()
    assert plot_profile(*points, label="TIA (MBq h)").get_xlabel() == "TIA (MBq h)"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "median"), [("mono", [50, 40]), ("uptake", [50, 60, 3])])
def test_coverage_of_90_percent_intervals(name, median):
    fit, truth = cohort(name, median, 1000)
    n = len(fit)
    for interval in (fit.tia_interval(), profile_likelihood(fit).interval):
        covered = ((interval[:, 0] <= truth) & (truth <= interval[:, 1])).mean()
        print(name, covered)
        assert 0.85 <= covered <= 0.95
    for j, parameter in enumerate(fit.form.parameters):
        interval = profile_likelihood(fit, parameter).interval
        covered = ((interval[:, 0] <= median[j]) & (median[j] <= interval[:, 1])).mean()
        half = 1.645 * np.sqrt(fit.log_covariance[:, j, j])
        wald = (np.abs(fit.log_parameter[:, j] - np.log(median[j])) <= half).mean()
        print(name, parameter, covered, wald)
        assert 0.85 <= covered <= 0.95
        assert 0.85 <= wald <= 0.95
    assert n == 1000
