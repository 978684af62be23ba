"""Policies by name, as a trial's settings file asks for them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from hemadose.planning.errors import HemadosePlanningError
from hemadose.planning.policies.kidney_rules import bed_limited, kidney_prescription
from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.look_ahead import look_ahead
from hemadose.planning.policies.overdose_control import overdose_control
from hemadose.planning.policies.schedules import extended, fixed_schedule, uppsala
from hemadose.planning.situation import Policy

POLICIES: Mapping[str, Callable[..., Policy]] = MappingProxyType(
    {
        "label": fixed_schedule,
        "extended": extended,
        "kidney_prescription": kidney_prescription,
        "bed_limited": bed_limited,
        "uppsala": uppsala,
        "overdose_control": overdose_control,
        "look_ahead": look_ahead,
    }
)
"""Factory of each policy; its keyword arguments besides `limits` are the settings."""

WITHOUT_MODEL = frozenset({"label"})
"""Policies that read no draws and heed no refusal of the model."""


def make_policy(
    name: str, settings: Mapping[str, Any] | None = None, *, limits: PlanningLimits
) -> Policy:
    """Make a policy from its name and settings.

    Parameters
    ----------
    name : str
        One of `POLICIES`.
    settings : mapping, optional
        Settings of that policy; those left out have their defaults.
    limits : PlanningLimits
        Limits that all policies share.

    Returns
    -------
    Policy
        From a `Situation` to `Decisions`, the label's say, refusals, cycles and delays included.

    Raises
    ------
    HemadosePlanningError
        If the name or a setting is not known, a required one is missing, or a value not legal.

    Examples
    --------
    >>> policy = make_policy("look_ahead", {"price_of_grade3": 5.0}, limits=PlanningLimits())
    >>> make_policy("best", limits=PlanningLimits())
    Traceback (most recent call last):
    ...
    hemadose.planning.errors.HemadosePlanningError: policy 'best' is not known; legal are label, \
extended, kidney_prescription, bed_limited, uppsala, overdose_control, look_ahead
    """
    if name not in POLICIES:
        raise HemadosePlanningError(
            f"policy {name!r} is not known; legal are {', '.join(POLICIES)}"
        )
    given = dict(settings or {})
    parameters = inspect.signature(POLICIES[name]).parameters
    legal = {key: value for key, value in parameters.items() if key != "limits"}
    unknown = [str(key) for key in given if key not in legal]
    if unknown:
        raise HemadosePlanningError(
            f"policy {name}: setting {', '.join(unknown)} is not known; legal are "
            f"{', '.join(legal)}"
        )
    required = [key for key, value in legal.items() if value.default is inspect.Parameter.empty]
    missing = [key for key in required if key not in given]
    if missing:
        raise HemadosePlanningError(f"policy {name} needs the setting {', '.join(missing)}")
    try:
        return POLICIES[name](limits=limits, **given)
    except (TypeError, ValueError) as error:
        if isinstance(error, HemadosePlanningError):
            raise
        raise HemadosePlanningError(
            f"policy {name}: a setting is of the wrong kind ({error}); given were {given!r}"
        ) from error
