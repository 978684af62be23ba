"""Compiled FO and numerical integration: each subject's marginal likelihood and its gradient."""

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN, GRADIENT, POPULATION
from kinetics.estimation._conditional_kernels import second_derivatives
from kinetics.estimation._linear import cholesky, copy_matrix, invert, solve
from kinetics.estimation._rows import sigma_slope, spread
from kinetics.estimation._subject import (
    column,
    penalised,
    predict_subject,
    prior_precision,
    shifted,
    spread_jacobian,
)
from kinetics.structures._predict_signature import PREDICT_FUNCTION

_SIGMA_STEP = 1e-5  # relative
_LOG_2PI = 1.8378770664093453


@njit(cache=True, error_model="numpy")
def _linearised_row(design, population, row, f):  # type: ignore[no-untyped-def]
    """Residual, its slope by f, the slope's slope, and the variance with its slope, of one row."""
    region = int(design.rows[row, 1])
    y, kind = design.value[row], design.error[region]
    g, g1, _ = spread(kind, population.sigma[region], f, design.known_sd[row])
    if kind == 5:
        return np.log(y / f), 1.0 / f, -1.0 / (f * f), g * g, 0.0
    return y - f, 1.0, 0.0, g * g, 2.0 * g * g1


@njit(cache=True, error_model="numpy")
def _linearise(design, population, origin, f, by_effect, rows):  # type: ignore[no-untyped-def]
    """Rows (n, 5) of `_linearised_row`, with the effects' derivatives scaled; the constant."""
    constant = 0.0
    for i in range(f.shape[0]):
        rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3], rows[i, 4] = _linearised_row(
            design, population, origin + i, f[i]
        )
        if design.error[int(design.rows[origin + i, 1])] == 5:
            constant += 2.0 * np.log(design.value[origin + i])
        for e in range(by_effect.shape[1]):
            by_effect[i, e] *= rows[i, 1]
    return constant


@njit(cache=True, error_model="numpy")
def _product(left, right, transposed):  # type: ignore[no-untyped-def]
    """Matrix product; the right factor transposed where asked."""
    n, k = left.shape
    m = right.shape[0] if transposed else right.shape[1]
    out = np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            for e in range(k):
                out[i, j] += left[i, e] * (right[j, e] if transposed else right[e, j])
    return out


@njit(cache=True, error_model="numpy")
def _fo_subject(predict, design, population, subject, want_gradient, gradient):  # type: ignore[no-untyped-def]
    """Minus two log likelihood of the model linearised at the typical parameters."""
    first = design.occasion_start[subject]
    n_occasions = design.occasion_start[subject + 1] - first
    origin = design.row_start[first]
    n = design.row_start[first + n_occasions] - origin
    if n == 0:
        return 0.0
    p, m = population.typical.shape[1], design.eta.shape[0] + n_occasions * design.kappa.shape[0]
    psi, f, jacobian = np.empty((n_occasions, p)), np.empty(n), np.empty((n, p))
    by_effect, rows = np.empty((n, m)), np.empty((n, 5))
    precision, factor_m, prior = np.empty((m, m)), np.zeros((m, m)), np.empty((m, m))
    prior_precision(design, population, subject, precision)
    cholesky(precision, factor_m)
    invert(factor_m, prior)
    shifted(design, population, subject, np.zeros(m), psi)
    predict_subject(predict, design, subject, psi, f, jacobian)
    spread_jacobian(design, subject, jacobian, by_effect)
    constant = _linearise(design, population, origin, f, by_effect, rows)
    shared = _product(by_effect, prior, False)
    covariance, factor = _product(shared, by_effect, True), np.zeros((n, n))
    for i in range(n):
        covariance[i, i] += rows[i, 3]
    log_det = cholesky(covariance, factor)
    if not np.isfinite(log_det):
        return np.inf
    residual, weighted = np.empty(n), np.empty(n)
    for i in range(n):
        residual[i] = rows[i, 0]
    solve(factor, residual, weighted)
    objective = log_det + constant
    for i in range(n):
        objective += residual[i] * weighted[i]
    if want_gradient:
        matrix = np.empty((n, n))  # inverse covariance minus the weighted residuals' outer product
        invert(factor, matrix)
        for i in range(n):
            for k in range(n):
                matrix[i, k] -= weighted[i] * weighted[k]
        second = np.empty((n, p, p))
        second_derivatives(predict, design, subject, psi, second)
        _fo_by_typical(
            design, subject, rows, weighted, matrix, jacobian, second,
            _product(matrix, shared, False), gradient,
        )  # fmt: skip
        _fo_by_precision(design, subject, n_occasions, matrix, shared, prior, gradient)
        _fo_by_sigma(design, population, origin, f, matrix, gradient.sigma[subject])
    return objective


