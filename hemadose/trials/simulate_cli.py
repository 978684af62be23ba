"""The command `hemadose simulate`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Annotated

import typer

from hemadose.terminal import AsJson, bad_input_exits_with_2, print_json

_PATIENCE_S = 2.0
_INTERRUPTED = 130


def simulate(
    trial: Annotated[Path, typer.Argument(metavar="TRIAL_YAML", help="The trial.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where results go. Default: ./NAME of the trial."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the trial that --out holds.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=1, max=1024, help="Processes.")
    ] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask", metavar="ADDRESS", help="Dask scheduler, as tcp://127.0.0.1:8786, instead."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a virtual trial: what each way to choose the activities gains, and at what toxicity.

    Writes summary.csv, summary.json, trial.png and .pdf, and the patients as Parquet in chunks/.
    The same seed gives the same patients and results with any number of workers. A run that was
    stopped or killed goes on with --resume.

    Example: hemadose simulate examples/trials/dotatate.yaml --out /tmp/trial --workers 2
    """
    from hemadose.trials.simulate_command import backend_for, simulate_document, simulate_text
    from hemadose.trials.simulate_command import simulate as run

    with bad_input_exits_with_2():
        try:
            with _stops_when_asked(), patients_bar() as progress:
                result = run(
                    trial,
                    out,
                    backend=backend_for(workers, dask),
                    resume=resume,
                    progress=progress,
                )
        except KeyboardInterrupt:
            typer.echo("hemadose: stopped; finished chunks are kept, go on with --resume", err=True)
            raise typer.Exit(_INTERRUPTED) from None
    if as_json:
        print_json(simulate_document(result))
        return
    typer.echo(simulate_text(result))
    typer.echo(f"\nTables and figure: {result.folder}")


@contextmanager
def _stops_when_asked() -> Iterator[None]:
    """Let SIGTERM, as from a batch system, stop a run as Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def patients_bar() -> Iterator[Callable[[int, int], None]]:
    """Show patients done and the time left: on stderr, on a terminal, after two seconds."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("patients"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    bar = Progress(
        *columns, console=Console(stderr=True), transient=True, speed_estimate_period=600
    )
    task = bar.add_task("", total=None)
    patience = Timer(_PATIENCE_S, bar.start)
    patience.start()

    def advance(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        patience.cancel()
        patience.join()  # lest the bar starts after it was stopped
        bar.stop()
