"""A trial file read into `TrialSettings`: each error as one sentence with its line and key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hemadose.errors import HemadoseError
from hemadose.study.settings_file import field_keys, legal_values, section_in
from hemadose.study.text_files import choices, file_label, read_text, shown
from hemadose.study.yaml_text import KeyPath, YamlDocument, parse_yaml
from hemadose.trials.settings import NAME_WORDS, TrialSettings

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
    from hemadose.trials.part_checks import check_parts

    try:
        label, there = file_label(path.parent.resolve(), path.name), path.exists()
    except (OSError, RuntimeError, ValueError):
        raise HemadoseError(f"{shown(str(path))} is no legal path; give a trial file") from None
    if not there:
        raise HemadoseError(
            f"{shown(str(path))} does not exist; legal is a trial file such as psma617.yaml"
        )
    document = parse_yaml(read_text(path, label, limit_bytes=LIMIT_BYTES), label)
    try:
        trial = TrialSettings.model_validate(document.data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        unknown = [item for item in found if item["type"] == "extra_forbidden"]
        raise _error((unknown or found)[0], document) from None
    check_parts(trial, document)
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
            raise PartError((key,), f"unknown key {shown(key)}, {choices(legal, key)}")
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise PartError(_culprit(kind, values, str(error)), str(error)) from None


def _culprit(kind: type[_T], values: Mapping[str, Any], message: str) -> KeyPath:
    """The key that is refused alone, or else one that the message names."""
    for key, value in values.items():
        try:
            kind(**{key: value})
        except (TypeError, ValueError) as error:
            if str(error) == message:
                return (key,)
    return named_in(message, values)


class PartError(HemadoseError):
    """An error in a section, at a key below it."""

    def __init__(self, place: KeyPath, message: str) -> None:
        self.place = place
        super().__init__(message.rstrip("."))


def named_in(message: str, keys: Iterable[str]) -> KeyPath:
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
    elif kind in ("too_long", "too_short"):
        few = kind == "too_short"
        count = item["ctx"]["min_length"] if few else item["ctx"]["max_length"]
        legal = f"legal is {'at least' if few else 'at most'} {count} of them"
        return document.error(place, f"got {item['ctx']['actual_length']}, {legal}")
    elif kind.startswith("string_") and place[-1] == "name":
        legal = f"legal is {NAME_WORDS}"
    elif field is None:
        return document.error(place, "legal is a mapping of keys")
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
