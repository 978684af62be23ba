"""Dose of a partial-body irradiation: Dolphin's contaminated Poisson distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.calibration.dose_sets import rising_dose
from foci.checks import check_share
from foci.cytogenetics.counts import AberrationCounts
from foci.errors import FociError
from kinetics.curves import FloatArray

_SURVIVAL = "irradiated cells reach division e-fold less often for each {:.3g} Gy"


@dataclass(frozen=True, eq=False)
class PartialBodyDose:
    """Dose to the irradiated part, and how large it was.

    Attributes
    ----------
    dose_gy, dose_sd_gy : float
        Dose to the irradiated part and its standard deviation (Gy).
    interval_gy : tuple of float
        Its limits, not below zero.
    per_cell, per_cell_sd : float
        Aberrations per irradiated cell.
    per_cell_interval : tuple of float
        Their limits, not below zero.
    scored_share, scored_share_sd : float
        Share of the scored cells that were irradiated; the standard deviation is NaN where no
        sign of partial exposure was found.
    body_share, body_share_sd : float
        Share of the lymphocytes that were irradiated, before cells were lost.
    body_share_interval : tuple of float
        Its limits within 0 and 1.
    level : float
        Coverage of the limits.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    dose_gy: float
    dose_sd_gy: float
    interval_gy: tuple[float, float]
    per_cell: float
    per_cell_sd: float
    per_cell_interval: tuple[float, float]
    scored_share: float
    scored_share_sd: float
    body_share: float
    body_share_sd: float
    body_share_interval: tuple[float, float]
    level: float
    status: str
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def partial_body_dose(
    counts: AberrationCounts,
    curve: CalibrationCurve,
    *,
    survival_dose_gy: float = 2.7,
    level: float = 0.95,
) -> PartialBodyDose:
    r"""Dose to the irradiated part of the body from the excess of cells without aberration.

    For dicentrics, translocations and micronuclei, whose background is close to zero. Not for
    foci, which cells that were not irradiated also have.

    Parameters
    ----------
    counts : AberrationCounts
        Aberrations with their distribution.
    curve : CalibrationCurve
        Curve of the laboratory.
    survival_dose_gy : float
        Dose d0 (Gy) that lets a share 1/e of the cells reach the scored division; 2.7 to 3.5 Gy
        are in use.
    level : float
        Coverage of the limits.

    Raises
    ------
    FociError
        Without a distribution, or where no cell holds two aberrations or more: dose and share
        cannot then be told apart.

    Notes
    -----
    Dolphin: :math:`Y/(1-e^{-Y}) = X/(N-n_0)`, share of the scored cells :math:`p = X/(YN)`: the
    maximum likelihood of a Poisson distribution with extra zeros; covariance from its Fisher
    information. Share of the body :math:`F = p e^{D/d_0}/(1-p+p e^{D/d_0})`. Dose and share by
    the delta method with the covariance of the curve. Where there are fewer zeros than a Poisson
    distribution has, p = 1 and the whole-body yield is used.

    References
    ----------
    Dolphin GW. In: Handbook of Radiobiology / IAEA, Cytogenetic Dosimetry, EPR-Biodosimetry 2011
    (Vienna: IAEA), section on partial-body exposure.

    Examples
    --------
    >>> curve = CalibrationCurve(np.array([0.001, 0.02, 0.06]), np.diag([1e-7, 1e-5, 1e-5]))
    >>> counts = AberrationCounts.from_distribution((302, 28, 22, 8, 1))
    >>> dose = partial_body_dose(counts, curve)
    >>> round(dose.per_cell, 3), round(dose.scored_share, 3), round(dose.body_share, 2)
    (1.168, 0.237, 0.6)
    """
    from scipy.special import ndtri

    if not (np.isfinite(survival_dose_gy) and survival_dose_gy > 0):
        raise FociError(f"survival_dose_gy must be positive, got {survival_dose_gy}")
    check_share(level, "level")
    zeros = _zeros(counts)
    y, p, covariance, status = _extra_zeros(counts, zeros)
    z = float(ndtri((1 + level) / 2))
    dose = rising_dose(curve.coefficients, y)
    if not np.isfinite(dose):
        raise FociError(f"the curve never rises to {y:.3g} aberrations per cell: no dose fits")
    if dose <= 0:
        status = "the yield is not above the background of the curve"
        dose = 0.0
    slope = float(curve.slope_at(dose))
    from_curve = float(curve.sd_per_cell(dose)) / slope
    y_sd = float(np.sqrt(covariance[0, 0]))
    dose_sd = float(np.hypot(from_curve, y_sd / slope))
    share, share_sd = _body_share(p, dose, survival_dose_gy, covariance, slope, from_curve**2)
    return PartialBodyDose(
        dose_gy=dose,
        dose_sd_gy=dose_sd,
        interval_gy=_limits(dose, z * dose_sd),
        per_cell=y,
        per_cell_sd=y_sd,
        per_cell_interval=_limits(y, z * y_sd),
        scored_share=p,
        scored_share_sd=float(np.sqrt(covariance[1, 1])) if p < 1 else float("nan"),
        body_share=share,
        body_share_sd=share_sd if p < 1 else float("nan"),
        body_share_interval=_limits(share, z * share_sd, highest=1.0),
        level=level,
        status=status,
        assumptions=(*curve.assumptions, _SURVIVAL.format(survival_dose_gy) + " ASSUMED"),
    )


