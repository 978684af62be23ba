"""What hemadose takes against what a user would pick instead, measured side by side in one run.

Run with `make bench`. Each line is a ratio of process times on the same data (warm, best of three);
the results of both sides are compared first, and the run fails where they differ.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import curve_fit

from kinetics import SumOfExponentials, fit_curve, mammillary_curves
from radiobio import CountParameters, foci_per_cell, simulate_counts

RNG = np.random.default_rng(1)
DECAY_PER_H = np.log(2) / (6.647 * 24)


def seconds(job: Callable[[], object], repeats: int = 3) -> float:
    """Process time of the fastest of several runs, after one that warms up."""
    job()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times)


def report(
    name: str, n: int, ours: Callable[[], object], other: Callable[[], object], n_other: int
) -> None:
    """Print microseconds per item of both sides and their ratio."""
    mine, theirs = seconds(ours) / n * 1e6, seconds(other, repeats=1) / n_other * 1e6
    print(f"{name:58s} {mine:10.1f} us {theirs:12.1f} us {theirs / mine:8.3g} x")


def mammillary() -> None:
    """177Lu-PSMA-617 without saturation: 2,000 parameter sets at 10 times."""
    n, time_h = 2000, np.geomspace(0.5, 168, 10)
    spread = np.exp(0.2 * RNG.standard_normal((n, 11)))
    k10 = 0.288 * spread[:, 0]
    k_in = np.array([0.0238, 0.00867, 0.0238, 0.000248, 1.05]) * spread[:, 1:6]
    k_out = np.array([0.0307, 0.0141, 0.0283, 0.00902, 0.744]) * spread[:, 6:]

    def ours() -> np.ndarray:
        return mammillary_curves(
            100.0, elimination_per_h=k10, uptake_per_h=k_in, release_per_h=k_out
        )(time_h)

    def by_expm(m: int) -> np.ndarray:
        out = np.empty((m, 6, 10))
        for i in range(m):
            matrix = np.diag(-np.concatenate([[k10[i] + k_in[i].sum()], k_out[i]]))
            matrix[0, 1:], matrix[1:, 0] = k_out[i], k_in[i]
            for j, t in enumerate(time_h):
                out[i, :, j] = 100.0 * expm(matrix * t)[:, 0]
        return out

    np.testing.assert_allclose(ours()[:20], by_expm(20), rtol=1e-8, atol=1e-9)
    report("6 compartments, 10 times: closed form / scipy expm", n, ours, lambda: by_expm(50), 50)


def counts() -> None:
    """Platelets for 84 days after one cycle: 2,000 parameter sets."""
    n, day = 2000, np.arange(0.0, 85.0, 3.5)
    spread = np.exp(0.2 * RNG.standard_normal((4, n)))
    chain = CountParameters(240 * spread[0], 444 * spread[1], 0.17 * spread[2], spread[3])
    marrow = SumOfExponentials([0.02, 0.004], [0.5, 0.0116])

    def slope(t: float, y: np.ndarray, k: float, gamma: float, kappa: float) -> list[float]:
        p, t1, t2, t3, c = y
        return [
            k * (c**-gamma - 1) - kappa * float(marrow(t)),
            k * (np.exp(p) - t1), k * (t1 - t2), k * (t2 - t3), k * (t3 - c),
        ]  # fmt: skip

    def by_solver(m: int) -> np.ndarray:
        out = np.empty((m, len(day)))
        for i in range(m):
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

    np.testing.assert_allclose(ours()[:5], by_solver(5), rtol=1e-3)
    report("blood counts, 84 days: kernel / scipy LSODA", n, ours, lambda: by_solver(20), 20)


def foci() -> None:
    """Foci per cell at 8 times: 2,000 draws."""
    n, time_h = 2000, np.array([0.5, 1, 2, 4, 24, 48, 72, 96.0])
    rate = SumOfExponentials(0.01 * RNG.lognormal(0, 0.3, (n, 3)), RNG.lognormal(-2, 1, (n, 3)))

    def ours() -> np.ndarray:
        return foci_per_cell(rate, time_h, induction_per_gy=14.7, repair_rate_per_h=0.25)

    def by_solver(m: int) -> np.ndarray:
        return np.array(
            [
                solve_ivp(
                    lambda t, y, i=i: 14.7 * rate[i](t) - 0.25 * y, (0, 96), [0.0],
                    t_eval=time_h, rtol=1e-8, atol=1e-10, method="LSODA",
                ).y[0]
                for i in range(m)
            ]
        )  # fmt: skip

    np.testing.assert_allclose(ours()[:5], by_solver(5), rtol=1e-4)
    report("foci at 8 times: closed form / scipy LSODA", n, ours, lambda: by_solver(20), 20)


def bi_exponential() -> None:
    """A bi-exponential through nine samples: grid of half-lives / 30 random starts."""
    time_h = np.array([0.25, 0.5, 1, 2, 4, 24, 48, 72, 168])
    clean = 12 * np.exp(-0.7 * time_h) + 4 * np.exp(-0.03 * time_h)
    y = clean * (1 + 0.05 * RNG.standard_normal(9))

    def model(t: np.ndarray, a: float, k: float, b: float, slow: float) -> np.ndarray:
        return np.exp(a - np.exp(k) * t) + np.exp(b - np.exp(slow) * t)

    starts = np.log([12, 0.7, 4, 0.03]) + RNG.normal(0, 1.5, (30, 4))

    def other() -> np.ndarray:
        best, lowest = starts[0], np.inf
        for start in starts:
            try:
                found, *_ = curve_fit(model, time_h, y, start, sigma=0.05 * clean)
            except RuntimeError:
                continue
            cost = (((model(time_h, *found) - y) / clean) ** 2).sum()
            if cost < lowest:
                best, lowest = found, cost
        return best

    def ours() -> SumOfExponentials:
        return fit_curve(time_h, y, 0.05 * clean, form="bi", decay_per_h=DECAY_PER_H).curve

    with np.errstate(over="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starts that overflow or give no covariance
        a, k, b, slow = np.exp(other())
        np.testing.assert_allclose(ours().integral(), a / k + b / slow, rtol=1e-4)
        report("bi-exponential fit: grid / scipy curve_fit, 30 starts", 1, ours, other, 1)


def main() -> None:
    """Run all of them."""
    print(f"{'':58s} {'hemadose':>13s} {'instead':>15s} {'ratio':>10s}")
    for task in (mammillary, counts, foci, bi_exponential):
        task()


if __name__ == "__main__":
    main()
