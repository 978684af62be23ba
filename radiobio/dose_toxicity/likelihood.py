r"""Cumulative logit likelihood, its gradient and Hessian; logistic regression is its case K = 1.

P(Y >= k) = s(eta - c_k), s the logistic function. With a = eta - c_y and b = eta - c_(y+1)
ln P(Y = y) = ln s(a) + ln s(-b) + ln(1 - exp(b - a)), without the terms of cuts that do not exist.
A patient with missing covariates has a row for each way to fill them in; the likelihood is the
mean over these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray

IntArray = npt.NDArray[np.int64]
_NEAR, _FAR = 1e-12, 500.0  # distances of two cuts that the formulas can tell apart


@dataclass(frozen=True, eq=False)
class Design:
    """Data of the regression as arrays.

    The coefficients are theta = (beta, log_gap, z): of the columns, of the gaps between cuts, and
    standard-normal effects of centres, which the standard deviation between centres multiplies.

    Attributes
    ----------
    columns : ndarray, shape (n_rows, n_beta)
        Values that beta multiplies.
    centre : ndarray of int, shape (n_rows,)
        Index of the centre's effect; -1 for none.
    n_centres : int
        Number of effects.
    log_probability : ndarray, shape (n_rows,)
        Log probability of this way to fill in the covariates.
    start : ndarray of int, shape (n + 1,)
        First row of each patient.
    level : ndarray of int, shape (n_rows,)
        Outcome, 0 to n_cuts.
    n_cuts, anchor : int
        Number of cuts, and the one (from 1) that lies at zero.
    """

    columns: FloatArray
    centre: IntArray
    n_centres: int
    log_probability: FloatArray
    start: IntArray
    level: IntArray
    n_cuts: int
    anchor: int

    @property
    def n_beta(self) -> int:
        """Number of columns."""
        return int(self.columns.shape[1])

    @property
    def n_fixed(self) -> int:
        """Number of coefficients before the effects of centres."""
        return self.n_beta + self.n_cuts - 1

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return self.n_fixed + self.n_centres

    @cached_property
    def signs(self) -> FloatArray:
        """Cuts 0 to n_cuts + 1 (the outer ones unused) by gap: -1, 0 or 1."""
        return np.asarray(gap_signs(self.n_cuts, self.anchor))

    @cached_property
    def membership(self) -> FloatArray:
        """Centre of each row, one-hot."""
        return np.asarray(self.centre[:, None] == np.arange(self.n_centres), dtype=np.float64)


def gap_signs(n_cuts: int, anchor: int) -> FloatArray:
    """How the cuts follow from the gaps: shape (n_cuts + 2, n_cuts - 1), outer rows zero."""
    cut = np.arange(n_cuts + 2)[:, None]
    gap = np.arange(1, n_cuts)[None, :]
    signs = np.where((gap >= anchor) & (gap < cut), 1.0, 0.0)
    signs = signs - np.where((gap < anchor) & (gap >= cut), 1.0, 0.0)
    signs[[0, -1]] = 0.0
    return signs


def sigmoid(x: FloatArray) -> FloatArray:
    """Logistic function without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def log_likelihood(design: Design, theta: FloatArray, sd_centre: FloatArray) -> FloatArray:
    """Log likelihood of draws of the coefficients, shape (..., size) and (...)."""
    beta, gap, z = _parts(design, theta)
    eta = beta @ design.columns.T
    if design.n_centres:
        eta = eta + sd_centre[..., None] * (z @ design.membership.T)
    cut = np.exp(gap) @ design.signs.T
    y = design.level
    row = design.log_probability + np.where(y > 0, -np.logaddexp(0.0, cut[..., y] - eta), 0.0)
    row = row + np.where(y < design.n_cuts, -np.logaddexp(0.0, eta - cut[..., y + 1]), 0.0)
    inner = (y > 0) & (y < design.n_cuts)
    if inner.any():
        distance = np.exp(gap)[..., np.where(inner, y - 1, 0)].clip(_NEAR, _FAR)
        row = row + np.where(inner, np.log(-np.expm1(-distance)), 0.0)
    return np.asarray(_by_patient(row, design.start).sum(-1))


