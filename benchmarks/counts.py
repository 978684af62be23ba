"""Blood counts of many patients and draws: their course, nadir and the activity tolerated."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.timing import announce, process_seconds, require, row
from kinetics.curves import SumOfExponentials
from radiobio.counts import (
    CountParameters,
    activity_reaching,
    advance_counts,
    lineage_prior,
    simulate_counts,
    steady_state,
)

N_PATIENTS, N_DRAWS = 100, 64
N_BY_LOOP = 20  # courses where the rival takes one at a time
SPAN_H = 84 * 24.0
DAY = np.arange(0.0, 85.0, 3.5)
LIMIT = {"neutrophils": 1.0, "platelets": 50.0}  # CTCAE v5.0 grade 3 (1e9/L)
SOLVER = {"method": "LSODA", "rtol": 3e-4, "atol": 3e-6}  # nadirs about as good as ours


def count_rows() -> None:
    """84 days after a cycle in 100 patients x 64 draws of two lineages' priors."""
    rng = np.random.default_rng(3)
    for lineage in sorted(LIMIT):
        chain, per_gbq = _draws(lineage, rng)
        _advance_row(lineage, chain, per_gbq.scaled(7.4))
        _activity_row(lineage, chain, per_gbq)
    _course_row(chain, per_gbq.scaled(7.4))


def _draws(lineage: str, rng: np.random.Generator) -> tuple[CountParameters, SumOfExponentials]:
    """Prior draws and a marrow dose rate per activity of a slow and a fast term."""
    n = N_PATIENTS * N_DRAWS
    dose = 0.0697 * np.exp(0.4 * rng.standard_normal(n))  # Gy/GBq
    rate = np.log(2) / np.array([60.0, 1.5]) * np.exp(0.3 * rng.standard_normal((n, 2)))
    amplitude = dose[:, None] * np.array([0.8, 0.2]) * rate
    return lineage_prior(lineage, "image").sample(n, rng), SumOfExponentials(amplitude, rate)


def _slopes(chain: CountParameters, curve: SumOfExponentials, i: int) -> Callable[..., list[float]]:
    """Right-hand side of one course in plain floats, which scipy calls fastest."""
    k, gamma = 4 / float(chain.mean_transit_time_h[i]), float(chain.feedback_exponent[i])
    a = [float(x) * float(chain.kill_per_gy[i]) for x in curve.amplitude[i]]
    r = [float(x) for x in curve.rate_per_h[i]]

    def slopes(t: float, y: np.ndarray) -> list[float]:
        p, t1, t2, t3, c = y
        kill = a[0] * math.exp(-r[0] * t) + a[1] * math.exp(-r[1] * t)
        return [
            k * (c**-gamma - 1) - kill,
            k * (math.exp(p) - t1), k * (t1 - t2), k * (t2 - t3), k * (t3 - c),
        ]  # fmt: skip

    return slopes


def _solved(
    chain: CountParameters, curve: SumOfExponentials, time_h: np.ndarray, **settings: object
) -> np.ndarray:
    """Counts of the first courses by scipy, relative to baseline."""
    start = [0.0, 1.0, 1.0, 1.0, 1.0]
    return np.array(
        [
            solve_ivp(
                _slopes(chain, curve, i), (0, SPAN_H), start, t_eval=time_h, **settings
            ).y[4]
            for i in range(N_BY_LOOP)
        ]
    )  # fmt: skip


def _exact(chain: CountParameters, curve: SumOfExponentials, time_h: np.ndarray) -> np.ndarray:
    return _solved(
        chain, curve, time_h, method="DOP853", rtol=1e-10, atol=1e-13, first_step=1e-3, max_step=24
    )


def _advance_row(lineage: str, chain: CountParameters, curve: SumOfExponentials) -> None:
    announce(f"{lineage}: scipy LSODA")
    fine = np.arange(0.0, SPAN_H + 1, 4.0)

    def ours() -> np.ndarray:
        found = advance_counts(chain, steady_state(), dose_rate=curve, span_h=SPAN_H)
        return np.asarray(found.lowest)

    def by_solver() -> np.ndarray:
        return np.asarray(_solved(chain, curve, fine, **SOLVER).min(1))

    exact = _exact(chain, curve, fine).min(1)
    error = abs(ours()[:N_BY_LOOP] / chain.baseline[:N_BY_LOOP] / exact - 1).max()
    theirs = abs(by_solver() / exact - 1).max()
    require(error < 1e-3, f"lowest {lineage} differ by {error:.1e}")
    row(
        f"lowest {lineage} of 84 days, one of 6,400 draws",
        process_seconds(ours) / len(curve.amplitude),
        {"scipy LSODA, 20 draws": process_seconds(by_solver, warm=True) / N_BY_LOOP},
        f"{error:.0e}, LSODA {theirs:.0e}",
    )


def _activity_row(lineage: str, chain: CountParameters, per_gbq: SumOfExponentials) -> None:
    limit = LIMIT[lineage]
    grid = np.linspace(0.0, 14.8, 149)

    def ours() -> np.ndarray:
        return activity_reaching(
            chain, steady_state(), limit=limit, remaining_rate=per_gbq.scaled(0.0),
            rate_per_gbq=per_gbq, wait_h=0.0, max_activity_gbq=14.8,
        )  # fmt: skip

    few = 200
    own, curves = chain[:few, None], per_gbq[:few, None]

    def by_grid() -> np.ndarray:
        lowest = advance_counts(
            own, steady_state(), dose_rate=curves.scaled(grid), span_h=SPAN_H
        ).lowest
        below = lowest < limit
        return np.asarray(np.where(below.any(1), grid[below.argmax(1)], np.inf))

    found, expected = ours()[:few], by_grid()
    reached = np.isfinite(found) & np.isfinite(expected)
    require(
        bool((np.isfinite(found) == np.isfinite(expected)).mean() > 0.99)
        and bool((abs(found[reached] - expected[reached]) < 0.11).all()),
        f"activities of {lineage} differ",
    )
    row(
        f"activity at which {lineage} reach grade 3, one draw",
        process_seconds(ours) / len(per_gbq.amplitude),
        {"our counts on 149 activities": process_seconds(by_grid, warm=True) / few},
        "within the grid's 0.1 GBq",
    )


def _course_row(chain: CountParameters, curve: SumOfExponentials) -> None:
    def ours() -> np.ndarray:
        return np.asarray(simulate_counts(chain, [(0.0, curve)], DAY).count)

    def by_solver() -> np.ndarray:
        return _solved(chain, curve, 24 * DAY, method="LSODA", rtol=1e-6, atol=1e-8)

    announce("platelets on 25 days: scipy LSODA")
    exact = _exact(chain, curve, 24 * DAY)
    few = ours()[:N_BY_LOOP] / chain.baseline[:N_BY_LOOP, None]
    error, theirs = (abs(counts / exact - 1).max() for counts in (few, by_solver()))
    require(error < 1e-5, f"counts differ by {error:.1e}")
    row(
        "platelets on 25 of 84 days, one of 6,400 draws",
        process_seconds(ours) / len(curve.amplitude),
        {"scipy LSODA, 20 draws": process_seconds(by_solver, warm=True) / N_BY_LOOP},
        f"{error:.0e}, LSODA {theirs:.0e}",
    )
