"""Likelihood of a time course of foci, its maximum and its profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foci.counting.counts import log_likelihood
from foci.repair.exposure import Exposure, foci_of_unit_induction
from kinetics.curves import FloatArray

# Names of the parameters with one and two pools; the estimator sees logarithms, and the logit
# of the fraction.
NAMES = {
    1: ("induction_per_gy", "background_per_cell", "repair_rate_per_h"),
    2: (
        "induction_per_gy",
        "background_per_cell",
        "fast_rate_per_h",
        "slow_rate_per_h",
        "fast_fraction",
    ),
}
# Range searched; an estimate or an interval that reaches its end is open there.
_RANGE = {
    "induction_per_gy": (1e-3, 1e5),
    "background_per_cell": (1e-6, 100.0),
    "repair_rate_per_h": (1e-4, 50.0),
    "fast_rate_per_h": (1e-4, 50.0),
    "slow_rate_per_h": (1e-4, 50.0),
    "fast_fraction": (1e-3, 1 - 1e-3),
}
_START_RATES = {1: ((0.05,), (0.3,), (1.5,)), 2: ((0.3, 0.02), (1.0, 0.02), (2.0, 0.2))}
_MOST_STEPS, _MOST_DAMPED = 200, 1e10
_LEAST_GAIN = 1e-7  # of the log likelihood, below which the search ends
_CLIMB, _MOST_RESTARTS = 0.01, 4  # of the log likelihood, above the maximum found
_LONGEST = 1.5  # step of a logarithm
_STEP = 1e-4  # of a logarithm, for central differences (errors of the order of its square)


@dataclass(frozen=True, eq=False)
class TimeCourse:
    """Counts of the samples of one patient and the exposure that each belongs to."""

    time_h: FloatArray
    cells: FloatArray
    foci: FloatArray
    cycle: npt.NDArray[np.int64]
    exposure: Mapping[int, Exposure]
    dispersion: float

    def unit_foci(self, rate_per_h: FloatArray) -> FloatArray:
        """Foci per cell at an induction of 1/Gy, shape (n_draws, n_rates, n_samples)."""
        parts = {
            cycle: foci_of_unit_induction(exposure, self.time_h[self.cycle == cycle], rate_per_h)
            for cycle, exposure in self.exposure.items()
        }
        unit = np.zeros((max(len(p) for p in parts.values()), len(rate_per_h), len(self.time_h)))
        for cycle, part in parts.items():
            unit[:, :, self.cycle == cycle] = part
        return unit


def natural(names: tuple[str, ...], theta: FloatArray) -> FloatArray:
    """Parameters from the estimator's logarithms and logit."""
    logit = np.array([name == "fast_fraction" for name in names])
    return np.where(logit, 1 / (1 + np.exp(-theta)), np.exp(theta))


def limits(names: tuple[str, ...]) -> FloatArray:
    """Range searched on the estimator's scale, shape (n, 2)."""
    low, high = np.array([_RANGE[name] for name in names]).T
    fraction = np.array([name == "fast_fraction" for name in names])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.column_stack(
            [np.where(fraction, np.log(end / (1 - end)), np.log(end)) for end in (low, high)]
        )


@dataclass(frozen=True, eq=False)
class Height:
    """Log likelihood at one point, its gradient and the information about the point."""

    value: float
    score: FloatArray
    information: FloatArray


