"""The final model: predictions, refusals, odds ratios and the stored form."""

import json

import numpy as np
import pandas as pd
import pytest

from radiobio.dose_toxicity import cohort_of_frame
from radiobio.errors import RadiobioError
from radiobio.risk_factors import (
    GROENER,
    FitSettings,
    fit_risk_model,
    model_from_dict,
    model_to_dict,
    risk_table,
    simulated_psma_cohort,
)

FLAGS = list(GROENER)
NAMES = [*FLAGS, "noise_1"]


def fitted(imputation="median", penalty="ridge", model="logistic", n=300, missing=0.1, **kwargs):
    rng = np.random.default_rng(11)
    table = simulated_psma_cohort(n, prevalence=0.2, missing=missing, rng=rng)
    settings = FitSettings(imputation, penalty, n_inner_folds=3)
    return table, fit_risk_model(table, outcome="severe", predictors=NAMES, model=model,
                                 settings=settings, rng=rng, **kwargs)  # fmt: skip


@pytest.mark.parametrize("imputation", ["iterative", "median"])
def test_stored_model_predicts_the_same_bits(imputation):
    table, model = fitted(imputation, n_refits=5)
    again = model_from_dict(json.loads(json.dumps(model_to_dict(model))))
    first, second = model.predict(table), again.predict(table)
    for name in ("probability", "low", "high"):
        assert np.array_equal(getattr(first, name), getattr(second, name), equal_nan=True)
    assert first.status == second.status
    assert again.odds_ratios().equals(model.odds_ratios())
    bare = fitted(imputation, n_refits=0)[1]
    again = model_from_dict(json.loads(json.dumps(model_to_dict(bare))))
    assert np.isnan(again.predict(table).low).all()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "no stored risk model"),
        ("mean", None, "mean of shape"),
        ("scale", [1.0], "scale of shape"),
        ("coefficients", ["a"], "a value that is no number"),
        ("median", [np.nan] * 4, "not finite"),
        ("kept", [99] * 8, "kept outside"),
        ("level", 2.0, "level"),
        ("draws", [[1.0]], "draws of shape"),
    ],
)
def test_broken_stored_models(key, value, message):
    stored = model_to_dict(fitted(n_refits=2)[1])
    with pytest.raises(RadiobioError, match=message):
        model_from_dict({**stored, key: value})
    if key != "format":
        del stored[key]
        with pytest.raises(RadiobioError, match=f"lacks '{key}'"):
            model_from_dict(stored)


def test_boosting_has_no_stored_form_and_no_odds_ratios():
    table, model = fitted(model="boosting")
    found = model.predict(table)
    assert np.isfinite(found.probability).all()
    assert np.isnan(found.low).all()
    with pytest.raises(RadiobioError, match="only a logistic model"):
        model_to_dict(model)
    with pytest.raises(RadiobioError, match="odds ratios exist for the model 'logistic' only"):
        model.odds_ratios()


def test_outside_the_range_of_training_is_refused_or_flagged():
    table, model = fitted(n_refits=5, missing=0.0)
    new = table.iloc[:4].copy().reset_index(drop=True)
    new.loc[0, "noise_1"] = 50.0
    new.loc[1, NAMES[:3]] = np.nan
    new.loc[2, "noise_1"] = np.nan
    refused, flagged = model.predict(new), model.predict(new, outside="flag")
    assert np.isnan(refused.probability).tolist() == [True, True, False, False]
    assert refused.outside.tolist() == flagged.outside.tolist() == [True, True, False, False]
    assert np.isfinite(flagged.probability).all()
    assert refused.status[0].startswith("refused: noise_1 = 50 is outside")
    assert refused.status[1] == "refused: 3 of 4 predictors are missing"
    assert flagged.status[0].startswith("extrapolated: noise_1")
    assert refused.status[2] == "noise_1 missing, which no patient of training lacked"
    assert refused.status[3] == "inside the range of training"
    assert refused.to_frame()["status"].tolist() == list(refused.status)
    inside = [2, 3]
    assert (refused.low[inside] < refused.high[inside]).all()
    with pytest.raises(RadiobioError, match="outside must be one of"):
        model.predict(new, outside="ignore")
    with pytest.raises(RadiobioError, match="is no column"):
        model.predict(new[["noise_1"]])


