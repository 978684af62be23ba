import numpy as np
import pytest
from scipy import stats

from foci import FociError, FociSample, RepairModel, draw_repair, eberlein_2015, update_draws
from foci.patient_dose.joint import joint_estimate
from foci.sample_dose.intervals import central_interval, effective_number
from kinetics import SumOfExponentials

PRIOR = RepairModel(eberlein_2015())
TIMES = (1.0, 24.0)


def physical(rng, n=1000):
    """Blood dose rate of one cycle: 0.1 Gy known to 40 %."""
    dose = rng.lognormal(np.log(0.1), 0.4, n)
    return {1: SumOfExponentials(dose[:, None] * [0.3, 0.01], [[0.5, 0.025]])}


COUNTS = {
    1: [FociSample(1, 24.0, 100, 45), FociSample(1, -1.0, 100, 22), FociSample(1, 1.0, 100, 95)]
}


def test_joint_estimate_is_the_update_with_its_doses():
    curves = physical(np.random.default_rng(1))
    joint = joint_estimate(curves, COUNTS, PRIOR, rng=np.random.default_rng(2))
    update = update_draws(curves, COUNTS, PRIOR, rng=np.random.default_rng(2))
    assert np.array_equal(joint.update.indices, update.indices)
    assert joint.dose_gy[1] == pytest.approx(curves[1].integral()[update.indices])
    frame = joint.to_frame().set_index("quantity")
    assert list(frame.index) == [
        "blood dose of cycle 1",
        "induction",
        "repair rate 1",
        "background of cycle 1",
    ]
    assert (frame["low"] < frame["median"]).all()
    assert (frame["median"] < frame["high"]).all()
    assert frame.loc["induction", "median"] == np.median(update.repair.induction_per_gy)
    samples = joint.samples_frame()
    assert list(samples["time_h"]) == list(TIMES)  # in order of time
    assert samples["per_cell"].tolist() == pytest.approx([0.95, 0.45])
    assert ((samples["p_value"] > 0.01) & (samples["p_value"] <= 1)).all()
    assert [row.sample for row in joint.worth] == [
        "all",
        "cycle 1, baseline",
        "cycle 1, 1 h",
        "cycle 1, 24 h",
    ]
    assert len(joint.worth_frame()) == 4
    summary = joint.to_dict()
    assert summary["status"] == joint.status
    assert summary["sample_p_values"] == {1: samples["p_value"].tolist()}


def test_p_values_of_samples_find_the_odd_one():
    curves = physical(np.random.default_rng(3))
    odd = {1: [*COUNTS[1], FociSample(1, 3.0, 100, 900)]}
    update = update_draws(curves, odd, PRIOR, rng=np.random.default_rng(4))
    p_values = update.sample_p_values[1]
    assert p_values.argmin() == 1  # 1 h, 3 h, 24 h
    assert p_values[1] < 0.01 < min(p_values[0], p_values[2])
    only = update_draws(curves, {1: [odd[1][-1], odd[1][1]]}, PRIOR, rng=np.random.default_rng(5))
    assert only.sample_p_values[1][0] == pytest.approx(only.prior_predictive_p)


def test_each_sample_may_have_its_own_dispersion():
    curves = physical(np.random.default_rng(6), 3000)
    arguments = {"rng": np.random.default_rng(7), "n_draws": 3000}
    common = update_draws(curves, COUNTS, PRIOR, dispersion=1.5, **arguments)
    each = update_draws(curves, COUNTS, PRIOR, dispersion={1: [1.5] * 3}, **arguments)
    blurred = update_draws(curves, COUNTS, PRIOR, dispersion={1: [1.0, 1.0, 40.0]}, **arguments)
    sharp = update_draws(curves, COUNTS, PRIOR, **arguments)
    dose = curves[1].integral()
    mean, sd = (
        [f(dose[u.indices]) for u in (common, each, blurred, sharp)] for f in (np.mean, np.std)
    )
    assert mean[0] == pytest.approx(mean[1], rel=0.03)
    assert sd[0] == pytest.approx(sd[1], rel=0.1)
    assert sd[2] > 1.2 * sd[3]  # the early sample counts for little
    assert any("1 to 40" in words for words in blurred.assumptions)
    with pytest.raises(FociError, match="one for each of 3"):
        update_draws(curves, COUNTS, PRIOR, dispersion={1: [1.0, 2.0]}, **arguments)


