"""Compiled decay modes of a rate matrix; no validation here.

A rate matrix K (dx/dt = K x) is reduced along a plan made from its pattern of zeros (see
`rate_matrix.exchange_plan`): compartments that exchange in both directions along a tree form
blocks, each similar to a symmetric matrix; one-way flows join the blocks into a triangular
matrix. Whatever does not fit is solved in complex arithmetic.
"""

import numpy as np
from numba import njit

_MAX_ITERATIONS = 60


@njit(cache=True, error_model="numpy")
def _reflection(a, k, v):  # type: ignore[no-untyped-def]
    """Householder vector v that clears column k of a below the subdiagonal, and its factor.

    The factor is zero where nothing is to clear; the subdiagonal entry of a is set.
    """
    n = a.shape[0]
    tail = 0.0
    for i in range(k + 2, n):
        v[i] = a[i, k]
        tail += v[i] * v[i]
    if tail == 0.0:
        return 0.0
    head = a[k + 1, k]
    norm = np.sqrt(head * head + tail)
    image = -norm if head > 0.0 else norm
    v[k + 1] = head - image
    a[k + 1, k] = image
    return 2.0 / (v[k + 1] * v[k + 1] + tail)


@njit(cache=True, error_model="numpy")
def _reflect(a, start, beta, v, w):  # type: ignore[no-untyped-def]
    """Reflect the symmetric rest of a, from row and column start on, both ways."""
    n = a.shape[0]
    along = 0.0
    for i in range(start, n):
        total = 0.0
        for j in range(start, n):
            total += a[i, j] * v[j]
        w[i] = beta * total
        along += v[i] * w[i]
    along *= 0.5 * beta
    for i in range(start, n):
        w[i] -= along * v[i]
    for i in range(start, n):
        for j in range(start, n):
            a[i, j] -= v[i] * w[j] + w[i] * v[j]


@njit(cache=True, error_model="numpy")
def _tridiagonalise(a, q, diagonal, off, v, w):  # type: ignore[no-untyped-def]
    """Householder reduction of the symmetric a; rows of q are the transformed axes."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            q[i, j] = 1.0 if i == j else 0.0
    for k in range(n - 2):
        beta = _reflection(a, k, v)
        if beta == 0.0:
            continue
        _reflect(a, k + 1, beta, v, w)
        for j in range(n):
            total = 0.0
            for i in range(k + 1, n):
                total += v[i] * q[i, j]
            total *= beta
            for i in range(k + 1, n):
                q[i, j] -= total * v[i]
    for i in range(n):
        diagonal[i] = a[i, i]
        off[i] = a[i + 1, i] if i < n - 1 else 0.0


@njit(cache=True, error_model="numpy")
def _diagonalise(diagonal, off, q):  # type: ignore[no-untyped-def]
    """Implicit QL iteration with Wilkinson's shift; rows of q become the eigenvectors."""
    n = diagonal.shape[0]
    for first in range(n):
        for _ in range(_MAX_ITERATIONS):
            last = first
            while last < n - 1:
                scale = abs(diagonal[last]) + abs(diagonal[last + 1])
                if abs(off[last]) <= 1.2e-16 * scale:
                    break
                last += 1
            if last == first:
                break
            half = 0.5 * (diagonal[first + 1] - diagonal[first])
            e = off[first]
            reach = np.sqrt(half * half + e * e)
            shift = diagonal[first] - e * e / (half + (reach if half >= 0.0 else -reach))
            bulge, carry = diagonal[last] - shift, 0.0
            sine, cosine = 1.0, 1.0
            cut = False
            for i in range(last - 1, first - 1, -1):
                out_of_band, in_band = sine * off[i], cosine * off[i]
                square = out_of_band * out_of_band + bulge * bulge
                if square == 0.0:
                    off[i + 1] = 0.0
                    diagonal[i + 1] -= carry
                    off[last] = 0.0
                    cut = True
                    break
                length = np.sqrt(square)
                inverse = 1.0 / length
                off[i + 1] = length
                sine, cosine = out_of_band * inverse, bulge * inverse
                corner = diagonal[i + 1] - carry
                turned = (diagonal[i] - corner) * sine + 2.0 * cosine * in_band
                carry = sine * turned
                diagonal[i + 1] = corner + carry
                bulge = cosine * turned - in_band
                for j in range(n):
                    upper, lower = q[i, j], q[i + 1, j]
                    q[i + 1, j] = sine * upper + cosine * lower
                    q[i, j] = cosine * upper - sine * lower
            if not cut:
                diagonal[first] -= carry
                off[first] = bulge
                off[last] = 0.0


@njit(cache=True, error_model="numpy")
def _symmetrise(k, order, parent, scale, s, flow):  # type: ignore[no-untyped-def]
    """Symmetric part s of -K along the plan; True where the flows both ways are positive.

    flow is -K in the scaled, ordered axes without what s holds: the one-way flows.
    """
    n = k.shape[0]
    for i in range(n):
        for j in range(n):
            s[i, j] = 0.0
    for i in range(n):
        s[i, i] = -k[order[i], order[i]]
        scale[i] = 1.0
        p = parent[i]
        if p >= 0:
            there, back = k[order[i], order[p]], k[order[p], order[i]]
            if not there * back > 0.0:
                return False
            root = np.sqrt(there * back)
            scale[i] = scale[p] * abs(there) / root
            s[i, p] = s[p, i] = -root if there > 0.0 else root
    if flow.shape[0] > 0:
        for i in range(n):
            for j in range(n):
                both = i == j or parent[i] == j or parent[j] == i
                flow[i, j] = 0.0 if both else -k[order[i], order[j]] * scale[j] / scale[i]
    return True


