"""Finished chunks of a trial on disk: written whole or not at all, checked when read.

A chunk is a Parquet file that carries the trial's fingerprint, its own number and a checksum of
each page, so that a truncated, damaged or foreign file is told from a finished one.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hemadose.errors import HemadoseError

if TYPE_CHECKING:
    import pandas as pd

    from hemadose.trials.settings import TrialSettings

FOLDER = "chunks"
_FINGERPRINT, _NUMBER = b"hemadose.fingerprint", b"hemadose.chunk"


class ChunkError(HemadoseError):
    """A chunk that is missing, damaged, or of another trial."""


def chunk_path(out: Path, number: int) -> Path:
    """Where a chunk lies."""
    return out / FOLDER / f"chunk-{number:05d}.parquet"


def chunk_bytes(table: pd.DataFrame, *, fingerprint: str, number: int) -> bytes:
    """Return the Parquet file of a chunk.

    Parameters
    ----------
    table : DataFrame
        One row a patient and arm.
    fingerprint : str
        That of the trial.
    number : int
        That of the chunk.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrow = pa.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata(
        {_FINGERPRINT: fingerprint.encode(), _NUMBER: str(number).encode()}
    )
    stream = io.BytesIO()
    pq.write_table(arrow, stream, compression="zstd", write_page_checksum=True)
    return stream.getvalue()


def write_chunk(out: Path, number: int, data: bytes) -> Path:
    """Write a chunk: under another name first, so that its own name means it is whole."""
    path = chunk_path(out, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)
    return path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, whenever the run is killed.

    Raises
    ------
    HemadoseError
        If it cannot be written, as on a full disk.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise HemadoseError(
            f"{path} cannot be written ({error.strerror}); finished chunks are kept, go on with "
            "--resume once it can"
        ) from None


def read_chunk(out: Path, number: int, *, trial: TrialSettings, fingerprint: str) -> pd.DataFrame:
    """Read a chunk and check that it is whole and of this trial.

    Parameters
    ----------
    out : Path
        The trial's folder.
    number : int
        Which chunk.
    trial : TrialSettings
        Says which patients and arms it must hold.
    fingerprint : str
        That of the trial.

    Raises
    ------
    ChunkError
        If it is missing, damaged, or of another trial.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = chunk_path(out, number)
    try:
        with path.open("rb") as stream:
            arrow = pq.ParquetFile(stream, page_checksum_verification=True).read()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise ChunkError(f"{path} cannot be read ({type(error).__name__})") from None
    held = arrow.schema.metadata or {}
    if held.get(_FINGERPRINT) != fingerprint.encode() or held.get(_NUMBER) != str(number).encode():
        raise ChunkError(f"{path} belongs to another trial or place")
    table: pd.DataFrame = arrow.to_pandas(ignore_metadata=True)
    patients = trial.chunk_range(number)
    arms = [arm.name for arm in trial.arms]
    if not (
        {"arm", "patient"} <= set(table.columns)
        and np.array_equal(table["arm"], np.repeat(arms, len(patients)))
        and np.array_equal(table["patient"], np.tile(patients, len(arms)))
    ):
        raise ChunkError(f"{path} holds other patients or arms than the trial's")
    return table


def finished(out: Path, *, trial: TrialSettings, fingerprint: str) -> set[int]:
    """Return the chunks that need not be computed again; one is held in memory at a time."""
    whole = set()
    for number in range(trial.n_chunks):
        try:
            read_chunk(out, number, trial=trial, fingerprint=fingerprint)
        except ChunkError:
            continue
        whole.add(number)
    return whole
