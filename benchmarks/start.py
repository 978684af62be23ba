"""What a user waits for in a new process: imports and the first fit, compiled code on disk."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.timing import announce, require

FIRST_FIT = """
import time
start = time.perf_counter()
import kinetics
package = time.perf_counter()
from benchmarks.population import fit_population, theophylline_model
model, data = theophylline_model("additive")
ready = time.perf_counter()
assert fit_population(model, data).status == "ok"
first = time.perf_counter()
fit_population(model, data)
print(package - start, ready - package, first - ready, time.perf_counter() - first)
"""


def start_rows() -> None:
    """Wall times in a fresh process: nothing may compile."""
    announce("a fresh process")
    runs = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_FIT], capture_output=True, text=True, check=True
        )
        runs.append([float(word) for word in done.stdout.split()])
    package, ready, first, second = (min(times) for times in zip(*runs, strict=True))
    require(first < 5.0, f"the first fit took {first:.1f} s: it compiles")
    print(
        f"fresh process, wall: import kinetics {package:.2f} s, model and data {ready:.2f} s, "
        f"first theophylline fit {first:.2f} s, second {second:.3f} s",
        flush=True,
    )
