"""The commands `hemadose foci ...`; each stands in a file of its own and is listed here."""

from __future__ import annotations

import typer

from hemadose.foci_commands.calibrate_cli import calibrate
from hemadose.foci_commands.count_cli import count
from hemadose.foci_commands.estimate_cli import estimate
from hemadose.foci_commands.power_cli import power

foci_app = typer.Typer(
    no_args_is_help=True,
    help="Foci of gamma-H2AX and 53BP1: count them in images, calibrate, estimate doses, plan.",
)
foci_app.command()(count)
foci_app.command()(calibrate)
foci_app.command()(estimate)
foci_app.command()(power)
