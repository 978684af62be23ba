"""The documentation of the study folder, written from the models that validate it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic.fields import FieldInfo

from hemadose.study.clinical_settings import Section
from hemadose.study.settings import Settings
from hemadose.study.settings_file import field_keys, legal_values, section_in
from hemadose.study.table_columns import (
    ACTIVITY_COLUMNS,
    COUNT_COLUMNS,
    DOSE_COLUMNS,
    FOCI_COLUMNS,
)
from hemadose.study.tables import Column

_INTRODUCTION = """\
# The study folder

One folder holds one patient: `study.yaml`, and as far as there are data `activity.csv`,
`foci.csv`, `counts.csv` and `doses.csv`. Only `study.yaml` must be there; what is missing is
replaced by the population, and the result says so. `hemadose check FOLDER` validates a folder
without writing anything. A folder of such folders is a cohort.

A small `study.yaml`:

```yaml
patient: {sex: male, weight_kg: 82, height_cm: 178, haematocrit: 0.38}
therapy: {nuclide: Lu-177, agent: PSMA-617}
tumours:
  tumour_1: {mass_g: 24}
cycles:
  - {number: 1, start: 2025-03-03T10:30, activity_mbq: 7420}
decision: {date: 2025-04-10}
```

Text is UTF-8, with or without byte-order mark. Anchors, aliases, tags, duplicate keys and unknown
keys are errors. A key left blank counts as left out. ASSUMED marks a default that rests on no
published value for this use; the result lists those that were used.

## study.yaml
"""

_TABLES = """\
## Tables

Comma- or semicolon-separated, decimal point, one header row, at most 5 MB and 20000 rows. Unknown
columns are errors. Times count from the start of the administration of their cycle.
"""

_NOTES = {
    "activity.csv": "Values become MBq, for blood and marrow MBq/mL, as present at `time_h` "
    "(a decay correction named in `methods.activity_values` is undone). A sample later than the "
    "start of the next cycle or than the decision is an error.",
    "foci.csv": "Give `cells` and `foci`, or the distribution `c0` to `c6`, or both; they must "
    "agree. Several slides or readers at one time need different names.",
    "counts.csv": "At least one count a row; each day once.",
    "doses.csv": "Instead of samples: a region of a cycle stands in one of the two tables only. "
    "Marrow doses by blood and by image may both be given; they are never pooled.",
}


def describe_study_schema() -> str:
    """Return the documentation of the study folder as Markdown: keys, units, ranges, defaults."""
    tables: dict[str, Sequence[Column]] = {
        "activity.csv": ACTIVITY_COLUMNS,
        "foci.csv": FOCI_COLUMNS,
        "counts.csv": COUNT_COLUMNS,
        "doses.csv": DOSE_COLUMNS,
    }
    parts = [_INTRODUCTION, *_sections("", Settings), _TABLES]
    for name, columns in tables.items():
        rows = [
            f"| `{column.name}` | {'required' if column.required else 'optional'} | {column.text} |"
            for column in columns
        ]
        head = "| column | | it holds |\n|---|---|---|"
        parts.append("\n".join([f"### {name}\n", _NOTES[name], "", head, *rows, ""]))
    return "\n".join(parts)


def _sections(path: str, section: type[Section]) -> Iterator[str]:
    """Yield one Markdown table for a section, then those of the sections inside."""
    title = f"`{path}`" if path else "The top level"
    lines = [f"### {title}", "", "| key | legal | meaning and default |", "|---|---|---|"]
    inner: list[tuple[str, type[Section]]] = []
    for key, field in field_keys(section).items():
        lines.append(f"| `{key}` | {_legal(field)} | {field.description} |")
        found = section_in(field.annotation)
        if found is not None and issubclass(found, Section):
            suffix = {"tumours": ".NAME", "cycles": "[]"}.get(key, "")
            inner.append((f"{path}.{key}{suffix}".lstrip("."), found))
    yield "\n".join([*lines, ""])
    for name, found in inner:
        yield from _sections(name, found)


def _legal(field: FieldInfo) -> str:
    if section_in(field.annotation) is not None:
        legal = "see below"
    else:
        legal = legal_values(field)
    return f"**required**, {legal}" if field.is_required() else legal
