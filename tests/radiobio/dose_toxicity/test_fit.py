"""The fit: recovery, one parameter set a method, priors against data, and updating."""

import numpy as np
import pytest
from scipy import optimize

from radiobio.dose_toxicity import (
    cohort_of_frame,
    fit_dose_toxicity,
    join_cohorts,
    published_priors,
)
from radiobio.errors import RadiobioError
from tests.radiobio.dose_toxicity.simulated import cohort, cohort_frame

PRIORS = published_priors("any")
TRUTH = {**dict(zip(PRIORS.names, PRIORS.mean, strict=True)),
         "slope[image]": 1.0, "slope[blood]": 0.0, "centre[C0]": 0.4,
         "centre[C1]": -0.4}  # fmt: skip


def fit(table, seed=1, **options):
    settings = {"outcome": "any", "method": "laplace", "n_draws": 500, **options}
    return fit_dose_toxicity(table, rng=np.random.default_rng(seed), **settings)


@pytest.mark.parametrize("model", ["logistic", "ordinal"])
def test_a_large_cohort_gives_its_coefficients_back(model):
    table = cohort(np.random.default_rng(2), 3000, TRUTH, PRIORS, methods=("image", "blood"))
    result = fit(table, model=model)
    assert result.status == "ok"
    frame = result.to_frame(level=0.999)
    checked = [n for n in PRIORS.names if "activity" not in n and n in frame.index]
    for name in checked:
        assert frame.lower[name] < TRUTH[name] < frame.upper[name], name
    assert frame["sd"]["slope[image]"] < 0.16


def test_each_method_has_its_own_slope_and_one_without_patients_its_prior():
    table = cohort(np.random.default_rng(2), 2500, TRUTH, PRIORS, methods=("image", "blood"))
    result = fit(table)
    assert (result.coefficient("slope[image]") > result.coefficient("slope[blood]")).mean() > 0.99
    frame = result.to_frame()
    assert frame["mean"]["slope[activity]"] == pytest.approx(0.4, abs=0.06)
    assert frame["sd"]["slope[activity]"] == pytest.approx(0.5, abs=0.04)
    alone = fit(table, dose_method="image")
    assert alone.n_patients == 1250
    risk = alone.predict({}, dose_method="blood", marrow_dose_gy=0.3)
    assert any("no patient of this table has a dose by the method blood" in n for n in risk.notes)
    known = alone.predict({}, dose_method="image", marrow_dose_gy=7.0)
    assert not any("no patient" in note for note in known.notes)
    width = (risk.upper - risk.lower)[0, 0]
    assert width > 2 * (known.upper - known.lower)[0, 0]


def test_the_posterior_without_centres_is_ridge_regression():
    """A single method, known covariates and hardly any spread: the mode is penalised least loss."""
    priors = PRIORS.widened(1.0)
    table = cohort(np.random.default_rng(5), 400, TRUTH, priors, n_centres=1)
    regression = fit(table, n_draws=50).regression
    posterior = regression.posterior(table)
    x, y = posterior.design.columns, posterior.design.level
    mean, covariance = priors.subset(regression.coefficients)

    def loss(beta):
        eta = x @ beta
        off = (beta - mean) / np.sqrt(np.diag(covariance))
        return float(np.logaddexp(0, eta).sum() - y @ eta + 0.5 * off @ off)

    best = optimize.minimize(loss, mean, tol=1e-9).x
    from radiobio.dose_toxicity.laplace import approximate

    mode = approximate(posterior).mode[0][: len(mean)]  # of the smallest spread, SD 0.0006
    assert np.allclose(mode, best, atol=2e-4)


def test_twenty_patients_leave_the_priors_as_they_are_and_three_hundred_do_not():
    ratio = {}
    for n in (20, 320):
        table = cohort(np.random.default_rng(11), n, TRUTH, PRIORS)
        frame = fit(table).to_frame()
        names = [n for n in PRIORS.names if n in frame.index and "[" not in n] + ["slope[image]"]
        ratio[n] = float((frame.sd / frame.prior_sd)[names].mean())
    assert ratio[20] > 0.8  # the data hardly narrow any prior
    assert ratio[320] < 0.65


@pytest.mark.parametrize("model", ["logistic", "ordinal"])
def test_updating_agrees_with_a_fit_of_all_data(model):
    """Normal approximation between: means to 0.3 and SDs to 20 % of the posterior SDs."""
    rng = np.random.default_rng(21)
    first = cohort(rng, 150, TRUTH, PRIORS, methods=("image", "blood"), prefix="a")
    second = cohort(rng, 150, TRUTH, PRIORS, methods=("image", "blood"), prefix="b")
    options = {"model": model, "n_draws": 2000}
    one = fit(first, **options)
    step = fit(second, priors=one.as_priors(), **options).to_frame()
    whole = fit(join_cohorts(first, second), **options).to_frame()
    names = [name for name in whole.index if name != "log_sd_centre"]
    off = (step["mean"] - whole["mean"])[names] / whole["sd"][names]
    assert off.abs().max() < 0.3
    assert (step.sd / whole.sd)[names].between(0.8, 1.2).all()
    moved = (one.to_frame()["mean"] - whole["mean"])[names] / whole["sd"][names]
    assert moved.abs().max() > 0.6  # what the second half adds is larger than that


