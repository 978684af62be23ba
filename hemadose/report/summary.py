"""Numbers that tables, document and page share: the next administration and spreads of draws."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hemadose.planning.plan import Plan

FloatArray = npt.NDArray[np.float64]

LEVELS = (0.05, 0.5, 0.95)
DISCLAIMER = "Research use, not a medical device."
CONCENTRATIONS = ("blood", "marrow")


class CycleRow(NamedTuple):
    """A cycle as the report shows it.

    `factor` turns a prediction for the planned activity into one for the activity shown; it is 1
    for the cycles given.
    """

    number: int
    activity_gbq: float
    factor: float
    predicted: bool


def cycle_rows(plan: Plan) -> Iterator[CycleRow]:
    """Cycles given, and the next one at the recommended activity (planned, if none is given)."""
    for cycle in plan.study.cycles:
        yield CycleRow(cycle.number, cycle.activity_mbq / 1000, 1.0, False)
    kinetics = plan.assessment.kinetics
    shown_gbq = plan.recommendation.activity_gbq or kinetics.next_activity_gbq
    factor = shown_gbq / kinetics.next_activity_gbq
    yield CycleRow(kinetics.next_cycle, shown_gbq, factor, True)


def next_day(plan: Plan) -> float | None:
    """Day of the recommended administration (days since cycle 1); None if none is recommended."""
    interval = plan.recommendation.interval_days
    if plan.recommendation.action != "treat" or interval is None:
        return None
    cycles = len(plan.study.cycles)
    return interval + (plan.study.cycle_day(cycles) if cycles else 0.0)


def next_date(plan: Plan) -> date | None:
    """Date of the recommended administration, where the study has dates."""
    day = next_day(plan)
    if day is None or not plan.study.cycles:
        return None
    return plan.study.cycles[0].start.date() + timedelta(days=round(day))


def agent_name(plan: Plan) -> str:
    """Nuclide and agent as written in the field, such as 177Lu-PSMA-617."""
    element, mass_number = plan.study.therapy.nuclide.split("-")
    agent = plan.study.therapy.agent
    separator = " " if agent == "iodide" else "-"
    return f"{mass_number}{element}{separator}{agent}"


def headline(plan: Plan) -> str:
    """Say the recommendation in one sentence."""
    action, given = plan.recommendation.action, len(plan.study.cycles)
    if action == "stop":
        return f"Stop {agent_name(plan)}: no further cycle"
    if action == "hold":
        return f"Hold: do not give cycle {given + 1} of {agent_name(plan)} now"
    text = f"Give {plan.recommendation.activity_gbq:g} GBq {agent_name(plan)}"
    if not given or plan.recommendation.interval_days is None:
        return f"{text} as cycle 1"
    return f"{text} {plan.recommendation.interval_days:g} days after cycle {given}"


def unit_of(region: str) -> str:
    """Unit of the activity of a region."""
    return "MBq/mL" if region in CONCENTRATIONS else "MBq"


def spread(draws: FloatArray, suffix: str = "") -> dict[str, float]:
    """Mean, standard deviation, and 5, 50 and 95 % of draws, by column name."""
    q05, q50, q95 = np.quantile(draws, LEVELS)
    values = {"mean": draws.mean(), "sd": draws.std(), "q05": q05, "q50": q50, "q95": q95}
    return {name + suffix: float(value) for name, value in values.items()}


def band(draws: FloatArray) -> dict[str, FloatArray]:
    """5, 50 and 95 % of draws of shape (n_draws, n), by column name."""
    return dict(zip(("q05", "q50", "q95"), np.quantile(draws, LEVELS, axis=0), strict=True))
