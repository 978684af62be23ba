"""Folds, imputation and selection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiobio.errors import RadiobioError
from radiobio.risk_factors.folds import resampled_rows, resampling_weights, stratified_folds
from radiobio.risk_factors.preprocessing import learn_preprocessing


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), n=st.integers(30, 200), n_folds=st.integers(2, 8))
def test_folds_share_events_and_rows(seed, n, n_folds):
    rng = np.random.default_rng(seed)
    y = (rng.permutation(n) < max(n_folds, n // 8)).astype(float)
    fold = stratified_folds(y, np.arange(n), n_folds=n_folds, rng=rng)
    events = np.bincount(fold, weights=y, minlength=n_folds)
    rows = np.bincount(fold, minlength=n_folds)
    assert len(rows) == n_folds
    assert events.max() - events.min() <= 1
    assert rows.max() - rows.min() <= 1


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_groups_stay_in_one_fold(seed):
    rng = np.random.default_rng(seed)
    group = rng.integers(25, size=90) * 7
    y = (rng.random(90) < 0.3).astype(float)
    fold = stratified_folds(y, group, n_folds=5, rng=rng)
    for g in set(group.tolist()):
        assert len(set(fold[group == g].tolist())) == 1
    rows = np.bincount(fold)
    assert rows.max() - rows.min() <= np.bincount(group).max() * 2


def test_few_events_lower_the_number_of_folds():
    y = np.array([1.0] * 3 + [0.0] * 20)
    fold = stratified_folds(y, np.arange(23), n_folds=5, rng=np.random.default_rng(0))
    assert fold.max() == 2
    with pytest.raises(RadiobioError, match="1 groups of patients have an event"):
        stratified_folds(y, np.repeat([0, 1, 2], [3, 10, 10]), n_folds=5,
                         rng=np.random.default_rng(0))  # fmt: skip


def test_groups_are_resampled_as_a_whole():
    group = np.repeat([4, 9, 11], [1, 2, 3])
    rows = resampled_rows(group, np.random.default_rng(3))
    count = np.bincount(rows, minlength=6)
    assert count[1] == count[2]
    assert count[3] == count[4] == count[5]
    weights = resampling_weights(group, 500, np.random.default_rng(3))
    assert (weights[:, 3] == weights[:, 5]).all()
    assert weights[:, [0, 1, 3]].sum(1) == pytest.approx(np.full(500, 3.0))


def table_with_gaps(seed=0, n=60):
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal(np.zeros(3), 0.3 * np.eye(3) + 0.7, size=n) * [1.0, 10.0, 0.1]
    x[rng.random(n) < 0.2, 1] = np.nan
    x[rng.random(n) < 0.1, 2] = np.nan
    return x + np.array([5.0, 100.0, 0.0]), (rng.random(n) < 0.3).astype(float)


def test_median_and_indicator_by_hand():
    x, y = table_with_gaps()
    prepared = learn_preprocessing(x, y, imputation="median")
    columns = prepared.filled(x)
    for j in range(3):
        expected = np.where(np.isnan(x[:, j]), np.nanmedian(x[:, j]), x[:, j])
        assert np.array_equal(columns[:, j], expected)
    assert np.array_equal(columns[:, 3:], np.isnan(x[:, 1:]).astype(float))
    z = prepared.apply(x)
    assert z.mean(0) == pytest.approx(np.zeros(5), abs=1e-12)
    assert z.std(0) == pytest.approx(np.ones(5))
    assert prepared.columns(("a", "b", "c")) == ("a", "b", "c", "b missing", "c missing")


def test_iterative_imputation_agrees_with_scikit_learn():
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = table_with_gaps()
    ours = learn_preprocessing(x, y, imputation="iterative").filled(x)
    imputer = IterativeImputer(
        make_pipeline(StandardScaler(), Ridge(alpha=1.0)), max_iter=10, tol=1e-12,
        initial_strategy="median", min_value=np.nanmin(x, axis=0), max_value=np.nanmax(x, axis=0),
    )  # fmt: skip
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of scikit-learn's stopping rule
        theirs = imputer.fit_transform(x)
    missing = np.isnan(x)
    assert ours[~missing] == pytest.approx(x[~missing])
    gap = (ours - theirs) / np.nanstd(x, axis=0)
    assert np.abs(gap[missing]).max() < 1e-3
    by_median = (np.nanmedian(x, axis=0) - theirs) / np.nanstd(x, axis=0)
    assert np.abs(by_median[missing]).max() > 0.5


def test_a_row_imputed_alone_is_imputed_as_with_the_others():
    x, y = table_with_gaps()
    prepared = learn_preprocessing(x, y, imputation="iterative")
    alone = np.vstack([prepared.apply(row[None]) for row in x])
    assert alone == pytest.approx(prepared.apply(x), abs=1e-9)


def test_without_gaps_both_imputations_are_the_same():
    x, y = table_with_gaps()
    x = x[~np.isnan(x).any(1)]
    y = y[: len(x)]
    both = [learn_preprocessing(x, y, imputation=name).apply(x) for name in ("median", "iterative")]
    assert np.array_equal(*both)


def test_strongest_columns_are_kept_and_constant_ones_dropped():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((80, 6))
    x[:, 2] = 3.0
    y = (x[:, 4] + 0.3 * rng.standard_normal(80) > 0.8).astype(float)
    assert 2 not in learn_preprocessing(x, y, imputation="median").kept
    assert learn_preprocessing(x, y, imputation="median", keep_strongest=1).kept.tolist() == [4]
