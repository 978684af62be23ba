"""Compiled simulation step of SAEM: Markov chains of every subject's random effects.

Each chain of each subject carries its own generator (splitmix64), so that the numbers do not
depend on the number of threads.
"""

import numpy as np
from numba import njit, types

from kinetics._random_kernels import uniform
from kinetics.estimation._arrays import DESIGN, POPULATION
from kinetics.estimation._linear import cholesky, copy_matrix, copy_vector
from kinetics.estimation._rows import log_normal_cdf, spread
from kinetics.estimation._subject import (
    all_terms,
    predict_subject,
    prior_precision,
    quadratic,
    shifted,
)
from kinetics.structures._predict_signature import PREDICT_FUNCTION

INDEPENDENT, PRIOR, COMPONENTWISE, WALK = 0, 1, 2, 3
N_KERNELS = 4
_DEGREES = 5.0  # of freedom of the independent proposals
_SIGMA_STEP = 1e-5  # relative


@njit(cache=True, error_model="numpy")
def normal(state):  # type: ignore[no-untyped-def]
    """Standard normal number (Box and Muller)."""
    radius = np.sqrt(-2.0 * np.log(uniform(state)))
    return radius * np.cos(2.0 * np.pi * uniform(state))


@njit(cache=True, error_model="numpy")
def normal_below(limit, state):  # type: ignore[no-untyped-def]
    """Standard normal number below a limit, by rejection (Robert 1995)."""
    if limit > -0.5:
        u = normal(state)
        while not u < limit:
            u = normal(state)
        return u
    rate = 0.5 * (-limit + np.sqrt(limit * limit + 4.0))
    while True:
        z = -limit - np.log(uniform(state)) / rate
        if np.log(uniform(state)) < -0.5 * (z - rate) ** 2:
            return -z


@njit(cache=True, error_model="numpy")
def _gaussian(factor, state, out):  # type: ignore[no-untyped-def]
    """Draw from N(0, (L L')^-1) into out; its squared distance from the centre."""
    distance = 0.0
    for i in range(out.shape[0] - 1, -1, -1):
        z = normal(state)
        distance += z * z
        for k in range(i + 1, out.shape[0]):
            z -= factor[k, i] * out[k]
        out[i] = z / factor[i, i]
    return distance


@njit(cache=True, error_model="numpy")
def _distance(factor, point, centre):  # type: ignore[no-untyped-def]
    """Squared distance of a point from the centre in the metric L L'."""
    distance = 0.0
    for i in range(point.shape[0]):
        along = 0.0
        for k in range(i, point.shape[0]):
            along += factor[k, i] * (point[k] - centre[k])
        distance += along * along
    return distance


@njit(cache=True, error_model="numpy")
def _propose(  # type: ignore[no-untyped-def]
    kind, component, scale, mode, factor, precision, prior_factor, effects, state, trial
):
    """Proposal of one kernel into trial; the logarithm of its correction to the target's ratio."""
    m = effects.shape[0]
    if kind == COMPONENTWISE:
        copy_vector(effects, trial)
        curvature = 0.0
        for k in range(component + 1):
            curvature += factor[component, k] ** 2
        trial[component] += scale[0] * normal(state) / np.sqrt(curvature)
        return 0.0
    if kind == PRIOR:
        _gaussian(prior_factor, state, trial)
        return 0.5 * (quadratic(precision, trial) - quadratic(precision, effects))
    distance = _gaussian(factor, state, trial)
    if kind == WALK:
        for e in range(m):
            trial[e] = effects[e] + scale[1] * trial[e]
        return 0.0
    chi_squared = normal(state) ** 2 - 2.0 * np.log(uniform(state) * uniform(state))
    stretch = np.sqrt(_DEGREES / chi_squared)
    for e in range(m):
        trial[e] = mode[e] + stretch * trial[e]
    ratio = (1.0 + distance * stretch * stretch / _DEGREES) / (
        1.0 + _distance(factor, effects, mode) / _DEGREES
    )
    return 0.5 * (_DEGREES + m) * np.log(ratio)


@njit(cache=True, error_model="numpy")
def _row_value(kind, sigma, y, f, known, censored):  # type: ignore[no-untyped-def]
    """Minus two log density of an observation (without log 2 pi), as in `row_terms`."""
    g = spread(kind, sigma, f, known)[0]
    if not g > 0.0 or (kind == 5 and not f > 0.0):
        return np.inf
    distance = np.log(y / f) / g if kind == 5 else (y - f) / g
    if censored == 1:
        return -2.0 * log_normal_cdf(distance)
    value = distance * distance + 2.0 * np.log(g)
    return value + 2.0 * np.log(y) if kind == 5 else value


