"""Gaussian posteriors of the count parameters, one patient a turn; no validation here.

Coordinates z of a patient, standard normal under the prior: baseline, mean transit time, feedback,
kill, dose scale and, where n_z is 6, reserve loss.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from radiobio.counts._fixed_grid_kernels import GRID, N_RESPONSES, follow, lay_out

LONGEST_STEP = 2.5  # of the typical time constant of the chain
DIFFERENCE = 1e-6  # of z, forward
MAX_ITERATIONS = 40
LEAST_GAIN = 1e-4  # of the log density; a step that promises less is convergence

# of a patient: log medians (4,) and SDs (n_z,) of the prior; loss of circulating cells, that of
# the chain if not above zero; median reserve loss per gray; log counts; grid; work space
_PATIENT = "Tuple((f8[::1], f8[::1], f8, f8, f8[::1], " + GRID + ", f8[:, :, ::1]))"


@njit(
    "f8(f8[::1], " + _PATIENT + ", f8, f8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _density(z, patient, sigma, log_count, state):  # type: ignore[no-untyped-def]
    """Log posterior density at z (n_z,), up to a constant; fills `log_count` and `state`."""
    log_mean, log_sd, loss, lost, log_obs, grid, response = patient
    k = 4.0 * math.exp(-log_mean[1] - log_sd[1] * z[1])
    scale = math.exp(log_sd[4] * z[4])
    spread = math.exp(log_sd[5] * z[5]) if len(z) > 5 else 1.0
    follow(
        k,
        loss if loss > 0.0 else k,
        math.exp(log_mean[2] + log_sd[2] * z[2]),
        math.exp(log_mean[3] + log_sd[3] * z[3]) * scale,
        lost * spread * scale,
        grid,
        response,
        log_count,
        state,
    )
    density = 0.0
    for a in range(len(z)):
        density -= 0.5 * z[a] * z[a]
    for o in range(len(log_obs)):
        log_count[o] += log_mean[0] + log_sd[0] * z[0]
        residual = (log_obs[o] - log_count[o]) / sigma
        density -= 0.5 * residual * residual
    return density


@njit(
    "void(f8[::1], " + _PATIENT + ", f8[::1], f8[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _jacobian(z, patient, log_count, jacobian):  # type: ignore[no-untyped-def]
    """Derivatives (n_obs, n_z) of the log counts at z, by differences.

    The baseline only shifts log counts; the dose scale acts like kill and reserve loss together,
    so neither needs a course of its own.
    """
    n_obs, n_z = jacobian.shape
    log_sd, lost = patient[1], patient[3]
    moved, state, other = z.copy(), np.empty(6), np.empty(n_obs)
    for o in range(n_obs):
        jacobian[o, 0] = log_sd[0]
    for a in range(1, n_z):
        if a == 4:
            continue
        moved[a] += DIFFERENCE
        _density(moved, patient, 1.0, other, state)
        moved[a] = z[a]
        for o in range(n_obs):
            jacobian[o, a] = (other[o] - log_count[o]) / DIFFERENCE
    if lost == 0.0 or n_z > 5:
        for o in range(n_obs):
            jacobian[o, 4] = jacobian[o, 3] / log_sd[3]
            if n_z > 5:
                jacobian[o, 4] += jacobian[o, 5] / log_sd[5]
            jacobian[o, 4] *= log_sd[4]
    else:
        moved[4] += DIFFERENCE
        _density(moved, patient, 1.0, other, state)
        for o in range(n_obs):
            jacobian[o, 4] = (other[o] - log_count[o]) / DIFFERENCE


@njit("void(f8[:, ::1], f8[:, ::1])", cache=True, nogil=True, error_model="numpy")
def _cholesky(matrix, lower):  # type: ignore[no-untyped-def]
    """Lower triangular factor of a positive definite matrix."""
    for a in range(len(matrix)):
        for b in range(a + 1):
            total = matrix[a, b]
            for m in range(b):
                total -= lower[a, m] * lower[b, m]
            lower[a, b] = math.sqrt(total) if a == b else total / lower[b, b]
            if a != b:
                lower[b, a] = 0.0


@njit("void(f8[:, ::1], f8[::1])", cache=True, nogil=True, error_model="numpy")
def _solve_upper(lower, x):  # type: ignore[no-untyped-def]
    """Overwrite x with the solution of L^T y = x."""
    for a in range(len(x) - 1, -1, -1):
        for b in range(a + 1, len(x)):
            x[a] -= lower[b, a] * x[b]
        x[a] /= lower[a, a]


@njit("void(f8[:, ::1], f8[::1])", cache=True, nogil=True, error_model="numpy")
def _solve(lower, x):  # type: ignore[no-untyped-def]
    """Overwrite x with the solution of L L^T y = x."""
    for a in range(len(x)):
        for b in range(a):
            x[a] -= lower[a, b] * x[b]
        x[a] /= lower[a, a]
    _solve_upper(lower, x)


@njit(
    "void(f8[:, ::1], f8[::1], f8[::1], f8[::1], f8, f8[:, ::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _normal_equations(jacobian, log_obs, log_count, z, sigma, precision, gradient):  # type: ignore[no-untyped-def]
    """Gauss-Newton precision (n_z, n_z) and gradient of the log density."""
    n_obs, n_z = jacobian.shape
    weight = 1.0 / (sigma * sigma)
    for a in range(n_z):
        gradient[a] = -z[a]
        for o in range(n_obs):
            gradient[a] += jacobian[o, a] * (log_obs[o] - log_count[o]) * weight
        for b in range(a + 1):
            total = 1.0 if a == b else 0.0
            for o in range(n_obs):
                total += jacobian[o, a] * jacobian[o, b] * weight
            precision[a, b] = total
            precision[b, a] = total


@njit(
    "f8(f8[::1], f8[:, ::1], f8[::1], f8, f8[:, ::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _damped_step(z, precision, gradient, damping, lower, trial):  # type: ignore[no-untyped-def]
    """Fill `trial` with z after a step; gives the gain of log density it promises."""
    n_z = len(z)
    damped, move = precision.copy(), gradient.copy()
    for a in range(n_z):
        damped[a, a] += damping
    _cholesky(damped, lower)
    _solve(lower, move)
    gain = 0.0
    for a in range(n_z):
        trial[a] = z[a] + move[a]
        gain += 0.5 * move[a] * gradient[a]
    return gain


@njit(
    "i8(f8[::1], " + _PATIENT + ", f8, f8[:, ::1], f8[::1], f8[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def _mode(z, patient, sigma, lower, state, density):  # type: ignore[no-untyped-def]
    """Move z to the mode by damped Gauss-Newton; gives 1 if it got there.

    Fills the factor `lower` of the precision there, the `state` and the log `density` (1,).
    """
    log_obs = patient[4]
    n_z, n_obs = len(z), len(log_obs)
    log_count, other = np.empty(n_obs), np.empty(n_obs)
    jacobian, precision = np.empty((n_obs, n_z)), np.empty((n_z, n_z))
    gradient, trial, trial_state = np.empty(n_z), np.empty(n_z), np.empty(6)
    best = _density(z, patient, sigma, log_count, state)
    damping, converged, fresh = 0.0, 0, True
    for _ in range(MAX_ITERATIONS):
        if fresh:
            _jacobian(z, patient, log_count, jacobian)
            _normal_equations(jacobian, log_obs, log_count, z, sigma, precision, gradient)
        gain = _damped_step(z, precision, gradient, damping, lower, trial)
        if gain < LEAST_GAIN:
            converged = 1
            break
        found = _density(trial, patient, sigma, other, trial_state)
        fresh = found > best  # false for nan
        share = (found - best) / gain  # of what the step promised
        if share > 0.7:
            damping = 0.3 * damping if damping > 0.03 else 0.0
        elif not share > 0.3:
            damping = max(0.5, 3.0 * damping)
        if fresh:
            best = found
            z[:], log_count[:], state[:] = trial, other, trial_state
    _cholesky(precision, lower)
    density[0] = best
    return converged


@njit(
    "void(f8[:, ::1], f8[:, ::1], f8[:, ::1], f8, f8[::1], f8[:, ::1], f8[:, :, ::1],"
    "f8[:, :, ::1], f8[:, ::1], f8[:, ::1], i8[::1], f8[::1], f8, f8[:, :, ::1], f8[:, ::1],"
    "f8[::1], i8[::1], i8, i8)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def laplace(  # type: ignore[no-untyped-def]
    z, log_mean, log_sd, loss, lost, start_h, amplitude, rate, obs_h, log_obs, n_obs, end_h,
    sigma, lower, state, density, converged, first, last,
):  # fmt: skip
    """Modes z (n, n_z), factors of their precisions, states on `end_h` and log densities.

    For patients first to last - 1: log_mean (n, 4), log_sd (n, n_z), loss (-1: that of the
    chain), lost (n,), start_h (n, n_cycles) with nan for none, amplitude and rate (n, n_cycles,
    n_terms), obs_h and log_obs (n, n_most) rising with the first n_obs in use.
    """
    for i in range(first, last):
        grid = lay_out(
            start_h[i], amplitude[i], rate[i], obs_h[i, : n_obs[i]], end_h[i],
            LONGEST_STEP * math.exp(log_mean[i, 1]) / 4.0,
        )  # fmt: skip
        patient = (
            log_mean[i], log_sd[i], loss, lost[i], log_obs[i, : n_obs[i]], grid,
            np.empty((len(grid[2]), 2, N_RESPONSES)),
        )  # fmt: skip
        converged[i] = _mode(z[i], patient, sigma, lower[i], state[i], density[i : i + 1])


@njit(
    "void(f8[:, :, ::1], f8[:, ::1], f8[:, ::1], f8, f8[::1], f8[:, ::1], f8[:, :, ::1],"
    "f8[:, :, ::1], f8[:, ::1], f8[:, ::1], i8[::1], f8[::1], f8, f8[:, ::1], f8[:, :, ::1],"
    "f8[:, :, ::1], f8[:, ::1], i8, i8)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def draws(  # type: ignore[no-untyped-def]
    z, log_mean, log_sd, loss, lost, start_h, amplitude, rate, obs_h, log_obs, n_obs, end_h,
    sigma, centre, lower, state, log_weight, first, last,
):  # fmt: skip
    """Turn standard normals z (n, n_draws, n_z) into draws around `centre` (n, n_z).

    lower: factors of the precisions. Fills their states on `end_h` and the logarithms of exact
    over Gaussian density. The rest as in `laplace`.
    """
    n_draws, n_z = z.shape[1:]
    for i in range(first, last):
        grid = lay_out(
            start_h[i], amplitude[i], rate[i], obs_h[i, : n_obs[i]], end_h[i],
            LONGEST_STEP * math.exp(log_mean[i, 1] + log_sd[i, 1] * centre[i, 1]) / 4.0,
        )  # fmt: skip
        patient = (
            log_mean[i], log_sd[i], loss, lost[i], log_obs[i, : n_obs[i]], grid,
            np.empty((len(grid[2]), 2, N_RESPONSES)),
        )  # fmt: skip
        log_count = np.empty(n_obs[i])
        for g in range(n_draws):
            proposal = 0.0
            for a in range(n_z):
                proposal -= 0.5 * z[i, g, a] * z[i, g, a]
            _solve_upper(lower[i], z[i, g])
            for a in range(n_z):
                z[i, g, a] += centre[i, a]
            exact = _density(z[i, g], patient, sigma, log_count, state[i, g])
            log_weight[i, g] = exact - proposal
