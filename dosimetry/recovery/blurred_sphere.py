"""A uniform sphere blurred by a Gaussian, in closed form: what an image keeps of it, and where."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""

_GRID = 4000  # shells of the count profile
_SERIES_BELOW = 0.5  # of 2R/(sigma sqrt 2), where the closed form loses digits
_SERIES = np.array(
    [
        (-1) ** k
        * (2 / (math.factorial(k) * (2 * k + 1)) - 1 / math.factorial(k + 1)
           - 2 / math.factorial(k + 2))
        for k in range(12)
    ]
)  # fmt: skip


def sphere_volume_ml(diameter_mm: npt.ArrayLike) -> FloatArray:
    """Volume (mL) of spheres of a diameter (mm)."""
    return np.asarray(np.pi / 6000 * np.asarray(diameter_mm, dtype=np.float64) ** 3)


def sphere_diameter_mm(volume_ml: npt.ArrayLike) -> FloatArray:
    """Diameter (mm) of spheres of a volume (mL).

    Raises
    ------
    DosimetryError
        If a volume is not finite and above zero.
    """
    return np.asarray(np.cbrt(6000 / np.pi * checked_volume(volume_ml)))


def checked_volume(volume_ml: npt.ArrayLike) -> FloatArray:
    """Volumes (mL) that are finite and above zero."""
    volume = np.asarray(volume_ml, dtype=np.float64)
    if not (np.isfinite(volume).all() and (volume > 0).all()):
        raise DosimetryError(f"volumes must be finite and above 0 mL, got {volume_ml!r}")
    return volume


def sphere_recovery(diameter_mm: npt.ArrayLike, fwhm_mm: npt.ArrayLike) -> FloatArray:
    r"""Share of the activity of a sphere that stays within its outline after a Gaussian blur.

    Parameters
    ----------
    diameter_mm, fwhm_mm : array_like, broadcast
        Diameter of the sphere and full width at half maximum of the blur (mm).

    Notes
    -----
    With :math:`a = \sqrt 2 R/\sigma`,
    :math:`RC = \mathrm{erf}\,a - (3 - e^{-a^2})/(a\sqrt\pi) + 2 (1 - e^{-a^2})/(a^3\sqrt\pi)`: the
    chance that two points of a sphere lie a normal displacement apart (the factor
    :math:`1 - 3x/4R + x^3/16R^3` of `absorbed_in_sphere`, averaged over the Maxwell
    distribution of x). Small spheres: :math:`a^3/(6\sqrt\pi)`.

    Raises
    ------
    DosimetryError
        If a length is not positive.

    Examples
    --------
    >>> [round(float(sphere_recovery(d, 10.0)), 3) for d in (10.0, 20.0, 60.0)]
    [0.215, 0.522, 0.832]
    """
    from scipy.special import erf

    a = math.sqrt(2) * _radius_in_sigma(diameter_mm, fwhm_mm)
    power = np.where(a < _SERIES_BELOW, a, 0.0)[..., None] ** (2 * np.arange(12) + 1)
    x = np.maximum(a, _SERIES_BELOW)
    tail = np.exp(-(x**2))
    closed = erf(x) - (3 - tail) / (x * math.sqrt(math.pi))
    closed = closed + 2 * (1 - tail) / (x**3 * math.sqrt(math.pi))
    series = power @ _SERIES / math.sqrt(math.pi)
    return np.asarray(np.where(a < _SERIES_BELOW, series, closed))


def sphere_peak_recovery(diameter_mm: npt.ArrayLike, fwhm_mm: npt.ArrayLike) -> FloatArray:
    r"""Value at the centre of a blurred sphere over the value without blur.

    The lengths are those of `sphere_recovery`.

    Notes
    -----
    :math:`\mathrm{erf}(R/\sigma\sqrt 2) - \sqrt{2/\pi}\,(R/\sigma)\,e^{-R^2/2\sigma^2}`.

    References
    ----------
    Kessler RM, Ellis JR, Eden M. Analysis of emission tomographic scan data: limitations imposed
    by resolution and background. J Comput Assist Tomogr 1984;8:514-522.
    """
    from scipy.special import erf

    x = _radius_in_sigma(diameter_mm, fwhm_mm)
    return np.asarray(erf(x / math.sqrt(2)) - math.sqrt(2 / math.pi) * x * np.exp(-0.5 * x**2))


def edge_share(volume_ml: npt.ArrayLike, fwhm_mm: npt.ArrayLike) -> FloatArray:
    r"""Twice the count density at the edge of a blurred sphere, over the density of the source.

    A uniform sphere of radius r blurred by a Gaussian of standard deviation :math:`\sigma` has at
    its edge half of

    .. math:: \varphi = \mathrm{erf}\!\left(\frac{\sqrt 2\,r}{\sigma}\right)
              - \frac{2\sigma}{\sqrt{2\pi}\,r}\left(1 - e^{-2r^2/\sigma^2}\right)

    Parameters
    ----------
    volume_ml, fwhm_mm : array_like, broadcast
        Volume of the sphere (mL) and spatial resolution of the emission image (mm).

    Returns
    -------
    ndarray
        From 0 (small) to 1 (large against the resolution).

    Raises
    ------
    DosimetryError
        If a volume or resolution is not positive.

    References
    ----------
    Derived here by convolution in spherical coordinates.
    """
    diameter = sphere_diameter_mm(volume_ml)
    return 2 * _density(diameter / 2, diameter, fwhm_mm)


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
    distance = np.cbrt(3000 / (4 * np.pi) * volume)
    density = _density(distance, sphere_diameter_mm(at_ml), fwhm_mm)
    shells = 0.5 * (density[1:] + density[:-1]) * np.diff(volume)
    counts = np.concatenate([[0.0], np.cumsum(shells)])
    return np.asarray(np.interp(draws_ml, volume, counts) / np.interp(at_ml, volume, counts))


def _density(
    distance_mm: FloatArray, diameter_mm: FloatArray, fwhm_mm: npt.ArrayLike
) -> FloatArray:
    """Density at a distance from the centre of a blurred sphere of unit density."""
    from scipy.special import erf

    scale = math.sqrt(2) * np.asarray(fwhm_mm, dtype=np.float64) / FWHM_PER_SIGMA
    radius = _radius_in_sigma(diameter_mm, fwhm_mm) / math.sqrt(2)
    x = np.maximum(distance_mm / scale, 1e-6 * radius)
    out, into = radius + x, radius - x
    wings = (np.exp(-(into**2)) - np.exp(-(out**2))) / (2 * math.sqrt(math.pi) * x)
    return np.asarray(0.5 * (erf(out) + erf(into)) - wings)


def _radius_in_sigma(diameter_mm: npt.ArrayLike, fwhm_mm: npt.ArrayLike) -> FloatArray:
    diameter, fwhm = (np.asarray(v, dtype=np.float64) for v in (diameter_mm, fwhm_mm))
    if not ((diameter > 0).all() and (fwhm > 0).all()):
        raise DosimetryError("diameter and full width at half maximum must be above 0 mm")
    return np.asarray(0.5 * diameter * FWHM_PER_SIGMA / fwhm)
