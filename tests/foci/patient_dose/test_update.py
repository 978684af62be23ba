import numpy as np
import pytest
from scipy import stats

from foci import (
    FociError,
    FociSample,
    RepairModel,
    calibration_line,
    draw_repair,
    eberlein_2015,
    predict_foci,
    update_draws,
)
from foci.patient_dose.sample_model import mid_p
from foci.sample_dose.intervals import central_interval
from kinetics import SumOfExponentials

PRIOR = RepairModel(eberlein_2015())
N = 1000


def dose_draws(rng, n=N, *, sd=0.4):
    """Blood doses (Gy) of cycles 1 and 2, correlated, and their dose rates."""
    first = rng.lognormal(np.log(0.1), sd, n)
    second = first * rng.lognormal(0.0, 0.15, n)
    curves = {
        cycle: SumOfExponentials(dose[:, None] * [0.3, 0.01], [[0.5, 0.025]])
        for cycle, dose in ((1, first), (2, second))
    }
    return first, second, curves


def fixed_repair(*, background):
    """A prior without any spread: 16 foci per gray, repair at 0.3 /h."""
    return RepairModel(
        calibration_line(16.0, 0.0, irradiation_h=0.0),
        repair_rate_per_h=(0.3,),
        rate_log_sd=(0.0,),
        induction_cv=0.0,
        background_shape=1e6,
        background_mean_per_cell=background,
    )


def brute_force(curves, counts, rng, n):
    """Dose rows, induction, rate, backgrounds and weights of n prior draws, drawn by hand."""
    index = rng.integers(N, size=n)
    log_sd = np.sqrt(np.log1p(np.array([0.10, 0.20, 0.15]) ** 2))
    slope, in_vitro, factor = np.exp(
        log_sd[:, None] * rng.standard_normal((3, n)) - log_sd[:, None] ** 2 / 2
    )
    in_vitro *= 0.25 * PRIOR.calibration.irradiation_h
    induction = 14.7 * slope * factor * in_vitro / -np.expm1(-in_vitro)
    rate = 0.25 * np.exp(0.8 * rng.standard_normal(n))
    log_weight, backgrounds = np.zeros(n), {}
    for cycle, given in counts.items():
        before = [sample for sample in given if sample.time_h < 0]
        cells, foci = sum(s.cells for s in before), sum(s.foci for s in before)
        backgrounds[cycle] = rng.gamma(0.5 + foci, 1 / (0.5 / 0.3 + cells), n)
        for sample in given[len(before) :]:
            unrepaired = curves[cycle][index].convolved(rate, sample.time_h)
            mean = sample.cells * (backgrounds[cycle] + induction * unrepaired)
            log_weight += sample.foci * np.log(mean) - mean
    weight = np.exp(log_weight - log_weight.max())
    return index, induction, rate, backgrounds, weight / weight.sum()


def test_agrees_with_brute_force_weighting_of_prior_draws():
    rng = np.random.default_rng(1)
    first, second, curves = dose_draws(rng)
    counts = {
        1: [FociSample(1, -1.0, 100, 22), FociSample(1, 1.0, 100, 95), FociSample(1, 24.0, 90, 45)],
        2: [FociSample(2, 3.0, 100, 120)],
    }
    update = update_draws(curves, counts, PRIOR, rng=rng, n_draws=8000)
    index, induction, rate, backgrounds, weight = brute_force(curves, counts, rng, 1_000_000)
    assert 1 / (weight**2).sum() > 10_000
    assert update.effective_sample_size > 10_000
    pairs = [
        (first[update.indices], first[index]),
        (second[update.indices], second[index]),
        (update.repair.induction_per_gy, induction),
        (np.log(update.repair.repair_rate_per_h[:, 0]), np.log(rate)),
        (update.background_per_cell[1], backgrounds[1]),
        (update.background_per_cell[2], backgrounds[2]),
    ]
    for draws, proposals in pairs:
        mean = weight @ proposals
        sd = np.sqrt(weight @ (proposals - mean) ** 2)
        assert abs(draws.mean() - mean) < 0.05 * sd
        assert draws.std() == pytest.approx(sd, rel=0.05)
    # the dose and the repair that go together are correlated as they should be
    joint = np.cov(np.log(rate), np.log(first[index]), aweights=weight)
    found = np.corrcoef(
        np.log(update.repair.repair_rate_per_h[:, 0]), np.log(first[update.indices])
    )
    assert found[0, 1] == pytest.approx(joint[0, 1] / np.sqrt(joint[0, 0] * joint[1, 1]), abs=0.05)


