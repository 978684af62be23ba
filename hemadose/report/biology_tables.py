"""Foci and blood counts, measured and predicted, as tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foci import predict_foci
from hemadose.assessment.counts import HORIZON_D, LineageCounts
from hemadose.assessment.damage import StudyFoci
from hemadose.planning.plan import Plan
from hemadose.report.summary import LEVELS, FloatArray, band, next_day, spread

if TYPE_CHECKING:
    import pandas as pd

_FIRST_DAY, _STEP_D = -7.0, 2.0
_COURSE_DRAWS = 300  # enough for a 90 % band


def foci_table(plan: Plan) -> pd.DataFrame:
    """Foci per cell of each sample with its counting sd, and what the final draws predict."""
    import pandas as pd

    columns = ["cycle", "time_h", "cells", "foci", "slide", "reader", "per_cell", "per_cell_sd",
               "q05", "q50", "q95"]  # fmt: skip
    foci = plan.assessment.foci
    if foci is None:
        return pd.DataFrame(columns=columns)
    rows = []
    for row in plan.study.foci:
        predicted = _predicted(plan, foci, row.cycle, np.array([row.time_h]))[:, 0]
        sd = float(np.sqrt(foci.dispersion * max(row.foci, 1))) / row.cells
        rows.append((row.cycle, row.time_h, row.cells, row.foci, row.slide, row.reader,
                     row.foci / row.cells, sd, *np.quantile(predicted, LEVELS)))  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def foci_course(plan: Plan) -> pd.DataFrame:
    """Predicted mean foci per cell over time, of every cycle with foci."""
    import pandas as pd

    columns = ["cycle", "time_h", "q05", "q50", "q95"]
    foci = plan.assessment.foci
    if foci is None:
        return pd.DataFrame(columns=columns)
    last_h = max(row.time_h for row in plan.study.foci)
    positive = np.geomspace(0.1, max(24.0, 1.15 * last_h), 50)
    time_h = np.concatenate([[-1.5, -1e-3, 0.0], positive]).round(3)
    parts = [
        pd.DataFrame({"cycle": cycle, "time_h": time_h,
                      **band(_predicted(plan, foci, cycle, time_h))})
        for cycle in foci.samples
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _predicted(plan: Plan, foci: StudyFoci, cycle: int, time_h: FloatArray) -> FloatArray:
    """Mean foci per cell, shape (n_draws, n_times), with each cycle's own background."""
    dose_rate = plan.assessment.doses.doses[cycle]["blood"].dose_rate
    background = foci.background_per_cell[cycle]
    none = replace(foci.repair, background_per_cell=np.zeros(len(background)))
    induced = predict_foci(dose_rate, np.maximum(time_h, 0.0), none)
    return background[:, None] + np.where(time_h < 0, 0.0, induced)


def foci_dose(plan: Plan) -> pd.DataFrame:
    """Blood dose (Gy) of each cycle from foci alone, from activity alone and from both.

    ``ratio`` is the dose from foci over the physical dose before the update, with its 90 %
    interval; ``p_value`` is small where the two conflict.
    """
    import pandas as pd

    columns = ["cycle", "estimate", "mean_gy", "sd_gy", "q05_gy", "q50_gy", "q95_gy", "ratio",
               "ratio_q05", "ratio_q95", "p_value", "status"]  # fmt: skip
    foci = plan.assessment.foci
    if foci is None:
        return pd.DataFrame(columns=columns)
    rows = []
    for cycle, alone in foci.alone.items():
        both = foci.agreement[cycle]
        compared = (both.ratio, *both.interval, both.p_value, f"{both.status}; {alone.status}")
        rows.append((cycle, "foci alone", *spread(alone.dose_gy).values(), *compared))
        others = {"activity alone": foci.physical_gy[cycle]}
        if foci.used:
            others["activity and foci"] = plan.assessment.doses.doses[cycle]["blood"].dose_gy
        rows += [
            (cycle, name, *spread(dose_gy).values(), *(np.nan,) * 4, "")
            for name, dose_gy in others.items()
        ]
    return pd.DataFrame(rows, columns=columns)


def counts_table(plan: Plan) -> pd.DataFrame:
    """Blood counts: ``measured``, ``posterior`` up to the decision, ``predicted`` after it."""
    import pandas as pd

    end_of_past = plan.study.decision_day
    parts: list[pd.DataFrame] = []
    for lineage, counts in plan.assessment.counts.items():
        day = _days(plan)
        course = _course(plan, counts, day)
        unit = "g/L" if lineage == "haemoglobin" else "1e9/L"
        shared: dict[str, Any] = {"lineage": lineage, "unit": unit}
        measured = {"day": counts.day, "kind": "measured", "value": counts.count}
        kind = np.where(day <= end_of_past, "posterior", "predicted")
        parts += [
            pd.DataFrame({**shared, **measured}),
            pd.DataFrame({**shared, "day": day, "kind": kind, "value": np.nan, **band(course)}),
        ]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return table.reindex(columns=["lineage", "unit", "day", "kind", "value", "q05", "q50", "q95"])


def _days(plan: Plan) -> FloatArray:
    first = min([_FIRST_DAY, *(row.day for row in plan.study.counts if row.day > -60)])
    start = next_day(plan)
    last = (plan.study.decision_day if start is None else start) + HORIZON_D
    marks = [plan.study.decision_day, last]
    return np.unique([*np.arange(first, last, _STEP_D), *marks])


def _course(plan: Plan, counts: LineageCounts, day: FloatArray) -> FloatArray:
    """Counts of some of the draws after the recommended administration, or without one."""
    some = _thinned(counts)
    start = next_day(plan)
    if start is None:
        return some.course(day).count
    activity_gbq = plan.recommendation.activity_gbq
    return some.course_after_next(day, next_day=start, activity_gbq=activity_gbq).count


def _thinned(counts: LineageCounts) -> LineageCounts:
    posterior = counts.posterior
    n_draws = len(posterior.dose_index)
    keep: npt.NDArray[np.intp] = np.linspace(
        0, n_draws - 1, min(n_draws, _COURSE_DRAWS), dtype=np.intp
    )
    thin = replace(
        posterior, parameters=posterior.parameters[keep], dose_index=posterior.dose_index[keep]
    )
    given = tuple((day, curve[keep]) for day, curve in counts.given)
    return replace(counts, posterior=thin, given=given, next_per_gbq=counts.next_per_gbq[keep])


def nadirs(plan: Plan) -> Iterator[dict[str, Any]]:
    """Lowest count of each lineage in the 12 weeks after the recommended administration.

    Without one: in the 12 weeks after the decision.
    """
    start = next_day(plan)
    begin = plan.study.decision_day if start is None else start
    day = begin + np.arange(_STEP_D, HORIZON_D + _STEP_D, _STEP_D)
    risks = plan.recommendation.to_frame() if start is not None else None
    for lineage, counts in plan.assessment.counts.items():
        course = _course(plan, counts, day)
        risk = None
        if risks is not None:
            chosen = risks[
                (risks["constraint"] == f"{lineage} grade 3")
                & (risks["interval_days"] == plan.recommendation.interval_days)
                & (risks["activity_gbq"] == plan.recommendation.activity_gbq)
            ]
            risk = float(chosen["probability"].iloc[0]) if len(chosen) else None
        yield {
            "lineage": lineage,
            "unit": "g/L" if lineage == "haemoglobin" else "1e9/L",
            "n_counts": len(counts.day),
            "nadir": spread(course.min(axis=-1)),
            "nadir_day": spread(day[course.argmin(axis=-1)]),
            "grade_3_probability": risk,
            "status": counts.posterior.status,
        }
