"""What a clinic leaves out to save time must not change what it says."""

import numpy as np
import pytest

from hemadose.planning.label_walk import Administration, CountGrades
from hemadose.planning.policies import label_limits
from hemadose.trials.clinic.kinetic_surrogate import Schedule
from radiobio import ctcae_grade

from .clinic_world import treated, world

LEVELS = {
    "platelets": (200.0, 90.0, 60.0, 40.0),
    "haemoglobin": (130.0, 110.0, 90.0, 70.0),
    "neutrophils": (4.0, 1.7, 1.2, 0.7),
    "leukocytes": (6.0, 3.5, 2.5, 1.5),
}


@pytest.mark.parametrize("scope", ["label", "toxicity"])
@pytest.mark.parametrize("label", ["lutathera", "pluvicto"])
def test_the_label_forgets_nothing_that_matters(label, scope):
    """Counts that a clinic no longer keeps change no decision: against the whole history."""
    n, rng = 150, np.random.default_rng(8)
    name = "DOTATATE" if label == "lutathera" else "PSMA-I&T"
    _, _, clinic = world(
        name, Schedule(), n=n, n_draws=2, label=label, label_scope=scope, drawn_lineages=()
    )
    histories, cycles = [[] for _ in range(n)], [[] for _ in range(n)]
    risk = np.where(np.arange(n) < 90, 0.004, 0.25)  # of each count to be low
    seen = set()
    for day in np.arange(0.0, 200.0, 7.0):
        worse = np.where(rng.random((4, n)) < risk, rng.integers(2, 4, (4, n)), 0)
        counts = {
            lineage: np.where(rng.random(n) < 0.03, np.nan, np.array(levels)[level])
            for (lineage, levels), level in zip(LEVELS.items(), worse, strict=True)
        }
        mask = rng.random(n) < 0.9
        clinic.record_counts(np.full(n, day), counts, mask)
        for i in np.flatnonzero(mask):
            grades = {
                lineage: int(np.nan_to_num(ctcae_grade(lineage, value[i]), nan=1.0))
                for lineage, value in counts.items()
                if np.isfinite(value[i])
            }
            histories[i].append(CountGrades(day, grades))
        treats = (rng.random(n) < 0.9) & (clinic.doses.n_given < 6) & (day % 42 == 0)
        clinic.record_cycle(treats, np.full(n, day), np.full(n, 7.4))
        for i in np.flatnonzero(treats):
            cycles[i].append(Administration(day, 7.4))
        later = np.full(n, day + 3.0)
        ours = clinic.situation(later).label
        clearance = clinic.covariates.get("creatinine_clearance_ml_per_min")
        whole = label_limits(
            label, histories, cycles=cycles, day=later, planned_activity_gbq=7.4, scope=scope,
            max_data_age_days=28.0, creatinine_clearance_ml_min=clearance,
        )  # fmt: skip
        assert ours.rule_id == whole.rule_id
        np.testing.assert_array_equal(ours.action, whole.action)
        np.testing.assert_array_equal(ours.max_activity_gbq, whole.max_activity_gbq)
        seen |= set(whole.rule_id)
    kept = sum(len(own) for own in clinic._grades)
    assert kept < 0.8 * sum(len(own) for own in histories)
    assert len(seen) >= 4


def test_lineages_that_nobody_asks_for_are_not_drawn():
    _, _, whole = treated("DOTATATE", Schedule(), n=3, cycles=1, n_draws=16)
    _, _, one = treated(
        "DOTATATE", Schedule(), n=3, cycles=1, n_draws=16, drawn_lineages=("neutrophils",)
    )
    day = np.full(3, 42.0)
    a, b = whole.situation(day), one.situation(day)
    assert [c.lineage for c in b.counts] == ["neutrophils"]
    np.testing.assert_array_equal(b.counts[0].state, a.counts[2].state)
    np.testing.assert_array_equal(b.marrow_dose_gy, a.marrow_dose_gy)
