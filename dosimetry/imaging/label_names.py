"""Label maps: which label, or which file, is which region."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from dosimetry.errors import DosimetryError
from dosimetry.imaging.safety import path_inside, read_small_text, region_name, shown

_LIMIT_LABELS = 5000
_KEYS = ("label", "file")


def read_label_names(path: str | Path) -> dict[int, str] | dict[Path, str]:
    """Read a label map.

    Parameters
    ----------
    path : str or Path
        A CSV table with the columns ``label,name`` (whole numbers from 1) or ``file,name`` (one
        mask a file), or a JSON or YAML mapping of labels to names or names to labels. Label 0 is
        the background and left out. Files are named relative to the map, in its folder.

    Returns
    -------
    dict
        Names by label, or by resolved path of the mask.

    Raises
    ------
    DosimetryError
        If the map is not legal: file, row and column.
    """
    path = Path(path)
    text = read_small_text(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        key, pairs = _csv_pairs(text, path.name)
    elif suffix == ".json":
        key, pairs = "label", _mapping_pairs(_json(text, path.name), path.name)
    elif suffix in (".yaml", ".yml"):
        key, pairs = "label", _mapping_pairs(_yaml(text, path.name), path.name)
    else:
        raise DosimetryError(f"{path.name}: a label map ends in .csv, .json, .yaml or .yml")
    if len(pairs) > _LIMIT_LABELS:
        raise DosimetryError(f"{path.name} has {len(pairs)} labels, legal are {_LIMIT_LABELS}")
    if key == "file":
        return _files(path, pairs)
    return _labels(path.name, pairs)


def _labels(file: str, pairs: list[tuple[str, str, str]]) -> dict[int, str]:
    names: dict[int, str] = {}
    for place, key, name in pairs:
        if not key.isascii() or not key.isdigit() or int(key) > 2**31:
            raise DosimetryError(
                f"{file}, {place}: the label is {shown(key)}, legal is a whole number"
            )
        _add(names, int(key), name, f"{file}, {place}")
    names.pop(0, None)
    if not names:
        raise DosimetryError(f"{file} names no label")
    return names


def _files(path: Path, pairs: list[tuple[str, str, str]]) -> dict[Path, str]:
    names: dict[Path, str] = {}
    for place, key, name in pairs:
        try:
            mask = path_inside(path.parent, key)
        except DosimetryError as error:
            raise DosimetryError(f"{path.name}, {place}, column file: {error}") from None
        if not mask.is_file():
            raise DosimetryError(f"{path.name}, {place}, column file: there is no {shown(key)}")
        _add(names, mask, name, f"{path.name}, {place}")
    return names


def _add(names: dict[Any, str], key: object, name: str, place: str) -> None:
    name = region_name(name)
    if not name:
        raise DosimetryError(f"{place}: the name is empty")
    if key in names or (key != 0 and name in names.values()):
        raise DosimetryError(f"{place}: {shown(name)} comes twice; each label has one name")
    names[key] = name


def _csv_pairs(text: str, file: str) -> tuple[str, list[tuple[str, str, str]]]:
    rows = list(csv.reader(io.StringIO(text)))
    header = [cell.strip() for cell in rows[0]] if rows else []
    key = next((k for k in _KEYS if k in header), None)
    if key is None or "name" not in header:
        raise DosimetryError(
            f"{file}, row 1: the columns are {shown(','.join(header))}, legal are label,name or "
            "file,name"
        )
    at, named = header.index(key), header.index("name")
    pairs = []
    for line, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) <= max(at, named):
            raise DosimetryError(f"{file}, row {line}: {len(row)} cells, the header has more")
        pairs.append((f"row {line}", row[at].strip(), row[named].strip()))
    return key, pairs


def _json(text: str, file: str) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DosimetryError(f"{file} is not valid JSON: {shown(error, 80)}") from None


def _yaml(text: str, file: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise DosimetryError(f"{file} is not valid YAML") from None


def _mapping_pairs(document: object, file: str) -> list[tuple[str, str, str]]:
    if isinstance(document, dict) and isinstance(document.get("labels"), dict):
        document = document["labels"]
    if not isinstance(document, dict):
        raise DosimetryError(f"{file}: legal is a mapping of labels to names")
    pairs = []
    for left, right in document.items():
        key, name = (right, left) if _is_label(right) else (left, right)
        if not isinstance(name, str):
            raise DosimetryError(f"{file}, key {shown(left)}: {shown(right)} is no name")
        pairs.append((f"key {shown(left)}", str(key), name.strip()))
    return pairs


def _is_label(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
