"""Some of the patients of a situation, or other draws of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hemadose.planning.situation import IntArray, LabelLimits, LineageDraws, Situation

_BY_DRAW = (
    "marrow_gy_per_gbq",
    "kidney_gy_per_gbq",
    "kidney_protraction",
    "tumour_gy_per_gbq",
    "marrow_dose_gy",
    "kidney_dose_gy",
    "kidney_bed_gy",
    "tumour_dose_gy",
)
_BY_PATIENT = ("day", "cycle", "last_day", "last_gbq")


def take_patients(situation: Situation, rows: IntArray) -> Situation:
    """The patients of the rows, in their order (a row may come more than once).

    Parameters
    ----------
    situation : Situation
        n patients.
    rows : ndarray of int, shape (m,)
        Which.
    """
    if len(rows) == len(situation.day) and np.array_equal(rows, np.arange(len(rows))):
        return situation
    taken: dict[str, Any] = {
        name: getattr(situation, name)[rows] for name in (*_BY_DRAW, *_BY_PATIENT)
    }
    label = situation.label
    rule_id = tuple(label.rule_id[row] for row in rows)
    return replace(
        situation,
        **taken,
        counts=tuple(take_lineage_draws(c, rows) for c in situation.counts),
        label=LabelLimits(label.action[rows], label.max_activity_gbq[rows], rule_id),
        covariates={name: value[rows] for name, value in situation.covariates.items()},
        refusals=tuple(situation.refusals[row] for row in rows) if situation.refusals else (),
        toxicity=None if situation.toxicity is None else situation.toxicity[rows],
    )


def take_draws(situation: Situation, draws: IntArray) -> Situation:
    """Other draws of each patient, such as those of an importance resampling.

    Parameters
    ----------
    situation : Situation
        n patients.
    draws : ndarray of int, shape (n, m)
        Draws to take of each patient.
    """
    rows = np.arange(len(draws))[:, None]
    taken: dict[str, Any] = {name: getattr(situation, name)[rows, draws] for name in _BY_DRAW}
    counts = tuple(take_lineage_draws(c, (rows, draws)) for c in situation.counts)
    return replace(situation, **taken, counts=counts)


def take_lineage_draws(counts: LineageDraws, index: Any) -> LineageDraws:
    """Draws at an index of the axes of patients and draws.

    Parameters
    ----------
    counts : LineageDraws
        n patients, n_draws draws.
    index : index
        What numpy takes as an index of arrays (n, n_draws).
    """
    return LineageDraws(
        counts.lineage,
        counts.parameters[index],
        counts.state[index],
        counts.remaining_rate[index],
        counts.rate_per_gbq[index],
    )
