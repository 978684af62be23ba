from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from foci import FociError, FociSample, dose_from_curve
from foci.calibration import CalibrationCurve, calibration_line
from foci.calibration.dose_sets import band_turning_dose, falling_dose, rising_dose
from foci.counting.poisson_limits import garwood_limits
from foci.sample_dose.merkle import merkle_dose

REFERENCE = Path(__file__).parents[2] / "reference"
CASES = {"partial1": (302, 28, 22, 8, 1), "partial2": (160, 55, 19, 17, 9, 4)}
LINE = calibration_line(14.7, 0.9, intercept_per_cell=0.2, intercept_sd=0.02, covariance=-0.006)
DICENTRICS = CalibrationCurve(
    np.array([1.28031901e-3, 2.10387243e-2, 6.30325340e-2]),
    np.array(
        [
            [4.7140e-4**2, -9.948764e-7, 4.379821e-7],
            [-9.948764e-7, 5.15761e-3**2, -1.510488e-5],
            [4.379821e-7, -1.510488e-5, 4.00738e-3**2],
        ]
    ),
    max_dose_gy=5.0,
)


def published(kind):
    frame = pd.read_csv(REFERENCE / "foci_biodosetools.csv")
    return [row for _, row in frame[frame.method.str.startswith(kind)].iterrows()]


def agrees(values, row):
    assert tuple(values) == pytest.approx(
        (row["lower"], row["estimate"], row["upper"]), abs=row["tolerance"]
    )


def sample_of(row):
    return FociSample.from_distribution(CASES[row["case"]], cycle=1, time_h=1.0)


@pytest.mark.parametrize("row", published("delta"), ids=lambda r: f"{r['case']}-{r['quantity']}")
def test_published_delta_doses(row):
    dose = dose_from_curve(sample_of(row), DICENTRICS, count_variance="empirical")
    z = stats.norm.ppf(0.975)
    values = {
        "per_cell": dose.per_cell + dose.per_cell_sd * np.array([-z, 0, z]),
        "dose_gy": (dose.delta_interval_gy[0], dose.dose_gy, dose.delta_interval_gy[1]),
    }
    agrees(values[row["quantity"]], row)


@pytest.mark.parametrize(
    "row", published("merkle"), ids=lambda r: f"{r['method']}-{r['case']}-{r['quantity']}"
)
def test_published_merkle_doses(row):
    dose = merkle_dose(
        sample_of(row),
        DICENTRICS,
        count_level=0.83,
        curve_level=0.83,
        dispersed=row["method"] == "merkle-dispersed",
    )
    low, high = {"per_cell": dose.per_cell_interval, "dose_gy": dose.interval_gy}[row["quantity"]]
    agrees((low, getattr(dose, row["quantity"]), high), row)
    assert dose.status == "ok"


def test_fieller_limits_solve_their_equation():
    sample = FociSample(1, 1.0, 200, 190)
    dose = dose_from_curve(sample, LINE, level=0.9)
    z = stats.norm.ppf(0.95)
    for limit in dose.fieller_interval_gy:
        gap = sample.per_cell - 0.2 - 14.7 * limit
        variance = 190 / 200**2 + 0.02**2 + 0.9**2 * limit**2 + 2 * limit * -0.006
        assert gap**2 == pytest.approx(z**2 * variance, rel=1e-9)
    assert dose.g == pytest.approx((z * 0.9 / 14.7) ** 2)
    assert dose.fieller_interval_gy[0] < dose.dose_gy < dose.fieller_interval_gy[1]
    assert dose.to_dict()["status"] == "ok"


def test_delta_sd_by_simulation():
    rng = np.random.default_rng(2)
    line = rng.multivariate_normal(LINE.coefficients, LINE.covariance, 400_000)
    dose = (rng.poisson(400, 400_000) / 400 - line[:, 0]) / line[:, 1]
    result = dose_from_curve(FociSample(1, 1.0, 400, 400), LINE)
    assert result.sd_gy == pytest.approx(dose.std(), rel=0.02)


