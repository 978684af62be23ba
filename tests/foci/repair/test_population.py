"""Population repair: the compiled structure, its likelihood, recovery of a simulated study."""

import numpy as np
import pandas as pd
import pytest
from numpy.polynomial.hermite import hermgauss
from scipy.optimize import minimize
from scipy.special import gammaln

from foci import FociError
from foci.repair.population import (
    fit_repair_population,
    population_data,
    repair_structure,
)
from foci.repair.table import foci_table
from kinetics import SumOfExponentials
from kinetics.structures import dose_table
from radiobio import foci_per_cell

# the design of Schumann et al. 2024: 18 patients, 9 samples to 168 h; here with a baseline
TIMES = np.array([-1.0, 0.5, 1, 2, 4, 8, 24, 48, 96, 168])
TYPICAL = np.array([16.0, 0.15, 0.4])  # induction, background, rate
SPREAD = np.array([0.25, 0.3, 0.6])
NAMES = ("induction_per_gy", "background_per_cell", "repair_rate_per_h")
BLOOD = SumOfExponentials([0.03, 0.003], [0.5, 0.03])


def mean_foci(values, curve, slow=None):
    induction, background, rate = values
    repair = (rate, 1.0) if slow is None else ([rate, slow], [0.9, 0.1])
    excess = foci_per_cell(
        curve,
        np.maximum(TIMES, 0),
        induction_per_gy=induction,
        repair_rate_per_h=repair[0],
        fraction=repair[1],
    )
    return background + np.where(TIMES < 0, 0.0, excess)


def study(seed, *, patients=18, cells=300, slow=None, dispersion=1.0):
    rng = np.random.default_rng(seed)
    rows, curves, truth = [], {}, []
    for p in range(patients):
        own = TYPICAL * np.exp(SPREAD * rng.standard_normal(3))
        curve = SumOfExponentials(
            BLOOD.amplitude * np.exp(0.3 * rng.standard_normal()),
            BLOOD.rate_per_h * np.exp(0.15 * rng.standard_normal()),
        )
        mean = cells * mean_foci(own, curve, slow)
        if dispersion == 1:
            foci = rng.poisson(mean)
        else:
            foci = rng.negative_binomial(mean / (dispersion - 1), 1 / dispersion)
        name = f"P{p:02d}"
        curves[name] = curve
        truth.append(own)
        rows += [(name, t, cells, x) for t, x in zip(TIMES, foci, strict=True)]
    table = pd.DataFrame(rows, columns=["patient", "time_h", "cells", "foci"])
    return table, curves, np.array(truth)


# --- structure ------------------------------------------------------------------------------


@pytest.mark.parametrize("pools", [1, 2])
def test_the_structure_is_the_root_of_foci_per_cell(pools):
    # a rate that meets one of the dose rate's, and others on both sides of it
    decay = np.array([0.5, 0.03, 0.9])
    amplitude = np.array([0.03, 0.003, -0.01])
    doses = dose_table(amount=amplitude, rate=decay)
    time = np.array([0.0, 0.01, 0.3, 2.0, 24.0, 168.0, 2000.0])
    for rate in (0.5, 0.5 * (1 + 1e-9), 0.03, 0.002, 4.0):
        values = {"induction_per_gy": 16.0, "background_per_cell": 0.15}
        if pools == 1:
            values |= {"repair_rate_per_h": rate}
            rates, shares = rate, 1.0
        else:
            values |= {"fast_rate_per_h": rate, "slow_rate_per_h": 0.02, "fast_fraction": 0.8}
            rates, shares = [rate, 0.02], [0.8, 0.2]
        got = repair_structure(pools)(values, time, doses=doses)
        expected = foci_per_cell(
            SumOfExponentials(amplitude, decay), time, induction_per_gy=16.0,
            repair_rate_per_h=rates, fraction=shares, background_per_cell=0.15,
        )  # fmt: skip
        np.testing.assert_allclose(got**2 / 4, expected, rtol=1e-11)


