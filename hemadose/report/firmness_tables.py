"""How firm the decision is, as tables: assumptions, further measurements, other policies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from hemadose.planning.plan import Plan
from hemadose.planning.recommendation import Measurement, PolicyAnswer, Variant

if TYPE_CHECKING:
    import pandas as pd


def firmness_tables(plan: Plan) -> dict[str, pd.DataFrame]:
    """Decisions under varied assumptions, worth of measurements, and answers of the policies."""
    import pandas as pd

    advice = plan.recommendation
    parts: dict[str, tuple[type[Any], tuple[Any, ...]]] = {
        "sensitivity": (Variant, advice.variants),
        "measurements": (Measurement, advice.measurements),
        "policies": (PolicyAnswer, advice.policies),
    }
    return {
        name: pd.DataFrame([asdict(row) for row in rows], columns=[f.name for f in fields(kind)])
        for name, (kind, rows) in parts.items()
    }


def sensitivity_rows(plan: Plan) -> Iterator[dict[str, Any]]:
    """One row for each assumption, its lower and its higher value side by side."""
    varied = plan.recommendation.variants[1:]
    for assumption in dict.fromkeys(v.assumption for v in varied):
        lower, higher = sorted(
            (v for v in varied if v.assumption == assumption), key=lambda v: v.factor
        )
        yield {"assumption": assumption, "lower": lower, "higher": higher}
