"""Where results go: all files of a command, or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dosimetry.imaging.safety import table_text
from hemadose.errors import HemadoseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from matplotlib.figure import Figure


def require_free(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """Check, before anything is computed, that no earlier result would be overwritten.

    Raises
    ------
    HemadoseError
        If `folder` is a file, or holds one of the files and `force` is not set.
    """
    if folder.exists() and not folder.is_dir():
        raise HemadoseError(f"--out: {folder} is not a folder")
    held = [name for name in names if (folder / name).exists()]
    if held and not force:
        raise HemadoseError(
            f"{folder} holds results ({held[0]}); name another --out, or --force to replace them"
        )


def write_all(
    folder: Path, writers: Mapping[str, Callable[[Path], object]], *, replaced: Sequence[str]
) -> list[Path]:
    """Write files, each by its own function, beside the folder first and then into it.

    Parameters
    ----------
    folder : Path
        Where they go.
    writers : mapping of str to callable
        Name of each file and what writes it.
    replaced : sequence of str
        Files of an earlier run, removed if not written anew.

    Returns
    -------
    list of Path
        Where they are.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".foci_", dir=folder.parent) as place:
        for name, write in writers.items():
            write(Path(place) / name)
        folder.mkdir(exist_ok=True)
        for name in writers:
            os.replace(Path(place) / name, folder / name)
    for name in set(replaced) - set(writers):
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in writers]


def table_writer(table: pd.DataFrame) -> Callable[[Path], object]:
    """Writer of a table; text that a spreadsheet takes for a formula is made harmless."""
    safe = table.copy()
    for column in safe:
        if not np.issubdtype(np.asarray(safe[column]).dtype, np.number):
            safe[column] = [table_text(v) if isinstance(v, str) else v for v in safe[column]]
    return lambda path: safe.to_csv(path, index=False, float_format="%.6g")


def figure_writers(figure: Figure, stem: str) -> dict[str, Callable[[Path], object]]:
    """Writers of a figure as PNG and PDF."""
    return {
        f"{stem}.png": lambda path: figure.savefig(path, dpi=200),
        f"{stem}.pdf": figure.savefig,
    }


def plain(value: Any) -> Any:
    """A value as JSON holds it; None for what is missing or not finite."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON holds them."""
    return [plain(row) for row in table.to_dict("records")]
