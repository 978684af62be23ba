"""Linear compartment systems given by their rate matrix, for many parameter sets at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray, SumOfExponentials
from kinetics.errors import KineticsError

_MANY_MATRICES = 1024  # from here on threads are worth starting
_MANY_CLOSED_FORMS = 20_000


class ExchangePlan(NamedTuple):
    """How the compartments of a rate matrix hang together.

    Compartments that exchange in both directions along a tree form a block; blocks that only
    feed each other one way follow in order.

    Attributes
    ----------
    order : ndarray of int, shape (n,)
        Compartments, block by block, sources first; empty where the pattern has no such plan.
    parent : ndarray of int, shape (n,)
        Position in `order` of the exchanging partner nearer to the root of the block, or -1.
    one_way : bool
        Whether there are flows without a way back.
    """

    order: npt.NDArray[np.int64]
    parent: npt.NDArray[np.int64]
    one_way: bool


_NO_PLAN = ExchangePlan(np.empty(0, np.int64), np.empty(0, np.int64), False)


def exchange_plan(pattern: npt.ArrayLike) -> ExchangePlan:
    """Plan of a rate matrix from its pattern of non-zero entries, shape (n, n).

    Entry (i, j) is the flow from compartment j to i. The plan is empty where exchange or one-way
    flows run in a circle.
    """
    link = np.array(pattern, dtype=bool)
    np.fill_diagonal(link, False)
    n = len(link)
    both = link & link.T
    block = np.full(n, -1)
    blocks: list[dict[int, int]] = []
    for root in range(n):
        if block[root] < 0:
            members = _tree(both, root)
            if len(members) - 1 != int(both[np.ix_(*[list(members)] * 2)].sum()) // 2:
                return _NO_PLAN
            block[list(members)] = len(blocks)
            blocks.append(members)
    target, source = (block[i].tolist() for i in np.nonzero(link & ~both))
    sequence = _sources_first(set(zip(source, target, strict=True)), len(blocks))
    if len(sequence) < len(blocks):
        return _NO_PLAN
    order = [c for b in sequence for c in blocks[b]]
    position = {c: i for i, c in enumerate(order)}
    tree = {c: p for members in blocks for c, p in members.items()}
    parent = [position[tree[c]] if tree[c] >= 0 else -1 for c in order]
    return ExchangePlan(np.array(order, np.int64), np.array(parent, np.int64), len(source) > 0)


def _tree(both: npt.NDArray[np.bool_], root: int) -> dict[int, int]:
    """Compartments that exchange with the root, breadth first, and the parent of each."""
    found = {root: -1}
    queue = [root]
    for c in queue:
        for neighbour in np.flatnonzero(both[c]).tolist():
            if neighbour not in found:
                found[neighbour] = c
                queue.append(neighbour)
    return found


def _sources_first(flows: set[tuple[int, int]], n: int) -> list[int]:
    """Topological order of the blocks; shorter than n if flows run in a circle."""
    order: list[int] = []
    rest = set(range(n))
    while True:
        fed = {target for source, target in flows if source in rest}
        free = sorted(rest - fed)
        if not free:
            return order
        order += free
        rest -= set(free)


def _prepared(
    rate_matrix_per_h: npt.ArrayLike, initial_amount: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, tuple[int, ...], ExchangePlan]:
    """Matrices (n_sets, n, n), start amounts (n_sets, n), the leading shape, and the plan."""
    k = np.asarray(rate_matrix_per_h, dtype=np.float64)
    x0 = np.asarray(initial_amount, dtype=np.float64)
    if k.ndim < 2 or k.shape[-1] != k.shape[-2] or k.shape[-1] == 0:
        raise KineticsError(f"rate matrices must have the shape (..., n, n), got {k.shape}")
    n = k.shape[-1]
    if x0.ndim == 0 or x0.shape[-1] != n:
        raise KineticsError(f"initial_amount needs a last axis of {n} compartments, got {x0.shape}")
    try:
        shape = np.broadcast_shapes(k.shape[:-2], x0.shape[:-1])
    except ValueError:
        raise KineticsError(
            f"rate matrices {k.shape} and initial_amount {x0.shape} do not broadcast"
        ) from None
    if not (np.isfinite(k).all() and np.isfinite(x0).all()):
        raise KineticsError("rate matrices and initial amounts must be finite")
    plan = exchange_plan((k != 0).reshape(-1, n, n).any(axis=0))
    flat_k = np.ascontiguousarray(np.broadcast_to(k, (*shape, n, n))).reshape(-1, n, n)
    flat_x0 = np.ascontiguousarray(np.broadcast_to(x0, (*shape, n))).reshape(-1, n)
    return flat_k, flat_x0, shape, plan


def rate_matrix_amounts(
    rate_matrix_per_h: npt.ArrayLike,
    initial_amount: npt.ArrayLike,
    time_h: npt.ArrayLike,
    *,
    compartments: Sequence[int] | None = None,
) -> FloatArray:
    r"""Amounts of a linear compartment system, :math:`x(t) = e^{Kt} x_0`.

    Trees of exchanging compartments, with one-way flows between them, are symmetrised; other
    matrices are solved by their complex modes, and (nearly) defective ones by the matrix
    exponential, each parameter set on its own.

    Parameters
    ----------
    rate_matrix_per_h : array_like, shape (..., n, n)
        K (1/h): entry (i, j) is the rate from compartment j to i, the diagonal minus all losses.
    initial_amount : array_like, shape (..., n)
        Amounts at time zero (MBq, or any unit).
    time_h : array_like, shape (n_times,)
        Times (h), zero or positive.
    compartments : sequence of int, optional
        Compartments to return; all when missing.

    Returns
    -------
    ndarray, shape (..., n_compartments, n_times)

    Raises
    ------
    KineticsError
        If shapes do not fit or a value is not finite.

    References
    ----------
    Moler C, Van Loan C. Nineteen dubious ways to compute the exponential of a matrix. SIAM Rev
    2003;45:3 (doi:10.1137/S00361445024180).

    Examples
    --------
    >>> k = [[-0.5, 0.1], [0.2, -0.1]]
    >>> rate_matrix_amounts(k, [100.0, 0.0], [0.0, 10.0]).round(4)
    array([[100.    ,   5.6813],
           [  0.    ,  23.3664]])
    """
    from kinetics.structures import _matrix_kernels as kernels

    k, x0, shape, plan = _prepared(rate_matrix_per_h, initial_amount)
    time = np.ascontiguousarray(np.atleast_1d(np.asarray(time_h, dtype=np.float64)))
    if time.ndim != 1 or not (np.isfinite(time) & (time >= 0)).all():
        raise KineticsError("time_h must be a list of finite times, zero or positive")
    n = k.shape[-1]
    pick = np.arange(n) if compartments is None else np.asarray(compartments, dtype=np.int64)
    if pick.ndim != 1 or ((pick < 0) | (pick >= n)).any():
        raise KineticsError(f"compartments must be indices from 0 to {n - 1}, got {compartments}")
    amounts = np.empty((len(k), len(pick), len(time)))
    solve = kernels.amounts_on_all_cores if len(k) >= _MANY_MATRICES else kernels.amounts
    solve(k, x0, time, *plan, pick, amounts)
    return amounts.reshape(*shape, len(pick), len(time))


def rate_matrix_curves(
    rate_matrix_per_h: npt.ArrayLike, initial_amount: npt.ArrayLike
) -> SumOfExponentials:
    """Amounts of a linear compartment system as sums of exponentials, for real rates.

    Parameters
    ----------
    rate_matrix_per_h : array_like, shape (..., n, n)
        K (1/h): entry (i, j) is the rate from compartment j to i, the diagonal minus all losses.
    initial_amount : array_like, shape (..., n)
        Amounts at time zero.

    Returns
    -------
    SumOfExponentials, leading axes (..., n)
        One curve per compartment. A double rate is parted by a relative 1e-5, which changes the
        curve by a relative 1e-10.

    Raises
    ------
    KineticsError
        If rates are complex, negative, or repeated more than twice: use `rate_matrix_amounts`.

    Examples
    --------
    >>> blood, tissue = rate_matrix_curves([[-0.5, 0.1], [0.2, -0.1]], [100.0, 0.0])
    >>> float(blood.integral().round(6)), float(tissue.integral().round(6))
    (333.333333, 666.666667)
    """
    from kinetics.structures import _matrix_kernels as kernels

    k, x0, shape, plan = _prepared(rate_matrix_per_h, initial_amount)
    n = k.shape[-1]
    amplitude, rate = np.empty((len(k), n, n)), np.empty((len(k), n))
    good = np.empty(len(k), dtype=np.bool_)
    solve = kernels.curves_on_all_cores if len(k) >= _MANY_MATRICES else kernels.curves
    solve(k, x0, *plan, amplitude, rate, good)
    if not good.all():
        raise KineticsError(
            f"{int((~good).sum())} of {len(k)} rate matrices have complex or repeated rates and "
            "are no sums of real exponentials; use their amounts at given times instead"
        )
    smallest = -1e-12 * np.abs(rate).max(axis=-1, keepdims=True)
    if (rate < smallest).any():
        raise KineticsError(f"amounts grow with time: the lowest rate is {rate.min():g} /h")
    rate = np.maximum(rate, 0.0).reshape(*shape, 1, n)
    return SumOfExponentials(amplitude.reshape(*shape, n, n), rate)


def two_compartment(
    amount: npt.ArrayLike,
    time_h: npt.ArrayLike,
    *,
    elimination_per_h: npt.ArrayLike,
    transfer_per_h: npt.ArrayLike,
    return_per_h: npt.ArrayLike,
) -> FloatArray:
    r"""Central amount of the two-compartment model after a bolus, in closed form.

    .. math::
        A(t) = A_0 \left(\frac{\alpha - k_{21}}{\alpha - \beta} e^{-\alpha t}
        + \frac{k_{21} - \beta}{\alpha - \beta} e^{-\beta t}\right), \quad
        \alpha + \beta = k_{10} + k_{12} + k_{21},\ \alpha\beta = k_{10} k_{21}

    Parameters
    ----------
    amount : array_like, shape (...)
        Amount injected; divided by the central volume, the result is a concentration.
    time_h : array_like, shape (n_times,)
        Times (h), zero or positive.
    elimination_per_h, transfer_per_h, return_per_h : array_like, shape (...)
        k10, k12 and k21 (1/h), zero or positive.

    Returns
    -------
    ndarray, shape (..., n_times)

    Raises
    ------
    KineticsError
        If a rate is negative or a value not finite.

    Examples
    --------
    >>> two_compartment(100.0, [0.0, 10.0], elimination_per_h=0.3, transfer_per_h=0.2,
    ...                 return_per_h=0.1).round(4)
    array([100.    ,   5.6813])
    """
    from kinetics.structures import _matrix_kernels as kernels

    names = ("elimination", "transfer", "return")
    values = [np.asarray(x, np.float64) for x in (elimination_per_h, transfer_per_h, return_per_h)]
    for name, rate in zip(names, values, strict=True):
        if not (np.isfinite(rate) & (rate >= 0)).all():
            raise KineticsError(f"{name} rates must be finite, zero or positive (1/h)")
    time = np.ascontiguousarray(np.atleast_1d(np.asarray(time_h, dtype=np.float64)))
    given = np.asarray(amount, dtype=np.float64)
    if time.ndim != 1 or not (np.isfinite(time) & (time >= 0)).all():
        raise KineticsError("time_h must be a list of finite times, zero or positive")
    if not np.isfinite(given).all():
        raise KineticsError("amounts must be finite")
    broadcast = np.broadcast_arrays(given, *values)
    shape = broadcast[0].shape
    flat = [np.ascontiguousarray(x).reshape(-1) for x in broadcast]
    many = len(flat[0]) >= _MANY_CLOSED_FORMS
    solve = kernels.two_compartment_on_all_cores if many else kernels.two_compartment
    out = np.empty((len(flat[0]), len(time)))
    solve(*flat, time, out)
    return out.reshape(*shape, len(time))
