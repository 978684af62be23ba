"""Simulation-based calibration, and coverage of intervals at the size of real cohorts."""

import numpy as np
import pytest
from scipy import stats

from radiobio.dose_toxicity import fit_dose_toxicity, published_priors
from tests.radiobio.dose_toxicity.simulated import cohort, prior_draw

PRIORS = published_priors("any")
CHECKED = ("intercept[image]", "slope[image]", "baseline_log", "bone_diffuse", "prior_taxane",
           "log_sd_centre", "centre[C0]")  # fmt: skip


def ranks(n_cohorts, n, *, model, seed, missing=0.0):
    """Share of posterior draws below the truth, truths drawn from the priors."""
    rng, names = np.random.default_rng(seed), CHECKED
    if model == "ordinal":
        names = (*CHECKED, "log_gap[1]", "log_gap[3]")
    out = np.empty((n_cohorts, len(names)))
    for i in range(n_cohorts):
        truth = prior_draw(rng, PRIORS)
        table = cohort(rng, n, truth, PRIORS, missing=missing)
        fit = fit_dose_toxicity(table, outcome="any", model=model, method="laplace",
                                n_draws=100, n_chains=4, rng=rng)  # fmt: skip
        out[i] = [(fit.coefficient(name) < truth[name]).mean() for name in names]
    return dict(zip(names, out.T, strict=True))


def assert_uniform(values, n_cohorts):
    """Kolmogorov-Smirnov, divided by the number of coefficients; small shares are ties."""
    for name, rank in values.items():
        p = stats.kstest(rank, "uniform").pvalue
        assert p > 0.01 / len(values), (name, p)


@pytest.mark.parametrize("model", ["logistic", "ordinal"])
def test_ranks_are_uniform(model):
    assert_uniform(ranks(60, 70, model=model, seed=1), 60)


def test_ranks_of_a_wrong_posterior_are_not_uniform():
    """The test can fail: truths shifted by two thirds of a prior SD are found."""
    values = ranks(60, 70, model="logistic", seed=1)
    shifted = {"slope[image]": np.clip(values["slope[image]"] + 0.25, 0.0, 1.0)}
    with pytest.raises(AssertionError):
        assert_uniform(shifted, 60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "missing"), [("logistic", 0.0), ("ordinal", 0.0), ("ordinal", 0.2)]
)
def test_ranks_are_uniform_in_many_cohorts(model, missing):
    assert_uniform(ranks(400, 70, model=model, seed=2, missing=missing), 400)


@pytest.mark.slow
@pytest.mark.parametrize("n", [70, 320])
def test_coverage_at_real_sizes_and_event_rates(n):
    """90 % intervals of the slope and of a patient's risk under one plausible truth."""
    truth = {**dict(zip(PRIORS.names, PRIORS.mean, strict=True)), "intercept[image]": -2.28,
             "centre[C0]": 0.3, "centre[C1]": -0.3, "prior_taxane": 0.8,
             "bone_diffuse": 1.0}  # fmt: skip
    patient = {"baseline_count": 130.0, "bone_metastases": "diffuse", "prior_taxane": 1,
               "prior_ra223": 0, "kidney_dysfunction": 0, "age_years": 75}  # fmt: skip
    mix, dose = PRIORS.mix, 9.0
    eta = truth["intercept[image]"] + truth["slope[image]"] * (dose / 7.6 - 1) + 0.3
    eta += truth["bone_diffuse"] * (1 - mix["bone_diffuse"]) - truth["bone_few"] * mix["bone_few"]
    eta += truth["prior_taxane"] * 0.5 + truth["age_over_70"] * 0.5
    eta -= truth["kidney_dysfunction"] * mix["kidney_dysfunction"]
    chance = 1 / (1 + np.exp(-eta))
    rng, inside, events = np.random.default_rng(n), [], []
    for _ in range(200):
        table = cohort(rng, n, truth, PRIORS)
        events.append((table.worst_grade >= 3).mean())
        fit = fit_dose_toxicity(table, outcome="any", method="laplace", n_draws=250, rng=rng)
        low, high = np.quantile(fit.coefficient("slope[image]"), [0.05, 0.95])
        risk = fit.predict(patient, dose_method="image", marrow_dose_gy=dose, centre="C0")
        inside.append(
            (low < truth["slope[image]"] < high,
             risk.lower[0, 0] < chance < risk.upper[0, 0])
        )  # fmt: skip
    assert 0.10 < np.mean(events) < 0.17
    slope, of_risk = np.mean(inside, axis=0)
    assert slope > 0.88  # truths at the middle of the priors are covered more often
    assert of_risk > 0.88
