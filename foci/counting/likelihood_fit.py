"""Maximum of a smooth log likelihood of a few parameters, with its covariance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray

_STEP = 1e-4  # of the numerical second derivatives


@dataclass(frozen=True, eq=False)
class Maximum:
    """Position, value, covariance (inverse observed information) and status."""

    position: FloatArray
    value: float
    covariance: FloatArray
    status: str


def maximise(
    log_likelihood: Callable[[FloatArray], float],
    start: FloatArray,
    *,
    low: FloatArray | None = None,
    high: FloatArray | None = None,
) -> Maximum:
    """Maximise over coordinates of order one (logarithms, logits), within bounds."""
    from scipy.optimize import minimize

    n = len(start)
    low = np.full(n, -np.inf) if low is None else low
    high = np.full(n, np.inf) if high is None else high
    found = minimize(
        lambda z: -log_likelihood(z),
        start,
        method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)),
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 500},
    )
    position = np.asarray(_polished(log_likelihood, found.x, low, high))
    covariance, definite = _covariance(log_likelihood, position)
    status = "ok"
    if not definite:
        status = "the likelihood is flat: the uncertainty of a parameter cannot be told"
    return Maximum(position, float(log_likelihood(position)), covariance, status)


def _polished(
    log_likelihood: Callable[[FloatArray], float], x: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """A few Newton steps: the line search of L-BFGS-B stops at the rounding of the value."""
    for _ in range(3):
        gradient, hessian = _derivatives(log_likelihood, x)
        if not np.isfinite(hessian).all() or np.linalg.eigvalsh(-hessian).min() <= 0:
            return x
        new = np.clip(x - np.linalg.solve(hessian, gradient), low, high)
        if log_likelihood(new) < log_likelihood(x) - 1e-9:
            return x
        x = new
    return x


def _derivatives(
    log_likelihood: Callable[[FloatArray], float], x: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient and matrix of second derivatives by central differences."""
    n = len(x)
    steps = _STEP * np.eye(n)
    here = log_likelihood(x)
    up = np.array([log_likelihood(x + e) for e in steps])
    down = np.array([log_likelihood(x - e) for e in steps])
    hessian = np.diag(up - 2 * here + down)
    for i in range(n):
        for j in range(i):
            mixed = (
                log_likelihood(x + steps[i] + steps[j])
                - log_likelihood(x + steps[i] - steps[j])
                - log_likelihood(x - steps[i] + steps[j])
                + log_likelihood(x - steps[i] - steps[j])
            ) / 4
            hessian[i, j] = hessian[j, i] = mixed
    return (up - down) / (2 * _STEP), hessian / _STEP**2


def _covariance(
    log_likelihood: Callable[[FloatArray], float], x: FloatArray
) -> tuple[FloatArray, bool]:
    _, hessian = _derivatives(log_likelihood, x)
    if not np.isfinite(hessian).all() or np.linalg.eigvalsh(-hessian).min() <= 0:
        return np.full_like(hessian, np.nan), False
    return np.asarray(np.linalg.inv(-hessian)), True
