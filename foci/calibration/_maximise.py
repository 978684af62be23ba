"""Maximum of the Poisson likelihood with identity link and coefficients bounded at zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray

BoolArray = npt.NDArray[np.bool_]

_MAX_STEPS = 200
_SMALL = 1e-18  # Newton decrement (squared steps in standard deviations) at convergence
_QUADRATIC = 1e-8  # decrement below which a full step needs no check
_RIDGE = 0.01  # share of the expected information that keeps the observed one regular


def maximise(
    design: FloatArray, offset: FloatArray, n: FloatArray, x: FloatArray, bounded: BoolArray
) -> tuple[FloatArray, BoolArray, bool]:
    """Coefficients, which of them are free (not at their bound), and whether it converged.

    Maximises sum of x log m - m with m = n (offset + design @ coefficients), the coefficients in
    `bounded` zero or positive: damped Newton steps on the free ones; a coefficient that meets its
    bound is fixed there, and freed again if the likelihood rises inwards. The likelihood is
    concave, so this is its only maximum.
    """
    excess = max(float(x.sum() - n @ offset), 0.05 * float(x.sum()), 1e-3)
    beta = excess / np.maximum(n @ design, 1e-300) / design.shape[1]
    start = beta.copy()
    free = np.ones(len(beta), dtype=bool)
    height = _log_likelihood(design, offset, n, x, beta)
    for _ in range(_MAX_STEPS):
        gradient, information = _derivatives(design, offset, n, x, beta, free)
        step = np.zeros_like(beta)
        step[free] = np.linalg.solve(information, gradient[free])
        if gradient[free] @ step[free] <= _SMALL:
            blocked = np.where(free, -np.inf, gradient / (n @ design))
            if blocked.max() <= 1e-9:
                return beta, free, True
            worst = int(blocked.argmax())
            free[worst] = True
            step = np.zeros_like(beta)
            step[worst] = start[worst]
        beta, height, hit = _advance(design, offset, n, x, beta, step, height, free & bounded)
        free &= ~hit
        if not free.any():
            free[int(start.argmax())] = True
    return beta, free, False


def _advance(
    design: FloatArray,
    offset: FloatArray,
    n: FloatArray,
    x: FloatArray,
    beta: FloatArray,
    step: FloatArray,
    height: float,
    bounded: BoolArray,
) -> tuple[FloatArray, float, BoolArray]:
    """New coefficients, their likelihood, and those that met their bound."""
    falling = bounded & (step < 0)
    reach = np.where(falling, beta / np.where(falling, -step, 1.0), np.inf)
    length = min(1.0, float(reach.min()))
    slack = _QUADRATIC * max(1.0, abs(height)) * 1e-4
    while True:
        new = beta + length * step
        hit = falling & (reach <= length)
        new[hit] = 0.0
        value = _log_likelihood(design, offset, n, x, new)
        if value >= height - slack or length < 1e-12:
            return new, value, hit
        length /= 2


def _log_likelihood(
    design: FloatArray, offset: FloatArray, n: FloatArray, x: FloatArray, beta: FloatArray
) -> float:
    """Poisson log-likelihood without its constant; minus infinity where a mean is impossible."""
    mean = offset + design @ beta
    seen = x > 0
    if (mean < 0).any() or (mean[seen] <= 0).any():
        return -np.inf
    return float(x[seen] @ np.log(mean[seen]) - n @ mean)


def _derivatives(
    design: FloatArray,
    offset: FloatArray,
    n: FloatArray,
    x: FloatArray,
    beta: FloatArray,
    free: BoolArray,
) -> tuple[FloatArray, FloatArray]:
    """Gradient of all coefficients and information of the free ones."""
    mean = offset + design @ beta
    used = mean > 0
    ratio = np.where(used, x / np.where(used, mean, 1.0), 0.0)
    gradient = design.T @ (ratio - n)
    rows, m = design[used][:, free], mean[used]
    observed = rows.T @ (rows * (x[used] / m**2)[:, None])
    expected = rows.T @ (rows * (n[used] / m)[:, None])
    return gradient, observed + _RIDGE * expected


def expected_information(design: FloatArray, mean: FloatArray, n: FloatArray) -> FloatArray:
    """Fisher information of the coefficients, design^T (n / mean) design."""
    used = mean > 0
    rows = design[used]
    return np.asarray(rows.T @ (rows * (n[used] / mean[used])[:, None]))
