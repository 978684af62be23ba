"""Measure both sides of a comparison and print them as rows of one table."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

SECONDS_TO_REPEAT = 2.0
MOST_REPEATS = 9
COMPARATORS = "pip install -e '.[bench]'"


class DisagreementError(AssertionError):
    """The two sides of a comparison do not compute the same."""


def process_seconds(job: Callable[[], object], *, warm: bool = False) -> float:
    """Process time of the fastest of several runs, after one that warms up.

    Repeats for about two seconds, so that a busy machine disturbs short jobs little.
    """
    if not warm:
        job()
    times: list[float] = []
    while len(times) < MOST_REPEATS and sum(times) < SECONDS_TO_REPEAT:
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times)


def readable(seconds: float) -> str:
    """Time with three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.2g} us"


def announce(text: str) -> None:
    """Say what runs now, where it takes longer than two seconds."""
    print(f"  ... {text}", file=sys.stderr, flush=True)


def optional(name: str) -> Any:
    """Import a comparator, or say that it is missing and return None."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        print(f"skipped: {name} cannot be imported ({error}); {COMPARATORS}", flush=True)
        return None


def require(agreed: bool, text: str) -> None:
    """Fail where both sides do not agree.

    Raises
    ------
    DisagreementError
    """
    if not agreed:
        raise DisagreementError(text)


def heading() -> None:
    """First line of the table."""
    print(
        f"{'task':50s} {'hemadose':>9s}   {'instead':28s} {'takes':>9s} {'ratio':>8s}   accuracy",
        flush=True,
    )


def row(task: str, ours_s: float, rivals: Mapping[str, float], accuracy: str) -> None:
    """Print one comparison: seconds of ours and of each rival, per item."""
    first = f"{task:50s} {readable(ours_s):>9s}"
    if not rivals:
        print(f"{first}   {'-':28s} {'':9s} {'':8s}   {accuracy}", flush=True)
    for name, theirs_s in rivals.items():
        print(
            f"{first}   {name:28s} {readable(theirs_s):>9s} {theirs_s / ours_s:>6.3g} x   "
            f"{accuracy}",
            flush=True,
        )
        first, accuracy = " " * 60, ""
