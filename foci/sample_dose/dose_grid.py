"""Many one-dimensional posteriors at once, each on a grid that closes in on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from kinetics.curves import FloatArray

LogDensity = Callable[[FloatArray, npt.NDArray[np.intp]], FloatArray]

_N_GRID = 257
_N_COARSE = 65  # points of a pass that only closes in
_DROP = 30.0  # log density below the highest at which a posterior ends
_CLOSE = 0.3  # share of the range above the drop that is close enough
_MOST_PASSES = 12
_EVEN = 0.3  # share of the points that are spread evenly
_N_STARTS = 129  # intervals of which the shortest is taken
_ROWS = 256  # posteriors worked on together, so that they stay in the cache


@dataclass(frozen=True, eq=False)
class Grid:
    """Densities `y` at rising points `x`, both (n, n_grid), each row of integral one."""

    x: FloatArray
    y: FloatArray

    def cumulative(self) -> FloatArray:
        """Probability below each point, shape (n, n_grid)."""
        steps = np.diff(self.x) * (self.y[:, 1:] + self.y[:, :-1]) / 2
        return np.concatenate([np.zeros((len(self.x), 1)), np.cumsum(steps, axis=-1)], axis=-1)

    def moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation of each row."""
        mass = trapezoid_weights(self.x) * self.y
        mean = (mass * self.x).sum(-1)
        variance = (mass * (self.x - mean[:, None]) ** 2).sum(-1)
        return mean, np.sqrt(variance)

    def n_modes(self, least_height: float) -> npt.NDArray[np.intp]:
        """Number of maxima of each row that are higher than a share of the highest."""
        beside = np.pad(self.y, ((0, 0), (1, 1)), constant_values=-1.0)
        peak = (self.y > beside[:, :-2]) & (self.y >= beside[:, 2:])
        high = self.y > least_height * self.y.max(-1, keepdims=True)
        return np.asarray((peak & high).sum(-1))


def adaptive_grid(
    log_density: LogDensity, n: int, edges: Sequence[float]
) -> tuple[Grid, FloatArray]:
    """Normalised densities on grids that cover what is within `_DROP` of the highest.

    Parameters
    ----------
    log_density : callable
        Log densities (m, n_grid) at points (m, n_grid) of the given rows (m,).
    n : int
        Number of rows.
    edges : sequence of float
        Ranges searched, one after the other, each with at most one maximum.

    Returns
    -------
    Grid, ndarray of shape (n,)
        And the log integral of each row.

    Raises
    ------
    FociError
        If a row is impossible in the whole range.
    """
    parts = [
        _grid_of(log_density, np.arange(start, min(start + _ROWS, n)), edges)
        for start in range(0, n, _ROWS)
    ]
    x, y, log_integral = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Grid(x, y), log_integral


def quantiles(grid: Grid, probability: FloatArray) -> FloatArray:
    """Points below which each row holds the probabilities, shape (n, n_probabilities)."""
    return _inverse(grid, grid.cumulative(), probability)