@njit(cache=True, error_model="numpy")
def _fo_by_typical(  # type: ignore[no-untyped-def]
    design, subject, rows, weighted, matrix, jacobian, second, pulled, gradient
):
    first = design.occasion_start[subject]
    origin = design.row_start[first]
    for i in range(jacobian.shape[0]):
        o = design.occasion[origin + i]
        scale, bend = rows[i, 1], rows[i, 2]
        by_value = rows[i, 4] * matrix[i, i] - 2.0 * weighted[i] * scale
        for j in range(jacobian.shape[1]):
            change = by_value * jacobian[i, j]
            for e in range(design.acting.shape[0]):
                k = design.acting[e]
                slope = scale * second[i, j, k] + bend * jacobian[i, j] * jacobian[i, k]
                change += 2.0 * pulled[i, column(design, e, o)] * slope
            gradient.typical[first + o, j] += change


@njit(cache=True, error_model="numpy")
def _fo_by_precision(design, subject, n_occasions, matrix, shared, prior, gradient):  # type: ignore[no-untyped-def]
    """D / d precision = - prior J' matrix J prior, and the inverse precision of the subject."""
    n_eta, m = design.eta.shape[0], prior.shape[0]
    by_precision = np.zeros((m, m))
    right = _product(matrix, shared, False)
    for i in range(matrix.shape[0]):
        for c in range(m):
            for d in range(m):
                by_precision[c, d] += shared[i, c] * right[i, d]
    for c in range(n_eta):
        for d in range(n_eta):
            gradient.precision[subject, c, d] = prior[c, d] - by_precision[c, d]
    for o in range(n_occasions):
        for k in range(design.kappa.shape[0]):
            c = column(design, n_eta + k, o)
            gradient.kappa_precision[subject, k] -= by_precision[c, c]


@njit(cache=True, error_model="numpy")
def _fo_by_sigma(design, population, origin, f, matrix, gradient):  # type: ignore[no-untyped-def]
    sigma = np.empty(population.sigma.shape)
    copy_matrix(population.sigma, sigma)
    for i in range(f.shape[0]):
        region = int(design.rows[origin + i, 1])
        for s in range(3):
            if design.estimated[region, s] == 0:
                continue
            kept = sigma[region, s]
            step = _SIGMA_STEP * max(abs(kept), 1e-8)
            change = 0.0
            for sign in (1.0, -1.0):
                sigma[region, s] = kept + sign * step
                g, _, _ = spread(
                    design.error[region], sigma[region], f[i], design.known_sd[origin + i]
                )
                change += sign * g * g
            sigma[region, s] = kept
            gradient[region, s] += matrix[i, i] * change / (2.0 * step)


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, POPULATION, types.boolean, types.float64[::1], GRADIENT,
            types.int64, types.int64,
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def first_order(predict, design, population, want_gradient, objective, gradient, start, stop):  # type: ignore[no-untyped-def]
    """FO objective (n_subjects,) of subjects start to stop.

    The gradient by the precision has the inverse precision added, as in the conditional methods.
    """
    for i in range(start, stop):
        objective[i] = _fo_subject(predict, design, population, i, want_gradient, gradient)


@njit(cache=True, error_model="numpy")
def _place(factor, effects, node, point):  # type: ignore[no-untyped-def]
    """Random effects of a node."""
    for e in range(point.shape[0]):
        point[e] = effects[e]
        for g in range(e + 1):
            point[e] += factor[e, g] * node[g]


