"""Predictions: probabilities by hand, monotone in dose and grade, and doses at a risk."""

import numpy as np
import pytest

from radiobio.dose_toxicity import (
    check_predictions,
    cohort_of_frame,
    fit_dose_toxicity,
    plot_predictive_check,
    published_priors,
)
from radiobio.errors import RadiobioError
from tests.radiobio.dose_toxicity.simulated import cohort, cohort_frame

PRIORS = published_priors("any")
TRUTH = {**dict(zip(PRIORS.names, PRIORS.mean, strict=True)), "slope[image]": 0.8}
PATIENT = {"baseline_count": 120.0, "bone_metastases": "few", "prior_taxane": 1, "prior_ra223": 0,
           "kidney_dysfunction": 0, "age_years": 75}  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return cohort(np.random.default_rng(1), 150, TRUTH, PRIORS, missing=0.1)


@pytest.fixture(scope="module")
def ordinal(table):
    return fit_dose_toxicity(table, outcome="any", model="ordinal", method="laplace",
                             n_draws=250, rng=np.random.default_rng(1))  # fmt: skip


def test_probabilities_are_those_by_hand(ordinal):
    dose = 9.0
    risk = ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=dose, centre="C1")
    draw = {name: ordinal.coefficient(name) for name in ordinal.names}
    mix = PRIORS.mix
    eta = draw["intercept[image]"] + draw["slope[image]"] * (dose / 7.6 - 1) + draw["centre[C1]"]
    eta = eta + draw["baseline_log"] * np.log(120 / 130) / 0.11
    eta = (
        eta + draw["bone_few"] * (1 - mix["bone_few"]) - draw["bone_diffuse"] * mix["bone_diffuse"]
    )
    eta = eta + draw["prior_taxane"] * (1 - mix["prior_taxane"])
    eta = eta - draw["prior_ra223"] * mix["prior_ra223"]
    eta = eta - draw["kidney_dysfunction"] * mix["kidney_dysfunction"]
    eta = eta + draw["age_over_70"] * (1 - mix["age_over_70"])
    assert np.allclose(risk.at_least(3)[:, 0], 1 / (1 + np.exp(-eta)))
    two = 1 / (1 + np.exp(-eta - np.exp(draw["log_gap[2]"])))
    assert np.allclose(risk.at_least(2)[:, 0], two)
    assert risk.mean[0, 1] == pytest.approx(two.mean())
    assert risk.to_frame().shape == (4, 5)


def test_a_higher_grade_is_rarer_and_dose_raises_risk_where_the_slope_is_positive(ordinal):
    dose = np.linspace(0.0, 20.0, 9)
    risk = ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=dose)
    assert (np.diff(risk.probability, axis=2) < 0).all()
    up = ordinal.coefficient("slope[image]") > 0
    assert (np.diff(risk.at_least(3)[up], axis=1) > 0).all()
    assert (np.diff(risk.at_least(3)[~up], axis=1) <= 0).all()


def test_a_missing_covariate_is_averaged_over_the_cohort(ordinal):
    parts = [
        ordinal.predict({**PATIENT, "prior_taxane": k}, dose_method="image", marrow_dose_gy=5.0)
        for k in (0, 1)
    ]
    share = ordinal.regression.marginals["prior_taxane"].probability
    without = {name: v for name, v in PATIENT.items() if name != "prior_taxane"}
    risk = ordinal.predict(without, dose_method="image", marrow_dose_gy=5.0)
    expected = share[0] * parts[0].probability + share[1] * parts[1].probability
    assert np.allclose(risk.probability, expected)


def test_patients_are_predicted_together_as_alone(ordinal):
    dose = np.array([3.0, 9.0])
    both = ordinal.predict({**PATIENT, "age_years": [60, 75]}, dose_method="image",
                           marrow_dose_gy=dose)  # fmt: skip
    for i, age in enumerate((60, 75)):
        alone = ordinal.predict({**PATIENT, "age_years": age}, dose_method="image",
                                marrow_dose_gy=dose[i])  # fmt: skip
        assert np.allclose(both.probability[:, i], alone.probability[:, 0])


