"""The penalised regression against scikit-learn, and nested folds against a plain loop."""

import numpy as np
import pytest

from radiobio.risk_factors.cross_validation import out_of_fold
from radiobio.risk_factors.data import RiskData
from radiobio.risk_factors.folds import stratified_folds
from radiobio.risk_factors.logistic import C_GRID, elastic_net, fit_logistic, ridge_logistic
from radiobio.risk_factors.settings import FitSettings


def small_set(n=60, p=4, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) * np.linspace(0.5, 20, p) + 3.0
    eta = -1.5 + 1.2 * (x[:, 0] - 3.0) / 0.5
    y = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
    return RiskData(tuple(f"x{k}" for k in range(p)), x, y, np.arange(n))


@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_ridge_is_that_of_scikit_learn(shift):
    from sklearn.linear_model import LogisticRegression

    data = small_set()
    z = np.column_stack([(data.x - data.x.mean(0)) / data.x.std(0), np.ones(len(data.y))])
    z[0, 0] += shift  # a far outlier makes plain Newton steps overshoot
    grid = np.array([1e-3, 0.1, 10.0, 1e4])
    ours = ridge_logistic(z, data.y, grid)
    for c, beta in zip(grid, ours, strict=True):
        model = LogisticRegression(C=c, tol=1e-10, max_iter=5000).fit(z[:, :-1], data.y)
        assert beta == pytest.approx(np.append(model.coef_[0], model.intercept_[0]), abs=2e-4)
        p = 1 / (1 + np.exp(-z @ beta))
        gradient = z.T @ (p - data.y) + np.append(beta[:-1], 0.0) / c
        assert np.abs(gradient).max() < 1e-7


def test_elastic_net_fulfils_its_optimality_conditions():
    data = small_set()
    z = np.column_stack([(data.x - data.x.mean(0)) / data.x.std(0), np.ones(len(data.y))])
    c, l1 = 0.2, 0.5
    beta = elastic_net(z, data.y, c=c, l1_ratio=l1)
    gradient = z.T @ (1 / (1 + np.exp(-z @ beta)) - data.y)
    assert abs(gradient[-1]) < 2e-3
    assert (beta[:-1] == 0).any()
    assert (beta[:-1] != 0).any()
    for g, b in zip(gradient[:-1], beta[:-1], strict=True):
        if b == 0:
            assert abs(g) <= l1 / c + 2e-3
        else:
            assert g + (1 - l1) / c * b + l1 / c * np.sign(b) == pytest.approx(0.0, abs=2e-3)


def test_separated_data_have_finite_coefficients():
    x = np.linspace(-1, 1, 20)
    beta = ridge_logistic(np.column_stack([x, np.ones(20)]), (x > 0).astype(float),
                          np.array(C_GRID))  # fmt: skip
    assert np.isfinite(beta).all()
    assert (np.diff(beta[:, 0]) > 0).all()


def hand_written(data, seed, *, n_folds, n_inner, n_repeats):
    """Nested cross-validation with scikit-learn's pipeline, loop by loop."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def model(c):
        return make_pipeline(StandardScaler(), LogisticRegression(C=c, solver="newton-cholesky"))

    out = np.full((n_repeats, len(data.y)), np.nan)
    for r, child in enumerate(seed.spawn(n_repeats)):
        streams = child.spawn(n_folds + 1)
        outer = stratified_folds(data.y, data.group, n_folds=n_folds,
                                 rng=np.random.default_rng(streams[-1]))  # fmt: skip
        for k in range(n_folds):
            inside = np.flatnonzero(outer != k)
            x, y = data.x[inside], data.y[inside]
            inner = stratified_folds(y, data.group[inside], n_folds=n_inner,
                                     rng=np.random.default_rng(streams[k]))  # fmt: skip
            losses = []
            for c in C_GRID:
                loss = 0.0
                for j in range(n_inner):
                    fitted = model(c).fit(x[inner != j], y[inner != j])
                    p = fitted.predict_proba(x[inner == j])[:, 1]
                    loss -= np.log(np.where(y[inner == j] == 1, p, 1 - p)).sum()
                losses.append(loss)
            best = model(C_GRID[int(np.argmin(losses))]).fit(x, y)
            out[r, outer == k] = best.predict_proba(data.x[outer == k])[:, 1]
    return out


def test_nested_folds_are_those_of_a_hand_written_loop():
    data = small_set(n=50)
    found = out_of_fold(
        data, ["logistic"], FitSettings(n_inner_folds=2), n_folds=2, n_repeats=2,
        seed=np.random.SeedSequence(7),
    )  # fmt: skip
    expected = hand_written(data, np.random.SeedSequence(7), n_folds=2, n_inner=2, n_repeats=2)
    assert found.probability["logistic"] == pytest.approx(expected, abs=1e-4)
    for r in range(2):
        for k in range(2):
            inside = found.fold[r] == k
            assert found.prevalence[r, inside] == pytest.approx(data.y[~inside].mean())


@pytest.mark.parametrize("penalty", ["elastic net", "ridge"])
def test_held_out_predictions_do_not_know_the_patient(penalty):
    data = small_set(n=45)
    settings = FitSettings(imputation="iterative", penalty=penalty, n_inner_folds=2)
    kwargs = {"n_folds": 2, "n_repeats": 1, "seed": np.random.SeedSequence(3)}
    first = out_of_fold(data, ["logistic"], settings, **kwargs)
    held = np.flatnonzero(first.fold[0] == 0)
    x = data.x.copy()
    x[held[0]] = [1e3, -1e3, 1e3, np.nan]
    changed = RiskData(data.predictors, x, data.y, data.group)
    kwargs["seed"] = np.random.SeedSequence(3)
    second = out_of_fold(changed, ["logistic"], settings, **kwargs)
    others = held[1:]
    assert np.array_equal(first.probability["logistic"][0, others],
                          second.probability["logistic"][0, others])  # fmt: skip
    assert first.probability["logistic"][0, held[0]] != second.probability["logistic"][0, held[0]]


def test_noise_is_shrunk_to_the_prevalence():
    rng = np.random.default_rng(8)
    data = RiskData(("a", "b"), rng.standard_normal((300, 2)), np.repeat([1.0, 0], [40, 260]),
                    np.arange(300))  # fmt: skip
    fit = fit_logistic(data, FitSettings(), rng)
    assert fit.c <= 0.01
    assert np.abs(fit.predict(data.x) - 40 / 300).max() < 0.06