@njit(cache=True, error_model="numpy")
def _product(a, b):  # type: ignore[no-untyped-def]
    """Product of two small matrices; calling BLAS takes longer."""
    n = a.shape[0]
    out = np.zeros((n, n))
    for i in range(n):
        for m in range(n):
            for j in range(n):
                out[i, j] += a[i, m] * b[m, j]
    return out


@njit(cache=True, error_model="numpy")
def _condition(right, left):  # type: ignore[no-untyped-def]
    """Worst condition number of the modes: columns of right, rows of left."""
    n = right.shape[0]
    worst = 1.0
    for i in range(n):
        a, b = 0.0, 0.0
        for j in range(n):
            a += abs(right[j, i]) ** 2
            b += abs(left[i, j]) ** 2
        if not a * b < np.inf:
            return np.inf
        worst = max(worst, a * b)
    return np.sqrt(worst)


@njit(cache=True, error_model="numpy")
def _join_blocks(flow, q, rate, upper, lower):  # type: ignore[no-untyped-def]
    """Modes of the triangular matrix that one-way flows make of the blocks.

    Columns of upper are the right and rows of lower the left modes in the axes of q (rows).
    Returns their worst condition number.
    """
    n = rate.shape[0]
    coupling = _product(_product(q, flow), q.T)
    for j in range(n):
        for i in range(n):
            upper[i, j] = lower[i, j] = 0.0
        upper[j, j] = lower[j, j] = 1.0
    for j in range(n):
        for i in range(j + 1, n):
            total = coupling[i, j]
            for m in range(j + 1, i):
                total += coupling[i, m] * upper[m, j]
            upper[i, j] = total / (rate[j] - rate[i]) if total != 0.0 else 0.0
    for j in range(n - 2, -1, -1):
        for i in range(j + 1, n):
            total = upper[i, j]
            for m in range(j + 1, i):
                total += lower[i, m] * upper[m, j]
            lower[i, j] = -total
    return _condition(upper, lower)


@njit(cache=True, error_model="numpy")
def workspace(n, one_way):  # type: ignore[no-untyped-def]
    """Arrays that `real_modes` works in."""
    flow = np.empty((n, n)) if one_way else np.empty((0, 0))
    vectors, s, q = np.empty((4, n)), np.empty((n, n)), np.empty((n, n))
    return vectors, s, q, flow, np.empty((n, n)), np.empty((n, n))


@njit(cache=True, error_model="numpy")
def real_modes(k, order, parent, work, rate, right, left):  # type: ignore[no-untyped-def]
    """Rates, right modes (columns) and left modes (rows) of K = -right diag(rate) left.

    Returns the worst condition number of a mode, infinite where the plan does not apply.
    """
    n = k.shape[0]
    vectors, s, q, flow, upper, lower = work
    scale, off, v, w = vectors[0], vectors[1], vectors[2], vectors[3]
    if order.shape[0] != n or not _symmetrise(k, order, parent, scale, s, flow):
        return np.inf
    _tridiagonalise(s, q, rate, off, v, w)
    _diagonalise(rate, off, q)
    if flow.shape[0] == 0:
        for c in range(n):
            at, d = order[c], scale[c]
            inverse = 1.0 / d
            for i in range(n):
                right[at, i] = d * q[i, c]
                left[i, at] = inverse * q[i, c]
        return 1.0
    condition = _join_blocks(flow, q, rate, upper, lower)
    turned_right, turned_left = _product(q.T, upper), _product(lower, q)
    for c in range(n):
        for i in range(n):
            right[order[c], i] = scale[c] * turned_right[c, i]
            left[i, order[c]] = turned_left[i, c] / scale[c]
    return condition


@njit(cache=True, error_model="numpy")
def invert(matrix, inverse):  # type: ignore[no-untyped-def]
    """Inverse by elimination with row pivots (matrix is overwritten); False if singular."""
    n = matrix.shape[0]
    for i in range(n):
        for j in range(n):
            inverse[i, j] = 1.0 if i == j else 0.0
    for c in range(n):
        pivot = c + np.abs(matrix[c:, c]).argmax()
        size = abs(matrix[pivot, c])
        if not size > 1e-290 or not size < 1e290:
            return False
        for j in range(n):
            matrix[c, j], matrix[pivot, j] = matrix[pivot, j], matrix[c, j]
            inverse[c, j], inverse[pivot, j] = inverse[pivot, j], inverse[c, j]
        factor = 1.0 / matrix[c, c]
        for j in range(n):
            matrix[c, j] *= factor
            inverse[c, j] *= factor
        for i in range(n):
            if i != c:
                f = matrix[i, c]
                for j in range(n):
                    matrix[i, j] -= f * matrix[c, j]
                    inverse[i, j] -= f * inverse[c, j]
    return True


@njit(cache=True, error_model="numpy")
def complex_modes(k, rate, right, left):  # type: ignore[no-untyped-def]
    """The same as `real_modes` for any finite matrix, in complex arithmetic."""
    n = k.shape[0]
    value, vector = np.linalg.eig(k.astype(np.complex128))
    for i in range(n):
        rate[i] = -value[i]
        for j in range(n):
            right[i, j] = vector[i, j]
    if not invert(vector.copy(), left):
        return np.inf
    return _condition(right, left)


@njit(cache=True, error_model="numpy")
def nudge(k, size, out):  # type: ignore[no-untyped-def]
    """K with small flows between all compartments, which part repeated rates.

    Each is relative to the slower of two compartments, so that slow modes stay as they are.
    """
    n = k.shape[0]
    for i in range(n):
        for j in range(n):
            slower = min(abs(k[i, i]), abs(k[j, j]))
            out[i, j] = k[i, j] + size * slower * (1.0 if i != j else (i + 1.0) / n)
