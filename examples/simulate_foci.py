"""Simulate counts of foci: a laboratory's calibration series and a patient's samples.

    python -P examples/simulate_foci.py [--out FOLDER]

Nothing is measured: the cells are Poisson, irradiated for an hour in vitro, or by a blood dose rate
that falls in two phases. The numbers behind them are in truth.json.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from foci import RepairDraws, predict_foci
from kinetics import SumOfExponentials
from radiobio import induction_from_apparent_slope

HERE = Path(__file__).parent / "foci"
SEED = 20260105
CLASSES = (*(f"C{k}" for k in range(6)), "C6+")
BACKGROUND_PER_CELL = 0.2
SLOPE_PER_GY, IRRADIATION_H = 14.7, 1.0  # in vitro: Eberlein 2015, PLoS ONE 10:e0123174
REPAIR_RATE_PER_H = 0.25  # ex vivo: Schumann 2022, PMC8940852
DOSES_MGY = (0, 2, 5, 10, 20, 50, 100)
BLOOD_DOSE_GY = 0.08  # CHOSEN, as the phases: share of the dose rate at 0 h, half-life (h)
PHASES = ((0.9, 1.5), (0.1, 30.0))
TIMES_H = (-1.0, 1.0, 4.0, 24.0, 48.0)
CELLS = 500


def counted(mean_per_cell: float, rng: np.random.Generator) -> list[int]:
    """Cells, foci and classes of one slide."""
    foci = rng.poisson(mean_per_cell, CELLS)
    classes = np.bincount(np.minimum(foci, len(CLASSES) - 1), minlength=len(CLASSES))
    return [CELLS, int(foci.sum()), *classes.tolist()]


def foci_of_patient() -> np.ndarray:
    """Expected foci per cell at `TIMES_H`."""
    share, half_life_h = np.array(PHASES).T
    rate = np.log(2) / half_life_h
    shape = SumOfExponentials(share, rate)
    induction = induction_from_apparent_slope(SLOPE_PER_GY, REPAIR_RATE_PER_H, IRRADIATION_H)
    repair = RepairDraws(
        np.atleast_1d(induction),
        np.array([[REPAIR_RATE_PER_H]]),
        np.ones(1),
        np.array([BACKGROUND_PER_CELL]),
        (),
    )
    after = predict_foci(
        shape.scaled(BLOOD_DOSE_GY / shape.integral()), np.maximum(TIMES_H, 0.0), repair
    )[0]
    return np.where(np.array(TIMES_H) < 0, BACKGROUND_PER_CELL, after)


def write_table(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Write a table with a trailing newline."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(out: Path) -> None:
    """Write calibration.csv, patient.csv and truth.json into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    counts = ["cells", "foci", *CLASSES]
    series: list[list[object]] = [
        [dose, slide, *counted(BACKGROUND_PER_CELL + SLOPE_PER_GY * dose / 1000, rng)]
        for dose in DOSES_MGY
        for slide in ("A", "B")
    ]
    write_table(out / "calibration.csv", ["dose_mgy", "slide", *counts], series)
    samples: list[list[object]] = [
        ["P1", 1, time_h, *counted(mean, rng)]
        for time_h, mean in zip(TIMES_H, foci_of_patient(), strict=True)
    ]
    write_table(out / "patient.csv", ["patient", "cycle", "time_h", *counts], samples)
    truth = {
        "about": "SIMULATED: the true values behind the tables of this folder",
        "seed": SEED,
        "background_per_cell": BACKGROUND_PER_CELL,
        "apparent_slope_per_gy": SLOPE_PER_GY,
        "irradiation_h": IRRADIATION_H,
        "repair_rate_per_h": REPAIR_RATE_PER_H,
        "blood_dose_gy": BLOOD_DOSE_GY,
        "phases_share_half_life_h": PHASES,
        "expected_foci_per_cell": foci_of_patient().tolist(),
    }
    (out / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Simulate counts of foci.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    main(parser.parse_args().out)
