"""The command `hemadose foci estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json, progress_bar


def estimate(
    table: Annotated[
        Path, typer.Argument(metavar="COUNTS_CSV", help="Samples, one a row; see below.")
    ],
    calibration: Annotated[
        str,
        typer.Option(
            "--calibration",
            metavar="CURVE",
            help="curve.json of hemadose foci calibrate, or eberlein2015.",
        ),
    ],
    method: Annotated[
        str,
        typer.Option("--method", help="all, delta, fieller, merkle, bayes or partial-body."),
    ] = "all",
    phase: Annotated[
        list[str] | None,
        typer.Option(
            "--phase",
            metavar="SHARE,H",
            help="Phase of the blood dose rate, as 0.9,1.5: share at the injection and half-life; "
            "may be repeated. Gives the blood dose of a cycle.",
        ),
    ] = None,
    level: Annotated[float, typer.Option("--level", help="Coverage of the intervals.")] = 0.95,
    prior: Annotated[
        str | None,
        typer.Option(
            "--prior",
            metavar="KIND,MGY,MGY",
            help="Of the dose: uniform, log_uniform between; log_normal, gamma with 95 % between. "
            "Default uniform,0,10000, with --phase log_uniform,1,10000.",
        ),
    ] = None,
    dispersion: Annotated[
        float | None,
        typer.Option(
            "--dispersion",
            metavar="RATIO",
            help="Variance over mean of the counts. Default: that of the curve.",
        ),
    ] = None,
    curve_background: Annotated[
        bool,
        typer.Option(
            "--curve-background", help="Without a baseline, take the background of the curve."
        ),
    ] = False,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path(
        "foci_estimate"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of the random numbers, with --phase.")
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Doses from counts of foci, above each patient's own baseline.

    Columns: time_h (below 0: baseline); cells and foci, or C0, C1, ..., C6+ (cells with so many
    foci); optional patient, cycle, sample, slide, reader. Slides of one time are added up.

    Without --phase, doses hold for samples irradiated like the calibration samples. A patient's
    blood is irradiated for days and repairs: --phase gives the shape of its dose rate, and the
    slope is corrected for repair once, here. Writes samples.csv, doses.csv, with --phase
    blood_dose.csv and worth.csv, and estimate.png and .pdf.

    Example: hemadose foci estimate examples/foci/patient.csv --calibration eberlein2015
    --phase 0.9,1.5 --phase 0.1,30 --out /tmp/estimate
    """
    from hemadose.foci_commands.estimate import EstimateOptions, read_task
    from hemadose.foci_commands.estimate import estimate as estimate_doses
    from hemadose.foci_commands.estimate_tables import (
        estimate_document,
        require_free_for,
        write_estimate,
    )
    from hemadose.foci_commands.estimate_text import estimate_text

    options = EstimateOptions(
        calibration,
        method=method,
        level=level,
        prior=prior,
        dispersion=dispersion,
        curve_background=curve_background,
        phases=tuple(phase or ()),
        seed=seed,
    )
    with bad_input_exits_with_2():
        require_free_for(out, force=force)
        task = read_task(table, options)
        with progress_bar((*(cycle.title for cycle in task.cycles), "writing")) as progress:
            found = estimate_doses(task, progress=progress)
            progress("writing")
            paths = write_estimate(found, out)
        if as_json:
            print_json(estimate_document(found, paths))
            return
        typer.echo(estimate_text(found))
        typer.echo(f"\nTables and figure: {out}")