@njit(cache=True, error_model="numpy")
def _integrate_subject(  # type: ignore[no-untyped-def]
    predict, design, population, subject, effects, hessian, nodes, log_weight, want_gradient,
    mean, gradient,
):  # fmt: skip
    """Minus two log of the integral over the random effects by nodes about the mode."""
    first = design.occasion_start[subject]
    n_occasions = design.occasion_start[subject + 1] - first
    n = design.row_start[first + n_occasions] - design.row_start[first]
    if n == 0:
        return 0.0
    p, m = population.typical.shape[1], hessian.shape[0]
    psi, f, jacobian = np.empty((n_occasions, p)), np.empty(n), np.empty((n, p))
    terms, precision = np.empty((n, 4)), np.empty((m, m))
    inverse, factor = np.empty((m, m)), np.zeros((m, m))
    log_det_prior = prior_precision(design, population, subject, precision)
    if not np.isfinite(cholesky(hessian, factor)):
        return np.inf
    invert(factor, inverse)
    log_det = cholesky(inverse, factor)
    highest = -0.5 * penalised(
        predict, design, population, subject, precision, True, f, effects, psi, f, jacobian, terms
    )
    if not np.isfinite(highest):
        return np.inf
    point, total = np.empty(m), 0.0
    for q in range(nodes.shape[0]):
        _place(factor, effects, nodes[q], point)
        value = penalised(
            predict, design, population, subject, precision, True, f, point, psi, f, jacobian, terms
        )
        share = np.exp(log_weight[q] - 0.5 * value - highest)
        if not share > 0.0:  # beyond the range of numbers, or no finite prediction
            continue
        total += share
        for e in range(m):
            mean[e] += share * point[e]
        if want_gradient:
            _add_gradient(design, population, subject, f, jacobian, terms, point, share, gradient)
    for e in range(m):
        mean[e] /= total
    if want_gradient:
        _normalise(design, population, subject, total, gradient)
    objective = m * _LOG_2PI - log_det_prior - log_det - 2.0 * (highest + np.log(total))
    return objective if np.isfinite(objective) else np.inf


@njit(cache=True, error_model="numpy")
def _add_gradient(  # type: ignore[no-untyped-def]
    design, population, subject, f, jacobian, terms, point, share, gradient
):
    """Add one node's derivatives of the penalised density, times its share."""
    first = design.occasion_start[subject]
    origin = design.row_start[first]
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    slope = np.empty(3)
    for i in range(f.shape[0]):
        o = design.occasion[origin + i]
        region = int(design.rows[origin + i, 1])
        for j in range(jacobian.shape[1]):
            gradient.typical[first + o, j] += share * terms[i, 1] * jacobian[i, j]
        sigma_slope(
            design.error[region], population.sigma[region], design.value[origin + i], f[i],
            design.known_sd[origin + i], design.censored[origin + i] == 1, slope,
        )  # fmt: skip
        for s in range(3):
            gradient.sigma[subject, region, s] += share * slope[s]
    for c in range(n_eta):
        for d in range(n_eta):
            gradient.precision[subject, c, d] += share * point[c] * point[d]
    for c in range(n_eta, point.shape[0]):
        gradient.kappa_precision[subject, (c - n_eta) % n_kappa] += share * point[c] * point[c]


@njit(cache=True, error_model="numpy")
def _normalise(design, population, subject, total, gradient):  # type: ignore[no-untyped-def]
    """Divide the sums over nodes by their weight; add the prior's own share of occasions."""
    first, last = design.occasion_start[subject], design.occasion_start[subject + 1]
    for o in range(first, last):
        for j in range(gradient.typical.shape[1]):
            gradient.typical[o, j] /= total
    for c in range(gradient.precision.shape[1]):
        for d in range(gradient.precision.shape[2]):
            gradient.precision[subject, c, d] /= total
    for k in range(gradient.kappa_precision.shape[1]):
        gradient.kappa_precision[subject, k] = (
            gradient.kappa_precision[subject, k] / total
            - (last - first) / population.kappa_precision[k]
        )  # fmt: skip
    for r in range(gradient.sigma.shape[1]):
        for s in range(3):
            gradient.sigma[subject, r, s] /= total


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, POPULATION, types.float64[:, ::1], types.float64[:, :, ::1],
            types.float64[:, ::1], types.float64[::1], types.boolean,
            types.float64[:, ::1], types.float64[::1], GRADIENT, types.int64[::1],
            types.int64, types.int64,
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def integrate(  # type: ignore[no-untyped-def]
    predict, design, population, effects, hessian, nodes, log_weight, want_gradient, mean,
    objective, gradient, which, start, stop,
):  # fmt: skip
    """Objective (n_subjects,) of the subjects in which[start:stop], all with m effects.

    nodes (n_nodes, m) are scaled by the inverse Hessian's factor about the modes; log_weight
    (n_nodes,) is the logarithm of the quadrature weight over the density that it integrates.
    """
    m = nodes.shape[1]
    for index in range(start, stop):
        i = which[index]
        own = np.empty((m, m))
        for e in range(m):
            for g in range(m):
                own[e, g] = hessian[i, e, g]
        objective[i] = _integrate_subject(
            predict, design, population, i, effects[i, :m], own, nodes, log_weight,
            want_gradient, mean[i, :m], gradient,
        )  # fmt: skip
