"""A sphere blurred by a Gaussian, in closed form."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError

FloatArray = npt.NDArray[np.float64]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian over its standard deviation."""

_SERIES_BELOW = 0.5  # of 2R/(sigma sqrt 2), where the closed form loses digits
_SERIES = np.array(
    [
        (-1) ** k
        * (2 / (math.factorial(k) * (2 * k + 1)) - 1 / math.factorial(k + 1)
           - 2 / math.factorial(k + 2))
        for k in range(12)
    ]
)  # fmt: skip


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
    :math:`1 - 3x/4R + x^3/16R^3` of `absorbed_fraction_geometry`, averaged over the Maxwell
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

    Parameters
    ----------
    diameter_mm, fwhm_mm : array_like, broadcast
        Diameter of the sphere and full width at half maximum of the blur (mm).

    Notes
    -----
    :math:`\mathrm{erf}(R/\sigma\sqrt 2) - \sqrt{2/\pi}\,(R/\sigma)\,e^{-R^2/2\sigma^2}`.

    References
    ----------
    Kessler RM, Ellis JR, Eden M. Analysis of emission tomographic scan data: limitations imposed
    by resolution and background. J Comput Assist Tomogr 1984;8:514-522.

    Raises
    ------
    DosimetryError
        If a length is not positive.
    """
    from scipy.special import erf

    x = _radius_in_sigma(diameter_mm, fwhm_mm)
    return np.asarray(erf(x / math.sqrt(2)) - math.sqrt(2 / math.pi) * x * np.exp(-0.5 * x**2))


def _radius_in_sigma(diameter_mm: npt.ArrayLike, fwhm_mm: npt.ArrayLike) -> FloatArray:
    diameter, fwhm = (np.asarray(v, dtype=np.float64) for v in (diameter_mm, fwhm_mm))
    if not ((diameter > 0).all() and (fwhm > 0).all()):
        raise DosimetryError("diameter and full width at half maximum must be above 0 mm")
    return np.asarray(0.5 * diameter * FWHM_PER_SIGMA / fwhm)
