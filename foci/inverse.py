"""Dose of a sample irradiated in vitro: the calibration line read backwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foci.calibration import LinearCalibration
from foci.counts import FociSample, check_dispersion, excess_per_cell
from foci.errors import FociError


@dataclass(frozen=True)
class InverseDose:
    """Dose read from a calibration line.

    Attributes
    ----------
    dose_gy, sd_gy : float
        Estimate (negative if the count is below the line's intercept) and its delta-method SD.
    delta_interval_gy : tuple of float
        Symmetric interval from `sd_gy`.
    fieller_interval_gy : tuple of float or None
        Fieller's interval; None when `g` is 1 or more, where it is unbounded.
    g : float
        Fieller's g: squared relative half-width of the slope. Above about 0.1 the delta interval
        is not to be trusted.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    dose_gy: float
    sd_gy: float
    delta_interval_gy: tuple[float, float]
    fieller_interval_gy: tuple[float, float] | None
    g: float
    status: str


def dose_from_line(
    sample: FociSample,
    calibration: LinearCalibration,
    *,
    baseline: FociSample | None = None,
    level: float = 0.95,
    dispersion: float | None = None,
) -> InverseDose:
    r"""Dose of a sample irradiated and kept exactly like the calibration samples.

    For a patient's sample after an administration use `blood_dose_from_foci`: there the dose
    rate and repair decide how many foci are left.

    Parameters
    ----------
    sample : FociSample
        The irradiated sample.
    calibration : LinearCalibration
        Line of the same laboratory.
    baseline : FociSample, optional
        The donor's own unirradiated sample; it then replaces the intercept of the line.
    level : float
        Coverage of the intervals.
    dispersion : float, optional
        Variance over mean of the counts; that of the calibration by default.

    Notes
    -----
    :math:`D = a/b` with :math:`a` the excess foci per cell and :math:`b` the slope;
    :math:`\mathrm{Var}\,D = (V_a - 2DC_{ab} + D^2V_b)/b^2`. Fieller's limits are the roots of
    :math:`(a-bD)^2 = z^2(V_a - 2DC_{ab} + D^2V_b)`, and :math:`g = z^2V_b/b^2`.

    References
    ----------
    Fieller EC. J R Stat Soc B 1954;16:175-185, doi:10.1111/j.2517-6161.1954.tb00159.x.

    Examples
    --------
    >>> line = LinearCalibration(14.7, 0.7, intercept_per_cell=0.2, intercept_sd=0.02)
    >>> dose = dose_from_line(FociSample(1, 1.0, 200, 190), line)
    >>> round(dose.dose_gy, 4), round(dose.sd_gy, 4), round(dose.g, 3)
    (0.051, 0.0055, 0.009)
    """
    from scipy.stats import norm

    if not 0 < level < 1:
        raise FociError(f"level must lie between 0 and 1, got {level}")
    phi = calibration.dispersion if dispersion is None else dispersion
    check_dispersion(phi)
    if baseline is None:
        a = sample.per_cell - calibration.intercept_per_cell
        var_a = phi * sample.foci / sample.cells**2 + calibration.intercept_sd**2
        cov = -calibration.covariance
    else:
        excess = excess_per_cell(sample, baseline, dispersion=phi)
        a, var_a, cov = excess.per_cell, excess.sd**2, 0.0
    b, var_b = calibration.slope_per_gy, calibration.slope_sd**2
    z = float(norm.ppf((1 + level) / 2))
    dose = a / b
    sd = float(np.sqrt((var_a - 2 * dose * cov + dose**2 * var_b) / b**2))
    g = z**2 * var_b / b**2
    fieller = None
    status = "the slope is not known well enough: Fieller's interval is unbounded (g >= 1)"
    if g < 1:
        middle = a * b - z**2 * cov
        root = np.sqrt(max(middle**2 - (b**2 - z**2 * var_b) * (a**2 - z**2 * var_a), 0.0))
        fieller = (
            float((middle - root) / (b**2 - z**2 * var_b)),
            float((middle + root) / (b**2 - z**2 * var_b)),
        )
        status = "ok" if dose > 0 else "the count is not above the zero-dose level"
    return InverseDose(dose, sd, (dose - z * sd, dose + z * sd), fieller, g, status)
