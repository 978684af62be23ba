"""The command `hemadose foci power`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json, progress_bar


def power(
    calibration: Annotated[
        str,
        typer.Option(
            "--calibration",
            metavar="CURVE",
            help="curve.json of hemadose foci calibrate, or eberlein2015.",
        ),
    ],
    baseline_per_cell: Annotated[
        float,
        typer.Option("--baseline-per-cell", metavar="FOCI", help="Mean of the patient's baseline."),
    ],
    dose_mgy: Annotated[
        list[float], typer.Option("--dose-mgy", metavar="MGY", help="A dose; may be repeated.")
    ],
    baseline_cells: Annotated[
        int | None,
        typer.Option(
            "--baseline-cells",
            min=1,
            help="Cells of the baseline. Default: as many as of the sample.",
        ),
    ] = None,
    cells: Annotated[
        str, typer.Option("--cells", metavar="N,N,...", help="Cells scored in the sample.")
    ] = "50,100,200,500,1000,2000",
    target: Annotated[
        float, typer.Option("--power", help="Probability of detection wanted.")
    ] = 0.9,
    half_width: Annotated[
        float,
        typer.Option("--half-width", help="Half-width of the interval over the dose, wanted."),
    ] = 0.2,
    level: Annotated[
        float, typer.Option("--level", help="Coverage; the test is at 1 - level.")
    ] = 0.95,
    dispersion: Annotated[
        float | None,
        typer.Option(
            "--dispersion",
            metavar="RATIO",
            help="Variance over mean of the counts. Default: that of the curve.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")] = Path(
        "foci_power"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results.")] = False,
    as_json: AsJson = False,
) -> None:
    """How many cells must be scored: power, smallest dose that can be seen, cells needed.

    For samples irradiated like those of the calibration and tested against a baseline. Writes
    power.csv, cells_needed.csv, power.png and .pdf.

    Example: hemadose foci power --calibration eberlein2015 --baseline-per-cell 0.2
    --dose-mgy 5 --dose-mgy 10 --dose-mgy 20 --out /tmp/power
    """
    from hemadose.foci_commands.power import PowerOptions
    from hemadose.foci_commands.power import power as find_power
    from hemadose.foci_commands.power_tables import power_document, require_free_for, write_power
    from hemadose.foci_commands.power_text import power_text

    options = PowerOptions(
        calibration,
        baseline_per_cell,
        tuple(dose_mgy),
        baseline_cells=baseline_cells,
        cells=cells,
        power=target,
        half_width=half_width,
        level=level,
        dispersion=dispersion,
    )
    with bad_input_exits_with_2():
        require_free_for(out, force=force)
        with progress_bar(("power", *("cells" for _ in dose_mgy), "writing")) as progress:
            found = find_power(options, progress=progress)
            progress("writing")
            paths = write_power(found, out)
        if as_json:
            print_json(power_document(found, paths))
            return
        typer.echo(power_text(found))
        typer.echo(f"\nTables and figure: {out}")
