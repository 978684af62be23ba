"""Which nuclei can be counted: focus, staining, shape, border and saturation, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.image import DNA, NucleusImage
from foci.images.segment import FloatArray, Segmentation, plane_of

OUT_OF_FOCUS = "out of focus"
WEAK_STAINING = "weak staining"
ODD_SHAPE = "odd shape"
CUT_BY_BORDER = "cut by the border"
SATURATED = "saturated"
TOUCHING = "touching"
EXCLUDING = (OUT_OF_FOCUS, WEAK_STAINING, ODD_SHAPE, CUT_BY_BORDER, SATURATED)

LEAST_SHARPNESS = 0.65
LEAST_SPOT_SNR = 4.0
LEAST_RELATIVE_STAINING = 0.3
LEAST_SOLIDITY = 0.88
LARGEST_AREA = 2.2
LARGEST_SATURATED_SHARE = 0.05
_LARGEST_SATURATED_IMAGE = 0.2
_FINE_UM, _COARSE_UM = 0.35, 0.9
_SPOT_UM = 0.25
_CROP_SHARE = 0.3
_MAD = 1.4826


@dataclass(frozen=True)
class NucleusQuality:
    """What one nucleus looks like.

    Attributes
    ----------
    centre_px : tuple of float
        Middle (y, x).
    area_um2, solidity : float
        Area, and its share of the convex hull.
    sharpness : float
        Fine over coarse texture of the DNA, noise taken off; low out of focus.
    spot_snr : float
        Brightness of the dimmer marker over its noise in an area of a focus.
    saturated_share : float
        Of the nucleus' pixels, the worst channel.
    flags : tuple of str
        What is wrong or remarkable.
    """

    centre_px: tuple[float, float]
    area_um2: float
    solidity: float
    sharpness: float
    spot_snr: float
    saturated_share: float
    flags: tuple[str, ...]

    @property
    def used(self) -> bool:
        """Whether the nucleus can be counted; touching alone does not exclude it."""
        return not set(self.flags) & set(EXCLUDING)


def assess_nuclei(image: NucleusImage, segmentation: Segmentation) -> tuple[NucleusQuality, ...]:
    """Measure every nucleus and say which cannot be counted.

    Parameters
    ----------
    image : NucleusImage
        Channels; stacks are judged by their maximum projection.
    segmentation : Segmentation
        Its nuclei.

    Returns
    -------
    tuple of NucleusQuality
        One a nucleus, in the order of the labels.

    Raises
    ------
    FociError
        If more than a fifth of the nuclei's pixels are saturated in a channel.

    Notes
    -----
    Excluded are nuclei out of focus (sharpness below 0.65 of the image's median, where there are
    five or more), weakly stained (a marker below 0.3 of the image's median, or so dim that a
    focus as bright as the nucleoplasm would stand less than 4 times above its noise), of odd shape
    (solidity below 0.88, or above 2.2 times the median area), cut by the border, or with more
    than 5 % of pixels saturated. These limits are ASSUMED; they were set on simulated nuclei
    whose state is known. A picture of a single nucleus may touch the border.
    """
    from skimage.measure import regionprops

    labels = segmentation.labels
    planes = {name: plane_of(image.channels[name]) for name in (DNA, *image.markers)}
    full = {name: _full_scale(image, image.channels[name]) for name in planes}
    _refuse_saturated(image, planes, full, labels > 0)
    regions = regionprops(labels)
    if not regions:
        return ()
    net = {name: _net(planes[name], segmentation, regions) for name in image.markers}
    snr = np.min(
        [_spot_snr(planes[name], net[name], regions, image.pixel_um) for name in image.markers],
        axis=0,
    )
    sharpness = _sharpness(planes[DNA], regions, image.pixel_um)
    area = np.array([region.area for region in regions]) * image.pixel_um**2
    solidity = np.array([region.solidity for region in regions])
    bright = np.array([_share_at(planes, full, labels == r.label, r.slice) for r in regions])
    problems = {
        OUT_OF_FOCUS: _low(sharpness, LEAST_SHARPNESS),
        WEAK_STAINING: (snr < LEAST_SPOT_SNR)
        | np.any([_low(net[name], LEAST_RELATIVE_STAINING) for name in net], axis=0),
        ODD_SHAPE: (solidity < LEAST_SOLIDITY) | (area > LARGEST_AREA * np.median(area)),
        CUT_BY_BORDER: _cut(labels, regions),
        SATURATED: bright > LARGEST_SATURATED_SHARE,
        TOUCHING: _touching(labels, len(regions)),
    }
    return tuple(
        NucleusQuality(
            centre_px=(float(region.centroid[0]), float(region.centroid[1])),
            area_um2=float(area[k]),
            solidity=float(solidity[k]),
            sharpness=float(sharpness[k]),
            spot_snr=float(snr[k]),
            saturated_share=float(bright[k]),
            flags=tuple(name for name, found in problems.items() if found[k]),
        )
        for k, region in enumerate(regions)
    )


def _full_scale(image: NucleusImage, channel: npt.NDArray[Any]) -> float | None:
    if image.full_scale is not None:
        return float(image.full_scale)
    kind = np.asarray(channel).dtype
    return float(np.iinfo(kind).max) if kind.kind in "iu" else None


def _refuse_saturated(
    image: NucleusImage,
    planes: dict[str, FloatArray],
    full: dict[str, float | None],
    inside: npt.NDArray[np.bool_],
) -> None:
    for name, values in planes.items():
        limit = full[name]
        if limit is None or not inside.any():
            continue
        share = float((values[inside] >= limit).mean())
        if share > _LARGEST_SATURATED_IMAGE:
            raise FociError(
                f"{image.source or 'image'}: {share:.0%} of the nuclei's pixels in channel {name} "
                f"are saturated at {limit:g}, at most {_LARGEST_SATURATED_IMAGE:.0%} is legal; "
                "take the image with less exposure"
            )


def _share_at(
    planes: dict[str, FloatArray],
    full: dict[str, float | None],
    inside: npt.NDArray[np.bool_],
    where: tuple[slice, slice],
) -> float:
    shares = [
        float((values[where][inside[where]] >= full[name]).mean())  # type: ignore[operator]
        for name, values in planes.items()
        if full[name] is not None
    ]
    return max(shares, default=0.0)


def _net(plane: FloatArray, segmentation: Segmentation, regions: Any) -> FloatArray:
    """Median of each nucleus over the background."""
    outside = segmentation.labels == 0
    dark = 0.0
    if outside.any() and not segmentation.cut_out:
        dark = float(np.median(plane[outside]))
    return np.array([np.median(plane[r.slice][r.image]) - dark for r in regions])


def _spot_snr(plane: FloatArray, net: FloatArray, regions: Any, pixel_um: float) -> FloatArray:
    """Net brightness over the noise in the area of a Gaussian focus (4 pi sigma^2).

    Noise is the median absolute value of second differences, over the 6 that white noise has in
    a row and a column together.
    """
    pixels = max(1.0, 4 * np.pi * (_SPOT_UM / pixel_um) ** 2)
    second = np.zeros_like(plane)
    kernel = (
        4 * plane[1:-1, 1:-1]
        - 2 * (plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:])
        + plane[:-2, :-2]
        + plane[:-2, 2:]
        + plane[2:, :-2]
        + plane[2:, 2:]
    )
    second[1:-1, 1:-1] = np.abs(kernel) / 6.0
    noise = np.array([_MAD * np.median(second[r.slice][r.image]) for r in regions])
    return np.asarray(net * np.sqrt(pixels) / np.maximum(noise, 1e-9))


def _sharpness(dna: FloatArray, regions: Any, pixel_um: float) -> FloatArray:
    from scipy import ndimage

    result = np.zeros(len(regions))
    for k, region in enumerate(regions):
        values, inside = np.pad(dna[region.slice], 1), np.pad(region.image, 1)
        middle = float(np.median(values[inside]))
        filled = np.where(inside, values, middle) / max(middle, 1e-9)
        core = ndimage.distance_transform_edt(inside) * pixel_um > _COARSE_UM
        core = core if core.sum() > 20 else inside
        fine, coarse = (
            ndimage.gaussian_filter(filled, s / pixel_um)
            - ndimage.gaussian_filter(filled, 2 * s / pixel_um)
            for s in (_FINE_UM, _COARSE_UM)
        )
        result[k] = fine[core].std() / max(coarse[core].std(), 1e-9)
    return result


def _low(values: FloatArray, share: float) -> npt.NDArray[np.bool_]:
    """Which values fall below a share of the median; none where there are fewer than five."""
    if len(values) < 5:
        return np.zeros(len(values), bool)
    return np.asarray(values < share * np.median(values))


def _cut(labels: npt.NDArray[np.int32], regions: Any) -> npt.NDArray[np.bool_]:
    """Nuclei at the border, unless the picture is of a single one."""
    if len(regions) == 1 and regions[0].area > _CROP_SHARE * labels.size:
        return np.zeros(1, bool)
    edge = {*labels[0], *labels[-1], *labels[:, 0], *labels[:, -1]}
    return np.array([region.label in edge for region in regions])


def _touching(labels: npt.NDArray[np.int32], n: int) -> npt.NDArray[np.bool_]:
    beside = np.zeros(n + 1, bool)
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (a != b) & (a > 0) & (b > 0)
        beside[a[meet]] = True
        beside[b[meet]] = True
    return beside[1:]
