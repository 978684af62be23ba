"""Blood counts of many parameter sets."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from benchmarks.timing import announce, process_seconds, row
from kinetics.curves import SumOfExponentials
from radiobio import CountParameters, simulate_counts

N_BY_LOOP = 20  # sets where the rival takes one at a time


def count_rows() -> None:
    """Platelets for 84 days after one cycle: 2,000 parameter sets."""
    n, day = 2000, np.arange(0.0, 85.0, 3.5)
    spread = np.exp(0.2 * np.random.default_rng(3).standard_normal((4, n)))
    chain = CountParameters(240 * spread[0], 444 * spread[1], 0.17 * spread[2], spread[3])
    marrow = SumOfExponentials([0.02, 0.004], [0.5, 0.0116])

    def slope(t: float, y: np.ndarray, k: float, gamma: float, kappa: float) -> list[float]:
        p, t1, t2, t3, c = y
        return [
            k * (c**-gamma - 1) - kappa * float(marrow(t)),
            k * (np.exp(p) - t1), k * (t1 - t2), k * (t2 - t3), k * (t3 - c),
        ]  # fmt: skip

    def by_solver() -> np.ndarray:
        out = np.empty((N_BY_LOOP, len(day)))
        for i in range(N_BY_LOOP):
            arguments = (4 / chain.mean_transit_time_h[i], chain.feedback_exponent[i],
                         chain.kill_per_gy[i])  # fmt: skip
            solution = solve_ivp(
                slope, (0, 24 * day[-1]), [0, 1, 1, 1, 1], t_eval=24 * day, args=arguments,
                rtol=1e-6, atol=1e-8, method="LSODA",
            )  # fmt: skip
            out[i] = chain.baseline[i] * solution.y[4]
        return out

    def ours() -> np.ndarray:
        return simulate_counts(chain, [(0.0, marrow)], day).count

    announce("blood counts: scipy LSODA")
    np.testing.assert_allclose(ours()[:N_BY_LOOP], by_solver(), rtol=1e-3)
    row(
        "blood counts of 84 days, one set",
        process_seconds(ours) / n,
        {"scipy LSODA": process_seconds(by_solver, warm=True) / N_BY_LOOP},
        "within 1e-3",
    )