def test_the_dose_at_a_risk_has_that_risk(ordinal):
    for grade in (2, 3):
        at = ordinal.dose_at_risk(0.3, PATIENT, dose_method="image", grade=grade)
        inside = np.flatnonzero(np.isfinite(at.exposure) & (at.exposure > 0))[:40]
        assert len(inside) == 40
        back = ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=at.exposure[inside])
        chance = back.at_least(grade)[inside]
        assert np.allclose(np.diag(chance), 0.3)
    assert at.lower <= at.median <= at.upper


def test_a_risk_that_no_dose_brings_is_not_reached():
    flat = PRIORS.with_prior("slope[image]", mean=-1.0, sd=0.3, source="ASSUMED: none")
    table = cohort(np.random.default_rng(3), 60, {**TRUTH, "slope[image]": -1.0}, flat)
    result = fit_dose_toxicity(table, outcome="any", priors=flat, method="laplace",
                               rng=np.random.default_rng(1))  # fmt: skip
    at = result.dose_at_risk(0.9, PATIENT, dose_method="image")
    assert at.share_not_reached > 0.95
    assert at.status.startswith("not reached")
    assert at.to_dict()["median"] == "not reached"
    assert result.dose_at_risk(1e-6, PATIENT, dose_method="image").exposure.max() == 0.0


def test_notes_tell_priors_extrapolation_and_new_centres(ordinal):
    far = ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=90.0)
    assert any(note.startswith("extrapolated") for note in far.notes)
    assert any("new centre" in note for note in far.notes)
    near = ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=5.0, centre="C0")
    assert near.notes == ()
    spread = [float((r.upper - r.lower)[0, 2]) for r in (
        ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=5.0), near)]  # fmt: skip
    assert spread[0] > spread[1]


@pytest.mark.parametrize(
    ("covariates", "options", "message"),
    [({"colour": 1}, {"marrow_dose_gy": 1.0}, "no covariate 'colour'"),
     ({"prior_taxane": 2}, {"marrow_dose_gy": 1.0}, "legal: 0, 1"),
     ({"bone_metastases": "some"}, {"marrow_dose_gy": 1.0}, "none, few, diffuse"),
     ({"baseline_count": 0.0}, {"marrow_dose_gy": 1.0}, "above zero"),
     ({"age_years": "old"}, {"marrow_dose_gy": 1.0}, "must be numbers"),
     ({"age_years": [60, 70]}, {"marrow_dose_gy": [1.0, 2.0, 3.0]}, "of one length"),
     ({}, {"marrow_dose_gy": -1.0}, "zero or positive"), ({}, {}, "needs marrow_dose_gy"),
     ({}, {"activity_gbq": 7.4}, "needs marrow_dose_gy"),
     ({}, {"marrow_dose_gy": 1.0, "dose_method": "planar"}, "'planar' is not known")],
)  # fmt: skip
def test_wrong_questions_are_refused(ordinal, covariates, options, message):
    with pytest.raises(RadiobioError, match=message):
        ordinal.predict(covariates, **{"dose_method": "image", **options})


def test_dose_at_risk_needs_one_whole_patient(ordinal):
    with pytest.raises(RadiobioError, match="give baseline_count"):
        ordinal.dose_at_risk(0.3, {}, dose_method="image")
    with pytest.raises(RadiobioError, match="risk must be above 0"):
        ordinal.dose_at_risk(1.0, PATIENT, dose_method="image")


