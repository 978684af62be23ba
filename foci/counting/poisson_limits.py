"""Exact limits of the mean of a Poisson count."""

from __future__ import annotations


def garwood_limits(foci: float, level: float) -> tuple[float, float]:
    """Exact two-sided Poisson limits of the expected number, given the number counted."""
    from scipy.special import gammaincinv

    tail = (1 - level) / 2
    low = float(gammaincinv(foci, tail)) if foci > 0 else 0.0
    return low, float(gammaincinv(foci + 1, 1 - tail))
