"""Markov chains: against the fast approximation, and against PyMC's own distributions."""

import numpy as np
import pytest

from radiobio.dose_toxicity import fit_dose_toxicity, load_fit, published_priors, save_fit
from radiobio.errors import RadiobioError
from tests.radiobio.dose_toxicity.simulated import cohort

PRIORS = published_priors("any")
TRUTH = {**dict(zip(PRIORS.names, PRIORS.mean, strict=True)), "centre[C0]": 0.5}
QUICK = {"n_draws": 350, "n_tune": 150, "n_chains": 2, "cores": 1, "sampler": "pymc",
         "target_accept": 0.9}  # fmt: skip


def agree(first, second, *, mean, sd):
    """Means to a share of the SD, SDs to a factor."""
    one, two = first.to_frame(), second.to_frame()
    names = [name for name in one.index if name != "log_sd_centre"]
    off = ((one["mean"] - two["mean"]) / two["sd"])[names].abs()
    assert off.max() < mean, off.idxmax()
    ratio = (one["sd"] / two["sd"])[names]
    assert ratio.between(1 - sd, 1 + sd).all()


@pytest.fixture(scope="module")
def table():
    return cohort(np.random.default_rng(4), 90, TRUTH, PRIORS, methods=("image", "blood"))


@pytest.fixture(scope="module")
def chains(table):
    return fit_dose_toxicity(table, outcome="any", rng=np.random.default_rng(1), **QUICK)


def test_chains_and_approximation_agree(table, chains):
    """Both have Monte Carlo errors: about 0.04 and 0.02 of an SD."""
    assert "divergent" not in chains.status
    assert max(row["r_hat"] for row in chains.diagnostics.values()) < 1.03
    fast = fit_dose_toxicity(table, outcome="any", method="laplace", rng=np.random.default_rng(2))
    agree(fast, chains, mean=0.2, sd=0.2)
    risks = [f.predict({}, dose_method="image", marrow_dose_gy=12.0) for f in (fast, chains)]
    assert risks[0].mean[0, 0] == pytest.approx(risks[1].mean[0, 0], abs=0.02)
    assert risks[0].upper[0, 0] == pytest.approx(risks[1].upper[0, 0], abs=0.05)


def test_a_saved_fit_predicts_the_same(chains, tmp_path):
    place = tmp_path / "fit.nc"
    save_fit(chains, place)
    again = load_fit(place)
    assert np.array_equal(again.draws, chains.draws)
    patient = {"bone_metastases": "diffuse", "age_years": 72}
    one, two = (
        f.predict(patient, dose_method="blood", marrow_dose_gy=0.3) for f in (chains, again)
    )
    assert np.array_equal(one.probability, two.probability)
    assert one.notes == two.notes
    assert again.to_frame().equals(chains.to_frame())
    assert again.as_priors().names == chains.as_priors().names
    assert again.assumptions == chains.assumptions


def test_another_file_is_no_fit(tmp_path):
    place = tmp_path / "fit.nc"
    place.write_text("something else")
    with pytest.raises(RadiobioError, match="no fit written by save_fit"):
        load_fit(place)
    with pytest.raises(RadiobioError, match="no fit written by save_fit"):
        load_fit(tmp_path / "absent.nc")


@pytest.mark.slow
def test_ordinal_chains_and_approximation_agree():
    table = cohort(np.random.default_rng(6), 150, TRUTH, PRIORS, missing=0.15)
    options = {"outcome": "any", "model": "ordinal"}
    chains = fit_dose_toxicity(
        table,
        rng=np.random.default_rng(1),
        n_draws=1500,
        n_tune=500,
        n_chains=2,
        cores=1,
        **options,
    )
    fast = fit_dose_toxicity(table, method="laplace", rng=np.random.default_rng(2), **options)
    assert chains.status == "ok"
    agree(fast, chains, mean=0.12, sd=0.12)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["logistic", "ordinal"])
@pytest.mark.filterwarnings("ignore")
def test_the_posterior_is_that_of_pymc_distributions(model):
    """The model once more in PyMC's own words: no code is shared but the table's columns."""
    pm = pytest.importorskip("pymc")
    import pytensor.tensor as pt

    table = cohort(np.random.default_rng(12), 120, TRUTH, PRIORS)
    ours = fit_dose_toxicity(
        table, outcome="any", model=model, method="laplace", n_draws=2000,
        rng=np.random.default_rng(2))  # fmt: skip
    names = ours.regression.coefficients
    x, _, _ = ours.regression.columns(
        table.dose_method, table.exposure, table.covariates, table.centre
    )
    mean, covariance = PRIORS.subset(names)
    centre = np.array([int(name[1:]) for name in table.centre])
    with pm.Model():
        beta = pm.Normal("beta", mean, np.sqrt(np.diag(covariance)))
        tau = pm.HalfNormal("tau", 0.5)
        z = pm.Normal("z", shape=3)
        eta = pm.math.dot(x, beta) + tau * z[centre]
        if model == "logistic":
            pm.Bernoulli("y", logit_p=eta, observed=(table.worst_grade >= 3).astype(int))
        else:
            g = pm.Normal("g", 0.4, 0.5, shape=3)
            w = pt.exp(g)
            cuts = pt.stack([-w[0] - w[1], -w[1], pt.zeros(()), w[2]])
            pm.OrderedLogistic("y", eta=eta, cutpoints=cuts, observed=table.worst_grade)
        idata = pm.sample(
            1500, tune=800, chains=2, cores=1, random_seed=3, progressbar=False, target_accept=0.9
        )
    theirs = idata["posterior"]["beta"].values.reshape(-1, len(names))
    own = ours.flat[:, : len(names)]
    assert np.abs((own.mean(0) - theirs.mean(0)) / theirs.std(0)).max() < 0.12
    assert np.abs(own.std(0) / theirs.std(0) - 1).max() < 0.12
    spread = idata["posterior"]["tau"].values.ravel()
    assert np.exp(ours.coefficient("log_sd_centre")).mean() == pytest.approx(
        spread.mean(), rel=0.12
    )
