"""How few foci can be told from the baseline: decision threshold and detection limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.calibration.dose_sets import rising_dose
from foci.checks import check_share, check_whole
from foci.counting.conditional_test import critical_counts
from foci.counting.counts import Alternative, FociSample, check_dispersion, pooled_baseline
from foci.errors import FociError


@dataclass(frozen=True)
class DetectionLimits:
    """Smallest signals that can be seen above a baseline.

    Attributes
    ----------
    threshold_foci, detection_limit_foci : float
        Total foci in the sample. A count above the threshold is significant; a true mean at the
        detection limit is found significant with probability 1 - beta.
    threshold_per_cell, detection_limit_per_cell : float
        The same as excess over the baseline, per cell.
    method : str
        ``"exact"`` or ``"currie"``.
    cells : int
        Cells scored in the sample.
    baseline_per_cell : float
        Mean of the baseline.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    threshold_foci: float
    detection_limit_foci: float
    threshold_per_cell: float
    detection_limit_per_cell: float
    method: str
    cells: int
    baseline_per_cell: float
    status: str = "ok"
    assumptions: tuple[str, ...] = ()

    @property
    def significant_per_cell(self) -> float:
        """Smallest significant excess per cell: of whole foci with the exact test."""
        return self.threshold_per_cell + (1 / self.cells if self.method == "exact" else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def detection_limits(
    baseline: FociSample | Sequence[FociSample],
    cells: int,
    *,
    method: Literal["exact", "currie"] = "exact",
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
    beta: float = 0.1,
    dispersion: float = 1.0,
) -> DetectionLimits:
    r"""Decision threshold and detection limit of foci against a baseline.

    Parameters
    ----------
    baseline : FociSample or sequence of FociSample
        Samples before the administration; several are pooled, and said to differ if they do.
    cells : int
        Cells that will be scored in the sample after it.
    method : {"exact", "currie"}
        Conditional test of the two counts, or Currie's normal approximation (one-sided).
    alternative : {"two-sided", "greater"}
        Alternative of the exact test; Currie is always ``"greater"``.
    alpha, beta : float
        Probabilities of a false and of a missed detection.
    dispersion : float
        Variance over mean of the counts. The conditional test then is that of negative binomial
        counts, with their pooled mean put in: no longer exact.

    Raises
    ------
    FociError
        If the baseline is missing or was drawn after the administration, or Currie's formula is
        asked for a baseline without foci.

    Notes
    -----
    Exact: the threshold is one focus below the smallest significant count above the baseline
    mean; the detection limit is :math:`\chi^2_{1-\beta}(2(y_d+1))/2`. A two-sided test at alpha
    finds an excess like a one-sided one at about alpha/2.
    Currie: :math:`L_C = z_{1-\alpha}\sigma_0`, :math:`\sigma_0^2 = \phi b(1/n_1 + 1/n_0)`, and
    :math:`L_D = L_C + z_{1-\beta}\sqrt{\sigma_0^2 + \phi L_D/n_1}`.

    References
    ----------
    Currie LA. Anal Chem 1968;40:586-593, doi:10.1021/ac60259a007.

    Examples
    --------
    >>> limits = detection_limits(FociSample(1, -1.0, 100, 20), 100)
    >>> limits.threshold_foci, round(limits.detection_limit_foci, 1)
    (35.0, 43.9)
    """
    before = pooled_baseline(baseline)
    status = "ok" if isinstance(baseline, FociSample) else _agreement(baseline, dispersion)
    check_whole(cells, "cells")
    check_share(alpha, "alpha")
    check_share(beta, "beta")
    check_dispersion(dispersion)
    if method == "currie":
        return _currie(before, cells, alpha, beta, dispersion, status)
    if method != "exact":
        raise FociError(f"method must be 'exact' or 'currie', got {method!r}")
    return _exact(before, cells, alpha, beta, alternative, dispersion, status)


def _agreement(baselines: Sequence[FociSample], dispersion: float) -> str:
    """Whether several baselines have one mean, in words (chi-square at 1 %)."""
    from scipy.stats import chi2

    cells = np.array([s.cells for s in baselines], dtype=np.float64)
    foci = np.array([s.foci for s in baselines], dtype=np.float64)
    if len(foci) < 2 or foci.sum() == 0:
        return "ok"
    expected = cells * foci.sum() / cells.sum()
    statistic = float(((foci - expected) ** 2 / expected).sum()) / dispersion
    if chi2.sf(statistic, len(foci) - 1) >= 0.01:
        return "ok"
    return (
        "the baselines differ by more than counting noise: the limits hold only if the dispersion "
        "allows for it"
    )


def _exact(
    baseline: FociSample,
    cells: int,
    alpha: float,
    beta: float,
    alternative: Alternative,
    dispersion: float,
    status: str,
) -> DetectionLimits:
    smallest = critical_counts(
        baseline.foci,
        cells,
        baseline.cells,
        alpha=alpha,
        alternative=alternative,
        dispersion=dispersion,
    )
    threshold = int(smallest[0]) - 1
    limit = _mean_seen(threshold, beta, dispersion)
    assumptions = ("Poisson counts ASSUMED",)
    if dispersion > 1:
        assumptions = ("negative binomial counts with the pooled mean put in ASSUMED",)
    return DetectionLimits(
        float(threshold),
        limit,
        threshold / cells - baseline.per_cell,
        limit / cells - baseline.per_cell,
        "exact",
        cells,
        baseline.per_cell,
        status,
        assumptions,
    )


def _mean_seen(threshold: int, beta: float, dispersion: float) -> float:
    """Mean count that exceeds the threshold with probability 1 - beta."""
    from scipy.optimize import brentq
    from scipy.stats import chi2, nbinom

    poisson = float(chi2.ppf(1 - beta, 2 * (threshold + 1)) / 2)
    if dispersion == 1:
        return poisson

    def excess(mean: float) -> float:
        return float(nbinom.cdf(threshold, mean / (dispersion - 1), 1 / dispersion)) - beta

    low, high = min(1e-6, poisson), poisson * dispersion
    while excess(high) > 0:
        high *= 2
    return float(brentq(excess, low, high, xtol=1e-12))


def _currie(
    baseline: FociSample, cells: int, alpha: float, beta: float, dispersion: float, status: str
) -> DetectionLimits:
    from scipy.stats import norm

    mean = baseline.per_cell
    if mean == 0:
        raise FociError("Currie's limit is zero for a baseline without foci; use method='exact'")
    z_alpha, z_beta = float(norm.ppf(1 - alpha)), float(norm.ppf(1 - beta))
    variance = dispersion * mean * (1 / cells + 1 / baseline.cells)
    critical = z_alpha * np.sqrt(variance)
    half = z_beta * dispersion / (2 * cells)
    limit = critical + z_beta * (half + np.sqrt(variance + dispersion * critical / cells + half**2))
    return DetectionLimits(
        float((mean + critical) * cells),
        float((mean + limit) * cells),
        float(critical),
        float(limit),
        "currie",
        cells,
        mean,
        status,
        ("normal approximation of the counts ASSUMED",),
    )


@dataclass(frozen=True)
class LimitDoses:
    """Doses (Gy) of the smallest significant count and of the detection limit.

    Without the uncertainty of the curve: they say what a count can show, not what was received.
    """

    threshold_dose_gy: float
    detection_limit_dose_gy: float
    status: str


def limit_doses(
    limits: DetectionLimits, curve: CalibrationCurve, *, own_baseline: bool = True
) -> LimitDoses:
    """Doses at which limits lie on a calibration curve.

    Parameters
    ----------
    limits : DetectionLimits
        Limits of a count.
    curve : CalibrationCurve
        Curve of the same laboratory.
    own_baseline : bool
        The baseline of the limits replaces the intercept of the curve (a patient's own sample);
        otherwise the counts are read from the curve as they are.

    Examples
    --------
    >>> from foci import eberlein_2015
    >>> limits = detection_limits(FociSample(1, -1.0, 100, 20), 100)
    >>> doses = limit_doses(limits, eberlein_2015())
    >>> round(1e3 * doses.threshold_dose_gy, 1), round(1e3 * doses.detection_limit_dose_gy, 1)
    (10.9, 16.2)
    """
    start = curve.intercept_per_cell if own_baseline else limits.baseline_per_cell
    threshold = rising_dose(curve.coefficients, start + limits.significant_per_cell)
    limit = rising_dose(curve.coefficients, start + limits.detection_limit_per_cell)
    words = [text for text in (limits.status, curve.status) if text != "ok"]
    if not np.isfinite(limit):
        words.append("the limit lies above the top of the curve: no dose has so many")
    elif curve.max_dose_gy is not None and limit > curve.max_dose_gy:
        words.append(f"the detection limit lies beyond the calibrated {curve.max_dose_gy:g} Gy")
    return LimitDoses(threshold, limit, "; ".join(words) or "ok")
