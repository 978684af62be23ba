"""Wall time on all cores; a module of its own because threads are counted at the first import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

from benchmarks.timing import announce, readable

REPEATS = 3


def wall_seconds(job: Callable[[], object]) -> float:
    """Wall time of the fastest of several runs, after one that warms up."""
    job()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def all_cores_rows() -> None:
    """Run this module in two child processes: with one thread, and with as many as cores."""
    cores = len(os.sched_getaffinity(0))
    announce(f"wall times on 1 and {cores} cores")
    found = {}
    for threads in (1, cores):
        environment = os.environ | {"NUMBA_NUM_THREADS": str(threads)}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.all_cores"], env=environment,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found[threads] = dict(line.split("\t") for line in done.stdout.splitlines())
    for name, alone in found[1].items():
        together = float(found[cores][name])
        print(
            f"{name:50s} {readable(together):>9s}   wall on {cores} cores; on one "
            f"{readable(float(alone))}: {float(alone) / together:.2f} x",
            flush=True,
        )


def _measure() -> None:
    from benchmarks.compartments import four_compartments
    from benchmarks.curve_fits import fit_patients
    from benchmarks.population import clearance_model, fit_population, saem
    from benchmarks.tasks import compartment_sets

    model, data = clearance_model()
    sets = compartment_sets()
    jobs: dict[str, Callable[[], object]] = {
        "1,000 subjects x 4 samples, FOCEI": lambda: fit_population(model, data),
        "1,000 subjects x 4 samples, SAEM": lambda: saem(model, data),
        "100,000 rate matrices of 4 compartments": lambda: four_compartments(sets),
        "10,000 mono-exponential fits": lambda: fit_patients("mono"),
        "10,000 uptake and clearance fits": lambda: fit_patients("uptake"),
    }
    for name, job in jobs.items():
        print(f"{name}\t{wall_seconds(job)}")


if __name__ == "__main__":
    _measure()
