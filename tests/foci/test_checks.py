"""Arguments that are no numbers, out of range or of the wrong shape end in a FociError."""

import numpy as np
import pytest

from foci import (
    Counting,
    DosePrior,
    FociError,
    FociSample,
    PlannedSample,
    RepairModel,
    calibration_line,
    central_interval,
    detection_limits,
    detection_power,
    dose_from_curve,
    dose_posterior,
    fit_calibration,
    fit_repair_means,
    index_test,
    log_likelihood,
    planned_worth,
    update_draws,
)
from foci.calibration import CalibrationCurve
from foci.checks import check_share, check_whole, number, numbers
from foci.cytogenetics import AberrationCounts, mixed_poisson_doses, whole_body_dose
from kinetics import SumOfExponentials

LINE = calibration_line(14.7, 0.7, intercept_per_cell=0.2, intercept_sd=0.02)
SATURATING = CalibrationCurve(np.array([0.2, 14.0, -5.0]), np.diag([1e-4, 0.5, 0.5]))
SAMPLE, BASELINE = FociSample(1, 1.0, 100, 45), FociSample(1, -1.0, 100, 20)
RATE = {1: SumOfExponentials(np.linspace(0.02, 0.08, 60)[:, None], [[0.5]])}


def test_numbers_are_read_and_others_refused():
    assert numbers([1, 2.5], "x").tolist() == [1.0, 2.5]
    assert number(np.array(3), "x") == 3.0
    for wrong in ("2", ["a"], [[1], [1, 2]], {"a": 1}):
        with pytest.raises(FociError, match="x must be numbers"):
            numbers(wrong, "x")
    with pytest.raises(FociError, match="single"):
        number([1.0], "x")


@pytest.mark.parametrize("value", [0, 1, -0.1, np.nan, np.inf, "0.5", None])
def test_shares_lie_between_the_ends(value):
    with pytest.raises(FociError, match="level must"):
        check_share(value, "level")
    check_share(0.5, "level")


@pytest.mark.parametrize("value", [0, -1, 1.5, np.nan, np.inf, "3", [3]])
def test_whole_numbers(value):
    with pytest.raises(FociError, match="cells must"):
        check_whole(value, "cells")
    check_whole(3.0, "cells")


@pytest.mark.parametrize(
    "call",
    [
        lambda: FociSample("x", 1.0, 10, 2),
        lambda: FociSample(1.5, 1.0, 10, 2),
        lambda: FociSample(1, "x", 10, 2),
        lambda: FociSample(1, 1.0, "x", 2),
        lambda: FociSample(1, 1.0, 10, None),
        lambda: FociSample(1, 1.0, 10, 2, ("a", 2)),
        lambda: calibration_line("x", 1.0),
        lambda: CalibrationCurve("abc", np.eye(2)),
        lambda: calibration_line(1.0, np.nan),
        lambda: dose_from_curve(SAMPLE, LINE, level="x"),
        lambda: dose_from_curve(SAMPLE, LINE, dispersion="2"),
        lambda: dose_posterior(SAMPLE, LINE, dispersion="x"),
        lambda: dose_posterior(SAMPLE, LINE).quantile_gy("x"),
        lambda: central_interval([np.nan, 1.0], 0.9),
        lambda: DosePrior("a", "b"),
        lambda: fit_calibration(["a", "b"], [1, 2], [1, 2]),
        lambda: fit_calibration([0, 1], [10, 10], [1, 5], distributions=[(9, 1), ("a", 1)]),
        lambda: detection_limits(BASELINE, "x"),
        lambda: detection_power([0.1, np.nan], LINE, Counting(0.2), cells=100),
        lambda: Counting(0.2, baseline_cells=10.5),
        lambda: index_test("abc"),
        lambda: log_likelihood([1, 2], [1, 2, 3], 1.0),
        lambda: log_likelihood(1, 1, np.nan),
        lambda: log_likelihood(-1, 1, 1.0),
        lambda: PlannedSample(1, 1.0, np.nan),
        lambda: update_draws(
            RATE, {1: [SAMPLE]}, RepairModel(LINE), rng=np.random.default_rng(1), dispersion={2: 1}
        ),
        lambda: fit_repair_means([0, 4, 24], [0.7, 0, 0], dose_gy=0.05, irradiation_h=1.0),
        lambda: fit_repair_means([0, 4, 24], [-0.1, -0.2, -0.1], dose_gy=0.05, irradiation_h=1.0),
        lambda: fit_repair_means([0, 4, 24], [1.0, 1.0, 1.0], dose_gy=0.05, irradiation_h=1.0),
        lambda: mixed_poisson_doses(AberrationCounts(9, 5, (6, 1, 2)), LINE, level=2.0),
    ],
)
def test_impossible_arguments_are_refused(call):
    with pytest.raises(FociError):
        call()


@pytest.mark.parametrize(
    "field",
    [
        {"repair_rate_per_h": (np.nan,)},
        {"rate_log_sd": (np.inf,)},
        {"fraction": (np.nan,)},
        {"induction_cv": np.nan},
        {"calibration_rate_per_h": np.inf},
        {"calibration_rate_sd_per_h": np.nan},
        {"background_shape": np.nan},
        {"background_mean_per_cell": np.inf},
        {"repair_rate_per_h": ("a",)},
    ],
    ids=lambda field: f"{next(iter(field.items()))}",
)
def test_a_repair_prior_needs_finite_numbers(field):
    with pytest.raises(FociError):
        RepairModel(LINE, **field)


def test_a_planned_sample_cannot_be_less_than_poisson():
    rng = np.random.default_rng(1)
    update = update_draws(RATE, {1: [BASELINE]}, RepairModel(LINE), rng=rng)
    with pytest.raises(FociError, match="dispersion"):
        planned_worth(update, RATE, [PlannedSample(1, 2.0, 100)], rng=rng, dispersion=0.5)


def test_whole_numbers_as_bounds_of_a_prior_are_those_numbers():
    whole = dose_posterior(SAMPLE, LINE, prior=DosePrior(0, 100, "uniform"))
    same = dose_posterior(SAMPLE, LINE, prior=DosePrior(0.0, 100.0, "uniform"))
    assert np.isfinite(whole.median_gy)
    assert whole.median_gy == same.median_gy


def test_power_is_refused_where_the_curve_falls():
    assert detection_power(1.0, SATURATING, Counting(0.2), cells=100) > 0.99
    with pytest.raises(FociError, match=r"falls above 1\.4"):
        detection_power([1.0, 2.0], SATURATING, Counting(0.2), cells=100)


def test_no_aberration_on_a_curve_without_slope_at_zero():
    curve = CalibrationCurve(np.array([0.001, 0.0, 0.06]), np.diag([1e-7, 0.0, 1e-5]))
    dose = whole_body_dose(AberrationCounts(100, 0, (100,)), curve)
    assert dose.per_cell_interval == (0.0, 0.0)
    assert "no focus" in dose.status or "not above" in dose.status


def test_two_doses_that_the_counts_do_not_show():
    mixed = mixed_poisson_doses(AberrationCounts.from_distribution((99, 0, 1)), LINE)
    assert "no peak" in mixed.status
    assert np.isnan(mixed.dose_sd_gy).all()