@njit(cache=True, error_model="numpy")
def _density(  # type: ignore[no-untyped-def]
    predict, rows, doses, row_start, dose_start, y, known, censored, transform, error, acting,
    n_eta, typical, sigma, precision, effects, parameter, f, jacobian,
):  # fmt: skip
    """Minus two log density of a subject's data and effects; leaves the predictions in f.

    Takes the subject's own arrays, and leaves out the derivatives: much faster than `penalised`.
    """
    n_kappa = acting.shape[0] - n_eta
    value = quadratic(precision, effects)
    for o in range(typical.shape[0]):
        a, b = row_start[o] - row_start[0], row_start[o + 1] - row_start[0]
        if a == b:
            continue
        for j in range(parameter.shape[0]):
            parameter[j] = typical[o, j]
        for e in range(acting.shape[0]):
            parameter[acting[e]] += effects[e if e < n_eta else e + o * n_kappa]
        for j in range(parameter.shape[0]):
            if transform[j] == 1:
                parameter[j] = np.exp(parameter[j])
            elif transform[j] == 2:
                parameter[j] = 1.0 / (1.0 + np.exp(-parameter[j]))
        c, d = dose_start[o] - dose_start[0], dose_start[o + 1] - dose_start[0]
        predict(parameter, rows[a:b], doses[c:d], f[a:b], jacobian[a:b])
        for i in range(a, b):
            region = int(rows[i, 1])
            value += _row_value(error[region], sigma[region], y[i], f[i], known[i], censored[i])
    return value


@njit(cache=True, error_model="numpy")
def _log_spread_slope(kind, sigma, s, f, known):  # type: ignore[no-untyped-def]
    """Derivative of the logarithm of the residual standard deviation by sigma[s]."""
    kept = sigma[s]
    step = _SIGMA_STEP * max(abs(kept), 1e-8)
    sigma[s] = kept + step
    up = spread(kind, sigma, f, known)[0]
    sigma[s] = kept - step
    down = spread(kind, sigma, f, known)[0]
    sigma[s] = kept
    return np.log(up / down) / (2.0 * step)


@njit(cache=True, error_model="numpy")
def _residuals(  # type: ignore[no-untyped-def]
    rows, y, known, censored, error, estimated, sigma, f, state, squares, slope, information
):
    """Add squared residuals; and score and information of errors with several parameters.

    Values below the limit are drawn from their distribution given the prediction.
    """
    for i in range(f.shape[0]):
        region = int(rows[i, 1])
        kind = error[region]
        g = spread(kind, sigma[region], f[i], known[i])[0]
        u = np.log(y[i] / f[i]) / g if kind == 5 else (y[i] - f[i]) / g
        if censored[i] == 1:
            u = normal_below(u, state)
        squares[region] += u * u
        if kind >= 2 and kind <= 4:
            _error_slopes(
                kind, sigma[region].copy(), estimated[region], f[i], known[i], u * u - 1.0,
                slope[region], information[region],
            )  # fmt: skip


@njit(cache=True, error_model="numpy")
def _error_slopes(kind, sigma, estimated, f, known, excess, slope, information):  # type: ignore[no-untyped-def]
    """Add score and information of one observation by the parameters of its error."""
    by = np.zeros(3)
    for s in range(3):
        if estimated[s] == 1:
            by[s] = _log_spread_slope(kind, sigma, s, f, known)
    for s in range(3):
        slope[s] += excess * by[s]
        for t in range(3):
            information[s, t] += 2.0 * by[s] * by[t]


@njit(cache=True, error_model="numpy")
def _typical_slopes(predict, design, population, subject, effects, by_typical, curvature):  # type: ignore[no-untyped-def]
    """Add score and information of the data by each occasion's transformed parameters."""
    first, last = design.occasion_start[subject], design.occasion_start[subject + 1]
    origin = design.row_start[first]
    n, p = design.row_start[last] - origin, by_typical.shape[1]
    psi, f = np.empty((last - first, p)), np.empty(n)
    jacobian, terms = np.empty((n, p)), np.empty((n, 4))
    shifted(design, population, subject, effects, psi)
    predict_subject(predict, design, subject, psi, f, jacobian)
    all_terms(design, population, subject, f, f, True, terms)
    for i in range(n):
        o = first + design.occasion[origin + i]
        for j in range(p):
            by_typical[o, j] -= 0.5 * terms[i, 1] * jacobian[i, j]
            for k in range(p):
                curvature[o, j, k] += terms[i, 3] * jacobian[i, j] * jacobian[i, k]


