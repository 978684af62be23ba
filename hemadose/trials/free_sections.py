"""Sections of a trial file whose keys are the fields of a dataclass or a policy's settings.

Kinds and defaults come from the signature, meanings from its docstring; the ranges stand here.
"""

from __future__ import annotations

import functools
import inspect
import operator
import re
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

RANGES: Mapping[str, tuple[float, float]] = types.MappingProxyType(
    {
        # limits
        "marrow_dose_gy": (0.1, 20),
        "kidney_bed_gy": (5, 150),
        "kidney_alpha_beta_gy": (0.5, 20),
        "kidney_repair_half_life_h": (0.1, 24),
        "min_useful_activity_gbq": (0.01, 60),
        "planned_activity_gbq": (0.1, 60),
        "max_activity_gbq": (0.1, 60),
        "activity_step_gbq": (0, 60),
        "interval_days": (7, 365),
        "max_cycles": (1, 10),
        "max_delay_days": (0, 300),
        "recheck_days": (7, 365),
        "horizon_days": (7, 365),
        # truth and prior
        "kill_factor": (0.01, 100),
        "kill_correlation": (0, 1),
        "outlier_share": (0, 1),
        "outlier_factor": (0.01, 100),
        "s_value_factor": (0.01, 100),
        "kidney_factor": (0.01, 100),
        "activity_residual_factor": (0, 100),
        "count_residual_factor": (0, 100),
        "foci_dispersion": (1, 100),
        "foci_laboratory_factor": (0.01, 100),
        "log_shift": (-5, 5),
        "dropout_per_cycle": (0, 1),
        "log_sd_factor": (0.01, 10),
        "residual_cv_factor": (0.01, 100),
        # covariates
        "tumour_volume_ml": (0.01, 10_000),
        "tumour_volume_log_sd": (0, 3),
        "tumour_volume_range_ml": (0.01, 10_000),
        "bone_metastases": (0, 1),
        "diffuse_bone_metastases": (0, 1),
        "prior_taxane": (0, 1),
        "prior_radium223": (0, 1),
        "age_years": (18, 95),
        "age_sd_years": (0, 30),
        "weight_kg": (25, 300),
        "weight_cv": (0, 1),
        "clearance_ml_per_min": (5, 250),
        "clearance_cv": (0, 1),
        # policies
        "activity_gbq": (0.1, 60),
        "n_cycles": (1, 10),
        "kidney_dose_gy": (1, 150),
        "first_step_bed_gy": (1, 150),
        "first_step_margin_gy": (0, 150),
        "second_step_bed_gy": (1, 150),
        "worth_waiting_gbq": (0, 60),
        "price_of_grade3": (0, 10_000),
        "price_per_day": (0, 1000),
        "alpha_per_gy": (0.0001, 10),
        "n_draws": (1, 4096),
    }
)

_CONFIG = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class CovariateRange(BaseModel):
    """A rule over one covariate: at least `at_least`, below `below`; `share` is taken away."""

    model_config = _CONFIG
    covariate: str
    below: float | None = None
    at_least: float | None = None
    share: Annotated[float, Field(ge=0, lt=1)] = 0.0


class ActivityTable(BaseModel):
    """Activity by a covariate: the n-th from the n-th value upwards."""

    model_config = _CONFIG
    covariate: str
    start: tuple[float, ...] = Field(alias="from", min_length=1)
    activity_gbq: tuple[Annotated[float, Field(ge=0, le=60)], ...]


_Tolerance = Annotated[float, Field(gt=0, lt=1)]
_OWN: Mapping[str, tuple[Any, str]] = types.MappingProxyType(
    {
        "grade3_tolerance": (
            _Tolerance | dict[str, _Tolerance],
            "a number above 0 and below 1, or one for each lineage as {platelets: 0.2, ...}: "
            "0 forbids every activity and 1 allows any",
        ),
        "marrow_dose_tolerance": (_Tolerance, "a number above 0 and below 1"),
        "kidney_bed_tolerance": (_Tolerance, "a number above 0 and below 1"),
        "first_cycle": (
            Annotated[float, Field(ge=0, le=60)] | ActivityTable,
            "a number from 0 to 60, or {covariate: name, from: [0, rising values], activity_gbq: "
            "[one for each]}",
        ),
        "reductions": (
            tuple[CovariateRange, ...],
            "a list of {covariate: name, below: or at_least: number, share: from 0 to below 1}",
        ),
        "qualifies": (
            Literal["nobody", "everybody"] | tuple[CovariateRange, ...],
            "nobody, everybody, or a list of {covariate: name, below: or at_least: number}",
        ),
    }
)


@functools.cache
def section_of(kind: Callable[..., Any], without: tuple[str, ...] = ()) -> type[BaseModel]:
    """Return the model of a section.

    Parameters
    ----------
    kind : dataclass or function
        Its keyword arguments are the keys.
    without : tuple of str
        Arguments that the section does not have.
    """
    hints, meanings = get_type_hints(kind), parameter_texts(kind)
    keys: dict[str, Any] = {}
    for name, parameter in inspect.signature(kind).parameters.items():
        if name in without:
            continue
        own = _OWN.get(name)
        annotation = own[0] if own else _ranged(hints[name], RANGES.get(name))
        required = parameter.default is inspect.Parameter.empty
        field = Field(
            **({} if required else {"default": parameter.default}),
            description=meanings.get(name, ""),
            json_schema_extra={"legal": own[1] if own else _words(annotation)},
        )
        keys[name] = (annotation, field)
    return create_model(str(kind.__name__), __config__=_CONFIG, **keys)


def legal_words(model: type[BaseModel], key: str) -> str:
    """Say what a key of such a section may hold."""
    extra = model.model_fields[key].json_schema_extra
    return str(extra["legal"]) if isinstance(extra, dict) else "a mapping"


def parameter_texts(kind: Callable[..., Any]) -> dict[str, str]:
    """Return the meaning of each parameter, from the docstring."""
    text = inspect.getdoc(kind) or ""
    body = re.split(r"\n\w+\n-{3,}\n", text.partition("Parameters\n----------\n")[2])[0]
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", body):
        head, _, meaning = block.partition("\n")
        words = " ".join(meaning.split()).replace("``", "`")
        found |= dict.fromkeys(re.split(r",\s*", head.partition(" : ")[0].strip()), words)
    return found


def _ranged(annotation: Any, span: tuple[float, float] | None) -> Any:
    """Put the range around every number of an annotation."""
    if span is None:
        return annotation
    if annotation in (float, int):
        return Annotated[annotation, Field(ge=span[0], le=span[1])]
    origin, inside = get_origin(annotation), get_args(annotation)
    if not inside:
        return annotation
    parts = tuple(part if part is ... else _ranged(part, span) for part in inside)
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, parts)
    return origin[parts]


def _words(annotation: Any) -> str:
    """An annotation in words."""
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        bounds = inside[1].metadata
        return f"{_words(inside[0])} from {bounds[0].ge:g} to {bounds[1].le:g}"
    if origin is tuple and inside[-1] is not ...:
        return f"a list of {len(inside)}, each {_words(inside[0])}"
    if origin is tuple:
        return f"a list, each {_words(inside[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_words(part) for part in inside)
    if inside:
        return f"a mapping of names to {_words(inside[-1])}"
    simple = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}
    return {type(None): "blank", **simple}[annotation]
