"""Gradient boosting of scikit-learn with a small grid, tuned by inner cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kinetics.curves import FloatArray
from radiobio.risk_factors.data import RiskData
from radiobio.risk_factors.folds import stratified_folds
from radiobio.risk_factors.preprocessing import learn_preprocessing
from radiobio.risk_factors.settings import FitSettings

LEAVES = (2, 4)
TREES = (5, 10, 20, 40, 80)
"""ASSUMED grid: leaves of a tree and number of trees, at a learning rate of 0.1."""
_LEARNING_RATE = 0.1
_FEWEST_ROWS = 10  # ASSUMED: patients in a leaf


@dataclass(frozen=True, eq=False)
class BoostingFit:
    """A fitted classifier and the predictors it uses; missing values have branches of their own."""

    classifier: Any
    used: tuple[int, ...]
    n_leaves: int
    n_trees: int

    def predict(self, x: FloatArray) -> FloatArray:
        """Probabilities (n,) of predictors (n, p)."""
        return np.asarray(self.classifier.predict_proba(x[:, self.used])[:, 1])


def fit_boosting(data: RiskData, settings: FitSettings, rng: np.random.Generator) -> BoostingFit:
    """Choose leaves and trees by log loss in inner folds and fit all rows."""
    fold = stratified_folds(data.y, data.group, n_folds=settings.n_inner_folds, rng=rng)
    loss = np.zeros((len(LEAVES), len(TREES)))
    for k in range(int(fold.max()) + 1):
        train, test = data.rows(np.flatnonzero(fold != k)), data.rows(np.flatnonzero(fold == k))
        used = _used(train, settings)
        for i, n_leaves in enumerate(LEAVES):
            classifier = _fitted(train, used, n_leaves, TREES[-1])
            stages = list(classifier.staged_predict_proba(test.x[:, used]))
            for j, n_trees in enumerate(TREES):
                p = np.clip(stages[n_trees - 1][:, 1], 1e-12, 1 - 1e-12)
                loss[i, j] -= np.log(np.where(test.y == 1, p, 1 - p)).sum()
    i, j = divmod(int(np.argmin(loss)), len(TREES))
    used = _used(data, settings)
    return BoostingFit(_fitted(data, used, LEAVES[i], TREES[j]), tuple(used), LEAVES[i], TREES[j])


def _fitted(data: RiskData, used: list[int], n_leaves: int, n_trees: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    classifier = HistGradientBoostingClassifier(
        learning_rate=_LEARNING_RATE, max_iter=n_trees, max_leaf_nodes=n_leaves,
        min_samples_leaf=_FEWEST_ROWS, early_stopping=False, random_state=0,
    )  # fmt: skip
    return classifier.fit(data.x[:, used], data.y.astype(np.int64))


def _used(data: RiskData, settings: FitSettings) -> list[int]:
    """Predictors that are used: all, or the strongest (imputed) in these rows."""
    if settings.keep_strongest is None:
        return list(range(data.x.shape[1]))
    kept = learn_preprocessing(
        data.x, data.y, imputation="iterative", keep_strongest=settings.keep_strongest
    ).kept
    return [int(k) for k in kept]
