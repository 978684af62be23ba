"""Compiled loops over draws of one subject: data terms of the posterior, and predictions."""

import numpy as np
from numba import njit, types

from kinetics.estimation._arrays import DESIGN, POPULATION
from kinetics.estimation._subject import all_terms, predict_subject, shifted
from kinetics.structures._predict_signature import PREDICT_FUNCTION

_table, _vector = types.float64[:, ::1], types.float64[::1]


@njit(
    [types.void(PREDICT_FUNCTION, DESIGN, POPULATION, types.int64, _table, _vector)],
    cache=True,
    error_model="numpy",
    nogil=True,
)
def data_terms(predict, design, population, subject, effects, out):  # type: ignore[no-untyped-def]
    """Minus two log likelihood of a subject's data for each row of random effects (n, m)."""
    first = design.occasion_start[subject]
    last = design.occasion_start[subject + 1]
    n, p = design.row_start[last] - design.row_start[first], population.typical.shape[1]
    psi, f, jacobian = np.empty((last - first, p)), np.empty(n), np.empty((n, p))
    terms = np.empty((n, 4))
    for k in range(effects.shape[0]):
        shifted(design, population, subject, effects[k], psi)
        predict_subject(predict, design, subject, psi, f, jacobian)
        out[k] = all_terms(design, population, subject, f, f, True, terms)


@njit(
    [types.void(PREDICT_FUNCTION, _table, _table, _table, _table)],
    cache=True,
    error_model="numpy",
    nogil=True,
)
def predictions(predict, parameter, rows, doses, out):  # type: ignore[no-untyped-def]
    """Predictions (n_draws, n_rows) for structural parameters (n_draws, p)."""
    jacobian = np.empty((rows.shape[0], parameter.shape[1]))
    for k in range(parameter.shape[0]):
        predict(parameter[k], rows, doses, out[k], jacobian)
