"""Compiled log posterior of all population parameters and random effects, with its gradient.

The vector is flat: population parameters, then each subject's random effects, all whitened.
"""

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN
from kinetics.estimation._bayes_layout import LAYOUT, WHITENING, add_prior, collect, decode
from kinetics.estimation._linear import copy_vector
from kinetics.estimation._rows import row_terms, sigma_slope
from kinetics.estimation._subject import individual, predict_subject
from kinetics.estimation._whitening_kernels import (
    colour_population,
    colour_slopes,
    colour_subject,
)
from kinetics.structures._predict_signature import PREDICT_FUNCTION

_HALF_LOG_2PI = 0.9189385332046727


@njit(cache=True, error_model="numpy")
def _shift(design, decoded, first, z, psi):  # type: ignore[no-untyped-def]
    """Transformed parameters (n_occasions, p) of a subject with random effects z (m,)."""
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    for o in range(psi.shape[0]):
        for j in range(psi.shape[1]):
            psi[o, j] = decoded.typical[first + o, j]
        for k in range(n_kappa):
            psi[o, design.kappa[k]] += decoded.gamma[k] * z[n_eta + o * n_kappa + k]
    for e in range(n_eta):
        effect = 0.0
        for g in range(e + 1):
            effect += decoded.factor[e, g] * z[g]
        for o in range(psi.shape[0]):
            psi[o, design.eta[e]] += effect


@njit(cache=True, error_model="numpy")
def _rows(predict, design, decoded, subject, psi, by_psi, by_sigma):  # type: ignore[no-untyped-def]
    """Log likelihood of one subject; adds derivatives by psi (n_occasions, p) and sigma."""
    first, last = design.occasion_start[subject], design.occasion_start[subject + 1]
    origin, p = design.row_start[first], psi.shape[1]
    n = design.row_start[last] - origin
    f, jacobian, slope, total = np.empty(n), np.empty((n, p)), np.empty(3), 0.0
    predict_subject(predict, design, subject, psi, f, jacobian)
    for i in range(n):
        row = origin + i
        region, known = int(design.rows[row, 1]), design.known_sd[row]
        sigma, kind = decoded.sigma[region], design.error[region]
        censored, y = design.censored[row] == 1, design.value[row]
        value, by_f, _, _ = row_terms(kind, sigma, y, f[i], f[i], known, censored, True)
        if not np.isfinite(value):
            return -np.inf
        total -= 0.5 * value
        for j in range(p):
            by_psi[design.occasion[row], j] -= 0.5 * by_f * jacobian[i, j]
        sigma_slope(kind, sigma, y, f[i], known, censored, slope)
        for s in range(3):
            by_sigma[region, s] -= 0.5 * slope[s]
    return total


@njit(cache=True, error_model="numpy")
def _subject(  # type: ignore[no-untyped-def]
    predict, design, decoded, subject, z, by_z, by_typical, by_factor, by_gamma, by_sigma
):
    """Log likelihood of one subject plus the log density of z; adds all derivatives."""
    first, last = design.occasion_start[subject], design.occasion_start[subject + 1]
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    psi = np.empty((last - first, decoded.typical.shape[1]))
    by_psi = np.zeros(psi.shape)
    _shift(design, decoded, first, z, psi)
    total = _rows(predict, design, decoded, subject, psi, by_psi, by_sigma)
    for o in range(last - first):
        for j in range(psi.shape[1]):
            by_typical[first + o, j] += by_psi[o, j]
        for k in range(n_kappa):
            pull = by_psi[o, design.kappa[k]]
            by_z[n_eta + o * n_kappa + k] += pull * decoded.gamma[k]
            by_gamma[k] += pull * z[n_eta + o * n_kappa + k]
    for e in range(n_eta):
        pull = 0.0
        for o in range(last - first):
            pull += by_psi[o, design.eta[e]]
        for g in range(e + 1):
            by_z[g] += pull * decoded.factor[e, g]
            by_factor[e, g] += pull * z[g]
    for e in range(z.shape[0]):
        total -= 0.5 * z[e] * z[e]
        by_z[e] -= z[e]
    return total


