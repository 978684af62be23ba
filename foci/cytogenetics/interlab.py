"""Comparison of laboratories: robust mean and standard deviation, and z-scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from foci.checks import numbers
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd

Algorithm = Literal["A", "B", "Q/Hampel"]

_HUBER_K = 1.5
_LOCATION_FACTOR = 0.413241928283814  # E tanh(z/2)' of a standard normal z
_SCALE_B = 0.3739  # breakdown of 50 %
_SCALE_BETA = 0.500038854875226  # E tanh(z/(2b))^2 of a standard normal z
_MAX_STEPS = 1000
_MAD = 1.482602218505602  # 1/Phi^-1(3/4)
_CORNERS = np.array([-4.5, -3.0, -1.5, 1.5, 3.0, 4.5])


@dataclass(frozen=True, eq=False)
class LaboratoryScores:
    """Robust location and spread of the laboratories, and the z-score of each.

    Attributes
    ----------
    z : ndarray, shape (n_labs,)
        Scores; within 2 satisfactory, beyond 3 unsatisfactory.
    assigned : float
        Value the laboratories are compared with: the reference, or their robust mean.
    robust_mean, robust_sd : float
        Robust mean and standard deviation between laboratories.
    deviation : ndarray, shape (n_labs,)
        Value minus assigned value.
    algorithm : str
        ``"A"``, ``"B"`` or ``"Q/Hampel"``.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    z: FloatArray
    assigned: float
    robust_mean: float
    robust_sd: float
    deviation: FloatArray
    algorithm: str
    status: str

    def to_frame(self) -> pd.DataFrame:
        """One row a laboratory: deviation, z and verdict."""
        import pandas as pd

        words = np.array(["satisfactory", "questionable", "unsatisfactory"])
        verdict = words[(np.abs(self.z) > 2).astype(int) + (np.abs(self.z) > 3)]
        return pd.DataFrame({"deviation": self.deviation, "z": self.z, "verdict": verdict})


def laboratory_scores(
    values: npt.ArrayLike, *, reference: float | None = None, algorithm: Algorithm = "A"
) -> LaboratoryScores:
    r"""Z-scores of the laboratories that measured one sample.

    Parameters
    ----------
    values : array_like, shape (n_labs,)
        Dose (Gy) or yield of each laboratory.
    reference : float, optional
        Known dose of the sample; missing: the robust mean of the laboratories, whose own
        uncertainty then widens the score.
    algorithm : {"A", "B", "Q/Hampel"}
        Robust estimator.

    Raises
    ------
    FociError
        With fewer than two values, or where half of them are the same.

    Notes
    -----
    :math:`z = (x - c)/\sqrt{s^2 + u^2}`, :math:`u = 0` for a known reference, else
    :math:`1.25 s/\sqrt n`. A: Huber's proposal 2 with k = 1.5, which is ISO 13528's algorithm A.
    B: logistic M-estimators of location and scale. Q/Hampel: ISO 13528, C.5.

    References
    ----------
    ISO 13528:2015, Annex C. Rousseeuw PJ, Verboven S. Comput Stat Data Anal 2002;40:741-758,
    doi:10.1016/S0167-9473(02)00078-6.

    Examples
    --------
    >>> laboratory_scores([2.5892, 2.6110], reference=2.56).z.round(3)
    array([1.671, 2.919])
    """
    x = numbers(values, "values")
    if x.ndim != 1 or len(x) < 2 or not np.isfinite(x).all():
        raise FociError("at least two finite values, one a laboratory, are needed")
    if reference is not None and not np.isfinite(reference):
        raise FociError(f"reference must be finite or None, got {reference}")
    if _mad(x) == 0:
        raise FociError("half of the laboratories gave the same value: no spread can be told")
    estimators = {"A": _algorithm_a, "B": _algorithm_b, "Q/Hampel": _q_hampel}
    if algorithm not in estimators:
        raise FociError(f"algorithm must be 'A', 'B' or 'Q/Hampel', got {algorithm!r}")
    mean, sd = estimators[algorithm](x)
    assigned, u = (mean, 1.25 * sd / np.sqrt(len(x))) if reference is None else (reference, 0.0)
    status = "ok"
    if len(x) < 5:
        status = f"only {len(x)} laboratories: the spread, and with it z, is hardly known"
    z = (x - assigned) / np.hypot(sd, u)
    return LaboratoryScores(z, float(assigned), mean, sd, x - assigned, algorithm, status)


