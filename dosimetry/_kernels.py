"""Compiled loop of cohort doses: integrals of curves times a matrix of S values."""

import numpy as np
from numba import njit

BLOCK = 256  # draws whose integrals stay in the cache


@njit(cache=True, nogil=True, error_model="numpy")
def doses_of_patients(  # type: ignore[no-untyped-def]
    amplitude, rate, blood, ratio, matrix, factor, factor_of_row, dose, start, stop
):
    """Fill dose (rows, patients, cycles, draws) for patients start to stop.

    Parameters
    ----------
    amplitude, rate : tuple of arrays, each (patients, cycles, draws, terms)
        Curves of the sources; the last column of `matrix` is the marrow if `blood` is not -1.
    blood : int
        Source whose integral times `ratio` is that of the marrow, or -1.
    ratio : (patients, cycles, draws)
    matrix : (patients, rows, columns)
        Dose of a row per integral of a source.
    factor : (n, patients, cycles, draws), factor_of_row : (rows,)
        Factor of each row, -1 for none.
    """
    n_sources = len(amplitude)
    integral = np.empty((matrix.shape[2], BLOCK))
    for patient in range(start, stop):
        for cycle in range(dose.shape[2]):
            for first in range(0, dose.shape[3], BLOCK):
                size = min(BLOCK, dose.shape[3] - first)
                for source in range(n_sources):
                    _integrate(
                        amplitude[source][patient, cycle], rate[source][patient, cycle],
                        first, size, integral[source],
                    )  # fmt: skip
                if blood >= 0:
                    for i in range(size):
                        share = ratio[patient, cycle, first + i]
                        integral[n_sources, i] = share * integral[blood, i]
                for row in range(matrix.shape[1]):
                    total = dose[row, patient, cycle, first : first + size]
                    _sum_sources(matrix[patient, row], integral, total)
                    which = factor_of_row[row]
                    if which >= 0:
                        for i in range(size):
                            total[i] *= factor[which, patient, cycle, first + i]


@njit(cache=True, nogil=True, error_model="numpy")
def _integrate(amplitude, rate, first, size, integral):  # type: ignore[no-untyped-def]
    """Integrals of the curves of draws first to first + size; amplitude zero counts nothing."""
    for i in range(size):
        total = 0.0
        for term in range(amplitude.shape[1]):
            value = amplitude[first + i, term]
            if value != 0.0:
                total += value / rate[first + i, term]
        integral[i] = total


@njit(cache=True, nogil=True, error_model="numpy")
def _sum_sources(s_value, integral, total):  # type: ignore[no-untyped-def]
    """Dose of one row: S values times integrals of the sources."""
    for i in range(len(total)):
        total[i] = 0.0
    for column in range(len(s_value)):
        if s_value[column] != 0.0:
            for i in range(len(total)):
                total[i] += s_value[column] * integral[column, i]
