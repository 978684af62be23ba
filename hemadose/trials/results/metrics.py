"""What is counted of each virtual patient: operating characteristics before they are averaged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["mean", "share"]

DOSES = ("tumour_dose_gy", "marrow_dose_gy", "kidney_dose_gy", "kidney_bed_gy")
ENDS = ("completed", "label", "policy", "refusal", "delay", "dropout")
_PLAIN = ("activity_gbq", "n_cycles", *DOSES, "delay_days", "last_day", "n_decisions")
_COPIED = re.compile(r"activity_cycle_\d+_gbq|lowest_\w+|days_grade3_\w+")
_SHARE = re.compile(r"grade3_.+|overdosed.*|delayed|ended_.+|marrow_covered")


def kind_of(metric: str) -> Kind:
    """Whether a metric is a share of patients or a mean over them."""
    return "share" if _SHARE.fullmatch(metric) else "mean"


def patient_metrics(table: pd.DataFrame, *, planned_cycles: int) -> pd.DataFrame:
    """Metrics of each row of a chunk.

    Parameters
    ----------
    table : DataFrame
        One row a patient and arm.
    planned_cycles : int
        Cycles that `tolerance_gbq` is meant for.

    Returns
    -------
    DataFrame
        One column a metric, nan where it does not apply. A share is 0 or 1 in each patient.
        ``nadir_covered_<lineage>``, ``decided_<by>``, ``binding_<constraint>`` and ``refused``
        are the part of the patient's own cycles or decisions.
    """
    import pandas as pd

    columns = {name: table[name] for name in _PLAIN}
    columns |= {name: table[name] for name in map(str, table) if _COPIED.fullmatch(name)}
    return pd.DataFrame(
        {
            **columns,
            **_grades(table),
            **_tolerance(table, planned_cycles),
            "delayed": table["delay_days"] > 0,
            **{f"ended_{reason}": table["ended_by"] == reason for reason in ENDS},
            **_shares(table),
        }
    ).astype(np.float64)


def _grades(table: pd.DataFrame) -> dict[str, pd.Series[bool]]:
    worst = table.filter(regex=r"^worst_grade_")
    names = [str(name).removeprefix("worst_grade_") for name in worst]
    grade3 = {f"grade3_{name}": worst[f"worst_grade_{name}"] >= 3 for name in names}
    return grade3 | {"grade3_any": (worst >= 3).any(axis=1)}


_SAME_GBQ = 0.01  # activities nearer than this are the same: the tolerance is found by a search


def _tolerance(table: pd.DataFrame, planned_cycles: int) -> dict[str, pd.Series[float]]:
    """Over and under the true tolerance: of all cycles together, and of a mean cycle."""
    above = table["activity_gbq"] - table["tolerance_gbq"]
    mean_cycle = table["activity_gbq"] / table["n_cycles"].where(table["n_cycles"] > 0)
    above_cycle = mean_cycle - table["tolerance_gbq"] / planned_cycles
    too_much = (above_cycle > _SAME_GBQ).astype(np.float64)
    return {
        "overdosed": (above > planned_cycles * _SAME_GBQ).astype(np.float64),
        "excess_gbq": above.clip(lower=0.0),
        "shortfall_gbq": (-above).clip(lower=0.0),
        "overdosed_per_cycle": too_much.where(above_cycle.notna()),
        "excess_per_cycle_gbq": above_cycle.clip(lower=0.0),
        "shortfall_per_cycle_gbq": (-above_cycle).clip(lower=0.0),
    }


def _shares(table: pd.DataFrame) -> dict[str, pd.Series[float]]:
    """Coverage of the clinic's intervals, and who or what decided."""
    decisions = table["n_decisions"].where(table["n_decisions"] > 0)
    shares = {
        "marrow_covered": table["marrow_covered"],
        "refused": table["n_refused"] / decisions,
    }
    for name in map(str, table):
        if name.startswith("n_nadir_covered_"):
            lineage = name.removeprefix("n_nadir_covered_")
            checked = table[f"n_nadir_{lineage}"]
            shares[f"nadir_covered_{lineage}"] = table[name] / checked.where(checked > 0)
        elif name.startswith(("n_decided_", "n_binding_")):
            shares[name.removeprefix("n_")] = table[name] / decisions
    return shares