def test_an_update_keeps_what_the_first_cohort_did_not_know():
    table = cohort_of_frame(
        cohort_frame(np.random.default_rng(3), 60, TRUTH, PRIORS).drop(columns="prior_ra223")
    )
    result = fit(table)
    assert "prior_ra223" not in result.regression.covariates
    assert any("prior_ra223" in text for text in result.assumptions)
    later = result.as_priors()
    k = later.index("prior_ra223")
    assert later.mean[k] == pytest.approx(0.0, abs=0.1)
    assert later.covariance[k, k] == pytest.approx(1.0, abs=0.2)
    assert later.index("log_gap[2]") >= 0  # of the ordinal model: as it was
    assert later.sources[later.index("slope[image]")].startswith("UPDATED by 60 patients")
    again = fit(table, priors=later, seed=2)
    assert again.regression.old_centres == ("C0", "C1", "C2")
    assert again.regression.new_centres == ()


def test_missing_covariates_are_summed_over_and_nobody_is_dropped():
    rng = np.random.default_rng(31)
    frame = cohort_frame(rng, 400, TRUTH, PRIORS)
    full = fit(cohort_of_frame(frame)).to_frame()
    hole = frame.copy()
    mask = rng.random(400) < 0.6
    hole.loc[mask, "prior_taxane"] = np.nan
    result = fit(cohort_of_frame(hole))
    assert result.n_patients == 400
    assert any(f"prior_taxane is missing at random in {mask.sum()} of 400" in t
               for t in result.assumptions)  # fmt: skip
    part = result.to_frame()
    assert part["sd"]["prior_taxane"] > 1.2 * full["sd"]["prior_taxane"]
    assert part["sd"]["bone_diffuse"] == pytest.approx(full["sd"]["bone_diffuse"], rel=0.15)


def test_order_of_rows_does_not_matter_and_a_seed_repeats():
    table = cohort(np.random.default_rng(7), 80, TRUTH, PRIORS, missing=0.1)
    first, again = fit(table), fit(table)
    assert np.array_equal(first.draws, again.draws)
    frame = table.to_frame()
    other = fit(cohort_of_frame(frame.iloc[::-1].reset_index(drop=True)))
    assert other.log_evidence == pytest.approx(first.log_evidence, abs=1e-6)


def test_summary_and_dict_say_what_was_done():
    table = cohort(np.random.default_rng(7), 60, TRUTH, PRIORS)
    result = fit(table)
    events = int((table.worst_grade >= 3).sum())
    assert f"{events} events in 60 patients (laplace)" in str(result)
    assert result.to_dict()["n_events"] == events
    with pytest.raises(RadiobioError, match="no coefficient 'x'"):
        result.coefficient("x")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"model": "probit"}, "legal: logistic, ordinal"), ({"method": "exact"}, "mcmc, laplace"),
     ({"outcome": "platelets"}, "no row of lineage"), ({"n_draws": 0}, "n_draws"),
     ({"priors": published_priors("platelets")}, "the priors are for platelets"),
     ({"priors": PRIORS, "grade": 2}, "of grade 2"),
     ({"dose_method": "planar"}, "dose_method 'planar'"),
     ({"method": "mcmc", "sampler": "gibbs"}, "sampler 'gibbs'")],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(options, message):
    table = cohort(np.random.default_rng(7), 20, TRUTH, PRIORS)
    with pytest.raises(RadiobioError, match=message):
        fit(table, **options)


def test_a_method_without_priors_is_refused_with_a_way_out():
    frame = cohort_frame(np.random.default_rng(7), 20, TRUTH, PRIORS)
    table = cohort_of_frame(frame.assign(dose_method="MC"))
    with pytest.raises(RadiobioError, match=r"add one with priors\.with_method"):
        fit(table)
    result = fit(table, priors=PRIORS.with_method("MC", reference_dose_gy=2.5))
    assert "slope[MC]" in result.names


def test_no_event_and_all_events_still_have_a_posterior():
    frame = cohort_frame(np.random.default_rng(7), 40, TRUTH, PRIORS)
    for grade in (0, 4):
        result = fit(cohort_of_frame(frame.assign(worst_grade=grade)), model="ordinal")
        assert np.isfinite(result.draws).all()
        assert result.n_events == (40 if grade else 0)