def height(theta: FloatArray, course: TimeCourse) -> Height:
    """Log likelihood, averaged over the draws of the dose rate, with its derivatives.

    The information is that expected of the counts, less what the draws of the dose rate spread.
    """
    values = natural(NAMES[1 if len(theta) == 3 else 2], theta)
    induction, background = values[:2]
    n_pools = 1 if len(theta) == 3 else 2
    rates = values[2 : 2 + n_pools]
    shares = np.array([1.0]) if n_pools == 1 else np.array([values[4], 1 - values[4]])
    unit = course.unit_foci(np.concatenate([rates, rates * np.exp(_STEP), rates * np.exp(-_STEP)]))
    slope = (unit[:, n_pools : 2 * n_pools] - unit[:, 2 * n_pools :]) / (2 * _STEP)
    induced = induction * np.einsum("p,dpt->dt", shares, unit[:, :n_pools])
    mean = background + induced
    change = np.empty((len(mean), len(theta), mean.shape[1]))
    change[:, 0], change[:, 1] = induced, background
    change[:, 2 : 2 + n_pools] = induction * shares[:, None] * slope
    if n_pools == 2:
        change[:, 4] = induction * shares[0] * shares[1] * (unit[:, 0] - unit[:, 1])
    by_draw = log_likelihood(
        course.foci, course.cells, mean, dispersion=course.dispersion
    ).sum(-1)  # fmt: skip
    top = by_draw.max()
    weight = np.exp(by_draw - top)
    value = float(top + np.log(weight.mean()))
    weight /= weight.sum()
    change *= course.cells
    expected = course.cells * mean
    scores = np.einsum("dpt,dt->dp", change, _slope_of_count(course, expected))
    score = weight @ scores
    seen = np.einsum("d,dpt,dqt,dt->pq", weight, change, change, 1 / expected)
    spread = np.einsum("d,dp,dq->pq", weight, scores - score, scores - score)
    return Height(value, score, seen / course.dispersion - spread)


def _slope_of_count(course: TimeCourse, expected: FloatArray) -> FloatArray:
    """Derivative of the log probability of each count by its expected value."""
    from scipy.special import digamma

    if course.dispersion == 1:
        return np.asarray(course.foci / expected - 1)
    over = course.dispersion - 1
    size = expected / over
    difference = digamma(course.foci + size) - digamma(size)
    return np.asarray((difference - np.log(course.dispersion)) / over)


def maximise(
    course: TimeCourse, start: FloatArray, bounds: FloatArray, *, fixed: int | None = None
) -> tuple[FloatArray, float]:
    """Highest log likelihood from a start, one parameter held there if `fixed`.

    Damped Newton steps within the bounds.
    """
    theta = np.clip(start, *bounds.T)
    here, damping = height(theta, course), 1e-3
    for _ in range(_MOST_STEPS):
        pushed = ((theta <= bounds[:, 0]) & (here.score < 0)) | (
            (theta >= bounds[:, 1]) & (here.score > 0)
        )
        free = ~pushed
        if fixed is not None:
            free[fixed] = False
        step = np.zeros_like(theta)
        step[free] = _step(here, free, damping)
        if (1 + damping) * float(here.score @ step) < _LEAST_GAIN:
            break
        step *= min(1.0, _LONGEST / np.abs(step).max())
        trial = np.clip(theta + step, *bounds.T)
        there = height(trial, course)
        if there.value > here.value:
            theta, here, damping = trial, there, max(damping / 10, 1e-9)
        elif damping > _MOST_DAMPED:
            break
        else:
            damping *= 10
    return theta, here.value


def _step(here: Height, free: npt.NDArray[np.bool_], damping: float) -> FloatArray:
    """Damped Newton step of the free parameters; damped more where the curvature is wrong."""
    matrix, score = here.information[np.ix_(free, free)], here.score[free]
    scale = np.diag(np.maximum(np.abs(np.diag(matrix)), 1e-12))
    while True:
        try:
            factor = np.linalg.cholesky(matrix + damping * scale)
            return np.asarray(np.linalg.solve(factor.T, np.linalg.solve(factor, score)))
        except np.linalg.LinAlgError:
            damping = max(10 * damping, 1e-2)


