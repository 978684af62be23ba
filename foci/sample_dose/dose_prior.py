"""What is known of a dose before any focus is counted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from foci.checks import number
from foci.errors import FociError
from kinetics.curves import FloatArray

PriorKind = Literal["log_uniform", "log_normal", "uniform", "gamma"]

_KINDS = ("log_uniform", "log_normal", "uniform", "gamma")
_Z95 = 1.959964  # normal quantile of 97.5 %
_SHAPES = (1.0, 1e8)  # of a gamma prior: its density is finite at zero dose
_LEAST_SHARE = 1e-4  # lowest dose of a log grid of a uniform prior, as a share of the highest


@dataclass(frozen=True)
class DosePrior:
    """Prior of a dose, before any focus is counted.

    Parameters
    ----------
    low_gy, high_gy : float
        Bounds of a uniform or log-uniform prior; central 95 % of a log-normal or gamma one. Only a
        uniform prior may start at zero.
    kind : {"log_uniform", "log_normal", "uniform", "gamma"}
        Shape of the prior.

    Raises
    ------
    FociError
        If the bounds are not in order or the kind is unknown.
    """

    low_gy: float = 0.001
    high_gy: float = 10.0
    kind: PriorKind = "log_uniform"

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise FociError(f"kind must be one of {', '.join(_KINDS)}; got {self.kind!r}")
        number(self.low_gy, "low_gy")
        number(self.high_gy, "high_gy")
        lowest_is_legal = self.low_gy >= 0 if self.kind == "uniform" else self.low_gy > 0
        if not (lowest_is_legal and self.low_gy < self.high_gy < np.inf):
            raise FociError(
                f"need 0 < low_gy < high_gy (a uniform prior may start at 0), got {self.low_gy} "
                f"and {self.high_gy}"
            )

    @classmethod
    def gamma(cls, mean_gy: float, sd_gy: float) -> DosePrior:
        """Gamma prior with a mean and a standard deviation (Gy).

        Examples
        --------
        >>> prior = DosePrior.gamma(0.1, 0.05)
        >>> round(prior.low_gy, 4), round(prior.high_gy, 4)
        (0.0272, 0.2192)
        """
        from scipy.stats import gamma

        if not (0 < mean_gy < np.inf and 0 < sd_gy <= mean_gy):
            raise FociError(
                f"need a positive mean and an SD that is not larger, got {mean_gy} and {sd_gy}"
            )
        law = gamma((mean_gy / sd_gy) ** 2, scale=sd_gy**2 / mean_gy)
        return cls(float(law.ppf(0.025)), float(law.ppf(0.975)), "gamma")

    @property
    def support_gy(self) -> tuple[float, float]:
        """Doses between which the prior lies, but for a probability of about 1e-6."""
        if self.kind in ("uniform", "log_uniform"):
            return float(self.low_gy), float(self.high_gy)
        if self.kind == "log_normal":
            middle, sd = self._log_normal()
            return float(np.exp(middle - 5 * sd)), float(np.exp(middle + 5 * sd))
        from scipy.stats import gamma

        shape, scale = _gamma_parameters(self.low_gy, self.high_gy)
        return 0.0, float(gamma.isf(1e-6, shape, scale=scale))

    def log_density(self, dose_gy: npt.ArrayLike) -> FloatArray:
        """Log of the density per Gy at each dose; ``-inf`` outside the prior."""
        dose = np.asarray(dose_gy, dtype=np.float64)
        inside = (dose >= self.low_gy) & (dose <= self.high_gy)
        if self.kind == "uniform":
            return np.where(inside, -np.log(self.high_gy - self.low_gy), -np.inf)
        with np.errstate(divide="ignore"):
            log_dose = np.log(np.maximum(dose, 0.0))
        if self.kind == "log_uniform":
            level = -np.log(np.log(self.high_gy / self.low_gy))
            return np.asarray(np.where(inside, level - log_dose, -np.inf))
        if self.kind == "log_normal":
            middle, sd = self._log_normal()
            with np.errstate(invalid="ignore"):
                value = -0.5 * ((log_dose - middle) / sd) ** 2 - log_dose
            return np.where(dose > 0, value - np.log(sd * np.sqrt(2 * np.pi)), -np.inf)
        from scipy.stats import gamma

        shape, scale = _gamma_parameters(self.low_gy, self.high_gy)
        return np.asarray(gamma.logpdf(np.maximum(dose, 1e-12 * self.high_gy), shape, scale=scale))

    def log_dose_grid(self, n_points: int) -> tuple[FloatArray, FloatArray]:
        """Cell centres of the log dose and the log prior density there, each (n_points,)."""
        low, high = self.support_gy
        edges = np.log([max(low, _LEAST_SHARE * high), high])
        centre = edges[0] + (np.arange(n_points) + 0.5) / n_points * (edges[1] - edges[0])
        return centre, self.log_density(np.exp(centre)) + centre

    def _log_normal(self) -> tuple[float, float]:
        """Mean and standard deviation of the log dose."""
        low, high = np.log(self.low_gy), np.log(self.high_gy)
        return float((low + high) / 2), float((high - low) / (2 * _Z95))


@lru_cache
def _gamma_parameters(low_gy: float, high_gy: float) -> tuple[float, float]:
    """Shape and scale of the gamma distribution with these quantiles of 2.5 and 97.5 %."""
    from scipy.optimize import brentq
    from scipy.special import gammaincinv

    def excess(log_shape: float) -> float:
        shape = np.exp(log_shape)
        with np.errstate(divide="ignore"):
            ratio = np.log(gammaincinv(shape, 0.975)) - np.log(gammaincinv(shape, 0.025))
        return float(min(ratio, 1e9) - np.log(high_gy / low_gy))

    bounds = np.log(_SHAPES)
    if excess(bounds[0]) < -1e-9:
        raise FociError(
            f"a gamma prior of the dose needs high_gy / low_gy below 146 (an SD not larger than "
            f"the mean), got {low_gy} and {high_gy} Gy"
        )
    if excess(bounds[1]) > 0:
        raise FociError(f"the gamma prior from {low_gy} to {high_gy} Gy is too narrow")
    shape = float(np.exp(brentq(excess, *bounds, xtol=1e-13))) if excess(bounds[0]) > 0 else 1.0
    return shape, high_gy / float(gammaincinv(shape, 0.975))
