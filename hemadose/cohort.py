"""A folder of studies: one row each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from hemadose.planning.plan import Plan

TABLE_FILE = "cohort.csv"


def write_cohort(table: pd.DataFrame, folder: Path) -> Path:
    """Write a table of `cohort_row` atomically into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / TABLE_FILE
    unfinished = folder / f".{TABLE_FILE}.part"
    table.to_csv(unfinished, index=False)
    unfinished.replace(path)
    return path


def cohort_row(plan: Plan) -> dict[str, object]:
    """Recommendation and marrow dose so far (Gy; median and 90 % interval) of one study."""
    advice, doses = plan.recommendation, plan.assessment.doses
    given = [c.number for c in plan.study.cycles]
    marrow = sum(
        (doses.doses[cycle]["marrow"].dose_gy for cycle in given),
        np.zeros(plan.assessment.n_draws),
    )
    low, middle, high = np.quantile(marrow, [0.05, 0.5, 0.95]).round(4)
    return {
        "study": plan.study.patient_id,
        "action": advice.action,
        "activity_gbq": advice.activity_gbq,
        "interval_days": advice.interval_days,
        "decided_by": advice.decided_by,
        "binding": advice.binding.name if advice.binding else "",
        "decision_changes": round(advice.decision_changes, 3),
        "marrow_method": doses.marrow_method,
        "marrow_dose_gy": middle,
        "marrow_dose_q05_gy": low,
        "marrow_dose_q95_gy": high,
    }
