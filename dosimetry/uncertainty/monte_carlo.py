"""The measurement of a dose, drawn at random: the twin of the propagation to first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.recovery import RecoveryCurve, sphere_diameter_mm, sphere_recovery
from dosimetry.recovery.blurred_sphere import sphere_counts_ratio
from dosimetry.uncertainty.factors import check_n_draws, lognormal_factor
from dosimetry.uncertainty.gear2018 import DoseMeasurement, DoseUncertainty, dose_uncertainty

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


def measurement_factor(
    measurement: DoseMeasurement, *, n_draws: int, rng: np.random.Generator
) -> FloatArray:
    r"""Draws of the dose over its nominal value, from everything but the curve fit.

    Multiplies a dose, a dose rate or a curve whose draws hold the uncertainty of the kinetics
    alone (``curve.scaled(factor)``), or goes to `organ_dose` and `tumour_dose` as their
    ``s_value_factor``, with the mass of the region as one number.

    Parameters
    ----------
    measurement : DoseMeasurement
        The inputs; `tia_sd_mbq_h` does not enter.
    n_draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (n_draws,)
        :math:`\frac{C(v)/C(v_0)}{R(v;b)/R(v_0;b_0)}\, Q\, (v/v_0)^{-c_2}\, s`.

    Notes
    -----
    Volume, calibration and S value are log-normal around the values measured, and so are the
    parameters of the recovery curve (ASSUMED, to keep them positive). The counts are those of a
    Gaussian-blurred sphere inside an outline that is too large or too small, raised to the power
    that gives the slope :math:`\varphi/2R` for the recovery R stated.

    Raises
    ------
    DosimetryError
        If `n_draws` is below one.
    """
    check_n_draws(n_draws)
    m, nominal_ml = measurement, measurement.volume_ml
    sd = m.relative_sd
    size = lognormal_factor(1.0, sd["voi"], n_draws=n_draws, rng=rng)
    factor = size**-m.s_value_exponent / _recovery_ratio(m, size, rng)
    if m.spect_fwhm_mm is not None:
        own = float(sphere_recovery(sphere_diameter_mm(nominal_ml), m.spect_fwhm_mm))
        power = own / m.coefficient.value
        counts = sphere_counts_ratio(nominal_ml * size, nominal_ml, m.spect_fwhm_mm)
        factor = factor * counts**power
    for name in ("calibration", "s_value"):
        factor = factor * lognormal_factor(1.0, sd[name], n_draws=n_draws, rng=rng)
    return np.asarray(factor)


def dose_draws(
    measurement: DoseMeasurement,
    *,
    n_draws: int,
    rng: np.random.Generator,
    tia_mbq_h: npt.ArrayLike | None = None,
) -> FloatArray:
    """Draws of a dose through the whole chain of its measurement (Gy).

    Parameters
    ----------
    measurement : DoseMeasurement
        The inputs with their uncertainties.
    n_draws : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.
    tia_mbq_h : array_like, shape (n_draws,), optional
        Posterior draws of the time-integrated activity (MBq h), instead of log-normal draws with
        the mean and standard uncertainty in `measurement`.

    Returns
    -------
    ndarray, shape (n_draws,)

    Raises
    ------
    DosimetryError
        If the draws given are not n_draws.

    Examples
    --------
    >>> tumour = DoseMeasurement(1e3, 50.0, 8e-3, volume_ml=10.0, voi_relative_sd=0.1)
    >>> draws = dose_draws(tumour, n_draws=2000, rng=np.random.default_rng(1))
    >>> draws.shape, round(float(draws.mean()), 1)
    ((2000,), 8.1)
    """
    factor = measurement_factor(measurement, n_draws=n_draws, rng=rng)
    if tia_mbq_h is None:
        spread = measurement.relative_sd["tia"]
        tia = lognormal_factor(measurement.tia_mbq_h, spread, n_draws=n_draws, rng=rng)
    else:
        tia = np.asarray(tia_mbq_h, dtype=np.float64)
        if tia.shape != (n_draws,):
            raise DosimetryError(f"tia_mbq_h must hold {n_draws} draws, got shape {tia.shape}")
    return np.asarray(factor * tia * measurement.s_value_gy_per_mbq_h)


def _recovery_ratio(m: DoseMeasurement, size: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Drawn recovery at drawn volumes, over the nominal one."""
    recovery, n_draws = m.coefficient, len(size)
    if isinstance(m.recovery, RecoveryCurve):
        drawn = m.recovery.draws(m.volume_ml * size, n_draws=n_draws, rng=rng)
        return np.asarray(drawn / recovery.value)
    factor = lognormal_factor(1.0, recovery.relative_sd, n_draws=n_draws, rng=rng)
    return np.asarray(factor * size**recovery.log_slope)


@dataclass(frozen=True, eq=False)
class MonteCarloCheck:
    """First-order propagation beside draws of the same measurement.

    Attributes
    ----------
    first_order : DoseUncertainty
        From `dose_uncertainty`.
    draws_gy : ndarray, shape (n_draws,)
        From `dose_draws` (Gy).
    """

    first_order: DoseUncertainty
    draws_gy: FloatArray

    @property
    def sd_ratio(self) -> float:
        """Standard deviation of the draws over the first-order uncertainty; NaN if that is zero."""
        first = self.first_order.standard_uncertainty_gy
        return float(self.draws_gy.std(ddof=1) / first) if first else float("nan")

    @property
    def bias_gy(self) -> float:
        """Mean of the draws minus the nominal dose (Gy)."""
        return float(self.draws_gy.mean() - self.first_order.dose_gy)

    def to_frame(self) -> pd.DataFrame:
        """One row a method: mean, standard deviation and the central 95 % interval (Gy)."""
        import pandas as pd

        first, draws = self.first_order, self.draws_gy
        half = 1.959964 * first.standard_uncertainty_gy
        rows = [
            (
                "first order",
                first.dose_gy,
                first.standard_uncertainty_gy,
                first.dose_gy - half,
                first.dose_gy,
                first.dose_gy + half,
            ),
            (
                "Monte Carlo",
                draws.mean(),
                draws.std(ddof=1),
                *np.quantile(draws, (0.025, 0.5, 0.975)),
            ),
        ]
        columns = ["method", "mean_gy", "sd_gy", "q025_gy", "q50_gy", "q975_gy"]
        return pd.DataFrame(rows, columns=columns)


def monte_carlo_check(
    measurement: DoseMeasurement, *, n_draws: int, rng: np.random.Generator
) -> MonteCarloCheck:
    """Compare the first-order uncertainty with draws.

    For tumours of 1 to 100 mL the standard deviations agree within 2 % while no input is less sure
    than 10 %. With a volume known to 30 % they differ by up to 20 %, the draws are skewed, and
    first order misses their upper tail; beyond, it may be wrong by a factor.

    Parameters
    ----------
    measurement : DoseMeasurement
        The inputs with their uncertainties.
    n_draws : int
        Number of draws, at least two.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    MonteCarloCheck

    Raises
    ------
    DosimetryError
        If `n_draws` is below two.
    """
    check_n_draws(n_draws, least=2)
    draws = dose_draws(measurement, n_draws=n_draws, rng=rng)
    return MonteCarloCheck(dose_uncertainty(measurement), draws)
