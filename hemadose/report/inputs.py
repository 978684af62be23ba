"""What was given: the files with their hashes, study.yaml as tables, and the versions."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import NamedTuple

from pydantic import BaseModel

from hemadose.study import Study
from hemadose.study.settings_file import STUDY_FILE, field_keys, read_settings

_LIBRARIES = ("numpy", "scipy", "numba", "icrp107-database", "hemadose")


class InputFile(NamedTuple):
    """A file that was read: name, size in bytes, SHA-256, and rows (None for study.yaml)."""

    name: str
    size: int
    sha256: str
    rows: int | None


class Setting(NamedTuple):
    """A key of study.yaml, its value, and whether it was given or is the default."""

    key: str
    value: str
    given: bool


def input_files(study: Study) -> list[InputFile]:
    """Files of a study that were read, study.yaml first."""
    settings, _ = read_settings(study.folder)
    rows: dict[str, int | None] = {STUDY_FILE: None}
    for name, file in settings.files:
        if found := getattr(study.tables, name):
            rows[file] = len(found)
    files = []
    for file, n_rows in rows.items():
        data = (study.folder / file).read_bytes()
        files.append(InputFile(file, len(data), hashlib.sha256(data).hexdigest(), n_rows))
    return files


def settings_used(study: Study) -> list[Setting]:
    """All of study.yaml, the defaults that were used included."""
    settings, _ = read_settings(study.folder)
    return list(_settings("", settings))


def _settings(prefix: str, section: BaseModel) -> Iterator[Setting]:
    for (key, _), name in zip(
        field_keys(type(section)).items(), type(section).model_fields, strict=True
    ):
        given = name in section.model_fields_set
        yield from _entries(f"{prefix}{key}", getattr(section, name), given)


def _entries(key: str, value: object, given: bool) -> Iterator[Setting]:
    if isinstance(value, BaseModel):
        yield from _settings(f"{key}.", value)
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _entries(f"{key}.{name}", item, given)
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value, start=1):
            yield from _entries(f"{key}[{number}]", item, given)
    else:
        yield Setting(key, _shown(value), given)


def _shown(value: object) -> str:
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that the numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}
