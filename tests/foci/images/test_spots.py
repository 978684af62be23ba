"""Candidates and their features."""

from dataclasses import replace

import numpy as np
import pytest

from foci.images.image import NucleusImage
from foci.images.segment import Segmentation, segment_nuclei
from foci.images.simulate import simulate_image
from foci.images.simulate_conditions import Cells, Conditions, Microscope, Staining
from foci.images.spots import feature_names, find_candidates

PLAIN = Conditions(
    cells=Cells(out_of_focus_share=0.0, weak_share=0.0, touching_share=0.0),
    staining=Staining(contrast=5.0, contrast_cv=0.1, single_marker_spots=(0.0, 0.0)),
)


def simulated(seed=1, foci=(2, 0, 3), **optics):
    conditions = replace(PLAIN, microscope=Microscope(**optics))
    rng = np.random.default_rng(seed)
    return simulate_image(len(foci), rng=rng, foci_counts=list(foci), conditions=conditions)


def candidates(image):
    return find_candidates(image, segment_nuclei(image))


def disc_with(spots, *, grey=100.0, noise=3.0, seed=0, pixel_um=0.1):
    """Round nucleus with Gaussian spots (y, x, heights of both markers)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:120, :120]
    inside = (y - 60) ** 2 + (x - 60) ** 2 < 40**2
    markers = []
    for k in range(2):
        plane = np.where(inside, grey, 0.0)
        for sy, sx, *heights in spots:
            plane += heights[k] * np.exp(-((y - sy) ** 2 + (x - sx) ** 2) / (2 * 2.5**2))
        markers.append(np.maximum(plane + noise * rng.standard_normal(plane.shape), 0))
    channels = {"dna": inside * grey, "gamma_h2ax": markers[0], "53bp1": markers[1]}
    image = NucleusImage(channels, pixel_um=pixel_um)
    return image, Segmentation(inside.astype(np.int32), 50.0, False)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_bright_focus_near_the_focal_plane_is_a_candidate(seed):
    case = simulated(seed, foci=(2, 1, 2, 1))
    found = candidates(case.image)
    inside = segment_nuclei(case.image).labels > 0
    near = np.array([f for f in case.foci if abs(f[1]) < 0.8 and inside[int(f[2]), int(f[3])]])
    assert len(near) >= 3
    for _, _, y, x in near:
        assert np.hypot(found.y_px - y, found.x_px - x).min() * case.image.pixel_um < 0.3


def test_position_and_rank_of_spots_in_both_markers():
    image, segmentation = disc_with([(50, 45, 300, 300), (75, 70, 300, 0), (40, 75, 0, 300)])
    found = find_candidates(image, segmentation)
    best = np.argmax(found.score)
    assert abs(found.y_px[best] - 50) <= 1
    assert abs(found.x_px[best] - 45) <= 1
    assert found.score[best] > 3 * np.sort(found.score)[-2]


def test_columns_and_their_names():
    image, segmentation = disc_with([(50, 45, 200, 100)])
    both = find_candidates(image, segmentation)
    assert both.features.shape == (len(both.score), len(feature_names(2)))
    assert np.isfinite(both.features).all()
    alone = replace(image, channels={k: image.channels[k] for k in ("dna", "53bp1")})
    single = find_candidates(alone, segmentation)
    assert single.features.shape[1] == len(feature_names(1))
    names = feature_names(2)
    for name in feature_names(1):
        if f"lower_{name}" in names:
            low, high = (both.features[:, names.index(f"{s}_{name}")] for s in ("lower", "higher"))
            assert (low <= high).all()


def test_swapping_markers_and_scaling_grey_values_change_nothing():
    case = simulated().image
    first = candidates(case)
    a, b = case.channels["gamma_h2ax"], case.channels["53bp1"]
    swapped = replace(case, channels={**case.channels, "gamma_h2ax": b, "53bp1": a})
    np.testing.assert_allclose(candidates(swapped).features, first.features, atol=1e-9)
    scaled = {name: 7.3 * np.asarray(values, float) for name, values in case.channels.items()}
    np.testing.assert_allclose(
        candidates(replace(case, channels=scaled, full_scale=None)).features,
        first.features,
        atol=1e-6,
    )


def test_brightness_features_rise_with_the_spot():
    rows = []
    for height in (50, 100, 200, 400):
        image, segmentation = disc_with([(50, 45, height, height)])
        found = find_candidates(image, segmentation)
        rows.append(found.features[np.argmin(np.hypot(found.y_px - 50, found.x_px - 45))])
    names = feature_names(2)
    for name in ("lower_sharp", "lower_broad", "lower_contrast", "lower_height"):
        assert (np.diff([row[names.index(name)] for row in rows]) > 0).all()


def test_the_outline_of_a_flat_nucleus_makes_no_bright_spots():
    image, segmentation = disc_with([], noise=3.0)
    y, x = np.mgrid[:120, :120]
    rim = np.abs(np.hypot(y - 60, x - 60) - 40) < 2
    found = find_candidates(image, segmentation)
    at_rim = rim[found.y_px.astype(int), found.x_px.astype(int)]
    assert found.score.max() < 6
    assert at_rim.mean() < 0.5


@pytest.mark.parametrize("plane", [1, 4])
def test_plane_of_a_spot_in_a_stack(plane):
    flat, segmentation = disc_with([])
    spotted, _ = disc_with([(50, 45, 300, 300)])
    channels = {
        name: np.stack([(spotted if k == plane else flat).channels[name] for k in range(6)])
        for name in flat.channels
    }
    image = NucleusImage(channels, pixel_um=0.1, plane_spacing_um=0.5)
    found = find_candidates(image, segmentation)
    assert found.plane[np.argmax(found.score)] == plane


def test_no_nuclei_and_no_light():
    image, _ = disc_with([])
    nothing = Segmentation(np.zeros((120, 120), np.int32), 0.0, False)
    assert find_candidates(image, nothing).features.shape == (0, len(feature_names(2)))
    dark = replace(image, channels={**image.channels, "53bp1": np.zeros((120, 120))})
    ones = Segmentation(np.ones((120, 120), np.int32), 0.0, False)
    assert len(find_candidates(dark, ones).score) == 0
