"""Calibration slopes over time: how much of the damage the repair left when cells were fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from foci.calibration.curve import CalibrationCurve
from foci.errors import FociError
from kinetics.curves import FloatArray
from radiobio.damage.dsb import foci_after_irradiation


def unrepaired_share(
    *,
    irradiation_h: float,
    repair_h: float,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
) -> FloatArray:
    r"""Share of the induced foci still there when the cells are fixed.

    Parameters
    ----------
    irradiation_h, repair_h : float
        Time T of irradiation at constant rate, and time r from its end to the fixation (h).
    repair_rate_per_h : array_like, scalar or shape (..., n_components)
        Repair rates (1/h); a scalar is a single pool.
    fraction : array_like, scalar or shape (..., n_components)
        Share of the foci in each component.

    Returns
    -------
    ndarray, shape (...)

    Notes
    -----
    :math:`\sum_j f_j\, e^{-k_j r}(1-e^{-k_jT})/(k_jT)`. A slope after this protocol is the
    induction per gray times this share.

    Examples
    --------
    >>> float(unrepaired_share(irradiation_h=1, repair_h=4, repair_rate_per_h=0.25).round(3))
    0.325
    """
    return foci_after_irradiation(
        irradiation_h + repair_h,
        dose_gy=1.0,
        irradiation_h=irradiation_h,
        induction_per_gy=1.0,
        repair_rate_per_h=repair_rate_per_h,
        fraction=fraction,
    )


def convert_curve(
    curve: CalibrationCurve,
    *,
    irradiation_h: float,
    repair_h: float,
    repair_rate_per_h: npt.ArrayLike,
    fraction: npt.ArrayLike = 1.0,
) -> CalibrationCurve:
    r"""Calibration line for another time of irradiation or of repair before fixation.

    Parameters
    ----------
    curve : CalibrationCurve
        A line; it carries the protocol it holds for.
    irradiation_h, repair_h : float
        The protocol wanted (h).
    repair_rate_per_h : array_like, scalar, shape (n_components,) or (n_draws, n_components)
        Repair rates in vitro (1/h). Draws carry their uncertainty into the slope.
    fraction : array_like, scalar or shape (..., n_components)
        Share of the foci in each component.

    Returns
    -------
    CalibrationCurve
        With the new protocol, so that a second conversion starts from there: a slope is
        corrected once, never twice.

    Raises
    ------
    FociError
        If the curve is linear-quadratic: repair during the irradiation changes the two
        coefficients differently.

    Notes
    -----
    Slope times the ratio of the `unrepaired_share` of both protocols, averaged over the draws.
    The intercept stays: spontaneous foci come and go at the same rate.

    Examples
    --------
    >>> from foci.calibration import eberlein_2015
    >>> acute = convert_curve(eberlein_2015(), irradiation_h=0, repair_h=0, repair_rate_per_h=0.25)
    >>> round(acute.slope_per_gy, 2)
    16.61
    """
    if not curve.is_linear:
        raise FociError("only a calibration line can be converted to another protocol")
    old, new = (
        unrepaired_share(
            irradiation_h=duration,
            repair_h=wait,
            repair_rate_per_h=repair_rate_per_h,
            fraction=fraction,
        )
        for duration, wait in ((curve.irradiation_h, curve.repair_h), (irradiation_h, repair_h))
    )
    if (old <= 0).any() or (new <= 0).any():
        raise FociError("no foci are left after one of the protocols: its slope would be zero")
    ratio = new / old
    factor, spread = float(ratio.mean()), float(ratio.std())
    scale = np.array([1.0, factor])
    covariance = curve.covariance * np.outer(scale, scale)
    covariance[1, 1] += spread**2 * (curve.slope_per_gy**2 + curve.slope_sd**2)
    words = (
        f"slope converted from {curve.irradiation_h:g} h of irradiation and {curve.repair_h:g} h "
        f"of repair to {irradiation_h:g} h and {repair_h:g} h by the repair model (factor "
        f"{factor:.4g}); the same repair in both ASSUMED"
    )
    return replace(
        curve,
        coefficients=curve.coefficients * scale,
        covariance=covariance,
        irradiation_h=irradiation_h,
        repair_h=repair_h,
        assumptions=(*curve.assumptions, words),
    )


@dataclass(frozen=True, eq=False)
class SlopeDecay:
    r"""Calibration slope against the time from the end of irradiation to fixation.

    Attributes
    ----------
    amplitude_per_gy : ndarray, shape (n_components,)
        Slope of each component at the end of the irradiation (1/Gy), the fastest first.
    rate_per_h : ndarray, shape (n_components,)
        Its decay (1/h).
    covariance : ndarray, shape (2 n_components, 2 n_components)
        Of the logarithms of amplitudes and rates.
    irradiation_h : float
        Time of irradiation of all the curves (h).
    chi_square, p_value : float
        Misfit and its chance; nan without degrees of freedom.
    status : str
        ``"ok"``, or what is wrong, in words.
    """

    amplitude_per_gy: FloatArray
    rate_per_h: FloatArray
    covariance: FloatArray
    irradiation_h: float
    chi_square: float
    p_value: float
    status: str

    def slope_per_gy(self, repair_h: npt.ArrayLike) -> FloatArray:
        """Slope (1/Gy) at times after the irradiation, of their shape."""
        time = np.asarray(repair_h, dtype=np.float64)[..., None]
        return np.asarray((self.amplitude_per_gy * np.exp(-self.rate_per_h * time)).sum(-1))

    def slope_sd(self, repair_h: npt.ArrayLike) -> FloatArray:
        """Standard deviation of the slope (1/Gy), by the delta method."""
        time = np.asarray(repair_h, dtype=np.float64)[..., None]
        part = self.amplitude_per_gy * np.exp(-self.rate_per_h * time)
        gradient = np.concatenate([part, -part * self.rate_per_h * time], axis=-1)
        variance = np.einsum("...i,ij,...j->...", gradient, self.covariance, gradient)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    @property
    def induction_per_gy(self) -> float:
        """Foci induced per cell and Gy, before the repair during the irradiation."""
        return float(self._induced().sum())

    @property
    def fraction(self) -> FloatArray:
        """Share of the induced foci in each component, as the repair model needs it."""
        return np.asarray(self._induced() / self.induction_per_gy)

    def _induced(self) -> FloatArray:
        left = [
            float(
                unrepaired_share(
                    irradiation_h=self.irradiation_h, repair_h=0.0, repair_rate_per_h=float(rate)
                )
            )
            for rate in self.rate_per_h
        ]
        return np.asarray(self.amplitude_per_gy / np.array(left))


# start of the search: gamma-H2AX foci per cell and Gy, github.com/JoshuaHutchinson101/
# H2AX-biodosimetry at commit 53cee86, which are start values there too
START_AMPLITUDE_PER_GY = (11.57, 2.45)
START_RATE_PER_H = (0.97, 0.038)


def fit_slope_decay(
    curves: tuple[CalibrationCurve, ...] | list[CalibrationCurve],
    *,
    n_components: int = 2,
    start_amplitude_per_gy: tuple[float, ...] = START_AMPLITUDE_PER_GY,
    start_rate_per_h: tuple[float, ...] = START_RATE_PER_H,
) -> SlopeDecay:
    r"""Fit slope(r) = sum of exponentials to the slopes of curves fixed at several times.

    Parameters
    ----------
    curves : sequence of CalibrationCurve
        Lines of one laboratory and one time of irradiation with different `repair_h`, fitted to
        different samples.
    n_components : int
        Number of exponentials, 1 or 2.
    start_amplitude_per_gy, start_rate_per_h : tuple of float
        Where the search begins; only its first `n_components` are used.

    Raises
    ------
    FociError
        If there are fewer times than parameters, or the times of irradiation differ.

    Notes
    -----
    Weighted least squares on the logarithms of amplitudes and rates. With the time T of the
    irradiation the amplitudes give the induction,
    :math:`c f_j = p_j\,k_jT/(1-e^{-k_jT})`; no slope of these curves may be corrected before.

    Examples
    --------
    >>> from foci.calibration import calibration_line
    >>> curves = [calibration_line(10 * 0.5**i, 0.1, repair_h=2.0 * i) for i in range(4)]
    >>> decay = fit_slope_decay(curves, n_components=1)
    >>> decay.amplitude_per_gy.round(3), decay.rate_per_h.round(4)
    (array([10.]), array([0.3466]))
    """
    from scipy.optimize import least_squares
    from scipy.special import chdtrc

    time, slope, sd, irradiation_h = _slopes(curves, n_components)
    start = np.log([*start_amplitude_per_gy[:n_components], *start_rate_per_h[:n_components]])
    if len(start) != 2 * n_components:
        raise FociError(f"the start needs {n_components} amplitudes and rates")

    def residuals(log_parameters: FloatArray) -> FloatArray:
        amplitude, rate = np.exp(log_parameters).reshape(2, -1)
        return np.asarray((np.exp(-np.outer(time, rate)) @ amplitude - slope) / sd)

    found = least_squares(residuals, start, x_scale="jac", max_nfev=2000, xtol=1e-12, ftol=1e-12)
    amplitude, rate = np.exp(found.x).reshape(2, -1)
    order = np.argsort(-rate)
    both = np.concatenate([order, n_components + order])
    information = (found.jac.T @ found.jac)[np.ix_(both, both)]
    status = "ok" if found.success else "the fit did not converge"
    if np.linalg.cond(information) > 1e10:
        status = "the curves do not identify all components: use fewer, or more times"
    chi_square, freedom = float(2 * found.cost), len(time) - 2 * n_components
    return SlopeDecay(
        amplitude[order],
        rate[order],
        np.linalg.pinv(information),
        irradiation_h,
        chi_square,
        float(chdtrc(freedom, chi_square)) if freedom else float("nan"),
        status,
    )


def _slopes(
    curves: tuple[CalibrationCurve, ...] | list[CalibrationCurve], n_components: int
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Times, slopes and their SD, and the common time of irradiation, after the checks."""
    if n_components not in (1, 2):
        raise FociError(f"n_components must be 1 or 2, got {n_components}")
    time = np.array([curve.repair_h for curve in curves])
    if len(np.unique(time)) < 2 * n_components:
        raise FociError(
            f"{n_components} component(s) need curves at {2 * n_components} different repair_h "
            f"or more, got {len(np.unique(time))}"
        )
    durations = {curve.irradiation_h for curve in curves}
    if len(durations) > 1:
        raise FociError(
            f"the times of irradiation differ ({sorted(durations)} h): convert the curves first"
        )
    if not all(curve.is_linear for curve in curves):
        raise FociError("the slope of a linear-quadratic curve changes with dose: give lines")
    sd = np.array([curve.slope_sd for curve in curves])
    if (sd <= 0).any():
        raise FociError("every slope needs a standard deviation above zero")
    return time, np.array([curve.slope_per_gy for curve in curves]), sd, durations.pop()
