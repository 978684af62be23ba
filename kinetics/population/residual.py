"""Residual errors: how observations scatter about a prediction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kinetics.errors import KineticsError

# Code of each kind in the compiled kernels, and the parameters that it has: sd(f) is
# a | b|f| | a + b|f| | sqrt(a^2 + b^2 f^2) | b|f|^c | a (of the logarithm) | a times the known sd.
KINDS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "additive": (0, ("additive",)),
    "proportional": (1, ("proportional",)),
    "combined1": (2, ("additive", "proportional")),
    "combined2": (3, ("additive", "proportional")),
    "power": (4, ("proportional", "exponent")),
    "lognormal": (5, ("lognormal",)),
    "known": (6, ("scale",)),
}
# Column of each parameter in the kernels' sigma table.
SIGMA_COLUMN = {"additive": 0, "lognormal": 0, "scale": 0, "proportional": 1, "exponent": 2}

_EQUATIONS = {
    "additive": "y = f + {additive} e",
    "proportional": "y = f + {proportional} |f| e",
    "combined1": "y = f + ({additive} + {proportional} |f|) e",
    "combined2": "y = f + sqrt({additive}^2 + {proportional}^2 f^2) e",
    "power": "y = f + {proportional} |f|^{exponent} e",
    "lognormal": "log y = log f + {lognormal} e",
    "known": "y = f + {scale} sd e",
}


@dataclass(frozen=True)
class ResidualErrorModel:
    """Residual error of one region; made by the functions of this module.

    Attributes
    ----------
    kind : str
        One of ``additive, proportional, combined1, combined2, power, lognormal, known``.
    values : tuple of float
        Its parameters, standard deviations, in the order of `KINDS`.
    """

    kind: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        names = KINDS[self.kind][1]
        for name, value in zip(names, self.values, strict=True):
            if not 0.0 < value < float("inf"):
                raise KineticsError(f"{self.kind} error: {name} must be positive, not {value!r}")

    def equation(self, suffix: str) -> str:
        """Readable equation; parameter names end in _suffix."""
        names = {name: f"{name}_{suffix}" for name in KINDS[self.kind][1]}
        return _EQUATIONS[self.kind].format(**names)


def additive(sd: float) -> ResidualErrorModel:
    """Constant standard deviation, in the unit of the region."""
    return ResidualErrorModel("additive", (sd,))


def proportional(cv: float) -> ResidualErrorModel:
    """Standard deviation proportional to the prediction (fraction)."""
    return ResidualErrorModel("proportional", (cv,))


def combined1(sd: float, cv: float) -> ResidualErrorModel:
    """Standard deviations add: sd + cv f."""
    return ResidualErrorModel("combined1", (sd, cv))


def combined2(sd: float, cv: float) -> ResidualErrorModel:
    """Variances add: sd^2 + (cv f)^2."""
    return ResidualErrorModel("combined2", (sd, cv))


def power(coefficient: float, exponent: float) -> ResidualErrorModel:
    """Standard deviation coefficient * f^exponent."""
    return ResidualErrorModel("power", (coefficient, exponent))


def lognormal(sd: float) -> ResidualErrorModel:
    """Standard deviation of the logarithm; observations and predictions must be positive."""
    return ResidualErrorModel("lognormal", (sd,))


def known_sd(scale: float = 1.0) -> ResidualErrorModel:
    """The data's own standard deviations, times a scale that a model usually fixes at 1."""
    return ResidualErrorModel("known", (scale,))
