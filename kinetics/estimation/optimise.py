"""Minimise a sum over subjects by quasi-Newton steps that begin with the scores' outer product."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray

# objective, gradient (n,), scores of the subjects (n_subjects, n)
Objective = Callable[[FloatArray], tuple[float, FloatArray, FloatArray]]

_LONGEST_STEP = 1.0  # of any element; elements are logarithms or of the order of their value
_ARMIJO = 1e-4


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a minimisation ended.

    Attributes
    ----------
    x : ndarray, shape (n,)
        The vector.
    objective : float
        Objective there.
    gradient : ndarray, shape (n,)
        Gradient there.
    hessian : ndarray, shape (n, n)
        The quasi-Newton approximation.
    n_evaluations : int
        Objective evaluations.
    converged : bool
        Whether the predicted decrease fell below the tolerance.
    at_bound : ndarray of bool, shape (n,)
        Elements that end at a limit.
    """

    x: FloatArray
    objective: float
    gradient: FloatArray
    hessian: FloatArray
    n_evaluations: int
    converged: bool
    at_bound: np.ndarray


def minimise(
    function: Objective,
    start: FloatArray,
    *,
    bounds: FloatArray,
    tolerance: float = 1e-6,
    max_iterations: int = 300,
    hessian: FloatArray | None = None,
    noise: float = 0.0,
) -> Minimum:
    """Minimise within bounds by damped BFGS.

    The first Hessian is half the sum of the outer products of the subjects' scores, which
    approaches the Hessian of minus two log likelihood with many subjects (BHHH).

    Parameters
    ----------
    function : callable
        Objective, gradient and the subjects' scores at a vector.
    start : ndarray, shape (n,)
        Start.
    bounds : ndarray, shape (n, 2)
        Limits.
    tolerance : float
        Predicted decrease of the objective at which to stop.
    max_iterations : int
        Most iterations.
    hessian : ndarray, shape (n, n), optional
        First Hessian instead of the outer product.
    noise : float
        Increase of the objective that a step is forgiven, where objective and gradient are
        approximated apart.
    """
    low, high = bounds.T
    x = np.clip(start, low, high)
    value, gradient, score = function(x)
    evaluations, converged = 1, False
    if not np.isfinite(value):
        nothing = np.eye(len(x))
        return Minimum(
            x, value, gradient, nothing, evaluations, converged, (x <= low) | (x >= high)
        )
    curvature = score_hessian(score) if hessian is None else hessian
    many = len(score) >= 10 * len(x) and hessian is None
    stalled = False
    for _ in range(max_iterations):
        free = ~(((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0)))
        step = np.zeros_like(x)
        if free.any():
            step[free] = _newton_step(curvature[np.ix_(free, free)], gradient[free])
        decrease = -float(gradient @ step)
        if 0.5 * decrease < tolerance or not free.any():
            converged = True
            break
        x_new, value_new, gradient_new, score_new, count = _search(
            function, x, value + noise, gradient, step, low, high
        )
        evaluations += count
        if x_new is None:
            if stalled:
                break
            # the Hessian misleads: begin anew with the outer product
            curvature, stalled = score_hessian(score), True
            continue
        stalled = False
        if many and 0.5 * decrease > 1.0:
            curvature = score_hessian(score_new)
        else:
            curvature = _bfgs(curvature, x_new - x, gradient_new - gradient)
        x, value, gradient, score = x_new, value_new, gradient_new, score_new
    return Minimum(x, value, gradient, curvature, evaluations, converged, (x <= low) | (x >= high))


def _newton_step(hessian: FloatArray, gradient: FloatArray) -> FloatArray:
    """Step to the minimum of the quadratic model; along the gradient where it has none."""
    try:
        return np.asarray(np.linalg.solve(hessian, -gradient))
    except np.linalg.LinAlgError:
        return np.asarray(-gradient / max(float(np.abs(gradient).max()), 1e-300))


def score_hessian(score: FloatArray) -> FloatArray:
    """Half the sum of outer products of scores, made safely positive definite."""
    outer = 0.5 * score.T @ score
    diagonal = np.maximum(np.diag(outer), 1e-3 * max(float(np.diag(outer).max(initial=0.0)), 1e-3))
    scale = np.sqrt(diagonal)
    eigenvalue, vector = np.linalg.eigh(outer / np.outer(scale, scale))
    safe = (vector * np.maximum(eigenvalue, 0.05)) @ vector.T
    return np.asarray(safe * np.outer(scale, scale))


def _search(
    function: Objective,
    x: FloatArray,
    value: float,
    gradient: FloatArray,
    step: FloatArray,
    low: FloatArray,
    high: FloatArray,
) -> tuple[FloatArray | None, float, FloatArray, FloatArray, int]:
    """Backtrack along a step, with quadratic interpolation, until the objective decreases."""
    length = min(1.0, _LONGEST_STEP / float(np.abs(step).max()))
    for count in range(1, 26):
        trial = np.clip(x + length * step, low, high)
        new, gradient_new, score = function(trial)
        slope = float(gradient @ (trial - x))
        if np.isfinite(new) and new <= value + _ARMIJO * slope:
            return trial, new, gradient_new, score, count
        if np.isfinite(new) and slope < 0:
            best = -0.5 * slope / (new - value - slope)
            length *= min(max(best, 0.1), 0.5)
        else:
            length *= 0.25
        if length * float(np.abs(step).max()) < 1e-12:
            break
    return None, value, gradient, np.empty((0, 0)), count


def _bfgs(hessian: FloatArray, step: FloatArray, change: FloatArray) -> FloatArray:
    """BFGS update with Powell's damping, so that it stays positive definite."""
    product = hessian @ step
    curvature = float(step @ product)
    along = float(step @ change)
    if curvature <= 0.0:
        return hessian
    if along < 0.2 * curvature:
        mix = 0.8 * curvature / (curvature - along)
        change = mix * change + (1.0 - mix) * product
        along = float(step @ change)
    return np.asarray(
        hessian - np.outer(product, product) / curvature + np.outer(change, change) / along
    )
