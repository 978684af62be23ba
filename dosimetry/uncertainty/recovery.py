"""Recovery of counts by volume, and how counts and recovery follow an error of the outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.uncertainty.factors import lognormal_factor
from dosimetry.uncertainty.voi import sphere_diameter_mm

FloatArray = npt.NDArray[np.float64]

_GRID = 4000  # points of the count profile of a blurred sphere


@dataclass(frozen=True, eq=False)
class RecoveryCurve:
    r"""Recovery coefficient as a function of volume, with the covariance of its fit.

    :math:`R(v) = 1/(1 + (b_1/v)^{b_2})`: half of the counts at the volume :math:`b_1`.

    Attributes
    ----------
    half_volume_ml : float
        :math:`b_1` (mL).
    exponent : float
        :math:`b_2`.
    covariance : ndarray, shape (2, 2)
        Covariance of :math:`(b_1, b_2)`.

    References
    ----------
    The two-parameter form is one of several in use for spheres in a phantom; it is a choice, not a
    law. See `fit_recovery_curve`.
    """

    half_volume_ml: float
    exponent: float
    covariance: FloatArray

    def __post_init__(self) -> None:
        covariance = np.asarray(self.covariance, dtype=np.float64)
        if not (self.half_volume_ml > 0 and self.exponent > 0):
            raise DosimetryError(
                "half_volume_ml and exponent must be positive, got "
                f"{self.half_volume_ml!r} and {self.exponent!r}"
            )
        if covariance.shape != (2, 2) or not np.allclose(covariance, covariance.T):
            raise DosimetryError(f"covariance must be symmetric, 2 by 2, got {covariance!r}")
        if np.linalg.eigvalsh(covariance)[0] < -1e-9 * np.trace(covariance):
            raise DosimetryError(f"covariance must have no negative variance, got {covariance!r}")
        object.__setattr__(self, "covariance", covariance)

    def __call__(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """Recovery coefficient at each volume."""
        ratio = self.half_volume_ml / np.asarray(volume_ml, dtype=np.float64)
        return np.asarray(1 / (1 + ratio**self.exponent))

    def slope(self, volume_ml: npt.ArrayLike) -> FloatArray:
        r"""Relative change of R for a relative change of the volume, :math:`b_2 (1-R)`."""
        return np.asarray(self.exponent * (1 - self(volume_ml)))

    def relative_sd(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """Relative standard uncertainty of R at a fixed volume, from the covariance."""
        missing = 1 - self(volume_ml)
        log_ratio = np.log(self.half_volume_ml / np.asarray(volume_ml, dtype=np.float64))
        gradient = np.stack(
            [-missing * self.exponent / self.half_volume_ml, -missing * log_ratio], axis=-1
        )
        variance = np.einsum("...i,ij,...j", gradient, self.covariance, gradient)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def ratio_draws(
        self, draws_ml: FloatArray, at_ml: float, *, rng: np.random.Generator
    ) -> FloatArray:
        """Recovery of drawn curves at drawn volumes, over the recovery of this one at `at_ml`.

        The parameters are drawn log-normally about their estimates, so that they stay positive.
        """
        centre = np.array([self.half_volume_ml, self.exponent])
        log_covariance = self.covariance / np.outer(centre, centre)
        normal = rng.multivariate_normal(
            np.zeros(2), log_covariance, size=len(draws_ml), method="eigh"
        )
        half_ml, exponent = (centre * np.exp(normal)).T
        return np.asarray(1 / (1 + (half_ml / draws_ml) ** exponent) / self(at_ml))


@dataclass(frozen=True, eq=False)
class RecoveryCoefficient:
    """One measured recovery coefficient.

    Attributes
    ----------
    value : float
        Recovery coefficient at the volume of the region; 1 where no correction was made.
    sd : float
        Its standard uncertainty.
    log_slope : float
        Relative change for a relative change of the volume; zero (the default) leaves it out.
    """

    value: float
    sd: float = 0.0
    log_slope: float = 0.0

    def __post_init__(self) -> None:
        if not (self.value > 0 and self.sd >= 0 and np.isfinite(self.log_slope)):
            raise DosimetryError(
                "a recovery coefficient needs value > 0, sd >= 0 and a finite log_slope, got "
                f"{self.value!r}, {self.sd!r}, {self.log_slope!r}"
            )

    def __call__(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """The coefficient, for every volume."""
        return np.full(np.shape(volume_ml), self.value)

    def slope(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """The slope, for every volume."""
        return np.full(np.shape(volume_ml), self.log_slope)

    def relative_sd(self, volume_ml: npt.ArrayLike) -> FloatArray:
        """The relative standard uncertainty, for every volume."""
        return np.full(np.shape(volume_ml), self.sd / self.value)

    def ratio_draws(
        self, draws_ml: FloatArray, at_ml: float, *, rng: np.random.Generator
    ) -> FloatArray:
        """Drawn recovery at drawn volumes, over the coefficient."""
        factor = lognormal_factor(1.0, self.sd / self.value, n_draws=len(draws_ml), rng=rng)
        return np.asarray(factor * (draws_ml / at_ml) ** self.log_slope)


def fit_recovery_curve(
    volume_ml: npt.ArrayLike, recovery: npt.ArrayLike, sd: npt.ArrayLike
) -> RecoveryCurve:
    """Fit a recovery curve to phantom spheres by weighted least squares.

    Parameters
    ----------
    volume_ml, recovery, sd : array_like, shape (n_spheres,)
        Volumes (mL), measured recovery coefficients and their standard deviations.

    Returns
    -------
    RecoveryCurve
        With the covariance that the stated standard deviations imply.

    Raises
    ------
    DosimetryError
        If fewer than three spheres are given, a value is not positive, or the fit fails.

    Examples
    --------
    >>> curve = fit_recovery_curve([1, 4, 16, 64], [0.2, 0.44, 0.72, 0.9], [0.02] * 4)
    >>> round(curve.half_volume_ml, 1), round(curve.exponent, 2)
    (5.2, 0.85)
    """
    from scipy.optimize import curve_fit

    data = [np.asarray(x, dtype=np.float64) for x in (volume_ml, recovery, sd)]
    volume, measured, spread = data
    if volume.ndim != 1 or len({x.shape for x in data}) != 1 or len(volume) < 3:
        raise DosimetryError("a recovery curve needs at least three spheres with R and sd each")
    if not all(((x > 0) & np.isfinite(x)).all() for x in data):
        raise DosimetryError("volumes, recovery coefficients and sd must be positive")

    def recovered(v: FloatArray, log_half: float, log_exponent: float) -> FloatArray:
        return np.asarray(1 / (1 + (np.exp(log_half) / v) ** np.exp(log_exponent)))

    start = (np.log(np.median(volume)), 0.0)
    try:
        logs, covariance = curve_fit(
            recovered, volume, measured, p0=start, sigma=spread, absolute_sigma=True
        )
    except RuntimeError as error:
        raise DosimetryError(f"no recovery curve fits these spheres: {error}") from None
    parameters = np.exp(logs)
    return RecoveryCurve(
        float(parameters[0]), float(parameters[1]), covariance * np.outer(parameters, parameters)
    )


def edge_share(volume_ml: npt.ArrayLike, fwhm_mm: npt.ArrayLike) -> FloatArray:
    r"""Twice the count density at the edge of a blurred sphere, over the density of the source.

    A uniform sphere of radius r blurred by a Gaussian of standard deviation :math:`\sigma` has at
    its edge half of

    .. math:: \varphi = \mathrm{erf}\!\left(\frac{\sqrt 2\,r}{\sigma}\right)
              - \frac{2\sigma}{\sqrt{2\pi}\,r}\left(1 - e^{-2r^2/\sigma^2}\right)

    Parameters
    ----------
    volume_ml : array_like
        Volume of the sphere (mL).
    fwhm_mm : array_like
        Spatial resolution of the emission image (mm), zero or positive.

    Returns
    -------
    ndarray
        From 0 (small) to 1 (large against the resolution).

    Raises
    ------
    DosimetryError
        If a volume is not positive or a resolution negative.

    References
    ----------
    Derived here by convolution in spherical coordinates.
    """
    from scipy.special import erf

    radius, sigma = _radius_and_sigma(volume_ml, fwhm_mm)
    a = radius / np.maximum(sigma, 1e-9 * radius)
    edge = erf(np.sqrt(2) * a) + 2 / (np.sqrt(2 * np.pi) * a) * np.expm1(-2 * a**2)
    return np.asarray(edge)


def counts_exponent(
    volume_ml: npt.ArrayLike, fwhm_mm: npt.ArrayLike, recovery: npt.ArrayLike
) -> FloatArray:
    r"""Relative change of the counts in an outline for a relative change of its volume.

    Moving the edge by a shell of volume dv adds counts of the density at the edge,
    :math:`\varphi/2` of the source's, to the counts inside, R of the source's:
    :math:`d\ln C/d\ln v = \varphi/(2R)`.

    Parameters
    ----------
    volume_ml, fwhm_mm : array_like
        As in `edge_share`.
    recovery : array_like
        Recovery coefficient at that volume, above zero.

    Raises
    ------
    DosimetryError
        If a recovery coefficient is not positive.
    """
    recovered = np.asarray(recovery, dtype=np.float64)
    if not (recovered > 0).all():
        raise DosimetryError(f"recovery coefficients must be positive, got {recovery!r}")
    return np.asarray(edge_share(volume_ml, fwhm_mm) / (2 * recovered))


def sphere_counts_ratio(draws_ml: FloatArray, at_ml: float, fwhm_mm: float) -> FloatArray:
    """Counts of a blurred sphere of volume `at_ml` inside concentric outlines, over those at it.

    Integrates the profile of the blurred sphere over shells; the nonlinear twin of
    `counts_exponent` with the recovery of that sphere.
    """
    volume = np.linspace(0, 1.001 * max(at_ml, draws_ml.max()), _GRID)
    density = _blurred_sphere(np.cbrt(3e3 * volume / (4 * np.pi)), at_ml, fwhm_mm)
    shells = 0.5 * (density[1:] + density[:-1]) * np.diff(volume)
    counts = np.concatenate([[0.0], np.cumsum(shells)])
    return np.asarray(np.interp(draws_ml, volume, counts) / np.interp(at_ml, volume, counts))


def sphere_recovery(at_ml: float, fwhm_mm: float) -> float:
    """Share of the counts of a Gaussian-blurred sphere that stays inside it."""
    volume = np.linspace(0, at_ml, _GRID)
    density = _blurred_sphere(np.cbrt(3e3 * volume / (4 * np.pi)), at_ml, fwhm_mm)
    return float((0.5 * (density[1:] + density[:-1])).mean())


def _blurred_sphere(distance_mm: FloatArray, at_ml: float, fwhm_mm: float) -> FloatArray:
    """Density at a distance from the centre of a blurred sphere of unit density."""
    from scipy.special import erf

    radius, sigma = (float(x) for x in _radius_and_sigma(at_ml, fwhm_mm))
    sigma = max(sigma, 1e-3 * radius)
    x = np.maximum(distance_mm, 1e-6 * radius)
    out, into = (radius + x) / (np.sqrt(2) * sigma), (radius - x) / (np.sqrt(2) * sigma)
    wings = sigma / (np.sqrt(2 * np.pi) * x) * (np.exp(-(into**2)) - np.exp(-(out**2)))
    return np.asarray(0.5 * (erf(out) + erf(into)) - wings)


def _radius_and_sigma(
    volume_ml: npt.ArrayLike, fwhm_mm: npt.ArrayLike
) -> tuple[FloatArray, FloatArray]:
    fwhm = np.asarray(fwhm_mm, dtype=np.float64)
    if not (fwhm >= 0).all():
        raise DosimetryError(f"fwhm_mm must be zero or positive, got {fwhm_mm!r}")
    return sphere_diameter_mm(volume_ml) / 2, fwhm / np.sqrt(8 * np.log(2))
