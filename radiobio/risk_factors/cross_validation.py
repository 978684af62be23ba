"""Nested, repeated, stratified cross-validation: probabilities of patients the model never saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from radiobio.risk_factors.boosting import BoostingFit, fit_boosting
from radiobio.risk_factors.data import IntArray, RiskData
from radiobio.risk_factors.folds import stratified_folds
from radiobio.risk_factors.logistic import LogisticFit, fit_logistic
from radiobio.risk_factors.settings import FitSettings


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Predictions for held-out patients.

    Attributes
    ----------
    probability : mapping of model to ndarray, shape (n_repeats, n)
        Predicted by the model of the folds without the patient.
    prevalence : ndarray, shape (n_repeats, n)
        Share of events in those folds: the model without information.
    fold : ndarray of int, shape (n_repeats, n)
        Which fold the patient was in.
    """

    probability: Mapping[str, FloatArray]
    prevalence: FloatArray
    fold: IntArray


def out_of_fold(
    data: RiskData, models: Sequence[str], settings: FitSettings, *, n_folds: int, n_repeats: int,
    seed: np.random.SeedSequence,
) -> OutOfFold:  # fmt: skip
    """Tune and fit each model in each set of folds (inner folds) and predict the one left out.

    All models see the same folds. Every repeat has a random stream of its own.
    """
    shape = (n_repeats, len(data.y))
    probability = {name: np.empty(shape) for name in models}
    prevalence, fold = np.empty(shape), np.empty(shape, dtype=np.int64)
    for r, child in enumerate(seed.spawn(n_repeats)):
        streams = child.spawn(n_folds + 1)
        fold[r] = stratified_folds(
            data.y, data.group, n_folds=n_folds, rng=np.random.default_rng(streams[-1])
        )
        for k in range(int(fold[r].max()) + 1):
            train = data.rows(np.flatnonzero(fold[r] != k))
            test = np.flatnonzero(fold[r] == k)
            prevalence[r, test] = train.y.mean()
            for name in models:
                fitted = fit_one(name, train, settings, np.random.default_rng(streams[k]))
                probability[name][r, test] = fitted.predict(data.x[test])
    return OutOfFold(probability, prevalence, fold)


def fit_one(
    name: str, data: RiskData, settings: FitSettings, rng: np.random.Generator
) -> LogisticFit | BoostingFit:
    """Tune and fit a model of `MODELS`."""
    fit = fit_logistic if name == "logistic" else fit_boosting
    return fit(data, settings, rng)


@contextmanager
def one_thread(models: Sequence[str]) -> Iterator[None]:
    """Keep BLAS and OpenMP to one thread, so sums have one order on any number of cores."""
    if "boosting" in models:
        import sklearn.ensemble  # noqa: F401  its OpenMP must be loaded before it can be limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
