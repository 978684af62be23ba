"""What keeps files and texts of others from doing harm: limits, names, whole writes."""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Concatenate, ParamSpec, TypeVar

from dosimetry.errors import DosimetryError

LIMIT_VOXELS = 600_000_000
LIMIT_TEXT_BYTES = 1_000_000
LIMIT_FILES = 20_000
_LIMIT_NAME = 64


def imaging_package(name: str) -> ModuleType:
    """Import pydicom or nibabel, or say how to install it.

    Raises
    ------
    DosimetryError
        If it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise DosimetryError(
            f'reading and writing images needs {name}: pip install "hemadose[imaging]"'
        ) from None


P = ParamSpec("P")
T = TypeVar("T")


def refuses_damage(
    read: Callable[Concatenate[str | Path, P], T],
) -> Callable[Concatenate[str | Path, P], T]:
    """Let a reader of a file raise `DosimetryError` for whatever is wrong with the file."""

    def guarded(path: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(path, *args, **kwargs)
        except DosimetryError:
            raise
        except Exception as error:  # pydicom, nibabel and numpy raise of every kind
            raise DosimetryError(
                f"{Path(path).name} is damaged, or not as its standard wants: {shown(error, 120)}"
            ) from error

    return functools.update_wrapper(guarded, read)


def shown(text: object, limit: int = 60) -> str:
    """Text of a file for a message: one printable line in quotes, cut to `limit` characters."""
    value = "".join(c if c.isprintable() else "?" for c in str(text))
    return repr(value if len(value) <= limit else value[: limit - 3] + "...")


def region_name(text: object) -> str:
    """Name of a region as a file gives it, without control characters and cut to 64 characters."""
    return "".join(c if c.isprintable() else " " for c in str(text)).strip()[:_LIMIT_NAME]


def table_text(text: str) -> str:
    """Turn untrusted text into a cell that no spreadsheet takes for a formula.

    Examples
    --------
    >>> table_text("=1+1")
    "'=1+1"
    """
    value = region_name(text)
    return f"'{value}" if value[:1] in ("=", "+", "-", "@") else value


def path_inside(folder: Path, name: str) -> Path:
    """Path of a file that a table names, refused where it leaves the table's folder.

    Raises
    ------
    DosimetryError
        If the path, links followed, lies outside `folder`.
    """
    root = folder.resolve()
    try:
        path = (root / name).resolve()
    except (OSError, RuntimeError, ValueError):
        raise DosimetryError(f"{shown(name)} is no path of a file") from None
    if not path.is_relative_to(root):
        raise DosimetryError(
            f"{shown(name)} lies outside the folder {root.name}; legal is a file inside it"
        )
    return path


def files_of(folder: Path) -> list[Path]:
    """Regular files of a folder, sorted by name; hidden ones left out.

    Raises
    ------
    DosimetryError
        If a file is a link that leads out of the folder, or if there are too many.
    """
    paths = sorted(p for p in folder.iterdir() if not p.name.startswith(".") and not p.is_dir())
    if len(paths) > LIMIT_FILES:
        raise DosimetryError(f"{folder} has {len(paths)} files, legal are up to {LIMIT_FILES}")
    for path in paths:
        path_inside(folder, path.name)
    return [path for path in paths if path.is_file()]


def read_small_text(path: Path) -> str:
    """Read a UTF-8 file of up to 1 MB.

    Raises
    ------
    DosimetryError
        If it is no regular file, too large, or not UTF-8.
    """
    if not path.is_file():
        raise DosimetryError(f"{path} is not a file")
    with path.open("rb") as stream:
        raw = stream.read(LIMIT_TEXT_BYTES + 1)
    if len(raw) > LIMIT_TEXT_BYTES:
        raise DosimetryError(f"{path.name} is larger than the legal {LIMIT_TEXT_BYTES:,} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DosimetryError(f"{path.name} is not UTF-8 text (byte {error.start + 1})") from None


def require_size(n_voxels: int, what: str) -> None:
    """Refuse an image of more voxels than `LIMIT_VOXELS` before it is read.

    Raises
    ------
    DosimetryError
        If it is too large.
    """
    if n_voxels > LIMIT_VOXELS:
        raise DosimetryError(f"{what} has {n_voxels:,} voxels, legal are up to {LIMIT_VOXELS:,}")


@contextmanager
def whole_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a path to write to, which becomes `path` only if writing succeeds.

    Raises
    ------
    DosimetryError
        If `path` exists and `overwrite` is not set.
    """
    if path.exists() and not overwrite:
        raise DosimetryError(f"{path} exists; name another one, or allow it to be overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing_", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        yield draft
        os.replace(draft, path)
