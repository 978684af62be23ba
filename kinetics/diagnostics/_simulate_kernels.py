"""Compiled simulation of a population: every subject with given random effects and noise."""

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN
from kinetics.estimation._rows import spread
from kinetics.estimation._subject import individual
from kinetics.structures._predict_signature import PREDICT_FUNCTION

_table, _cube = types.float64[:, ::1], types.float64[:, :, ::1]


@njit(
    [
        types.void(
            PREDICT_FUNCTION, DESIGN, _cube, _cube, _cube, _table, _table, types.int64, types.int64
        )
    ],
    cache=True, error_model="numpy", nogil=True,
)  # fmt: skip
def simulate(predict, design, typical, sigma, effects, noise, out, start, stop):  # type: ignore[no-untyped-def]
    """Observations out (n_simulations, n) of subjects start to stop.

    typical (1 or n_simulations, n_occasions, p), sigma (1 or n_simulations, n_regions, 3),
    effects (n_simulations, n_subjects, m), noise (n_simulations, n) standard normal.
    """
    n_eta, n_kappa, p = design.eta.shape[0], design.kappa.shape[0], typical.shape[2]
    psi, parameter, slope = np.empty(p), np.empty(p), np.empty(p)
    for subject in range(start, stop):
        first, last = design.occasion_start[subject], design.occasion_start[subject + 1]
        for o in range(first, last):
            a, b = design.row_start[o], design.row_start[o + 1]
            c, d = design.dose_start[o], design.dose_start[o + 1]
            if a == b:
                continue
            f, jacobian = np.empty(b - a), np.empty((b - a, p))
            for s in range(out.shape[0]):
                shared = 0 if typical.shape[0] == 1 else s
                for j in range(p):
                    psi[j] = typical[shared, o, j]
                for e in range(n_eta):
                    psi[design.eta[e]] += effects[s, subject, e]
                for k in range(n_kappa):
                    psi[design.kappa[k]] += effects[s, subject, n_eta + (o - first) * n_kappa + k]
                individual(psi, design.transform, parameter, slope)
                predict(parameter, design.rows[a:b], design.doses[c:d], f, jacobian)
                for i in range(a, b):
                    region = int(design.rows[i, 1])
                    kind = design.error[region]
                    g = spread(kind, sigma[shared, region], f[i - a], design.known_sd[i])[0]
                    if kind == 5:
                        out[s, i] = f[i - a] * np.exp(g * noise[s, i])
                    else:
                        out[s, i] = f[i - a] + g * noise[s, i]