def test_delta_sd_of_a_linear_quadratic_curve_by_simulation():
    rng = np.random.default_rng(3)
    c, a, b = rng.multivariate_normal(DICENTRICS.coefficients, DICENTRICS.covariance, 400_000).T
    y = rng.poisson(500, 400_000) / 1000
    dose = (-a + np.sqrt(a**2 + 4 * b * (y - c))) / (2 * b)
    result = dose_from_curve(FociSample(1, 1.0, 1000, 500), DICENTRICS)
    assert result.dose_gy == pytest.approx(np.median(dose), rel=2e-3)
    assert result.sd_gy == pytest.approx(dose.std(), rel=0.02)


def test_dispersion_and_the_empirical_variance():
    sample = FociSample.from_distribution((120, 40, 20, 12, 8), cycle=1, time_h=1.0)
    cells = np.repeat(np.arange(5), sample.distribution)
    empirical = dose_from_curve(sample, LINE, count_variance="empirical")
    assert empirical.per_cell_sd == pytest.approx(cells.std(ddof=1) / np.sqrt(len(cells)))
    index = cells.var(ddof=1) / cells.mean()
    given = dose_from_curve(sample, LINE, dispersion=index)
    assert given.sd_gy == pytest.approx(empirical.sd_gy)
    # an index below one is not taken
    even = FociSample.from_distribution((10, 180, 10), cycle=1, time_h=1.0)
    poisson = dose_from_curve(even, LINE)
    assert dose_from_curve(even, LINE, count_variance="empirical").sd_gy == poisson.sd_gy
    assert poisson.per_cell_sd == pytest.approx(np.sqrt(200) / 200)


def test_baseline_replaces_the_intercept():
    sample, baseline = FociSample(1, 1.0, 200, 190), FociSample(1, -1.0, 100, 50)
    own = dose_from_curve(sample, LINE, baseline=baseline)
    assert own.dose_gy == pytest.approx((0.95 - 0.5) / 14.7)
    variance = 190 / 200**2 + 50 / 100**2 + (0.9 * own.dose_gy) ** 2
    assert own.sd_gy == pytest.approx(np.sqrt(variance) / 14.7)
    low, high = own.fieller_interval_gy
    assert low < own.dose_gy < high
    assert dose_from_curve(baseline, LINE, baseline=sample).status.startswith("the count is not")
    merkle = merkle_dose(sample, LINE, baseline=baseline)
    assert merkle.dose_gy == pytest.approx(own.dose_gy)
    assert merkle.interval_gy[0] < low < high < merkle.interval_gy[1]


def test_a_slope_that_may_be_zero_has_no_fieller_interval():
    result = dose_from_curve(FociSample(1, 1.0, 200, 190), calibration_line(14.7, 8.0))
    assert result.fieller_interval_gy is None
    assert "unbounded" in result.status
    assert np.isinf(result.fieller_set_gy).any()
    assert result.g > 1


def test_counts_below_the_intercept():
    low = FociSample(1, 1.0, 400, 60)
    line = dose_from_curve(low, LINE)
    assert line.dose_gy == pytest.approx((0.15 - 0.2) / 14.7)
    assert line.status == "the count is not above the zero-dose level"
    assert merkle_dose(low, LINE).interval_gy[0] == 0
    curve = CalibrationCurve(np.array([0.2, 10.0, 4.0]), np.diag([1e-4, 0.04, 0.01]))
    bent = dose_from_curve(FociSample(1, 1.0, 400, 70), curve)
    assert bent.dose_gy == pytest.approx(-0.025 / 10)
    assert bent.fieller_set_gy[0][0] == 0
    # far below: no dose agrees
    none = dose_from_curve(FociSample(1, 1.0, 100_000, 5_000), curve)
    assert none.fieller_set_gy == ()
    assert "no dose agrees" in none.status
    assert merkle_dose(FociSample(1, 1.0, 100_000, 5_000), curve).interval_gy is None


