"""Compartment systems for many parameter sets: closed forms, modes and differential equations."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from benchmarks.tasks import CompartmentSets, compartment_sets
from benchmarks.timing import announce, optional, process_seconds, row
from kinetics.mammillary import mammillary_curves
from kinetics.structures.ode import compiled_slope, solve
from kinetics.structures.rate_matrix import rate_matrix_amounts, two_compartment

START = np.array([100.0, 0.0, 0.0, 0.0])
N_BY_LOOP = 50  # sets where the rival takes one at a time
TOLERANCE = 1e-8  # of the differential equations, relative and absolute


def largest_difference(ours: np.ndarray, other: np.ndarray) -> str:
    """Check that both agree to 1e-8 of the dose, and say how well they do."""
    np.testing.assert_allclose(ours, other, rtol=1e-8, atol=1e-6)
    return f"largest difference {np.abs(ours - other).max() / 100:.1g} of the dose"


def two_compartments(sets: CompartmentSets) -> np.ndarray:
    """Central amounts of all two-compartment sets."""
    return two_compartment(
        100.0, sets.time_h, elimination_per_h=sets.k10, transfer_per_h=sets.k12,
        return_per_h=sets.k21,
    )  # fmt: skip


def four_compartments(sets: CompartmentSets) -> np.ndarray:
    """Amounts of all four-compartment sets."""
    return rate_matrix_amounts(sets.rate_matrix_per_h, START, sets.time_h)


def two_compartment_rows() -> None:
    """100,000 sets at ten times, against the closed form written in numpy."""
    sets = compartment_sets()
    n = len(sets.k10)

    def by_numpy() -> np.ndarray:
        total = sets.k10 + sets.k12 + sets.k21
        root = np.sqrt(total**2 - 4 * sets.k10 * sets.k21)
        fast = 0.5 * (total + root)
        slow = sets.k10 * sets.k21 / fast
        share = 100.0 * (fast - sets.k21) / (fast - slow)
        t = sets.time_h
        return share[:, None] * np.exp(-fast[:, None] * t) + (100.0 - share)[:, None] * np.exp(
            -slow[:, None] * t
        )

    note = largest_difference(two_compartments(sets), by_numpy())
    row(
        "2 compartments x 10 times, closed form, one set",
        process_seconds(lambda: two_compartments(sets)) / n,
        {"numpy, vectorised": process_seconds(by_numpy) / n},
        note,
    )


def four_compartment_rows() -> None:
    """100,000 rate matrices at ten times, against batched eigenvalues and scipy's expm."""
    sets = compartment_sets()
    k, t = sets.rate_matrix_per_h, sets.time_h

    def by_eig() -> np.ndarray:
        rate, mode = np.linalg.eig(k)
        weight = np.linalg.solve(mode, np.broadcast_to(START, (len(k), 4))[..., None])
        return (mode @ (weight * np.exp(rate[..., None] * t))).real

    def by_expm() -> np.ndarray:
        return np.stack([expm(k[:N_BY_LOOP] * h) @ START for h in t], -1)

    announce("4 compartments: numpy eig of 100,000 matrices")
    ours = four_compartments(sets)
    note = largest_difference(ours, by_eig())
    largest_difference(ours[:N_BY_LOOP], by_expm())
    row(
        "4 compartments x 10 times, rate matrix, one set",
        process_seconds(lambda: four_compartments(sets)) / len(k),
        {
            "numpy, batched eig": process_seconds(by_eig, warm=True) / len(k),
            "scipy expm": process_seconds(by_expm) / N_BY_LOOP,
        },
        note,
    )


def mammillary_rows() -> None:
    """177Lu-PSMA-617 without saturation: 2,000 sets of six compartments at ten times."""
    rng, n, time_h = np.random.default_rng(1), 2000, np.geomspace(0.5, 168, 10)
    spread = np.exp(0.2 * rng.standard_normal((n, 11)))
    k10 = 0.288 * spread[:, 0]
    k_in = np.array([0.0238, 0.00867, 0.0238, 0.000248, 1.05]) * spread[:, 1:6]
    k_out = np.array([0.0307, 0.0141, 0.0283, 0.00902, 0.744]) * spread[:, 6:]

    def ours() -> np.ndarray:
        return mammillary_curves(
            100.0, elimination_per_h=k10, uptake_per_h=k_in, release_per_h=k_out
        )(time_h)

    matrix = np.zeros((N_BY_LOOP, 6, 6))
    matrix[:, 0, 0] = -(k10 + k_in.sum(1))[:N_BY_LOOP]
    matrix[:, 0, 1:], matrix[:, 1:, 0] = k_out[:N_BY_LOOP], k_in[:N_BY_LOOP]
    for i in range(5):
        matrix[:, i + 1, i + 1] = -k_out[:N_BY_LOOP, i]

    def by_expm() -> np.ndarray:
        return np.stack([100.0 * expm(matrix * h)[:, :, 0] for h in time_h], -1)

    note = largest_difference(ours()[:N_BY_LOOP], by_expm())
    row(
        "6 compartments x 10 times, closed form, one set",
        process_seconds(ours) / n,
        {"scipy expm": process_seconds(by_expm) / N_BY_LOOP},
        note,
    )


