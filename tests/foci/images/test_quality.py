"""Flags of nuclei whose state is known."""

from dataclasses import replace

import numpy as np
import pytest

from foci.errors import FociError
from foci.images import quality as q
from foci.images.image import NucleusImage
from foci.images.segment import Segmentation, segment_nuclei
from foci.images.simulate import simulate_image
from foci.images.simulate_conditions import Cells, Conditions

CLEAN = Cells(out_of_focus_share=0.0, weak_share=0.0, touching_share=0.0, debris_per_nucleus=0.0)


def field(n=8, seed=1, **cells):
    conditions = Conditions(cells=replace(CLEAN, **cells))
    return simulate_image(n, rng=np.random.default_rng(seed), conditions=conditions)


def flags(image, segmentation=None):
    return [n.flags for n in q.assess_nuclei(image, segmentation or segment_nuclei(image))]


def drawn(mask, **channels):
    flat = np.where(mask, 100.0, 0.0) + np.random.default_rng(0).uniform(0, 5, mask.shape)
    image = NucleusImage({"dna": flat, "53bp1": flat, **channels}, pixel_um=0.1)
    return image, Segmentation(mask.astype(np.int32), 50.0, False)


def disc(centre=(60, 60), radius=35, shape=(120, 120)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2


def test_good_nuclei_have_no_flags():
    found = q.assess_nuclei(field().image, segment_nuclei(field().image))
    assert len(found) == 8
    assert all(n.used and not n.flags for n in found)
    assert all(25 < n.area_um2 < 60 for n in found)


def test_weak_nuclei_are_left_out():
    case = field(12, seed=4, weak_share=0.3, weak_brightness=0.1)
    assert 0 < case.weak.sum() < 6
    for nucleus in q.assess_nuclei(case.image, segment_nuclei(case.image)):
        y, x = (int(v) for v in nucleus.centre_px)
        weak = case.weak[case.labels[y, x] - 1]
        assert (q.WEAK_STAINING in nucleus.flags) == weak
        assert not (nucleus.used and weak)


def test_most_nuclei_far_out_of_focus_are_left_out():
    case = field(16, seed=2, out_of_focus_share=0.25, out_of_focus_um=6.0)
    found = q.assess_nuclei(case.image, segment_nuclei(case.image))
    out = [
        case.out_of_focus[case.labels[int(n.centre_px[0]), int(n.centre_px[1])] - 1] for n in found
    ]
    blurred = [q.OUT_OF_FOCUS in n.flags for n in found]
    assert sum(out) >= 2
    assert np.mean([b for b, o in zip(blurred, out, strict=True) if o]) > 0.6
    assert not any(b for b, o in zip(blurred, out, strict=True) if not o)


def test_shape_border_and_touching():
    crescent = disc() & ~disc((60, 85), 32)
    assert q.ODD_SHAPE in flags(*drawn(crescent))[0]
    labels = disc((0, 60), 35).astype(np.int32) + 2 * disc((80, 60), 30)
    image, _ = drawn(labels > 0)
    assert q.CUT_BY_BORDER in flags(image, Segmentation(labels, 50.0, False))[0]
    beside = np.zeros((120, 120), np.int32)
    beside[disc()] = 1
    beside[:, 60:][disc()[:, 60:]] = 2
    image, _ = drawn(beside > 0)
    found = q.assess_nuclei(image, Segmentation(beside, 50.0, False))
    assert all(n.flags == (q.TOUCHING,) and n.used for n in found)


def test_a_picture_of_one_nucleus_may_touch_the_border():
    image, segmentation = drawn(disc(radius=62))
    assert q.CUT_BY_BORDER not in flags(image, segmentation)[0]


@pytest.mark.parametrize(("radius", "flagged"), [(4, False), (12, True)])
def test_saturated_spots(radius, flagged):
    marker = np.where(disc(), 100, 0).astype(np.uint8)
    marker[disc(radius=radius)] = 255
    image, segmentation = drawn(disc(), **{"53bp1": marker})
    assert (q.SATURATED in flags(image, segmentation)[0]) is flagged


def test_a_saturated_image_is_refused():
    marker = np.where(disc(), 255, 0).astype(np.uint8)
    with pytest.raises(FociError, match=r"100% of the nuclei's pixels in.*53bp1.*20% is legal"):
        flags(*drawn(disc(), **{"53bp1": marker}))
