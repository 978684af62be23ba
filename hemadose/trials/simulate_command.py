"""`hemadose simulate`: run a trial and write what it found."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hemadose.errors import HemadoseError
from hemadose.foci_commands.outputs import figure_writers, records, table_writer
from hemadose.trials.runs.backends import Backend, dask_cluster, processes, serial

if TYPE_CHECKING:
    import pandas as pd

    from hemadose.trials.settings import TrialSettings

_SHOWN = {
    "activity_gbq": ("activity", "GBq", 1.0),
    "n_cycles": ("cycles", "", 1.0),
    "tumour_dose_gy": ("tumour", "Gy", 1.0),
    "marrow_dose_gy": ("marrow", "Gy", 1.0),
    "grade3_any": ("grade >= 3", "%", 100.0),
    "overdosed_per_cycle": ("overdosed", "%", 100.0),
    "delay_days": ("delay", "d", 1.0),
    "ended_completed": ("completed", "%", 100.0),
}


@dataclass(frozen=True, eq=False)
class SimulateResult:
    """A finished trial.

    Attributes
    ----------
    trial : TrialSettings
        What was simulated.
    table : DataFrame
        Operating characteristics, one row an arm and metric.
    assumptions : tuple of str
        What the virtual patients and the clinic rest on.
    folder : Path
        Where everything is.
    """

    trial: TrialSettings
    table: pd.DataFrame
    assumptions: tuple[str, ...]
    folder: Path


def backend_for(workers: int, dask: str | None) -> Backend:
    """Return who computes the chunks.

    Raises
    ------
    HemadoseError
        If both are asked for, Dask is missing, or there are too few cores.
    """
    most = 4 * (os.cpu_count() or 1)
    if workers > most:
        raise HemadoseError(
            f"--workers: got {workers}, legal is 1 to {most}, four for each core of this machine"
        )
    if dask is None:
        return serial if workers == 1 else processes(workers)
    if workers != 1:
        raise HemadoseError("--workers and --dask exclude each other; give one of them")
    return dask_cluster(dask)


def simulate(
    path: Path,
    out: Path | None,
    *,
    backend: Backend = serial,
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SimulateResult:
    """Run the trial of a file, or the rest of it, and write tables and figure.

    Parameters
    ----------
    path : Path
        The trial file.
    out : Path or None
        Where results go; a folder named after the trial if None.
    backend : callable
        Who computes the chunks.
    resume : bool
        Go on with what `out` holds.
    progress : callable
        Told of the patients that are done, and of all.

    Raises
    ------
    HemadoseError
        If the file is not legal, or the folder not free.
    """
    from hemadose.trials.parts import assumptions_of, planned_cycles_of, simulate_chunk
    from hemadose.trials.results.figures import draw_trial
    from hemadose.trials.results.summary import summary_table, tally
    from hemadose.trials.runs.run import chunk_tables, run_trial
    from hemadose.trials.settings_file import read_trial

    trial = read_trial(path)
    folder = out or Path(trial.folder_name)
    run_trial(
        trial, folder, simulate=simulate_chunk, backend=backend, resume=resume, progress=progress
    )
    found = tally(chunk_tables(trial, folder), trial, planned_cycles=planned_cycles_of(trial))
    result = SimulateResult(trial, summary_table(found, trial), assumptions_of(trial), folder)
    document = json.dumps(simulate_document(result), indent=1, allow_nan=False)
    writers = {
        "summary.csv": table_writer(result.table),
        "summary.json": lambda place: place.write_text(document, "utf-8"),
        **figure_writers(draw_trial(result.table, trial), "trial"),
    }
    try:
        with tempfile.TemporaryDirectory(prefix=".part_", dir=folder) as place:
            for name, write in writers.items():
                write(Path(place) / name)
            for name in writers:
                os.replace(Path(place) / name, folder / name)
    except OSError as error:
        raise HemadoseError(
            f"the tables and the figure cannot be written to {folder} ({error.strerror}); the "
            "chunks are kept, go on with --resume once they can"
        ) from None
    return result


def simulate_document(result: SimulateResult) -> dict[str, Any]:
    """The result as JSON holds it."""
    from hemadose.trials.runs.run import canonical, fingerprint, package_version

    return {
        "schema": "hemadose.simulate",
        "schema_version": "1.0",
        "hemadose_version": package_version(),
        "fingerprint": fingerprint(result.trial),
        "patients": result.trial.patients,
        "reference": result.trial.reference_arm,
        "settings": canonical(result.trial),
        "assumptions": list(result.assumptions),
        "summary": records(result.table),
    }


def simulate_text(result: SimulateResult) -> str:
    """The main operating characteristics in columns, with their Monte Carlo standard errors."""
    trial, table = result.trial, result.table
    shown = {name: look for name, look in _SHOWN.items() if (table["metric"] == name).any()}
    width = max(12, *(len(arm.name) for arm in trial.arms))
    heads = [f"{word} ({unit})" if unit else word for word, unit, _ in shown.values()]
    lines = [
        f"{trial.name}: {trial.patients:,} virtual patients, cohort {trial.cohort.name}, the same "
        "in all arms; mean and Monte Carlo standard error",
        "",
        " " * width + "".join(f"{head:>17}" for head in heads),
    ]
    for arm in trial.arms:
        rows = table[table["arm"] == arm.name].set_index("metric")
        cells = []
        for name, (_, _, factor) in shown.items():
            value, se = factor * rows["value"][name], factor * rows["se"][name]
            cells.append(f"{f'{value:.4g} +- {se:.2g}':>17}")
        lines.append(f"{arm.name:<{width}}" + "".join(cells))
    return "\n".join([*lines, "", *_comparison(result), *_basis(result)])


def _comparison(result: SimulateResult) -> list[str]:
    trial, table = result.trial, result.table
    lines = []
    for arm in trial.arms:
        rows = table[table["arm"] == arm.name].set_index("metric")
        if arm.name == trial.reference_arm or "tumour_dose_gy" not in rows.index:
            continue
        dose, risk = rows.loc["tumour_dose_gy"], rows.loc["grade3_any"]
        lines.append(
            f"{arm.name} against {trial.reference_arm}: tumour dose x {dose['ratio']:.3f} "
            f"({dose['ratio_lower']:.3f} to {dose['ratio_upper']:.3f}), grade >= 3 "
            f"{100 * risk['difference']:+.1f} points ({100 * risk['difference_lower']:+.1f} to "
            f"{100 * risk['difference_upper']:+.1f}); 95 % intervals, same patients"
        )
    return [*lines, ""] if lines else []


def _basis(result: SimulateResult) -> list[str]:
    n = sum("ASSUMED" in note for note in result.assumptions)
    return [
        f"{n} assumptions are listed in summary.json. The intervals hold the Monte Carlo error "
        "alone, not that of the models.",
        "Research use, not a medical device.",
    ]
