"""Two-parameter Bayesian logistic model of dose-limiting toxicity (BLRM), by quadrature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kinetics.curves import FloatArray
from radiobio.checks import check_share, number, numbers, positive
from radiobio.dose_finding.checks import IntArray, check_counts, check_interval, check_levels
from radiobio.dose_finding.quadrature import Lines, bounds, expit, lines, mass_below
from radiobio.errors import RadiobioError

if TYPE_CHECKING:
    import pandas as pd

TARGET_INTERVAL = (0.20, 0.35)
"""Targeted and excessive toxicity begin here (Neuenschwander 2008)."""
_WIDEST = 40.0  # conditional prior standard deviations searched for the intercept
_WIDEST_LOG_SLOPE = 40.0
_MOST_REFINEMENTS = 6


@dataclass(frozen=True)
class LogisticPrior:
    """Bivariate normal prior of the intercept and of the logarithm of the slope.

    Parameters
    ----------
    mean : array_like, shape (2,)
        Means of a and b in logit p = a + exp(b) log(level / reference_level).
    covariance : array_like, shape (2, 2)
        Their covariance.
    reference_level : float
        Level (same unit as the levels) at which a is the logit of the risk.

    Raises
    ------
    RadiobioError
        If the covariance is not symmetric and positive definite, the mean or SD of b is above 40
        (exp(b) would overflow), or the level is not positive.

    References
    ----------
    Neuenschwander B, Branson M, Gsponer T. Stat Med 2008;27:2420-2439, doi:10.1002/sim.3230.
    """

    mean: FloatArray
    covariance: FloatArray
    reference_level: float

    def __post_init__(self) -> None:
        mean, covariance = numbers(self.mean, "mean"), numbers(self.covariance, "covariance")
        if mean.shape != (2,) or covariance.shape != (2, 2) or not np.isfinite(mean).all():
            raise RadiobioError("the prior needs two finite means and a covariance of shape (2, 2)")
        legal = np.isfinite(covariance).all() and np.array_equal(covariance, covariance.T)
        if not legal or (np.linalg.eigvalsh(covariance) <= 0).any():
            raise RadiobioError("covariance must be symmetric and positive definite")
        if abs(mean[1]) > _WIDEST_LOG_SLOPE or covariance[1, 1] > _WIDEST_LOG_SLOPE**2:
            raise RadiobioError(
                f"mean {mean[1]:g} and variance {covariance[1, 1]:g} of b: it is the logarithm of "
                f"the slope; its mean and standard deviation must be within {_WIDEST_LOG_SLOPE:g}"
            )
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "covariance", covariance)
        reference = positive(self.reference_level, "reference_level")
        if reference.ndim:
            raise RadiobioError("reference_level must be a single number")
        object.__setattr__(self, "reference_level", float(reference))


@dataclass(frozen=True)
class _Grid:
    """Posterior on lines of constant b: trapezoids over b, panels over a."""

    slope: FloatArray  # exp(b), shape (n,)
    b: FloatArray
    weight: FloatArray  # of each line, so that the posterior sums to one
    lines: Lines
    log_evidence: float


@dataclass(frozen=True)
class BlrmPosterior:
    """Posterior of the risk of a dose-limiting toxicity at each level.

    Attributes
    ----------
    levels : ndarray, shape (n_levels,)
        Levels (any unit: administered activity, absorbed dose).
    treated, toxic : ndarray of int, shape (n_levels,)
        The data.
    mean, sd : ndarray, shape (n_levels,)
        Posterior mean and standard deviation of the risk.
    interval : tuple of float
        Targeted risks begin at the first and end below the second.
    under, on_target, over : ndarray, shape (n_levels,)
        Posterior probability of a risk below, in and above the interval.
    parameter_mean, parameter_covariance : ndarray, shape (2,), (2, 2)
        Of a and b.
    log_evidence : float
        Logarithm of the marginal likelihood (without binomial coefficients).
    numerical_error : float
        Largest difference of a mean, standard deviation or probability to the next coarser grid
        with a narrower range.
    status : str
        "ok", or that the quadrature did not reach its tolerance.
    assumptions : tuple of str
        What the numbers rest on.
    """

    levels: FloatArray
    treated: IntArray
    toxic: IntArray
    mean: FloatArray
    sd: FloatArray
    interval: tuple[float, float]
    under: FloatArray
    on_target: FloatArray
    over: FloatArray
    parameter_mean: FloatArray
    parameter_covariance: FloatArray
    log_evidence: float
    numerical_error: float
    status: str
    assumptions: tuple[str, ...]
    prior: LogisticPrior = field(repr=False)
    _grid: _Grid = field(repr=False)

    @property
    def estimate(self) -> FloatArray:
        """Estimate of the risk that `choose_level` compares with a target: the mean."""
        return self.mean

    def above(self, threshold: float) -> FloatArray:
        """Posterior probability that the risk of each level is at least `threshold` (0 to 1)."""
        limit = check_share(threshold, "threshold")
        return _above(self._grid, _log_levels(self.levels, self.prior), limit)

    def quantile(self, probability: float) -> FloatArray:
        """Quantile of the risk of each level, shape (n_levels,)."""
        wanted = check_share(probability, "probability")
        log_level = _log_levels(self.levels, self.prior)
        low, high = np.full(log_level.size, -700.0), np.full(log_level.size, 700.0)
        for _ in range(52):  # bisection of the logit
            middle = 0.5 * (low + high)
            less = _below(self._grid, log_level, middle) < wanted
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return expit(0.5 * (low + high))

    def to_frame(self) -> pd.DataFrame:
        """One row a level, with the median and the central 95 % interval."""
        import pandas as pd

        columns = {
            "level": self.levels, "treated": self.treated, "toxic": self.toxic,
            "mean": self.mean, "sd": self.sd, "q025": self.quantile(0.025),
            "median": self.quantile(0.5), "q975": self.quantile(0.975), "under": self.under,
            "on_target": self.on_target, "over": self.over,
        }  # fmt: skip
        return pd.DataFrame(columns)


def blrm_posterior(
    levels: npt.ArrayLike,
    treated: npt.ArrayLike,
    toxic: npt.ArrayLike,
    *,
    prior: LogisticPrior,
    interval: tuple[float, float] = TARGET_INTERVAL,
    tolerance: float = 1e-8,
) -> BlrmPosterior:
    """Posterior of the two-parameter logistic model, by deterministic quadrature.

    Parameters
    ----------
    levels : array_like, shape (n_levels,)
        Rising levels, of any unit (administered activity, absorbed dose).
    treated, toxic : array_like of int, shape (n_levels,)
        Patients at each level, and those of them with a dose-limiting toxicity.
    prior : LogisticPrior
        Prior of a and b.
    interval : tuple of float
        Limits of the targeted risk; the default is that of Neuenschwander 2008.
    tolerance : float
        The grid is refined until its numerical error is below this.

    Returns
    -------
    BlrmPosterior
        With its numerical error; the same input gives the same bits.

    Raises
    ------
    RadiobioError
        If the levels do not rise, the counts, the interval or the tolerance are not legal.

    Notes
    -----
    logit p(d) = a + exp(b) log(d / d_ref), (a, b) normal, toxicities binomial. At fixed b the
    log posterior is concave in a, so that its range is one interval: panels of Gauss-Legendre
    nodes cover it, whose polynomials also give the exact running integral up to the a at which
    p crosses a threshold. Over b equal steps are used (trapezoidal rule). Ranges end where
    the density is exp(-34) of its maximum or less. The means are those of the risk, not the risk
    at the mean parameters.

    References
    ----------
    Neuenschwander B, Branson M, Gsponer T. Critical aspects of the Bayesian approach to phase I
    cancer trials. Stat Med 2008;27:2420-2439, doi:10.1002/sim.3230.

    Examples
    --------
    >>> prior = LogisticPrior([2.15, 0.52], [[0.7056, 0.134], [0.134, 0.64]], 250.0)
    >>> posterior = blrm_posterior([10.0, 20.0, 25.0], [4, 0, 2], [0, 0, 2], prior=prior)
    >>> posterior.numerical_error < 1e-8
    True
    """
    level = check_levels(levels)
    n, y = check_counts(treated, toxic, level.size)
    limits = check_interval(interval)
    if not 0 < number(tolerance, "tolerance") < np.inf:
        raise RadiobioError(f"tolerance must be finite and above zero, got {tolerance}")
    log_level = _log_levels(level, prior)
    seen = n > 0
    data = (log_level[seen], n[seen].astype(np.float64), y[seen].astype(np.float64))
    grid = _grid(prior, data, refinement=0)
    summary = _summary(grid, log_level, limits)
    for refinement in range(1, _MOST_REFINEMENTS + 1):
        coarse = summary
        grid = _grid(prior, data, refinement=refinement)
        summary = _summary(grid, log_level, limits)
        error = float(np.abs(summary - coarse).max())
        if error < tolerance:
            break
    mean, sd, under, over = summary
    parameter_mean, parameter_covariance = _parameters(grid)
    reached = error < tolerance
    return BlrmPosterior(
        levels=level, treated=n, toxic=y, mean=mean, sd=sd, interval=limits, under=under,
        on_target=1.0 - under - over, over=over, parameter_mean=parameter_mean,
        parameter_covariance=parameter_covariance, log_evidence=grid.log_evidence,
        numerical_error=error, prior=prior, _grid=grid,
        status="ok" if reached else f"the quadrature is only good to {error:.1e}",
        assumptions=(
            "risk rises with the level as a logistic curve of its logarithm",
            "patients are independent, and all had the whole time to show a toxicity",
        ),
    )  # fmt: skip


def _log_levels(levels: FloatArray, prior: LogisticPrior) -> FloatArray:
    return np.log(levels / prior.reference_level)


_Data = tuple[FloatArray, FloatArray, FloatArray]


def _log_posterior(prior: LogisticPrior, data: _Data, a: FloatArray, b: FloatArray) -> FloatArray:
    """Log of prior times likelihood at a of shape (n, k) and b of shape (n,)."""
    variance_b = prior.covariance[1, 1]
    centre, variance = _intercept_given(prior, b)
    log_density = -0.5 * (a - centre[:, None]) ** 2 / variance
    log_density -= 0.5 * ((b - prior.mean[1]) ** 2 / variance_b)[:, None]
    log_density -= 0.5 * np.log(variance * variance_b) + np.log(2 * np.pi)
    for log_level, treated, toxic in zip(*data, strict=True):
        logit = a + (np.exp(b) * log_level)[:, None]
        log_density -= treated * (np.maximum(logit, 0.0) + np.log1p(np.exp(-np.abs(logit))))
        if toxic:
            log_density += toxic * logit
    return np.asarray(log_density)


def _intercept_given(prior: LogisticPrior, b: FloatArray) -> tuple[FloatArray, float]:
    """Prior mean and variance of a given b."""
    covariance = prior.covariance
    ratio = covariance[0, 1] / covariance[1, 1]
    return (
        prior.mean[0] + ratio * (b - prior.mean[1]),
        float(covariance[0, 0] - ratio * covariance[0, 1]),
    )


def _intercept_bounds(
    prior: LogisticPrior, data: _Data, b: FloatArray, drop: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    centre, variance = _intercept_given(prior, b)
    reach = _WIDEST * np.sqrt(variance)
    return bounds(
        lambda a: _log_posterior(prior, data, a, b), centre - reach, centre + reach, drop=drop
    )


def _grid(prior: LogisticPrior, data: _Data, *, refinement: int) -> _Grid:
    """Lines at equal steps of b; each refinement halves them and widens the range."""
    drop = 34.0 + 3.0 * refinement
    reach = 15.0 * np.sqrt(prior.covariance[1, 1])

    def profile(grid: FloatArray) -> FloatArray:
        return _intercept_bounds(prior, data, grid[0], drop)[2][None]

    begin, end, highest = bounds(profile, prior.mean[1:] - reach, prior.mean[1:] + reach, drop=drop)
    b = np.linspace(begin[0], end[0], 64 * 2**refinement + 1)
    low, high, _ = _intercept_bounds(prior, data, b, drop)
    log_scale = float(highest[0])
    inner = lines(
        lambda a: _log_posterior(prior, data, a, b), low, high,
        n_panels=6 + 3 * refinement, log_scale=log_scale,
    )  # fmt: skip
    weight = np.full(b.size, b[1] - b[0])
    total = float(weight @ inner.mass.sum(1))
    return _Grid(np.exp(b), b, weight / total, inner, log_scale + float(np.log(total)))


def _below(grid: _Grid, log_level: FloatArray, logit: FloatArray | float) -> FloatArray:
    """Posterior probability of a logit of the risk below `logit` at each level."""
    cut = np.broadcast_to(logit, log_level.shape)[:, None] - log_level[:, None] * grid.slope
    return np.asarray(mass_below(grid.lines, cut) @ grid.weight)


def _above(grid: _Grid, log_level: FloatArray, threshold: float) -> FloatArray:
    below = _below(grid, log_level, float(np.log(threshold / (1 - threshold))))
    return np.clip(1.0 - below, 0.0, 1.0)


def _summary(grid: _Grid, log_level: FloatArray, interval: tuple[float, float]) -> FloatArray:
    """Mean, standard deviation, probability below and above the interval, (4, n_levels)."""
    mass = grid.lines.mass * grid.weight[:, None]
    out = np.empty((4, log_level.size))
    for i, at in enumerate(log_level):
        risk = expit(grid.lines.node + (at * grid.slope)[:, None])
        out[0, i] = (mass * risk).sum()
        out[1, i] = np.sqrt((mass * (risk - out[0, i]) ** 2).sum())
    out[2] = 1.0 - _above(grid, log_level, interval[0])
    out[3] = _above(grid, log_level, interval[1])
    return out


def _parameters(grid: _Grid) -> tuple[FloatArray, FloatArray]:
    """Posterior mean and covariance of a and b."""
    mass = grid.lines.mass * grid.weight[:, None]
    values = np.stack([grid.lines.node, np.broadcast_to(grid.b[:, None], mass.shape)])
    mean = (values * mass).sum((1, 2))
    centred = values - mean[:, None, None]
    return mean, np.einsum("ijk,ljk,jk->il", centred, centred, mass)
