"""What hemadose takes against what a user would pick instead, measured side by side in one run.

Run with `make bench`, or one task with ``python -m benchmarks.run --task NAME``. Times are process
times of one thread, warm, the fastest of several runs (Bayes: wall time). The results of both
sides are compared first, and the run fails where they differ. Progress goes to the error stream.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

TASKS = {
    "theophylline": ("population", "theophylline_rows"),
    "population": ("population", "clearance_rows"),
    "two-compartments": ("compartments", "two_compartment_rows"),
    "four-compartments": ("compartments", "four_compartment_rows"),
    "mammillary": ("compartments", "mammillary_rows"),
    "saturable": ("compartments", "saturable_rows"),
    "patients": ("curve_fits", "cohort_rows"),
    "bi-exponential": ("curve_fits", "bi_exponential_rows"),
    "counts": ("counts", "count_rows"),
    "blrm": ("dose_finding", "blrm_rows"),
    "risk-factors": ("risk_factors", "risk_factor_rows"),
    "virtual-trials": ("virtual_trials", "virtual_trial_rows"),
    "foci": ("foci_curves", "foci_curve_rows"),
    "cohort-doses": ("cohort_doses", "cohort_dose_rows"),
    "convolution": ("voxels", "convolution_rows"),
    "voxel-kernel": ("voxels", "kernel_rows"),
    "bayes": ("bayes", "bayes_rows"),
    "foci-bayes": ("foci_bayes", "foci_bayes_rows"),
    "foci-images": ("foci_images", "foci_image_rows"),
    "cores": ("all_cores", "all_cores_rows"),
    "start": ("start", "start_rows"),
}
ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    """Run all tasks, or one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=TASKS, help="run only this one")
    chosen = parser.parse_args().task
    os.environ |= dict.fromkeys(ONE_THREAD, "1")  # before anything that starts threads is imported
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    from benchmarks.timing import DisagreementError, heading

    heading()
    failed = []
    for task in [chosen] if chosen else TASKS:
        module, function = TASKS[task]
        try:
            getattr(importlib.import_module(f"benchmarks.{module}"), function)()
        except DisagreementError as error:
            print(f"FAILED {task}: {error}", flush=True)
            failed.append(task)
        except AssertionError as error:
            print(f"FAILED {task}: both sides differ{error}", flush=True)
            failed.append(task)
    if failed:
        print(f"both sides do not agree in: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
