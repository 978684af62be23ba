"""A progress bar for loops that take longer than a moment."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

_PATIENCE_S = 2.0


def tracked(items: Iterable[int], total: int, title: str, *, shown: bool) -> Iterator[int]:
    """Yield items; after two seconds draw a progress bar on standard error."""
    if not shown:
        yield from items
        return
    from rich.console import Console
    from rich.progress import Progress

    begin = time.monotonic()
    bar: Progress | None = None
    try:
        for done, item in enumerate(items):
            yield item
            if bar is None and time.monotonic() - begin > _PATIENCE_S:
                bar = Progress(console=Console(stderr=True), transient=True)
                bar.start()
                bar.add_task(title, total=total)
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done + 1)
    finally:
        if bar is not None:
            bar.stop()