def test_no_focus_at_all():
    result = dose_from_curve(FociSample(1, 1.0, 100, 0), LINE)
    assert "no focus was counted" in result.status
    exact = merkle_dose(FociSample(1, 1.0, 100, 0), LINE)
    assert exact.per_cell_interval == (0.0, pytest.approx(-np.log(0.025) / 100))


SATURATING = CalibrationCurve(
    np.array([0.2, 10.0, -2.0]), np.diag([1e-4, 0.01, 1e-3]), max_dose_gy=4.0
)


def test_a_count_that_two_doses_explain():
    sample = FociSample(1, 1.0, 500, round(500 * float(SATURATING.mean_per_cell(1.0))))
    found = dose_from_curve(sample, SATURATING)
    assert found.dose_gy == pytest.approx(1.0, rel=1e-3)
    assert "the curve turns down at 2.5 Gy" in found.status
    assert "4 Gy would give the same count" in found.status
    assert found.fieller_interval_gy is None
    (a, b), (c, d) = found.fieller_set_gy
    assert a < 1 < b < 2.5 < c < 4 < d
    merkle = merkle_dose(sample, SATURATING)
    assert len(merkle.doses_gy) == 2
    assert merkle.doses_gy[1][0] < 4 < merkle.doses_gy[1][1]


def test_a_count_above_the_whole_curve():
    found = dose_from_curve(FociSample(1, 1.0, 100, 2000), SATURATING)
    assert np.isnan(found.dose_gy)
    assert "no dose gives 20 per cell" in found.status


def test_a_dose_beyond_the_calibration():
    found = dose_from_curve(FociSample(1, 1.0, 100, 400), DICENTRICS)
    assert found.dose_gy > 5
    assert "beyond the calibrated range of 5 Gy" in found.status


def test_a_lower_band_that_turns_down_leaves_the_dose_open():
    # the quadratic coefficient may be negative: at high dose the lower band falls
    curve = CalibrationCurve(np.array([0.2, 10.0, 0.5]), np.diag([1e-4, 0.25, 4.0]))
    found = dose_from_curve(FociSample(1, 1.0, 200, 4000), curve)
    assert found.fieller_interval_gy is None
    assert "lower confidence band turns down at" in found.status
    assert found.fieller_set_gy[-1][1] == np.inf
    words = found.status.split("turns down at ")[1]
    assert float(words.split(" Gy")[0]) == pytest.approx(turning_by_grid(curve, 1.959964), rel=0.01)


def turning_by_grid(curve, width, highest=50.0):
    dose = np.linspace(0, highest, 200_001)
    low = curve.mean_per_cell(dose) - width * curve.sd_per_cell(dose)
    falls = np.diff(low) < 0
    return float(dose[falls.argmax()]) if falls.any() else float("inf")


@pytest.mark.parametrize("seed", range(8))
def test_turn_of_the_band_and_sets_against_a_grid(seed):
    rng = np.random.default_rng(seed)
    coefficients = np.array([0.2, rng.uniform(2, 15), rng.uniform(-1.5, 3)])
    root = rng.normal(size=(3, 3)) * np.array([0.03, 0.8, 0.6])[:, None]
    curve = CalibrationCurve(coefficients, root @ root.T / 3)
    turn = band_turning_dose(curve.coefficients, curve.covariance, 1.5)
    by_grid = turning_by_grid(curve, 1.5)
    assert turn == pytest.approx(by_grid, abs=1e-3) or min(turn, by_grid) > 49
    sample = FociSample(1, 1.0, 100, int(rng.integers(20, 900)))
    dose = np.linspace(0.0, 40.0, 40_001)
    gap = np.abs(sample.per_cell - curve.mean_per_cell(dose))
    found = dose_from_curve(sample, curve)
    width = stats.norm.ppf(0.975) * np.hypot(found.per_cell_sd, curve.sd_per_cell(dose))
    check_set(found.fieller_set_gy, dose, gap <= width)
    merkle = merkle_dose(sample, curve)
    half = np.sqrt(stats.chi2.ppf(0.95, 3)) * curve.sd_per_cell(dose)
    low, high = merkle.per_cell_interval
    mean = curve.mean_per_cell(dose)
    check_set(merkle.doses_gy, dose, (mean - half <= high) & (mean + half >= low))


