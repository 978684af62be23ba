"""CSV tables, with text of others made harmless."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dosimetry.imaging.safety import table_text, whole_file

if TYPE_CHECKING:
    import pandas as pd


def write_table(table: pd.DataFrame, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a table as CSV: UTF-8, 6 digits, texts that no spreadsheet takes for a formula.

    Parameters
    ----------
    table : DataFrame
        Its index is not written.
    path : str or Path
        Folders are made.
    overwrite : bool
        Whether a file that exists is replaced.

    Raises
    ------
    DosimetryError
        If the file exists.
    """
    path = Path(path)
    safe = table.map(lambda cell: table_text(cell) if isinstance(cell, str) else cell)
    with whole_file(path, overwrite=overwrite) as draft:
        safe.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
    return path