def _zeros(counts: AberrationCounts) -> int:
    """Cells without aberration."""
    if counts.distribution is None:
        raise FociError("a partial-body dose needs the distribution: cells with 0, 1, 2, ...")
    if counts.aberrations <= counts.cells - counts.distribution[0]:
        raise FociError(
            "no cell holds two aberrations or more: dose and irradiated share cannot be told "
            "apart; use whole_body_dose"
        )
    return counts.distribution[0]


def _extra_zeros(counts: AberrationCounts, zeros: int) -> tuple[float, float, FloatArray, str]:
    """Yield of the irradiated cells, their share, covariance of both, and status."""
    from scipy.optimize import brentq

    n, x = counts.cells, counts.aberrations
    target = x / (n - zeros)
    y = float(brentq(lambda v: v / -np.expm1(-v) - target, 1e-12, target + 1, xtol=1e-14))
    p = x / (y * n)
    if p >= 1:
        y = x / n
        words = "no more cells without aberration than Poisson counts have: whole body taken"
        return y, 1.0, np.array([[y / n, 0.0], [0.0, 0.0]]), words
    return y, p, np.asarray(np.linalg.inv(_information(y, p, n))), "ok"


def _information(y: float, p: float, n: int) -> FloatArray:
    """Fisher information of yield and share of a Poisson distribution with extra zeros."""
    zero = np.exp(-y)
    none = 1 - p + p * zero
    cross = zero / none
    return n * np.array(
        [[p * (1 / y - (1 - p) * zero / none), cross], [cross, (1 - zero) / (p * none)]]
    )


def _body_share(
    p: float,
    dose: float,
    survival_dose_gy: float,
    covariance: FloatArray,
    slope: float,
    curve_variance: float,
) -> tuple[float, float]:
    """Share of the lymphocytes irradiated, and its standard deviation."""
    share = 1 / (1 + (1 - p) / p * np.exp(-dose / survival_dose_gy))
    steep = share * (1 - share)
    by_dose = steep / survival_dose_gy
    by_p = steep / (p * (1 - p)) if p < 1 else 0.0
    gradient = np.array([by_dose / slope, by_p])
    variance = gradient @ covariance @ gradient + by_dose**2 * curve_variance
    return float(share), float(np.sqrt(variance))


def _limits(value: float, half: float, *, highest: float = float("inf")) -> tuple[float, float]:
    return max(value - half, 0.0), min(value + half, highest)
