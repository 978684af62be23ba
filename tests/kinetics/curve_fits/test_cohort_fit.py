import numpy as np
import pytest
from scipy.optimize import least_squares, minimize
from scipy.special import log_ndtr

from kinetics import KineticsError, curve_form, fit_curve
from kinetics.curve_fits.cohort_fit import fit_cohort

DECAY = np.log(2) / (6.647 * 24)
TIME = np.array([4.0, 24.0, 72.0, 168.0])
DENSE = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 24.0, 48.0, 96.0, 168.0])


def simulated(form, theta, time, n, cv, seed=0):
    rng = np.random.default_rng(seed)
    theta = theta + 0.3 * rng.standard_normal((n, len(theta)))
    clean = form.curve(theta, decay_per_h=DECAY)(time)
    return clean * (1 + cv * rng.standard_normal(clean.shape)), theta


CASES = [("mono", [50, 40], TIME), ("uptake", [50, 60, 5], TIME), ("bi", [9, 4, 1, 30], DENSE),
         ("f2c", [50, 10], TIME), ("f3a", [5, 2, 20], DENSE), ("f2e", [0.5, 20], TIME),
         ("f2a", [60, 5], TIME), ("iodine", [3, 8, 90, 4], DENSE)]  # fmt: skip


@pytest.mark.parametrize(("name", "median", "time"), CASES, ids=lambda x: x if x is str else None)
def test_least_squares_optimum_is_that_of_scipy(name, median, time):
    form = curve_form(name)
    y, truth = simulated(form, np.log(median), time, 25, 0.05)
    fit = fit_cohort(time, y, 0.05 * np.abs(y), form=name, decay_per_h=DECAY)
    for i in range(25):

        def residual(theta, i=i):
            curve = form.curve(np.clip(theta, -30, 30), decay_per_h=DECAY)
            return (curve(time) - y[i]) / (0.05 * np.abs(y[i]))

        starts = (truth[i], truth[i] + 0.3, truth[i] - 0.3)
        best = min(2 * least_squares(residual, s, xtol=1e-14, ftol=1e-14).cost for s in starts)
        assert fit.deviance[i] <= best * (1 + 1e-8) + 1e-12
        exact = (residual(fit.log_parameter[i]) ** 2).sum()
        assert fit.deviance[i] == pytest.approx(exact, rel=1e-8, abs=1e-12)


@pytest.mark.parametrize(("name", "median", "time"), CASES)
def test_exact_samples_return_the_parameters(name, median, time):
    form = curve_form(name)
    y, truth = simulated(form, np.log(median), time, 20, 0.0)
    fit = fit_cohort(time, y, 0.05 * np.abs(y), form=name, decay_per_h=DECAY)
    if name == "bi":
        truth = np.where(truth[:, 2:3] < truth[:, 3:], truth, truth[:, [1, 0, 3, 2]])
    if name == "iodine":  # uptake, excretion and clearance may change places
        np.testing.assert_allclose(fit.deviance, 0, atol=1e-6)
        return
    np.testing.assert_allclose(fit.log_parameter, truth, atol=2e-4)
    exact = form.curve(truth, decay_per_h=DECAY).integral()
    np.testing.assert_allclose(fit.tia, exact, rtol=1e-4)


def test_agrees_with_the_fit_of_one_curve():
    y, _ = simulated(curve_form("bi"), np.log([9, 4, 1, 30]), DENSE, 6, 0.05)
    fit = fit_cohort(DENSE, y, 0.05 * y, form="bi", decay_per_h=DECAY)
    for i in range(6):
        one = fit_curve(DENSE, y[i], 0.05 * y[i], form="bi", decay_per_h=DECAY)
        np.testing.assert_allclose(fit.log_parameter[i], one.log_parameter, atol=1e-4)
        np.testing.assert_allclose(fit.log_covariance[i], one.log_covariance, rtol=1e-2, atol=1e-6)


def test_own_times_missing_samples_and_threads_change_nothing():
    y, _ = simulated(curve_form("mono"), np.log([50, 40]), TIME, 4100, 0.05)
    fit = fit_cohort(TIME, y, 0.05 * y, form="mono", decay_per_h=DECAY)
    few = fit_cohort(TIME, y[:9], 0.05 * y[:9], form="mono", decay_per_h=DECAY)
    np.testing.assert_array_equal(fit.log_parameter[:9], few.log_parameter)
    times = np.column_stack([np.tile(TIME, (9, 1)), np.arange(9.0)])
    more = np.column_stack([y[:9], np.full(9, np.nan)])
    own = fit_cohort(times, more, 0.05 * more, form="mono", decay_per_h=DECAY)
    np.testing.assert_allclose(own.log_parameter, few.log_parameter, atol=1e-4)
    assert (own.n_samples == 4).all()
    np.testing.assert_allclose(fit[3:5].tia, fit.tia[3:5])
    assert fit[0].to_frame()["parameter"].tolist() == ["amplitude_1", "half_life_1_h"]


