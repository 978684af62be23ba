import numpy as np
import pytest
from scipy import integrate, stats

from foci import (
    DosePrior,
    FociError,
    FociSample,
    RepairModel,
    agreement,
    blood_dose_from_foci,
    draw_repair,
    eberlein_2015,
    predict_foci,
)
from foci.repair.prior import RepairDraws
from kinetics import SumOfExponentials

SHAPE = SumOfExponentials([0.020, 0.001], [0.5, 0.02])  # 0.04 + 0.05 Gy
PRIOR = RepairModel(eberlein_2015())
TIMES = (1.0, 4.0, 24.0)


def fixed_repair(n, *, background=0.2):
    return RepairDraws(
        np.full(n, 16.0), np.full((n, 1), 0.3), np.ones(1), np.full(n, background), ()
    )


def samples(foci, *, cells=500, baseline=100):
    after = [FociSample(1, t, cells, x) for t, x in zip(TIMES, foci, strict=True)]
    return [FociSample(1, -1.0, cells, baseline), *after]


def test_prediction_is_the_background_plus_the_compartment():
    draws = draw_repair(PRIOR, 4, np.random.default_rng(1))
    foci = predict_foci(SHAPE, [0.0, 3.0], draws)
    assert foci.shape == (4, 2)
    assert foci[:, 0] == pytest.approx(draws.background_per_cell)
    for row in range(4):
        rate, induction = draws.repair_rate_per_h[row, 0], draws.induction_per_gy[row]
        twin = integrate.solve_ivp(
            lambda t, y, c=induction, k=rate: c * SHAPE(t) - k * y,
            (0, 3.0),
            [0.0],
            rtol=1e-10,
            atol=1e-12,
        ).y[0, -1]
        assert foci[row, 1] - draws.background_per_cell[row] == pytest.approx(twin, rel=1e-7)


def test_prediction_needs_matching_draws():
    with pytest.raises(FociError, match="repair draws"):
        predict_foci(SHAPE.scaled(np.ones(3)), 1.0, fixed_repair(4))


@pytest.mark.parametrize("kind", ["log_uniform", "log_normal"])
def test_posterior_against_quadrature(kind):
    # fixed repair and background: one dimension is left
    prior = DosePrior(0.01, 2.0, kind)
    after = [FociSample(1, t, 500, x) for t, x in zip(TIMES, (290, 300, 180), strict=True)]
    estimate = blood_dose_from_foci(
        after,
        SHAPE,
        repair_draws=fixed_repair(20_000),
        rng=np.random.default_rng(2),
        prior=prior,
        dispersion=1.5,
    )
    per_gy = predict_foci(SHAPE.scaled(1 / SHAPE.integral()), TIMES, fixed_repair(1))[0] - 0.2
    log_dose = np.linspace(np.log(0.01), np.log(2.0), 20_001)
    mean = 500 * (0.2 + np.exp(log_dose)[:, None] * per_gy)
    density = stats.nbinom.logpmf([290, 300, 180], mean / 0.5, 1 / 1.5).sum(1)
    if kind == "log_normal":
        sd = np.log(200.0) / (2 * stats.norm.ppf(0.975))
        density += stats.norm.logpdf(log_dose, np.log(0.01 * 2.0) / 2, sd)
    cdf = np.cumsum(np.exp(density - density.max()))
    test = stats.kstest(np.log(estimate.dose_gy), lambda x: np.interp(x, log_dose, cdf / cdf[-1]))
    assert test.pvalue > 0.001
    assert estimate.status == "ok"


def test_dose_at_the_samples_is_the_part_received():
    estimate = blood_dose_from_foci(
        samples((200, 220, 150)),
        SHAPE,
        repair_draws=draw_repair(PRIOR, 2000, np.random.default_rng(1)),
        rng=np.random.default_rng(1),
    )
    share = SHAPE.cumulative(TIMES) / SHAPE.integral()
    assert estimate.dose_at_sample_gy == pytest.approx(estimate.dose_gy[:, None] * share)
    assert estimate.interval_gy == pytest.approx(
        np.quantile(estimate.dose_gy, [0.05, 0.95]), rel=0.01
    )
    summary = estimate.to_dict()
    assert summary["dose_gy"] == np.median(estimate.dose_gy)
    assert summary["status"] == "ok"


