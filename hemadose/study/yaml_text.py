"""A small, safe subset of YAML: mappings, lists, text, numbers, true and false.

Anchors, aliases, tags, duplicate keys and deep nesting are refused. Plain scalars follow the
YAML 1.2 core schema, so that dates stay text, ``010`` is not eight, ``1:30`` is not ninety and
``1e3`` is a number; ``yes`` and ``no`` count as true and false.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from hemadose.errors import StudyError
from hemadose.study.text_files import shown

KeyPath = tuple[str | int, ...]

MAX_DEPTH = 8
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,14})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None,
    "true": True, "yes": True, "false": False, "no": False,
}  # fmt: skip


@dataclass(frozen=True)
class YamlDocument:
    """The content of a YAML file and where each of its keys stands.

    Parameters
    ----------
    data : dict
        The content; lists are tuples.
    rows : dict
        Line (from 1) of each key path.
    texts : dict
        Each scalar as it was written, by key path.
    """

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    rows: dict[KeyPath, int] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)

    def error(self, path: KeyPath, message: str) -> StudyError:
        """Return the error that names the line and the key."""
        known = path
        while known and known not in self.rows:
            known = known[:-1]
        return StudyError(
            message, file=self.file, row=self.rows.get(known), column=dotted(path) or None
        )


def dotted(path: KeyPath) -> str:
    """Write a key path as ``cycles[1].start``; list entries count from 1."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += ("." if text else "") + (part if part.isidentifier() else shown(part))
    return text


def parse_yaml(text: str, file: str) -> YamlDocument:
    """Parse the text of study.yaml.

    Parameters
    ----------
    text : str
        The text.
    file : str
        Its name in messages.

    Raises
    ------
    StudyError
        If the text is not YAML, or uses what is refused here.

    Examples
    --------
    >>> parse_yaml("patient: {sex: male, weight_kg: 8e1}", "study.yaml").data
    {'patient': {'sex': 'male', 'weight_kg': 80.0}}
    """
    document = YamlDocument(file)
    try:
        events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        first = next(event for event in events if not isinstance(event, _PREAMBLE))
        if not isinstance(first, yaml.MappingStartEvent):
            raise StudyError(
                "the file must hold keys with values, such as 'patient:' with 'sex: male' below it",
                file=file,
                row=_row(first),
            )
        document.data.update(_value(first, events, (), document))
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise StudyError(
                    "a second document begins with '---'; legal is one document",
                    file=file,
                    row=_row(event),
                )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join((error.problem or "unreadable").split())
        raise StudyError(
            f"this is not valid YAML ({problem[:120]}); check the indentation, colons and quotes",
            file=file,
            row=mark.line + 1 if mark else None,
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        if isinstance(error, StudyError):
            raise
        raise StudyError(
            "this is not valid YAML (a character or escape is not legal)", file=file
        ) from None
    return document


_PREAMBLE = (yaml.StreamStartEvent, yaml.DocumentStartEvent)


def _row(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _value(event: Any, events: Iterator[Any], path: KeyPath, document: YamlDocument) -> Any:
    row = _row(event)
    document.rows.setdefault(path, row)
    _refuse(event, path, document)
    if isinstance(event, yaml.MappingStartEvent):
        return _mapping(events, path, document)
    if isinstance(event, yaml.SequenceStartEvent):
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_value(event, events, (*path, len(items)), document))
        return tuple(items)
    if not isinstance(event, yaml.ScalarEvent):
        raise StudyError("there is no content; fill the file in", file=document.file, row=row)
    document.texts[path] = event.value
    return _scalar(event.value) if event.style is None else event.value


def _mapping(events: Iterator[Any], path: KeyPath, document: YamlDocument) -> dict[str, Any]:
    content: dict[str, Any] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        row = _row(event)
        if not isinstance(event, yaml.ScalarEvent):
            raise StudyError(
                "a key must be plain text, not a list, mapping or alias",
                file=document.file,
                row=row,
                column=dotted(path) or None,
            )
        key_path = (*path, event.value)
        document.rows.setdefault(key_path, row)
        _refuse(event, key_path, document)
        if event.value in content:
            raise StudyError(
                f"the key stands twice (first in row {document.rows[key_path]}); keep one",
                file=document.file,
                row=row,
                column=dotted(key_path),
            )
        content[event.value] = _value(next(events), events, key_path, document)
    return content


def _refuse(event: Any, path: KeyPath, document: YamlDocument) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        mark = "*" if isinstance(event, yaml.AliasEvent) else "&"
        raise document.error(
            path,
            f"the YAML anchor or alias {shown(mark + event.anchor)} is refused; "
            "write the value out, in quotes when it is text",
        )
    if getattr(event, "tag", None) is not None:
        raise document.error(
            path, f"the YAML tag {shown(event.tag)} is refused; write the plain value"
        )
    if len(path) > MAX_DEPTH:
        raise document.error(
            path[:1], f"values are nested deeper than the legal {MAX_DEPTH} levels"
        )


def _scalar(text: str) -> Any:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
