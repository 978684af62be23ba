"""study.yaml read into `Settings`: each error as one sentence with its line and key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hemadose.errors import StudyError
from hemadose.study.settings import Settings
from hemadose.study.text_files import choices, file_label, path_inside, read_text, shown
from hemadose.study.yaml_text import KeyPath, YamlDocument, parse_yaml

STUDY_FILE = "study.yaml"
LIMIT_BYTES = 256 * 1024


def read_settings(folder: Path) -> tuple[Settings, YamlDocument]:
    """Read and validate study.yaml.

    Parameters
    ----------
    folder : Path
        The study folder, resolved.

    Returns
    -------
    tuple of Settings and YamlDocument
        The validated settings, and the document that knows the line of each key.

    Raises
    ------
    StudyError
        At the first error.
    """
    label = file_label(folder, STUDY_FILE)
    path = path_inside(folder, STUDY_FILE)
    if not path.exists():
        raise StudyError(
            "the file is missing; a study folder needs it, with patient and therapy", file=label
        )
    document = parse_yaml(read_text(path, label, limit_bytes=LIMIT_BYTES), label)
    try:
        return Settings.model_validate(document.data), document
    except ValidationError as error:
        found = error.errors(include_url=False)
    unknown = [item for item in found if item["type"] == "extra_forbidden"]
    raise _study_error((unknown or found)[0], document) from None


def field_keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a section by the key that names them in study.yaml."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section a field holds, alone, in a list or in a mapping; None for a value."""
    sections = (
        part
        for part in _parts(annotation)
        if isinstance(part, type) and issubclass(part, BaseModel)
    )
    return next(sections, None)


def legal_values(field: FieldInfo, *, entry: bool = False) -> str:
    """Say what a field, or one entry of it, may hold: choices, a range, a kind of value."""
    section = section_in(field.annotation)
    names = _type_names(field.annotation)
    options = _options(field.annotation)
    if section is not None:
        one = f"a mapping with the keys {', '.join(field_keys(section))}"
    elif options:
        one = f"one of {', '.join(map(str, options))}"
    elif names & {"date", "datetime"}:
        one = "an ISO date such as 2025-03-31"
    elif "bool" in names:
        one = "true or false"
    elif "float" in names or "int" in names:
        one = ("a number" if "float" in names else "a whole number") + _range(field)
    else:
        one = "a value" if "Any" in names else "text"
    if entry:
        return one
    if "dict" in names:
        return f"a mapping of names to {one}"
    return f"a list of {one}" if "tuple" in names else one


def _parts(annotation: Any) -> Iterator[Any]:
    """Walk through an annotation and what its brackets hold."""
    yield annotation
    origin = get_origin(annotation)
    if origin is not None and origin is not Annotated:
        yield origin
    for part in get_args(annotation):
        yield from _parts(part)


def _options(annotation: Any) -> tuple[Any, ...]:
    literals = (part for part in _parts(annotation) if get_origin(part) is Literal)
    return next((get_args(literal) for literal in literals), ())


def _type_names(annotation: Any) -> set[str]:
    return {part.__name__ for part in _parts(annotation) if isinstance(part, type)}


def _range(field: FieldInfo) -> str:
    bounds = list(field.metadata)
    for part in _parts(field.annotation):
        for item in getattr(part, "__metadata__", ()):
            bounds += item.metadata if isinstance(item, FieldInfo) else [item]
    words = {"ge": "from {:g}", "gt": "above {:g}", "le": "to {:g}", "lt": "below {:g}"}
    texts = [
        text.format(getattr(bound, name))
        for name, text in words.items()
        for bound in bounds
        if hasattr(bound, name)
    ]
    return " " + " and ".join(texts).replace(" and to ", " to ") if texts else ""


def _locate(place: KeyPath) -> tuple[type[BaseModel], FieldInfo | None]:
    """Return the section in which an error lies, and the last field named on the way."""
    section: type[BaseModel] = Settings
    field: FieldInfo | None = None
    for part in place:
        keys = field_keys(section)
        if isinstance(part, str) and part in keys:
            field = keys[part]
            section = section_in(field.annotation) or section
    return section, field


def _study_error(error: ErrorDetails, document: YamlDocument) -> StudyError:
    place = tuple(error["loc"])
    section, field = _locate(place)
    kind = error["type"]
    if kind == "extra_forbidden":
        given = str(place[-1])
        return document.error(
            place, f"unknown key {shown(given)}, {choices(field_keys(section), given)}"
        )
    if kind == "missing":
        legal = f", legal is {legal_values(field)}" if field else ""
        return document.error(place, f"the key is missing{legal}")
    given = _given(place, error["input"], document)
    if kind == "value_error":
        reason = str(error["ctx"]["error"])
        simple = not isinstance(error["input"], dict)
        return document.error(place, f"got {given}, {reason}" if simple else reason)
    return document.error(place, f"got {given}, {_legal(kind, error, field)}")


def _legal(kind: str, error: ErrorDetails, field: FieldInfo | None) -> str:
    if field is None:
        return "legal is a mapping of keys"
    if kind in ("too_long", "too_short"):
        context = error["ctx"]
        few = kind == "too_short"
        count = context["min_length"] if few else context["max_length"]
        return f"legal is {'at least' if few else 'at most'} {count} of them"
    if kind.startswith("string_"):
        legal = (field.description or "text").partition(" Default:")[0].rstrip(".")
        return f"legal is text ({legal}); put it in quotes"
    if kind == "literal_error":
        return choices(map(str, _options(field.annotation)), str(error["input"]))
    return f"legal is {legal_values(field, entry=kind not in ('tuple_type', 'dict_type'))}"


def _given(place: KeyPath, value: object, document: YamlDocument) -> str:
    if place in document.texts:
        return shown(document.texts[place])
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, tuple) else shown(str(value))
