"""The output folder: written whole or not at all."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hemadose.errors import HemadoseError
from hemadose.planning.plan import Plan
from hemadose.report.document import result_document
from hemadose.report.page import report_page
from hemadose.report.tables import output_tables


@dataclass(frozen=True)
class OutputPaths:
    """Where the results of a plan lie.

    Attributes
    ----------
    folder : Path
        The folder.
    report : Path
        The page.
    result : Path
        The JSON document.
    tables : mapping of str to Path
        The CSV files by the name of the table.
    """

    folder: Path
    report: Path
    result: Path
    tables: Mapping[str, Path]


def write_outputs(plan: Plan, folder: str | Path) -> OutputPaths:
    """Write report.html, result.json and the tables of a plan.

    Everything is computed first and written beside the folder, then moved into place. Results of
    an earlier run are replaced, other files in the folder stay as they are, and after a failure
    everything is as it was.

    Parameters
    ----------
    plan : Plan
        A planned study.
    folder : str or Path
        The folder; it is made if it does not exist.

    Returns
    -------
    OutputPaths

    Raises
    ------
    HemadoseError
        If the folder cannot be written.
    """
    folder = Path(folder)
    tables = output_tables(plan)
    document = json.dumps(result_document(plan), indent=1, ensure_ascii=False, allow_nan=False)
    texts = {"report.html": report_page(plan, tables), "result.json": f"{document}\n"}
    for name, table in tables.items():
        texts[f"{name}.csv"] = table.to_csv(index=False, lineterminator="\n", float_format="%.8g")
    try:
        _put(texts, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise HemadoseError(
            f"the results cannot be written to {folder} ({reason}); name another folder"
        ) from error
    paths = {name: folder / f"{name}.csv" for name in tables}
    return OutputPaths(folder, folder / "report.html", folder / "result.json", paths)


def _put(texts: Mapping[str, str], folder: Path) -> None:
    """Write files beside the folder and move them in."""
    made = [parent for parent in folder.absolute().parents if not parent.exists()]
    staging: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".hemadose-", dir=folder.parent))
        fresh = staging / "new"
        fresh.mkdir()
        for name, text in texts.items():
            (fresh / name).write_text(text, encoding="utf-8", newline="\n")
        if folder.exists():
            _replace(fresh, folder, staging / "old")
        else:
            fresh.replace(folder)
    except BaseException:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for parent in made:
            if parent.exists():
                parent.rmdir()
        raise
    shutil.rmtree(staging, ignore_errors=True)


def _replace(fresh: Path, folder: Path, old: Path) -> None:
    """Move every file into the folder; put the earlier ones back if one of them fails."""
    old.mkdir()
    moved: list[str] = []
    try:
        for path in sorted(fresh.iterdir()):
            target = folder / path.name
            if target.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder there")
            if target.exists():
                target.replace(old / path.name)
            moved.append(path.name)
            path.replace(target)
    except BaseException:
        for name in moved:
            (folder / name).unlink(missing_ok=True)
        for path in old.iterdir():
            path.replace(folder / path.name)
        raise
