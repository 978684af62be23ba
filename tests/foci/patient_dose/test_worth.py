import numpy as np
import pytest
from scipy import stats
from scipy.special import polygamma

from foci import FociError, FociSample, RepairModel, eberlein_2015, update_draws
from foci.calibration import calibration_line
from foci.patient_dose.planned_worth import PlannedSample, planned_worth
from foci.patient_dose.worth import sample_worth, worth_frame
from kinetics import SumOfExponentials

SHAPE, RATE = 4.0, 40.0  # gamma prior of the dose
N = 4000


def conjugate(rng, counts, *, n=N):
    """Gamma dose, fixed repair, no background: the posterior of the dose is a gamma, too."""
    dose = stats.gamma(SHAPE, scale=1 / RATE).ppf((rng.permutation(n) + 0.5) / n)
    curves = {1: SumOfExponentials(0.5 * dose[:, None], [[0.5]])}
    prior = RepairModel(
        calibration_line(16.0, 0.0, irradiation_h=0.0),
        repair_rate_per_h=(0.3,),
        rate_log_sd=(0.0,),
        induction_cv=0.0,
        background_shape=1e6,
        background_mean_per_cell=1e-9,
    )
    samples = {1: [FociSample(1, t, cells, foci) for t, cells, foci in counts]}
    return curves, samples, prior


def foci_per_gy(time_h, cells):
    return cells * 16.0 * SumOfExponentials([0.5], [0.5]).convolved(0.3, time_h)


def test_worth_of_counted_samples_against_the_conjugate_posterior():
    rng = np.random.default_rng(1)
    counts = [(1.0, 20, 12), (2.0, 60, 40), (5.0, 5, 3)]
    curves, samples, prior = conjugate(rng, counts)
    update = update_draws(curves, samples, prior, rng=rng)
    worth = sample_worth(update, curves, samples, prior, rng=rng)
    assert [row.sample for row in worth] == ["all", "cycle 1, 1 h", "cycle 1, 2 h", "cycle 1, 5 h"]
    # Var ln D of a gamma distribution is the trigamma function of its shape
    foci = np.array([x for *_, x in counts])
    full = polygamma(1, SHAPE + foci.sum())
    without = polygamma(1, SHAPE + np.array([0, *(foci.sum() - foci)]))
    for row, variance in zip(worth, without, strict=True):
        assert row.status == "ok"
        assert row.log_sd_without == pytest.approx(np.sqrt(variance), rel=0.06)
        assert row.log_sd_with == pytest.approx(np.sqrt(full), rel=0.06)
        assert 0 < row.monte_carlo_error < 0.06
        exact = 1 - full / variance
        assert abs(row.variance_reduction - exact) < 4 * row.monte_carlo_error
    frame = worth_frame(worth)
    assert list(frame["sample"]) == [row.sample for row in worth]


def test_one_sample_alone_is_worth_all():
    rng = np.random.default_rng(2)
    curves, samples, prior = conjugate(rng, [(2.0, 400, 260)])
    update = update_draws(curves, samples, prior, rng=rng)
    everything, single = sample_worth(update, curves, samples, prior, rng=rng)
    assert single.variance_reduction == pytest.approx(everything.variance_reduction)
    assert everything.log_sd_without == pytest.approx(np.sqrt(polygamma(1, SHAPE)), rel=0.05)
    assert everything.variance_reduction > 0.9


def test_worth_of_a_planned_sample_against_the_exact_expectation():
    rng = np.random.default_rng(3)
    curves, _, prior = conjugate(rng, [])
    before = update_draws(curves, {1: []}, prior, rng=rng)
    plan = [PlannedSample(1, 2.0, 20), PlannedSample(1, 5.0, 100)]
    worth = planned_worth(before, curves, plan, rng=rng, n_outcomes=400)
    per_gy = [foci_per_gy(s.time_h, s.cells) for s in plan]
    for row, exposure in zip(worth, [*per_gy, sum(per_gy)], strict=True):
        count = np.arange(4000)
        chance = stats.nbinom.pmf(count, SHAPE, RATE / (RATE + exposure))
        exact = 1 - chance @ polygamma(1, SHAPE + count) / polygamma(1, SHAPE)
        assert abs(row.variance_reduction - exact) < 4 * row.monte_carlo_error + 0.01
        assert row.monte_carlo_error < 0.04
    assert worth[-1].sample == "all"


def test_more_cells_are_worth_more_and_overdispersed_ones_less():
    rng = np.random.default_rng(4)
    dose = rng.lognormal(np.log(0.05), 0.4, 1500)
    curves = {1: SumOfExponentials(dose[:, None] * [0.3, 0.01], [[0.5, 0.025]])}
    baseline = {1: [FociSample(1, -1.0, 200, 40)]}
    before = update_draws(curves, baseline, RepairModel(eberlein_2015()), rng=rng)

    def reduction(cells, time_h=2.0, dispersion=1.0):
        plan = [PlannedSample(1, time_h, cells)]
        seed = np.random.default_rng(5)
        row = planned_worth(before, curves, plan, rng=seed, dispersion=dispersion)[0]
        return row.variance_reduction

    values = [reduction(n) for n in (50, 200, 1000)]
    assert np.all(np.diff(values) > 0)
    assert reduction(200, dispersion=2.0) < reduction(200)
    assert reduction(200, time_h=2.0) > reduction(200, time_h=48.0)


def test_a_baseline_is_worth_something():
    rng = np.random.default_rng(6)
    dose = rng.lognormal(np.log(0.02), 0.6, 2000)
    curves = {1: SumOfExponentials(dose[:, None] * [0.3, 0.01], [[0.5, 0.025]])}
    samples = {1: [FociSample(1, -1.0, 500, 100), FociSample(1, 1.0, 500, 200)]}
    prior = RepairModel(eberlein_2015())
    update = update_draws(curves, samples, prior, rng=rng)
    worth = {row.sample: row for row in sample_worth(update, curves, samples, prior, rng=rng)}
    baseline = worth["cycle 1, baseline"]
    assert baseline.variance_reduction > 3 * baseline.monte_carlo_error
    assert worth["cycle 1, 1 h"].variance_reduction > 0.5


def test_few_draws_are_said_and_what_does_not_fit_is_refused():
    rng = np.random.default_rng(7)
    curves, samples, prior = conjugate(rng, [(2.0, 400, 260)], n=20)
    update = update_draws(curves, samples, prior, rng=rng)
    assert "too few effective" in sample_worth(update, curves, samples, prior, rng=rng)[0].status
    with pytest.raises(FociError, match="nothing narrows"):
        sample_worth(update, curves, {1: []}, prior, rng=rng)
    with pytest.raises(FociError, match="no planned sample"):
        planned_worth(update, curves, [], rng=rng)
    with pytest.raises(FociError, match="n_outcomes"):
        planned_worth(update, curves, [PlannedSample(1, 1.0, 10)], rng=rng, n_outcomes=1)
    with pytest.raises(FociError, match="no background"):
        planned_worth(update, curves, [PlannedSample(2, 1.0, 10)], rng=rng)
    with pytest.raises(FociError, match="planned sample needs"):
        PlannedSample(1, -1.0, 10)
    endless = {1: SumOfExponentials(np.ones((20, 1)), [[0.0]])}
    with pytest.raises(FociError, match="finite positive integral"):
        sample_worth(update, endless, samples, prior, rng=rng)
