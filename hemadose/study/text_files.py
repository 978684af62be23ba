"""Text of a study folder's files: inside the folder, of bounded size, in UTF-8."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from hemadose.errors import StudyError

_UTF16_32_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


def shown(value: str) -> str:
    """Quote a value for a message: one line, at most 40 characters."""
    return repr(value if len(value) <= 40 else value[:37] + "...")


def choices(legal: Iterable[str], given: str | None = None) -> str:
    """List the legal names, the one nearest to what was given first."""
    names = list(legal)
    listed = ", ".join(names) if names else "none"
    near = nearest(given, names) if given is not None else None
    legal = f"legal {'is' if len(names) == 1 else 'are'} {listed}"
    return f"did you mean {near!r}, {legal}" if near else legal


def nearest(given: str, names: Iterable[str]) -> str | None:
    """Return the name most like the one given, without regard to case; None when none is."""
    folded = {name.casefold(): name for name in names}
    found = difflib.get_close_matches(given[:200].casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def file_label(folder: Path, name: str) -> str:
    """Name a file of a study for messages: ``folder/name`` on one line."""
    label = f"{folder.name}/{name}" if folder.name else name
    return label if label.isprintable() else ascii(label)


def path_inside(folder: Path, name: str) -> Path:
    """Return the path of a file of the study, refusing what lies outside the folder.

    Parameters
    ----------
    folder : Path
        The study folder, resolved.
    name : str
        Name of the file relative to the folder.

    Raises
    ------
    StudyError
        If the path, links followed, leaves the folder.
    """
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError):
        raise StudyError(
            "this link leads in a circle; put the file itself into the folder",
            file=file_label(folder, name),
        ) from None
    if not path.is_relative_to(folder):
        raise StudyError(
            "this path or link leads outside the study folder; legal is a file inside it",
            file=file_label(folder, name),
        )
    return path


def read_text(path: Path, label: str, *, limit_bytes: int) -> str:
    """Read a UTF-8 file, with or without byte-order mark.

    Parameters
    ----------
    path : Path
        The file.
    label : str
        Its name in messages.
    limit_bytes : int
        Largest legal size in bytes.

    Raises
    ------
    StudyError
        If the file cannot be read, is empty, too large, or not UTF-8 text.
    """
    if not path.is_file():
        raise StudyError("this is not a regular file; legal is a text file", file=label)
    try:
        with path.open("rb") as stream:
            raw = stream.read(limit_bytes + 1)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise StudyError(f"the file cannot be read ({reason})", file=label) from None
    if len(raw) > limit_bytes:
        raise StudyError(f"the file is larger than the legal {limit_bytes:,} bytes", file=label)
    text = _decode(raw, label)
    if not text.strip():
        raise StudyError("the file is empty; fill it in, or remove it", file=label)
    return text


def _decode(raw: bytes, label: str) -> str:
    for mark in _UTF16_32_MARKS:
        if raw.startswith(mark):
            given = " ".join(f"0x{byte:02X}" for byte in mark)
            raise StudyError(
                f"it begins with the bytes {given} of UTF-16 or UTF-32, legal is UTF-8; "
                "save it as UTF-8",
                file=label,
                row=1,
            )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start
        raise StudyError(
            f"byte 0x{error.object[start]:02X} at position {start + 1} is not UTF-8 "
            "(the text may be Latin-1); save the file as UTF-8",
            file=label,
            row=error.object[:start].count(b"\n") + 1,
        ) from None
    if "\x00" in text:
        row = text[: text.index("\x00")].count("\n") + 1
        raise StudyError(
            "byte 0x00 (NUL) is not text; save the file as UTF-8 text", file=label, row=row
        )
    return text
