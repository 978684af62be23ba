"""Compiled population side of the log posterior: from the flat vector to the model, and priors.

Codes of priors: see `kinetics.estimation.priors.KINDS`.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN
from kinetics.estimation._linear import copy_vector


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
    """Change of variables from nearly independent standard ones.

    centre (P,), population (P, P): w = centre + population v. About the centre the log likelihood
    of a subject's effects b is pull'b - b' information b / 2 - b' cross (w - centre): pull
    (m_all,), information (m_all, m), cross (m_all, P), the subjects' rows one after another. All
    zero leaves the effects as they are.
    """

    centre: Any
    population: Any
    pull: Any
    information: Any
    cross: Any


class Decoded(NamedTuple):
    """Population parameters of one vector.

    full (n_full,): elements; change (P,): their derivatives by the vector. typical and log_factor
    of covariates (n_occasions, p), factor (n_eta, n_eta), gamma (n_kappa,), sigma (n_regions, 3).
    """

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
WHITENING = types.NamedTuple((_vector, _table, _vector, _table, _table), Whitening)


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
def _typical(layout, design, full, typical, log_factor):  # type: ignore[no-untyped-def]
    """Write typical transformed parameters and covariate factors (n_occasions, p)."""
    n_occasions, p = typical.shape
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


@njit(cache=True, error_model="numpy")
def _scales(layout, full, factor, gamma, sigma):  # type: ignore[no-untyped-def]
    """Write the factor of the effects' covariance, gamma and the residual parameters."""
    for i in range(factor.shape[0]):
        for j in range(i + 1):
            if layout.factor_at[i, j] >= 0:
                x = full[layout.factor_at[i, j]]
                factor[i, j] = np.exp(x) if i == j else x
    for k in range(gamma.shape[0]):
        gamma[k] = np.exp(full[layout.cycle_at[k]])
    for r in range(sigma.shape[0]):
        for s in range(3):
            if layout.sigma_at[r, s] >= 0:
                x = full[layout.sigma_at[r, s]]
                sigma[r, s] = x if s == 2 else np.exp(x)


@njit(cache=True, error_model="numpy")
def decode(layout, design, w):  # type: ignore[no-untyped-def]
    """Population parameters of an unconstrained vector (P,)."""
    n_occasions, p = design.row_start.shape[0] - 1, layout.typical_at.shape[0]
    n_eta = layout.factor_at.shape[0]
    full, change = layout.base.copy(), np.empty(w.shape[0])
    for k in range(w.shape[0]):
        full[layout.free[k]], change[k], _, _ = _limited(w[k], layout.low[k], layout.high[k])
    typical, log_factor = np.empty((n_occasions, p)), np.zeros((n_occasions, p))
    _typical(layout, design, full, typical, log_factor)
    factor, gamma = np.zeros((n_eta, n_eta)), np.empty(layout.cycle_at.shape[0])
    sigma = np.zeros(layout.sigma_at.shape)
    _scales(layout, full, factor, gamma, sigma)
    return Decoded(full, change, typical, log_factor, factor, gamma, sigma)


@njit(cache=True, error_model="numpy")
def add_prior(layout, w, decoded, by_full, gradient):  # type: ignore[no-untyped-def]
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
def _collect_typical(design, layout, decoded, by_typical, by_full):  # type: ignore[no-untyped-def]
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


@njit(cache=True, error_model="numpy")
def collect(design, layout, decoded, by_typical, by_factor, by_gamma, by_sigma, by_full):  # type: ignore[no-untyped-def]
    """Add derivatives by the parts of the model to those by the elements (n_full,)."""
    _collect_typical(design, layout, decoded, by_typical, by_full)
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


@njit(
    [types.float64(DESIGN, LAYOUT, types.float64[::1], types.float64[::1], types.float64[::1])],
    cache=True, error_model="numpy",
)  # fmt: skip
def log_prior(design, layout, w, full, gradient):  # type: ignore[no-untyped-def]
    """Log prior density of w (P,) with its gradient; the elements into full (n_full,)."""
    decoded = decode(layout, design, w)
    copy_vector(decoded.full, full)
    by_full = np.zeros(full.shape[0])
    gradient.fill(0.0)
    total = add_prior(layout, w, decoded, by_full, gradient)
    for k in range(w.shape[0]):
        gradient[k] += by_full[layout.free[k]] * decoded.change[k]
    return total