def _parts(design: Design, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    p, q = design.n_beta, design.n_fixed
    return theta[..., :p], theta[..., p:q], theta[..., q:]


def _by_patient(row: FloatArray, start: IntArray) -> FloatArray:
    """Logarithm of the sum over each patient's rows."""
    if row.shape[-1] == len(start) - 1:
        return row
    top = np.maximum.reduceat(row, start[:-1], axis=-1)
    shifted = np.exp(row - np.repeat(top, np.diff(start), axis=-1))
    return np.asarray(top + np.log(np.add.reduceat(shifted, start[:-1], axis=-1)))


def derivatives(
    design: Design, theta: FloatArray, sd_centre: float, *, hessian: bool = True
) -> tuple[float, FloatArray, FloatArray]:
    """Log likelihood of one set of coefficients, its gradient, and its Hessian (or no rows)."""
    _, gap, z = _parts(design, theta)
    jacobian = np.hstack([design.columns, np.zeros((len(design.level), design.n_cuts - 1)),
                          sd_centre * design.membership])  # fmt: skip
    y, width = design.level, np.exp(gap)
    eta = design.columns @ theta[: design.n_beta] + sd_centre * (design.membership @ z)
    slope = design.signs * width  # of the cuts in the log gaps, and their second derivative
    has_a, has_b = y > 0, y < design.n_cuts
    a = np.where(has_a, eta - (design.signs @ width)[y], 0.0)
    b = np.where(has_b, eta - (design.signs @ width)[y + 1], 0.0)
    inner = has_a & has_b
    distance = np.append(width, 1.0)[np.where(inner, y - 1, -1)].clip(_NEAR, _FAR)
    w = np.where(inner, 1.0 / np.expm1(distance), 0.0)
    row = design.log_probability - np.where(has_a, np.logaddexp(0.0, -a), 0.0)
    row = row - np.where(has_b, np.logaddexp(0.0, b), 0.0)
    row = row + np.where(inner, np.log(-np.expm1(-distance)), 0.0)
    in_a = np.where(has_a, sigmoid(-a), 0.0) + w
    in_b = -np.where(has_b, sigmoid(b), 0.0) - w
    cols = slice(design.n_beta, design.n_fixed)
    jac_a, jac_b = jacobian, jacobian
    if design.n_cuts > 1:
        jac_a, jac_b = jacobian.copy(), jacobian.copy()
        jac_a[:, cols], jac_b[:, cols] = -slope[y], -slope[y + 1]
    own = in_a[:, None] * jac_a + in_b[:, None] * jac_b
    total = _by_patient(row, design.start)
    share = np.exp(row - np.repeat(total, np.diff(design.start)))
    gradient = share @ own
    if not hessian:
        return float(total.sum()), gradient, np.zeros((0, design.size))
    second_a = -np.where(has_a, sigmoid(a) * sigmoid(-a), 0.0) - w * (1.0 + w)
    second_b = -np.where(has_b, sigmoid(b) * sigmoid(-b), 0.0) - w * (1.0 + w)
    curve = (jac_a * (share * second_a)[:, None]).T @ jac_a
    curve += (jac_b * (share * second_b)[:, None]).T @ jac_b
    cross = (jac_a * (share * w * (1.0 + w))[:, None]).T @ jac_b
    curve += cross + cross.T
    k = np.arange(cols.start, cols.stop)
    curve[k, k] -= (share * in_a) @ slope[y] + (share * in_b) @ slope[y + 1]
    if len(row) > len(total):  # spread of the rows of a patient
        weighted = share[:, None] * own
        mean = np.add.reduceat(weighted, design.start[:-1], axis=0)
        curve += weighted.T @ own - mean.T @ mean
    return float(total.sum()), gradient, curve
