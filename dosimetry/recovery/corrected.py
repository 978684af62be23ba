"""Activities corrected for partial volume, with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.recovery.blurred_sphere import checked_volume
from dosimetry.recovery.curve import RecoveryCurve

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RecoveredActivity:
    """Activity corrected for partial volume.

    Attributes
    ----------
    value, standard_error : ndarray
        Corrected value and its first-order standard error, in the unit given.
    recovery, recovery_standard_error : ndarray
        The coefficient.
    covariance_with_volume_ml : ndarray
        Of the corrected value and the volume (unit given times mL); negative, as a larger
        volume means less correction.
    notes : tuple of str
        What to know, such as a volume beyond the phantom.
    """

    value: FloatArray
    standard_error: FloatArray
    recovery: FloatArray
    recovery_standard_error: FloatArray
    covariance_with_volume_ml: FloatArray
    notes: tuple[str, ...]


def recovered_activity(
    measured: npt.ArrayLike,
    volume_ml: npt.ArrayLike,
    curve: RecoveryCurve,
    *,
    measured_sd: npt.ArrayLike = 0.0,
    volume_sd_ml: npt.ArrayLike = 0.0,
) -> RecoveredActivity:
    r"""Correct activities (or concentrations) for partial volume.

    Parameters
    ----------
    measured : array_like
        Activity within the outline, any unit.
    volume_ml : array_like, broadcast against it
        Volume of the outline (mL).
    curve : RecoveryCurve
        From `fit_recovery` or `recovery_curve`.
    measured_sd, volume_sd_ml : array_like
        Standard deviations.

    Notes
    -----
    :math:`A = M/R(V)`, :math:`u^2(A) = A^2\{(u(M)/M)^2 + (u(R)/R)^2\}`,
    :math:`cov(A, V) = -A\,R'(V)/R\;u^2(V)`. The error of M from drawing the outline is to be
    part of `measured_sd`; its covariance with V is left out.

    References
    ----------
    Gear JI, Cox MG, Gustafsson J, et al. EANM practical guidance on uncertainty analysis for
    molecular radiotherapy absorbed dose calculations. Eur J Nucl Med Mol Imaging
    2018;45:2456-2474, doi:10.1007/s00259-018-4136-7. Its scheme is followed; the terms are derived
    here, the printed equations were not read.
    """
    volume = checked_volume(volume_ml)
    given, spread = (np.asarray(x, dtype=np.float64) for x in (measured, measured_sd))
    volume_sd = np.asarray(volume_sd_ml, dtype=np.float64)
    if not (np.isfinite(given).all() and (spread >= 0).all() and (volume_sd >= 0).all()):
        raise DosimetryError("measured values must be finite and standard deviations >= 0")
    share = curve(volume)
    error = curve.standard_error(volume, volume_sd_ml=volume_sd)
    value = np.asarray(given / share)
    return RecoveredActivity(
        value=value,
        standard_error=np.asarray(np.hypot(spread / share, value * error / share)),
        recovery=share,
        recovery_standard_error=error,
        covariance_with_volume_ml=np.asarray(
            -value / share * curve.slope_per_ml(volume) * volume_sd**2
        ),
        notes=curve.notes(volume),
    )
