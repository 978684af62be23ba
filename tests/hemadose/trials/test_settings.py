"""A trial file: what is legal is read, and every mistake is named with its line and key."""

from pathlib import Path

import pytest

from hemadose.errors import HemadoseError, StudyError
from hemadose.trials import parts
from hemadose.trials.settings_file import read_trial

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "trials").glob("*.yaml"))

GOOD = """\
schema: 1
name: test
patients: 10
cohort:
  name: DOTATATE
limits:
  grade3_tolerance: 0.2
  max_cycles: 4
truth:
  kill_factor: 1.2
arms:
  - name: usual
    policy: label
  - name: adaptive
    policy: overdose_control
    schedule:
      blood_samples_h: [1, 24]
      foci: {times_h: [4], cells: 50}
    limits:
      grade3_tolerance: 0.1
"""


def read(folder, text):
    path = folder / "trial.yaml"
    path.write_text(text, "utf-8")
    return read_trial(path)


def test_a_file_becomes_settings(tmp_path):
    trial = read(tmp_path, GOOD)
    assert (trial.n_chunks, trial.chunk, trial.seed) == (1, 100, 1)
    assert trial.reference_arm == "usual"
    assert trial.arms[1].schedule.foci.cells == 50
    limits = [parts.limits_of(trial, arm) for arm in trial.arms]
    assert [found.grade3_tolerance["platelets"] for found in limits] == [0.2, 0.1]
    assert [found.interval_days[0] for found in limits] == [56.0, 56.0]
    assert parts.truth_of(trial).kill_factor == 1.2
    assert parts.lineages_of(trial) == ("platelets", "haemoglobin", "neutrophils")
    assert parts.label_of(trial.arms[0], trial) == "lutathera"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_legal(path):
    trial = read_trial(path)
    assert trial.reference_arm == "label"
    assert parts.assumptions_of(trial)
    assert "ASSUMED" in path.read_text("utf-8")


def test_there_are_examples():
    assert {"dotatate", "psma617"} <= {path.stem for path in EXAMPLES}


