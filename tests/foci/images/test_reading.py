"""Reading TIFF and OME-TIFF: what comes back, and files that must be refused by name."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from foci.errors import FociError
from foci.images import reading
from foci.images.image import NucleusImage
from foci.images.reading import read_image, write_image
from foci.images.simulate import simulate_image
from foci.images.simulate_conditions import Conditions, Microscope

RGB = {"dna": 2, "gamma_h2ax": 1, "53bp1": 0}
RNG = np.random.default_rng(1)
GREY = RNG.integers(5, 200, (3, 24, 30)).astype(np.uint8)


def simulated(**microscope):
    conditions = Conditions(replace(Microscope(), pixel_um=0.25, **microscope))
    return simulate_image(2, rng=np.random.default_rng(1), conditions=conditions).image


@pytest.mark.parametrize("planes", [1, 4])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_round_trip(tmp_path, planes, bits):
    image = simulated(planes=planes, bits=bits)
    back = read_image(write_image(image, tmp_path / "a.ome.tif"))
    assert back.pixel_um == pytest.approx(0.25)
    assert back.plane_spacing_um == image.plane_spacing_um
    assert back.full_scale == 2**bits - 1
    assert back.source == "a.ome.tif"
    assert list(back.channels) == list(image.channels)
    for name, channel in image.channels.items():
        np.testing.assert_array_equal(back.channels[name], channel)
        assert back.channels[name].dtype == channel.dtype


def test_round_trip_of_one_marker(tmp_path):
    image = simulated()
    one = NucleusImage({k: image.channels[k] for k in ("dna", "53bp1")}, pixel_um=0.1)
    assert read_image(write_image(one, tmp_path / "a.ome.tif")).markers == ("53bp1",)


def test_red_green_blue(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(GREY, 0, -1), photometric="rgb")
    image = read_image(tmp_path / "a.tif", channels=RGB, pixel_um=0.323)
    for name, index in RGB.items():
        np.testing.assert_array_equal(image.channels[name], GREY[index])
    assert (image.pixel_um, image.full_scale) == (0.323, 255)


def test_planes_of_rgb_and_pages_in_a_given_order(tmp_path):
    stack = RNG.integers(5, 200, (3, 5, 24, 30)).astype(np.uint8)  # channel, z, y, x
    tifffile.imwrite(tmp_path / "s.tif", np.moveaxis(stack, 0, -1), photometric="rgb")
    image = read_image(tmp_path / "s.tif", channels=RGB, pixel_um=0.1, axes="ZYXS")
    np.testing.assert_array_equal(image.channels["gamma_h2ax"], stack[1])
    tifffile.imwrite(tmp_path / "p.tif", stack, photometric="minisblack")
    image = read_image(
        tmp_path / "p.tif", channels=RGB, pixel_um=0.1, axes="CZYX", plane_spacing_um=0.5
    )
    np.testing.assert_array_equal(image.channels["53bp1"], stack[0])
    assert image.plane_spacing_um == 0.5


def test_imagej_hyperstack_tells_pixel_and_plane(tmp_path):
    stack = RNG.integers(5, 3000, (4, 3, 24, 30)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        stack,
        imagej=True,
        resolution=(1 / 0.16, 1 / 0.16),
        metadata={"axes": "ZCYX", "unit": "um", "spacing": 0.4},
    )
    image = read_image(tmp_path / "a.tif", channels=RGB)
    np.testing.assert_array_equal(image.channels["dna"], stack[:, 2])
    assert image.pixel_um == pytest.approx(0.16, rel=1e-5)
    assert image.plane_spacing_um == pytest.approx(0.4)


def test_resolution_of_a_scanner_is_no_pixel_size(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack", resolution=(72, 72), resolutionunit=2)
    with pytest.raises(FociError, match=r"a\.tif does not say how large its pixels are"):
        read_image(path, channels=RGB)
    tifffile.imwrite(path, GREY, photometric="minisblack", resolution=(1e5, 1e5), resolutionunit=3)
    assert read_image(path, channels=RGB).pixel_um == pytest.approx(0.1)


def ome(path, values=GREY, **metadata):
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1} | metadata
    tifffile.imwrite(path, values, photometric="minisblack", ome=True, metadata=metadata)
    return path


def test_channels_by_the_names_of_the_file(tmp_path):
    names = ["Alexa 568 53BP1", "γ-H2AX (488)", "DAPI"]
    path = ome(tmp_path / "a.ome.tif", Channel={"Name": names})
    image = read_image(path)
    for name, index in RGB.items():
        np.testing.assert_array_equal(image.channels[name], GREY[index])
    swapped = read_image(path, channels={"dna": "dapi", "gamma_h2ax": names[0]})
    np.testing.assert_array_equal(swapped.channels["gamma_h2ax"], GREY[0])
    with pytest.raises(FociError, match="0 channels called 'Hoechst'"):
        read_image(path, channels={"dna": "Hoechst", "53bp1": 0})


def test_units_of_ome(tmp_path):
    path = ome(tmp_path / "a.ome.tif", PhysicalSizeX=160.0, PhysicalSizeXUnit="nm",
               PhysicalSizeY=0.16)  # fmt: skip
    assert read_image(path, channels=RGB).pixel_um == pytest.approx(0.16)
    with pytest.warns(UserWarning, match=r"says its pixels are 0\.16 um, 0\.1 um were given"):
        assert read_image(path, channels=RGB, pixel_um=0.1).pixel_um == 0.1
    path = ome(tmp_path / "b.ome.tif", PhysicalSizeY=0.2)
    with pytest.raises(FociError, match="square"):
        read_image(path, channels=RGB)


def test_full_scale_of_a_12_bit_camera_is_seen(tmp_path):
    values = RNG.integers(0, 3000, (3, 40, 40)).astype(np.uint16)
    values[1, 3, 4] = 4095
    path = ome(tmp_path / "a.ome.tif", values)
    assert read_image(path, channels=RGB).full_scale == 4095
    assert read_image(path, channels=RGB, full_scale=5000).full_scale == 5000
    with pytest.raises(FociError, match="up to 4095, above the full scale 4000"):
        read_image(path, channels=RGB, full_scale=4000)
    assert read_image(ome(tmp_path / "b.ome.tif", values // 2), channels=RGB).full_scale == 65535


def bad_text(path):
    path.write_text("sample,foci\n1,2\n")


def bad_empty(path):
    path.write_bytes(b"")


def bad_short(path):
    tifffile.imwrite(path, GREY, photometric="minisblack")
    path.write_bytes(path.read_bytes()[:-500])


def bad_short_packed(path):
    tifffile.imwrite(path, GREY, photometric="minisblack", compression="zlib")
    path.write_bytes(path.read_bytes()[:-500])


def bad_packed(path):
    tifffile.imwrite(path, GREY, photometric="minisblack", compression="zlib")
    raw = bytearray(path.read_bytes())
    raw[-300:-200] = bytes(100)
    path.write_bytes(raw)


def bad_palette(path):
    colours = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(path, GREY[0], photometric="palette", colormap=colours)


def bad_negative(path):
    values = GREY.astype(np.float32)
    values[1, 2, 3] = -0.5
    tifffile.imwrite(path, values, photometric="minisblack")


def bad_nan(path):
    values = GREY.astype(np.float32)
    values[0, 2, 3] = np.nan
    tifffile.imwrite(path, values, photometric="minisblack")


def bad_binary(path):
    tifffile.imwrite(path, GREY > 100, photometric="minisblack")


def bad_complex(path):
    tifffile.imwrite(path, GREY.astype(np.complex64), photometric="minisblack")


def bad_times(path):
    tifffile.imwrite(
        path, np.stack([GREY, GREY]), imagej=True, metadata={"axes": "TCYX"}
    )  # fmt: skip


def bad_series(path):
    with tifffile.TiffWriter(path) as writer:
        writer.write(GREY, photometric="minisblack")
        writer.write(GREY[:, :10], photometric="minisblack")


def bad_saturated(path):
    values = GREY.copy()
    values[1, :3] = 255
    tifffile.imwrite(path, values, photometric="minisblack")


def bad_blank(path):
    values = GREY.copy()
    values[0] = 7
    tifffile.imwrite(path, values, photometric="minisblack")


def bad_bomb(path):
    strip = zlib.compress(bytes(50_000_000))
    tifffile.imwrite(
        path,
        iter([strip] * 3),
        shape=GREY.shape,
        dtype=np.uint8,
        photometric="minisblack",
        compression="zlib",
        rowsperstrip=24,
    )


def bad_entities(path):
    tifffile.imwrite(
        path, GREY, photometric="minisblack", description='<!DOCTYPE a [<!ENTITY b "c">]>'
    )


def bad_ome(path):
    tifffile.imwrite(path, GREY, photometric="minisblack", description="<OME><Image></OME>")


def bad_two_channels(path):
    tifffile.imwrite(path, GREY[:2], photometric="minisblack", metadata={"axes": "CYX"})


def bad_packing(path):
    tifffile.imwrite(path, GREY, photometric="minisblack", compression="zlib")
    raw = path.read_bytes()
    tag = (259).to_bytes(2, "little") + (3).to_bytes(2, "little") + (1).to_bytes(4, "little")
    path.write_bytes(raw.replace(tag + (8).to_bytes(2, "little"), tag + b"\x05\x00"))


CASES = [
    (bad_text, "no TIFF file"),
    (bad_empty, "no TIFF file"),
    (bad_short, "cut short"),
    (bad_short_packed, "cut short"),
    (bad_packed, "damaged"),
    (bad_palette, "palette"),
    (bad_negative, "negative"),
    (bad_nan, "not finite"),
    (bad_binary, "type bool"),
    (bad_complex, "type complex64"),
    (bad_times, "one field of view a file"),
    (bad_series, "2 images of different kinds"),
    (bad_saturated, "channel gamma_h2ax are saturated at 255"),
    (bad_blank, "channel 53bp1 is empty"),
    (bad_bomb, "unpacks to more"),
    (bad_entities, "description"),
    (bad_ome, "OME description is damaged"),
    (bad_two_channels, "there is no channel 2"),
    (bad_packing, "imagecodecs"),
]


@pytest.mark.parametrize(("make", "words"), CASES, ids=[make.__name__ for make, _ in CASES])
def test_bad_files_are_refused_by_name(tmp_path, make, words):
    path = tmp_path / "slide7.tif"
    make(path)
    with pytest.raises(FociError, match=words) as caught:
        read_image(path, channels=RGB, pixel_um=0.1)
    assert "slide7.tif" in str(caught.value)


def test_images_beyond_the_limit_are_not_read(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="minisblack")
    monkeypatch.setattr(reading, "LIMIT_VALUES", 1000)
    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", None)
    with pytest.raises(FociError, match="2,160 values, legal are 1 to 1,000"):
        read_image(tmp_path / "a.tif", channels=RGB, pixel_um=0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "which of its 3 channels"),
        ({"channels": {"dna": 0}}, "one or both"),
        ({"channels": {"dapi": 0, "53bp1": 1}}, "one or both"),
        ({"channels": {"dna": 0, "53bp1": 0}}, "two channels are the same"),
        ({"channels": {"dna": -1, "53bp1": 0}}, "no channel -1"),
        ({"channels": RGB, "pixel_um": 0.0}, "pixel_um must be positive"),
        ({"channels": RGB, "pixel_um": np.nan}, "pixel_um must be positive"),
        ({"channels": RGB, "axes": "YX"}, "do not fit the shape"),
        ({"channels": RGB, "axes": "YYX"}, "do not fit the shape"),
        ({"channels": RGB, "axes": "TYX"}, "something else"),
    ],
)
def test_bad_arguments(tmp_path, arguments, words):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, photometric="minisblack")
    with pytest.raises(FociError, match=words):
        read_image(path, **{"pixel_um": 0.1} | arguments)


def test_missing_file_and_wrong_name(tmp_path):
    with pytest.raises(FociError, match="no such file"):
        read_image(tmp_path / "a.tif", channels=RGB)
    with pytest.raises(FociError, match=r"\.ome\.tif"):
        write_image(simulated(), tmp_path / "a.png")


def test_missing_package_names_the_extra(tmp_path, monkeypatch):
    bad_text(tmp_path / "a.tif")
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(FociError, match=r"hemadose\[imaging\]"):
        read_image(tmp_path / "a.tif")
