import numpy as np
import pytest
from scipy import stats

from foci import FociError, FociSample, RepairModel, draw_repair, eberlein_2015, update_draws
from foci.repair import RepairDraws
from foci.update import _mid_p
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


def fixed_repair(n, *, background=0.2):
    return RepairDraws(
        np.full(n, 16.0), np.full((n, 1), 0.3), np.ones(1), np.full(n, background), ()
    )


def test_weights_are_the_likelihood_of_all_cycles():
    rng = np.random.default_rng(1)
    *_, curves = dose_draws(rng, 50)
    counts = {
        1: [FociSample(1, 1.0, 100, 60), FociSample(1, 24.0, 200, 50)],
        2: [FociSample(2, 3.0, 100, 55)],
    }
    update = update_draws(curves, counts, fixed_repair(50), rng=rng)
    expected = np.zeros(50)
    for cycle, given in counts.items():
        for sample in given:
            mean = 0.2 + 16.0 * curves[cycle].convolved(0.3, sample.time_h)
            expected += stats.poisson.logpmf(sample.foci, sample.cells * mean)
    assert update.log_weight == pytest.approx(expected, rel=1e-10)
    weight = np.exp(expected - expected.max())
    assert update.effective_sample_size == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


def test_update_against_a_conjugate_posterior():
    # no background, fixed repair, gamma prior of the dose: the posterior is a gamma, too
    rng = np.random.default_rng(2)
    dose = rng.gamma(4.0, 0.025, 20_000)
    curves = {1: SumOfExponentials(0.5 * dose[:, None], [[0.5]])}
    per_gy = 200 * 16.0 * SumOfExponentials([0.5], [0.5]).convolved(0.3, 2.0)
    update = update_draws(
        curves,
        {1: [FociSample(1, 2.0, 200, 130)]},
        fixed_repair(20_000, background=0.0),
        rng=rng,
    )
    exact = stats.gamma(134.0, scale=1 / (40.0 + per_gy))
    chosen = dose[update.indices]
    error = exact.std() / np.sqrt(update.effective_sample_size)
    assert abs(chosen.mean() - exact.mean()) < 4 * error
    assert chosen.std() == pytest.approx(exact.std(), rel=0.1)
    # the predictive of the count is a negative binomial
    predictive = stats.nbinom(4.0, 40.0 / (40.0 + per_gy))
    below = predictive.cdf(129) + predictive.pmf(130) / 2
    assert update.prior_predictive_p == pytest.approx(2 * min(below, 1 - below), rel=0.05)


def test_more_foci_more_dose():
    rng = np.random.default_rng(3)
    first, second, curves = dose_draws(rng)
    repair = draw_repair(PRIOR, 4 * N, rng)
    baseline = FociSample(1, -1.0, 200, 40)
    means = []
    for foci in (60, 120, 240):
        update = update_draws(
            curves,
            {1: [baseline, FociSample(1, 2.0, 200, foci)]},
            repair,
            rng=np.random.default_rng(4),
        )
        assert update.indices.shape == update.repair_indices.shape == (N,)
        assert np.array_equal(update.indices, update.repair_indices % N)
        means.append((first[update.indices].mean(), second[update.indices].mean()))
    assert np.all(np.diff(means, axis=0) > 0)  # the second cycle learns from the first


def test_repair_is_learned_from_the_fall():
    rng = np.random.default_rng(5)
    *_, curves = dose_draws(rng)
    repair = draw_repair(PRIOR, 8 * N, rng)
    baseline = FociSample(1, -1.0, 500, 100)
    rates = []
    for late in (130, 260):
        update = update_draws(
            curves,
            {1: [baseline, FociSample(1, 2.0, 500, 500), FociSample(1, 12.0, 500, late)]},
            repair,
            rng=rng,
        )
        rates.append(np.median(repair.repair_rate_per_h[update.repair_indices, 0]))
    assert rates[0] > rates[1]


