"""Which region each row of a NONMEM table observes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kinetics.population.build import ONLY_REGION
from kinetics.population.cells import Cells, TextArray, identifiers
from kinetics.population.problems import Mask, Problems

Regions = str | Sequence[str] | Mapping[int | float | str, str]


def named_regions(
    cells: Cells,
    observation: Mask,
    column: str | None,
    regions: Regions | None,
    problems: Problems,
) -> tuple[TextArray, tuple[str, ...]]:
    """Region of each row, and all regions; see `read_nonmem`."""
    chosen = _region_column(cells, observation, column, problems)
    everywhere = np.full(len(cells.line), "", dtype=object)
    if chosen is None:
        if isinstance(regions, Mapping) or not (regions is None or _single(regions)):
            problems.add(
                cells, None, "several regions are named, but no column DVID or CMT tells them apart"
            )
        name = _single(regions) or ONLY_REGION
        everywhere[:] = name
        return everywhere, (name,)
    code = identifiers(cells.columns[chosen], numeric=True)
    used = sorted(set(code[observation]) - {""}, key=_rank)
    names = _names(cells, chosen, used, regions, problems)
    for text in used:
        everywhere[code == text] = names.get(text, "")
    problems.add_where(
        observation & (everywhere == ""),
        cells,
        chosen,
        f"which is no region; legal are {', '.join(names)}",
    )
    return everywhere, tuple(dict.fromkeys(names.values()))


def _region_column(
    cells: Cells, observation: Mask, column: str | None, problems: Problems
) -> str | None:
    if column is not None:
        folded = {name.casefold(): name for name in cells.columns}
        if column.casefold() not in folded:
            problems.add(cells, column, "there is no such column; region_column names one")
        return folded.get(column.casefold())
    if "DVID" in cells.columns:
        return "DVID"
    if "CMT" in cells.columns and len(set(cells.columns["CMT"][observation])) > 1:
        return "CMT"
    return None


def _single(regions: Regions | None) -> str | None:
    if isinstance(regions, str):
        return regions
    if isinstance(regions, Sequence) and len(regions) == 1:
        return regions[0]
    return None


def _names(
    cells: Cells, column: str, used: list[str], regions: Regions | None, problems: Problems
) -> dict[str, str]:
    """Name of the region of each code."""
    if isinstance(regions, Mapping):
        return dict(zip(identifiers(list(regions), numeric=True), regions.values(), strict=True))
    if regions is None:
        if len(used) == 1:
            return {used[0]: ONLY_REGION if _number(used[0]) else used[0]}
        return {c: f"{column.lower()}_{c}" if _number(c) else c for c in used}
    listed = [regions] if isinstance(regions, str) else list(regions)
    if len(listed) != len(used):
        problems.add(
            cells,
            column,
            f"observations have the codes {', '.join(used)}, but the regions are "
            f"{', '.join(listed)}; legal is one name for each code",
        )
    return dict(zip(used, listed, strict=False))


def _number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _rank(text: str) -> tuple[bool, float, str]:
    return (not _number(text), float(text) if _number(text) else 0.0, text)
