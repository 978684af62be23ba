"""Compiled FOCE, FOCEI and Laplace: each subject's objective and its gradient at the mode."""

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN, GRADIENT, POPULATION
from kinetics.estimation._linear import cholesky, copy_matrix, invert, solve
from kinetics.estimation._rows import row_terms
from kinetics.estimation._subject import (
    all_terms,
    column,
    find_mode,
    information,
    predict_subject,
    prior_precision,
    quadratic,
    shifted,
    spread_jacobian,
)
from kinetics.structures._predict_signature import PREDICT_FUNCTION

FOCE, FOCEI, LAPLACE = 0, 1, 2
_STEP = 1e-4  # of transformed parameters, for second derivatives from first ones
_OUTER_STEP = 1e-3  # for third derivatives from second ones
_SIGMA_STEP = 1e-5  # relative


@njit(cache=True, error_model="numpy")
def _increment(transform, psi, step):  # type: ignore[no-untyped-def]
    """Finite step of one transformed parameter."""
    return step if transform != 0 else step * max(abs(psi), 1e-6)


@njit(cache=True, error_model="numpy")
def second_derivatives(predict, design, subject, psi, second):  # type: ignore[no-untyped-def]
    """Second derivatives (n, p, p) of predictions, by central differences of the first ones."""
    n, p = second.shape[0], second.shape[1]
    f, up, down = np.empty(n), np.empty((n, p)), np.empty((n, p))
    moved, step = np.empty(psi.shape), np.empty(psi.shape[0])
    origin = design.row_start[design.occasion_start[subject]]
    second.fill(0.0)
    for j in range(p):
        if design.differentiated[j] == 0:
            continue
        copy_matrix(psi, moved)
        for o in range(psi.shape[0]):
            step[o] = _increment(design.transform[j], psi[o, j], _STEP)
            moved[o, j] = psi[o, j] + step[o]
        predict_subject(predict, design, subject, moved, f, up)
        for o in range(psi.shape[0]):
            moved[o, j] = psi[o, j] - step[o]
        predict_subject(predict, design, subject, moved, f, down)
        for i in range(n):
            width = 2.0 * step[design.occasion[origin + i]]
            for k in range(p):
                second[i, j, k] = (up[i, k] - down[i, k]) / width


@njit(cache=True, error_model="numpy")
def second_form(design, subject, second, matrix, out):  # type: ignore[no-untyped-def]
    """Sum over random effects of matrix times each row's second derivatives, shape (n,)."""
    origin = design.row_start[design.occasion_start[subject]]
    n_acting = design.acting.shape[0]
    for i in range(out.shape[0]):
        o = design.occasion[origin + i]
        out[i] = 0.0
        for e in range(n_acting):
            for g in range(n_acting):
                weight = matrix[column(design, e, o), column(design, g, o)]
                out[i] += weight * second[i, design.acting[e], design.acting[g]]


@njit(cache=True, error_model="numpy")
def full_hessian(design, subject, terms, by_effect, second, precision, out):  # type: ignore[no-untyped-def]
    """Half the full second derivative (m, m) of the penalised minus two log density."""
    origin = design.row_start[design.occasion_start[subject]]
    n_acting = design.acting.shape[0]
    copy_matrix(precision, out)
    for i in range(terms.shape[0]):
        o = design.occasion[origin + i]
        for e in range(n_acting):
            c = column(design, e, o)
            for g in range(n_acting):
                d = column(design, g, o)
                bend = second[i, design.acting[e], design.acting[g]]
                slopes = by_effect[i, c] * by_effect[i, d]
                out[c, d] += 0.5 * (terms[i, 2] * slopes + terms[i, 1] * bend)


