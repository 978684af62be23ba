"""How few foci can be told from the baseline: decision threshold and detection limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from foci.counts import Alternative, FociSample, p_value_against_baseline
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
    """

    threshold_foci: float
    detection_limit_foci: float
    threshold_per_cell: float
    detection_limit_per_cell: float
    method: str


def detection_limits(
    baseline: FociSample,
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
    baseline : FociSample
        Sample before the administration.
    cells : int
        Cells that will be scored in the sample after it.
    method : {"exact", "currie"}
        Exact conditional binomial test (Poisson counts), or Currie's normal approximation
        (one-sided; any dispersion).
    alternative : {"two-sided", "greater"}
        Alternative of the exact test; Currie is always ``"greater"``.
    alpha, beta : float
        Probabilities of a false and of a missed detection.
    dispersion : float
        Variance over mean of the counts; must be 1 with the exact method.

    Raises
    ------
    FociError
        If Currie's formula is asked for a baseline without foci, or the exact test for
        overdispersed counts.

    Notes
    -----
    Exact: the threshold is one focus below the smallest significant count above the baseline
    mean; the detection limit is :math:`\chi^2_{1-\beta}(2(y_d+1))/2`.
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
    if cells < 1:
        raise FociError(f"cells must be 1 or more, got {cells}")
    if not (0 < alpha < 1 and 0 < beta < 1):
        raise FociError(f"alpha and beta must lie between 0 and 1, got {alpha} and {beta}")
    if method == "currie":
        return _currie(baseline, cells, alpha, beta, dispersion)
    if dispersion != 1:
        raise FociError("the exact test is for Poisson counts; use method='currie'")
    return _exact(baseline, cells, alpha, beta, alternative)


def _exact(
    baseline: FociSample, cells: int, alpha: float, beta: float, alternative: Alternative
) -> DetectionLimits:
    from scipy.stats import chi2

    count = int(np.floor(baseline.per_cell * cells)) + 1
    while (
        p_value_against_baseline(
            FociSample(baseline.cycle, 0.0, cells, count), baseline, alternative=alternative
        )
        >= alpha
    ):
        count += 1
    threshold = count - 1
    limit = float(chi2.ppf(1 - beta, 2 * (threshold + 1)) / 2)
    return DetectionLimits(
        float(threshold),
        limit,
        threshold / cells - baseline.per_cell,
        limit / cells - baseline.per_cell,
        "exact",
    )


def _currie(
    baseline: FociSample, cells: int, alpha: float, beta: float, dispersion: float
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
    )
