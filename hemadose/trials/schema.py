"""The documentation of a trial file, written from the models and dataclasses that validate it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hemadose.planning.policies.limits import PlanningLimits
from hemadose.planning.policies.registry import POLICIES
from hemadose.planning.policies.schedules import fixed_schedule
from hemadose.planning.rules import LINEAGES
from hemadose.study.settings_file import field_keys, legal_values, section_in
from hemadose.trials.clinic.prior import ClinicPrior
from hemadose.trials.free_sections import legal_words, parameter_texts, section_of
from hemadose.trials.patients.cohorts import COHORTS
from hemadose.trials.patients.covariates import COVARIATE_MODELS, CovariateModel
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.settings import NAME_WORDS, TrialSettings

_INTRODUCTION = """\
# The trial file

One YAML file describes a virtual trial; `hemadose simulate TRIAL.yaml --out DIR` runs it. All
arms treat the same virtual patients. The folder DIR then holds `summary.csv` and `summary.json`
(operating characteristics with their Monte Carlo error), `trial.png` and `.pdf`, `trial.json`
(the settings as they were run) and one Parquet file for each chunk in `chunks/` (a row for each
patient and arm). The same file gives the same bits with any number of `--workers`, and with
`--dask`. A run that was stopped or killed goes on with `--resume`; a changed file is refused.

A small trial:

```yaml
schema: 1
name: a first look
patients: 200
cohort: {name: DOTATATE}
arms:
  - {name: usual, policy: label}
  - name: adaptive
    policy: overdose_control
    label_scope: toxicity
    schedule: {image_h: [24]}
```

Text is UTF-8. Anchors, aliases, tags, duplicate keys and unknown keys are errors, found before
anything runs. ASSUMED marks a default that rests on no published value for this use;
`summary.json` lists those that a trial rests on.

An arm that measures nothing decides on what is known of the cohort and of the covariates, and on
blood counts. So do `uppsala`, `bed_limited`, `kidney_prescription` and `extended` where neither
kidneys nor marrow are measured: their doses are then those of the population, the same for
patients alike in covariates.
"""

_COLUMNS = """\
## Operating characteristics

`overdosed`: the activity of all cycles together is above the patient's true tolerance, the
highest activity of all planned, equal cycles at which the true counts stay above grade 3, at most
what any arm may give. `overdosed_per_cycle`: the mean cycle given is above the tolerance divided
by the planned cycles; patients without a cycle are left out. `shortfall_gbq`: what is tolerated
and admissible and was not given, 0 where more was given. `grade3_any`: grade 3 or 4 in any
counted lineage between the first administration and the end of follow-up. `delay_days`: days of
all cycles together after their scheduled day. `ended_*`: why treatment ended, one for each
patient (all planned cycles given, by the label, by the policy, refused by the model, delayed too
long, dropped out). `difference` and `ratio` compare with the reference arm, patient by patient.
"""


_NAMES = {
    "name": NAME_WORDS,
    "arms[].name": NAME_WORDS,
    "cohort.name": f"one of {', '.join(COHORTS)}",
    "arms[].policy": f"one of {', '.join(POLICIES)}",
    "lineages": f"a list of some of {', '.join(LINEAGES)}",
    "monitoring.checked_lineages": "a list of some that are counted",
    "reference": "the name of an arm",
}


def describe_trial_schema() -> str:
    """Return the documentation of the trial file as Markdown."""
    parts = [_INTRODUCTION, *_sections("", TrialSettings)]
    free: tuple[tuple[str, Callable[..., Any], tuple[str, ...]], ...] = (
        ("limits", PlanningLimits, ()),
        ("truth", TruthSettings, ("covariates",)),
        ("clinic.prior", ClinicPrior, ()),
    )
    for place, kind, without in free:
        parts.append(_table(f"`{place}`", kind, without))
    parts.append(_covariates())
    for name, factory in POLICIES.items():
        parts.append(_table(f"`arms[].settings` of the policy `{name}`", factory, ("limits",)))
    return "\n".join([*parts, _COLUMNS])


def _sections(path: str, section: type[BaseModel]) -> Iterator[str]:
    lines = _head(f"`{path}`" if path else "The top level")
    inner: list[tuple[str, type[BaseModel]]] = []
    for key, field in field_keys(section).items():
        names = _NAMES.get(f"{path}.{key}".lstrip("."))
        legal = _legal(field, names)
        lines.append(f"| `{key}` | {legal} | {field.description} |")
        found = section_in(field.annotation)
        if found is not None:
            inner.append((f"{path}.{key}{'[]' if key == 'arms' else ''}".lstrip("."), found))
    yield "\n".join([*lines, ""])
    for name, found in inner:
        yield from _sections(name, found)


def _legal(field: FieldInfo, names: str | None) -> str:
    if "dict" in str(field.annotation) or section_in(field.annotation):
        legal = "see below"
    else:
        legal = names or legal_values(field)
    return f"**required**, {legal}" if field.is_required() else legal


def _head(title: str) -> list[str]:
    return [f"### {title}", "", "| key | legal | meaning and default |", "|---|---|---|"]


def _table(title: str, kind: Callable[..., Any], without: tuple[str, ...]) -> str:
    section, lines = section_of(kind, without), _head(title)
    usual = {} if dataclasses.is_dataclass(kind) else parameter_texts(fixed_schedule)
    for key, field in section.model_fields.items():
        meaning = field.description or ""
        if meaning.startswith("As in"):
            meaning = usual[key]
        legal = legal_words(section, key)
        if field.is_required():
            legal, default = f"**required**, {legal}", ""
        else:
            default = f" Default: {_default(key, field)}."
        lines.append(f"| `{key}` | {legal} | {_cell(meaning)}{default} |")
    return "\n".join([*lines, ""])


def _default(key: str, field: FieldInfo) -> str:
    cohort = {
        "interval_days": "the label's interval, 14 and 28 days more",
        "max_cycles": "the planned cycles",
    }
    if key in cohort and field.default is not None and not isinstance(field.default, float):
        return cohort[key]
    if field.default is None:
        return "blank"
    if field.default == () or not isinstance(field.default, float | int | str | tuple):
        return "none"
    return f"{field.default:g}" if isinstance(field.default, float) else _plain(field.default)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _covariates() -> str:
    section = section_of(CovariateModel)
    lines = _head("`cohort.covariates`")
    for key, field in section.model_fields.items():
        values = [f"{_number(getattr(m, key))} ({n})" for n, m in COVARIATE_MODELS.items()]
        lines.append(
            f"| `{key}` | {legal_words(section, key)} | {_cell(field.description or '')} "
            f"Default (ASSUMED): {', '.join(values)}. |"
        )
    return "\n".join([*lines, ""])


def _number(value: float | tuple[float, ...]) -> str:
    return " to ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"


def _cell(text: str) -> str:
    """Text of a docstring for a cell of a table."""
    plain = text.replace(r":math:`\alpha D`", "alpha D").replace("|", "or")
    return plain.replace("; None draws it", "; blank draws it")
