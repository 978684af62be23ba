"""Uncertainty of the volume inside an outline, from voxel size and spatial resolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.recovery.blurred_sphere import FWHM_PER_SIGMA, sphere_diameter_mm

FloatArray = npt.NDArray[np.float64]


def voi_relative_sd(
    volume_ml: npt.ArrayLike,
    *,
    voxel_mm: npt.ArrayLike,
    fwhm_mm: npt.ArrayLike,
    delineation_relative_sd: npt.ArrayLike = 0.0,
) -> FloatArray:
    r"""Relative standard uncertainty of an outlined volume.

    The region is taken as a sphere of diameter d (ASSUMED). Each end of the diameter is known to
    half a voxel a (rectangular distribution, :math:`a^2/12`) and to the standard deviation of the
    point spread, :math:`\sigma = \mathrm{FWHM}/(2\sqrt{2\ln 2})`:

    .. math:: u^2(d) = \frac{a^2}{6} + \frac{\mathrm{FWHM}^2}{4\ln 2},\qquad
              \frac{u(v)}{v} = 3\,\frac{u(d)}{d}

    Parameters
    ----------
    volume_ml : array_like
        Volume inside the outline (mL).
    voxel_mm : float or array_like, shape (3,)
        Side of the voxels (mm); of three sides the root mean square counts (ASSUMED).
    fwhm_mm : array_like
        Spatial resolution of the image that was outlined, SPECT or CT (mm).
    delineation_relative_sd : array_like, optional
        Further relative uncertainty of the volume, such as between operators.

    Returns
    -------
    ndarray
        One standard deviation over the volume.

    Raises
    ------
    DosimetryError
        If a volume or voxel side is not positive, another value is negative, or one is not
        finite.

    References
    ----------
    After Gear et al., Eur J Nucl Med Mol Imaging 2018;45:2456, doi:10.1007/s00259-018-4136-7. Both
    terms are derived here as described; the printed equations were not read.

    Examples
    --------
    >>> float(voi_relative_sd(100.0, voxel_mm=4.8, fwhm_mm=10.0).round(3))
    0.329
    """
    side = np.atleast_1d(np.asarray(voxel_mm, dtype=np.float64))
    fwhm = np.asarray(fwhm_mm, dtype=np.float64)
    extra = np.asarray(delineation_relative_sd, dtype=np.float64)
    if side.shape not in ((1,), (3,)) or not (np.isfinite(side).all() and (side > 0).all()):
        raise DosimetryError(f"voxel_mm needs one or three finite positive sides, got {voxel_mm!r}")
    if not all(np.isfinite(x).all() and (x >= 0).all() for x in (fwhm, extra)):
        raise DosimetryError(
            f"fwhm_mm and delineation_relative_sd must be finite, zero or positive, got "
            f"{fwhm_mm!r} and {delineation_relative_sd!r}"
        )
    variance_mm2 = np.mean(side**2) / 6 + 2 * (fwhm / FWHM_PER_SIGMA) ** 2
    outline = 3 * np.sqrt(variance_mm2) / sphere_diameter_mm(volume_ml)
    return np.asarray(np.sqrt(outline**2 + extra**2))
