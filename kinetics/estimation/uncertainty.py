"""Standard errors of population parameters: Hessian, scores, sandwich."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kinetics.curves import FloatArray

COVARIANCES = ("hessian", "sandwich", "score")
_STEP = 0.002  # standard errors


def gradient_hessian(
    gradient: Callable[[FloatArray], FloatArray],
    x: FloatArray,
    free: np.ndarray,
    curvature: FloatArray,
    here: FloatArray,
) -> FloatArray:
    """Hessian of the objective by differences of its gradient, rows and columns `free`.

    `here` is the gradient at x. The steps are 0.002 of the standard errors that `curvature`, a
    guess of the Hessian's diagonal, lets expect: so small that forward differences do.
    """
    index = np.flatnonzero(free)
    rows = []
    for k in index:
        h = np.zeros_like(x)
        h[k] = _STEP * np.sqrt(2.0 / curvature[k])
        rows.append((gradient(x + h) - here)[index] / h[k])
    matrix = np.array(rows).reshape(len(index), len(index))
    return np.asarray(0.5 * (matrix + matrix.T))


def covariance_of(
    hessian: FloatArray, score: FloatArray, kind: str
) -> tuple[FloatArray | None, str]:
    """Covariance of the free vector from the objective's Hessian and the subjects' scores.

    The objective is minus two log likelihood: the information is half its Hessian, or a quarter
    of the sum of the scores' outer products. Returns None and the reason where it does not exist.
    """
    information = 0.5 * hessian
    centred = score - score.mean(0)
    outer = 0.25 * centred.T @ centred
    chosen = outer if kind == "score" else information
    if not np.isfinite(chosen).all():
        return None, "the second derivatives of the objective are not finite"
    scale = np.sqrt(np.abs(np.diag(chosen)))
    if (scale == 0).any():
        return None, "the objective does not depend on every free parameter"
    eigenvalue = np.linalg.eigvalsh(chosen / np.outer(scale, scale))
    if eigenvalue[0] <= 1e-10:
        return None, (
            "the Hessian is not positive definite: the data do not determine every free parameter"
        )
    inverse = np.linalg.inv(chosen)
    if kind == "sandwich":
        inverse = inverse @ outer @ inverse
    return inverse, ""
