"""Every intermediate result as a tidy table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hemadose.planning.label_data import RULES
from hemadose.planning.plan import Plan
from hemadose.report.biology_tables import counts_table, foci_course, foci_dose, foci_table
from hemadose.report.firmness_tables import firmness_tables
from hemadose.report.kinetics_tables import (
    curve_forms,
    parameter_table,
    samples_and_fit,
    time_integrated_activity,
)
from hemadose.report.summary import cycle_rows, spread
from radiobio import bed_gy

if TYPE_CHECKING:
    import pandas as pd


def output_tables(plan: Plan) -> dict[str, pd.DataFrame]:
    """Tables of a plan by the name of their CSV file, without its ending.

    Parameters
    ----------
    plan : Plan
        A planned study.

    Returns
    -------
    dict of str to pandas.DataFrame
        Always the same tables; one that does not apply has its columns and no rows.
    """
    return {
        "kinetics_samples_and_fit": samples_and_fit(plan),
        "kinetics_parameters": parameter_table(plan),
        "curve_forms": curve_forms(plan),
        "time_integrated_activity": time_integrated_activity(plan),
        "doses": dose_table(plan),
        "kidney_bed": kidney_bed(plan),
        "foci": foci_table(plan),
        "foci_course": foci_course(plan),
        "foci_dose": foci_dose(plan),
        "counts": counts_table(plan),
        "decision_grid": plan.recommendation.to_frame(),
        **firmness_tables(plan),
        "label_trail": label_trail(plan),
        "assumptions": notes_table(plan),
    }


def dose_table(plan: Plan) -> pd.DataFrame:
    """Absorbed dose of each cycle, region and contribution (Gy), and of their total."""
    import pandas as pd

    rows = []
    for cycle in cycle_rows(plan):
        for region, dose in plan.assessment.doses.doses[cycle.number].items():
            parts = dose.contribution_gy() | {"total": dose.dose_gy}
            for name, draws in parts.items():
                rows.append(
                    {
                        "cycle": cycle.number,
                        "predicted": cycle.predicted,
                        "activity_gbq": cycle.activity_gbq,
                        "region": region,
                        "method": dose.method,
                        "contribution": name,
                        **spread(cycle.factor * draws, "_gy"),
                        "mean_gy_per_gbq": float(draws.mean() * cycle.factor / cycle.activity_gbq),
                    }
                )
    return pd.DataFrame(rows)


def kidney_bed(plan: Plan) -> pd.DataFrame:
    """Kidney BED of each cycle and summed up to it (Gy); no rows where kidneys have no dose."""
    import pandas as pd

    limits = plan.study.limits
    columns = ["cycle", "predicted", "activity_gbq"]
    names = ("mean", "sd", "q05", "q50", "q95")
    columns += [f"{name}_{part}_gy" for part in ("bed", "cumulative_bed") for name in names]
    rows = []
    total = np.zeros(plan.assessment.n_draws)
    for cycle in cycle_rows(plan):
        dose = plan.assessment.doses.doses[cycle.number].get("kidneys")
        if dose is None:
            continue
        bed = bed_gy(
            dose.dose_rate.scaled(cycle.factor),
            alpha_beta_gy=limits.kidney_alpha_beta_gy,
            repair_half_life_h=limits.kidney_repair_half_life_h,
        )
        total = total + bed
        parts = spread(bed, "_bed_gy") | spread(total, "_cumulative_bed_gy")
        rows.append((cycle.number, cycle.predicted, cycle.activity_gbq, *parts.values()))
    return pd.DataFrame(rows, columns=columns)


def label_trail(plan: Plan) -> pd.DataFrame:
    """What the label's rules saw, step by step, each rule with its source."""
    import pandas as pd

    rows = []
    for step in plan.label.trail:
        rule = RULES.get(step.rule_id)
        source, status = (rule.source, rule.status) if rule else ("", "")
        rows.append((step.day, step.rule_id, step.text, source, status))
    return pd.DataFrame(rows, columns=["day", "rule_id", "text", "source", "status"])


def notes_table(plan: Plan) -> pd.DataFrame:
    """What the plan rests on, what was assumed, and what to be warned of."""
    import pandas as pd

    notes = {
        "rests on": plan.study.rests_on,
        "assumption": assumptions_of(plan),
        "warning": warnings_of(plan),
    }
    rows = [(kind, "ASSUMED" in text, text) for kind, texts in notes.items() for text in texts]
    return pd.DataFrame(rows, columns=["kind", "assumed", "text"])


def assumptions_of(plan: Plan) -> tuple[str, ...]:
    """Assumptions of the assessment and of the decision, each once."""
    both = (*plan.assessment.assumptions, *plan.recommendation.assumptions)
    return tuple(dict.fromkeys(both))


def warnings_of(plan: Plan) -> tuple[str, ...]:
    """Warnings of the assessment and of the label, each once."""
    return tuple(dict.fromkeys((*plan.assessment.warnings, *plan.label.warnings)))
