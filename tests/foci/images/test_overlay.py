"""Pictures to check by eye: what is drawn, where, and in which colour."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from foci.errors import FociError
from foci.images.image import NucleusImage
from foci.images.overlay import LEFT_OUT, USED, plot_overlay, write_overlay

SHAPE = (60, 90)


def image(**changes):
    plane = np.zeros(SHAPE, np.uint8)
    plane[30, 20] = 200
    channels = dict.fromkeys(("dna", "gamma_h2ax", "53bp1"), plane)
    return NucleusImage(**{"channels": channels, "pixel_um": 0.5, "source": "a$b$\n.tif"} | changes)


def counts(probability=(0.9, 0.01)):
    labels = np.zeros(SHAPE, int)
    labels[20:40, 10:30] = 1
    labels[20:40, 30:50] = 2
    nuclei = tuple(
        SimpleNamespace(
            label=k, centre_px=(29.5, 20 * k - 0.5), flags=flags, used=not flags, foci=k
        )
        for k, flags in ((1, ()), (2, ("out of focus", "$weak")))
    )
    frame = pd.DataFrame(
        {"nucleus": [1, 2], "y_px": [30.0, 25.0], "x_px": [20.0, 40.0], "probability": probability}
    )
    return SimpleNamespace(labels=labels, nuclei=nuclei, objects_frame=lambda: frame)


def test_panels_numbers_reasons_and_title():
    figure = plot_overlay(image(), counts())
    panels = figure.axes[:3]
    assert [axes.get_title() for axes in panels] == ["DNA", "gamma-H2AX", "53BP1"]
    texts = {text.get_text(): text for text in panels[0].texts}
    assert texts["1"].get_color() == USED
    assert texts["1"].get_position() == (19.5, 29.5)
    assert texts["2\nout of focus\n$weak"].get_color() == LEFT_OUT
    assert not any(text.get_parse_math() for text in texts.values() if "$" in text.get_text())
    assert figure.get_suptitle() == "a$b$\n.tif: 1 foci in 1 of 2 nuclei"


def test_outlines_follow_the_nuclei_in_their_colour():
    figure = plot_overlay(image(), counts())
    rims = figure.axes[0].images[1].get_array()
    assert rims.shape == (*SHAPE, 4)
    drawn = rims[..., 3] > 0
    assert drawn[20, 10:50].all()
    assert drawn[20:40, 29].all()  # between touching nuclei, both rims are drawn
    assert drawn[20:40, 30].all()
    assert not drawn[22:38, 12:28].any()
    assert not drawn[:20].any()
    for place, colour in (((20, 15), USED), ((20, 45), LEFT_OUT)):
        np.testing.assert_allclose(rims[place][:3] / 255, to_rgb(colour), atol=0.01)


def test_circles_are_around_likely_objects_only():
    figure = plot_overlay(image(), counts())
    for axes in figure.axes[1:3]:
        (circles,) = axes.collections
        np.testing.assert_array_equal(circles.get_offsets(), [[20, 30]])
    (circles,) = plot_overlay(image(), counts((0.9, 0.2))).axes[1].collections
    first, second = circles.get_edgecolors()[:, :3]
    assert not np.allclose(first, second)


@pytest.mark.parametrize("pixel_um", [0.1, 0.5, 2.0])
def test_scale_bar_has_the_length_it_says(pixel_um):
    axes = plot_overlay(image(pixel_um=pixel_um), counts()).axes[0]
    left, right = axes.lines[0].get_xdata()
    said = next(text.get_text() for text in axes.texts if text.get_text().endswith(" um"))
    assert (right - left) * pixel_um == pytest.approx(float(said.removesuffix(" um")))
    assert (right - left) <= SHAPE[1] / 2


def test_stacks_are_shown_as_their_brightest_plane(tmp_path):
    planes = np.zeros((3, *SHAPE), np.uint16)
    planes[1, 5, 6] = 9
    stack = image(channels={"dna": planes, "53bp1": planes})
    figure = Figure()
    assert plot_overlay(stack, counts(), figure=figure) is figure
    assert figure.axes[1].images[0].get_array()[5, 6] == 9
    path = write_overlay(stack, counts(), tmp_path / "a.png")
    pixels = imread(path)
    assert pixels.shape[1] > 800
    assert np.ptp(pixels[..., :3]) > 0.9


def test_no_objects_and_no_nuclei(tmp_path):
    nothing = counts()
    nothing.nuclei = ()
    nothing.labels = np.zeros(SHAPE, int)
    empty = nothing.objects_frame().iloc[:0]
    nothing.objects_frame = lambda: empty
    assert write_overlay(image(), nothing, tmp_path / "a.png").stat().st_size > 1000


def test_counts_of_another_image():
    with pytest.raises(FociError, match="counts are of an image"):
        plot_overlay(image(), SimpleNamespace(labels=np.zeros((5, 5), int)))
