"""Uncertainty of a dose by the law of propagation, along the chain of its measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.uncertainty.recovery import RecoveryCoefficient, RecoveryCurve, counts_exponent

if TYPE_CHECKING:
    import pandas as pd

INPUTS = ("voi", "recovery", "calibration", "tia", "s_value")
_NO_CORRECTION = RecoveryCoefficient(1.0)
_FIRST_ORDER_LIMIT = 0.3  # of the volume; beyond, draws spread over 20 % more or less


@dataclass(frozen=True, eq=False)
class DoseMeasurement:
    """What the dose of one region was computed from, and how sure each part is.

    Attributes
    ----------
    tia_mbq_h, tia_sd_mbq_h : float
        Time-integrated activity (MBq h), corrected for recovery, and the standard uncertainty of
        the curve fit alone (`tia_from_fit`, `tia_from_draws`, `tia_from_parameters`).
    s_value_gy_per_mbq_h : float
        Self S value at the mass of the region (Gy/(MBq h)).
    volume_ml : float
        Volume of the region as outlined (mL).
    voi_relative_sd : float
        Relative uncertainty of the volume; see the function of the same name.
    recovery : RecoveryCurve or RecoveryCoefficient, optional
        By default a coefficient of one, without uncertainty.
    calibration_relative_sd : float
        Relative uncertainty of the calibration factor (activity meter included).
    spect_fwhm_mm : float, optional
        Spatial resolution of the emission image (mm), for the counts that an error of the outline
        wins or loses. None: the counts do not depend on the outline.
    s_value_exponent : float
        :math:`c_2` of :math:`S = c_1 m^{-c_2}`; see the function of the same name.
    s_value_relative_sd : float
        Relative uncertainty of the S value at a known mass (model, density).

    Raises
    ------
    DosimetryError
        If a value is not legal.
    """

    tia_mbq_h: float
    tia_sd_mbq_h: float
    s_value_gy_per_mbq_h: float
    volume_ml: float
    voi_relative_sd: float
    recovery: RecoveryCurve | RecoveryCoefficient = _NO_CORRECTION
    calibration_relative_sd: float = 0.0
    spect_fwhm_mm: float | None = None
    s_value_exponent: float = 1.0
    s_value_relative_sd: float = 0.0

    def __post_init__(self) -> None:
        for name in ("tia_mbq_h", "s_value_gy_per_mbq_h", "volume_ml"):
            value = getattr(self, name)
            if not 0 < value < np.inf:
                raise DosimetryError(f"{name} must be positive, got {value!r}")
        for name in (
            "tia_sd_mbq_h",
            "voi_relative_sd",
            "calibration_relative_sd",
            "s_value_exponent",
            "s_value_relative_sd",
        ):
            value = getattr(self, name)
            if not 0 <= value < np.inf:
                raise DosimetryError(f"{name} must be zero or positive, got {value!r}")
        if self.spect_fwhm_mm is not None and not 0 <= self.spect_fwhm_mm < np.inf:
            raise DosimetryError(
                f"spect_fwhm_mm must be zero or positive, or None, got {self.spect_fwhm_mm!r}"
            )

    @property
    def dose_gy(self) -> float:
        """Dose of the values as measured (Gy)."""
        return float(self.tia_mbq_h * self.s_value_gy_per_mbq_h)

    @property
    def relative_sd(self) -> Mapping[str, float]:
        """Relative standard uncertainty of each input."""
        return MappingProxyType(
            {
                "voi": float(self.voi_relative_sd),
                "recovery": float(self.recovery.relative_sd(self.volume_ml)),
                "calibration": float(self.calibration_relative_sd),
                "tia": float(self.tia_sd_mbq_h / self.tia_mbq_h),
                "s_value": float(self.s_value_relative_sd),
            }
        )

    @property
    def tia_exponent(self) -> float:
        """Relative change of the time-integrated activity for a relative change of the volume."""
        counts = 0.0
        if self.spect_fwhm_mm is not None:
            recovered = self.recovery(self.volume_ml)
            counts = float(counts_exponent(self.volume_ml, self.spect_fwhm_mm, recovered))
        return counts - float(self.recovery.slope(self.volume_ml))

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the propagation takes for granted, in words."""
        notes = [
            "ASSUMED: volume, recovery curve, calibration, curve fit and S value are measured "
            "independently of each other",
            "ASSUMED: the uncertainties of calibration, volume and recovery are the same at every "
            "time point",
        ]
        if self.spect_fwhm_mm is None:
            notes.append("ASSUMED: counts do not depend on the outline (no spect_fwhm_mm given)")
        else:
            notes.append("ASSUMED: the region is a uniform sphere without surrounding activity")
        if isinstance(self.recovery, RecoveryCoefficient) and self.recovery.log_slope == 0:
            notes.append("ASSUMED: the recovery coefficient does not change with the volume")
        if self.voi_relative_sd > _FIRST_ORDER_LIMIT:
            notes.append(
                f"the volume is known to {100 * self.voi_relative_sd:.0f} % only: propagation to "
                "first order is unreliable there, see monte_carlo_check"
            )
        return tuple(notes)


