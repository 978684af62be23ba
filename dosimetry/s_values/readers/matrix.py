"""A matrix of S values: targets in rows, sources in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dosimetry.s_values.readers.files import number, one_value_each, refuse
from dosimetry.s_values.readers.regions import region_name
from dosimetry.s_values.readers.split import Pair


@dataclass(frozen=True)
class Matrix:
    """Values as printed, by target and source, with the row and column each was found in."""

    path: Path
    value: Mapping[Pair, float]
    where: Mapping[Pair, tuple[int, str]]

    def place(self, pair: Pair) -> str:
        """File, row and column of a pair."""
        row, column = self.where[pair]
        return f"{self.path.name}, row {row}, column {column}"


def read_matrix(
    path: Path,
    rows: Sequence[tuple[int, list[str]]],
    *,
    delimiter: str,
    region_names: Mapping[str, str] | None = None,
) -> Matrix:
    """Read a matrix whose first row names the sources.

    Parameters
    ----------
    path : Path
        The file, for messages.
    rows : sequence of (row, cells)
        The header and the targets' rows, with their number in the file.
    delimiter : str
        What parts the cells.
    region_names : mapping of str to str, optional
        The user's own names of regions.

    Raises
    ------
    DosimetryError
        If a name is missing or given twice, a row is too short or long, or a cell is no S value.
    """
    if len(rows) < 2:
        refuse(path, "there is no matrix; legal is a row of sources and one row for each target")
    head_row, head = rows[0]
    while head and not head[-1]:
        head = head[:-1]
    for index, name in enumerate(head[1:], start=2):
        if not name:
            message = "the source has no name (a merged cell?); name every column"
            refuse(path, message, row=head_row, column=str(index))
    sources = [region_name(name, region_names) for name in head[1:]]
    one_value_each(path, sources, "source", row=head_row)
    value: dict[Pair, float] = {}
    where: dict[Pair, tuple[int, str]] = {}
    for row, cells in rows[1:]:
        target = region_name(_target(path, cells, row, len(head)), region_names)
        if (target, sources[0]) in value:
            refuse(path, f"the target {target} is given twice; keep one row of it", row=row)
        for source, name, cell in zip(sources, head[1:], cells[1:], strict=False):
            value[target, source] = number(path, cell, row=row, column=name, delimiter=delimiter)
            where[target, source] = row, name
    return Matrix(path, value, where)


def _target(path: Path, cells: list[str], row: int, n_columns: int) -> str:
    filled = len(cells)
    while filled and not cells[filled - 1]:
        filled -= 1
    if filled > n_columns:
        message = f"it has {filled} cells, the header has {n_columns}; is a decimal comma used?"
        refuse(path, message, row=row)
    if len(cells) < n_columns:
        refuse(path, f"it has {len(cells)} cells, the header has {n_columns}", row=row)
    if not cells[0]:
        refuse(path, "the target has no name; name every row", row=row, column="1")
    return cells[0]
