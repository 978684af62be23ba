"""Maps of time-integrated activity by a curve, or a rate, that is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.dose import map_notes
from dosimetry.voxels.image import FloatArray, VoxelImage
from dosimetry.voxels.regions import Mask, region_weights
from dosimetry.voxels.tia_map import _checked_noise, _checked_series
from dosimetry.voxels.tia_result import TiaMap
from kinetics import SumOfExponentials

Array = npt.NDArray[Any]


def shared_tia_map(
    images: Sequence[VoxelImage],
    time_h: npt.ArrayLike,
    curve: SumOfExponentials,
    *,
    relative_sd: float = 0.0,
    constant_sd_mbq_per_ml: float = 0.0,
    mask: Mask | None = None,
) -> TiaMap:
    r"""Time-integrated activity of each voxel by the curve of the region, scaled.

    Parameters
    ----------
    images : sequence of VoxelImage
        One or more maps of activity concentration (MBq/mL), not decay-corrected.
    time_h : array_like, shape (n_images,)
        Time of each image after the administration (h), increasing.
    curve : SumOfExponentials
        Curve of the whole region, physical decay included; only its shape counts.
    relative_sd, constant_sd_mbq_per_ml : float
        Noise of a voxel, as in `tia_map`.
    mask : VoxelImage or ndarray, optional
        Voxels of the region; the others hold zero.

    Returns
    -------
    TiaMap
        The error of the shape is not in its standard errors.

    Raises
    ------
    DosimetryError
        If grids, units or times do not fit, or the curve holds draws, is not positive at the
        times of the images, or has no finite integral.

    Notes
    -----
    :math:`\tilde{a}_v = \int f\,dt\;\sum_i w_i f_i y_{vi}/\sum_i w_i f_i^2`. All voxels share the
    weights, so the map is linear in the images: noise keeps its mean of zero, and the mean of the
    map is the time-integrated activity of the same fit to the mean of the region.
    """
    t = _checked_series(images, time_h, at_least=1)
    _checked_noise(relative_sd, constant_sd_mbq_per_ml)
    if curve.shape != ():
        raise DosimetryError(f"give one curve, not draws of shape {curve.shape}")
    shape, integral = curve(t), float(curve.integral())
    if not ((shape > 0).all() and 0 < integral < np.inf):
        raise DosimetryError(
            f"the curve must be positive at the times of the images and have a finite, positive "
            f"integral, got {shape.tolist()} and {integral!r}"
        )
    inside = _inside(mask, images[0])
    mean = np.array([_mean(image, inside) for image in images])
    level = shape * float(shape @ mean) / float(shape @ shape)
    sd = np.hypot(relative_sd * level, constant_sd_mbq_per_ml)
    weight = 1 / sd**2 if (sd > 0).all() else np.ones(len(t))
    part = weight * shape / float((weight * shape) @ shape)
    amplitude = sum(c * np.asarray(i.values) for c, i in zip(part, images, strict=True))
    variance = sum(c**2 * (relative_sd * f) ** 2 for c, f in zip(part, shape, strict=True))
    error = np.sqrt(variance * amplitude**2 + float(part @ part) * constant_sd_mbq_per_ml**2)
    return _assembled(
        images,
        inside,
        np.asarray(amplitude) * integral,
        error * integral if max(relative_sd, constant_sd_mbq_per_ml) > 0 else None,
        method="shared curve",
        assumptions=("ASSUMED: every voxel follows the curve of the region",),
    )


def single_time_tia_map(
    image: VoxelImage,
    time_h: float,
    rate_per_h: npt.ArrayLike,
    *,
    rate_sd_per_h: npt.ArrayLike = 0.0,
    decay_per_h: float,
    relative_sd: float = 0.0,
    constant_sd_mbq_per_ml: float = 0.0,
    mask: Mask | None = None,
) -> TiaMap:
    r"""Time-integrated activity of each voxel from one image and an effective rate.

    Parameters
    ----------
    image : VoxelImage
        Activity concentration (MBq/mL), not decay-corrected.
    time_h : float
        Its time after the administration (h).
    rate_per_h : array_like, scalar or shape of the image
        Effective rate (1/h), of a population or of the organ a voxel belongs to.
    rate_sd_per_h : array_like, scalar or shape of the image
        Its standard deviation (1/h).
    decay_per_h : float
        Physical decay constant (1/h): a rate below it is refused.
    relative_sd, constant_sd_mbq_per_ml : float
        Noise of a voxel, as in `tia_map`.
    mask : VoxelImage or ndarray, optional
        Voxels wanted; the others hold zero.

    Returns
    -------
    TiaMap

    Raises
    ------
    DosimetryError
        If the unit is another, or a rate is not legal.

    Notes
    -----
    :math:`\tilde{a} = y\,e^{\lambda t}/\lambda`, and with
    :math:`\partial\tilde{a}/\partial\lambda = \tilde{a}(t - 1/\lambda)` a wrong rate matters
    least for an image taken at :math:`t = 1/\lambda`.
    """
    t = float(_checked_series([image], [time_h], at_least=1)[0])
    _checked_noise(relative_sd, constant_sd_mbq_per_ml)
    rate = np.asarray(rate_per_h, dtype=np.float64)
    spread = np.asarray(rate_sd_per_h, dtype=np.float64)
    for name, array in (("rate_per_h", rate), ("rate_sd_per_h", spread)):
        if array.shape not in ((), image.shape):
            raise DosimetryError(f"{name} is a number or a map of {image.shape}, got {array.shape}")
    if not (np.isfinite(rate).all() and (rate >= decay_per_h).all() and decay_per_h > 0):
        raise DosimetryError(
            f"effective rates must be finite and no slower than physical decay ({decay_per_h:g} "
            f"/h), got {float(rate.min())!r} and above"
        )
    if not (np.isfinite(spread).all() and (spread >= 0).all()):
        raise DosimetryError("rate_sd_per_h must be finite and not negative")
    factor = np.exp(rate * t) / rate
    values: Array = np.asarray(image.values)
    tia = values * factor
    noise = np.hypot(relative_sd * values, constant_sd_mbq_per_ml) * factor
    error = np.hypot(noise, tia * (t - 1 / rate) * spread)
    known = max(relative_sd, constant_sd_mbq_per_ml) > 0 or bool(spread.any())
    return _assembled(
        [image],
        _inside(mask, image),
        tia,
        error if known else None,
        method="single time point",
        assumptions=("ASSUMED: mono-exponential clearance from time zero with a given rate",),
        rate=rate,
    )


def _inside(mask: Mask | None, image: VoxelImage) -> npt.NDArray[np.bool_]:
    if mask is None:
        return np.ones(image.shape, dtype=bool)
    return region_weights(mask, image, "mask") > 0


def _mean(image: VoxelImage, inside: npt.NDArray[np.bool_]) -> float:
    return float(np.asarray(image.values).mean(where=inside, dtype=np.float64))


def _assembled(
    images: Sequence[VoxelImage],
    inside: npt.NDArray[np.bool_],
    tia: Array,
    error: Array | None,
    *,
    method: str,
    assumptions: tuple[str, ...],
    rate: FloatArray | None = None,
) -> TiaMap:
    first = images[0]
    kind = np.float32 if all(i.values.dtype == np.float32 for i in images) else np.float64

    def kept(values: Array, unit: str) -> VoxelImage:
        return first.with_values(np.where(inside, values, 0.0).astype(kind), unit)

    return TiaMap(
        tia=kept(tia, "MBq h/mL"),
        standard_error=None if error is None else kept(error, "MBq h/mL"),
        rate_per_h=None if rate is None else kept(rate, "1/h"),
        status=first.with_values(inside.astype(np.uint8), "label"),
        method=method,
        assumptions=assumptions,
        notes=tuple(n for i, image in enumerate(images) for n in map_notes(image, f"image {i}")),
    )
