"""Penalised logistic regression whose penalty is chosen by inner cross-validation."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from radiobio.errors import RadiobioError
from radiobio.risk_factors.data import IntArray, RiskData
from radiobio.risk_factors.folds import stratified_folds
from radiobio.risk_factors.preprocessing import Preprocessing, learn_preprocessing
from radiobio.risk_factors.settings import FitSettings

C_GRID: tuple[float, ...] = tuple(float(c) for c in np.logspace(-3, 1, 9))
"""ASSUMED grid of C (inverse penalty of standardised columns, scikit-learn's definition)."""
L1_RATIOS = (0.1, 0.5, 0.9)
"""ASSUMED grid of the L1 share of the elastic net."""
_ROUNDS = 100
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Preprocessing, coefficients of the standardised columns (q + 1, intercept last), penalty."""

    preprocessing: Preprocessing
    coefficients: FloatArray
    c: float
    l1_ratio: float
    at_edge: bool

    def predict(self, x: FloatArray) -> FloatArray:
        """Probabilities (n,) of predictors (n, p)."""
        return expit(_with_one(self.preprocessing.apply(x)) @ self.coefficients)


def expit(eta: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-eta))."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * eta)))


def fit_logistic(data: RiskData, settings: FitSettings, rng: np.random.Generator) -> LogisticFit:
    """Choose C (and the L1 share) by log loss in inner folds and fit all rows."""
    fold = stratified_folds(data.y, data.group, n_folds=settings.n_inner_folds, rng=rng)
    grid = [(l1, c) for l1 in _l1_ratios(settings) for c in C_GRID]
    loss = _inner_loss(data, fold, settings)
    l1_ratio, c = grid[int(np.argmin(loss))]
    return refit(data, settings, c=c, l1_ratio=l1_ratio)


def refit(data: RiskData, settings: FitSettings, *, c: float, l1_ratio: float) -> LogisticFit:
    """Fit all rows with a given penalty."""
    preprocessing = _learnt(data, settings)
    z = _with_one(preprocessing.apply(data.x))
    if l1_ratio == 0:
        coefficients = ridge_logistic(z, data.y, np.array([c]))[0]
    else:
        coefficients = elastic_net(z, data.y, c=c, l1_ratio=l1_ratio)
    return LogisticFit(preprocessing, coefficients, c, l1_ratio, c == C_GRID[-1])


def ridge_logistic(z: FloatArray, y: FloatArray, c: FloatArray) -> FloatArray:
    """Coefficients (len(c), q) of ridge logistic regression by a damped Newton method.

    The objective is that of ``sklearn.linear_model.LogisticRegression(C=c)``: log loss summed over
    rows plus ``|beta|^2 / (2 C)``, without the last column, the intercept. All penalties are
    solved side by side, which makes a bootstrap of the whole tuning affordable.
    """
    penalty = np.repeat(1.0 / np.asarray(c)[:, None], z.shape[1], axis=1)
    penalty[:, -1] = 0.0
    share = float(y.mean())
    beta = np.zeros_like(penalty)
    beta[:, -1] = np.log(share / (1 - share))
    value = _objective(z, y, beta, penalty)
    for _ in range(_ROUNDS):
        p = expit(beta @ z.T)
        gradient = (p - y) @ z + penalty * beta
        curvature = np.matmul((z.T[None] * (p * (1 - p))[:, None, :]), z)
        curvature += penalty[:, :, None] * np.eye(z.shape[1])
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0]
        if np.abs(step).max() < _TOLERANCE:
            return beta - step
        length = np.ones(len(beta))
        for _ in range(_ROUNDS):
            trial = beta - length[:, None] * step
            tried = _objective(z, y, trial, penalty)
            worse = tried > value + 1e-12 * np.abs(value)
            if not worse.any():
                break
            length[worse] *= 0.5
        beta, value = trial, tried
    raise RadiobioError(
        f"the logistic regression did not converge in {_ROUNDS} steps; predictors of extreme "
        "values? look at their units"
    )


def elastic_net(z: FloatArray, y: FloatArray, *, c: float, l1_ratio: float) -> FloatArray:
    """Coefficients (q,) of scikit-learn's elastic net; the last column of `z` is the intercept."""
    import sklearn
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    version = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
    named = {} if version >= (1, 8) else {"penalty": "elasticnet"}
    model = LogisticRegression(
        C=c, l1_ratio=l1_ratio, solver="saga", max_iter=20_000, tol=1e-5, random_state=0, **named
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(z[:, :-1], y.astype(np.int64))
        except ConvergenceWarning:
            raise RadiobioError(
                f"the elastic net did not converge at C = {c:g}; take penalty='ridge'"
            ) from None
    return np.append(model.coef_[0], model.intercept_[0])


def _inner_loss(data: RiskData, fold: IntArray, settings: FitSettings) -> FloatArray:
    """Log loss over the held-out rows of all inner folds for each point of the grid."""
    l1_ratios = _l1_ratios(settings)
    loss = np.zeros(len(l1_ratios) * len(C_GRID))
    for k in range(int(fold.max()) + 1):
        train, test = data.rows(np.flatnonzero(fold != k)), data.rows(np.flatnonzero(fold == k))
        preprocessing = _learnt(train, settings)
        z = _with_one(preprocessing.apply(train.x))
        if settings.penalty == "ridge":
            beta = ridge_logistic(z, train.y, np.array(C_GRID))
        else:
            beta = np.array([elastic_net(z, train.y, c=c, l1_ratio=l1) for l1 in l1_ratios
                             for c in C_GRID])  # fmt: skip
        eta = beta @ _with_one(preprocessing.apply(test.x)).T
        loss += (np.logaddexp(0.0, eta) - test.y * eta).sum(1)
    return loss


def _learnt(data: RiskData, settings: FitSettings) -> Preprocessing:
    return learn_preprocessing(
        data.x, data.y, imputation=settings.imputation, keep_strongest=settings.keep_strongest
    )


def _l1_ratios(settings: FitSettings) -> tuple[float, ...]:
    return (0.0,) if settings.penalty == "ridge" else L1_RATIOS


def _objective(z: FloatArray, y: FloatArray, beta: FloatArray, penalty: FloatArray) -> FloatArray:
    eta = beta @ z.T
    loss = (np.logaddexp(0.0, eta) - y * eta).sum(1) + 0.5 * (penalty * beta**2).sum(1)
    return np.asarray(loss)


def _with_one(columns: FloatArray) -> FloatArray:
    return np.column_stack([columns, np.ones(len(columns))])
