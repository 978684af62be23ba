"""Simulated images: the optics against diffraction theory, noise, texture and counts measured."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, optimize, special

from foci.errors import FociError
from foci.images.simulate import simulate_image
from foci.images.simulate_camera import photograph
from foci.images.simulate_conditions import (
    KINDS,
    Cells,
    Conditions,
    Microscope,
    Staining,
    random_conditions,
)
from foci.images.simulate_nucleus import _texture, add_spot, blur_um

FWHM = 2 * np.sqrt(2 * np.log(2))
COARSE = Conditions(Microscope(pixel_um=0.35))
PLAIN = Conditions(
    Microscope(bits=16, full_scale_electrons=(1e5,) * 3, illumination_fall=0.0),
    Cells(
        texture_cv=0.0,
        nucleoli=0.0,
        tilt_um=0.0,
        touching_share=0.0,
        out_of_focus_share=0.0,
        weak_share=0.0,
        debris_per_nucleus=0.0,
    ),
    Staining(
        texture_cv=(0.0, 0.0),
        marker_electrons=(4000.0, 4000.0),
        brightness_cv=0.0,
        single_marker_spots=(0.0, 0.0),
        colocalised_share=1.0,
        shift_um=0.0,
    ),
)


def of(conditions, part, **changes):
    return replace(conditions, **{part: replace(getattr(conditions, part), **changes)})


def electrons(simulated, name):
    """Photoelectrons over the background of a channel."""
    microscope = simulated.conditions.microscope
    top = microscope.full_scale
    grey = simulated.image.channels[name].astype(float) - top * microscope.offset_share
    gain = microscope.full_scale_electrons[0] / (top * (1 - microscope.offset_share))
    return grey * gain - simulated.conditions.staining.background_electrons


def test_lateral_width_is_the_least_squares_gaussian_of_the_airy_pattern():
    radius = np.linspace(1e-6, 3, 4000)  # wavelengths / NA
    airy = (2 * special.j1(2 * np.pi * radius) / (2 * np.pi * radius)) ** 2

    def misfit(sigma):  # over the plane, so weighted by the radius
        return np.sum(radius * (airy - np.exp(-0.5 * (radius / sigma) ** 2)) ** 2)

    best = optimize.minimize_scalar(misfit, bounds=(0.1, 0.4), method="bounded").x
    microscope = Microscope(numerical_aperture=1.0, emission_um=(1.0, 1.0, 1.0))
    assert microscope.sigma_xy_um(0) == pytest.approx(best, rel=0.04)


def test_axial_width_has_the_curvature_and_half_width_of_the_paraxial_pattern():
    microscope = Microscope(numerical_aperture=0.8, refractive_index=1.3)
    wavelength, n = microscope.emission_um[1], 1.3

    def axial(z):
        u = 2 * np.pi * z * 0.8**2 / (n * wavelength)
        return np.sinc(u / 4 / np.pi) ** 2

    step = 1e-3
    curvature = (2 * axial(0.0) - 2 * axial(step)) / step**2
    assert microscope.sigma_z_um(1) == pytest.approx(curvature**-0.5, rel=2e-3)
    half = optimize.brentq(lambda z: axial(z) - 0.5, 0.01, 1.1 * n * wavelength / 0.64)
    tiny = replace(microscope, pixel_um=1e-6)
    peaks = blur_um(tiny, 1, np.array([0.0, half])) ** -2.0  # on the axis, light being kept
    assert peaks[1] / peaks[0] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("confocal", [False, True])
def test_light_of_a_defocused_point_is_kept_in_wide_field_only(confocal):
    microscope = Microscope(confocal=confocal, planes=3, plane_spacing_um=0.6, pixel_um=0.05)
    grid = (np.arange(-60, 61) * 0.05,) * 2
    image = np.zeros((3, 121, 121))
    add_spot(image, grid, microscope, 1, (0.0, 0.0, 0.0, 1e-3, 1.0))
    sums = image.sum(axis=(1, 2))
    expected = np.exp(-0.5 * (0.6 / microscope.sigma_z_um(1)) ** 2) if confocal else 1.0
    np.testing.assert_allclose(sums[[0, 2]] / sums[1], expected, rtol=2e-3)
    assert image[0].max() < 0.6 * image[1].max()


@pytest.mark.parametrize("fwhm", [0.02, 0.3, 0.8])
def test_an_isolated_focus_has_the_width_and_height_it_should(fwhm):
    flat = of(PLAIN, "cells", height_share=0.02)
    conditions = of(flat, "staining", focus_fwhm_um=fwhm, focus_fwhm_cv=0.0, contrast_cv=0.0,
                    contrast=3.0 * (0.5 / fwhm) ** 2 if fwhm < 0.1 else 3.0)  # fmt: skip
    conditions = of(conditions, "microscope", full_scale_electrons=(4e5,) * 3)
    simulated = simulate_image(
        1, rng=np.random.default_rng(3), foci_counts=[1], conditions=conditions
    )
    _, _, y, x = simulated.foci[0]
    values = electrons(simulated, "gamma_h2ax")
    rows, columns = np.indices(values.shape)
    near = np.hypot(rows - y, columns - x) * 0.1 < 0.6 + fwhm

    def model(_, height, base, sigma, y0, x0):
        square = (rows[near] - y0) ** 2 + (columns[near] - x0) ** 2
        return base + height * np.exp(-square / (2 * sigma**2))

    guess = (5000.0, 4000.0, 2.0, y, x)
    fit, _ = optimize.curve_fit(model, None, values[near], guess)
    microscope = conditions.microscope
    square = microscope.sigma_xy_um(1) ** 2 + (fwhm / FWHM) ** 2 + 0.1**2 / 12
    assert 0.1 * abs(fit[2]) == pytest.approx(np.sqrt(square), rel=0.03)
    height = 4000 * conditions.staining.contrast * (fwhm / FWHM) ** 2 / square
    assert fit[0] == pytest.approx(height, rel=0.05)
    assert fit[3:] == pytest.approx([y, x], abs=0.1)


def test_noise_variance_is_gain_times_mean_and_read_noise():
    for levels in ((2.0, 8.0, 20.0), (200.0, 800.0, 3000.0)):  # Poisson, and normal numbers
        mean, variance = [], []
        for k, level in enumerate(levels):
            conditions = of(PLAIN, "microscope", full_scale_electrons=(6000.0,) * 3)
            conditions = of(conditions, "staining", background_electrons=level)
            grey = photograph(
                np.zeros((3, 1, 300, 100), np.float32), conditions, np.random.default_rng(k)
            ).astype(float)
            gain = 65535 * 0.98 / 6000
            mean.append((grey.mean() - 65535 * 0.02) / gain)
            variance.append(grey.var() / gain**2)
        standard_error = np.sqrt(2 / 300**2) * np.array(variance)
        np.testing.assert_allclose(mean, levels, atol=4 * np.sqrt(max(variance)) / 300)
        assert (np.abs(np.array(variance) - (np.array(levels) + 16)) < 4 * standard_error).all()


def test_each_channel_has_its_own_exposure():
    conditions = of(PLAIN, "microscope", full_scale_electrons=(1e3, 2e3, 4e3), offset_share=0.0)
    flat = np.full((3, 1, 50, 50), 300, np.float32)
    grey = photograph(flat, conditions, np.random.default_rng(1)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(grey, 360 / np.array([1e3, 2e3, 4e3]) * 65535, rtol=0.01)


@pytest.mark.parametrize("length_um", [0.3, 0.5, 1.0])
def test_texture_has_unit_variance_and_falls_to_1_over_e_at_its_length(length_um):
    field = _texture(np.random.default_rng(1), (40, 200, 200), length_um, 0.1, 5.0)
    lag = round(length_um / 0.1)
    assert field.var() == pytest.approx(1, rel=0.03)
    for axis in (1, 2):
        product = (field * np.roll(field, lag, axis)).mean()
        assert product == pytest.approx(np.exp(-1), abs=0.03)
    apart = _texture(np.random.default_rng(1), (400, 60, 60), length_um, 0.1, length_um)
    assert (apart[1:] * apart[:-1]).mean() == pytest.approx(np.exp(-1), abs=0.04)


def test_brightness_of_the_middle_and_area_of_the_nucleus():
    simulated = simulate_image(
        6, rng=np.random.default_rng(5), foci_counts=[0] * 6, conditions=PLAIN
    )
    middles = ndimage.center_of_mass(simulated.labels > 0, simulated.labels, range(1, 7))
    for name, level in (("dna", 2000), ("gamma_h2ax", 4000), ("53bp1", 4000)):
        seen = [
            electrons(simulated, name)[int(y) - 5 : int(y) + 6, int(x) - 5 : int(x) + 6].mean()
            for y, x in middles
        ]
        np.testing.assert_allclose(seen, level, rtol=0.05)
    area = np.bincount(simulated.labels.ravel())[1:].mean() * 0.01
    assert area == pytest.approx(np.pi / 4 * 6.85**2, rel=0.15)


def test_foci_are_poisson_with_the_mean_of_the_dose_and_lie_in_their_nuclei():
    simulated = simulate_image(
        300, rng=np.random.default_rng(2), dose_gy=0.1, conditions=of(COARSE, "cells", overlap=0.0)
    )
    counts = simulated.foci_per_nucleus
    mean = 0.1 + 14.7 * 0.1
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 300))
    assert counts.var(ddof=1) / mean == pytest.approx(1, abs=4 * np.sqrt(2 / 300))
    nucleus, _, y, x = simulated.foci.T
    np.testing.assert_array_equal(np.bincount(nucleus.astype(int), minlength=301)[1:], counts)
    inside = simulated.labels[np.round(y).astype(int), np.round(x).astype(int)] == nucleus
    assert inside.mean() > 0.99


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_share_of_colocalised_spots(share):
    conditions = of(COARSE, "staining", colocalised_share=share, single_marker_spots=(0.0, 0.0))
    simulated = simulate_image(
        100, rng=np.random.default_rng(4), foci_counts=[12] * 100, conditions=conditions
    )
    kinds = np.bincount(simulated.spots[:, 1].astype(int), minlength=3)
    assert kinds[0] == 1200
    singles = 1200 * (1 / share - 1)
    assert kinds[1:].sum() == pytest.approx(singles, abs=4 * np.sqrt(singles))
    assert kinds[1] == pytest.approx(singles / 2, abs=4 * np.sqrt(singles / 2))


def test_spots_of_one_marker_show_in_that_marker_only():
    flat = of(PLAIN, "cells", height_share=0.05)
    conditions = of(flat, "staining", single_marker_spots=(40.0, 0.0))
    simulated = simulate_image(
        1, rng=np.random.default_rng(4), foci_counts=[0], conditions=conditions
    )
    inside = ndimage.binary_erosion(simulated.labels > 0, iterations=8)
    gamma, other = (electrons(simulated, name)[inside] for name in ("gamma_h2ax", "53bp1"))
    assert gamma.max() > 8000
    assert other.max() < 4600


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_markers_share_their_texture(share):
    conditions = of(PLAIN, "staining", shared_texture=share, texture_cv=(0.8, 0.8))
    simulated = simulate_image(
        20, rng=np.random.default_rng(4), foci_counts=[0] * 20, conditions=conditions
    )
    inside = ndimage.binary_erosion(simulated.labels > 0, iterations=12)
    detail = []
    for name in ("gamma_h2ax", "53bp1"):
        values = electrons(simulated, name)
        smooth = ndimage.gaussian_filter(values, 6)
        detail.append((values - smooth)[inside])
    assert np.corrcoef(detail)[0, 1] == pytest.approx(share, abs=0.13)


def test_touching_nuclei_touch_and_others_do_not():
    for share in (0.0, 1.0):
        conditions = of(COARSE, "cells", touching_share=share)
        simulated = simulate_image(40, rng=np.random.default_rng(6), conditions=conditions)
        bodies = ndimage.label(simulated.labels > 0)[1]
        assert bodies == 40 if share == 0 else bodies < 30


def test_flagged_nuclei_are_blurred_or_dark():
    conditions = of(PLAIN, "cells", out_of_focus_share=0.5, weak_share=0.5, texture_cv=0.5)
    simulated = simulate_image(30, rng=np.random.default_rng(6), conditions=conditions)
    index = np.arange(1, 31)
    rough = ndimage.laplace(ndimage.gaussian_filter(electrons(simulated, "dna"), 1.5))
    rough = ndimage.standard_deviation(rough, simulated.labels, index)
    light = ndimage.median(electrons(simulated, "gamma_h2ax"), simulated.labels, index)
    assert rough[simulated.out_of_focus].max() < rough[~simulated.out_of_focus].min()
    assert light[simulated.weak].max() < 0.3 * light[~simulated.weak].min()
    assert 5 < simulated.weak.sum() < 25


def test_a_focus_of_a_stack_is_sharpest_in_the_plane_nearest_to_it():
    conditions = of(PLAIN, "microscope", planes=13, plane_spacing_um=0.4)
    simulated = simulate_image(
        8, rng=np.random.default_rng(8), foci_counts=[1] * 8, conditions=conditions
    )
    values = electrons(simulated, "53bp1")
    assert values.shape == (13, *simulated.labels.shape)
    assert simulated.image.plane_spacing_um == 0.4
    for _, z, y, x in simulated.foci:
        brightest = values[:, round(y), round(x)].argmax()
        assert abs(conditions.microscope.planes_um()[brightest] - z) < 0.4


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_grey_values_are_cut_at_full_scale(bits):
    conditions = of(COARSE, "microscope", bits=bits, full_scale_electrons=(500.0,) * 3)
    simulated = simulate_image(3, rng=np.random.default_rng(1), conditions=conditions)
    dna = simulated.image.channels["dna"]
    assert dna.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert dna.max() == simulated.image.full_scale == 2**bits - 1
    assert np.mean(dna == dna.max()) > 0.05


def test_the_same_state_gives_the_same_image_and_another_one_does_not():
    first, again, other = (
        simulate_image(3, rng=np.random.default_rng(seed), dose_gy=0.1) for seed in (7, 7, 8)
    )
    for name, channel in first.image.channels.items():
        np.testing.assert_array_equal(channel, again.image.channels[name])
    np.testing.assert_array_equal(first.spots, again.spots)
    assert first.labels.shape == other.labels.shape
    assert not np.array_equal(first.image.channels["dna"], other.image.channels["dna"])


def test_nuclei_cut_out_and_cut_by_the_edge():
    cut = simulate_image(4, rng=np.random.default_rng(1), conditions=COARSE, cut_out=True)
    assert all((channel[cut.labels == 0] == 0).all() for channel in cut.image.channels.values())
    edge = simulate_image(
        30,
        rng=np.random.default_rng(1),
        conditions=of(COARSE, "cells", cut_by_edge=True),
        field_px=(150, 150),
    )
    rim = np.concatenate([edge.labels[0], edge.labels[-1], edge.labels[:, 0], edge.labels[:, -1]])
    assert len(np.unique(rim)) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_random_conditions_make_images(kind):
    rng = np.random.default_rng(1)
    drawn = [random_conditions(rng, kind=kind) for _ in range(40)]
    diameters = [conditions.cells.diameter_um for conditions in drawn]
    assert (max(diameters) < 8) == (kind == "lymphocytes")
    assert (min(diameters) > 8) == (kind == "fibroblasts")
    assert {conditions.microscope.bits for conditions in drawn} == {8, 12, 16}
    for conditions in drawn[:3]:
        assert simulate_image(1, rng=rng, conditions=conditions).labels.max() == 1


def test_every_parameter_is_told_as_assumed():
    assumptions = Conditions().assumptions
    assert all(text.startswith("ASSUMED") for text in assumptions)
    assert any("contrast = 3.0" in text for text in assumptions)
    frame = simulate_image(2, rng=np.random.default_rng(1), foci_counts=[1, 2]).to_frame()
    assert (frame["shows_in"] == "both").sum() == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_nuclei": 0}, "n_nuclei"),
        ({"foci_counts": [1, 2]}, "one a nucleus"),
        ({"foci_counts": [-1]}, "whole numbers from 0"),
        ({"foci_counts": [0.5]}, "whole numbers from 0"),
        ({"dose_gy": -1.0}, "mean foci"),
        ({"field_px": (20, 20)}, "too small"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(FociError, match=words):
        simulate_image(**{"n_nuclei": 1, **arguments}, rng=np.random.default_rng(1))


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        (Microscope, {"bits": 10}, "bits"),
        (Microscope, {"pixel_um": 0.0}, "pixel_um"),
        (Microscope, {"full_scale_electrons": (0.0, 1.0, 1.0)}, "three positive"),
        (Microscope, {"read_noise_electrons": -1.0}, "read_noise"),
        (Cells, {"overlap": 1.5}, "overlap"),
        (Staining, {"colocalised_share": 0.0}, "colocalised_share"),
    ],
)
def test_conditions_refuse(part, changes, words):
    with pytest.raises(FociError, match=words):
        part(**changes)


def test_unknown_kind():
    with pytest.raises(FociError, match="lymphocytes"):
        random_conditions(np.random.default_rng(1), kind="neurons")
