"""Compiled steps that all conditional methods share: one subject's predictions and its mode."""

import numpy as np
from numba import njit

from kinetics.estimation._linear import cholesky, copy_matrix, copy_vector, solve
from kinetics.estimation._rows import row_terms

LEAST_STEP = 1e-15  # Newton decrement at which the mode is found
_FULL_STEP = 1e-9  # decrement below which the line search would only see rounding
_LONGEST_STEP = 2.0  # prior standard deviations
_N_ITERATIONS = 100
_N_HALVINGS = 30


@njit(cache=True, error_model="numpy")
def individual(psi, transform, parameter, slope):  # type: ignore[no-untyped-def]
    """Structural parameters of one occasion and their derivative by the transformed ones."""
    for j in range(psi.shape[0]):
        if transform[j] == 1:
            parameter[j] = np.exp(psi[j])
            slope[j] = parameter[j]
        elif transform[j] == 2:
            parameter[j] = 1.0 / (1.0 + np.exp(-psi[j]))
            slope[j] = parameter[j] * (1.0 - parameter[j])
        else:
            parameter[j] = psi[j]
            slope[j] = 1.0


@njit(cache=True, error_model="numpy")
def predict_subject(predict, design, subject, psi, f, jacobian):  # type: ignore[no-untyped-def]
    """Predictions (n,) of all occasions and derivatives (n, p) by the transformed parameters."""
    p = psi.shape[1]
    parameter, slope = np.empty(p), np.empty(p)
    first = design.occasion_start[subject]
    origin = design.row_start[first]
    for o in range(psi.shape[0]):
        a, b = design.row_start[first + o], design.row_start[first + o + 1]
        c, d = design.dose_start[first + o], design.dose_start[first + o + 1]
        if a == b:
            continue
        individual(psi[o], design.transform, parameter, slope)
        predict(
            parameter, design.rows[a:b], design.doses[c:d],
            f[a - origin : b - origin], jacobian[a - origin : b - origin],
        )  # fmt: skip
        for i in range(a - origin, b - origin):
            for j in range(p):
                jacobian[i, j] *= slope[j]


@njit(cache=True, error_model="numpy")
def shifted(design, population, subject, effects, psi):  # type: ignore[no-untyped-def]
    """Transformed parameters (n_occasions, p) of a subject with given random effects."""
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    first = design.occasion_start[subject]
    for o in range(psi.shape[0]):
        for j in range(psi.shape[1]):
            psi[o, j] = population.typical[first + o, j]
        for e in range(n_eta):
            psi[o, design.eta[e]] += effects[e]
        for k in range(n_kappa):
            psi[o, design.kappa[k]] += effects[n_eta + o * n_kappa + k]


@njit(cache=True, error_model="numpy")
def column(design, effect, occasion):  # type: ignore[no-untyped-def]
    """Position among a subject's random effects of one that acts in an occasion."""
    return effect if effect < design.eta.shape[0] else effect + occasion * design.kappa.shape[0]


@njit(cache=True, error_model="numpy")
def spread_jacobian(design, subject, jacobian, by_effect):  # type: ignore[no-untyped-def]
    """Derivatives (n, m) by the random effects from those by the transformed parameters."""
    origin = design.row_start[design.occasion_start[subject]]
    by_effect.fill(0.0)
    for i in range(jacobian.shape[0]):
        for e in range(design.acting.shape[0]):
            c = column(design, e, design.occasion[origin + i])
            by_effect[i, c] = jacobian[i, design.acting[e]]


@njit(cache=True, error_model="numpy")
def prior_precision(design, population, subject, precision):  # type: ignore[no-untyped-def]
    """Inverse covariance (m, m) of all random effects of a subject; its log determinant."""
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    n_occasions = design.occasion_start[subject + 1] - design.occasion_start[subject]
    precision.fill(0.0)
    for e in range(n_eta):
        for g in range(n_eta):
            precision[e, g] = population.precision[e, g]
    log_det = 0.0
    for o in range(n_occasions):
        for k in range(n_kappa):
            c = n_eta + o * n_kappa + k
            precision[c, c] = population.kappa_precision[k]
            log_det += np.log(population.kappa_precision[k])
    factor = np.zeros((n_eta, n_eta))
    return log_det + cholesky(population.precision, factor)


@njit(cache=True, error_model="numpy")
def all_terms(design, population, subject, f, f_spread, interaction, terms):  # type: ignore[no-untyped-def]
    """Terms (n, 4) of every observation; the sum of the first."""
    origin = design.row_start[design.occasion_start[subject]]
    total = 0.0
    for i in range(f.shape[0]):
        region = int(design.rows[origin + i, 1])
        spread_at = f[i] if interaction else f_spread[i]
        terms[i, 0], terms[i, 1], terms[i, 2], terms[i, 3] = row_terms(
            design.error[region], population.sigma[region], design.value[origin + i], f[i],
            spread_at, design.known_sd[origin + i], design.censored[origin + i] == 1, interaction,
        )  # fmt: skip
        total += terms[i, 0]
    return total


