"""Candidate foci: bright spots of the marker channels in a nucleus, described without units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.images.image import DNA, NucleusImage
from foci.images.segment import FloatArray, Segmentation, plane_of

SPOT_SIGMA_UM = (0.2, 0.35, 0.6)
_LEAST_SIGMA_PX = 0.7
_SURROUND = 2.5  # sigma of the surround over that of the spot
_APART_UM = 0.35
_SHIFT_UM = 0.15  # of one marker against the other
_WINDOW_UM = 0.6
_LEAST_SCORE = 1.5
_EDGE_UM = 2.0
_PLANE_SIGMA_UM = 0.3
_MAD = 1.4826
_TINY = 1e-9

_MARKER_FEATURES = ("sharp", "broad", "contrast", "height", "standing")
_SHARED_FEATURES = ("dna", "edge", "crowd", "pixel", "stack")
_PAIR_FEATURES = ("correlation",)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Local maxima of the marker channels.

    Attributes
    ----------
    nucleus : ndarray of int, shape (n,)
        Label of the nucleus each lies in.
    y_px, x_px : ndarray, shape (n,)
        Position (pixels).
    plane : ndarray of int, shape (n,)
        Plane of a stack it is brightest in; 0 in a single plane.
    score : ndarray, shape (n,)
        Height over the spread of its surroundings: geometric mean of the markers.
    features : ndarray, shape (n, n_features)
        Columns as `feature_names`.
    """

    nucleus: npt.NDArray[np.int64]
    y_px: FloatArray
    x_px: FloatArray
    plane: npt.NDArray[np.int64]
    score: FloatArray
    features: FloatArray


def feature_names(n_markers: int) -> tuple[str, ...]:
    """Names of the features of candidates in one or two markers.

    With two markers each quantity enters as the lower and the higher of the two, so that the
    features do not say which dye is which.
    """
    if n_markers == 1:
        return _MARKER_FEATURES + _SHARED_FEATURES
    paired = tuple(f"{side}_{name}" for name in _MARKER_FEATURES for side in ("lower", "higher"))
    return paired + _SHARED_FEATURES + _PAIR_FEATURES


def find_candidates(image: NucleusImage, segmentation: Segmentation) -> Candidates:
    """Find and describe spots in every nucleus of an image.

    Parameters
    ----------
    image : NucleusImage
        Channels and pixel size. Stacks are smoothed along the axis and projected; the plane of
        each spot is where the product of the markers is largest.
    segmentation : Segmentation
        Nuclei of the image.

    Returns
    -------
    Candidates
        Far more spots than foci: most are texture of the staining.

    Notes
    -----
    In each nucleus Gaussians of 0.2, 0.35 and 0.6 um less those 2.5 times as wide (normalised to
    the pixels within the nucleus, so that its outline makes no spots) are divided by 1.4826 times
    their median absolute deviation there. Candidates are maxima, within 0.35 um, of the geometric
    mean over the markers, at the best of the three sizes. The smallest size is at least 0.7
    pixels. Every feature of brightness is a ratio to the nucleus's own brightness or
    spread; grey values cancel. The lengths are ASSUMED from the optics of common objectives.

    Examples
    --------
    >>> import numpy as np
    >>> from foci.images.segment import segment_nuclei
    >>> from foci.images.simulate import simulate_image
    >>> image = simulate_image(1, rng=np.random.default_rng(1), foci_counts=[2]).image
    >>> found = find_candidates(image, segment_nuclei(image))
    >>> found.features.shape[1] == len(feature_names(2)), len(found.score) > 2
    (True, True)
    """
    from scipy import ndimage

    projected = {name: _projection(image, name) for name in image.markers}
    dna = plane_of(image.channels[DNA])
    labels = segmentation.labels
    outside = labels == 0
    dark = {
        name: float(np.median(values[outside])) if outside.any() and not segmentation.cut_out else 0
        for name, values in projected.items()
    }
    pieces = []
    for k, where in enumerate(ndimage.find_objects(labels), start=1):
        inside = np.pad(labels[where] == k, 1)
        markers = [np.pad(projected[name][where] - dark[name], 1) for name in projected]
        piece = _in_nucleus(markers, np.pad(dna[where], 1), inside, image)
        if piece is not None:
            y, x, score, features = piece
            y, x = y + where[0].start - 1, x + where[1].start - 1
            pieces.append((np.full(len(y), k), y, x, score, features))
    if not pieces:
        none = np.empty(0)
        width = len(feature_names(len(projected)))
        empty = none.astype(np.int64)
        return Candidates(empty, none, none, empty, none, np.empty((0, width)))
    nucleus, y, x, score, features = (
        np.concatenate(column) for column in zip(*pieces, strict=True)
    )
    plane = _planes(image, y, x)
    return Candidates(nucleus, y.astype(float), x.astype(float), plane, score, features)


def _projection(image: NucleusImage, name: str) -> FloatArray:
    return plane_of(_smooth_planes(image, image.channels[name]))


def _smooth_planes(image: NucleusImage, channel: npt.NDArray[Any]) -> FloatArray:
    from scipy import ndimage

    values = np.asarray(channel, float)
    if not image.is_stack:
        return values
    spacing = image.plane_spacing_um or _PLANE_SIGMA_UM
    return np.asarray(ndimage.gaussian_filter1d(values, _PLANE_SIGMA_UM / spacing, axis=0))


