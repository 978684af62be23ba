"""Whatever stands in the folder: a study or one sentence comes out."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from hemadose.errors import StudyError
from hemadose.study import Study, read_study
from hemadose.study.settings import Settings
from hemadose.study.settings_file import field_keys, section_in

COMPLETE = Path(__file__).parent / "data" / "complete_study"
FILES = ("study.yaml", "activity.csv", "foci.csv", "counts.csv", "doses.csv")


def sections() -> dict[str, type[BaseModel]]:
    """Return every section of study.yaml by its path."""
    found: dict[str, type[BaseModel]] = {"": Settings}
    todo = [("", Settings)]
    while todo:
        path, section = todo.pop()
        for key, field in field_keys(section).items():
            inner = section_in(field.annotation)
            if inner is not None:
                found[f"{path}.{key}".lstrip(".")] = inner
                todo.append((f"{path}.{key}".lstrip("."), inner))  # type: ignore[arg-type]
    return found


SNIPPETS = st.sampled_from(
    ["", ",", ";", ":", "\n", "\r", '"', "'", "{", "}", "[", "]", "- ", "#", "&a ", "*a", "!!int ",
     "nan", "-1", "1e999", "0", "%", "\x00", "\ufeff", "é", "\ud7ff", "? ", "| ", "---\n", "...",
     "99999999999999999999", "<<", "\t", "\\", "null", "yes", "@", "`", "\u2028", "%YAML 1.9\n"]
)  # fmt: skip


def outcome(folder: Path) -> Study | StudyError:
    try:
        return read_study(folder)
    except StudyError as error:
        text = str(error)
        assert "\n" not in text
        assert text.isprintable()
        assert text.endswith(".")
        assert len(text) < 800
        return error


FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FUZZ
@given(data=st.data())
def test_mutated_folder_gives_a_study_or_a_study_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "patient"
    shutil.copytree(COMPLETE, folder)
    path = folder / data.draw(st.sampled_from(FILES))
    text = path.read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 6)))
        text = text[:start] + data.draw(SNIPPETS | st.text(max_size=4)) + text[end:]
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = outcome(folder)
    if isinstance(found, Study):
        assert all(math.isfinite(row.value) and row.value > 0 for row in found.activity)
        assert math.isfinite(found.decision_day)


@FUZZ
@given(name=st.sampled_from(FILES), content=st.binary(max_size=300))
def test_random_bytes_gives_a_study_or_a_study_error(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "patient"
    shutil.copytree(COMPLETE, folder)
    (folder / name).write_bytes(content)
    outcome(folder)


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@FUZZ
@given(value=YAML_VALUES, data=st.data())
def test_any_value_for_any_key_gives_a_study_or_a_study_error(
    tmp_path_factory: pytest.TempPathFactory, value: Any, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "patient"
    folder.mkdir()
    base: dict[str, Any] = {
        "patient": {"sex": "male", "weight_kg": 80},
        "therapy": {"nuclide": "Lu-177", "agent": "PSMA-617"},
    }
    path, section = data.draw(st.sampled_from(sorted(sections().items(), key=lambda item: item[0])))
    key = data.draw(st.sampled_from(sorted(field_keys(section))))
    target = base
    for part in path.split(".") if path else []:
        target = target.setdefault(part, {})
    target[key] = value
    (folder / "study.yaml").write_text(json.dumps(base, ensure_ascii=True))
    outcome(folder)