def test_odds_ratios_are_the_change_of_the_odds():
    table, model = fitted(n_refits=20, missing=0.0)
    row = table.iloc[:1].assign(prior_taxane=0.0, noise_1=0.1)
    odds = [
        p / (1 - p)
        for p in (
            model.predict(row.assign(**change)).probability[0]
            for change in ({}, {"prior_taxane": 1.0}, {"noise_1": 1.1})
        )
    ]
    ratios = model.odds_ratios().set_index("predictor")
    assert odds[1] / odds[0] == pytest.approx(ratios.loc["prior_taxane", "odds_ratio"], rel=1e-9)
    assert odds[2] / odds[0] == pytest.approx(ratios.loc["noise_1", "odds_ratio"], rel=1e-9)
    sd = table["noise_1"].std(ddof=0)
    assert ratios.loc["noise_1", "odds_ratio_per_sd"] == pytest.approx(
        ratios.loc["noise_1", "odds_ratio"] ** sd
    )


def test_large_cohort_gives_the_published_odds_ratios_back():
    rng = np.random.default_rng(3)
    table = simulated_psma_cohort(15_000, n_noise=1, rng=rng)
    assert table["severe"].mean() == pytest.approx(13 / 140, abs=0.008)
    model = fit_risk_model(table, outcome="severe", predictors=NAMES, n_refits=2, rng=rng)
    ratios = model.odds_ratios().set_index("predictor")
    for name, (ratio, _) in GROENER.items():
        assert np.log(ratios.loc[name, "odds_ratio"]) == pytest.approx(
            np.log(ratio), abs=0.25
        )  # SE 0.1
    assert ratios.loc["noise_1", "odds_ratio"] == pytest.approx(1.0, abs=0.1)
    found = model.predict(table.head(2000))
    assert found.probability == pytest.approx(table["true_risk"].to_numpy()[:2000], abs=0.03)


def test_elastic_net_leaves_columns_out():
    _, model = fitted(penalty="elastic net", n=120, n_refits=0)
    assert "L1 share" in model.status


def test_the_two_by_two_tables_behind_the_shares():
    """Odds ratios and 95 % intervals of the tables that `GROENER` states, published to 1 %."""
    published = {"cytopenia_grade_2": (3.50, 1.08, 11.32), "diffuse_bone": (5.08, 1.08, 23.86),
                 "prior_taxane": (4.62, 1.23, 17.28)}  # fmt: skip
    events = {"cytopenia_grade_2": 6, "diffuse_bone": 11, "prior_taxane": 10}
    for name, (ratio, share) in GROENER.items():
        a, exposed = events[name], round(share * 140)
        b, c, d = exposed - a, 13 - a, 127 - (exposed - a)
        odds, half = a * d / (b * c), 1.96 * np.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
        found = (odds, odds * np.exp(-half), odds * np.exp(half))
        assert ratio == published[name][0]
        assert found == pytest.approx(
            published[name], rel=0.03 if name == "prior_taxane" else 0.005
        )


def test_risk_table_of_a_clinics_cohort():
    frame = pd.DataFrame({
        "patient": ["a", "b", "a"], "dose_method": ["image"] * 3, "marrow_dose_gy": [1.0, 2.0, 1.0],
        "lineage": ["platelets", "platelets", "leukocytes"], "worst_grade": [3, 2, 0],
        "bone_metastases": ["diffuse", "", "few"], "prior_taxane": [1, 0, 1],
    })  # fmt: skip
    cohort = cohort_of_frame(frame)
    table = risk_table(cohort, outcome="platelets")
    assert table["severe"].tolist() == [1, 0]
    assert table["marrow_dose_gy"].tolist() == [1.0, 2.0]
    assert table["bone_metastases"].iloc[0] == 2.0
    assert np.isnan(table["bone_metastases"].iloc[1])
    assert risk_table(cohort, outcome="platelets", grade=2)["severe"].tolist() == [1, 1]
    with pytest.raises(RadiobioError, match="no row of lineage 'neutrophils'"):
        risk_table(cohort, outcome="neutrophils")
    with pytest.raises(RadiobioError, match="grade must be 1, 2, 3 or 4"):
        risk_table(cohort, outcome="platelets", grade=0)
    frame["dose_method"] = ["image", "blood", "image"]
    with pytest.raises(RadiobioError, match="do not compare; choose one with dose_method="):
        risk_table(cohort_of_frame(frame), outcome="platelets")
    one = risk_table(cohort_of_frame(frame), outcome="platelets", dose_method="blood")
    assert one["patient"].tolist() == ["b"]


@pytest.mark.parametrize("kwargs", [{"n_patients": 0}, {"prevalence": 0.0}, {"missing": 1.0}])
def test_illegal_simulations(kwargs):
    with pytest.raises(RadiobioError, match="must be"):
        simulated_psma_cohort(**{"n_patients": 10, "rng": np.random.default_rng(0), **kwargs})