def _mad(x: FloatArray) -> float:
    return float(_MAD * np.median(np.abs(x - np.median(x))))


def _algorithm_a(x: FloatArray) -> tuple[float, float]:
    """Mean and spread of the values pulled in to 1.5 spreads, repeated."""
    from scipy.stats import norm

    k = _HUBER_K
    inner = 2 * norm.cdf(k) - 1
    beta = inner + k**2 * (1 - inner) - 2 * k * norm.pdf(k)
    mean, sd = float(np.median(x)), _mad(x)
    for _ in range(_MAX_STEPS):
        pulled = np.clip(x, mean - k * sd, mean + k * sd)
        new = float(pulled.mean())
        new_sd = float(np.sqrt(((pulled - new) ** 2).sum() / (len(x) - 1) / beta))
        done = abs(new - mean) < 1e-12 * sd and abs(new_sd - sd) < 1e-12 * sd
        mean, sd = new, new_sd
        if done:
            break
    return mean, sd


def _algorithm_b(x: FloatArray) -> tuple[float, float]:
    """Logistic M-estimates of location and scale about the median."""
    n, median = len(x), float(np.median(x))
    start = np.sqrt((n - 1) / (n - 1.5)) * _mad(x)
    mean, sd = median, start
    if n == 2:
        mean = float(x.mean())
    for _ in range(_MAX_STEPS if n > 2 else 0):
        step = start * np.tanh((x - mean) / (2 * start)).sum() / (n * _LOCATION_FACTOR)
        mean = float(mean + step)
        if abs(step) < 1e-13 * start:
            break
    for _ in range(_MAX_STEPS):
        ratio = (np.tanh((x - median) / (2 * _SCALE_B * sd)) ** 2).sum() / (n * _SCALE_BETA)
        sd = float(sd * np.sqrt(ratio))
        if abs(ratio - 1) < 1e-13:
            break
    return mean, float(sd)


def _q_hampel(x: FloatArray) -> tuple[float, float]:
    """Spread from a quantile of all pairwise differences, mean by Hampel's redescending weights."""
    from scipy.stats import norm

    n = len(x)
    i, j = np.triu_indices(n, 1)
    gaps = np.abs(x[i] - x[j])
    at_zero = float((gaps == 0).mean())
    jumps = np.unique(gaps[gaps > 0])
    share = np.searchsorted(np.sort(gaps), jumps, side="right") / len(gaps)
    before = np.concatenate([[0.0], share[:-1]])
    smoothed = np.concatenate([[0.0], (share + before) / 2])
    q = 0.25 + 0.75 * at_zero
    sd = float(np.interp(q, smoothed, np.concatenate([[0.0], jumps])))
    sd /= float(np.sqrt(2) * norm.ppf(0.625 + 0.375 * at_zero))
    return _hampel_mean(x, sd), sd


def _hampel_mean(x: FloatArray, sd: float) -> float:
    """Root of the summed influence that lies nearest to the median."""
    median = float(np.median(x))
    nodes = np.sort((x[:, None] + _CORNERS * sd).ravel())
    height = np.array([_influence((x - node) / sd).sum() for node in nodes])
    roots = list(nodes[np.abs(height) < 1e-12])
    for a, b, low, high in zip(nodes[:-1], nodes[1:], height[:-1], height[1:], strict=True):
        if low * high < 0:
            roots.append(a - low * (b - a) / (high - low))
    if not roots:
        return median
    distance = np.abs(np.array(roots) - median)
    nearest = np.unique(np.array(roots)[distance <= distance.min() + 1e-12])
    return float(nearest[0]) if len(nearest) == 1 else median


def _influence(q: FloatArray) -> FloatArray:
    """Hampel's function: linear, flat from 1.5, falling from 3 to zero at 4.5."""
    size = np.abs(q)
    return np.asarray(np.sign(q) * np.clip(np.minimum(size, 4.5 - size), 0.0, 1.5))