@njit(cache=True, error_model="numpy")
def _log_det_rows(  # type: ignore[no-untyped-def]
    predict, design, population, subject, method, psi, f_spread, inverse, jacobian, out
):
    """Each row's share (n,) of trace(inverse Hessian) at psi; the inverse is held constant."""
    n, p, m = f_spread.shape[0], psi.shape[1], inverse.shape[0]
    f, terms = np.empty(n), np.empty((n, 4))
    by_effect, curved = np.empty((n, m)), np.zeros(n)
    predict_subject(predict, design, subject, psi, f, jacobian)
    all_terms(design, population, subject, f, f_spread, method != FOCE, terms)
    spread_jacobian(design, subject, jacobian, by_effect)
    if method == LAPLACE:
        second = np.empty((n, p, p))
        second_derivatives(predict, design, subject, psi, second)
        second_form(design, subject, second, inverse, curved)
    for i in range(n):
        form = quadratic(inverse, by_effect[i])
        if method == LAPLACE:
            out[i] = 0.5 * (terms[i, 2] * form + terms[i, 1] * curved[i])
        else:
            out[i] = terms[i, 3] * form


@njit(cache=True, error_model="numpy")
def _log_det_by_psi(  # type: ignore[no-untyped-def]
    predict, design, population, subject, method, psi, f_spread, inverse, second, out
):
    """Derivative (n_occasions, p) of the Hessian's log determinant by the parameters.

    The second derivatives of the predictions fall out on the way, unless they are known (Laplace).
    """
    n, p = f_spread.shape[0], psi.shape[1]
    up, down = np.empty(n), np.empty(n)
    slope_up, slope_down = np.empty((n, p)), np.empty((n, p))
    moved, step = np.empty(psi.shape), np.empty(psi.shape[0])
    origin = design.row_start[design.occasion_start[subject]]
    size = _OUTER_STEP if method == LAPLACE else _STEP
    out.fill(0.0)
    if method != LAPLACE:
        second.fill(0.0)
    for j in range(p):
        if design.differentiated[j] == 0:
            continue
        copy_matrix(psi, moved)
        for o in range(psi.shape[0]):
            step[o] = _increment(design.transform[j], psi[o, j], size)
            moved[o, j] = psi[o, j] + step[o]
        _log_det_rows(
            predict, design, population, subject, method, moved, f_spread, inverse, slope_up, up
        )
        for o in range(psi.shape[0]):
            moved[o, j] = psi[o, j] - step[o]
        _log_det_rows(
            predict, design, population, subject, method, moved, f_spread, inverse, slope_down, down
        )
        for i in range(n):
            o = design.occasion[origin + i]
            out[o, j] += (up[i] - down[i]) / (2.0 * step[o])
            if method != LAPLACE:
                for k in range(p):
                    second[i, j, k] = (slope_up[i, k] - slope_down[i, k]) / (2.0 * step[o])


@njit(cache=True, error_model="numpy")
def _by_sigma(  # type: ignore[no-untyped-def]
    design, population, subject, method, f, f_spread, form, curved, along, gradient
):
    """Derivatives (n_regions, 3) by the residual parameters, the mode's response included."""
    origin = design.row_start[design.occasion_start[subject]]
    sigma = np.empty(population.sigma.shape)
    copy_matrix(population.sigma, sigma)
    for i in range(f.shape[0]):
        region = int(design.rows[origin + i, 1])
        at = f[i] if method != FOCE else f_spread[i]
        for s in range(3):
            if design.estimated[region, s] == 0:
                continue
            kept = sigma[region, s]
            step = _SIGMA_STEP * max(abs(kept), 1e-8)
            change = 0.0
            for sign in (1.0, -1.0):
                sigma[region, s] = kept + sign * step
                value, slope, curvature, weight = row_terms(
                    design.error[region], sigma[region], design.value[origin + i], f[i], at,
                    design.known_sd[origin + i], design.censored[origin + i] == 1, method != FOCE,
                )  # fmt: skip
                if method == LAPLACE:
                    share = 0.5 * (curvature * form[i] + slope * curved[i])
                else:
                    share = weight * form[i]
                change += sign * (value + share - 0.5 * slope * along[i])
            sigma[region, s] = kept
            gradient[region, s] += change / (2.0 * step)


