"""The result as one JSON document; docs/result_json.md describes every key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hemadose.planning.plan import Plan
from hemadose.report.biology_tables import foci_dose, nadirs
from hemadose.report.inputs import input_files, versions
from hemadose.report.kinetics_tables import curve_forms, time_integrated_activity
from hemadose.report.summary import DISCLAIMER, agent_name, headline, next_date, next_day
from hemadose.report.tables import assumptions_of, dose_table, kidney_bed, warnings_of

if TYPE_CHECKING:
    import pandas as pd

SCHEMA, SCHEMA_VERSION = "hemadose.result", "1.1"


def result_document(plan: Plan) -> dict[str, Any]:
    """Everything a program needs of a plan, ready for JSON.

    Parameters
    ----------
    plan : Plan
        A planned study.

    Returns
    -------
    dict
        Plain Python values without NaN or infinity; the same input, seed and versions give the
        same document.
    """
    recommendation = plan.recommendation.to_dict()
    label = recommendation.pop("label")
    day = next_day(plan)
    start = next_date(plan)
    recommendation["next_day"] = day
    recommendation["next_date"] = None if start is None else start.isoformat()
    doses = dose_table(plan)
    document = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "disclaimer": DISCLAIMER,
        "headline": headline(plan),
        "study": _study(plan),
        "recommendation": recommendation,
        "label": label,
        "time_integrated_activity": _records(time_integrated_activity(plan)),
        "curve_forms": _records(curve_forms(plan)),
        "doses": _records(doses[doses["contribution"] == "total"].drop(columns="contribution")),
        "kidney_bed": _records(kidney_bed(plan)),
        "foci": _foci(plan),
        "counts": list(nadirs(plan)),
        "rests_on": list(plan.study.rests_on),
        "assumptions": list(assumptions_of(plan)),
        "warnings": list(warnings_of(plan)),
        "input_files": [file._asdict() for file in input_files(plan.study)],
        "seed": plan.seed,
        "n_draws": plan.assessment.n_draws,
        "versions": versions(),
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _study(plan: Plan) -> dict[str, Any]:
    study = plan.study
    return {
        "patient_id": study.patient_id,
        "treatment": agent_name(plan),
        "nuclide": study.therapy.nuclide,
        "agent": study.therapy.agent,
        "decision_day": study.decision_day,
        "marrow_method": plan.assessment.doses.marrow_method,
        "cycles": [
            {
                "number": cycle.number,
                "start": cycle.start.isoformat(),
                "day": study.cycle_day(cycle.number),
                "activity_gbq": cycle.activity_mbq / 1000,
            }
            for cycle in study.cycles
        ],
    }


def _foci(plan: Plan) -> dict[str, Any] | None:
    foci = plan.assessment.foci
    if foci is None:
        return None
    return {
        "used": foci.used,
        "status": foci.status,
        "effective_sample_size": foci.update.effective_sample_size,
        "prior_predictive_p": foci.update.prior_predictive_p,
        "dispersion": foci.dispersion,
        "calibration_slope_per_gy": foci.calibration.slope_per_gy,
        "calibration_slope_sd": foci.calibration.slope_sd,
        "calibration_source": foci.calibration.source,
        "blood_dose": _records(foci_dose(plan)),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """Python values; what is not finite becomes None."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
