"""Compiled linear algebra of small matrices."""

import math

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def copy_vector(source, target):  # type: ignore[no-untyped-def]
    """Copy by a loop, which compiles much faster than a slice assignment."""
    for i in range(source.shape[0]):
        target[i] = source[i]


@njit(cache=True, error_model="numpy")
def copy_matrix(source, target):  # type: ignore[no-untyped-def]
    """Copy by a loop, which compiles much faster than a slice assignment."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@njit(cache=True, error_model="numpy")
def cholesky(matrix, factor):  # type: ignore[no-untyped-def]
    """Lower factor of a symmetric matrix; the log determinant, or NaN if not positive definite."""
    n = matrix.shape[0]
    log_det = 0.0
    for j in range(n):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= factor[j, k] * factor[j, k]
        if not pivot > 0.0:
            return math.nan
        log_det += np.log(pivot)
        root = np.sqrt(pivot)
        factor[j, j] = root
        for i in range(j + 1, n):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            factor[i, j] = total / root
            factor[j, i] = 0.0
    return log_det


@njit(cache=True, error_model="numpy")
def solve(factor, right, out):  # type: ignore[no-untyped-def]
    """Solve (L L') out = right."""
    n = factor.shape[0]
    for i in range(n):
        total = right[i]
        for k in range(i):
            total -= factor[i, k] * out[k]
        out[i] = total / factor[i, i]
    for i in range(n - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, n):
            total -= factor[k, i] * out[k]
        out[i] = total / factor[i, i]


@njit(cache=True, error_model="numpy")
def invert(factor, out):  # type: ignore[no-untyped-def]
    """Inverse of L L', symmetric."""
    n = factor.shape[0]
    for c in range(n):
        for i in range(n):
            total = 1.0 if i == c else 0.0
            for k in range(i):
                total -= factor[i, k] * out[k, c]
            out[i, c] = total / factor[i, i]
        for i in range(n - 1, -1, -1):
            total = out[i, c]
            for k in range(i + 1, n):
                total -= factor[k, i] * out[k, c]
            out[i, c] = total / factor[i, i]
