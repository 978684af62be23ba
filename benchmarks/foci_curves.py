"""Foci curves of 10,000 patients with 1,000 draws each, at ten times."""

from __future__ import annotations

import time

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.timing import announce, process_seconds, row
from kinetics import SumOfExponentials
from radiobio.damage.cohort_foci import cohort_foci
from radiobio.damage.dsb import foci_per_cell
from radiobio.damage.saturable_repair import saturable_foci_per_cell

N_PATIENTS, N_DRAWS = 10_000, 1000
N_BY_NUMPY, N_BY_LOOP, N_SATURABLE = 20, 20, 2000  # patients, curves, curves
TIME_H = np.array([0.25, 0.5, 1, 2, 4, 24, 48, 72, 96, 168.0])
SHARE = np.array([0.96, 0.04])


def foci_curve_rows() -> None:
    """Two terms of dose rate and two repair components, all drawn; then saturable repair."""
    rng = np.random.default_rng(4)
    shape = (N_PATIENTS, N_DRAWS, 2)
    dose_rate = SumOfExponentials(
        0.01 * rng.lognormal(0, 0.3, shape), np.array([0.5, 0.03]) * rng.lognormal(0, 0.3, shape)
    )
    repair = np.array([0.5, 0.02]) * rng.lognormal(0, 0.3, shape)
    _linear_rows(dose_rate, repair)
    _saturable_rows(
        SumOfExponentials(*(x[:2] for x in (dose_rate.amplitude, dose_rate.rate_per_h)))
    )


def _linear_rows(dose_rate: SumOfExponentials, repair: np.ndarray) -> None:
    n_curves = N_PATIENTS * N_DRAWS
    few, few_repair = dose_rate[:N_BY_NUMPY], repair[:N_BY_NUMPY]

    def ours() -> np.ndarray:
        return foci_per_cell(
            dose_rate, TIME_H, induction_per_gy=14.7, repair_rate_per_h=repair, fraction=SHARE
        )

    def by_numpy() -> np.ndarray:
        unrepaired = few[..., None, :].convolved(few_repair, TIME_H)
        return np.asarray(14.7 * (SHARE[:, None] * unrepaired).sum(-2))

    def by_solver() -> np.ndarray:
        return np.array([_solved(dose_rate[0, i], repair[0, i]) for i in range(N_BY_LOOP)])

    announce("foci of a cohort: numpy, scipy LSODA")
    mine = ours()
    np.testing.assert_allclose(mine[:N_BY_NUMPY], by_numpy(), rtol=1e-10)
    np.testing.assert_allclose(mine[0, :N_BY_LOOP], by_solver(), rtol=1e-4, atol=1e-9)
    mean, quantile = mine.mean(1), np.quantile(mine[:N_BY_NUMPY], (0.05, 0.5, 0.95), axis=1)
    del mine
    once = process_seconds(ours, warm=True)
    row(
        "foci at 10 times, one of 10,000 x 1,000 curves",
        once / n_curves,
        {
            "numpy, 20 patients": process_seconds(by_numpy) / (N_BY_NUMPY * N_DRAWS),
            "scipy LSODA, 20 curves": process_seconds(by_solver, warm=True) / N_BY_LOOP,
        },
        "within 1e-10",
    )
    start = time.process_time()
    summary = cohort_foci(
        dose_rate, TIME_H, induction_per_gy=14.7, repair_rate_per_h=repair, fraction=SHARE
    )
    seconds = time.process_time() - start
    np.testing.assert_allclose(summary.mean_per_cell, mean, rtol=1e-10)
    np.testing.assert_allclose(summary.quantile_per_cell[:, :N_BY_NUMPY], quantile, rtol=1e-10)

    def numpy_summary() -> tuple[np.ndarray, ...]:
        foci = by_numpy()
        return foci.mean(1), foci.std(1), np.quantile(foci, (0.05, 0.5, 0.95), axis=1)

    row(
        "the same with mean, SD and three quantiles",
        seconds / n_curves,
        {"numpy, 20 patients": process_seconds(numpy_summary) / (N_BY_NUMPY * N_DRAWS)},
        "within 1e-10",
    )


def _solved(dose_rate: SumOfExponentials, repair: np.ndarray) -> np.ndarray:
    solution = solve_ivp(
        lambda t, pools: 14.7 * SHARE * dose_rate(t) - repair * pools, (0, TIME_H[-1]), [0.0, 0.0],
        t_eval=TIME_H, rtol=1e-8, atol=1e-10, method="LSODA",
    )  # fmt: skip
    return np.asarray(solution.y.sum(0))


def _saturable_rows(dose_rate: SumOfExponentials) -> None:
    curves = SumOfExponentials(
        dose_rate.amplitude.reshape(-1, 2)[:N_SATURABLE],
        dose_rate.rate_per_h.reshape(-1, 2)[:N_SATURABLE],
    )

    def ours() -> np.ndarray:
        return saturable_foci_per_cell(
            curves, TIME_H, induction_per_gy=14.7, capacity_per_h=0.1, half_capacity_per_cell=0.2
        )

    def by_solver() -> np.ndarray:
        return np.array(
            [
                solve_ivp(
                    lambda t, n, i=i: 14.7 * curves[i](t) - 0.1 * n / (0.2 + n), (0, TIME_H[-1]),
                    [0.0], t_eval=TIME_H, rtol=1e-7, atol=1e-10, method="LSODA",
                ).y[0]
                for i in range(N_BY_LOOP)
            ]
        )  # fmt: skip

    announce("foci with saturable repair: scipy LSODA")
    np.testing.assert_allclose(ours()[:N_BY_LOOP], by_solver(), rtol=1e-5, atol=1e-9)
    row(
        "foci with saturable repair, one curve",
        process_seconds(ours) / N_SATURABLE,
        {"scipy LSODA, 20 curves": process_seconds(by_solver, warm=True) / N_BY_LOOP},
        "within 1e-5",
    )
