"""Nuclei found in simulated fields against the drawn ones."""

from dataclasses import replace

import numpy as np
import pytest

from foci.errors import FociError
from foci.images.image import NucleusImage
from foci.images.segment import segment_nuclei
from foci.images.simulate import simulate_image
from foci.images.simulate_conditions import Cells, Conditions, Microscope, random_conditions

FIELDS = [
    ("lymphocytes", 3, 9),
    ("lymphocytes", 4, 6),
    ("fibroblasts", 1, 9),
    ("fibroblasts", 5, 6),
]


def discs(centres, radius_px=40, shape=(200, 260), grey=100.0):
    y, x = np.mgrid[: shape[0], : shape[1]]
    dna = np.full(shape, 5.0)
    for cy, cx in centres:
        dna[(y - cy) ** 2 + (x - cx) ** 2 < radius_px**2] = grey
    return dna


def as_image(dna, pixel_um=0.1):
    return NucleusImage({"dna": dna, "53bp1": dna}, pixel_um=pixel_um, source="test.tif")


@pytest.mark.parametrize(("kind", "seed", "n"), FIELDS)
def test_overlap_with_the_drawn_nuclei(kind, seed, n):
    rng = np.random.default_rng(seed)
    drawn = random_conditions(rng, kind=kind)
    conditions = replace(
        drawn, cells=replace(drawn.cells, out_of_focus_share=0.0, touching_share=0.1)
    )
    simulated = simulate_image(n, rng=rng, conditions=conditions)
    found = segment_nuclei(simulated.image)
    assert found.n_nuclei == n
    for k in range(1, n + 1):
        true = simulated.labels == k
        own = np.bincount(found.labels[true], minlength=n + 1)
        own[0] = 0
        same = found.labels == own.argmax()
        assert (true & same).sum() / (true | same).sum() > 0.65


@pytest.mark.parametrize("factor", [0.001, 1.0, 60.0])
def test_grey_values_do_not_matter(factor):
    simulated = simulate_image(3, rng=np.random.default_rng(2)).image
    channels = {name: factor * np.asarray(c, float) for name, c in simulated.channels.items()}
    scaled = NucleusImage(channels, pixel_um=simulated.pixel_um)
    np.testing.assert_array_equal(segment_nuclei(scaled).labels, segment_nuclei(simulated).labels)


@pytest.mark.parametrize(("apart", "expected"), [(70, 2), (60, 2), (20, 1)])
def test_touching_discs_are_parted_at_a_neck_only(apart, expected):
    found = segment_nuclei(as_image(discs([(100, 90), (100, 90 + apart)])))
    assert found.n_nuclei == expected


def test_specks_are_left_out():
    dna = discs([(100, 60)]) + discs([(50, 220)], radius_px=8) - 5
    assert segment_nuclei(as_image(dna)).n_nuclei == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_empty_field_has_no_nuclei(seed):
    noise = np.random.default_rng(seed).poisson(20, (150, 150))
    found = segment_nuclei(as_image(noise))
    assert found.n_nuclei == 0
    assert segment_nuclei(as_image(np.zeros((100, 100)))).n_nuclei == 0


def test_cut_out_nucleus_keeps_its_outline():
    simulated = simulate_image(1, rng=np.random.default_rng(6), cut_out=True)
    found = segment_nuclei(simulated.image)
    assert found.cut_out
    same = (found.labels > 0) == (simulated.labels > 0)
    assert same.mean() > 0.99


def test_a_stack_is_projected():
    conditions = Conditions(Microscope(planes=5), Cells(touching_share=0.0))
    simulated = simulate_image(2, rng=np.random.default_rng(3), conditions=conditions)
    assert segment_nuclei(simulated.image).n_nuclei == 2


def test_an_image_too_small_for_a_nucleus_is_refused():
    with pytest.raises(FociError, match=r"test.tif: 30 x 30 pixels.*check pixel_um"):
        segment_nuclei(as_image(np.ones((30, 30))))
