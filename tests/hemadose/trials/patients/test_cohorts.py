"""Cohorts against the models, dosimetry functions and published means that they rest on."""

import csv
from pathlib import Path

import numpy as np
import pytest

from dosimetry import (
    SOFT_TISSUE_DENSITY_G_PER_ML,
    blood_dose,
    marrow_dose_blood_method,
    marrow_dose_image_method,
    nuclide,
    organ_dose,
    reference_anatomy,
    rmblr,
    tumour_dose,
)
from hemadose.errors import HemadoseError
from hemadose.trials.patients.cohorts import COHORTS, cohort
from hemadose.trials.patients.covariates import N_COORDINATES, covariates_at
from kinetics import PUBLISHED_AGENTS, published_model, region_model

REFERENCE = Path(__file__).parents[3] / "reference"
COVARIATES = {
    "tumour_volume_ml": 23.0,
    "weight_kg": 61.0,
    "creatinine_clearance_ml_per_min": 54.0,
}
TIME_H = np.array([0.0, 0.5, 4.0, 24.0, 72.0, 168.0])


def drawn(name, n, seed=1):
    """Log parameters of one cycle in n patients."""
    made, rng = cohort(name), np.random.default_rng(seed)
    shape = (n, len(made.parameters))
    between = made.log_sd_patient * rng.standard_normal(shape)
    return made, made.log_median + between + made.log_sd_cycle * rng.standard_normal(shape)


@pytest.mark.parametrize("cycle", [1, 2, 6])
@pytest.mark.parametrize("name", sorted(PUBLISHED_AGENTS))
def test_curves_are_those_of_the_published_model_of_that_patient(name, cycle):
    made, log_parameter = drawn(name, 3)
    own = published_model(
        name,
        decay_per_h=nuclide("Lu-177").decay_per_h,
        tumour_volume_ml={"tumour": COVARIATES["tumour_volume_ml"]},
        weight_kg=COVARIATES["weight_kg"],
        creatinine_clearance_ml_per_min=COVARIATES["creatinine_clearance_ml_per_min"],
    )
    k = len(own.parameters)
    shifted = log_parameter + made.offsets(COVARIATES)
    assert made.parameters[:k] == own.parameters
    found = made.curves(shifted, activity_gbq=[3.0, 5.0, 7.4], cycle=cycle)
    for row, activity in enumerate((3.0, 5.0, 7.4)):
        deviation = (log_parameter[row] - made.log_median)[:k]
        expected = own.curves(own.log_median + deviation, 1000 * activity, cycle)
        for region in own.regions:
            np.testing.assert_allclose(
                found[region][row](TIME_H), expected[region](TIME_H), rtol=1e-10, atol=1e-12
            )


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_dose_rates_are_those_of_the_dosimetry_functions(name):
    made, log_parameter = drawn(name, 3)
    volume = made.covariate_reference["tumour_volume_ml"]
    curves = made.curves(log_parameter, activity_gbq=7.4, cycle=1)
    man, body = reference_anatomy("male"), curves["whole_body"]
    organs = {region: curves[region] for region in ("kidneys", "liver") if region in curves}
    around = {"anatomy": man, "organ_mbq": organs, "whole_body_mbq": body}
    if made.dose_method == "blood":
        marrow = marrow_dose_blood_method(curves["blood"], "Lu-177", ratio=rmblr("unity"), **around)
    else:
        marrow = marrow_dose_image_method(curves["marrow"], "Lu-177", **around)
    expected = {
        "marrow": marrow,
        "kidney": organ_dose(
            "kidneys", curves["kidneys"], "Lu-177", anatomy=man, other_mbq=organs,
            whole_body_mbq=body,
        ),
        "tumour": tumour_dose(
            curves["tumour"], "Lu-177", mass_g=volume * SOFT_TISSUE_DENSITY_G_PER_ML
        ),
    }  # fmt: skip
    for region, dose in expected.items():
        factor = np.exp(log_parameter[:, made.index(f"{region}_dose_factor")])
        np.testing.assert_allclose(
            curves[f"{region}_dose"].integral(), factor * dose.dose_gy, rtol=1e-9
        )
    blood = blood_dose(curves["blood"], "Lu-177", anatomy=man, whole_body_mbq=body)
    np.testing.assert_allclose(curves["blood_dose"](TIME_H), blood.dose_rate(TIME_H), rtol=1e-9)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_a_tumour_of_another_size_gets_the_dose_of_its_own_sphere(name):
    made = cohort(name)
    volume = np.array([0.5, 3.0, 200.0])
    log_parameter = made.log_median + made.offsets({"tumour_volume_ml": volume})
    curves = made.curves(log_parameter, activity_gbq=7.4, cycle=1)
    expected = tumour_dose(
        curves["tumour"], "Lu-177", mass_g=volume * SOFT_TISSUE_DENSITY_G_PER_ML
    ).dose_gy
    np.testing.assert_allclose(curves["tumour_dose"].integral(), expected, rtol=1e-9)


