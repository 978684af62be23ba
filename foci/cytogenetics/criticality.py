"""Dose of a criticality accident: gamma rays and neutrons in a known ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from foci.calibration.curve import CalibrationCurve
from foci.calibration.dose_sets import rising_dose
from foci.checks import check_share
from foci.cytogenetics.counts import AberrationCounts
from foci.errors import FociError
from kinetics.curves import FloatArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CriticalityDose:
    """Doses of gamma rays and neutrons.

    Attributes
    ----------
    gamma_gy, neutron_gy, total_gy : float
        Doses (Gy).
    gamma_sd_gy, neutron_sd_gy, total_sd_gy : float
        Their standard deviations; they are fully correlated through the ratio.
    level : float
        Coverage of the limits in `to_frame`.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    gamma_gy: float
    neutron_gy: float
    total_gy: float
    gamma_sd_gy: float
    neutron_sd_gy: float
    total_sd_gy: float
    level: float
    status: str
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def to_frame(self) -> pd.DataFrame:
        """One row a radiation: dose and limits, not below zero."""
        import pandas as pd
        from scipy.special import ndtri

        z = float(ndtri((1 + self.level) / 2))
        dose = np.array([self.gamma_gy, self.neutron_gy, self.total_gy])
        sd = np.array([self.gamma_sd_gy, self.neutron_sd_gy, self.total_sd_gy])
        return pd.DataFrame(
            {
                "dose_gy": dose,
                "dose_gy_low": np.maximum(dose - z * sd, 0),
                "dose_gy_high": dose + z * sd,
            },
            index=["gamma", "neutron", "total"],
        )


def criticality_dose(
    counts: AberrationCounts,
    gamma: CalibrationCurve,
    neutron: CalibrationCurve,
    *,
    gamma_to_neutron_ratio: float,
    gamma_share: float = 0.0,
    level: float = 0.95,
) -> CriticalityDose:
    r"""Gamma and neutron doses from dicentrics, with their ratio known from physical dosimetry.

    Parameters
    ----------
    counts : AberrationCounts
        Aberrations of the person; Poisson counts.
    gamma, neutron : CalibrationCurve
        Curves of gamma rays and of neutrons.
    gamma_to_neutron_ratio : float
        Gamma dose over neutron dose of the accident.
    gamma_share : float
        Share of gamma rays in the dose of the neutron curve, from 0 to below 1; their part is
        taken out of it.
    level : float
        Coverage of the limits in `to_frame`.

    Raises
    ------
    FociError
        If the ratio or the share is out of its range.

    Notes
    -----
    :math:`Y = C + \alpha_\gamma D_\gamma + \beta_\gamma D_\gamma^2 + \alpha_n D_n + \beta_n D_n^2`
    with :math:`D_n = D_\gamma/\rho`: one quadratic in :math:`D_\gamma`, the fixed point of the
    iteration of the IAEA manual. C is the mean of both intercepts. With a share p of gamma rays
    the neutron coefficients are :math:`(\alpha - p\alpha_\gamma)/(1-p)` and
    :math:`\max(\beta - p^2\beta_\gamma, 0)/(1-p)^2`. Uncertainty of both curves and the count by
    the delta method; the doses act additively, ASSUMED.

    References
    ----------
    IAEA, Cytogenetic Dosimetry, EPR-Biodosimetry 2011 (Vienna: IAEA), section on criticality
    accidents.

    Examples
    --------
    >>> gamma = CalibrationCurve(np.array([0.0013, 0.021, 0.063]), np.diag([2e-7, 3e-5, 2e-5]))
    >>> neutron = CalibrationCurve(np.array([0.0017, 0.772]), np.diag([2e-7, 8e-3]))
    >>> counts = AberrationCounts(62, 109)
    >>> dose = criticality_dose(counts, gamma, neutron, gamma_to_neutron_ratio=1.78)
    >>> round(dose.gamma_gy, 2), round(dose.neutron_gy, 2)
    (2.79, 1.57)
    """
    check_share(level, "level")
    ratio = gamma_to_neutron_ratio
    if not (np.isfinite(ratio) and ratio > 0):
        raise FociError(f"gamma_to_neutron_ratio must be positive, got {ratio}")
    if not 0 <= gamma_share < 1:
        raise FociError(f"gamma_share must be from 0 to below 1, got {gamma_share}")
    mixing, status = _mixing(gamma, neutron, ratio, gamma_share)
    coefficients = mixing @ np.concatenate([_three(gamma), _three(neutron)])
    covariance = mixing @ _joint_covariance(gamma, neutron) @ mixing.T
    y = counts.per_cell
    dose = rising_dose(coefficients, y)
    if not np.isfinite(dose):
        raise FociError(f"the curves never rise to {y:.3g} aberrations per cell: no dose fits")
    if dose <= 0:
        dose, status = 0.0, "the yield is not above the background of the curves"
    powers = dose ** np.arange(3)
    variance = counts.aberrations / counts.cells**2 + powers @ covariance @ powers
    sd = float(np.sqrt(variance) / (coefficients[1] + 2 * coefficients[2] * dose))
    assumptions = (
        *gamma.assumptions,
        *neutron.assumptions,
        f"gamma dose {ratio:.4g} times the neutron dose, without uncertainty",
        "the two radiations act additively ASSUMED",
    )
    return CriticalityDose(
        dose,
        dose / ratio,
        dose * (1 + 1 / ratio),
        sd,
        sd / ratio,
        sd * (1 + 1 / ratio),
        level,
        status,
        assumptions,
    )


def _three(curve: CalibrationCurve) -> FloatArray:
    """Coefficients with the quadratic one, zero for a line."""
    return np.concatenate([curve.coefficients, np.zeros(3 - len(curve.coefficients))])


def _joint_covariance(gamma: CalibrationCurve, neutron: CalibrationCurve) -> FloatArray:
    joint = np.zeros((6, 6))
    for start, curve in ((0, gamma), (3, neutron)):
        n = len(curve.coefficients)
        joint[start : start + n, start : start + n] = curve.covariance
    return joint


def _mixing(
    gamma: CalibrationCurve, neutron: CalibrationCurve, ratio: float, share: float
) -> tuple[FloatArray, str]:
    """Matrix from the six coefficients to those of the yield over the gamma dose, and status."""
    a, b = 1 / (ratio * (1 - share)), 1 / (ratio * (1 - share)) ** 2
    status = "ok"
    if _three(neutron)[2] < share**2 * _three(gamma)[2]:
        b, status = 0.0, "the quadratic part of the neutron curve is all that of its gamma rays"
    mixing = np.zeros((3, 6))
    mixing[0, [0, 3]] = 0.5
    mixing[1, [1, 4]] = 1 - share * a, a
    mixing[2, [2, 5]] = 1 - share**2 * b, b
    if mixing[1] @ np.concatenate([_three(gamma), _three(neutron)]) <= 0:
        raise FociError("gamma_share is too large: less than no neutron effect is left")
    return mixing, status