MISTAKES = {  # what stands for what, and what the message must hold
    "unknown key": ("patients: 10", "patient: 10", ("row 3", "key patient", "'patients'")),
    "unknown key of a section": ("cells: 50", "cell: 50", ("row 18", "foci.cell", "'cells'")),
    "unknown limit": ("  max_cycles: 4", "  max_cycle: 4", ("row 8", "max_cycle", "'max_cycles'")),
    "unknown truth": ("kill_factor", "kil_factor", ("row 10", "'kill_factor'")),
    "unknown cohort": ("DOTATATE", "DOTATOC", ("row 5", "cohort.name", "DOTATATE")),
    "unknown policy": ("overdose_control", "overdose", ("row 15", "policy", "overdose_control")),
    "unknown setting": (
        "overdose_control\n",
        "overdose_control\n    settings: {speed: 1}\n",
        ("row 16", "arms[2].settings", "speed"),
    ),
    "unknown label": (
        "policy: label",
        "policy: label\n    label: pluvikto",
        ("row 14", "label", "pluvicto, lutathera, none"),
    ),
    "unknown reference": ("schema: 1", "schema: 1\nreference: x", ("reference arm 'x'", "usual")),
    "unknown lineage": ("schema: 1", "schema: 1\nlineages: [cells]", ("row 2", "platelets")),
    "unwatched lineage": (
        "schema: 1",
        "schema: 1\nmonitoring: {checked_lineages: [lymphocytes]}",
        ("row 2", "checked_lineages", "platelets"),
    ),
    "missing key": ("patients: 10\n", "", ("patients", "missing", "whole number")),
    "other schema": ("schema: 1", "schema: 2", ("row 1", "schema", "legal is one of 1")),
    "no arms": (GOOD[GOOD.index("arms") :], "arms: []\n", ("arms", "at least 1")),
    "arms alike": ("name: adaptive", "name: usual", ("two arms are called 'usual'",)),
    "tolerance 0": (": 0.2", ": 0", ("row 7", "grade3_tolerance", "0 forbids every")),
    "tolerance 1": (": 0.1", ": 1", ("row 20", "grade3_tolerance", "1 allows any")),
    "contradictory limits": (
        "  max_cycles: 4",
        "  min_useful_activity_gbq: 9",
        ("row 8", "min_useful_activity_gbq", "above max_activity_gbq"),
    ),
    "text for a number": ("patients: 10", "patients: many", ("row 3", "'many'", "whole number")),
    "text for a limit": ("  max_cycles: 4", "  max_cycles: four", ("row 8", "max_cycles")),
    "no patients": ("patients: 10", "patients: 0", ("row 3", "from 1")),
    "a time below zero": ("[1, 24]", "[-1, 24]", ("row 17", "blood_samples_h", "from 0.01")),
    "a factor below zero": ("kill_factor: 1.2", "kill_factor: -1", ("row 10", "from 0.01 to 100")),
    "too many cycles": ("max_cycles: 4", "max_cycles: 40", ("row 8", "from 1 to 10")),
    "covariate": (
        "  name: DOTATATE",
        "  name: DOTATATE\n  covariates: {shoe_size: 44}",
        ("row 6", "cohort.covariates", "shoe_size"),
    ),
    "covariates of the truth": ("kill_factor: 1.2", "covariates: {}", ("row 10", "unknown key")),
    "prior": (
        "schema: 1",
        "schema: 1\nclinic: {prior: {kill_factor: 0}}",
        ("row 2", "clinic.prior", "from 0.01"),
    ),
    "a covariate that is no number": (
        "  name: DOTATATE",
        "  name: DOTATATE\n  covariates: {age_years: old}",
        ("row 6", "cohort.covariates.age_years", "a number from 18 to 95"),
    ),
    "a range of one": (
        "  name: DOTATATE",
        "  name: DOTATATE\n  covariates: {tumour_volume_range_ml: [9]}",
        ("row 6", "tumour_volume_range_ml", "a list of 2"),
    ),
    "a range upside down": (
        "  name: DOTATATE",
        "  name: DOTATATE\n  covariates: {tumour_volume_range_ml: [9, 1]}",
        ("row 6", "tumour_volume_range_ml", "below the second"),
    ),
    "a shift of nothing": (
        "kill_factor: 1.2",
        "log_shift: {luck: 1}",
        ("row 10", "truth.log_shift.luck", "kidney"),
    ),
    "a belief in nothing": (
        "schema: 1",
        "schema: 1\nclinic: {prior: {log_shift: {luck: 1}}}",
        ("row 2", "log_shift"),
    ),
    "text for true": ("kill_factor: 1.2", "reserve_loss: maybe", ("row 10", "true or false")),
    "nan": ("kill_factor: 1.2", "kill_factor: .nan", ("row 10", "'.nan'", "a number from")),
    "true for a number": ("kill_factor: 1.2", "kill_factor: true", ("row 10", "a number from")),
    "days that fall": (
        "  max_cycles: 4",
        "  interval_days: [56, 42]",
        ("row 8", "interval_days", "that rise"),
    ),
    "one lineage tolerated": (
        ": 0.2",
        ": {platelets: 0.2}",
        ("row 7", "haemoglobin, neutrophils", "one number for all"),
    ),
    "fewer cycles than planned": (
        "  max_cycles: 4",
        "  max_cycles: 3",
        ("row 8", "planned cycles (4)", "in every arm"),
    ),
    "label of another agent": (
        "policy: label",
        "policy: label\n    label: pluvicto",
        ("row 14", "arms[1].label", "DOTATATE", "lutathera, none"),
    ),
    "a lineage that a label needs": (
        "schema: 1",
        "schema: 1\nlineages: [platelets]",
        ("row 2", "haemoglobin", "lutathera"),
    ),
    "a lineage twice": (
        "schema: 1",
        "schema: 1\nlineages: [platelets, platelets]",
        ("row 2", "twice"),
    ),
    "times that fall": ("[1, 24]", "[24, 1]", ("row 17", "blood_samples_h", "must rise")),
    "a time twice": ("[1, 24]", "[24, 24]", ("row 17", "blood_samples_h", "must rise")),
    "a time after three weeks": ("[1, 24]", "[1, 505]", ("row 17", "to 504")),
    "no cells": ("cells: 50", "cells: 0", ("row 18", "cells", "from 1")),
    "a first activity that is missing": (
        "policy: overdose_control",
        "policy: kidney_prescription",
        ("arms[2].settings", "first_cycle is missing", "from: [0, rising values]"),
    ),
    "a rule over what is not known": (
        "overdose_control\n",
        "bed_limited\n    settings: {qualifies: [{covariate: shoe_size, below: 44}]}\n",
        ("row 16", "settings.qualifies", "'shoe_size'", "weight_kg"),
    ),
    "a rule that is no number": (
        "overdose_control\n",
        "bed_limited\n    settings: {qualifies: [{covariate: weight_kg, below: light}]}\n",
        ("row 16", "qualifies[1].below", "'light'", "nobody, everybody"),
    ),
    "a table that leaves patients out": (
        "overdose_control\n",
        "kidney_prescription\n    settings: {first_cycle: {covariate: weight_kg, from: [60], "
        "activity_gbq: [7]}}\n",
        ("row 16", "first_cycle", "begin at 0"),
    ),
    "a first activity above the cap": (
        "overdose_control\n",
        "kidney_prescription\n    settings: {first_cycle: 20}\n",
        ("row 16", "first_cycle", "max_activity_gbq (7.4)"),
    ),
    "a setting of another policy": (
        "policy: label",
        "policy: label\n    settings: {price_of_grade3: 1}",
        ("row 14", "settings.price_of_grade3", "activity_gbq, interval_days, n_cycles"),
    ),
    "too many chunks": (
        "patients: 10",
        "patients: 2000000\nchunk: 2",
        ("1000000 chunks", "raise chunk"),
    ),
    "a name that leads elsewhere": ("name: test", "name: ../test", ("row 2", "letters, digits")),
    "a name of two lines": ("name: usual", 'name: "a\\nb"', ("row 12", "letters, digits")),
    "a name that is html": ("name: usual", "name: <b>", ("row 12", "letters, digits")),
    "arms alike but for case": ("name: adaptive", "name: Usual", ("two arms are called",)),
    "anchor": ("name: test", "name: &n test", ("row 2", "anchor")),
    "no yaml": ("limits:", "limits: [", ("not valid YAML",)),
}


@pytest.mark.parametrize("mistake", sorted(MISTAKES))
def test_a_mistake_is_named_with_its_place(tmp_path, mistake):
    before, after, words = MISTAKES[mistake]
    assert before in GOOD
    with pytest.raises(StudyError) as error:
        read(tmp_path, GOOD.replace(before, after))
    message = str(error.value)
    assert "trial.yaml" in message
    assert "\n" not in message
    for word in words:
        assert word in message, message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(HemadoseError, match="does not exist"):
        read_trial(tmp_path / "none.yaml")
