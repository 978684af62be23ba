"""Coverage of the estimators' 90 % intervals on sparse radiopharmaceutical data."""

import numpy as np
import pandas as pd
import pytest

from kinetics.estimation import fit_population
from kinetics.population import Parameter, PopulationModel, lognormal, population_data
from kinetics.structures.formula_structure import formula_structure

TIMES = np.array([4.0, 24.0, 72.0, 168.0])
TRUTH = {"a": 8.0, "l": 0.015, "sd_a": 0.3, "sd_l": 0.3, "lognormal_blood": 0.1}
N_COHORTS, N_PATIENTS = 300, 40


def washout():
    """Activity in an organ: four scans, log-normal amplitude and effective rate."""
    return PopulationModel(
        formula_structure("a * exp(-l * t)", ["a", "l"]),
        {"a": Parameter(6.0, sd=0.4), "l": Parameter(0.02, sd=0.4)},
        {"blood": lognormal(0.2)},
    )


def cohort(rng, n=N_PATIENTS, sd=0.3):
    a, k = (TRUTH[name] * rng.lognormal(0, sd, (n, 1)) for name in ("a", "l"))
    y = a * np.exp(-k * TIMES) * rng.lognormal(0, TRUTH["lognormal_blood"], (n, len(TIMES)))
    return population_data(
        pd.DataFrame(
            {"subject": np.repeat(np.arange(n), len(TIMES)), "time_h": np.tile(TIMES, n),
             "value": y.ravel()}
        )
    )  # fmt: skip


def coverage(fit, *, draw, truth):
    """Share of cohorts whose interval holds the truth, by parameter."""
    rng = np.random.default_rng(20261123)
    hits = []
    for _ in range(N_COHORTS):
        result = fit(draw(rng))
        assert result.status == "ok"
        table = result.to_frame(level=0.9)
        hits.append([table.loc[n, "lower"] <= v <= table.loc[n, "upper"] for n, v in truth.items()])
    return pd.Series(np.mean(hits, axis=0), index=list(truth))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["FOCE", "FOCEI", "Laplace", "AGQ"])
def test_intervals_hold_the_truth_as_often_as_they_say(method):
    share = coverage(
        lambda data: fit_population(washout(), data, method=method, n_nodes=5),
        draw=cohort,
        truth=TRUTH,
    )
    # a share of 300 has a standard error of 1.7 %
    assert share.mean() == pytest.approx(0.90, abs=0.03)
    assert share.between(0.85, 0.95).all(), share


@pytest.mark.slow
def test_fo_intervals_are_honest_where_random_effects_are_small():
    """FO is biased by large random effects, whatever its intervals say."""
    share = coverage(
        lambda data: fit_population(washout(), data, method="FO"),
        draw=lambda rng: cohort(rng, n=80, sd=0.1),
        truth={**TRUTH, "sd_a": 0.1, "sd_l": 0.1},
    )
    assert share.between(0.85, 0.95).all(), share