def test_few_distinct_doses_are_said():
    rng = np.random.default_rng(8)
    curves = physical(rng, 200)
    sharp = {1: [FociSample(1, -1.0, 5000, 1000), FociSample(1, 0.5, 50_000, 40_000)]}
    narrow = RepairModel(eberlein_2015(slope_cv=0.0), rate_log_sd=(0.01,), induction_cv=0.01)
    update = update_draws(curves, sharp, narrow, rng=rng)
    assert "distinct dose draws" in update.status
    assert update.distinct_doses == effective_number(update.indices) < 40


def test_intervals_of_few_draws_hold_their_level():
    rng = np.random.default_rng(9)
    for k in (20, 60, 200):
        draws = rng.standard_normal((20_000, k))
        plain = np.quantile(draws, [0.05, 0.95], axis=1)
        kept = np.array([central_interval(row, 0.9) for row in draws[:4000]])
        content = stats.norm.cdf(kept[:, 1]) - stats.norm.cdf(kept[:, 0])
        assert content.mean() == pytest.approx(0.9, abs=4 * content.std() / np.sqrt(4000))
        lost = np.mean(stats.norm.cdf(plain[1]) - stats.norm.cdf(plain[0]))
        assert lost == pytest.approx(0.9 * (k - 1) / (k + 1), abs=0.1 / k)
    assert effective_number([1, 1, 2, 2]) == 2
    assert central_interval([3.0], 0.95) == (3.0, 3.0)
    with pytest.raises(FociError, match="at least one"):
        central_interval([], 0.9)
    with pytest.raises(FociError, match="level"):
        central_interval([1.0], 1.0)


def test_without_samples_the_dose_is_that_of_the_dosimetry():
    curves = physical(np.random.default_rng(10))
    joint = joint_estimate(curves, {}, PRIOR, rng=np.random.default_rng(11))
    assert np.array_equal(joint.dose_gy[1], joint.physical_dose_gy[1])
    assert joint.worth == ()
    assert "unchanged" in joint.status
    assert joint.samples_frame().empty
    endless = {1: SumOfExponentials(np.ones((5, 1)), [[0.0]])}
    with pytest.raises(FociError, match="finite integral"):
        joint_estimate(endless, {}, PRIOR, rng=np.random.default_rng(1))
    with pytest.raises(FociError, match="level"):
        joint_estimate(curves, {}, PRIOR, rng=np.random.default_rng(1), level=0.0)


def joint_coverage(n, cells, dispersion, seed):
    """Share of 95 % intervals of dose, induction and repair that hold the truth."""
    rng = np.random.default_rng(seed)
    inside = np.zeros(3)
    for _ in range(n):
        dose = rng.lognormal(np.log(0.1), 0.4)
        truth = draw_repair(PRIOR, 1, rng)
        shape = SumOfExponentials([0.3, 0.01], [0.5, 0.025])
        excess = truth.induction_per_gy * shape.scaled(dose).convolved(
            truth.repair_rate_per_h[:, 0], TIMES
        )
        mean = cells * (rng.gamma(0.5, 0.6) + np.array([0.0, *excess.ravel()]))
        foci = (
            rng.poisson(mean)
            if dispersion == 1
            else rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
        )
        samples = {
            1: [FociSample(1, t, cells, int(x)) for t, x in zip((-1.0, *TIMES), foci, strict=True)]
        }
        joint = joint_estimate(
            physical(rng), samples, PRIOR, rng=rng, dispersion=dispersion, with_worth=False
        )
        limits = joint.to_frame().set_index("quantity")[["low", "high"]].to_numpy()
        actual = [
            dose * float(shape.integral()),
            float(truth.induction_per_gy[0]),
            float(truth.repair_rate_per_h[0, 0]),
        ]
        inside += (limits[:3, 0] < actual) & (actual < limits[:3, 1])
    return inside / n


@pytest.mark.slow
@pytest.mark.parametrize("cells", [50, 1000])
def test_coverage_of_the_joint_estimate(cells):
    found = joint_coverage(400, cells, 1.0, [51, cells])
    assert np.all((found > 0.92) & (found < 0.98)), found


@pytest.mark.slow
def test_coverage_of_the_joint_estimate_with_overdispersed_counts():
    found = joint_coverage(400, 200, 1.5, 52)
    assert np.all((found > 0.92) & (found < 0.98)), found