@pytest.mark.parametrize("pools", [1, 2])
def test_the_structure_s_derivatives(pools):
    structure = repair_structure(pools)
    doses = dose_table(time_h=[0.0, 0.0, 10.0], amount=[0.03, 0.003, 0.02], rate=[0.5, 0.03, 0.2])
    rows = np.column_stack([[0.0, 0.3, 5.0, 12.0, 100.0], np.zeros(5)])
    parameter = np.array([16.0, 0.15, 0.48] if pools == 1 else [16.0, 0.15, 0.48, 0.0301, 0.8])
    value, jacobian = np.empty(5), np.empty((5, len(parameter)))
    structure.predict(parameter, rows, doses, value, jacobian)
    for j in range(len(parameter)):
        ends = []
        for sign in (1, -1):
            moved, other = parameter.copy(), np.empty((5, len(parameter)))
            moved[j] *= 1 + sign * 1e-5
            end = np.empty(5)
            structure.predict(moved, rows, doses, end, other)
            ends.append(end)
        numeric = (ends[0] - ends[1]) / (2e-5 * parameter[j])
        np.testing.assert_allclose(jacobian[:, j], numeric, rtol=1e-6, atol=1e-9)


def test_a_stopped_irradiation_is_two_terms():
    # constant 0.05 Gy/h for an hour: a step up and a step down of a rate that does not decay
    doses = dose_table(time_h=[0.0, 1.0], amount=[0.05, -0.05], rate=0.0)
    values = {"induction_per_gy": 16.0, "background_per_cell": 0.1, "repair_rate_per_h": 0.25}
    got = repair_structure(1)(values, [1.0, 5.0], doses=doses) ** 2 / 4
    at_end = 0.1 + 16.0 * 0.05 * (1 - np.exp(-0.25)) / 0.25
    np.testing.assert_allclose(got, [at_end, 0.1 + (at_end - 0.1) * np.exp(-1.0)], rtol=1e-12)


def test_root_transform_has_the_mean_and_variance_it_is_given():
    for expected, tolerance in ((3.0, 0.05), (10.0, 0.02), (100.0, 0.002)):
        x = np.arange(400)
        p = np.exp(x * np.log(expected) - expected - gammaln(x + 1))
        root = 2 * np.sqrt(x + 0.25)
        mean = p @ root
        assert mean == pytest.approx(2 * np.sqrt(expected), rel=tolerance / 4)
        assert p @ (root - mean) ** 2 == pytest.approx(1.0, abs=4 * tolerance)


# --- fits -----------------------------------------------------------------------------------


def poisson_marginal(table, curves, fit, nodes=7):
    """Maximum of the exact Poisson marginal likelihood by adaptive Gauss-Hermite quadrature.

    Nodes lie about the engine's modes; log typical values, then log standard deviations.
    """
    model, evaluation = fit.model, fit.evaluation
    centre = np.log([model.parameters[name].value for name in NAMES])
    z, w = hermgauss(nodes)
    grid = np.stack(np.meshgrid(z, z, z, indexing="ij")).reshape(3, -1).T
    weight = np.log(np.stack(np.meshgrid(w, w, w, indexing="ij"))).reshape(3, -1).sum(0)
    points, terms = [], []
    for i, patient in enumerate(fit.problem.data.subjects):
        rows = table[table["patient"] == patient]
        time, n, x = (rows[c].to_numpy(dtype=float) for c in ("time_h", "cells", "foci"))
        factor = np.linalg.cholesky(np.linalg.inv(evaluation.hessian[i]))
        psi = centre + evaluation.effects[i] + np.sqrt(2) * grid @ factor.T
        induction, background, rate = np.exp(psi).T
        unit = np.where(time < 0, 0, curves[patient][None].convolved(rate, np.maximum(time, 0)))
        mean = n * (background[:, None] + induction[:, None] * unit)
        counts = (x * np.log(mean) - mean - gammaln(x + 1)).sum(-1)
        points.append(psi)
        terms.append(counts + weight + (grid**2).sum(-1) + np.log(np.linalg.det(factor)))
    points, terms = np.array(points), np.array(terms)

    def minus(v):
        sd = np.exp(v[3:])
        prior = (((points - v[:3]) / sd) ** 2).sum(-1) / 2 + np.log(sd).sum()
        return -np.logaddexp.reduce(terms - prior, axis=1).sum()

    start = np.concatenate([centre, np.log([model.parameters[name].sd for name in NAMES])])
    found = minimize(minus, start, method="BFGS")
    return start, found.x, np.sqrt(np.diag(found.hess_inv))


