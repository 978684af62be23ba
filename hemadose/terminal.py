"""What all commands share on the terminal: errors, progress, JSON."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer
from typing import Annotated

import typer

_PATIENCE_S = 2.0

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")
]


def print_json(document: dict[str, object]) -> None:
    """Print a document on stdout."""
    import json

    typer.echo(json.dumps(document, indent=1, allow_nan=False))


@contextmanager
def bad_input_exits_with_2() -> Iterator[None]:
    """Turn errors of the input into one sentence on stderr and exit code 2."""
    from hemadose.errors import HemadoseError

    try:
        yield
    except BrokenPipeError:  # the reader of stdout left, as head does: no bad input
        raise
    except (HemadoseError, OSError) as error:
        sentence = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(error))
        typer.echo(f"hemadose: {sentence}", err=True)
        raise typer.Exit(2) from None


@contextmanager
def progress_bar(steps: tuple[str, ...], n_studies: int = 1) -> Iterator[Callable[[str], None]]:
    """Show a bar over the steps of all studies: on stderr, on a terminal, after two seconds."""
    if not sys.stderr.isatty():
        yield lambda step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:>14}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("reading", total=len(steps) * n_studies, completed=-1)
    patience = Timer(_PATIENCE_S, bar.start)
    patience.start()

    def advance(step: str) -> None:
        bar.update(task, description=step, advance=1)

    try:
        yield advance
    finally:
        patience.cancel()
        patience.join()  # lest the bar starts after it was stopped
        bar.stop()
