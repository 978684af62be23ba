"""Probability of a count whose mean is uncertain: the mean integrated out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from foci.errors import FociError
from kinetics.curves import FloatArray

MeanPrior = Literal["gamma", "normal"]

_LEAST_CV2 = 1e-9  # relative variance of a mean that counts as known
_LEAST_MEAN = 1e-15
_N_NODES = 64  # Gauss-Legendre, for the normal mean
_BELOW, _ABOVE = 9.0, 18.0  # range of the nodes in standard deviations at the mode


def log_marginal(
    foci: FloatArray,
    cells: FloatArray,
    mean_per_cell: FloatArray,
    variance: FloatArray,
    dispersion: FloatArray,
    mean_prior: MeanPrior,
) -> FloatArray:
    r"""Log probability of a count; the mean per cell has a distribution, which is integrated out.

    Parameters
    ----------
    foci, cells, mean_per_cell, variance, dispersion : ndarray, broadcastable
        Total foci and cells, expectation and variance of the mean per cell, variance over mean of
        the counts. A negative expectation is impossible (``-inf``).
    mean_prior : {"gamma", "normal"}
        Distribution of the mean per cell; the normal one is cut off at zero.

    Notes
    -----
    Gamma: negative binomial of size :math:`\mu^2/v` and probability
    :math:`(\mu/v)/(\mu/v + n)`. Normal: the Hermite distribution but for the part below zero,
    here by Gauss-Legendre quadrature about the mode. Dispersion :math:`\phi` enters as the counts
    :math:`x/\phi` in :math:`n/\phi` cells.
    """
    if mean_prior not in ("gamma", "normal"):
        raise FociError(f"mean_prior must be 'gamma' or 'normal', got {mean_prior!r}")
    mean = np.maximum(mean_per_cell, _LEAST_MEAN)
    spread = np.maximum(variance, _LEAST_CV2 * mean**2)
    x, n = foci / dispersion, cells / dispersion
    by_prior = _gamma if mean_prior == "gamma" else _normal
    return np.where(mean_per_cell >= 0, by_prior(x, n, mean, spread), -np.inf)


def _gamma(x: FloatArray, n: FloatArray, mean: FloatArray, variance: FloatArray) -> FloatArray:
    from scipy.special import gammaln

    size, odds = mean**2 / variance, n * variance / mean
    log_choose = gammaln(size + x) - gammaln(size) - gammaln(x + 1)
    return np.asarray(log_choose - (size + x) * np.log1p(odds) + x * np.log(odds))


def _normal(x: FloatArray, n: FloatArray, mean: FloatArray, variance: FloatArray) -> FloatArray:
    from scipy.special import gammaln, log_ndtr

    shifted = mean - n * variance
    mode = np.where(
        shifted >= 0,
        (shifted + np.sqrt(shifted**2 + 4 * x * variance)) / 2,
        2 * x * variance / (np.sqrt(shifted**2 + 4 * x * variance) - np.minimum(shifted, -1e-300)),
    )
    # the slope at a mode at zero limits the width where the curvature does not
    slope = np.maximum(n - mean / variance, 0.0)
    sd = 1 / np.sqrt(1 / variance + np.maximum(x, 0.25) / np.maximum(mode, 1e-150) ** 2)
    sd = np.where(x == 0, 1 / np.sqrt(1 / variance + slope**2), sd)
    low, high = np.maximum(mode - _BELOW * sd, 0.0), mode + _ABOVE * sd
    position, weight = np.polynomial.legendre.leggauss(_N_NODES)
    logs, half = [], (high - low) / 2
    for node, share in zip(position, weight, strict=True):
        m = low + half * (1 + node)
        value = x * np.log(m) - n * m - (m - mean) ** 2 / (2 * variance)
        logs.append(value + np.log(share))
    total = np.logaddexp.reduce(np.stack(logs), axis=0) + np.log(half)
    scale = x * np.log(n) - gammaln(x + 1)
    cut = log_ndtr(mean / np.sqrt(variance)) + 0.5 * np.log(2 * np.pi * variance)
    return np.asarray(total + scale - cut)