@pytest.mark.parametrize(("cells", "within"), [(100, 0.2), (300, 0.15)])
def test_the_engine_agrees_with_the_exact_poisson_likelihood(cells, within):
    table, curves, _ = study(3, cells=cells)
    fit = fit_repair_population(table, curves, dispersion=1.0).fit
    engine, exact, se = poisson_marginal(table, curves, fit)
    assert (np.abs(engine - exact) < within * se).all(), (engine - exact) / se


def test_a_study_is_recovered():
    table, curves, truth = study(4)
    result = fit_repair_population(table, curves)
    assert result.status == "ok"
    frame = result.to_frame(level=0.999)
    expected = dict(zip((*NAMES, *(f"sd_{n}" for n in NAMES)), (*TYPICAL, *SPREAD), strict=True))
    for name, value in expected.items():
        assert frame.loc[name, "lower"] < value < frame.loc[name, "upper"], name
    assert result.dispersion == pytest.approx(1.0, abs=0.4)
    own = result.individuals().pivot_table("value", "patient", "parameter")
    for j, name in enumerate(NAMES):
        assert np.corrcoef(np.log(own[name]), np.log(truth[:, j]))[0, 1] > 0.85
    assert (result.shrinkage()[[f"eta_{n}" for n in NAMES]] < 30).all()
    words = result.to_dict()
    assert len(words["individuals"]) == 54
    assert any("normal square roots" in text for text in words["assumptions"])


def test_individual_spread_is_that_of_the_posterior():
    # a patient alone, population known: brute force on a grid of two parameters
    table, curves, _ = study(5)
    result = fit_repair_population(table, curves, dispersion=1.0)
    model = result.fit.model
    patient = "P03"
    rows = table[table["patient"] == patient]
    typical = np.array([model.parameters[n].value for n in NAMES])
    sd = np.array([model.parameters[n].sd for n in NAMES])
    rng = np.random.default_rng(1)
    found = result.individuals().set_index(["patient", "parameter"]).loc[patient]
    centre = np.log(found.loc[list(NAMES), "value"].to_numpy())
    scale = found.loc[list(NAMES), "log_sd"].to_numpy()
    psi = centre + 1.3 * scale * rng.standard_t(8, (100_000, 3))
    weight = -(((psi - np.log(typical)) / sd) ** 2).sum(-1) / 2
    weight += 4.5 * np.log(1 + ((psi - centre) / (1.3 * scale)) ** 2 / 8).sum(-1)
    induction, background, rate = np.exp(psi).T
    time = rows["time_h"].to_numpy()
    unit = np.where(time < 0, 0, curves[patient][None].convolved(rate, np.maximum(time, 0)))
    mean = rows["cells"].to_numpy() * (background[:, None] + induction[:, None] * unit)
    weight += (rows["foci"].to_numpy() * np.log(mean) - mean).sum(-1)
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    average = weight @ psi
    spread = np.sqrt(weight @ (psi - average) ** 2)
    np.testing.assert_allclose(scale, spread, rtol=0.12)
    assert (np.abs(centre - average) < 0.25 * spread).all()


def test_two_pools_are_chosen_where_the_counts_show_them():
    one, two = (
        fit_repair_population(*study(6, slow=slow)[:2], pools="auto") for slow in (None, 0.02)
    )
    assert (one.pools, two.pools) == (1, 2)
    assert "one repair rate is enough" in one.comparison
    assert "two repair rates are better" in two.comparison
    frame = two.to_frame(level=0.999)
    for name, value in (("slow_rate_per_h", 0.02), ("fast_fraction", 0.9)):
        assert frame.loc[name, "lower"] < value < frame.loc[name, "upper"]


def test_overdispersion_is_estimated():
    table, curves, _ = study(7, dispersion=2.0)
    result = fit_repair_population(table, curves, correlated=True)
    assert result.dispersion == pytest.approx(2.0, rel=0.35)
    assert "corr_induction_per_gy_repair_rate_per_h" in result.to_frame().index


def test_few_foci_are_named():
    table, curves, _ = study(8, cells=12)
    result = fit_repair_population(table, curves, dispersion=1.0)
    assert "expect fewer than 3 foci" in result.status


