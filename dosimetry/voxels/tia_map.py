"""Several quantitative images to one map of time-integrated activity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dosimetry.errors import DosimetryError
from dosimetry.voxels.convolution import in_pieces
from dosimetry.voxels.dose import map_notes
from dosimetry.voxels.image import FloatArray, VoxelImage, require_same_grid
from dosimetry.voxels.regions import Mask, region_weights
from dosimetry.voxels.tia_result import TiaMap

TIA_METHODS = ("mono", "uptake", "trapezoid")
_N_RATES = 48  # of the table that brackets the best rate of a voxel
_PIECE = 2**15  # voxels a thread takes at once
_LN2 = float(np.log(2.0))

Array = npt.NDArray[Any]


def tia_map(
    images: Sequence[VoxelImage],
    time_h: npt.ArrayLike,
    *,
    decay_per_h: float,
    method: str = "mono",
    uptake_half_life_h: float | None = None,
    relative_sd: float = 0.0,
    constant_sd_mbq_per_ml: float = 0.0,
    shortest_half_life_h: float | None = None,
    fallback_rate_per_h: float | None = None,
    mask: Mask | None = None,
) -> TiaMap:
    r"""Time-integrated activity of each voxel from its own curve.

    Parameters
    ----------
    images : sequence of VoxelImage
        Activity concentration (MBq/mL), NOT decay-corrected to the injection, on one grid.
    time_h : array_like, shape (n_images,)
        Time of each image after the administration (h), increasing.
    decay_per_h : float
        Physical decay constant (1/h): no voxel clears more slowly.
    method : {"mono", "uptake", "trapezoid"}
        See Notes.
    uptake_half_life_h : float, optional
        Biological half-life of uptake (h) that all voxels share, for ``"uptake"``; from a fit
        to the whole region, say.
    relative_sd, constant_sd_mbq_per_ml : float
        Noise of a voxel: :math:`\sigma^2 = (c_r f)^2 + \sigma_0^2` at the fitted value f. It
        weighs the images and yields standard errors; without it all images weigh the same.
    shortest_half_life_h : float, optional
        Shortest effective half-life (h) of a voxel; half the time of the first image if missing
        (or of the second, for an image at time zero).
    fallback_rate_per_h : float, optional
        Effective rate of voxels whose curve has no positive amplitude; physical decay if missing.
    mask : VoxelImage or ndarray, optional
        Voxels to fit; the others hold zero.

    Returns
    -------
    TiaMap

    Raises
    ------
    DosimetryError
        If grids, units or times do not fit, a value is not finite, or an option is not legal.

    Notes
    -----
    ``mono``: :math:`a e^{-\lambda t}` by weighted least squares. ``uptake``:
    :math:`a (e^{-\lambda t} - e^{-(\lambda + k_u) t})` with shared
    :math:`k_u = \ln 2/T_u`. In both :math:`\lambda_p \le \lambda \le \ln 2/T_{shortest}`, and the
    amplitude is projected out (Golub & Pereyra 1973). ``trapezoid``: straight lines
    from zero at time zero through the images, then an exponential through the last two, no
    slower than physical decay.

    A voxel of noise with a negative amplitude keeps its sign, with the fallback rate; a positive
    one is fitted. So noise does not cancel as it does in the mean of a region: compare the total
    with the fit to the region, and prefer `shared_tia_map` where voxels are noisy.

    References
    ----------
    Golub GH, Pereyra V. SIAM J Numer Anal 1973;10:413-432, doi:10.1137/0710036.

    Examples
    --------
    >>> import numpy as np
    >>> grid, t = np.diag([4.0, 4.0, 4.0, 1.0]), np.array([4.0, 24.0, 96.0])
    >>> images = [VoxelImage(np.full((2, 2, 2), 5 * np.exp(-0.02 * x)), grid, "MBq/mL") for x in t]
    >>> result = tia_map(images, t, decay_per_h=0.0043)
    >>> float(np.round(result.tia.values[0, 0, 0], 4))
    250.0
    """
    if method not in TIA_METHODS:
        raise DosimetryError(f"method must be one of {TIA_METHODS}, got {method!r}")
    t = _checked_series(images, time_h, at_least=2)
    _checked_noise(relative_sd, constant_sd_mbq_per_ml)
    fastest = _fastest(t, decay_per_h, shortest_half_life_h)
    fallback = decay_per_h if fallback_rate_per_h is None else fallback_rate_per_h
    if not decay_per_h <= fallback < np.inf:
        raise DosimetryError(
            f"fallback_rate_per_h must be finite and no slower than physical decay "
            f"({decay_per_h:g} /h), got {fallback!r}"
        )
    if (method == "uptake") != (uptake_half_life_h is not None):
        raise DosimetryError("uptake_half_life_h goes with method='uptake', and that needs it")
    if uptake_half_life_h is not None and not 0 < uptake_half_life_h < np.inf:
        raise DosimetryError(f"uptake_half_life_h must be above 0, got {uptake_half_life_h!r}")
    uptake = np.inf if uptake_half_life_h is None else _LN2 / uptake_half_life_h
    noise = (float(relative_sd), float(constant_sd_mbq_per_ml))
    if method == "trapezoid":
        kernel = _trapezoid_kernel(t, decay_per_h, fastest, noise)
    else:
        kernel = _fit_kernel(t, decay_per_h, fastest, uptake, fallback, noise)
    return _run(
        images,
        mask,
        kernel,
        method=method,
        has_error=max(noise) > 0,
        assumptions=_assumptions(method, decay_per_h, fastest, fallback),
    )


def _checked_series(
    images: Sequence[VoxelImage], time_h: npt.ArrayLike, *, at_least: int
) -> FloatArray:
    """Times of images that lie on one grid, in MBq/mL and in order."""
    t: FloatArray = np.atleast_1d(np.asarray(time_h, dtype=np.float64))
    if t.shape != (len(images),) or len(images) < at_least:
        raise DosimetryError(
            f"give one time an image, and {at_least} images or more, got {len(images)} images and "
            f"times of shape {t.shape}"
        )
    if not np.isfinite(t).all() or t[0] < 0 or (np.diff(t) <= 0).any():
        raise DosimetryError(f"times must be >= 0 h and increase, got {t.tolist()}")
    if len(t) == 1 and t[0] == 0:
        raise DosimetryError("one image at time zero tells nothing of what stays")
    for number, image in enumerate(images):
        if image.unit != "MBq/mL":
            raise DosimetryError(
                f"image {number} is in {image.unit!r}; time-activity curves need 'MBq/mL'"
            )
    require_same_grid(**{f"image {number}": image for number, image in enumerate(images)})
    return t


def _checked_noise(relative_sd: float, constant_sd_mbq_per_ml: float) -> None:
    for name, value in (
        ("relative_sd", relative_sd),
        ("constant_sd_mbq_per_ml", constant_sd_mbq_per_ml),
    ):
        if not 0 <= value < np.inf:
            raise DosimetryError(f"{name} must be finite and not negative, got {value!r}")


def _fastest(t: FloatArray, decay_per_h: float, shortest_half_life_h: float | None) -> float:
    if not 0 < decay_per_h < np.inf:
        raise DosimetryError(f"decay_per_h must be above 0, got {decay_per_h!r}")
    shortest = 0.5 * float(t[t > 0][0]) if shortest_half_life_h is None else shortest_half_life_h
    physical = _LN2 / decay_per_h
    if shortest_half_life_h is None:
        shortest = min(shortest, 0.5 * physical)
    if not 0 < shortest < physical:
        raise DosimetryError(
            f"shortest_half_life_h must lie between 0 and the physical half-life "
            f"({physical:.4g} h), got {shortest!r}"
        )
    return _LN2 / shortest


def _assumptions(
    method: str, decay_per_h: float, fastest: float, fallback: float
) -> tuple[str, ...]:
    shape = {
        "mono": "ASSUMED: voxels clear mono-exponentially from time zero; uptake is left out",
        "uptake": "ASSUMED: all voxels share one uptake half-life",
        "trapezoid": "ASSUMED: activity rises linearly from zero to the first image",
    }[method]
    rest = (
        "ASSUMED: no voxel clears more slowly than physical decay "
        f"({_LN2 / decay_per_h:.4g} h), nor faster than with a half-life of "
        f"{_LN2 / fastest:.3g} h"
    )
    tail = decay_per_h if method == "trapezoid" else fallback
    lost = f"ASSUMED: voxels without a positive curve decay with a half-life of {_LN2 / tail:.4g} h"
    return (shape, rest, lost)


Kernel = Callable[[Array, Array, Array, Array, Array], None]


def _fit_kernel(
    t: FloatArray,
    slowest: float,
    fastest: float,
    uptake: float,
    fallback: float,
    noise: tuple[float, float],
) -> Kernel:
    from dosimetry.voxels._tia_kernels import fit_range

    rates = np.geomspace(slowest, fastest, _N_RATES)
    rise = -np.expm1(-uptake * t) if np.isfinite(uptake) else np.ones_like(t)
    table = rise * np.exp(-rates[:, None] * t)

    def kernel(values: Array, *out: Array) -> None:
        fit_range(0, values.shape[1], t, uptake, rise, fallback, rates, table, values, *noise, *out)

    return kernel


def _trapezoid_kernel(
    t: FloatArray, slowest: float, fastest: float, noise: tuple[float, float]
) -> Kernel:
    from dosimetry.voxels._tia_kernels import trapezoid_range

    gaps = np.diff(np.concatenate([[0.0], t]))
    weight = 0.5 * (gaps + np.append(gaps[1:], 0.0))

    def kernel(values: Array, *out: Array) -> None:
        trapezoid_range(0, values.shape[1], t, slowest, fastest, weight, values, *noise, *out)

    return kernel


def _run(
    images: Sequence[VoxelImage],
    mask: Mask | None,
    kernel: Kernel,
    *,
    method: str,
    has_error: bool,
    assumptions: tuple[str, ...],
) -> TiaMap:
    """Fit the voxels of the mask in pieces on all cores."""
    first = images[0]
    notes = tuple(note for i, image in enumerate(images) for note in map_notes(image, f"image {i}"))
    flat = [np.asarray(image.values).reshape(-1) for image in images]
    dtype = np.float32 if all(x.dtype == np.float32 for x in flat) else np.float64
    n = flat[0].size
    chosen = None
    if mask is not None:
        chosen = np.flatnonzero(region_weights(mask, first, "mask"))
    out = [np.zeros(n, dtype=dtype) for _ in range(3)] + [np.zeros(n, dtype=np.uint8)]

    def work(a: int, b: int) -> None:
        where = slice(a, b) if chosen is None else chosen[a:b]
        values = np.stack([x[where] for x in flat]).astype(np.float64)
        part = [np.empty(b - a) for _ in range(3)] + [np.empty(b - a, dtype=np.uint8)]
        kernel(values, *part)
        for whole, piece in zip(out, part, strict=True):
            whole[where] = piece

    in_pieces(work, n if chosen is None else len(chosen), size=_PIECE)
    tia, error, rate, status = (x.reshape(first.shape) for x in out)
    return TiaMap(
        tia=first.with_values(tia, "MBq h/mL"),
        standard_error=first.with_values(error, "MBq h/mL") if has_error else None,
        rate_per_h=first.with_values(rate, "1/h"),
        status=first.with_values(status, "label"),
        method=method,
        assumptions=assumptions,
        notes=notes,
    )