@njit(cache=True, error_model="numpy")
def _by_spread(design, population, subject, f, f_spread, form, along, out):  # type: ignore[no-untyped-def]
    """Derivatives (n,) by the prediction that FOCE takes the residual error from."""
    origin = design.row_start[design.occasion_start[subject]]
    for i in range(f.shape[0]):
        region = int(design.rows[origin + i, 1])
        step = _SIGMA_STEP * max(abs(f_spread[i]), 1e-8)
        change = 0.0
        for sign in (1.0, -1.0):
            value, slope, _, weight = row_terms(
                design.error[region], population.sigma[region], design.value[origin + i], f[i],
                f_spread[i] + sign * step, design.known_sd[origin + i],
                design.censored[origin + i] == 1, False,
            )  # fmt: skip
            change += sign * (value + weight * form[i] - 0.5 * slope * along[i])
        out[i] = change / (2.0 * step)


@njit(cache=True, error_model="numpy")
def _mode_adjoint(design, by_psi, terms, by_effect, precision, hessian, adjoint):  # type: ignore[no-untyped-def]
    """Solve the full Hessian (m, m) for the log determinant's derivative by the mode."""
    m = adjoint.shape[0]
    factor, response = np.empty((m, m)), np.zeros(m)
    if not np.isfinite(cholesky(hessian, factor)):
        information(terms, by_effect, precision, hessian)
        cholesky(hessian, factor)
    for o in range(by_psi.shape[0]):
        for e in range(design.acting.shape[0]):
            response[column(design, e, o)] += by_psi[o, design.acting[e]]
    solve(factor, response, adjoint)


@njit(cache=True, error_model="numpy")
def _by_typical(  # type: ignore[no-untyped-def]
    design, subject, terms, jacobian, second, along, adjoint, by_spread, spread_slope, by_psi
):
    """Add the derivatives (n_occasions, p) of the density and of the mode's response."""
    origin = design.row_start[design.occasion_start[subject]]
    for i in range(jacobian.shape[0]):
        o = design.occasion[origin + i]
        for j in range(jacobian.shape[1]):
            mixed = terms[i, 2] * along[i] * jacobian[i, j]
            for e in range(design.acting.shape[0]):
                bend = second[i, j, design.acting[e]]
                mixed += terms[i, 1] * adjoint[column(design, e, o)] * bend
            by_psi[o, j] += terms[i, 1] * jacobian[i, j] - 0.5 * mixed
            by_psi[o, j] += by_spread[i] * spread_slope[i, j]


@njit(cache=True, error_model="numpy")
def _by_precision(design, population, subject, n_occasions, effects, inverse, adjoint, gradient):  # type: ignore[no-untyped-def]
    """Write the derivatives by the inverse covariances, but for the prior's own determinant."""
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    for c in range(n_eta):
        for d in range(n_eta):
            gradient.precision[subject, c, d] = (
                effects[c] * effects[d] + inverse[c, d]
                - 0.5 * (adjoint[c] * effects[d] + adjoint[d] * effects[c])
            )  # fmt: skip
    for o in range(n_occasions):
        for k in range(n_kappa):
            c = column(design, n_eta + k, o)
            gradient.kappa_precision[subject, k] += (
                effects[c] * (effects[c] - adjoint[c]) + inverse[c, c]
                - 1.0 / population.kappa_precision[k]
            )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _gradient(  # type: ignore[no-untyped-def]
    predict, design, population, subject, method, effects, psi, f, jacobian, by_effect, terms,
    f_spread, spread_slope, precision, inverse, second, gradient,
):  # fmt: skip
    """Gradient of one subject's objective by implicit differentiation of its mode."""
    n, m, first = f.shape[0], effects.shape[0], design.occasion_start[subject]
    by_psi = np.empty(psi.shape)
    _log_det_by_psi(
        predict, design, population, subject, method, psi, f_spread, inverse, second, by_psi
    )
    hessian, adjoint = np.empty((m, m)), np.empty(m)
    full_hessian(design, subject, terms, by_effect, second, precision, hessian)
    _mode_adjoint(design, by_psi, terms, by_effect, precision, hessian, adjoint)
    along, form = np.zeros(n), np.empty(n)
    curved, by_spread = np.zeros(n), np.zeros(n)
    for i in range(n):
        for e in range(m):
            along[i] += by_effect[i, e] * adjoint[e]
        form[i] = quadratic(inverse, by_effect[i])
    if method == LAPLACE:
        second_form(design, subject, second, inverse, curved)
    if method == FOCE:
        _by_spread(design, population, subject, f, f_spread, form, along, by_spread)
    _by_typical(
        design, subject, terms, jacobian, second, along, adjoint, by_spread, spread_slope, by_psi
    )
    copy_matrix(by_psi, gradient.typical[first : first + psi.shape[0]])
    _by_sigma(
        design, population, subject, method, f, f_spread, form, curved, along,
        gradient.sigma[subject],
    )  # fmt: skip
    _by_precision(design, population, subject, psi.shape[0], effects, inverse, adjoint, gradient)