def test_each_cycle_has_its_own_background():
    rng = np.random.default_rng(6)
    *_, curves = dose_draws(rng)
    repair = draw_repair(PRIOR, N, rng)
    update = update_draws(
        curves,
        {
            1: [FociSample(1, -1.0, 400, 40), FociSample(1, 2.0, 100, 70)],
            2: [FociSample(2, 2.0, 100, 70)],
        },
        repair,
        rng=rng,
    )
    assert update.background_per_cell[1].mean() == pytest.approx(0.1, rel=0.05)
    assert np.array_equal(update.background_per_cell[2], repair.background_per_cell)
    assert any("no baseline" in words for words in update.assumptions)


def test_conflict_and_exhaustion_are_said():
    rng = np.random.default_rng(7)
    *_, curves = dose_draws(rng, sd=0.05)
    update = update_draws(
        curves,
        {1: [FociSample(1, -1.0, 500, 100), FociSample(1, 2.0, 500, 6000)]},
        draw_repair(PRIOR, N, rng),
        rng=rng,
    )
    assert update.prior_predictive_p < 0.01
    assert "conflict" in update.status
    assert "too few effective draws" in update.status
    assert update.to_dict()["status"] == update.status


def test_without_samples_the_draws_stay():
    rng = np.random.default_rng(8)
    *_, curves = dose_draws(rng)
    update = update_draws(curves, {1: [FociSample(1, -1.0, 100, 20)]}, fixed_repair(N), rng=rng)
    assert sorted(update.indices) == list(range(N))
    assert update.prior_predictive_p == 1.0
    assert "unchanged" in update.status


@pytest.mark.parametrize("observed", [0, 3, 40])
@pytest.mark.parametrize("dispersion", [1.0, 2.5])
def test_mid_p_twin(observed, dispersion):
    mean = np.array([5.0, 20.0, 60.0])
    law = stats.poisson(mean) if dispersion == 1 else stats.nbinom(mean / 1.5, 1 / 2.5)
    lower = (law.cdf(observed - 1) + law.pmf(observed) / 2).mean()
    assert _mid_p(observed, mean, dispersion) == pytest.approx(2 * min(lower, 1 - lower), rel=1e-9)


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(9)
    *_, curves = dose_draws(rng, 10)
    sample = {1: [FociSample(1, 1.0, 100, 30)]}
    with pytest.raises(FociError, match="multiple"):
        update_draws(curves, sample, fixed_repair(15), rng=rng)
    with pytest.raises(FociError, match="same draws"):
        update_draws(curves | {2: curves[1][:5]}, sample, fixed_repair(10), rng=rng)
    with pytest.raises(FociError, match="no dose rate"):
        update_draws({2: curves[2]}, sample, fixed_repair(10), rng=rng)
    with pytest.raises(FociError, match="under cycle 1"):
        update_draws(curves, {1: [FociSample(2, 1.0, 100, 30)]}, fixed_repair(10), rng=rng)
    nothing = SumOfExponentials(np.zeros((10, 1)), np.ones((10, 1)))
    with pytest.raises(FociError, match="impossible"):
        update_draws({1: nothing}, sample, fixed_repair(10, background=0.0), rng=rng)


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
    n, p_values, inside = 400, [], np.zeros(2)
    for _ in range(n):
        truth, counts = patient(rng, dispersion)
        first, second, curves = dose_draws(rng)
        update = update_draws(
            curves, counts, draw_repair(PRIOR, 16 * N, rng), rng=rng, dispersion=dispersion
        )
        p_values.append(update.prior_predictive_p)
        for i, dose in enumerate((first, second)):
            low, high = np.quantile(dose[update.indices], [0.05, 0.95])
            inside[i] += low < truth[i] < high
    assert np.all((inside / n > 0.85) & (inside / n < 0.95))
    assert stats.kstest(p_values, "uniform").pvalue > 0.005
