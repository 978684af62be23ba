"""Induction and repair of one time course: likelihood, identifiability, published means."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import chi2, nbinom, poisson

from foci import FociError, FociSample
from foci.repair.exposure import ExVivoIrradiation
from foci.repair.group_means import fit_repair_means
from foci.repair.likelihood import NAMES, TimeCourse, height, information, natural
from foci.repair.patient_fit import fit_repair
from kinetics import SumOfExponentials
from radiobio import foci_after_irradiation, foci_per_cell, induction_from_apparent_slope

BLOOD = SumOfExponentials([0.03, 0.003], [0.5, 0.03])
TIMES = np.array([-1.0, 0.5, 1, 2, 4, 8, 24, 48, 96, 168])
TRUTH = np.array([16.0, 0.12, 0.4])  # induction, background, rate


def mean_foci(values, times=TIMES, exposure=BLOOD):
    induction, background, *rest = values
    rate, fraction = (rest[0], 1.0) if len(rest) == 1 else (rest[:2], [rest[2], 1 - rest[2]])
    given = foci_per_cell(
        exposure,
        np.maximum(times, 0),
        induction_per_gy=induction,
        repair_rate_per_h=rate,
        fraction=fraction,
    )
    return background + np.where(times < 0, 0.0, given)


def counted(rng, values=TRUTH, cells=500, times=TIMES, dispersion=1.0, exposure=BLOOD):
    mean = cells * mean_foci(values, times, exposure)
    if dispersion == 1:
        foci = rng.poisson(mean)
    else:
        foci = rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
    return [FociSample(1, float(t), cells, int(x)) for t, x in zip(times, foci, strict=True)]


def course_of(samples, exposure=BLOOD, dispersion=1.0):
    return TimeCourse(
        np.array([s.time_h for s in samples]),
        np.array([float(s.cells) for s in samples]),
        np.array([float(s.foci) for s in samples]),
        np.array([s.cycle for s in samples]),
        {1: exposure},
        dispersion,
    )


# --- published means ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sd", "foci_at_end", "rate", "rate_sd"),
    [(None, 0.7196, 0.2531, 0.039), ([0.16, 0.09, 0.09], 0.7186, 0.2527, 0.044)],
)
def test_published_means_give_the_published_rate(sd, foci_at_end, rate, rate_sd):
    # 131I ex vivo, 32 patients, 50.1 mGy in 1 h: 0.72, 0.26, 0.04 at 0, 4, 24 h; 0.25 +- 0.05 /h
    fit = fit_repair_means(
        [0, 4, 24], [0.72, 0.26, 0.04], sd_per_cell=sd, dose_gy=0.0501, irradiation_h=1.0
    )  # PMC8940852
    assert round(fit.foci_at_end_per_cell, 4) == foci_at_end
    assert round(fit.repair_rate_per_h, 4) == rate
    assert round(fit.repair_rate_sd_per_h, 3) == rate_sd
    assert round(fit.repair_rate_per_h, 2) == 0.25
    assert abs(fit.repair_rate_sd_per_h - 0.05) < 0.015
    assert "1 degrees of freedom" in fit.status


def test_the_slope_is_corrected_once():
    given = {"dose_gy": 0.0501, "time_h": [0, 4, 24], "mean_per_cell": [0.72, 0.26, 0.04]}
    fit = fit_repair_means(irradiation_h=1.0, **given)
    # 0.72/0.0501 = 14.37 per Gy; one hour of repair at 0.25 /h makes it 16.24
    assert abs(fit.apparent_slope_per_gy - 14.37) < 0.02
    assert abs(fit.induction_per_gy - 16.24) < 0.03
    assert float(induction_from_apparent_slope(14.37, 0.25, 1.0)) == pytest.approx(16.24, abs=5e-3)
    uncorrected = fit_repair_means(irradiation_h=0.0, **given)
    assert uncorrected.induction_per_gy == uncorrected.apparent_slope_per_gy
    # the same irradiation, predicted with the induction, gives the foci back
    back = foci_after_irradiation(
        1.0, dose_gy=0.0501, irradiation_h=1.0, induction_per_gy=fit.induction_per_gy,
        repair_rate_per_h=fit.repair_rate_per_h,
    )  # fmt: skip
    assert float(back) == pytest.approx(fit.foci_at_end_per_cell, rel=1e-12)


def test_uncertainty_of_the_corrected_slope_by_monte_carlo():
    time = np.array([0.0, 1, 2, 4, 8, 12, 24])
    rng = np.random.default_rng(1)

    def fitted():
        mean = 0.72 * np.exp(-0.25 * time) + rng.normal(0, 0.02, len(time))
        return fit_repair_means(time, mean, dose_gy=0.05, irradiation_h=1.0)

    fits = [fitted() for _ in range(300)]
    assert fits[0].status == "ok"
    for name, sd in (("induction_per_gy", "induction_sd"),
                     ("repair_rate_per_h", "repair_rate_sd_per_h")):  # fmt: skip
        spread = np.std([getattr(f, name) for f in fits])
        assert np.mean([getattr(f, sd) for f in fits]) == pytest.approx(spread, rel=0.12)


def test_the_fitted_induction_is_a_calibration_that_is_not_corrected_again():
    exposure = ExVivoIrradiation(0.05, 1.0, "end")
    times = np.array([0.0, 1, 4, 8, 24])
    mean = 0.1 + foci_after_irradiation(
        times + 1, dose_gy=0.05, irradiation_h=1.0, induction_per_gy=16.0, repair_rate_per_h=0.25
    )
    samples = [
        FociSample(1, float(t), 10**6, round(10**6 * m)) for t, m in zip(times, mean, strict=True)
    ]
    fit = fit_repair([FociSample(1, -1.0, 10**6, 10**5), *samples], exposure, pools=1)
    np.testing.assert_allclose(fit.values, [16.0, 0.1, 0.25], rtol=1e-4)
    line = fit.calibration()
    assert line.irradiation_h == 0
    assert float(
        induction_from_apparent_slope(line.slope_per_gy, 0.25, line.irradiation_h)
    ) == pytest.approx(16.0, rel=1e-4)


# --- likelihood -----------------------------------------------------------------------------


@pytest.mark.parametrize("dispersion", [1.0, 1.7])
@pytest.mark.parametrize("n_draws", [0, 5])
@pytest.mark.parametrize("pools", [1, 2])
def test_likelihood_and_its_derivatives(pools, n_draws, dispersion):
    rng = np.random.default_rng(2)
    exposure = BLOOD
    if n_draws:
        exposure = SumOfExponentials(
            BLOOD.amplitude * rng.lognormal(0, 0.05, (n_draws, 1)), BLOOD.rate_per_h
        )
    samples = counted(rng, dispersion=dispersion)
    course = course_of(samples, exposure, dispersion)
    values = np.array([15.0, 0.14, 0.5] if pools == 1 else [15.0, 0.14, 0.5, 0.03, 0.85])
    theta = np.log(values)
    if pools == 2:
        theta[4] = np.log(0.85 / 0.15)
    np.testing.assert_allclose(natural(NAMES[pools], theta), values)
    expected = []
    for curve in [exposure] if not n_draws else [exposure[d] for d in range(n_draws)]:
        mean = course.cells * mean_foci(values, exposure=curve)
        law = poisson(mean) if dispersion == 1 else nbinom(mean / (dispersion - 1), 1 / dispersion)
        expected.append(law.logpmf(course.foci).sum())
    here = height(theta, course)
    assert here.value == pytest.approx(np.logaddexp.reduce(expected) - np.log(len(expected)))
    numeric = approx_fprime(theta, lambda x: height(x, course).value, 1e-6)
    np.testing.assert_allclose(here.score, numeric, rtol=2e-4, atol=2e-3)
    hessian = np.array(
        [approx_fprime(theta, lambda x, j=j: height(x, course).score[j], 1e-6)
         for j in range(len(theta))]
    )  # fmt: skip
    np.testing.assert_allclose(information(theta, course), -hessian, rtol=1e-3, atol=0.05)


@pytest.mark.parametrize("dispersion", [1.0, 2.0])
def test_maximum_equals_a_search_without_derivatives(dispersion):
    samples = counted(np.random.default_rng(5), dispersion=dispersion)
    fit = fit_repair(samples, BLOOD, pools=1, dispersion=dispersion)
    cells = np.array([s.cells for s in samples])
    foci = np.array([s.foci for s in samples])

    def minus(theta):
        mean = cells * mean_foci(np.exp(theta))
        law = poisson(mean) if dispersion == 1 else nbinom(mean / (dispersion - 1), 1 / dispersion)
        return -law.logpmf(foci).sum()

    found = minimize(
        minus, np.log(TRUTH), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9}
    )
    np.testing.assert_allclose(fit.values, np.exp(found.x), rtol=1e-4)
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-6)
    # at each end of the profile intervals the best of the others is chi-square / 2 lower
    for index in range(3):
        for end in fit.intervals[index]:
            others = [j for j in range(3) if j != index]

            def profiled(part, index=index, end=end, others=others):
                theta = np.empty(3)
                theta[index], theta[others] = np.log(end), part
                return minus(theta)

            low = minimize(profiled, np.log(fit.values[others]), method="Nelder-Mead",
                           options={"xatol": 1e-6, "fatol": 1e-8})  # fmt: skip
            assert low.fun - found.fun == pytest.approx(chi2.ppf(0.95, 1) / 2, abs=5e-3)


def test_exact_means_give_the_truth_back():
    two = np.array([16.0, 0.12, 0.6, 0.02, 0.9])
    for truth in (TRUTH, two):
        samples = [
            FociSample(1, float(t), 10**8, round(10**8 * m))
            for t, m in zip(TIMES, mean_foci(truth), strict=True)
        ]
        fit = fit_repair(samples, BLOOD, pools=1 if len(truth) == 3 else 2)
        np.testing.assert_allclose(fit.values, truth, rtol=1e-3)
        assert fit.status == "ok"


# --- identifiability ------------------------------------------------------------------------


def test_a_few_samples_do_not_give_two_rates():
    samples = counted(np.random.default_rng(1), times=TIMES[[0, 1, 3, 5, 6, 8]])
    fit = fit_repair(samples, BLOOD)
    assert fit.pools == 1
    assert "6 samples do not give two repair rates" in fit.comparison.words
    assert fit.comparison.aicc[1] == np.inf


def test_two_pools_are_found_where_the_counts_show_them():
    truth = [20.0, 0.12, 0.6, 0.02, 0.9]
    fit = fit_repair(counted(np.random.default_rng(1), truth, cells=2000), BLOOD)
    assert fit.pools == 2
    assert fit.comparison.p_value < 1e-6
    assert fit.status == "ok"
    assert (fit.intervals[:, 0] < truth).all()
    assert (truth < fit.intervals[:, 1]).all()


def test_one_pool_is_kept_where_one_is_enough():
    chosen = [fit_repair(counted(np.random.default_rng(seed)), BLOOD).pools for seed in range(10)]
    assert chosen.count(1) >= 8


def test_two_pools_forced_on_one_say_what_is_not_identified():
    fit = fit_repair(counted(np.random.default_rng(3)), BLOOD, pools=2)
    assert "is not identified" in fit.status
    assert "slow_rate_per_h" in fit.status
    assert fit.condition_number > 300


def test_early_samples_alone_do_not_give_the_rate():
    samples = counted(np.random.default_rng(1), cells=100, times=np.array([-1.0, 0.2, 0.4, 0.6]))
    fit = fit_repair(samples, BLOOD, pools=1)
    assert "repair_rate_per_h is not identified" in fit.status
    assert fit.intervals[2, 0] == 0


def test_no_excess_identifies_nothing():
    samples = [FociSample(1, float(t), 100, 12) for t in TIMES]
    fit = fit_repair(samples, BLOOD, pools=1)
    assert "not identified" in fit.status
    assert fit.intervals[2, 1] == np.inf


def test_without_baseline_it_is_said():
    samples = counted(np.random.default_rng(1))
    fit = fit_repair(samples[1:], BLOOD, pools=1)
    assert any("no baseline sample" in words for words in fit.assumptions)
    assert np.isfinite(fit.sd).all()
    no_foci = [FociSample(1, s.time_h, s.cells, 0 if s.is_baseline else s.foci) for s in samples]
    assert fit_repair(no_foci, BLOOD, pools=1).intervals[1, 0] >= 0


# --- exposures ------------------------------------------------------------------------------


def test_an_uncertain_dose_rate_widens_the_induction_but_not_the_rate():
    samples = counted(np.random.default_rng(4), cells=5000)
    scale = np.exp(0.2 * np.linspace(-2.2, 2.2, 101))
    draws = SumOfExponentials(BLOOD.amplitude * scale[:, None], BLOOD.rate_per_h)
    known, uncertain = (fit_repair(samples, e, pools=1) for e in (BLOOD, draws))
    ratio = np.log(uncertain.intervals[:, 1] / uncertain.intervals[:, 0]) / np.log(
        known.intervals[:, 1] / known.intervals[:, 0]
    )
    assert ratio[0] > 4
    np.testing.assert_allclose(ratio[1:], 1.0, rtol=0.02)
    one = SumOfExponentials(BLOOD.amplitude * np.ones((7, 1)), BLOOD.rate_per_h)
    np.testing.assert_allclose(
        fit_repair(samples, one, pools=1).intervals, known.intervals, rtol=1e-6
    )


def test_times_from_the_start_or_the_end_of_an_irradiation():
    rng = np.random.default_rng(6)
    after = np.array([0.0, 2, 4, 24])
    foci = rng.poisson(500 * (0.1 + 0.8 * np.exp(-0.25 * after)))
    ends = [FociSample(1, float(t), 500, int(x)) for t, x in zip(after, foci, strict=True)]
    starts = [FociSample(1, s.time_h + 1.5, 500, s.foci) for s in ends]
    base = FociSample(1, -2.0, 500, 50)
    fits = [
        fit_repair([base, *samples], ExVivoIrradiation(0.05, 1.5, zero), pools=1)
        for samples, zero in ((ends, "end"), (starts, "start"))
    ]
    np.testing.assert_allclose(fits[0].values, fits[1].values, rtol=1e-8)


def test_two_cycles_share_the_rate():
    rng = np.random.default_rng(8)
    low = BLOOD.scaled(0.5)
    second = [FociSample(2, s.time_h, s.cells, s.foci) for s in counted(rng, exposure=low)]
    first = counted(rng)
    both = fit_repair([*first, *second], {1: BLOOD, 2: low}, pools=1)
    alone = fit_repair(first, BLOOD, pools=1)
    assert both.sd[2] < 0.9 * alone.sd[2]
    assert any("repaired before the next" in words for words in both.assumptions)
    with pytest.raises(FociError, match="need an exposure each"):
        fit_repair([*first, *second], BLOOD)
    with pytest.raises(FociError, match=r"cycles \[2\]"):
        fit_repair([*first, *second], {1: BLOOD})


def test_tables():
    fit = fit_repair(counted(np.random.default_rng(1)), BLOOD)
    table = fit.to_frame()
    assert list(table["parameter"]) == list(NAMES[1])
    assert (table["lower"] < table["value"]).all()
    words = fit.to_dict()
    assert words["repair_rate_per_h"]["value"] == fit.values[2]
    assert words["comparison"] == fit.comparison.words


# --- what is not legal ----------------------------------------------------------------------


def test_what_is_not_legal():
    samples = counted(np.random.default_rng(1))
    with pytest.raises(FociError, match="2 samples cannot give 3"):
        fit_repair(samples[:2], BLOOD)
    with pytest.raises(FociError, match="no sample after"):
        fit_repair(samples[:1] * 4, BLOOD)
    with pytest.raises(FociError, match="pools"):
        fit_repair(samples, BLOOD, pools=3)
    with pytest.raises(FociError, match="level"):
        fit_repair(samples, BLOOD, level=95)
    with pytest.raises(FociError, match="dispersion"):
        fit_repair(samples, BLOOD, dispersion=0.5)
    with pytest.raises(FociError, match="shape"):
        fit_repair(samples, SumOfExponentials(np.ones((2, 3, 1)), [0.1]))
    with pytest.raises(FociError, match="dose_gy"):
        ExVivoIrradiation(0.0, 1.0, "end")
    with pytest.raises(FociError, match="irradiation_h"):
        ExVivoIrradiation(0.1, -1.0, "end")
    with pytest.raises(FociError, match="counted_from"):
        ExVivoIrradiation(0.1, 1.0, "middle")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"time_h": [0, 4]}, "one shape"),
        ({"time_h": [0, -4, 24]}, "times >= 0"),
        ({"dose_gy": 0.0}, "dose_gy"),
        ({"irradiation_h": -1.0}, "irradiation_h"),
        ({"sd_per_cell": [0.1, 0.0, 0.1]}, "sd_per_cell"),
        ({"mean_per_cell": [0.04, 0.26, 0.72]}, "do not decline"),
        ({"time_h": [0, 4], "mean_per_cell": [0.7, 0.3]}, "three means"),
    ],
)
def test_means_that_are_not_legal(changed, words):
    given = {"time_h": [0, 4, 24], "mean_per_cell": [0.72, 0.26, 0.04], "dose_gy": 0.05,
             "irradiation_h": 1.0}  # fmt: skip
    with pytest.raises(FociError, match=words):
        fit_repair_means(**(given | changed))


# --- coverage -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "kept", "dispersion", "scale"),
    [
        (100, slice(None), 1.0, 1.0),
        (500, slice(0, 7, 2), 1.0, 1.0),
        (500, slice(None), 1.6, 1.0),
        (200, slice(None), 1.0, 0.15),  # 24 mGy in all; the rate is often open on one side
    ],
)
def test_profile_intervals_cover(cells, kept, dispersion, scale):
    rng = np.random.default_rng(7)
    exposure = BLOOD.scaled(scale)
    hits = np.zeros(3)
    n = 400
    for _ in range(n):
        samples = counted(
            rng, cells=cells, times=TIMES[kept], dispersion=dispersion, exposure=exposure
        )
        fit = fit_repair(samples, exposure, pools=1, dispersion=dispersion)
        hits += (fit.intervals[:, 0] <= TRUTH) & (fit.intervals[:, 1] >= TRUTH)
    # 95 %, four standard errors of 400 trials (1.1 %) on each side
    assert (np.abs(hits / n - 0.95) < 0.044).all(), hits / n