def check_set(intervals, dose, expected):
    inside = np.zeros(len(dose), dtype=bool)
    for low, high in intervals:
        inside |= (dose >= low) & (dose <= high)
    edges = sum(np.isfinite(limit) for interval in intervals for limit in interval)
    assert (inside != expected).sum() <= edges


def test_inverse_of_the_curve():
    for curve in (LINE, DICENTRICS, SATURATING):
        for dose in (0.0, 0.3, 2.0):
            mean = float(curve.mean_per_cell(dose))
            assert rising_dose(curve.coefficients, mean) == pytest.approx(dose, abs=1e-12)
    second = falling_dose(SATURATING.coefficients, float(SATURATING.mean_per_cell(0.4)))
    assert SATURATING.mean_per_cell(second) == pytest.approx(SATURATING.mean_per_cell(0.4))
    assert second > 2.5
    assert np.isnan(falling_dose(LINE.coefficients, 1.0))
    purely_quadratic = np.array([0.1, 0.0, 2.0])
    assert rising_dose(purely_quadratic, 0.1 + 2 * 0.49) == pytest.approx(0.7)
    assert rising_dose(purely_quadratic, 0.05) == 0


@pytest.mark.parametrize("foci", [0, 1, 17, 400, 3.7])
def test_exact_limits_of_a_count(foci):
    low, high = garwood_limits(foci, 0.9)
    if foci == int(foci):
        assert stats.poisson.cdf(foci, high) == pytest.approx(0.05)
        if foci:
            assert stats.poisson.sf(foci - 1, low) == pytest.approx(0.05)
    assert low <= foci <= high


def test_exact_limits_of_a_difference_hold_what_they_claim():
    # exact summation over both counts, not a simulation
    n, n0, rate, rate0 = 60, 40, 0.9, 0.4
    x, x0 = np.arange(25, 90), np.arange(2, 40)
    covered = 0.0
    for count in x:
        for own in x0:
            found = merkle_dose(
                FociSample(1, 1.0, n, int(count)), LINE, baseline=FociSample(1, -1.0, n0, int(own))
            )
            low, high = found.per_cell_interval
            weight = stats.poisson.pmf(count, n * rate) * stats.poisson.pmf(own, n0 * rate0)
            covered += weight * (low <= rate - rate0 <= high)
    assert 0.945 < covered < 0.99


def test_limits_of_overdispersed_counts():
    sample = FociSample(1, 1.0, 200, 190)
    plain, wide = (merkle_dose(sample, LINE, dispersion=phi) for phi in (1.0, 3.0))
    width = [np.subtract(*dose.per_cell_interval[::-1]) for dose in (plain, wide)]
    assert width[1] / width[0] == pytest.approx(np.sqrt(3), rel=0.05)


def test_what_is_refused():
    sample = FociSample(1, 1.0, 200, 190)
    with pytest.raises(FociError, match="level"):
        dose_from_curve(sample, LINE, level=1.0)
    with pytest.raises(FociError, match="curve_level"):
        merkle_dose(sample, LINE, curve_level=0.0)
    with pytest.raises(FociError, match="needs the sample's distribution"):
        dose_from_curve(sample, LINE, count_variance="empirical")
    with pytest.raises(FociError, match="needs the sample's distribution"):
        merkle_dose(sample, LINE, dispersed=True)
    with pytest.raises(FociError, match="count_variance"):
        dose_from_curve(sample, LINE, count_variance="guess")
    with pytest.raises(FociError, match="dispersion"):
        dose_from_curve(sample, LINE, dispersion=0.2)


def test_the_status_of_the_curve_is_handed_on():
    doubtful = calibration_line(14.7, 0.7, status="doubtful")
    sample = FociSample(1, 1.0, 200, 190)
    assert dose_from_curve(sample, doubtful).status == "calibration: doubtful"
    assert merkle_dose(sample, doubtful).status == "calibration: doubtful"
