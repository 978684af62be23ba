"""Whether the cells of a sample scatter like Poisson counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from foci import CountRow, FociSample, IndexTest


def cell_test(counted: CountRow | FociSample) -> IndexTest | None:
    """Dispersion test of a row or sample; None without a closed distribution of two foci."""
    from foci import index_test

    if counted.distribution is None or counted.open_last_class:
        return None
    return index_test(counted.distribution) if min(counted.cells, counted.foci) > 1 else None
