"""Tables, documents and files of `hemadose foci estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hemadose.foci_commands.estimate_figure import draw_estimate
from hemadose.foci_commands.estimate_results import CycleResult, Estimate, SampleResult
from hemadose.foci_commands.outputs import (
    figure_writers,
    records,
    require_free,
    table_writer,
    write_all,
)

if TYPE_CHECKING:
    import pandas as pd

_NAN = float("nan")
FILES = ("samples.csv", "doses.csv", "blood_dose.csv", "worth.csv", "estimate.png", "estimate.pdf")


def sample_table(found: Estimate) -> pd.DataFrame:
    """One row a sample after an administration: counts, excess, test, limits, dispersion."""
    import pandas as pd

    return pd.DataFrame(
        [
            _identity(result, one) | _counts(result, one) | _limits(one)
            for result in found.cycles
            for one in result.samples
        ]
    )


def _identity(result: CycleResult, one: SampleResult) -> dict[str, Any]:
    return {
        "patient": result.cycle.patient,
        "cycle": result.cycle.cycle,
        "time_h": one.sample.time_h,
    }


def _counts(result: CycleResult, one: SampleResult) -> dict[str, Any]:
    baseline = result.cycle.pooled_baseline
    return {
        "cells": one.sample.cells,
        "foci": one.sample.foci,
        "per_cell": one.sample.per_cell,
        "baseline_cells": baseline.cells if baseline else np.nan,
        "baseline_foci": baseline.foci if baseline else np.nan,
        "excess_per_cell": one.excess_per_cell,
        "excess_sd": one.excess_sd,
        "p_value": one.p_value,
    }


def _limits(one: SampleResult) -> dict[str, Any]:
    limits, doses = one.limits, one.limit_doses
    status = [one.status, doses.status if doses else "ok"]
    return {
        "threshold_per_cell": limits.threshold_per_cell if limits else _NAN,
        "detection_limit_per_cell": limits.detection_limit_per_cell if limits else _NAN,
        "threshold_mgy": 1000 * doses.threshold_dose_gy if doses else _NAN,
        "detection_limit_mgy": 1000 * doses.detection_limit_dose_gy if doses else _NAN,
        "dispersion_index": one.test.index if one.test else _NAN,
        "dispersion_u": one.test.u if one.test else _NAN,
        "dispersion_p": one.test.p_value if one.test else _NAN,
        "status": "; ".join(dict.fromkeys(s for s in status if s != "ok")) or "ok",
    }


def dose_table(found: Estimate) -> pd.DataFrame:
    """One row a sample and estimator: dose (mGy), interval, status."""
    import pandas as pd

    return pd.DataFrame(
        [
            _identity(result, one)
            | {
                "method": dose.method,
                "dose_mgy": dose.dose_mgy,
                "low_mgy": dose.interval_mgy[0],
                "high_mgy": dose.interval_mgy[1],
                "level": found.level,
                "fraction": dose.fraction,
                "fraction_low": dose.fraction_interval[0],
                "fraction_high": dose.fraction_interval[1],
                "status": dose.status,
            }
            for result in found.cycles
            for one in result.samples
            for dose in one.doses
        ]
    )


def blood_table(found: Estimate) -> pd.DataFrame:
    """One row a cycle: blood dose to infinity (mGy), interval, status."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "patient": result.cycle.patient,
                "cycle": result.cycle.cycle,
                "blood_dose_mgy": result.course.total_mgy,
                "low_mgy": result.course.interval_mgy[0],
                "high_mgy": result.course.interval_mgy[1],
                "level": found.level,
                "status": result.course.status,
            }
            for result in found.cycles
            if result.course
        ]
    )


def worth_table(found: Estimate) -> pd.DataFrame:
    """One row a sample: how much it narrows the log of the blood dose."""
    import pandas as pd

    from foci import worth_frame

    frames = []
    for result in found.cycles:
        if result.course:
            frame = worth_frame(result.course.worth)
            frame.insert(0, "patient", result.cycle.patient)
            frame.insert(1, "cycle", result.cycle.cycle)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _tables(found: Estimate) -> dict[str, pd.DataFrame]:
    tables = {"samples": sample_table(found), "doses": dose_table(found)}
    if found.with_phases:
        tables |= {"blood_dose": blood_table(found), "worth": worth_table(found)}
    return tables


def estimate_document(found: Estimate, paths: list[Path]) -> dict[str, object]:
    """All tables as a document for JSON."""
    return {
        "schema": "hemadose.foci_estimate",
        "schema_version": "1.0",
        "calibration": found.curve.source,
        "level": found.level,
        "dispersion": found.dispersion,
        "irradiated_like_the_calibration": not found.with_phases,
        **{name: records(table) for name, table in _tables(found).items()},
        "assumptions": list(found.assumptions),
        "notes": list(found.notes),
        "files": [str(path) for path in paths],
    }


def require_free_for(folder: Path, *, force: bool) -> None:
    """Check that no estimate would be overwritten."""
    require_free(folder, FILES, force=force)


def write_estimate(found: Estimate, folder: Path) -> list[Path]:
    """Write tables and the figure; where they are."""
    tables = {f"{name}.csv": table_writer(table) for name, table in _tables(found).items()}
    figure = figure_writers(draw_estimate(found), "estimate")
    return write_all(folder, tables | figure, replaced=FILES)