def test_censored_likelihood_matches_a_direct_maximum():
    form = curve_form("mono")
    y = np.array([8.1, 5.2, 2.0, 0.6])
    below, sd = np.array([False, False, False, True]), np.array([0.5, 0.4, 0.2, 0.2])
    fit = fit_cohort(TIME, y, sd, form="mono", decay_per_h=DECAY, below_limit=below)

    def deviance(theta):
        z = (y - form.curve(theta, decay_per_h=DECAY)(TIME)) / sd
        return (z[:3] ** 2).sum() - 2 * log_ndtr(z[3])

    best = minimize(deviance, fit.log_parameter[0] + 0.2, method="Nelder-Mead",
                    options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})  # fmt: skip
    assert fit.deviance[0] == pytest.approx(best.fun, abs=1e-7)
    np.testing.assert_allclose(fit.log_parameter[0], best.x, atol=1e-3)
    assert fit.chi_square[0] < fit.deviance[0]


def test_iterated_weights_are_those_of_the_prediction():
    y, _ = simulated(curve_form("mono"), np.log([50, 40]), TIME, 8, 0.1)
    fit = fit_cohort(TIME, y, form="mono", decay_per_h=DECAY, relative_sd=0.1, constant_sd=0.2)
    np.testing.assert_allclose(fit.sd, np.hypot(0.1 * fit.prediction, 0.2), rtol=1e-5)
    assert (fit.status == "ok").all()


@pytest.mark.parametrize("name", ["mono", "bi", "uptake", "f3a", "f2a", "f2e", "f4d", "iodine"])
@pytest.mark.parametrize(
    "value",
    [[0, 0, 0, 0], [-1, -2, -1, -3], [5, 5, 5, 5], [1e200, 1e150, 1e-200, 1], [1, 2, 4, 8],
     [np.nan, np.nan, np.nan, 3.0], [np.nan] * 4],
)  # fmt: skip
def test_bad_samples_end_in_a_status(name, value):
    fit = fit_cohort(TIME, np.array([value], float), 0.3, form=name, decay_per_h=DECAY)
    if fit.fitted[0]:
        assert np.isfinite(fit.log_parameter).all()
        assert fit.tia[0] > 0
    else:
        assert np.isnan(fit.log_parameter).all()
        assert fit.status[0] not in ("ok", "")
        with pytest.raises(KineticsError, match="has no curve"):
            _ = fit.curve


def test_everything_below_the_limit():
    fit = fit_cohort(TIME, [1.0] * 4, 0.1, form="mono", decay_per_h=DECAY, below_limit=True)
    assert "no sample above the limit" in fit.status[0]


def test_an_open_parameter_is_infinite():
    t = np.array([24.0, 48.0, 72.0, 168.0])
    y = 5 * np.exp(-0.02 * t)
    fit = fit_cohort(t, y, 0.05 * y, form="uptake", decay_per_h=DECAY)
    assert np.isinf(fit.log_covariance[0, 2, 2])
    assert "do not determine" in fit.status[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sd": 0.0}, "> 0"),
        ({"sd": [1.0, 2.0]}, "does not match"),
        ({"sd": None}, "must be above 0"),
        ({"relative_sd": 0.1}, "not both"),
        ({"value": [1.0, np.inf, 1.0, 1.0]}, "finite"),
        ({"time_h": [-1.0, 2.0, 3.0, 4.0]}, ">= 0 h"),
        ({"time_h": [1.0, 2.0, 3.0]}, "do not match"),
        ({"decay_per_h": 0.0, "form": "f3a"}, "above 0"),
        ({"below_limit": True, "value": [0.0] * 4}, "limit of quantification"),
        ({"start": [np.nan, 1.0]}, "finite"),
    ],
)
def test_bad_arguments(change, words):
    given = {"time_h": TIME, "value": [4.0, 3.0, 2.0, 1.0], "sd": 0.1, "form": "mono",
             "decay_per_h": DECAY} | change  # fmt: skip
    with pytest.raises(KineticsError, match=words):
        fit_cohort(given.pop("time_h"), given.pop("value"), given.pop("sd"), **given)
