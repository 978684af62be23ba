"""Doses from aberrations against biodosetools, scipy and simulation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from foci import CalibrationCurve, FociError
from foci.cytogenetics import (
    AberrationCounts,
    criticality_dose,
    mixed_poisson_doses,
    partial_body_dose,
    protracted_curve,
    whole_body_dose,
)
from radiobio import lea_catcheside_g_constant_rate

TABLE = pd.read_csv(Path(__file__).parents[2] / "reference" / "foci_biodosetools.csv")
CASES = {
    "partial1": (302, 28, 22, 8, 1),
    "partial2": (160, 55, 19, 17, 9, 4),
    "mixed1": (9, 24, 8, 15, 6),
    "mixed2": (1, 11, 11, 7, 6, 3, 2),
}


def covariance(sd, correlated):
    matrix = np.diag(np.square(sd))
    for (i, j), value in correlated.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


# Barquinero 1995, Poisson fit with identity link; neutrons of biodosetools' mixed module
GAMMA = CalibrationCurve(
    np.array([1.28031901e-3, 2.10387243e-2, 6.30325340e-2]),
    covariance(
        [4.7140e-4, 5.15761e-3, 4.00738e-3],
        {(0, 1): -9.948764e-7, (0, 2): 4.379821e-7, (1, 2): -1.510488e-5},
    ),
)
NEUTRON = CalibrationCurve(
    np.array([1.66593048e-3, 0.771878979]),
    covariance([4.10024e-4, 8.99694e-2], {(0, 1): -2.02650e-7}),
)


def counts(case):
    return AberrationCounts.from_distribution(CASES[case])


def published(method):
    chosen = TABLE[TABLE.method == method]
    return [pytest.param(row, id=f"{row.case}-{row.quantity}") for row in chosen.itertuples()]


def assert_row(row, lower, estimate, upper):
    assert (lower, estimate, upper) == pytest.approx(
        (row.lower, row.estimate, row.upper), abs=row.tolerance
    )


@pytest.mark.parametrize(
    ("method", "row"),
    [
        pytest.param(method, *row.values, id=f"{method}-{row.id}")
        for method in ("delta", "merkle", "merkle-dispersed")
        for row in published(method)
    ],
)
def test_whole_body_published(method, row):
    dose = whole_body_dose(counts(row.case), GAMMA, method=method)
    if row.quantity == "dose_gy":
        assert_row(row, dose.interval_gy[0], dose.dose_gy, dose.interval_gy[1])
    else:
        assert_row(row, dose.per_cell_interval[0], dose.per_cell, dose.per_cell_interval[1])


@pytest.mark.parametrize("row", published("dolphin"))
def test_partial_body_published(row):
    dose = partial_body_dose(counts(row.case), GAMMA)
    interval = getattr(dose, f"{row.quantity}_interval", dose.interval_gy)
    assert_row(row, interval[0], getattr(dose, row.quantity), interval[1])


@pytest.mark.parametrize("row", published("mixed"))
def test_mixed_poisson_published(row):
    mixed = mixed_poisson_doses(counts(row.case), GAMMA, lowest_per_cell=0.01)
    part = mixed.to_frame().iloc[int(row.quantity[-1]) - 1]
    name = row.quantity[:-2]
    assert_row(row, part[f"{name}_low"], part[name], part[f"{name}_high"])
    assert "bound" in mixed.status


def test_mixed_poisson_published_share():
    # 0.578 +- 0.127: there the dose of a yield at its bound of 0.01 is taken as zero for the
    # share, but not for its standard deviation
    mixed = mixed_poisson_doses(counts("partial1"), GAMMA, lowest_per_cell=0.01)
    f = mixed.scored_share
    share = f / (f + (1 - f) * np.exp(-mixed.dose_gy[0] / 2.7))
    assert share == pytest.approx(0.578, abs=5e-4)
    assert mixed.body_share_sd == pytest.approx(0.127, abs=5e-4)


@pytest.mark.parametrize("row", published("criticality"))
def test_criticality_published(row):
    dose = criticality_dose(counts(row.case), GAMMA, NEUTRON, gamma_to_neutron_ratio=1.78)
    part = dose.to_frame().loc[row.quantity]
    assert_row(row, part.dose_gy_low, part.dose_gy, part.dose_gy_high)


def test_criticality_is_the_fixed_point_of_the_manual_iteration():
    y, c, ratio = counts("mixed1").per_cell, (1.28031901e-3 + 1.66593048e-3) / 2, 1.78
    neutron = (y - c) / 0.771878979
    for _ in range(500):
        gamma = ratio * neutron
        rest = y - c - 2.10387243e-2 * gamma - 6.30325340e-2 * gamma**2
        neutron = 0.9 * neutron + 0.1 * rest / 0.771878979
    dose = criticality_dose(counts("mixed1"), GAMMA, NEUTRON, gamma_to_neutron_ratio=ratio)
    assert dose.neutron_gy == pytest.approx(neutron, rel=1e-9)
    assert dose.total_gy == pytest.approx(dose.gamma_gy + dose.neutron_gy)


def test_gamma_rays_of_the_neutron_beam_are_taken_out():
    # a neutron curve made of 40 % gamma rays gives back the doses of the pure one
    p, pure = 0.4, np.array([0.001, 0.8, 0.05])
    beam = CalibrationCurve(
        np.array([0.001, p * 0.02 + 0.6 * pure[1], p**2 * 0.06 + 0.36 * pure[2]]), np.eye(3) * 1e-9
    )
    gamma = CalibrationCurve(np.array([0.001, 0.02, 0.06]), np.eye(3) * 1e-9)
    plain = CalibrationCurve(pure, np.eye(3) * 1e-9)
    kept = {"gamma_to_neutron_ratio": 2.0}
    dose = criticality_dose(counts("mixed1"), gamma, beam, gamma_share=p, **kept)
    expected = criticality_dose(counts("mixed1"), gamma, plain, **kept)
    assert dose.gamma_gy == pytest.approx(expected.gamma_gy, rel=1e-12)


def test_dolphin_maximises_the_likelihood_of_extra_zeros():
    n = np.array(CASES["partial2"])
    k = np.arange(len(n))

    def minus(x):
        p = x[1] * stats.poisson.pmf(k, x[0]) + (1 - x[1]) * (k == 0)
        return -n @ np.log(p)

    best = optimize.minimize(minus, [1.0, 0.5], method="Nelder-Mead",
                             options={"xatol": 1e-9, "fatol": 1e-12})  # fmt: skip
    dose = partial_body_dose(counts("partial2"), GAMMA)
    assert (dose.per_cell, dose.scored_share) == pytest.approx(tuple(best.x), rel=1e-6)
    h, hessian = 1e-4, np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            e, d = h * np.eye(2)[i], h * np.eye(2)[j]
            x = best.x
            hessian[i, j] = (
                minus(x + e + d) - minus(x + e - d) - minus(x - e + d) + minus(x - e - d)
            )
    sd = np.sqrt(np.diag(np.linalg.inv(hessian / (4 * h**2))))
    assert (dose.per_cell_sd, dose.scored_share_sd) == pytest.approx(tuple(sd), rel=1e-3)


def test_body_share_and_its_sd_by_drawing():
    rng = np.random.default_rng(5)
    dose = partial_body_dose(counts("partial2"), GAMMA)
    y, p, n = dose.per_cell, dose.scored_share, sum(CASES["partial2"])
    shares = []
    hit = rng.binomial(n, p * -np.expm1(-y), 4000)  # cells with an aberration
    total = [zero_truncated(rng, y, int(m)) for m in hit]
    for z, x in zip(n - hit, total, strict=True):
        rate = optimize.brentq(lambda v, t=x / (n - z): v / -np.expm1(-v) - t, 1e-9, 50)
        c = rng.multivariate_normal(GAMMA.coefficients, GAMMA.covariance)
        root = c[1] ** 2 + 4 * c[2] * (rate - c[0])
        d = (-c[1] + np.sqrt(root)) / (2 * c[2])
        q = x / (rate * n)
        shares.append(q * np.exp(d / 2.7) / (1 - q + q * np.exp(d / 2.7)))
    assert dose.body_share_sd == pytest.approx(np.std(shares), rel=0.1)
    assert dose.body_share == pytest.approx(np.mean(shares), abs=0.01)


def zero_truncated(rng, y, m):
    u = rng.uniform(np.exp(-y), 1, m)
    return int(stats.poisson.ppf(u, y).sum())


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_coverage_of_dolphins_interval(share):
    rng = np.random.default_rng(17)
    truth, n, runs = 3.0, 500, 1500
    y = float(GAMMA.mean_per_cell(truth))
    inside = done = 0
    for _ in range(runs):
        c = rng.multivariate_normal(GAMMA.coefficients, GAMMA.covariance)
        if c[0] < 0 or c[1] < 0 or c[2] < 0:
            continue
        curve = CalibrationCurve(c, GAMMA.covariance)
        cells = rng.poisson(y, n) * (rng.random(n) < share)
        sample = AberrationCounts.from_distribution(np.bincount(cells, minlength=2))
        low, high = partial_body_dose(sample, curve).interval_gy
        inside, done = inside + (low <= truth <= high), done + 1
    assert 0.92 < inside / done < 0.98


def test_mixture_maximises_its_likelihood_and_its_sd_fits():
    n = np.array(CASES["partial2"])
    k = np.arange(len(n))

    def minus(z):
        f, y = 1 / (1 + np.exp(-z[0])), np.exp(z[1:])
        p = f * stats.poisson.pmf(k, y[0]) + (1 - f) * stats.poisson.pmf(k, y[1])
        return -n @ np.log(p)

    best = optimize.minimize(minus, [0, 1, -1], method="Nelder-Mead",
                             options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 5000})  # fmt: skip
    mixed = mixed_poisson_doses(counts("partial2"), GAMMA)
    assert mixed.per_cell == pytest.approx(np.exp(best.x[1:]), rel=1e-5)
    assert mixed.scored_share == pytest.approx(1 / (1 + np.exp(-best.x[0])), rel=1e-5)
    rng = np.random.default_rng(2)
    f, y = mixed.scored_share, mixed.per_cell
    found = []
    for _ in range(40):
        cells = np.where(rng.random(4 * n.sum()) < f, *rng.poisson(y[:, None], (2, 4 * n.sum())))
        again = mixed_poisson_doses(AberrationCounts.from_distribution(np.bincount(cells)), GAMMA)
        found.append(again.per_cell)
    assert np.std(found, axis=0) * 2 == pytest.approx(mixed.per_cell_sd, rel=0.45)  # 4 x 11 %


def test_protraction_raises_the_dose_of_a_yield():
    assert float(lea_catcheside_g_constant_rate(4 * 1.2784645427610738, 0.5)) == pytest.approx(
        0.5, abs=1e-9
    )  # 50 % point of biodosetools' test-utils.R
    g = float(lea_catcheside_g_constant_rate(24.0, 0.5))
    slow = protracted_curve(GAMMA, g)
    acute, drawn_out = (whole_body_dose(counts("partial1"), c) for c in (GAMMA, slow))
    assert drawn_out.dose_gy > acute.dose_gy
    d = drawn_out.dose_gy
    assert 1.28031901e-3 + 2.10387243e-2 * d + g * 6.3032534e-2 * d**2 == pytest.approx(100 / 361)
    assert protracted_curve(GAMMA, 1.0) is GAMMA
    assert protracted_curve(NEUTRON, 0.3) is NEUTRON


def test_more_positive_cells_than_poisson_means_the_whole_body():
    # 60 of 100 cells with one, 5 with two: fewer zeros than Poisson
    few = AberrationCounts.from_distribution((35, 60, 5))
    dose = partial_body_dose(few, GAMMA)
    assert dose.scored_share == dose.body_share == 1
    assert dose.per_cell == pytest.approx(0.7)
    assert "whole body" in dose.status


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: AberrationCounts(0, 3), "cells"),
        (lambda: AberrationCounts(10, 3, (8, 2)), "10 cells and 2 aberrations"),
        (lambda: AberrationCounts(10.5, 3), "whole"),
        (lambda: partial_body_dose(AberrationCounts(10, 3), GAMMA), "distribution"),
        (lambda: partial_body_dose(AberrationCounts(10, 3, (7, 3)), GAMMA), "two aberrations"),
        (lambda: partial_body_dose(counts("partial1"), GAMMA, survival_dose_gy=0), "survival"),
        (lambda: partial_body_dose(counts("partial1"), GAMMA, level=1), "level"),
        (lambda: mixed_poisson_doses(AberrationCounts(10, 3), GAMMA), "distribution"),
        (lambda: whole_body_dose(counts("partial1"), GAMMA, method="bayes"), "method"),
        (lambda: protracted_curve(GAMMA, 0.0), "g_factor"),
        (
            lambda: criticality_dose(counts("mixed1"), GAMMA, NEUTRON, gamma_to_neutron_ratio=0),
            "ratio",
        ),
        (
            lambda: criticality_dose(
                counts("mixed1"), GAMMA, NEUTRON, gamma_to_neutron_ratio=1, gamma_share=1
            ),
            "gamma_share",
        ),
    ],
)
def test_impossible_cases_are_refused(call, words):
    with pytest.raises(FociError, match=words):
        call()
