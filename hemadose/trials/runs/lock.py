"""One run at a time in a folder, whoever is killed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hemadose.errors import HemadoseError

_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Hold a folder until the end of the block or of the process.

    The lock is the kernel's, on the open folder: no file is left by a run that was killed. A file
    system or platform without such locks is used as it is: two runs of one trial then do the work
    twice, but write the same chunks, each whole.

    Parameters
    ----------
    folder : Path
        It exists.

    Raises
    ------
    HemadoseError
        If another run holds it.
    """
    try:
        import fcntl
    except ImportError:  # pragma: no cover  (Windows)
        yield
        return
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                raise HemadoseError(
                    f"another run is writing to {folder}; wait for it, or name another --out"
                ) from None
        yield
    finally:
        os.close(held)
