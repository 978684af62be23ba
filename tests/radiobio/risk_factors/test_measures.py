"""Measures against plain loops, and their properties."""

import numpy as np
import pytest

from radiobio.risk_factors.measures import (
    auc,
    brier,
    calibration_intercept,
    calibration_slope,
    log_loss,
    net_benefit,
    smooth_calibration,
    wilson,
)

RNG = np.random.default_rng(5)
N, REPEATS = 37, 3
Y = (RNG.random(N) < 0.3).astype(float)
P = np.clip(
    np.round(0.3 + 0.2 * (Y - 0.3) + 0.15 * RNG.standard_normal((REPEATS, N)), 1), 0.05, 0.9
)
FOLD = RNG.integers(3, size=(REPEATS, N))
WEIGHTS = np.vstack([np.ones(N), RNG.multinomial(N, np.full(N, 1 / N), size=4)]).astype(float)


def repeated(weights):
    """Rows as often as they were drawn."""
    return np.repeat(np.arange(N), weights.astype(int))


@pytest.mark.parametrize("sample", range(len(WEIGHTS)))
def test_auc_counts_ordered_pairs_of_the_same_fold(sample):
    rows = repeated(WEIGHTS[sample])
    right = pairs = 0.0
    for r in range(REPEATS):
        for i in rows:
            for j in rows:
                if Y[i] == 1 and Y[j] == 0 and FOLD[r, i] == FOLD[r, j]:
                    pairs += 1
                    right += 1.0 if P[r, i] > P[r, j] else 0.5 if P[r, i] == P[r, j] else 0.0
    assert auc(P, Y, FOLD, WEIGHTS)[sample] == pytest.approx(right / pairs, rel=1e-12)


def test_auc_of_one_fold_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    ours = auc(P[:1], Y, np.zeros((1, N), dtype=np.int64), WEIGHTS[:1])[0]
    assert ours == pytest.approx(roc_auc_score(Y, P[0]), rel=1e-12)


@pytest.mark.parametrize("sample", range(len(WEIGHTS)))
def test_brier_and_log_loss_by_hand(sample):
    rows = repeated(WEIGHTS[sample])
    squares = [(P[r, i] - Y[i]) ** 2 for r in range(REPEATS) for i in rows]
    losses = [-np.log(P[r, i] if Y[i] else 1 - P[r, i]) for r in range(REPEATS) for i in rows]
    assert brier(P, Y, WEIGHTS)[sample] == pytest.approx(np.mean(squares), rel=1e-12)
    assert log_loss(P, Y, WEIGHTS)[sample] == pytest.approx(np.mean(losses), rel=1e-12)


@pytest.mark.parametrize("sample", range(len(WEIGHTS)))
def test_net_benefit_by_hand(sample):
    rows, thresholds = repeated(WEIGHTS[sample]), np.array([0.1, 0.3, 0.55])
    found = net_benefit(P, Y, thresholds, WEIGHTS)[sample]
    for k, t in enumerate(thresholds):
        true = false = 0
        for r in range(REPEATS):
            for i in rows:
                true += P[r, i] >= t and Y[i] == 1
                false += P[r, i] >= t and Y[i] == 0
        n = REPEATS * len(rows)
        assert found[k] == pytest.approx(true / n - false / n * t / (1 - t), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("sample", range(len(WEIGHTS)))
def test_calibration_line_is_the_logistic_regression_on_the_log_odds(sample):
    from scipy.optimize import minimize

    rows = repeated(WEIGHTS[sample])
    base = np.broadcast_to(np.linspace(0.2, 0.4, REPEATS)[:, None], P.shape)
    eta = np.log(P / (1 - P))[:, rows].ravel()
    x = eta - np.log(base / (1 - base))[:, rows].ravel()
    y = np.tile(Y[rows], REPEATS)

    def loss(a, slope_term):
        z = a + slope_term
        return (np.logaddexp(0, z) - y * z).sum()

    line = minimize(lambda b: loss(b[0], b[1] * x), [0.0, 1.0], method="Nelder-Mead",
                    options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})  # fmt: skip
    level = minimize(lambda b: loss(b[0], eta), [0.0], method="Nelder-Mead",
                     options={"xatol": 1e-9, "fatol": 1e-12})  # fmt: skip
    assert calibration_slope(P, base, Y, WEIGHTS)[sample] == pytest.approx(line.x[1], abs=1e-5)
    assert calibration_intercept(P, Y, WEIGHTS)[sample] == pytest.approx(level.x[0], abs=1e-5)


def test_true_probabilities_are_calibrated_and_stretched_ones_are_not():
    rng = np.random.default_rng(2)
    eta = rng.normal(-2.0, 1.2, 40_000)
    y = (rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)
    ones, base = np.ones((1, len(eta))), np.full((1, len(eta)), y.mean())
    for factor in (1.0, 2.0):
        p = (1 / (1 + np.exp(-factor * eta)))[None]
        slope = calibration_slope(p, base, y, ones)[0]
        assert slope == pytest.approx(1 / factor, abs=0.04)
    p = (1 / (1 + np.exp(-eta - 0.5)))[None]
    assert calibration_intercept(p, y, ones)[0] == pytest.approx(-0.5, abs=0.05)


def test_slope_is_nan_without_spread_and_under_separation():
    y = np.array([0.0, 0, 0, 1, 1, 1])
    base, ones = np.full((1, 6), 0.5), np.ones((1, 6))
    assert np.isnan(calibration_slope(np.full((1, 6), 0.3), base, y, ones)[0])
    separated = np.array([[0.1, 0.2, 0.3, 0.6, 0.7, 0.8]])
    assert np.isnan(calibration_slope(separated, base, y, ones)[0])


def test_smooth_curve_is_weighted_least_squares():
    at = np.array([0.15, 0.4])
    found = smooth_calibration(P, Y, at, WEIGHTS)
    for sample, weights in enumerate(WEIGHTS):
        for k, centre in enumerate(at):
            gap = P.ravel() - centre
            width = np.quantile(np.abs(gap), 0.75) * 1.000001 + 1e-6
            kernel = np.clip(1 - (np.abs(gap) / width) ** 3, 0, None) ** 3
            w = np.sqrt(kernel * np.tile(weights, REPEATS))
            design = np.column_stack([np.ones_like(gap), gap])
            fit = np.linalg.lstsq(design * w[:, None], np.tile(Y, REPEATS) * w, rcond=None)[0]
            assert found[sample, k] == pytest.approx(np.clip(fit[0], 0, 1), abs=1e-6)


def test_wilson_interval_of_a_textbook_case():
    # 81 of 263: Newcombe 1998, Stat Med 17:857, table I, method 3: 0.2553 to 0.3662
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263.0, 20.0]), 0.95)
    assert low[0] == pytest.approx(0.2553, abs=5e-5)
    assert high[0] == pytest.approx(0.3662, abs=5e-5)
    assert low[1] == 0.0  # 0 of 20: 0.0000 to 0.1611, the same table
    assert high[1] == pytest.approx(0.1611, abs=5e-5)