@njit(cache=True, error_model="numpy")
def quadratic(matrix, vector):  # type: ignore[no-untyped-def]
    """Quadratic form of a symmetric matrix."""
    total = 0.0
    for i in range(vector.shape[0]):
        row = 0.0
        for j in range(vector.shape[0]):
            row += matrix[i, j] * vector[j]
        total += vector[i] * row
    return total


@njit(cache=True, error_model="numpy")
def information(terms, by_effect, precision, out):  # type: ignore[no-untyped-def]
    """Gauss-Newton Hessian (m, m): sum of weight J J' plus the prior precision."""
    m = precision.shape[0]
    copy_matrix(precision, out)
    for i in range(terms.shape[0]):
        weight = terms[i, 3]
        for e in range(m):
            if by_effect[i, e] != 0.0:
                scaled = weight * by_effect[i, e]
                for g in range(e + 1):
                    out[e, g] += scaled * by_effect[i, g]
    for e in range(m):
        for g in range(e):
            out[g, e] = out[e, g]


@njit(cache=True, error_model="numpy")
def penalised(  # type: ignore[no-untyped-def]
    predict, design, population, subject, precision, interaction, f_spread, effects,
    psi, f, jacobian, terms,
):  # fmt: skip
    """Twice the penalised negative log density at some effects; leaves predictions and terms."""
    shifted(design, population, subject, effects, psi)
    predict_subject(predict, design, subject, psi, f, jacobian)
    value = all_terms(design, population, subject, f, f_spread, interaction, terms)
    return value + quadratic(precision, effects)


@njit(cache=True, error_model="numpy")
def _descent(terms, by_effect, precision, effects, factor, step):  # type: ignore[no-untyped-def]
    """Gauss-Newton step; the decrease that it promises, and its length in prior deviations."""
    m = effects.shape[0]
    gradient = np.empty(m)
    for e in range(m):
        gradient[e] = 0.0
        for g in range(m):
            gradient[e] -= precision[e, g] * effects[g]
        for i in range(terms.shape[0]):
            gradient[e] -= 0.5 * terms[i, 1] * by_effect[i, e]
    solve(factor, gradient, step)
    decrement, longest = 0.0, 0.0
    for e in range(m):
        decrement += gradient[e] * step[e]
        longest = max(longest, abs(step[e]) * np.sqrt(precision[e, e]))
    return decrement, longest


@njit(cache=True, error_model="numpy")
def find_mode(  # type: ignore[no-untyped-def]
    predict, design, population, subject, precision, interaction, f_spread, effects,
    psi, f, jacobian, by_effect, terms, hessian, factor,
):  # fmt: skip
    """Mode of a subject's random effects by damped Gauss-Newton steps from `effects`.

    Leaves predictions, terms and the Gauss-Newton Hessian with its factor at the mode. Returns
    twice the penalised negative log density, or infinity where the start has no finite value.
    """
    m = effects.shape[0]
    step, trial = np.empty(m), np.empty(m)
    value = penalised(
        predict, design, population, subject, precision, interaction, f_spread, effects,
        psi, f, jacobian, terms,
    )  # fmt: skip
    if not np.isfinite(value):
        return np.inf
    for _ in range(_N_ITERATIONS):
        spread_jacobian(design, subject, jacobian, by_effect)
        information(terms, by_effect, precision, hessian)
        if not np.isfinite(cholesky(hessian, factor)):
            return np.inf
        decrement, longest = _descent(terms, by_effect, precision, effects, factor, step)
        if decrement < LEAST_STEP:
            break
        length = min(1.0, _LONGEST_STEP / longest)
        new = np.inf
        for _halving in range(_N_HALVINGS):
            for e in range(m):
                trial[e] = effects[e] + length * step[e]
            new = penalised(
                predict, design, population, subject, precision, interaction, f_spread, trial,
                psi, f, jacobian, terms,
            )  # fmt: skip
            if new <= value - 1e-4 * length * decrement or decrement < _FULL_STEP:
                break
            length *= 0.5
        if not new <= value + _FULL_STEP * abs(value):  # only rounding is left: go back
            return penalised(
                predict, design, population, subject, precision, interaction, f_spread, effects,
                psi, f, jacobian, terms,
            )  # fmt: skip
        copy_vector(trial, effects)
        value = new
    return value
