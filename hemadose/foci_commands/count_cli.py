"""The command `hemadose foci count`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json, progress_bar


def count(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGES...", help="TIFF or OME-TIFF files, or folders of them; one field each."
        ),
    ],
    channels: Annotated[
        str | None,
        typer.Option(
            "--channels",
            metavar="dna=N,...",
            help="Number (from 0; red 0, green 1, blue 2) or name of each channel: dna, "
            "gamma_h2ax, 53bp1. Default: by the names in the file.",
        ),
    ] = None,
    pixel_um: Annotated[
        float | None,
        typer.Option("--pixel-um", metavar="UM", help="Side of a pixel, if the file has none."),
    ] = None,
    plane_um: Annotated[
        float | None,
        typer.Option("--plane-um", metavar="UM", help="Distance of planes, if the file has none."),
    ] = None,
    full_scale: Annotated[
        float | None,
        typer.Option("--full-scale", metavar="GREY", help="Largest value, 4095 for 12 bits."),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option("--axes", help="Dimensions, as ZCYX, if the file tells them wrongly."),
    ] = None,
    cycle: Annotated[
        int | None, typer.Option("--cycle", min=1, help="Treatment cycle of the sample.")
    ] = None,
    time_h: Annotated[
        float | None,
        typer.Option("--time", metavar="H", help="Hours after the injection; below 0: baseline."),
    ] = None,
    overlays: Annotated[
        bool, typer.Option("--overlays/--no-overlays", help="Draw a picture of each image.")
    ] = True,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path(
        "foci_count"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count foci in microscope images: a table a nucleus and a sample, pictures to check.

    The images of one folder are one sample. Writes samples.csv (cells, foci, C0 to C6+),
    quality.csv (dispersion, nuclei left out and why), nuclei.csv, objects.csv and overlays/*.png.
    Nothing is written if an image is bad.

    Example: hemadose foci count slides/day1 --channels dna=2,gamma_h2ax=1,53bp1=0
    --pixel-um 0.1 --cycle 1 --time 24 --out /tmp/foci
    """
    from hemadose.foci_commands.count import (
        CountOptions,
        channel_places,
        count_document,
        count_images,
        count_text,
        find_images,
    )

    with bad_input_exits_with_2():
        options = CountOptions(
            channels=channel_places(channels),
            pixel_um=pixel_um,
            plane_spacing_um=plane_um,
            full_scale=full_scale,
            axes=axes,
            cycle=cycle,
            time_h=time_h,
            overlays=overlays,
        )
        found = find_images(images)
        steps = tuple(str(k) for k in range((2 + overlays) * len(found)))
        with progress_bar(steps) as progress:
            result = count_images(found, options, out, force=force, progress=progress)
        if as_json:
            print_json(count_document(result))
            return
        typer.echo(count_text(result))
        typer.echo(f"\nTables{' and pictures' if overlays else ''}: {out}")
