"""Where the files of `hemadose foci count` go: all of them, or none."""

from __future__ import annotations

import os
from pathlib import Path

from hemadose.errors import HemadoseError

TABLES = ("samples.csv", "quality.csv", "nuclei.csv", "objects.csv")
PICTURES = "overlays"


def require_free(folder: Path, *, force: bool) -> None:
    """Check, before anything is counted, that no result would be overwritten.

    Raises
    ------
    HemadoseError
        If `folder` is a file, or holds results and `force` is not set.
    """
    if folder.exists() and not folder.is_dir():
        raise HemadoseError(f"--out: {folder} is not a folder")
    held = [name for name in (*TABLES, PICTURES) if (folder / name).exists()]
    if held and not force:
        raise HemadoseError(
            f"{folder} holds results ({held[0]}); name another --out, or --force to replace them"
        )


def move_into(draft: Path, folder: Path) -> list[Path]:
    """Move tables and pictures from a finished draft; earlier ones are replaced.

    Returns
    -------
    list of Path
        Where they are now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = folder / PICTURES
    if pictures.is_dir():
        for old in pictures.glob("[0-9][0-9][0-9][0-9]_*.png"):
            old.unlink()
    moved = []
    for path in sorted(p for p in draft.rglob("*") if p.is_file()):
        target = folder / path.relative_to(draft)
        target.parent.mkdir(exist_ok=True)
        os.replace(path, target)
        moved.append(target)
    return moved
