"""Compiled terms of one observation: minus two log density by the prediction, no validation here.

Codes of residual errors: see `kinetics.population.residual.KINDS`.
"""

import math

import numpy as np
from numba import njit

_HALF_LOG_2PI = 0.9189385332046727


@njit(cache=True, error_model="numpy")
def log_normal_cdf(u):  # type: ignore[no-untyped-def]
    """Logarithm of the standard normal distribution function, far tails included."""
    if u > -25.0:
        return np.log(0.5 * math.erfc(-u * np.sqrt(0.5)))
    q = 1.0 / (u * u)
    series = 1.0 - q * (1.0 - 3.0 * q * (1.0 - 5.0 * q * (1.0 - 7.0 * q)))
    return -0.5 * u * u - np.log(-u) - _HALF_LOG_2PI + np.log(series)


@njit(cache=True, error_model="numpy")
def spread(kind, sigma, f, known):  # type: ignore[no-untyped-def]
    """Residual standard deviation g(f) and its first two derivatives by f."""
    size, sign = abs(f), 1.0 if f >= 0.0 else -1.0
    if kind == 0:  # additive
        return sigma[0], 0.0, 0.0
    if kind == 1:  # proportional
        return sigma[1] * size, sigma[1] * sign, 0.0
    if kind == 2:  # combined 1
        return sigma[0] + sigma[1] * size, sigma[1] * sign, 0.0
    if kind == 3:  # combined 2
        g = np.sqrt(sigma[0] * sigma[0] + sigma[1] * sigma[1] * f * f)
        slope = sigma[1] * sigma[1] * f / g
        return g, slope, (sigma[1] * sigma[1] - slope * slope) / g
    if kind == 4:  # power
        c = sigma[2]
        g = sigma[1] * size**c
        return g, sign * c * g / size, c * (c - 1.0) * g / (size * size)
    if kind == 5:  # log-normal: of the logarithm
        return sigma[0], 0.0, 0.0
    return sigma[0] * known, 0.0, 0.0  # known standard deviations


@njit(cache=True, error_model="numpy")
def row_terms(kind, sigma, y, f, f_spread, known, censored, interaction):  # type: ignore[no-untyped-def]
    """Minus two log density (without log 2 pi), its first two derivatives by f, and the weight.

    The weight is half the expected second derivative (half the observed one where censored). With
    `interaction` the standard deviation follows f; otherwise it belongs to `f_spread`.
    """
    if interaction:
        g, g1, g2 = spread(kind, sigma, f, known)
    else:
        g, g1, g2 = spread(kind, sigma, f_spread, known)
        g1 = g2 = 0.0
    if not g > 0.0 or (kind == 5 and not f > 0.0):
        return np.inf, 0.0, 0.0, 0.0
    if kind == 5:
        distance, d1, d2 = np.log(y / f) / g, -1.0 / (g * f), 1.0 / (g * f * f)
    else:
        u = (y - f) / g
        d1 = -(1.0 + u * g1) / g
        distance, d2 = u, -(2.0 * d1 * g1 + u * g2) / g
    if censored:
        value = log_normal_cdf(distance)
        mills = np.exp(-0.5 * distance * distance - _HALF_LOG_2PI - value)
        curvature = 2.0 * (mills * (distance + mills) * d1 * d1 - mills * d2)
        return -2.0 * value, -2.0 * mills * d1, curvature, max(0.5 * curvature, 0.0)
    value = distance * distance + 2.0 * np.log(g)
    first = 2.0 * distance * d1 + 2.0 * g1 / g
    second = 2.0 * (d1 * d1 + distance * d2) + 2.0 * (g2 - g1 * g1 / g) / g
    weight = 1.0 / (g * g) + 2.0 * (g1 / g) ** 2
    if kind == 5:
        value += 2.0 * np.log(y)
        weight = d1 * d1
    return value, first, second, weight


@njit(cache=True, error_model="numpy")
def sigma_slope(kind, sigma, y, f, known, censored, out):  # type: ignore[no-untyped-def]
    """Derivatives (3,) of minus two log density by the residual parameters, with interaction."""
    g, _, _ = spread(kind, sigma, f, known)
    size = abs(f)
    u = np.log(y / f) / g if kind == 5 else (y - f) / g
    if censored:
        mills = np.exp(-0.5 * u * u - _HALF_LOG_2PI - log_normal_cdf(u))
        by_g = 2.0 * mills * u / g
    else:
        by_g = 2.0 * (1.0 - u * u) / g
    out[0] = out[1] = out[2] = 0.0
    if kind == 0 or kind == 5:
        out[0] = by_g
    elif kind == 1:
        out[1] = by_g * size
    elif kind == 2:
        out[0], out[1] = by_g, by_g * size
    elif kind == 3:
        out[0], out[1] = by_g * sigma[0] / g, by_g * sigma[1] * size * size / g
    elif kind == 4:
        out[1], out[2] = by_g * g / sigma[1], by_g * g * np.log(size)
    else:
        out[0] = by_g * known