@njit(
    [
        types.float64(
            PREDICT_FUNCTION, DESIGN, LAYOUT, WHITENING, types.float64[::1], types.float64[::1]
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def log_posterior(predict, design, layout, whitening, v, gradient):  # type: ignore[no-untyped-def]
    """Log density of v (d,) under the posterior, up to a constant; -inf where there is none."""
    n_population = layout.free.shape[0]
    w = colour_population(whitening, v[:n_population])
    decoded = decode(layout, design, w)
    by_full, by_w = np.zeros(layout.base.shape[0]), np.zeros(n_population)
    total = add_prior(layout, w, decoded, by_full, by_w)
    by_typical, by_factor = np.zeros(decoded.typical.shape), np.zeros(decoded.factor.shape)
    by_gamma, by_sigma = np.zeros(decoded.gamma.shape[0]), np.zeros(decoded.sigma.shape)
    for i in range(layout.start.shape[0] - 1):
        a, b = layout.start[i], layout.start[i + 1]
        z, factor, centre, scale, weighted, right = colour_subject(
            design, whitening, decoded, w, a - n_population, v[a:b]
        )
        by_z = np.zeros(b - a)
        total += _subject(
            predict, design, decoded, i, z, by_z, by_typical, by_factor, by_gamma, by_sigma
        )
        if not total > -np.inf:
            break
        total += colour_slopes(
            design, whitening, a - n_population, z, factor, centre, scale, weighted, right, by_z,
            by_factor, by_gamma, by_w, gradient[a:b],
        )  # fmt: skip
    collect(design, layout, decoded, by_typical, by_factor, by_gamma, by_sigma, by_full)
    finite = np.isfinite(total)
    for k in range(n_population):
        by_w[k] += by_full[layout.free[k]] * decoded.change[k]
    for h in range(n_population):
        gradient[h] = 0.0
        for k in range(n_population):
            gradient[h] += whitening.population[k, h] * by_w[k]
    for k in range(gradient.shape[0]):
        finite = finite and np.isfinite(gradient[k])
    if not finite:
        gradient.fill(0.0)
        return -np.inf
    return total


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, LAYOUT, WHITENING, types.float64[:, ::1],
            types.float64[:, ::1], types.float64[:, :, ::1], types.float64[:, ::1],
            types.int64, types.int64,
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def unpack(  # type: ignore[no-untyped-def]
    predict, design, layout, whitening, draws, full, parameter, log_likelihood, start, stop
):
    """Elements (n, n_full), individual parameters (n, n_occasions, p), log likelihood (n, n_rows).

    Of draws start to stop. The log likelihood of a row is that given the individual parameters.
    """
    p, slope = parameter.shape[2], np.empty(parameter.shape[2])
    n_population = layout.free.shape[0]
    for q in range(start, stop):
        w = colour_population(whitening, draws[q, :n_population])
        decoded = decode(layout, design, w)
        copy_vector(decoded.full, full[q])
        for i in range(layout.start.shape[0] - 1):
            first, last = design.occasion_start[i], design.occasion_start[i + 1]
            origin = design.row_start[first]
            n = design.row_start[last] - origin
            psi, f, jacobian = np.empty((last - first, p)), np.empty(n), np.empty((n, p))
            a, b = layout.start[i], layout.start[i + 1]
            z = colour_subject(design, whitening, decoded, w, a - n_population, draws[q, a:b])[0]
            _shift(design, decoded, first, z, psi)
            for o in range(last - first):
                individual(psi[o], design.transform, parameter[q, first + o], slope)
            if log_likelihood.shape[1] == 0:
                continue
            predict_subject(predict, design, i, psi, f, jacobian)
            for k in range(n):
                row = origin + k
                region, censored = int(design.rows[row, 1]), design.censored[row] == 1
                value, _, _, _ = row_terms(
                    design.error[region], decoded.sigma[region], design.value[row], f[k], f[k],
                    design.known_sd[row], censored, True,
                )  # fmt: skip
                log_likelihood[q, row] = -0.5 * value - (0.0 if censored else _HALF_LOG_2PI)
