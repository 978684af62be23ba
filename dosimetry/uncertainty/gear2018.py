"""Uncertainty of a dose by the law of propagation, along the chain of its measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from dosimetry.errors import DosimetryError
from dosimetry.recovery import RecoveryCoefficient, RecoveryCurve, counts_exponent

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
    recovery : RecoveryCoefficient or RecoveryCurve, optional
        A curve stands for its coefficient at `volume_ml`; draws follow all of it. By default a
        coefficient of one, without uncertainty.
    calibration_relative_sd : float
        Relative uncertainty of the calibration factor (activity meter included).
    spect_fwhm_mm : float, optional
        Spatial resolution of the emission image (mm), for the counts that an error of the outline
        wins or loses, above zero. None: the counts do not depend on the outline.
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
    recovery: RecoveryCoefficient | RecoveryCurve = _NO_CORRECTION
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
        if self.spect_fwhm_mm is not None and not 0 < self.spect_fwhm_mm < np.inf:
            raise DosimetryError(
                f"spect_fwhm_mm must be positive or None, got {self.spect_fwhm_mm!r}"
            )

    @property
    def dose_gy(self) -> float:
        """Dose of the values as measured (Gy)."""
        return float(self.tia_mbq_h * self.s_value_gy_per_mbq_h)

    @property
    def coefficient(self) -> RecoveryCoefficient:
        """Recovery at the volume of the region."""
        if isinstance(self.recovery, RecoveryCurve):
            return self.recovery.coefficient(self.volume_ml)
        return self.recovery

    @property
    def relative_sd(self) -> Mapping[str, float]:
        """Relative standard uncertainty of each input."""
        return MappingProxyType(
            {
                "voi": float(self.voi_relative_sd),
                "recovery": float(self.coefficient.relative_sd),
                "calibration": float(self.calibration_relative_sd),
                "tia": float(self.tia_sd_mbq_h / self.tia_mbq_h),
                "s_value": float(self.s_value_relative_sd),
            }
        )

    @property
    def tia_exponent(self) -> float:
        """Relative change of the time-integrated activity for a relative change of the volume."""
        recovery, counts = self.coefficient, 0.0
        if self.spect_fwhm_mm is not None:
            counts = float(counts_exponent(self.volume_ml, self.spect_fwhm_mm, recovery.value))
        return counts - recovery.log_slope

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
        if isinstance(self.recovery, RecoveryCurve):
            notes.extend(self.recovery.notes(self.volume_ml))
        elif self.recovery.log_slope == 0:
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
    doi:10.1007/s00259-018-4136-7. The terms are derived here from the model above; the printed
    equations were not read.

    Examples
    --------
    From the activity of a tumour in four images to its dose, with the budget:

    >>> from dosimetry import nuclide, sphere_s_value
    >>> from dosimetry.recovery import fit_recovery
    >>> from dosimetry.uncertainty import (
    ...     dose_draws, s_value_exponent, tia_from_draws, tia_from_fit, voi_relative_sd
    ... )
    >>> from kinetics import fit_curve
    >>> decay = nuclide("Lu-177").decay_per_h
    >>> phantom = fit_recovery([0.5, 1, 2, 4, 8, 16, 32], [0.2, 0.3, 0.42, 0.55, 0.67, 0.77, 0.85])
    >>> recovery = phantom.coefficient(20.0)
    >>> activity_mbq = np.array([14.0, 12.0, 7.0, 4.0]) / recovery.value
    >>> fit = fit_curve(
    ...     [4, 24, 96, 168], activity_mbq, 0.04 * activity_mbq, form="mono", decay_per_h=decay
    ... )
    >>> tia, tia_sd = tia_from_fit(fit)
    >>> s_value = sphere_s_value("Lu-177", mass_g=20.0 * 1.03)
    >>> tumour = DoseMeasurement(
    ...     tia_mbq_h=tia, tia_sd_mbq_h=tia_sd, s_value_gy_per_mbq_h=float(s_value.total),
    ...     volume_ml=20.0, voi_relative_sd=float(voi_relative_sd(20.0, voxel_mm=1.5, fwhm_mm=2.0)),
    ...     recovery=phantom, calibration_relative_sd=0.04, spect_fwhm_mm=10.0,
    ...     s_value_exponent=s_value_exponent(s_value), s_value_relative_sd=0.03,
    ... )
    >>> result = dose_uncertainty(tumour)
    >>> round(result.dose_gy, 2), round(result.standard_uncertainty_gy, 2)
    (9.81, 0.94)
    >>> {name: round(share) for name, share in result.variance_share_pct.items()}
    {'voi': 65, 'recovery': 0, 'calibration': 17, 'tia': 8, 's_value': 10}

    The same by drawing, and with posterior draws of the curve in place of the fit:

    >>> rng = np.random.default_rng(1)
    >>> draws_gy = dose_draws(tumour, n_draws=20_000, rng=rng)
    >>> round(float(draws_gy.std()), 1)
    0.9
    >>> posterior = fit.curve.scaled(rng.normal(1.0, 0.06, 20_000))
    >>> from dataclasses import replace
    >>> tia, tia_sd = tia_from_draws(posterior)
    >>> drawn = replace(tumour, tia_mbq_h=tia, tia_sd_mbq_h=tia_sd)
    >>> round(dose_uncertainty(drawn).relative_uncertainty, 2)
    0.11
    >>> draws_gy = dose_draws(drawn, n_draws=20_000, rng=rng, tia_mbq_h=posterior.integral())
    >>> round(float(draws_gy.std() / draws_gy.mean()), 2)
    0.11
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
