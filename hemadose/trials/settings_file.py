"""A trial file read into `TrialSettings`: each error as one sentence with its line and key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hemadose.errors import HemadoseError
from hemadose.planning.rules import LINEAGES
from hemadose.study.settings_file import field_keys, legal_values, section_in
from hemadose.study.text_files import choices, file_label, read_text, shown
from hemadose.study.yaml_text import KeyPath, YamlDocument, parse_yaml
from hemadose.trials.settings import TrialSettings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

LIMIT_BYTES = 256 * 1024

_T = TypeVar("_T")


def read_trial(path: Path) -> TrialSettings:
    """Read and validate a trial file.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    StudyError
        At the first error: an unknown key, an illegal value, contradictory limits, or a cohort,
        policy or label that does not exist.
    """
    label = file_label(path.parent.resolve(), path.name)
    if not path.exists():
        raise HemadoseError(f"{path} does not exist; legal is a trial file such as psma617.yaml")
    document = parse_yaml(read_text(path, label, limit_bytes=LIMIT_BYTES), label)
    try:
        trial = TrialSettings.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        unknown = [item for item in found if item["type"] == "extra_forbidden"]
        raise _error((unknown or found)[0], document) from None
    _check_parts(trial, document)
    return trial


def dataclass_from(kind: type[_T], values: Mapping[str, Any], *, without: Sequence[str] = ()) -> _T:
    """Make a frozen dataclass from the plain values of a section.

    Parameters
    ----------
    kind : type
        The dataclass.
    values : mapping
        Its fields by name.
    without : sequence of str
        Fields that the section does not have.

    Raises
    ------
    HemadoseError
        If a key is unknown, or the dataclass refuses a value; it knows the key.
    """
    legal = [field.name for field in fields(kind) if field.init and field.name not in without]  # type: ignore[arg-type]
    for key in values:
        if key not in legal:
            raise _PartError((key,), f"unknown key {shown(key)}, {choices(legal, key)}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise _PartError(_culprit(kind, values, str(error)), str(error)) from None


def _culprit(kind: type[_T], values: Mapping[str, Any], message: str) -> KeyPath:
    """The key that is refused alone, or else one that the message names."""
    for key, value in values.items():
        try:
            kind(**{key: value})
        except (TypeError, ValueError) as error:
            if str(error) == message:
                return (key,)
    return _named_in(message, values)


class _PartError(HemadoseError):
    """An error in a section, at a key below it."""

    def __init__(self, place: KeyPath, message: str) -> None:
        self.place = place
        super().__init__(message.rstrip("."))


def _check_parts(trial: TrialSettings, document: YamlDocument) -> None:
    """Make what the sections are passed on to, so that a mistake shows before anything runs."""
    from hemadose.trials import parts

    _checked(document, ("cohort", "name"), lambda: parts.cohort_of(trial))
    _checked(document, ("limits",), lambda: parts.limits_of(trial))
    _checked(document, ("cohort", "covariates"), lambda: parts.covariates_of(trial))
    _checked(document, ("truth",), lambda: parts.truth_of(trial))
    _checked(document, ("clinic", "prior"), lambda: parts.prior_of(trial))
    for place, lineage in enumerate(trial.lineages):
        if lineage not in LINEAGES:
            raise document.error(
                ("lineages", place), f"got {shown(lineage)}, {choices(LINEAGES, lineage)}"
            )
    lineages = parts.lineages_of(trial)
    for place, lineage in enumerate(trial.monitoring.checked_lineages):
        if lineage not in lineages:
            raise document.error(
                ("monitoring", "checked_lineages", place),
                f"got {shown(lineage)}, {choices(lineages, lineage)}",
            )
    for place, arm in enumerate(trial.arms):
        if arm.policy not in parts.policy_names():
            raise document.error(
                ("arms", place, "policy"),
                f"got {shown(arm.policy)}, {choices(parts.policy_names(), arm.policy)}",
            )
        own: KeyPath = ("arms", place)
        _checked(document, (*own, "limits"), partial(parts.limits_of, trial, arm))
        _checked(document, (*own, "settings"), partial(parts.policy_of, trial, arm))


def _checked(document: YamlDocument, place: KeyPath, make: Callable[[], _T]) -> _T:
    try:
        return make()
    except _PartError as error:
        raise document.error((*place, *error.place), str(error)) from None
    except HemadoseError as error:
        section: Any = document.data
        for part in place:
            section = section.get(part, ()) if isinstance(section, dict) else section[int(part)]
        below = _named_in(str(error), section if isinstance(section, dict) else ())
        raise document.error((*place, *below), str(error).rstrip(".")) from None


def _named_in(message: str, keys: Iterable[str]) -> KeyPath:
    """The key that a message names, as the last part of a path."""
    named = [key for key in keys if key in message]
    return (max(named, key=len),) if named else ()


def _error(item: ErrorDetails, document: YamlDocument) -> HemadoseError:
    place = tuple(item["loc"])
    section, field = _locate(place)
    kind = item["type"]
    if kind == "extra_forbidden":
        given = str(place[-1])
        return document.error(
            place, f"unknown key {shown(given)}, {choices(field_keys(section), given)}"
        )
    if kind == "missing":
        legal = f", legal is {legal_values(field)}" if field else ""
        return document.error(place, f"the key is missing{legal}")
    if kind == "value_error":
        return document.error(place, str(item["ctx"]["error"]))
    if kind == "literal_error" and field is not None:
        legal = f"legal is {legal_values(field, entry=True)}"
    elif kind in ("too_long", "too_short", "string_pattern_mismatch") or field is None:
        return document.error(place, _plain_message(item))
    else:
        legal = f"legal is {legal_values(field, entry=kind not in ('tuple_type', 'dict_type'))}"
    return document.error(place, f"got {_given(place, item, document)}, {legal}")


def _locate(place: KeyPath) -> tuple[type[BaseModel], FieldInfo | None]:
    section: type[BaseModel] = TrialSettings
    field: FieldInfo | None = None
    for part in place:
        keys = field_keys(section)
        if isinstance(part, str) and part in keys:
            field = keys[part]
            section = section_in(field.annotation) or section
    return section, field


def _given(place: KeyPath, item: ErrorDetails, document: YamlDocument) -> str:
    if place in document.texts:
        return shown(document.texts[place])
    if isinstance(item["input"], dict):
        return "a mapping"
    return "a list" if isinstance(item["input"], tuple) else shown(str(item["input"]))


def _plain_message(item: ErrorDetails) -> str:
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    words = item["msg"][0].lower() + item["msg"][1:]
    simple = isinstance(item["input"], str | int | float)
    return f"got {shown(str(item['input']))}, {words}" if simple else words
