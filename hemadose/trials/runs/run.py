"""Run a trial chunk by chunk into a folder from which it can be resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hemadose.errors import HemadoseError
from hemadose.study.text_files import shown
from hemadose.trials.runs.backends import Backend, serial
from hemadose.trials.runs.chunks import (
    FOLDER,
    chunk_bytes,
    finished,
    read_chunk,
    write_chunk,
    write_whole,
)
from hemadose.trials.runs.lock import sole_run

if TYPE_CHECKING:
    import pandas as pd

    from hemadose.trials.settings import TrialSettings

    SimulateChunk = Callable[[TrialSettings, range], pd.DataFrame]

TRIAL_FILE = "trial.json"
_PACKAGES = ("kinetics", "dosimetry", "radiobio", "foci", "hemadose")
_SHOWN = 6  # changes that a refusal lists


def canonical(trial: TrialSettings) -> dict[str, Any]:
    """The settings as JSON holds them; 7 and 7.0 are the same."""
    settings: dict[str, Any] = _plain(trial.model_dump(mode="json", by_alias=True))
    return settings


def fingerprint(trial: TrialSettings) -> str:
    """Hash of all that decides the results: the settings and the version of the package."""
    text = json.dumps([package_version(), canonical(trial)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def package_version() -> str:
    """Version of hemadose, with a hash of its sources: other code gives other results."""
    from importlib.metadata import version

    root = Path(__file__).parents[3]
    sources = sorted(path for name in _PACKAGES for path in (root / name).rglob("*.py"))
    content = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    return f"{version('hemadose')}+{content.hexdigest()[:12]}"


def run_trial(
    trial: TrialSettings,
    out: Path,
    *,
    simulate: SimulateChunk,
    backend: Backend = serial,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Compute all chunks that are not there yet.

    Parameters
    ----------
    trial : TrialSettings
        The trial; it alone fixes which patients make a chunk.
    out : Path
        Its folder: trial.json, and one Parquet file a chunk in chunks/.
    simulate : callable
        ``simulate(trial, patients)`` returns the table of some patients, arm by arm.
    backend : callable
        Who computes the chunks; the results are the same.
    resume : bool
        Go on in a folder that holds chunks of the same trial.
    progress : callable
        Told of the patients that are done, and of all.

    Raises
    ------
    HemadoseError
        If the folder is not free, holds another trial, or another run is writing to it.
    """
    there = _made(out)
    try:
        with sole_run(out):
            held = any(out.iterdir())
            try:
                _compute(trial, out, simulate, backend, resume, progress)
            except BaseException:
                if not held:
                    _withdraw(out)
                raise
    except BaseException:
        if not (there or any(out.iterdir())):
            out.rmdir()
        raise


def _compute(
    trial: TrialSettings,
    out: Path,
    simulate: SimulateChunk,
    backend: Backend,
    resume: bool,
    progress: Callable[[int, int], None],
) -> None:
    mark = fingerprint(trial)
    _prepare(out, trial, resume=resume)
    done = finished(out, trial=trial, fingerprint=mark) if resume else set()
    missing = [number for number in range(trial.n_chunks) if number not in done]
    n_done = sum(len(trial.chunk_range(number)) for number in done)
    progress(n_done, trial.patients)
    if not missing:
        return
    task = partial(_chunk_task, simulate, trial, mark)
    for number, data in backend(task, missing):
        write_chunk(out, number, data)
        n_done += len(trial.chunk_range(number))
        progress(n_done, trial.patients)


def chunk_tables(trial: TrialSettings, out: Path) -> Iterator[pd.DataFrame]:
    """Yield the tables of the chunks in order, one in memory at a time.

    Raises
    ------
    ChunkError
        If one is missing or damaged.
    """
    mark = fingerprint(trial)
    for number in range(trial.n_chunks):
        yield read_chunk(out, number, trial=trial, fingerprint=mark)


def _chunk_task(simulate: SimulateChunk, trial: TrialSettings, mark: str, number: int) -> bytes:
    if fingerprint(trial) != mark:
        raise HemadoseError(
            f"a worker runs hemadose {package_version()}, not the version that started the trial; "
            "install the same on all workers"
        )
    table = simulate(trial, trial.chunk_range(number))
    return chunk_bytes(table, fingerprint=mark, number=number)


def _made(out: Path) -> bool:
    """Make the folder; return whether it was there."""
    try:
        if out.exists() and not out.is_dir():
            raise HemadoseError(f"--out: {out} is not a folder")
        there = out.is_dir()
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HemadoseError(
            f"--out: the folder {shown(str(out))} cannot be made ({error.strerror}); name another"
        ) from None
    return there


def _withdraw(out: Path) -> None:
    """Leave a folder that was empty as it was, unless a chunk is finished."""
    chunks = out / FOLDER
    if any(chunks.glob("chunk-*")):
        return
    for path in (out / TRIAL_FILE, *out.glob(".*.part"), *chunks.glob(".*.part")):
        path.unlink(missing_ok=True)
    if chunks.is_dir() and not any(chunks.iterdir()):
        chunks.rmdir()


def _prepare(out: Path, trial: TrialSettings, *, resume: bool) -> None:
    held = any(out.iterdir())
    if held and not resume:
        raise HemadoseError(
            f"{out} is not empty; name another --out, or --resume to go on with the trial it holds"
        )
    if held:
        _check_same(out / TRIAL_FILE, trial)
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
    document = {
        "schema": "hemadose.trial",
        "schema_version": "1.0",
        "hemadose_version": package_version(),
        "fingerprint": fingerprint(trial),
        "n_chunks": trial.n_chunks,
        "settings": canonical(trial),
    }
    write_whole(out / TRIAL_FILE, json.dumps(document, indent=1).encode())


def _check_same(path: Path, trial: TrialSettings) -> None:
    if not path.exists() and not any(path.parent.glob(f"{FOLDER}/*.parquet")):
        stray = [
            p.name for p in path.parent.iterdir() if p.name != FOLDER and ".part" not in p.name
        ]
        if not stray:
            return  # killed before anything was written
    try:
        held = json.loads(path.read_text("utf-8"))
        settings, version = held["settings"], held["hemadose_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise HemadoseError(
            f"{path.parent} holds no trial to resume ({TRIAL_FILE} is missing or damaged); name "
            "another --out"
        ) from None
    changes = list(_changes(settings, canonical(trial)))
    if version != package_version():
        changes.append(f"hemadose {version} -> {package_version()}")
    if changes:
        more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
        raise HemadoseError(
            f"{path.parent} holds another trial, so it cannot be resumed; changed: "
            f"{'; '.join(changes[:_SHOWN])}{more}. Undo the change, or name another --out"
        )


def _changes(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Yield what differs, as ``arms[2].label: pluvicto -> none``."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            inner = f"{path}.{key}" if path else str(key)
            yield from _changes(before.get(key), now.get(key), inner)
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for place, (old, new) in enumerate(zip(before, now, strict=True), start=1):
            yield from _changes(old, new, f"{path}[{place}]")
    elif before != now:
        yield f"{path}: {_short(before)} -> {_short(now)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
