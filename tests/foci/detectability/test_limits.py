from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from foci import CalibrationCurve, FociError, FociSample, detection_limits, eberlein_2015
from foci.counting.conditional_test import critical_counts, p_values
from foci.counting.counts import p_value_against_baseline
from foci.detectability.limits import limit_doses

TABLE = pd.read_csv(Path(__file__).parents[2] / "reference" / "foci_limits.csv")
BASELINE = FociSample(1, -1.0, 100, 20)
LARGE = FociSample(1, -1.0, 500, 100)
# Barquinero 1995, Poisson fit
DICENTRICS = CalibrationCurve(
    np.array([1.28031901e-3, 2.10387243e-2, 6.30325340e-2]), np.zeros((3, 3))
)


@pytest.mark.parametrize("row", list(TABLE.itertuples()), ids=lambda row: f"{row.cells}")
def test_exact_limits_published(row):
    control = FociSample(1, -1.0, row.baseline_cells, row.baseline_foci)
    limits = detection_limits(control, row.cells, alpha=row.alpha, beta=row.beta)
    assert limits.threshold_foci == row.threshold_foci
    assert limits.detection_limit_foci == pytest.approx(row.detection_limit_foci, abs=6e-4)
    doses = limit_doses(limits, DICENTRICS, own_baseline=False)
    assert doses.threshold_dose_gy == pytest.approx(row.threshold_dose_gy, abs=5e-4)
    assert doses.detection_limit_dose_gy == pytest.approx(row.detection_limit_dose_gy, abs=5e-4)


@pytest.mark.parametrize(
    ("baseline", "method", "threshold_mgy", "limit_mgy"),
    [
        (BASELINE, "exact", 10.9, 16.2),  # 36 foci, 43.9 foci
        (BASELINE, "currie", 7.1, None),
        (LARGE, "exact", 7.5, None),  # 31 foci
        (LARGE, "currie", 5.5, None),
    ],
)
def test_doses_of_a_patient_baseline(baseline, method, threshold_mgy, limit_mgy):
    doses = limit_doses(detection_limits(baseline, 100, method=method), eberlein_2015())
    assert 1e3 * doses.threshold_dose_gy == pytest.approx(threshold_mgy, abs=0.05)
    if limit_mgy:
        assert 1e3 * doses.detection_limit_dose_gy == pytest.approx(limit_mgy, abs=0.05)


def test_limits_of_a_patient_baseline():
    exact = detection_limits(BASELINE, 100)
    assert (exact.threshold_foci + 1, exact.threshold_per_cell) == (36, pytest.approx(0.15))
    assert exact.significant_per_cell == pytest.approx(0.16)
    assert exact.detection_limit_foci == pytest.approx(43.9, abs=0.05)
    assert detection_limits(LARGE, 100).threshold_foci == 30
    currie = detection_limits(BASELINE, 100, method="currie")
    assert currie.threshold_per_cell == pytest.approx(0.104, abs=5e-4)


def test_currie_detection_limit_solves_its_equation():
    limits = detection_limits(BASELINE, 150, method="currie", beta=0.2, dispersion=1.7)
    variance = 1.7 * 0.2 * (1 / 150 + 1 / 100)
    assert limits.threshold_per_cell == pytest.approx(stats.norm.ppf(0.95) * variance**0.5)
    spread = (variance + 1.7 * limits.detection_limit_per_cell / 150) ** 0.5
    missed = (limits.threshold_per_cell - limits.detection_limit_per_cell) / spread
    assert stats.norm.cdf(missed) == pytest.approx(0.2, rel=1e-10)


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
@pytest.mark.parametrize(("cells", "before"), [(37, 91), (100, 100), (100, 500)])
def test_critical_counts_by_searching_one_by_one(alternative, cells, before):
    found = critical_counts(np.arange(40), cells, before, alpha=0.05, alternative=alternative)
    for x0 in range(0, 40, 3):
        control = FociSample(1, -1.0, before, x0)
        count = int(np.floor(control.per_cell * cells)) + 1
        while (
            p_value_against_baseline(
                FociSample(1, 0.0, cells, count), control, alternative=alternative
            )
            >= 0.05
        ):
            count += 1
        assert found[x0] == count


@pytest.mark.parametrize("alternative", ["two-sided", "greater"])
def test_overdispersed_conditional_test_against_the_beta_binomial(alternative):
    x1, x0, phi = np.array([40, 12, 7]), np.array([20, 8, 0]), 1.8
    p = p_values(x1, x0, 100, 150, alternative, phi)
    for i in range(3):
        total = x1[i] + x0[i]
        law = stats.betabinom(total, 0.4 * total / 0.8, 0.6 * total / 0.8)
        expected = law.sf(x1[i] - 1)
        if alternative == "two-sided":
            k = np.arange(int(0.4 * total) + 1)
            expected += law.pmf(k[law.pmf(k) <= law.pmf(x1[i])]).sum()
        assert p[i] == pytest.approx(expected, rel=1e-9)


def test_dispersion_raises_the_limits_and_keeps_the_missed_share():
    poisson, wide = (detection_limits(BASELINE, 100, dispersion=phi) for phi in (1.0, 2.0))
    assert wide.threshold_foci > poisson.threshold_foci
    mean = wide.detection_limit_foci
    assert stats.nbinom.cdf(wide.threshold_foci, mean, 0.5) == pytest.approx(0.1)
    assert "ASSUMED" in wide.assumptions[0]
    near = detection_limits(BASELINE, 100, dispersion=1 + 1e-6)
    assert near.threshold_foci == poisson.threshold_foci
    assert near.detection_limit_foci == pytest.approx(poisson.detection_limit_foci, rel=1e-4)


def test_several_baselines_are_pooled_and_compared():
    halves = [FociSample(1, -1.0, 250, 48), FociSample(1, -24.0, 250, 52)]
    limits = detection_limits(halves, 100)
    assert limits.status == "ok"
    assert limits.threshold_foci == detection_limits(LARGE, 100).threshold_foci
    apart = [FociSample(1, -1.0, 250, 20), FociSample(1, -24.0, 250, 80)]
    assert "differ" in detection_limits(apart, 100).status
    assert detection_limits(apart, 100, dispersion=10.0).status == "ok"


def test_limits_refuse_what_they_cannot_do():
    with pytest.raises(FociError, match="exact"):
        detection_limits(FociSample(1, -1.0, 100, 0), 100, method="currie")
    for cells in (0, 10.5, np.nan):
        with pytest.raises(FociError, match="cells"):
            detection_limits(BASELINE, cells)
    with pytest.raises(FociError, match="alpha"):
        detection_limits(BASELINE, 100, alpha=0.0)
    with pytest.raises(FociError, match="dispersion"):
        detection_limits(BASELINE, 100, dispersion=0.5)
    with pytest.raises(FociError, match="method"):
        detection_limits(BASELINE, 100, method="bayes")
    with pytest.raises(FociError, match="missing"):
        detection_limits([], 100)


def test_limit_beyond_the_curve_says_so():
    low = CalibrationCurve(np.array([0.0, 14.7]), np.zeros((2, 2)), max_dose_gy=0.01)
    assert "calibrated" in limit_doses(detection_limits(BASELINE, 100), low).status
    top = CalibrationCurve(np.array([0.0, 1.0, -5.0]), np.zeros((3, 3)))
    assert "top" in limit_doses(detection_limits(BASELINE, 100), top).status
