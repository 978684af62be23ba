"""The command `hemadose foci calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json, progress_bar


def calibrate(
    table: Annotated[
        Path, typer.Argument(metavar="COUNTS_CSV", help="Irradiated samples, one a row; see below.")
    ],
    model: Annotated[
        str, typer.Option("--model", help="Shape of the curve: linear or linear_quadratic.")
    ] = "linear",
    laboratory: Annotated[
        str | None,
        typer.Option("--laboratory", metavar="NAME", help="Only this one, or name for the curve."),
    ] = None,
    irradiation_h: Annotated[
        float, typer.Option("--irradiation-h", metavar="H", help="Time of the irradiation.")
    ] = 1.0,
    repair_h: Annotated[
        float,
        typer.Option("--repair-h", metavar="H", help="Time from its end until cells were fixed."),
    ] = 0.0,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path(
        "foci_calibration"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit a calibration curve (foci per cell against dose) with its full covariance.

    Columns: dose_mgy or dose_gy; cells and foci, or C0, C1, ..., C6+ (cells with so many foci);
    optional laboratory, sample, slide, reader. Poisson counts, or overdispersed ones where cells
    or samples scatter more. Four laboratories or more are also combined. Writes curve.json (for
    `hemadose foci estimate` and `power`), calibration.csv, coefficients.csv, calibration.png and
    .pdf.

    Example: hemadose foci calibrate examples/foci/calibration.csv --out /tmp/calibration
    """
    from hemadose.foci_commands.calibrate import calibrate as fit_curves
    from hemadose.foci_commands.calibrate_tables import (
        calibration_document,
        require_free_for,
        write_calibration,
    )
    from hemadose.foci_commands.calibrate_text import calibration_text

    with bad_input_exits_with_2():
        require_free_for(out, force=force)
        with progress_bar(("reading", "fitting", "combining", "writing")) as progress:
            found = fit_curves(
                table,
                model=model,
                laboratory=laboratory,
                irradiation_h=irradiation_h,
                repair_h=repair_h,
                progress=progress,
            )
            progress("writing")
            paths = write_calibration(found, out)
        if as_json:
            print_json(calibration_document(found, paths))
            return
        typer.echo(calibration_text(found))
        typer.echo(f"\nCurve, tables and figure: {out}")
