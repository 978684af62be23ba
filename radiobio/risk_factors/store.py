"""A logistic risk model as plain numbers: to a dictionary (JSON) and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from radiobio.errors import RadiobioError
from radiobio.risk_factors.final_model import RiskModel
from radiobio.risk_factors.logistic import LogisticFit
from radiobio.risk_factors.preprocessing import Preprocessing

FORMAT = "radiobio risk model 1"
_FLOATS = ("median", "lowest", "highest", "mean", "scale", "coefficients")
_WHOLE = ("indicator", "kept")


def model_to_dict(model: RiskModel) -> dict[str, Any]:
    """Everything `predict` needs, as lists and numbers that JSON can hold.

    Raises
    ------
    RadiobioError
        If the model is boosting.
    """
    fit = model.fitted
    if not isinstance(fit, LogisticFit):
        raise RadiobioError(
            "only a logistic model can be written as numbers; fit boosting again from the table"
        )
    prepared = fit.preprocessing
    return {
        "format": FORMAT, "outcome": model.outcome, "predictors": list(model.predictors),
        "median": prepared.median.tolist(), "lowest": prepared.lowest.tolist(),
        "highest": prepared.highest.tolist(),
        "chained": None if prepared.chained is None else prepared.chained.tolist(),
        "indicator": prepared.indicator.tolist(), "kept": prepared.kept.tolist(),
        "mean": prepared.mean.tolist(), "scale": prepared.scale.tolist(),
        "coefficients": fit.coefficients.tolist(), "c": fit.c, "l1_ratio": fit.l1_ratio,
        "at_edge": fit.at_edge, "draws": model.draws.tolist(), "n": model.n,
        "n_events": model.n_events, "missing_seen": model.missing_seen.tolist(),
        "level": model.level, "status": model.status, "assumptions": list(model.assumptions),
    }  # fmt: skip


def model_from_dict(stored: Mapping[str, Any]) -> RiskModel:
    """Return the model of `model_to_dict`; its predictions are the same to the last bit.

    Raises
    ------
    RadiobioError
        If something is missing, is no number or has the wrong length.
    """
    if not isinstance(stored, Mapping) or stored.get("format") != FORMAT:
        raise RadiobioError(f"this is no stored risk model: its format must be {FORMAT!r}")
    try:
        arrays = {name: np.array(stored[name], dtype=np.float64) for name in _FLOATS}
        whole = {name: np.array(stored[name], dtype=np.int64) for name in _WHOLE}
        chained = stored["chained"]
        draws = np.array(stored["draws"], dtype=np.float64)
        fit = LogisticFit(
            Preprocessing(
                arrays["median"], arrays["lowest"], arrays["highest"],
                None if chained is None else np.array(chained, dtype=np.float64),
                whole["indicator"], whole["kept"], arrays["mean"], arrays["scale"],
            ),
            arrays["coefficients"], float(stored["c"]), float(stored["l1_ratio"]),
            bool(stored["at_edge"]),
        )  # fmt: skip
        model = RiskModel(
            "logistic", str(stored["outcome"]), tuple(stored["predictors"]), fit,
            draws if draws.size else np.empty((0, 0)),
            int(stored["n"]), int(stored["n_events"]), arrays["lowest"], arrays["highest"],
            np.array(stored["missing_seen"], dtype=bool), float(stored["level"]),
            str(stored["status"]), tuple(stored["assumptions"]),
        )  # fmt: skip
    except KeyError as error:
        raise RadiobioError(f"the stored risk model lacks {error.args[0]!r}") from None
    except (TypeError, ValueError) as error:
        raise RadiobioError(
            f"the stored risk model has a value that is no number: {error}"
        ) from None
    _check(model, fit)
    return model


def _check(model: RiskModel, fit: LogisticFit) -> None:
    prepared, p = fit.preprocessing, len(model.predictors)
    q = len(prepared.kept)
    wanted: dict[str, tuple[npt.NDArray[Any], tuple[int, ...]]] = {
        "median": (prepared.median, (p,)), "lowest": (prepared.lowest, (p,)),
        "highest": (prepared.highest, (p,)), "missing_seen": (model.missing_seen, (p,)),
        "mean": (prepared.mean, (q,)), "scale": (prepared.scale, (q,)),
        "coefficients": (fit.coefficients, (q + 1,)),
    }  # fmt: skip
    if prepared.chained is not None:
        wanted["chained"] = (prepared.chained, (p, p + 1))
    n_columns = p + len(prepared.indicator)
    if model.draws.size:
        wanted["draws"] = (model.draws, (len(model.draws), n_columns + 1))
    for name, (values, shape) in wanted.items():
        if values.shape != shape or not np.isfinite(values).all():
            raise RadiobioError(
                f"the stored risk model has {name} of shape {values.shape} or not finite; legal: "
                f"finite numbers of shape {shape}"
            )
    for name, index, top in (
        ("indicator", prepared.indicator, p), ("kept", prepared.kept, n_columns)
    ):  # fmt: skip
        if len(index) and not (index.min() >= 0 and index.max() < top):
            raise RadiobioError(f"the stored risk model has {name} outside 0 to {top - 1}")
    if not (0 < model.level < 1 and (prepared.scale > 0).all()):
        raise RadiobioError("the stored risk model needs 0 < level < 1 and scale above 0")