def test_many_samples_of_many_cells_leave_enough_draws():
    rng = np.random.default_rng(2)
    dose, fall = rng.lognormal(np.log(0.5), 0.2, N), rng.lognormal(0.0, 0.2, (N, 2))
    curves = {1: SumOfExponentials(dose[:, None] * [0.3, 0.01], fall * [0.5, 0.025])}
    times = (1.0, 3.0, 6.0, 24.0, 48.0, 72.0)
    truth = draw_repair(PRIOR, 1, rng, baseline=[FociSample(1, -1.0, 500, 100)])
    mean = predict_foci(curves[1][[7]], times, truth)[0]
    counts = [
        FociSample(1, t, 500, int(rng.poisson(500 * m))) for t, m in zip(times, mean, strict=True)
    ]
    update = update_draws(curves, {1: [FociSample(1, -1.0, 500, 100), *counts]}, PRIOR, rng=rng)
    assert update.status == "ok"
    assert update.effective_sample_size > 500
    assert len(np.unique(update.indices)) > 100


def test_update_against_a_conjugate_posterior():
    # no background, fixed repair, gamma prior of the dose: the posterior is a gamma, too
    rng = np.random.default_rng(2)
    dose = rng.gamma(4.0, 0.025, 20_000)
    curves = {1: SumOfExponentials(0.5 * dose[:, None], [[0.5]])}
    per_gy = 200 * 16.0 * SumOfExponentials([0.5], [0.5]).convolved(0.3, 2.0)
    update = update_draws(
        curves, {1: [FociSample(1, 2.0, 200, 130)]}, fixed_repair(background=1e-9), rng=rng
    )
    exact = stats.gamma(134.0, scale=1 / (40.0 + per_gy))
    chosen = dose[update.indices]
    # two errors: of the update, and of the 20 000 dose draws, of which some 4000 are possible
    assert abs(chosen.mean() - exact.mean()) < 4 * exact.std() / np.sqrt(4000)
    assert chosen.std() == pytest.approx(exact.std(), rel=0.05)
    # the predictive of the count is a negative binomial
    predictive = stats.nbinom(4.0, 40.0 / (40.0 + per_gy))
    below = predictive.cdf(129) + predictive.pmf(130) / 2
    assert update.prior_predictive_p == pytest.approx(2 * min(below, 1 - below), rel=0.05)


def test_more_foci_more_dose():
    rng = np.random.default_rng(3)
    first, second, curves = dose_draws(rng)
    baseline = FociSample(1, -1.0, 200, 40)
    means = []
    for foci in (60, 120, 240):
        update = update_draws(
            curves,
            {1: [baseline, FociSample(1, 2.0, 200, foci)]},
            PRIOR,
            rng=np.random.default_rng(4),
            n_draws=500,
        )
        assert update.indices.shape == (len(update.repair),) == (500,)
        means.append((first[update.indices].mean(), second[update.indices].mean()))
    assert np.all(np.diff(means, axis=0) > 0)  # the second cycle learns from the first


def test_repair_is_learned_from_the_fall():
    rng = np.random.default_rng(5)
    *_, curves = dose_draws(rng)
    baseline = FociSample(1, -1.0, 500, 100)
    rates = []
    for late in (130, 260):
        update = update_draws(
            curves,
            {1: [baseline, FociSample(1, 2.0, 500, 500), FociSample(1, 12.0, 500, late)]},
            PRIOR,
            rng=rng,
        )
        rates.append(np.median(update.repair.repair_rate_per_h[:, 0]))
    assert rates[0] > rates[1]


def test_two_pools_and_a_single_dose_draw():
    prior = RepairModel(
        eberlein_2015(), repair_rate_per_h=(0.6, 0.02), rate_log_sd=(0.5, 0.3), fraction=(0.9, 0.1)
    )
    rng = np.random.default_rng(5)
    *_, curves = dose_draws(rng, 1)
    sample = {1: [FociSample(1, 2.0, 200, 130), FociSample(1, 24.0, 200, 60)]}
    update = update_draws(curves, sample, prior, rng=rng, n_draws=300)
    assert update.status == "ok"
    assert update.repair.repair_rate_per_h.shape == (300, 2)
    assert not update.indices.any()


def test_each_cycle_has_its_own_background():
    rng = np.random.default_rng(6)
    *_, curves = dose_draws(rng)
    update = update_draws(
        curves,
        {
            1: [FociSample(1, -1.0, 400, 40), FociSample(1, 2.0, 100, 70)],
            2: [FociSample(2, 2.0, 100, 70)],
        },
        PRIOR,
        rng=rng,
    )
    assert update.background_per_cell[1].mean() == pytest.approx(0.1, rel=0.05)
    assert update.background_per_cell[2].std() > 4 * update.background_per_cell[1].std()
    assert np.array_equal(update.repair.background_per_cell, update.background_per_cell[1])
    assert sum("no baseline" in words for words in update.assumptions) == 1