def test_more_foci_more_dose():
    draws = draw_repair(PRIOR, 1000, np.random.default_rng(1))
    doses = [
        np.median(
            blood_dose_from_foci(
                samples((100 + x, 100 + x, 100 + x // 3)),
                SHAPE,
                repair_draws=draws,
                rng=np.random.default_rng(5),
            ).dose_gy
        )
        for x in (30, 60, 120, 240, 480)
    ]
    assert np.all(np.diff(doses) > 0)


def test_only_the_shape_of_the_dose_rate_counts():
    one, two = (
        blood_dose_from_foci(
            samples((200, 220, 150)),
            shape,
            repair_draws=fixed_repair(300),
            rng=np.random.default_rng(1),
        )
        for shape in (SHAPE, SHAPE.scaled(1000.0))
    )
    assert one.dose_gy == pytest.approx(two.dose_gy, rel=1e-9)


def test_shapes_with_draws():
    n = 400
    rng = np.random.default_rng(1)
    shape = SumOfExponentials(np.ones((n, 1)), rng.lognormal(np.log(0.1), 0.3, (n, 1)))
    estimate = blood_dose_from_foci(
        samples((200, 220, 150)), shape, repair_draws=draw_repair(PRIOR, n, rng), rng=rng
    )
    share = estimate.dose_at_sample_gy / estimate.dose_gy[:, None]
    assert share[:, 0].std() > 0  # the share received at 1 h differs between draws
    assert ((share > 0) & (share < 1)).all()


def test_nothing_above_the_baseline_leaves_the_lower_limit_to_the_prior():
    estimate = blood_dose_from_foci(
        samples((100, 101, 99)),
        SHAPE,
        repair_draws=draw_repair(PRIOR, 500, np.random.default_rng(1)),
        rng=np.random.default_rng(1),
    )
    assert "no dose is excluded downwards" in estimate.status
    saturated = blood_dose_from_foci(
        samples((90_000, 90_000, 90_000)),
        SHAPE,
        repair_draws=fixed_repair(200),
        rng=np.random.default_rng(1),
    )
    assert "upwards" in saturated.status


def test_few_draws_are_reported():
    estimate = blood_dose_from_foci(
        samples((200, 220, 150)),
        SHAPE,
        repair_draws=draw_repair(PRIOR, 50, np.random.default_rng(1)),
        rng=np.random.default_rng(1),
    )
    assert "too few effective draws" in estimate.status


def test_a_missing_baseline_is_said():
    draws = draw_repair(PRIOR, 500, np.random.default_rng(1))
    arguments = {"repair_draws": draws, "rng": np.random.default_rng(1)}
    without = blood_dose_from_foci(samples((200, 220, 150))[1:], SHAPE, **arguments)
    within = blood_dose_from_foci(samples((200, 220, 150)), SHAPE, **arguments)
    assert any("no baseline" in words for words in without.assumptions)
    assert not any("no baseline" in words for words in within.assumptions)


def test_what_cannot_give_a_dose_is_refused():
    arguments = {"repair_draws": fixed_repair(10), "rng": np.random.default_rng(1)}
    after = samples((200, 220, 150))
    with pytest.raises(FociError, match="no sample after"):
        blood_dose_from_foci(after[:1], SHAPE, **arguments)
    with pytest.raises(FociError, match="one cycle"):
        blood_dose_from_foci([*after, FociSample(2, 1.0, 100, 20)], SHAPE, **arguments)
    with pytest.raises(FociError, match="integral"):
        blood_dose_from_foci(after, SumOfExponentials([1.0], [0.0]), **arguments)
    with pytest.raises(FociError, match="level"):
        blood_dose_from_foci(after, SHAPE, level=1.5, **arguments)
    with pytest.raises(FociError, match="low_gy"):
        DosePrior(1.0, 0.5)
    with pytest.raises(FociError, match="kind"):
        DosePrior(0.1, 0.5, "flat")


def test_agreement_of_two_log_normals():
    rng = np.random.default_rng(1)
    physical, foci = rng.lognormal(-3.0, 0.2, 20_000), rng.lognormal(-2.5, 0.3, 30_000)
    result = agreement(physical, foci)
    exact = stats.norm(0.5, np.hypot(0.2, 0.3))
    assert np.log(result.ratio) == pytest.approx(0.5, abs=0.01)
    assert np.log(result.interval) == pytest.approx(exact.ppf([0.05, 0.95]), abs=0.02)
    assert result.p_value == pytest.approx(2 * exact.cdf(0), abs=0.01)
    assert result.status == "consistent"
    assert agreement(foci, physical).p_value == pytest.approx(result.p_value, abs=1e-3)
    assert "less dose" in agreement(foci * 3, physical).status
    assert result.to_dict()["ratio"] == result.ratio


def test_equal_doses_agree():
    assert agreement([1.0, 1.0], [1.0]).p_value == 1.0


def test_agreement_refuses_impossible_doses():
    with pytest.raises(FociError, match="positive"):
        agreement([1.0], [0.0])
    with pytest.raises(FociError, match="level"):
        agreement([1.0], [1.0], level=0.0)


def simulated(rng, *, dispersion):
    """True dose and samples of one virtual patient drawn from the prior."""
    truth = draw_repair(PRIOR, 1, rng)
    dose = float(np.exp(rng.normal(np.log(0.1), np.log(10.0) / 1.959964)))
    mean = predict_foci(SHAPE.scaled(dose / SHAPE.integral()), (0.0, *TIMES), truth)[0]

    def count(m):
        if dispersion == 1:
            return int(rng.poisson(200 * m))
        return int(rng.negative_binomial(200 * m / (dispersion - 1), 1 / dispersion))

    return dose, [
        FociSample(1, t, 200, count(m)) for t, m in zip((-1.0, *TIMES), mean, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", [1.0, 1.5])
def test_simulate_and_recover_the_dose(dispersion):
    rng = np.random.default_rng(21)
    prior = DosePrior(0.01, 1.0, "log_normal")  # the prior the patients are drawn from
    n, inside, rank = 400, 0, []
    for _ in range(n):
        dose, counted = simulated(rng, dispersion=dispersion)
        draws = draw_repair(PRIOR, 1000, rng)
        estimate = blood_dose_from_foci(
            counted,
            SHAPE,
            repair_draws=draws,
            rng=rng,
            prior=prior,
            dispersion=dispersion,
            level=0.95,
        )
        inside += estimate.interval_gy[0] < dose < estimate.interval_gy[1]
        rank.append((estimate.dose_gy < dose).mean())
    assert 0.92 < inside / n < 0.98
    assert stats.kstest(rank, "uniform").pvalue > 0.005
