"""Microscope images from TIFF and OME-TIFF files, and OME-TIFF files of simulated ones."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foci.errors import FociError
from foci.images.file_facts import FileFacts, facts_of, shown
from foci.images.image import DNA, MARKERS, NucleusImage

CHANNELS = (DNA, *MARKERS)
LIMIT_VALUES = 500_000_000
MAX_SATURATED_SHARE = 5e-3  # ASSUMED: a few bright specks are no reason to lose a field
_WORDS = {DNA: ("dapi", "hoechst", "dna"), "gamma_h2ax": ("h2ax",), "53bp1": ("53bp1",)}
_CAMERA_BITS = (10, 12, 14)
_DISAGREE = 0.01
_MOST_CHANNELS = 5


def read_image(
    path: str | Path,
    *,
    channels: Mapping[str, int | str] | None = None,
    pixel_um: float | None = None,
    plane_spacing_um: float | None = None,
    full_scale: float | None = None,
    axes: str | None = None,
    max_saturated_share: float = MAX_SATURATED_SHARE,
) -> NucleusImage:
    """Read one field of view from a TIFF or OME-TIFF file.

    Parameters
    ----------
    path : str or Path
        The file.
    channels : mapping, optional
        Where the channels ``"dna"``, ``"gamma_h2ax"`` and ``"53bp1"`` are: a number from 0 (red,
        green, blue are 0, 1, 2), or a name the file gives. Without it, names of the file that
        contain DAPI, Hoechst or DNA, H2AX, and 53BP1 are taken.
    pixel_um, plane_spacing_um : float, optional
        Side of a pixel and distance of planes (um); needed where the file does not tell.
    full_scale : float, optional
        Largest grey value of the camera, as 4095 for 12 bits. Without it: what the file says,
        else 1023, 4095 or 16383 if that is the largest value of a 16-bit file, else that of the
        type.
    axes : str, optional
        Meaning of the dimensions, of Z, C, Y, X and S (colours of RGB), where the file does not
        tell or tells it wrongly; as ``"ZCYX"``.
    max_saturated_share : float
        Share of saturated pixels a channel may have (default ASSUMED).

    Returns
    -------
    NucleusImage
        `source` is the name of the file.

    Raises
    ------
    FociError
        If the file is missing, no TIFF, damaged, cut short, too large, of a type without grey
        values, several images, saturated, or if channels or pixel size are unknown.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from foci.images.simulate import simulate_image
    >>> simulated = simulate_image(2, rng=np.random.default_rng(1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_image(simulated.image, f"{folder}/two.ome.tif")
    ...     image = read_image(path)
    >>> image.pixel_um, image.markers
    (0.1, ('gamma_h2ax', '53bp1'))
    """
    path = Path(path)
    _require_positive(path, pixel_um=pixel_um, plane_spacing_um=plane_spacing_um)
    if not path.is_file():
        raise FociError(f"{path}: there is no such file")
    with _open_tiff(path) as tiff:
        facts = facts_of(tiff, path, limit_values=LIMIT_VALUES)
        values = tiff.series[0].asarray()
    values, names = _in_order(values, facts, axes, path)
    where = _places(channels, names, len(values), path)
    spacing = plane_spacing_um or facts.plane_spacing_um
    chosen = {name: values[index] for name, index in where.items()}
    if next(iter(chosen.values())).shape[0] == 1:
        chosen = {name: channel[0] for name, channel in chosen.items()}
        spacing = None
    top = _full_scale(chosen, full_scale, facts, path)
    image = NucleusImage(
        chosen,
        pixel_um=_pixel_um(pixel_um, facts, path),
        plane_spacing_um=spacing,
        full_scale=top,
        source=path.name,
    )
    _refuse_useless(image, max_saturated_share)
    return image


def write_image(image: NucleusImage, path: str | Path) -> Path:
    """Write an image as OME-TIFF with the names of its channels and the size of its pixels.

    Parameters
    ----------
    image : NucleusImage
        Its channels share one integer or float type.
    path : str or Path
        Where to; the name must end in ``.ome.tif`` or ``.ome.tiff``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FociError
        If the name ends otherwise or tifffile is missing.
    """
    path = Path(path)
    if not path.name.endswith((".ome.tif", ".ome.tiff")):
        raise FociError(f"{path.name}: an OME-TIFF file is called .ome.tif or .ome.tiff")
    names = [name for name in CHANNELS if name in image.channels]
    values = np.stack([image.channels[name] for name in names], axis=-3)
    metadata: dict[str, Any] = {
        "axes": "ZCYX" if image.is_stack else "CYX",
        "Channel": {"Name": names},
        "PhysicalSizeX": image.pixel_um,
        "PhysicalSizeY": image.pixel_um,
    }
    if image.plane_spacing_um:
        metadata["PhysicalSizeZ"] = image.plane_spacing_um
    if image.full_scale and values.dtype.kind == "u":
        metadata["SignificantBits"] = int(np.ceil(np.log2(image.full_scale + 1)))
    tifffile = _tifffile()
    tifffile.imwrite(path, values, photometric="minisblack", ome=True, metadata=metadata)
    return path


def _tifffile() -> Any:  # its classes have no stable types
    from dosimetry.errors import DosimetryError
    from dosimetry.imaging.safety import imaging_package

    try:
        return imaging_package("tifffile")
    except DosimetryError as error:
        raise FociError(str(error)) from None


@contextmanager
def _open_tiff(path: Path) -> Iterator[Any]:
    """Open a TIFF file; whatever goes wrong with it is one error that names it."""
    tifffile = _tifffile()
    log = logging.getLogger("tifffile")
    before = log.disabled
    log.disabled = True  # what it has to say is said here
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with tifffile.TiffFile(path, _multifile=False) as tiff:
                yield tiff
    except FociError:
        raise
    except tifffile.TiffFileError as error:
        raise FociError(
            f"{path.name} is no TIFF file, legal are TIFF and OME-TIFF ({shown(error)})"
        ) from None
    except Exception as error:  # tifffile, zlib and numpy raise of every kind
        if "imagecodecs" in str(error):
            raise FociError(
                f"{path.name} is compressed in a way that needs another package: save it without "
                "compression, or pip install imagecodecs"
            ) from None
        raise FociError(f"{path.name} is damaged: {shown(error)}") from error
    finally:
        log.disabled = before


def _in_order(
    values: npt.NDArray[Any], facts: FileFacts, axes: str | None, path: Path
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Values as (channel, z, y, x), and the names of the channels."""
    given = (axes or _channels_named(facts)).upper()
    if len(given) != values.ndim or len(set(given)) != len(given):
        raise FociError(
            f"{path.name}: axes {given!r} do not fit the shape {values.shape}; legal is one "
            "letter of Z, C, Y, X, S a dimension, each once"
        )
    kept = "".join(a for a, n in zip(given, values.shape, strict=True) if n > 1 or a in "YX")
    values = values.reshape([n for a, n in zip(given, values.shape, strict=True) if a in kept])
    if set(kept) - set("ZCYXS") or not {"Y", "X"} <= set(kept):
        raise FociError(
            f"{path.name}: dimensions {given} of shape {facts.shape} hold something else than "
            "planes, channels, rows and columns; say what they are with axes, as 'ZCYX', or save "
            "one field of view a file"
        )
    if "C" in kept and "S" in kept:
        raise FociError(f"{path.name} has channels that are themselves in colour; save it as grey")
    kept = kept.replace("S", "C")
    for letter in "ZC":
        if letter not in kept:
            values, kept = values[None], letter + kept
    ordered = values.transpose([kept.index(letter) for letter in "CZYX"])
    return ordered, facts.channel_names


def _channels_named(facts: FileFacts) -> str:
    """Axes with a lone dimension of unknown meaning taken for the channels, which must be there."""
    unknown = [a for a, n in zip(facts.axes, facts.shape, strict=True) if a in "QI" and n > 1]
    alone = len(unknown) == 1 and not set(facts.axes) & set("CS")
    if alone and facts.shape[facts.axes.index(unknown[0])] <= _MOST_CHANNELS:
        return facts.axes.replace(unknown[0], "C")
    return facts.axes


def _places(
    channels: Mapping[str, int | str] | None,
    names: tuple[str, ...],
    n_channels: int,
    path: Path,
) -> dict[str, int]:
    """Index of each channel in the file."""
    if channels is None:
        channels = _by_words(names)
        if DNA not in channels or len(channels) == 1:
            known = (
                f"its channels are called {shown(', '.join(names))}"
                if any(names)
                else "it does not name them"
            )
            raise FociError(
                f"{path.name}: which of its {n_channels} channels are DNA, gamma-H2AX and 53BP1 is "
                f"not known ({known}); say so with channels, as dna=2,gamma_h2ax=1,53bp1=0"
            )
    unknown = set(channels) - set(CHANNELS)
    if unknown or DNA not in channels or len(channels) == 1:
        raise FociError(
            f"channels must name '{DNA}' and one or both of {', '.join(MARKERS)}, got "
            f"{sorted(channels)}"
        )
    places = {
        name: _index(channels[name], names, n_channels, path)
        for name in CHANNELS
        if name in channels
    }
    if len(set(places.values())) != len(places):
        raise FociError(f"{path.name}: two channels are the same one of the file: {places}")
    return places


def _by_words(names: tuple[str, ...]) -> dict[str, int | str]:
    found: dict[str, int | str] = {}
    for channel, words in _WORDS.items():
        plain = ["".join(c for c in name.lower() if c.isalnum()) for name in names]
        hits = [k for k, name in enumerate(plain) if any(word in name for word in words)]
        if len(hits) == 1:
            found[channel] = hits[0]
    return found


def _index(wanted: int | str, names: tuple[str, ...], n_channels: int, path: Path) -> int:
    if isinstance(wanted, str):
        hits = [k for k, name in enumerate(names) if name.lower() == wanted.lower()]
        if len(hits) != 1:
            raise FociError(
                f"{path.name} has {len(hits)} channels called {wanted!r}; its channels are called "
                f"{shown(', '.join(names))}"
            )
        return hits[0]
    if not 0 <= wanted < n_channels:
        raise FociError(
            f"{path.name} has {n_channels} channels, numbered from 0; there is no channel {wanted}"
        )
    return wanted


def _pixel_um(given: float | None, facts: FileFacts, path: Path) -> float:
    found = facts.pixel_um
    if given is None and found is None:
        raise FociError(
            f"{path.name} does not say how large its pixels are; give pixel_um, the side of a "
            "pixel in the specimen in um"
        )
    if given is not None and found is not None and abs(given / found - 1) > _DISAGREE:
        warnings.warn(
            f"{path.name} says its pixels are {found:.4g} um, {given:.4g} um were given and are "
            "used",
            stacklevel=3,
        )
    return float(given or found or 0.0)


def _full_scale(
    chosen: Mapping[str, npt.NDArray[Any]], given: float | None, facts: FileFacts, path: Path
) -> float | None:
    top = max(float(channel.max(initial=0)) for channel in chosen.values())
    kind = next(iter(chosen.values())).dtype
    if given is not None:
        if not given >= top:
            raise FociError(
                f"{path.name} holds grey values up to {top:g}, above the full scale {given:g}"
            )
        return float(given)
    if facts.bits and top <= 2**facts.bits - 1:
        return float(2**facts.bits - 1)
    cameras = [2.0**bits - 1 for bits in _CAMERA_BITS]
    if kind.kind in "iu":
        limit = float(np.iinfo(kind).max)
        return top if top in cameras and top < limit else limit
    return None


def _refuse_useless(image: NucleusImage, max_saturated_share: float) -> None:
    for name, channel in image.channels.items():
        if channel.min() == channel.max():
            raise FociError(f"{image.source}: channel {name} is empty, all pixels are alike")
        if image.full_scale is None:
            continue
        share = float(np.mean(channel >= image.full_scale))
        if share > max_saturated_share:
            raise FociError(
                f"{image.source}: {100 * share:.2g} % of the pixels of channel {name} are "
                f"saturated at {image.full_scale:g}, legal are up to "
                f"{100 * max_saturated_share:g} %; their foci cannot be told apart: expose for a "
                "shorter time"
            )


def _require_positive(path: Path, **values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            raise FociError(f"{path.name}: {name} must be positive, got {value}")
