"""Nuclei in the DNA channel: smooth, threshold, part those that touch, leave out specks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.image import DNA, NucleusImage

Labels = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]

SMALLEST_NUCLEUS_UM = 4.0
_SMOOTH_UM = 0.4
_CONTRAST = 5.0  # of nuclei over the spread of the background; noise alone reaches 2 to 4
_SPECK_SHARE = 0.25  # of the typical nucleus' area
_SADDLE = 0.15  # depth of a neck between two nuclei, of the smaller one's inner radius
_RIM_SIGMAS = 4.0  # reach of a nucleus's smoothed rim
_FAINT_SHARE = 0.1  # of the bright area, from which on faint nuclei are looked for
_CUT_OUT_SHARE = 0.99  # of the pixels away from nuclei that are 0


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Nuclei of an image.

    Attributes
    ----------
    labels : ndarray of int, shape (y, x)
        Number of the nucleus at each pixel, from 1; 0 beside nuclei.
    threshold : float
        Grey value that parts nuclei from background in the smoothed DNA channel.
    cut_out : bool
        Whether the pixels beside nuclei hold no light at all, as after an earlier segmentation.
    """

    labels: Labels
    threshold: float
    cut_out: bool

    @property
    def n_nuclei(self) -> int:
        """Number of nuclei."""
        return int(self.labels.max(initial=0))


def plane_of(channel: npt.NDArray[Any]) -> FloatArray:
    """One plane of a channel: itself, or the brightest of each column of a stack."""
    values = np.asarray(channel, dtype=float)
    return values.max(axis=0) if values.ndim == 3 else values


def segment_nuclei(image: NucleusImage) -> Segmentation:
    """Find nuclei in the DNA channel of an image.

    Parameters
    ----------
    image : NucleusImage
        Field of view or a single nucleus; of a stack, the maximum projection is used.

    Returns
    -------
    Segmentation
        Label image and threshold; no nuclei is a legal answer.

    Raises
    ------
    FociError
        If the image is smaller than the smallest nucleus looked for.

    Notes
    -----
    The DNA channel is smoothed by a Gaussian of 0.4 um and split by Otsu's threshold, or half way
    between background and the dimmer nuclei if that is lower; a second one, away from the bright
    nuclei, keeps faint ones. Nuclei that touch are parted by a watershed of
    the distance to the outline where their neck is at least 15 % of the smaller inner radius.
    Regions below 4 um across, or below a quarter of the median area, are specks. These
    lengths and shares are ASSUMED.

    Examples
    --------
    >>> import numpy as np
    >>> from foci.images.simulate import simulate_image
    >>> simulated = simulate_image(1, rng=np.random.default_rng(1))
    >>> segment_nuclei(simulated.image).n_nuclei
    1
    """
    from scipy import ndimage

    dna = plane_of(image.channels[DNA])
    if min(dna.shape) * image.pixel_um < SMALLEST_NUCLEUS_UM:
        raise FociError(
            f"{image.source or 'image'}: {dna.shape[0]} x {dna.shape[1]} pixels of "
            f"{image.pixel_um} um cannot hold a nucleus of {SMALLEST_NUCLEUS_UM} um; check pixel_um"
        )
    sigma_px = _SMOOTH_UM / image.pixel_um
    smooth = ndimage.gaussian_filter(dna, sigma_px)
    threshold = _threshold(smooth, sigma_px)
    if threshold is None:
        nothing = np.zeros(dna.shape, np.int32)
        return Segmentation(nothing, float(smooth.max()), cut_out=False)
    mask = smooth > threshold
    away = ndimage.distance_transform_edt(~mask) > _RIM_SIGMAS * sigma_px
    cut_out = bool(away.any() and (dna[away] == 0).mean() > _CUT_OUT_SHARE)
    mask = ndimage.binary_fill_holes(dna > 0 if cut_out else mask)
    labels = _part(mask, image.pixel_um)
    return Segmentation(_without_specks(labels, image.pixel_um), threshold, cut_out)


def _threshold(smooth: FloatArray, sigma_px: float) -> float | None:
    """Otsu's threshold, lowered where faint nuclei lie under it; None for an empty image."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu

    if np.ptp(smooth) == 0:
        return None
    first = float(threshold_otsu(smooth))
    above, below = smooth[smooth > first], smooth[smooth <= first]
    middle = float(np.median(below))
    spread = 1.4826 * float(np.median(np.abs(below - middle)))
    if np.median(above) - middle < _CONTRAST * spread:
        return None
    # Half way between the background and the dimmer quarter of nuclei keeps their outline.
    halfway = middle + 0.5 * (np.quantile(above, 0.25) - middle)
    away = ndimage.distance_transform_edt(smooth <= min(first, halfway)) > _RIM_SIGMAS * sigma_px
    if not away.any() or np.ptp(smooth[away]) == 0:
        return float(min(first, halfway))
    lower = float(threshold_otsu(smooth[away]))
    faint = smooth[away & (smooth > lower)]
    if len(faint) > _FAINT_SHARE * len(above) and np.median(faint) - middle > 10 * spread:
        return min(first, max(lower, middle + 5 * spread))
    return float(min(first, halfway))


def _part(mask: npt.NDArray[np.bool_], pixel_um: float) -> Labels:
    """Label regions, cutting through necks."""
    from scipy import ndimage
    from skimage.measure import regionprops
    from skimage.segmentation import watershed

    regions, _ = ndimage.label(mask)
    result = np.zeros(mask.shape, np.int32)
    used = 0
    for region in regionprops(regions):
        if region.equivalent_diameter_area * pixel_um < SMALLEST_NUCLEUS_UM / 2:
            continue
        inside = np.pad(region.image, 1)
        parts = inside.astype(np.int32)
        depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), 0.5 / pixel_um)
        depth[~inside] = 0
        seeds = _seeds(depth)
        if seeds.max() > 1:
            parts = watershed(-depth, seeds, mask=inside).astype(np.int32)
        parts = parts[1:-1, 1:-1]
        target = result[region.slice]
        target[parts > 0] = parts[parts > 0] + used
        used += int(parts.max())
    return result


def _seeds(depth: FloatArray) -> Labels:
    """Middles of nuclei: tops of the distance that rise above their saddle by a share of it."""
    from scipy import ndimage
    from skimage.morphology import reconstruction

    # In the logarithm a constant height is a constant share of the radius.
    inside = depth > 0
    logarithm = np.log(np.where(inside, depth, depth[inside].min()))
    flattened = reconstruction(logarithm + np.log1p(-_SADDLE), logarithm, method="dilation")
    tops = (flattened >= ndimage.maximum_filter(flattened, 3)) & (
        logarithm - flattened >= -np.log1p(-_SADDLE) * (1 - 1e-9)
    )
    seeds, _ = ndimage.label(tops & inside, np.ones((3, 3)))
    return np.asarray(seeds, np.int32)


def _without_specks(labels: Labels, pixel_um: float) -> Labels:
    area = np.bincount(labels.ravel())
    area[0] = 0
    least = np.pi / 4 * (SMALLEST_NUCLEUS_UM / pixel_um) ** 2
    large = area[area >= least]
    if len(large):
        least = max(least, _SPECK_SHARE * float(np.median(large)))
    keep = area >= least
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return np.asarray(number[labels], np.int32)
