"""Situations of made-up patients whose draws are plain to see through."""

import numpy as np
import pytest

from hemadose.planning.situation import TREAT, LabelLimits, LineageDraws, Situation
from kinetics import SumOfExponentials
from radiobio import CountParameters

RATE_PER_H = np.log(2) / 50.0
BASELINES = {"platelets": 220.0, "neutrophils": 4.0, "haemoglobin": 125.0, "leukocytes": 6.0}


def make(
    n=3,
    n_draws=16,
    seed=1,
    *,
    lineages=("platelets",),
    kill=1.0,
    marrow=1.0,
    kidney=1.0,
    cycle=2,
    day=42.0,
    last_day=0.0,
    tumour=(3.0, 2.7, 2.4),
    **fields,
):
    """A situation after one cycle; patients and draws from one generator each."""
    base, spread = [], []
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        base.append(rng.normal(0, 0.3, 3))
        spread.append(rng.normal(0, 0.25, (n_draws, 6)))
    base, spread = np.array(base)[:, None], np.array(spread)
    marrow_gy_per_gbq = marrow * 0.05 * np.exp(base[..., 0] + spread[..., 0])
    kidney_gy_per_gbq = kidney * 0.6 * np.exp(base[..., 1] + spread[..., 1])
    curve = SumOfExponentials(
        (marrow_gy_per_gbq * RATE_PER_H)[..., None], np.full((n, n_draws, 1), RATE_PER_H)
    )
    state = np.array([-0.2, 0.85, 0.85, 0.85, 0.8, 0.0]) * np.ones((n, n_draws, 6))
    kills = kill * 3.0 * np.exp(base[..., 2] + spread[..., 2])
    counts = tuple(
        LineageDraws(
            name,
            CountParameters(BASELINES[name] * np.exp(0.3 * spread[..., 3]), 444.0, 0.17, kills),
            state,
            curve.scaled(7.4 * np.exp(-RATE_PER_H * 24 * 42)),
            curve,
        )
        for name in lineages
    )
    kidney_dose = 7.4 * kidney_gy_per_gbq * (cycle - 1)
    protraction = np.full((n, n_draws), 0.06)
    values = {
        "day": np.full(n, day),
        "cycle": np.full(n, cycle),
        "last_day": np.full(n, last_day if cycle > 1 else np.nan),
        "last_gbq": np.full(n, 7.4 if cycle > 1 else np.nan),
        "marrow_gy_per_gbq": marrow_gy_per_gbq,
        "kidney_gy_per_gbq": kidney_gy_per_gbq,
        "kidney_protraction": protraction,
        "tumour_gy_per_gbq": np.array(tumour) * np.exp(spread[..., 4])[..., None],
        "marrow_dose_gy": 7.4 * marrow_gy_per_gbq * (cycle - 1),
        "kidney_dose_gy": kidney_dose,
        "kidney_bed_gy": kidney_dose * (1 + protraction * 7.4 * kidney_gy_per_gbq / 2.6),
        "tumour_dose_gy": np.full((n, n_draws), 20.0) * (cycle - 1),
        "counts": counts,
        "label": LabelLimits(np.full(n, TREAT), np.full(n, np.inf), ("none.no_rules",) * n),
        "covariates": {"clearance": np.linspace(30.0, 120.0, n)},
        "refusals": ("",) * n,
    }
    return Situation(**(values | fields))


@pytest.fixture(scope="session")
def situation():
    return make
