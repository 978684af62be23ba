import numpy as np
import pytest
from scipy import stats

from foci import FociError, FociSample, RepairModel, calibration_line, draw_repair, eberlein_2015
from foci.repair.prior import background_at
from radiobio.damage.dsb import foci_after_irradiation


def test_calibration_is_corrected_for_repair_exactly_once():
    # foci at the end of the calibration irradiation give the calibration slope back
    line = calibration_line(14.7, 0.0, irradiation_h=2.0)
    prior = RepairModel(line, rate_log_sd=(0.0,), induction_cv=0.0, calibration_rate_sd_per_h=0.0)
    draws = draw_repair(prior, 3, np.random.default_rng(1))
    seen = foci_after_irradiation(
        2.0,
        dose_gy=1.0,
        irradiation_h=2.0,
        induction_per_gy=draws.induction_per_gy,
        repair_rate_per_h=draws.repair_rate_per_h,
    )
    assert seen == pytest.approx(14.7, rel=1e-12)
    assert draws.induction_per_gy == pytest.approx(14.7 * 0.5 / (1 - np.exp(-0.5)), rel=1e-12)


def test_no_time_to_repair_needs_no_correction():
    prior = RepairModel(calibration_line(14.7, 0.0, irradiation_h=0.0), induction_cv=0.0)
    draws = draw_repair(prior, 5, np.random.default_rng(1))
    assert draws.induction_per_gy == pytest.approx(14.7, rel=1e-12)


def test_draws_have_the_moments_asked_for():
    prior = RepairModel(
        eberlein_2015(),
        repair_rate_per_h=(0.6, 0.02),
        rate_log_sd=(0.5, 0.3),
        fraction=(0.96, 0.04),
    )
    draws = draw_repair(prior, 200_000, np.random.default_rng(2))
    assert len(draws) == 200_000
    assert draws.repair_rate_per_h.shape == (200_000, 2)
    log_rate = np.log(draws.repair_rate_per_h)
    assert np.exp(log_rate.mean(0)) == pytest.approx([0.6, 0.02], rel=0.01)
    assert log_rate.std(0) == pytest.approx([0.5, 0.3], rel=0.01)
    # slope 10 %, patient 15 %, correction for 1 h of repair at 0.25 +- 0.05 /h about 2.5 %
    spread = draws.induction_per_gy.std() / draws.induction_per_gy.mean()
    assert spread == pytest.approx(np.sqrt(0.1**2 + 0.15**2 + 0.0225**2 + 0.015**2), rel=0.03)
    assert draws.background_per_cell.mean() == pytest.approx(0.3, rel=0.02)


def test_background_is_the_gamma_posterior():
    baseline = [FociSample(1, -2.0, 100, 22), FociSample(1, -1.0, 50, 8)]
    standardised = np.random.default_rng(3).standard_normal(100_000)
    draws = background_at(standardised, baseline)
    exact = stats.gamma(30.5, scale=1 / (150 + 0.5 / 0.3))
    assert stats.kstest(draws, exact.cdf).pvalue > 0.001
    wide = background_at(standardised, baseline, dispersion=4.0)
    assert wide.std() == pytest.approx(2 * draws.std(), rel=0.05)


def test_what_is_assumed_is_said():
    prior = RepairModel(eberlein_2015())
    rng = np.random.default_rng(1)
    without = draw_repair(prior, 10, rng)
    within = draw_repair(prior, 10, rng, baseline=[FociSample(1, -1.0, 100, 20)])
    assert any("log-normal about 0.25 /h" in words for words in without.assumptions)
    assert any("no baseline sample" in words for words in without.background_assumptions)
    assert within.background_assumptions == ()


def test_same_seed_same_draws():
    prior = RepairModel(eberlein_2015())
    one, two = (draw_repair(prior, 50, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(one.induction_per_gy, two.induction_per_gy)
    assert np.array_equal(one.background_per_cell, two.background_per_cell)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fraction": (0.5, 0.5)}, "one value per pool"),
        ({"fraction": (0.9,)}, "sum to one"),
        ({"repair_rate_per_h": (0.0,)}, "rates must be positive"),
        ({"induction_cv": -0.1}, "zero or positive"),
        ({"background_shape": 0.0}, "background"),
    ],
)
def test_impossible_priors_are_refused(fields, words):
    with pytest.raises(FociError, match=words):
        RepairModel(eberlein_2015(), **fields)


def test_draws_must_be_asked_for():
    with pytest.raises(FociError, match="n_draws"):
        draw_repair(RepairModel(eberlein_2015()), 0, np.random.default_rng(1))


def test_coordinates_are_checked():
    with pytest.raises(FociError, match=r"shape \(n, 5\)"):
        RepairModel(eberlein_2015()).at(np.zeros((3, 4)))
