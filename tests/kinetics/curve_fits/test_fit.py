import numpy as np
import pytest
from scipy.optimize import curve_fit as scipy_curve_fit

from kinetics import KineticsError, akaike_weights, fit_curve, fit_curves

LAMBDA = np.log(2) / (6.647 * 24)
BLOOD_TIME = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 24.0, 48.0, 72.0, 168.0])


def washout(t, amplitude, half_life_h):
    return sum(
        a * np.exp(-(np.log(2) / h + LAMBDA) * t)
        for a, h in zip(amplitude, half_life_h, strict=True)
    )


@pytest.mark.parametrize(
    ("form", "amplitude", "half_life_h"),
    [("mono", [5.0], [40.0]), ("bi", [12.0, 4.0], [1.0, 25.0]), ("tri", [9, 4, 1], [0.5, 6, 60])],
)
def test_exact_data_return_the_exact_parameters(form, amplitude, half_life_h):
    y = washout(BLOOD_TIME, amplitude, half_life_h)
    fit = fit_curve(BLOOD_TIME, y, 0.05 * y, form=form, decay_per_h=LAMBDA)
    truth = np.log([*amplitude, *half_life_h])
    np.testing.assert_allclose(fit.log_parameter, truth, atol=1e-5)
    assert fit.status == "ok"


def test_uptake_form_starts_at_zero_and_is_recovered():
    t = np.array([1.0, 4.0, 24.0, 72.0, 168.0])
    y = 30 * (np.exp(-(np.log(2) / 60 + LAMBDA) * t)
              - np.exp(-(np.log(2) / 60 + np.log(2) / 2 + LAMBDA) * t))  # fmt: skip
    fit = fit_curve(t, y, 0.05 * y, form="uptake", decay_per_h=LAMBDA)
    np.testing.assert_allclose(np.exp(fit.log_parameter), [30, 60, 2], rtol=1e-5)
    assert fit.curve(0.0) == pytest.approx(0.0, abs=1e-12)


def test_estimate_and_covariance_agree_with_scipy():
    rng = np.random.default_rng(4)
    y = washout(BLOOD_TIME, [12, 4], [1, 25]) * (1 + 0.05 * rng.standard_normal(9))

    def model(t, *log_parameter):
        value = np.exp(log_parameter)
        return washout(t, value[:2], value[2:])

    expected, covariance = scipy_curve_fit(
        model, BLOOD_TIME, y, np.log([12, 4, 1, 25]), sigma=0.05 * y, absolute_sigma=True
    )
    fit = fit_curve(BLOOD_TIME, y, 0.05 * y, form="bi", decay_per_h=LAMBDA)
    np.testing.assert_allclose(fit.log_parameter, expected, atol=1e-5)
    np.testing.assert_allclose(fit.log_covariance, covariance, rtol=1e-3)


def test_aicc_selects_the_form_that_made_the_data():
    rng = np.random.default_rng(1)
    for amplitude, half_life_h, form in (([8.0], [40.0], "mono"), ([12, 4], [1, 25], "bi")):
        clean = washout(BLOOD_TIME, amplitude, half_life_h)
        chosen = []
        for _ in range(20):
            y = clean * (1 + 0.05 * rng.standard_normal(9))
            chosen.append(fit_curves(BLOOD_TIME, y, 0.05 * clean, decay_per_h=LAMBDA)[0].form.name)
        assert chosen.count(form) >= 16


def test_aicc_by_hand():
    y = washout(BLOOD_TIME, [5.0], [40.0]) * (1 + 0.05 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1]))
    fit = fit_curve(BLOOD_TIME, y, 0.05 * y, form="mono", decay_per_h=LAMBDA)
    assert fit.aicc == pytest.approx(fit.chi_square + 4 + 12 / 6)
    np.testing.assert_allclose(akaike_weights([10.0, 12.0]), [0.731059, 0.268941], atol=1e-6)


def test_too_few_samples_leave_no_forms_to_compare():
    assert fit_curves([4.0, 24.0, 72.0], [5, 4, 2], 0.1, decay_per_h=LAMBDA) == []
    with pytest.raises(KineticsError, match="needs at least 4 samples"):
        fit_curve([4.0, 24.0, 72.0], [5, 4, 2], 0.1, form="bi", decay_per_h=LAMBDA)


def test_an_undetermined_parameter_is_said():
    y = washout(BLOOD_TIME, [5.0], [40.0])
    fit = fit_curve(BLOOD_TIME, y, 0.05 * y, form="bi", decay_per_h=LAMBDA)
    assert "do not determine" in fit.status or np.isinf(fit.log_covariance).any()


@pytest.mark.parametrize(
    ("time", "sd", "words"),
    [([-1.0, 2.0], 0.1, ">= 0 h"), ([1.0, 2.0], 0.0, "> 0"), ([1.0, np.nan], 0.1, "finite")],
)
def test_bad_samples(time, sd, words):
    with pytest.raises(KineticsError, match=words):
        fit_curve(time, [1.0, 2.0], sd, form="mono", decay_per_h=LAMBDA)


def test_unknown_form_lists_the_legal_ones():
    with pytest.raises(KineticsError, match="mono, bi, tri, uptake"):
        fit_curve([1.0], [1.0], 0.1, form="quad", decay_per_h=LAMBDA)


def test_draws_follow_the_normal_law_of_the_fit():
    rng = np.random.default_rng(4)
    y = washout(BLOOD_TIME, [12.0, 4.0], [1.0, 25.0]) * (1 + 0.05 * rng.standard_normal(9))
    fit = fit_curve(BLOOD_TIME, y, 0.05 * y, form="bi", decay_per_h=LAMBDA)
    draws = fit.draws(20_000, rng=rng)
    assert draws.shape == (20_000,)
    slow = np.log(np.log(2) / (draws.rate_per_h[:, 1] - LAMBDA))
    assert slow.mean() == pytest.approx(fit.log_parameter[3], abs=0.005)
    assert slow.std() == pytest.approx(np.sqrt(fit.log_covariance[3, 3]), rel=0.03)


def test_no_draws_of_what_the_samples_do_not_determine():
    t = np.array([24.0, 24.0, 24.0])
    fit = fit_curve(t, np.full(3, 5.0), np.full(3, 0.1), form="mono", decay_per_h=LAMBDA)
    with pytest.raises(KineticsError, match="no draws"):
        fit.draws(10, rng=np.random.default_rng(1))
