"""The documentation of the study folder says what the models validate."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from hemadose import errors
from hemadose.study import Study, read_study, table_columns, yaml_text
from hemadose.study.schema import describe_study_schema
from hemadose.study.settings import Settings
from hemadose.study.settings_file import field_keys, section_in
from hemadose.study.table_columns import (
    ACTIVITY_COLUMNS,
    COUNT_COLUMNS,
    DOSE_COLUMNS,
    FOCI_COLUMNS,
)

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "study_folder.md"


def study_of(folder: Path, yaml_text: str, **tables: str) -> Study:
    """Read a study written from text; table names are keyword arguments."""
    (folder / "study.yaml").write_text(yaml_text)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return read_study(folder)


@pytest.mark.parametrize("module", [errors, yaml_text, table_columns])
def test_examples_of_the_docstrings(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


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


def test_documentation_is_current() -> None:
    assert DOCUMENTATION.read_text() == describe_study_schema(), (
        "write docs/study_folder.md anew: "
        "python -c 'from hemadose.study.schema import *; print(describe_study_schema(), end=\"\")'"
    )


def test_every_field_is_documented_with_its_default() -> None:
    text = DOCUMENTATION.read_text()
    for path, section in sections().items():
        for key, field in field_keys(section).items():
            line = f"{path}.{key}"
            assert f"| `{key}` |" in text, line
            assert field.description, line
            assert field.description in text, line
            assert field.is_required() != ("Default:" in field.description), line
            if isinstance(field.default, float) and not line.startswith(("therapy", "patient")):
                assert f"Default: {field.default:g}" in field.description, line


def test_every_number_names_its_unit() -> None:
    dimensionless = {"schema", "haematocrit", "planned_cycles", "number", "foci_dispersion",
                     "rmblr_value", "rmblr_sd", "residual_cv", "marrow_recovery",
                     "marrow_recovery_sd", "red_marrow_fraction",
                     "red_marrow_fraction_sd"}  # fmt: skip
    for path, section in sections().items():
        for key, field in field_keys(section).items():
            numeric = "float" in str(field.annotation) and section_in(field.annotation) is None
            if numeric and key not in dimensionless and "tolerance" not in f"{path}{key}":
                assert "(" in (field.description or ""), f"{path}.{key}"


def test_every_column_is_documented() -> None:
    text = DOCUMENTATION.read_text()
    for columns in (ACTIVITY_COLUMNS, FOCI_COLUMNS, COUNT_COLUMNS, DOSE_COLUMNS):
        for column in columns:
            assert f"| `{column.name}` |" in text
            assert column.text in text


def test_example_of_the_documentation_is_legal(tmp_path: Path) -> None:
    block = DOCUMENTATION.read_text().split("```yaml\n")[1].split("```")[0]
    assert study_of(tmp_path, block).decision_day == 38
