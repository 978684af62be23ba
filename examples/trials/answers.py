"""Run the trials behind docs/planning.md: as the clinic believes, and in worlds that differ.

    python examples/trials/answers.py [--out FOLDER] [--workers N] [--patients N]

Each world changes the truth (or the clinic's prior) of a few arms. What was run already is read,
not run again. The numbers of all end in answers.csv.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from hemadose.trials.parts import planned_cycles_of, simulate_chunk
from hemadose.trials.results.summary import summary_table, tally
from hemadose.trials.runs.backends import processes
from hemadose.trials.runs.run import chunk_tables, run_trial
from hemadose.trials.settings import TrialSettings
from hemadose.trials.settings_file import read_trial

HERE = Path(__file__).parent
TRIALS = ("answer_psma617", "answer_dotatate")
BELIEVED = "as believed"
WORLDS: dict[str, dict[str, Any]] = {
    "marrow 1.5 times as sensitive": {"truth": {"kill_factor": 1.5}},
    "1 in 20 three times as sensitive": {"truth": {"outlier_share": 0.05, "outlier_factor": 3.0}},
    "marrow dose 1.3 times": {"truth": {"s_value_factor": 1.3}},
    "kidney dose 1.25 times": {"truth": {"kidney_factor": 1.25}},
    "reserve is lost": {"truth": {"reserve_loss": True}},
    "counts scatter 1.5 times": {"truth": {"count_residual_factor": 1.5}},
    "prior half as wide": {"clinic": {"prior": {"log_sd_factor": 0.5}}},
}
WORLD_ARMS = ("label", "adaptive, counts only", "adaptive, all", "look-ahead, all")
METRICS = (
    "activity_gbq", "n_cycles", "tumour_dose_gy", "marrow_dose_gy", "kidney_bed_gy",
    "grade3_platelets", "grade3_haemoglobin", "grade3_neutrophils", "grade3_leukocytes",
    "grade3_any", "overdosed_per_cycle", "shortfall_gbq", "delay_days", "delayed",
    "ended_completed", "ended_policy", "ended_label", "ended_delay", "ended_dropout",
    "marrow_covered", "nadir_covered_platelets", "nadir_covered_neutrophils",
)  # fmt: skip

COLUMNS = (
    "arm", "metric", "n", "value", "se", "difference", "difference_se",
    "ratio", "ratio_se", "ratio_lower", "ratio_upper",
)  # fmt: skip


def in_world(trial: TrialSettings, changes: dict[str, Any], patients: int) -> TrialSettings:
    """Return the trial with fewer arms and patients and another truth."""
    content = trial.model_dump(by_alias=True)
    content["arms"] = tuple(arm for arm in content["arms"] if arm["name"] in WORLD_ARMS)
    content["patients"] = patients
    for section, values in changes.items():
        content[section] = {**content[section], **values}
    return TrialSettings.model_validate(content)


def outcome(trial: TrialSettings, folder: Path, workers: int) -> pd.DataFrame:
    """Run a trial, or read it, and return its operating characteristics."""
    run_trial(
        trial, folder, simulate=simulate_chunk, backend=processes(workers), resume=folder.exists()
    )
    found = tally(chunk_tables(trial, folder), trial, planned_cycles=planned_cycles_of(trial))
    table = summary_table(found, trial)
    return table.loc[table["metric"].isin(METRICS), list(COLUMNS)]


def main() -> None:
    """Run all and write answers.csv."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("answers"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--patients", type=int, default=400, help="in each world that differs")
    given = parser.parse_args()
    tables = []
    for name in TRIALS:
        trial = read_trial(HERE / f"{name}.yaml")
        worlds = {BELIEVED: trial} | {
            world: in_world(trial, changes, given.patients) for world, changes in WORLDS.items()
        }
        for number, (world, settings) in enumerate(worlds.items()):
            table = outcome(settings, given.out / f"{name}_{number}", given.workers)
            table.insert(0, "world", world)
            table.insert(0, "cohort", trial.cohort.name)
            tables.append(table)
            print(f"{trial.cohort.name}, {world}: done", flush=True)
    target = given.out / "answers.csv"
    pd.concat(tables, ignore_index=True).to_csv(target, index=False, float_format="%.5g")
    print(target)


if __name__ == "__main__":
    main()