def global_maximum(course: TimeCourse, pools: int) -> tuple[FloatArray, float]:
    """Best of several starts, the fast pool first."""
    bounds = limits(NAMES[pools])
    background = _start_background(course)
    best: tuple[FloatArray, float] | None = None
    for rates in _START_RATES[pools]:
        unit = course.unit_foci(np.array(rates[:1])).mean((0, 1))
        excess = np.maximum(course.foci / course.cells - background, 0.0)
        induction = max(float(excess @ unit) / max(float(unit @ unit), 1e-300), 1e-2)
        start = np.log([induction, background, *rates])
        if pools == 2:
            start = np.append(start, np.log(0.9 / 0.1))
        found = maximise(course, start, bounds)
        if best is None or found[1] > best[1]:
            best = found
    assert best is not None
    theta, value = best
    if pools == 2 and theta[3] > theta[2]:
        theta = np.array([theta[0], theta[1], theta[3], theta[2], -theta[4]])
    return theta, value


def _start_background(course: TimeCourse) -> float:
    per_cell = course.foci / course.cells
    before = course.time_h < 0
    found = per_cell[before].mean() if before.any() else 0.5 * per_cell.min()
    return max(float(found), 0.01)


def information(theta: FloatArray, course: TimeCourse) -> FloatArray:
    """Observed information on the estimator's scale, shape (n, n)."""
    n = len(theta)
    hessian = np.empty((n, n))
    for j in range(n):
        step = np.zeros(n)
        step[j] = 1e-3
        hessian[j] = (
            height(theta - step, course).score - height(theta + step, course).score
        ) / 2e-3
    return (hessian + hessian.T) / 2


@dataclass(frozen=True, eq=False)
class Profiles:
    """A maximum and where the profile of each parameter has fallen, below and above it.

    An end is None where the profile does not fall that far within the range searched.
    """

    theta: FloatArray
    value: float
    ends: list[list[float | None]]


def profiles(course: TimeCourse, pools: int, drop: float) -> Profiles:
    """Maximum and profile limits; begun anew where a profile climbs above the maximum."""
    theta, value = global_maximum(course, pools)
    for _ in range(_MOST_RESTARTS):
        climbed: list[tuple[float, FloatArray]] = []
        ends = [
            [_profile_limit(course, theta, value, index, side, drop, climbed) for side in (-1, 1)]
            for index in range(len(theta))
        ]
        if not climbed:
            break
        start = max(climbed, key=lambda pair: pair[0])[1]
        theta, value = maximise(course, start, limits(NAMES[pools]))
    return Profiles(theta, value, ends)


def _profile_limit(
    course: TimeCourse,
    theta: FloatArray,
    top: float,
    index: int,
    side: int,
    drop: float,
    climbed: list[tuple[float, FloatArray]],
) -> float | None:
    """Value of one parameter where the profile has fallen by `drop`; None if it never does."""
    names = NAMES[1 if len(theta) == 3 else 2]
    bounds = limits(names)
    state = theta.copy()

    def excess(value: float) -> float:
        """How far beyond `drop` the fall is; later searches start from the last one."""
        inner = bounds.copy()
        if names[index] == "fast_rate_per_h":
            inner[3, 1] = value
        elif names[index] == "slow_rate_per_h":
            inner[2, 0] = value
        start = state.copy()
        start[index] = value
        state[:], there = maximise(course, start, inner, fixed=index)
        if there > top + _CLIMB:
            climbed.append((there, state.copy()))
        return top - there - drop

    return _crossing(excess, float(theta[index]), -drop, side, bounds[index])


def _crossing(
    excess: Callable[[float], float],
    centre: float,
    at_centre: float,
    side: int,
    bound: FloatArray,
) -> float | None:
    """Walk outwards with growing steps until the sign changes, then close in."""
    from scipy.optimize import brentq

    edge = float(bound[1] if side > 0 else bound[0])
    known, inside, step = {centre: at_centre}, centre, 0.1
    while True:
        outside = min(inside + step, edge) if side > 0 else max(inside - step, edge)
        if outside == inside:
            return None
        known[outside] = excess(outside)
        if known[outside] > 0:
            ends = sorted((inside, outside))
            return float(brentq(lambda v: known[v] if v in known else excess(v), *ends, xtol=1e-4))
        inside, step = outside, 1.7 * step
