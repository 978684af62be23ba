"""A trial small enough for tests, and a stand-in for the patients that takes no time."""

import pytest

from hemadose.trials.settings import TrialSettings


@pytest.fixture
def make_trial():
    """Settings of a trial of some patients and arms, with keys put in place of the usual."""

    def make(patients=30, chunk=7, arms=("usual", "adaptive", "bold"), **more):
        content = {
            "schema": 1,
            "name": "small",
            "patients": patients,
            "chunk": chunk,
            "cohort": {"name": "DOTATATE"},
            "arms": tuple({"name": name, "policy": "label"} for name in arms),
        }
        return TrialSettings.model_validate(content | more)

    return make


@pytest.fixture
def fake_chunk():
    """Rows drawn from each patient's seed; a local function, so that workers get its code."""

    def simulate(trial, patients):
        import numpy as np
        import pandas as pd

        rows = []
        for place, arm in enumerate(trial.arms):
            for patient in patients:
                rng = np.random.default_rng([trial.seed, patient])
                cycles = int(rng.integers(1, 5))
                gbq = 7.4 + place * rng.random(4)
                gbq[cycles:] = 0.0
                z = rng.standard_normal(6)
                rows.append(
                    {
                        "patient": patient,
                        "arm": arm.name,
                        "policy": arm.policy,
                        "n_cycles": cycles,
                        "activity_gbq": gbq.sum(),
                        **{f"activity_cycle_{k + 1}_gbq": gbq[k] for k in range(4)},
                        "tumour_dose_gy": gbq.sum() * np.exp(z[0]),
                        "marrow_dose_gy": 0.05 * gbq.sum() * np.exp(0.3 * z[1]),
                        "kidney_dose_gy": gbq.sum() * np.exp(0.2 * z[2]),
                        "kidney_bed_gy": 1.2 * gbq.sum() * np.exp(0.2 * z[2]),
                        "lowest_platelets": 60.0 * np.exp(0.5 * z[3]),
                        "worst_grade_platelets": float(z[3] < 0) + 2 * float(z[3] < -0.5),
                        "worst_grade_neutrophils": float(2 + (z[4] < -1)),
                        "days_grade3_platelets": max(0.0, 10 * z[3]),
                        "tolerance_gbq": 30.0 + 8 * z[5],
                        "delay_days": 14.0 * int(z[2] > 1),
                        "ended_by": "completed" if cycles == 4 else "policy",
                        "last_day": 56.0 * cycles,
                        "marrow_covered": float(z[1] < 1) if z[0] > -1.5 else np.nan,
                        "n_decisions": cycles + 1,
                        "n_refused": int(z[4] > 2),
                        "n_decided_policy": cycles,
                        "n_binding_marrow_dose": int(z[5] > 0),
                        "n_nadir_platelets": cycles,
                        "n_nadir_covered_platelets": int(cycles * rng.random()),
                    }
                )
        return pd.DataFrame(rows)

    return simulate
