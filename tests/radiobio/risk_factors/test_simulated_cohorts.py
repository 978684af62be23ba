"""Cohorts of the published size: validated measures against those in new patients."""

from pathlib import Path

import numpy as np
import pytest


@pytest.mark.slow
def test_published_effects_at_140_patients(monkeypatch):
    """Twelve cohorts: the logistic model predicts new patients better than boosting."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    from benchmarks.risk_factors import simulate

    found = simulate(140, n_cohorts=12, seed=4)
    logistic, boosting = found["logistic"], found["boosting"]
    assert logistic.true["log_loss"].mean() < boosting.true["log_loss"].mean()
    assert logistic.true["scaled_brier"].mean() > boosting.true["scaled_brier"].mean()
    assert logistic.true["auc"].mean() > boosting.true["auc"].mean()
    for model in (logistic, boosting):
        gap = model.validated["auc"] - model.true["auc"]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))


@pytest.mark.slow
def test_cohorts_without_effects_show_none(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[3])
    from benchmarks.risk_factors import simulate

    found = simulate(140, n_cohorts=30, models=("logistic",), strength=0.0)["logistic"]
    assert found.validated["auc"].mean() == pytest.approx(0.5, abs=0.05)
    assert np.median(found.validated["scaled_brier"]) < 0.01
    assert found.true["auc"].mean() == pytest.approx(0.5, abs=0.01)
