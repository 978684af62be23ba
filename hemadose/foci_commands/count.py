"""`hemadose foci count`: microscope images to counts of foci, one row a sample and a nucleus."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from foci.errors import FociError
from hemadose.errors import HemadoseError
from hemadose.foci_commands.count_outputs import move_into, require_free

if TYPE_CHECKING:
    import pandas as pd

    from foci.images.detect import ImageCounts
    from foci.images.image import NucleusImage

SUFFIXES = (".tif", ".tiff")
CLASSES = (*(f"C{k}" for k in range(6)), "C6+")
_LIMIT_IMAGES = 20_000


@dataclass(frozen=True)
class CountOptions:
    """Options of `hemadose foci count`.

    Attributes
    ----------
    channels, pixel_um, plane_spacing_um, full_scale, axes
        As for `foci.images.read_image`.
    cycle, time_h : int, float or None
        Treatment cycle and time after the injection (h), for images of one sample.
    overlays : bool
        Whether pictures are drawn.
    """

    channels: Mapping[str, int | str] | None = None
    pixel_um: float | None = None
    plane_spacing_um: float | None = None
    full_scale: float | None = None
    axes: str | None = None
    cycle: int | None = None
    time_h: float | None = None
    overlays: bool = True


@dataclass(frozen=True, eq=False)
class CountResult:
    """What was counted.

    Attributes
    ----------
    samples : DataFrame
        sample, cycle, time_h, cells, foci, C0 to C6+; `foci.read_counts` reads it.
    quality : DataFrame
        One row a sample: images, nuclei, nuclei left out and why, expected foci, dispersion.
    notes : tuple of str
        Warnings, in words.
    paths : tuple of Path
        Files written.
    """

    samples: pd.DataFrame
    quality: pd.DataFrame
    notes: tuple[str, ...]
    paths: tuple[Path, ...]


def channel_places(text: str | None) -> dict[str, int | str] | None:
    """Channels of ``dna=2,gamma_h2ax=1,53bp1=0``.

    Raises
    ------
    HemadoseError
        If the text is not of that form.
    """
    if text is None:
        return None
    places: dict[str, int | str] = {}
    for part in text.split(","):
        name, equals, place = (piece.strip() for piece in part.partition("="))
        if not equals or not place or name in places:
            raise HemadoseError(
                f"--channels: got {text!r}, legal is as dna=2,gamma_h2ax=1,53bp1=0, each once"
            )
        places[name] = int(place) if place.isdecimal() else place
    return places


def find_images(paths: Sequence[Path]) -> dict[Path, str]:
    """Files to read, folders opened, and the sample each belongs to (the name of its folder).

    Raises
    ------
    HemadoseError
        If a path does not exist, a folder holds no TIFF file, or a file is given twice.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if _is_tiff(p))
        if not inside:
            raise HemadoseError(f"{path} holds no file that ends in {' or '.join(SUFFIXES)}")
        files.extend(inside)
    if len(files) > _LIMIT_IMAGES:
        raise HemadoseError(f"got {len(files)} images, legal are up to {_LIMIT_IMAGES}")
    seen: dict[str, Path] = {}
    for path in files:
        if not path.is_file():
            raise HemadoseError(f"{path}: there is no such file or folder")
        with path.open("rb") as stream:
            same = seen.setdefault(hashlib.file_digest(stream, "sha256").hexdigest(), path)
        if same is not path:
            raise HemadoseError(
                f"{path} is the same image as {same}; its nuclei would be counted twice"
            )
    folders = {path.resolve().parent for path in files}
    names = [folder.name for folder in folders]
    return {
        path: folder.name if names.count(folder.name) == 1 else str(folder)
        for path in files
        for folder in [path.resolve().parent]
    }


def count_images(
    images: Mapping[Path, str],
    options: CountOptions,
    out: Path,
    *,
    force: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> CountResult:
    """Count the foci of all images and write tables and pictures: all of them, or none.

    Parameters
    ----------
    images : mapping of Path to str
        Files and the sample each belongs to.
    options : CountOptions
        How to read them.
    out : Path
        Folder of the results.
    force : bool
        Whether earlier results may be replaced.
    progress : callable
        Called for each image when it is checked, counted and drawn.

    Raises
    ------
    HemadoseError
        If an image or an option is not legal, or a sample has no nucleus that can be used.
    """
    if (options.cycle, options.time_h) != (None, None) and len(set(images.values())) > 1:
        raise HemadoseError(
            f"--cycle and --time are those of one sample, the images are of "
            f"{len(set(images.values()))} ({', '.join(sorted(set(images.values()))[:5])}); count "
            "them one by one, or fill in samples.csv"
        )
    if options.time_h is not None and not np.isfinite(options.time_h):
        raise HemadoseError(f"--time: got {options.time_h}, legal is a finite number of hours")
    require_free(out, force=force)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for path in images:
                progress("checking")
                _read(path, options)
            return _count_all(images, options, out, progress, caught)
        except FociError as error:
            raise HemadoseError(str(error)) from None


def _count_all(
    images: Mapping[Path, str],
    options: CountOptions,
    out: Path,
    progress: Callable[[str], None],
    caught: Sequence[warnings.WarningMessage],
) -> CountResult:
    from foci.images import count_foci, recalibrate, segment_nuclei, write_overlay

    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".foci_count_", dir=out.parent) as place:
        draft = Path(place)
        places: dict[str, list[Path]] = {}
        counted: dict[str, list[ImageCounts]] = {}
        for path, sample in images.items():
            progress("counting")
            counts = count_foci(_read(path, options))
            slim = replace(counts, labels=np.zeros((0, 0), counts.labels.dtype))
            counted.setdefault(sample, []).append(slim)
            places.setdefault(sample, []).append(path)
        pooled = {sample: recalibrate(found) for sample, found in counted.items()}
        rows = [_sample_rows(sample, found, options) for sample, found in pooled.items()]
        if options.overlays:
            (draft / "overlays").mkdir()
            numbered = {path: f"{k:04d}_{path.stem}.png" for k, path in enumerate(images, 1)}
            for sample, found in pooled.items():
                for path, counts in zip(places[sample], found, strict=True):
                    progress("drawing")
                    image = _read(path, options)
                    full = replace(counts, labels=segment_nuclei(image).labels)
                    write_overlay(image, full, draft / "overlays" / numbered[path])
        result = _tables(rows, pooled, draft)
        paths = move_into(draft, out)
    notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
    return replace(result, notes=notes, paths=tuple(paths))