def test_a_logistic_fit_knows_one_grade_only():
    fit = fit_dose_toxicity(
        cohort(np.random.default_rng(1), 20, TRUTH, PRIORS), outcome="any", method="laplace",
        rng=np.random.default_rng(1), n_draws=50)  # fmt: skip
    risk = fit.predict(PATIENT, dose_method="image", marrow_dose_gy=1.0)
    assert risk.grades == (3,)
    with pytest.raises(RadiobioError, match="grade 4 is not predicted"):
        risk.at_least(4)
    with pytest.raises(RadiobioError, match=r"there are \[3\]"):
        fit.dose_at_risk(0.3, PATIENT, dose_method="image", grade=4)


def test_the_predictive_check_accepts_the_model_that_made_the_data(ordinal, table):
    check = check_predictions(ordinal, table, rng=np.random.default_rng(2))
    frame = check.to_frame()
    assert check.status == "ok"
    assert {"all", "image dose 1/3", "image dose 3/3", "centre C0"} <= set(frame.group)
    whole = frame[frame.group == "all"].set_index("grade")
    for grade in (1, 2, 3, 4):
        assert whole.observed[grade] == (table.worst_grade >= grade).sum()
        assert whole.predicted[grade] == pytest.approx(whole.observed[grade], abs=6)
    tertiles = frame[frame.group.str.contains("dose") & (frame.grade == 3)]
    assert tertiles.n.tolist() == [50, 50, 50]


def test_the_predictive_check_finds_another_cohort(ordinal):
    """A cohort whose risk falls with dose and is far higher is seen in the tertiles."""
    truth = {**TRUTH, "intercept[image]": 0.5, "slope[image]": -2.0}
    other = cohort(np.random.default_rng(9), 150, truth, PRIORS)
    check = check_predictions(ordinal, other, rng=np.random.default_rng(2))
    assert "image dose 1/3" in check.status


def test_p_values_of_new_cohorts_of_the_model_are_uniform(ordinal):
    """Mid-p of all patients over cohorts drawn from the posterior predictive itself."""
    rng, p = np.random.default_rng(4), []
    for _ in range(50):
        k = rng.integers(len(ordinal.flat))
        truth = dict(zip(ordinal.names, ordinal.flat[k], strict=True))
        new = cohort(rng, 60, truth, PRIORS)
        check = check_predictions(ordinal, new, rng=rng)
        p.append(check.p_value[2])
    p = np.array(p)
    assert (p < 0.1).mean() < 0.1 + 3 * np.sqrt(0.09 / 50)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / 50))


def test_the_plot_shows_observed_and_predicted(ordinal, table):
    import matplotlib as mpl

    mpl.use("Agg")
    check = check_predictions(ordinal, table, rng=np.random.default_rng(2))
    ax = plot_predictive_check(check)
    rows = check.to_frame().query("grade == 3")
    observed = next(line for line in ax.lines if line.get_label() == "observed")
    assert observed.get_xdata().tolist() == rows.observed.tolist()
    assert ax.get_xlabel() == "patients with grade ≥ 3"
    with pytest.raises(RadiobioError, match="grade 7"):
        plot_predictive_check(check, grade=7)
    mpl.pyplot.close("all")


def test_the_check_needs_the_methods_of_the_fit(ordinal):
    frame = cohort_frame(np.random.default_rng(7), 20, TRUTH, PRIORS).assign(dose_method="MC")
    with pytest.raises(RadiobioError, match="does not know the dose methods"):
        check_predictions(ordinal, cohort_of_frame(frame), rng=np.random.default_rng(1))


@pytest.mark.parametrize("level", [0.0, 1.0, np.nan, "x", None])
def test_levels_of_intervals(ordinal, table, level):
    for call in (
        lambda: ordinal.predict(PATIENT, dose_method="image", marrow_dose_gy=1.0, level=level),
        lambda: ordinal.dose_at_risk(0.3, PATIENT, dose_method="image", level=level),
        lambda: check_predictions(ordinal, table, rng=np.random.default_rng(1), level=level),
        lambda: ordinal.to_frame(level=level),
        lambda: ordinal.regression.priors.widened(level if level != 1.0 else 0.0),
    ):
        with pytest.raises(RadiobioError):
            call()
