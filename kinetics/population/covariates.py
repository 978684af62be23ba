"""Effects of covariates on typical parameters, each as the logarithm of a factor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kinetics.curves import FloatArray
from kinetics.errors import KineticsError

_KINDS = ("power", "exponential", "linear", "category")


@dataclass(frozen=True)
class CovariateEffect:
    """Effect of one covariate on one parameter; made by the functions of this module.

    Attributes
    ----------
    covariate : str
        Column of the data.
    kind : str
        ``power`` (x/reference)^b, ``exponential`` exp(b (x - reference)),
        ``linear`` 1 + b (x - reference), ``category`` 1 + b where x equals the reference.
    value : float
        b.
    reference : float
        Reference value; for a category the level that has the effect.
    """

    covariate: str
    kind: str
    value: float
    reference: float

    def log_factor(self, x: FloatArray, b: float) -> tuple[FloatArray, FloatArray]:
        """Logarithm of the factor at covariate values x, and its derivative by b."""
        if self.kind == "power":
            ratio = np.log(x / self.reference)
            return b * ratio, ratio
        if self.kind == "exponential":
            return b * (x - self.reference), x - self.reference
        change = x - self.reference if self.kind == "linear" else (x == self.reference) * 1.0
        factor = 1.0 + b * change
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(factor), change / factor

    def check(self, x: FloatArray) -> None:
        """Raise KineticsError where the effect is undefined."""
        if not np.isfinite(x).all():
            raise KineticsError(f"covariate {self.covariate!r} has missing values")
        if self.kind == "power" and (x <= 0).any():
            raise KineticsError(f"covariate {self.covariate!r} must be positive for a power effect")

    def equation(self, name: str) -> str:
        """Readable factor; `name` is the name of b."""
        c, r = self.covariate, f"{self.reference:g}"
        return {
            "power": f"({c}/{r})^{name}",
            "exponential": f"exp({name} ({c} - {r}))",
            "linear": f"(1 + {name} ({c} - {r}))",
            "category": f"(1 + {name} [{c} = {r}])",
        }[self.kind]


def power_effect(covariate: str, reference: float, exponent: float = 0.0) -> CovariateEffect:
    """(x / reference)^exponent: allometry, tumour volume, creatinine clearance."""
    if not reference > 0:
        raise KineticsError("the reference of a power effect must be positive")
    return CovariateEffect(covariate, "power", exponent, reference)


def exponential_effect(
    covariate: str, reference: float = 0.0, slope: float = 0.0
) -> CovariateEffect:
    """exp(slope (x - reference))."""
    return CovariateEffect(covariate, "exponential", slope, reference)


def linear_effect(covariate: str, reference: float, slope: float = 0.0) -> CovariateEffect:
    """1 + slope (x - reference)."""
    return CovariateEffect(covariate, "linear", slope, reference)


def category_effect(covariate: str, level: float, change: float = 0.0) -> CovariateEffect:
    """1 + change where the covariate equals the level, 1 elsewhere; one effect for each level."""
    return CovariateEffect(covariate, "category", change, level)