def test_conflict_is_said():
    rng = np.random.default_rng(7)
    *_, curves = dose_draws(rng, sd=0.05)
    update = update_draws(
        curves,
        {1: [FociSample(1, -1.0, 500, 100), FociSample(1, 2.0, 500, 6000)]},
        PRIOR,
        rng=rng,
    )
    assert update.prior_predictive_p < 0.01
    assert "conflict" in update.status
    assert update.to_dict()["status"] == update.status


def test_few_effective_draws_are_said():
    rng = np.random.default_rng(7)
    *_, curves = dose_draws(rng)
    counts = {1: [FociSample(1, -1.0, 100, 20), FociSample(1, 2.0, 100, 130)]}
    update = update_draws(curves, counts, PRIOR, rng=rng, n_draws=5)
    assert "too few effective draws" in update.status
    assert len(update.indices) == 5


@pytest.mark.parametrize("counts", [{}, {1: []}, {1: [FociSample(1, -1.0, 100, 20)]}])
def test_without_samples_the_draws_stay(counts):
    rng = np.random.default_rng(8)
    *_, curves = dose_draws(rng)
    update = update_draws(curves, counts, PRIOR, rng=rng)
    assert np.array_equal(update.indices, np.arange(N))
    assert len(update.repair) == N
    assert list(update.background_per_cell) == list(counts)
    assert update.prior_predictive_p == 1.0
    assert "unchanged" in update.status


@pytest.mark.parametrize("observed", [0, 3, 40])
@pytest.mark.parametrize("dispersion", [1.0, 2.5])
def test_mid_p_twin(observed, dispersion):
    mean = np.array([5.0, 20.0, 60.0])
    law = stats.poisson(mean) if dispersion == 1 else stats.nbinom(mean / 1.5, 1 / 2.5)
    lower = (law.cdf(observed - 1) + law.pmf(observed) / 2).mean()
    assert mid_p(observed, mean, dispersion) == pytest.approx(2 * min(lower, 1 - lower), rel=1e-9)


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(9)
    *_, curves = dose_draws(rng, 10)
    sample = {1: [FociSample(1, 1.0, 100, 30)]}
    with pytest.raises(FociError, match="leading shape"):
        update_draws({1: curves[1][None]}, sample, PRIOR, rng=rng)
    with pytest.raises(FociError, match="n_draws"):
        update_draws(curves, sample, PRIOR, rng=rng, n_draws=0)
    with pytest.raises(FociError, match="same draws"):
        update_draws(curves | {2: curves[1][:5]}, sample, PRIOR, rng=rng)
    with pytest.raises(FociError, match="no dose rate"):
        update_draws({2: curves[2]}, sample, PRIOR, rng=rng)
    with pytest.raises(FociError, match="under cycle 1"):
        update_draws(curves, {1: [FociSample(2, 1.0, 100, 30)]}, PRIOR, rng=rng)
    negative = {1: curves[1].scaled(-100.0)}
    with pytest.raises(FociError, match="impossible"):
        update_draws(negative, sample, fixed_repair(background=0.1), rng=rng)


def patient(rng, dispersion):
    """True doses and samples of both cycles of one virtual patient drawn from the prior."""
    first, second, curves = dose_draws(rng, 1)
    truth = draw_repair(PRIOR, 1, rng)
    counts = {}
    for cycle, curve in curves.items():
        background = rng.gamma(0.5, 0.6)
        excess = truth.induction_per_gy * curve.convolved(
            truth.repair_rate_per_h[:, 0], (1.0, 24.0)
        )
        mean = 100 * np.array([background, *(background + excess[0])])
        foci = (
            rng.poisson(mean)
            if dispersion == 1
            else rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
        )
        counts[cycle] = [
            FociSample(cycle, t, 100, int(x)) for t, x in zip((-1.0, 1.0, 24.0), foci, strict=True)
        ]
    return (float(first[0]), float(second[0])), counts


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [1.0, 1.5])
def test_simulate_and_recover_the_update(dispersion):
    rng = np.random.default_rng(31)
    n, p_values, inside = 400, [], np.zeros((2, 2))
    for _ in range(n):
        truth, counts = patient(rng, dispersion)
        first, second, curves = dose_draws(rng)
        update = update_draws(curves, counts, PRIOR, rng=rng, dispersion=dispersion, n_draws=400)
        p_values.append(update.prior_predictive_p)
        for i, dose in enumerate((first, second)):
            for j, level in enumerate((0.90, 0.95)):
                low, high = central_interval(
                    dose[update.indices], level, n_effective=update.distinct_doses
                )
                inside[i, j] += low < truth[i] < high
    assert np.all((inside[:, 0] / n > 0.86) & (inside[:, 0] / n < 0.94))
    assert np.all((inside[:, 1] / n > 0.92) & (inside[:, 1] / n < 0.98))
    assert stats.kstest(p_values, "uniform").pvalue > 0.005