def _planes(
    image: NucleusImage, y: npt.NDArray[np.int64], x: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    if not image.is_stack:
        return np.zeros(len(y), np.int64)
    light = [_smooth_planes(image, image.channels[name])[:, y, x] for name in image.markers]
    return np.asarray(np.argmax(np.prod(light, axis=0), axis=0))


def _in_nucleus(
    markers: list[FloatArray], dna: FloatArray, inside: npt.NDArray[np.bool_], image: NucleusImage
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray, FloatArray] | None:
    """Candidates of one nucleus: y, x, score, features; None if there is no light in it."""
    from scipy import ndimage

    pixel_um = image.pixel_um
    weights = {}
    for sigma in sorted({f * s for s in _sigmas(pixel_um) for f in (1.0, _SURROUND)}):
        weights[sigma] = np.maximum(_blur(inside.astype(float), sigma), _TINY)
    described = [_describe(values, inside, weights, pixel_um) for values in markers]
    if any(maps is None for maps in described):
        return None
    maps = [each for each in described if each is not None]
    sizes = [
        np.prod([np.maximum(m["scaled"][size], 0.0) for m in maps], axis=0) ** (1 / len(maps))
        for size in range(len(SPOT_SIGMA_UM))
    ]
    combined = np.asarray(np.max(sizes, axis=0), dtype=np.float64)
    combined[~inside] = 0.0
    around = _disc(_APART_UM / pixel_um)
    peak = (combined >= ndimage.maximum_filter(combined, footprint=around)) & inside
    y, x = np.nonzero(peak & (combined > _LEAST_SCORE))
    shift = _disc(_SHIFT_UM / pixel_um)
    columns: list[FloatArray] = []
    for name in _MARKER_FEATURES:
        near = [ndimage.maximum_filter(m[name], footprint=shift)[y, x] for m in maps]
        columns.extend(np.sort(near, axis=0))
    dna_map = _describe(dna, inside, weights, pixel_um)
    columns.append(dna_map["broad"][y, x] if dna_map is not None else np.zeros(len(y)))
    edge = ndimage.distance_transform_edt(inside)[y, x] * pixel_um
    columns.append(np.minimum(edge, _EDGE_UM))
    columns.append(np.full(len(y), np.log(max(len(y), 1))))
    columns.append(np.full(len(y), np.log(pixel_um)))
    columns.append(np.full(len(y), float(image.is_stack)))
    if len(maps) == 2:
        columns.append(_correlation(markers, inside, pixel_um)[y, x])
    return y, x, combined[y, x], np.stack(columns, axis=1)


def _sigmas(pixel_um: float) -> tuple[float, ...]:
    """Spot sizes in pixels, never below what pixels can show."""
    least = _LEAST_SIGMA_PX * np.array(SPOT_SIGMA_UM) / SPOT_SIGMA_UM[0]
    return tuple(float(s) for s in np.maximum(np.array(SPOT_SIGMA_UM) / pixel_um, least))


def _describe(
    values: FloatArray,
    inside: npt.NDArray[np.bool_],
    weights: dict[float, FloatArray],
    pixel_um: float,
) -> dict[str, Any] | None:
    """Maps of the features of one channel (logarithms of ratios)."""
    masked = np.where(inside, values, 0.0)
    smooth = {sigma: _blur(masked, sigma) / weight for sigma, weight in weights.items()}
    middle = float(np.median(values[inside]))
    sizes = _sigmas(pixel_um)
    bands = [smooth[sigma] - smooth[_SURROUND * sigma] for sigma in sizes]
    spreads = [_spread(band[inside]) for band in bands]
    if not (middle > 0 and min(spreads) > 0):
        return None
    scaled = [band / spread for band, spread in zip(bands, spreads, strict=True)]
    sharp, broad = scaled[:2]
    level = smooth[sizes[0]]
    deepest = -float(np.quantile(sharp[inside], 0.02))
    maps: dict[str, Any] = {
        "scaled": scaled,
        "sharp": np.log1p(np.maximum(sharp, 0)),
        "broad": np.arcsinh(broad),
        "contrast": np.log(0.01 + np.maximum(bands[1] / middle, 0)),
        "height": np.arcsinh((level - middle) / max(_spread(level[inside]), _TINY * middle)),
        "standing": np.log(0.1 + np.maximum(sharp, 0) / max(deepest, _TINY)),
    }
    for name in _MARKER_FEATURES:
        maps[name][~inside] = -np.inf  # the outline's far side is extrapolated
    return maps


def _spread(values: FloatArray) -> float:
    """Robust standard deviation."""
    return float(_MAD * np.median(np.abs(values - np.median(values))))


def _blur(values: FloatArray, sigma_px: float) -> FloatArray:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(values, sigma_px, mode="constant", truncate=3.0))


def _disc(radius_px: float) -> npt.NDArray[np.bool_]:
    """Pixels within a radius, at least the eight neighbours' cross."""
    reach = max(1, int(radius_px))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(y**2 + x**2 <= max(1.0, radius_px) ** 2)


def _correlation(
    markers: list[FloatArray], inside: npt.NDArray[np.bool_], pixel_um: float
) -> FloatArray:
    """Pearson correlation of two markers in a Gaussian window around each pixel."""
    sigma = _WINDOW_UM / pixel_um
    weight = np.maximum(_blur(inside.astype(float), sigma), _TINY)
    first, second = (np.where(inside, m / np.median(m[inside]), 0.0) for m in markers)

    def mean(values: FloatArray) -> FloatArray:
        return _blur(values, sigma) / weight

    a, b = mean(first), mean(second)
    cov = mean(first * second) - a * b
    var = (mean(first**2) - a**2) * (mean(second**2) - b**2)
    return np.asarray(np.clip(cov / np.sqrt(np.maximum(var, _TINY**2)), -1, 1))
