"""Compiled log posterior of all population parameters and random effects, with its gradient.

The vector is flat: unconstrained population parameters, then each subject's standard-normal
random effects; codes of priors see `kinetics.estimation.priors.KINDS`.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from kinetics._predict_signature import PREDICT_FUNCTION
from kinetics.estimation._arrays import DESIGN
from kinetics.estimation._linear import copy_vector
from kinetics.estimation._rows import row_terms, sigma_slope
from kinetics.estimation._subject import individual, predict_subject

_HALF_LOG_2PI = 0.9189385332046727


class Layout(NamedTuple):
    """How the flat vector makes the model.

    base (n_full,): every element of the model's vector, fixed ones at their value. free (P,): which
    elements are sampled, between low and high (P,); scale (P,): 0 the element is the parameter, 1
    its logarithm, 2 its logit; kind (P,), value (P, 2): prior, -1 where it belongs to a block.
    typical_at (p,): elements of typical values. effect_at, effect_of, effect_kind (n_effects,):
    element, parameter and kind (0 linear in the element, 1 log(1 + b x)) of covariate effects with
    their effect_basis (n_effects, n_occasions).
    factor_at (n_eta, n_eta): elements of the Cholesky factor, -1 for none; place, size (n_eta,):
    row within its block and rows of the block; sd_kind (n_eta,), sd_value (n_eta, 2): priors of
    standard deviations, -1 where fixed; shape (n_eta,): LKJ. cycle_at (n_kappa,); sigma_at
    (n_regions, 3). start (n_subjects + 1,): where each subject's random effects begin.
    """

    base: Any
    free: Any
    low: Any
    high: Any
    scale: Any
    kind: Any
    value: Any
    typical_at: Any
    effect_at: Any
    effect_of: Any
    effect_kind: Any
    effect_basis: Any
    factor_at: Any
    place: Any
    size: Any
    sd_kind: Any
    sd_value: Any
    shape: Any
    cycle_at: Any
    sigma_at: Any
    start: Any


class Whitening(NamedTuple):
    """Linear change of variables: the flat vector from nearly independent standard ones, v.

    centre (d,); population (P, P): w = centre + population v_w; slope (d - P, P), spread (d - P, m):
    the random effects z = centre + slope v_w + spread v_z, where spread is lower triangular for
    each subject.
    """

    centre: Any
    population: Any
    slope: Any
    spread: Any


class Decoded(NamedTuple):
    """Population parameters of one vector: full (n_full,), change (P,) of elements by the vector,
    typical (n_occasions, p), log_factor (n_occasions, p) of covariates, factor (n_eta, n_eta),
    gamma (n_kappa,), sigma (n_regions, 3)."""

    full: Any
    change: Any
    typical: Any
    log_factor: Any
    factor: Any
    gamma: Any
    sigma: Any


_vector, _table, _cube = types.float64[::1], types.float64[:, ::1], types.float64[:, :, ::1]
_index, _index_table = types.int64[::1], types.int64[:, ::1]
LAYOUT = types.NamedTuple(
    (
        _vector, _index, _vector, _vector, _index, _index, _table,
        _index, _index, _index, _index, _table,
        _index_table, _index, _index, _index, _table, _vector, _index, _index_table, _index,
    ),
    Layout,
)  # fmt: skip
WHITENING = types.NamedTuple((_vector, _table, _table, _table), Whitening)


@njit(cache=True, error_model="numpy")
def _limited(w, low, high):  # type: ignore[no-untyped-def]
    """Element between its limits, its derivative by w, log |derivative| and the slope of that."""
    if np.isfinite(low) and np.isfinite(high):
        s = 1.0 / (1.0 + np.exp(-w))
        change = (high - low) * s * (1.0 - s)
        return low + (high - low) * s, change, np.log(change), 1.0 - 2.0 * s
    if np.isfinite(low):
        return low + np.exp(w), np.exp(w), w, 1.0
    if np.isfinite(high):
        return high - np.exp(w), -np.exp(w), w, 1.0
    return w, 1.0, 0.0, 0.0


@njit(cache=True, error_model="numpy")
def _prior(kind, a, b, value):  # type: ignore[no-untyped-def]
    """Log density of a parameter up to a constant, and its derivative."""
    if kind == 1:  # normal, and its positive half
        u = (value - a) / b
        return -0.5 * u * u, -u / b
    if kind == 2:  # log-normal; a is the logarithm of the median
        u = (np.log(value) - a) / b
        return -0.5 * u * u - np.log(value), -(u / b + 1.0) / value
    if kind == 3:  # half Student t: scale, degrees
        u = (value / a) ** 2 / b
        return -0.5 * (b + 1.0) * np.log1p(u), -(b + 1.0) * u / (value * (1.0 + u))
    if kind == 4:  # logit-normal; a is the logit of the median
        u = (np.log(value / (1.0 - value)) - a) / b
        inner = value * (1.0 - value)
        return -0.5 * u * u - np.log(inner), -(u / b + 1.0 - 2.0 * value) / inner
    return 0.0, 0.0  # uniform


@njit(cache=True, error_model="numpy")
def _natural(scale, x):  # type: ignore[no-untyped-def]
    """Parameter of an element, its derivative, log derivative and the slope of that."""
    if scale == 1:
        value = np.exp(x)
        return value, value, x, 1.0
    if scale == 2:
        value = 1.0 / (1.0 + np.exp(-x))
        change = value * (1.0 - value)
        return value, change, np.log(change), 1.0 - 2.0 * value
    return x, 1.0, 0.0, 0.0


@njit(cache=True, error_model="numpy")
def _decode(layout, design, w):  # type: ignore[no-untyped-def]
    """Population parameters of an unconstrained vector (P,)."""
    n_occasions, p = design.row_start.shape[0] - 1, layout.typical_at.shape[0]
    n_eta, n_kappa = layout.factor_at.shape[0], layout.cycle_at.shape[0]
    full, change = layout.base.copy(), np.empty(w.shape[0])
    for k in range(w.shape[0]):
        full[layout.free[k]], change[k], _, _ = _limited(w[k], layout.low[k], layout.high[k])
    typical, log_factor = np.empty((n_occasions, p)), np.zeros((n_occasions, p))
    for e in range(layout.effect_at.shape[0]):
        b, j = full[layout.effect_at[e]], layout.effect_of[e]
        for o in range(n_occasions):
            x = layout.effect_basis[e, o]
            log_factor[o, j] += b * x if layout.effect_kind[e] == 0 else np.log(1.0 + b * x)
    for o in range(n_occasions):
        for j in range(p):
            x = full[layout.typical_at[j]]
            shift = log_factor[o, j]
            typical[o, j] = x + shift if design.transform[j] != 0 else x * np.exp(shift)
    factor, gamma = np.zeros((n_eta, n_eta)), np.empty(n_kappa)
    for i in range(n_eta):
        for j in range(i + 1):
            if layout.factor_at[i, j] >= 0:
                x = full[layout.factor_at[i, j]]
                factor[i, j] = np.exp(x) if i == j else x
    for k in range(n_kappa):
        gamma[k] = np.exp(full[layout.cycle_at[k]])
    sigma = np.zeros(layout.sigma_at.shape)
    for r in range(sigma.shape[0]):
        for s in range(3):
            if layout.sigma_at[r, s] >= 0:
                x = full[layout.sigma_at[r, s]]
                sigma[r, s] = x if s == 2 else np.exp(x)
    return Decoded(full, change, typical, log_factor, factor, gamma, sigma)


@njit(cache=True, error_model="numpy")
def _add_prior(layout, w, decoded, by_full, gradient):  # type: ignore[no-untyped-def]
    """Log prior density of w; adds derivatives by elements and those by w itself."""
    total = 0.0
    for k in range(w.shape[0]):
        _, _, log_change, slope = _limited(w[k], layout.low[k], layout.high[k])
        total += log_change
        gradient[k] += slope
        if layout.kind[k] < 0:
            continue
        at = layout.free[k]
        value, change, log_change, slope = _natural(layout.scale[k], decoded.full[at])
        density, by_value = _prior(layout.kind[k], layout.value[k, 0], layout.value[k, 1], value)
        total += density + log_change
        by_full[at] += by_value * change + slope
    for i in range(layout.sd_kind.shape[0]):
        if layout.sd_kind[i] >= 0:
            total += _row_prior(layout, i, decoded.factor, by_full)
    return total


@njit(cache=True, error_model="numpy")
def _row_prior(layout, i, factor, by_full):  # type: ignore[no-untyped-def]
    """Log prior of one row of the Cholesky factor: its standard deviation, LKJ and Jacobian."""
    square = 0.0
    for j in range(i + 1):
        square += factor[i, j] ** 2
    sd, place = np.sqrt(square), layout.place[i]
    density, by_sd = _prior(layout.sd_kind[i], layout.sd_value[i, 0], layout.sd_value[i, 1], sd)
    power = 0.0
    if place > 0:
        power = layout.size[i] - place + 2.0 * layout.shape[i] - 2.0
    by_sd -= (power + place) / sd
    for j in range(i + 1):
        if layout.factor_at[i, j] >= 0:
            unit = factor[i, i] if i == j else 1.0
            by_full[layout.factor_at[i, j]] += by_sd * factor[i, j] / sd * unit
    by_full[layout.factor_at[i, i]] += power + 1.0
    return density + (power + 1.0) * np.log(factor[i, i]) - (power + place) * np.log(sd)


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
def _subject(predict, design, decoded, subject, z, by_z, by_typical, by_factor, by_gamma, by_sigma):  # type: ignore[no-untyped-def]
    """Log likelihood of one subject plus the log density of z; adds all derivatives."""
    first, last = design.occasion_start[subject], design.occasion_start[subject + 1]
    origin = design.row_start[first]
    n, p = design.row_start[last] - origin, decoded.typical.shape[1]
    n_eta, n_kappa = design.eta.shape[0], design.kappa.shape[0]
    psi, f, jacobian = np.empty((last - first, p)), np.empty(n), np.empty((n, p))
    slope, total = np.empty(3), 0.0
    _shift(design, decoded, first, z, psi)
    predict_subject(predict, design, subject, psi, f, jacobian)
    by_psi = np.zeros((last - first, p))
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
    for o in range(last - first):
        for j in range(p):
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


@njit(cache=True, error_model="numpy")
def _collect(design, layout, decoded, by_typical, by_factor, by_gamma, by_sigma, by_full):  # type: ignore[no-untyped-def]
    """Add derivatives by the parts of the model to those by the elements (n_full,)."""
    for o in range(by_typical.shape[0]):
        for j in range(by_typical.shape[1]):
            grow = 1.0 if design.transform[j] != 0 else np.exp(decoded.log_factor[o, j])
            by_full[layout.typical_at[j]] += by_typical[o, j] * grow
    for e in range(layout.effect_at.shape[0]):
        b, j = decoded.full[layout.effect_at[e]], layout.effect_of[e]
        for o in range(by_typical.shape[0]):
            x = layout.effect_basis[e, o]
            grow = 1.0 if design.transform[j] != 0 else decoded.typical[o, j]
            change = x if layout.effect_kind[e] == 0 else x / (1.0 + b * x)
            by_full[layout.effect_at[e]] += by_typical[o, j] * grow * change
    for i in range(by_factor.shape[0]):
        for j in range(i + 1):
            if layout.factor_at[i, j] >= 0:
                unit = decoded.factor[i, i] if i == j else 1.0
                by_full[layout.factor_at[i, j]] += by_factor[i, j] * unit
    for k in range(by_gamma.shape[0]):
        by_full[layout.cycle_at[k]] += by_gamma[k] * decoded.gamma[k]
    for r in range(by_sigma.shape[0]):
        for s in range(3):
            if layout.sigma_at[r, s] >= 0:
                unit = 1.0 if s == 2 else decoded.sigma[r, s]
                by_full[layout.sigma_at[r, s]] += by_sigma[r, s] * unit


@njit(cache=True, error_model="numpy")
def _colour(layout, whitening, v, t):  # type: ignore[no-untyped-def]
    """The flat vector t (d,) of whitened variables v (d,)."""
    n_population = layout.free.shape[0]
    copy_vector(whitening.centre, t)
    for k in range(n_population):
        for h in range(n_population):
            t[k] += whitening.population[k, h] * v[h]
    for i in range(layout.start.shape[0] - 1):
        a = layout.start[i]
        for e in range(a, layout.start[i + 1]):
            for h in range(n_population):
                t[e] += whitening.slope[e - n_population, h] * v[h]
            for g in range(a, e + 1):
                t[e] += whitening.spread[e - n_population, g - a] * v[g]


@njit(cache=True, error_model="numpy")
def _whiten_gradient(layout, whitening, by_t, gradient):  # type: ignore[no-untyped-def]
    """Derivatives by the whitened variables from those by the flat vector."""
    n_population = layout.free.shape[0]
    gradient.fill(0.0)
    for k in range(n_population):
        for h in range(n_population):
            gradient[h] += whitening.population[k, h] * by_t[k]
    for i in range(layout.start.shape[0] - 1):
        a = layout.start[i]
        for e in range(a, layout.start[i + 1]):
            for h in range(n_population):
                gradient[h] += whitening.slope[e - n_population, h] * by_t[e]
            for g in range(a, e + 1):
                gradient[g] += whitening.spread[e - n_population, g - a] * by_t[e]


@njit(
    [
        types.float64(
            PREDICT_FUNCTION, DESIGN, LAYOUT, WHITENING, types.float64[::1], types.float64[::1]
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def log_posterior(predict, design, layout, whitening, v, gradient):  # type: ignore[no-untyped-def]
    """Log posterior density of v (d,) up to a constant; -inf where it does not exist."""
    n_population = layout.free.shape[0]
    t, by_t = np.empty(v.shape[0]), np.zeros(v.shape[0])
    _colour(layout, whitening, v, t)
    w = t[:n_population]
    decoded = _decode(layout, design, w)
    by_full = np.zeros(layout.base.shape[0])
    total = _add_prior(layout, w, decoded, by_full, by_t)
    by_typical, by_factor = np.zeros(decoded.typical.shape), np.zeros(decoded.factor.shape)
    by_gamma, by_sigma = np.zeros(decoded.gamma.shape[0]), np.zeros(decoded.sigma.shape)
    for i in range(layout.start.shape[0] - 1):
        a, b = layout.start[i], layout.start[i + 1]
        total += _subject(
            predict, design, decoded, i, t[a:b], by_t[a:b], by_typical, by_factor, by_gamma,
            by_sigma,
        )  # fmt: skip
        if not total > -np.inf:
            break
    _collect(design, layout, decoded, by_typical, by_factor, by_gamma, by_sigma, by_full)
    for k in range(n_population):
        by_t[k] += by_full[layout.free[k]] * decoded.change[k]
    _whiten_gradient(layout, whitening, by_t, gradient)
    finite = np.isfinite(total)
    for k in range(gradient.shape[0]):
        finite = finite and np.isfinite(gradient[k])
    if not finite:
        gradient.fill(0.0)
        return -np.inf
    return total


@njit(
    [types.float64(DESIGN, LAYOUT, types.float64[::1], types.float64[::1], types.float64[::1])],
    cache=True, error_model="numpy",
)  # fmt: skip
def log_prior(design, layout, w, full, gradient):  # type: ignore[no-untyped-def]
    """Log prior density of w (P,) with its gradient; the elements into full (n_full,)."""
    decoded = _decode(layout, design, w)
    copy_vector(decoded.full, full)
    by_full = np.zeros(full.shape[0])
    gradient.fill(0.0)
    total = _add_prior(layout, w, decoded, by_full, gradient)
    for k in range(w.shape[0]):
        gradient[k] += by_full[layout.free[k]] * decoded.change[k]
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
    t = np.empty(draws.shape[1])
    for q in range(start, stop):
        _colour(layout, whitening, draws[q], t)
        decoded = _decode(layout, design, t[: layout.free.shape[0]])
        copy_vector(decoded.full, full[q])
        for i in range(layout.start.shape[0] - 1):
            first, last = design.occasion_start[i], design.occasion_start[i + 1]
            origin = design.row_start[first]
            n = design.row_start[last] - origin
            psi, f, jacobian = np.empty((last - first, p)), np.empty(n), np.empty((n, p))
            _shift(design, decoded, first, t[layout.start[i] : layout.start[i + 1]], psi)
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
