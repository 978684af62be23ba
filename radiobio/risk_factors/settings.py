"""What is fitted and validated, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radiobio.errors import RadiobioError
from radiobio.risk_factors.preprocessing import IMPUTATIONS

MODELS = ("logistic", "boosting")
PENALTIES = ("ridge", "elastic net")


@dataclass(frozen=True)
class FitSettings:
    """How a model is tuned: imputation, penalty, selection and number of inner folds."""

    imputation: str = "median"
    penalty: str = "ridge"
    keep_strongest: int | None = None
    n_inner_folds: int = 5

    def __post_init__(self) -> None:
        one_of("imputation", self.imputation, IMPUTATIONS)
        one_of("penalty", self.penalty, PENALTIES)
        if self.keep_strongest is not None:
            whole("keep_strongest", self.keep_strongest, 1, 10_000)
        whole("n_inner_folds", self.n_inner_folds, 2, 20)


def one_of(name: str, value: object, legal: Sequence[str]) -> None:
    """Raise if the value is not legal."""
    if value not in legal:
        raise RadiobioError(f"{name} must be one of {', '.join(legal)}, not {value!r}")


def whole(name: str, value: object, low: int, high: int) -> None:
    """Raise if the value is no whole number in the range."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not (is_whole and low <= value <= high):  # type: ignore[operator]
        raise RadiobioError(f"{name} must be a whole number of {low} to {high}, not {value!r}")


def check_models(models: Sequence[str]) -> tuple[str, ...]:
    """Return the models, checked."""
    chosen = (models,) if isinstance(models, str) else tuple(models)
    if not chosen or len(set(chosen)) < len(chosen):
        raise RadiobioError(f"models must be one or more different models, not {list(chosen)}")
    for name in chosen:
        one_of("models", name, MODELS)
    return chosen


def check_level(level: float) -> None:
    """Raise if the level of intervals is not between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise RadiobioError(f"level must be between 0 and 1, e.g. 0.95, not {level!r}")


def check_rng(rng: object) -> None:
    """Raise if this is no random generator."""
    if not isinstance(rng, np.random.Generator):
        raise RadiobioError(
            f"rng must be a numpy.random.Generator, e.g. numpy.random.default_rng(1), not {rng!r}"
        )
