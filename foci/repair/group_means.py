"""Repair rate from published means of foci after an irradiation ex vivo."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.checks import numbers
from foci.errors import FociError
from kinetics.curves import FloatArray
from radiobio.damage.dsb import induction_from_apparent_slope


@dataclass(frozen=True)
class RepairMeansFit:
    """Exponential decline of mean foci after the end of an irradiation.

    Attributes
    ----------
    foci_at_end_per_cell, foci_at_end_sd : float
        Excess foci per cell when the irradiation ended.
    repair_rate_per_h, repair_rate_sd_per_h : float
        Rate of decline (1/h).
    apparent_slope_per_gy, apparent_slope_sd : float
        Foci at the end over the dose (per cell and Gy): what a calibration line shows. Repair
        during the irradiation is still in it.
    induction_per_gy, induction_sd : float
        The apparent slope with that repair taken out, once. Never correct it again.
    degrees_of_freedom : int
        Means minus parameters.
    status : str
        ``"ok"``, or what is wrong, in words.
    assumptions : tuple of str
        What was assumed.
    """

    foci_at_end_per_cell: float
    foci_at_end_sd: float
    repair_rate_per_h: float
    repair_rate_sd_per_h: float
    apparent_slope_per_gy: float
    apparent_slope_sd: float
    induction_per_gy: float
    induction_sd: float
    degrees_of_freedom: int
    status: str
    assumptions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All fields."""
        return dict(self.__dict__)


def fit_repair_means(
    time_h: npt.ArrayLike,
    mean_per_cell: npt.ArrayLike,
    *,
    dose_gy: float,
    irradiation_h: float,
    sd_per_cell: npt.ArrayLike | None = None,
) -> RepairMeansFit:
    r"""Fit a repair rate to mean excess foci at some times after an irradiation ex vivo.

    Parameters
    ----------
    time_h : array_like, shape (n,)
        Times after the END of the irradiation (h), zero or positive.
    mean_per_cell : array_like, shape (n,)
        Mean foci per cell above background.
    dose_gy : float
        Absorbed dose (Gy).
    irradiation_h : float
        Duration of the irradiation (h). Give it once: the slope at its end is corrected for the
        repair during it here. Zero leaves the slope as it is.
    sd_per_cell : array_like, shape (n,), optional
        Standard deviations, used as relative weights.

    Returns
    -------
    RepairMeansFit

    Raises
    ------
    FociError
        If there are fewer than three means, or a value is not legal.

    Notes
    -----
    Least squares of :math:`A e^{-kt}`; the covariance is scaled by the residual variance, in
    both cases. :math:`c = (A/D)\,kT/(1-e^{-kT})`, its standard deviation by the delta method.

    References
    ----------
    Numbers of the example: means of 32 patients' blood, 131I, 50.1 mGy in 1 h (PMC8940852), who
    give 0.25 +- 0.05 /h.

    Examples
    --------
    >>> fit = fit_repair_means([0, 4, 24], [0.72, 0.26, 0.04], dose_gy=0.0501, irradiation_h=1.0)
    >>> round(fit.repair_rate_per_h, 4), round(fit.repair_rate_sd_per_h, 3)
    (0.2531, 0.039)
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    time, mean, sd = _checked(time_h, mean_per_cell, sd_per_cell)
    if not (np.isfinite(dose_gy) and dose_gy > 0):
        raise FociError(f"dose_gy must be positive, got {dose_gy}")
    if not (np.isfinite(irradiation_h) and irradiation_h >= 0):
        raise FociError(f"irradiation_h must be zero or positive, got {irradiation_h}")
    falling = (mean[0] > mean[-1] > 0) and time[-1] > time[0]
    start = float(np.log(mean[0] / mean[-1]) / (time[-1] - time[0])) if falling else 0.1
    first = [max(mean.max(), 1e-6), start]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            (at_end, rate), covariance = curve_fit(
                lambda t, a, k: a * np.exp(-k * t), time, mean, p0=first, sigma=sd
            )
    except (RuntimeError, OptimizeWarning):
        raise FociError(
            f"no exponential decline fits the means {mean.tolist()} at {time.tolist()} h"
        ) from None
    status = f"{len(time)} means, {len(time) - 2} degrees of freedom: the standard deviations are "
    status = "ok" if len(time) > 5 else status + "themselves uncertain"
    if rate <= 1e-9 or at_end <= 0:
        raise FociError(
            f"the means do not decline from a positive value (A = {at_end:.3g} per cell, k = "
            f"{rate:.3g} /h): no repair rate can be given"
        )
    factor = float(induction_from_apparent_slope(1.0, rate, irradiation_h))
    step = 1e-5 * rate
    above, below = induction_from_apparent_slope(1.0, [rate + step, rate - step], irradiation_h)
    gradient = np.array([factor, at_end * (above - below) / (2 * step)]) / dose_gy
    sds = np.sqrt(np.diag(covariance))
    return RepairMeansFit(
        foci_at_end_per_cell=float(at_end),
        foci_at_end_sd=float(sds[0]),
        repair_rate_per_h=float(rate),
        repair_rate_sd_per_h=float(sds[1]),
        apparent_slope_per_gy=float(at_end / dose_gy),
        apparent_slope_sd=float(sds[0] / dose_gy),
        induction_per_gy=float(at_end / dose_gy * factor),
        induction_sd=float(np.sqrt(gradient @ covariance @ gradient)),
        degrees_of_freedom=len(time) - 2,
        status=status,
        assumptions=("one first-order repair rate, the same during the irradiation ASSUMED",),
    )


def _checked(
    time_h: npt.ArrayLike, mean_per_cell: npt.ArrayLike, sd_per_cell: npt.ArrayLike | None
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Arrays ordered by time after the checks."""
    time, mean = numbers(time_h, "time_h"), numbers(mean_per_cell, "mean_per_cell")
    sd = None if sd_per_cell is None else numbers(sd_per_cell, "sd_per_cell")
    if time.ndim != 1 or time.shape != mean.shape or (sd is not None and sd.shape != time.shape):
        raise FociError(
            f"times, means and standard deviations need one shape (n,), got {time.shape}, "
            f"{mean.shape}" + ("" if sd is None else f", {sd.shape}")
        )
    if len(time) < 3:
        raise FociError(f"a rate with its uncertainty needs three means or more, got {len(time)}")
    if not (np.isfinite(time).all() and np.isfinite(mean).all() and (time >= 0).all()):
        raise FociError(
            "times (after the end of the irradiation) and means must be finite, times >= 0"
        )
    if sd is not None and not (np.isfinite(sd).all() and (sd > 0).all()):
        raise FociError("sd_per_cell must be positive")
    order = np.argsort(time)
    return time[order], mean[order], None if sd is None else sd[order]
