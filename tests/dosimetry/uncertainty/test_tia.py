import numpy as np
import pytest

from dosimetry.errors import DosimetryError
from dosimetry.uncertainty import tia_from_draws, tia_from_fit, tia_from_parameters
from kinetics import SumOfExponentials, fit_curve
from kinetics.curve_fits import fit_cohort

DECAY = 0.00434


def test_two_exponentials_by_drawing_parameters():
    mean = np.array([40.0, 60.0, 0.02, 0.3])
    sd = mean * 0.01
    correlation = np.eye(4)
    correlation[0, 2] = correlation[2, 0] = 0.7
    covariance = correlation * np.outer(sd, sd)
    tia, spread = tia_from_parameters(mean[:2], mean[2:], covariance)
    assert tia == pytest.approx(2200.0)
    draws = np.random.default_rng(1).multivariate_normal(mean, covariance, 200_000)
    assert spread == pytest.approx((draws[:, :2] / draws[:, 2:]).sum(axis=1).std(), rel=0.01)


def test_one_exponential_by_hand():
    """u2/A2 = (u(a)/a)^2 + (u(k)/k)^2 - 2 cov/(a k)."""
    a, k, ua, uk, cov = 50.0, 0.01, 2.0, 5e-4, 5e-4
    tia, sd = tia_from_parameters([a], [k], [[ua**2, cov], [cov, uk**2]])
    assert (sd / tia) ** 2 == pytest.approx((ua / a) ** 2 + (uk / k) ** 2 - 2 * cov / (a * k))


@pytest.mark.parametrize("form", ["mono", "bi"])
def test_fit_by_repeated_measurements(form):
    """Twin: the spread of integrals over simulated measurements is what one fit states."""
    time_h = np.array([1.0, 4.0, 24.0, 48.0, 96.0, 168.0])
    truth = {"mono": ([50.0], [0.02]), "bi": ([60.0, 40.0], [0.5, 0.015])}[form]
    clean = SumOfExponentials(*truth)(time_h)
    sd = 0.03 * clean
    rng = np.random.default_rng(2)
    integrals = [
        float(fit_curve(time_h, rng.normal(clean, sd), sd, form=form, decay_per_h=DECAY)
              .curve.integral())
        for _ in range(200)
    ]  # fmt: skip
    fit = fit_curve(time_h, clean, sd, form=form, decay_per_h=DECAY)
    tia, stated = tia_from_fit(fit)
    assert tia == pytest.approx(float(fit.curve.integral()))
    assert stated == pytest.approx(np.std(integrals), rel=0.2)


@pytest.mark.parametrize("form", ["mono", "bi"])
def test_fit_of_one_patient_states_what_the_fit_of_a_cohort_does(form):
    time_h = np.array([1.0, 4.0, 24.0, 48.0, 96.0, 168.0])
    value = np.array([90.0, 72.0, 31.0, 18.5, 9.7, 2.8])
    fit = fit_curve(time_h, value, 0.05 * value, form=form, decay_per_h=DECAY)
    many = fit_cohort(time_h, value[None], 0.05 * value[None], form=form, decay_per_h=DECAY)
    one = tia_from_fit(fit)
    assert one == pytest.approx((many.tia[0], many.tia_sd[0]), rel=1e-4)


def test_draws():
    curve = SumOfExponentials([[10.0], [12.0]], [[0.1], [0.1]])
    assert tia_from_draws(curve) == pytest.approx((110.0, np.sqrt(200.0)))


def test_an_undetermined_fit_is_refused():
    time_h = np.array([24.0, 24.0, 24.0])
    fit = fit_curve(time_h, [10.0, 10.1, 9.9], [1.0] * 3, form="mono", decay_per_h=DECAY)
    with pytest.raises(DosimetryError, match="does not determine"):
        tia_from_fit(fit)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: tia_from_parameters([1.0], [0.0], np.eye(2)), "rates must be positive"),
        (lambda: tia_from_parameters([1.0], [0.1, 0.2], np.eye(2)), "2n by 2n"),
        (lambda: tia_from_parameters([1.0], [0.1], np.eye(3)), "2n by 2n"),
        (lambda: tia_from_parameters([1.0], [0.1], -np.eye(2)), "negative variance"),
        (lambda: tia_from_parameters([1.0], [np.inf], np.eye(2)), "rates must be positive"),
        (lambda: tia_from_parameters([np.nan], [0.1], np.eye(2)), "amplitudes must be finite"),
        (lambda: tia_from_parameters([1.0], [0.1], [[np.nan, 0], [0, 1]]), "must be finite"),
        (lambda: tia_from_parameters([1.0], [0.1], [[1, 0], [0, np.inf]]), "must be finite"),
        (lambda: tia_from_draws(SumOfExponentials([1.0], [0.1])), "two or more draws"),
        (lambda: tia_from_draws(SumOfExponentials([[1.0]], [[0.1]])), "two or more draws"),
        (lambda: tia_from_draws(SumOfExponentials([[1.0]] * 2, [[0.0]] * 2)), "infinite"),
    ],
)
def test_wrong_arguments_are_refused(make, match):
    with pytest.raises(DosimetryError, match=match):
        make()
