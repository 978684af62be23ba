"""Compiled change of variables that whitens a posterior, and its derivatives."""

import numpy as np
from numba import njit

from kinetics.estimation._linear import cholesky, copy_vector


@njit(cache=True, error_model="numpy")
def colour_population(whitening, v):  # type: ignore[no-untyped-def]
    """Unconstrained population parameters (P,) of whitened variables (P,)."""
    w = whitening.centre.copy()
    for k in range(w.shape[0]):
        for h in range(w.shape[0]):
            w[k] += whitening.population[k, h] * v[h]
    return w


@njit(cache=True, error_model="numpy")
def _scale_matrix(design, decoded, m):  # type: ignore[no-untyped-def]
    """Lower factor (m, m) of the covariance of a subject's effects."""
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    scale = np.zeros((m, m))
    for i in range(n_eta):
        for j in range(i + 1):
            scale[i, j] = decoded.factor[i, j]
    for c in range(n_eta, m):
        scale[c, c] = decoded.gamma[(c - n_eta) % n_kappa]
    return scale


@njit(cache=True, error_model="numpy")
def _product(left, right):  # type: ignore[no-untyped-def]
    out = np.zeros((left.shape[0], right.shape[1]))
    for i in range(left.shape[0]):
        for k in range(left.shape[1]):
            if left[i, k] != 0.0:
                for j in range(right.shape[1]):
                    out[i, j] += left[i, k] * right[k, j]
    return out


@njit(cache=True, error_model="numpy")
def _forward_solve(factor, right):  # type: ignore[no-untyped-def]
    """Solve L x = right."""
    out = np.empty(right.shape[0])
    for i in range(out.shape[0]):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * out[k]
        out[i] = total / factor[i, i]
    return out


@njit(cache=True, error_model="numpy")
def _backward_solve(factor, right):  # type: ignore[no-untyped-def]
    """Solve L' x = right."""
    out = np.empty(right.shape[0])
    for i in range(out.shape[0] - 1, -1, -1):
        total = right[i]
        for k in range(i + 1, out.shape[0]):
            total -= factor[k, i] * out[k]
        out[i] = total / factor[i, i]
    return out


@njit(cache=True, error_model="numpy")
def colour_subject(design, whitening, decoded, w, a, u):  # type: ignore[no-untyped-def]
    """Random effects z (m,) of whitened ones u, a draw of their Gaussian given the population.

    Its precision is R R' = I + D' V D with D the factor of the effects' covariance and V the
    information, and z = R'^-1 (c + u) with R c = D' r. Returns z, R, c, D, V D and r.
    """
    m = u.shape[0]
    scale, right = _scale_matrix(design, decoded, m), np.empty(m)
    for e in range(m):
        right[e] = whitening.pull[a + e]
        for k in range(w.shape[0]):
            right[e] -= whitening.cross[a + e, k] * (w[k] - whitening.centre[k])
    weighted = _product(whitening.information[a : a + m, :m], scale)
    precision, factor = _product(scale.T, weighted), np.zeros((m, m))
    pulled = np.zeros(m)
    for e in range(m):
        precision[e, e] += 1.0
        for g in range(m):
            pulled[e] += scale[g, e] * right[g]
    cholesky(precision, factor)
    centre = _forward_solve(factor, pulled)
    return _backward_solve(factor, centre + u), factor, centre, scale, weighted, right


@njit(cache=True, error_model="numpy")
def _cholesky_slopes(factor, by_root):  # type: ignore[no-untyped-def]
    """Derivatives (m, m), symmetric, by a matrix from those by its Cholesky factor.

    R'^-1 phi(R' dR) R^-1, where phi takes the lower half.
    """
    m = factor.shape[0]
    product, inner = _product(factor.T, by_root), np.empty((m, m))
    for i in range(m):
        for j in range(i + 1):
            inner[i, j] = inner[j, i] = 0.5 * product[i, j]
    half, out = np.empty((m, m)), np.empty((m, m))
    for j in range(m):
        copy_vector(_backward_solve(factor, inner[:, j]), half[:, j])
    for i in range(m):
        copy_vector(_backward_solve(factor, half[i]), out[i])
    return out


@njit(cache=True, error_model="numpy")
def colour_slopes(  # type: ignore[no-untyped-def]
    design, whitening, a, z, factor, centre, scale, weighted, right, by_z,
    by_factor, by_gamma, by_w, by_u,
):  # fmt: skip
    """Carry derivatives by z back to u and to the population; returns the log Jacobian."""
    m, n_eta = z.shape[0], design.eta.shape[0]
    n_kappa = design.kappa.shape[0]
    by_q = _forward_solve(factor, by_z)
    by_pulled = _backward_solve(factor, by_q)
    by_root, log_jacobian = np.zeros((m, m)), 0.0
    for i in range(m):
        by_u[i] = by_q[i]
        log_jacobian -= np.log(factor[i, i])
        for j in range(i + 1):
            by_root[i, j] = -z[i] * by_q[j] - by_pulled[i] * centre[j]
        by_root[i, i] -= 1.0 / factor[i, i]
    by_precision = _cholesky_slopes(factor, by_root)
    by_scale = _product(weighted, by_precision)
    for i in range(m):
        by_right = 0.0
        for j in range(m):
            by_scale[i, j] = 2.0 * by_scale[i, j] + right[i] * by_pulled[j]
            by_right += scale[i, j] * by_pulled[j]
        for k in range(by_w.shape[0]):
            by_w[k] -= whitening.cross[a + i, k] * by_right
    for i in range(n_eta):
        for j in range(i + 1):
            by_factor[i, j] += by_scale[i, j]
    for c in range(n_eta, m):
        by_gamma[(c - n_eta) % n_kappa] += by_scale[c, c]
    return log_jacobian
