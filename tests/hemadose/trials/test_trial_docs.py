"""The documentation of the trial file says what the models and dataclasses validate."""

import dataclasses
from pathlib import Path

import pytest

from hemadose.planning.policies import POLICIES, PlanningLimits
from hemadose.trials.clinic.prior import ClinicPrior
from hemadose.trials.free_sections import RANGES, legal_words, section_of
from hemadose.trials.patients.covariates import COVARIATE_MODELS, CovariateModel
from hemadose.trials.patients.truth import TruthSettings
from hemadose.trials.schema import describe_trial_schema
from hemadose.trials.settings_file import read_trial

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "trial_yaml.md"
KINDS = {
    "limits": (PlanningLimits, ()),
    "truth": (TruthSettings, ("covariates",)),
    "prior": (ClinicPrior, ()),
    **{name: (factory, ("limits",)) for name, factory in POLICIES.items()},
}


def test_documentation_is_current():
    assert DOCUMENTATION.read_text("utf-8") == describe_trial_schema(), (
        "write docs/trial_yaml.md anew: "
        "python -c 'from hemadose.trials.schema import *; print(describe_trial_schema(), end=\"\")'"
    )


def test_the_example_is_legal(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(DOCUMENTATION.read_text("utf-8").split("```yaml\n")[1].split("```")[0], "utf-8")
    assert [arm.name for arm in read_trial(path).arms] == ["usual", "adaptive"]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_key_is_explained_and_its_default_legal(name):
    section = section_of(*KINDS[name])
    usual = {}
    for key, field in section.model_fields.items():
        assert field.description, key
        assert legal_words(section, key), key
        plain = isinstance(field.default, float | int | str | tuple | None)
        if not field.is_required() and plain:
            usual[key] = field.default
    needed = {"first_cycle": 7.4} if name == "kidney_prescription" else {}
    section.model_validate(usual | needed)


def test_every_number_has_a_range():
    for kind, without in [*KINDS.values(), (CovariateModel, ())]:
        section = section_of(kind, without)
        for key in section.model_fields:
            assert key in RANGES or not legal_words(section, key).endswith("number"), key


@pytest.mark.parametrize("cohort", sorted(COVARIATE_MODELS))
def test_the_covariates_of_the_cohorts_are_legal(cohort):
    section_of(CovariateModel).model_validate(dataclasses.asdict(COVARIATE_MODELS[cohort]))
