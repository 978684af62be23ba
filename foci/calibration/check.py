"""Whether a calibration curve belongs to the laboratory whose counts are to be read with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.calibration.curve import CalibrationCurve
from foci.calibration.fit import checked_counts
from foci.counting.counts import check_dispersion
from foci.errors import FociError
from kinetics.curves import FloatArray

_WRONG_P = 0.01  # p of the counts below which a curve is said not to fit them


@dataclass(frozen=True)
class CurveCheck:
    """Counts of samples of known dose against a curve.

    Attributes
    ----------
    chi_square, degrees_of_freedom, p_value : float, int, float
        Misfit, counting noise and uncertainty of the curve both allowed for.
    scale_ratio, scale_ratio_sd : float
        Foci above the curve's intercept, counted over expected: 0.1 is a tenfold difference of
        scale; nan without a dose above zero.
    status : str
        ``"ok"``, or a warning in words.
    """

    chi_square: float
    degrees_of_freedom: int
    p_value: float
    scale_ratio: float
    scale_ratio_sd: float
    status: str

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and words."""
        from dataclasses import asdict

        return asdict(self)


def check_curve(
    curve: CalibrationCurve,
    dose_gy: npt.ArrayLike,
    cells: npt.ArrayLike,
    foci: npt.ArrayLike,
    *,
    dispersion: float | None = None,
) -> CurveCheck:
    r"""Test a curve on samples of known dose that the laboratory itself counted.

    Unirradiated controls alone test the intercept; one irradiated sample shows a wrong scale.

    Parameters
    ----------
    curve : CalibrationCurve
        The curve to be used.
    dose_gy, cells, foci : array_like, shape (n_samples,)
        Control samples, irradiated by the protocol of the curve: dose (Gy), cells and foci.
    dispersion : float, optional
        Variance over mean of the counts; that of the curve by default.

    Raises
    ------
    FociError
        If the arrays disagree or hold impossible numbers.

    Notes
    -----
    With :math:`r = y - \mu(D)` and :math:`V = \mathrm{diag}(\phi\mu/n) + G\Sigma G^T` the
    statistic :math:`r^TV^{-1}r` is chi-square with one degree of freedom per sample.

    Examples
    --------
    >>> from foci.calibration import eberlein_2015
    >>> other = check_curve(eberlein_2015(), [0.05, 0.1], [100, 100], [8, 15])
    >>> round(other.scale_ratio, 2), other.status[:40]
    (0.1, 'the curve does not fit these counts (p =')
    """
    from scipy.special import chdtrc

    dose, n, x = checked_counts(dose_gy, cells, foci)
    if len(dose) == 0:
        raise FociError("a check needs at least one sample of known dose")
    phi = curve.dispersion if dispersion is None else dispersion
    check_dispersion(phi)
    mean, gradient = curve.mean_per_cell(dose), curve.gradient(dose)
    least = np.maximum(mean, 1 / n)  # a mean of zero has no Gaussian noise
    residual = x / n - mean
    noise = np.diag(phi * least / n)
    total = noise + gradient @ curve.covariance @ gradient.T
    chi_square = float(residual @ np.linalg.solve(total, residual))
    p_value = float(chdtrc(len(dose), chi_square))
    ratio, ratio_sd = _scale_ratio(curve, dose, n, x, phi)
    status = "ok"
    if p_value < _WRONG_P:
        status = f"the curve does not fit these counts (p = {p_value:.2g})"
        if abs(ratio - 1) > 2 * ratio_sd:
            status += (
                f": foci per gray are {ratio:.2g} times those of the curve; laboratories differ "
                "tenfold, use a curve of this laboratory"
            )
    return CurveCheck(chi_square, len(dose), p_value, ratio, ratio_sd, status)


def _scale_ratio(
    curve: CalibrationCurve, dose: FloatArray, n: FloatArray, x: FloatArray, phi: float
) -> tuple[float, float]:
    """Foci above the intercept over those of the curve, and the SD of that ratio."""
    net = curve.mean_per_cell(dose) - curve.intercept_per_cell
    used = net > 0
    if not used.any():
        return float("nan"), float("nan")
    d, y, cells, gradient = net[used], (x / n)[used], n[used], curve.gradient(dose[used])
    weight = cells / (d + curve.intercept_per_cell) * d
    norm = float(weight @ d)
    ratio = float(weight @ (y - curve.intercept_per_cell)) / norm
    counting = float(weight**2 @ (phi * np.maximum(y, 1 / cells) / cells)) / norm**2
    gradient[:, 1:] *= ratio
    slope = weight @ gradient / norm
    return ratio, float(np.sqrt(counting + slope @ curve.covariance @ slope))
