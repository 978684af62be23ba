"""Integrals along lines: a density as Legendre polynomials on panels, with its running integral."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray

LineDensity = Callable[[FloatArray], FloatArray]
ORDER = 10  # nodes of a panel
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(ORDER)
# coefficients of the interpolating polynomial from the values at the nodes
_TO_COEFFICIENTS = (
    (np.arange(ORDER) + 0.5)[:, None]
    * _WEIGHTS
    * np.polynomial.legendre.legvander(_NODES, ORDER - 1).T
)


@dataclass(frozen=True)
class Lines:
    """Densities along n lines, each on its own interval.

    Attributes
    ----------
    low, panel_width : ndarray, shape (n,)
        Where a line begins, and the width of its panels.
    node : ndarray, shape (n, n_panels * ORDER)
        Nodes of the quadrature.
    mass : ndarray, shape (n, n_panels * ORDER)
        Density times weight of the nodes: sums are integrals.
    coefficient : ndarray, shape (n, n_panels, ORDER)
        Legendre coefficients of the density on each panel.
    before : ndarray, shape (n, n_panels)
        Integral up to the begin of a panel.
    """

    low: FloatArray
    panel_width: FloatArray
    node: FloatArray
    mass: FloatArray
    coefficient: FloatArray
    before: FloatArray


def bounds(
    log_density: LineDensity, low: FloatArray, high: FloatArray, *, drop: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Narrow each interval to where the log density is within `drop` of its highest value.

    Returns low, high and the highest log density that was seen, each of shape (n,). The set must
    be one interval (a unimodal density). The cell beside the last point found stays in.
    """
    fraction = np.linspace(0.0, 1.0, 33)
    rows = np.arange(low.size)
    for _ in range(12):
        grid = low[:, None] + (high - low)[:, None] * fraction
        value = log_density(grid)
        inside = value > value.max(1, keepdims=True) - drop
        first = np.maximum(inside.argmax(1) - 1, 0)
        last = np.minimum(inside.shape[1] - inside[:, ::-1].argmax(1), fraction.size - 1)
        low, high = grid[rows, first], grid[rows, last]
        if (last - first > fraction.size // 2).all():
            break
    return low, high, value.max(1)


def lines(
    log_density: LineDensity, low: FloatArray, high: FloatArray, *, n_panels: int, log_scale: float
) -> Lines:
    """Densities exp(log density - log_scale) on equal panels of the intervals."""
    width = (high - low) / n_panels
    begin = low[:, None] + width[:, None] * np.arange(n_panels)
    node = (begin[:, :, None] + width[:, None, None] * 0.5 * (_NODES + 1.0)).reshape(low.size, -1)
    density = np.exp(log_density(node) - log_scale).reshape(low.size, n_panels, ORDER)
    mass = density * _WEIGHTS * 0.5 * width[:, None, None]
    panel_mass = mass.sum(2)
    return Lines(
        low=low,
        panel_width=width,
        node=node,
        mass=mass.reshape(low.size, -1),
        coefficient=density @ _TO_COEFFICIENTS.T,
        before=np.cumsum(panel_mass, 1) - panel_mass,
    )


def mass_below(density: Lines, cut: FloatArray) -> FloatArray:
    """Integrals of the lines up to a cut.

    Parameters
    ----------
    density : Lines
        n lines.
    cut : ndarray, shape (..., n)
        Where each line is cut.

    Returns
    -------
    ndarray, shape (..., n)
        Exact for the interpolating polynomials: integral of P_k = (P_k+1 - P_k-1) / (2k + 1).
    """
    n_panels = density.before.shape[1]
    place = np.clip((cut - density.low) / density.panel_width, 0.0, n_panels)
    panel = np.minimum(place.astype(np.intp), n_panels - 1)
    x = 2.0 * (place - panel) - 1.0
    rows = np.broadcast_to(np.arange(density.low.size), panel.shape)
    coefficient = density.coefficient[rows, panel]
    two_back, back = np.ones_like(x), x
    total = coefficient[..., 0] * (x + 1.0)
    for k in range(1, ORDER):
        ahead = ((2 * k + 1) * x * back - k * two_back) / (k + 1)
        total += coefficient[..., k] * (ahead - two_back) / (2 * k + 1)
        two_back, back = back, ahead
    return np.asarray(density.before[rows, panel] + total * 0.5 * density.panel_width)


def expit(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