@dataclass(frozen=True, eq=False)
class DoseUncertainty:
    """A dose with its standard uncertainty and the budget of it.

    Attributes
    ----------
    dose_gy, standard_uncertainty_gy : float
        Dose and one standard deviation (Gy).
    contributions_gy : mapping of str to float
        Standard uncertainty (Gy) by input: ``voi``, ``recovery``, ``calibration``, ``tia``,
        ``s_value``. Their squares sum to the variance.
    sensitivity : mapping of str to float
        Relative change of the dose for a relative change of each input.
    tia_relative_sd, s_value_relative_sd : float
        Relative uncertainty of the two factors of the dose, all inputs included.
    covariance_relative : float
        Covariance of the two factors, which share the volume, over their product.
    assumptions : tuple of str
        What was assumed, in words.
    """

    dose_gy: float
    standard_uncertainty_gy: float
    contributions_gy: Mapping[str, float]
    sensitivity: Mapping[str, float]
    tia_relative_sd: float
    s_value_relative_sd: float
    covariance_relative: float
    assumptions: tuple[str, ...]

    @property
    def relative_uncertainty(self) -> float:
        """Standard uncertainty over the dose."""
        return self.standard_uncertainty_gy / self.dose_gy

    @property
    def variance_share_pct(self) -> Mapping[str, float]:
        """Share of each input in the variance (%); zero where nothing is uncertain."""
        total = self.standard_uncertainty_gy**2
        return MappingProxyType(
            {
                name: 100 * value**2 / total if total else 0.0
                for name, value in self.contributions_gy.items()
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """Budget: one row an input, then the two factors of the dose and their covariance.

        Returns
        -------
        pandas.DataFrame
            Columns ``view`` (``inputs`` or ``factors``), ``source``, ``sensitivity``,
            ``uncertainty_gy`` (NaN for the covariance, which has a sign) and
            ``variance_share_pct``. Shares sum to 100 in each view.
        """
        import pandas as pd

        total = self.relative_uncertainty**2
        factors = {
            "tia": self.tia_relative_sd**2,
            "s_value": self.s_value_relative_sd**2,
            "covariance": 2 * self.covariance_relative,
        }
        inputs = [
            ("inputs", name, self.sensitivity[name], value, self.variance_share_pct[name])
            for name, value in self.contributions_gy.items()
        ]
        pairs = [
            (
                "factors",
                name,
                1.0,
                np.nan if name == "covariance" else self.dose_gy * np.sqrt(variance),
                100 * variance / total if total else 0.0,
            )
            for name, variance in factors.items()
        ]
        columns = ["view", "source", "sensitivity", "uncertainty_gy", "variance_share_pct"]
        return pd.DataFrame(inputs + pairs, columns=columns)


def dose_uncertainty(measurement: DoseMeasurement) -> DoseUncertainty:
    r"""Dose with its standard uncertainty, to first order.

    With :math:`D = \tilde A S`, :math:`\tilde A \propto C(v)\,Q/R(v)` and
    :math:`S \propto v^{-c_2}`,

    .. math::
        \frac{u^2(D)}{D^2} = \frac{u^2(\tilde A)}{\tilde A^2} + \frac{u^2(S)}{S^2}
            + 2\,\frac{u(\tilde A, S)}{\tilde A S},\qquad
        \frac{u(\tilde A, S)}{\tilde A S} = -c_2 \left(\frac{\varphi}{2R} - \eta\right)
            \frac{u^2(v)}{v^2}

    with :math:`\eta = d\ln R/d\ln v` and :math:`u^2(\tilde A)/\tilde A^2` the sum of curve fit,
    calibration, recovery curve and :math:`(\varphi/2R - \eta)^2 u^2(v)/v^2`.

    Parameters
    ----------
    measurement : DoseMeasurement
        The inputs with their uncertainties.

    Returns
    -------
    DoseUncertainty

    References
    ----------
    After the scheme of Gear et al., EANM practical guidance on uncertainty analysis for molecular
    radiotherapy absorbed dose calculations, Eur J Nucl Med Mol Imaging 2018;45:2456,
    doi:10.1007/s00259-018-4136-7. The terms are derived here from the model above, not taken from
    its printed equations.

    Examples
    --------
    >>> kidneys = DoseMeasurement(
    ...     tia_mbq_h=2e4, tia_sd_mbq_h=0.171 * 2e4, s_value_gy_per_mbq_h=2.8e-4,
    ...     volume_ml=300.0, voi_relative_sd=0.054, calibration_relative_sd=0.05,
    ...     s_value_relative_sd=0.167,
    ... )
    >>> round(dose_uncertainty(kidneys).relative_uncertainty, 3)
    0.25
    """
    sd = measurement.relative_sd
    volume_to_tia, exponent = measurement.tia_exponent, measurement.s_value_exponent
    sensitivity = dict.fromkeys(INPUTS, 1.0)
    sensitivity["recovery"] = -1.0
    sensitivity["voi"] = volume_to_tia - exponent
    dose = measurement.dose_gy
    contributions = {name: abs(sensitivity[name]) * sd[name] * dose for name in INPUTS}
    tia_terms = (sd["tia"], sd["calibration"], sd["recovery"], volume_to_tia * sd["voi"])
    return DoseUncertainty(
        dose_gy=dose,
        standard_uncertainty_gy=float(np.hypot.reduce(list(contributions.values()))),
        contributions_gy=MappingProxyType(contributions),
        sensitivity=MappingProxyType(sensitivity),
        tia_relative_sd=float(np.hypot.reduce(tia_terms)),
        s_value_relative_sd=float(np.hypot(exponent * sd["voi"], sd["s_value"])),
        covariance_relative=-exponent * volume_to_tia * sd["voi"] ** 2,
        assumptions=measurement.assumptions,
    )