@njit(cache=True, error_model="numpy")
def _subject_objective(  # type: ignore[no-untyped-def]
    predict, design, population, subject, method, want_gradient, effects, hessian, gradient
):
    """Objective of one subject; the mode into effects, the Hessian used into hessian (m, m)."""
    first = design.occasion_start[subject]
    n_occasions = design.occasion_start[subject + 1] - first
    n = design.row_start[first + n_occasions] - design.row_start[first]
    if n == 0:
        effects.fill(0.0)
        return 0.0
    p, m = population.typical.shape[1], hessian.shape[0]
    psi, f, jacobian = np.empty((n_occasions, p)), np.empty(n), np.empty((n, p))
    by_effect, terms = np.zeros((n, m)), np.empty((n, 4))
    precision, factor = np.empty((m, m)), np.zeros((m, m))
    log_det_prior = prior_precision(design, population, subject, precision)
    f_spread, spread_slope = np.zeros(n), np.zeros((n, p))
    if method == FOCE:
        shifted(design, population, subject, np.zeros(m), psi)
        predict_subject(predict, design, subject, psi, f_spread, spread_slope)
    value = find_mode(
        predict, design, population, subject, precision, method != FOCE, f_spread, effects,
        psi, f, jacobian, by_effect, terms, hessian, factor,
    )  # fmt: skip
    if not np.isfinite(value):
        return np.inf
    second = np.empty((n, p, p))
    if method == LAPLACE:
        second_derivatives(predict, design, subject, psi, second)
        full_hessian(design, subject, terms, by_effect, second, precision, hessian)
    log_det = cholesky(hessian, factor)
    if not np.isfinite(log_det):
        return np.inf
    if want_gradient:
        inverse = np.empty((m, m))
        invert(factor, inverse)
        _gradient(
            predict, design, population, subject, method, effects, psi, f, jacobian, by_effect,
            terms, f_spread, spread_slope, precision, inverse, second, gradient,
        )  # fmt: skip
    return value + log_det - log_det_prior


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, POPULATION, types.int64, types.boolean, types.float64[:, ::1],
            types.float64[:, :, ::1], types.float64[::1], GRADIENT, types.int64, types.int64,
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def conditional(  # type: ignore[no-untyped-def]
    predict, design, population, method, want_gradient, effects, hessian, objective, gradient,
    start, stop,
):  # fmt: skip
    """Objective (n_subjects,) of subjects start to stop at their modes effects, which it finds."""
    for i in range(start, stop):
        n_occasions = design.occasion_start[i + 1] - design.occasion_start[i]
        m = design.eta.shape[0] + n_occasions * design.kappa.shape[0]
        own = np.zeros((m, m))
        objective[i] = _subject_objective(
            predict, design, population, i, method, want_gradient, effects[i, :m], own, gradient
        )
        copy_matrix(own, hessian[i])
