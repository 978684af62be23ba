"""Residuals against NONMEM's and an independent dense calculation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from scipy.stats import norm

from kinetics.diagnostics import binned_median, npde, residual_table
from kinetics.estimation import fit_population
from kinetics.population import Parameter, PopulationModel

REFERENCE = Path(__file__).parents[2] / "reference" / "nonmem_cwres_pheno.csv"
WEIGHTED = ["wres", "iwres", "cwres", "cwresi"]


def test_nonmem_table_of_phenobarbital(phenobarbital_at_nonmem):
    nonmem = pd.read_csv(REFERENCE)
    table = residual_table(phenobarbital_at_nonmem).head(len(nonmem))
    assert phenobarbital_at_nonmem.objective == pytest.approx(586.27606, abs=1e-5)
    assert list(table["time_h"]) == list(nonmem["time_h"])
    for ours, theirs, tolerance in (
        ("pred", "pred", 1e-3), ("ipred", "ipred", 1e-3), ("res", "res", 1e-3),
        ("cwresi", "cwres", 1.5e-4),
    ):  # a unit of the last digit, estimates have six  # fmt: skip
        assert np.abs(table[ours].to_numpy() - nonmem[theirs].to_numpy()).max() < tolerance


def test_nonmem_npde_of_phenobarbital(phenobarbital_at_nonmem):
    # NONMEM's NPDE are those of 300 simulations (its probabilities are multiples of 1/300)
    nonmem = pd.read_csv(REFERENCE)["npde"]
    table = npde(
        phenobarbital_at_nonmem, rng=np.random.default_rng(1), n_simulations=4000,
        decorrelation="symmetric",
    ).head(len(nonmem))  # fmt: skip
    assert np.corrcoef(table["npde"], nonmem)[0, 1] > 0.99
    ours, theirs = norm.cdf(table["npde"]), norm.cdf(nonmem)
    noise = np.sqrt(theirs * (1 - theirs) / 300) + 1 / 300
    assert (np.abs(ours - theirs) < 4.0 * noise).all()


def dense_cwres(fit, subject, *, logarithmic, kinds):
    """CWRES of one subject by finite differences of scalar predictions and scipy's matrix root."""
    structure, values, data = fit.model.structure, fit.model.values, fit.problem.data
    i = data.subjects.index(subject)
    occasions = np.flatnonzero(data.occasion_subject == i)
    effects = fit.evaluation.effects[i]
    random, varying = fit.model.random, fit.model.varying

    def predict(eta):
        out = []
        for k, o in enumerate(occasions):
            a, b = data.observation_start[o : o + 2]
            parameter = {name: values[name] for name in fit.model.parameters}
            for e, name in enumerate(random):
                parameter[name] *= np.exp(eta[e])
            for e, name in enumerate(varying):
                parameter[name] *= np.exp(eta[len(random) + k * len(varying) + e])
            doses = data.doses[data.dose_start[o] : data.dose_start[o + 1]]
            out.append(structure(parameter, data.time_h[a:b], doses=doses))
        f = np.concatenate(out)
        return np.log(f) if logarithmic else f

    rows = np.flatnonzero(data.occasion_subject[np.repeat(
        np.arange(len(data.occasion_subject)), np.diff(data.observation_start))] == i)  # fmt: skip
    kept = ~data.below_limit[rows]
    step = 1e-5
    jacobian = np.column_stack(
        [(predict(effects + h) - predict(effects - h)) / (2 * step)
         for h in step * np.eye(len(effects))]
    )[kept]  # fmt: skip
    sds = [values[f"sd_{name}"] for name in random]
    sds += [values[f"cycle_sd_{name}"] for name in varying] * len(occasions)
    y = np.log(data.value[rows]) if logarithmic else data.value[rows]
    out = {}
    for name, eta in kinds.items():
        f = predict(eta(effects))[kept]
        g = np.full(len(f), values.get("lognormal_blood", np.nan))
        if not logarithmic:
            g = values["proportional_blood"] * f
        covariance = jacobian @ np.diag(np.square(sds)) @ jacobian.T + np.diag(g**2)
        expected = predict(effects)[kept] - jacobian @ effects
        out[name] = np.linalg.solve(sqrtm(covariance).real, y[kept] - expected)
    return out


KINDS = {"cwres": np.zeros_like, "cwresi": lambda eta: eta}


def test_dense_twin_proportional(simulated_fit):
    table = residual_table(simulated_fit)
    for subject in ("s0", "s7"):
        twin = dense_cwres(simulated_fit, subject, logarithmic=False, kinds=KINDS)
        for name, expected in twin.items():
            got = table.loc[table["subject"] == subject, name]
            assert got.to_numpy() == pytest.approx(expected, abs=2e-6)


def test_dense_twin_lognormal_with_occasions_and_a_limit(censored_fit):
    table = residual_table(censored_fit)
    assert table["below_limit"].any()
    subject = table.loc[table["below_limit"], "subject"].iloc[0]
    twin = dense_cwres(censored_fit, subject, logarithmic=True, kinds=KINDS)
    rows = table[(table["subject"] == subject) & ~table["below_limit"]]
    for name, expected in twin.items():
        assert rows[name].to_numpy() == pytest.approx(expected, abs=2e-6)
    assert table.loc[table["below_limit"], WEIGHTED].isna().all(axis=None)
    assert table.loc[~table["below_limit"], WEIGHTED].notna().all(axis=None)
    assert rows["res"].to_numpy() == pytest.approx(np.log(rows["value"] / rows["pred"]))


def test_without_random_effects_all_weighted_residuals_agree(one_subject):
    table = residual_table(one_subject)
    for name in ("wres", "cwres", "cwresi"):
        assert table[name].to_numpy() == pytest.approx(table["iwres"].to_numpy())


def test_all_below_the_limit(everything_censored):
    table = residual_table(everything_censored)
    assert table[WEIGHTED].isna().all(axis=None)
    assert np.isfinite(table["ipred"]).all()


def test_a_fit_without_objective_says_so(simulated_fit, make_model):
    from dataclasses import replace

    data = simulated_fit.problem.data
    late = replace(data, time_h=data.time_h * 1e5)  # predictions vanish
    broken = PopulationModel(
        make_model().structure, {"cl": Parameter(2.0, sd=0.3), "v": Parameter(20.0)},
        make_model().residual,
    )  # fmt: skip
    fit = fit_population(broken, late, covariance=None)
    with pytest.raises(ValueError, match="cannot be diagnosed"):
        residual_table(fit)


def test_binned_median():
    x = np.arange(40.0)
    line = binned_median(x, 2.0 * x, bins=4)
    assert line["y"].to_numpy() == pytest.approx(2.0 * line["x"].to_numpy())
    assert line["n"].tolist() == [10, 10, 10, 10]
    assert not len(binned_median(np.zeros(0), np.zeros(0)))