@njit(cache=True, error_model="numpy")
def _subject_chains(  # type: ignore[no-untyped-def]
    predict, design, population, subject, mode, hessian, scale, transitions, want_slopes, state,
    effects, value, accepted, squares, slope, information, by_typical, curvature,
):  # fmt: skip
    """Move all chains of a subject and add the statistics of where they end."""
    first = design.occasion_start[subject]
    n_occasions = design.occasion_start[subject + 1] - first
    n = design.row_start[first + n_occasions] - design.row_start[first]
    if n == 0:
        return
    p, m = population.typical.shape[1], mode.shape[0]
    last = first + n_occasions
    a, b = design.row_start[first], design.row_start[last]
    c, d = design.dose_start[first], design.dose_start[last]
    rows, doses, y = design.rows[a:b], design.doses[c:d], design.value[a:b]
    known, censored = design.known_sd[a:b], design.censored[a:b]
    row_start, dose_start = design.row_start[first : last + 1], design.dose_start[first : last + 1]
    transform, error, acting, n_eta = (
        design.transform, design.error, design.acting, design.eta.shape[0],
    )  # fmt: skip
    typical, sigma = population.typical[first:last], population.sigma
    parameter, trial, precision = np.empty(p), np.empty(m), np.empty((m, m))
    f, f_new, jacobian = np.empty(n), np.empty(n), np.empty((n, p))
    factor, prior_factor = np.zeros((m, m)), np.zeros((m, m))
    prior_precision(design, population, subject, precision)
    cholesky(precision, prior_factor)
    if not np.isfinite(cholesky(hessian, factor)):
        copy_matrix(prior_factor, factor)
    for chain in range(effects.shape[0]):
        own, generator = effects[chain, subject, :m], state[subject, chain : chain + 1]
        now = _density(
            predict, rows, doses, row_start, dose_start, y, known, censored, transform, error,
            acting, n_eta, typical, sigma, precision, own, parameter, f, jacobian,
        )  # fmt: skip
        for kind in range(N_KERNELS):
            sweep = m if kind == COMPONENTWISE else 1
            for step in range(transitions[kind] * sweep):
                correction = _propose(
                    kind, step % sweep, scale, mode, factor, precision, prior_factor, own,
                    generator, trial,
                )  # fmt: skip
                new = _density(
                    predict, rows, doses, row_start, dose_start, y, known, censored, transform,
                    error, acting, n_eta, typical, sigma, precision, trial, parameter, f_new,
                    jacobian,
                )  # fmt: skip
                move = not np.isfinite(now) and np.isfinite(new)
                if move or np.log(uniform(generator)) < 0.5 * (now - new) + correction:
                    copy_vector(trial, own)
                    now = new
                    f, f_new = f_new, f
                    accepted[subject, kind, 0] += 1.0
                accepted[subject, kind, 1] += 1.0
        value[subject, chain] = now
        if not np.isfinite(now):
            continue
        _residuals(
            rows, y, known, censored, error, design.estimated, sigma, f, generator,
            squares[subject], slope[subject], information[subject],
        )  # fmt: skip
        if want_slopes:
            _typical_slopes(predict, design, population, subject, own, by_typical, curvature)


_cube = types.float64[:, :, ::1]


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, POPULATION, types.float64[:, ::1], _cube,
            types.float64[::1], types.int64[::1], types.boolean, types.uint64[:, ::1], _cube,
            types.float64[:, ::1], _cube, types.float64[:, ::1], _cube,
            types.float64[:, :, :, ::1], types.float64[:, ::1], _cube, types.int64, types.int64,
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def simulate(  # type: ignore[no-untyped-def]
    predict, design, population, modes, hessian, scale, transitions, want_slopes, state, effects,
    value, accepted, squares, slope, information, by_typical, curvature, start, stop,
):  # fmt: skip
    """Markov chains of subjects start to stop, transitions of each kernel, from effects.

    modes (n, m), hessian (n, m, m): centre and metric of the proposals; scale (2,): of the
    componentwise and of the joint random walk; state (n, n_chains): generators; effects
    (n_chains, n, m). Written: value (n, n_chains), minus two log density; accepted (n, 4, 2):
    accepted and tried. Added: squares (n, n_regions); slope, information (n, n_regions, 3(, 3)),
    by_typical (n_occasions, p) and curvature (n_occasions, p, p).
    """
    for i in range(start, stop):
        n_occasions = design.occasion_start[i + 1] - design.occasion_start[i]
        m = design.eta.shape[0] + n_occasions * design.kappa.shape[0]
        own = np.zeros((m, m))
        for e in range(m):
            for g in range(m):
                own[e, g] = hessian[i, e, g]
        _subject_chains(
            predict, design, population, i, modes[i, :m], own, scale, transitions, want_slopes,
            state, effects, value, accepted, squares, slope, information, by_typical, curvature,
        )  # fmt: skip
