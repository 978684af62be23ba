"""Priors: the published effects as they are printed, each with a source."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from radiobio.dose_toxicity import published_priors
from radiobio.dose_toxicity.published_priors import OUTCOMES, THERAPIES
from radiobio.errors import RadiobioError

REFERENCE = Path(__file__).parents[2] / "reference" / "radiobio_dose_toxicity_priors.csv"


def published():
    with REFERENCE.open(encoding="utf-8") as stream:
        return list(csv.DictReader(line for line in stream if not line.startswith("#")))


def value(text):
    return float(text) if text else None


@pytest.mark.parametrize("row", published(), ids=lambda row: f"{row['outcome']} {row['name']}")
def test_effects_are_the_published_ratios(row):
    """Log ratio; the SE from the 95 % interval or the two-sided p value of the source."""
    priors = published_priors(row["outcome"], therapy=row["therapy"])
    k = priors.index(row["name"])
    scale = float(row["scale"])
    assert priors.mean[k] == pytest.approx(np.log(float(row["ratio"])) * scale, abs=0.003)
    if row["lower"]:
        se = np.log(float(row["upper"]) / float(row["lower"])) / (2 * stats.norm.ppf(0.975))
    else:
        se = abs(np.log(float(row["ratio"]))) / stats.norm.isf(float(row["p"]) / 2)
    assert np.sqrt(priors.covariance[k, k]) == pytest.approx(se * abs(scale), rel=0.01)


@pytest.mark.parametrize("therapy", sorted(THERAPIES))
@pytest.mark.parametrize("outcome", sorted(OUTCOMES))
def test_every_prior_says_where_it_comes_from(outcome, therapy):
    priors = published_priors(outcome, therapy=therapy)
    for source in priors.sources:
        assert source.startswith(("SOURCED", "DERIVED", "ASSUMED"))
    assert all(text.startswith("ASSUMED") for text in priors.assumptions)
    for method in priors.methods:
        k = priors.index(f"slope[{method}]")
        below = stats.norm.cdf(-priors.mean[k] / np.sqrt(priors.covariance[k, k]))
        assert 0.15 < below < 0.3  # none or a negative slope stays possible


def test_the_slope_prior_holds_what_the_activity_of_140_patients_says():
    """Groener 2021: 13 events in 140, 24.6 (15.9) GBq, p = 0.33."""
    se = 24.6 / 15.9 / np.sqrt(140 * 0.093 * 0.907)
    estimate = stats.norm.isf(0.33 / 2) * se
    priors = published_priors("any")
    k = priors.index("slope[activity]")
    assert priors.mean[k] == pytest.approx(estimate, abs=0.05)
    assert np.sqrt(priors.covariance[k, k]) == pytest.approx(se, abs=0.06)


def mean_risk(priors, n=200_000):
    """Mean risk of random patients of the mix at the reference dose and mean effects."""
    rng = np.random.default_rng(1)
    effect = dict(zip(priors.names, priors.mean, strict=True))
    mix, bone = priors.mix, rng.random(n)
    present = {name: rng.random(n) < mix[name] for name in
               ("prior_taxane", "prior_ra223", "kidney_dysfunction", "age_over_70")}  # fmt: skip
    present["bone_few"] = bone < mix["bone_few"]
    present["bone_diffuse"] = bone > 1 - mix["bone_diffuse"]
    eta = priors.mean[0] + effect["baseline_log"] * rng.standard_normal(n)
    for name, has in present.items():
        eta += effect[name] * (has - mix[name])
    return (1 / (1 + np.exp(-eta))).mean()


@pytest.mark.parametrize(
    ("outcome", "therapy", "share"),
    [("haemoglobin", "177Lu-PSMA", 0.071), ("leukocytes", "177Lu-PSMA", 0.036),
     ("platelets", "177Lu-DOTATATE", 0.01)],
)  # fmt: skip
def test_a_cohort_of_the_mix_has_the_published_incidence(outcome, therapy, share):
    priors = published_priors(outcome, therapy=therapy)
    assert mean_risk(priors) == pytest.approx(share, rel=0.03)


def test_intercepts_are_published_incidences_and_grades_move_them():
    priors = published_priors("any")
    assert mean_risk(priors) == pytest.approx(0.093, abs=1.5e-3)
    third, second = published_priors("platelets"), published_priors("platelets", grade=2)
    assert second.mean[0] == pytest.approx(third.mean[0] + 1.5)
    assert second.covariance[0, 0] > third.covariance[0, 0]


def test_doses_of_methods_differ_and_new_methods_can_be_added():
    priors = published_priors("any", therapy="177Lu-DOTATATE")
    assert priors.reference["image"] / priors.reference["blood"] > 3
    more = priors.with_method("MC", reference_dose_gy=2.0)
    assert more.methods[-1] == "MC"
    assert more.mean[more.index("slope[MC]")] == priors.mean[priors.index("slope[image]")]
    with pytest.raises(RadiobioError, match="already"):
        more.with_method("MC", reference_dose_gy=2.0)
    with pytest.raises(RadiobioError, match="above zero"):
        priors.with_method("x", reference_dose_gy=0.0)


def test_one_prior_can_be_replaced_and_all_widened():
    priors = published_priors("any")
    other = priors.with_prior("prior_taxane", mean=0.0, sd=0.1, source="ASSUMED: mine")
    k = other.index("prior_taxane")
    assert (other.mean[k], other.covariance[k, k], other.sources[k]) == (
        0.0, pytest.approx(0.01), "ASSUMED: mine",
    )  # fmt: skip
    assert np.allclose(priors.widened(2.0).covariance, 4 * priors.covariance)
    assert priors.to_frame().shape == (len(priors.names), 3)
    with pytest.raises(RadiobioError, match="no prior of 'colour'"):
        priors.with_prior("colour", mean=0.0, sd=1.0, source="")
    with pytest.raises(RadiobioError, match="sd above zero"):
        priors.with_prior("prior_taxane", mean=0.0, sd=0.0, source="")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"outcome": "cells"}, "legal outcomes"), ({"outcome": "any", "therapy": "x"}, "therapies"),
     ({"outcome": "any", "grade": 5}, "1 to 4"),
     ({"outcome": "haemoglobin", "grade": 4}, "1 to 3")],
)  # fmt: skip
def test_unknown_settings_are_refused(options, message):
    outcome = options.pop("outcome")
    with pytest.raises(RadiobioError, match=message):
        published_priors(outcome, **options)