def test_dotatate_kinetics_are_the_region_priors_up_to_the_scaled_marrow():
    made = cohort("DOTATATE")
    curves = made.curves(made.log_median, activity_gbq=7.4, cycle=1)
    for region in ("blood", "kidneys", "tumour", "whole_body"):
        prior = region_model("DOTATATE", region, decay_per_h=nuclide("Lu-177").decay_per_h)
        expected = prior.curves(prior.log_median, 7400.0, 1)[region]
        np.testing.assert_allclose(curves[region](TIME_H), expected(TIME_H), rtol=1e-12)


def test_dotatate_doses_have_the_published_means_and_spreads():
    made, log_parameter = drawn("DOTATATE", 20_000)
    dose = {
        region: curve.integral()
        for region, curve in made.curves(log_parameter, activity_gbq=1.0, cycle=1).items()
    }
    with (REFERENCE / "dosimetry_hemmingsson2023_marrow.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["patient"] != "5"]
    measured = {
        name: np.array([float(row[name]) for row in rows])
        for name in ("vertebrae_total", "blood_based")
    }
    vertebrae, blood = measured["vertebrae_total"], measured["blood_based"]
    assert dose["marrow_dose"].mean() == pytest.approx(vertebrae.mean(), rel=0.015)
    # the marrow model's uncertainty spreads the true doses a little more than measured ones
    spread = np.log(dose["marrow_dose"]).std()
    assert spread == pytest.approx(np.log(vertebrae).std(ddof=1), rel=0.08)
    assert np.log(dose["blood"]).std() == pytest.approx(np.log(blood).std(ddof=1), rel=0.03)
    # blood-based marrow dose: electrons of the blood alone, within 10 % of the published mean
    of_blood = 0.0483 * dose["blood"].mean()
    assert of_blood == pytest.approx(blood.mean(), rel=0.1)
    # kidneys, Gy/GBq: 0.38 +- 0.19, 0.43 +- 0.13 and 0.46 were published
    assert 0.38 < dose["kidney_dose"].mean() < 0.46
    assert dose["kidney_dose"].std() == pytest.approx(0.13, abs=0.015)


@pytest.mark.parametrize("name", sorted(PUBLISHED_AGENTS))
def test_psma_marrow_doses_leave_the_blood_by_the_published_ratio_spread(name):
    made = cohort(name)
    with (REFERENCE / "dosimetry_hemmingsson2023_marrow.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["patient"] != "5"]
    ratio = [float(row["vertebrae_total"]) / float(row["blood_based"]) for row in rows]
    factor = made.index("marrow_dose_factor")
    assert made.log_sd_patient[factor] == pytest.approx(np.log(ratio).std(ddof=1), abs=0.001)
    assert made.log_median[factor] == 0.0


def test_published_change_of_the_tumour_with_the_cycle():
    made = cohort("PSMA-I&T")
    curves = made.curves(
        np.tile(made.log_median, (6, 1)), activity_gbq=7.4, cycle=[1, 2, 3, 4, 5, 6]
    )
    dose = curves["tumour_dose"].integral()
    expected = [1.0, 0.731, 0.498, 0.436, 0.436, 0.436]
    # less uptake leaves a little more in the blood, for the tumour as well
    np.testing.assert_allclose(dose / dose[0], expected, rtol=0.08)
    assert (np.diff(dose)[:3] < 0).all()
    assert dose[4] == dose[3]


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_doses_are_nearly_proportional_to_the_activity(name):
    made, log_parameter = drawn(name, 50)
    low, high = (
        made.curves(log_parameter, activity_gbq=a, cycle=1)["marrow_dose"].integral() / a
        for a in (3.7, 20.0)
    )
    np.testing.assert_allclose(low, high, rtol=3e-3)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_no_activity_is_no_dose(name):
    made, log_parameter = drawn(name, 2)
    curves = made.curves(log_parameter, activity_gbq=[0.0, 7.4], cycle=1)
    alone = made.curves(log_parameter[1], activity_gbq=7.4, cycle=1)
    for region, curve in curves.items():
        assert curve.integral()[0] == 0.0
        assert curve.integral()[1] == pytest.approx(alone[region].integral(), rel=1e-12)


def test_foci_follow_blood_dose_rate_by_a_brute_force_balance():
    made, log_parameter = drawn("PSMA-617", 2)
    foci = made.foci_per_cell(
        log_parameter, activity_gbq=7.4, cycle=1, time_h=[24.0], background_per_cell=0.2
    )
    rate = made.curves(log_parameter, activity_gbq=7.4, cycle=1)["blood_dose"]
    t = np.linspace(0.0, 24.0, 48_001)
    repair = np.exp(log_parameter[:, made.index("repair_rate_per_h")])
    per_gy = made.foci_per_gy * np.exp(log_parameter[:, made.index("foci_per_gy_factor")])
    left = rate(t) * np.exp(-repair[:, None] * (24.0 - t))
    expected = 0.2 + per_gy * np.trapezoid(left, t, axis=-1)
    np.testing.assert_allclose(foci[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(COHORTS))
def test_covariates_outside_the_model_and_unknown_ones_do_not_shift(name):
    made = cohort(name)
    given = {"bone_metastases": [1.0, 0.0], "tumour_volume_ml": [np.nan, 20.0]}
    offsets = made.offsets(given)
    assert offsets.shape == (2, len(made.parameters))
    assert not offsets[0].any()
    assert offsets[1].any()


def test_every_assumption_is_said():
    for name in sorted(COHORTS):
        assert any(note.startswith("ASSUMED") for note in cohort(name).assumptions)


def test_covariates_have_the_shares_that_were_asked_for():
    z = np.random.default_rng(2).standard_normal((20_000, N_COORDINATES))
    found = covariates_at("PSMA-I&T", z, settings={"bone_metastases": 0.7, "weight_cv": 0.0})
    assert found["bone_metastases"].mean() == pytest.approx(0.7, abs=0.01)
    assert (found["bone_metastases"] >= found["diffuse_bone_metastases"]).all()
    assert (found["weight_kg"] == 79.0).all()
    assert np.median(found["tumour_volume_ml"]) == pytest.approx(44.3, rel=0.03)
    assert "prior_taxane" not in covariates_at("DOTATATE", z)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: cohort("PSMA"), "is not known; known: PSMA-617"),
        (lambda c: c.offsets({"tumour_volume_ml": 0.0}), "must be above zero"),
        (lambda c: c.curves(c.log_median[1:], activity_gbq=1, cycle=1), "last axis of 18"),
        (lambda c: c.curves(c.log_median, activity_gbq=-1, cycle=1), "zero or more"),
        (lambda c: c.curves(c.log_median, activity_gbq=1, cycle=0), "at least 1"),
        (lambda c: covariates_at("X", np.zeros((1, 7))), "no covariates of 'X'"),
        (lambda c: covariates_at(c.name, np.zeros((1, 7)), settings={"age": 1}), "not known"),
        (
            lambda c: covariates_at(c.name, np.zeros((1, 7)), settings={"prior_taxane": 2}),
            "from 0 to 1",
        ),
        (
            lambda c: covariates_at(c.name, np.zeros((1, 7)), settings={"bone_metastases": 0.1}),
            "part of the share",
        ),
    ],
)
def test_what_is_not_legal_is_refused(call, message):
    with pytest.raises(HemadoseError, match=message):
        call(cohort("PSMA-617"))