def test_rows_may_come_in_any_order_and_cycles_are_occasions():
    table, curves, _ = study(9, patients=6)
    shuffled = table.sample(frac=1.0, random_state=1)
    data, other = (population_data(foci_table(t, curves)) for t in (table, shuffled))
    assert set(other.subjects) == set(data.subjects)
    for name in data.subjects:
        a, b = data.subjects.index(name), other.subjects.index(name)
        rows = [d.value[d.observation_start[k] : d.observation_start[k + 1]]
                for d, k in ((data, a), (other, b))]  # fmt: skip
        np.testing.assert_array_equal(*rows)
    second = table.assign(cycle=2)
    both = pd.concat([table.assign(cycle=1), second])
    by_cycle = {(p, c): curve for p, curve in curves.items() for c in (1, 2)}
    result = fit_repair_population(both, by_cycle, dispersion=1.0)
    assert any("repaired before the next" in words for words in result.assumptions)
    assert len(result.fit.problem.data.occasion_label) == 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"foci": 1.5}, "row 3, column foci: 1.5"),
        ({"foci": -1}, "column foci"),
        ({"cells": 0}, "column cells"),
        ({"time_h": "soon"}, "row 3, column time_h: 'soon'"),
        ({"cycle": 0}, "column cycle"),
        ({"patient": "stranger"}, "no dose rate for 'stranger'"),
    ],
)
def test_cells_that_are_not_legal(change, words):
    table, curves, _ = study(1, patients=2)
    table = table.astype(object)
    if "cycle" in change:
        table["cycle"] = 1
    for name, value in change.items():
        table.loc[3, name] = value
    with pytest.raises(FociError, match=words):
        fit_repair_population(table, curves)


def test_what_is_not_legal():
    table, curves, _ = study(1, patients=2)
    with pytest.raises(FociError, match="lacks the column cells"):
        fit_repair_population(table.drop(columns="cells"), curves)
    with pytest.raises(FociError, match="no rows"):
        fit_repair_population(table[:0], curves)
    with pytest.raises(FociError, match="pools"):
        fit_repair_population(table, curves, pools=3)
    with pytest.raises(FociError, match="dispersion"):
        fit_repair_population(table, curves, dispersion=0.2)
    with pytest.raises(FociError, match="start names rate"):
        fit_repair_population(table, curves, start={"rate": 0.1})
    with pytest.raises(FociError, match="method"):
        fit_repair_population(table, curves, method="guess")
    draws = {name: SumOfExponentials(np.ones((3, 1)), [0.1]) for name in curves}
    with pytest.raises(FociError, match="single curve"):
        fit_repair_population(table, draws)


def test_too_little_for_a_start_still_fits_or_says_why():
    table, curves, _ = study(2)
    few = table[table["time_h"].isin([-1.0, 2.0, 24.0])]
    result = fit_repair_population(few, curves, dispersion=1.0)
    assert result.to_frame().loc["induction_per_gy", "value"] == pytest.approx(16.0, rel=0.4)


@pytest.mark.slow
def test_recovery_over_many_studies():
    ratios, hits, own, covered = [], np.zeros(6), [], []
    truth = np.concatenate([TYPICAL, SPREAD])
    rows = [*NAMES, *(f"sd_{n}" for n in NAMES)]
    n = 60
    for seed in range(n):
        table, curves, individual = study(100 + seed)
        result = fit_repair_population(table, curves)
        frame = result.to_frame().loc[rows]
        ratios.append(frame["value"].to_numpy() / truth)
        hits += (frame["lower"].to_numpy() < truth) & (frame["upper"].to_numpy() > truth)
        each = result.individuals().pivot_table(index="patient", columns="parameter")
        for j, name in enumerate(NAMES):
            lower, upper = (each[end][name].to_numpy() for end in ("lower", "upper"))
            covered.append(((lower < individual[:, j]) & (individual[:, j] < upper)).mean())
            own.append(np.log(each["value"][name].to_numpy() / individual[:, j]))
    bias = np.mean(ratios, axis=0) - 1
    error = np.std(ratios, axis=0) / np.sqrt(n)
    # typical values without bias; standard deviations by maximum likelihood from 18 patients are
    # low by some per cent
    assert (np.abs(bias[:3]) < 4 * error[:3] + 0.01).all(), bias
    assert ((bias[3:] > -0.15) & (bias[3:] < 0.05)).all(), bias
    assert (hits / n > 0.84).all(), hits / n
    assert np.mean(covered) == pytest.approx(0.93, abs=0.03)
    rmse = np.sqrt(np.mean(np.reshape(own, (n, 3, -1)) ** 2, axis=(0, 2)))
    assert (rmse < [0.12, 0.09, 0.19]).all(), rmse