def median_and_mode(grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Median and mode of each row, the mode from a parabola through the highest points."""
    median = quantiles(grid, np.full((len(grid.x), 1), 0.5))[:, 0]
    rows = np.arange(len(grid.x))
    top = grid.y.argmax(-1)
    inside = np.clip(top, 1, grid.x.shape[1] - 2)
    (a, b, c), (left, middle, right) = (
        [values[rows, inside + shift] for shift in (-1, 0, 1)] for values in (grid.x, grid.y)
    )
    rise, fall = (middle - left) * (c - b), (middle - right) * (b - a)
    shift = (rise * (c - b) - fall * (b - a)) / (2 * np.maximum(rise + fall, 1e-300))
    bends = (top == inside) & (rise + fall > 0)
    return median, np.asarray(grid.x[rows, top] + np.where(bends, shift, 0.0))


def shortest_interval(grid: Grid, level: float) -> FloatArray:
    """Shortest interval of each row that holds a probability, shape (n, 2)."""
    cumulative = grid.cumulative()
    shape = (len(grid.x), _N_STARTS)
    below = np.broadcast_to((1 - level) * np.linspace(0, 1, _N_STARTS) ** 2, shape)
    low = _inverse(grid, cumulative, below)
    high = _inverse(grid, cumulative, below + level)
    rows, best = np.arange(len(grid.x)), (high - low).argmin(-1)
    return np.stack([low[rows, best], high[rows, best]], axis=-1)


def _grid_of(
    log_density: LogDensity, rows: npt.NDArray[np.intp], edges: Sequence[float]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points, densities and log integrals of some rows."""
    parts = []
    for support in pairwise(edges):
        part = _between(*_closed_in(log_density, rows, support), _N_COARSE)
        for n_points in (_N_COARSE, _N_GRID):
            part = _denser_where_high(part, log_density(part, rows), n_points)
        parts.append(part)
    x = np.concatenate(parts, axis=-1)
    values = log_density(x, rows)
    top = values.max(-1, keepdims=True)
    density = np.exp(values - top)
    integral = (trapezoid_weights(x) * density).sum(-1, keepdims=True)
    return x, density / integral, (top + np.log(integral))[:, 0]


def _closed_in(
    log_density: LogDensity, rows: npt.NDArray[np.intp], support: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Range of each row within `_DROP` of its highest density."""
    low, high = (np.full(len(rows), float(edge)) for edge in support)
    open_rows = np.arange(len(rows))
    for _ in range(_MOST_PASSES):
        x = _between(low[open_rows], high[open_rows], _N_COARSE)
        values = log_density(x, rows[open_rows])
        top = values.max(-1, keepdims=True)
        if not np.isfinite(top).all():
            raise FociError("the counts are impossible at every dose of the prior")
        above = values > top - _DROP
        first, last = above.argmax(-1), _N_COARSE - 1 - above[:, ::-1].argmax(-1)
        each = np.arange(len(open_rows))
        low[open_rows] = x[each, np.maximum(first - 1, 0)]
        high[open_rows] = x[each, np.minimum(last + 1, _N_COARSE - 1)]
        open_rows = open_rows[last - first < _CLOSE * _N_COARSE]
        if not len(open_rows):
            break
    return low, high


def _between(low: FloatArray, high: FloatArray, n_points: int) -> FloatArray:
    """Evenly spaced points of each row."""
    return np.asarray(low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, n_points))


def _denser_where_high(x: FloatArray, values: FloatArray, n_points: int) -> FloatArray:
    """Points of the range of x, a part of them as dense as the root of the density there."""
    root = np.exp((values - values.max(-1, keepdims=True)) / 2)
    root /= (trapezoid_weights(x) * root).sum(-1, keepdims=True)
    density = (1 - _EVEN) * root + _EVEN / (x[:, -1:] - x[:, :1])
    share = np.broadcast_to(np.linspace(0.0, 1.0, n_points), (len(x), n_points))
    return quantiles(Grid(x, density), share)


def trapezoid_weights(x: FloatArray) -> FloatArray:
    """Weights of the trapezoidal rule along the last axis."""
    step = np.diff(x)
    weight = np.zeros_like(x)
    weight[..., :-1] = step / 2
    weight[..., 1:] += step / 2
    return weight


def _inverse(grid: Grid, cumulative: FloatArray, probability: FloatArray) -> FloatArray:
    """Points of given cumulative probability; the density is linear between the points."""
    n, width = grid.x.shape
    rows = np.arange(n)[:, None]
    flat = (cumulative + 2.0 * rows).ravel()
    at = np.searchsorted(flat, probability + 2.0 * rows, side="right") - 1
    cell = np.clip(at - width * rows, 0, width - 2)
    rest = np.maximum(probability - cumulative[rows, cell], 0.0)
    step = np.maximum(grid.x[rows, cell + 1] - grid.x[rows, cell], 1e-300)
    left, right = grid.y[rows, cell], grid.y[rows, cell + 1]
    root = np.sqrt(np.maximum(left**2 + 2 * (right - left) * rest / step, 0.0))
    share = np.clip(2 * rest / np.maximum((left + root) * step, 1e-300), 0.0, 1.0)
    return np.asarray(grid.x[rows, cell] + share * step)
