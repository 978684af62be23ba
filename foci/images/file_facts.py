"""What a TIFF file says about itself, checked before its pixels are read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foci.errors import FociError

_UM = {"um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0, "nm": 1e-3, "mm": 1e3}
_UM |= {"\\u00b5m": 1.0, "cm": 1e4, "m": 1e6, "pm": 1e-6, "å": 1e-4}
_PIXEL_RANGE_UM = (0.01, 5.0)  # what a resolution tag may mean; 72 dots an inch mean nothing
_TIFF_UNITS_UM = {2: 25400.0, 3: 10000.0}
_ISOTROPIC = 0.01
_NAME = 64
_TEXT_BYTES = 5_000_000
_PAGES = 100_000
_DEFLATE = (8, 32946)
_NOT_GREY = {3: "a palette of colours", 5: "printing inks", 8: "L*a*b* colours"}
_JPEG = (6, 7, 34933, 33007)


@dataclass(frozen=True)
class FileFacts:
    """Facts of a file.

    Attributes
    ----------
    axes : str
        A letter a dimension.
    shape : tuple of int
        Size of each.
    channel_names : tuple of str
        As the file gives them; may be empty.
    pixel_um, plane_spacing_um : float or None
        As the file gives them (um).
    bits : int or None
        Significant bits of a pixel, where the file gives them.
    """

    axes: str
    shape: tuple[int, ...]
    channel_names: tuple[str, ...] = ()
    pixel_um: float | None = None
    plane_spacing_um: float | None = None
    bits: int | None = None


def shown(text: object, limit: int = 120) -> str:
    """Text of a file for a message: printable, in quotes, cut to `limit` characters."""
    value = "".join(c if c.isprintable() else "?" for c in str(text))
    return repr(value if len(value) <= limit else value[: limit - 3] + "...")


def facts_of(tiff: Any, path: Path, *, limit_values: int) -> FileFacts:
    """Facts of an open `tifffile.TiffFile`, refused where it is not one sound grey image.

    Raises
    ------
    FociError
        If the file is damaged, cut short, too large, or holds no grey values.
    """
    description = str(tiff.pages[0].description or "")
    if len(description) > _TEXT_BYTES or "<!DOCTYPE" in description or "<!ENTITY" in description:
        raise FociError(f"{path.name}: its description is not that of an image")
    if len(tiff.pages) > _PAGES or not tiff.series:
        raise FociError(f"{path.name} holds {len(tiff.pages)} planes, legal are 1 to {_PAGES}")
    if len(tiff.series) > 1:
        raise FociError(
            f"{path.name} holds {len(tiff.series)} images of different kinds; save one field of "
            "view a file"
        )
    series = tiff.series[0]
    if series.size == 0 or series.size > limit_values:
        raise FociError(
            f"{path.name} has {series.size:,} values, legal are 1 to {limit_values:,}; crop it"
        )
    _refuse_kind(tiff.pages[0], series, path)
    _refuse_cut_short(tiff, series, path)
    facts = FileFacts(axes=series.axes, shape=tuple(series.shape))
    if tiff.is_ome:
        return _from_ome(description, facts, path)
    return _from_tags(tiff, facts)


def _refuse_kind(page: Any, series: Any, path: Path) -> None:
    meaning = _NOT_GREY.get(int(page.photometric))
    if meaning:
        raise FociError(f"{path.name} holds {meaning}, not grey values; save it as grey or RGB")
    if int(page.compression) in _JPEG:
        raise FociError(
            f"{path.name} is compressed as JPEG, which changes grey values; export it anew without"
        )
    if series.dtype is None or series.dtype.kind not in "uif":
        raise FociError(f"{path.name} holds values of type {series.dtype}, legal are numbers")


def _refuse_cut_short(tiff: Any, series: Any, path: Path) -> None:
    """Refuse segments beyond the end of the file, and those that unpack to more than they say."""
    size = tiff.filehandle.size
    if series.dataoffset is not None and series.dataoffset + series.nbytes > size:
        raise FociError(f"{path.name} is cut short: its pixels reach beyond its end")
    for page in series.pages:
        if page is None:
            raise FociError(f"{path.name} lacks planes that it announces; export it anew")
        page = page.aspage()
        pairs = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        if any(offset + count > size for offset, count in pairs) or not pairs:
            raise FociError(f"{path.name} is cut short: its pixels reach beyond its end")
        if int(page.compression) in _DEFLATE:
            _refuse_bomb(tiff, page, pairs, path)


def _refuse_bomb(tiff: Any, page: Any, pairs: list[tuple[int, int]], path: Path) -> None:
    whole = page.nbytes + 2 * len(pairs) * page.dtype.itemsize
    rows = page.tile or (page.rowsperstrip, page.imagewidth)
    most = min(whole, int(rows[-2]) * int(rows[-1]) * page.samplesperpixel * page.dtype.itemsize)
    for offset, count in pairs:
        tiff.filehandle.seek(offset)
        unpacker = zlib.decompressobj()
        unpacker.decompress(tiff.filehandle.read(count), most)
        if unpacker.unconsumed_tail and unpacker.decompress(unpacker.unconsumed_tail, 1):
            raise FociError(f"{path.name} unpacks to more than its size says; it is not read")


def _from_ome(description: str, facts: FileFacts, path: Path) -> FileFacts:
    try:
        root = ET.fromstring(description)
    except ET.ParseError as error:
        raise FociError(f"{path.name}: its OME description is damaged: {shown(error)}") from None
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return facts
    channels = [e for e in pixels if e.tag.rpartition("}")[2] == "Channel"]
    sides = [_length(pixels.attrib, axis) for axis in "XY"]
    bits = pixels.attrib.get("SignificantBits", "")
    return FileFacts(
        axes=facts.axes,
        shape=facts.shape,
        channel_names=tuple(e.attrib.get("Name", "")[:_NAME] for e in channels),
        pixel_um=_side(sides[0], sides[1], path.name),
        plane_spacing_um=_length(pixels.attrib, "Z"),
        bits=int(bits) if bits.isdecimal() and 0 < int(bits) <= 32 else None,
    )


def _length(attributes: dict[str, str], axis: str) -> float | None:
    unit = _UM.get(attributes.get(f"PhysicalSize{axis}Unit", "µm").lower())
    try:
        value = float(attributes[f"PhysicalSize{axis}"])
    except (KeyError, ValueError):
        return None
    return value * unit if unit and 0 < value < float("inf") else None


def _from_tags(tiff: Any, facts: FileFacts) -> FileFacts:
    """Pixel size of an ImageJ file, or of resolution tags where they can mean a specimen."""
    page = tiff.pages[0]
    imagej = tiff.imagej_metadata or {}
    unit = _UM.get(str(imagej.get("unit", "")).lower())
    if unit is None:
        tag = page.tags.get("ResolutionUnit")
        unit = _TIFF_UNITS_UM.get(int(tag.value)) if tag else None
    sides = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        up, down = tag.value if tag else (0, 0)
        sides.append(unit * down / up if unit and up and down else None)
    pixel = _side(sides[0], sides[1], str(tiff.filename))
    spacing = imagej.get("spacing")
    known = pixel is not None and _PIXEL_RANGE_UM[0] <= pixel <= _PIXEL_RANGE_UM[1]
    return FileFacts(
        axes=facts.axes,
        shape=facts.shape,
        channel_names=_labels(imagej),
        pixel_um=pixel if known else None,
        plane_spacing_um=float(spacing) * unit if known and spacing and unit else None,
    )


def _labels(imagej: dict[str, Any]) -> tuple[str, ...]:
    labels = imagej.get("Labels") or ()
    n = int(imagej.get("channels", 0) or 0)
    return tuple(str(label)[:_NAME] for label in labels[:n])


def _side(x_um: float | None, y_um: float | None, name: str) -> float | None:
    if x_um is None or y_um is None:
        return x_um or y_um
    if abs(x_um / y_um - 1) > _ISOTROPIC:
        raise FociError(
            f"{name} has pixels of {x_um:.4g} by {y_um:.4g} um; legal are square ones: resample it"
        )
    return (x_um + y_um) / 2