def _read(path: Path, options: CountOptions) -> NucleusImage:
    from foci.images.reading import read_image

    return read_image(
        path,
        channels=options.channels,
        pixel_um=options.pixel_um,
        plane_spacing_um=options.plane_spacing_um,
        full_scale=options.full_scale,
        axes=options.axes,
    )


def _sample_rows(
    sample: str, counted: Sequence[ImageCounts], options: CountOptions
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Row of samples.csv and of quality.csv."""
    from foci.images import foci_sample

    nuclei = [nucleus for counts in counted for nucleus in counts.nuclei]
    used = [nucleus for nucleus in nuclei if nucleus.used]
    flags = [flag for nucleus in nuclei if not nucleus.used for flag in nucleus.flags]
    reasons = {flag: flags.count(flag) for flag in sorted(set(flags))}
    if not used:
        raise HemadoseError(
            f"sample {sample}: none of {len(nuclei)} nuclei in {len(counted)} images can be used "
            f"({'; '.join(f'{flag}: {n}' for flag, n in reasons.items()) or 'none were found'})"
        )
    called = np.array([nucleus.foci for nucleus in used])
    classes = np.bincount(np.minimum(called, len(CLASSES) - 1), minlength=len(CLASSES))
    pooled, detection = foci_sample(counted, cycle=options.cycle or 1, time_h=options.time_h or 0.0)
    row = {
        "sample": sample,
        "cycle": options.cycle,
        "time_h": options.time_h,
        "cells": pooled.cells,
        "foci": pooled.foci,
        **dict(zip(CLASSES, classes.tolist(), strict=True)),
    }
    quality = {
        "sample": sample,
        "images": len(counted),
        "nuclei": len(nuclei),
        "used": len(used),
        "foci_per_cell": pooled.per_cell,
        "expected_foci": sum(nucleus.expected_foci for nucleus in used),
        "counting_dispersion": called.var(ddof=1) / called.mean()
        if len(called) > 1 and called.any()
        else None,
        "detection_dispersion": detection,
        "left_out": "; ".join(f"{flag}: {n}" for flag, n in reasons.items()),
    }
    return row, quality


def _tables(
    rows: Sequence[tuple[dict[str, Any], dict[str, Any]]],
    counted: Mapping[str, Sequence[ImageCounts]],
    folder: Path,
) -> CountResult:
    import pandas as pd

    from dosimetry.imaging.safety import table_text

    samples = pd.DataFrame([row for row, _ in rows])
    quality = pd.DataFrame([row for _, row in rows])
    tables = {"samples": samples, "quality": quality}
    for name in ("nuclei", "objects"):
        frames = []
        for sample, found in counted.items():
            for counts in found:
                frame = counts.to_frame() if name == "nuclei" else counts.objects_frame()
                frame = frame.drop(columns=["source"], errors="ignore")
                frame.insert(0, "image", counts.source)
                frame.insert(0, "sample", sample)
                frames.append(frame)
        tables[name] = pd.concat([frame for frame in frames if len(frame)] or frames[:1])
    for name, table in tables.items():
        safe = table.copy()
        for column in ("sample", "image"):
            if column in safe:
                safe[column] = [table_text(text) for text in safe[column]]
        safe.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")
    return CountResult(samples, quality, (), ())


def count_text(result: CountResult) -> str:
    """Counts in words."""
    lines = []
    for row, quality in zip(
        result.samples.to_dict("records"), result.quality.to_dict("records"), strict=True
    ):
        lines.append(
            f"{row['sample']}: {row['foci']} foci in {row['cells']} of {quality['nuclei']} nuclei, "
            f"{quality['foci_per_cell']:.3f} per cell ({quality['images']} images)"
        )
        if quality["left_out"]:
            lines.append(f"  left out: {quality['left_out']}")
    lines.extend(f"  Note: {note}" for note in result.notes)
    return "\n".join(lines)


def count_document(result: CountResult) -> dict[str, object]:
    """Counts as a document for JSON."""
    return {
        "schema": "hemadose.foci_count",
        "schema_version": "1.0",
        "samples": [
            {key: _plain(value) for key, value in (row | quality).items()}
            for row, quality in zip(
                result.samples.to_dict("records"), result.quality.to_dict("records"), strict=True
            )
        ],
        "notes": list(result.notes),
        "files": [str(path) for path in result.paths],
    }


def _plain(value: Any) -> Any:
    """A value as JSON holds it; None for what is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