def saturable_slope(time: float, state: Any, parameter: Any, slope: Any) -> None:
    """Blood and a tumour whose receptors fill up."""
    uptake = parameter[1] * state[0] * (1.0 - state[1] / parameter[3])
    slope[0] = -parameter[0] * state[0] - uptake + parameter[2] * state[1]
    slope[1] = uptake - parameter[2] * state[1]


def saturable_rows() -> None:
    """2,000 saturable systems at ten times, relative tolerance 1e-8."""
    rng, n, time_h = np.random.default_rng(2), 2000, np.geomspace(0.5, 168, 10)
    typical = np.array([0.3, 0.2, 0.02, 30.0])
    parameter = typical * np.exp(0.2 * rng.standard_normal((n, 4)))
    start, slope = np.array([100.0, 0.0]), compiled_slope(saturable_slope)

    def ours(tolerance: float = TOLERANCE) -> np.ndarray:
        return solve(
            slope, start, parameter=parameter, time_h=time_h, rtol=tolerance, atol=tolerance
        ).state

    def python_slope(t: float, y: np.ndarray, k: np.ndarray) -> list[float]:
        uptake = k[1] * y[0] * (1.0 - y[1] / k[3])
        return [-k[0] * y[0] - uptake + k[2] * y[1], uptake - k[2] * y[1]]

    def by_scipy() -> np.ndarray:
        return np.stack(
            [
                solve_ivp(
                    python_slope, (0, 168), start, t_eval=time_h, args=(k,), rtol=TOLERANCE,
                    atol=TOLERANCE, method="LSODA",
                ).y.T
                for k in parameter[:N_BY_LOOP]
            ]
        )  # fmt: skip

    announce("saturable system: scipy LSODA")
    reference = ours(1e-12)
    errors = {"ours": ours(), "scipy": by_scipy()}
    rivals = {"scipy LSODA": process_seconds(by_scipy, warm=True) / N_BY_LOOP}
    numbalsoda = optional("numbalsoda")
    if numbalsoda is not None:
        compiled = _numbalsoda(numbalsoda, start, parameter, time_h)
        errors["numbalsoda"] = compiled()
        rivals["numbalsoda LSODA"] = process_seconds(compiled, warm=True) / n
    text = []
    for name, found in errors.items():
        np.testing.assert_allclose(found, reference[: len(found)], rtol=1e-5, atol=1e-5)
        text.append(f"{name} {np.abs(found / reference[: len(found)] - 1).max():.1g}")
    note = "largest relative error: " + ", ".join(text)
    row("saturable system x 10 times, one set", process_seconds(ours) / n, rivals, note)


def _numbalsoda(
    numbalsoda: Any, start: np.ndarray, parameter: np.ndarray, time_h: np.ndarray
) -> Any:
    """The same systems in compiled code; its times begin at zero."""
    from numba import cfunc, njit

    slope = njit(saturable_slope)
    lsoda = numbalsoda.lsoda

    @cfunc(numbalsoda.lsoda_sig)
    def right_hand_side(t: Any, y: Any, dy: Any, k: Any) -> None:
        slope(t, y, k, dy)

    address, times = right_hand_side.address, np.concatenate([[0.0], time_h])

    @njit
    def run(address: int, parameter: np.ndarray) -> np.ndarray:
        out = np.empty((len(parameter), len(times) - 1, 2))
        for i in range(len(parameter)):
            state, _ = lsoda(
                address, start, times, data=parameter[i], rtol=TOLERANCE, atol=TOLERANCE
            )
            out[i] = state[1:]
        return out

    return lambda: run(address, parameter)
